/* What comes of where held-out items stand among all items: the area under the curve, filtered
 * ranks, and what metrics among drawn candidates are to be expected to be over all draws. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "eval/expected.h"
#include "eval/work.h"

typedef struct standings {
    rk_eval_work *w;
    unsigned left_out;
    int64_t capacity;
    int64_t *offsets;       /* RK_RANK_TILE + 1; owned, as all of these */
    int32_t *above, *tied;  /* capacity: of the held-out items of a lot of users */
    int64_t *others;        /* RK_RANK_TILE: of each user the items that are not left out */
    double *log_factorials; /* n_items + 1; NULL = no expectations */
    double *at_rank;        /* [n_values, k_max]: the value of a list whose only hit is at rank r */
    double *expected;       /* [RK_RANK_TILE, n_values] */
    double *chances;        /* [RK_RANK_TILE, k_max] */
} standings;

static void free_standings(standings *s)
{
    rk__free(s->offsets);
    rk__free(s->above);
    rk__free(s->tied);
    rk__free(s->others);
    rk__free(s->log_factorials);
    rk__free(s->at_rank);
    rk__free(s->expected);
    rk__free(s->chances);
}

/* ---- room ---- */

/* The value of each measure for one held-out item at each rank. */
static rk_status value_ranks(standings *s)
{
    const rk_eval_work *w = s->w;
    uint8_t *hits = NULL;
    RK_TRY(rk__alloc(&s->at_rank, w->n_values * w->k_max, sizeof *s->at_rank, "values of ranks"));
    RK_TRY(rk__calloc(&hits, w->k_max, sizeof *hits, "hits"));
    for (int64_t r = 0; r < w->k_max; r++) {
        const rk_hits h = {.hit = hits, .n_listed = w->k_max, .n_targets = 1};
        hits[r] = 1;
        for (int64_t v = 0; v < w->n_values; v++) {
            s->at_rank[v * w->k_max + r] =
                rk__metric_of_hits(w->measures[v], w->options->eval.style, &h);
        }
        hits[r] = 0;
    }
    rk__free(hits);
    return RK_OK;
}

static rk_status allocate(standings *s)
{
    const rk_eval_work *w = s->w;
    int64_t n = 0;
    RK_TRY(rk__alloc(&s->offsets, RK_RANK_TILE + 1, sizeof *s->offsets, "held-out items"));
    RK_TRY(rk__alloc(&s->others, RK_RANK_TILE, sizeof *s->others, "held-out items"));
    if (w->expected) {
        RK_TRY(rk__mul(&n, RK_RANK_TILE, w->k_max, "chances"));
        RK_TRY(rk__alloc(&s->chances, n, sizeof *s->chances, "chances"));
        RK_TRY(rk__alloc(&s->expected, RK_RANK_TILE * w->n_values, sizeof *s->expected,
                         "expectations"));
        RK_TRY(rk__log_factorials(w->dataset->n_items, &s->log_factorials));
        RK_TRY(value_ranks(s));
    }
    return RK_OK;
}

static rk_status reserve(standings *s, int64_t wanted)
{
    if (wanted <= s->capacity) {
        return RK_OK;
    }
    RK_TRY(rk__realloc(&s->above, s->capacity, wanted, sizeof *s->above, "held-out items"));
    RK_TRY(rk__realloc(&s->tied, s->capacity, wanted, sizeof *s->tied, "held-out items"));
    s->capacity = wanted;
    return RK_OK;
}

/* ---- where they stand ---- */

/* Asks a ranker by_row for each row of the users on its own: they are all of theirs in `lists`. */
static rk_status stand_by_row(const rk_ranker *ranker, const rk_standing_order *o,
                              const rk_lists *lists, int32_t *above, int32_t *tied)
{
    int64_t rows[RK_RANK_TILE], offsets[RK_RANK_TILE + 1] = {0}, n = 0, first = 0;
    int32_t users[RK_RANK_TILE];
    for (int64_t i = 0; i < o->n; i++) {
        for (int64_t e = o->offsets[i]; e < o->offsets[i + 1]; e++) {
            rows[n] = lists->offsets[o->users[i]] + e - o->offsets[i];
            users[n++] = o->users[i];
            offsets[n] = n;
            if (n < RK_RANK_TILE && e + 1 < o->offsets[o->n]) {
                continue;
            }
            const rk_standing_order some = {.part = o->part,
                                            .users = users,
                                            .rows = rows,
                                            .n = n,
                                            .offsets = offsets,
                                            .items = o->items + first,
                                            .left_out = o->left_out,
                                            .has = o->has};
            RK_TRY(ranker->stand(ranker->self, &some, above + first, tied + first));
            first += n;
            n = 0;
        }
    }
    return RK_OK;
}

rk_status rk__stand(const rk_ranker *ranker, const rk_standing_order *order, const rk_lists *lists,
                    int32_t *above, int32_t *tied)
{
    return ranker->by_row ? stand_by_row(ranker, order, lists, above, tied)
                          : ranker->stand(ranker->self, order, above, tied);
}

/* ---- a lot of users ---- */

/* The expectations of a user: means over their held-out items, each ranked among n_candidates of
 * the items that the user does not have. An item that is never ranked is never hit. */
