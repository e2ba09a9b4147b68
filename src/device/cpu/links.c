/* Ids by a table, lengths of rows, and the loss of all items at once. */
#include "device/cpu/cpu.h"
#include "ops/list_loss.h"

enum { IDS_PER_BLOCK = 1 << 14 };

void rk__cpu_lookup(const rk_call *call)
{
    const int32_t *x = call->in[0], *table = call->in[1];
    const int64_t n = rk__out(call, 0)->rows;
    int32_t *y = call->out[0];
    RK_CPU_FOR(call, block, rk__blocks(n, IDS_PER_BLOCK))
    {
        const int64_t end = rk__block_end(block, IDS_PER_BLOCK, n);
        for (int64_t i = block * IDS_PER_BLOCK; i < end; i++) {
            y[i] = x[i] < 0 ? -1 : table[x[i]];
        }
    }
}

/* ---- lengths ---- */

void rk__cpu_row_norms(const rk_call *call)
{
    const float *x = call->in[0];
    const int64_t n = rk__in(call, 0)->rows, d = rk__in(call, 0)->cols;
    const bool is_sum = call->node->attr.norm == 1;
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, r, n)
    {
        const float *row = x + r * d;
        double sum = 0;
        for (int64_t j = 0; j < d; j++) {
            sum += is_sum ? fabs((double)row[j]) : (double)row[j] * (double)row[j];
        }
        y[r] = (float)(is_sum ? sum : sqrt(sum));
    }
}

void rk__cpu_row_norms_grad(const rk_call *call)
{
    const float *x = call->in[0], *norm = call->in[1], *g = call->in[2];
    const int64_t n = rk__in(call, 0)->rows, d = rk__in(call, 0)->cols;
    const bool is_sum = call->node->attr.norm == 1;
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, r, n)
    {
        const float factor = norm[r] > 0 ? g[r] / norm[r] : norm[r] * g[r];
        for (int64_t j = 0; j < d; j++) {
            const float a = x[r * d + j];
            y[r * d + j] = is_sum ? (a > 0 ? g[r] : a < 0 ? -g[r] : a * g[r]) : factor * a;
        }
    }
}

/* ---- all items at once ---- */

int64_t rk__cpu_scratch_list_loss(const rk_call *call)
{
    return rk__in(call, 0)->rows * (int64_t)sizeof(double);
}

/* The sum over all items of a user's cross-entropies, and its derivatives. */
static double user_term(const rk_call *call, int64_t b, double factor)
{
    const rk_list_loss_attr *a = &call->node->attr.list_loss;
    const int64_t n = rk__in(call, 0)->cols;
    const float *scores = (const float *)call->in[0] + b * n;
    const int64_t *offsets = call->in[2];
    const int32_t *columns = call->in[3], user = ((const int32_t *)call->in[1])[b];
    const rk_list_labels labels = rk__list_labels(a->smoothing, n);
    float *out = (float *)call->out[1] + b * n;
    double sum =
        call->isa->logistic(scores, n, (float)labels.other, (float)(factor / (double)n), out);
    for (int64_t e = offsets[user]; e < offsets[user + 1]; e++) {
        const int64_t item = columns[e] - a->first;
        sum -= (labels.own - labels.other) * (double)scores[item];
        out[item] -= (float)((labels.own - labels.other) * factor / (double)n);
    }
    return sum / (double)n;
}

void rk__cpu_list_loss(const rk_call *call)
{
    const int64_t batch = rk__in(call, 0)->rows, n = rk__in(call, 0)->cols;
    const int64_t count = rk__step_count(call->in[4]);
    double *partial = call->scratch, *loss = call->out[0];
    RK_CPU_FOR(call, b, batch)
    {
        partial[b] = 0;
        if (b < count) {
            partial[b] = user_term(call, b, 1 / (double)count);
        } else {
            rk__zero_row((float *)call->out[1] + b * n, n);
        }
    }
    const double total = rk__add_partials(0, partial, batch);
    *loss = count > 0 ? total / (double)count : 0;
}
