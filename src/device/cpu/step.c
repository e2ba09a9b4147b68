/* The step state: the learning rate of a step, sums of losses over steps, the counter. */
#include <math.h>

#include "device/cpu/cpu.h"

void rk__cpu_schedule(const rk_call *call)
{
    rk_step_state *state = call->in[0];
    state->learning_rate =
        rk__schedule_rate(&call->node->attr.schedule, state->step, state->rate_scale);
}

void rk__cpu_step_loss(const rk_call *call)
{
    rk_step_state *state = call->in[0];
    double total = 0;
    for (int32_t i = 1; i < call->node->n_inputs; i++) {
        double term = *(const double *)call->in[i];
        state->loss_sum[call->node->attr.loss_slot[i - 1]] += term;
        total += term;
    }
    state->loss_sum[0] += total;
    state->last_loss = total;
    if (!isfinite(total) && state->bad_step == 0) {
        state->bad_step = state->step + 1;
        state->bad_loss = total;
    }
}

void rk__cpu_step_advance(const rk_call *call)
{
    rk_step_state *state = call->in[0];
    state->step++;
    state->step_in_epoch++;
}
