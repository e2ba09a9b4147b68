/*
 * Initial values of parameters: pure functions of (seed, parameter number, element), shared by the
 * host and kernels. Four elements come from one draw.
 */
#ifndef RK_OPS_INIT_DRAW_H
#define RK_OPS_INIT_DRAW_H

#include "base/choices.h"
#include "base/philox.h"

/* Elements 4 group .. 4 group + 3 with unit scale: standard normal, uniform in [-1, 1), or one.
 * kind: RK_INIT_*. */
RK_SHARED void rk__init_unit4(int32_t kind, uint64_t seed, int32_t number, int64_t group,
                              float out[4])
{
    if (kind == RK_INIT_CONSTANT) {
        out[0] = out[1] = out[2] = out[3] = 1;
        return;
    }
    rk_words w = rk__philox(seed, RK_PURPOSE_INIT, (uint64_t)number, (uint64_t)group, 0);
    if (kind == RK_INIT_NORMAL || kind == RK_INIT_XAVIER_NORMAL) {
        rk__normal2(w.v[0], w.v[1], out);
        rk__normal2(w.v[2], w.v[3], out + 2);
        return;
    }
    for (int j = 0; j < 4; j++) {
        out[j] = 2 * rk__uniform(w.v[j]) - 1;
    }
}

#endif
