/* Dropout (ops/dropout_draw.h) of a row: a loop that the compiler makes vectors of. */
#ifndef RK_DEVICE_CPU_ISA_DROPOUT_H
#define RK_DEVICE_CPU_ISA_DROPOUT_H

#include "device/cpu/isa.h"
#include "ops/dropout_draw.h"

static void drop(const rk_dropout_draw *draw, int64_t first, const float *x, int64_t n, float *y)
{
    const uint64_t key = draw->key;
    const uint32_t threshold = draw->threshold;
    const float factor = draw->factor;
    for (int64_t i = 0; i < n; i++) {
        y[i] = x[i] * rk__dropout_factor(key, threshold, factor, first + i);
    }
}

#endif
