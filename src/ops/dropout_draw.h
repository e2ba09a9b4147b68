/*
 * Which elements of a table a dropout keeps: uniform numbers as pure functions of (seed, step,
 * layer, row, column), shared by the host and kernels. Four columns come from one draw.
 */
#ifndef RK_OPS_DROPOUT_DRAW_H
#define RK_OPS_DROPOUT_DRAW_H

#include "base/philox.h"

/* factors[j]: 0 where column 4 group + j of a row of d is dropped, else 1 / (1 - ratio). */
RK_SHARED void rk__dropout4(uint64_t seed, int64_t step, int32_t layer, int64_t row, int64_t d,
                            int64_t group, float ratio, float factors[4])
{
    const rk_words w = rk__philox(seed, RK_PURPOSE_DROPOUT, (uint64_t)step,
                                  (uint64_t)(row * ((d + 3) / 4) + group), (uint32_t)layer);
    for (int j = 0; j < 4; j++) {
        factors[j] = rk__uniform(w.v[j]) < ratio ? 0.0f : 1.0f / (1.0f - ratio);
    }
}

#endif
