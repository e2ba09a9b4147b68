/*
 * Users are ranked in tiles, the next one while the host looks at the last. In a tile, users are
 * processed in parallel and each writes its own values; one thread then sums them in user order, so
 * that neither threads nor the tile size change a bit.
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
#include "eval/metrics.h"
#include "eval/sampled.h"

enum { NAME_BYTES = 32 }; /* "precision@9223372036854775807" */

typedef struct work {
    const rk_dataset *dataset;
    const rk_lists *targets;
    const int64_t *metrics; /* n_metrics, rk_metric; lent */
    const int64_t *k;       /* n_k; lent */
    int64_t n_metrics, n_k, k_max;
    int32_t *users; /* n_users, who have targets; by rows each once for each of theirs */
    int64_t n_users;
    /* Of a ranker by_row, else NULL: */
    int64_t *rows;        /* n_users: the held-out row of each, in `targets`; owned */
    int64_t n_with_rows;  /* different users */
    const int32_t *items; /* [n, k_max], the ranked lists of a tile; lent */
    uint8_t *hits;        /* [RK_RANK_TILE, k_max] */
    double *values;       /* [RK_RANK_TILE, n_metrics * n_k] */
    double *sums;         /* n_metrics * n_k */
    int64_t *best;        /* n_items: smallest rank (from 0) in any list, for coverage */
    double *each; /* [n_users, n_metrics * n_k], each user's values; NULL = not wanted; lent */
    const rk_lists *const *has;   /* lent; may be NULL */
    const rk_eval_groups *groups; /* lent; NULL = none */
    double *group_values;         /* [RK_RANK_TILE, groups, n_metrics * n_k] */
    int64_t *group_targets;       /* [RK_RANK_TILE, groups]; 0 = the user has no value */
    const rk_hooks *hooks;        /* lent; may be NULL */
    double start;
} work;

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

/* Each user once for each of their rows. */
static rk_status find_rows(work *w, rk_part part)
{
    const rk_lists *lists = rk__contexts_lists(w->dataset, part);
    int32_t *users = NULL;
    int64_t n = 0;
    for (int64_t i = 0; i < w->n_users; i++) {
        n += rk__lists_count(lists, w->users[i]);
    }
    RK_TRY(rk__alloc(&w->rows, n, sizeof *w->rows, "the rows to evaluate"));
    RK_TRY(rk__alloc(&users, n, sizeof *users, "the rows to evaluate"));
    n = 0;
    for (int64_t i = 0; i < w->n_users; i++) {
        const int64_t begin = lists->offsets[w->users[i]], end = lists->offsets[w->users[i] + 1];
        for (int64_t row = begin; row < end; row++) {
            users[n] = w->users[i];
            w->rows[n++] = row;
        }
    }
    rk__free(w->users);
    w->targets = lists;
    w->users = users;
    w->n_with_rows = w->n_users;
    w->n_users = n;
    return RK_OK;
}

/* What a ranking counts in its user's means. */
static double share_of(const work *w, int64_t number)
{
    return w->rows ? 1 / (double)rk__lists_count(w->targets, w->users[number]) : 1;
}

static rk_status check_options(work *w, const rk_options *options)
{
    w->n_metrics = options->eval.metrics.n;
    w->n_k = options->eval.k.n;
    w->k = options->eval.k.v;
    if (w->n_metrics == 0 || w->n_k == 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s is empty: nothing to evaluate",
                w->n_k == 0 ? "eval.k" : "eval.metrics");
    }
    w->metrics = options->eval.metrics.v;
    for (int64_t j = 0; j < w->n_k; j++) {
        if (w->k[j] < 1 || w->k[j] > w->dataset->n_items) {
            RK_FAIL(RK_ERR_CONFIG,
                    "eval.k holds %" PRId64 ", but the data set has %" PRId64
                    " items: every cut-off must lie between 1 and the number of items",
                    w->k[j], w->dataset->n_items);
        }
        w->k_max = w->k[j] > w->k_max ? w->k[j] : w->k_max;
    }
    return RK_OK;
}

