/* Clipping of gradients, by their common norm and element by element. */
#include <math.h>

#include "device/cpu/cpu.h"

enum { ELEMENTS_PER_BLOCK = 16384, ELEMENTS_PER_SUM = 512 /* of one sum in float */ };

int64_t rk__cpu_scratch_clip_factor(const rk_call *call)
{
    int64_t blocks = 0;
    for (int32_t i = 1; i < call->node->n_inputs; i++) {
        blocks += rk__blocks(rk__cpu_elements(rk__in(call, i)), ELEMENTS_PER_BLOCK);
    }
    return blocks * (int64_t)sizeof(double);
}

/*
 * PyTorch's clip_grad_norm_: min(1, limit / (norm + 1e-6)), the norm over all gradients together
 * (Pascanu, Mikolov, Bengio, ICML 2013).
 */
void rk__cpu_clip_factor(const rk_call *call)
{
    double *partial = call->scratch, squares = call->in[0] ? *(const double *)call->in[0] : 0;
    for (int32_t i = 1; i < call->node->n_inputs; i++) {
        const float *x = call->in[i];
        int64_t n = rk__cpu_elements(rk__in(call, i)), n_blocks = rk__blocks(n, ELEMENTS_PER_BLOCK);
        RK_CPU_FOR(call, block, n_blocks)
        {
            int64_t end = rk__block_end(block, ELEMENTS_PER_BLOCK, n);
            double sum = 0;
            for (int64_t at = block * ELEMENTS_PER_BLOCK; at < end; at += ELEMENTS_PER_SUM) {
                int64_t length = end - at < ELEMENTS_PER_SUM ? end - at : ELEMENTS_PER_SUM;
                sum += (double)call->isa->dot(x + at, x + at, length);
            }
            partial[block] = sum;
        }
        squares = rk__add_partials(squares, partial, n_blocks);
    }
    double factor = (double)call->node->attr.weight[0] / (sqrt(squares) + 1e-6);
    *(float *)call->out[0] = (float)(factor < 1 ? factor : 1);
    *(double *)call->out[1] = squares;
}

/* y = x * factor, each element then limited to [-limit, limit]; not a number stays that. */
void rk__cpu_clip(const rk_call *call)
{
    const float *x = call->in[0];
    const float factor = call->in[1] ? *(const float *)call->in[1] : 1;
    const float limit = call->node->attr.weight[0];
    float *y = call->out[0];
    int64_t n = rk__cpu_elements(rk__in(call, 0));
    RK_CPU_FOR(call, block, rk__blocks(n, ELEMENTS_PER_BLOCK))
    {
        int64_t end = rk__block_end(block, ELEMENTS_PER_BLOCK, n);
        for (int64_t i = block * ELEMENTS_PER_BLOCK; i < end; i++) {
            float value = x[i] * factor;
            value = value > limit ? limit : value;
            y[i] = value < -limit ? -limit : value;
        }
    }
}
