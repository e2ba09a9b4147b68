/* rk_ranker.stand for rankings whose scores the host has. */
#ifndef RK_EVAL_STAND_BY_SCORES_H
#define RK_EVAL_STAND_BY_SCORES_H

#include "eval/evaluate.h"

/* Where n items stand by scores [n_items] among those that the user does not have in the parts of
 * `left_out`; has: by rk_part. -INFINITY: never ranked. */
typedef struct rk_stand_among {
    const float *scores;
    int64_t n_items;
    const rk_lists *const *has;
    unsigned left_out;
    int64_t user;
} rk_stand_among;
void rk__stand_by_scores(const rk_stand_among *among, const int32_t *items, int64_t n,
                         int32_t *above, int32_t *tied);

#endif
