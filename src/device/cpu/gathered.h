/* Weighted sums of tables of floats or halves, row by row: combine_rows, propagate_rows. */
#ifndef RK_DEVICE_CPU_GATHERED_H
#define RK_DEVICE_CPU_GATHERED_H

#include "device/cpu/cpu.h"

/* The tables, the float ones first. */
typedef struct rk_gathered {
    const float *floats[RK_MAX_INPUTS];
    const uint8_t *exponent[RK_MAX_INPUTS]; /* of the halves' rows */
    const rk_half *halves[RK_MAX_INPUTS];
    float weight[RK_MAX_INPUTS], half_weight[RK_MAX_INPUTS];
    int32_t n_floats, n_halves;
} rk_gathered;

/* Inputs from `first` on, with the node's weights from `weight` on. */
static inline rk_gathered rk__gathered_of(const rk_call *call, int32_t first, int32_t weight)
{
    rk_gathered g = {0};
    for (int32_t i = first; i < call->node->n_inputs; i++) {
        const rk_tensor *t = rk__in(call, i);
        const float w = call->node->attr.weight[weight + i - first];
        if (t->dtype == RK_F16) {
            g.halves[g.n_halves] = call->in[i];
            g.exponent[g.n_halves] = rk__half_exponents(call->in[i], t->rows, t->cols);
            g.half_weight[g.n_halves++] = w;
        } else {
            g.floats[g.n_floats] = call->in[i];
            g.weight[g.n_floats++] = w;
        }
    }
    return g;
}

static inline void rk__prefetch_gathered(const rk_gathered *g, int64_t row, int64_t d)
{
    for (int32_t k = 0; k < g->n_floats; k++) {
        rk__cpu_prefetch(g->floats[k] + row * d, d);
    }
    for (int32_t k = 0; k < g->n_halves; k++) {
        rk__cpu_prefetch((const float *)(const void *)(g->halves[k] + row * d), (d + 1) / 2);
    }
}

/* Row `row` of their weighted sum. */
static inline void rk__gather_row(const rk_isa *isa, const rk_gathered *g, int64_t row, int64_t d,
                                  float *y)
{
    const float *tables[RK_MAX_INPUTS];
    for (int32_t k = 0; k < g->n_floats; k++) {
        tables[k] = g->floats[k] + row * d;
    }
    if (g->n_floats > 0) {
        isa->combine(tables, g->weight, g->n_floats, d, y);
    } else {
        rk__zero_row(y, d);
    }
    for (int32_t k = 0; k < g->n_halves; k++) {
        isa->axpy_half(g->half_weight[k] * rk__cpu_factor(g->exponent[k][row]),
                       g->halves[k] + row * d, d, y);
    }
}

#endif
