/*
 * How triplets are drawn: pure functions of (seed, step, index), shared by the host and kernels.
 *
 * Positives: a uniform user and one of their items; an interaction; the next of a random
 * permutation of the interactions; or the next of one of the users, and one of their items. The
 * item and the interaction are uniform, or by weights.
 * Negatives: bounded rejection against the user's sorted row, then exactly one of the items that
 * are left, so that a train positive is never drawn and every draw ends. The fallback is uniform
 * over the complement for every kind of negative; it is reached with probability (share of the
 * user's positives under the kind's distribution)^RK_NEGATIVE_ATTEMPTS.
 */
#ifndef RK_OPS_SAMPLE_DRAW_H
#define RK_OPS_SAMPLE_DRAW_H

#include "base/choices.h"
#include "base/philox.h"

enum { RK_NEGATIVE_ATTEMPTS = 32, RK_SHUFFLE_ROUNDS = 6 };

/* Everything a draw depends on: inputs and attributes of sample_triplets, the step state. */
typedef struct rk_sampler {
    const int64_t *offsets;
    const int32_t *columns;
    const int32_t *users;
    const int64_t *edge_offsets;
    const int64_t
        *cumulative; /* weights of the edges before one: [n_eligible_edges + 1]; or NULL */
    const int32_t *pool;
    const float *alias_share;
    const int32_t *alias_item;
    int32_t positives, negatives; /* enumerators */
    int32_t pool_size;
    float pool_probability;
    int64_t n_users, n_items;
    int64_t n_eligible_users, n_eligible_edges;
    uint64_t seed;
    int64_t step, epoch;
    int64_t first_draw; /* number in the epoch of the step's first triplet */
} rk_sampler;

/* Place of x in a random permutation of [0, n), n > 0: a Feistel network over the next power of
 * two, walked until it is back in range (Black and Rogaway, "Ciphers with arbitrary finite
 * domains", CT-RSA 2002). `pass` gives another permutation of the same epoch. */
RK_SHARED int64_t rk__shuffled(uint64_t seed, int64_t epoch, uint32_t pass, int64_t x, int64_t n)
{
    uint32_t bits = 0;
    while (bits < 63 && ((int64_t)1 << bits) < n) {
        bits++;
    }
    uint32_t low_bits = (bits + 1) / 2, high_bits = bits / 2;
    uint64_t low_mask = ((uint64_t)1 << low_bits) - 1, high_mask = ((uint64_t)1 << high_bits) - 1;
    uint64_t value = (uint64_t)x;
    do {
        uint64_t low = value & low_mask, high = value >> low_bits;
        for (uint32_t round = 0; round < RK_SHUFFLE_ROUNDS; round++) {
            uint64_t half = round % 2 == 0 ? high : low;
            rk_words w = rk__philox(seed, RK_PURPOSE_SHUFFLE, (uint64_t)epoch, half,
                                    (pass << 3 | round) & 0xfffffu);
            if (round % 2 == 0) {
                low ^= w.v[0] & low_mask;
            } else {
                high ^= w.v[0] & high_mask;
            }
        }
        value = high << low_bits | low;
    } while (value >= (uint64_t)n);
    return (int64_t)value;
}

