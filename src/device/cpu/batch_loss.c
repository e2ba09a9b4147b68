/*
 * Losses that compare a batch with itself: rows slot by slot, of unit length or as they are; the
 * softmax over the batch's items; alignment and uniformity; the gradients. What goes over all pairs
 * is attend.c.
 *
 * Slots: b = user of triplet b, B + b = its positive. Sums over a batch are taken in double, block
 * by block in order.
 */
#include <math.h>
#include <string.h>

#include "device/cpu/cpu.h"
#include "ops/logit.h"

enum { TRIPLETS_PER_BLOCK = 128 };

void rk__cpu_unit_slots(const rk_call *call)
{
    const float *x = call->in[0], *table = call->in[3];
    const int32_t *slot_row = call->in[1], *rows = call->in[2];
    int64_t slots = rk__in(call, 1)->rows, d = rk__in(call, 0)->cols;
    float *unit = call->out[0], *bias = call->out[1];
    RK_CPU_FOR_ROWS(call, s, slots)
    {
        const int32_t row = slot_row[s];
        if (row < 0) {
            rk__zero_row(unit + s * d, d);
            bias[s] = RK_NO_LOGIT;
            continue;
        }
        const float *from = x + row * d;
        float scale = call->node->attr.unit.cosine ? rk__inverse_length(call->isa, from, d) : 1;
        call->isa->combine(&from, &scale, 1, d, unit + s * d);
        bias[s] = table ? table[rows[row]] : 0;
    }
}

/* With g the gradient of x / |x| summed over a row's slots: (g - <g, unit> unit) / |x|. */
void rk__cpu_unit_slots_grad(const rk_call *call)
{
    const float *x = call->in[0], *unit = call->in[1], *gradient = call->in[2];
    const int32_t *segments = call->in[3], *order = call->in[4];
    const rk_unit_attr *a = &call->node->attr.unit;
    int64_t rows = rk__in(call, 0)->rows, d = rk__in(call, 0)->cols;
    int64_t count = *(const int32_t *)call->in[5];
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, r, rows)
    {
        rk__zero_row(y + r * d, d);
        if (r >= count) {
            continue;
        }
        for (int32_t i = segments[r]; i < segments[r + 1]; i++) {
            call->isa->axpy(a->alpha, gradient + order[i] * d, d, y + r * d);
        }
        if (a->cosine) {
            const float *direction = unit + order[segments[r]] * d;
            float along = call->isa->dot(y + r * d, direction, d);
            float scale = rk__inverse_length(call->isa, x + r * d, d);
            const float *parts[2] = {y + r * d, direction};
            const float weights[2] = {scale, -along * scale};
            call->isa->combine(parts, weights, 2, d, y + r * d);
        }
    }
}

int64_t rk__cpu_scratch_softmax_loss(const rk_call *call)
{
    return rk__blocks(call->node->attr.softmax.batch, TRIPLETS_PER_BLOCK) * (int64_t)sizeof(double);
}

void rk__cpu_softmax_loss(const rk_call *call)
{
    const rk_softmax_attr *a = &call->node->attr.softmax;
    const float *lse = call->in[2];
    const double *own = call->in[4];
    int64_t slots = rk__in(call, 0)->rows;
    int64_t count = rk__step_count(call->in[5]),
            n_blocks = rk__blocks(a->batch, TRIPLETS_PER_BLOCK);
    double *partial = call->scratch, *loss = call->out[0], total = 0;
    float *user_bias = call->out[1];
    RK_CPU_FOR(call, block, n_blocks)
    {
        double sum = 0;
        int64_t end = rk__block_end(block, TRIPLETS_PER_BLOCK, a->batch);
        for (int64_t b = block * TRIPLETS_PER_BLOCK; b < end; b++) {
            user_bias[b] = RK_NO_LOGIT;
            if (b < count && rk__is_logit(lse[b])) {
                sum += a->power * (double)lse[b] - own[b];
                user_bias[b] = -lse[b];
            }
        }
        partial[block] = sum;
    }
    for (int64_t s = a->batch; s < slots; s++) {
        user_bias[s] = RK_NO_LOGIT;
    }
    total = rk__add_partials(total, partial, n_blocks);
    *loss = count > 0 ? total / (double)count : 0;
}

/* y = c (weight * mean - other), or zero. */
static void slot_gradient(const rk_call *call, float c, float weight, const float *mean,
                          const float *other, int64_t d, float *y)
{
    const float *parts[2] = {mean, other};
    const float weights[2] = {c * weight, -c};
    call->isa->combine(parts, weights, 2, d, y);
}

/*
 * d loss / d s_bj = (power w_bj - [j = b]) / users, w_bj = e^(s_bj - lse_b). A user's slot sums
 * that over items, which is the mean of items; an item's slot over users: with mean' and lse' of
 * the attention of the item to the users, sum over b of w_bj u_b = e^(lse'_j + bias_j) mean'_j.
 */
