#include "serve/run.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "rankine/report.h"
#include "serve/memory.h"
#include "serve/reply.h"

enum {
    CHUNK = 1 << 20, /* elements of a tensor that are looked at together */
    TESTED = 10,     /* users that a run is tested with, and items that each gets */
};

/* The sentence of a failure that is the service's own. */
static rk_status RK_PRINTF(3, 4) fail(char *why, rk_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, SERVE_WHY, format, arguments);
    va_end(arguments);
    return status;
}

/* That of the library's last one. */
static rk_status fail_as_library(char *why, rk_status status)
{
    snprintf(why, SERVE_WHY, "%s", rk_last_error());
    return status;
}

static rk_status fail_memory(char *why, const serve_world_options *o)
{
    return fail(why, RK_ERR_MEMORY, "there is not enough memory to serve %s", o->run);
}

/* ---- what is counted ---- */

static int by_count(const void *left, const void *right, void *counts_)
{
    const int32_t *counts = counts_, a = *(const int32_t *)left, b = *(const int32_t *)right;
    return counts[a] != counts[b] ? (counts[a] < counts[b] ? 1 : -1) : (a > b) - (a < b);
}

static rk_status count_users(serve_run *r, const serve_world_options *o, char *why)
{
    const int64_t n = r->facts.items;
    r->counts = serve_alloc(n, sizeof *r->counts);
    r->popular = serve_alloc(n, sizeof *r->popular);
    if (!r->counts || !r->popular) {
        return fail_memory(why, o);
    }
    for (int64_t user = 0; user < r->facts.users; user++) {
        const int32_t *items = NULL;
        int64_t count = 0;
        if (rk_dataset_items(r->dataset, RK_TRAIN, user, &items, &count) == RK_OK) {
            for (int64_t i = 0; i < count; i++) {
                r->counts[items[i]]++;
            }
        }
    }
    for (int64_t i = 0; i < n; i++) {
        r->popular[i] = (int32_t)i;
        r->n_trained += r->counts[i] > 0;
    }
    qsort_r(r->popular, (size_t)n, sizeof *r->popular, by_count, r->counts);
    return RK_OK;
}

/* ---- what it is ---- */

/* {"recall@20": 0.18, ...} of the report's numbers on test. */
static void take_metrics(serve_run *r, const char *run)
{
    static const char part[] = "test.";
    rk_report *report = NULL;
    text_json j = serve_json(&r->metrics);
    text_json_open(&j, '{');
    if (rk_report_open(run, &report) == RK_OK) {
        for (int64_t i = 0; i < rk_report_count(report); i++) {
            const char *path = rk_report_path(report, i);
            const double value = rk_report_number(report, path);
            const char *name = path + strlen(part);
            bool is_one = strncmp(path, part, strlen(part)) == 0 && !strchr(name, '.') &&
                          strcmp(name, "users") != 0 && strcmp(name, "seconds") != 0;
            if (is_one && isfinite(value)) {
                text_json_key(&j, name);
                text_json_real(&j, value);
            }
        }
    }
    text_json_close(&j, '}');
    if (r->metrics.length > 0 && r->metrics.at[r->metrics.length - 1] == '\n') {
        r->metrics.at[--r->metrics.length] = '\0';
    }
    rk_report_free(report);
}

static void take_time(serve_run *r)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    r->loaded = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    strftime(r->loaded_at, sizeof r->loaded_at, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now.tv_sec, &utc));
}

/* ---- the test of itself ---- */

static rk_status check_tensor(const serve_run *r, const rk_tensor_info *t, float *room,
                              const serve_world_options *o, char *why)
{
    const int64_t at_once = t->cols > 0 && t->cols < CHUNK ? CHUNK / t->cols : 1;
    for (int64_t first = 0; first < t->rows; first += at_once) {
        const int64_t n = t->rows - first < at_once ? t->rows - first : at_once;
        const rk_status status = rk_model_read_tensor(r->model, t->name, first, n, room,
                                                      n * t->cols * (int64_t)sizeof *room);
        if (status != RK_OK) {
            return fail_as_library(why, status);
        }
        for (int64_t i = 0; i < n * t->cols; i++) {
            if (!isfinite(room[i])) {
                return fail(why, RK_ERR_DATA,
                            "%s: row %lld of %s holds %g, so the model is broken: train it again",
                            o->run, (long long)(first + i / t->cols), t->name, (double)room[i]);
            }
        }
    }
    return RK_OK;
}

