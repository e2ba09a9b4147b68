/* The page of a sweep: the best, a table of trials, all of them as parallel coordinates, a scatter
 * an option. Of a sweep that is not finished it is made of trials.jsonl. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "page/chart.h"
#include "page/html.h"
#include "page/page.h"

enum { MOST_SHOWN = 200, MOST_PLACES = 24 };

typedef struct trial {
    int64_t number;
    const char *state; /* done, pruned, failed, reused; a constant or of the report */
    double value, epochs, seconds;
    json_t *options; /* lent; NULL = none */
    const char *why; /* it failed; lent, or NULL */
} trial;

/* An option of the space over all trials. */
typedef struct option {
    const char *key; /* lent */
    double *values;  /* [n_trials]; NaN = the trial does not read it */
    bool is_log, is_text;
    char *places[MOST_PLACES]; /* of texts; owned */
    int64_t n_places;
} option;

typedef struct sweep {
    const char *folder;
    json_t *report, *lines; /* one of them; lines: a list of objects */
    rk_page_run base;       /* of config.yaml; its name and options */
    trial *trials;
    int64_t n, best; /* place of the best one; -1 = none */
    option *options;
    int64_t n_options;
    double *values; /* [n] */
    char **names;   /* [n]: "trial 7: 0.1234" */
    const char *metric;
    bool lower_is_better;
} sweep;

rk_status rk__page_is_sweep(const char *folder, bool *out)
{
    return rk__folder_has(folder, "trials.jsonl", out);
}

/* ---- reading ---- */

static rk_status read_lines(const char *folder, json_t **out)
{
    char *path = NULL, *text = NULL;
    rk_status status = RK_OK;
    int64_t number = 0;
    *out = json_array();
    RK_TRY_GOTO(done, rk__path_join(&path, folder, "trials.jsonl"));
    RK_TRY_GOTO(done, rk__file_read(path, &text, NULL));
    char *line = text;
    for (char *end; (end = strchr(line, '\n')); line = end + 1) {
        json_error_t error;
        json_t *object = json_loadb(line, (size_t)(end - line), 0, &error);
        number++;
        if (!json_is_object(object) || json_array_append_new(*out, object) != 0) {
            json_decref(object);
            RK_FAIL_GOTO(done, RK_ERR_DATA, "%s:%lld: no line of a sweep: the file is damaged",
                         path, (long long)number);
        }
    }
done:
    rk__free(path);
    rk__free(text);
    return status;
}

static trial *find_trial(sweep *s, double number)
{
    for (int64_t i = 0; i < s->n; i++) {
        if ((double)s->trials[i].number == number) {
            return &s->trials[i];
        }
    }
    return NULL;
}

/* What a line says of its trial. */
static void take_line(sweep *s, json_t *line)
{
    const char *event = rk__page_text(line, "event");
    trial *t = find_trial(s, rk__page_number(line, "trial"));
    if (!event) {
        return;
    }
    if (strcmp(event, "asked") == 0 && !t) {
        s->trials[s->n++] = (trial){.number = (int64_t)rk__page_number(line, "trial"),
                                    .state = "begun",
                                    .value = (double)NAN,
                                    .epochs = (double)NAN,
                                    .options = rk__page_at(line, "options")};
    } else if (t && strcmp(event, "done") == 0) {
        t->state = rk__page_at(line, "same_as") ? "reused" : "done";
        t->value = rk__page_number(line, "value");
        t->epochs = rk__page_number(line, "epochs");
        t->seconds += rk__page_number(line, "seconds");
    } else if (t && strcmp(event, "failed") == 0) {
        t->state = "failed";
        t->why = rk__page_text(line, "why");
    } else if (t && strcmp(event, "pruned") == 0) {
        t->state = "pruned";
    }
}

