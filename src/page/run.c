#include "page/run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/parse.h"
#include "config/schema.h"

/* ---- JSON ---- */

json_t *rk__page_at(json_t *root, const char *path)
{
    for (const char *at = path; root && *at;) {
        const size_t length = strcspn(at, ".");
        int64_t index = 0;
        if (json_is_array(root)) {
            root = rk__parse_int(at, length, &index) == RK_PARSE_OK && index >= 0
                       ? json_array_get(root, (size_t)index)
                       : NULL;
        } else {
            char key[256];
            snprintf(key, sizeof key, "%.*s", (int)length, at);
            root = json_object_get(root, key);
        }
        at += length + (at[length] == '.');
    }
    return root;
}

double rk__page_number(json_t *root, const char *path)
{
    const json_t *value = rk__page_at(root, path);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

const char *rk__page_text(json_t *root, const char *path)
{
    return json_string_value(rk__page_at(root, path));
}

rk_status rk__page_json_parse(const char *text, const char *path, json_t **out)
{
    json_error_t error;
    *out = json_loads(text, 0, &error);
    if (!*out) {
        RK_FAIL(RK_ERR_DATA, "%s:%d: %s: the file is damaged", path, error.line, error.text);
    }
    if (!json_is_object(*out)) {
        json_decref(*out);
        *out = NULL;
        RK_FAIL(RK_ERR_DATA, "%s: it holds no JSON object: the file is damaged", path);
    }
    return RK_OK;
}

rk_status rk__page_json_read(const char *path, json_t **out)
{
    char *text = NULL;
    RK_TRY(rk__file_read(path, &text, NULL));
    rk_status status = rk__page_json_parse(text, path, out);
    rk__free(text);
    return status;
}

/* ---- the options ---- */

static rk_status add_option(rk_page_run *run, const rk_config *config, const rk_config *defaults,
                            const rk_option *row)
{
    rk_page_option *o = &run->options[run->n_options++];
    const char *value = NULL, *usual = NULL;
    char *key = NULL;
    RK_TRY(rk__format(&key, "%s.%s", row->section, row->key));
    o->key = key;
    RK_TRY(rk_config_get(config, key, &value));
    RK_TRY(rk_config_get(defaults, key, &usual));
    o->is_default = strcmp(value, usual) == 0;
    o->is_read = rk__config_reads(config, row);
    return rk__strdup(&o->value, value);
}

rk_status rk__page_run_take_config(rk_page_run *run, const rk_config *config)
{
    int64_t n = 0;
    const rk_option *rows = rk__option_rows(&n);
    rk_config *defaults = NULL;
    char *text = NULL;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk_config_create(&defaults));
    RK_TRY_GOTO(done, rk_config_text(config, false, &text));
    RK_TRY_GOTO(done, rk__strdup(&run->config, text));
    RK_TRY_GOTO(done, rk__calloc(&run->options, n, sizeof *run->options, "options of a page"));
    for (int64_t i = 0; i < n; i++) {
        RK_TRY_GOTO(done, add_option(run, config, defaults, &rows[i]));
    }
done:
    rk_string_free(text);
    rk_config_free(defaults);
    return status;
}

const char *rk__page_option(const rk_page_run *run, const char *key)
{
    for (int64_t i = 0; i < run->n_options; i++) {
        if (strcmp(run->options[i].key, key) == 0) {
            return run->options[i].value;
        }
    }
    return "";
}

/* ---- the curves ---- */

const rk_page_curve *rk__page_curve(const rk_page_run *run, const char *name)
{
    for (int64_t i = 0; i < run->n_curves; i++) {
        if (strcmp(run->curves[i].name, name) == 0) {
            return &run->curves[i];
        }
    }
    return NULL;
}

static rk_status add_point(rk_page_run *run, const char *name, double x, double y)
{
    rk_page_curve *c = (rk_page_curve *)(uintptr_t)rk__page_curve(run, name);
    if (!c) {
        RK_TRY(rk__realloc(&run->curves, run->n_curves, run->n_curves + 1, sizeof *run->curves,
                           "curves of a page"));
        c = &run->curves[run->n_curves];
        *c = (rk_page_curve){NULL, NULL, NULL, 0, 0};
        run->n_curves++;
        RK_TRY(rk__strdup(&c->name, name));
    }
    if (c->n == c->capacity) {
        const int64_t capacity = c->capacity > 0 ? 2 * c->capacity : 64;
        RK_TRY(rk__realloc(&c->x, c->n, capacity, sizeof *c->x, "curves of a page"));
        RK_TRY(rk__realloc(&c->y, c->n, capacity, sizeof *c->y, "curves of a page"));
        c->capacity = capacity;
    }
    c->x[c->n] = x;
    c->y[c->n++] = y;
    return RK_OK;
}

