#include "sweep/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/parse.h"
#include "train/json.h"

static const char *const ends[] = {"}", ", \"seconds\": ", ", \"why\": "};

static rk_status fail_io(const rk_journal *j)
{
    RK_FAIL(RK_ERR_IO, "%s cannot be written: %s", j->path, strerror(errno));
}

rk_status rk__journal_open(rk_journal *out, const char *folder)
{
    rk_status status = RK_OK;
    *out = (rk_journal){.descriptor = -1, .line = 1};
    RK_TRY_GOTO(done, rk__path_join(&out->path, folder, "trials.jsonl"));
    if (rk__file_exists(out->path)) {
        RK_TRY_GOTO(done, rk__file_read(out->path, &out->text, NULL));
    } else {
        RK_TRY_GOTO(done, rk__strdup(&out->text, ""));
    }
    char *last = strrchr(out->text, '\n');
    (last ? last + 1 : out->text)[0] = '\0'; /* what was cut off */
    out->at = out->text;
    out->descriptor = open(out->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (out->descriptor < 0 || ftruncate(out->descriptor, (off_t)strlen(out->text)) != 0 ||
        lseek(out->descriptor, 0, SEEK_END) < 0) {
        status = fail_io(out);
    }
done:
    if (status != RK_OK) {
        rk__journal_close(out);
    }
    return status;
}

void rk__journal_close(rk_journal *journal)
{
    if (journal->path && journal->descriptor >= 0) {
        close(journal->descriptor);
    }
    rk__free(journal->path);
    rk__free(journal->text);
    *journal = (rk_journal){.descriptor = -1};
}

/* The value behind "key": in the next line of before; NULL if there is none. */
static const char *find(const rk_journal *j, const char *key)
{
    char name[64];
    const size_t length = (size_t)snprintf(name, sizeof name, "\"%s\": ", key);
    const char *end = j->at + strcspn(j->at, "\n");
    const char *found = memmem(j->at, (size_t)(end - j->at), name, length);
    return found ? found + length : NULL;
}

bool rk__journal_next_is(const rk_journal *journal, const char *event)
{
    char head[64];
    const size_t length = (size_t)snprintf(head, sizeof head, "{\"event\": \"%s\"", event);
    return strncmp(journal->at, head, length) == 0;
}

double rk__journal_number(const rk_journal *journal, const char *key)
{
    const char *at = find(journal, key);
    double value = NAN;
    if (!at || rk__parse_real(at, strspn(at, "+-.0123456789eE"), &value) != RK_PARSE_OK) {
        return NAN;
    }
    return value;
}

rk_status rk__journal_text(const rk_journal *journal, const char *key, char **out)
{
    const char *at = find(journal, key);
    rk_buffer text = {0};
    for (at = at && *at == '"' ? at + 1 : ""; *at && *at != '"' && *at != '\n'; at++) {
        at += *at == '\\' && at[1] != 'u' && at[1]; /* only what our own writer escapes */
        rk__buffer_add_bytes(&text, at, 1);
    }
    return rk__buffer_take(&text, out);
}

/* Goes past a line of before. */
static rk_status meet(rk_journal *j, const char *body)
{
    const size_t length = strlen(body), line = strcspn(j->at, "\n");
    bool is_same = line > length && strncmp(j->at, body, length) == 0, ends_there = false;
    for (size_t i = 0; is_same && i < sizeof ends / sizeof ends[0]; i++) {
        ends_there = ends_there || strncmp(j->at + length, ends[i], strlen(ends[i])) == 0;
    }
    if (!ends_there) {
        char found[160], wanted[160];
        snprintf(found, sizeof found, "%.*s", (int)(line < 150 ? line : 150), j->at);
        snprintf(wanted, sizeof wanted, "%.150s}", body);
        RK_FAIL(RK_ERR_DATA,
                "%s:%lld says %s, but %s follows from the sweep's config, space and seed: it was "
                "edited or is of another version, so this sweep cannot go on; begin another one",
                j->path, (long long)j->line, found, wanted);
    }
    j->at += line + 1;
    j->line++;
    return RK_OK;
}

/* The line with its end. */
static rk_status make_line(const char *body, rk_journal_end end, char **out)
{
    rk_buffer line = {0};
    rk_json json = {.out = &line, .depth = 1, .needs_comma = true};
    rk__buffer_add(&line, "%s", body);
    if (!isnan(end.seconds)) {
        rk__json_real(&json, "seconds", end.seconds);
    }
    if (end.why) {
        rk__json_text(&json, "why", end.why);
    }
    rk__buffer_add(&line, "}\n");
    return rk__buffer_take(&line, out);
}

rk_status rk__journal_say(rk_journal *journal, const char *body, rk_journal_end end)
{
    char *line = NULL;
    if (*journal->at) {
        return meet(journal, body);
    }
    RK_TRY(make_line(body, end, &line));
    rk_status status = RK_OK;
    const char *at = line, *stop = line + strlen(line);
    while (at < stop && status == RK_OK) {
        const ssize_t n = write(journal->descriptor, at, (size_t)(stop - at));
        if (n < 0 && errno != EINTR) {
            status = fail_io(journal);
        }
        at += n > 0 ? n : 0;
    }
    if (status == RK_OK && fdatasync(journal->descriptor) != 0 && errno != EINVAL) {
        status = fail_io(journal);
    }
    rk__free(line);
    return status;
}