static void take_reported(sweep *s, json_t *one)
{
    const char *state = rk__page_text(one, "state");
    s->trials[s->n++] = (trial){.number = (int64_t)rk__page_number(one, "trial"),
                                .state = state ? state : "",
                                .value = rk__page_number(one, "value"),
                                .epochs = rk__page_number(one, "epochs"),
                                .seconds = rk__page_number(one, "seconds"),
                                .options = rk__page_at(one, "options"),
                                .why = rk__page_text(one, "why")};
}

static bool is_better(const sweep *s, double a, double b)
{
    return !isnan(a) && (isnan(b) || (s->lower_is_better ? a < b : a > b));
}

static rk_status take_trials(sweep *s)
{
    json_t *list = s->report ? rk__page_at(s->report, "trials") : s->lines;
    const int64_t n = (int64_t)json_array_size(list);
    RK_TRY(rk__calloc(&s->trials, n, sizeof *s->trials, "the trials of a page"));
    for (int64_t i = 0; i < n; i++) {
        json_t *one = json_array_get(list, (size_t)i);
        if (s->report) {
            take_reported(s, one);
        } else {
            take_line(s, one);
        }
    }
    RK_TRY(rk__calloc(&s->values, s->n, sizeof *s->values, "the trials of a page"));
    RK_TRY(rk__calloc(&s->names, s->n, sizeof *s->names, "the trials of a page"));
    const double chosen = rk__page_number(s->report, "best.trial");
    s->best = -1;
    for (int64_t i = 0; i < s->n; i++) {
        const trial *t = &s->trials[i];
        s->values[i] = t->value;
        RK_TRY(rk__format(&s->names[i], "trial %lld: %.5g", (long long)t->number, t->value));
        if (isfinite(chosen)
                ? (double)t->number == chosen
                : is_better(s, t->value, s->best < 0 ? (double)NAN : s->trials[s->best].value)) {
            s->best = i;
        }
    }
    return RK_OK;
}

/* ---- options ---- */

static option *find_option(sweep *s, const char *key)
{
    for (int64_t i = 0; i < s->n_options; i++) {
        if (strcmp(s->options[i].key, key) == 0) {
            return &s->options[i];
        }
    }
    return NULL;
}

static rk_status add_option(sweep *s, const char *key)
{
    if (find_option(s, key)) {
        return RK_OK;
    }
    RK_TRY(rk__realloc(&s->options, s->n_options, s->n_options + 1, sizeof *s->options,
                       "the options of a sweep"));
    option *o = &s->options[s->n_options++];
    *o = (option){.key = key};
    RK_TRY(rk__alloc(&o->values, s->n, sizeof *o->values, "the options of a sweep"));
    for (int64_t i = 0; i < s->n; i++) {
        o->values[i] = (double)NAN;
    }
    return RK_OK;
}

/* The value as a text; room for numbers. */
static const char *text_of(const json_t *value, char room[32])
{
    if (json_is_string(value)) {
        return json_string_value(value);
    }
    if (json_is_number(value)) {
        snprintf(room, 32, "%.6g", json_number_value(value));
        return room;
    }
    return json_is_true(value) ? "true" : json_is_false(value) ? "false" : "?";
}

/* Beyond the places that there are, texts share the last one. */
static rk_status place_text(option *o, const char *text, double *out)
{
    for (int64_t i = 0; i < o->n_places; i++) {
        if (strcmp(o->places[i], text) == 0) {
            *out = (double)i;
            return RK_OK;
        }
    }
    if (o->n_places < MOST_PLACES) {
        RK_TRY(
            rk__strdup(&o->places[o->n_places], o->n_places == MOST_PLACES - 1 ? "others" : text));
        o->n_places++;
    }
    *out = (double)(o->n_places - 1);
    return RK_OK;
}

