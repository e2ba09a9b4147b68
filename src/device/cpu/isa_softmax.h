/*
 * The two passes between the matrix products of an attention: logits with the largest of each lane,
 * then exponentials with their sums. A tile is [n][PANEL_WIDTH], a lane is a query.
 */
#ifndef RK_DEVICE_CPU_ISA_SOFTMAX_H
#define RK_DEVICE_CPU_ISA_SOFTMAX_H

#include "device/cpu/isa.h"
#include "device/cpu/isa_vector.h"

static void logits(float *tile, int64_t n, float scale, const float *bias, float *largest)
{
    for (int v = 0; v < PANEL_WIDTH; v += LANES) {
        vec most = vec_load(largest + v);
        for (int64_t r = 0; r < n; r++) {
            float *at = tile + r * PANEL_WIDTH + v;
            vec x = vec_load(at) * scale + bias[r];
            most = vec_select(x > most, x, most);
            vec_store(at, x);
        }
        vec_store(largest + v, most);
    }
}

static void exponents(float *tile, int64_t n, const float *shift, float *sum)
{
    for (int v = 0; v < PANEL_WIDTH; v += LANES) {
        const vec down = vec_load(shift + v);
        vec even = {0}, odd = {0};
        int64_t r = 0;
        for (; r + 2 <= n; r += 2) {
            float *at = tile + r * PANEL_WIDTH + v;
            vec a = vec_exp(vec_load(at) - down), b = vec_exp(vec_load(at + PANEL_WIDTH) - down);
            vec_store(at, a);
            vec_store(at + PANEL_WIDTH, b);
            even += a;
            odd += b;
        }
        if (r < n) {
            vec a = vec_exp(vec_load(tile + r * PANEL_WIDTH + v) - down);
            vec_store(tile + r * PANEL_WIDTH + v, a);
            even += a;
        }
        vec_store(sum + v, even + odd);
    }
}

/* With e = e^-|x|: log(1 + e^x) = max(x, 0) + log(1 + e), and log(1 + e) = 2 atanh(z) with
 * z = e / (2 + e) <= 1/3, by its series, whose first left-out term is below 2e-9. */
INLINE vec vec_log_1p(vec e)
{
    const vec z = e / (e + 2.0f), q = z * z;
    vec s = (vec){0} + 1.0f / 15;
    s = s * q + 1.0f / 13;
    s = s * q + 1.0f / 11;
    s = s * q + 1.0f / 9;
    s = s * q + 1.0f / 7;
    s = s * q + 1.0f / 5;
    s = s * q + 1.0f / 3;
    s = s * q + 1.0f;
    return 2.0f * z * s;
}

INLINE vec logistic_of(vec x, float label, float factor, vec *out)
{
    const vec zero = {0}, one = zero + 1.0f;
    const lanes_i32 is_below = x < zero;
    const vec e = vec_exp(vec_select(is_below, x, -x));
    const vec sigmoid = vec_select(is_below, e, one) / (one + e);
    *out = factor * (sigmoid - label);
    return (vec_select(is_below, zero, x) - label * x) + vec_log_1p(e);
}

/* Sums of so many vectors are in float; those are added in double. */
static double logistic(const float *x, int64_t n, float label, float factor, float *out)
{
    enum { TOGETHER = 16 };
    double sum = 0;
    int64_t i = 0;
    while (i + LANES <= n) {
        vec some = {0}, y;
        for (int k = 0; k < TOGETHER && i + LANES <= n; k++, i += LANES) {
            some += logistic_of(vec_load(x + i), label, factor, &y);
            vec_store(out + i, y);
        }
        sum += (double)vec_sum(some);
    }
    if (i < n) {
        float rest[LANES] = {0}, made[LANES];
        vec y;
        for (int64_t j = i; j < n; j++) {
            rest[j - i] = x[j];
        }
        const vec value = logistic_of(vec_load(rest), label, factor, &y);
        float values[LANES];
        vec_store(made, y);
        vec_store(values, value);
        for (int64_t j = i; j < n; j++) {
            out[j] = made[j - i];
            sum += (double)values[j - i];
        }
    }
    return sum;
}

#endif
