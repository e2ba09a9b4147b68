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

/* ---- a few queries ---- */

/* Rows that are read side by side. With more of them a scan from memory takes twice as long; with
 * fewer lanes a sum would wait for the one before, unless there is another group beside it. */
enum { ROWS_AT_ONCE = 16, SIDE_BY_SIDE = ROWS_AT_ONCE / LANES };

/* Columns [0, 4) of LANES rows of d: four vectors of a row's quarter in each of their parts of
 * four floats, transposed within the parts. */
INLINE void four_columns(const float *rows, int64_t d, vec out[4])
{
    vec r[4];
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        const float *row = rows + k * d;
#if LANES == 16
        __m512 x = _mm512_castps128_ps512(_mm_loadu_ps(row));
        x = _mm512_insertf32x4(x, _mm_loadu_ps(row + 4 * d), 1);
        x = _mm512_insertf32x4(x, _mm_loadu_ps(row + 8 * d), 2);
        r[k] = (vec)_mm512_insertf32x4(x, _mm_loadu_ps(row + 12 * d), 3);
#else
        __m256 x = _mm256_castps128_ps256(_mm_loadu_ps(row));
        r[k] = (vec)_mm256_insertf128_ps(x, _mm_loadu_ps(row + 4 * d), 1);
#endif
    }
#if LANES == 16
    __m512d a = _mm512_castps_pd(_mm512_unpacklo_ps((__m512)r[0], (__m512)r[1]));
    __m512d b = _mm512_castps_pd(_mm512_unpackhi_ps((__m512)r[0], (__m512)r[1]));
    __m512d c = _mm512_castps_pd(_mm512_unpacklo_ps((__m512)r[2], (__m512)r[3]));
    __m512d e = _mm512_castps_pd(_mm512_unpackhi_ps((__m512)r[2], (__m512)r[3]));
    out[0] = (vec)_mm512_unpacklo_pd(a, c);
    out[1] = (vec)_mm512_unpackhi_pd(a, c);
    out[2] = (vec)_mm512_unpacklo_pd(b, e);
    out[3] = (vec)_mm512_unpackhi_pd(b, e);
#else
    __m256d a = _mm256_castps_pd(_mm256_unpacklo_ps((__m256)r[0], (__m256)r[1]));
    __m256d b = _mm256_castps_pd(_mm256_unpackhi_ps((__m256)r[0], (__m256)r[1]));
    __m256d c = _mm256_castps_pd(_mm256_unpacklo_ps((__m256)r[2], (__m256)r[3]));
    __m256d e = _mm256_castps_pd(_mm256_unpackhi_ps((__m256)r[2], (__m256)r[3]));
    out[0] = (vec)_mm256_unpacklo_pd(a, c);
    out[1] = (vec)_mm256_unpackhi_pd(a, c);
    out[2] = (vec)_mm256_unpacklo_pd(b, e);
    out[3] = (vec)_mm256_unpackhi_pd(b, e);
#endif
}

/* One column of m <= LANES rows of d, zeros behind them. */
INLINE vec one_column(const float *rows, int64_t m, int64_t d)
{
    float lane[LANES] = {0};
    for (int64_t i = 0; i < m; i++) {
        lane[i] = rows[i * d];
    }
    return vec_load(lane);
}

/* With each four columns of some groups of rows the same share of the lines of the groups behind
 * them. The rows of a group are read at once, a few bytes of each, which no prefetcher of the
 * hardware follows: from memory a scan takes up to twice as long without this. Behind the last row
 * nothing comes of it. */
INLINE void fetch_rows_ahead(const float *rows, int n_groups, int64_t d, int64_t j)
{
    enum { LINE = 16 };
    const float *next = rows + n_groups * LANES * (d + j);
#pragma GCC unroll 16
    for (int i = 0; i < n_groups * LANES / 4; i++) {
        _mm_prefetch((const char *)(next + i * LINE), _MM_HINT_T0);
    }
}