static rk_status allocate(work *w)
{
    int64_t n_values = w->n_metrics * w->n_k, n_ranks = 0;
    RK_TRY(rk__mul(&n_ranks, RK_RANK_TILE, w->k_max, "ranked lists"));
    RK_TRY(rk__alloc(&w->hits, n_ranks, sizeof *w->hits, "hits"));
    RK_TRY(rk__alloc(&w->values, RK_RANK_TILE * n_values, sizeof *w->values, "metric values"));
    RK_TRY(rk__calloc(&w->sums, n_values, sizeof *w->sums, "metric sums"));
    RK_TRY(rk__alloc(&w->best, w->dataset->n_items, sizeof *w->best, "item coverage"));
    for (int64_t i = 0; i < w->dataset->n_items; i++) {
        w->best[i] = INT64_MAX;
    }
    if (w->groups) {
        const int64_t n = w->groups->n;
        RK_TRY(rk__alloc(&w->group_values, RK_RANK_TILE * n * n_values, sizeof *w->group_values,
                         "metric values"));
        RK_TRY(rk__alloc(&w->group_targets, RK_RANK_TILE * n, sizeof *w->group_targets,
                         "held-out items"));
        memset(w->groups->values, 0, (size_t)(n * n_values) * sizeof *w->groups->values);
        memset(w->groups->users, 0, (size_t)n * sizeof *w->groups->users);
        memset(w->groups->pairs, 0, (size_t)n * sizeof *w->groups->pairs);
    }
    return RK_OK;
}

static void value_hits(const work *w, const uint8_t *hits, int64_t n_targets, double *values)
{
    for (int64_t m = 0; m < w->n_metrics; m++) {
        for (int64_t j = 0; j < w->n_k; j++) {
            *values++ = rk__metric_of_user((rk_metric)w->metrics[m], hits, w->k[j], n_targets);
        }
    }
}

/* The held-out items of a ranking: [*begin, *end) of the targets. */
static void targets_of(const work *w, int64_t number, int64_t *begin, int64_t *end)
{
    *begin = w->rows ? w->rows[number] : w->targets->offsets[w->users[number]];
    *end = w->rows ? *begin + 1 : w->targets->offsets[w->users[number] + 1];
}

static bool is_target(const work *w, int64_t number, int32_t item)
{
    return w->rows ? w->targets->items[w->rows[number]] == item
                   : rk__lists_has(w->targets, w->users[number], item);
}

/* The values of a ranking in each group; `hits` is overwritten. */
static void value_groups(work *w, int64_t number, int64_t i, uint8_t *hits)
{
    const rk_eval_groups *g = w->groups;
    const int32_t *ranked = w->items + i * w->k_max;
    for (int64_t group = 0; group < g->n; group++) {
        int64_t n = 0, begin, end;
        targets_of(w, number, &begin, &end);
        for (int64_t at = begin; at < end; at++) {
            n += g->of[w->targets->items[at]] == group;
        }
        w->group_targets[i * g->n + group] = n;
        for (int64_t r = 0; n > 0 && r < w->k_max; r++) {
            hits[r] =
                ranked[r] >= 0 && g->of[ranked[r]] == group && is_target(w, number, ranked[r]);
        }
        if (n > 0) {
            value_hits(w, hits, n, w->group_values + (i * g->n + group) * w->n_metrics * w->n_k);
        }
    }
}

/* The values of one ranking from w->items; i: index in the tile. */
static void value_ranking(work *w, int64_t number, int64_t i)
{
    const int32_t *ranked = w->items + i * w->k_max;
    uint8_t *hits = w->hits + i * w->k_max;
    double *values = w->values + i * w->n_metrics * w->n_k;
    int64_t begin, end;
    targets_of(w, number, &begin, &end);
    for (int64_t r = 0; r < w->k_max; r++) {
        hits[r] = is_target(w, number, ranked[r]);
    }
    value_hits(w, hits, end - begin, values);
    if (w->groups) {
        value_groups(w, number, i, hits);
    }
}

