/*
 * The term over the neighbours of a batch's positives: which nodes it needs, the scores of users
 * with them and the derivatives by them. The gradient at rows is slot_grad's.
 *
 * The sum over a batch is taken in double, block by block in order.
 */
#include <string.h>

#include "device/cpu/cpu.h"

enum { TRIPLETS_PER_BLOCK = 32 };

void rk__cpu_neighbour_slots(const rk_call *call)
{
    const rk_neighbour_attr *a = &call->node->attr.neighbour;
    const int32_t *nodes = call->in[0], *items = call->in[1];
    int64_t batch = a->batch, n = rk__in(call, 1)->cols;
    int32_t *out = call->out[0];
    for (int64_t b = 0; b < batch; b++) {
        int64_t positive = nodes[batch + b];
        out[b] = nodes[b];
        for (int64_t k = 0; k < n; k++) {
            out[rk__item_slot(batch, n, b, k)] =
                positive < 0 ? -1 : items[(positive - a->n_users) * n + k];
        }
    }
}

int64_t rk__cpu_scratch_neighbour_loss(const rk_call *call)
{
    return rk__blocks(call->node->attr.neighbour.batch, TRIPLETS_PER_BLOCK) *
           (int64_t)sizeof(double);
}

/* The sum over the neighbours of triplet b, but for the term's weight; by_score[k] becomes the
 * derivative, `factor` in it. */
static double triplet_term(const rk_call *call, int64_t b, double factor, float *by_score)
{
    const rk_neighbour_attr *a = &call->node->attr.neighbour;
    const float *x = call->in[0];
    const int32_t *slot_row = call->in[1], *nodes = call->in[2];
    int64_t n = rk__out(call, 1)->cols, d = rk__in(call, 0)->cols;
    const float *weights = (const float *)call->in[3] + (nodes[a->batch + b] - a->n_users) * n;
    double sum = 0;
    for (int64_t k = 0; k < n; k++) {
        int64_t row = slot_row[rk__item_slot(a->batch, n, b, k)];
        by_score[k] = 0;
        if (row >= 0) {
            double score = (double)call->isa->dot(x + slot_row[b] * d, x + row * d, d);
            sum += (double)weights[k] * rk__softplus(-score);
            by_score[k] = (float)(-factor * (double)weights[k] * rk__sigmoid(-score));
        }
    }
    return sum;
}

void rk__cpu_neighbour_loss(const rk_call *call)
{
    const rk_neighbour_attr *a = &call->node->attr.neighbour;
    int64_t n = rk__out(call, 1)->cols, count = rk__step_count(call->in[4]);
    int64_t n_blocks = rk__blocks(a->batch, TRIPLETS_PER_BLOCK);
    double *partial = call->scratch, *loss = call->out[0], total = 0;
    float *by_score = call->out[1];
    RK_CPU_FOR(call, block, n_blocks)
    {
        double sum = 0;
        int64_t end = rk__block_end(block, TRIPLETS_PER_BLOCK, a->batch);
        for (int64_t b = block * TRIPLETS_PER_BLOCK; b < end; b++) {
            if (b < count) {
                sum += triplet_term(call, b, a->weight / (double)count, by_score + b * n);
            } else {
                memset(by_score + b * n, 0, (size_t)n * sizeof *by_score);
            }
        }
        partial[block] = sum;
    }
    total = rk__add_partials(total, partial, n_blocks);
    *loss = count > 0 ? a->weight * total / (double)count : 0;
}
