/*
 * Who is evaluated, and the way through it: lists of users, or of held-out rows one by one, come
 * tile by tile, the next one while the host looks at the last (tally.c); then, where metrics ask
 * for it, where held-out items stand (standing.c).
 */
#include "eval/evaluate.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/philox.h"
#include "base/timer.h"
#include "data/contexts.h"
#include "eval/sampled.h"
#include "eval/work.h"

unsigned rk__eval_seen(const rk_options *options, rk_part part)
{
    const unsigned always = 1u << RK_TRAIN | 1u << RK_GIVEN;
    if (options->eval.seen == RK_SEEN_RANK) {
        return 0;
    }
    return always | (part == RK_TEST ? 1u << RK_VALID : 0);
}

/* Merges lists, which are ascending. */
int64_t rk__eval_count(const rk_lists *const *has, unsigned parts, int64_t user)
{
    const int32_t *at[RK_PARTS], *end[RK_PARTS];
    int lists = 0;
    int64_t n = 0;
    for (int part = 0; part < RK_PARTS; part++) {
        const rk_lists *l = has[part];
        if ((parts & 1u << part) && l && rk__lists_count(l, user) > 0) {
            at[lists] = l->items + l->offsets[user];
            end[lists++] = l->items + l->offsets[user + 1];
        }
    }
    while (lists > 0) {
        int32_t least = *at[0];
        for (int i = 1; i < lists; i++) {
            least = *at[i] < least ? *at[i] : least;
        }
        n++;
        for (int i = 0; i < lists;) {
            at[i] += *at[i] == least;
            if (at[i] == end[i]) {
                lists--;
                at[i] = at[lists];
                end[i] = end[lists];
            } else {
                i++;
            }
        }
    }
    return n;
}

/* ---- who ---- */

/* The users (of those given, or of all) who have an item in the part. */
static rk_status find_users(const rk_dataset *dataset, rk_part part, const int32_t *users,
                            int64_t n_users, int32_t **out, int64_t *out_n)
{
    const rk_lists *lists = &dataset->parts[part];
    int64_t n = users ? n_users : dataset->n_users;
    RK_TRY(rk__alloc(out, n, sizeof **out, "the users to evaluate"));
    *out_n = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t user = users ? users[i] : i;
        RK_ASSERT(user >= 0 && user < dataset->n_users);
        if (rk__lists_count(lists, user) > 0) {
            (*out)[(*out_n)++] = (int32_t)user;
        }
    }
    return RK_OK;
}

/* The held-out rows of the users, each to be ranked for itself. */
static rk_status find_rows(rk_eval_work *w)
{
    int64_t n = 0;
    for (int64_t i = 0; i < w->n_users; i++) {
        n += rk__lists_count(w->targets, w->users[i]);
    }
    RK_TRY(rk__alloc(&w->rows, n, sizeof *w->rows, "held-out rows"));
    RK_TRY(rk__alloc(&w->row_users, n, sizeof *w->row_users, "held-out rows"));
    w->n_lists = 0;
    for (int64_t i = 0; i < w->n_users; i++) {
        const int64_t *offsets = w->targets->offsets + w->users[i];
        for (int64_t row = offsets[0]; row < offsets[1]; row++) {
            w->rows[w->n_lists] = row;
            w->row_users[w->n_lists++] = w->users[i];
        }
    }
    return RK_OK;
}

static rk_status check_options(rk_eval_work *w)
{
    const rk_ints *k = &w->options->eval.k;
    RK_TRY(rk__measures(w->options, &w->measures, &w->n_values));
    for (int64_t j = 0; j < k->n; j++) {
        if (k->v[j] < 1 || k->v[j] > w->dataset->n_items) {
            RK_FAIL(RK_ERR_CONFIG,
                    "eval.k holds %" PRId64 ", but the data set has %" PRId64
                    " items: every cut-off must lie between 1 and the number of items",
                    k->v[j], w->dataset->n_items);
        }
        w->k_max = k->v[j] > w->k_max ? k->v[j] : w->k_max;
    }
    return RK_OK;
}

/* ---- the way ---- */

