/*
 * rk_compare: what differs between runs, and whether the difference of their metrics is more than
 * chance. Runs are opened one after the other; only the values of users stay.
 */
#include "rankine/compare.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/model_internal.h"
#include "base/alloc.h"
#include "base/file.h"
#include "config/options.h"
#include "eval/metrics.h"
#include "eval/paired.h"
#include "eval/ratings.h"
#include "rankine/report.h"
#include "train/model_file.h"
#include "train/run_folder.h"
#include "train/seeds_folder.h"

rk_compare_options rk_compare_defaults(void)
{
    return (rk_compare_options){.part = RK_TEST, .replicates = 2000, .confidence = 0.95};
}

/* Options of the first run that hold for all. */
static const char *const shared[] = {"eval.metrics", "eval.k",    "eval.metric",
                                     "eval.among",   "eval.seen", "eval.style"};
enum { N_SHARED = sizeof shared / sizeof shared[0] };

/* One of the compared: its configuration and the values of its users. */
typedef struct side {
    rk_config *config; /* as in the folder; owned */
    double *users;     /* [n_users, n_metrics], mean over the seeds; owned */
    double *values;    /* [seeds, n_metrics]; owned */
} side;

typedef struct work {
    rk_comparison *c;
    side *sides; /* c->n_runs; owned */
    const rk_hooks *hooks;
    bool rates; /* all of them predict ratings: their errors come behind the metrics */
    /* How the first run is evaluated, for all of them; and, on valid, that a model is wanted which
     * was not refitted to that. Owned. */
    char *assignments[N_SHARED + 1];
} work;

/* ---- the folders ---- */

/* The seeds of a folder that rk_train_seeds made; *out_first -1 and 1 for a single run. */
static rk_status find_seeds(const char *folder, int64_t *out_first, int64_t *out_n)
{
    bool is_run = false, is_any = false;
    rk_report *report = NULL;
    *out_first = -1;
    *out_n = 1;
    if (rk__is_file(folder)) {
        return RK_OK; /* of a whole model */
    }
    RK_TRY(rk__folder_has(folder, RK_FILE_ENVIRONMENT, &is_run));
    RK_TRY(rk__folder_has(folder, RK_FILE_CONFIG, &is_any));
    if (is_run || !is_any) {
        return RK_OK; /* what is no run folder at all is found out when it is opened */
    }
    if (rk_report_open(folder, &report) != RK_OK) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s holds runs with several seeds that are not finished: go on with them by train "
                "--seeds N --resume",
                folder);
    }
    double n = rk_report_number(report, "seeds.count");
    double first = rk_report_number(report, "seeds.list.0");
    rk_report_free(report);
    if (!(n >= 1 && n <= 1e6 && first >= 0)) {
        RK_FAIL(RK_ERR_DATA, "%s: its report names no seeds; the file is damaged", folder);
    }
    *out_n = (int64_t)n;
    *out_first = (int64_t)first;
    return RK_OK;
}

static rk_status load_config(const char *folder, rk_config **out)
{
    char *path = NULL;
    bool exists = false;
    if (rk__is_file(folder)) {
        rk_h5 *file = NULL;
        RK_TRY(rk__model_file_open(folder, &file, out));
        rk__h5_close(file);
        return RK_OK;
    }
    RK_TRY(rk__folder_has(folder, RK_FILE_CONFIG, &exists));
    if (!exists) {
        RK_FAIL(RK_ERR_IO,
                "%s is neither a run folder, which has a " RK_FILE_CONFIG ", nor a model file",
                folder);
    }
    RK_TRY(rk__path_join(&path, folder, RK_FILE_CONFIG));
    rk_status status = rk_config_load(out, path);
    rk__free(path);
    return status;
}

/* ---- the users of a run ---- */

