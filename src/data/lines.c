#include "data/lines.h"

#include <string.h>

#include "base/alloc.h"
#include "data/sniff.h"

/* A block fits in the second-level cache, so that a line is still cached when it is split. Line
 * ends are looked for in the first FIRST_BYTES. */
enum { DEFAULT_BLOCK = 256 << 10, DEFAULT_MAX_LINE = 64 << 20, FIRST_BYTES = 64 << 10 };
enum { A_CHARACTER = 2 /* most bytes in UTF-8 of one of Latin-1 */ };

rk_status rk__lines_open(rk_lines *lines, const char *path, rk_line_options options)
{
    rk_status status = RK_OK;
    memset(lines, 0, sizeof *lines);
    lines->newline = '\n';
    options.block = options.block > 0 ? options.block : DEFAULT_BLOCK;
    options.block = options.block < A_CHARACTER && options.is_latin1 ? A_CHARACTER : options.block;
    options.max_line = options.max_line > 0 ? options.max_line : DEFAULT_MAX_LINE;
    lines->options = options;
    RK_TRY_GOTO(done, rk__strdup(&lines->path, path));
    RK_TRY_GOTO(done,
                rk__stream_open(&lines->stream, lines->path, options.is_latin1, options.stop));
    lines->capacity = options.block;
    RK_TRY_GOTO(done, rk__alloc(&lines->buffer, lines->capacity, 1, "the reader's block"));
done:
    if (status != RK_OK) {
        rk__lines_close(lines);
    }
    return status;
}

void rk__lines_close(rk_lines *lines)
{
    rk__stream_close(&lines->stream);
    rk__free(lines->buffer);
    rk__free(lines->path);
    memset(lines, 0, sizeof *lines);
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
    if (kept > lines->options.max_line) {
        RK_FAIL(RK_ERR_DATA, "%s:%lld: the line is longer than %lld bytes; is this a text file?",
                lines->path, (long long)lines->number, (long long)lines->options.max_line);
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
    if (lines->capacity - lines->end < A_CHARACTER) {
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
    int64_t wanted = room < lines->options.block ? room : lines->options.block;
    int64_t got = 0;
    RK_TRY(rk__stream_read(&lines->stream, lines->buffer + lines->end, wanted, &got));
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
        int64_t newline = find(lines, lines->newline, from);
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
    /* Also several, as where CRLF was written through a text stream of Windows. */
    while (lines->newline == '\n' && lines->stop > lines->start &&
           lines->buffer[lines->stop - 1] == '\r') {
        lines->stop--;
    }
    if (lines->nul < lines->next) {
        RK_FAIL_AT(lines, lines->buffer + lines->nul,
                   "a zero byte; is this a text file? (save UTF-16 as UTF-8)");
    }
    return RK_OK;
}

/* What a compressed file holds may be no text, either. */
static rk_status begin_text(rk_lines *lines)
{
    while (!lines->at_end && lines->end < 3) { /* the length of a byte order mark */
        RK_TRY(fill(lines));
    }
    const char *at = rk__lines_at(lines);
    RK_TRY(rk__sniff_binary(lines->path, at, lines->end));
    if (lines->end >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0) {
        lines->start += 3;
    }
    return RK_OK;
}

/* Carriage returns end the lines if there is no line feed among the first bytes. */
static rk_status find_newline(rk_lines *lines)
{
    int64_t scanned = 0;
    for (;;) {
        int64_t length = lines->end - lines->start;
        const char *at = rk__lines_at(lines);
        if (memchr(at + scanned, '\n', (size_t)(length - scanned))) {
            return RK_OK;
        }
        if (lines->at_end || length >= FIRST_BYTES) {
            lines->newline = memchr(at, '\r', (size_t)length) ? '\r' : '\n';
            return RK_OK;
        }
        scanned = length;
        RK_TRY(fill(lines));
    }
}

rk_status rk__lines_next(rk_lines *lines, bool *out_end)
{
    lines->start = lines->next;
    lines->number += lines->span;
    if (lines->number == 0) {
        lines->number = 1;
        RK_TRY(begin_text(lines));
        RK_TRY(find_newline(lines));
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

int64_t rk__lines_used(const rk_lines *lines)
{
    const rk_stream *stream = &lines->stream;
    int64_t ahead = lines->end - lines->next;
    /* How much of what is unpacked stands for how much of the file is not known. */
    bool is_as_read = stream->packing == RK_PACKING_NONE && !stream->is_latin1;
    return is_as_read ? lines->bytes - ahead : rk__stream_used(stream);
}

rk_status rk__lines_locate(const rk_lines *lines, const char *at, rk_status status)
{
    int64_t line = lines->number;
    const char *begin = rk__lines_at(lines);
    uintptr_t first = (uintptr_t)begin, place = (uintptr_t)at;
    if (!lines->buffer || place < first || place > (uintptr_t)(lines->buffer + lines->end)) {
        return rk__fail_prefix(status, "%s:%lld", lines->path, (long long)line);
    }
    for (const char *c = begin; c < at; c++) {
        if (*c == lines->newline) {
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
