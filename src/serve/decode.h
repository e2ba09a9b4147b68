/*
 * The target of a request, as it came: cut at slashes, '?' and '&' first and then decoded part by
 * part, so that an encoded slash is part of an id and an encoded zero byte is seen. (libmicrohttpd
 * decodes first; its decoder is turned off.)
 */
#ifndef RK_SERVE_DECODE_H
#define RK_SERVE_DECODE_H

#include "serve/request.h"

typedef struct serve_target {
    serve_parameter *segments; /* of the path, without names: "/a/b/" has "a", "b", "" */
    serve_parameter *query;    /* in order, "a&b=" as "a" and "b" with "" */
    size_t n_segments, n_query;
    const char *host; /* of "http://host/path"; NULL = it is only a path */
    char *text;       /* what these point into; owned, as they are */
} serve_target;

/* Decodes "/path?query", or the same behind "http://host". NULL, or what is wrong with it, a
 * constant sentence; then there is nothing to free. All texts are valid UTF-8 without a zero byte
 * and ended by one. In the query '+' is a blank. */
const char *serve_target_decode(serve_target *out, const char *raw, size_t length);
void serve_target_free(serve_target *target); /* a zeroed one is fine */

#endif
