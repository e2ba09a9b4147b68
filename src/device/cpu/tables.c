/*
 * Whole tables: sums of them with given weights and with weights from a tensor, the gradients of
 * those, rows of unit length, rows of halves.
 */
#include <math.h>
#include <string.h>

#include "device/cpu/cpu.h"

enum { ELEMENTS_PER_BLOCK = 16384, ELEMENTS_PER_SUM = 512 };

static const float norm_epsilon = 1e-12f;

void rk__cpu_combine(const rk_call *call)
{
    int64_t n = rk__cpu_elements(rk__out(call, 0));
    RK_CPU_FOR(call, block, rk__blocks(n, ELEMENTS_PER_BLOCK))
    {
        const float *tables[RK_MAX_INPUTS];
        int64_t first = block * ELEMENTS_PER_BLOCK;
        for (int32_t k = 0; k < call->node->n_inputs; k++) {
            tables[k] = (const float *)call->in[k] + first;
        }
        call->isa->combine(tables, call->node->attr.weight, call->node->n_inputs,
                           rk__block_end(block, ELEMENTS_PER_BLOCK, n) - first,
                           (float *)call->out[0] + first);
    }
}

/* y = sum_k weights[k] * x_k */
void rk__cpu_mix(const rk_call *call)
{
    int64_t n = rk__cpu_elements(rk__out(call, 0));
    RK_CPU_FOR(call, block, rk__blocks(n, ELEMENTS_PER_BLOCK))
    {
        const float *tables[RK_MAX_INPUTS];
        int64_t first = block * ELEMENTS_PER_BLOCK;
        for (int32_t k = 1; k < call->node->n_inputs; k++) {
            tables[k - 1] = (const float *)call->in[k] + first;
        }
        call->isa->combine(tables, call->in[0], call->node->n_inputs - 1,
                           rk__block_end(block, ELEMENTS_PER_BLOCK, n) - first,
                           (float *)call->out[0] + first);
    }
}

/* y = weights[index] * x */
void rk__cpu_weigh(const rk_call *call)
{
    int64_t n = rk__cpu_elements(rk__out(call, 0));
    const float weight = ((const float *)call->in[1])[call->node->attr.index];
    RK_CPU_FOR(call, block, rk__blocks(n, ELEMENTS_PER_BLOCK))
    {
        int64_t first = block * ELEMENTS_PER_BLOCK;
        const float *table = (const float *)call->in[0] + first;
        call->isa->combine(&table, &weight, 1, rk__block_end(block, ELEMENTS_PER_BLOCK, n) - first,
                           (float *)call->out[0] + first);
    }
}

int64_t rk__cpu_scratch_table_dots(const rk_call *call)
{
    int64_t n = rk__cpu_elements(rk__in(call, 0));
    return rk__blocks(n, ELEMENTS_PER_BLOCK) * RK_MAX_LAYERS * (int64_t)sizeof(double);
}

/* y[k] = alpha * <g, x_k>, in double */
void rk__cpu_table_dots(const rk_call *call)
{
    const float *g = call->in[0];
    int64_t n = rk__cpu_elements(rk__in(call, 0));
    int64_t n_blocks = rk__blocks(n, ELEMENTS_PER_BLOCK);
    int32_t n_tables = call->node->n_inputs - 1;
    double(*partial)[RK_MAX_LAYERS] = call->scratch;
    float *y = call->out[0];
    RK_CPU_FOR(call, block, n_blocks)
    {
        int64_t end = rk__block_end(block, ELEMENTS_PER_BLOCK, n);
        for (int32_t k = 0; k < n_tables; k++) {
            const float *x = call->in[1 + k];
            double sum = 0;
            for (int64_t at = block * ELEMENTS_PER_BLOCK; at < end; at += ELEMENTS_PER_SUM) {
                int64_t length = end - at < ELEMENTS_PER_SUM ? end - at : ELEMENTS_PER_SUM;
                sum += (double)call->isa->dot(g + at, x + at, length);
            }
            partial[block][k] = sum;
        }
    }
    for (int32_t k = 0; k < n_tables; k++) {
        double sum = 0;
        for (int64_t block = 0; block < n_blocks; block++) {
            sum += partial[block][k];
        }
        y[k] = (float)((double)call->node->attr.weight[0] * sum);
    }
}