static rk_status fill_option(sweep *s, option *o)
{
    double least = INFINITY, most = -INFINITY;
    char room[32];
    for (int64_t i = 0; i < s->n; i++) {
        const json_t *value = json_object_get(s->trials[i].options, o->key);
        o->is_text = o->is_text || (value && !json_is_number(value));
    }
    for (int64_t i = 0; i < s->n; i++) {
        const json_t *value = json_object_get(s->trials[i].options, o->key);
        if (value && o->is_text) {
            RK_TRY(place_text(o, text_of(value, room), &o->values[i]));
        } else if (value) {
            o->values[i] = json_number_value(value);
            least = fmin(least, o->values[i]);
            most = fmax(most, o->values[i]);
        }
    }
    o->is_log = !o->is_text && least > 0 && (o->is_log || most / least >= 50);
    return RK_OK;
}

static rk_status take_options(sweep *s)
{
    json_t *list = rk__page_at(s->report, "options");
    for (size_t i = 0; i < json_array_size(list); i++) { /* in the order of the space */
        const char *key = rk__page_text(json_array_get(list, i), "key");
        const char *domain = rk__page_text(json_array_get(list, i), "domain");
        RK_TRY(key ? add_option(s, key) : RK_OK);
        if (key && domain && strcmp(domain, "log") == 0) {
            s->options[s->n_options - 1].is_log = true;
        }
    }
    for (int64_t i = 0; i < s->n; i++) {
        const char *key = NULL;
        json_t *value = NULL;
        json_object_foreach(s->trials[i].options, key, value)
        {
            RK_TRY(add_option(s, key));
        }
    }
    for (int64_t i = 0; i < s->n_options; i++) {
        RK_TRY(fill_option(s, &s->options[i]));
    }
    return RK_OK;
}

static rk_status read_sweep(sweep *s)
{
    char *path = NULL;
    rk_config *config = NULL;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__path_join(&path, s->folder, "report.json"));
    if (rk__file_exists(path)) {
        RK_TRY_GOTO(done, rk__page_json_read(path, &s->report));
    } else {
        RK_TRY_GOTO(done, read_lines(s->folder, &s->lines));
    }
    rk__free(path);
    path = NULL;
    RK_TRY_GOTO(done, rk__path_join(&path, s->folder, "config.yaml"));
    if (rk__file_exists(path)) {
        RK_TRY_GOTO(done, rk_config_load(&config, path));
        RK_TRY_GOTO(done, rk__page_run_take_config(&s->base, config));
    }
    s->metric = rk__page_text(s->report, "sweep.metric");
    s->metric = s->metric ? s->metric : rk__page_option(&s->base, "eval.metric");
    json_t *lower = rk__page_at(s->report, "sweep.lower_is_better");
    s->lower_is_better = lower ? json_is_true(lower)
                               : strncmp(s->metric, "filtered_mr@", 12) == 0 ||
                                     strstr(s->metric, "mse") || strstr(s->metric, "mae");
    RK_TRY_GOTO(done, take_trials(s));
    status = take_options(s);
done:
    rk__free(path);
    rk_config_free(config);
    return status;
}

static void free_sweep(sweep *s)
{
    for (int64_t i = 0; i < s->n_options; i++) {
        for (int64_t p = 0; p < s->options[i].n_places; p++) {
            rk__free(s->options[i].places[p]);
        }
        rk__free(s->options[i].values);
    }
    for (int64_t i = 0; s->names && i < s->n; i++) {
        rk__free(s->names[i]);
    }
    rk__free(s->names);
    rk__free(s->values);
    rk__free(s->options);
    rk__free(s->trials);
    rk__page_run_free(&s->base);
    json_decref(s->report);
    json_decref(s->lines);
}

/* ---- the sections ---- */

static void add_options_of(rk_buffer *out, const trial *t)
{
    const char *key = NULL;
    json_t *value = NULL;
    char room[32];
    bool is_first = true;
    json_object_foreach(t->options, key, value)
    {
        rk__buffer_add(out, is_first ? "" : ", ");
        rk__html_text(out, key);
        rk__buffer_add(out, "=");
        rk__html_text(out, text_of(value, room));
        is_first = false;
    }
}

