/* Noise on embeddings, and two views of a batch against each other. */
#include "ops/harness.h"

#include <math.h>

#include "ops/logit.h"
#include "ops/noise_draw.h"

enum { USERS = 20, ITEMS = 30, NODES = USERS + ITEMS };

static void perturbed(const rk_step_state *state, rk_perturb_attr a, int64_t node, const float *x,
                      int64_t d, double *y)
{
    double square = 0;
    for (int64_t j = 0; j < d; j++) {
        float four[4];
        rk__noise4(state->seed, state->step, a.view, a.layer, node, d, j / 4, four);
        y[j] = (double)four[j % 4];
        square += y[j] * y[j];
    }
    for (int64_t j = 0; j < d; j++) {
        double sign = x[j] > 0 ? 1 : x[j] < 0 ? -1 : 0;
        y[j] = (double)x[j] + (double)a.epsilon * sign * y[j] / sqrt(square);
    }
}

static const int64_t widths[] = {1, 3, 16, 65};

/* All nodes, and the rows of a batch: the same noise for a node. A zero gets none. */
static void perturb(void)
{
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
        for (int at_rows = 0; at_rows < 2; at_rows++) {
            const int64_t d = widths[i];
            ops_random r = {(uint64_t)i + 1};
            ops_case *c = ops_begin("perturb, width %d, %s", (int)d, at_rows ? "rows" : "all");
            ops_batch b = ops_make_batch(c, USERS, ITEMS, 8, 2, 7, &r);
            const int64_t n = at_rows ? b.capacity : NODES, used = at_rows ? b.count : NODES;
            rk_step_state state = {.seed = 77, .step = 5};
            rk_perturb_attr a = {.epsilon = 0.25f, .view = 1, .layer = 3};
            float *x = ops_reals(c, n * d, &r);
            double *y = ops_doubles(c, n * d), *one = ops_doubles(c, n * d);
            x[d / 2] = 0;
            for (int64_t row = 0; row < n; row++) {
                for (int64_t j = 0; j < d; j++) {
                    one[row * d + j] = 1;
                }
                if (row < used) {
                    perturbed(&state, a, at_rows ? b.rows[row] : row, x + row * d, d, y + row * d);
                }
            }
            rk_row_set rows = ops_batch_inputs(c, &b, NODES);
            rk_value in = ops_input(c, RK_F32, n, d, x),
                     at = ops_variable(c, RK_STATE, 1, 1, &state);
            rk_value out = rk__perturb(ops_program(c), in, at, at_rows ? &rows : NULL, a);
            ops_expect_reals(c, out, y, one, 1e-6);
            ops_run(c, 1);
        }
    }
}

/* A batch with its two views, the stack of them, and which slots count. */
typedef struct views {
    ops_batch b;
    int64_t d, half;
    float *x[2];
    double *stack; /* [2 half, d] */
    bool *counts;  /* [half] */
} views;

static views make_views(ops_case *c, int64_t batch, int64_t triplets, int64_t d, ops_random *r)
{
    views v = {.b = ops_make_batch(c, USERS, ITEMS, batch, 1, triplets, r), .d = d};
    v.half = 2 * batch;
    v.stack = ops_doubles(c, 2 * v.half * d);
    v.counts = ops_memory(c, v.half, sizeof *v.counts);
    for (int view = 0; view < 2; view++) {
        v.x[view] = ops_reals(c, v.b.capacity * d, r);
    }
    for (int64_t s = 0; s < v.half; s++) {
        const int64_t row = v.b.slot_row[s];
        v.counts[s] = row >= 0;
        for (int64_t t = 0; t < s; t++) {
            v.counts[s] = v.counts[s] && v.b.slot_row[t] != row;
        }
        for (int view = 0; v.counts[s] && view < 2; view++) {
            const float *x = v.x[view] + row * d;
            double square = 0;
            for (int64_t j = 0; j < d; j++) {
                square += (double)x[j] * (double)x[j];
            }
            for (int64_t j = 0; j < d; j++) {
                v.stack[(view * v.half + s) * d + j] = (double)x[j] / sqrt(square);
            }
        }
    }
    return v;
}

static rk_value stack_input(ops_case *c, const views *v)
{
    float *stack = ops_memory(c, 2 * v->half * v->d, sizeof *stack);
    for (int64_t i = 0; i < 2 * v->half * v->d; i++) {
        stack[i] = (float)v->stack[i];
    }
    return ops_input(c, RK_F32, 2 * v->half, v->d, stack);
}

static const struct batch_shape {
    int64_t batch, triplets, d;
} shapes[] = {{1, 1, 4}, {5, 3, 7}, {17, 17, 16}, {40, 33, 33}};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

