/* Parameter updates, in one pass over the parameter and its moments. */
#include <math.h>

#include "device/cpu/cpu.h"

enum { ELEMENTS_PER_BLOCK = 16384 };

/*
 * Kingma and Ba, "Adam", ICLR 2015, in the form of PyTorch's torch.optim.Adam:
 *   g = gradient + weight_decay p;  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
 *   p = p - rate / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + epsilon),  t from 1
 */
void rk__cpu_adam_rates(const rk_call *call)
{
    const rk_adam_attr *a = &call->node->attr.adam;
    const rk_step_state *state = call->in[0];
    float *rates = call->out[0];
    double t = (double)(state->step + 1);
    rates[0] = (float)(state->learning_rate / (1 - pow(a->beta1, t)));
    rates[1] = (float)(1 / sqrt(1 - pow(a->beta2, t)));
}

rk_adam_scalars rk__cpu_adam_scalars(const rk_adam_attr *a, const float *rates)
{
    return (rk_adam_scalars){
        .beta1 = (float)a->beta1,
        .beta2 = (float)a->beta2,
        .rest1 = (float)(1 - a->beta1),
        .rest2 = (float)(1 - a->beta2),
        .step_size = rates[0],
        .root_correction = rates[1],
        .epsilon = (float)a->epsilon,
        .weight_decay = (float)a->weight_decay,
    };
}

void rk__cpu_adam(const rk_call *call)
{
    const rk_adam_scalars scalars = rk__cpu_adam_scalars(&call->node->attr.adam, call->in[4]);
    int64_t n = rk__cpu_elements(rk__in(call, 0));
    RK_CPU_FOR(call, block, rk__blocks(n, ELEMENTS_PER_BLOCK))
    {
        int64_t first = block * ELEMENTS_PER_BLOCK;
        call->isa->adam(&scalars, rk__block_end(block, ELEMENTS_PER_BLOCK, n) - first,
                        (const float *)call->in[1] + first, (float *)call->in[0] + first,
                        (float *)call->in[2] + first, (float *)call->in[3] + first);
    }
}

/* p = p - rate (gradient + weight_decay p) */
void rk__cpu_sgd(const rk_call *call)
{
    const rk_step_state *state = call->in[2];
    int64_t n = rk__cpu_elements(rk__in(call, 0));
    RK_CPU_FOR(call, block, rk__blocks(n, ELEMENTS_PER_BLOCK))
    {
        int64_t first = block * ELEMENTS_PER_BLOCK;
        call->isa->sgd((float)state->learning_rate, (float)call->node->attr.adam.weight_decay,
                       rk__block_end(block, ELEMENTS_PER_BLOCK, n) - first,
                       (const float *)call->in[1] + first, (float *)call->in[0] + first);
    }
}
