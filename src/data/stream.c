#include "data/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/alloc.h"
#include "data/sniff.h"

enum { INPUT = 128 << 10, LATIN1 = 32 << 10, WAIT_MS = 200 };

/* ---- the descriptor ---- */

static rk_status check_stop(const rk_stream *stream)
{
    if (stream->stop.wanted && stream->stop.wanted(stream->stop.self)) {
        RK_FAIL(RK_ERR_INTERRUPTED, "interrupted while reading %s; nothing was written",
                stream->path);
    }
    return RK_OK;
}

/* Until there are bytes or the end. A pipe that nobody has opened for writing yet has neither. */
static rk_status wait_for_bytes(const rk_stream *stream)
{
    struct pollfd wanted = {.fd = stream->descriptor, .events = POLLIN};
    while (poll(&wanted, 1, WAIT_MS) <= 0) {
        RK_TRY(check_stop(stream));
    }
    return RK_OK;
}

static rk_status read_descriptor(rk_stream *stream, char *to, int64_t room, int64_t *out_got)
{
    ssize_t got;
    do {
        if (!stream->is_regular) {
            RK_TRY(wait_for_bytes(stream));
        }
        got = read(stream->descriptor, to, (size_t)room);
    } while (got < 0 && (errno == EINTR || errno == EAGAIN));
    if (got < 0) {
        RK_FAIL(RK_ERR_IO, "%s cannot be read: %s", stream->path, strerror(errno));
    }
    stream->at_end = got == 0;
    stream->bytes += got;
    *out_got = got;
    return RK_OK;
}

/* More bytes behind those in `input`, which move to its front. */
static rk_status fill_input(rk_stream *stream)
{
    int64_t left = stream->end - stream->at, got = 0;
    if (left > 0 && stream->at > 0) {
        memmove(stream->input, stream->input + stream->at, (size_t)left);
    }
    stream->at = 0;
    stream->end = left;
    RK_TRY(read_descriptor(stream, stream->input + left, INPUT - left, &got));
    stream->end += got;
    return RK_OK;
}

/* ---- decoders: each gives some bytes, or 0 at the end ---- */

static rk_status read_plain(rk_stream *stream, char *to, int64_t room, int64_t *out_got)
{
    int64_t left = stream->end - stream->at;
    if (left == 0) {
        return stream->at_end ? RK_OK : read_descriptor(stream, to, room, out_got);
    }
    *out_got = left < room ? left : room;
    memcpy(to, stream->input + stream->at, (size_t)*out_got);
    stream->at += *out_got;
    return RK_OK;
}

static rk_status truncated(const rk_stream *stream)
{
    RK_FAIL(RK_ERR_DATA,
            "%s ends in the middle of its compressed data: was it copied or downloaded whole?",
            stream->path);
}

static rk_status damaged(const rk_stream *stream, const char *by, const char *why)
{
    RK_FAIL(RK_ERR_DATA, "%s is damaged: %s says '%s' near byte %lld", stream->path, by, why,
            (long long)rk__stream_used(stream));
}

static rk_status no_memory(const rk_stream *stream)
{
    RK_FAIL(RK_ERR_MEMORY, "there is no memory to unpack %s", stream->path);
}

/* Between members: zero bytes that fill up a block of a tape are no member. */
static rk_status begin_gzip_member(rk_stream *stream, bool *out_is_end)
{
    *out_is_end = false;
    for (;;) {
        while (stream->at < stream->end && stream->input[stream->at] == '\0') {
            stream->at++;
        }
        if (stream->at < stream->end) {
            break;
        }
        *out_is_end = stream->at_end;
        if (stream->at_end) {
            return RK_OK;
        }
        RK_TRY(fill_input(stream));
    }
    stream->in_member = true;
    return inflateReset(stream->decoder) == Z_OK ? RK_OK : damaged(stream, "zlib", "no state");
}

