/*
 * JSON bodies of requests. What a client sends is checked before the parser sees it (how deep it is
 * nested) and by it: strict UTF-8, no zero bytes, no member twice.
 */
#ifndef RK_SERVE_BODY_H
#define RK_SERVE_BODY_H

#include "serve/request.h"

enum {
    SERVE_BODY_BYTES = 64 * 1024, /* at most, of a body */
    SERVE_BODY_DEPTH = 16         /* at most, of lists and objects in each other */
};

/* The value that the bytes are; NULL, and a problem in the reply, where they are none. Free with
 * serve_body_free. Bytes above SERVE_BODY_BYTES are the caller's to refuse. */
struct json_t *serve_body_parse(const char *bytes, size_t length, serve_reply *reply);
void serve_body_free(struct json_t *body); /* NULL is fine */

#endif
