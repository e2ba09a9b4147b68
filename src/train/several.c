#include "train/several.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "config/options.h"
#include "dist/comm.h"
#include "train/run_folder.h"
#include "train/trainer.h"

/* ---- hooks ---- */

static void log_outside(const rk_several *s, rk_log_level level, const char *message)
{
    if (s->outer && s->outer->log) {
        s->outer->log(s->outer->user, level, message);
    }
}

static void pass_log(void *user, rk_log_level level, const char *message)
{
    rk_several *s = user;
    if (s->hushed && level == RK_LOG_WARNING) {
        char warning[sizeof s->warned];
        snprintf(warning, sizeof warning, "%s", message);
        level = strcmp(warning, s->warned) == 0 ? RK_LOG_DEBUG : level;
        memcpy(s->warned, warning, sizeof warning);
    }
    log_outside(s, s->hushed && level == RK_LOG_INFO ? RK_LOG_DEBUG : level, message);
}

static void pass_progress(void *user, const rk_progress *progress)
{
    const rk_several *s = user;
    if (s->outer && s->outer->progress) {
        rk_progress numbered = *progress;
        if (progress->runs == 0) { /* else they are several themselves */
            numbered.run = s->current;
            numbered.runs = s->n;
        }
        if (s->seconds_each > 0 && progress->eta_seconds >= 0) {
            numbered.eta_seconds += s->seconds_each * (double)(s->n - s->current);
        }
        s->outer->progress(s->outer->user, &numbered);
    }
}

static void pass_scalar(void *user, const char *name, int64_t step, double value)
{
    const rk_several *s = user;
    if (s->outer && s->outer->scalar) {
        s->outer->scalar(s->outer->user, name, step, value);
    }
}

static bool pass_stop(void *user)
{
    const rk_several *s = user;
    return s->outer && s->outer->should_stop && s->outer->should_stop(s->outer->user);
}

void rk__several_init(rk_several *out, const rk_hooks *outer, int64_t n)
{
    *out = (rk_several){.outer = outer, .n = n};
    out->hooks = (rk_hooks){.log = pass_log,
                            .progress = pass_progress,
                            .should_stop = pass_stop,
                            .scalar = pass_scalar,
                            .user = out};
}

void rk__several_say(const rk_several *several, rk_log_level level, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    log_outside(several, level, text);
}

/* ---- runs ---- */

static rk_status is_tested(const char *folder, bool *out)
{
    rk_report *report = NULL;
    RK_TRY(rk_report_open(folder, &report));
    *out = !rk_report_text(report, "without_test");
    rk_report_free(report);
    return RK_OK;
}

rk_status rk__several_is_finished(const char *folder, const rk_config *config, bool without_test,
                                  bool *out)
{
    rk_status status = RK_OK;
    char *path = NULL, *before = NULL, *now = NULL;
    RK_TRY(rk__folder_has(folder, RK_FILE_REPORT, out));
    if (!*out) {
        return RK_OK;
    }
    RK_TRY_GOTO(done, rk__path_join(&path, folder, RK_FILE_CONFIG));
    RK_TRY_GOTO(done, rk__file_read(path, &before, NULL));
    RK_TRY_GOTO(done, rk_config_text(config, false, &now));
    *out = strcmp(before, now) == 0;
    if (*out && !without_test) {
        status = is_tested(folder, out);
    }
done:
    rk_string_free(now);
    rk__free(before);
    rk__free(path);
    return status;
}

rk_status rk__several_refuse_ranks(const rk_config *config, const char *what)
{
    const bool is_self = rk__config_options(config)->run.communicator == RK_COMMUNICATOR_SELF;
    const rk_comm_options options = {.choice =
                                         is_self ? RK_COMMUNICATOR_SELF : RK_COMMUNICATOR_AUTO};
    rk_comm *comm = NULL;
    rk_status status = RK_OK;
    RK_TRY(rk__comm_open(&options, &comm));
    if (rk__comm_size(comm) > 1) {
        status = rk__fail(RK_ERR_CONFIG, __FILE__, __LINE__, __func__,
                          "%d ranks were started, but %s trains one run after the other, and a "
                          "run's ranks are those of one training: start one process, or a training "
                          "each",
                          rk__comm_size(comm), what);
    }
    rk__comm_close(comm, status);
    return status;
}

rk_status rk__several_train(rk_several *several, const rk_config *config,
                            const rk_train_options *how, bool is_finished, rk_report **out_report)
{
    if (!is_finished) {
        bool has_checkpoint = false, begun = false;
        rk_train_options one = *how;
        RK_TRY(rk__folder_has(how->run_dir, RK_FILE_LAST, &has_checkpoint));
        RK_TRY(rk__folder_has(how->run_dir, RK_FILE_ENVIRONMENT, &begun));
        one.new_dir = false;
        one.begun = NULL;
        one.resume = how->resume && has_checkpoint;
        one.force = begun && !one.resume;
        RK_TRY(
            rk__train(config, &one, &several->hooks, (rk_train_beside){.ground = several->ground}));
    }
    return out_report ? rk_report_open(how->run_dir, out_report) : RK_OK;
}

rk_status rk__several_dataset(rk_several *several, const rk_config *config, const char *first,
                              bool resume, rk_dataset **out)
{
    bool has_checkpoint = false;
    RK_TRY(rk__folder_has(first, RK_FILE_LAST, &has_checkpoint));
    const rk_train_options how = {.run_dir = first, .resume = resume && has_checkpoint};
    return rk_train_dataset(config, &how, &several->hooks, out);
}