/* Names and sizes from the first run; the later ones must have the same data set. */
static rk_status take_shape(work *w, const rk_model *model, const rk_metrics *metrics,
                            const char *folder)
{
    rk_comparison *c = w->c;
    const rk_dataset *d = model->dataset->base ? model->dataset->base : model->dataset;
    const char *fingerprint = rk_dataset_fingerprint(d); /* before valid joined train */
    if (c->n_metrics > 0) {
        if (strcmp(fingerprint, c->fingerprint) != 0) {
            RK_FAIL(
                RK_ERR_CONFIG,
                "%s was trained on the data set %s and %s on %s: users or split differ, so that "
                "nothing can be paired; train both on the same data and split",
                c->runs[0].folder, c->fingerprint, folder, fingerprint);
        }
        RK_ASSERT(metrics->count == c->n_metrics && metrics->users == c->users);
        return RK_OK;
    }
    snprintf(c->fingerprint, sizeof c->fingerprint, "%s", fingerprint);
    c->users = metrics->users;
    if (c->users < 2) {
        RK_FAIL(RK_ERR_CONFIG, "%s has one user with items to rank; paired tests need two or more",
                folder);
    }
    RK_TRY(rk__calloc(&c->metrics, metrics->count, sizeof *c->metrics, "compared metrics"));
    c->n_metrics = metrics->count;
    rk_measure *measures = NULL;
    int64_t n_measures = 0;
    RK_TRY(rk__measures(rk__config_options(model->config), &measures, &n_measures));
    RK_ASSERT(n_measures + (w->rates ? RK_RATING_ERROR_COUNT : 0) == c->n_metrics);
    rk_status status = RK_OK;
    for (int64_t m = 0; m < c->n_metrics; m++) {
        rk_compared_metric *out = &c->metrics[m];
        const char *what = "compared metrics";
        RK_TRY_GOTO(done, rk__strdup((char **)&out->name, metrics->values[m].name));
        RK_TRY_GOTO(done, rk__calloc(&out->values, c->n_runs, sizeof *out->values, what));
        RK_TRY_GOTO(done, rk__calloc(&out->sd, c->n_runs, sizeof *out->sd, what));
        RK_TRY_GOTO(done, rk__calloc(&out->paired, c->n_runs, sizeof *out->paired, what));
        const int error = rk__rating_error_find(out->name);
        out->is_paired = m < n_measures ? rk__measure_is_of_user(measures[m])
                                        : error != RK_RATING_RMSE && error != RK_RATING_RMSE_SCALED;
    }
done:
    rk__free(measures);
    return status;
}

/* Puts the errors of ratings behind the metrics, and what each user adds to them. */
static rk_status add_errors(const rk_model *model, rk_part part, const rk_ranker *ranker,
                            rk_metrics *metrics, rk_user_values *each)
{
    const int64_t n = each->n_users, before = each->n_values;
    const int64_t after = before + RK_RATING_ERROR_COUNT;
    double errors[RK_RATING_ERROR_COUNT], *of_users = NULL, *all = NULL;
    int64_t pairs = 0;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__alloc(&of_users, n * RK_RATING_ERROR_COUNT, sizeof *of_users,
                                "the values of users"));
    RK_TRY_GOTO(done, rk__alloc(&all, n * after, sizeof *all, "the values of users"));
    RK_TRY_GOTO(
        done, rk__rating_errors(model->dataset,
                                rk__rating_scale(rk__config_options(model->config), model->dataset),
                                part, NULL, 0, ranker, errors, &pairs, of_users));
    RK_TRY_GOTO(done, rk__rating_errors_append(metrics, errors));
    for (int64_t i = 0; i < n; i++) {
        memcpy(all + i * after, each->values + i * before, (size_t)before * sizeof *all);
        memcpy(all + i * after + before, of_users + i * RK_RATING_ERROR_COUNT,
               RK_RATING_ERROR_COUNT * sizeof *all);
        all[i * after + before + RK_RATING_RMSE] = 0; /* not of a user, as coverage */
        all[i * after + before + RK_RATING_RMSE_SCALED] = 0;
    }
    rk__free(each->values);
    each->values = all;
    each->n_values = after;
    all = NULL;
done:
    rk__free(of_users);
    rk__free(all);
    return status;
}

static rk_status open_side(const work *w, int64_t r, const char *path, rk_model **out)
{
    const rk_compare_options *how = &w->c->how;
    const bool is_file = rk__is_file(path);
    if (is_file && how->part == RK_VALID && rk__config_options(w->sides[r].config)->train.refit) {
        RK_FAIL(
            RK_ERR_CONFIG,
            "%s holds a model that was fitted to train and valid, so that it cannot be compared "
            "on valid: name its run folder",
            path);
    }
    const rk_model_how open = {.device = how->device,
                               .data_root = how->data_root,
                               .assignments = (const char *const *)w->assignments,
                               .n_assignments =
                                   !is_file && how->part == RK_VALID ? N_SHARED + 1 : N_SHARED};
    return rk__model_open(path, &open, w->hooks, out);
}