static rk_status read_gzip(rk_stream *stream, char *to, int64_t room, int64_t *out_got)
{
    z_stream *z = stream->decoder;
    uInt wanted = (uInt)(room < INPUT ? room : INPUT);
    z->next_out = (Bytef *)to;
    z->avail_out = wanted;
    while (z->avail_out == wanted) {
        bool is_end = false;
        if (!stream->in_member) {
            RK_TRY(begin_gzip_member(stream, &is_end));
            if (is_end) {
                return RK_OK;
            }
        }
        if (stream->at == stream->end && !stream->at_end) {
            RK_TRY(fill_input(stream));
        }
        z->next_in = (Bytef *)stream->input + stream->at;
        z->avail_in = (uInt)(stream->end - stream->at);
        int code = inflate(z, Z_NO_FLUSH);
        stream->at = stream->end - (int64_t)z->avail_in;
        if (code == Z_STREAM_END) {
            stream->in_member = false;
        } else if (code == Z_BUF_ERROR && stream->at == stream->end) {
            if (stream->at_end) {
                return truncated(stream);
            }
        } else if (code == Z_MEM_ERROR) {
            return no_memory(stream);
        } else if (code != Z_OK) {
            return damaged(stream, "zlib", z->msg ? z->msg : zError(code));
        }
    }
    *out_got = (int64_t)(wanted - z->avail_out);
    return RK_OK;
}

static rk_status read_zstd(rk_stream *stream, char *to, int64_t room, int64_t *out_got)
{
    ZSTD_outBuffer out = {.dst = to, .size = (size_t)room};
    while (out.pos == 0) {
        if (stream->at == stream->end && !stream->at_end) {
            RK_TRY(fill_input(stream));
        }
        if (stream->at == stream->end && stream->at_end && !stream->in_member) {
            return RK_OK;
        }
        ZSTD_inBuffer in = {.src = stream->input + stream->at,
                            .size = (size_t)(stream->end - stream->at)};
        size_t code = ZSTD_decompressStream(stream->decoder, &out, &in);
        stream->at += (int64_t)in.pos;
        if (ZSTD_getErrorCode(code) == ZSTD_error_frameParameter_windowTooLarge) {
            RK_FAIL(RK_ERR_DATA,
                    "%s was compressed with a window beyond 128 MiB (zstd --long): compress it "
                    "without, or unpack it",
                    stream->path);
        }
        if (ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation) {
            return no_memory(stream);
        }
        if (ZSTD_isError(code)) {
            return damaged(stream, "zstd", ZSTD_getErrorName(code));
        }
        stream->in_member = code != 0;
        if (out.pos == 0 && stream->in_member && stream->at == stream->end && stream->at_end) {
            return truncated(stream);
        }
    }
    *out_got = (int64_t)out.pos;
    return RK_OK;
}

static rk_status read_bytes(rk_stream *stream, char *to, int64_t room, int64_t *out_got)
{
    *out_got = 0;
    switch (stream->packing) {
    case RK_PACKING_GZIP:
        return read_gzip(stream, to, room, out_got);
    case RK_PACKING_ZSTD:
        return read_zstd(stream, to, room, out_got);
    case RK_PACKING_NONE:
        break;
    }
    return read_plain(stream, to, room, out_got);
}

/* ---- opening ---- */

static rk_status open_decoder(rk_stream *stream)
{
    const unsigned char *head = (const unsigned char *)stream->input;
    int64_t length = stream->end;
    if (length >= 3 && head[0] == 0x1f && head[1] == 0x8b && head[2] == 8) {
        z_stream *z = NULL;
        RK_TRY(rk__calloc(&z, 1, sizeof *z, "a decoder"));
        stream->decoder = z;
        if (inflateInit2(z, MAX_WBITS + 16) != Z_OK) {
            rk__free(z);
            stream->decoder = NULL;
            return no_memory(stream);
        }
        stream->packing = RK_PACKING_GZIP;
    } else if (length >= 4 &&
               (memcmp(head, "\x28\xb5\x2f\xfd", 4) == 0 ||
                ((head[0] & 0xf0u) == 0x50 && !memcmp(head + 1, "\x2a\x4d\x18", 3)))) {
        stream->decoder = ZSTD_createDStream();
        if (!stream->decoder) {
            return no_memory(stream);
        }
        stream->packing = RK_PACKING_ZSTD;
    }
    return RK_OK;
}

