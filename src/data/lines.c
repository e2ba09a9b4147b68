#include "data/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

/* A block fits in the second-level cache, so that a line is still cached when it is split. */
enum { DEFAULT_BLOCK = 256 << 10, DEFAULT_MAX_LINE = 64 << 20 };

rk_status rk__lines_open(rk_lines *lines, const char *path, rk_line_limits limits)
{
    rk_status status = RK_OK;
    memset(lines, 0, sizeof *lines);
    lines->descriptor = -1;
    lines->limits.block = limits.block > 0 ? limits.block : DEFAULT_BLOCK;
    lines->limits.max_line = limits.max_line > 0 ? limits.max_line : DEFAULT_MAX_LINE;
    RK_TRY_GOTO(done, rk__strdup(&lines->path, path));
    lines->descriptor = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (lines->descriptor < 0 || fstat(lines->descriptor, &info) != 0) {
        RK_FAIL_GOTO(done, RK_ERR_IO, "%s cannot be read: %s", path, strerror(errno));
    }
    if (S_ISDIR(info.st_mode)) {
        RK_FAIL_GOTO(done, RK_ERR_IO, "%s cannot be read: it is a folder; name a file in it", path);
    }
    lines->file_bytes = S_ISREG(info.st_mode) ? (int64_t)info.st_size : 0;
    (void)posix_fadvise(lines->descriptor, 0, 0, POSIX_FADV_SEQUENTIAL);
    lines->capacity = lines->limits.block;
    RK_TRY_GOTO(done, rk__alloc(&lines->buffer, lines->capacity, 1, "the reader's block"));
done:
    if (status != RK_OK) {
        rk__lines_close(lines);
    }
    return status;
}

void rk__lines_close(rk_lines *lines)
{
    if (lines->path && lines->descriptor >= 0) {
        close(lines->descriptor);
    }
    rk__free(lines->buffer);
    rk__free(lines->path);
    memset(lines, 0, sizeof *lines);
    lines->descriptor = -1;
}

static int64_t find(const rk_lines *lines, int byte, int64_t from)
{
    const char *at = memchr(lines->buffer + from, byte, (size_t)(lines->end - from));
    return at ? at - lines->buffer : lines->end;
}

/* Makes room for a block after `end`: the current line moves to the front, or the buffer grows. */
static rk_status make_room(rk_lines *lines)
{
    int64_t kept = lines->end - lines->start;
    if (kept > lines->limits.max_line) {
        RK_FAIL(RK_ERR_DATA, "%s:%lld: the line is longer than %lld bytes; is this a text file?",
                lines->path, (long long)lines->number, (long long)lines->limits.max_line);
    }
    if (lines->start > 0) {
        int64_t shift = lines->start;
        memmove(lines->buffer, lines->buffer + shift, (size_t)kept);
        lines->start = 0;
        lines->stop -= shift;
        lines->next -= shift;
        lines->end -= shift;
        lines->quote -= shift;
        lines->nul -= shift;
    }
    if (lines->end == lines->capacity) {
        int64_t capacity = 2 * lines->capacity;
        RK_TRY(rk__realloc(&lines->buffer, lines->capacity, capacity, 1, "a long line"));
        lines->capacity = capacity;
    }
    return RK_OK;
}

static rk_status fill(rk_lines *lines)
{
    RK_TRY(make_room(lines));
    int64_t room = lines->capacity - lines->end;
    int64_t wanted = room < lines->limits.block ? room : lines->limits.block;
    ssize_t got;
    do {
        got = read(lines->descriptor, lines->buffer + lines->end, (size_t)wanted);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        RK_FAIL(RK_ERR_IO, "%s cannot be read: %s", lines->path, strerror(errno));
    }
    int64_t old_end = lines->end;
    lines->at_end = got == 0;
    lines->end += got;
    lines->bytes += got;
    if (lines->quote == old_end) {
        lines->quote = find(lines, '"', old_end);
    }
    if (lines->nul == old_end) {
        lines->nul = find(lines, '\0', old_end);
    }
    return RK_OK;
}

