/*
 * One coordinate of SLIM, shared by the host and kernels. For an item j the weights w minimise
 *   1/2 |x_j - X w|^2 + l2/2 |w|^2 + l1 |w|_1,   w_j = 0, and w >= 0 unless has_negative
 * (Ning, Karypis: SLIM, ICDM 2011; Friedman, Hastie, Tibshirani, J. Stat. Softw. 33, 2010). With
 * r = x_j - X w and n the users of item k, its coordinate is best at
 *   soft(x_k r + n w_k, l1) / (n + l2).
 */
#ifndef RK_OPS_SLIM_STEP_H
#define RK_OPS_SLIM_STEP_H

#include <math.h>

#include "ops/node.h"

/* The best weight; product = x_k r. */
RK_HOST_DEVICE static inline float rk__slim_weight(const rk_slim_attr *a, double product, int64_t n,
                                                   float before)
{
    double at = product + (double)n * (double)before, size = fabs(at) - a->l1;
    if (size <= 0 || (at < 0 && !a->has_negative)) {
        return 0;
    }
    return (float)((at < 0 ? -size : size) / ((double)n + a->l2));
}

/* Twice what the objective loses by such a change. */
RK_HOST_DEVICE static inline double rk__slim_gain(const rk_slim_attr *a, int64_t n, float change)
{
    return ((double)n + a->l2) * (double)change * (double)change;
}

/* Would an item without weight take a step that counts? size = |x_j|^2. */
RK_HOST_DEVICE static inline bool rk__slim_wants(const rk_slim_attr *a, double product, int64_t n,
                                                 double size)
{
    return rk__slim_gain(a, n, rk__slim_weight(a, product, n, 0)) > a->tolerance * size;
}

#endif
