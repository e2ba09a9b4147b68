/* The answers of a scorer: best items, scores of given ones, and the seam of evaluation. */
#include <math.h>
#include <string.h>

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
static rk_status answer(rk_scorer *s, int64_t k, int32_t *items, float *scores)
{
    rk_host_tile *t = &s->tile;
    const int64_t there = s->sizes[t->size].k;
    RK_TRY(rk__tile_queue(s, t, scores != NULL));
    RK_TRY(rk__tile_wait(s, t));
    for (int64_t i = 0; i < t->n; i++) {
        for (int64_t j = 0; j < k; j++) {
            bool is_there = j < there;
            items[i * k + j] = is_there ? t->found[i * there + j] : -1;
            if (scores) {
                scores[i * k + j] = is_there ? t->found_scores[i * there + j] : 0;
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
    s->tile.size = size_for(s, n, k);
    for (int64_t first = 0; first < n; first += s->tile.n) {
        RK_TRY(rk__tile_fill(s, &s->tile, queries + first, n - first, selection));
        RK_TRY(answer(s, k, items + first * k, scores ? scores + first * k : NULL));
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
    rk_host_tile *t = &s->tile;
    t->size = RK_TILE_PAIRS;
    RK_TRY(rk__tile_check_items(s, items, n));
    RK_TRY(rk__tile_fill(s, t, q, 1, &none));
    for (int64_t first = 0; first < n; first += RK_PAIRS) {
        int64_t some = n - first < RK_PAIRS ? n - first : RK_PAIRS;
        for (int64_t i = 0; i < RK_PAIRS; i++) {
            t->found[i] = i < some ? items[first + i] : -1;
        }
        RK_TRY(rk__tile_queue(s, t, true));
        RK_TRY(rk__tile_wait(s, t));
        for (int64_t i = 0; i < some; i++) {
            bool is_cold = s->cold[items[first + i]];
            scores[first + i] = is_cold ? -INFINITY : t->found_scores[i];
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

static rk_selection seen_for(rk_part part)
{
    return (rk_selection){.seen = 1u << RK_TRAIN | (part == RK_TEST ? 1u << RK_VALID : 0)};
}

static rk_status rank(void *self, rk_part part, const int32_t *users, int64_t n, int64_t k,
                      int32_t *items)
{
    rk_query queries[RK_RANK_TILE];
    RK_ASSERT(n <= RK_RANK_TILE && part != RK_TRAIN);
    const rk_selection selection = seen_for(part);
    for (int64_t i = 0; i < n; i++) {
        queries[i] = (rk_query){.user = users[i]};
    }
    return rk__scorer_top_k(self, queries, n, &selection, k, items, NULL);
}

/* Queues users from t->first on, as many as fit. */
static rk_status queue_users(rk_scorer *s, const rk_rank_order *o, rk_tile_pair *pair,
                             rk_host_tile *t)
{
    const rk_selection selection = seen_for(o->part);
    const int64_t left = o->n - t->first, most = s->sizes[RK_TILE_MANY].n;
    const int64_t n = left < most ? left : most;
    for (int64_t i = 0; i < n; i++) {
        pair->queries[i] = (rk_query){.user = o->users[t->first + i]};
    }
    t->size = size_for(s, o->n, o->k);
    RK_TRY(set_limits(s, &selection));
    RK_TRY(rk__scorer_refresh(s));
    const rk_scorer_data own = s->data;
    if (o->has) {
        s->data = (rk_scorer_data){{o->has[RK_TRAIN], o->has[RK_VALID], o->has[RK_TEST]}};
    }
    rk_status status = rk__tile_fill(s, t, pair->queries, n, &selection);
    s->data = own;
    RK_TRY(status);
    return rk__tile_queue(s, t, false);
}

/* Waits for a tile and hands its lists over, with k of the longer rows that it has. Whoever takes
 * them may ask the scorer. */
static rk_status hand_over(rk_scorer *s, const rk_rank_order *o, rk_host_tile *t)
{
    const int64_t there = s->sizes[t->size].k;
    RK_ASSERT(o->k <= there);
    pthread_mutex_lock(&s->lock);
    rk_status status = rk__tile_wait(s, t);
    pthread_mutex_unlock(&s->lock);
    RK_TRY(status);
    for (int64_t i = 1; i < t->n && o->k < there; i++) {
        memmove(t->found + i * o->k, t->found + i * there, (size_t)o->k * sizeof *t->found);
    }
    return o->take(o->taker, t->first, t->n, t->found);
}

/* The device has the next tile when the last one is handed over. */
static rk_status rank_with(rk_scorer *s, const rk_rank_order *o, rk_tile_pair *pair)
{
    rk_status status = RK_OK;
    for (int64_t queued = 0, i = 0; status == RK_OK; i ^= 1) {
        rk_host_tile *next = &pair->tiles[i], *last = &pair->tiles[i ^ 1];
        if (queued == o->n && !last->is_queued) {
            break;
        }
        if (queued < o->n) {
            next->first = queued;
            pthread_mutex_lock(&s->lock);
            status = queue_users(s, o, pair, next);
            pthread_mutex_unlock(&s->lock);
            queued += next->n;
        }
        if (status == RK_OK && last->is_queued) {
            status = hand_over(s, o, last);
        }
    }
    return status;
}

static rk_status rank_all(void *self, const rk_rank_order *o)
{
    rk_scorer *s = self;
    rk_tile_pair *pair = NULL;
    RK_ASSERT(o->part != RK_TRAIN);
    pthread_mutex_lock(&s->lock);
    rk_status status = rk__scorer_take_pair(s, &pair);
    pthread_mutex_unlock(&s->lock);
    RK_TRY(status);
    status = rank_with(s, o, pair);
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < 2; i++) { /* after an error: the device may still write there */
        if (pair->tiles[i].is_queued) {
            rk__tile_wait(s, &pair->tiles[i]);
        }
    }
    rk__scorer_give_pair(s, pair);
    pthread_mutex_unlock(&s->lock);
    return status;
}

rk_ranker rk__scorer_ranker(rk_scorer *scorer)
{
    return (rk_ranker){.self = scorer, .rank = rank, .rank_all = rank_all};
}
