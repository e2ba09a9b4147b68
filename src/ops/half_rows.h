/*
 * A table in half the bytes (RK_F16): [rows, cols] halves (IEEE 754 binary16), then at the next
 * multiple of 64 bytes float factor[rows]. Row r is factor[r] * its halves.
 *
 * The factor is the power of two that brings the row's largest magnitude into [2^14, 2^15): nothing
 * overflows, what is 2^28 times smaller than the largest keeps all 11 bits, and a gradient of 1e-9
 * is stored as well as an embedding. It comes from the row alone, so there is nothing to remember
 * from step to step and nothing to wait for. A row that is not finite has the factor NaN.
 *
 * Shared with the kernels: nothing but the standard integer types.
 */
#ifndef RK_OPS_HALF_ROWS_H
#define RK_OPS_HALF_ROWS_H

#include <stdint.h>

#include "ops/step_state.h"

typedef uint16_t rk_half;

/* Bytes from the beginning of a table to its factors. */
RK_HOST_DEVICE static inline int64_t rk__half_factors_at(int64_t rows, int64_t cols)
{
    return (rows * cols * (int64_t)sizeof(rk_half) + 63) / 64 * 64;
}

RK_HOST_DEVICE static inline int64_t rk__half_rows_bytes(int64_t rows, int64_t cols)
{
    return rk__half_factors_at(rows, cols) + rows * (int64_t)sizeof(float);
}

RK_HOST_DEVICE static inline float *rk__half_factors(void *table, int64_t rows, int64_t cols)
{
    return (float *)(void *)((char *)table + rk__half_factors_at(rows, cols));
}

/* The bits of a float without its sign order like the magnitudes, and a NaN is above all numbers:
 * this is what the largest of a row is found by. */
enum { RK_MAGNITUDE_BITS = 0x7FFFFFFF };

/* From the bits of a row's largest magnitude the bits of its factor and of 1 / factor. Exponents
 * are biased by 127. Below 2^-112 the factor stays at the smallest normal number, 2^-126. */
RK_HOST_DEVICE static inline void rk__half_factor(uint32_t largest, uint32_t *factor,
                                                  uint32_t *inverse)
{
    uint32_t exponent = largest >> 23;
    exponent = exponent < 15 ? 15 : exponent;
    *factor = exponent == 255 ? 0x7FC00000u : (exponent - 14) << 23;
    *inverse = exponent == 255 ? 0u : (268 - exponent) << 23;
}

#endif