void rk__eval_tell(const rk_eval_work *w, int64_t done)
{
    const rk_hooks *hooks = w->hooks;
    if (hooks && hooks->progress) {
        const rk_progress progress = {.phase = "evaluating",
                                      .done = done,
                                      .total = w->n_users,
                                      .unit = "users",
                                      .seconds = rk__now() - w->start,
                                      .loss = (double)NAN,
                                      .eta_seconds = -1,
                                      .metric_value = (double)NAN};
        hooks->progress(hooks->user, &progress);
    }
}

rk_status rk__eval_stop(const rk_eval_work *w, int64_t done)
{
    const rk_hooks *hooks = w->hooks;
    if (done < w->n_users && hooks && hooks->should_stop && hooks->should_stop(hooks->user)) {
        RK_FAIL(RK_ERR_INTERRUPTED,
                "interrupted after the evaluation of %" PRId64 " of %" PRId64 " users", done,
                w->n_users);
    }
    return RK_OK;
}

/* rk_rank_order.take */
static rk_status take_lists(void *taker, int64_t first, int64_t n, const int32_t *items)
{
    rk_eval_work *w = taker;
    for (int64_t at = 0; at < n; at += RK_RANK_TILE) {
        const int64_t some = n - at < RK_RANK_TILE ? n - at : RK_RANK_TILE;
        rk__tally_lists(w, first + at, some, items + at * w->k_max);
        rk__eval_tell(w, w->user_at);
        RK_TRY(rk__eval_stop(w, w->user_at));
    }
    return RK_OK;
}

/* All users by a ranker that knows only of tiles. */
static rk_status rank_in_tiles(const rk_ranker *ranker, const rk_rank_order *o)
{
    rk_status status = RK_OK;
    int32_t *items = NULL;
    RK_TRY(rk__alloc(&items, RK_RANK_TILE * o->k, sizeof *items, "ranked lists"));
    for (int64_t first = 0; first < o->n && status == RK_OK; first += RK_RANK_TILE) {
        const int64_t n = o->n - first < RK_RANK_TILE ? o->n - first : RK_RANK_TILE;
        status = ranker->rank(ranker->self, o->seen, o->users + first, n, o->k, items);
        status = status == RK_OK ? o->take(o->taker, first, n, items) : status;
    }
    rk__free(items);
    return status;
}

static bool needs_lists(const rk_eval_work *w)
{
    bool needs = w->groups != NULL; /* which are counted list by list */
    for (int64_t v = 0; v < w->n_values; v++) {
        needs = needs || !rk__measure_is_of_order(w->measures[v]);
    }
    return needs;
}

static rk_status rank_lists(rk_eval_work *w, const rk_ranker *ranker)
{
    if (!needs_lists(w)) {
        return RK_OK;
    }
    const rk_rank_order order = {.part = w->part,
                                 .seen = w->seen,
                                 .users = w->row_users ? w->row_users : w->users,
                                 .rows = w->rows,
                                 .row_lists = w->rows ? w->targets : NULL,
                                 .n = w->n_lists,
                                 .k = w->k_max,
                                 .has = w->has,
                                 .take = take_lists,
                                 .taker = w};
    RK_TRY(rk__eval_stop(w, 0));
    if (w->options->eval.among == RK_AMONG_CANDIDATES) {
        return rk__rank_candidates(w->dataset, ranker, &order);
    }
    return ranker->rank_all ? ranker->rank_all(ranker->self, &order)
                            : rank_in_tiles(ranker, &order);
}

/* ---- what comes of it ---- */

/* One block: n values, then their names of RK_MEASURE_BYTES each. */
static rk_status allocate(rk_metrics *out, int64_t n, char **out_names)
{
    RK_TRY(rk__alloc(&out->values, n, sizeof *out->values + RK_MEASURE_BYTES, "metrics"));
    *out_names = (char *)(out->values + n);
    return RK_OK;
}

