/* The answers of a scorer: best items, scores of given ones, and the seam of evaluation. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "score/internal.h"

rk_selection rk_selection_defaults(void)
{
    return (rk_selection){.seen = 1u << RK_TRAIN | 1u << RK_VALID | 1u << RK_TEST | 1u << RK_GIVEN};
}

/* ---- which items are left out for everybody ---- */

rk_status rk__scorer_set_limits(rk_scorer *s, const rk_selection *selection)
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

/* The k best of a query, of those that its row of a tile holds. */
typedef struct rule {
    int64_t k;
    bool drops_zeros; /* a score of 0 is no answer */
    bool has_least;   /* as selection.has_min_score */
    float least;
} rule;

static rule rule_of(const rk_selection *selection, int64_t k)
{
    return (rule){.k = k, .has_least = selection->has_min_score, .least = selection->min_score};
}

float rk__given_score(const rk_scorer *s, float score)
{
    if (!s->engine->model.model->rates) {
        return score;
    }
    const float low = (float)s->data.low, high = (float)s->data.high;
    return score < low ? low : score > high ? high : score;
}

static void take_row(const rk_scorer *s, const rk_host_tile *t, int64_t i, const rule *r,
                     int32_t *items, float *scores)
{
    const int64_t there = s->sizes[t->size].k;
    const int32_t *found = t->found + i * there;
    const float *values = t->found_scores + i * there;
    const bool is_given = t->asker != RK_ASKER_ITEM; /* else likeness */
    int64_t n = 0;
    for (int64_t j = 0; j < there && n < r->k && found[j] >= 0; j++) {
        const float score = is_given ? rk__given_score(s, values[j]) : values[j];
        bool is_kept = !(r->has_least && score < r->least) && !(r->drops_zeros && score == 0);
        if (is_kept) {
            items[n] = found[j];
            if (scores) {
                scores[n] = score;
            }
            n++;
        }
    }
    for (; n < r->k; n++) {
        items[n] = -1;
        if (scores) {
            scores[n] = 0;
        }
    }
}

/* The answers of the tile, r->k of each of its queries. */
static rk_status answer(rk_scorer *s, const rule *r, int32_t *items, float *scores)
{
    rk_host_tile *t = &s->tile;
    RK_TRY(rk__tile_queue(s, t, scores != NULL || r->has_least || r->drops_zeros));
    RK_TRY(rk__tile_wait(s, t));
    for (int64_t i = 0; i < t->n; i++) {
        take_row(s, t, i, r, items + i * r->k, scores ? scores + i * r->k : NULL);
    }
    return RK_OK;
}

/* How queries are answered that want k items: many at a time if their answers are long enough
 * there, else one by one. Of those the shortest. */
static rk_tile_size size_for(const rk_scorer *s, int64_t n, int64_t k)
{
    k = k < s->engine->graph.n_items ? k : s->engine->graph.n_items;
    int size = RK_TILE_ONE, best = -1;
    for (int many = RK_TILE_MANY; n > 1 && many < RK_TILE_ONE; many++) {
        bool is_shorter = best < 0 || s->sizes[many].k < s->sizes[best].k;
        best = s->sizes[many].k >= k && is_shorter ? many : best;
    }
    if (best >= 0) {
        return (rk_tile_size)best;
    }
    while (size + 1 < RK_TILE_PAIRS && s->sizes[size].k < k) {
        size++;
    }
    return (rk_tile_size)size;
}

static rk_status top_k(rk_scorer *s, const rk_query *queries, int64_t n,
                       const rk_selection *selection, int64_t k, int32_t *items, float *scores)
{
    RK_TRY(rk__scorer_set_limits(s, selection));
    RK_TRY(rk__scorer_refresh(s));
    const rule r = rule_of(selection, k);
    s->tile.size = size_for(s, n, r.k);
    for (int64_t first = 0; first < n; first += s->tile.n) {
        RK_TRY(rk__tile_fill(s, &s->tile, queries + first, n - first, selection));
        RK_TRY(answer(s, &r, items + first * k, scores ? scores + first * k : NULL));
    }
    return RK_OK;
}