/* Each of the best trials was trained with so many more; 0 = with none. */
static double final_seeds(const sweep *s)
{
    json_t *list = rk__page_at(s->report, "final");
    return json_array_size(list) > 0 ? rk__page_number(json_array_get(list, 0), "seeds") : 0;
}

static void add_counts(rk_buffer *out, const sweep *s)
{
    static const char *const states[] = {"done", "pruned", "reused", "failed", "begun"};
    const char *method = rk__page_text(s->report, "sweep.method");
    rk__buffer_add(out, "<p>");
    rk__html_text(out, method ? method : "");
    rk__buffer_add(out, "%s%lld trials", method ? ", " : "", (long long)s->n);
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        int64_t count = 0;
        for (int64_t t = 0; t < s->n; t++) {
            count += strcmp(s->trials[t].state, states[i]) == 0;
        }
        if (count > 0 && count < s->n) {
            rk__buffer_add(out, ", %lld %s", (long long)count, states[i]);
        }
    }
    const double seconds = rk__page_number(s->report, "sweep.seconds");
    if (isfinite(seconds)) {
        rk__buffer_add(out, ", ");
        rk__html_fixed(out, seconds, 1);
        rk__buffer_add(out, " s of training");
    }
    rk__buffer_add(out, "; by %s", final_seeds(s) > 0 ? "the mean " : "");
    rk__html_text(out, s->metric);
    if (final_seeds(s) > 0) {
        rk__buffer_add(out, " of %.0f other seeds", final_seeds(s));
    }
    rk__buffer_add(out, " on valid%s.</p>\n", s->lower_is_better ? ", less is better" : "");
    if (!s->report) {
        rk__buffer_add(out, "<p class=\"warning\">Not finished: the page shows the trials so "
                            "far.</p>\n");
    }
}

/* What the chosen trial came to: "test" or "test_errors". */
static void add_tested(rk_buffer *out, const sweep *s, const char *part)
{
    json_t *value = NULL;
    const char *name = NULL;
    char path[160];
    json_object_foreach(rk__page_at(s->report, part), name, value)
    {
        if (!json_is_number(value) || strcmp(name, "users") == 0 || strcmp(name, "seconds") == 0) {
            continue;
        }
        snprintf(path, sizeof path, "popularity.%.40s.%.80s", part, name);
        rk__buffer_add(out, "<tr>");
        rk__html_cell_text(out, "", name);
        rk__html_cell(out, "", json_number_value(value), 5);
        rk__html_cell(out, "", rk__page_number(s->report, path), 5);
        rk__buffer_add(out, "</tr>\n");
    }
}

static void add_best(rk_buffer *out, const sweep *s)
{
    if (s->best < 0) {
        rk__buffer_add(out, "<p>No trial has a value.</p>\n");
        return;
    }
    const trial *t = &s->trials[s->best];
    rk__buffer_add(out, "<div class=\"tiles\"><div class=\"tile\"><span>");
    rk__html_text(out, s->metric);
    rk__buffer_add(out, " on valid</span><b>");
    rk__html_fixed(out, t->value, 5);
    rk__buffer_add(out, "</b><span>trial %lld</span></div></div>\n<p><code>", (long long)t->number);
    add_options_of(out, t);
    rk__buffer_add(out, "</code></p>\n");
    if (!json_is_object(rk__page_at(s->report, "test"))) {
        return;
    }
    rk__html_table_begin(out, "metrics");
    rk__buffer_add(out, "<tr><th>on test%s</th><th>chosen trial</th><th>popularity</th></tr>\n",
                   final_seeds(s) > 0 ? ", mean of the seeds" : "");
    add_tested(out, s, s->lower_is_better ? "test_errors" : "test"); /* what was chosen by first */
    add_tested(out, s, s->lower_is_better ? "test" : "test_errors");
    rk__html_table_end(out);
}

