/* What a sweep was asked: sweep.yaml and config.yaml, written first, compared when it goes on. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/parse.h"
#include "base/rating_error.h"
#include "config/schema.h"
#include "sweep/internal.h"
#include "train/run_folder.h"

enum { DEFAULT_TRIALS = 20, MOST_TRIALS = 100000 };

static const char *const method_names[] = {"grid", "random", "halving", "tpe"};
enum { METHODS = sizeof method_names / sizeof method_names[0] };

const char *rk_sweep_method_name(rk_sweep_method method)
{
    return (unsigned)method < METHODS ? method_names[method] : NULL;
}

/* What sweep.yaml says. */
typedef struct asked {
    rk_sweep_method method;
    int64_t trials, seed; /* trials 0 = all of a grid */
    char data[17];        /* fingerprint of the first trial's data set; "" = not said */
    rk_space space;
} asked;

static rk_status read_asked(rk_sweep_run *s, asked *out)
{
    rk_status status = RK_OK;
    rk_yaml yaml = {0};
    char *path = NULL, *text = NULL;
    int64_t length = 0;
    bool has_method = false, has_trials = false, has_seed = false, has_space = false;
    *out = (asked){.trials = 0};
    RK_TRY_GOTO(done, rk__path_join(&path, s->folder, RK_FILE_SWEEP));
    RK_TRY_GOTO(done, rk__file_read(path, &text, &length));
    RK_TRY_GOTO(done, rk__yaml_parse(&yaml, path, true, text, length));
    const yaml_node_t *root = rk__yaml_root(&yaml);
    const bool is_map = root && root->type == YAML_MAPPING_NODE;
    for (const yaml_node_pair_t *pair = is_map ? root->data.mapping.pairs.start : NULL;
         pair && pair < root->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = rk__yaml_node(&yaml, pair->key);
        const yaml_node_t *value = rk__yaml_node(&yaml, pair->value);
        const char *name =
            key->type == YAML_SCALAR_NODE ? (const char *)key->data.scalar.value : "";
        const bool is_scalar = value->type == YAML_SCALAR_NODE;
        const char *word = is_scalar ? (const char *)value->data.scalar.value : "";
        if (strcmp(name, "space") == 0) {
            RK_TRY_GOTO(done, rk__space_of_node(&out->space, &yaml, value, path, s->config));
            has_space = true;
        } else if (strcmp(name, "trials") == 0) {
            has_trials = rk__parse_int(word, strlen(word), &out->trials) == RK_PARSE_OK;
        } else if (strcmp(name, "seed") == 0) {
            has_seed = rk__parse_int(word, strlen(word), &out->seed) == RK_PARSE_OK;
        } else if (strcmp(name, "data") == 0) {
            snprintf(out->data, sizeof out->data, "%.16s", word);
        } else if (strcmp(name, "method") == 0) {
            for (int m = 0; m < METHODS; m++) {
                if (strcmp(word, method_names[m]) == 0) {
                    out->method = (rk_sweep_method)m;
                    has_method = true;
                }
            }
        }
    }
    if (!has_method || !has_trials || !has_seed || !has_space || out->trials < 0 ||
        out->trials > MOST_TRIALS || out->seed < 0) {
        RK_FAIL_GOTO(done, RK_ERR_DATA,
                     "%s is damaged: it does not say method, trials, seed and space", path);
    }
done:
    rk__yaml_free(&yaml);
    rk__free(text);
    rk__free(path);
    return status;
}

/* ---- the folder ---- */