/* n_queries and n_groups are constants where it is called: groups of LANES rows side by side, so
 * that a sum does not wait for the one before. */
INLINE void few_groups(const float *queries, int n_queries, const float *rows, int n_groups,
                       int64_t d, int64_t stride, float *out)
{
    vec sum[RK_FEW_TOGETHER];
    for (int i = 0; i < RK_FEW_TOGETHER; i++) {
        sum[i] = (vec){0};
    }
    int64_t j = 0;
    for (; j + 4 <= d; j += 4) {
        fetch_rows_ahead(rows, n_groups, d, j);
#pragma GCC unroll 4
        for (int g = 0; g < n_groups; g++) {
            vec column[4];
            four_columns(rows + g * LANES * d + j, d, column);
#pragma GCC unroll 4
            for (int c = 0; c < 4; c++) {
#pragma GCC unroll 8
                for (int q = 0; q < n_queries; q++) {
                    sum[q * n_groups + g] += column[c] * queries[q * d + j + c];
                }
            }
        }
    }
    for (; j < d; j++) {
        for (int g = 0; g < n_groups; g++) {
            vec column = one_column(rows + g * LANES * d + j, LANES, d);
            for (int q = 0; q < n_queries; q++) {
                sum[q * n_groups + g] += column * queries[q * d + j];
            }
        }
    }
    for (int q = 0; q < n_queries; q++) {
        for (int g = 0; g < n_groups; g++) {
            vec_store(out + q * stride + g * LANES, sum[q * n_groups + g]);
        }
    }
}

/* The last m < LANES rows. */
static void last_rows(const float *queries, int64_t n_queries, const float *rows, int64_t m,
                      int64_t d, int64_t stride, float *out)
{
    vec sum[RK_FEW_TOGETHER] = {{0}};
    float lane[LANES];
    for (int64_t j = 0; j < d; j++) {
        vec column = one_column(rows + j, m, d);
        for (int64_t q = 0; q < n_queries; q++) {
            sum[q] += column * queries[q * d + j];
        }
    }
    for (int64_t q = 0; q < n_queries; q++) {
        vec_store(lane, sum[q]);
        for (int64_t i = 0; i < m; i++) {
            out[q * stride + i] = lane[i];
        }
    }
}

static void few_scores(const float *queries, int64_t n_queries, const float *rows, int64_t n,
                       int64_t d, float *out)
{
    int64_t i = 0;
    for (; SIDE_BY_SIDE > 1 && n_queries == 1 && i + ROWS_AT_ONCE <= n; i += ROWS_AT_ONCE) {
        few_groups(queries, 1, rows + i * d, SIDE_BY_SIDE, d, n, out + i);
    }
    for (; SIDE_BY_SIDE > 1 && n_queries == 2 && i + ROWS_AT_ONCE <= n; i += ROWS_AT_ONCE) {
        few_groups(queries, 2, rows + i * d, SIDE_BY_SIDE, d, n, out + i);
    }
    for (; i + LANES <= n; i += LANES) {
        switch (n_queries) {
        case 1:
            few_groups(queries, 1, rows + i * d, 1, d, n, out + i);
            break;
        case 2:
            few_groups(queries, 2, rows + i * d, 1, d, n, out + i);
            break;
        case 3:
            few_groups(queries, 3, rows + i * d, 1, d, n, out + i);
            break;
        case 4:
            few_groups(queries, 4, rows + i * d, 1, d, n, out + i);
            break;
        case 5:
            few_groups(queries, 5, rows + i * d, 1, d, n, out + i);
            break;
        case 6:
            few_groups(queries, 6, rows + i * d, 1, d, n, out + i);
            break;
        case 7:
            few_groups(queries, 7, rows + i * d, 1, d, n, out + i);
            break;
        default:
            few_groups(queries, 8, rows + i * d, 1, d, n, out + i);
        }
    }
    if (i < n) {
        last_rows(queries, n_queries, rows + i * d, n - i, d, n, out + i);
    }
}

/* ---- what can enter a top K ---- */

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
