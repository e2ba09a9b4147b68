/* Evaluations of a model beside the usual one: rankine/evaluate.h. */
#include "rankine/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/model_internal.h"
#include "base/alloc.h"
#include "data/holdout.h"
#include "eval/audit.h"
#include "eval/metrics.h"
#include "eval/ratings.h"
#include "eval/slices.h"
#include "eval/trace.h"

struct rk_holdout {
    const rk_dataset *dataset; /* that its indices are of; lent */
    rk_holdout_facts facts;
    rk_lists held, others; /* owned */
    float *values;         /* beside held.items: ratings; NULL = none; owned */
};

/* ---- new held-out interactions ---- */

void rk_holdout_free(rk_holdout *holdout)
{
    if (holdout) {
        rk__lists_free(&holdout->held);
        rk__lists_free(&holdout->others);
        rk__free(holdout->values);
        rk__free(holdout);
    }
}

rk_holdout_facts rk_holdout_get_facts(const rk_holdout *holdout)
{
    return holdout->facts;
}

/* Empty; of a model that predicts ratings with them, where has_values. The scale is that of pairs,
 * so rows that are added up have none. */
static rk_held begin(const rk_model *model, bool has_values)
{
    const rk_options *o = rk__config_options(model->config);
    const bool adds =
        o->data.repeat_value == RK_REPEAT_SUM || o->data.repeat_value == RK_REPEAT_COUNT;
    const rk_rating_scale scale = rk__rating_scale(o, model->dataset);
    return (rk_held){.has_values = has_values && model->engine.model.model->rates,
                     .low = adds ? -INFINITY : scale.low,
                     .high = adds ? INFINITY : scale.high};
}

/* Takes the pairs; what: where they are from. */
static rk_status settle(rk_held *held, const rk_model *model, const char *what, rk_holdout **out)
{
    const rk_dataset *dataset = model->dataset;
    const int rule = rk__config_options(model->config)->data.repeat_value;
    rk_holdout *h = NULL;
    rk_status status = RK_OK;
    RK_TRY(rk__calloc(&h, 1, sizeof *h, "held-out interactions"));
    h->dataset = dataset;
    h->facts = (rk_holdout_facts){.rows = held->rows,
                                  .unknown_users = held->unknown_users,
                                  .unknown_items = held->unknown_items,
                                  .missing = held->missing};
    RK_TRY_GOTO(done, rk__held_settle(held, dataset, rule, &h->facts.known, &h->facts.repeated));
    h->facts.pairs = held->n;
    for (int64_t i = 0; i < held->n; i++) {
        h->facts.users += i == 0 || held->pairs[i].user != held->pairs[i - 1].user;
    }
    if (held->n == 0) {
        RK_FAIL_GOTO(done, RK_ERR_DATA,
                     "%s: nothing to evaluate: of %lld rows %lld have a user and %lld an item that "
                     "the model does not know, %lld lack an id, and %lld are in its train or valid "
                     "data already",
                     what, (long long)held->rows, (long long)held->unknown_users,
                     (long long)held->unknown_items, (long long)held->missing,
                     (long long)h->facts.known);
    }
    RK_TRY_GOTO(done, rk__held_lists(held, dataset, &h->held, &h->values));
    status = rk__held_others(&h->held, dataset, &h->others);
done:
    if (status != RK_OK) {
        rk_holdout_free(h);
        return status;
    }
    *out = h;
    return RK_OK;
}

rk_status rk_holdout_read(const rk_model *model, const char *path, const rk_hooks *hooks,
                          rk_holdout **out)
{
    rk_held held = begin(model, true);
    rk_status status =
        rk__held_read(&held, model->dataset, rk__config_options(model->config), path, hooks);
    if (status == RK_OK) {
        status = settle(&held, model, path, out);
    }
    rk__held_free(&held);
    return status;
}

static rk_status check_index(const char *what, int64_t index, int64_t n)
{
    if (index < 0 || index >= n) {
        RK_FAIL(RK_ERR_CONFIG, "there is no %s %lld; they go from 0 to %lld", what,
                (long long)index, (long long)n - 1);
    }
    return RK_OK;
}

