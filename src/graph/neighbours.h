/*
 * The nearest items of each item by the number of common users, for item-item models.
 *
 * G = R^T R counts the users that two items have in common; the diagonal counts an item's own
 * users. No row of G is kept: it is counted and weighted, and its K best items are taken.
 */
#ifndef RK_GRAPH_NEIGHBOURS_H
#define RK_GRAPH_NEIGHBOURS_H

#include <stdbool.h>

#include "graph/graph.h"

/* Two items; [0] is the one whose neighbours are looked for. */
typedef struct rk_item_pair {
    double together; /* G_ij: users who have both, above 0 */
    double users[2]; /* G_ii, G_jj */
    double total[2]; /* g_i, g_j: sum of G over the item's row, diagonal included */
} rk_item_pair;

/* How near the second item is to the first; an item is a neighbour only if this is above 0. */
typedef double rk_item_weight(const rk_item_pair *pair);

typedef struct rk_neighbours {
    int64_t n_items, k;
    int32_t *node; /* [n_items, k]: n_users + item, nearest first; -1 = there are no more; owned */
    float *weight; /* [n_items, k]: 0 where node is -1; owned */
} rk_neighbours;

/* Finds for each item the k items of the largest weight, as a float; ties to the smaller item.
 * with_self: an item may be its own neighbour. Threads do not change the result. Time: the sum over
 * users of degree^2; memory besides the result: 8 bytes per item and thread. RK_ERR_MEMORY when it
 * does not fit. Free with rk__neighbours_free. */
rk_status rk__neighbours_build(rk_neighbours *out, const rk_graph *graph, int64_t k, bool with_self,
                               rk_item_weight *weight);

/* A zeroed or freed one is fine. */
void rk__neighbours_free(rk_neighbours *neighbours);

/* omega of Mao et al., "UltraGCN", CIKM 2021, in the form of the authors' program, which produced
 * their numbers (https://github.com/xue-pai/UltraGCN):
 *   G_ij sqrt(g_i + 1) / g_i / sqrt(g_j + 1), with the diagonal of G in g and among the neighbours.
 * The paper prints G_ij / (g_i - G_ii) sqrt(g_i / g_j). */
double rk__item_weight_ultragcn(const rk_item_pair *pair);

#endif
