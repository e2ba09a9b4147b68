/* Whole tables element by element, their columns, dropout, against the formulas in double. */
#include "ops/harness.h"

#include <math.h>
#include <string.h>

#include "base/philox.h"

static const struct table_shape {
    int64_t rows, cols;
} shapes[] = {{1, 1}, {7, 3}, {33, 16}, {33, 65}, {300, 64}, {1000, 10}};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

typedef struct table {
    ops_case *c;
    ops_random r;
    int64_t rows, cols, n;
    float *x;
    rk_value value;
} table;

static table begin(const char *what, int i, int variant)
{
    table t = {.c = ops_begin("%s, shape %d, variant %d", what, i, variant),
               .r = {(uint64_t)(10 * i + variant + 1)},
               .rows = shapes[i].rows,
               .cols = shapes[i].cols};
    t.n = t.rows * t.cols;
    t.x = ops_reals(t.c, t.n, &t.r);
    t.value = ops_input(t.c, RK_F32, t.rows, t.cols, t.x);
    return t;
}

/* ---- functions ---- */

static const rk_activate_attr functions[] = {
    {RK_ACTIVATION_RELU, 0}, {RK_ACTIVATION_LEAKY_RELU, 0.2f}, {RK_ACTIVATION_ELU, 1.5f},
    {RK_ACTIVATION_TANH, 0}, {RK_ACTIVATION_SIGMOID, 0},
};
enum { N_FUNCTIONS = sizeof functions / sizeof functions[0] };

static double function(const rk_activate_attr *a, double x)
{
    switch (a->kind) {
    case RK_ACTIVATION_RELU:
        return fmax(x, 0);
    case RK_ACTIVATION_LEAKY_RELU:
        return x > 0 ? x : (double)a->slope * x;
    case RK_ACTIVATION_ELU:
        return x > 0 ? x : (double)a->slope * (exp(x) - 1);
    case RK_ACTIVATION_TANH:
        return tanh(x);
    default:
        return 1 / (1 + exp(-x));
    }
}

/* The sizes of numbers around 1. */
static const double *ones(ops_case *c, int64_t n)
{
    double *one = ops_doubles(c, n);
    for (int64_t j = 0; j < n; j++) {
        one[j] = 1;
    }
    return one;
}

/* With and without a number of rows in use. */
static void activate(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        for (int f = 0; f < 2 * N_FUNCTIONS; f++) {
            table t = begin("activate", i, f);
            const rk_activate_attr *a = &functions[f % N_FUNCTIONS];
            const int32_t count = (int32_t)(f < N_FUNCTIONS ? t.rows : t.rows / 2);
            double *y = ops_doubles(t.c, t.n);
            for (int64_t j = 0; j < count * t.cols; j++) {
                y[j] = function(a, (double)t.x[j]);
            }
            rk_value in[] = {t.value,
                             f < N_FUNCTIONS ? RK_NONE : ops_input(t.c, RK_I32, 1, 1, &count)};
            rk_value out = ops_append(t.c, RK_OP_ACTIVATE, in, 2, (rk_attr){.activate = *a});
            ops_expect_reals(t.c, out, y, ones(t.c, t.n), 1e-6);
            ops_run(t.c, 1);
        }
    }
}

/* The derivative at x by central differences, given what the function makes of x. */
static void activate_grad(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        for (int f = 0; f < N_FUNCTIONS; f++) {
            table t = begin("activate_grad", i, f);
            const rk_activate_attr *a = &functions[f];
            float *g = ops_reals(t.c, t.n, &t.r), *made = ops_memory(t.c, t.n, sizeof *made);
            double *y = ops_doubles(t.c, t.n), h = 1e-6;
            for (int64_t j = 0; j < t.n; j++) {
                const double x = fabs((double)t.x[j]) > 2 * h ? (double)t.x[j] : 0.5;
                made[j] = (float)function(a, x);
                y[j] = (double)g[j] * (function(a, x + h) - function(a, x - h)) / (2 * h);
            }
            rk_value in[] = {ops_input(t.c, RK_F32, t.rows, t.cols, made),
                             ops_input(t.c, RK_F32, t.rows, t.cols, g)};
            rk_value out = ops_append(t.c, RK_OP_ACTIVATE_GRAD, in, 2, (rk_attr){.activate = *a});
            ops_expect_reals(t.c, out, y, ones(t.c, t.n), 1e-6);
            ops_run(t.c, 1);
        }
    }
}

static void multiply(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        table t = begin("multiply", i, 0);
        float *b = ops_reals(t.c, t.n, &t.r), *y = ops_memory(t.c, t.n, sizeof *y);
        for (int64_t j = 0; j < t.n; j++) {
            y[j] = t.x[j] * b[j];
        }
        rk_value of_b = ops_input(t.c, RK_F32, t.rows, t.cols, b);
        ops_expect_exactly(t.c, rk__multiply(ops_program(t.c), t.value, of_b), y);
        ops_run(t.c, 1);
    }
}

static void scale_columns(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        table t = begin("scale_columns", i, 0);
        float *factor = ops_reals(t.c, t.cols, &t.r), *y = ops_memory(t.c, t.n, sizeof *y);
        for (int64_t j = 0; j < t.n; j++) {
            y[j] = t.x[j] * factor[j % t.cols];
        }
        rk_value of_factor = ops_input(t.c, RK_F32, 1, t.cols, factor);
        ops_expect_exactly(t.c, rk__scale_columns(ops_program(t.c), t.value, of_factor), y);
        ops_run(t.c, 1);
    }
}

