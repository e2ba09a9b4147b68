/* Rows of models of ratings: factors and what stands behind them. */
#include "device/cpu/cpu.h"

/* The two elements behind the factors: see rk__rating_rows. */
static void end_row(const rk_rating_attr *a, bool is_user, bool is_learnt, float bias, float *end)
{
    const float mean = (float)a->mean;
    if (a->has_bias) {
        end[0] = is_user ? mean + bias : 1;
        end[1] = is_user ? 1 : bias;
    } else {
        end[0] = is_user ? (is_learnt ? 0 : mean) : is_learnt;
        end[1] = is_user ? 1 : (is_learnt ? 0 : mean);
    }
}

void rk__cpu_rating_rows(const rk_call *call)
{
    const rk_rating_attr *a = &call->node->attr.rating;
    const int64_t w = rk__in(call, 1)->cols, d = a->has_bias ? w - 1 : w;
    const int64_t *offsets = call->in[0], cols = rk__out(call, 0)->cols;
    RK_CPU_FOR(call, row, rk__in(call, 1)->rows)
    {
        const float *x = (const float *)call->in[1] + row * w;
        float *y = (float *)call->out[0] + row * cols;
        const bool is_learnt = offsets[row + 1] > offsets[row];
        for (int64_t i = 0; i < d; i++) {
            y[i] = is_learnt ? x[i] : 0;
        }
        if (!a->is_plain) {
            end_row(a, row < a->n_users, is_learnt, a->has_bias && is_learnt ? x[d] : 0, y + d);
        }
    }
}
