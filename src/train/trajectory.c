#include "train/trajectory.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "config/schema.h"

/* Of the sections that decide the trajectory, the options that do not. */
static bool is_free(const rk_options *options, const char *key)
{
    static const char *const keys[] = {"run.device",   "run.communicator",       "run.patience",
                                       "run.threads",  "run.keep_data",          "run.tensorboard",
                                       "train.epochs", "train.checkpoint_every", "train.refit"};
    if (strcmp(key, "train.epochs") == 0 && options->train.schedule == RK_SCHEDULE_COSINE &&
        options->train.schedule_epochs == 0) {
        return false; /* the schedule goes by it */
    }
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strcmp(key, keys[i]) == 0) {
            return true;
        }
    }
    return false;
}

static const char *const trajectory_keys[] = {
#define TRAJECTORY_KEY(section, key, ...) #section "." #key,
    RK_OPTIONS_RUN(TRAJECTORY_KEY) RK_OPTIONS_MODEL(TRAJECTORY_KEY) RK_OPTIONS_LOSS(TRAJECTORY_KEY)
        RK_OPTIONS_SAMPLING(TRAJECTORY_KEY) RK_OPTIONS_TRAIN(TRAJECTORY_KEY)
#undef TRAJECTORY_KEY
};

rk_status rk__trajectory_text(const rk_config *config, const char *times, char **out)
{
    rk_buffer buffer = {0};
    for (size_t i = 0; i < sizeof trajectory_keys / sizeof trajectory_keys[0]; i++) {
        const char *key = trajectory_keys[i], *value = NULL;
        if (is_free(rk__config_options(config), key)) {
            continue;
        }
        rk_status status = rk_config_get(config, key, &value);
        if (status != RK_OK) {
            rk__buffer_free(&buffer);
            return status;
        }
        rk__buffer_add(&buffer, "%s: %s\n", key, value);
    }
    if (times) {
        rk__buffer_add(&buffer, "data.times: %s\n", times);
    }
    return rk__buffer_take(&buffer, out);
}

/* ---- the data set ---- */

static rk_status add_option(rk_buffer *out, const rk_config *config, const char *key)
{
    const char *value = NULL;
    RK_TRY(rk_config_get(config, key, &value));
    rk__buffer_add(out, "%s: %s\n", key, value);
    return out->status;
}

/* The elements of a list, "data.sources" or "data.features[0].columns", and of their lists. */
static rk_status add_list(rk_buffer *out, const rk_config *config, const rk_option_list *list,
                          const char *name)
{
    int64_t n_lists = 0;
    const rk_option_list *lists = rk__option_lists(&n_lists);
    for (int64_t e = 0;; e++) {
        char key[256], inner[192];
        const char *ignored = NULL;
        snprintf(inner, sizeof inner, "%s[%lld]", name, (long long)e);
        snprintf(key, sizeof key, "%s.%s", inner, list->rows[0].key);
        if (rk_config_get(config, key, &ignored) != RK_OK) {
            return RK_OK; /* that was the last element */
        }
        for (int64_t i = 0; i < list->n_rows; i++) {
            snprintf(key, sizeof key, "%s.%s", inner, list->rows[i].key);
            RK_TRY(strcmp(list->rows[i].key, "file") != 0 ? add_option(out, config, key) : RK_OK);
        }
        for (int64_t i = 0; i < n_lists; i++) {
            if (strcmp(lists[i].parent, list->name) == 0) {
                snprintf(key, sizeof key, "%s.%s", inner, lists[i].key);
                RK_TRY(add_list(out, config, &lists[i], key));
            }
        }
    }
}

static rk_status add_data(rk_buffer *out, const rk_config *config)
{
    int64_t n_rows = 0, n_lists = 0;
    const rk_option *rows = rk__option_rows(&n_rows);
    const rk_option_list *lists = rk__option_lists(&n_lists);
    for (int64_t i = 0; i < n_rows; i++) {
        bool is_data = strcmp(rows[i].section, "data") == 0;
        /* Where it lies, what it is called, and what making it may take. */
        bool is_outside =
            is_data && (strcmp(rows[i].key, "root") == 0 || strcmp(rows[i].key, "cache") == 0 ||
                        strcmp(rows[i].key, "name") == 0 || strcmp(rows[i].key, "memory") == 0);
        if ((is_data && !is_outside) || strcmp(rows[i].section, "split") == 0) {
            char key[96];
            snprintf(key, sizeof key, "%s.%s", rows[i].section, rows[i].key);
            RK_TRY(add_option(out, config, key));
        }
    }
    for (int64_t i = 0; i < n_lists; i++) {
        if (lists[i].parent[0] == '\0') {
            char name[64];
            snprintf(name, sizeof name, "data.%s", lists[i].key);
            RK_TRY(add_list(out, config, &lists[i], name));
        }
    }
    return RK_OK;
}