static rk_status evaluate_run(work *w, int64_t r, const char *folder, int64_t seed_number)
{
    rk_comparison *c = w->c;
    side *s = &w->sides[r];
    rk_model *model = NULL;
    rk_metrics metrics = {0};
    rk_user_values each = {0};
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, open_side(w, r, folder, &model));
    rk_ranker ranker = rk__scorer_ranker(model->scorer);
    RK_TRY_GOTO(done, rk__evaluate_each(model->dataset, rk__config_options(model->config),
                                        c->how.part, &ranker, w->hooks, &metrics, &each));
    if (w->rates) {
        RK_TRY_GOTO(done, add_errors(model, c->how.part, &ranker, &metrics, &each));
    }
    RK_TRY_GOTO(done, take_shape(w, model, &metrics, folder));
    c->runs[r].epoch = c->runs[r].seeds == 1 ? model->epoch : 0;
    c->runs[r].compat = rk__compat_note(model->engine.options);
    int64_t n = each.n_users * each.n_values, seeds = c->runs[r].seeds;
    if (!s->users) {
        RK_TRY_GOTO(done, rk__calloc(&s->users, n, sizeof *s->users, "the values of users"));
        RK_TRY_GOTO(done, rk__calloc(&s->values, seeds * each.n_values, sizeof *s->values,
                                     "the values of seeds"));
    }
    for (int64_t i = 0; i < n; i++) {
        s->users[i] += each.values[i] / (double)seeds;
    }
    for (int64_t m = 0; m < each.n_values; m++) {
        s->values[seed_number * each.n_values + m] = metrics.values[m].value;
    }
done:
    rk__user_values_free(&each);
    rk_metrics_free(&metrics);
    rk_model_free(model);
    return status;
}

static rk_status evaluate_side(work *w, int64_t r)
{
    rk_compared_run *run = &w->c->runs[r];
    int64_t first = -1;
    RK_TRY(find_seeds(run->folder, &first, &run->seeds));
    if (r == 0) {
        RK_TRY(rk__strdup(&w->assignments[N_SHARED], "train.refit=false"));
    }
    for (int i = 0; r == 0 && i < N_SHARED; i++) {
        const char *value = NULL;
        RK_TRY(rk_config_get(w->sides[r].config, shared[i], &value));
        RK_TRY(rk__format(&w->assignments[i], "%s=%s", shared[i], value));
    }
    for (int64_t i = 0; i < run->seeds; i++) {
        char *folder = NULL;
        if (first < 0) {
            RK_TRY(rk__strdup(&folder, run->folder));
        } else {
            RK_TRY(rk__format(&folder, "%s/seed-%lld", run->folder, (long long)(first + i)));
        }
        rk_status status = evaluate_run(w, r, folder, i);
        rk__free(folder);
        RK_TRY(status);
    }
    return RK_OK;
}

/* ---- the results ---- */

static void summarise(work *w)
{
    rk_comparison *c = w->c;
    for (int64_t m = 0; m < c->n_metrics; m++) {
        for (int64_t r = 0; r < c->n_runs; r++) {
            const int64_t seeds = c->runs[r].seeds;
            const double *values = w->sides[r].values + m;
            double mean = 0, squares = 0;
            for (int64_t i = 0; i < seeds; i++) {
                mean += values[i * c->n_metrics] / (double)seeds;
            }
            for (int64_t i = 0; i < seeds; i++) {
                squares += pow(values[i * c->n_metrics] - mean, 2);
            }
            c->metrics[m].values[r] = mean;
            c->metrics[m].sd[r] = seeds > 1 ? sqrt(squares / (double)(seeds - 1)) : (double)NAN;
        }
    }
}

static rk_status pair(work *w)
{
    rk_comparison *c = w->c;
    rk_paired *paired = NULL;
    RK_TRY(rk__alloc(&paired, c->n_metrics, sizeof *paired, "paired tests"));
    rk_status status = RK_OK;
    for (int64_t r = 1; status == RK_OK && r < c->n_runs; r++) {
        status = rk__paired(w->sides[0].users, w->sides[r].users, c->users, c->n_metrics,
                            c->how.replicates, c->how.confidence, paired);
        for (int64_t m = 0; status == RK_OK && m < c->n_metrics; m++) {
            c->metrics[m].paired[r] = paired[m];
        }
    }
    rk__free(paired);
    return status;
}

/* Where things lie says nothing about a model, and the data are the same. */
static bool is_shown(const char *key)
{
    return strncmp(key, "data.", 5) != 0 && strncmp(key, "labels.", 7) != 0;
}

static const char *const option_keys[] = {
#define COMPARED_KEY(section, key, ...) #section "." #key,
#define COMPARED_SECTION(name, NAME, title) RK_OPTIONS_##NAME(COMPARED_KEY)
    RK_OPTION_SECTIONS(COMPARED_SECTION)
#undef COMPARED_SECTION
#undef COMPARED_KEY
};

static rk_status add_option(work *w, const char *key, bool *out_differs)
{
    rk_comparison *c = w->c;
    rk_compared_option *o = &c->options[c->n_options];
    const char *first = NULL, *value = NULL;
    *out_differs = false;
    RK_TRY(rk_config_get(w->sides[0].config, key, &first));
    for (int64_t r = 1; r < c->n_runs; r++) {
        RK_TRY(rk_config_get(w->sides[r].config, key, &value));
        *out_differs = *out_differs || strcmp(first, value) != 0;
    }
    if (!*out_differs) {
        return RK_OK;
    }
    c->n_options++;
    o->key = key;
    RK_TRY(rk__calloc(&o->values, c->n_runs, sizeof *o->values, "differing options"));
    for (int64_t r = 0; r < c->n_runs; r++) {
        bool is_read = false;
        RK_TRY(rk_config_get(w->sides[r].config, key, &value));
        RK_TRY(rk_config_is_read(w->sides[r].config, key, &is_read));
        RK_TRY(rk__strdup((char **)&o->values[r], is_read ? value : "-"));
    }
    return RK_OK;
}

