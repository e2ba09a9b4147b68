/* Parameter updates over many steps. */
#include "ops/harness.h"

#include <math.h>

static const struct table_shape {
    int64_t rows, cols;
} shapes[] = {{1, 1}, {7, 3}, {33, 16}, {33, 65}, {700, 64}, {1000, 130}};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0], STEPS = 25 };

static void adam_on(int i, double weight_decay)
{
    ops_random r = {(uint64_t)i + 1};
    int64_t rows = shapes[i].rows, cols = shapes[i].cols, n = rows * cols;
    ops_case *c =
        ops_begin("adam on [%d, %d], weight decay %g", (int)rows, (int)cols, weight_decay);
    rk_adam_attr a = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = weight_decay};
    rk_step_state state = {.learning_rate = 0.01};
    float *p0 = ops_reals(c, n, &r), *g0 = ops_reals(c, n, &r);
    double *p = ops_doubles(c, n), *m = ops_doubles(c, n), *v = ops_doubles(c, n);
    double *one = ops_doubles(c, n);
    for (int64_t j = 0; j < n; j++) {
        p[j] = (double)p0[j];
        one[j] = 1;
        for (int t = 1; t <= STEPS; t++) {
            double g = (double)g0[j] + weight_decay * p[j];
            m[j] = a.beta1 * m[j] + (1 - a.beta1) * g;
            v[j] = a.beta2 * v[j] + (1 - a.beta2) * g * g;
            double root = sqrt(v[j] / (1 - pow(a.beta2, t))) + a.epsilon;
            p[j] -= state.learning_rate * m[j] / (1 - pow(a.beta1, t)) / root;
        }
    }
    rk_value parameter = ops_variable(c, RK_F32, rows, cols, p0);
    rk_value first = ops_variable(c, RK_F32, rows, cols, NULL);
    rk_value second = ops_variable(c, RK_F32, rows, cols, NULL);
    rk_value at = ops_variable(c, RK_STATE, 1, 1, &state);
    rk__adam(ops_program(c), parameter, ops_input(c, RK_F32, rows, cols, g0), first, second, at, a);
    rk__step_advance(ops_program(c), at);
    ops_expect_reals(c, parameter, p, one, 2e-6);
    ops_expect_reals(c, first, m, one, 2e-6);
    ops_expect_reals(c, second, v, one, 2e-6);
    ops_run(c, STEPS);
}

/* The first step, one whose powers are far below 1, and one where nothing is left of them. */
static void adam_rates(void)
{
    static const int64_t steps[] = {0, 6, 999, 1000000};
    for (int i = 0; i < 4; i++) {
        ops_case *c = ops_begin("adam_rates of step %d", (int)steps[i]);
        rk_adam_attr a = {.beta1 = 0.9, .beta2 = 0.999};
        rk_step_state state = {.learning_rate = 0.01, .step = steps[i]};
        double t = (double)(steps[i] + 1), *rates = ops_doubles(c, 2);
        rates[0] = state.learning_rate / (1 - pow(a.beta1, t));
        rates[1] = 1 / sqrt(1 - pow(a.beta2, t));
        rk_value at = ops_variable(c, RK_STATE, 1, 1, &state);
        ops_expect_reals(c, ops_append(c, RK_OP_ADAM_RATES, &at, 1, (rk_attr){.adam = a}), rates,
                         rates, 1e-7);
        ops_run(c, 1);
    }
}

static void adam(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        adam_on(i, 0);
        adam_on(i, 0.05);
    }
}

/* A parameter that gets no gradient at all must not move, nor become NaN. */
static void adam_without_gradient(void)
{
    enum { ROWS = 5, COLS = 20 };
    ops_random r = {3};
    ops_case *c = ops_begin("adam without a gradient");
    rk_step_state state = {.learning_rate = 0.01};
    float *p0 = ops_reals(c, ROWS * COLS, &r), *zero = ops_memory(c, ROWS * COLS, sizeof *zero);
    rk_value parameter = ops_variable(c, RK_F32, ROWS, COLS, p0);
    rk__adam(ops_program(c), parameter, ops_input(c, RK_F32, ROWS, COLS, zero),
             ops_variable(c, RK_F32, ROWS, COLS, NULL), ops_variable(c, RK_F32, ROWS, COLS, NULL),
             ops_variable(c, RK_STATE, 1, 1, &state),
             (rk_adam_attr){.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8});
    ops_expect_exactly(c, parameter, p0);
    ops_run(c, 1);
}

static void sgd(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        ops_random r = {(uint64_t)i + 1};
        int64_t rows = shapes[i].rows, cols = shapes[i].cols, n = rows * cols;
        ops_case *c = ops_begin("sgd on [%d, %d]", (int)rows, (int)cols);
        double decay = i % 2 ? 0.1 : 0, *p = ops_doubles(c, n), *one = ops_doubles(c, n);
        rk_step_state state = {.learning_rate = 0.01};
        float *p0 = ops_reals(c, n, &r), *g = ops_reals(c, n, &r);
        for (int64_t j = 0; j < n; j++) {
            p[j] = (double)p0[j];
            one[j] = 1;
            for (int t = 0; t < STEPS; t++) {
                p[j] -= state.learning_rate * ((double)g[j] + decay * p[j]);
            }
        }
        rk_value parameter = ops_variable(c, RK_F32, rows, cols, p0);
        rk__sgd(ops_program(c), parameter, ops_input(c, RK_F32, rows, cols, g),
                ops_variable(c, RK_STATE, 1, 1, &state), decay);
        ops_expect_reals(c, parameter, p, one, 2e-6);
        ops_run(c, STEPS);
    }
}

const ops_entry ops_cases_optimizer[] = {
    {RK_OP_ADAM_RATES, adam_rates},
    {RK_OP_ADAM, adam},
    {RK_OP_ADAM, adam_without_gradient},
    {RK_OP_SGD, sgd},
    {RK_OP_COUNT, NULL},
};