static void expect_user(standings *s, int64_t i, int64_t user)
{
    const rk_eval_work *w = s->w;
    const rk_dataset *d = w->dataset;
    const int64_t n = rk__lists_count(w->targets, user);
    const int64_t pool = d->n_items - rk__eval_count(w->has, s->left_out, user);
    double *expected = s->expected + i * w->n_values, *chances = s->chances + i * w->k_max;
    memset(expected, 0, (size_t)w->n_values * sizeof *expected);
    for (int64_t t = 0; t < n; t++) {
        const int64_t at = s->offsets[i] + t;
        if (s->above[at] < 0) {
            continue;
        }
        rk__rank_chances(s->log_factorials, pool, d->n_candidates, s->above[at], s->tied[at],
                         w->k_max, chances);
        for (int64_t v = 0; v < w->n_values; v++) {
            double sum = 0;
            for (int64_t r = 0; r < w->k_max; r++) {
                sum += chances[r] * s->at_rank[v * w->k_max + r];
            }
            expected[v] += sum / (double)n;
        }
    }
}

/* Adds the user's mean over the held-out items of a group, or of all (-1). */
static void add_order(standings *s, int64_t user_at, int64_t i, int64_t v, int64_t group)
{
    rk_eval_work *w = s->w;
    const int64_t begin = w->targets->offsets[w->users[user_at]];
    double sum = 0;
    int64_t n = 0;
    for (int64_t at = s->offsets[i]; at < s->offsets[i + 1]; at++) {
        const int32_t item = w->targets->items[begin + at - s->offsets[i]];
        if (group < 0 || w->groups->of[item] == group) {
            sum += rk__metric_of_place(w->measures[v],
                                       (rk_place){s->others[i], s->above[at], s->tied[at]});
            n++;
        }
    }
    if (n > 0) {
        rk__tally_user(w, user_at, v, group, n, sum / (double)n);
    }
}

static void add_user(standings *s, int64_t user_at, int64_t i, bool is_order)
{
    rk_eval_work *w = s->w;
    for (int64_t v = 0; v < w->n_values; v++) {
        if (s->log_factorials) {
            w->expected[v] += s->expected[i * w->n_values + v];
        }
        if (is_order && rk__measure_is_of_order(w->measures[v])) {
            add_order(s, user_at, i, v, -1);
            for (int64_t g = 0; w->groups && g < w->groups->n; g++) {
                add_order(s, user_at, i, v, g);
            }
        }
    }
}

static rk_status stand_lot(standings *s, const rk_ranker *ranker, int64_t first, int64_t n,
                           bool is_order)
{
    const rk_eval_work *w = s->w;
    int32_t *items = NULL;
    s->offsets[0] = 0;
    for (int64_t i = 0; i < n; i++) {
        s->offsets[i + 1] = s->offsets[i] + rk__lists_count(w->targets, w->users[first + i]);
    }
    RK_TRY(reserve(s, s->offsets[n]));
    RK_TRY(rk__alloc(&items, s->offsets[n], sizeof *items, "held-out items"));
    for (int64_t i = 0; i < n; i++) {
        memcpy(items + s->offsets[i], w->targets->items + w->targets->offsets[w->users[first + i]],
               (size_t)(s->offsets[i + 1] - s->offsets[i]) * sizeof *items);
    }
    const rk_standing_order order = {.part = w->part,
                                     .users = w->users + first,
                                     .n = n,
                                     .offsets = s->offsets,
                                     .items = items,
                                     .left_out = s->left_out,
                                     .has = w->has};
    rk_status status = rk__stand(ranker, &order, w->targets, s->above, s->tied);
    rk__free(items);
    RK_TRY(status);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++) {
        if (s->log_factorials) {
            expect_user(s, i, w->users[first + i]);
        }
        s->others[i] =
            w->dataset->n_items - rk__eval_count(w->has, s->left_out, w->users[first + i]);
    }
    for (int64_t i = 0; i < n; i++) {
        add_user(s, first + i, i, is_order);
    }
    return RK_OK;
}

/* A pass over all users: metrics of the order, expectations, or both. */
static rk_status pass(rk_eval_work *w, const rk_ranker *ranker, unsigned left_out, bool is_order,
                      bool is_expected)
{
    rk_status status = RK_OK;
    standings s = {.w = w, .left_out = left_out};
    double *wanted = w->expected;
    w->expected = is_expected ? wanted : NULL;
    RK_TRY_GOTO(done, allocate(&s));
    for (int64_t first = 0; first < w->n_users; first += RK_RANK_TILE) {
        const int64_t n = w->n_users - first < RK_RANK_TILE ? w->n_users - first : RK_RANK_TILE;
        RK_TRY_GOTO(done, stand_lot(&s, ranker, first, n, is_order));
        rk__eval_tell(w, first + n);
        RK_TRY_GOTO(done, rk__eval_stop(w, first + n));
    }
done:
    w->expected = wanted;
    free_standings(&s);
    return status;
}

rk_status rk__stand_users(rk_eval_work *w, const rk_ranker *ranker)
{
    const unsigned all = 1u << RK_TRAIN | 1u << RK_VALID | 1u << RK_TEST | 1u << RK_GIVEN;
    const unsigned order = w->seen | 1u << w->part;
    bool is_order = false;
    rk_status status = RK_OK;
    for (int64_t v = 0; v < w->n_values; v++) {
        is_order = is_order || rk__measure_is_of_order(w->measures[v]);
    }
    if (!is_order && !w->expected) {
        return RK_OK;
    }
    if (!ranker->stand) {
        RK_FAIL(RK_ERR_CONFIG,
                "this ranking cannot say where items stand, which auc and filtered ranks "
                "need");
    }
    if (w->expected && order == all) {
        status = pass(w, ranker, all, is_order, true);
    } else {
        status = is_order ? pass(w, ranker, order, true, false) : RK_OK;
        if (status == RK_OK && w->expected) {
            status = pass(w, ranker, all, false, true);
        }
    }
    return status;
}