/* What is there of a sweep that was killed before it had said what it was asked. */
static bool is_of_beginning(const char *name)
{
    static const char *const names[] = {".", "..", RK_FILE_CONFIG, RK_FILE_CONFIG ".tmp",
                                        RK_FILE_SWEEP ".tmp"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static rk_status look(const char *folder, bool *out_any, bool *out_is_sweep)
{
    DIR *directory = opendir(folder);
    if (!directory) {
        RK_FAIL(RK_ERR_IO, "the folder %s cannot be read: %s", folder, strerror(errno));
    }
    *out_any = *out_is_sweep = false;
    for (struct dirent *at; (at = readdir(directory));) {
        const char *name = at->d_name;
        *out_any = *out_any || !is_of_beginning(name);
        *out_is_sweep = *out_is_sweep || strcmp(name, RK_FILE_SWEEP) == 0;
    }
    closedir(directory);
    return RK_OK;
}

static rk_status check_folder(const rk_sweep_run *s, bool *out_goes_on)
{
    bool any = false, is_sweep = false;
    RK_TRY(look(s->folder, &any, &is_sweep));
    *out_goes_on = is_sweep;
    if (s->how->resume && !is_sweep) {
        RK_FAIL(RK_ERR_CONFIG, "there is nothing to resume: %s holds no sweep", s->folder);
    }
    if (is_sweep && !s->how->resume) {
        RK_FAIL(RK_ERR_CONFIG,
                "the folder %s holds a sweep already; resume goes on with it, or name another "
                "folder",
                s->folder);
    }
    if (any && !is_sweep) {
        RK_FAIL(RK_ERR_CONFIG,
                "the folder %s is not empty and holds no sweep, so it is left alone; name another "
                "one",
                s->folder);
    }
    return RK_OK;
}

/* ---- the same as before? ---- */

/* The first option that is another one than in config.yaml. */
static rk_status compare_config(const rk_sweep_run *s)
{
    rk_status status = RK_OK;
    char *path = NULL, *before = NULL, *now = NULL;
    rk_config *old = NULL;
    int64_t n_rows = 0;
    const rk_option *rows = rk__option_rows(&n_rows);
    RK_TRY_GOTO(done, rk__path_join(&path, s->folder, RK_FILE_CONFIG));
    RK_TRY_GOTO(done, rk_config_load(&old, path));
    RK_TRY_GOTO(done, rk_config_text(old, false, &before));
    RK_TRY_GOTO(done, rk_config_text(s->config, false, &now));
    if (strcmp(before, now) == 0) {
        goto done;
    }
    for (int64_t i = 0; i < n_rows; i++) {
        const char *then = NULL, *today = NULL;
        char key[96];
        snprintf(key, sizeof key, "%s.%s", rows[i].section, rows[i].key);
        RK_TRY_GOTO(done, rk_config_get(old, key, &then));
        RK_TRY_GOTO(done, rk_config_get(s->config, key, &today));
        if (strcmp(then, today) != 0) {
            RK_FAIL_GOTO(done, RK_ERR_CONFIG,
                         "%s was %s when the sweep in %s began and is %s now: its trials could not "
                         "be compared; put it back, or begin another sweep",
                         key, then, s->folder, today);
        }
    }
    RK_FAIL_GOTO(done, RK_ERR_CONFIG,
                 "data.sources, relations or features are not as they were when the sweep in %s "
                 "began; put them back, or begin another sweep",
                 s->folder);
done:
    rk_string_free(before);
    rk_string_free(now);
    rk_config_free(old);
    rk__free(path);
    return status;
}

/* The first line of the space that is another one. */
static rk_status compare_spaces(const rk_sweep_run *s, const rk_space *before, const rk_space *now)
{
    rk_buffer old = {0}, fresh = {0};
    rk_status status = RK_OK;
    rk__space_print(before, "", &old);
    rk__space_print(now, "", &fresh);
    RK_TRY_GOTO(done, old.status);
    RK_TRY_GOTO(done, fresh.status);
    const char *a = old.at, *b = fresh.at;
    while (*a && *b && strcspn(a, "\n") == strcspn(b, "\n") &&
           strncmp(a, b, strcspn(a, "\n")) == 0) {
        a += strcspn(a, "\n") + 1;
        b += strcspn(b, "\n") + 1;
    }
    if (*a || *b) {
        const int longest = 200;
        int n = (int)strcspn(a, "\n"), m = (int)strcspn(b, "\n");
        RK_FAIL_GOTO(done, RK_ERR_CONFIG,
                     "the space of the sweep in %s has '%.*s' where this one has '%.*s': a sweep "
                     "goes on with its own space; begin another sweep",
                     s->folder, n < longest ? n : longest, *a ? a : "nothing",
                     m < longest ? m : longest, *b ? b : "nothing");
    }
done:
    rk__buffer_free(&old);
    rk__buffer_free(&fresh);
    return status;
}

static rk_status compare_asked(const rk_sweep_run *s, const asked *before, const asked *now)
{
    if (before->method != now->method) {
        RK_FAIL(RK_ERR_CONFIG, "the sweep in %s is by %s, not %s: begin another one", s->folder,
                method_names[before->method], method_names[now->method]);
    }
    if (before->seed != now->seed) {
        RK_FAIL(RK_ERR_CONFIG, "the seed of the sweep in %s is %lld, not %lld: begin another one",
                s->folder, (long long)before->seed, (long long)now->seed);
    }
    const bool is_less = now->trials > 0 && (before->trials == 0 || now->trials < before->trials);
    const bool is_fixed = before->method == RK_SWEEP_HALVING && now->trials != before->trials;
    if (is_less || is_fixed) {
        RK_FAIL(RK_ERR_CONFIG, "the sweep in %s has %lld trials%s: %s; begin another one",
                s->folder, (long long)before->trials, before->trials == 0 ? " (0 = all)" : "",
                is_fixed ? "how halving goes depends on their number, so it stays as it is"
                         : "their number may only grow");
    }
    if (before->data[0] && !s->how->dataset && rk__config_options(s->config)->n_sources == 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "the sweep in %s was given its data set, which no file has: give it again",
                s->folder);
    }
    return compare_spaces(s, &before->space, &now->space);
}

rk_status rk__sweep_compare_data(const rk_sweep_run *s)
{
    if (s->data_before[0] && strcmp(s->data_before, s->fingerprint) != 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "the sweep in %s began on a data set with fingerprint %s, this one has %s: its "
                "trials could not be compared; give the same data, or begin another sweep",
                s->folder, s->data_before, s->fingerprint);
    }
    return RK_OK;
}

