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
    const rk_step_attr *a = &call->node->attr.step;
    rk_step_state *state = call->in[0];
    double *sums = call->in[1], total = call->in[2] ? *(const double *)call->in[2] : 0;
    for (int32_t i = 0; i < call->node->n_inputs - 3; i++) {
        double term = *(const double *)call->in[3 + i];
        sums[a->first + i] += term;
        total += term;
    }
    *(double *)call->out[0] = total;
    if (!a->is_last) {
        return;
    }
    sums[0] += total;
    rk__note_loss(state, total);
    if (a->advances) {
        rk__next_step(state);
    }
}

void rk__cpu_step_advance(const rk_call *call)
{
    rk__next_step(call->in[0]);
}
