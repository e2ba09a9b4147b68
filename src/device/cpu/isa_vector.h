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

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define HAS_SHUFFLE 1
#endif
#endif

/* The sum of the lanes in a fixed tree order, the upper half onto the lower one and so on; in
 * registers where the compiler can, since the way through memory takes longer than the sum. */
INLINE float vec_sum(vec v)
{
#if !defined(HAS_SHUFFLE)
    float lane[LANES];
    vec_store(lane, v);
    for (int width = LANES / 2; width > 0; width /= 2) {
        for (int i = 0; i < width; i++) {
            lane[i] += lane[i + width];
        }
    }
    return lane[0];
#else
#if LANES == 16
    v += __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
    v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
    v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    v += __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
#elif LANES == 8
    v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3);
    v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5);
    v += __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6);
#else
    v += __builtin_shufflevector(v, v, 2, 3, 0, 1);
    v += __builtin_shufflevector(v, v, 1, 0, 3, 2);
#endif
    return v[0];
#endif
}

typedef int32_t lanes_i32 __attribute__((vector_size(4 * LANES)));

/* where ? a : b, lane by lane; `where` is all ones or zeros. */
INLINE vec vec_select(lanes_i32 where, vec a, vec b)
{
    return (vec)((where & (lanes_i32)a) | (~where & (lanes_i32)b));
}

/* e^x for x <= 88, within 2 units in the last place; 0 below -87, NaN stays NaN. e^x = 2^n e^r with
 * |r| <= ln 2 / 2, and e^r by its Taylor series, whose first left-out term is below 6e-9. */
INLINE vec vec_exp(vec x)
{
    const vec lowest = (vec){0} - 87.0f, magic = (vec){0} + 0x1.8p23f;
    lanes_i32 is_low = x < lowest;
    vec y = vec_select(is_low, lowest, x);
    vec whole = y * 0x1.715476p+0f + magic; /* the integer nearest y / ln 2 in the low bits */
    lanes_i32 n = (lanes_i32)whole - (lanes_i32)magic;
    whole -= magic;
    vec r = (y - whole * 0x1.62ep-1f) - whole * 0x1.0bfbe8p-15f; /* ln 2 in two parts */
    vec e = (vec){0} + 1.0f / 5040;
    e = e * r + 1.0f / 720;
    e = e * r + 1.0f / 120;
    e = e * r + 1.0f / 24;
    e = e * r + 1.0f / 6;
    e = e * r + 0.5f;
    e = e * r + 1.0f;
    e = e * r + 1.0f;
    e = (vec)((lanes_i32)e + (n << 23));
    return vec_select(is_low, (vec){0}, e);
}

#endif
