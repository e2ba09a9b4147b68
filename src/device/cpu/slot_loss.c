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

enum { TRIPLETS_PER_BLOCK = 32 };

/* ---- negatives by score ---- */

/* Dynamic negative sampling: of the candidates the one with the largest score (Zhang et al.,
 * "Optimizing top-N collaborative filtering via dynamic negative item sampling", SIGIR 2013).
 * chosen[b] is its number, -1 in an unused triplet. A NaN score never wins over the first. */
void rk__cpu_select_negatives(const rk_call *call)
{
    const float *final = call->in[0], *dots = call->in[RK_SELECT_NEGATIVES_DOTS];
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
                float score = dots ? dots[b * (1 + m) + 1 + k]
                                   : call->isa->dot(final + slot_row[b] * d, candidate, d);
                if (k == 0 || score > best) {
                    best = score;
                    chosen[b] = (int32_t)k;
                }
            }
        }
    }
}

/* ---- dot products for those who are given them ---- */

void rk__cpu_slot_dots(const rk_call *call)
{
    const float *x = call->in[0];
    const int32_t *slot_row = call->in[1];
    const int64_t batch = call->node->attr.batch, d = rk__in(call, 0)->cols;
    const int64_t count = rk__step_count(call->in[2]), width = rk__out(call, 0)->cols;
    float *dots = call->out[0];
    RK_CPU_FOR(call, block, rk__blocks(batch, TRIPLETS_PER_BLOCK))
    {
        const int64_t end = rk__block_end(block, TRIPLETS_PER_BLOCK, batch);
        for (int64_t b = block * TRIPLETS_PER_BLOCK; b < end; b++) {
            rk__zero_row(dots + b * width, width);
            for (int64_t k = 0; k < width && b < count; k++) {
                const int32_t row = slot_row[rk__item_slot(batch, width, b, k)];
                dots[b * width + k] = call->isa->dot(x + slot_row[b] * d, x + row * d, d);
            }
        }
    }
}

/* ---- loss ---- */

/* A triplet's scores become the derivatives by them, for the mean over `triplets`. scores[0] is the
 * positive's, scores[1] to scores[n] are those of the negatives that count; item_factor alike. */
static double additive_term(const rk_slot_rule *rule, float *scores, int64_t n, double triplets,
                            double user_factor, const float *item_factor, double weight)
{
    double positive = (double)scores[0];
    double share = rk__weight_of_negatives(rule, weight) / (double)n;
    rk_slot_term own = rk__slot_positive(rule, positive, user_factor * (double)item_factor[0]);
    double value = 0, by_positive = 0;
    for (int64_t k = 1; k <= n; k++) {
        double beta = user_factor * (double)item_factor[k];
        rk_slot_term t = rk__slot_negative(rule, positive, (double)scores[k], beta);
        value += t.value;
        by_positive += t.by_positive;
        scores[k] = (float)(t.by_negative * share / triplets);
    }
    if (weight != 1) { /* apart, so that the compiler fuses what it fuses without weights */
        own.by_positive *= weight;
        own.value *= weight;
    }
    scores[0] = (float)((own.by_positive + by_positive * share) / triplets);
    return own.value + value * share;
}

static double softmax_term(const rk_slot_rule *rule, float *scores, int64_t n, double triplets,
                           double weight)
{
    double positive = (double)scores[0] / rule->temperature, largest = -INFINITY, sum = 0;
    int64_t first = rule->exclude_positive ? 1 : 0;
    for (int64_t k = first; k <= n; k++) {
        double logit = (double)scores[k] / rule->temperature;
        largest = logit > largest ? logit : largest;
    }
    for (int64_t k = first; k <= n; k++) {
        sum += exp((double)scores[k] / rule->temperature - largest);
    }
    double lse = largest + log(sum);
    for (int64_t k = 0; k <= n; k++) {
        double share = exp((double)scores[k] / rule->temperature - lse) * rule->power;
        double by_score = (k >= first ? share : 0) - (k == 0);
        scores[k] = (float)(weight * by_score / rule->temperature / triplets);
    }
    return weight * (rule->power * lse - positive);
}

/* What the triplets of a call have in common. */
typedef struct setting {
    const rk_slot_rule *rule;
    const float *x, *factor, *weight, *dots;
    const int32_t *slot_row, *rows, *chosen;
    int64_t batch, m, n, d; /* m candidates a triplet, of which n count */
    int64_t count;          /* triplets in use */
} setting;