/* The groups' values of user i of the tile, into their sums. */
static void sum_groups(const work *w, int64_t i)
{
    const rk_eval_groups *g = w->groups;
    const int64_t n_values = w->n_metrics * w->n_k;
    for (int64_t group = 0; group < g->n; group++) {
        const int64_t n = w->group_targets[i * g->n + group];
        const double *values = w->group_values + (i * g->n + group) * n_values;
        g->pairs[group] += n;
        g->users[group] += n > 0;
        for (int64_t v = 0; n > 0 && v < n_values; v++) {
            g->values[group * n_values + v] += values[v];
        }
    }
}

static void tell(const work *w, int64_t done)
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

static rk_status stop_if_wanted(const work *w, int64_t done)
{
    const rk_hooks *hooks = w->hooks;
    if (done < w->n_users && hooks && hooks->should_stop && hooks->should_stop(hooks->user)) {
        RK_FAIL(RK_ERR_INTERRUPTED,
                "interrupted after the evaluation of %" PRId64 " of %" PRId64 " users", done,
                w->n_users);
    }
    return RK_OK;
}

/* The users from `first` on, at most RK_RANK_TILE. */
static rk_status take_some(work *w, int64_t first, int64_t n, const int32_t *items)
{
    const int64_t n_values = w->n_metrics * w->n_k;
    w->items = items;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++) {
        value_ranking(w, first + i, i);
    }
    if (w->each) {
        memcpy(w->each + first * n_values, w->values, (size_t)(n * n_values) * sizeof *w->each);
    }
    for (int64_t i = 0; i < n; i++) {
        const double share = share_of(w, first + i);
        for (int64_t v = 0; v < n_values; v++) {
            w->sums[v] += share * w->values[i * n_values + v];
        }
        if (w->groups) {
            sum_groups(w, i);
        }
        for (int64_t r = 0; r < w->k_max; r++) {
            int32_t item = w->items[i * w->k_max + r];
            RK_ASSERT(item >= -1 && item < w->dataset->n_items);
            if (item >= 0 && r < w->best[item]) {
                w->best[item] = r;
            }
        }
    }
    tell(w, first + n);
    return stop_if_wanted(w, first + n);
}

/* rk_rank_order.take */
static rk_status take_lists(void *taker, int64_t first, int64_t n, const int32_t *items)
{
    work *w = taker;
    for (int64_t at = 0; at < n; at += RK_RANK_TILE) {
        const int64_t some = n - at < RK_RANK_TILE ? n - at : RK_RANK_TILE;
        RK_TRY(take_some(w, first + at, some, items + at * w->k_max));
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
        status = ranker->rank(ranker->self, o->part, o->users + first, n, o->k, items);
        status = status == RK_OK ? o->take(o->taker, first, n, items) : status;
    }
    rk__free(items);
    return status;
}

static rk_status rank_users(work *w, const rk_options *options, const rk_ranker *ranker,
                            rk_part part)
{
    const rk_rank_order order = {.part = part,
                                 .users = w->users,
                                 .rows = w->rows,
                                 .n = w->n_users,
                                 .k = w->k_max,
                                 .has = w->has,
                                 .take = take_lists,
                                 .taker = w};
    RK_TRY(stop_if_wanted(w, 0));
    if (options->eval.among == RK_AMONG_CANDIDATES) {
        return rk__rank_candidates(w->dataset, ranker, &order);
    }
    return ranker->rank_all ? ranker->rank_all(ranker->self, &order)
                            : rank_in_tiles(ranker, &order);
}

static double coverage(const work *w, int64_t k)
{
    int64_t n = 0;
    for (int64_t i = 0; i < w->dataset->n_items; i++) {
        n += w->best[i] < k;
    }
    return (double)n / (double)w->dataset->n_items;
}

/* One block: the values, then their names. */
static rk_status report(const work *w, rk_metrics *out)
{
    const int64_t n_users = w->rows ? w->n_with_rows : w->n_users;
    int64_t n = w->n_metrics * w->n_k;
    RK_TRY(rk__alloc(&out->values, n, sizeof *out->values + NAME_BYTES, "metrics"));
    char *name = (char *)(out->values + n);
    for (int64_t v = 0; v < n; v++, name += NAME_BYTES) {
        rk_metric metric = (rk_metric)w->metrics[v / w->n_k];
        int64_t k = w->k[v % w->n_k];
        double value = metric == RK_METRIC_coverage ? coverage(w, k) : w->sums[v] / (double)n_users;
        snprintf(name, NAME_BYTES, "%s@%" PRId64, rk__metric_name(metric), k);
        out->values[v] = (rk_metric_value){name, value};
    }
    out->count = n;
    out->users = n_users;
    return RK_OK;
}

