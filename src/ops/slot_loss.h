/*
 * Losses of a positive and M drawn negatives as functions of their scores, shared by the host and
 * kernels. With s the score of the positive and n_k those of the negatives, a triplet's term is
 *
 *   positive(s) + 1/M sum over k of negative(s, n_k)
 *
 *   bpr      softplus(n - s)                      Rendle et al., UAI 2009
 *   hinge    max(0, margin + n - s)               max-margin, as in Ying et al. (PinSage), KDD 2018
 *   ccl      1 - s;  weight max(0, n - margin)    Mao et al., "SimpleX", CIKM 2021
 *   bce      a softplus(-s);                      Mao et al., "UltraGCN", CIKM 2021
 *            weight b softplus(n)                 with a = w1 + w2 beta, b = w3 + w4 beta,
 *                                                 beta from the degrees of user and item
 *
 * A triplet may have a weight, of its interaction: it multiplies the positive's part of ccl and
 * bce, whose negatives are no part of the interaction, and all of the others.
 *
 * softmax is none of these: -s/t + power log(sum over k of e^(n_k/t), and e^(s/t) if included).
 */
#ifndef RK_OPS_SLOT_LOSS_H
#define RK_OPS_SLOT_LOSS_H

#include <math.h>
#include <stdbool.h>

#include "base/choices.h"
#include "ops/step_state.h"

typedef struct rk_slot_rule {
    int32_t kind; /* RK_LOSS_* */
    bool exclude_positive;
    double margin, negative_weight, temperature, power;
    double positive_weights[2], negative_weights[2]; /* bce: w1, w2; w3, w4 */
} rk_slot_rule;

/* A part of the term and what it adds to the derivatives by the two scores. */
typedef struct rk_slot_term {
    double value, by_positive, by_negative;
} rk_slot_term;

/* What a triplet's weight does to the part of its negatives. */
RK_HOST_DEVICE static inline double rk__weight_of_negatives(const rk_slot_rule *r, double weight)
{
    return r->kind == RK_LOSS_CCL || r->kind == RK_LOSS_BCE ? 1 : weight;
}

/* The slot of a triplet's k-th item when it has n: behind the batch's users come the first items of
 * all triplets, then the n - 1 others of each. */
RK_HOST_DEVICE static inline int64_t rk__item_slot(int64_t batch, int64_t n, int64_t triplet,
                                                   int64_t k)
{
    return k == 0 ? batch + triplet : 2 * batch + triplet * (n - 1) + k - 1;
}

/* The other way round: triplet * n + k of the slot of an item. */
RK_HOST_DEVICE static inline int64_t rk__slot_item(int64_t batch, int64_t n, int64_t slot)
{
    int64_t other = slot - 2 * batch;
    return other < 0 ? (slot - batch) * n : other / (n - 1) * n + 1 + other % (n - 1);
}

RK_HOST_DEVICE static inline double rk__softplus(double x)
{
    return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

RK_HOST_DEVICE static inline double rk__sigmoid(double x)
{
    double tail = exp(-fabs(x));
    return x >= 0 ? 1 / (1 + tail) : tail / (1 + tail);
}

RK_HOST_DEVICE static inline rk_slot_term rk__slot_positive(const rk_slot_rule *r, double positive,
                                                            double beta)
{
    rk_slot_term t = {0, 0, 0};
    if (r->kind == RK_LOSS_CCL) {
        t.value = 1 - positive;
        t.by_positive = -1;
    } else if (r->kind == RK_LOSS_BCE) {
        double weight = r->positive_weights[0] + r->positive_weights[1] * beta;
        t.value = weight * rk__softplus(-positive);
        t.by_positive = -weight * rk__sigmoid(-positive);
    }
    return t;
}

RK_HOST_DEVICE static inline rk_slot_term rk__slot_negative(const rk_slot_rule *r, double positive,
                                                            double negative, double beta)
{
    rk_slot_term t = {0, 0, 0};
    double x = negative - positive;
    if (r->kind == RK_LOSS_BPR) {
        t.value = rk__softplus(x);
        t.by_negative = rk__sigmoid(x);
        t.by_positive = -t.by_negative;
    } else if (r->kind == RK_LOSS_HINGE) {
        /* written so that a NaN is not taken for a term without loss */
        bool is_met = r->margin + x <= 0;
        t.value = is_met ? 0 : r->margin + x;
        t.by_negative = is_met ? 0 : 1;
        t.by_positive = -t.by_negative;
    } else if (r->kind == RK_LOSS_CCL) {
        bool is_met = negative - r->margin <= 0;
        t.value = is_met ? 0 : r->negative_weight * (negative - r->margin);
        t.by_negative = is_met ? 0 : r->negative_weight;
    } else {
        double weight = r->negative_weights[0] + r->negative_weights[1] * beta;
        t.value = r->negative_weight * weight * rk__softplus(negative);
        t.by_negative = r->negative_weight * weight * rk__sigmoid(negative);
    }
    return t;
}

#endif
