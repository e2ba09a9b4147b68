/* Sums with weights from a tensor, rows of unit length, factors of nodes, and their gradients. */
#include "ops/harness.h"

#include <math.h>

static const struct table_shape {
    int64_t rows, cols;
} shapes[] = {{1, 1}, {7, 3}, {33, 16}, {33, 65}, {300, 64}, {1000, 130}};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

typedef struct tables {
    float *weights, *x[RK_MAX_LAYERS];
    rk_value of_weights, of_x[RK_MAX_LAYERS];
    int64_t rows, cols, n;
    int count;
} tables;

static tables make_tables(ops_case *c, int i, ops_random *r)
{
    tables t = {.rows = shapes[i].rows, .cols = shapes[i].cols, .count = 1 + 2 * i};
    t.n = t.rows * t.cols;
    t.weights = ops_reals(c, t.count, r);
    t.of_weights = ops_input(c, RK_F32, 1, t.count, t.weights);
    for (int k = 0; k < t.count; k++) {
        t.x[k] = ops_reals(c, t.n, r);
        t.of_x[k] = ops_input(c, RK_F32, t.rows, t.cols, t.x[k]);
    }
    return t;
}

static void mix(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        ops_random r = {(uint64_t)i + 1};
        ops_case *c = ops_begin("mix of %d tables, shape %d", 1 + 2 * i, i);
        tables t = make_tables(c, i, &r);
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
        tables t = make_tables(c, i, &r);
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
        tables t = make_tables(c, i, &r);
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

/* One row is zero: it stays zero, and so does its gradient. */
static void unit_rows(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        for (int way = 0; way < 4; way++) {
            const bool with_factor = way & 1;
            ops_random r = {(uint64_t)i + 5};
            int64_t rows = shapes[i].rows, d = shapes[i].cols, n = rows * d;
            ops_case *c = ops_begin("unit_rows [%d, %d], way %d", (int)rows, (int)d, way);
            float *x = ops_reals(c, n, &r), *g = ops_reals(c, n, &r), *f = ops_reals(c, rows, &r);
            double *y = ops_doubles(c, n), *back = ops_doubles(c, n), *size = ops_doubles(c, n);
            for (int64_t j = 0; rows > 1 && j < d; j++) {
                x[(rows / 2) * d + j] = 0;
            }
            for (int64_t row = 0; row < rows; row++) {
                double square = 0, along = 0, by = with_factor ? (double)f[row] : 1;
                for (int64_t j = row * d; j < (row + 1) * d; j++) {
                    square += (double)x[j] * (double)x[j];
                    along += (double)x[j] * (double)g[j];
                }
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
                rk_value in[] = {of_x, ops_input(c, RK_F32, rows, d, g), factor};
                rk_attr none = {.index = 0};
                rk_value out = ops_append(c, RK_OP_UNIT_ROWS_GRAD, in, 3, none);
                ops_expect_reals(c, out, back, size, 2e-6);
            } else {
                ops_expect_reals(c, rk__unit_rows(ops_program(c), of_x, factor), y, size, 1e-6);
            }
            ops_run(c, 1);
        }
    }
}

static void scale_nodes(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        ops_random r = {(uint64_t)i + 6};
        int64_t rows = shapes[i].rows, d = shapes[i].cols, n = rows * d;
        ops_case *c = ops_begin("scale_nodes [%d, %d]", (int)rows, (int)d);
        float *x = ops_reals(c, n, &r), *f = ops_reals(c, rows, &r);
        float *y = ops_memory(c, n, sizeof *y);
        for (int64_t j = 0; j < n; j++) {
            y[j] = f[j / d] * x[j];
        }
        rk_value factor = ops_input(c, RK_F32, rows, 1, f);
        rk_value of_x = ops_input(c, RK_F32, rows, d, x);
        ops_expect_exactly(c, rk__scale_nodes(ops_program(c), of_x, factor, NULL), y);
        ops_run(c, 1);
    }
}

static void scale_nodes_of_a_row_set(void)
{
    enum { USERS = 20, ITEMS = 30, NODES = USERS + ITEMS, BATCH = 9, D = 12 };
    for (int64_t triplets = 1; triplets <= BATCH; triplets += 4) {
        ops_random r = {(uint64_t)triplets};
        ops_case *c = ops_begin("scale_nodes at the rows of %d triplets", (int)triplets);
        ops_batch b = ops_make_batch(c, USERS, ITEMS, BATCH, 1, triplets, &r);
        float *x = ops_reals(c, b.capacity * D, &r), *f = ops_reals(c, NODES, &r);
        float *y = ops_memory(c, b.capacity * D, sizeof *y);
        for (int64_t j = 0; j < b.count * D; j++) {
            y[j] = f[b.rows[j / D]] * x[j];
        }
        rk_row_set rows = ops_batch_inputs(c, &b, NODES);
        rk_value factor = ops_input(c, RK_F32, NODES, 1, f);
        rk_value of_x = ops_input(c, RK_F32, b.capacity, D, x);
        ops_expect_exactly(c, rk__scale_nodes(ops_program(c), of_x, factor, &rows), y);
        ops_run(c, 1);
    }
}

const ops_entry ops_cases_mix[] = {
    {RK_OP_MIX, mix},
    {RK_OP_WEIGH, weigh},
    {RK_OP_TABLE_DOTS, table_dots},
    {RK_OP_SOFTMAX_WEIGHTS, softmax_weights},
    {RK_OP_SOFTMAX_WEIGHTS_GRAD, softmax_weights},
    {RK_OP_UNIT_ROWS, unit_rows},
    {RK_OP_UNIT_ROWS_GRAD, unit_rows},
    {RK_OP_SCALE_NODES, scale_nodes},
    {RK_OP_SCALE_NODES, scale_nodes_of_a_row_set},
    {RK_OP_COUNT, NULL},
};
