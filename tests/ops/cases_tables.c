/* Whole tables: sums of them, rows of unit length, rows of halves, and the gradients. */
#include "ops/naive.h"

static const struct table_shape {
    int64_t rows, cols;
} shapes[] = {{1, 1}, {7, 3}, {33, 16}, {33, 65}, {300, 64}, {1000, 130}};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

typedef struct mixture {
    float *weights, *x[RK_MAX_LAYERS];
    rk_value of_weights, of_x[RK_MAX_LAYERS];
    int64_t rows, cols, n;
    int count;
} mixture;

static mixture make_mixture(ops_case *c, int i, ops_random *r)
{
    mixture t = {.rows = shapes[i].rows, .cols = shapes[i].cols, .count = 1 + 2 * i};
    t.n = t.rows * t.cols;
    t.weights = ops_reals(c, t.count, r);
    t.of_weights = ops_input(c, RK_F32, 1, t.count, t.weights);
    for (int k = 0; k < t.count; k++) {
        t.x[k] = ops_reals(c, t.n, r);
        t.of_x[k] = ops_input(c, RK_F32, t.rows, t.cols, t.x[k]);
    }
    return t;
}

static void combine_tables(int64_t rows, int64_t d, int n)
{
    ops_random r = {(uint64_t)(rows * 1000 + d * 10 + n)};
    ops_case *c = ops_begin("combine of %d tables [%d, %d]", n, (int)rows, (int)d);
    double *expected = ops_doubles(c, rows * d), *size = ops_doubles(c, rows * d);
    rk_value tables[3 * RK_MAX_LAYERS];
    float weights[3 * RK_MAX_LAYERS];
    for (int k = 0; k < n; k++) {
        float *x = ops_reals(c, rows * d, &r);
        weights[k] = (float)ops_real(&r);
        tables[k] = ops_input(c, RK_F32, rows, d, x);
        for (int64_t j = 0; j < rows * d; j++) {
            ops_add(&expected[j], &size[j], (double)weights[k] * (double)x[j]);
        }
    }
    rk_value y = rk__combine(ops_program(c), tables, weights, n);
    ops_expect_reals(c, y, expected, size, 1e-6);
    ops_run(c, 1);
}

static void combine(void)
{
    static const int64_t row_counts[] = {1, 7, 33, 700};
    for (int i = 0; i < 4; i++) {
        for (int w = 0; w < N_SHAPES; w++) {
            combine_tables(row_counts[i], shapes[w].cols, 1 + (i + w) % 4);
        }
    }
    combine_tables(5, 20, RK_MAX_LAYERS);
    combine_tables(5, 20, 3 * RK_MAX_LAYERS); /* in several nodes */
}

static void mix(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        ops_random r = {(uint64_t)i + 1};
        ops_case *c = ops_begin("mix of %d tables, shape %d", 1 + 2 * i, i);
        mixture t = make_mixture(c, i, &r);
        double *y = ops_doubles(c, t.n), *size = ops_doubles(c, t.n);
        for (int64_t j = 0; j < t.n; j++) {
            for (int k = 0; k < t.count; k++) {
                ops_add(&y[j], &size[j], (double)t.weights[k] * (double)t.x[k][j]);
            }
        }
        rk_value out = rk__mix(ops_program(c), t.of_weights, t.of_x, t.count);
        ops_expect_reals(c, out, y, size, 2e-6);
        ops_run(c, 1);
    }
}

static void weigh(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        ops_random r = {(uint64_t)i + 2};
        ops_case *c = ops_begin("weigh, shape %d", i);
        mixture t = make_mixture(c, i, &r);
        const int index = t.count / 2;
        float *y = ops_memory(c, t.n, sizeof *y);
        for (int64_t j = 0; j < t.n; j++) {
            y[j] = t.weights[index] * t.x[0][j];
        }
        rk_value in[] = {t.of_x[0], t.of_weights};
        rk_value out = ops_append(c, RK_OP_WEIGH, in, 2, (rk_attr){.index = index});
        ops_expect_exactly(c, out, y);
        ops_run(c, 1);
    }
}