static void add_final(rk_buffer *out, const sweep *s)
{
    json_t *list = rk__page_at(s->report, "final");
    if (json_array_size(list) == 0) {
        return;
    }
    rk__buffer_add(out, "<h3>The best again, with other seeds</h3>\n");
    rk__html_table_begin(out, "final");
    rk__buffer_add(out, "<tr><th>trial</th><th>seeds</th><th>mean</th><th>standard "
                        "deviation</th></tr>\n");
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *one = json_array_get(list, i);
        const double number = rk__page_number(one, "trial");
        const bool is_chosen = s->best >= 0 && number == (double)s->trials[s->best].number;
        rk__buffer_add(out, "<tr%s><td>%.0f</td>", is_chosen ? " class=\"watched\"" : "", number);
        rk__html_cell(out, "", rk__page_number(one, "seeds"), 0);
        rk__html_cell(out, "", rk__page_number(one, "mean"), 5);
        rk__html_cell(out, "", rk__page_number(one, "sd"), 5);
        rk__buffer_add(out, "</tr>\n");
    }
    rk__html_table_end(out);
}

static rk_status add_pictures(rk_buffer *out, const sweep *s)
{
    rk_parallel_axis *axes = NULL;
    RK_TRY(rk__calloc(&axes, s->n_options + 1, sizeof *axes, "the axes of a picture"));
    for (int64_t i = 0; i < s->n_options; i++) {
        const option *o = &s->options[i];
        axes[i] = (rk_parallel_axis){.name = o->key,
                                     .values = o->values,
                                     .is_log = o->is_log,
                                     .places = o->is_text ? (const char *const *)o->places : NULL,
                                     .n_places = o->n_places};
    }
    axes[s->n_options] = (rk_parallel_axis){.name = s->metric, .values = s->values};
    rk__buffer_add(out, "<h2 id=\"picture\">All trials at once</h2>\n");
    rk__parallel_add(out, &(rk_parallel){.title = "A line a trial, from its options to its value",
                                         .axes = axes,
                                         .n_axes = s->n_options + 1,
                                         .n = s->n,
                                         .names = (const char *const *)s->names,
                                         .best = s->best,
                                         .lower_is_better = s->lower_is_better});
    rk__buffer_add(out, "<h2 id=\"options\">Option by option</h2>\n<div class=\"pair\">\n");
    for (int64_t i = 0; i < s->n_options; i++) {
        const option *o = &s->options[i];
        rk__scatter_add(out, &(rk_scatter){.title = o->key,
                                           .x_label = o->key,
                                           .y_label = s->metric,
                                           .x = o->values,
                                           .y = s->values,
                                           .names = (const char *const *)s->names,
                                           .n = s->n,
                                           .best = s->best,
                                           .is_log = o->is_log,
                                           .places = axes[i].places,
                                           .n_places = o->n_places});
    }
    rk__buffer_add(out, "</div>\n");
    rk__free(axes);
    return RK_OK;
}

static void add_row(rk_buffer *out, const sweep *s, const trial *t)
{
    char room[32];
    const bool is_best = s->best >= 0 && t == &s->trials[s->best];
    rk__buffer_add(out, is_best ? "<tr class=\"watched\"><td>%lld</td>" : "<tr><td>%lld</td>",
                   (long long)t->number);
    rk__html_cell(out, "", t->value, 5);
    rk__html_cell_text(out, "left", t->state);
    rk__html_cell(out, "", t->epochs, 0);
    rk__html_cell(out, "", t->seconds, 1);
    for (int64_t o = 0; o < s->n_options; o++) {
        const json_t *value = json_object_get(t->options, s->options[o].key);
        rk__html_cell_text(out, json_is_string(value) ? "value" : "",
                           value ? text_of(value, room) : "-");
    }
    rk__html_cell_text(out, "left value", t->why ? t->why : "");
    rk__buffer_add(out, "</tr>\n");
}

