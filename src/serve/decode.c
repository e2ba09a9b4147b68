#include "serve/decode.h"

#include <string.h>

#include "serve/memory.h"
#include "text/utf8.h"

/* ---- parts ---- */

static int hex(char digit)
{
    return digit >= '0' && digit <= '9'   ? digit - '0'
           : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
           : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
                                          : -1;
}

/* Decodes raw[0, length) to *at, with a zero byte behind it, and moves *at there. */
static const char *decode(const char *raw, size_t length, bool in_query, char **at,
                          const char **out, size_t *out_length)
{
    char *to = *at;
    *out = to;
    for (size_t i = 0; i < length; i++) {
        char byte = raw[i];
        if ((unsigned char)byte <= ' ' || byte == 0x7F) {
            return "the address has a blank or a control character: write %20 for a blank";
        }
        if (byte == '%') {
            const int high = i + 2 < length ? hex(raw[i + 1]) : -1;
            const int low = i + 2 < length ? hex(raw[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return "the address has a '%' without two hexadecimal digits behind it: write %25 "
                       "for a percent sign";
            }
            byte = (char)(high * 16 + low);
            i += 2;
        } else if (byte == '+' && in_query) {
            byte = ' ';
        }
        if (byte == '\0') {
            return "the address has a zero byte, which no id has";
        }
        *to++ = byte;
    }
    *out_length = (size_t)(to - *out);
    *to++ = '\0';
    *at = to;
    return text_utf8_is_valid(*out, *out_length) ? NULL : "the address is not UTF-8";
}

/* How often a byte is in it. */
static size_t count(const char *raw, size_t length, char byte)
{
    size_t n = 0;
    for (size_t i = 0; i < length; i++) {
        n += raw[i] == byte;
    }
    return n;
}

/* The length up to a byte, or all of it. */
static size_t span(const char *raw, size_t length, char byte)
{
    const char *found = length > 0 ? memchr(raw, byte, length) : NULL;
    return found ? (size_t)(found - raw) : length;
}

/* ---- the target ---- */

/* The bytes of "http://host" in front, *out_host of them the host's. */
static size_t host_length(const char *raw, size_t length, size_t *out_host)
{
    static const char *const schemes[] = {"http://", "https://"};
    *out_host = 0;
    for (int i = 0; i < 2; i++) {
        const size_t n = strlen(schemes[i]);
        if (length >= n && memcmp(raw, schemes[i], n) == 0) {
            *out_host = span(raw + n, length - n, '/');
            return n + *out_host;
        }
    }
    return 0;
}

static const char *decode_path(serve_target *out, const char *raw, size_t length, char **at)
{
    const char *problem = NULL;
    while (length > 0 && !problem) { /* at a slash */
        serve_parameter *segment = &out->segments[out->n_segments++];
        const size_t n = span(raw + 1, length - 1, '/');
        problem = decode(raw + 1, n, false, at, &segment->text, &segment->length);
        raw += 1 + n;
        length -= 1 + n;
    }
    return problem;
}

static const char *decode_query(serve_target *out, const char *raw, size_t length, char **at)
{
    const char *problem = NULL;
    while (length > 0 && !problem) {
        const size_t n = span(raw, length, '&'), name = span(raw, n, '=');
        if (n > 0) {
            serve_parameter *p = &out->query[out->n_query++];
            size_t name_length = 0;
            problem = decode(raw, name, true, at, &p->name, &name_length);
            if (!problem) {
                const size_t value = name < n ? name + 1 : n;
                problem = decode(raw + value, n - value, true, at, &p->text, &p->length);
            }
        }
        raw += n < length ? n + 1 : n;
        length -= n < length ? n + 1 : n;
    }
    return problem;
}

const char *serve_target_decode(serve_target *out, const char *raw, size_t length)
{
    static const char no_memory[] = "there is no memory for the address";
    size_t host;
    const size_t before = host_length(raw, length, &host);
    *out = (serve_target){.text = NULL};
    raw += before;
    length -= before;
    if (length == 0 || raw[0] != '/') {
        return "the address does not begin with a slash";
    }
    const size_t path = span(raw, length, '?');
    const char *query = raw + path + (path < length);
    const size_t query_length = length - path - (path < length);
    const size_t n_segments = count(raw, path, '/');
    const size_t n_query = count(query, query_length, '&') + 1;
    /* a part is no longer decoded than it was, and each has a zero byte in the place of its
     * separator; a name without '=' has one more */
    char *at = out->text = serve_alloc((int64_t)(length + n_query + host + 3), 1);
    out->segments = serve_alloc((int64_t)n_segments, sizeof *out->segments);
    out->query = serve_alloc((int64_t)n_query, sizeof *out->query);
    const char *problem = at && out->segments && out->query ? NULL : no_memory;
    if (!problem && before > 0) {
        size_t host_bytes;
        problem = decode(raw - host, host, false, &at, &out->host, &host_bytes);
    }
    problem = problem ? problem : decode_path(out, raw, path, &at);
    problem = problem ? problem : decode_query(out, query, query_length, &at);
    if (problem) {
        serve_target_free(out);
    }
    return problem;
}

void serve_target_free(serve_target *target)
{
    serve_free(target->segments);
    serve_free(target->query);
    serve_free(target->text);
    *target = (serve_target){.text = NULL};
}
