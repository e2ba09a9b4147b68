/* Scores of several models on one scale. */
#include "ops/harness.h"

#include <math.h>

static const int64_t sizes[][2] = {{1, 1}, {3, 7}, {5, 700}, {33, 129}};
enum { N_SIZES = sizeof sizes / sizeof sizes[0] };

/* All in use or some; row 0 of the larger ones has equal scores, and scores may lie far from 0. */
static void standardise_scores(void)
{
    for (int i = 0; i < N_SIZES; i++) {
        for (int far = 0; far < 2; far++) {
            ops_random r = {(uint64_t)i + 21};
            const int64_t rows = sizes[i][0], n = sizes[i][1];
            const int32_t count = (int32_t)(rows > 1 ? rows - far : rows);
            ops_case *c =
                ops_begin("standardise_scores [%d, %d], %d in use", (int)rows, (int)n, count);
            float *x = ops_reals(c, rows * n, &r);
            double *y = ops_doubles(c, rows * n), *size = ops_doubles(c, rows * n);
            for (int64_t at = 0; at < rows * n; at++) {
                x[at] = at < n ? 0.25f : x[at] + (far ? 100 : 0);
            }
            for (int64_t t = 0; t < rows; t++) {
                double mean = 0, variance = 0;
                for (int64_t j = 0; j < n; j++) {
                    mean += (double)x[t * n + j] / (double)n;
                }
                for (int64_t j = 0; j < n; j++) {
                    variance += pow((double)x[t * n + j] - mean, 2) / (double)n;
                }
                for (int64_t j = 0; j < n; j++) {
                    const bool has_value = t < count && t > 0 && variance > 0;
                    y[t * n + j] = has_value ? ((double)x[t * n + j] - mean) / sqrt(variance) : 0;
                    size[t * n + j] = 1;
                }
            }
            rk_value in[] = {ops_input(c, RK_F32, rows, n, x), ops_input(c, RK_I32, 1, 1, &count)};
            ops_expect_reals(c, rk__standardise_scores(ops_program(c), in[0], in[1]), y, size,
                             1e-5);
            ops_run(c, 1);
        }
    }
}

/* By comparing each score with all. Scores of a few values, so that many tie; -0 beside 0; an
 * infinity. */
static void rank_scores(void)
{
    static const double offsets[] = {0, 60};
    for (int i = 0; i < N_SIZES; i++) {
        for (int o = 0; o < 2; o++) {
            ops_random r = {(uint64_t)i + 37};
            const int64_t rows = sizes[i][0], n = sizes[i][1];
            const int32_t count = (int32_t)(rows > 1 ? rows - o : rows);
            ops_case *c = ops_begin("rank_scores [%d, %d], %d in use, offset %g", (int)rows, (int)n,
                                    count, offsets[o]);
            float *x = ops_reals(c, rows * n, &r);
            double *y = ops_doubles(c, rows * n), *size = ops_doubles(c, rows * n);
            for (int64_t at = 0; at < rows * n; at++) {
                const float few = roundf(4 * x[at]) / 4;
                x[at] = at / n % 2 == 1 ? few : x[at];
                x[at] = x[at] == 0 && at % 3 == 0 ? -0.0f : x[at];
            }
            x[rows * n - 1] = INFINITY;
            for (int64_t t = 0; t < rows; t++) {
                for (int64_t j = 0; j < n; j++) {
                    double better = 0, equal = 0;
                    for (int64_t k = 0; k < n; k++) {
                        better += x[t * n + k] > x[t * n + j];
                        equal += x[t * n + k] == x[t * n + j];
                    }
                    const double rank = better + (equal + 1) / 2;
                    const double share = n > 1 ? ((double)n - rank) / (double)(n - 1) : 0.5;
                    y[t * n + j] = t >= count ? 0 : o > 0 ? 60 / (60 + rank) : share;
                    size[t * n + j] = 1;
                }
            }
            rk_value in[] = {ops_input(c, RK_F32, rows, n, x), ops_input(c, RK_I32, 1, 1, &count)};
            ops_expect_reals(c, rk__rank_scores(ops_program(c), in[0], in[1], offsets[o]), y, size,
                             1e-6);
            ops_run(c, 1);
        }
    }
}

const ops_entry ops_cases_average[] = {
    {RK_OP_STANDARDISE_SCORES, standardise_scores},
    {RK_OP_RANK_SCORES, rank_scores},
    {RK_OP_COUNT, NULL},
};
