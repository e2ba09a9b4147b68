/* What link prediction asks for, against plain loops in double. */
#include <math.h>
#include <string.h>

#include "ops/harness.h"

static void lookup(void)
{
    for (int i = 0; i < 3; i++) {
        enum { R = 70 };
        static const int64_t sizes[] = {1, 33, 40000};
        ops_case *c = ops_begin("lookup, %d ids", (int)sizes[i]);
        ops_random r = {(uint64_t)(i + 1)};
        const int64_t n = sizes[i];
        int32_t table[R], *x = ops_memory(c, n, sizeof *x), *y = ops_memory(c, n, sizeof *y);
        for (int j = 0; j < R; j++) {
            table[j] = (int32_t)ops_below(&r, 1000) - 1;
        }
        for (int64_t j = 0; j < n; j++) {
            x[j] = (int32_t)ops_below(&r, R + 1) - 1;
            y[j] = x[j] < 0 ? -1 : table[x[j]];
        }
        rk_value of_x = ops_input(c, RK_I32, n, 1, x);
        rk_value of_table = ops_input(c, RK_I32, R, 1, table);
        ops_expect_exactly(c, rk__lookup(ops_program(c), of_x, of_table), y);
        ops_run(c, 1);
    }
}

/* ---- lengths ---- */

static const struct table_shape {
    int64_t rows, cols;
} shapes[] = {{1, 1}, {7, 3}, {33, 65}, {300, 64}, {130, 200}};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

/* Every fifth row is zeros. */
static float *make_rows(ops_case *c, const struct table_shape *s, ops_random *r)
{
    float *x = ops_reals(c, s->rows * s->cols, r);
    for (int64_t i = 0; i < s->rows * s->cols; i++) {
        x[i] = i / s->cols % 5 == 4 ? 0 : x[i];
    }
    return x;
}

static double norm_of(const float *row, int64_t d, int32_t norm)
{
    double sum = 0;
    for (int64_t j = 0; j < d; j++) {
        sum += norm == 1 ? fabs((double)row[j]) : (double)row[j] * (double)row[j];
    }
    return norm == 1 ? sum : sqrt(sum);
}

static void row_norms(void)
{
    for (int i = 0; i < 2 * N_SHAPES; i++) {
        const struct table_shape *s = &shapes[i / 2];
        const int32_t norm = 1 + i % 2;
        ops_case *c = ops_begin("row_norms, shape %d, norm %d", i / 2, (int)norm);
        ops_random r = {(uint64_t)(i + 1)};
        float *x = make_rows(c, s, &r);
        double *y = ops_doubles(c, s->rows);
        for (int64_t k = 0; k < s->rows; k++) {
            y[k] = norm_of(x + k * s->cols, s->cols, norm);
        }
        rk_value of_x = ops_input(c, RK_F32, s->rows, s->cols, x);
        ops_expect_reals(c, rk__row_norms(ops_program(c), of_x, norm), y, y, 1e-6);
        ops_run(c, 1);
    }
}

/* By central differences; zeros have no gradient. */
static void row_norms_grad(void)
{
    for (int i = 0; i < 2 * N_SHAPES; i++) {
        const struct table_shape *s = &shapes[i / 2];
        const int32_t norm = 1 + i % 2;
        const int64_t n = s->rows * s->cols;
        ops_case *c = ops_begin("row_norms_grad, shape %d, norm %d", i / 2, (int)norm);
        ops_random r = {(uint64_t)(i + 1)};
        float *x = make_rows(c, s, &r), *g = ops_reals(c, s->rows, &r);
        float *norms = ops_memory(c, s->rows, sizeof *norms);
        double *y = ops_doubles(c, n), *size = ops_doubles(c, n);
        for (int64_t j = 0; j < n; j++) {
            const int64_t row = j / s->cols;
            float *at = &x[j];
            const float here = *at, h = fabsf(here) / 256;
            double difference = 0;
            norms[row] = (float)norm_of(x + row * s->cols, s->cols, norm);
            if (h > 0) {
                *at = here + h;
                difference = norm_of(x + row * s->cols, s->cols, norm);
                const double above = (double)*at;
                *at = here - h;
                difference -= norm_of(x + row * s->cols, s->cols, norm);
                difference /= above - (double)*at;
                *at = here;
            }
            y[j] = (double)g[row] * difference;
            size[j] = fabs((double)g[row]);
        }
        rk_value in[] = {ops_input(c, RK_F32, s->rows, s->cols, x),
                         ops_input(c, RK_F32, s->rows, 1, norms),
                         ops_input(c, RK_F32, s->rows, 1, g)};
        rk_value out = ops_append(c, RK_OP_ROW_NORMS_GRAD, in, 3, (rk_attr){.norm = norm});
        ops_expect_reals(c, out, y, size, 1e-4);
        ops_run(c, 1);
    }
}

