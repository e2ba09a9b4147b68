/*
 * Draws from a power law in integer arithmetic, the same on every machine.
 *
 * The generated data set must have the same bytes everywhere, but libm's pow and the rounding of
 * fused multiply-adds differ between machines, so logarithm and power are computed in fixed point.
 */
#ifndef RK_DATA_POWER_LAW_H
#define RK_DATA_POWER_LAW_H

#include <stdint.h>

#include "base/error.h"

enum { RK_FIXED_BITS = 32 };

/* log2(n), n >= 1, in 1/2^32; the error is below 2^-31. */
uint64_t rk__fixed_log2(uint64_t n);

/* 2^-y; y and the result in 1/2^32, the result at least 1/2^32. */
uint64_t rk__fixed_exp2_minus(uint64_t y);

/* rank^-exponent, rank >= 1; exponent and result in 1/2^32, the result at least 1/2^32. */
uint64_t rk__fixed_power(uint64_t rank, uint64_t exponent);

/* Indices 0..n-1 drawn with given weights: the guide table of Chen and Asau ("On generating random
 * variates from an empirical distribution", AIIE Transactions 6, 1974), about one step per draw. */
typedef struct rk_draw_table {
    int64_t n;
    uint64_t *ends; /* n, running sums of the weights; owned */
    int32_t *guide; /* [k]: the index that k * 2^guide_shift falls in; owned */
    int guide_shift;
} rk_draw_table;

/* weights: n in (0, 2^31), each at most 2^32. */
rk_status rk__draw_table_create(rk_draw_table *table, const uint64_t *weights, int64_t n);
void rk__draw_table_free(rk_draw_table *table); /* a zeroed one is fine */

/* The index that `at` falls in; at must be below the sum of all weights. */
static inline int64_t rk__draw_table_find(const rk_draw_table *table, uint64_t at)
{
    int64_t i = table->guide[at >> table->guide_shift];
    while (table->ends[i] <= at) {
        i++;
    }
    return i;
}

#endif
