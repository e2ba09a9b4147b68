/*
 * Losses of a positive and M drawn negatives (ops/slot_loss.h has the formulas): scores, the
 * derivatives by them, and the gradient at the rows of the batch, which other losses by scores
 * share.
 *
 * Slots: b = user of triplet b, B + b = its positive, 2B + M b + k = its k-th negative. Sums over a
 * batch are taken in double, block by block in order.
 */
#include <string.h>

#include "device/cpu/cpu.h"

enum { TRIPLETS_PER_BLOCK = 32, BPR_TRIPLETS_PER_BLOCK = 128 };

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
    RK_CPU_FOR(call, block, rk__blocks(batch, BPR_TRIPLETS_PER_BLOCK))
    {
        int64_t end = rk__block_end(block, BPR_TRIPLETS_PER_BLOCK, batch);
        for (int64_t b = block * BPR_TRIPLETS_PER_BLOCK; b < end; b++) {
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

/* ---- loss ---- */

/* A triplet's scores become the derivatives by them, but for 1 / triplets. scores[0] is the
 * positive's; item_factor[k] belongs to scores[k]. */
static double additive_term(const rk_slot_rule *rule, float *scores, int64_t m, double user_factor,
                            const float *item_factor)
{
    double positive = (double)scores[0], share = 1 / (double)m;
    rk_slot_term own = rk__slot_positive(rule, positive, user_factor * (double)item_factor[0]);
    double value = 0, by_positive = 0;
    for (int64_t k = 1; k <= m; k++) {
        double beta = user_factor * (double)item_factor[k];
        rk_slot_term t = rk__slot_negative(rule, positive, (double)scores[k], beta);
        value += t.value;
        by_positive += t.by_positive;
        scores[k] = (float)(t.by_negative * share);
    }
    scores[0] = (float)(own.by_positive + by_positive * share);
    return own.value + value * share;
}

static double softmax_term(const rk_slot_rule *rule, float *scores, int64_t m)
{
    double positive = (double)scores[0] / rule->temperature, largest = -INFINITY, sum = 0;
    int64_t first = rule->exclude_positive ? 1 : 0;
    for (int64_t k = first; k <= m; k++) {
        double logit = (double)scores[k] / rule->temperature;
        largest = logit > largest ? logit : largest;
    }
    for (int64_t k = first; k <= m; k++) {
        sum += exp((double)scores[k] / rule->temperature - largest);
    }
    double lse = largest + log(sum);
    for (int64_t k = 0; k <= m; k++) {
        double weight = exp((double)scores[k] / rule->temperature - lse) * rule->power;
        double by_score = (k >= first ? weight : 0) - (k == 0);
        scores[k] = (float)(by_score / rule->temperature);
    }
    return rule->power * lse - positive;
}

/* Scores of triplet b and, if there is a table, the factors of its items. */
static void score_triplet(const rk_call *call, int64_t b, int64_t m, float *scores,
                          float *item_factor)
{
    const float *x = call->in[0], *factor = call->in[4];
    const int32_t *slot_row = call->in[1], *rows = call->in[2];
    int64_t batch = call->node->attr.slot.batch, d = rk__in(call, 0)->cols;
    const float *user = x + slot_row[b] * d;
    for (int64_t k = 0; k <= m; k++) {
        int32_t row = slot_row[k == 0 ? batch + b : 2 * batch + b * m + k - 1];
        if (k + RK_ROWS_AHEAD <= m) {
            rk__cpu_prefetch(x + slot_row[2 * batch + b * m + k - 1 + RK_ROWS_AHEAD] * d, d);
        }
        scores[k] = call->isa->dot(user, x + row * d, d);
        item_factor[k] = factor ? factor[rows[row]] : 0;
    }
}

/* Partial sums of blocks; the item factors of a triplet for each thread. */
static int64_t partial_bytes(const rk_call *call)
{
    return rk__cache_lines(rk__blocks(call->node->attr.slot.batch, TRIPLETS_PER_BLOCK) *
                           (int64_t)sizeof(double));
}

static int64_t factor_bytes(const rk_call *call)
{
    return rk__cache_lines(rk__out(call, 1)->cols * (int64_t)sizeof(float));
}

int64_t rk__cpu_scratch_slot_loss(const rk_call *call)
{
    return partial_bytes(call) + call->threads * factor_bytes(call);
}

void rk__cpu_slot_loss(const rk_call *call)
{
    const rk_slot_rule *rule = &call->node->attr.slot.rule;
    const float *factor = call->in[4];
    const int32_t *slot_row = call->in[1], *rows = call->in[2];
    int64_t batch = call->node->attr.slot.batch, width = rk__out(call, 1)->cols, m = width - 1;
    int64_t count = rk__step_count(call->in[3]), n_blocks = rk__blocks(batch, TRIPLETS_PER_BLOCK);
    double *partial = call->scratch, *loss = call->out[0], total = 0;
    float *by_score = call->out[1];
    RK_CPU_FOR(call, block, n_blocks)
    {
        char *memory = (char *)call->scratch + partial_bytes(call);
        float *item_factor = (float *)(void *)(memory + rk__cpu_thread() * factor_bytes(call));
        double sum = 0;
        int64_t end = rk__block_end(block, TRIPLETS_PER_BLOCK, batch);
        for (int64_t b = block * TRIPLETS_PER_BLOCK; b < end; b++) {
            float *scores = by_score + b * width;
            if (b >= count) {
                memset(scores, 0, (size_t)width * sizeof *scores);
                continue;
            }
            score_triplet(call, b, m, scores, item_factor);
            double user_factor = factor ? (double)factor[rows[slot_row[b]]] : 0;
            sum += rule->kind == RK_LOSS_SOFTMAX
                       ? softmax_term(rule, scores, m)
                       : additive_term(rule, scores, m, user_factor, item_factor);
            for (int64_t k = 0; k <= m; k++) {
                scores[k] = (float)((double)scores[k] / (double)count);
            }
        }
        partial[block] = sum;
    }
    total = rk__add_partials(total, partial, n_blocks);
    *loss = count > 0 ? total / (double)count : 0;
}

/* ---- gradient ---- */

typedef void (*add_slot)(const rk_call *call, int32_t slot, float *y);

/* The gradient at a row set, the slots of each row in ascending order: `add` adds to y [d] what a
 * slot gives to the gradient of its row. Inputs 0, 3, 4 and 5: x [S,d], segments, order, count. */
static void sum_slots(const rk_call *call, add_slot add)
{
    const int32_t *segments = call->in[3], *order = call->in[4];
    int64_t count = *(const int32_t *)call->in[5];
    int64_t rows = rk__in(call, 0)->rows, d = rk__in(call, 0)->cols;
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, r, rows)
    {
        rk__zero_row(y + r * d, d);
        for (int32_t i = segments[r]; r < count && i < segments[r + 1]; i++) {
            add(call, order[i], y + r * d);
        }
    }
}

/* What a slot adds to the gradient of its row: an item gets its derivative times the user, the user
 * the sum over the triplet's items. */
static void add_slot_gradient(const rk_call *call, int32_t slot, float *y)
{
    const float *x = call->in[0], *by_score = call->in[1];
    const int32_t *slot_row = call->in[2];
    int64_t batch = call->node->attr.slot.batch, d = rk__in(call, 0)->cols;
    int64_t width = rk__in(call, 1)->cols, m = width - 1;
    if (slot >= batch) {
        int64_t candidate = slot - 2 * batch;
        int64_t b = candidate < 0 ? slot - batch : candidate / m;
        int64_t k = candidate < 0 ? 0 : 1 + candidate % m;
        call->isa->axpy(by_score[b * width + k], x + slot_row[b] * d, d, y);
        return;
    }
    const float *mine = by_score + slot * width;
    for (int64_t k = 0; k < width; k++) {
        if (mine[k] != 0) { /* losses with a margin leave many out; a missing one has no row */
            int64_t row = slot_row[rk__item_slot(batch, width, slot, k)];
            call->isa->axpy(mine[k], x + row * d, d, y);
        }
    }
}

void rk__cpu_slot_grad(const rk_call *call)
{
    sum_slots(call, add_slot_gradient);
}

/* ---- BPR with one negative ---- */

int64_t rk__cpu_scratch_bpr_loss(const rk_call *call)
{
    return rk__blocks(call->node->attr.batch, BPR_TRIPLETS_PER_BLOCK) * (int64_t)sizeof(double);
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
    int64_t n_blocks = rk__blocks(batch, BPR_TRIPLETS_PER_BLOCK);
    RK_CPU_FOR(call, block, n_blocks)
    {
        double sum = 0;
        for (int64_t b = block * BPR_TRIPLETS_PER_BLOCK;
             b < rk__block_end(block, BPR_TRIPLETS_PER_BLOCK, batch); b++) {
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
    total = rk__add_partials(total, partial, n_blocks);
    *loss = count > 0 ? total / (double)count : 0;
}

/* What a slot adds to the gradient of its row: the user gets c (negative - positive), the positive
 * -c user, the chosen negative c user. */
static void add_bpr_gradient(const rk_call *call, int32_t slot, float *y)
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

void rk__cpu_bpr_grad(const rk_call *call)
{
    sum_slots(call, add_bpr_gradient);
}