void rk__cpu_softmax_grad(const rk_call *call)
{
    const rk_softmax_attr *a = &call->node->attr.softmax;
    const float *unit = call->in[0], *bias = call->in[1], *item_mean = call->in[2];
    const float *user_bias = call->in[3], *user_lse = call->in[4], *user_mean = call->in[5];
    int64_t slots = rk__in(call, 0)->rows, d = rk__in(call, 0)->cols;
    int64_t count = rk__step_count(call->in[6]), batch = a->batch;
    float c = (float)(1 / (a->temperature * (double)(count > 0 ? count : 1)));
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, s, slots)
    {
        int64_t b = s < batch ? s : s - batch;
        if (b >= count || !rk__is_logit(user_bias[b])) {
            rk__zero_row(y + s * d, d);
        } else if (s < batch) {
            slot_gradient(call, c, (float)a->power, item_mean + b * d, unit + (batch + b) * d, d,
                          y + s * d);
        } else {
            float weight = (float)(a->power * exp((double)user_lse[b] + (double)bias[s]));
            slot_gradient(call, c, weight, user_mean + b * d, unit + b * d, d, y + s * d);
        }
    }
}

/* ---- alignment and uniformity ---- */

/* log of the sum over b < count of e^lse[b]; RK_NO_LOGIT where there are no pairs. */
static double log_sum_of(const float *lse, int64_t count)
{
    double largest = (double)RK_NO_LOGIT, sum = 0;
    for (int64_t b = 0; b < count; b++) {
        largest = (double)lse[b] > largest ? (double)lse[b] : largest;
    }
    if (!rk__is_logit((float)largest)) {
        return (double)RK_NO_LOGIT;
    }
    for (int64_t b = 0; b < count; b++) {
        sum += exp((double)lse[b] - largest);
    }
    return largest + log(sum);
}

int64_t rk__cpu_scratch_align_uniform_loss(const rk_call *call)
{
    return rk__blocks(call->node->attr.align.batch, TRIPLETS_PER_BLOCK) * (int64_t)sizeof(double);
}

void rk__cpu_align_uniform_loss(const rk_call *call)
{
    const rk_align_attr *a = &call->node->attr.align;
    const float *unit = call->in[0], *lse[2] = {call->in[1], call->in[3]};
    int64_t d = rk__in(call, 0)->cols, count = rk__step_count(call->in[5]);
    int64_t n_blocks = rk__blocks(a->batch, TRIPLETS_PER_BLOCK);
    double *partial = call->scratch, *loss = call->out[0], sum = 0;
    float *total = call->out[1];
    RK_CPU_FOR(call, block, n_blocks)
    {
        partial[block] = 0;
        int64_t end = rk__block_end(block, TRIPLETS_PER_BLOCK, count);
        for (int64_t b = block * TRIPLETS_PER_BLOCK; b < end; b++) {
            const float *user = unit + b * d, *item = unit + (a->batch + b) * d;
            for (int64_t j = 0; j < d; j++) { /* 2 - 2 <u, p> would lose small distances */
                double difference = (double)user[j] - (double)item[j];
                partial[block] += difference * difference;
            }
        }
    }
    sum = rk__add_partials(sum, partial, n_blocks);
    *loss = count > 0 ? sum / (double)count : 0;
    for (int kind = 0; kind < 2; kind++) {
        double all = log_sum_of(lse[kind], count);
        total[kind] = (float)all;
        if (rk__is_logit((float)all)) {
            double pairs = (double)count * (double)(count - 1);
            *loss += a->uniformity / 2 * (all - 4 - log(pairs));
        }
    }
}

/* By a user u of triplet b: 2 (u - p) / triplets, and from the uniformity 4 weight e^(lse - total)
 * times the mean of the other users under e^(4 <u, .>): each pair counts for both its ends. */
void rk__cpu_align_uniform_grad(const rk_call *call)
{
    const rk_align_attr *a = &call->node->attr.align;
    const float *unit = call->in[0], *total = call->in[6];
    int64_t slots = rk__in(call, 0)->rows, d = rk__in(call, 0)->cols;
    int64_t count = rk__step_count(call->in[5]);
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, s, slots)
    {
        int kind = s >= a->batch;
        int64_t b = kind ? s - a->batch : s;
        if (b >= count) {
            rk__zero_row(y + s * d, d);
            continue;
        }
        const float *lse = call->in[kind ? 3 : 1], *mean = call->in[kind ? 4 : 2];
        const float *parts[3] = {unit + s * d, unit + (kind ? b : a->batch + b) * d, mean + b * d};
        float pull = (float)(2 / (double)count), push = 0;
        if (rk__is_logit(lse[b])) {
            push = (float)(4 * a->uniformity * exp((double)lse[b] - (double)total[kind]));
        }
        call->isa->combine(parts, (const float[]){pull, -pull, push}, 3, d, y + s * d);
    }
}
