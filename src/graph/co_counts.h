/*
 * What the nodes of one side of a bipartite relation have in common: for each node the others that
 * share a neighbour with it, weighted.
 *
 * graph/neighbours.h finds nearest items for models, in the graph that they are fitted to; this is
 * for relations that are stored: either side, times of edges, all neighbours if wanted.
 */
#ifndef RK_GRAPH_CO_COUNTS_H
#define RK_GRAPH_CO_COUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef enum rk_co_weight {
    RK_CO_COUNT,      /* n_ij, the neighbours that both have */
    RK_CO_TIME_DECAY, /* n_ij / (1 + mean over those of |t_i - t_j| / 86400) */
    RK_CO_WALK,       /* sum over those of 1 / (d_i d_u): a random step there and back */
} rk_co_weight;

typedef struct rk_co_rule {
    rk_co_weight weight;
    int64_t k; /* edges kept of each node: the largest weights, ties to the first nodes; 0 = all */
    bool with_self;
    bool (*should_stop)(void *user); /* asked now and then on the calling thread; NULL = never */
    void *user;
} rk_co_rule;

/* Lists of neighbours, one a node; lent. */
typedef struct rk_co_input {
    int64_t n_nodes, n_others;
    const int64_t *offsets; /* n_nodes + 1 */
    const int32_t *columns; /* ascending in each row and distinct */
    const double *times;    /* as columns; NULL unless weights ask for them */
} rk_co_input;

/* Lists of nodes, ascending in each row. */
typedef struct rk_co_lists {
    int64_t *offsets; /* n_nodes + 1, owned */
    int32_t *columns; /* owned */
    float *weights;   /* owned */
} rk_co_lists;

/* Threads do not change the result: each row is summed in the order of the lists, in double. Time:
 * twice the sum over the other side of degree^2; memory besides the result: the lists transposed,
 * and 20 bytes per node and thread. RK_ERR_INTERRUPTED if the caller
 * wants to stop. Free with rk__co_lists_free. */
rk_status rk__co_counts(rk_co_lists *out, const rk_co_input *in, rk_co_rule rule);

/* A zeroed one is fine. */
void rk__co_lists_free(rk_co_lists *lists);

#endif