static void contrast_slots(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        for (int wanted = 0; wanted < 2; wanted++) { /* the stack, the bias */
            ops_random r = {(uint64_t)i + 11};
            ops_case *c = ops_begin("contrast_slots %d, output %d", i, wanted);
            views v = make_views(c, shapes[i].batch, shapes[i].triplets, shapes[i].d, &r);
            float *bias = ops_memory(c, 2 * v.half, sizeof *bias);
            double *one = ops_doubles(c, 2 * v.half * v.d);
            for (int64_t j = 0; j < 2 * v.half * v.d; j++) {
                one[j] = 1;
            }
            for (int64_t s = 0; s < v.half; s++) {
                bias[s] = bias[v.half + s] = v.counts[s] ? 0 : RK_NO_LOGIT;
            }
            rk_row_set rows = ops_batch_inputs(c, &v.b, NODES);
            rk_value in[] = {ops_input(c, RK_F32, v.b.capacity, v.d, v.x[0]),
                             ops_input(c, RK_F32, v.b.capacity, v.d, v.x[1]), rows.slot_row,
                             rows.segments, rows.order};
            rk_attr attr = {.contrast = {.batch = shapes[i].batch}};
            rk_value out = ops_append(c, RK_OP_CONTRAST_SLOTS, in, 5, attr);
            if (wanted == 0) {
                ops_expect_reals(c, out, v.stack, one, 1e-6);
            } else {
                ops_expect_exactly(c, out + 1, bias);
            }
            ops_run(c, 1);
        }
    }
}

static void contrast_slots_grad(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        for (int view = 0; view < 2; view++) {
            ops_random r = {(uint64_t)i + 12};
            ops_case *c = ops_begin("contrast_slots_grad %d, view %d", i, view);
            views v = make_views(c, shapes[i].batch, shapes[i].triplets, shapes[i].d, &r);
            const int64_t d = v.d, n = v.b.capacity;
            float *g = ops_reals(c, 2 * v.half * d, &r);
            double *y = ops_doubles(c, n * d), *size = ops_doubles(c, n * d);
            for (int64_t k = 0; k < n * d; k++) {
                size[k] = 1;
            }
            for (int64_t s = 0; s < v.half; s++) {
                const int64_t row = v.b.slot_row[s], at = (view * v.half + s) * d;
                double along = 0, square = 0;
                for (int64_t j = 0; v.counts[s] && j < d; j++) {
                    along += (double)g[at + j] * v.stack[at + j];
                    square += (double)v.x[view][row * d + j] * (double)v.x[view][row * d + j];
                }
                for (int64_t j = 0; v.counts[s] && j < d; j++) {
                    y[row * d + j] = ((double)g[at + j] - along * v.stack[at + j]) / sqrt(square);
                    size[row * d + j] = 1 + sqrt((double)d) * 2 / sqrt(square);
                }
            }
            rk_row_set rows = ops_batch_inputs(c, &v.b, NODES);
            rk_value in[] = {ops_input(c, RK_F32, n, d, v.x[view]),
                             stack_input(c, &v),
                             ops_input(c, RK_F32, 2 * v.half, d, g),
                             rows.segments,
                             rows.order,
                             rows.count};
            rk_attr attr = {.contrast = {.batch = shapes[i].batch, .second = view == 1}};
            rk_value out = ops_append(c, RK_OP_CONTRAST_SLOTS_GRAD, in, 6, attr);
            ops_expect_reals(c, out, y, size, 2e-6);
            ops_run(c, 1);
        }
    }
}

static rk_value bias_input(ops_case *c, const views *v)
{
    float *bias = ops_memory(c, 2 * v->half, sizeof *bias);
    for (int64_t s = 0; s < v->half; s++) {
        bias[s] = bias[v->half + s] = v->counts[s] ? 0 : RK_NO_LOGIT;
    }
    return ops_input(c, RK_F32, 2 * v->half, 1, bias);
}