static void table_dots(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        ops_random r = {(uint64_t)i + 3};
        ops_case *c = ops_begin("table_dots, shape %d", i);
        mixture t = make_mixture(c, i, &r);
        rk_value in[1 + RK_MAX_LAYERS];
        double *y = ops_doubles(c, t.count), *size = ops_doubles(c, t.count);
        float *g = ops_reals(c, t.n, &r);
        in[0] = ops_input(c, RK_F32, t.rows, t.cols, g);
        for (int k = 0; k < t.count; k++) {
            in[1 + k] = t.of_x[k];
            for (int64_t j = 0; j < t.n; j++) {
                ops_add(&y[k], &size[k], -1.5 * (double)g[j] * (double)t.x[k][j]);
            }
        }
        rk_value out =
            ops_append(c, RK_OP_TABLE_DOTS, in, 1 + t.count, (rk_attr){.weight = {-1.5f}});
        ops_expect_reals(c, out, y, size, 1e-6);
        ops_run(c, 1);
    }
}

/* Small numbers, numbers whose exponentials overflow, and the gradient. */
static void softmax_weights(void)
{
    for (int n = 1; n <= RK_MAX_LAYERS; n++) {
        for (int way = 0; way < 3; way++) {
            ops_random r = {(uint64_t)n};
            ops_case *c = ops_begin("softmax_weights of %d, way %d", n, way);
            float *x = ops_reals(c, n, &r), *g = ops_reals(c, n, &r), *w32 = ops_reals(c, n, &r);
            double *w = ops_doubles(c, n), *y = ops_doubles(c, n), *one = ops_doubles(c, n);
            double most = -INFINITY, sum = 0, along = 0;
            for (int k = 0; k < n; k++) {
                x[k] *= way == 1 ? 300 : 1;
                most = fmax(most, (double)x[k]);
            }
            for (int k = 0; k < n; k++) {
                sum += w[k] = exp((double)x[k] - most);
                along += (double)w32[k] * (double)g[k];
                one[k] = 1;
            }
            for (int k = 0; k < n; k++) {
                w[k] /= sum;
                y[k] = (double)w32[k] * ((double)g[k] - along);
            }
            if (way == 2) {
                rk_value in[] = {ops_input(c, RK_F32, 1, n, w32), ops_input(c, RK_F32, 1, n, g)};
                rk_attr none = {.index = 0};
                rk_value out = ops_append(c, RK_OP_SOFTMAX_WEIGHTS_GRAD, in, 2, none);
                ops_expect_reals(c, out, y, one, 1e-6);
            } else {
                rk_value of_x = ops_input(c, RK_F32, 1, n, x);
                ops_expect_reals(c, rk__softmax_weights(ops_program(c), of_x), w, one, 2e-7);
            }
            ops_run(c, 1);
        }
    }
}

static void row_dots(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        ops_random r = {(uint64_t)i + 3};
        const int64_t rows = shapes[i].rows, d = shapes[i].cols;
        ops_case *c = ops_begin("row_dots [%d, %d]", (int)rows, (int)d);
        float *a = ops_reals(c, rows * d, &r), *b = ops_reals(c, rows * d, &r);
        double *y = ops_doubles(c, rows), *size = ops_doubles(c, rows);
        for (int64_t j = 0; j < rows * d; j++) {
            ops_add(&y[j / d], &size[j / d], (double)a[j] * (double)b[j]);
        }
        rk_value in[] = {ops_input(c, RK_F32, rows, d, a), ops_input(c, RK_F32, rows, d, b)};
        rk_attr none = {.index = 0};
        ops_expect_reals(c, ops_append(c, RK_OP_ROW_DOTS, in, 2, none), y, size, 1e-6);
        ops_run(c, 1);
    }
}

