/*
 * The place of a score among all scores of a query, shared by the host and kernels. Scores are
 * sorted by keys that ascend with them; those that tie share the middle of their places.
 */
#ifndef RK_OPS_SCORE_RANK_H
#define RK_OPS_SCORE_RANK_H

#include <stdint.h>

#include "ops/node.h"
#include "ops/step_state.h"

/* Of the bits of a float that is a number: ascends with it, and -0 is 0. */
RK_HOST_DEVICE static inline uint32_t rk__score_key(uint32_t bits)
{
    bits = bits == 0x80000000u ? 0 : bits;
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

/* Of n sorted scores those in [first, end) are as large as this one. */
RK_HOST_DEVICE static inline float rk__score_rank(const rk_rank_attr *a, int64_t first, int64_t end,
                                                  int64_t n)
{
    const double below = 0.5 * (double)(first + end - 1); /* scores that are smaller */
    if (a->offset > 0) {
        return (float)(a->offset / (a->offset + ((double)n - below)));
    }
    return n > 1 ? (float)(below / (double)(n - 1)) : 0.5f;
}

#endif