/* Given any log-sum-exp: the loss, the bias of keys, the factors. */
static void contrast_loss(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        for (int wanted = 0; wanted < 3; wanted++) {
            ops_random r = {(uint64_t)i + 13};
            ops_case *c = ops_begin("contrast_loss %d, output %d", i, wanted);
            views v = make_views(c, shapes[i].batch, shapes[i].triplets, shapes[i].d, &r);
            const int64_t batch = shapes[i].batch, d = v.d;
            const double weight = 0.75;
            double *own[2];
            float *lse[2], *key_bias = ops_memory(c, 2 * v.half, sizeof *key_bias);
            float *mean = ops_memory(c, batch * d, sizeof *mean);
            double *loss = ops_doubles(c, 1), *size = ops_doubles(c, 2 * v.half);
            double *factor = ops_doubles(c, 2 * v.half);
            for (int kind = 0; kind < 2; kind++) {
                double n = 0;
                lse[kind] = ops_reals(c, batch, &r);
                own[kind] = ops_doubles(c, batch);
                for (int64_t b = 0; b < batch; b++) {
                    n += v.counts[kind * batch + b];
                }
                for (int64_t b = 0; b < batch; b++) {
                    const int64_t s = kind * batch + b;
                    own[kind][b] = ops_real(&r);
                    if (v.counts[s]) {
                        *loss += weight / n * ((double)lse[kind][b] - own[kind][b]);
                        factor[s] = factor[v.half + s] = weight / n;
                    }
                    size[s] = size[v.half + s] = 1;
                    key_bias[s] = v.counts[s] ? -lse[kind][b] : RK_NO_LOGIT;
                    key_bias[v.half + s] = RK_NO_LOGIT;
                }
            }
            rk_value zero = ops_input(c, RK_F32, batch, d, mean);
            rk_value in[] = {stack_input(c, &v),
                             bias_input(c, &v),
                             ops_input(c, RK_F32, batch, 1, lse[0]),
                             ops_input(c, RK_F32, batch, 1, lse[1]),
                             ops_input(c, RK_F64, batch, 1, own[0]),
                             ops_input(c, RK_F64, batch, 1, own[1]),
                             zero,
                             zero};
            rk_attr attr = {.contrast = {.batch = batch, .weight = weight}};
            rk_value out = ops_append(c, RK_OP_CONTRAST_LOSS, in, 8, attr);
            size[0] = wanted == 0 ? 4 : 1;
            if (wanted == 1) {
                ops_expect_exactly(c, out + 1, key_bias);
            } else {
                ops_expect_reals(c, out + wanted, wanted == 0 ? loss : factor, size, 1e-6);
            }
            ops_run(c, 1);
        }
    }
}

static void contrast_grad(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        ops_random r = {(uint64_t)i + 14};
        ops_case *c = ops_begin("contrast_grad %d", i);
        views v = make_views(c, shapes[i].batch, shapes[i].triplets, shapes[i].d, &r);
        const int64_t batch = shapes[i].batch, d = v.d;
        const double temperature = 0.5;
        float *means[4], *lse[2], *factor = ops_memory(c, 2 * v.half, sizeof *factor);
        double *y = ops_doubles(c, 2 * v.half * d), *size = ops_doubles(c, 2 * v.half * d);
        for (int k = 0; k < 4; k++) {
            means[k] = ops_reals(c, batch * d, &r);
        }
        for (int k = 0; k < 2; k++) {
            lse[k] = ops_reals(c, batch, &r);
        }
        for (int64_t at = 0; at < 2 * v.half; at++) {
            const int64_t s = at % v.half, kind = s / batch, b = s % batch;
            factor[at] = v.counts[s] ? 0.5f : 0;
            for (int64_t j = 0; j < d; j++) {
                const double f = (double)factor[at] / temperature;
                double mean = at < v.half
                                  ? (double)means[kind][b * d + j]
                                  : (double)means[2 + kind][b * d + j] * exp((double)lse[kind][b]);
                double other = v.stack[(at < v.half ? v.half + s : s) * d + j];
                y[at * d + j] = f * ((double)(float)mean - (double)(float)other);
                size[at * d + j] = 1 + 2 * f;
            }
        }
        rk_value in[] = {stack_input(c, &v),
                         ops_input(c, RK_F32, 2 * v.half, 1, factor),
                         ops_input(c, RK_F32, batch, d, means[0]),
                         ops_input(c, RK_F32, batch, d, means[1]),
                         ops_input(c, RK_F32, batch, 1, lse[0]),
                         ops_input(c, RK_F32, batch, 1, lse[1]),
                         ops_input(c, RK_F32, batch, d, means[2]),
                         ops_input(c, RK_F32, batch, d, means[3])};
        rk_attr attr = {.contrast = {.batch = batch, .temperature = temperature}};
        ops_expect_reals(c, ops_append(c, RK_OP_CONTRAST_GRAD, in, 8, attr), y, size, 1e-6);
        ops_run(c, 1);
    }
}

const ops_entry ops_cases_contrast[] = {
    {RK_OP_PERTURB, perturb},
    {RK_OP_CONTRAST_SLOTS, contrast_slots},
    {RK_OP_CONTRAST_SLOTS_GRAD, contrast_slots_grad},
    {RK_OP_CONTRAST_LOSS, contrast_loss},
    {RK_OP_CONTRAST_GRAD, contrast_grad},
    {RK_OP_COUNT, NULL},
};