/* w = softmax(x), n <= RK_MAX_LAYERS */
void rk__cpu_softmax_weights(const rk_call *call)
{
    const float *x = call->in[0];
    float *w = call->out[0];
    int64_t n = rk__in(call, 0)->cols;
    double most = (double)x[0], sum = 0;
    for (int64_t k = 1; k < n; k++) {
        most = fmax(most, (double)x[k]);
    }
    for (int64_t k = 0; k < n; k++) {
        sum += exp((double)x[k] - most);
    }
    for (int64_t k = 0; k < n; k++) {
        w[k] = (float)(exp((double)x[k] - most) / sum);
    }
}

/* y[k] = w[k] * (g[k] - <w, g>) */
void rk__cpu_softmax_weights_grad(const rk_call *call)
{
    const float *w = call->in[0], *g = call->in[1];
    float *y = call->out[0];
    int64_t n = rk__in(call, 0)->cols;
    double sum = 0;
    for (int64_t k = 0; k < n; k++) {
        sum += (double)w[k] * (double)g[k];
    }
    for (int64_t k = 0; k < n; k++) {
        y[k] = (float)((double)w[k] * ((double)g[k] - sum));
    }
}

void rk__cpu_row_dots(const rk_call *call)
{
    const float *a = call->in[0], *b = call->in[1];
    int64_t n = rk__in(call, 0)->rows, d = rk__in(call, 0)->cols;
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, r, n)
    {
        y[r] = call->isa->dot(a + r * d, b + r * d, d);
    }
}

/* y[n] = factor[n] * x[n] / (|x[n]| + 1e-12), factor NULL = 1; squares NULL = made of x */
void rk__cpu_unit_rows(const rk_call *call)
{
    const float *x = call->in[0], *factor = call->in[1], *squares = call->in[RK_UNIT_ROWS_SQUARES];
    int64_t n = rk__out(call, 0)->rows, d = rk__out(call, 0)->cols;
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, r, n)
    {
        const float *row = x + r * d;
        float square = squares ? squares[r] : call->isa->dot(row, row, d);
        float by = (factor ? factor[r] : 1) / (sqrtf(square) + norm_epsilon);
        call->isa->combine(&row, &by, 1, d, y + r * d);
    }
}

/* The gradient by x: s (g - x <x, g> / (|x| (|x| + 1e-12))), s = factor / (|x| + 1e-12); zero for
 * a row of zeros, which has no direction. */
void rk__cpu_unit_rows_grad(const rk_call *call)
{
    const float *x = call->in[0], *g = call->in[1], *factor = call->in[2];
    const float *squares = call->in[RK_UNIT_ROWS_GRAD_SQUARES];
    const float *along = call->in[RK_UNIT_ROWS_GRAD_ALONG];
    int64_t n = rk__out(call, 0)->rows, d = rk__out(call, 0)->cols;
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, r, n)
    {
        const float *tables[] = {g + r * d, x + r * d};
        float norm = sqrtf(squares ? squares[r] : call->isa->dot(tables[1], tables[1], d));
        float weights[2] = {0, 0};
        if (norm > 0) {
            weights[0] = (factor ? factor[r] : 1) / (norm + norm_epsilon);
            float dot = along ? along[r] : call->isa->dot(tables[1], tables[0], d);
            weights[1] = -weights[0] * dot / norm / (norm + norm_epsilon);
        }
        call->isa->combine(tables, weights, 2, d, y + r * d);
    }
}

void rk__cpu_narrow(const rk_call *call)
{
    const float *x = call->in[0];
    const int64_t n = rk__in(call, 0)->rows, d = rk__in(call, 0)->cols;
    rk_half *y = call->out[0];
    uint8_t *exponent = rk__half_exponents(call->out[0], n, d);
    RK_CPU_FOR(call, block, rk__blocks(n, RK_ROWS_PER_BLOCK))
    {
        int64_t first = block * RK_ROWS_PER_BLOCK;
        call->isa->narrow(x + first * d, rk__block_end(block, RK_ROWS_PER_BLOCK, n) - first, d,
                          y + first * d, exponent + first);
    }
}