static rk_status similar(rk_scorer *s, const int32_t *asking, int64_t n,
                         const rk_selection *selection, int64_t k, int32_t *items, float *scores)
{
    rule r = rule_of(selection, k);
    r.drops_zeros = true;
    RK_TRY(rk__tile_check_items(s, asking, n));
    RK_TRY(rk__scorer_set_limits(s, selection));
    RK_TRY(rk__scorer_refresh(s));
    s->tile.size = size_for(s, n, k);
    for (int64_t first = 0; first < n; first += s->tile.n) {
        rk__tile_fill_items(s, &s->tile, asking + first, n - first, selection->keep_given);
        RK_TRY(answer(s, &r, items + first * k, scores + first * k));
    }
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; s->cold[asking[i]] && j < k; j++) {
            items[i * k + j] = -1;
            scores[i * k + j] = 0;
        }
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

rk_status rk__scorer_basis(rk_scorer *s, const rk_query *query, rk_basis *out, int64_t *out_counted)
{
    static const rk_basis of[] = {[RK_ASKER_KNOWN] = RK_BASIS_MODEL,
                                  [RK_ASKER_FOLDED] = RK_BASIS_ITEMS,
                                  [RK_ASKER_NOBODY] = RK_BASIS_POPULARITY};
    rk_asker asker = RK_ASKER_KNOWN;
    pthread_mutex_lock(&s->lock);
    rk_status status = rk__query_asker(s, query, &asker, out_counted);
    pthread_mutex_unlock(&s->lock);
    RK_TRY(status);
    *out = of[asker];
    if (asker == RK_ASKER_FOLDED && s->engine->model.model->rates && query->n_items == 0 &&
        !rk__is_given(s, query->user)) {
        *out = RK_BASIS_MODEL; /* what is left of the sum: mean and biases of the items */
    }
    return RK_OK;
}

rk_status rk__scorer_similar(rk_scorer *s, const int32_t *asking, int64_t n,
                             const rk_selection *selection, int64_t k, int32_t *items,
                             float *scores)
{
    const rk_model_kind *m = s->engine->model.model;
    if (!m->similar) {
        RK_FAIL(RK_ERR_CONFIG,
                "model %s does not know which items are alike; ask a model of vectors or of "
                "neighbours, e.g. item_knn",
                m->name);
    }
    pthread_mutex_lock(&s->lock);
    rk_status status = similar(s, asking, n, selection, k, items, scores);
    pthread_mutex_unlock(&s->lock);
    return status;
}

/* ---- scores of given items ---- */

static int64_t length_of(const int64_t *offsets, int64_t row)
{
    return offsets[row + 1] - offsets[row];
}

/* The scores of up to RK_PAIRS items of each query of the tile, from place `at` of their lists. */
static rk_status score_some(rk_scorer *s, rk_host_tile *t, rk_item_lists lists, int64_t at,
                            float *scores)
{
    const bool wants_given = t->asker != RK_ASKER_ITEM;
    for (int64_t i = 0; i < t->n; i++) {
        const int64_t left = length_of(lists.offsets, i) - at;
        for (int64_t j = 0; j < RK_PAIRS; j++) {
            t->found[i * RK_PAIRS + j] = j < left ? lists.items[lists.offsets[i] + at + j] : -1;
        }
    }
    RK_TRY(rk__tile_queue(s, t, true));
    RK_TRY(rk__tile_wait(s, t));
    for (int64_t i = 0; i < t->n; i++) {
        const int64_t left = length_of(lists.offsets, i) - at, first = lists.offsets[i] + at;
        for (int64_t j = 0; j < RK_PAIRS && j < left; j++) {
            const float score = t->found_scores[i * RK_PAIRS + j];
            bool is_none = s->cold[lists.items[first + j]] && !s->engine->model.model->rates;
            scores[first + j] = is_none       ? -INFINITY
                                : wants_given ? rk__given_score(s, score)
                                              : score;
        }
    }
    return RK_OK;
}

rk_status rk__tile_score(rk_scorer *s, rk_host_tile *t, rk_item_lists lists, float *scores)
{
    int64_t longest = 0;
    for (int64_t i = 0; i < t->n; i++) {
        const int64_t n = length_of(lists.offsets, i);
        longest = n > longest ? n : longest;
    }
    for (int64_t at = 0; at < longest; at += RK_PAIRS) {
        RK_TRY(score_some(s, t, lists, at, scores));
    }
    return RK_OK;
}

