/*
 * Random columns of a basis: pure functions of (seed, stream, element), shared by the host and
 * kernels.
 */
#ifndef RK_OPS_BASIS_DRAW_H
#define RK_OPS_BASIS_DRAW_H

#include "base/philox.h"

/* Standard normal. */
RK_SHARED float rk__basis_draw(uint64_t seed, int32_t stream, int64_t element)
{
    float pair[2];
    rk_words w = rk__philox(seed, RK_PURPOSE_BASIS, (uint64_t)stream, (uint64_t)element, 0);
    rk__normal2(w.v[0], w.v[1], pair);
    return pair[0];
}

/*
 * Which columns of a block depend on those before them, by the pivot of the Cholesky factor: what
 * is left of the square of a column's length. One that may be drawn anew does where the rest is
 * lost in the rounding of floats. One that may not was of unit length before other vectors were
 * taken out of it, and must be near that still: what is left of a shorter one is not orthogonal to
 * those.
 */
#define RK_BASIS_ROUNDING 1e-6
#define RK_BASIS_SHORT 0.25
RK_SHARED double rk__basis_least_pivot(double square, int fills)
{
    const double relative = RK_BASIS_ROUNDING * square;
    return !fills ? RK_BASIS_SHORT : relative > 1e-30 ? relative : 1e-30;
}

#endif
