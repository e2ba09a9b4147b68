/*
 * Halves to floats and back, as vectors, and rows of RK_F16 tables (ops/half_rows.h).
 *
 * Without an instruction for it: the bits of a half, moved to where a float has them, are the bits
 * of its value times 2^-112, also below the normal range; and back with the rounding added before
 * the move, to the nearest and to even. Both hold for all finite values, and rows hold no others.
 */
#ifndef RK_DEVICE_CPU_ISA_HALF_H
#define RK_DEVICE_CPU_ISA_HALF_H

#include <string.h>

#include "device/cpu/isa.h"
#include "device/cpu/isa_vector.h"

#if defined(__F16C__)
#include <immintrin.h>
#endif

INLINE float bits_to_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

INLINE uint32_t float_to_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

INLINE float half_to_float(rk_half h)
{
    uint32_t bits = ((uint32_t)h & 0x7FFF) << 13 | ((uint32_t)h & 0x8000) << 16;
    return bits_to_float(bits) * 0x1p112f;
}

INLINE rk_half float_to_half(float value)
{
    uint32_t bits = float_to_bits(value * 0x1p-112f);
    uint32_t magnitude = bits & RK_MAGNITUDE_BITS;
    magnitude = (magnitude + 0xFFF + (magnitude >> 13 & 1)) >> 13;
    return (rk_half)(magnitude | (bits >> 16 & 0x8000));
}

/* Without optimization the intrinsics that narrow are macros with conversions of their own. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
#if defined(__AVX512F__)
INLINE vec vec_load_half(const rk_half *p)
{
    return (vec)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

INLINE void vec_store_half(rk_half *p, vec v)
{
    _mm256_storeu_si256((__m256i *)(void *)p,
                        _mm512_cvtps_ph((__m512)v, _MM_FROUND_TO_NEAREST_INT));
}
#elif defined(__F16C__)
INLINE vec vec_load_half(const rk_half *p)
{
    return (vec)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}

INLINE void vec_store_half(rk_half *p, vec v)
{
    _mm_storeu_si128((__m128i *)(void *)p, _mm256_cvtps_ph((__m256)v, _MM_FROUND_TO_NEAREST_INT));
}
#else
typedef uint32_t vec_bits __attribute__((vector_size(4 * LANES)));
typedef uint16_t vec_half __attribute__((vector_size(2 * LANES)));

INLINE vec vec_load_half(const rk_half *p)
{
    vec_half halves;
    memcpy(&halves, p, sizeof halves);
    vec_bits h = __builtin_convertvector(halves, vec_bits);
    vec_bits bits = (h & 0x7FFF) << 13 | (h & 0x8000) << 16;
    return (vec)bits * 0x1p112f;
}

INLINE void vec_store_half(rk_half *p, vec v)
{
    vec_bits bits = (vec_bits)(v * 0x1p-112f), magnitude = bits & (uint32_t)RK_MAGNITUDE_BITS;
    magnitude = (magnitude + 0xFFF + (magnitude >> 13 & 1)) >> 13;
    vec_half halves = __builtin_convertvector(magnitude | (bits >> 16 & 0x8000), vec_half);
    memcpy(p, &halves, sizeof halves);
}
#endif
#pragma GCC diagnostic pop

static void axpy_half(float w, const rk_half *x, int64_t n, float *y)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vec_store(y + i, vec_load(y + i) + vec_load_half(x + i) * w);
    }
    for (; i < n; i++) {
        y[i] += half_to_float(x[i]) * w;
    }
}

static void narrow(const float *x, int64_t rows, int64_t d, rk_half *y, uint8_t *exponent)
{
    for (int64_t r = 0; r < rows; r++) {
        uint32_t largest = 0, inverse_bits;
        for (int64_t j = 0; j < d; j++) {
            uint32_t magnitude = float_to_bits(x[r * d + j]) & RK_MAGNITUDE_BITS;
            largest = magnitude > largest ? magnitude : largest;
        }
        exponent[r] = rk__half_exponent(largest, &inverse_bits);
        float inverse = bits_to_float(inverse_bits);
        int64_t j = 0;
        for (; j + LANES <= d; j += LANES) {
            vec_store_half(y + r * d + j, vec_load(x + r * d + j) * inverse);
        }
        for (; j < d; j++) {
            y[r * d + j] = float_to_half(x[r * d + j] * inverse);
        }
    }
}

#endif
