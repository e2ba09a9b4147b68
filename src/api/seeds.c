/*
 * The same training with several seeds: one run folder a seed, then their means in one report.
 *
 * A seeds folder holds config.yaml (of the first seed), seed-S/ (run folders like any other) and,
 * when all are finished, report.json. A seed whose run is finished under the same configuration is
 * kept as it is; one that was interrupted goes on.
 *
 * The seeds folder is taken like a run folder, before anything is read, and held to the end; each
 * run takes its own beside that, so a single seed can be neither resumed nor replaced meanwhile.
 */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "config/options.h"
#include "rankine/metrics.h"
#include "rankine/report.h"
#include "rankine/train.h"
#include "train/json.h"
#include "train/run_folder.h"
#include "train/seeds_folder.h"
#include "train/several.h"

typedef struct seeds {
    const char *folder; /* lent by lock */
    int64_t first, n;
    rk_several runs;
    rk_report **reports;         /* n, owned */
    const rk_train_options *how; /* lent */
    const rk_dataset *dataset;   /* of all the runs: the caller's, or `prepared`; NULL = not yet */
    rk_dataset *prepared;        /* owned */
    rk_folder_lock lock;
} seeds;

/* ---- one seed ---- */

static rk_status folder_of(const seeds *s, int64_t i, char **out)
{
    return rk__format(out, "%s/seed-%lld", s->folder, (long long)(s->first + i));
}

/* A copy of the configuration with the seed of run i. */
static rk_status config_of(const seeds *s, int64_t i, rk_config **out)
{
    char *path = NULL, assignment[64];
    RK_TRY(rk__path_join(&path, s->folder, RK_FILE_CONFIG));
    rk_status status = rk_config_load(out, path);
    rk__free(path);
    RK_TRY(status);
    snprintf(assignment, sizeof assignment, "run.seed=%lld", (long long)(s->first + i));
    return rk_config_set(*out, assignment, "the number of the seed");
}

/* Once for all the runs: the seed of the split is none of theirs. */
static rk_status prepare_data(seeds *s, const rk_config *config)
{
    if (!s->how->dataset) {
        char *folder = NULL;
        RK_TRY(folder_of(s, 0, &folder));
        rk_status status =
            rk__several_dataset(&s->runs, config, folder, s->how->resume, &s->prepared);
        rk__free(folder);
        RK_TRY(status);
    }
    s->dataset = s->how->dataset ? s->how->dataset : s->prepared;
    if (s->how->begun) {
        s->how->begun(s->how->user, s->folder, s->dataset);
    }
    return rk__groundwork_create(&s->runs.ground, s->dataset);
}

static rk_status train_one(seeds *s, int64_t i)
{
    rk_train_options how = *s->how;
    rk_status status = RK_OK;
    rk_config *config = NULL;
    char *folder = NULL;
    bool finished = false;
    s->runs.current = i + 1;
    RK_TRY_GOTO(done, folder_of(s, i, &folder));
    RK_TRY_GOTO(done, config_of(s, i, &config));
    if (how.resume) {
        RK_TRY_GOTO(done, rk__several_is_finished(folder, config, how.without_test, &finished));
    }
    rk__several_say(&s->runs, RK_LOG_INFO, "seed %lld, run %lld of %lld%s",
                    (long long)(s->first + i), (long long)s->runs.current, (long long)s->n,
                    finished ? ": finished before, kept" : "");
    how.run_dir = folder;
    how.dataset = s->dataset;
    status = rk__several_train(&s->runs, config, &how, finished, &s->reports[i]);
    if (status != RK_OK) {
        rk__fail_prefix(status, "seed %lld", (long long)(s->first + i));
    }
done:
    rk__free(folder);
    rk_config_free(config);
    return status;
}

/* ---- the report ---- */

/* path: { mean, sd, min, max, values } over the seeds. */
static void add_spread(const seeds *s, rk_json *json, const char *key, const char *path)
{
    double mean = 0, squares = 0, least = INFINITY, most = -INFINITY;
    for (int64_t i = 0; i < s->n; i++) {
        double value = rk_report_number(s->reports[i], path);
        mean += value / (double)s->n;
        least = fmin(least, value);
        most = fmax(most, value);
    }
    for (int64_t i = 0; i < s->n; i++) {
        squares += pow(rk_report_number(s->reports[i], path) - mean, 2);
    }
    rk__json_begin(json, key, '{');
    rk__json_real(json, "mean", mean);
    rk__json_real(json, "sd", sqrt(squares / (double)(s->n - 1)));
    rk__json_real(json, "min", least);
    rk__json_real(json, "max", most);
    rk__json_begin(json, "values", '[');
    for (int64_t i = 0; i < s->n; i++) {
        rk__json_real(json, NULL, rk_report_number(s->reports[i], path));
    }
    rk__json_end(json, ']');
    rk__json_end(json, '}');
}

