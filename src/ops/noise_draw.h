/*
 * The noise of perturbed embeddings: uniform numbers as pure functions of (seed, step, view, layer,
 * node, column), shared by the host and kernels. Four columns come from one draw.
 */
#ifndef RK_OPS_NOISE_DRAW_H
#define RK_OPS_NOISE_DRAW_H

#include "base/philox.h"

/* Columns 4 group .. 4 group + 3 of a node's row of d, in [0, 1). */
RK_SHARED void rk__noise4(uint64_t seed, int64_t step, int32_t view, int32_t layer, int64_t node,
                          int64_t d, int64_t group, float out[4])
{
    const rk_words w =
        rk__philox(seed, RK_PURPOSE_NOISE, (uint64_t)step, (uint64_t)(node * ((d + 3) / 4) + group),
                   (uint32_t)(16 * view + layer));
    for (int j = 0; j < 4; j++) {
        out[j] = rk__uniform(w.v[j]);
    }
}

#endif
