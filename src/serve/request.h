/*
 * What a request asks and what it is answered, between HTTP (http.c, routes.c) and the answers
 * (answers.c): nothing here knows of sockets, and nothing in http.c of models.
 *
 * serve_answer is called by any number of threads. What takes no time is answered at once. A
 * question to the model waits for the answering thread (batches.h), which completes the reply:
 *
 *   reply.wait(reply)   in the thread of serve_answer, before the question is handed over: the
 *                       answer comes later, so suspend the connection
 *   reply.done(reply)   in the answering thread, once, and only after `wait`; from then on the
 *                       reply and the request are the caller's again
 *
 * Until then request and reply are lent, with everything that they point to.
 */
#ifndef RK_SERVE_REQUEST_H
#define RK_SERVE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_t; /* jansson's */

/* The questions that serve_answer knows; routes.c says which method and path asks which. Health,
 * metrics, feedback and the page are http's own. */
typedef enum serve_question {
    SERVE_INFO,         /* GET  /api/v1/info */
    SERVE_USER,         /* GET  /api/v1/users/{user}/recommendations */
    SERVE_LIST,         /* POST /api/v1/recommendations */
    SERVE_BATCH,        /* POST /api/v1/batch */
    SERVE_SCORES,       /* POST /api/v1/scores */
    SERVE_SEARCH,       /* GET  /api/v1/items?q= */
    SERVE_RANDOM,       /* GET  /api/v1/items/random */
    SERVE_POPULAR,      /* GET  /api/v1/items/popular */
    SERVE_ITEM,         /* GET  /api/v1/items/{item} */
    SERVE_SIMILAR,      /* GET  /api/v1/items/{item}/similar */
    SERVE_OPENAPI,      /* GET  /openapi.json */
    SERVE_RELOAD,       /* POST /admin/reload; http has checked the token */
    SERVE_GORSE_USER,   /* GET  /api/recommend/{user} */
    SERVE_GORSE_LIST,   /* POST /api/session/recommend; the body is a JSON list */
    SERVE_GORSE_SIMILAR /* GET  /api/item/{item}/neighbors/ */
} serve_question;

/* Decoded: valid UTF-8 without a zero byte, and ended by one. */
typedef struct serve_parameter {
    const char *name; /* "user", "n", "context.hour" */
    const char *text;
    size_t length;
} serve_parameter;

typedef struct serve_request {
    serve_question question;
    const serve_parameter *path; /* the {names} of the route, in order */
    const serve_parameter *query;
    size_t n_path, n_query;
    const struct json_t *body; /* checked by body.c, of any type; NULL where the route takes none */
} serve_request;

/* A text that grows (reply.h writes into it); owned by who has it. */
typedef struct serve_text {
    char *at; /* NULL = nothing yet; ended by a zero byte */
    size_t length, room;
    bool has_failed; /* there was no memory for it; what is written to it is then lost */
} serve_text;

typedef struct serve_reply serve_reply;
struct serve_reply {
    int status;               /* of HTTP; 0 = none yet */
    const char *content_type; /* a constant */
    serve_text text;
    const char *allow; /* for 405; a constant, or NULL */
    int retry_after;   /* in seconds, for 429 and 503; 0 = none */
    void (*wait)(serve_reply *reply);
    void (*done)(serve_reply *reply);
    void *owner; /* the caller's */
};

typedef struct serve_world serve_world; /* world.h */

/* Answers a request. true: the reply is complete. false: it comes later, as said above. What is
 * wrong with a request is a problem (RFC 9457) in the reply; nothing fails otherwise. */
bool serve_answer(serve_world *world, const serve_request *request, serve_reply *reply);

#endif
