#include "serve/feedback.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "rankine/ids.h"
#include "serve/memory.h"
#include "serve/reply.h"
#include "text/utf8.h"

enum { MOST_ID = 1024, MOST_WAITING = 4096, MOST_LINE = 16 * 1024 };

/* What every line of the service begins with. */
static const char beginning[] = "{\"user\": ";

/* A line that waits for the disk, and who waits for it. */
typedef struct line {
    struct line *next;
    serve_reply *reply; /* lent */
    serve_text text;
} line;

struct serve_feedback {
    int file;
    char *path; /* owned */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    line *first, **last; /* in the order that they came */
    int64_t waiting;
    bool ends;
};

/* ---- the file ---- */

/* All of it, or nothing: what was written of a part is cut off again. */
static bool append(int file, const char *bytes, size_t length)
{
    const off_t before = lseek(file, 0, SEEK_END);
    size_t done = 0;
    while (done < length) {
        const ssize_t n = write(file, bytes + done, length - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            const int error = n < 0 ? errno : ENOSPC;
            if (before >= 0) {
                (void)!ftruncate(file, before);
            }
            errno = error;
            return false;
        }
        done += (size_t)n;
    }
    return fdatasync(file) == 0 || errno == EINVAL; /* a pipe cannot be flushed */
}

static bool is_object(const char *bytes, size_t length)
{
    json_t *value = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, NULL);
    const bool is_one = json_is_object(value);
    json_decref(value);
    return is_one;
}

/* Looks at the end of the file, which must be one of JSON lines: no other file is written to. A
 * line of the service that a crash has cut is removed; a whole one without its break gets that.
 * false: errno, or 0 for a file of something else. */
static bool mend(int file)
{
    char bytes[MOST_LINE];
    struct stat info;
    if (fstat(file, &info) != 0) {
        return false;
    }
    if (!S_ISREG(info.st_mode) || info.st_size == 0) {
        return true; /* nothing can be read back from a pipe */
    }
    const off_t from = info.st_size > MOST_LINE ? info.st_size - MOST_LINE : 0;
    const ssize_t n = pread(file, bytes, (size_t)(info.st_size - from), from);
    if (n != (ssize_t)(info.st_size - from)) {
        errno = n < 0 ? errno : EIO;
        return false;
    }
    const bool is_ended = bytes[n - 1] == '\n';
    const size_t end = (size_t)n - is_ended;
    size_t start = end;
    while (start > 0 && bytes[start - 1] != '\n') {
        start--;
    }
    const char *last = bytes + start;
    const size_t length = end - start, known = sizeof beginning - 1;
    if (is_object(last, length)) {
        return is_ended || append(file, "\n", 1);
    }
    const bool is_cut = !is_ended && memcmp(last, beginning, length < known ? length : known) == 0;
    if (!is_cut || (start == 0 && from > 0)) {
        errno = 0;
        return false;
    }
    return ftruncate(file, from + (off_t)start) == 0;
}

/* Opens the file, which is as `mend` leaves it; -1: errno, or 0 for a file of something else. */
static int open_file(const char *path)
{
    const int file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (file >= 0 && !mend(file)) {
        const int error = errno;
        close(file);
        errno = error;
        return -1;
    }
    return file;
}

static const char *why_not(int error)
{
    return error != 0
               ? strerror(error)
               : "its last line is no JSON object, so it is no file of feedback, and is left "
                 "as it is; choose another one";
}

/* Who trains may move the file away: what comes then goes into a new one of its name, and into none
 * without a name. false: errno, as of open_file. */
static bool follow(serve_feedback *f)
{
    struct stat ours, theirs;
    if (fstat(f->file, &ours) != 0) {
        return false;
    }
    const bool is_there = stat(f->path, &theirs) == 0;
    if (is_there && theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino) {
        return true;
    }
    const int file = open_file(f->path);
    if (file >= 0) {
        close(f->file);
        f->file = file;
    }
    return file >= 0;
}

/* ---- the thread that writes ---- */