static rk_status report(const rk_eval_work *w, rk_metrics *out)
{
    const int64_t n = w->n_values;
    char *name = NULL;
    RK_TRY(allocate(out, n, &name));
    for (int64_t v = 0; v < n; v++, name += RK_MEASURE_BYTES) {
        const rk_metric_of of = rk__metric_of(w->measures[v].metric);
        const bool is_drawn = w->expected && of == RK_METRIC_OF_HITS;
        rk__measure_name(w->measures[v], name);
        out->values[v] = (rk_metric_value){
            .name = name,
            .value = of == RK_METRIC_OF_ALL ? rk__tally_of_all(w, v)
                                            : w->means.sums[v] / w->means.weights[v],
            .expected = is_drawn ? w->expected[v] / (double)w->n_users : (double)NAN};
    }
    out->count = n;
    out->users = w->n_users;
    return RK_OK;
}

/* Allocates the values of each user; the list of users is handed over at the end. */
static rk_status keep_each(rk_eval_work *w, rk_user_values *each)
{
    int64_t elements = 0;
    each->n_users = w->n_users;
    each->n_values = w->n_values;
    RK_TRY(rk__mul(&elements, each->n_users, each->n_values, "the values of users"));
    RK_TRY(rk__alloc(&each->values, elements, sizeof *each->values, "the values of users"));
    w->each = each->values;
    return RK_OK;
}

void rk__user_values_free(rk_user_values *values)
{
    rk__free(values->users);
    rk__free(values->values);
    *values = (rk_user_values){0};
}

static rk_status prepare(rk_eval_work *w, const rk_eval_more *more, const rk_ranker *ranker)
{
    const rk_options *o = w->options;
    RK_TRY(check_options(w));
    RK_TRY(find_users(w->dataset, w->part, more->users, more->n_users, &w->users, &w->n_users));
    if (w->n_users == 0) {
        RK_FAIL(RK_ERR_DATA, "nothing to evaluate: none of %" PRId64 " users has an item in %s%s",
                more->users ? more->n_users : w->dataset->n_users, rk_part_name(w->part),
                w->part == RK_VALID && w->dataset->base
                    ? ": the model was fitted to valid, too (train.refit)"
                    : "");
    }
    w->n_lists = w->n_users;
    w->by_row = ranker->by_row;
    w->row_values = w->dataset->details[w->part].value;
    if (w->by_row) {
        w->targets = rk__contexts_lists(w->dataset, w->part);
        const bool is_part = w->targets == &w->dataset->parts[w->part];
        w->row_values = is_part ? w->row_values : w->dataset->repeat_details[w->part].value;
    }
    if (w->by_row || o->eval.among == RK_AMONG_CANDIDATES) {
        RK_TRY(find_rows(w));
    }
    if (o->eval.among == RK_AMONG_CANDIDATES && more->is_expected &&
        o->split.candidates_by == RK_DRAWN_UNIFORM) {
        RK_TRY(rk__calloc(&w->expected, w->n_values, sizeof *w->expected, "expectations"));
    }
    return rk__tally_allocate(w);
}

rk_status rk__evaluate_more(const rk_dataset *dataset, const rk_options *options, rk_part part,
                            const rk_eval_more *more, const rk_ranker *ranker,
                            const rk_hooks *hooks, rk_metrics *out)
{
    rk_status status = RK_OK;
    const rk_lists *own[RK_PARTS];
    rk_eval_work w = {.dataset = dataset,
                      .options = options,
                      .part = part,
                      .targets = &dataset->parts[part],
                      .seen = rk__eval_seen(options, part),
                      .has = more->has ? more->has : own,
                      .groups = more->groups.n > 0 ? &more->groups : NULL,
                      .hooks = hooks,
                      .start = rk__now()};
    rk_user_values *each = more->each;
    for (int p = 0; p < RK_PARTS; p++) {
        own[p] = &dataset->parts[p];
    }
    *out = (rk_metrics){0};
    RK_TRY_GOTO(done, prepare(&w, more, ranker));
    if (each) {
        RK_TRY_GOTO(done, keep_each(&w, each));
    }
    RK_TRY_GOTO(done, rank_lists(&w, ranker));
    RK_TRY_GOTO(done, rk__stand_users(&w, ranker));
    if (w.groups) {
        rk__tally_groups(&w);
    }
    RK_TRY_GOTO(done, report(&w, out));
    out->seconds = rk__now() - w.start;
    if (each) {
        each->users = w.users;
        w.users = NULL;
    }
done:
    if (each && status != RK_OK) {
        rk__user_values_free(each);
    }
    rk__tally_free(&w);
    rk__free(w.measures);
    rk__free(w.users);
    rk__free(w.rows);
    rk__free(w.row_users);
    rk__free(w.expected);
    return status;
}