static rk_status check_tensors(const serve_run *r, const serve_world_options *o, char *why)
{
    rk_status status = RK_OK;
    for (int64_t i = 0; i < r->facts.tensors && status == RK_OK; i++) {
        rk_tensor_info t;
        status = rk_model_tensor_info(r->model, i, &t);
        if (status != RK_OK) {
            return fail_as_library(why, status);
        }
        if (t.type == RK_TENSOR_F32) {
            float *room = serve_alloc(t.cols < CHUNK ? CHUNK : t.cols, sizeof *room);
            status = room ? check_tensor(r, &t, room, o, why) : fail_memory(why, o);
            serve_free(room);
        }
    }
    return status;
}

static rk_status check_answer(const serve_run *r, const rk_recommendation *best, int64_t n,
                              const serve_world_options *o, char *why)
{
    for (int64_t i = 0; i < n && best[i].item >= 0; i++) {
        char room[RK_ID_BYTES];
        const char *id = rk_dataset_item_id(r->dataset, best[i].item, room);
        int64_t found = -1;
        if (!id || rk_dataset_find_item(r->dataset, id, &found) != RK_OK || found != best[i].item ||
            !isfinite(best[i].score)) {
            return fail(why, RK_ERR_DATA,
                        "%s answers a question with item %d (id %s) and the score %g, so the run "
                        "is broken: train it again",
                        o->run, best[i].item, id ? id : "none", (double)best[i].score);
        }
    }
    return RK_OK;
}

static rk_status ask(const serve_run *r, const rk_query *queries, int64_t n, int64_t k,
                     const serve_world_options *o, char *why)
{
    rk_recommendation best[TESTED * TESTED];
    const rk_status status = rk_model_top_k(r->model, queries, n, NULL, k, best);
    return status == RK_OK ? check_answer(r, best, n * k, o, why) : fail_as_library(why, status);
}

static rk_status ask_alone_and_together(const serve_run *r, const rk_query *query,
                                        const serve_world_options *o, char *why)
{
    const rk_query two[] = {*query, *query};
    const rk_status status = ask(r, two, 1, TESTED, o, why);
    return status == RK_OK ? ask(r, two, 2, TESTED, o, why) : status;
}

static rk_status check_users(const serve_run *r, const rk_query *nobody,
                             const serve_world_options *o, char *why)
{
    const int64_t n = r->facts.users, tested = n < TESTED ? n : TESTED;
    rk_query users[TESTED];
    for (int64_t i = 0; i < tested; i++) {
        users[i] = *nobody;
        users[i].user = i * n / tested;
    }
    const rk_status status = ask(r, users, 1, 1, o, why);
    return status == RK_OK ? ask(r, users, tested, TESTED, o, why) : status;
}

/* Somebody who has the most popular item, somebody unknown, and that item. */
static rk_status check_others(serve_run *r, const rk_query *nobody, const serve_world_options *o,
                              char *why)
{
    const int32_t popular = r->popular[0];
    const float most = (float)r->facts.high;
    rk_recommendation like[TESTED];
    rk_query list = *nobody;
    list.items = &popular;
    list.weights = r->facts.predicts_ratings ? &most : NULL;
    list.n_items = 1;
    rk_status status = r->facts.folds_in ? ask_alone_and_together(r, &list, o, why) : RK_OK;
    if (status == RK_OK) {
        status = ask_alone_and_together(r, nobody, o, why);
        r->answers_nobody = status == RK_OK;
        status = status == RK_ERR_CONFIG ? RK_OK : status;
    }
    if (status == RK_OK && r->facts.finds_similar) {
        status = rk_model_similar(r->model, &popular, 1, NULL, TESTED, like);
        status =
            status == RK_OK ? check_answer(r, like, TESTED, o, why) : fail_as_library(why, status);
    }
    return status;
}