/* Every metric below `prefix`, in the order of the runs' reports, as `part`; null where there is
 * none. */
static void add_part(const seeds *s, rk_json *json, const char *part, const char *prefix,
                     bool is_popularity)
{
    const rk_report *first = s->reports[0];
    size_t length = strlen(prefix);
    bool any = false;
    for (int64_t i = 0; i < rk_report_count(first); i++) {
        const char *path = rk_report_path(first, i);
        if (strncmp(path, prefix, length) != 0 || !strchr(path, '@')) {
            continue;
        }
        if (!any) {
            rk__json_begin(json, part, '{');
            any = true;
        }
        if (is_popularity) { /* counts train, so it is the same for every seed */
            rk__json_real(json, path + length, rk_report_number(first, path));
        } else {
            add_spread(s, json, path + length, path);
        }
    }
    if (any) {
        rk__json_end(json, '}');
    } else {
        rk__json_null(json, part);
    }
}

/* The errors of predicted ratings at a path of the runs' reports; null where there are none. */
static void add_rating_part(const seeds *s, rk_json *json, const char *name, const char *at)
{
    static const char *const simple[] = {"global_mean", "item_mean", "biases"};
    char path[96];
    snprintf(path, sizeof path, "%s.pairs", at);
    if (!rk_report_text(s->reports[0], path)) {
        rk__json_null(json, name);
        return;
    }
    rk__json_begin(json, name, '{');
    rk__json_begin(json, "model", '{');
    for (int64_t e = 0; e < RK_RATING_ERRORS; e++) {
        snprintf(path, sizeof path, "%s.model.%s", at, rk_rating_error_name(e));
        add_spread(s, json, rk_rating_error_name(e), path);
    }
    rk__json_end(json, '}');
    for (size_t b = 0; b < sizeof simple / sizeof simple[0]; b++) { /* of train: all the same */
        rk__json_begin(json, simple[b], '{');
        for (int64_t e = 0; e < RK_RATING_ERRORS; e++) {
            snprintf(path, sizeof path, "%s.%s.%s", at, simple[b], rk_rating_error_name(e));
            rk__json_real(json, rk_rating_error_name(e), rk_report_number(s->reports[0], path));
        }
        rk__json_end(json, '}');
    }
    rk__json_end(json, '}');
}

/* Those of valid, of test, and of test after a refit; nothing where the models predict none. */
static void add_ratings(const seeds *s, rk_json *json)
{
    if (!rk_report_text(s->reports[0], "ratings.scale.0")) {
        return;
    }
    rk__json_begin(json, "ratings", '{');
    add_rating_part(s, json, rk_part_name(RK_VALID), "ratings.valid");
    add_rating_part(s, json, rk_part_name(RK_TEST), "ratings.test");
    add_rating_part(s, json, "refit", "refit.ratings");
    rk__json_end(json, '}');
}

/* A mean over runs on several data sets would be a mean of nothing. */
static rk_status check_same_data(const seeds *s)
{
    const char *first = rk_report_text(s->reports[0], "dataset.fingerprint");
    for (int64_t i = 1; i < s->n; i++) {
        const char *other = rk_report_text(s->reports[i], "dataset.fingerprint");
        if (!first || !other || strcmp(first, other) != 0) {
            RK_FAIL(
                RK_ERR_CONFIG,
                "seed %lld was trained on the data set %s, seed %lld on %s: the sources changed "
                "in between; train them anew with force",
                (long long)s->first, first ? first : "?", (long long)(s->first + i),
                other ? other : "?");
        }
    }
    return RK_OK;
}

/* How metrics were counted, and of what: of all seeds alike. */
static void add_protocol(const seeds *s, rk_json *json)
{
    const rk_report *first = s->reports[0];
    const char *style = rk_report_text(first, "style"),
               *by = rk_report_text(first, "candidates_by");
    rk__json_text(json, "style", style ? style : "recbole");
    if (by) {
        rk__json_int(json, "among_candidates",
                     (int64_t)rk_report_number(first, "among_candidates"));
        rk__json_text(json, "candidates_by", by);
    }
}

