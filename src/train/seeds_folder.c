#include "train/seeds_folder.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/file.h"
#include "base/parse.h"
#include "rankine/report.h"
#include "train/run_folder.h"

#define PREFIX "seed-"

typedef struct members {
    int64_t *seeds; /* n, ascending; owned */
    int64_t n, capacity;
} members;

static int ascending(const void *left, const void *right)
{
    const int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

bool rk__seeds_folder_member(const char *name, int64_t *out_seed)
{
    const size_t length = strlen(PREFIX);
    return strncmp(name, PREFIX, length) == 0 &&
           rk__parse_int(name + length, strlen(name + length), out_seed) == RK_PARSE_OK;
}

static rk_status add_member(members *m, const char *name)
{
    int64_t seed = 0;
    if (!rk__seeds_folder_member(name, &seed)) {
        return RK_OK;
    }
    if (m->n == m->capacity) {
        int64_t capacity = 2 * m->capacity + 8;
        RK_TRY(rk__realloc(&m->seeds, m->n, capacity, sizeof *m->seeds, "the seeds of a folder"));
        m->capacity = capacity;
    }
    m->seeds[m->n++] = seed;
    return RK_OK;
}

/* None of a path that is no folder of seeds. */
static rk_status find_members(const char *folder, members *out)
{
    bool is_run = false, has_config = false;
    rk_status status = RK_OK;
    *out = (members){0};
    RK_TRY(rk__folder_has(folder, RK_FILE_ENVIRONMENT, &is_run));
    RK_TRY(rk__folder_has(folder, RK_FILE_CONFIG, &has_config));
    DIR *directory = !is_run && has_config ? opendir(folder) : NULL;
    for (struct dirent *entry; directory && status == RK_OK && (entry = readdir(directory));) {
        status = add_member(out, entry->d_name);
    }
    if (directory) {
        closedir(directory);
    }
    if (out->n > 0) {
        qsort(out->seeds, (size_t)out->n, sizeof *out->seeds, ascending);
    }
    return status;
}

/* The value that the run was chosen by; NaN where it is not finished or was never checked. what:
 * "ndcg@10 on valid", to be freed; NULL if there is none. */
static rk_status value_of(const char *folder, int64_t seed, double *out, char **out_what)
{
    rk_report *report = NULL;
    char *path = NULL;
    rk_status status = RK_OK;
    bool finished = false;
    *out = (double)NAN;
    RK_TRY(rk__format(&path, "%s/" PREFIX "%lld", folder, (long long)seed));
    RK_TRY_GOTO(done, rk__folder_has(path, RK_FILE_REPORT, &finished));
    if (finished) {
        RK_TRY_GOTO(done, rk_report_open(path, &report));
        const char *by = rk_report_text(report, "chosen.by");
        *out = rk_report_number(report, "chosen.value");
        if (!*out_what && by && !isnan(*out)) {
            status = rk__strdup(out_what, by);
        }
    }
done:
    rk_report_free(report);
    rk__free(path);
    return status;
}

static rk_status fail_none(const char *folder, const members *m)
{
    enum { SHOWN = 8 };
    rk_buffer names = {0};
    for (int64_t i = 0; i < m->n && i < SHOWN; i++) {
        rk__buffer_add(&names, "%s%s/" PREFIX "%lld", i > 0 ? ", " : "", folder,
                       (long long)m->seeds[i]);
    }
    rk_status status = names.status;
    if (status == RK_OK) {
        status = rk__fail(RK_ERR_CONFIG, __FILE__, __LINE__, __func__,
                          "%s holds runs with %lld seeds, and none of them is known to be the best "
                          "(they are not finished, or were not checked while training): name one, "
                          "%s%s",
                          folder, (long long)m->n, names.at, m->n > SHOWN ? " ..." : "");
    }
    rk__buffer_free(&names);
    return status;
}

static void tell(const rk_hooks *hooks, const char *folder, const members *m, const char *best,
                 const char *what, double value)
{
    char *text = NULL;
    if (hooks && hooks->log &&
        rk__format(&text, "%s holds runs with %lld seeds: %s is taken, the best by %s (%.5f)",
                   folder, (long long)m->n, best, what ? what : "its metric", value) == RK_OK) {
        hooks->log(hooks->user, RK_LOG_INFO, text);
        rk__free(text);
    }
}

rk_status rk__sweep_folder_choose(const char *path, char **out)
{
    bool is_sweep = false, has_best = false;
    RK_TRY(rk__folder_has(path, "sweep.yaml", &is_sweep));
    RK_TRY(rk__folder_has(path, "best", &has_best));
    if (is_sweep && !has_best) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s is a sweep that is not finished: go on with it by sweep --run %s --resume, or "
                "name one of its trials, %s/trial-0001 ...",
                path, path, path);
    }
    return is_sweep ? rk__path_join(out, path, "best") : rk__strdup(out, path);
}

rk_status rk__seeds_folder_choose(const char *of, const rk_hooks *hooks, char **out)
{
    char *path = NULL;
    members m = {0};
    int64_t best = -1;
    double best_value = (double)NAN;
    char *what = NULL;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__sweep_folder_choose(of, &path));
    RK_TRY_GOTO(done, find_members(path, &m));
    if (m.n == 0) {
        status = rk__strdup(out, path);
        goto done;
    }
    for (int64_t i = 0; i < m.n; i++) {
        double value;
        RK_TRY_GOTO(done, value_of(path, m.seeds[i], &value, &what));
        if (!isnan(value) && !(value <= best_value)) {
            best = m.seeds[i];
            best_value = value;
        }
    }
    if (best < 0) {
        status = fail_none(path, &m);
        goto done;
    }
    RK_TRY_GOTO(done, rk__format(out, "%s/" PREFIX "%lld", path, (long long)best));
    tell(hooks, path, &m, *out, what, best_value);
done:
    rk__free(m.seeds);
    rk__free(what);
    rk__free(path);
    return status;
}
