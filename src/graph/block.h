/*
 * A block: the edges of one or several relations between rows and columns as a rectangular CSR with
 * optional weights and types, and its transpose, which sums over edges need for their gradients.
 *
 * Row v has the edges from offsets[v] to offsets[v + 1] - 1; edge e goes to the column columns[e].
 * In a row edges ascend by type and then by column, so that those of a type lie together. Column u
 * has the places back_offsets[u] to back_offsets[u + 1] - 1 of the transpose: at place k the row is
 * back_columns[k], and back_edges[k] is the number of the edge; they ascend likewise. Edges between
 * the same row and column may be several, e.g. of several relations.
 */
#ifndef RK_GRAPH_BLOCK_H
#define RK_GRAPH_BLOCK_H

#include <stdbool.h>

#include "graph/graph.h"

typedef struct rk_block {
    int64_t n_rows, n_columns;
    int64_t n_edges;  /* at most INT32_MAX */
    int64_t n_types;  /* types are 0 .. n_types - 1; 0 = edges have none */
    bool has_loops;   /* the last type is that of edges from a node to itself, in no direction */
    int64_t *offsets; /* n_rows + 1; all arrays are owned */
    int32_t *columns; /* n_edges */
    float *weights;   /* n_edges, in the order of the edges; NULL = all 1 */
    int32_t *types;   /* n_edges; NULL = none */
    /* Of a symmetric block without types the first two are NULL: they equal those above. */
    int64_t *back_offsets; /* n_columns + 1 */
    int32_t *back_columns; /* n_edges */
    int32_t *back_edges;   /* n_edges */
} rk_block;

/* Edges in any order; the arrays are only read. */
typedef struct rk_block_edges {
    int64_t n_rows, n_columns, n_edges, n_types;
    const int32_t *rows, *columns;
    const float *weights; /* NULL = 1 */
    const int32_t *types; /* NULL = none, and n_types is 0 */
} rk_block_edges;

/* Builds the block by counting sort; edges that agree in type, row and column stay in their order.
 * RK_ERR_DATA for an edge outside of the block, or more than INT32_MAX of them. Free with
 * rk__block_free. */
rk_status rk__block_build(rk_block *out, const rk_block_edges *edges);

/* The symmetric block of the user-item graph, without weights: rows and columns are all nodes. Edge
 * numbers are those of the graph: the k-th item in a user's row is edge offsets[user] + k. */
rk_status rk__block_of_interactions(rk_block *out, const rk_graph *graph);

/* How rows of a block are normalised. */
typedef enum rk_block_norm {
    RK_BLOCK_AS_IS,
    RK_BLOCK_SYMMETRIC, /* weight / sqrt(weights of the row * weights of the column) */
    RK_BLOCK_MEAN,      /* weight / weights of the row */
} rk_block_norm;

/* What the sums of weights are over: all edges; those of the edge's type; those of the types that
 * are even or odd as it is (forward and backward). */
typedef enum rk_block_scope {
    RK_BLOCK_OF_ALL,
    RK_BLOCK_OF_TYPE,
    RK_BLOCK_OF_DIRECTION,
} rk_block_scope;

/* Multiplies the weights accordingly; a sum of 0 gives weights of 0. */
rk_status rk__block_normalise(rk_block *block, rk_block_norm norm, rk_block_scope scope);

/* A zeroed or freed block is fine. */
void rk__block_free(rk_block *block);

#endif