/* The values of rows become means over the rows of each user. */
static void average_rows(work *w, rk_user_values *each)
{
    const int64_t n_values = each->n_values;
    int64_t n = 0;
    for (int64_t i = 0; i < w->n_users; i++) {
        const bool is_first = i == 0 || w->users[i] != w->users[i - 1];
        const double share = share_of(w, i);
        double *out = each->values + (is_first ? n : n - 1) * n_values;
        w->users[n - !is_first] = w->users[i];
        n += is_first;
        for (int64_t v = 0; v < n_values; v++) {
            out[v] = (is_first ? 0 : out[v]) + share * each->values[i * n_values + v];
        }
    }
    each->n_users = n;
}

/* Allocates the values of each user; the list of users is handed over at the end. */
static rk_status keep_each(work *w, rk_user_values *each)
{
    int64_t elements = 0;
    each->n_users = w->n_users;
    each->n_values = w->n_metrics * w->n_k;
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

/* Sums to means; who has no value has NaN, as coverage has, which is no mean over users. */
static void average_groups(const work *w)
{
    const rk_eval_groups *g = w->groups;
    const int64_t n_values = w->n_metrics * w->n_k;
    for (int64_t group = 0; group < g->n; group++) {
        for (int64_t v = 0; v < n_values; v++) {
            double *value = &g->values[group * n_values + v];
            bool is_mean = rk__metric_is_of_user((rk_metric)w->metrics[v / w->n_k]);
            *value =
                is_mean && g->users[group] > 0 ? *value / (double)g->users[group] : (double)NAN;
        }
    }
}

rk_status rk__evaluate_more(const rk_dataset *dataset, const rk_options *options, rk_part part,
                            const rk_eval_more *more, const rk_ranker *ranker,
                            const rk_hooks *hooks, rk_metrics *out)
{
    rk_status status = RK_OK;
    work w = {.dataset = dataset,
              .targets = &dataset->parts[part],
              .has = more->has,
              .groups = more->groups.n > 0 ? &more->groups : NULL,
              .hooks = hooks,
              .start = rk__now()};
    rk_user_values *each = more->each;
    *out = (rk_metrics){0};
    RK_TRY_GOTO(done, check_options(&w, options));
    RK_TRY_GOTO(done, find_users(dataset, part, more->users, more->n_users, &w.users, &w.n_users));
    if (w.n_users == 0) {
        RK_FAIL_GOTO(
            done, RK_ERR_DATA, "nothing to evaluate: none of %" PRId64 " users has an item in %s%s",
            more->users ? more->n_users : dataset->n_users, rk_part_name(part),
            part == RK_VALID && dataset->base ? ": the model was fitted to valid, too (train.refit)"
                                              : "");
    }
    if (ranker->by_row) {
        RK_TRY_GOTO(done, find_rows(&w, part));
    }
    RK_TRY_GOTO(done, allocate(&w));
    if (each) {
        RK_TRY_GOTO(done, keep_each(&w, each));
    }
    RK_TRY_GOTO(done, rank_users(&w, options, ranker, part));
    if (w.groups) {
        average_groups(&w);
    }
    RK_TRY_GOTO(done, report(&w, out));
    out->seconds = rk__now() - w.start;
    if (each) {
        if (w.rows) {
            average_rows(&w, each);
        }
        each->users = w.users;
        w.users = NULL;
    }
done:
    if (each && status != RK_OK) {
        rk__user_values_free(each);
    }
    rk__free(w.users);
    rk__free(w.rows);
    rk__free(w.hits);
    rk__free(w.values);
    rk__free(w.sums);
    rk__free(w.best);
    rk__free(w.group_values);
    rk__free(w.group_targets);
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
