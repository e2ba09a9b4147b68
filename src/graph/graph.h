/*
 * The bipartite graph of users and items as one CSR over all nodes, built by counting sort.
 *
 * Node u in [0, n_users) is a user, node n_users + i an item. Row offsets are 64-bit, column ids
 * 32-bit node ids, ascending in each row. The symmetric normalisation D^-1/2 A D^-1/2 stores no
 * values: scale[n] = 1 / sqrt(degree of n), 0 for an isolated node, and the weight of an edge is
 * scale[row] * scale[column].
 */
#ifndef RK_GRAPH_GRAPH_H
#define RK_GRAPH_GRAPH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef struct rk_graph {
    int64_t n_users, n_items, n_nodes;
    int64_t n_edges;  /* user-item pairs; the CSR holds each twice */
    int64_t *offsets; /* n_nodes + 1, owned */
    int32_t *columns; /* 2 * n_edges, owned */
    float *scale;     /* n_nodes, owned */
    bool is_lent;     /* a view: the arrays are another graph's, and only read */
} rk_graph;

/* Builds the graph from n_edges pairs in any order, without duplicates; the arrays are only read.
 * Threads do not change the result. Peak memory: the result plus 8 bytes per node. Free with
 * rk__graph_free. */
rk_status rk__graph_build(rk_graph *out, const int32_t *users, const int32_t *items,
                          int64_t n_edges, int64_t n_users, int64_t n_items);

/* The same from one list per user (a data set's train part). */
rk_status rk__graph_build_lists(rk_graph *out, const int64_t *offsets, const int32_t *items,
                                int64_t n_users, int64_t n_items);

/* The same graph for one more reader, who frees it as any other; it must not outlive `graph`. */
rk_graph rk__graph_view(const rk_graph *graph);

/* A zeroed or freed graph is fine. */
void rk__graph_free(rk_graph *graph);

/* out: float [n_nodes], degree^exponent; 0 for a node without edges. */
void rk__graph_degree_power(const rk_graph *graph, double exponent, float *out);

static inline int64_t rk__graph_degree(const rk_graph *g, int64_t node)
{
    return g->offsets[node + 1] - g->offsets[node];
}

#endif
