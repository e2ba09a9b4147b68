/*
 * A table in half the bytes (RK_F16): [rows, cols] halves (IEEE 754 binary16), then at the next
 * multiple of 64 bytes uint8_t exponent[rows], in all a multiple of 4 bytes. Row r is its factor,
 * 2^(exponent[r] - 127), times its halves. A propagation gathers an exponent for each edge: as
 * bytes, those of a hundred thousand rows stay in a first-level cache.
 *
 * The factor is the power of two that brings the row's largest magnitude into [2^14, 2^15): nothing
 * overflows, what is 2^28 times smaller than the largest keeps all 11 bits, and a gradient of 1e-9
 * is stored as well as an embedding. It comes from the row alone, so there is nothing to remember
 * from step to step and nothing to wait for. A row that is not finite has the exponent 255, which
 * stands for the factor NaN.
 *
 * Shared with the kernels: nothing but the standard integer types.
 */
#ifndef RK_OPS_HALF_ROWS_H
#define RK_OPS_HALF_ROWS_H

#include <stdint.h>

#include "ops/step_state.h"

typedef uint16_t rk_half;

/* Bytes from the beginning of a table to its exponents. */
RK_HOST_DEVICE static inline int64_t rk__half_exponents_at(int64_t rows, int64_t cols)
{
    return (rows * cols * (int64_t)sizeof(rk_half) + 63) / 64 * 64;
}

RK_HOST_DEVICE static inline int64_t rk__half_rows_bytes(int64_t rows, int64_t cols)
{
    return rk__half_exponents_at(rows, cols) + (rows + 3) / 4 * 4;
}

RK_HOST_DEVICE static inline uint8_t *rk__half_exponents(void *table, int64_t rows, int64_t cols)
{
    return (uint8_t *)table + rk__half_exponents_at(rows, cols);
}

/* The bits of a float without its sign order like the magnitudes, and a NaN is above all numbers:
 * this is what the largest of a row is found by. */
enum { RK_MAGNITUDE_BITS = 0x7FFFFFFF };

/* From the bits of a row's largest magnitude its exponent, and the bits of 1 / factor. Below 2^-112
 * the factor stays at the smallest normal number, 2^-126. */
RK_HOST_DEVICE static inline uint8_t rk__half_exponent(uint32_t largest, uint32_t *inverse)
{
    uint32_t exponent = largest >> 23;
    exponent = exponent < 15 ? 15 : exponent;
    *inverse = exponent == 255 ? 0u : (268 - exponent) << 23;
    return (uint8_t)(exponent == 255 ? 255 : exponent - 14);
}

/* The bits of the factor. (Without a choice: a loop over rows is then one of vectors.) */
RK_HOST_DEVICE static inline uint32_t rk__half_factor(uint8_t exponent)
{
    return (uint32_t)exponent << 23 | (uint32_t)(exponent == 255) << 22;
}

#endif
