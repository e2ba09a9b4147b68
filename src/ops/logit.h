/*
 * The logit of what does not count, shared by the host and kernels: finite, so that a check for
 * infinities finds errors only, and so small that no sum of real logits comes near it.
 */
#ifndef RK_OPS_LOGIT_H
#define RK_OPS_LOGIT_H

#include "ops/step_state.h"

#define RK_NO_LOGIT (-1e30f)

RK_HOST_DEVICE static inline int rk__is_logit(float x)
{
    return !(x < 0.1f * RK_NO_LOGIT); /* a NaN is one: it must be seen in the loss */
}

#endif
