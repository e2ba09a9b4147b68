/* trials.csv and report.json of a sweep. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/parse.h"
#include "sweep/internal.h"
#include "train/json.h"
#include "train/run_folder.h"

static const char *state_of(const rk_trial *trial)
{
    static const char *const names[] = {"open", "done", "pruned", "failed", "reused"};
    return names[trial->state];
}

static rk_status write(const rk_sweep_run *s, const char *name, rk_buffer *buffer)
{
    char *text = NULL, *path = NULL;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__buffer_take(buffer, &text));
    RK_TRY_GOTO(done, rk__path_join(&path, s->folder, name));
    status = rk__file_replace(path, text, (int64_t)strlen(text));
done:
    rk__free(text);
    rk__free(path);
    return status;
}

/* ---- trials.csv ---- */

/* As RFC 4180 wants it. */
static void add_field(rk_buffer *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        rk__buffer_add(out, ",%s", text);
        return;
    }
    rk__buffer_add(out, ",\"");
    for (; *text; text++) {
        rk__buffer_add(out, *text == '"' ? "\"\"" : "%c", *text);
    }
    rk__buffer_add(out, "\"");
}

static void add_number(rk_buffer *out, double value)
{
    char text[32] = "";
    if (isfinite(value)) {
        rk__print_real(text, value);
    }
    rk__buffer_add(out, ",%s", text);
}

rk_status rk__sweep_write_csv(const rk_sweep_run *s)
{
    rk_buffer out = {0};
    rk__buffer_add(&out, "trial,state,value,epochs,seconds");
    for (int64_t a = 0; a < s->space.n; a++) {
        for (int64_t k = 0; k < s->space.axes[a].n_keys; k++) {
            add_field(&out, s->space.axes[a].keys[k]);
        }
    }
    for (int64_t t = 0; t < s->n; t++) {
        const rk_trial *trial = &s->trials[t];
        rk__buffer_add(&out, "\n%lld,%s", (long long)(t + 1), state_of(trial));
        add_number(&out, trial->value);
        rk__buffer_add(&out, ",%lld", (long long)trial->epochs);
        add_number(&out, trial->seconds);
        for (int64_t a = 0; a < s->space.n; a++) {
            const rk_axis *axis = &s->space.axes[a];
            for (int64_t k = 0; k < axis->n_keys; k++) {
                char *text = NULL;
                const bool is_there = rk__trial_reads(trial, axis, a, k);
                rk_status status =
                    is_there ? rk__axis_text(axis, trial->places[a], k, &text) : RK_OK;
                if (status != RK_OK) {
                    rk__buffer_free(&out);
                    return status;
                }
                add_field(&out, is_there ? text : "");
                rk__free(text);
            }
        }
    }
    rk__buffer_add(&out, "\n");
    return write(s, "trials.csv", &out);
}

/* ---- report.json ---- */

static void add_options(rk_json *json, const rk_trial *trial)
{
    rk__json_begin(json, "options", '{');
    rk__buffer_add(json->out, "%s", trial->options);
    rk__json_end(json, '}');
}

static void add_space(rk_json *json, const rk_space *space)
{
    rk__json_begin(json, "options", '[');
    for (int64_t a = 0; a < space->n; a++) {
        const rk_axis *axis = &space->axes[a];
        for (int64_t k = 0; k < axis->n_keys; k++) {
            rk__json_begin(json, NULL, '{');
            rk__json_text(json, "key", axis->keys[k]);
            rk__json_text(json, "domain", rk__domain_name(axis));
            if (axis->domain != RK_DOMAIN_LIST) {
                rk__json_real(json, "low", axis->low);
                rk__json_real(json, "high", axis->high);
            }
            rk__json_end(json, '}');
        }
    }
    rk__json_end(json, ']');
}

static void add_counts(rk_json *json, const rk_sweep_run *s)
{
    int64_t failed = 0, reused = 0, pruned = 0;
    for (int64_t t = 0; t < s->n; t++) {
        failed += s->trials[t].state == RK_TRIAL_FAILED;
        reused += s->trials[t].same_as > 0;
        pruned += s->trials[t].state == RK_TRIAL_PRUNED;
    }
    rk__json_begin(json, "sweep", '{');
    rk__json_text(json, "method", rk_sweep_method_name(s->method));
    rk__json_int(json, "seed", (int64_t)s->seed);
    rk__json_text(json, "metric", s->metric);
    rk__json_bool(json, "lower_is_better", s->lower);
    rk__json_int(json, "trials", s->n);
    rk__json_int(json, "trained", s->n - reused);
    rk__json_int(json, "failed", failed);
    rk__json_int(json, "reused", reused);
    rk__json_int(json, "pruned", pruned);
    rk__json_int(json, "invalid", s->invalid);
    rk__json_real(json, "seconds", s->seconds);
    rk__json_end(json, '}');
}

