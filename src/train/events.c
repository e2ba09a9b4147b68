#include "train/events.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/parse.h"
#include "train/tfrecord.h"

/* Fields of Event, Summary, Summary.Value and SessionLog (event.proto, summary.proto). */
enum {
    EVENT_WALL_TIME = 1,
    EVENT_STEP = 2,
    EVENT_FILE_VERSION = 3,
    EVENT_SUMMARY = 5,
    EVENT_SESSION_LOG = 7,
    SUMMARY_VALUE = 1,
    VALUE_TAG = 1,
    VALUE_SIMPLE_VALUE = 2,
    SESSION_LOG_STATUS = 1,
    SESSION_LOG_START = 1,
};

/* ---- names ---- */

static bool is_event_file(const char *name)
{
    return strncmp(name, RK_EVENTS_PREFIX, strlen(RK_EVENTS_PREFIX)) == 0;
}

/* The largest number of seconds in the names of the event files; 0 = there are none. */
static rk_status newest(const char *folder, int64_t *out)
{
    DIR *directory = opendir(folder);
    *out = 0;
    if (!directory) {
        RK_FAIL(RK_ERR_IO, "the folder %s cannot be opened: %s", folder, strerror(errno));
    }
    for (struct dirent *entry; (entry = readdir(directory));) {
        const char *number = entry->d_name + strlen(RK_EVENTS_PREFIX);
        int64_t seconds = 0;
        if (is_event_file(entry->d_name) &&
            rk__parse_int(number, strcspn(number, "."), &seconds) == RK_PARSE_OK &&
            seconds > *out && seconds < INT64_MAX) {
            *out = seconds;
        }
    }
    closedir(directory);
    return RK_OK;
}

/* The host as a part of a file's name. */
static void host_name(char out[64])
{
    if (gethostname(out, 64) != 0 || !out[0]) {
        snprintf(out, 64, "localhost");
    }
    out[63] = '\0';
    for (char *at = out; *at; at++) {
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", *at)) {
            *at = '_';
        }
    }
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* ---- writing ---- */

static rk_status fail(const rk_events *events, int error)
{
    RK_FAIL(RK_ERR_IO, "%s cannot be written: %s", events->path, strerror(error));
}

static rk_status write_all(rk_events *events, const rk_buffer *bytes)
{
    RK_TRY(bytes->status);
    for (int64_t done = 0; done < bytes->length;) {
        ssize_t n = write(events->descriptor, bytes->at + done, (size_t)(bytes->length - done));
        if (n < 0 && errno != EINTR) {
            return fail(events, errno);
        }
        done += n > 0 ? n : 0;
    }
    return RK_OK;
}

static void add_event(rk_buffer *records, int64_t step, int field, rk_buffer *message)
{
    rk_buffer event = {0};
    rk__proto_double(&event, EVENT_WALL_TIME, now());
    rk__proto_int(&event, EVENT_STEP, step);
    rk__proto_message(&event, field, message);
    rk__tfrecord_add(records, &event);
    rk__buffer_free(&event);
}

/* What a file begins with: its version, and where a resumed run goes on. */
static void add_head(rk_buffer *records, int64_t first_step)
{
    rk_buffer version = {0}, start = {0};
    rk__proto_double(&version, EVENT_WALL_TIME, now());
    rk__proto_text(&version, EVENT_FILE_VERSION, "brain.Event:2");
    rk__tfrecord_add(records, &version);
    rk__buffer_free(&version);
    if (first_step > 0) {
        rk__proto_int(&start, SESSION_LOG_STATUS, SESSION_LOG_START);
        add_event(records, first_step, EVENT_SESSION_LOG, &start);
    }
}

static rk_status open_file(rk_events *events)
{
    char host[64], name[192];
    int64_t seconds = 0;
    host_name(host);
    RK_TRY(newest(events->folder, &seconds));
    seconds = (int64_t)time(NULL) > seconds ? (int64_t)time(NULL) : seconds + 1;
    for (int n = 0; events->descriptor <= 0; n++) {
        rk__free(events->path);
        events->path = NULL;
        snprintf(name, sizeof name, RK_EVENTS_PREFIX "%010lld.%s.%ld.%d", (long long)seconds, host,
                 (long)getpid(), n);
        RK_TRY(rk__path_join(&events->path, events->folder, name));
        events->descriptor =
            open(events->path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
        if (events->descriptor < 0 && errno != EEXIST) {
            return fail(events, errno);
        }
    }
    return RK_OK;
}

rk_events rk__events_of(const char *folder, int64_t first_step)
{
    return (rk_events){.folder = folder, .first_step = first_step};
}

void rk__events_scalar(rk_events *events, const char *tag, double value)
{
    rk_buffer one = {0};
    if (events->folder) {
        rk__proto_text(&one, VALUE_TAG, tag);
        rk__proto_float(&one, VALUE_SIMPLE_VALUE, (float)value);
        rk__proto_message(&events->summary, SUMMARY_VALUE, &one);
    }
}

rk_status rk__events_write_summary(rk_events *events, int64_t step, rk_buffer *summary)
{
    rk_buffer records = {0};
    rk_status status = RK_OK;
    if (events->descriptor <= 0) {
        RK_TRY_GOTO(done, open_file(events));
        add_head(&records, events->first_step);
    }
    add_event(&records, step, EVENT_SUMMARY, summary);
    status = write_all(events, &records);
done:
    rk__buffer_free(summary);
    rk__buffer_free(&records);
    return status;
}

rk_status rk__events_write(rk_events *events, int64_t step)
{
    if (events->summary.length == 0 && events->summary.status == RK_OK) {
        return RK_OK;
    }
    return rk__events_write_summary(events, step, &events->summary);
}

void rk__events_close(rk_events *events)
{
    if (events->descriptor > 0) {
        close(events->descriptor);
    }
    rk__free(events->path);
    rk__buffer_free(&events->summary);
    *events = (rk_events){0};
}

void rk__events_clear(const char *folder)
{
    DIR *directory = opendir(folder);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (is_event_file(entry->d_name)) {
            unlinkat(dirfd(directory), entry->d_name, 0);
        }
    }
    if (directory) {
        closedir(directory);
    }
}
