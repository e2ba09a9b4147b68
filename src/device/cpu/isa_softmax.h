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

#endif
