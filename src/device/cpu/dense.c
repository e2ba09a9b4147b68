/* Whole tables element by element, their columns, dropout. */
#include <string.h>

#include "device/cpu/cpu.h"
#include "ops/activation.h"
#include "ops/dropout_draw.h"

enum { ELEMENTS_PER_BLOCK = 8192 };

/* ---- element by element ---- */

void rk__cpu_activate(const rk_call *call)
{
    const rk_activate_attr a = call->node->attr.activate;
    const int64_t rows = rk__out(call, 0)->rows, d = rk__out(call, 0)->cols, n = rows * d;
    const int64_t used = call->in[1] ? *(const int32_t *)call->in[1] * d : n;
    const float *x = call->in[0];
    float *y = call->out[0];
    RK_CPU_FOR(call, block, rk__blocks(n, ELEMENTS_PER_BLOCK))
    {
        const int64_t first = block * ELEMENTS_PER_BLOCK;
        const int64_t end = rk__block_end(block, ELEMENTS_PER_BLOCK, n);
        const int64_t last = used < first ? first : used < end ? used : end;
        if (a.kind == RK_ACTIVATION_RELU) {
            for (int64_t i = first; i < last; i++) {
                y[i] = x[i] <= 0 ? 0 : x[i];
            }
        } else {
            for (int64_t i = first; i < last; i++) {
                y[i] = rk__activation(a.kind, a.slope, x[i]);
            }
        }
        rk__zero_row(y + last, end - last);
    }
}

void rk__cpu_activate_grad(const rk_call *call)
{
    const rk_activate_attr a = call->node->attr.activate;
    const int64_t n = rk__cpu_elements(rk__out(call, 0));
    const float *y = call->in[0], *g = call->in[1];
    float *out = call->out[0];
    RK_CPU_FOR(call, block, rk__blocks(n, ELEMENTS_PER_BLOCK))
    {
        const int64_t first = block * ELEMENTS_PER_BLOCK;
        const int64_t end = rk__block_end(block, ELEMENTS_PER_BLOCK, n);
        if (a.kind == RK_ACTIVATION_RELU) { /* vector instructions */
            for (int64_t i = first; i < end; i++) {
                out[i] = g[i] * (y[i] > 0 ? 1.0F : 0.0F);
            }
        } else {
            for (int64_t i = first; i < end; i++) {
                out[i] = g[i] * rk__activation_slope(a.kind, a.slope, y[i]);
            }
        }
    }
}

void rk__cpu_multiply(const rk_call *call)
{
    const int64_t n = rk__cpu_elements(rk__out(call, 0));
    const float *a = call->in[0], *b = call->in[1];
    float *y = call->out[0];
    RK_CPU_FOR(call, block, rk__blocks(n, ELEMENTS_PER_BLOCK))
    {
        const int64_t end = rk__block_end(block, ELEMENTS_PER_BLOCK, n);
        for (int64_t i = block * ELEMENTS_PER_BLOCK; i < end; i++) {
            y[i] = a[i] * b[i];
        }
    }
}

void rk__cpu_scale_columns(const rk_call *call)
{
    const int64_t n = rk__out(call, 0)->rows, d = rk__out(call, 0)->cols;
    const float *x = call->in[0], *factor = call->in[1];
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, r, n)
    {
        for (int64_t c = 0; c < d; c++) {
            y[r * d + c] = factor[c] * x[r * d + c];
        }
    }
}

/* ---- columns ---- */

/* n columns of rows of `from_cols` to rows of `to_cols`. */
static void copy_columns(const rk_call *call, const float *from, int64_t from_cols, float *to,
                         int64_t to_cols, int64_t n)
{
    RK_CPU_FOR_ROWS(call, r, rk__out(call, 0)->rows)
    {
        memcpy(to + r * to_cols, from + r * from_cols, (size_t)n * sizeof *to);
    }
}

void rk__cpu_join_columns(const rk_call *call)
{
    float *y = call->out[0];
    for (int32_t i = 0; i < call->node->n_inputs; i++) {
        const int64_t cols = rk__in(call, i)->cols;
        copy_columns(call, call->in[i], cols, y, rk__out(call, 0)->cols, cols);
        y += cols;
    }
}

void rk__cpu_take_columns(const rk_call *call)
{
    const float *x = call->in[0];
    const int64_t n = rk__out(call, 0)->cols;
    copy_columns(call, x + call->node->attr.columns.first, rk__in(call, 0)->cols, call->out[0], n,
                 n);
}

void rk__cpu_place_columns(const rk_call *call)
{
    const float *x = call->in[0];
    const int64_t d = rk__in(call, 0)->cols, n = rk__out(call, 0)->cols;
    const int64_t first = call->node->attr.columns.first;
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, r, rk__out(call, 0)->rows)
    {
        float *to = y + r * n;
        rk__zero_row(to, first);
        memcpy(to + first, x + r * d, (size_t)d * sizeof *to);
        rk__zero_row(to + first + d, n - first - d);
    }
}

void rk__cpu_reshape(const rk_call *call)
{
    const int64_t n = rk__cpu_elements(rk__out(call, 0));
    const float *x = call->in[0];
    float *y = call->out[0];
    RK_CPU_FOR(call, block, rk__blocks(n, ELEMENTS_PER_BLOCK))
    {
        const int64_t first = block * ELEMENTS_PER_BLOCK;
        memcpy(y + first, x + first,
               (size_t)(rk__block_end(block, ELEMENTS_PER_BLOCK, n) - first) * sizeof *y);
    }
}

/* ---- dropout ---- */

void rk__cpu_dropout(const rk_call *call)
{
    const float *x = call->in[0];
    const int32_t *rows = call->in[2];
    const int64_t n = rk__out(call, 0)->rows, d = rk__out(call, 0)->cols;
    const int64_t count = rows ? *(const int32_t *)call->in[3] : n;
    const rk_tensor *of = rk__in(call, 0);
    const rk_dropout_attr *a = &call->node->attr.dropout;
    const rk_step_state *state = call->in[1];
    const rk_dropout_draw draw = rk__dropout_at(state->seed, state->step, a->layer, a->ratio);
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, r, n)
    {
        if (r < count) {
            const int64_t row = rows ? rows[r] : r;
            call->isa->drop(&draw, row * rk__all_columns(of) + of->first_column, x + r * d, d,
                            y + r * d);
        } else {
            rk__zero_row(y + r * d, d);
        }
    }
}
