/*
 * The Gram matrix of one side of the graph: C = R^T R, where R is the normalised adjacency between
 * the other side (rows) and this one (columns). models/lightgcn_gram.c says what it is used for.
 */
#ifndef RK_GRAPH_GRAM_H
#define RK_GRAPH_GRAM_H

#include "graph/graph.h"

/* C[i][j] = sum over the common neighbours l of the nodes first + i and first + j of
 * 1 / (sqrt(deg i) sqrt(deg j) deg l), float [n,n], exactly symmetric; [first, first + n) are all
 * users or all items. Summed in double in the order of l, so threads do not change a bit. Time: the
 * sum over the other side of degree^2 / 2. RK_ERR_MEMORY when it does not fit. Free *out with
 * rk__free. */
rk_status rk__gram_build(float **out, const rk_graph *graph, int64_t first, int64_t n);

#endif
