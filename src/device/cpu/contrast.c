/*
 * Two views of a batch against each other: noise on embeddings, and InfoNCE between the views.
 *
 * A stack of 4B rows holds the unit vectors of both views: users of the first view, positives of
 * the first, users of the second, positives of the second. A node that occurs in several slots
 * counts in its first one; the others have the bias RK_NO_LOGIT. What goes over all pairs is
 * attend.c.
 */
#include <math.h>
#include <string.h>

#include "base/philox.h"
#include "device/cpu/cpu.h"
#include "ops/logit.h"
#include "ops/noise_draw.h"

/* y = x + epsilon * sign(x) * noise / |noise|, by rows. */
static void perturb_row(const rk_perturb_attr *a, const rk_step_state *state, int64_t node,
                        const rk_tensor *of, const float *x, float *y)
{
    const int64_t all = rk__all_columns(of), first = of->first_column, d = of->cols;
    float square = 0, unit[4];
    for (int64_t j = 0; j < all; j++) { /* the length is that of all columns */
        if (j % 4 == 0) {
            rk__noise4(state->seed, state->step, a->view, a->layer, node, all, j / 4, unit);
        }
        if (j >= first && j < first + d) {
            y[j - first] = unit[j % 4];
        }
        square += unit[j % 4] * unit[j % 4];
    }
    const float scale = square > 0 ? a->epsilon / sqrtf(square) : 0;
    for (int64_t j = 0; j < d; j++) {
        float sign = (float)((x[j] > 0) - (x[j] < 0));
        y[j] = x[j] + scale * sign * y[j];
    }
}

void rk__cpu_perturb(const rk_call *call)
{
    const float *x = call->in[0];
    const int32_t *rows = call->in[2];
    int64_t n = rk__out(call, 0)->rows, d = rk__out(call, 0)->cols;
    int64_t count = rows ? *(const int32_t *)call->in[3] : n;
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, r, n)
    {
        if (r < count) {
            perturb_row(&call->node->attr.perturb, call->in[1], rows ? rows[r] : r, rk__in(call, 0),
                        x + r * d, y + r * d);
        } else {
            rk__zero_row(y + r * d, d);
        }
    }
}

void rk__cpu_contrast_slots(const rk_call *call)
{
    const int32_t *slot_row = call->in[2], *segments = call->in[3], *order = call->in[4];
    int64_t half = 2 * call->node->attr.contrast.batch, d = rk__in(call, 0)->cols;
    float *pair = call->out[0], *bias = call->out[1];
    RK_CPU_FOR_ROWS(call, i, 2 * half)
    {
        const int64_t s = i < half ? i : i - half, row = slot_row[s];
        if (row < 0 || order[segments[row]] != s) {
            rk__zero_row(pair + i * d, d);
            bias[i] = RK_NO_LOGIT;
            continue;
        }
        const float *x = (const float *)call->in[i < half ? 0 : 1] + row * d;
        float scale = rk__inverse_length(call->isa, x, d);
        call->isa->combine(&x, &scale, 1, d, pair + i * d);
        bias[i] = 0;
    }
}

/* (g - <g, u> u) / |x| at the first slot of each row; zero for rows without a slot in the stack. */
void rk__cpu_contrast_slots_grad(const rk_call *call)
{
    const rk_contrast_attr *a = &call->node->attr.contrast;
    const float *x = call->in[0], *pair = call->in[1], *gradient = call->in[2];
    const int32_t *segments = call->in[3], *order = call->in[4];
    int64_t half = 2 * a->batch, n = rk__out(call, 0)->rows, d = rk__out(call, 0)->cols;
    int64_t count = *(const int32_t *)call->in[5];
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, r, n)
    {
        const int64_t s = r < count ? order[segments[r]] : half;
        if (s >= half) {
            rk__zero_row(y + r * d, d);
            continue;
        }
        const int64_t at = (a->second ? half + s : s) * d;
        const float *parts[] = {gradient + at, pair + at};
        float scale = rk__inverse_length(call->isa, x + r * d, d);
        float weights[] = {scale, -scale * call->isa->dot(parts[0], parts[1], d)};
        call->isa->combine(parts, weights, 2, d, y + r * d);
    }
}

/*
 * InfoNCE (van den Oord et al. 2018) as SimGCL has it: weight times the mean over the distinct
 * users of lse_i - s_ii, and the same of the positives; lse_i over all keys of the kind, i itself
 * too.
 */
void rk__cpu_contrast_loss(const rk_call *call)
{
    const rk_contrast_attr *a = &call->node->attr.contrast;
    const float *bias = call->in[1];
    int64_t batch = a->batch, half = 2 * batch;
    float *key_bias = call->out[1], *factor = call->out[2];
    double loss = 0;
    for (int64_t kind = 0; kind < 2; kind++) {
        const float *lse = call->in[2 + kind];
        const double *own = call->in[4 + kind];
        int64_t n = 0;
        double sum = 0;
        for (int64_t b = 0; b < batch; b++) {
            const int64_t s = kind * batch + b;
            key_bias[s] = key_bias[half + s] = RK_NO_LOGIT;
            if (rk__is_logit(bias[s]) && rk__is_logit(lse[b])) {
                sum += (double)lse[b] - own[b];
                key_bias[s] = -lse[b];
                n++;
            }
        }
        for (int64_t b = 0; b < batch; b++) {
            const int64_t s = kind * batch + b;
            bool counts = rk__is_logit(key_bias[s]);
            factor[s] = factor[half + s] = counts ? (float)(a->weight / (double)n) : 0;
        }
        loss += n > 0 ? a->weight * sum / (double)n : 0;
    }
    *(double *)call->out[0] = loss;
}

/* d loss / d s_ij = f (p_ij - [i = j]); the mean of keys under p_i. is the attention's, the sum of
 * queries under p_.j is e^lse' times the mean of the attention with the roles changed. */
void rk__cpu_contrast_grad(const rk_call *call)
{
    const rk_contrast_attr *a = &call->node->attr.contrast;
    const float *pair = call->in[0], *factor = call->in[1];
    int64_t batch = a->batch, half = 2 * batch, d = rk__in(call, 0)->cols;
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, i, 2 * half)
    {
        const int64_t s = i < half ? i : i - half, kind = s >= batch, b = s - kind * batch;
        if (factor[i] == 0) {
            rk__zero_row(y + i * d, d);
            continue;
        }
        const float f = (float)((double)factor[i] / a->temperature);
        const float *mean = call->in[(i < half ? 2 : 6) + kind];
        const float *lse = call->in[4 + kind];
        const float *parts[] = {mean + b * d, pair + (i < half ? half + s : s) * d};
        float weights[] = {i < half ? f : f * expf(lse[b]), -f};
        call->isa->combine(parts, weights, 2, d, y + i * d);
    }
}