rk_status rk_holdout_from_pairs(const rk_model *model, const int32_t *users, const int32_t *items,
                                int64_t n, rk_holdout **out)
{
    return rk_holdout_from_ratings(model, users, items, NULL, n, out);
}

rk_status rk_holdout_from_ratings(const rk_model *model, const int32_t *users, const int32_t *items,
                                  const float *ratings, int64_t n, rk_holdout **out)
{
    const rk_dataset *d = model->dataset;
    rk_held held = begin(model, ratings != NULL);
    rk_status status = RK_OK;
    held.rows = n;
    for (int64_t i = 0; i < n; i++) {
        RK_TRY_GOTO(done, check_index("user", users[i], d->n_users));
        RK_TRY_GOTO(done, check_index("item", items[i], d->n_items));
        RK_TRY_GOTO(done, rk__held_add(&held, (rk_held_pair){.user = users[i],
                                                             .item = items[i],
                                                             .value = ratings ? ratings[i] : 0}));
    }
    status = settle(&held, model, "the pairs", out);
done:
    rk__held_free(&held);
    return status;
}

/* ---- evaluating ---- */

rk_evaluate_options rk_evaluate_defaults(void)
{
    return (rk_evaluate_options){.part = RK_TEST};
}

typedef struct work {
    const rk_model *model;
    const rk_evaluate_options *how;
    rk_options options; /* the config's with other cut-offs and metrics; nothing in it is owned */
    rk_part part;
    rk_dataset dataset; /* the model's, or with other held-out lists; nothing in it is owned */
    const rk_lists *has[RK_PARTS];
    rk_config *metrics; /* owned; holds how->metrics */
    int32_t *users;     /* ascending, each once; owned */
    int64_t n_users;
    int64_t *degrees; /* [n_items], train interactions; owned */
    rk_cut items;
    uint8_t *groups;      /* [n_items]; owned */
    rk_measure *measures; /* n_values; owned */
    int64_t n_values;
    rk_eval_more more;
    rk_user_values each;    /* owned */
    rk_popularity by_count; /* the model's, on `dataset`; nothing in it is owned */
    rk_trace trace;         /* owned */
} work;

static int ascending(const void *left, const void *right)
{
    const int32_t a = *(const int32_t *)left, b = *(const int32_t *)right;
    return (a > b) - (a < b);
}

static rk_status take_users(work *w)
{
    const rk_evaluate_options *how = w->how;
    RK_TRY(rk__alloc(&w->users, how->n_users, sizeof *w->users, "the users to evaluate"));
    for (int64_t i = 0; i < how->n_users; i++) {
        RK_TRY(check_index("user", how->users[i], w->dataset.n_users));
        w->users[i] = how->users[i];
    }
    if (how->n_users > 0) {
        qsort(w->users, (size_t)how->n_users, sizeof *w->users, ascending);
    }
    for (int64_t i = 0; i < how->n_users; i++) {
        if (i == 0 || w->users[i] != w->users[i - 1]) {
            w->users[w->n_users++] = w->users[i];
        }
    }
    w->more.users = w->users;
    w->more.n_users = w->n_users;
    return RK_OK;
}