/* What is asked for the first time makes its program: nobody has to wait for that later. */
static rk_status check_answers(serve_run *r, const serve_world_options *o, char *why)
{
    const int64_t n_fields = rk_model_n_fields(r->model);
    int32_t *context = serve_alloc(n_fields, sizeof *context);
    if (!context) {
        return fail_memory(why, o);
    }
    for (int64_t f = 0; f < n_fields; f++) {
        context[f] = -1;
    }
    const rk_query nobody = {.user = -1, .context = context, .n_context = n_fields};
    rk_status status = check_users(r, &nobody, o, why);
    status = status == RK_OK ? check_others(r, &nobody, o, why) : status;
    serve_free(context);
    return status;
}

/* ---- life ---- */

/* A folder with a config of its own is one run; it is finished when its report is there, which is
 * written last. */
static rk_status check_finished(const serve_world_options *o, char *why)
{
    const size_t room = strlen(o->run) + 32;
    char *path = serve_alloc((int64_t)room, 1);
    struct stat info;
    if (!path) {
        return fail_memory(why, o);
    }
    snprintf(path, room, "%s/config.yaml", o->run);
    bool is_run = stat(path, &info) == 0;
    snprintf(path, room, "%s/report.json", o->run);
    bool is_unfinished = is_run && stat(path, &info) != 0;
    serve_free(path);
    return !is_unfinished
               ? RK_OK
               : fail(why, RK_ERR_IO,
                      "%s is not finished, it has no report.json yet: let it go on (rankine train "
                      "--run %s --resume), or serve another run",
                      o->run, o->run);
}

static rk_status open_labels(serve_run *r, char *why)
{
    const rk_status status = rk_label_index_create(r->dataset, &r->labels);
    if (status == RK_ERR_DATA) { /* there are no labels: items are found by their ids */
        r->labels = NULL;
        return RK_OK;
    }
    return status == RK_OK ? RK_OK : fail_as_library(why, status);
}

static rk_status open_model(serve_run *r, const serve_world_options *o, const rk_hooks *hooks,
                            char *why)
{
    const rk_lsh_options how = {.planes = o->planes};
    rk_status status = rk_model_open(o->run, o->device, o->data, hooks, &r->model);
    if (status != RK_OK) {
        return fail_as_library(why, status);
    }
    r->dataset = rk_model_dataset(r->model);
    r->facts = rk_model_get_facts(r->model);
    if (r->facts.items == 0 || r->facts.users == 0) {
        return fail(why, RK_ERR_DATA, "%s has no users or no items: nothing can be asked", o->run);
    }
    if (o->approximate) {
        status = rk_lsh_of_model(r->model, &how, &r->index);
        r->probes = o->probes;
    }
    return status == RK_OK ? RK_OK : fail_as_library(why, status);
}

rk_status serve_run_open(const serve_world_options *o, const rk_hooks *hooks, serve_run **out,
                         char *why)
{
    serve_run *r = serve_alloc(1, sizeof *r);
    rk_status status = r ? check_finished(o, why) : fail_memory(why, o);
    status = status == RK_OK ? open_model(r, o, hooks, why) : status;
    status = status == RK_OK ? count_users(r, o, why) : status;
    status = status == RK_OK ? open_labels(r, why) : status;
    status = status == RK_OK ? check_tensors(r, o, why) : status;
    status = status == RK_OK ? check_answers(r, o, why) : status;
    if (status == RK_OK) {
        take_metrics(r, o->run);
        take_time(r);
        status = r->metrics.has_failed ? fail_memory(why, o) : RK_OK;
    }
    if (status != RK_OK) {
        serve_run_free(r);
        return status;
    }
    r->holders = 1;
    *out = r;
    return RK_OK;
}

void serve_run_free(serve_run *r)
{
    if (r) {
        rk_lsh_free(r->index);
        rk_label_index_free(r->labels);
        rk_model_free(r->model);
        serve_free(r->counts);
        serve_free(r->popular);
        serve_text_free(&r->metrics);
        serve_free(r);
    }
}