rk_status rk__evaluate(const rk_dataset *dataset, const rk_options *options, rk_part part,
                       const int32_t *users, int64_t n_users, const rk_ranker *ranker,
                       const rk_hooks *hooks, rk_metrics *out)
{
    const rk_eval_more more = {.users = users, .n_users = n_users};
    return rk__evaluate_more(dataset, options, part, &more, ranker, hooks, out);
}

rk_status rk__evaluate_each(const rk_dataset *dataset, const rk_options *options, rk_part part,
                            const rk_ranker *ranker, const rk_hooks *hooks, rk_metrics *out,
                            rk_user_values *out_each)
{
    const rk_eval_more more = {.each = out_each};
    *out_each = (rk_user_values){0};
    return rk__evaluate_more(dataset, options, part, &more, ranker, hooks, out);
}

rk_status rk__metrics_copy(const rk_metrics *metrics, rk_metrics *out)
{
    rk_metrics copy = *metrics;
    char *name = NULL;
    *out = (rk_metrics){0};
    RK_TRY(allocate(&copy, copy.count, &name));
    for (int64_t v = 0; v < copy.count; v++, name += RK_MEASURE_BYTES) {
        memcpy(name, metrics->values[v].name, RK_MEASURE_BYTES);
        copy.values[v] = metrics->values[v];
        copy.values[v].name = name;
    }
    *out = copy;
    return RK_OK;
}

void rk_metrics_free(rk_metrics *metrics)
{
    if (metrics) {
        rk__free(metrics->values);
        *metrics = (rk_metrics){0};
    }
}

double rk__metric_find(const rk_metrics *metrics, const char *name)
{
    for (int64_t v = 0; v < metrics->count; v++) {
        if (strcmp(metrics->values[v].name, name) == 0) {
            return metrics->values[v].value;
        }
    }
    return (double)NAN;
}

typedef struct lot {
    uint64_t key;
    int32_t user;
} lot;

static int compare_lots(const void *a, const void *b)
{
    const lot *x = a, *y = b;
    if (x->key != y->key) {
        return x->key < y->key ? -1 : 1;
    }
    return (x->user > y->user) - (x->user < y->user);
}

static int compare_users(const void *a, const void *b)
{
    const lot *x = a, *y = b;
    return (x->user > y->user) - (x->user < y->user);
}

/* Each user draws a number that depends only on seed and user; the n smallest numbers win. */
rk_status rk__eval_subset(const rk_dataset *dataset, rk_part part, int64_t n, uint64_t seed,
                          int32_t **out, int64_t *out_n)
{
    rk_status status = RK_OK;
    lot *lots = NULL;
    int32_t *users = NULL;
    int64_t n_users = 0;
    RK_TRY_GOTO(done, find_users(dataset, part, NULL, 0, &users, &n_users));
    if (n > 0 && n < n_users) {
        RK_TRY_GOTO(done, rk__alloc(&lots, n_users, sizeof *lots, "the users to evaluate"));
        for (int64_t i = 0; i < n_users; i++) {
            rk_words w = rk__philox(seed, RK_PURPOSE_EVAL, 0, (uint64_t)users[i], 0);
            lots[i] = (lot){((uint64_t)w.v[0] << 32) | w.v[1], users[i]};
        }
        qsort(lots, (size_t)n_users, sizeof *lots, compare_lots);
        qsort(lots, (size_t)n, sizeof *lots, compare_users);
        for (int64_t i = 0; i < n; i++) {
            users[i] = lots[i].user;
        }
        n_users = n;
    }
    *out = users;
    *out_n = n_users;
    users = NULL;
done:
    rk__free(lots);
    rk__free(users);
    return status;
}