/* One row is zero: it stays zero, and so does its gradient. */
static void unit_rows(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        for (int way = 0; way < 8; way++) { /* 4: what sums over columns is given */
            const bool with_factor = way & 1, is_given = way & 4;
            ops_random r = {(uint64_t)i + 5};
            int64_t rows = shapes[i].rows, d = shapes[i].cols, n = rows * d;
            ops_case *c = ops_begin("unit_rows [%d, %d], way %d", (int)rows, (int)d, way);
            float *x = ops_reals(c, n, &r), *g = ops_reals(c, n, &r), *f = ops_reals(c, rows, &r);
            double *y = ops_doubles(c, n), *back = ops_doubles(c, n), *size = ops_doubles(c, n);
            float *squares = ops_memory(c, rows, sizeof *squares);
            float *alongs = ops_memory(c, rows, sizeof *alongs);
            for (int64_t j = 0; rows > 1 && j < d; j++) {
                x[(rows / 2) * d + j] = 0;
            }
            for (int64_t row = 0; row < rows; row++) {
                double square = 0, along = 0, by = with_factor ? (double)f[row] : 1;
                for (int64_t j = row * d; j < (row + 1) * d; j++) {
                    square += (double)x[j] * (double)x[j];
                    along += (double)x[j] * (double)g[j];
                }
                /* Not those of these columns: of twice as many of the same. */
                square *= is_given ? 2 : 1;
                along *= is_given ? 2 : 1;
                squares[row] = (float)square;
                alongs[row] = (float)along;
                double norm = sqrt(square);
                for (int64_t j = row * d; j < (row + 1) * d; j++) {
                    y[j] = norm > 0 ? by * (double)x[j] / norm : 0;
                    back[j] =
                        norm > 0 ? by * ((double)g[j] - (double)x[j] * along / square) / norm : 0;
                    size[j] = norm > 0 ? fabs(by) * (1 + 2 / norm) : 1;
                }
            }
            rk_value of_x = ops_input(c, RK_F32, rows, d, x);
            rk_value factor = with_factor ? ops_input(c, RK_F32, rows, 1, f) : RK_NONE;
            if (way & 2) {
                rk_value in[] = {of_x, ops_input(c, RK_F32, rows, d, g), factor,
                                 ops_input(c, RK_F32, rows, 1, squares),
                                 ops_input(c, RK_F32, rows, 1, alongs)};
                rk_attr none = {.index = 0};
                rk_value out = ops_append(c, RK_OP_UNIT_ROWS_GRAD, in, is_given ? 5 : 3, none);
                ops_expect_reals(c, out, back, size, 2e-6);
            } else {
                rk_value in[] = {of_x, factor, ops_input(c, RK_F32, rows, 1, squares)};
                rk_attr none = {.index = 0};
                rk_value out = ops_append(c, RK_OP_UNIT_ROWS, in, is_given ? 3 : 2, none);
                ops_expect_reals(c, out, y, size, 1e-6);
            }
            ops_run(c, 1);
        }
    }
}

/* Rows from 1e-36 to 1e36 in size, one of zeros, and in each a value far below the largest. */
static void narrow_on(int64_t rows, int64_t d)
{
    ops_random r = {(uint64_t)(rows + d)};
    ops_case *c = ops_begin("narrow [%d, %d]", (int)rows, (int)d);
    float *x = ops_reals(c, rows * d, &r), *z = ops_reals(c, rows * d, &r);
    double *y = ops_doubles(c, rows * d), *size = ops_doubles(c, rows * d);
    int32_t *all = ops_memory(c, rows, sizeof *all), count = (int32_t)rows;
    for (int64_t i = 0; i < rows; i++) {
        double scale = i % 7 == 3 ? 0 : pow(10, (double)(i * 13 % 73) - 36);
        all[i] = (int32_t)i;
        for (int64_t j = 0; j < d; j++) {
            int64_t at = i * d + j;
            x[at] = (float)((double)x[at] * scale * (j % 5 == 4 ? 0x1p-20 : 1));
            z[at] = (float)((double)z[at] * scale);
            ops_add(&y[at], &size[at], -2 * (double)x[at]);
            ops_add(&y[at], &size[at], 0x1p-13 * (double)z[at]); /* as exact as the rounding */
            size[at] += 1e-40;
        }
    }
    rk_value tables[] = {rk__narrow(ops_program(c), ops_input(c, RK_F32, rows, d, x)),
                         ops_input(c, RK_F32, rows, d, z)};
    rk_row_set set = {.rows = ops_input(c, RK_I32, rows, 1, all),
                      .count = ops_input(c, RK_I32, 1, 1, &count)};
    rk_value sum = rk__combine_rows(ops_program(c), tables, (float[]){-2, 0x1p-13f}, 2, set);
    ops_expect_reals(c, sum, y, size, naive_half);
    ops_run(c, 1);
}

static void narrow(void)
{
    narrow_on(1, 1);
    narrow_on(9, 16);
    narrow_on(80, 3);
    narrow_on(80, 65);
    narrow_on(150, 64);
    narrow_on(5, 264);
}

const ops_entry ops_cases_tables[] = {
    {RK_OP_COMBINE, combine},
    {RK_OP_MIX, mix},
    {RK_OP_WEIGH, weigh},
    {RK_OP_TABLE_DOTS, table_dots},
    {RK_OP_SOFTMAX_WEIGHTS, softmax_weights},
    {RK_OP_SOFTMAX_WEIGHTS_GRAD, softmax_weights},
    {RK_OP_ROW_DOTS, row_dots},
    {RK_OP_UNIT_ROWS, unit_rows},
    {RK_OP_UNIT_ROWS_GRAD, unit_rows},
    {RK_OP_NARROW, narrow},
    {RK_OP_COUNT, NULL},
};