/* ---- all items at once ---- */

static double cross_entropy(double score, double label)
{
    return fmax(score, 0) + log1p(exp(-fabs(score))) - label * score;
}

/* Of users of a small graph, one of whom is not in use; smoothed as ConvE's code does it. */
static void list_loss_of(int64_t n_users, int64_t n_items, double smoothing, float scale)
{
    ops_case *c = ops_begin("list_loss, %d items, smoothing %g", (int)n_items, smoothing);
    ops_random r = {(uint64_t)(n_items + (smoothing > 0))};
    const ops_graph graph = ops_make_graph(c, n_users, n_items, 0.3, &r);
    enum { B = 5, COUNT = 4 };
    const rk_step_state state = {.batch = B, .draws_per_epoch = COUNT};
    int32_t nodes[2 * B];
    float *scores = ops_reals(c, B * n_items, &r);
    double *loss = ops_doubles(c, 1), *size = ops_doubles(c, 1);
    double *y = ops_doubles(c, B * n_items), *by = ops_doubles(c, B * n_items);
    for (int64_t b = 0; b < B; b++) {
        nodes[b] = b < COUNT ? (int32_t)ops_below(&r, n_users - 1) : -1; /* the last has nothing */
        nodes[B + b] = -1;
        for (int64_t i = 0; i < n_items; i++) {
            float *score = &scores[b * n_items + i];
            *score *= scale;
            double label = 0;
            for (int64_t e = b < COUNT ? graph.offsets[nodes[b]] : 0;
                 b < COUNT && e < graph.offsets[nodes[b] + 1]; e++) {
                label = graph.columns[e] == n_users + i ? 1 : label;
            }
            if (smoothing > 0) {
                label = (1 - smoothing) * label + 1 / (double)n_items;
            }
            if (b < COUNT) {
                const double s = (double)*score, share = 1 / (double)(COUNT * n_items);
                ops_add(loss, size, share * cross_entropy(s, label));
                *size += share * fabs(label * s);
                y[b * n_items + i] = share * (1 / (1 + exp(-s)) - label);
            }
            by[b * n_items + i] = 1 / (double)(COUNT * n_items);
        }
    }
    const rk_graph_values g = ops_graph_inputs(c, &graph);
    rk_value in[] = {ops_input(c, RK_F32, B, n_items, scores),
                     ops_input(c, RK_I32, 2 * B, 1, nodes), g.offsets, g.columns,
                     ops_variable(c, RK_STATE, 1, 1, &state)};
    const rk_attr attr = {.list_loss = {.smoothing = smoothing, .first = n_users}};
    rk_value out = ops_append(c, RK_OP_LIST_LOSS, in, 5, attr);
    ops_expect_reals(c, out, loss, size, 1e-6);
    ops_expect_reals(c, out + 1, y, by, 1e-6);
    ops_run(c, 1);
}

static void list_loss(void)
{
    list_loss_of(7, 5, 0, 3);
    list_loss_of(12, 33, 0.1, 5);
    list_loss_of(40, 400, 0.2, 30);
    list_loss_of(20, 1000, 0, 120);
}

const ops_entry ops_cases_links[] = {
    {RK_OP_LOOKUP, lookup},
    {RK_OP_ROW_NORMS, row_norms},
    {RK_OP_ROW_NORMS_GRAD, row_norms_grad},
    {RK_OP_LIST_LOSS, list_loss},
    {RK_OP_COUNT, NULL},
};
