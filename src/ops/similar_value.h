/*
 * How similar two items are by their common users, shared by the host and kernels. Data is binary.
 * Item i is the one whose neighbours are looked for; n = users of an item, U = all users, t = the
 * sum of the weights of the common users (of ones but for tfidf and bm25), s, f = factors of items.
 *
 *   cosine       t / sqrt(n_i n_j)
 *   jaccard      t / (n_i + n_j - t)
 *   asymmetric   t / (n_i^alpha n_j^(1 - alpha))          Aiolli, RecSys 2013
 *   pearson      (t - n_i n_j / U) / sqrt((n_i - n_i^2 / U) (n_j - n_j^2 / U))
 *   tfidf        t / sqrt(s_i s_j), user weights idf^2, s = sum of the weights of an item's users
 *   bm25         t f_i f_j, the same weights
 *   walk         (t f_i g_j)^alpha, two factors of each item: a step from i to its users and one
 *                from there to j, each with a power of its probability
 *
 * times c / (c + shrinkage), c the number of common users (Bell and Koren, ICDM 2007).
 *
 * pearson is the correlation of the two columns over all users. In asymmetric alpha belongs to i,
 * whose list it is. With transposed lists i is the item that is scored: alpha 0 is then the share
 * of j's users who have i, too. With plain lists i is the liked item, and 1 - alpha does there what
 * alpha does here.
 *
 * No product is followed by a sum: compilers that fuse them give the same bits as those that do
 * not, and so do devices (but for pow of asymmetric, and of walk where alpha is not 1).
 */
#ifndef RK_OPS_SIMILAR_VALUE_H
#define RK_OPS_SIMILAR_VALUE_H

#include <math.h>

#include "base/choices.h"
#include "ops/node.h"

/* Part of item i (alpha, f) or j (1 - alpha, g) in asymmetric and walk. */
enum { RK_SIMILAR_OWN, RK_SIMILAR_OTHER };

/* No choice of model.similarity: models have it as a whole. */
enum { RK_SIMILAR_WALK = RK_SIMILARITY_PEARSON + 1 };

/* Factors of an item, one behind the other. */
RK_HOST_DEVICE static inline int rk__similar_factors(const rk_similar_attr *a)
{
    return a->kind == RK_SIMILAR_WALK                                        ? 2
           : a->kind == RK_SIMILARITY_TFIDF || a->kind == RK_SIMILARITY_BM25 ? 1
                                                                             : 0;
}

/* The number of an item that its pairs are computed from: its users, a power of them, or one of its
 * factors. */
RK_HOST_DEVICE static inline double rk__similar_number(const rk_similar_attr *a, int part,
                                                       double users, const float *factor)
{
    if (factor) {
        return (double)factor[a->kind == RK_SIMILAR_WALK ? part : 0];
    }
    if (a->kind == RK_SIMILARITY_ASYMMETRIC) {
        return pow(users, part == RK_SIMILAR_OWN ? a->alpha : 1 - a->alpha);
    }
    return users;
}

/* together = t, common = c; own and other: the numbers of i and j. Not above 0, or NaN: no
 * neighbour. */
RK_HOST_DEVICE static inline double rk__similar_value(const rk_similar_attr *a, double together,
                                                      double common, double own, double other)
{
    double value = 0, all = (double)a->n_users;
    switch (a->kind) {
    case RK_SIMILARITY_COSINE:
    case RK_SIMILARITY_TFIDF:
        value = together / sqrt(own * other);
        break;
    case RK_SIMILARITY_JACCARD:
        value = together / (own + other - together);
        break;
    case RK_SIMILARITY_BM25:
        value = together * own * other;
        break;
    case RK_SIMILAR_WALK:
        value = together * own * other;
        value = a->alpha == 1 ? value : pow(value, a->alpha);
        break;
    case RK_SIMILARITY_ASYMMETRIC:
        value = together / (own * other);
        break;
    case RK_SIMILARITY_PEARSON:
        value = (together - own * other / all) /
                sqrt((own - own * own / all) * (other - other * other / all));
        break;
    default:
        break;
    }
    return a->shrinkage > 0 ? value * (common / (common + a->shrinkage)) : value;
}

/* Orders neighbours by value, ties to the smaller item: the larger key is the better one. The bits
 * of floats above 0 order as integers do; a key of 0 is none. */
RK_HOST_DEVICE static inline uint64_t rk__similar_key(float value, int32_t item)
{
    union {
        float value;
        uint32_t bits;
    } u;
    u.value = value;
    return (uint64_t)u.bits << 32 | (uint32_t)(INT32_MAX - item);
}

RK_HOST_DEVICE static inline int32_t rk__similar_key_item(uint64_t key)
{
    return INT32_MAX - (int32_t)(uint32_t)key;
}

RK_HOST_DEVICE static inline float rk__similar_key_value(uint64_t key)
{
    union {
        float value;
        uint32_t bits;
    } u;
    u.bits = (uint32_t)(key >> 32);
    return u.value;
}

#endif