static void complete(line *all, bool is_written, const char *why)
{
    for (line *l = all, *next; l; l = next) {
        serve_reply *reply = l->reply;
        next = l->next;
        if (is_written) {
            text_json j = serve_json(&reply->text);
            text_json_open(&j, '{');
            text_json_key(&j, "status");
            text_json_text(&j, "kept");
            text_json_close(&j, '}');
            serve_reply_json(reply, 202);
        } else {
            serve_reply_problem(reply, 503, "the feedback cannot be kept: %s", why);
            reply->retry_after = 10;
        }
        serve_text_free(&l->text);
        serve_free(l);
        reply->done(reply);
    }
}

static void *write_lines(void *argument)
{
    serve_feedback *f = argument;
    pthread_mutex_lock(&f->lock);
    while (!f->ends || f->first) {
        if (!f->first) {
            pthread_cond_wait(&f->wake, &f->lock);
            continue;
        }
        line *all = f->first;
        f->first = NULL;
        f->last = &f->first;
        f->waiting = 0;
        pthread_mutex_unlock(&f->lock);
        serve_text text = {.at = NULL};
        for (const line *l = all; l; l = l->next) {
            serve_text_add(&text, l->text.at, l->text.length);
        }
        errno = ENOMEM;
        const bool is_written =
            !text.has_failed && follow(f) && append(f->file, text.at, text.length);
        char why[128] = "";
        if (!is_written) {
            snprintf(why, sizeof why, "%s", why_not(errno));
        }
        serve_text_free(&text);
        complete(all, is_written, why);
        pthread_mutex_lock(&f->lock);
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

static void free_feedback(serve_feedback *f)
{
    if (f->file >= 0) {
        close(f->file);
    }
    serve_free(f->path);
    serve_free(f);
}

serve_feedback *serve_feedback_open(const char *path, char *message, size_t size)
{
    serve_feedback *f = serve_alloc(1, sizeof *f);
    char *own = serve_copy(path);
    if (!f || !own) {
        snprintf(message, size, "there is no memory for feedback");
        serve_free(f);
        serve_free(own);
        return NULL;
    }
    f->path = own;
    f->last = &f->first;
    f->file = open_file(path);
    if (f->file < 0) {
        snprintf(message, size, "--feedback %.300s: %s", path, why_not(errno));
        free_feedback(f);
        return NULL;
    }
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->wake, NULL);
    if (pthread_create(&f->thread, NULL, write_lines, f) != 0) {
        snprintf(message, size, "--feedback %.300s: no thread can be started for it", path);
        pthread_mutex_destroy(&f->lock);
        pthread_cond_destroy(&f->wake);
        free_feedback(f);
        return NULL;
    }
    return f;
}

void serve_feedback_close(serve_feedback *feedback)
{
    if (feedback) {
        pthread_mutex_lock(&feedback->lock);
        feedback->ends = true;
        pthread_cond_signal(&feedback->wake);
        pthread_mutex_unlock(&feedback->lock);
        pthread_join(feedback->thread, NULL);
        pthread_mutex_destroy(&feedback->lock);
        pthread_cond_destroy(&feedback->wake);
        free_feedback(feedback);
    }
}

/* ---- requests ---- */

/* An id as text; NULL, with a problem, where it is none that `prepare` would read. */
static const char *id_of(const rk_config *config, const json_t *body, const char *name,
                         char number[24], serve_reply *reply)
{
    const json_t *value = json_object_get(body, name);
    const char *text = json_string_value(value);
    if (json_is_integer(value)) {
        snprintf(number, 24, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        text = number;
    }
    if (!text || !*text || strlen(text) > MOST_ID) {
        serve_reply_problem(reply, 422, "'%s' must be an id, a text of 1 to %d bytes", name,
                            MOST_ID);
        return NULL;
    }
    for (const char *at = text; *at; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7F) {
            serve_reply_problem(reply, 422, "'%s' must be an id without control characters", name);
            return NULL;
        }
    }
    if (rk_config_check_id(config, text) != RK_OK) {
        serve_reply_problem(reply, 422, "the next run would not take this %s: %s", name,
                            rk_last_error());
        return NULL;
    }
    return text;
}

/* What preparing would make an error of: [least, most] of data.value_range. */
static void find_range(const rk_config *config, double *least, double *most)
{
    const char *text = "[]";
    *least = -1e30;
    *most = 1e30;
    (void)rk_config_get(config, "data.value_range", &text);
    json_t *range = json_loads(text, 0, NULL); /* numbers in YAML's brackets are JSON, too */
    if (json_array_size(range) == 2) {
        *least = json_number_value(json_array_get(range, 0));
        *most = json_number_value(json_array_get(range, 1));
    }
    json_decref(range);
}

/* A number within [least, most], or `absent` where there is none; false with a problem. */
static bool number_of(const json_t *body, const char *name, double least, double most,
                      double absent, double *out, serve_reply *reply)
{
    const json_t *value = json_object_get(body, name);
    *out = absent;
    if (!value || json_is_null(value)) {
        return true;
    }
    *out = json_number_value(value);
    if (!json_is_number(value) || !(*out >= least && *out <= most)) {
        serve_reply_problem(reply, 422, "'%s' must be a number from %.15g to %.15g", name, least,
                            most);
        return false;
    }
    return true;
}

static bool knows_members(const json_t *body, serve_reply *reply)
{
    static const char *const known[] = {"user", "item", "time", "value"};
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)body, name, value)
    {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            found = found || strcmp(name, known[i]) == 0;
        }
        if (!found) {
            serve_reply_problem(reply, 422,
                                "there is no member '%.40s' here: user, item, time and value are",
                                name);
            return false;
        }
    }
    return true;
}