static rk_status score_lists(rk_scorer *s, const rk_query *queries, int64_t n, rk_item_lists lists,
                             float *scores)
{
    const rk_selection none = {0};
    RK_TRY(rk__tile_check_items(s, lists.items + lists.offsets[0],
                                lists.offsets[n] - lists.offsets[0]));
    RK_TRY(rk__scorer_refresh(s));
    s->tile.size = RK_TILE_PAIRS;
    for (int64_t first = 0; first < n; first += s->tile.n) {
        const rk_item_lists here = {lists.offsets + first, lists.items};
        RK_TRY(rk__tile_fill(s, &s->tile, queries + first, n - first, &none));
        RK_TRY(rk__tile_score(s, &s->tile, here, scores));
    }
    return RK_OK;
}

rk_status rk__scorer_scores(rk_scorer *s, const rk_query *queries, int64_t n, rk_item_lists lists,
                            float *scores)
{
    pthread_mutex_lock(&s->lock);
    rk_status status = n > 0 ? score_lists(s, queries, n, lists, scores) : RK_OK;
    pthread_mutex_unlock(&s->lock);
    return status;
}

/* ---- where given items stand ---- */

/* Of up to RK_STANDING_PAIRS items of each query of the tile, from place `at` of their lists. */
static rk_status stand_some(rk_scorer *s, rk_host_tile *t, rk_item_lists lists, int64_t at,
                            int32_t *above, int32_t *tied)
{
    enum { WIDTH = RK_STANDING_PAIRS };
    for (int64_t i = 0; i < t->n; i++) {
        const int64_t left = length_of(lists.offsets, i) - at;
        for (int64_t j = 0; j < WIDTH; j++) {
            t->found[i * WIDTH + j] = j < left ? lists.items[lists.offsets[i] + at + j] : -1;
        }
    }
    RK_TRY(rk__tile_queue(s, t, false));
    RK_TRY(rk__tile_wait(s, t));
    for (int64_t i = 0; i < t->n; i++) {
        const int64_t left = length_of(lists.offsets, i) - at, first = lists.offsets[i] + at;
        for (int64_t j = 0; j < WIDTH && j < left; j++) {
            above[first + j] = t->above[i * WIDTH + j];
            tied[first + j] = t->tied[i * WIDTH + j];
        }
    }
    return RK_OK;
}

rk_status rk__tile_stand(rk_scorer *s, rk_host_tile *t, rk_item_lists lists, int32_t *above,
                         int32_t *tied)
{
    int64_t longest = 0;
    for (int64_t i = 0; i < t->n; i++) {
        const int64_t n = length_of(lists.offsets, i);
        longest = n > longest ? n : longest;
    }
    for (int64_t at = 0; at < longest; at += RK_STANDING_PAIRS) {
        RK_TRY(stand_some(s, t, lists, at, above, tied));
    }
    return RK_OK;
}

/* ---- evaluation ---- */

/* Queries of users; rows: of the part, whose contexts go into `contexts` [n, fields]; or NULL. */
static void fill_queries(const rk_scorer *s, rk_part part, const int32_t *users,
                         const int64_t *rows, int64_t n, int32_t *contexts, rk_query *queries)
{
    const int n_fields = rk__scorer_fields(s);
    for (int64_t i = 0; i < n; i++) {
        queries[i] = (rk_query){.user = users[i]};
        if (rows && n_fields > 0) {
            queries[i].context = contexts + i * n_fields;
            queries[i].n_context = n_fields;
            rk__contexts_of_row(&s->engine->contexts, part, rows[i], contexts + i * n_fields);
        }
    }
}

static rk_status rank(void *self, unsigned seen, const int32_t *users, int64_t n, int64_t k,
                      int32_t *items)
{
    rk_query queries[RK_RANK_TILE];
    RK_ASSERT(n <= RK_RANK_TILE);
    const rk_selection selection = {.seen = seen};
    for (int64_t i = 0; i < n; i++) {
        queries[i] = (rk_query){.user = users[i]};
    }
    return rk__scorer_top_k(self, queries, n, &selection, k, items, NULL);
}

/* rk__tile_fill where users have something else than what the scorer knows of. */
static rk_status fill_with(rk_scorer *s, rk_host_tile *t, const rk_query *queries, int64_t n,
                           const rk_selection *selection, const rk_lists *const *has)
{
    const rk_scorer_data own = s->data;
    if (has) {
        memcpy(s->data.parts, has, sizeof s->data.parts);
    }
    rk_status status = rk__tile_fill(s, t, queries, n, selection);
    s->data = own;
    return status;
}

