/*
 * Ranking by traces: what a user has in other relations from users to items (views, carts) comes
 * first. It needs no training, and where people leave traces before they act it beats most models:
 * whoever reads a result should see it beside.
 *
 * Items that the user has in more relations come before those in fewer; of as many relations those
 * of the ones that are named first; then the more popular, then the smaller id. Items without a
 * trace follow by popularity. Derived relations count nothing, and of many relations the first 8.
 */
#ifndef RK_EVAL_TRACE_H
#define RK_EVAL_TRACE_H

#include "eval/popularity.h"
#include "rankine/sides.h"

enum { RK_MOST_TRACES = 8 };

typedef struct rk_trace {
    const rk_popularity *popularity; /* lent */
    const rk_relation *relations[RK_MOST_TRACES];
    int n; /* relations; 0 = there is nothing to go by */
    /* 2^n: the place of a set of relations among all sets, 0 of the empty one. */
    int16_t level[1 << RK_MOST_TRACES];
    float
        *by_count; /* n_items: place of the train interactions among those that there are; owned */
    int64_t n_counts;
} rk_trace;

rk_status rk__trace_init(rk_trace *out, const rk_popularity *popularity);
rk_ranker rk__trace_ranker(rk_trace *trace);
void rk__trace_free(rk_trace *trace);

/* Is this a relation that users leave traces in: read, from users to items? */
bool rk__relation_is_trace(const rk_relation *relation);
/* The same, or read from items to users: does it say who had what? */
bool rk__relation_has_pairs(const rk_relation *relation);
/* Does the user have the item there? Of those. */
bool rk__relation_has(const rk_relation *relation, int64_t user, int32_t item);

#endif
