/*
 * Several relations over one set of nodes as one undirected graph, for propagation.
 *
 * Each relation is a symmetric matrix A_r, and the graph is their sum, A = sum_r w_r A_r: a pair of
 * nodes that several relations join has several entries, one after the other. As in graph.h the
 * symmetric normalisation is a scale of the nodes, here 1 / sqrt of the sum of their weights.
 */
#ifndef RK_GRAPH_JOINED_H
#define RK_GRAPH_JOINED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* A relation to join: lists of edges; lent. */
typedef struct rk_joined_part {
    int64_t from, n_from;   /* the lists are of the nodes [from, from + n_from) */
    int64_t to;             /* what is added to a column */
    const int64_t *offsets; /* n_from + 1 */
    const int32_t *columns; /* in each list ascending and distinct */
    const float *weights;   /* beside the columns, not negative; NULL = 1 */
    double weight;          /* w_r, not negative; with 0 the relation is left out */
    /* Both ends are of one type, so that an edge may be said from either end: it counts once, with
     * the larger of the two weights. */
    bool is_within;
} rk_joined_part;

typedef struct rk_joined {
    int64_t n_nodes, n_entries; /* an edge has two entries, one that ends where it begins has one */
    int64_t *offsets;           /* n_nodes + 1, owned */
    int32_t *columns;           /* n_entries, ascending in each row, not always distinct; owned */
    float *weights;             /* n_entries, owned; NULL = all are 1 */
    float *scale;               /* n_nodes, 0 for a node without weight; owned */
} rk_joined;

/* Time and memory are a small multiple of the result's. RK_ERR_DATA for more nodes than fit into 32
 * bits, or a negative weight. Free with rk__joined_free. */
rk_status rk__joined_build(rk_joined *out, int64_t n_nodes, const rk_joined_part *parts, int n);

/* A zeroed one is fine. */
void rk__joined_free(rk_joined *joined);

#endif
