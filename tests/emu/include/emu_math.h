/*
 * Intrinsics that a C++ compiler does not have. The fast ones (__expf) are exact here: what a
 * device rounds differently shows only on a device.
 */
#ifndef EMU_MATH_H
#define EMU_MATH_H

#include <chrono>
#include <cmath>

#include "emu_collectives.h"

/* nvcc has these without std::, too. */
using std::isfinite;
using std::isinf;
using std::isnan;

#define EMU_MATH1(type, name, from, expression)                                                    \
    inline type name(from x)                                                                       \
    {                                                                                              \
        return expression;                                                                         \
    }
#define EMU_MATH2(type, name, from, expression)                                                    \
    inline type name(from a, from b)                                                               \
    {                                                                                              \
        return expression;                                                                         \
    }

EMU_MATH1(float, rsqrtf, float, 1.0f / sqrtf(x))
EMU_MATH1(double, rsqrt, double, 1.0 / sqrt(x))
EMU_MATH1(float, __saturatef, float, x<0 ? 0 : x> 1 ? 1 : x == x ? x : 0)
EMU_MATH1(float, __expf, float, expf(x))
EMU_MATH1(float, __logf, float, logf(x))
EMU_MATH1(float, __log2f, float, log2f(x))
EMU_MATH1(float, __exp10f, float, powf(10.0f, x))
EMU_MATH1(float, __sinf, float, sinf(x))
EMU_MATH1(float, __cosf, float, cosf(x))
EMU_MATH1(float, __tanhf, float, tanhf(x))
EMU_MATH1(float, __frcp_rn, float, 1.0f / x)
EMU_MATH1(float, __fsqrt_rn, float, sqrtf(x))
EMU_MATH1(float, __frsqrt_rn, float, 1.0f / sqrtf(x))
EMU_MATH2(float, __powf, float, powf(a, b))
EMU_MATH2(float, __fdividef, float, a / b)
EMU_MATH2(float, __fdiv_rn, float, a / b)
EMU_MATH2(float, __fadd_rn, float, a + b)
EMU_MATH2(float, __fsub_rn, float, a - b)
EMU_MATH2(float, __fmul_rn, float, a *b)

inline float __fmaf_rn(float a, float b, float c)
{
    return fmaf(a, b, c);
}

/* ---- conversions ---- */

EMU_MATH1(int, __float2int_rn, float, (int)rintf(x))
EMU_MATH1(int, __float2int_rz, float, (int)x)
EMU_MATH1(int, __float2int_rd, float, (int)floorf(x))
EMU_MATH1(float, __int2float_rn, int, (float)x)
EMU_MATH1(float, __uint2float_rn, unsigned, (float)x)
EMU_MATH1(int, __float_as_int, float, emu::from_bits<int>(emu::to_bits(x)))
EMU_MATH1(unsigned, __float_as_uint, float, emu::from_bits<unsigned>(emu::to_bits(x)))
EMU_MATH1(float, __int_as_float, int, emu::from_bits<float>(emu::to_bits(x)))
EMU_MATH1(float, __uint_as_float, unsigned, emu::from_bits<float>(emu::to_bits(x)))
EMU_MATH1(long long, __double_as_longlong, double, emu::from_bits<long long>(emu::to_bits(x)))
EMU_MATH1(double, __longlong_as_double, long long, emu::from_bits<double>(emu::to_bits(x)))

/* ---- bits ---- */

EMU_MATH1(int, __popc, unsigned, __builtin_popcount(x))
EMU_MATH1(int, __popcll, unsigned long long, __builtin_popcountll(x))
EMU_MATH1(int, __ffs, int, __builtin_ffs(x))
EMU_MATH1(int, __ffsll, long long, __builtin_ffsll(x))
EMU_MATH1(int, __clz, int, x ? __builtin_clz((unsigned)x) : 32)
EMU_MATH1(int, __clzll, long long, x ? __builtin_clzll((unsigned long long)x) : 64)
EMU_MATH2(unsigned, __umulhi, unsigned, (unsigned)(((unsigned long long)a * b) >> 32))
EMU_MATH2(int, __mulhi, int, (int)(((long long)a * b) >> 32))
EMU_MATH2(unsigned long long, __umul64hi, unsigned long long,
          (unsigned long long)(((unsigned __int128)a * b) >> 64))

inline unsigned __brev(unsigned x)
{
    unsigned reversed = 0;
    for (int i = 0; i < 32; i++) {
        reversed |= ((x >> i) & 1u) << (31 - i);
    }
    return reversed;
}

inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift)
{
    shift &= 31;
    return shift ? (high << shift) | (low >> (32 - shift)) : high;
}

inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift)
{
    shift &= 31;
    return shift ? (low >> shift) | (high << (32 - shift)) : low;
}

/* ---- min, max, clock ---- */

#define EMU_MIN_MAX(type)                                                                          \
    EMU_MATH2(type, min, type, b < a ? b : a)                                                      \
    EMU_MATH2(type, max, type, a < b ? b : a)
EMU_MIN_MAX(int)
EMU_MIN_MAX(unsigned)
EMU_MIN_MAX(long)
EMU_MIN_MAX(unsigned long)
EMU_MIN_MAX(long long)
EMU_MIN_MAX(unsigned long long)
EMU_MATH2(float, min, float, fminf(a, b))
EMU_MATH2(float, max, float, fmaxf(a, b))
EMU_MATH2(double, min, double, fmin(a, b))
EMU_MATH2(double, max, double, fmax(a, b))

inline long long clock64()
{
    return std::chrono::steady_clock::now().time_since_epoch().count();
}

#endif
