/* The answers of a scorer: best items, scores of given ones, and the seam of evaluation. */
#include <math.h>

#include "score/internal.h"

rk_selection rk_selection_defaults(void)
{
    return (rk_selection){.seen = 1u << RK_TRAIN | 1u << RK_VALID | 1u << RK_TEST};
}

/* ---- which items are left out for everybody ---- */

static rk_status set_limits(rk_scorer *s, const rk_selection *selection)
{
    const int64_t n_items = s->engine->graph.n_items;
    bool has_limits = selection->allow || selection->n_deny > 0;
    if (selection->n_deny < 0 || (selection->n_deny > 0 && !selection->deny) ||
        (selection->allow && selection->n_allow < 0)) {
        RK_FAIL(RK_ERR_CONFIG,
                "a selection has %lld items to deny and %lld to allow, but no list "
                "of so many",
                (long long)selection->n_deny, (long long)selection->n_allow);
    }
    if (!has_limits && !s->has_limits) {
        return RK_OK;
    }
    RK_TRY(rk__tile_check_items(s, selection->deny, selection->n_deny));
    RK_TRY(rk__tile_check_items(s, selection->allow, selection->allow ? selection->n_allow : 0));
    for (int64_t i = 0; i < n_items; i++) {
        s->closed[i] = selection->allow ? 1 : s->cold[i];
    }
    for (int64_t i = 0; selection->allow && i < selection->n_allow; i++) {
        s->closed[selection->allow[i]] = s->cold[selection->allow[i]];
    }
    for (int64_t i = 0; i < selection->n_deny; i++) {
        s->closed[selection->deny[i]] = 1;
    }
    s->has_limits = has_limits;
    return rk__scorer_write_blocked(s);
}

/* The answers of the tile, k of each of its queries. */
static rk_status answer(rk_scorer *s, int32_t *items, float *scores)
{
    const rk_engine *e = s->engine;
    const rk_tile_tensors *t = &s->sizes[s->size];
    RK_TRY(rk__tile_run(s));
    RK_TRY(e->device->read(e->context, t->items, 0, s->n, s->found));
    RK_TRY(scores ? e->device->read(e->context, t->scores, 0, s->n, s->found_scores) : RK_OK);
    for (int64_t i = 0; i < s->n; i++) {
        for (int64_t j = 0; j < s->k; j++) {
            bool is_there = j < t->k;
            items[i * s->k + j] = is_there ? s->found[i * t->k + j] : -1;
            if (scores) {
                scores[i * s->k + j] = is_there ? s->found_scores[i * t->k + j] : 0;
            }
        }
    }
    return RK_OK;
}

/* How queries are answered that want k items: many at a time, or one by one. */
static rk_tile_size size_for(const rk_scorer *s, int64_t n, int64_t k)
{
    int size = RK_TILE_ONE;
    if (n > 1 && k <= s->sizes[RK_TILE_MANY].k) {
        return RK_TILE_MANY;
    }
    while (size + 1 < RK_TILE_ONE + RK_ONE_SIZES && s->sizes[size].k < k) {
        size++;
    }
    return (rk_tile_size)size;
}

static rk_status top_k(rk_scorer *s, const rk_query *queries, int64_t n,
                       const rk_selection *selection, int64_t k, int32_t *items, float *scores)
{
    RK_TRY(set_limits(s, selection));
    RK_TRY(rk__scorer_refresh(s));
    s->k = k;
    s->size = size_for(s, n, k);
    for (int64_t first = 0, taken = 0; first < n; first += taken) {
        RK_TRY(rk__tile_fill(s, queries, first, n, selection, &taken));
        RK_TRY(answer(s, items + first * k, scores ? scores + first * k : NULL));
    }
    return RK_OK;
}

rk_status rk__scorer_top_k(rk_scorer *s, const rk_query *queries, int64_t n,
                           const rk_selection *selection, int64_t k, int32_t *items, float *scores)
{
    if (k < 1) {
        RK_FAIL(RK_ERR_CONFIG, "%lld recommendations are wanted; take 1 or more", (long long)k);
    }
    pthread_mutex_lock(&s->lock);
    rk_status status = top_k(s, queries, n, selection, k, items, scores);
    pthread_mutex_unlock(&s->lock);
    return status;
}

/* ---- scores of given items ---- */

static rk_status score_query(rk_scorer *s, const rk_query *q, const int32_t *items, int64_t n,
                             float *scores)
{
    const rk_selection none = {0};
    const rk_engine *e = s->engine;
    const rk_tile_tensors *t = &s->sizes[RK_TILE_PAIRS];
    int64_t taken = 0;
    s->size = RK_TILE_PAIRS;
    RK_TRY(rk__tile_check_items(s, items, n));
    RK_TRY(rk__tile_fill(s, q, 0, 1, &none, &taken));
    for (int64_t first = 0; first < n; first += RK_PAIRS) {
        int64_t some = n - first < RK_PAIRS ? n - first : RK_PAIRS;
        for (int64_t i = 0; i < RK_PAIRS; i++) {
            s->found[i] = i < some ? items[first + i] : -1;
        }
        RK_TRY(rk__tile_write(s, t->items, 1, s->found));
        RK_TRY(rk__tile_run(s));
        RK_TRY(e->device->read(e->context, t->scores, 0, 1, s->found_scores));
        for (int64_t i = 0; i < some; i++) {
            bool is_cold = s->cold[items[first + i]];
            scores[first + i] = is_cold ? -INFINITY : s->found_scores[i];
        }
    }
    return RK_OK;
}

rk_status rk__scorer_scores(rk_scorer *s, const rk_query *queries, int64_t n, const int32_t *items,
                            int64_t n_items, float *scores)
{
    pthread_mutex_lock(&s->lock);
    rk_status status = rk__scorer_refresh(s);
    for (int64_t i = 0; status == RK_OK && i < n; i++) {
        status = score_query(s, &queries[i], items + i * n_items, n_items, scores + i * n_items);
    }
    pthread_mutex_unlock(&s->lock);
    return status;
}

/* ---- evaluation ---- */

static rk_status rank(void *self, rk_part part, const int32_t *users, int64_t n, int64_t k,
                      int32_t *items)
{
    rk_scorer *s = self;
    rk_query queries[RK_RANK_TILE];
    RK_ASSERT(n <= RK_RANK_TILE && part != RK_TRAIN);
    const rk_selection selection = {.seen =
                                        1u << RK_TRAIN | (part == RK_TEST ? 1u << RK_VALID : 0)};
    for (int64_t i = 0; i < n; i++) {
        queries[i] = (rk_query){.user = users[i]};
    }
    return rk__scorer_top_k(s, queries, n, &selection, k, items, NULL);
}

rk_ranker rk__scorer_ranker(rk_scorer *scorer)
{
    return (rk_ranker){.self = scorer, .rank = rank};
}
