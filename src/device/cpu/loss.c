/*
 * Loss terms on a batch, their gradients at the rows of the batch, and the sums over steps.
 *
 * Slots: b = user of triplet b, B + b = its positive, 2B + M b + k = its k-th candidate, of which
 * only the chosen one counts. Sums over a batch are taken in double, block by block in order.
 */
#include <math.h>
#include <string.h>

#include "base/choices.h"
#include "device/cpu/cpu.h"

enum { TRIPLETS_PER_BLOCK = 128, ROWS_PER_BLOCK = 64, GROUPS = 3 };

/* ---- negatives by score ---- */

/* Dynamic negative sampling: of the candidates the one with the largest score (Zhang et al.,
 * "Optimizing top-N collaborative filtering via dynamic negative item sampling", SIGIR 2013).
 * chosen[b] is its number, -1 in an unused triplet. A NaN score never wins over the first. */
void rk__cpu_select_negatives(const rk_call *call)
{
    const float *final = call->in[0];
    const int32_t *slot_row = call->in[1];
    int64_t batch = call->node->attr.batch, d = rk__in(call, 0)->cols;
    int64_t count = rk__step_count(call->in[2]), m = rk__in(call, 1)->rows / batch - 2;
    int32_t *chosen = call->out[0];
    RK_CPU_FOR(call, block, rk__blocks(batch, TRIPLETS_PER_BLOCK))
    {
        int64_t end = rk__block_end(block, TRIPLETS_PER_BLOCK, batch);
        for (int64_t b = block * TRIPLETS_PER_BLOCK; b < end; b++) {
            chosen[b] = -1;
            float best = 0;
            for (int64_t k = 0; k < m && b < count; k++) {
                const float *candidate = final + slot_row[2 * batch + b * m + k] * d;
                float score = call->isa->dot(final + slot_row[b] * d, candidate, d);
                if (k == 0 || score > best) {
                    best = score;
                    chosen[b] = (int32_t)k;
                }
            }
        }
    }
}

/* ---- BPR ---- */

int64_t rk__cpu_scratch_bpr_loss(const rk_call *call)
{
    return rk__blocks(call->node->attr.batch, TRIPLETS_PER_BLOCK) * (int64_t)sizeof(double);
}

/*
 * Rendle et al., "BPR", UAI 2009: mean of softplus(x), x = score of the negative - score of the
 * positive, and d loss / d x = sigmoid(x) / triplets.
 */
void rk__cpu_bpr_loss(const rk_call *call)
{
    const float *final = call->in[0];
    const int32_t *slot_row = call->in[1], *chosen = call->in[3];
    int64_t batch = call->node->attr.batch, d = rk__in(call, 0)->cols;
    int64_t count = rk__step_count(call->in[2]), m = rk__in(call, 1)->rows / batch - 2;
    double *partial = call->scratch, *loss = call->out[0];
    float *coefficient = call->out[1];
    int64_t n_blocks = rk__blocks(batch, TRIPLETS_PER_BLOCK);
    RK_CPU_FOR(call, block, n_blocks)
    {
        double sum = 0;
        for (int64_t b = block * TRIPLETS_PER_BLOCK;
             b < rk__block_end(block, TRIPLETS_PER_BLOCK, batch); b++) {
            coefficient[b] = 0;
            if (b >= count) {
                continue;
            }
            int64_t negative = 2 * batch + b * m + (chosen ? chosen[b] : 0);
            const float *user = final + slot_row[b] * d;
            double x = (double)call->isa->dot(user, final + slot_row[negative] * d, d) -
                       (double)call->isa->dot(user, final + slot_row[batch + b] * d, d);
            double tail = exp(-fabs(x));
            sum += fmax(x, 0) + log1p(tail);
            coefficient[b] = (float)((x >= 0 ? 1 / (1 + tail) : tail / (1 + tail)) / (double)count);
        }
        partial[block] = sum;
    }
    double total = 0;
    for (int64_t block = 0; block < n_blocks; block++) {
        total += partial[block];
    }
    *loss = count > 0 ? total / (double)count : 0;
}

/* What a slot adds to the gradient of its row: the user gets c (negative - positive), the positive
 * -c user, the chosen negative c user. */
static void add_slot_gradient(const rk_call *call, int32_t slot, float *y)
{
    const float *final = call->in[0], *coefficient = call->in[1];
    const int32_t *slot_row = call->in[2], *chosen = call->in[6];
    int64_t batch = call->node->attr.batch, d = rk__in(call, 0)->cols;
    int64_t m = rk__in(call, 2)->rows / batch - 2;
    if (slot < batch) {
        int64_t negative = 2 * batch + slot * m + (chosen ? chosen[slot] : 0);
        call->isa->axpy(coefficient[slot], final + slot_row[negative] * d, d, y);
        call->isa->axpy(-coefficient[slot], final + slot_row[batch + slot] * d, d, y);
        return;
    }
    bool is_positive = slot < 2 * batch;
    int64_t b = is_positive ? slot - batch : (slot - 2 * batch) / m;
    if (is_positive || !chosen || chosen[b] == (slot - 2 * batch) % m) {
        float c = is_positive ? -coefficient[b] : coefficient[b];
        call->isa->axpy(c, final + slot_row[b] * d, d, y);
    }
}

