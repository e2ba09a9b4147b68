/* Functions of one number and their derivatives by their results, shared by the host and kernels.
 * NaN stays NaN. */
#ifndef RK_OPS_ACTIVATION_H
#define RK_OPS_ACTIVATION_H

#include <math.h>

#include "base/choices.h"
#include "ops/step_state.h"

RK_HOST_DEVICE static inline float rk__activation(int32_t kind, float slope, float x)
{
    switch (kind) {
    case RK_ACTIVATION_RELU:
        return x <= 0.0f ? 0.0f : x;
    case RK_ACTIVATION_LEAKY_RELU:
        return x <= 0.0f ? slope * x : x;
    case RK_ACTIVATION_ELU:
        return x <= 0.0f ? slope * expm1f(x) : x;
    case RK_ACTIVATION_TANH:
        return tanhf(x);
    default:
        return 1.0f / (1.0f + expf(-x));
    }
}

/* y: what the function gave. */
RK_HOST_DEVICE static inline float rk__activation_slope(int32_t kind, float slope, float y)
{
    switch (kind) {
    case RK_ACTIVATION_RELU:
        return y > 0.0f ? 1.0f : 0.0f;
    case RK_ACTIVATION_LEAKY_RELU:
        return y > 0.0f ? 1.0f : slope;
    case RK_ACTIVATION_ELU:
        return y > 0.0f ? 1.0f : y + slope;
    case RK_ACTIVATION_TANH:
        return 1.0f - y * y;
    default:
        return y * (1.0f - y);
    }
}

#endif