/* ---- columns ---- */

static void join_columns(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        table t = begin("join_columns", i, 0);
        enum { N_TABLES = 3 };
        int64_t cols[N_TABLES] = {t.cols, 1 + i, t.cols}, total = 0, first = 0;
        float *x[N_TABLES] = {t.x, ops_reals(t.c, t.rows * cols[1], &t.r), t.x};
        rk_value in[N_TABLES] = {t.value, ops_input(t.c, RK_F32, t.rows, cols[1], x[1]), t.value};
        for (int k = 0; k < N_TABLES; k++) {
            total += cols[k];
        }
        float *y = ops_memory(t.c, t.rows * total, sizeof *y);
        for (int k = 0; k < N_TABLES; k++) {
            for (int64_t j = 0; j < t.rows * cols[k]; j++) {
                y[j / cols[k] * total + first + j % cols[k]] = x[k][j];
            }
            first += cols[k];
        }
        ops_expect_exactly(t.c, rk__join_columns(ops_program(t.c), in, N_TABLES), y);
        ops_run(t.c, 1);
    }
}

static void take_columns(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        table t = begin("take_columns", i, 0);
        const int64_t first = t.cols / 3, n = (t.cols + 1) / 2;
        float *y = ops_memory(t.c, t.rows * n, sizeof *y);
        for (int64_t j = 0; j < t.rows * n; j++) {
            y[j] = t.x[j / n * t.cols + first + j % n];
        }
        ops_expect_exactly(t.c, rk__take_columns(ops_program(t.c), t.value, first, n), y);
        ops_run(t.c, 1);
    }
}

static void place_columns(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        table t = begin("place_columns", i, 0);
        const int64_t first = i, n = t.cols + 2 * i;
        float *y = ops_memory(t.c, t.rows * n, sizeof *y);
        for (int64_t j = 0; j < t.n; j++) {
            y[j / t.cols * n + first + j % t.cols] = t.x[j];
        }
        ops_expect_exactly(t.c, rk__place_columns(ops_program(t.c), t.value, first, n), y);
        ops_run(t.c, 1);
    }
}

static void reshape(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        table t = begin("reshape", i, 0);
        ops_expect_exactly(t.c, rk__reshape(ops_program(t.c), t.value, t.rows), t.x);
        ops_run(t.c, 1);
    }
}

/* ---- dropout ---- */

/* The number that decides, by hand: 64 bits of Philox for the step and the layer, and the finaliser
 * of splitmix64; and a share of the elements near the ratio is dropped. */
static void dropout(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        for (int at_rows = 0; at_rows < 2; at_rows++) {
            table t = begin("dropout", i, at_rows);
            const rk_dropout_attr a = {.ratio = 0.3, .layer = 5};
            const rk_step_state state = {.seed = 77, .step = 12};
            const int32_t count = (int32_t)(at_rows ? (t.rows + 1) / 2 : t.rows);
            int32_t *rows = ops_memory(t.c, t.rows, sizeof *rows);
            double *y = ops_doubles(t.c, t.n);
            int64_t kept = 0;
            for (int64_t j = 0; j < t.n; j++) {
                const int64_t row = j / t.cols, column = j % t.cols;
                rows[row] = (int32_t)(at_rows ? 3 * row + 1 : row);
                const rk_words w = rk__philox(77, RK_PURPOSE_DROPOUT, 12, 0, 5);
                uint64_t z =
                    ((uint64_t)w.v[0] << 32 | w.v[1]) + (uint64_t)(rows[row] * t.cols + column);
                z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
                z = (z ^ z >> 27) * 0x94d049bb133111ebu;
                const bool is_kept = (double)((z ^ z >> 31) >> 32) * 0x1p-32 >= 0.3;
                y[j] = is_kept && row < count ? (double)t.x[j] / 0.7 : 0;
                kept += is_kept;
            }
            assert_true(t.n < 1000 || fabs((double)kept / (double)t.n - 0.7) < 0.05);
            rk_value in[] = {t.value, ops_variable(t.c, RK_STATE, 1, 1, &state),
                             at_rows ? ops_input(t.c, RK_I32, t.rows, 1, rows) : RK_NONE,
                             at_rows ? ops_input(t.c, RK_I32, 1, 1, &count) : RK_NONE};
            rk_value out = ops_append(t.c, RK_OP_DROPOUT, in, 4, (rk_attr){.dropout = a});
            ops_expect_reals(t.c, out, y, ones(t.c, t.n), 1e-6);
            ops_run(t.c, 1);
        }
    }
}

const ops_entry ops_cases_dense[] = {
    {RK_OP_ACTIVATE, activate},
    {RK_OP_ACTIVATE_GRAD, activate_grad},
    {RK_OP_MULTIPLY, multiply},
    {RK_OP_SCALE_COLUMNS, scale_columns},
    {RK_OP_JOIN_COLUMNS, join_columns},
    {RK_OP_TAKE_COLUMNS, take_columns},
    {RK_OP_PLACE_COLUMNS, place_columns},
    {RK_OP_RESHAPE, reshape},
    {RK_OP_DROPOUT, dropout},
    {RK_OP_COUNT, NULL},
};