/* ---- together ---- */

static rk_status check_asked(const asked *a)
{
    if (a->trials < 0 || a->trials > MOST_TRIALS) {
        RK_FAIL(RK_ERR_CONFIG, "%lld trials: take 1 to %d", (long long)a->trials, MOST_TRIALS);
    }
    return RK_OK;
}

rk_status rk__sweep_settle(rk_sweep_run *s)
{
    const rk_sweep_options *how = s->how;
    const int64_t run_seed = rk__config_options(s->config)->run.seed;
    asked now = {.method = how->method, .trials = how->trials}, before = {.trials = 0};
    bool goes_on = false;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, check_folder(s, &goes_on));
    RK_TRY_GOTO(done, goes_on ? compare_config(s) : RK_OK);
    RK_TRY_GOTO(done, goes_on ? read_asked(s, &before) : RK_OK);
    now.seed = how->seed >= 0 ? how->seed : goes_on && !how->space ? before.seed : run_seed;
    if (how->space) {
        RK_TRY_GOTO(done, rk__space_read(&now.space, how->space, s->config));
    } else if (goes_on) {
        now.method = before.method;
        now.space = before.space;
        before.space = (rk_space){0};
    } else {
        RK_FAIL_GOTO(done, RK_ERR_CONFIG, "no file with the space of the sweep is named");
    }
    if (now.trials == 0) {
        now.trials = goes_on ? before.trials : now.method == RK_SWEEP_GRID ? 0 : DEFAULT_TRIALS;
    }
    RK_TRY_GOTO(done, check_asked(&now));
    if (goes_on) {
        before.space = how->space ? before.space : now.space;
        memcpy(s->data_before, before.data, sizeof s->data_before);
        status = compare_asked(s, &before, &now);
        before.space = how->space ? before.space : (rk_space){0};
        RK_TRY_GOTO(done, status);
    }
    s->method = now.method;
    s->wanted = now.trials > 0 ? now.trials : INT64_MAX;
    s->seed = (uint64_t)now.seed;
    s->space = now.space;
    now.space = (rk_space){0};
done:
    rk__space_free(&now.space);
    rk__space_free(&before.space);
    return status;
}

rk_status rk__sweep_write_asked(const rk_sweep_run *s)
{
    rk_buffer buffer = {0};
    char *text = NULL, *path = NULL;
    rk_status status = RK_OK;
    RK_TRY(rk__run_folder_write_config(s->folder, s->config));
    rk__buffer_add(&buffer,
                   "# What was asked of rankine sweep; --resume goes on by it.\n"
                   "method: %s\ntrials: %lld\nseed: %lld\nmetric: %s\ndata: \"%s\"\nspace:\n",
                   method_names[s->method], (long long)(s->wanted == INT64_MAX ? 0 : s->wanted),
                   (long long)s->seed, s->metric, s->fingerprint);
    rk__space_print(&s->space, "  ", &buffer);
    RK_TRY_GOTO(done, rk__buffer_take(&buffer, &text));
    RK_TRY_GOTO(done, rk__path_join(&path, s->folder, RK_FILE_SWEEP));
    status = rk__file_replace(path, text, (int64_t)strlen(text));
done:
    rk__buffer_free(&buffer);
    rk__free(text);
    rk__free(path);
    return status;
}