static rk_status take_options(work *w)
{
    const rk_evaluate_options *how = w->how;
    w->options = *rk__config_options(w->model->config);
    w->dataset = *w->model->dataset;
    w->part = how->holdout ? RK_TEST : how->part;
    if (w->part != RK_VALID && w->part != RK_TEST) {
        RK_FAIL(RK_ERR_CONFIG, "only valid and test can be evaluated: train is what was learnt");
    }
    if (how->k) {
        w->options.eval.k = (rk_ints){.n = how->n_k, .v = (int64_t *)(uintptr_t)how->k};
    }
    if (how->metrics) { /* read and checked as the option is */
        RK_TRY(rk_config_create(&w->metrics));
        char *assignment = NULL;
        RK_TRY(rk__format(&assignment, "eval.metrics=%s", how->metrics));
        rk_status status = rk_config_set(w->metrics, assignment, "metrics");
        rk__free(assignment);
        RK_TRY(status);
        w->options.eval.metrics = rk__config_options(w->metrics)->eval.metrics;
    }
    if (how->holdout) {
        if (how->holdout->dataset != w->model->dataset) {
            RK_FAIL(RK_ERR_CONFIG, "the holdout is of another model's data set");
        }
        if (w->model->engine.contexts.n > 0) {
            RK_FAIL(
                RK_ERR_CONFIG,
                "the model reads fields of the rows that it is evaluated on, which new pairs of "
                "users and items do not have: put the rows into data.sources and evaluate a "
                "part");
        }
        w->dataset.parts[RK_VALID] = how->holdout->others;
        w->dataset.parts[RK_TEST] = how->holdout->held;
        /* What was drawn for the rows of the data set says nothing about these. */
        w->dataset.candidates[RK_VALID] = w->dataset.candidates[RK_TEST] = NULL;
        w->dataset.details[RK_VALID] = (rk_details){0};
        w->dataset.details[RK_TEST] = (rk_details){.value = how->holdout->values};
        w->options.eval.among = RK_AMONG_ALL;
    }
    for (int part = 0; part < RK_PARTS; part++) {
        w->has[part] = &w->dataset.parts[part];
    }
    w->more.has = w->has;
    return how->users ? take_users(w) : RK_OK;
}

/* ---- slices ---- */

/* What is known of a user: of one who is held out, the rows that are given. */
static int64_t train_count(const work *w, int64_t user)
{
    return rk__lists_count(&w->dataset.parts[RK_TRAIN], user) +
           rk__lists_count(&w->dataset.parts[RK_GIVEN], user);
}

/* Is the user one of those who are evaluated? */
static bool is_wanted(const work *w, int32_t user)
{
    return !w->how->users ||
           bsearch(&user, w->users, (size_t)w->n_users, sizeof user, ascending) != NULL;
}

/* Groups of items by the popularity of the held-out ones. */
static rk_status group_items(work *w)
{
    const rk_dataset *d = &w->dataset;
    const rk_lists *train = &d->parts[RK_TRAIN], *held = &d->parts[w->part];
    int64_t *counts = NULL, n = 0;
    RK_TRY(rk__calloc(&w->degrees, d->n_items, sizeof *w->degrees, "item degrees"));
    RK_TRY(rk__alloc(&w->groups, d->n_items, sizeof *w->groups, "groups of items"));
    for (int64_t i = 0; i < train->offsets[train->n_rows]; i++) {
        w->degrees[train->items[i]]++;
    }
    RK_TRY(rk__alloc(&counts, held->n_rows > 0 ? held->offsets[held->n_rows] : 0, sizeof *counts,
                     "held-out items"));
    for (int64_t u = 0; u < held->n_rows; u++) {
        for (int64_t i = held->offsets[u]; is_wanted(w, (int32_t)u) && i < held->offsets[u + 1];
             i++) {
            counts[n++] = w->degrees[held->items[i]];
        }
    }
    rk_status status = rk__cut(counts, n, &w->items);
    rk__free(counts);
    RK_TRY(status);
    for (int64_t i = 0; i < d->n_items; i++) {
        w->groups[i] = (uint8_t)rk__cut_find(&w->items, w->degrees[i]);
    }
    return RK_OK;
}

/* Slices and the values of all of them in one block. */
static rk_status make_slices(rk_evaluation *out, int64_t n, int64_t n_values)
{
    double *values = NULL;
    RK_TRY(rk__calloc(&out->slices, n, sizeof *out->slices + (size_t)n_values * sizeof *values,
                      "slices"));
    values = (double *)(void *)(out->slices + n);
    for (int64_t i = 0; i < n; i++) {
        out->slices[i].values = values + i * n_values;
    }
    out->n_slices = n;
    return RK_OK;
}

/* A user's weight in the mean of a measure. */
static double weight_of(const work *w, int64_t i, int64_t v)
{
    const bool by_row = w->options.eval.among == RK_AMONG_CANDIDATES;
    const int64_t n = rk__lists_count(&w->dataset.parts[w->part], w->each.users[i]);
    return rk__measure_weight(w->measures[v], w->options.eval.style, by_row ? 1 : n);
}

