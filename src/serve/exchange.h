/* A connection's request, one at a time, and its answer, as libmicrohttpd hands them over; http.c
 * has the connections' lives. */
#ifndef RK_SERVE_EXCHANGE_H
#define RK_SERVE_EXCHANGE_H

#include <microhttpd.h>
#include <time.h>

#include "serve/connections.h"
#include "serve/http.h"

/* Where the request of a connection is. */
typedef enum stage {
    STAGE_NONE,    /* its address has not come yet */
    STAGE_HEADER,  /* it has; the handler has not been called */
    STAGE_BODY,    /* the body is read, and dropped if the reply is there already */
    STAGE_WAITING, /* suspended, until the reply is done */
    STAGE_SENT,
} stage;

/* A connection with its request, of which it has one at a time. */
typedef struct http_connection {
    serve_connection base; /* the first member */
    serve_http *http;
    struct MHD_Connection *connection;
    stage stage;
    struct timespec began;
    char *raw;           /* the address as it came; owned; NULL: there was no memory, or too long */
    const char *raw_end; /* where it ends in libmicrohttpd's memory */
    bool is_too_long, is_last, is_counted;
    serve_header header;
    serve_target target;
    const serve_route *route;
    serve_parameter parts[SERVE_MOST_PARTS];
    serve_text body;
    size_t body_bytes; /* that came, also what was dropped */
    serve_request request;
    serve_reply reply;
    atomic_bool is_done; /* the reply, by another thread */
} http_connection;

struct serve_http {
    serve_http_options options;
    struct MHD_Daemon *daemon;
    serve_connections *connections;
    serve_measures *measures;
    atomic_llong in_flight;
    atomic_llong last_ms; /* when the last answer was given */
    atomic_bool is_draining, is_finishing, is_quiet;
    char message[256]; /* libmicrohttpd's last one while it starts */
};

/* The connection has until then, in ms from now, to go on; 0 = as long as it likes. */
void serve_set_deadline(http_connection *c, int64_t ms, bool may_say_so);

/* The address of a request has come, before libmicrohttpd takes it apart: target is its memory,
 * whose query is hidden from it. */
void serve_begin_request(http_connection *c, char *target);
/* Drops what belongs to a request; the connection may have another one. */
void serve_end_request(http_connection *c);

/* libmicrohttpd's MHD_AccessHandlerCallback; *request is the http_connection. */
enum MHD_Result serve_handle(void *cls, struct MHD_Connection *connection, const char *url,
                             const char *method, const char *version, const char *bytes,
                             size_t *length, void **request);

#endif