/* Queues users from t->first on, as many as fit. */
static rk_status queue_users(rk_scorer *s, const rk_rank_order *o, rk_tile_pair *pair,
                             rk_host_tile *t)
{
    const rk_selection selection = {.seen = o->seen};
    const int64_t left = o->n - t->first, most = rk__most_queries(s);
    const int64_t n = left < most ? left : most;
    fill_queries(s, o->part, o->users + t->first, o->rows ? o->rows + t->first : NULL, n,
                 pair->contexts, pair->queries);
    t->size = size_for(s, o->n, o->k);
    RK_TRY(rk__scorer_set_limits(s, &selection));
    RK_TRY(rk__scorer_refresh(s));
    RK_TRY(fill_with(s, t, pair->queries, n, &selection, o->has));
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

rk_status rk__rank_here(rk_scorer *s, const rk_rank_order *o)
{
    rk_tile_pair *pair = NULL;
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

static bool has_others(const rk_scorer *s)
{
    return rk__comm_size(s->engine->ranks) > 1;
}

static rk_status rank_all(void *self, const rk_rank_order *o)
{
    return has_others(self) ? rk__rank_shares(self, o) : rk__rank_here(self, o);
}

rk_status rk__score_here(rk_scorer *s, const rk_score_order *o, float *scores)
{
    rk_query queries[RK_RANK_TILE];
    int32_t *contexts = NULL;
    RK_ASSERT(o->n <= RK_RANK_TILE);
    RK_TRY(rk__alloc(&contexts, o->n * rk__scorer_fields(s), sizeof *contexts,
                     "the contexts of queries"));
    fill_queries(s, o->part, o->users, o->rows, o->n, contexts, queries);
    rk_status status = rk__scorer_scores(s, queries, o->n, o->lists, scores);
    rk__free(contexts);
    return status;
}

static rk_status score_rows(void *self, rk_part part, const int64_t *rows, const int32_t *users,
                            int64_t n, const int64_t *offsets, const int32_t *items, float *scores)
{
    const rk_score_order order = {
        .part = part, .users = users, .rows = rows, .n = n, .lists = {offsets, items}};
    return has_others(self) ? rk__score_shares(self, &order, scores)
                            : rk__score_here(self, &order, scores);
}

static rk_status score_users(void *self, const int32_t *users, int64_t n, const int64_t *offsets,
                             const int32_t *items, float *scores)
{
    return score_rows(self, RK_TRAIN, NULL, users, n, offsets, items, scores);
}

static rk_status stand_lists(rk_scorer *s, const rk_standing_order *o, const rk_query *queries,
                             int32_t *above, int32_t *tied)
{
    const rk_selection selection = {.seen = o->left_out};
    RK_TRY(rk__scorer_set_limits(s, &selection));
    RK_TRY(rk__scorer_refresh(s));
    s->tile.size = RK_TILE_STANDING;
    for (int64_t first = 0; first < o->n; first += s->tile.n) {
        const rk_item_lists here = {o->offsets + first, o->items};
        RK_TRY(fill_with(s, &s->tile, queries + first, o->n - first, &selection, o->has));
        RK_TRY(rk__tile_stand(s, &s->tile, here, above, tied));
    }
    return RK_OK;
}

rk_status rk__stand_here(rk_scorer *s, const rk_standing_order *o, int32_t *above, int32_t *tied)
{
    rk_query queries[RK_RANK_TILE];
    int32_t *contexts = NULL;
    RK_ASSERT(o->n <= RK_RANK_TILE);
    RK_TRY(rk__alloc(&contexts, o->n * rk__scorer_fields(s), sizeof *contexts,
                     "the contexts of queries"));
    fill_queries(s, o->part, o->users, o->rows, o->n, contexts, queries);
    pthread_mutex_lock(&s->lock);
    rk_status status = o->n > 0 ? stand_lists(s, o, queries, above, tied) : RK_OK;
    pthread_mutex_unlock(&s->lock);
    rk__free(contexts);
    return status;
}

static rk_status stand(void *self, const rk_standing_order *o, int32_t *above, int32_t *tied)
{
    return has_others(self) ? rk__stand_shares(self, o, above, tied)
                            : rk__stand_here(self, o, above, tied);
}

rk_ranker rk__scorer_ranker(rk_scorer *scorer)
{
    const bool by_row = rk__scorer_fields(scorer) > 0;
    return (rk_ranker){.self = scorer,
                       .by_row = by_row,
                       .rank = by_row ? NULL : rank,
                       .rank_all = rank_all,
                       .score = score_users,
                       .score_rows = by_row ? score_rows : NULL,
                       .stand = stand};
}
