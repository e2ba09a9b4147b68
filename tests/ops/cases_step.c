/* The step state: the learning rate of a step, the sums of losses, the step counter. */
#include "ops/harness.h"

#include <math.h>

/* Plain SGD on a gradient of ones adds up the rates of the steps. */
static void schedule(void)
{
    static const rk_schedule rules[] = {
        {.rate = 0.5, .floor = 0.1, .cosine_to = 10},
        {.rate = 0.5, .floor = 0.1, .warmup = 4, .cosine_from = 4, .cosine_to = 10},
        {.rate = 0.25, .warmup = 7},
        {.rate = 0.125},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        const rk_schedule *s = &rules[i];
        for (int steps = 1; steps < 16; steps += 7) {
            ops_case *c = ops_begin("schedule %d, %d steps", (int)i, steps);
            rk_step_state state = {.step = 1, .learning_rate = 99, .rate_scale = 0.5};
            double sum = 0, one = 1;
            float gradient = 1;
            for (int t = 1; t <= steps; t++) {
                double share = 1;
                if (t < s->warmup) {
                    share = (t + 1.0) / (double)s->warmup;
                } else if (s->cosine_to > 0) {
                    double at = fmin(1, (double)(t - s->cosine_from) /
                                            (double)(s->cosine_to - s->cosine_from));
                    share = s->floor + (1 - s->floor) * pow(cos(acos(-1) * at / 2), 2);
                }
                sum -= 0.5 * s->rate * share;
            }
            rk_value parameter = ops_variable(c, RK_F32, 1, 1, NULL);
            rk_value at = ops_variable(c, RK_STATE, 1, 1, &state);
            rk__schedule(ops_program(c), at, *s);
            rk__sgd(ops_program(c), parameter, ops_input(c, RK_F32, 1, 1, &gradient), at, 0);
            rk__step_advance(ops_program(c), at);
            ops_expect_reals(c, parameter, &sum, &one, 1e-6);
            ops_run(c, steps);
        }
    }
}

static void step_loss(void)
{
    for (int32_t n = 1; n <= 30; n += n < 3 ? 1 : 9) { /* from 12 on more than one node */
        ops_case *c = ops_begin("step_loss of %d terms over 3 steps", (int)n);
        rk_program *p = ops_program(c);
        rk_step_state state = {.step = 9};
        double *sums = ops_doubles(c, 1 + n), *size = ops_doubles(c, 1 + n), total = 0;
        for (int32_t i = 0; i <= n; i++) {
            sums[i] = 0.5 * i;
        }
        rk_value of_state = ops_variable(c, RK_STATE, 1, 1, &state);
        rk_value of_sums = ops_variable(c, RK_F64, 1 + n, 1, sums);
        for (int32_t i = 0; i < n; i++) {
            double term = 0.625 + 0.0625 * i; /* the sums are exact */
            total += term;
            sums[1 + i] += 3 * term;
            rk__program_add_term(p, "term", ops_input(c, RK_F64, 1, 1, &term));
        }
        rk__step_loss(p, of_state, of_sums);
        sums[0] += 3 * total;
        state.last_loss = total;
        ops_expect_exactly(c, of_state, &state);
        ops_expect_reals(c, of_sums, sums, size, 0);
        ops_run(c, 3);
    }
}

/* The first bad step is kept, whatever comes later. */
static void step_loss_not_finite(void)
{
    double term = INFINITY, sums[2] = {term, term};
    ops_case *c = ops_begin("step_loss of an infinite term");
    rk_program *p = ops_program(c);
    rk_step_state state = {.step = 9};
    rk_value of_state = ops_variable(c, RK_STATE, 1, 1, &state);
    rk_value of_sums = ops_variable(c, RK_F64, 2, 1, NULL);
    rk__program_add_term(p, "term", ops_input(c, RK_F64, 1, 1, &term));
    rk__step_loss(p, of_state, of_sums);
    rk__step_advance(p, of_state);
    state = (rk_step_state){
        .step = 12, .step_in_epoch = 3, .bad_step = 10, .bad_loss = term, .last_loss = term};
    ops_expect_exactly(c, of_state, &state);
    ops_expect_exactly(c, of_sums, sums);
    ops_expect_divergence(c);
    ops_run(c, 3);
}

static void step_advance(void)
{
    ops_case *c = ops_begin("step_advance");
    rk_step_state state = {.seed = 5, .step = 7, .epoch = 1, .step_in_epoch = 3};
    rk_value value = ops_variable(c, RK_STATE, 1, 1, &state);
    rk__step_advance(ops_program(c), value);
    state.step += 4;
    state.step_in_epoch += 4;
    ops_expect_exactly(c, value, &state);
    ops_run(c, 4);
}

const ops_entry ops_cases_step[] = {
    {RK_OP_SCHEDULE, schedule},
    {RK_OP_STEP_LOSS, step_loss},
    {RK_OP_STEP_LOSS, step_loss_not_finite},
    {RK_OP_STEP_ADVANCE, step_advance},
    {RK_OP_COUNT, NULL},
};