/* For sorting: NaN last; the sign is that of what is better. */
typedef struct ranked {
    double value;
    int64_t place;
} ranked;

static int by_value(const void *left, const void *right)
{
    const ranked *a = left, *b = right;
    if (isnan(a->value) || isnan(b->value)) {
        return isnan(a->value) != isnan(b->value) ? (isnan(a->value) ? 1 : -1)
                                                  : (a->place > b->place) - (a->place < b->place);
    }
    return a->value != b->value ? (a->value < b->value) - (a->value > b->value)
                                : (a->place > b->place) - (a->place < b->place);
}

static rk_status add_table(rk_buffer *out, const sweep *s)
{
    ranked *order = NULL;
    RK_TRY(rk__alloc(&order, s->n, sizeof *order, "the order of trials"));
    for (int64_t i = 0; i < s->n; i++) {
        order[i] = (ranked){s->lower_is_better ? -s->values[i] : s->values[i], i};
    }
    if (s->n > 0) {
        qsort(order, (size_t)s->n, sizeof *order, by_value);
    }
    rk__buffer_add(out, "<h2 id=\"trials\">Trials, the best first</h2>\n");
    if (s->n > MOST_SHOWN) {
        rk__buffer_add(out, "<p>The best %d of %lld; all of them are in trials.csv.</p>\n",
                       (int)MOST_SHOWN, (long long)s->n);
    }
    rk__html_table_begin(out, "trials");
    rk__buffer_add(out, "<tr><th>trial</th><th>");
    rk__html_text(out, s->metric);
    rk__buffer_add(out, "</th><th class=\"left\">state</th><th>epochs</th><th>seconds</th>");
    for (int64_t o = 0; o < s->n_options; o++) {
        rk__buffer_add(out, "<th>");
        rk__html_text(out, s->options[o].key);
        rk__buffer_add(out, "</th>");
    }
    rk__buffer_add(out, "<th></th></tr>\n");
    for (int64_t i = 0; i < s->n && i < MOST_SHOWN; i++) {
        add_row(out, s, &s->trials[order[i].place]);
    }
    rk__html_table_end(out);
    rk__free(order);
    return RK_OK;
}

rk_status rk__page_of_sweep(const char *folder, char **out)
{
    sweep s = {.folder = folder};
    rk_buffer buffer = {0};
    rk_status status = read_sweep(&s);
    RK_TRY_GOTO(done, status);
    rk__buffer_add(&buffer,
                   "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta "
                   "name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                   "<title>Sweep on ");
    rk__html_text(&buffer, rk__page_option(&s.base, "data.name"));
    rk__buffer_add(&buffer,
                   "</title>\n<style>\n%s</style></head><body>\n<h1>Sweep: ", rk__html_style);
    rk__html_text(&buffer, rk__page_option(&s.base, "model.kind"));
    rk__buffer_add(&buffer, " on ");
    rk__html_text(&buffer, rk__page_option(&s.base, "data.name"));
    rk__buffer_add(&buffer, "</h1>\n");
    add_counts(&buffer, &s);
    add_best(&buffer, &s);
    add_final(&buffer, &s);
    RK_TRY_GOTO(done, add_pictures(&buffer, &s));
    RK_TRY_GOTO(done, add_table(&buffer, &s));
    if (s.base.config) {
        rk__buffer_add(&buffer, "<details><summary>config.yaml, which the trials change</summary>"
                                "<pre>");
        rk__html_text(&buffer, s.base.config);
        rk__buffer_add(&buffer, "</pre></details>\n");
    }
    rk__buffer_add(&buffer, "</body></html>\n");
    status = rk__buffer_take(&buffer, out);
done:
    rk__buffer_free(&buffer);
    free_sweep(&s);
    return status;
}