/* weights: [n_values] of the slice. */
static void add_user(const work *w, rk_slice *slice, int64_t i, double *weights)
{
    double *values = (double *)(uintptr_t)slice->values;
    slice->users++;
    slice->pairs += rk__lists_count(&w->dataset.parts[w->part], w->each.users[i]);
    for (int64_t v = 0; v < w->each.n_values; v++) {
        const double weight = weight_of(w, i, v);
        values[v] += weight * w->each.values[i * w->each.n_values + v];
        weights[v] += weight;
    }
}

static rk_status fill_slices(work *w, rk_evaluation *out)
{
    const int64_t n_values = w->each.n_values, n_users = w->each.n_users;
    rk_cut users = {0};
    int64_t *counts = NULL;
    double *weights = NULL;
    RK_TRY(rk__alloc(&counts, n_users, sizeof *counts, "counts of interactions"));
    for (int64_t i = 0; i < n_users; i++) {
        counts[i] = train_count(w, w->each.users[i]);
    }
    rk_status status = rk__cut(counts, n_users, &users);
    if (status == RK_OK) {
        status = make_slices(out, users.n + w->items.n, n_values);
    }
    if (status == RK_OK) {
        status = rk__calloc(&weights, RK_MOST_SLICES * n_values, sizeof *weights, "slices");
    }
    for (int64_t i = 0; status == RK_OK && i < n_users; i++) {
        const int slice = rk__cut_find(&users, counts[i]);
        add_user(w, &out->slices[slice], i, weights + slice * n_values);
    }
    rk__free(counts);
    if (status != RK_OK) {
        rk__free(weights);
        return status;
    }
    for (int i = 0; i < users.n; i++) {
        rk_slice *s = &out->slices[i];
        double *values = (double *)(uintptr_t)s->values;
        s->first = users.first[i];
        s->last = users.last[i];
        for (int64_t v = 0; v < n_values; v++) {
            values[v] = rk__measure_is_of_user(w->measures[v])
                            ? values[v] / weights[i * n_values + v]
                            : (double)NAN;
        }
    }
    rk__free(weights);
    for (int i = 0; i < w->items.n; i++) {
        rk_slice *s = &out->slices[users.n + i];
        *s = (rk_slice){.of_items = true,
                        .first = w->items.first[i],
                        .last = w->items.last[i],
                        .users = w->more.groups.users[i],
                        .pairs = w->more.groups.pairs[i],
                        .values = s->values};
        memcpy((double *)(uintptr_t)s->values, w->more.groups.values + i * n_values,
               (size_t)n_values * sizeof(double));
    }
    return RK_OK;
}

/* ---- the call ---- */

static rk_status prepare_slices(work *w)
{
    const int64_t n_values = w->n_values;
    rk_eval_groups *g = &w->more.groups;
    RK_TRY(group_items(w));
    RK_TRY(rk__alloc(&g->values, RK_MOST_SLICES * n_values, sizeof *g->values, "slices"));
    RK_TRY(rk__alloc(&g->users, RK_MOST_SLICES, sizeof *g->users, "slices"));
    RK_TRY(rk__alloc(&g->pairs, RK_MOST_SLICES, sizeof *g->pairs, "slices"));
    g->of = w->groups;
    g->n = w->items.n;
    return RK_OK;
}

/* Hands the values of users over. */
static rk_status hand_over_each(work *w, rk_evaluation *out)
{
    RK_TRY(rk__alloc(&out->held_out, w->each.n_users, sizeof *out->held_out, "held-out items"));
    for (int64_t i = 0; i < w->each.n_users; i++) {
        out->held_out[i] = rk__lists_count(&w->dataset.parts[w->part], w->each.users[i]);
        for (int64_t v = 0; v < w->each.n_values; v++) {
            if (!rk__measure_is_of_user(w->measures[v])) {
                w->each.values[i * w->each.n_values + v] = (double)NAN;
            }
        }
    }
    out->users = w->each.users;
    out->values = w->each.values;
    w->each = (rk_user_values){0};
    return RK_OK;
}

