/*
 * Lines of a text file, streamed in blocks: at most one block and the current line are in memory.
 * stream.h says what a file may be: compressed, a pipe, Latin-1.
 *
 * LF, CRLF, CR alone (old Macs), a missing last line end and a UTF-8 byte order mark are accepted;
 * a NUL byte, UTF-16 and a line longer than the limit are errors. Places in messages are
 * file:line:column, both from 1, the column counted in bytes of UTF-8.
 */
#ifndef RK_DATA_LINES_H
#define RK_DATA_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "data/reader.h"
#include "data/stream.h"

/* How a file is read; zeroed = as usual. */
typedef struct rk_line_options {
    int64_t block;    /* bytes read at once, 0 = 256 KiB; tests read in tiny blocks */
    int64_t max_line; /* longest line in bytes, 0 = 64 MiB */
    bool is_latin1;   /* else UTF-8 */
    rk_stop stop;     /* asked before each block */
} rk_line_options;

/* Offsets count from the buffer's start; they move when more is read. */
typedef struct rk_lines {
    char *path; /* owned */
    rk_stream stream;
    char newline; /* what ends a line: '\n', or '\r' alone */
    bool at_end;  /* of the file; the buffer may still hold lines */
    char *buffer; /* capacity, owned */
    int64_t capacity;
    int64_t start, stop; /* the current line, without its line end */
    int64_t next, end;   /* where the next line begins; where the bytes read so far end */
    int64_t quote, nul;  /* the first such byte at or after `start`; `end` = none so far */
    int64_t number;      /* of the current line, from 1 */
    int64_t span;        /* file lines in the current line: more than 1 after rk__lines_extend */
    int64_t bytes;       /* of text, read so far */
    rk_line_options options;
} rk_lines;

/* A failed open owes nothing. */
rk_status rk__lines_open(rk_lines *lines, const char *path, rk_line_options options);
void rk__lines_close(rk_lines *lines); /* a zeroed one is fine */

/* Moves to the next line, empty or not; *out_end = true after the last one. */
rk_status rk__lines_next(rk_lines *lines, bool *out_end);

/* Appends the next line to the current one, line end in between (a quoted line break); *out_end =
 * true when nothing follows. Pointers into the line become invalid, offsets from its start do not.
 */
rk_status rk__lines_extend(rk_lines *lines, bool *out_end);

static inline const char *rk__lines_at(const rk_lines *lines)
{
    return lines->buffer + lines->start;
}

static inline int64_t rk__lines_length(const rk_lines *lines)
{
    return lines->stop - lines->start;
}

/* Whether the current line holds a double quote. */
static inline bool rk__lines_has_quote(const rk_lines *lines)
{
    return lines->quote < lines->stop;
}

/* How much of the file the lines so far are: bytes of the file, compressed ones where it is. */
int64_t rk__lines_used(const rk_lines *lines);

/* Only blanks and tabs. */
bool rk__lines_is_blank(const rk_lines *lines);

/* Without the blanks and tabs at its ends. */
static inline rk_text rk__trimmed(rk_text text)
{
    while (text.length > 0 && (text.at[0] == ' ' || text.at[0] == '\t')) {
        text.at++;
        text.length--;
    }
    while (text.length > 0 &&
           (text.at[text.length - 1] == ' ' || text.at[text.length - 1] == '\t')) {
        text.length--;
    }
    return text;
}

/* Puts "file:line:column: " in front of the last error; at: a byte of the current line. Where it is
 * none (a value that was made from the line), the column is left out. */
rk_status rk__lines_locate(const rk_lines *lines, const char *at, rk_status status);

#define RK_FAIL_AT(lines_, at_, ...)                                                               \
    return rk__lines_locate((lines_), (at_),                                                       \
                            rk__fail(RK_ERR_DATA, __FILE__, __LINE__, __func__, __VA_ARGS__))

/* A piece of the input for messages: at most 40 bytes and "...", control characters as '?'. */
typedef struct rk_shown {
    char text[48];
} rk_shown;
rk_shown rk__shown(rk_text text);

#endif
