/* Normalisation of a column by its mean and variance, shared by the host and kernels. */
#ifndef RK_OPS_NORMALISE_H
#define RK_OPS_NORMALISE_H

#include <math.h>

#include "ops/step_state.h"

/* Added to variances, so that a column of equal numbers becomes zeros. */
#define RK_NORMALISE_EPSILON 1e-5

RK_HOST_DEVICE static inline double rk__inverse_deviation(double variance)
{
    return 1.0 / sqrt(variance + RK_NORMALISE_EPSILON);
}

/* The difference in double: it loses nothing where the mean is far from 0. */
RK_HOST_DEVICE static inline float rk__normalised(float x, double mean, double inverse)
{
    return (float)(((double)x - mean) * inverse);
}

/* The derivative by x of a loss whose derivative by y is g: y = gain * n + shift, n = what x
 * became. scale: gain / deviation; mean_g, mean_gn: means over the column of g and of g n. */
RK_HOST_DEVICE static inline float rk__normalised_grad(float g, float n, float scale, double mean_g,
                                                       double mean_gn)
{
    return scale * (float)((double)g - mean_g - (double)n * mean_gn);
}

#endif