static rk_status find_options(work *w)
{
    const int64_t n = (int64_t)(sizeof option_keys / sizeof option_keys[0]);
    RK_TRY(rk__calloc(&w->c->options, n, sizeof *w->c->options, "differing options"));
    for (int64_t i = 0; i < n; i++) {
        bool differs = false;
        if (is_shown(option_keys[i])) {
            RK_TRY(add_option(w, option_keys[i], &differs));
        }
    }
    return RK_OK;
}

/* ---- the call ---- */

static rk_status check(const rk_compare_options *how, int64_t n)
{
    if (n < 2) {
        RK_FAIL(RK_ERR_CONFIG, "a comparison needs two or more runs");
    }
    if (how->part != RK_VALID && how->part != RK_TEST) {
        RK_FAIL(RK_ERR_CONFIG, "only valid and test can be compared: train is what was learnt");
    }
    if (how->replicates < 100 || how->replicates > 1000000) {
        RK_FAIL(RK_ERR_CONFIG, "%lld replicates of the bootstrap: take 100 to 1,000,000",
                (long long)how->replicates);
    }
    if (!(how->confidence > 0 && how->confidence < 1)) {
        RK_FAIL(RK_ERR_CONFIG, "a confidence of %g: take one above 0 and below 1, e.g. 0.95",
                how->confidence);
    }
    return RK_OK;
}

static rk_status compare(work *w, const char *const *run_dirs)
{
    rk_comparison *c = w->c;
    RK_TRY(rk__calloc(&c->runs, c->n_runs, sizeof *c->runs, "compared runs"));
    RK_TRY(rk__calloc(&w->sides, c->n_runs, sizeof *w->sides, "compared runs"));
    for (int64_t r = 0; r < c->n_runs; r++) {
        RK_TRY(rk__sweep_folder_choose(run_dirs[r], (char **)&c->runs[r].folder));
    }
    w->rates = true;
    for (int64_t r = 0; r < c->n_runs; r++) {
        RK_TRY(load_config(c->runs[r].folder, &w->sides[r].config));
        w->rates = w->rates && rk__model_of(rk__config_options(w->sides[r].config))->rates;
    }
    for (int64_t r = 0; r < c->n_runs; r++) {
        RK_TRY(evaluate_side(w, r));
    }
    summarise(w);
    RK_TRY(pair(w));
    return find_options(w);
}

rk_status rk_compare(const char *const *run_dirs, int64_t n, const rk_compare_options *how,
                     const rk_hooks *hooks, rk_comparison **out)
{
    work w = {.hooks = hooks};
    *out = NULL;
    RK_TRY(check(how, n));
    RK_TRY(rk__calloc(&w.c, 1, sizeof *w.c, "a comparison"));
    w.c->n_runs = n;
    w.c->how = *how;
    rk_status status = compare(&w, run_dirs);
    for (int64_t r = 0; w.sides && r < n; r++) {
        rk_config_free(w.sides[r].config);
        rk__free(w.sides[r].users);
        rk__free(w.sides[r].values);
    }
    rk__free(w.sides);
    for (int i = 0; i <= N_SHARED; i++) {
        rk__free(w.assignments[i]);
    }
    w.c->how.device = w.c->how.data_root = NULL; /* lent for the call only */
    if (status != RK_OK) {
        rk_comparison_free(w.c);
        return status;
    }
    *out = w.c;
    return RK_OK;
}

void rk_comparison_free(rk_comparison *c)
{
    if (!c) {
        return;
    }
    for (int64_t r = 0; c->runs && r < c->n_runs; r++) {
        rk__free((char *)c->runs[r].folder);
    }
    for (int64_t i = 0; i < c->n_options; i++) {
        for (int64_t r = 0; c->options[i].values && r < c->n_runs; r++) {
            rk__free((char *)c->options[i].values[r]);
        }
        rk__free(c->options[i].values);
    }
    for (int64_t m = 0; m < c->n_metrics; m++) {
        rk__free((char *)c->metrics[m].name);
        rk__free(c->metrics[m].values);
        rk__free(c->metrics[m].sd);
        rk__free(c->metrics[m].paired);
    }
    rk__free(c->runs);
    rk__free(c->options);
    rk__free(c->metrics);
    rk__free(c);
}