static void add_trials(rk_json *json, const rk_sweep_run *s)
{
    rk__json_begin(json, "trials", '[');
    for (int64_t t = 0; t < s->n; t++) {
        const rk_trial *trial = &s->trials[t];
        rk__json_begin(json, NULL, '{');
        rk__json_int(json, "trial", t + 1);
        rk__json_text(json, "state", state_of(trial));
        rk__json_real(json, "value", trial->value);
        rk__json_int(json, "epochs", trial->epochs);
        rk__json_real(json, "seconds", trial->seconds);
        if (trial->same_as > 0) {
            rk__json_int(json, "same_as", trial->same_as);
        }
        if (trial->why) {
            rk__json_text(json, "why", trial->why);
        }
        add_options(json, trial);
        rk__json_end(json, '}');
    }
    rk__json_end(json, ']');
}

static void add_finalists(rk_json *json, const rk_sweep_run *s)
{
    char run[64];
    if (s->n_finalists == 0) {
        rk__json_null(json, "final");
        return;
    }
    rk__json_begin(json, "final", '[');
    for (int64_t i = 0; i < s->n_finalists; i++) {
        const rk_finalist *f = &s->finalists[i];
        snprintf(run, sizeof run, "final/trial-%04lld", (long long)(f->trial + 1));
        rk__json_begin(json, NULL, '{');
        rk__json_int(json, "trial", f->trial + 1);
        rk__json_text(json, "run", run);
        rk__json_int(json, "seeds", s->how->final_seeds);
        rk__json_real(json, "mean", f->mean);
        rk__json_real(json, "sd", f->sd);
        rk__json_end(json, '}');
    }
    rk__json_end(json, ']');
}

/* The metrics of a report below `prefix` and before `ending`. */
static void add_metrics(rk_json *json, const char *key, const rk_report *report, const char *prefix,
                        const char *ending)
{
    const size_t skip = strlen(prefix), drop = strlen(ending);
    bool any = false;
    for (int64_t i = 0; i < rk_report_count(report); i++) {
        const char *path = rk_report_path(report, i);
        const size_t length = strlen(path);
        const bool is_metric = strchr(path, '@') || strstr(prefix, "model.");
        char name[128];
        if (strncmp(path, prefix, skip) != 0 || length <= skip + drop || !is_metric ||
            strcmp(path + length - drop, ending) != 0) {
            continue;
        }
        if (!any) {
            rk__json_begin(json, key, '{');
            any = true;
        }
        snprintf(name, sizeof name, "%.*s", (int)(length - skip - drop), path + skip);
        rk__json_real(json, name, rk_report_number(report, path));
    }
    if (any) {
        rk__json_end(json, '}');
    } else {
        rk__json_null(json, key);
    }
}

/* What the chosen one came to on test: a run, or the mean of its seeds. */
static rk_status add_test(rk_json *json, const rk_sweep_run *s, int64_t chosen)
{
    char *folder = NULL;
    rk_report *report = NULL;
    const bool of_seeds = s->n_finalists > 0;
    const char *mean = of_seeds ? ".mean" : "";
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__format(&folder, "%s/%strial-%04lld", s->folder, of_seeds ? "final/" : "",
                                 (long long)(chosen + 1)));
    RK_TRY_GOTO(done, rk_report_open(folder, &report));
    add_metrics(json, "test", report, "test.", mean);
    if (of_seeds) {
        add_metrics(json, "test_sd", report, "test.", ".sd");
    }
    rk__json_begin(json, "popularity", '{');
    add_metrics(json, "test", report, "popularity.test.", "");
    rk__json_end(json, '}');
    if (rk_report_text(report, "ratings.test.pairs") || (of_seeds && s->lower)) {
        add_metrics(json, "test_errors", report, "ratings.test.model.", mean);
    }
done:
    rk_report_free(report);
    rk__free(folder);
    return status;
}

rk_status rk__sweep_write_report(const rk_sweep_run *s, int64_t chosen)
{
    const rk_trial *best = &s->trials[chosen];
    rk_buffer buffer = {0};
    rk_json json = {.out = &buffer, .indent = 2};
    char run[64];
    rk__json_begin(&json, NULL, '{');
    add_counts(&json, s);
    add_space(&json, &s->space);
    snprintf(run, sizeof run, "trial-%04lld", (long long)(chosen + 1));
    rk__json_begin(&json, "best", '{');
    rk__json_int(&json, "trial", chosen + 1);
    rk__json_real(&json, "value", best->value);
    rk__json_text(&json, "run", run);
    add_options(&json, best);
    rk__json_end(&json, '}');
    add_finalists(&json, s);
    rk_status status = add_test(&json, s, chosen);
    if (status != RK_OK) {
        rk__buffer_free(&buffer);
        return status;
    }
    add_trials(&json, s);
    rk__json_end(&json, '}');
    rk__buffer_add(&buffer, "\n");
    return write(s, RK_FILE_REPORT, &buffer);
}