static rk_status write_report(const seeds *s)
{
    rk_status status = RK_OK;
    rk_buffer buffer = {0};
    rk_json json = {.out = &buffer, .indent = 2};
    char *text = NULL, *path = NULL;
    const char *fingerprint = rk_report_text(s->reports[0], "dataset.fingerprint");
    const char *on_test = rk_report_text(s->reports[0], "chosen.on_test");
    rk__json_begin(&json, NULL, '{');
    rk__json_begin(&json, "seeds", '{');
    rk__json_int(&json, "count", s->n);
    rk__json_begin(&json, "list", '[');
    for (int64_t i = 0; i < s->n; i++) {
        rk__json_int(&json, NULL, s->first + i);
    }
    rk__json_end(&json, ']');
    rk__json_end(&json, '}');
    add_protocol(s, &json);
    for (rk_part part = RK_VALID; part <= RK_TEST; part++) {
        add_part(s, &json, rk_part_name(part), part == RK_VALID ? "valid." : "test.", false);
    }
    if (rk_report_text(s->reports[0], "expected.draws")) {
        rk__json_begin(&json, "expected", '{');
        add_part(s, &json, rk_part_name(RK_VALID), "expected.valid.", false);
        add_part(s, &json, rk_part_name(RK_TEST), "expected.test.", false);
        rk__json_begin(&json, "popularity", '{');
        add_part(s, &json, rk_part_name(RK_VALID), "expected.popularity.valid.", true);
        add_part(s, &json, rk_part_name(RK_TEST), "expected.popularity.test.", true);
        rk__json_end(&json, '}');
        rk__json_end(&json, '}');
    }
    if (s->how->without_test) {
        rk__json_bool(&json, "without_test", true);
    }
    add_part(s, &json, "refit", "refit.test.", false); /* test of the models with valid in train */
    rk__json_begin(&json, "popularity", '{');
    for (rk_part part = RK_VALID; part <= RK_TEST; part++) {
        add_part(s, &json, rk_part_name(part),
                 part == RK_VALID ? "popularity.valid." : "popularity.test.", true);
    }
    rk__json_end(&json, '}');
    add_ratings(s, &json);
    rk__json_begin(&json, "chosen", '{');
    add_spread(s, &json, "epoch", "chosen.epoch");
    rk__json_bool(&json, "on_test", on_test && strcmp(on_test, "true") == 0);
    rk__json_end(&json, '}');
    if (rk_report_text(s->reports[0], "compat")) {
        rk__json_text(&json, "compat", rk_report_text(s->reports[0], "compat"));
    }
    rk__json_begin(&json, "dataset", '{');
    rk__json_text(&json, "fingerprint", fingerprint ? fingerprint : "");
    rk__json_end(&json, '}');
    rk__json_begin(&json, "timing", '{');
    add_spread(s, &json, "train_seconds", "timing.train_seconds");
    add_spread(s, &json, "total_seconds", "timing.total_seconds");
    add_spread(s, &json, "processor_seconds", "timing.processor_seconds");
    rk__json_end(&json, '}');
    rk__json_end(&json, '}');
    rk__buffer_add(&buffer, "\n");
    RK_TRY(rk__buffer_take(&buffer, &text));
    RK_TRY_GOTO(done, rk__path_join(&path, s->folder, RK_FILE_REPORT));
    status = rk__file_replace(path, text, (int64_t)strlen(text));
done:
    rk__free(path);
    rk__free(text);
    return status;
}

/* ---- the whole ---- */

/* What is in the folder, as far as it is of interest here. */
typedef struct contents {
    bool any, is_run, has_config, has_seeds, has_report;
} contents;