static setting setting_of(const rk_call *call)
{
    setting s = {.rule = &call->node->attr.slot.rule,
                 .x = call->in[0],
                 .factor = call->in[4],
                 .slot_row = call->in[1],
                 .rows = call->in[2],
                 .chosen = call->in[5],
                 .weight = call->in[6],
                 .dots = call->in[RK_SLOT_LOSS_DOTS],
                 .batch = call->node->attr.slot.batch,
                 .m = rk__out(call, 1)->cols - 1,
                 .d = rk__in(call, 0)->cols,
                 .count = rk__step_count(call->in[3])};
    s.n = s.chosen ? 1 : s.m;
    return s;
}

/* The scores of a triplet's positive and of its n negatives from candidate `first` on; if there is
 * a table, the factors of these items. */
static void score_triplet(const rk_isa *isa, const setting *s, int64_t b, int64_t first,
                          float *scores, float *item_factor)
{
    const float *user = s->x + s->slot_row[b] * s->d;
    const int32_t *negatives = s->slot_row + 2 * s->batch + b * s->m + first;
    for (int64_t k = 0; k <= s->n; k++) {
        int32_t row = k == 0 ? s->slot_row[s->batch + b] : negatives[k - 1];
        if (k + RK_ROWS_AHEAD <= s->n && !s->dots) {
            rk__cpu_prefetch(s->x + negatives[k - 1 + RK_ROWS_AHEAD] * s->d, s->d);
        }
        scores[k] = s->dots ? s->dots[b * (1 + s->m) + (k == 0 ? 0 : first + k)]
                            : isa->dot(user, s->x + row * s->d, s->d);
        item_factor[k] = s->factor ? s->factor[s->rows[row]] : 0;
    }
}

/* The term of a triplet; by_score [1 + m]. */
static double triplet_term(const rk_isa *isa, const setting *s, int64_t b, float *item_factor,
                           float *by_score)
{
    int64_t first = s->chosen ? s->chosen[b] : 0;
    double count = (double)s->count, term = 0, weight = s->weight ? (double)s->weight[b] : 1;
    double user_factor = s->factor ? (double)s->factor[s->rows[s->slot_row[b]]] : 0;
    score_triplet(isa, s, b, first, by_score, item_factor);
    term = s->rule->kind == RK_LOSS_SOFTMAX
               ? softmax_term(s->rule, by_score, s->n, count, weight)
               : additive_term(s->rule, by_score, s->n, count, user_factor, item_factor, weight);
    if (s->chosen) { /* of one negative, which now moves to its place */
        float by_negative = by_score[1];
        rk__zero_row(by_score + 1, s->m);
        by_score[1 + first] = by_negative;
    }
    return term;
}

/* One negative a triplet is little work. */
static int64_t triplets_per_block(const rk_call *call)
{
    bool one = call->node->in[5] != RK_NONE || rk__out(call, 1)->cols == 2;
    return one ? 4 * TRIPLETS_PER_BLOCK : TRIPLETS_PER_BLOCK;
}

