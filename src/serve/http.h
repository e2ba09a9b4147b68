/*
 * HTTP: libmicrohttpd's connections, from a request's bytes to serve_answer and back.
 *
 * libmicrohttpd's threads wait for sockets (epoll) and call in here when a header or a body is
 * there. A question to the model suspends its connection until the reply is done, so that a thread
 * never waits. What libmicrohttpd takes that a server should not is refused here: see policy.h,
 * decode.h and connections.h.
 */
#ifndef RK_SERVE_HTTP_H
#define RK_SERVE_HTTP_H

#include "serve/feedback.h"
#include "serve/policy.h"
#include "serve/world.h"

enum {
    SERVE_TARGET_BYTES = 4 * 1024,  /* of an address */
    SERVE_HEADER_BYTES = 16 * 1024, /* of a header, the address included */
};

typedef struct serve_http_options {
    int socket; /* listens already; the caller's, to be closed after serve_http_free */
    int threads;
    int64_t connections;      /* at once */
    int64_t per_address;      /* of them of one address; 0 = no limit */
    bool counts_loopback;     /* that limit is also for this machine's addresses */
    int64_t in_flight;        /* requests that are answered at once; more get 503 */
    int64_t request_ms;       /* a request must be there after that time */
    int64_t idle_ms;          /* a connection is kept that long for the next one */
    int64_t answer_ms;        /* an answer must be taken in that time */
    serve_policy policy;      /* its texts are lent */
    serve_world *world;       /* lent */
    serve_feedback *feedback; /* lent; NULL = there is none */
} serve_http_options;

typedef struct serve_http serve_http;

/* Starts to answer. NULL: message is a sentence. */
serve_http *serve_http_start(const serve_http_options *options, char *message, size_t size);

/* Cuts connections that are over their time. To be called several times a second. */
void serve_http_tick(serve_http *http);

/* From now on /health/ready says 503, answers close their connections, and nobody new is
 * accepted. */
void serve_http_drain(serve_http *http);
/* Whether nobody is left, or nobody who has asked something lately. */
bool serve_http_is_drained(serve_http *http);

/* From now on nobody's question is passed on; waits until those that were are answered. False: some
 * are not after `ms`, and what answers them must stay. */
bool serve_http_finish(serve_http *http, int64_t ms);
/* Ends it, after serve_http_finish. NULL is fine. */
void serve_http_free(serve_http *http);

#endif
