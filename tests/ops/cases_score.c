/* Scores of tiles of queries: plain loops in double. */
#include "ops/naive.h"

#include <string.h>

static rk_value count_of(ops_case *c, int64_t n)
{
    const int32_t count = (int32_t)n;
    return ops_input(c, RK_I32, 1, 1, &count);
}

/* ---- queries ---- */

static void take_rows(void)
{
    static const int64_t tiles[] = {1, 3, 70, 300};
    for (int i = 0; i < 4; i++) {
        ops_random r = {(uint64_t)i + 1};
        ops_case *c = ops_begin("take_rows, %d rows", (int)tiles[i]);
        int64_t n = tiles[i], table_rows = 41, d = 1 + 6 * i;
        float *table = ops_reals(c, table_rows * d, &r);
        float *expected = ops_memory(c, n * d, sizeof *expected);
        int32_t *rows = ops_memory(c, n, sizeof *rows);
        for (int64_t t = 0; t < n; t++) {
            rows[t] = t % 5 == 2 ? -1 : (int32_t)ops_below(&r, table_rows);
            for (int64_t j = 0; j < d && rows[t] >= 0; j++) {
                expected[t * d + j] = table[rows[t] * d + j];
            }
        }
        rk_value y = rk__take_rows(ops_program(c), ops_input(c, RK_F32, table_rows, d, table),
                                   ops_input(c, RK_I32, n, 1, rows));
        ops_expect_exactly(c, y, expected);
        ops_run(c, 1);
    }
}

/* ---- dot products ---- */

static void score_dot(void)
{
    static const struct {
        int64_t tile, count, items, first, d;
    } shapes[] = {{1, 1, 1, 0, 1},      {7, 5, 130, 3, 17},    {70, 66, 300, 1, 64},
                  {3, 0, 40, 0, 8},     {130, 130, 65, 0, 33}, {1, 1, 4001, 2, 64},
                  {2, 2, 5000, 0, 30},  {9, 3, 2999, 1, 70},   {4, 4, 3333, 0, 5},
                  {20, 12, 700, 0, 257}};
    for (int i = 0; i < (int)(sizeof shapes / sizeof shapes[0]); i++) {
        ops_random r = {(uint64_t)i + 3};
        ops_case *c = ops_begin("score_dot, shape %d", i);
        int64_t tile = shapes[i].tile, n = shapes[i].items, d = shapes[i].d;
        int64_t first = shapes[i].first, rows = first + n + 2;
        float *queries = ops_reals(c, tile * d, &r), *table = ops_reals(c, rows * d, &r);
        double *expected = ops_doubles(c, tile * n), *size = ops_doubles(c, tile * n);
        for (int64_t at = 0; at < shapes[i].count * n; at++) {
            for (int64_t j = 0; j < d; j++) {
                ops_add(&expected[at], &size[at],
                        (double)queries[at / n * d + j] *
                            (double)table[(first + at % n) * d + j]);
            }
        }
        rk_value y = rk__score_dot(ops_program(c), ops_input(c, RK_F32, tile, d, queries),
                                   ops_input(c, RK_F32, rows, d, table),
                                   count_of(c, shapes[i].count), (rk_range_attr){first, n});
        ops_expect_reals(c, y, expected, size, 2e-6);
        ops_run(c, 1);
    }
}

const ops_entry ops_cases_score[] = {
    {RK_OP_TAKE_ROWS, take_rows},
    {RK_OP_SCORE_DOT, score_dot},
    {RK_OP_COUNT, NULL},
};
