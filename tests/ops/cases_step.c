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
    static const double terms[2] = {0.625, 0.0625};
    ops_case *c = ops_begin("step_loss over 3 steps");
    rk_program *p = ops_program(c);
    rk_step_state state = {.step = 9, .loss_sum = {1, 0.5, 0.5, 0}};
    rk_value value = ops_variable(c, RK_STATE, 1, 1, &state);
    p->losses[0] = (rk_loss_term){ops_input(c, RK_F64, 1, 1, &terms[0]), 1};
    p->losses[1] = (rk_loss_term){ops_input(c, RK_F64, 1, 1, &terms[1]), 2};
    p->n_losses = 2;
    rk__step_loss(p, value);
    for (int i = 0; i < 3; i++) {
        state.loss_sum[0] += terms[0] + terms[1];
        state.loss_sum[1] += terms[0];
        state.loss_sum[2] += terms[1];
    }
    state.last_loss = terms[0] + terms[1];
    ops_expect_exactly(c, value, &state);
    ops_run(c, 3);
}

/* The first bad step is kept, whatever comes later. */
static void step_loss_not_finite(void)
{
    double term = INFINITY;
    ops_case *c = ops_begin("step_loss of an infinite term");
    rk_program *p = ops_program(c);
    rk_step_state state = {.step = 9};
    rk_value value = ops_variable(c, RK_STATE, 1, 1, &state);
    p->losses[0] = (rk_loss_term){ops_input(c, RK_F64, 1, 1, &term), 1};
    p->n_losses = 1;
    rk__step_loss(p, value);
    rk__step_advance(p, value);
    state = (rk_step_state){.step = 12,
                            .step_in_epoch = 3,
                            .bad_step = 10,
                            .bad_loss = term,
                            .loss_sum = {term, term, 0, 0},
                            .last_loss = term};
    ops_expect_exactly(c, value, &state);
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