/* out is zeroed. */
static rk_status look(const char *folder, contents *out)
{
    DIR *directory = opendir(folder);
    if (!directory) {
        RK_FAIL(RK_ERR_IO, "the folder %s cannot be read: %s", folder, strerror(errno));
    }
    for (struct dirent *at; (at = readdir(directory));) {
        const char *name = at->d_name;
        int64_t seed = 0;
        out->any = out->any || (strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
        out->is_run = out->is_run || strcmp(name, RK_FILE_ENVIRONMENT) == 0;
        out->has_config = out->has_config || strcmp(name, RK_FILE_CONFIG) == 0;
        out->has_report = out->has_report || strcmp(name, RK_FILE_REPORT) == 0;
        out->has_seeds = out->has_seeds || rk__seeds_folder_member(name, &seed);
    }
    closedir(directory);
    return RK_OK;
}

/* A new folder, or one that holds seeds already and is to be resumed or replaced. */
static rk_status check_folder(const rk_train_options *how, const char *folder)
{
    contents c = {.any = false};
    RK_TRY(look(folder, &c));
    bool is_seeds = !c.is_run && (c.has_seeds || (c.has_config && c.has_report));
    if (c.is_run) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s is the folder of a single run; runs with several seeds need another one",
                folder);
    }
    if (how->resume && !is_seeds) {
        RK_FAIL(RK_ERR_CONFIG, "there is nothing to resume: %s holds no runs with several seeds",
                folder);
    }
    if (is_seeds && !how->resume && !how->force) {
        RK_FAIL(RK_ERR_CONFIG,
                "the folder %s holds runs already; resume goes on with them (finished ones are "
                "kept), force replaces them, or name another folder",
                folder);
    }
    if (c.any && !is_seeds) {
        RK_FAIL(RK_ERR_CONFIG,
                "the folder %s is not empty and holds no runs with several seeds, so it is left "
                "alone; name another one",
                folder);
    }
    return RK_OK;
}

static rk_status take_folder(seeds *s)
{
    const rk_train_options *how = s->how;
    if (!how->run_dir || !*how->run_dir) {
        RK_FAIL(RK_ERR_CONFIG, "no run folder is named");
    }
    if (how->resume && how->force) {
        RK_FAIL(RK_ERR_CONFIG,
                "resume and force exclude each other: one goes on with the runs in "
                "%s, the other replaces them",
                how->run_dir);
    }
    RK_TRY(how->new_dir ? rk__folder_take_new(&s->lock, how->run_dir)
                        : rk__folder_take(&s->lock, how->run_dir, 0));
    s->folder = s->lock.path;
    return how->new_dir ? RK_OK : check_folder(how, s->folder);
}

/* The folder's own files; what was there before counts no more. */
static rk_status begin(const seeds *s, const rk_config *config)
{
    char *first = NULL;
    rk__run_folder_remove(s->folder, RK_FILE_REPORT); /* until all seeds are finished again */
    RK_TRY(folder_of(s, 0, &first));
    rk_status status = rk__folder_create(first); /* with it, the folder is one of several seeds */
    rk__free(first);
    RK_TRY(status);
    return rk__run_folder_write_config(s->folder, config);
}

rk_status rk_train_seeds(const rk_config *config, const rk_train_options *how, int64_t n,
                         const rk_hooks *hooks)
{
    rk_status status = RK_OK;
    const rk_options *options = rk__config_options(config);
    seeds s = {.how = how, .first = options->run.seed, .n = n};
    rk__several_init(&s.runs, hooks, n);
    RK_TRY(rk__model_check_config(config, !how->resume, how->dataset != NULL));
    RK_TRY(rk__several_refuse_ranks(config, "train --seeds"));
    if (n < 2 || n > 1000 || s.first > INT64_MAX - n) {
        RK_FAIL(RK_ERR_CONFIG, "%lld seeds from %lld on: take 2 to 1000, below 2^63", (long long)n,
                (long long)s.first);
    }
    RK_TRY(rk__calloc(&s.reports, n, sizeof *s.reports, "the reports of the seeds"));
    RK_TRY_GOTO(done, take_folder(&s));
    RK_TRY_GOTO(done, prepare_data(&s, config));
    RK_TRY_GOTO(done, begin(&s, config));
    for (int64_t i = 0; i < n; i++) {
        RK_TRY_GOTO(done, train_one(&s, i));
    }
    RK_TRY_GOTO(done, check_same_data(&s));
    RK_TRY_GOTO(done, rk__run_folder_check_held(&s.lock));
    status = write_report(&s);
done:
    for (int64_t i = 0; i < n; i++) {
        rk_report_free(s.reports[i]);
    }
    rk__free(s.reports);
    rk__groundwork_free(s.runs.ground);
    rk_dataset_free(s.prepared);
    rk__folder_release(&s.lock);
    return status;
}
