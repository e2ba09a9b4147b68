/*
 * Scores for ranking: a matrix product whose sums stay in registers, BLOCK_USERS x 2 vectors of
 * items at a time, and the filter that finds the few scores that can enter a top K.
 *
 * Every score is one chain of multiply-adds over the columns in order, whatever block, panel or
 * tile it falls in; general matrix products promise no such thing.
 */
#ifndef RK_DEVICE_CPU_ISA_SCORE_H
#define RK_DEVICE_CPU_ISA_SCORE_H

#include <immintrin.h>

#include "device/cpu/isa.h"
#include "device/cpu/isa_vector.h"

/* As many sums as the registers hold beside two vectors of items and one broadcast. */
#if LANES == 16
enum { BLOCK_USERS = 12 };
#else
enum { BLOCK_USERS = 6 };
#endif
enum { PANEL_WIDTH = 2 * LANES };

static void scores(const float *block, const float *panels, int64_t d, int64_t n_panels, float *out)
{
    int64_t stride = n_panels * PANEL_WIDTH;
    for (int64_t p = 0; p < n_panels; p++) {
        const float *panel = panels + p * PANEL_WIDTH * d;
        vec low[BLOCK_USERS], high[BLOCK_USERS];
#pragma GCC unroll 16
        for (int u = 0; u < BLOCK_USERS; u++) {
            low[u] = high[u] = (vec){0};
        }
        for (int64_t j = 0; j < d; j++) {
            vec a = vec_load(panel + j * PANEL_WIDTH);
            vec b = vec_load(panel + j * PANEL_WIDTH + LANES);
            const float *column = block + j * BLOCK_USERS;
#pragma GCC unroll 16
            for (int u = 0; u < BLOCK_USERS; u++) {
                low[u] += a * column[u];
                high[u] += b * column[u];
            }
        }
#pragma GCC unroll 16
        for (int u = 0; u < BLOCK_USERS; u++) {
            vec_store(out + u * stride + p * PANEL_WIDTH, low[u]);
            vec_store(out + u * stride + p * PANEL_WIDTH + LANES, high[u]);
        }
    }
}

static int64_t above(const float *score, int64_t n, float threshold, int32_t *out)
{
    int64_t found = 0, i = 0;
#if LANES == 16
    const __m512 bar = _mm512_set1_ps(threshold);
    const __m512i count = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (; i + 16 <= n; i += 16) {
        __mmask16 hit = _mm512_cmp_ps_mask(_mm512_loadu_ps(score + i), bar, _CMP_GT_OQ);
        if (hit) {
            __m512i index = _mm512_add_epi32(_mm512_set1_epi32((int32_t)i), count);
            _mm512_storeu_si512(out + found, _mm512_maskz_compress_epi32(hit, index));
            found += __builtin_popcount(hit);
        }
    }
#else
    const __m256 bar = _mm256_set1_ps(threshold);
    for (; i + 8 <= n; i += 8) {
        __m256 greater = _mm256_cmp_ps(_mm256_loadu_ps(score + i), bar, _CMP_GT_OQ);
        for (unsigned hit = (unsigned)_mm256_movemask_ps(greater); hit; hit &= hit - 1) {
            out[found++] = (int32_t)i + __builtin_ctz(hit);
        }
    }
#endif
    for (; i < n; i++) {
        out[found] = (int32_t)i;
        found += score[i] > threshold;
    }
    return found;
}

#endif