static rk_status evaluate(work *w, const rk_hooks *hooks, rk_evaluation *out)
{
    RK_TRY(take_options(w));
    RK_TRY(rk__measures(&w->options, &w->measures, &w->n_values));
    w->more.is_expected = true;
    if (w->how->slices) {
        RK_TRY(prepare_slices(w));
    }
    if (w->how->slices || w->how->each) {
        w->more.each = &w->each;
    }
    const bool is_model = !w->how->popularity && !w->how->trace;
    if (w->options.eval.among == RK_AMONG_CANDIDATES && is_model && hooks && hooks->log) {
        hooks->log(
            hooks->user, RK_LOG_INFO,
            "each held-out item is ranked among its candidates of split.candidates, not among "
            "all items");
    }
    const char *note = is_model ? rk__compat_note(&w->options) : NULL;
    if (note && hooks && hooks->log) {
        hooks->log(hooks->user, RK_LOG_WARNING, note);
    }
    w->by_count = w->model->popularity;
    w->by_count.dataset = &w->dataset;
    rk_ranker ranker = rk__scorer_ranker(w->model->scorer);
    const bool by_row = ranker.by_row; /* all rankings are averaged alike */
    if (w->how->popularity) {
        ranker = rk__popularity_ranker(&w->by_count);
    }
    if (w->how->trace) {
        RK_TRY(rk__trace_init(&w->trace, &w->by_count));
        if (w->trace.n == 0) {
            RK_FAIL(RK_ERR_CONFIG,
                    "the data set %s has no relation from users to items that was read, so there "
                    "is no ranking by traces",
                    w->dataset.name);
        }
        ranker = rk__trace_ranker(&w->trace);
    }
    ranker.by_row = by_row;
    RK_TRY(rk__evaluate_more(&w->dataset, &w->options, w->part, &w->more, &ranker, hooks,
                             &out->metrics));
    if (w->model->engine.model.model->rates && !w->how->popularity &&
        w->dataset.details[w->part].value) {
        RK_TRY(rk__evaluate_ratings(&w->dataset, &w->options, w->part, w->more.users,
                                    w->more.n_users, &ranker, &out->ratings));
    }
    RK_TRY(w->how->slices ? fill_slices(w, out) : RK_OK);
    return w->how->each ? hand_over_each(w, out) : RK_OK;
}

rk_status rk_evaluate(const rk_model *model, const rk_evaluate_options *options,
                      const rk_hooks *hooks, rk_evaluation *out)
{
    work w = {.model = model, .how = options};
    *out = (rk_evaluation){0};
    rk_status status = evaluate(&w, hooks, out);
    rk__scorer_hold(model->scorer);
    rk__engine_tell_notes(&model->engine, hooks);
    rk__scorer_release(model->scorer);
    rk_config_free(w.metrics);
    rk__free(w.users);
    rk__free(w.degrees);
    rk__free(w.groups);
    rk__free(w.measures);
    rk__free(w.more.groups.values);
    rk__free(w.more.groups.users);
    rk__free(w.more.groups.pairs);
    rk__user_values_free(&w.each);
    rk__trace_free(&w.trace);
    if (status != RK_OK) {
        rk_evaluation_free(out);
    }
    return status;
}

void rk_evaluation_free(rk_evaluation *e)
{
    if (e) {
        rk_metrics_free(&e->metrics);
        rk__free(e->users);
        rk__free(e->held_out);
        rk__free(e->values);
        rk__free(e->slices);
        *e = (rk_evaluation){0};
    }
}

rk_status rk_evaluate_audit(const rk_model *model, const rk_evaluate_options *options,
                            rk_audit *out)
{
    work w = {.model = model, .how = options};
    *out = (rk_audit){0};
    rk_status status = take_options(&w);
    rk_ranker ranker = rk__scorer_ranker(model->scorer);
    if (status == RK_OK) {
        status = rk__audit(&w.dataset, &w.options, w.part, w.has, &ranker, out);
    }
    rk_config_free(w.metrics);
    rk__free(w.users);
    return status;
}

rk_status rk_model_evaluate(const rk_model *model, rk_part part, bool popularity,
                            const rk_hooks *hooks, rk_metrics *out)
{
    rk_evaluate_options how = rk_evaluate_defaults();
    rk_evaluation all = {0};
    how.part = part;
    how.popularity = popularity;
    rk_status status = rk_evaluate(model, &how, hooks, &all);
    *out = all.metrics;
    return status;
}