/* Index of the last of offsets[0..n] that is <= edge; offsets[0] <= edge < offsets[n]. */
RK_SHARED int64_t rk__locate(const int64_t *offsets, int64_t n, int64_t edge)
{
    int64_t low = 0, high = n;
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (offsets[middle] <= edge) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The user of a triplet of this step; returns where in `columns` the positive item is. */
RK_SHARED int64_t rk__draw_edge(const rk_sampler *s, int64_t triplet, int32_t *out_user)
{
    int64_t place, user;
    rk_words w = rk__philox(s->seed, RK_PURPOSE_POSITIVE, (uint64_t)s->step, (uint64_t)triplet, 0);
    if (s->positives == RK_POSITIVES_USER || s->positives == RK_POSITIVES_EACH_USER) {
        int64_t index, n = s->n_eligible_users, draw = s->first_draw + triplet;
        if (s->positives == RK_POSITIVES_USER) {
            index = (int64_t)rk__bounded(w.v[0], w.v[1], (uint64_t)n);
        } else {
            index = rk__shuffled(s->seed, s->epoch, (uint32_t)(draw / n), draw % n, n);
        }
        user = s->users[index];
        int64_t degree = s->offsets[user + 1] - s->offsets[user];
        if (s->cumulative) {
            const int64_t *row = s->cumulative + s->edge_offsets[index];
            uint64_t total = (uint64_t)(row[degree] - row[0]);
            place = rk__locate(row, degree, row[0] + (int64_t)rk__bounded(w.v[2], w.v[3], total));
        } else {
            place = (int64_t)rk__bounded(w.v[2], w.v[3], (uint64_t)degree);
        }
    } else {
        int64_t n = s->n_eligible_edges, edge;
        if (s->positives == RK_POSITIVES_SHUFFLE) {
            int64_t draw = s->first_draw + triplet;
            edge = rk__shuffled(s->seed, s->epoch, (uint32_t)(draw / n), draw % n, n);
        } else if (s->cumulative) {
            edge = (int64_t)rk__bounded(w.v[0], w.v[1], (uint64_t)s->cumulative[n]);
            edge = rk__locate(s->cumulative, n, edge);
        } else {
            edge = (int64_t)rk__bounded(w.v[0], w.v[1], (uint64_t)n);
        }
        int64_t i = rk__locate(s->edge_offsets, s->n_eligible_users, edge);
        user = s->users[i];
        place = edge - s->edge_offsets[i];
    }
    *out_user = (int32_t)user;
    return s->offsets[user] + place;
}

/* The user and the positive item (as a node) of a triplet of this step. */
RK_SHARED void rk__draw_positive(const rk_sampler *s, int64_t triplet, int32_t *out_user,
                                 int32_t *out_node)
{
    *out_node = s->columns[rk__draw_edge(s, triplet, out_user)];
}

RK_SHARED int rk__is_positive(const int32_t *row, int64_t degree, int32_t node)
{
    int64_t low = 0, high = degree;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (row[middle] < node) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < degree && row[low] == node;
}

/* Where in `columns` the item of a user is, whose row has it. */
RK_SHARED int64_t rk__find_edge(const int64_t *offsets, const int32_t *columns, int32_t user,
                                int32_t node)
{
    int64_t low = offsets[user], high = offsets[user + 1];
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (columns[middle] <= node) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Which of the rows of an edge gives a triplet its fields; rows NULL: edge e has row e. */
RK_SHARED int64_t rk__draw_row(const int64_t *rows, int64_t edge, uint64_t seed, int64_t step,
                               int64_t triplet)
{
    if (!rows) {
        return edge;
    }
    uint64_t n = (uint64_t)(rows[edge + 1] - rows[edge]);
    rk_words w = rk__philox(seed, RK_PURPOSE_ROWS, (uint64_t)step, (uint64_t)triplet, 0);
    return rows[edge] + (int64_t)rk__bounded(w.v[0], w.v[1], n);
}

/* The rank-th item, from 0, of those that are not in the row of `degree` nodes. */
RK_SHARED int64_t rk__complement(const int32_t *row, int64_t degree, int64_t n_users, int64_t rank)
{
    int64_t low = 0, high = degree;
    while (low < high) { /* the first j with more than rank free items below row[j] */
        int64_t middle = low + (high - low) / 2;
        if (row[middle] - n_users - middle <= rank) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return rank + low;
}

/* One item before rejection. */
RK_SHARED int64_t rk__draw_item(const rk_sampler *s, rk_words w)
{
    if (s->negatives == RK_NEGATIVES_POPULAR_POOL && rk__uniform(w.v[2]) < s->pool_probability) {
        return s->pool[rk__bounded(w.v[0], w.v[1], (uint64_t)s->pool_size)];
    }
    int64_t item = (int64_t)rk__bounded(w.v[0], w.v[1], (uint64_t)s->n_items);
    if (s->negatives == RK_NEGATIVES_POPULARITY && !(rk__uniform(w.v[2]) < s->alias_share[item])) {
        return s->alias_item[item];
    }
    return item;
}

/* A negative for the user (as a node); candidate = number among the step's negative slots. */
RK_SHARED int32_t rk__draw_negative(const rk_sampler *s, int32_t user, int64_t candidate)
{
    const int32_t *row = s->columns + s->offsets[user];
    int64_t degree = s->offsets[user + 1] - s->offsets[user], n_users = s->n_users;
    rk_words w;
    for (uint32_t attempt = 0; attempt < RK_NEGATIVE_ATTEMPTS; attempt++) {
        w = rk__philox(s->seed, RK_PURPOSE_NEGATIVE, (uint64_t)s->step, (uint64_t)candidate,
                       attempt);
        int32_t node = (int32_t)(n_users + rk__draw_item(s, w));
        if (!rk__is_positive(row, degree, node)) {
            return node;
        }
    }
    w = rk__philox(s->seed, RK_PURPOSE_NEGATIVE, (uint64_t)s->step, (uint64_t)candidate,
                   RK_NEGATIVE_ATTEMPTS);
    int64_t rank = (int64_t)rk__bounded(w.v[0], w.v[1], (uint64_t)(s->n_items - degree));
    return (int32_t)(n_users + rk__complement(row, degree, n_users, rank));
}

#endif
