#include "train/trajectory.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "config/schema.h"

/* Of the sections that decide the trajectory, the options that do not. */
static bool is_free(const rk_options *options, const char *key)
{
    static const char *const keys[] = {"run.device", "run.threads", "run.keep_data", "train.epochs",
                                       "train.checkpoint_every"};
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

/* Does a line "section.key: value" have the value that the option has by default? */
static bool is_default(const char *line, size_t key, size_t length)
{
    char section[32];
    const char *dot = memchr(line, '.', key);
    if (!dot || (size_t)(dot - line) >= sizeof section) {
        return false;
    }
    memcpy(section, line, (size_t)(dot - line));
    section[dot - line] = '\0';
    const rk_option *row = rk__option_find(section, dot + 1, key - (size_t)(dot + 1 - line));
    return row && strlen(row->default_text) == length - key - 2 &&
           memcmp(line + key + 2, row->default_text, length - key - 2) == 0;
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