static bool is_number_or_null(const json_t *value)
{
    return json_is_number(value) || json_is_null(value);
}

static rk_status take_epoch(rk_page_run *run, json_t *line, double epoch)
{
    const char *key = NULL, *inner = NULL;
    json_t *value = NULL, *number = NULL;
    json_object_foreach(line, key, value)
    {
        if (strcmp(key, "epoch") == 0) {
            continue;
        }
        if (is_number_or_null(value)) {
            RK_TRY(add_point(run, key, epoch,
                             json_is_null(value) ? (double)NAN : json_number_value(value)));
        }
        json_object_foreach(value, inner, number)
        {
            char *name = NULL;
            RK_TRY(rk__format(&name, "%s.%s", key, inner));
            rk_status status = add_point(
                run, name, epoch, json_is_number(number) ? json_number_value(number) : (double)NAN);
            rk__free(name);
            RK_TRY(status);
        }
    }
    run->n_epochs++;
    return RK_OK;
}

/* A last line without an end is being written, or was torn by a kill: it is none yet. */
static rk_status read_curves(rk_page_run *run, const char *folder)
{
    char *path = NULL, *text = NULL;
    rk_status status = RK_OK;
    int64_t number = 0;
    RK_TRY(rk__path_join(&path, folder, "metrics.jsonl"));
    if (!rk__file_exists(path)) {
        goto done;
    }
    RK_TRY_GOTO(done, rk__file_read(path, &text, NULL));
    char *line = text;
    for (char *end; (end = strchr(line, '\n')); line = end + 1) {
        json_error_t error;
        json_t *object = json_loadb(line, (size_t)(end - line), 0, &error);
        const double epoch = rk__page_number(object, "epoch");
        number++;
        if (!isfinite(epoch)) {
            json_decref(object);
            RK_FAIL_GOTO(done, RK_ERR_DATA, "%s:%lld: no line of an epoch: the file is damaged",
                         path, (long long)number);
        }
        status = take_epoch(run, object, epoch);
        json_decref(object);
        RK_TRY_GOTO(done, status);
    }
done:
    rk__free(text);
    rk__free(path);
    return status;
}

/* ---- the run ---- */

static rk_status read_json(const char *folder, const char *name, json_t **out)
{
    char *path = NULL;
    RK_TRY(rk__path_join(&path, folder, name));
    rk_status status = rk__file_exists(path) ? rk__page_json_read(path, out) : RK_OK;
    rk__free(path);
    return status;
}

rk_status rk__page_run_read(rk_page_run *out, const char *folder, const char *report)
{
    rk_config *config = NULL;
    char *path = NULL;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__strdup(&out->path, folder));
    RK_TRY_GOTO(done, rk__path_join(&path, folder, "config.yaml"));
    if (!rk__file_exists(path)) {
        RK_FAIL_GOTO(done, RK_ERR_IO, "%s is no run folder: it has no config.yaml", folder);
    }
    RK_TRY_GOTO(done, rk_config_load(&config, path));
    RK_TRY_GOTO(done, rk__page_run_take_config(out, config));
    RK_TRY_GOTO(done, read_json(folder, "environment.json", &out->environment));
    RK_TRY_GOTO(done, report ? rk__page_json_parse(report, "the report", &out->report)
                             : read_json(folder, "report.json", &out->report));
    RK_TRY_GOTO(done, read_curves(out, folder));
done:
    rk__free(path);
    rk_config_free(config);
    return status;
}

const char *rk__page_fingerprint(const rk_page_run *run)
{
    const char *of_report = rk__page_text(run->report, "dataset.fingerprint");
    const char *of_run = rk__page_text(run->environment, "dataset.fingerprint");
    return of_report ? of_report : of_run ? of_run : "";
}

void rk__page_run_free(rk_page_run *run)
{
    for (int64_t i = 0; i < run->n_options; i++) {
        rk__free((char *)(uintptr_t)run->options[i].key);
        rk__free(run->options[i].value);
    }
    for (int64_t i = 0; i < run->n_curves; i++) {
        rk__free(run->curves[i].name);
        rk__free(run->curves[i].x);
        rk__free(run->curves[i].y);
    }
    json_decref(run->report);
    json_decref(run->environment);
    rk__free(run->options);
    rk__free(run->curves);
    rk__free(run->config);
    rk__free(run->path);
    rk__free(run->name);
    *run = (rk_page_run){.of = 0};
}
