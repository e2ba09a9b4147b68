/*
 * Vectors of floats as wide as the instruction set of the present compilation (see isa.h).
 *
 * The vector extensions of gcc and clang do what intrinsics would, on any processor; a * b + c
 * becomes one fused instruction where the set has it (-ffp-contract=fast).
 */
#ifndef RK_DEVICE_CPU_ISA_VECTOR_H
#define RK_DEVICE_CPU_ISA_VECTOR_H

#include <stdint.h>

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX2__)
#define LANES 8
#else
#define LANES 4
#endif

/* Rows of d floats start anywhere, so loads and stores go through the unaligned twin. */
typedef float vec __attribute__((vector_size(4 * LANES)));
typedef float vec_unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE vec vec_load(const float *p)
{
    return *(const vec_unaligned *)p;
}

INLINE void vec_store(float *p, vec v)
{
    *(vec_unaligned *)p = v;
}

/* The sum of the lanes in a fixed tree order. */
INLINE float vec_sum(vec v)
{
    float lane[LANES];
    vec_store(lane, v);
    for (int width = LANES / 2; width > 0; width /= 2) {
        for (int i = 0; i < width; i++) {
            lane[i] += lane[i + width];
        }
    }
    return lane[0];
}

#endif
