/*
 * Orders in which a propagation goes through the rows of a graph. It sums each row over its
 * neighbours, so rows with the same neighbours, one soon after the other, find them in a cache.
 *
 * An order is a schedule and nothing more: no node gets another number and no sum another order of
 * its terms, so that results, draws, ties and files are the same bits whatever the order is.
 */
#ifndef RK_GRAPH_ORDER_H
#define RK_GRAPH_ORDER_H

#include <stdint.h>

#include "base/error.h"

/* A symmetric CSR: row v has the columns from offsets[v] to offsets[v + 1] - 1. Lent. */
typedef struct rk_adjacency {
    const int64_t *offsets; /* n + 1 */
    const int32_t *columns;
    int64_t n;       /* of all nodes */
    int64_t n_users; /* nodes below are one side of it, from there on the other */
} rk_adjacency;

/* Looks at every edge at most so many times. */
enum { RK_ORDER_SWEEPS = 6 };

/* Who watches: look is called, by the caller's thread, each time that some ten thousand edges
 * more were gone through, and after every sweep; a status other than RK_OK ends the work with it.
 * The same graph gives the same calls. */
typedef struct rk_order_watch {
    rk_status (*look)(void *self, int64_t edges);
    void *self;
} rk_order_watch;

/* graph.order cluster: nodes of a cluster one after the other. out: int32 [n], every node once,
 * first the users, then the others, for what is gathered at a time is one side's table. The same
 * graph gives the same order. watch may be NULL. *out_inside, unless NULL: the share of edges
 * between two nodes of a cluster, as the last sweep saw them. Peak memory: 16 bytes a node beside
 * out. */
rk_status rk__order_rows(const rk_adjacency *rows, const rk_order_watch *watch, int32_t *out,
                         double *out_inside);

#endif
