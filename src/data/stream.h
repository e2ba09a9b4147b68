/*
 * The bytes of a source, whatever they come from: a file, a named pipe or /dev/stdin, plain or
 * compressed by gzip or zstd, in UTF-8 or Latin-1.
 *
 * How a file is compressed is told by its first bytes, not by its name; several members or frames
 * one after the other are one text, as gzip and zstd have it. What is no text (Parquet, Excel
 * workbooks, NumPy arrays, ...) is an error that names the format and the way out. Reading waits
 * for a pipe without becoming deaf: a caller that wants to stop is heard within a fifth of a
 * second.
 */
#ifndef RK_DATA_STREAM_H
#define RK_DATA_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "rankine/hooks.h"

/* Whether the caller wants to stop; asked on the thread that reads. NULL = never. */
typedef struct rk_stop {
    bool (*wanted)(void *self);
    void *self;
} rk_stop;

static inline rk_stop rk__stop_of(const rk_hooks *hooks)
{
    return hooks ? (rk_stop){hooks->should_stop, hooks->user} : (rk_stop){0};
}

typedef enum rk_packing { RK_PACKING_NONE, RK_PACKING_GZIP, RK_PACKING_ZSTD } rk_packing;

typedef struct rk_stream {
    const char *path; /* the caller's; for messages */
    rk_stop stop;
    int descriptor;
    bool is_regular; /* a file, so that nobody waits for its bytes */
    bool is_latin1;
    bool at_end; /* of the descriptor */
    rk_packing packing;
    void *decoder;   /* a z_stream or ZSTD_DStream; owned */
    bool in_member;  /* compressed bytes of a member were read, and not its end */
    char *input;     /* bytes as they are in the file; owned */
    int64_t at, end; /* those of `input` that are not used yet */
    char *latin1;    /* bytes that are not converted yet, latin1_at to latin1_end; owned */
    int64_t latin1_at, latin1_end;
    int64_t bytes;      /* taken from the descriptor */
    int64_t file_bytes; /* 0 when it is not a regular file */
} rk_stream;

/* RK_ERR_IO for what cannot be read, RK_ERR_DATA for what is no text, RK_ERR_CONFIG for a UTF-8
 * byte order mark in what is said to be Latin-1. path is kept. A failed open owes nothing. */
rk_status rk__stream_open(rk_stream *stream, const char *path, bool is_latin1, rk_stop stop);
void rk__stream_close(rk_stream *stream); /* a zeroed one is fine */

/* Up to `room` > 0 bytes of text; *out_got = 0 at the end. RK_ERR_DATA for damaged or truncated
 * compressed data, RK_ERR_INTERRUPTED if the caller wants to stop. */
rk_status rk__stream_read(rk_stream *stream, char *to, int64_t room, int64_t *out_got);

/* Bytes of the file used so far: compressed ones, if it is. */
static inline int64_t rk__stream_used(const rk_stream *stream)
{
    return stream->bytes - (stream->end - stream->at);
}

#endif