/* Partial sums of blocks; the item factors of a triplet for each thread. */
static int64_t partial_bytes(const rk_call *call)
{
    return rk__cache_lines(rk__blocks(call->node->attr.slot.batch, triplets_per_block(call)) *
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
    const setting s = setting_of(call);
    int64_t size = triplets_per_block(call), n_blocks = rk__blocks(s.batch, size);
    double *partial = call->scratch, *loss = call->out[0];
    float *by_score = call->out[1];
    RK_CPU_FOR(call, block, n_blocks)
    {
        char *memory = (char *)call->scratch + partial_bytes(call);
        float *item_factor = (float *)(void *)(memory + rk__cpu_thread() * factor_bytes(call));
        double sum = 0;
        int64_t end = rk__block_end(block, size, s.batch);
        for (int64_t b = block * size; b < end; b++) {
            float *mine = by_score + b * (1 + s.m);
            if (b < s.count) {
                sum += triplet_term(call->isa, &s, b, item_factor, mine);
            } else {
                rk__zero_row(mine, 1 + s.m);
            }
        }
        partial[block] = sum;
    }
    double total = rk__add_partials(0, partial, n_blocks);
    *loss = s.count > 0 ? total / (double)s.count : 0;
}

/* ---- scores that are there ---- */

/* (score - label)^2, and its derivative in place of the score. */
static double squared_term(float *score, float label, double triplets, double weight)
{
    double distance = (double)*score - (double)label;
    *score = (float)(2 * weight * distance / triplets);
    return weight * distance * distance;
}

/* beta is that of no degrees: 0. */
static double score_term(const rk_call *call, int64_t b, double count, const float *no_factors,
                         float *by_score)
{
    const rk_slot_rule *rule = &call->node->attr.slot.rule;
    const float *labels = call->in[2], *weights = call->in[3];
    const int64_t n = rk__out(call, 1)->cols - 1;
    double weight = weights ? (double)weights[b] : 1;
    if (labels) {
        return squared_term(by_score, labels[b], count, weight);
    }
    return rule->kind == RK_LOSS_SOFTMAX
               ? softmax_term(rule, by_score, n, count, weight)
               : additive_term(rule, by_score, n, count, 0, no_factors, weight);
}

static int64_t score_partial_bytes(const rk_call *call)
{
    return rk__cache_lines(rk__blocks(rk__out(call, 1)->rows, TRIPLETS_PER_BLOCK) *
                           (int64_t)sizeof(double));
}

int64_t rk__cpu_scratch_score_loss(const rk_call *call)
{
    return score_partial_bytes(call) + factor_bytes(call);
}

void rk__cpu_score_loss(const rk_call *call)
{
    const int64_t batch = rk__out(call, 1)->rows, width = rk__out(call, 1)->cols;
    const int64_t count = rk__step_count(call->in[1]);
    const int64_t n_blocks = rk__blocks(batch, TRIPLETS_PER_BLOCK);
    const float *scores = call->in[0];
    double *partial = call->scratch, *loss = call->out[0];
    float *no_factors = (void *)((char *)call->scratch + score_partial_bytes(call));
    float *by_score = call->out[1];
    rk__zero_row(no_factors, width);
    RK_CPU_FOR(call, block, n_blocks)
    {
        double sum = 0;
        int64_t end = rk__block_end(block, TRIPLETS_PER_BLOCK, batch);
        for (int64_t b = block * TRIPLETS_PER_BLOCK; b < end; b++) {
            float *mine = by_score + b * width;
            if (b < count) {
                memcpy(mine, scores + b * width, (size_t)width * sizeof *mine);
                sum += score_term(call, b, (double)count, no_factors, mine);
            } else {
                rk__zero_row(mine, width);
            }
        }
        partial[block] = sum;
    }
    double total = rk__add_partials(0, partial, n_blocks);
    *loss = count > 0 ? total / (double)count : 0;
}

/* ---- gradient ---- */

/* What a slot adds to the gradient of its row: an item gets its derivative times the user, the user
 * the sum over the triplet's negatives, then its positive. */
static void add_slot_gradient(const rk_call *call, int32_t slot, float *y)
{
    const float *x = call->in[0], *by_score = call->in[1];
    const int32_t *slot_row = call->in[2];
    int64_t batch = rk__in(call, 1)->rows, width = rk__in(call, 1)->cols;
    int64_t d = rk__in(call, 0)->cols, m = width - 1;
    if (slot >= batch) {
        int64_t candidate = slot - 2 * batch;
        int64_t b = candidate < 0 ? slot - batch : candidate / m;
        float by = by_score[b * width + (candidate < 0 ? 0 : 1 + candidate % m)];
        if (by != 0) {
            call->isa->axpy(by, x + slot_row[b] * d, d, y);
        }
        return;
    }
    const float *mine = by_score + slot * width;
    for (int64_t i = 1; i <= width; i++) {
        int64_t k = i % width;
        if (mine[k] != 0) { /* many scores count for nothing, and a missing item has no row */
            int64_t row = slot_row[rk__item_slot(batch, width, slot, k)];
            call->isa->axpy(mine[k], x + row * d, d, y);
        }
    }
}

/* The slots of each row in ascending order. */
void rk__cpu_slot_grad(const rk_call *call)
{
    const int32_t *segments = call->in[3], *order = call->in[4];
    int64_t count = *(const int32_t *)call->in[5];
    int64_t rows = rk__in(call, 0)->rows, d = rk__in(call, 0)->cols;
    float *y = call->out[0];
    RK_CPU_FOR_ROWS(call, r, rows)
    {
        rk__zero_row(y + r * d, d);
        for (int32_t i = segments[r]; r < count && i < segments[r + 1]; i++) {
            add_slot_gradient(call, order[i], y + r * d);
        }
    }
}