/* Sets stop and next for the line that begins (or goes on) at `from`. */
static rk_status find_line_end(rk_lines *lines, int64_t from)
{
    for (;;) {
        int64_t newline = find(lines, '\n', from);
        if (newline < lines->end) {
            lines->stop = newline;
            lines->next = newline + 1;
            break;
        }
        if (lines->at_end) {
            lines->stop = lines->next = lines->end;
            break;
        }
        int64_t scanned = lines->end - lines->start;
        RK_TRY(fill(lines));
        from = lines->start + scanned;
    }
    if (lines->stop > lines->start && lines->buffer[lines->stop - 1] == '\r') {
        lines->stop--;
    }
    if (lines->nul < lines->next) {
        RK_FAIL_AT(lines, lines->buffer + lines->nul,
                   "a zero byte; is this a text file? (save UTF-16 as UTF-8)");
    }
    return RK_OK;
}

static rk_status skip_byte_order_mark(rk_lines *lines)
{
    const char *at = rk__lines_at(lines);
    int64_t length = lines->end - lines->start;
    if (length >= 2 && (memcmp(at, "\xff\xfe", 2) == 0 || memcmp(at, "\xfe\xff", 2) == 0)) {
        RK_FAIL(RK_ERR_DATA, "%s is UTF-16 text; save it as UTF-8", lines->path);
    }
    if (length >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0) {
        lines->start += 3;
    }
    return RK_OK;
}

rk_status rk__lines_next(rk_lines *lines, bool *out_end)
{
    lines->start = lines->next;
    lines->number += lines->span;
    if (lines->number == 0) {
        lines->number = 1;
        while (!lines->at_end && lines->end < 3) { /* the length of a byte order mark */
            RK_TRY(fill(lines));
        }
        RK_TRY(skip_byte_order_mark(lines));
    }
    lines->span = 1;
    if (lines->quote < lines->start) {
        lines->quote = find(lines, '"', lines->start);
    }
    RK_TRY(find_line_end(lines, lines->start));
    *out_end = lines->start == lines->end;
    return RK_OK;
}

rk_status rk__lines_extend(rk_lines *lines, bool *out_end)
{
    int64_t old_end = lines->next - lines->start;
    if (lines->next == lines->end && !lines->at_end) {
        RK_TRY(fill(lines));
    }
    *out_end = lines->start + old_end == lines->end;
    if (*out_end) {
        return RK_OK;
    }
    lines->span++;
    return find_line_end(lines, lines->start + old_end);
}

bool rk__lines_is_blank(const rk_lines *lines)
{
    for (int64_t i = lines->start; i < lines->stop; i++) {
        if (lines->buffer[i] != ' ' && lines->buffer[i] != '\t') {
            return false;
        }
    }
    return true;
}

rk_status rk__lines_locate(const rk_lines *lines, const char *at, rk_status status)
{
    int64_t line = lines->number;
    const char *begin = rk__lines_at(lines);
    for (const char *c = begin; c < at; c++) {
        if (*c == '\n') {
            line++;
            begin = c + 1;
        }
    }
    return rk__fail_prefix(status, "%s:%lld:%lld", lines->path, (long long)line,
                           (long long)(at - begin + 1));
}

rk_shown rk__shown(rk_text text)
{
    enum { MOST = 40 };
    rk_shown shown;
    int64_t length = text.length;
    if (length > MOST) {
        length = MOST;
        while (length > 0 && ((unsigned char)text.at[length] & 0xc0u) == 0x80) {
            length--; /* do not cut a UTF-8 character in half */
        }
    }
    for (int64_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text.at[i];
        shown.text[i] = c < ' ' || c == 0x7f ? '?' : text.at[i];
    }
    memcpy(shown.text + length, length < text.length ? "..." : "", length < text.length ? 4 : 1);
    return shown;
}
