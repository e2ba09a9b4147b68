#include "train/run_log.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

static void write_line(rk_run_log *log, rk_log_level level, const char *message)
{
    static const char *const marks[] = {"", "", "warning: "};
    struct timespec now;
    struct tm local;
    char stamp[32] = "";
    clock_gettime(CLOCK_REALTIME, &now);
    if (localtime_r(&now.tv_sec, &local)) {
        strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S", &local);
    }
    if (!log->file) {
        rk__buffer_add(&log->early, "%s %s%s\n", stamp, marks[level], message);
        return;
    }
    fprintf(log->file, "%s %s%s\n", stamp, marks[level], message);
    fflush(log->file);
}

static void log_hook(void *user, rk_log_level level, const char *message)
{
    rk_run_log *log = user;
    if (log->is_quiet) {
        return;
    }
    write_line(log, level, message);
    if (log->outer && log->outer->log) {
        log->outer->log(log->outer->user, level, message);
    }
}

static void progress_hook(void *user, const rk_progress *progress)
{
    rk_run_log *log = user;
    if (log->outer && log->outer->progress && !log->is_quiet) {
        log->outer->progress(log->outer->user, progress);
    }
}

static void scalar_hook(void *user, const char *name, int64_t step, double value)
{
    rk_run_log *log = user;
    if (log->outer && log->outer->scalar && !log->is_quiet) {
        log->outer->scalar(log->outer->user, name, step, value);
    }
}

static bool stop_hook(void *user)
{
    rk_run_log *log = user;
    bool stops = rk__should_stop(log->outer);
    if (log->agrees) {
        log->status = rk__comm_stop(log->agrees, stops, &stops);
    }
    return stops || log->status != RK_OK;
}

bool rk__should_stop(const rk_hooks *hooks)
{
    return hooks && hooks->should_stop && hooks->should_stop(hooks->user);
}

void rk__run_log_init(rk_run_log *log, const rk_hooks *outer)
{
    *log = (rk_run_log){.outer = outer};
    log->hooks = (rk_hooks){.log = log_hook,
                            .progress = progress_hook,
                            .should_stop = stop_hook,
                            .scalar = scalar_hook,
                            .user = log};
}

void rk__run_log_agree(rk_run_log *log, rk_comm *comm)
{
    log->agrees = comm && rk__comm_size(comm) > 1 ? comm : NULL;
}

rk_status rk__run_log_open(rk_run_log *log, const char *path)
{
    FILE *file = fopen(path, "ab");
    if (!file) {
        RK_FAIL(RK_ERR_IO, "%s cannot be written: %s", path, strerror(errno));
    }
    log->file = file;
    if (log->early.length > 0) {
        fwrite(log->early.at, 1, (size_t)log->early.length, log->file);
        fflush(log->file);
    }
    rk__buffer_free(&log->early);
    return RK_OK;
}

void rk__run_log_close(rk_run_log *log)
{
    if (log->file) {
        fclose(log->file);
        log->file = NULL;
    }
    rk__buffer_free(&log->early);
}

void rk__log(rk_run_log *log, rk_log_level level, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    log_hook(log, level, text);
}