bool serve_feedback_line(const json_t *body, const rk_config *config, serve_text *out,
                         serve_reply *reply)
{
    char numbers[2][24];
    double when, value, least, most;
    if (!json_is_object(body)) {
        serve_reply_problem(reply, 422, "the body must be an object: {\"user\": ID, \"item\": ID}");
        return false;
    }
    const char *user = id_of(config, body, "user", numbers[0], reply);
    const char *item = user ? id_of(config, body, "item", numbers[1], reply) : NULL;
    find_range(config, &least, &most);
    /* from 1e11 on prepare takes the times of a file for milliseconds (source.time_unit) */
    if (!item || !knows_members(body, reply) ||
        !number_of(body, "time", 0, 99999999999.0, (double)time(NULL), &when, reply) ||
        !number_of(body, "value", least, most, (double)NAN, &value, reply)) {
        return false;
    }
    text_json j = serve_json(out);
    text_json_open(&j, '{');
    text_json_key(&j, "user");
    text_json_text(&j, user);
    text_json_key(&j, "item");
    text_json_text(&j, item);
    text_json_key(&j, "time");
    text_json_int(&j, (int64_t)when);
    if (isfinite(value)) {
        text_json_key(&j, "value");
        text_json_real(&j, value);
    }
    text_json_close(&j, '}');
    return true;
}

bool serve_feedback_answer(serve_feedback *feedback, const rk_config *config,
                           const serve_request *request, serve_reply *reply)
{
    line *l = serve_alloc(1, sizeof *l);
    if (!l) {
        serve_reply_problem(reply, 503, "there is no memory for the feedback");
        return true;
    }
    if (!serve_feedback_line(request->body, config, &l->text, reply) || l->text.has_failed) {
        if (l->text.has_failed) {
            serve_reply_problem(reply, 503, "there is no memory for the feedback");
        }
        serve_text_free(&l->text);
        serve_free(l);
        return true;
    }
    l->reply = reply;
    pthread_mutex_lock(&feedback->lock);
    const bool is_full = feedback->waiting >= MOST_WAITING;
    if (!is_full) {
        reply->wait(reply);
        *feedback->last = l;
        feedback->last = &l->next;
        feedback->waiting++;
        pthread_cond_signal(&feedback->wake);
    }
    pthread_mutex_unlock(&feedback->lock);
    if (is_full) {
        serve_text_free(&l->text);
        serve_free(l);
        serve_reply_problem(reply, 503, "too much feedback waits for the disk");
        reply->retry_after = 10;
    }
    return is_full;
}