rk_status rk__data_text(const rk_config *config, char **out)
{
    rk_buffer buffer = {0};
    rk_status status = add_data(&buffer, config);
    if (status != RK_OK) {
        rk__buffer_free(&buffer);
        return status;
    }
    return rk__buffer_take(&buffer, out);
}

/* ---- differences ---- */

/* The line of `key` in text; NULL if there is none. */
static const char *find_line(const char *text, const char *key, size_t length)
{
    for (const char *at = text; at && *at; at = strchr(at, '\n'), at = at ? at + 1 : NULL) {
        if (strncmp(at, key, length) == 0 && at[length] == ':') {
            return at;
        }
    }
    return NULL;
}

/* The row of a key, "model.dim" or "data.features[0].columns[1].kind"; NULL if there is none. */
static const rk_option *row_of(const char *key, size_t length)
{
    const char *dot = memrchr(key, '.', length);
    if (!dot) {
        return NULL;
    }
    char section[32] = "";
    const char *bracket = memrchr(key, '[', (size_t)(dot - key));
    if (!bracket) {
        snprintf(section, sizeof section, "%.*s", (int)(dot - key), key);
    }
    int64_t n_lists = 0;
    const rk_option_list *lists = rk__option_lists(&n_lists);
    for (int64_t i = 0; bracket && i < n_lists; i++) {
        size_t n = strlen(lists[i].key);
        if ((size_t)(bracket - key) > n && bracket[-(ptrdiff_t)n - 1] == '.' &&
            memcmp(bracket - n, lists[i].key, n) == 0) {
            snprintf(section, sizeof section, "%s", lists[i].name);
        }
    }
    return rk__option_find(section, dot + 1, length - (size_t)(dot + 1 - key));
}

/* Does a line "section.key: value" have the value that the option has by default? */
static bool is_default(const char *line, size_t key, size_t length)
{
    const rk_option *row = row_of(line, key);
    const char *text = row && row->default_text[0] == '\0' ? "\"\""
                       : row                               ? row->default_text
                                                           : NULL;
    return text && strlen(text) == length - key - 2 &&
           memcmp(line + key + 2, text, length - key - 2) == 0;
}

rk_status rk__trajectory_difference(const char *before, const char *now, char **out)
{
    *out = NULL;
    for (const char *at = now; *at;) {
        size_t length = strcspn(at, "\n"), key = strcspn(at, ":");
        const char *other = find_line(before, at, key);
        size_t other_length = other ? strcspn(other, "\n") : 0;
        bool same = other ? other_length == length && strncmp(at, other, length) == 0
                          : is_default(at, key, length); /* the option is younger than the run */
        if (!same && !other) {
            return rk__format(out,
                              "the checkpoint knows no %.*s: it was written by another version",
                              (int)key, at);
        }
        if (!same) {
            return rk__format(out, "%.*s was %.*s when this run began and is %.*s now", (int)key,
                              at, (int)(other_length - key - 2), other + key + 2,
                              (int)(length - key - 2), at + key + 2);
        }
        at += length + (at[length] == '\n');
    }
    return RK_OK;
}

rk_status rk__data_difference(const char *before, const char *now, char **out)
{
    RK_TRY(rk__trajectory_difference(before, now, out));
    for (const char *at = before; *at && !*out;) { /* elements of lists that are gone */
        size_t length = strcspn(at, "\n"), key = strcspn(at, ":");
        if (!find_line(now, at, key) && !is_default(at, key, length)) {
            return rk__format(out, "%.*s was %.*s when this run began and is not there now",
                              (int)key, at, (int)(length - key - 2), at + key + 2);
        }
        at += length + (at[length] == '\n');
    }
    return RK_OK;
}

rk_status rk__trajectory_compare(const char *before, const char *now)
{
    char *difference = NULL;
    RK_TRY(rk__trajectory_difference(before, now, &difference));
    if (!difference) {
        return RK_OK;
    }
    rk_status status =
        rk__fail(RK_ERR_CONFIG, __FILE__, __LINE__, __func__,
                 "%s: it changes the course of training, so the run cannot be resumed with it; put "
                 "it back or start anew",
                 difference);
    rk__free(difference);
    return status;
}