void rk__cpu_sum_slots(const rk_call *call, rk_add_slot add)
{
    const int32_t *segments = call->in[3], *order = call->in[4];
    int64_t count = *(const int32_t *)call->in[5];
    int64_t rows = rk__in(call, 0)->rows, d = rk__in(call, 0)->cols;
    float *y = call->out[0];
    RK_CPU_FOR(call, block, rk__blocks(rows, ROWS_PER_BLOCK))
    {
        int64_t end = rk__block_end(block, ROWS_PER_BLOCK, rows);
        for (int64_t r = block * ROWS_PER_BLOCK; r < end; r++) {
            memset(y + r * d, 0, (size_t)d * sizeof *y);
            for (int32_t i = segments[r]; r < count && i < segments[r + 1]; i++) {
                add(call, order[i], y + r * d);
            }
        }
    }
}

void rk__cpu_bpr_grad(const rk_call *call)
{
    rk__cpu_sum_slots(call, add_slot_gradient);
}

/* ---- L2 ---- */

/* How often a row of the set counts in each group: users, positives, chosen negatives. */
static void count_slots(const rk_call *call, int64_t row, double counts[GROUPS])
{
    const rk_l2_attr *a = &call->node->attr.l2;
    const int32_t *segments = call->in[1], *order = call->in[2], *chosen = call->in[5];
    int64_t m = rk__in(call, 2)->rows / a->batch - 2;
    counts[0] = counts[1] = counts[2] = 0;
    for (int32_t i = segments[row]; i < segments[row + 1]; i++) {
        int64_t candidate = order[i] - 2 * a->batch;
        if (candidate < 0) {
            counts[order[i] < a->batch ? 0 : 1]++;
        } else if (!chosen || chosen[candidate / m] == candidate % m) {
            counts[2]++;
        }
    }
    if (a->rows == RK_L2_UNIQUE) {
        for (int g = 0; g < GROUPS; g++) {
            counts[g] = counts[g] > 0;
        }
        /* The squared form has one sum over all nodes; a positive that is also a negative is one
         * node. The norm form has three sums, and the node is in two of them. */
        if (a->form == RK_L2_SQUARED && counts[1] > 0) {
            counts[2] = 0;
        }
    }
}

int64_t rk__cpu_scratch_l2_loss(const rk_call *call)
{
    return rk__blocks(rk__in(call, 0)->rows, ROWS_PER_BLOCK) * GROUPS * (int64_t)sizeof(double);
}

/* The sum of squares of each group's rows. */
static void group_squares(const rk_call *call, int64_t count, double squares[GROUPS])
{
    const float *x = call->in[0];
    int64_t d = rk__in(call, 0)->cols, n_blocks = rk__blocks(count, ROWS_PER_BLOCK);
    double(*partial)[GROUPS] = call->scratch;
    RK_CPU_FOR(call, block, n_blocks)
    {
        double sum[GROUPS] = {0}, counts[GROUPS];
        int64_t end = rk__block_end(block, ROWS_PER_BLOCK, count);
        for (int64_t r = block * ROWS_PER_BLOCK; r < end; r++) {
            double square = (double)call->isa->dot(x + r * d, x + r * d, d);
            count_slots(call, r, counts);
            for (int g = 0; g < GROUPS; g++) {
                sum[g] += counts[g] * square;
            }
        }
        memcpy(partial[block], sum, sizeof sum);
    }
    squares[0] = squares[1] = squares[2] = 0;
    for (int64_t block = 0; block < n_blocks; block++) {
        for (int g = 0; g < GROUPS; g++) {
            squares[g] += partial[block][g];
        }
    }
}

/*
 * squared: weight / divisor * 1/2 (sum of squares); norm: weight / divisor * the sum of the
 * Frobenius norms of the three groups (RecBole's EmbLoss). The gradient of a row is a multiple of
 * the row; where a norm is zero its gradient is taken as zero.
 */
void rk__cpu_l2_loss(const rk_call *call)
{
    const rk_l2_attr *a = &call->node->attr.l2;
    int64_t count = *(const int32_t *)call->in[3], rows = rk__in(call, 0)->rows;
    int64_t triplets = rk__step_count(call->in[4]);
    double squares[GROUPS], per_group[GROUPS], loss = 0, scale = 0;
    if (triplets > 0) {
        scale = a->weight / (a->divisor == RK_L2_ACTUAL    ? (double)triplets
                             : a->divisor == RK_L2_NOMINAL ? (double)a->batch
                                                           : 1);
    }
    group_squares(call, count, squares);
    for (int g = 0; g < GROUPS; g++) {
        double norm = sqrt(squares[g]);
        bool is_norm = a->form == RK_L2_NORM;
        loss += scale * (is_norm ? norm : 0.5 * squares[g]);
        per_group[g] = !is_norm ? scale : norm > 0 ? scale / norm : 0;
    }
    *(double *)call->out[0] = loss;
    float *factor = call->out[1];
    RK_CPU_FOR(call, block, rk__blocks(rows, ROWS_PER_BLOCK))
    {
        int64_t end = rk__block_end(block, ROWS_PER_BLOCK, rows);
        for (int64_t r = block * ROWS_PER_BLOCK; r < end; r++) {
            double counts[GROUPS] = {0};
            if (r < count) {
                count_slots(call, r, counts);
            }
            factor[r] = (float)(counts[0] * per_group[0] + counts[1] * per_group[1] +
                                counts[2] * per_group[2]);
        }
    }
}

/* ---- sums over steps ---- */

void rk__cpu_step_loss(const rk_call *call)
{
    rk_step_state *state = call->in[0];
    double total = 0;
    for (int32_t i = 1; i < call->node->n_inputs; i++) {
        double term = *(const double *)call->in[i];
        state->loss_sum[call->node->attr.loss_slot[i - 1]] += term;
        total += term;
    }
    state->loss_sum[0] += total;
    state->last_loss = total;
    if (!isfinite(total) && state->bad_step == 0) {
        state->bad_step = state->step + 1;
        state->bad_loss = total;
    }
}
