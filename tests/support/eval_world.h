/* A random data set, and a ranker by a table of scores. */
#ifndef RK_TESTS_EVAL_WORLD_H
#define RK_TESTS_EVAL_WORLD_H

#include "base/philox.h"
#include "eval/evaluate.h"
#include "support/support.h"

typedef struct world {
    rk_dataset dataset;
    float *scores; /* [n_users, n_items] */
} world;

static inline void make_world(world *w, int64_t n_users, int64_t n_items, double density,
                              bool with_valid)
{
    *w = (world){.dataset = {.n_users = n_users, .n_items = n_items}};
    w->scores = malloc((size_t)(n_users * n_items) * sizeof *w->scores);
    assert_non_null(w->scores);
    int n_parts = 0;
    for (int part = 0; part < 3; part++) {
        if (part == RK_VALID && !with_valid) {
            continue; /* stays without rows */
        }
        rk_lists *l = &w->dataset.parts[part];
        *l = (rk_lists){.n_rows = n_users};
        assert_ok(rk__alloc(&l->offsets, n_users + 1, sizeof *l->offsets, "offsets"));
        assert_ok(rk__alloc(&l->items, n_users * n_items, sizeof *l->items, "items"));
        l->offsets[0] = 0;
        n_parts++;
    }
    for (int64_t u = 0; u < n_users; u++) {
        int64_t at[3];
        for (int part = 0; part < 3; part++) {
            at[part] = w->dataset.parts[part].offsets ? w->dataset.parts[part].offsets[u] : 0;
        }
        rk_words of_user = rk__philox(5, RK_PURPOSE_SYNTH, 1, (uint64_t)u, 0);
        for (int64_t i = 0; i < n_items; i++) {
            rk_words r = rk__philox(5, RK_PURPOSE_SYNTH, 2, (uint64_t)(u * n_items + i), 0);
            w->scores[u * n_items + i] = (float)(r.v[0] % 16); /* many ties */
            /* every fourth user has nothing held out; user 3 has seen everything */
            bool held_out = of_user.v[0] % 4 != 0;
            int part = n_parts == 3 ? (int)(r.v[1] % 3) : (r.v[1] % 2 ? RK_TEST : RK_TRAIN);
            part = held_out ? part : RK_TRAIN;
            if ((double)rk__uniform(r.v[2]) < density || u == 3) {
                w->dataset.parts[part].items[at[part]++] = (int32_t)i;
            }
        }
        for (int part = 0; part < 3; part++) {
            if (w->dataset.parts[part].offsets) {
                w->dataset.parts[part].offsets[u + 1] = at[part];
            }
        }
    }
}

static inline void free_world(world *w)
{
    for (int part = 0; part < 3; part++) {
        rk__free(w->dataset.parts[part].offsets);
        rk__free(w->dataset.parts[part].items);
    }
    free(w->scores);
}

static inline bool in_part(const world *w, int part, int64_t u, int64_t item)
{
    const rk_lists *l = &w->dataset.parts[part];
    for (int64_t e = l->offsets ? l->offsets[u] : 0; l->offsets && e < l->offsets[u + 1]; e++) {
        if (l->items[e] == item) {
            return true;
        }
    }
    return false;
}

static inline bool is_seen(const world *w, rk_part part, int64_t u, int64_t item)
{
    return in_part(w, RK_TRAIN, u, item) || (part == RK_TEST && in_part(w, RK_VALID, u, item));
}

/* Picks the best item that is left, k times. */
static inline rk_status rank_by_scores(void *self, unsigned seen, const int32_t *users, int64_t n,
                                       int64_t k, int32_t *items)
{
    const world *w = self;
    const rk_part part = seen & 1u << RK_VALID ? RK_TEST : RK_VALID;
    int64_t n_items = w->dataset.n_items;
    bool *taken = calloc((size_t)n_items, sizeof *taken);
    assert_non_null(taken);
    assert_true(n <= RK_RANK_TILE);
    for (int64_t i = 0; i < n; i++) {
        const float *scores = w->scores + users[i] * n_items;
        for (int64_t item = 0; item < n_items; item++) {
            taken[item] = is_seen(w, part, users[i], item);
        }
        for (int64_t r = 0; r < k; r++) {
            int64_t best = -1;
            for (int64_t item = 0; item < n_items; item++) {
                if (!taken[item] && (best < 0 || scores[item] > scores[best])) {
                    best = item;
                }
            }
            items[i * k + r] = (int32_t)best;
            if (best >= 0) {
                taken[best] = true;
            }
        }
    }
    free(taken);
    return RK_OK;
}

/* Counts, for each item, those that are not left out. */
static inline rk_status stand_by_scores(void *self, const rk_standing_order *o, int32_t *above,
                                        int32_t *tied)
{
    const world *w = self;
    for (int64_t i = 0; i < o->n; i++) {
        const float *scores = w->scores + o->users[i] * w->dataset.n_items;
        for (int64_t e = o->offsets[i]; e < o->offsets[i + 1]; e++) {
            above[e] = tied[e] = 0;
            for (int32_t item = 0; item < w->dataset.n_items; item++) {
                bool is_out = item == o->items[e];
                for (int part = 0; part < 3; part++) {
                    is_out = is_out ||
                             ((o->left_out & 1u << part) && in_part(w, part, o->users[i], item));
                }
                above[e] += !is_out && scores[item] > scores[o->items[e]];
                tied[e] += !is_out && !(scores[item] > scores[o->items[e]]) &&
                           !(scores[item] < scores[o->items[e]]);
            }
        }
    }
    return RK_OK;
}

#endif
