/* Products of dense matrices and sums over rows, against plain loops. */
#include "ops/harness.h"

#include <math.h>

static const struct product_shape {
    int64_t n, k, m;
} shapes[] = {{1, 1, 1},     {7, 3, 5},     {33, 16, 1},  {65, 20, 33},
              {130, 64, 64}, {300, 8, 130}, {5, 1300, 9}, {70, 5000, 3}};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

/* Entry (row, column) of op(a), whose rows are `stride` long. */
static double entry(const float *a, int64_t stride, bool transposed, int64_t row, int64_t column)
{
    return (double)(transposed ? a[column * stride + row] : a[row * stride + column]);
}

static void gemm_of(int i, bool transposed_x, bool transposed_w, int with)
{
    const struct product_shape s = shapes[i];
    ops_random r = {(uint64_t)i + 1};
    ops_case *c =
        ops_begin("gemm, shape %d, transposed %d %d, bias %d", i, transposed_x, transposed_w, with);
    float *x = ops_reals(c, s.n * s.k, &r), *w = ops_reals(c, s.k * s.m, &r);
    float *bias = ops_reals(c, s.m, &r);
    const float alpha = with == 0 ? 1 : -0.75f;
    const int32_t count = (int32_t)(with == 2 ? s.n / 2 : s.n);
    double *y = ops_doubles(c, s.n * s.m), *size = ops_doubles(c, s.n * s.m);
    for (int64_t row = 0; row < count; row++) {
        for (int64_t column = 0; column < s.m; column++) {
            const int64_t at = row * s.m + column;
            for (int64_t j = 0; j < s.k; j++) {
                ops_add(&y[at], &size[at],
                        (double)alpha * entry(x, transposed_x ? s.n : s.k, transposed_x, row, j) *
                            entry(w, transposed_w ? s.k : s.m, transposed_w, j, column));
            }
            if (with > 0) {
                ops_add(&y[at], &size[at], (double)bias[column]);
            }
        }
    }
    for (int64_t j = count * s.k; j < s.n * s.k && !transposed_x; j++) {
        x[j] = 0;
    }
    for (int64_t j = 0; j < s.n * s.k && transposed_x; j++) {
        x[j] = j % s.n < count ? x[j] : 0;
    }
    rk_value of_x =
        transposed_x ? ops_input(c, RK_F32, s.k, s.n, x) : ops_input(c, RK_F32, s.n, s.k, x);
    rk_value of_w =
        transposed_w ? ops_input(c, RK_F32, s.m, s.k, w) : ops_input(c, RK_F32, s.k, s.m, w);
    rk_value of_bias = with > 0 ? ops_input(c, RK_F32, 1, s.m, bias) : RK_NONE;
    rk_value of_count = with == 2 ? ops_input(c, RK_I32, 1, 1, &count) : RK_NONE;
    rk_value out = rk__gemm_of(ops_program(c), of_x, of_w, of_bias, of_count,
                               (rk_gemm_attr){alpha, transposed_x, transposed_w});
    ops_expect_reals(c, out, y, size, 1e-6 + 1e-8 * (double)s.k);
    ops_run(c, 1);
}

static void gemm(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        for (int way = 0; way < 4; way++) {
            gemm_of(i, way & 1, way & 2, (i + way) % 3);
        }
    }
}

static void column_sums(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        const struct product_shape s = shapes[i];
        ops_random r = {(uint64_t)i + 1};
        ops_case *c = ops_begin("column_sums, shape %d", i);
        float *x = ops_reals(c, s.k * s.m, &r);
        double *y = ops_doubles(c, s.m), *size = ops_doubles(c, s.m);
        for (int64_t j = 0; j < s.k * s.m; j++) {
            ops_add(&y[j % s.m], &size[j % s.m], (double)x[j]);
        }
        rk_value out = rk__column_sums(ops_program(c), ops_input(c, RK_F32, s.k, s.m, x));
        ops_expect_reals(c, out, y, size, 1e-6);
        ops_run(c, 1);
    }
}

const ops_entry ops_cases_gemm[] = {
    {RK_OP_GEMM, gemm},
    {RK_OP_COLUMN_SUMS, column_sums},
    {RK_OP_COUNT, NULL},
};