/* Looks at the first bytes, and at those that they unpack to. */
static rk_status look_inside(rk_stream *stream)
{
    while (stream->end < RK_SNIFF_BYTES && !stream->at_end) {
        RK_TRY(fill_input(stream));
    }
    RK_TRY(open_decoder(stream));
    if (stream->packing == RK_PACKING_NONE) {
        RK_TRY(rk__sniff_binary(stream->path, stream->input, stream->end));
    }
    if (stream->is_latin1 && stream->end >= 3 && memcmp(stream->input, "\xef\xbb\xbf", 3) == 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s begins with a UTF-8 byte order mark: leave encoding at utf-8",
                stream->path);
    }
    return RK_OK;
}

rk_status rk__stream_open(rk_stream *stream, const char *path, bool is_latin1, rk_stop stop)
{
    rk_status status = RK_OK;
    *stream = (rk_stream){.path = path, .stop = stop, .descriptor = -1, .is_latin1 = is_latin1};
    /* Without O_NONBLOCK this would wait for somebody to write to a named pipe, and hear
     * nothing. */
    stream->descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (stream->descriptor < 0 && errno == ENXIO && strcmp(path, "/dev/stdin") == 0) {
        stream->descriptor = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3); /* a socket */
    }
    struct stat info;
    if (stream->descriptor < 0 || fstat(stream->descriptor, &info) != 0) {
        RK_FAIL_GOTO(done, RK_ERR_IO, "%s cannot be read: %s", path, strerror(errno));
    }
    if (S_ISDIR(info.st_mode)) {
        RK_FAIL_GOTO(done, RK_ERR_IO, "%s cannot be read: it is a folder; name a file in it", path);
    }
    stream->is_regular = S_ISREG(info.st_mode);
    stream->file_bytes = stream->is_regular ? (int64_t)info.st_size : 0;
    (void)posix_fadvise(stream->descriptor, 0, 0, POSIX_FADV_SEQUENTIAL);
    RK_TRY_GOTO(done, rk__alloc(&stream->input, INPUT, 1, "the bytes of a file"));
    if (is_latin1) {
        RK_TRY_GOTO(done, rk__alloc(&stream->latin1, LATIN1, 1, "the bytes of a file"));
    }
    RK_TRY_GOTO(done, look_inside(stream));
done:
    if (status != RK_OK) {
        rk__stream_close(stream);
    }
    return status;
}

void rk__stream_close(rk_stream *stream)
{
    if (stream->packing == RK_PACKING_GZIP && stream->decoder) {
        inflateEnd(stream->decoder);
        rk__free(stream->decoder);
    }
    if (stream->packing == RK_PACKING_ZSTD) {
        ZSTD_freeDStream(stream->decoder);
    }
    if (stream->path && stream->descriptor >= 0) {
        close(stream->descriptor);
    }
    rk__free(stream->input);
    rk__free(stream->latin1);
    *stream = (rk_stream){.descriptor = -1};
}

/* Every byte of Latin-1 is the code point of that number: one byte of UTF-8, or two. */
static rk_status read_latin1(rk_stream *stream, char *to, int64_t room, int64_t *out_got)
{
    int64_t n = 0;
    RK_ASSERT(room >= 2);
    if (stream->latin1_at == stream->latin1_end) {
        stream->latin1_at = stream->latin1_end = 0;
        RK_TRY(read_bytes(stream, stream->latin1, LATIN1, &stream->latin1_end));
    }
    for (; stream->latin1_at < stream->latin1_end && n + 2 <= room; stream->latin1_at++) {
        unsigned char c = (unsigned char)stream->latin1[stream->latin1_at];
        if (c < 0x80) {
            to[n++] = (char)c;
        } else {
            to[n++] = (char)(0xc0 | c >> 6);
            to[n++] = (char)(0x80 | (c & 0x3f));
        }
    }
    *out_got = n;
    return RK_OK;
}

rk_status rk__stream_read(rk_stream *stream, char *to, int64_t room, int64_t *out_got)
{
    RK_TRY(check_stop(stream));
    return stream->is_latin1 ? read_latin1(stream, to, room, out_got)
                             : read_bytes(stream, to, room, out_got);
}
