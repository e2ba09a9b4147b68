/*
 * What the service counts, for /metrics in the text format of Prometheus: counters and histograms,
 * which add up over several services, and never the path of a request, only its route's.
 *
 * Threads: any number may count and print at once.
 */
#ifndef RK_SERVE_MEASURES_H
#define RK_SERVE_MEASURES_H

#include "serve/request.h"
#include "serve/routes.h"
#include "serve/world.h"

typedef struct serve_measures serve_measures;

/* Why a request or a connection was turned away before it was asked what it wants. */
typedef enum serve_rejection {
    SERVE_REJECTED_CONNECTIONS, /* there are as many as there may be */
    SERVE_REJECTED_ADDRESS,     /* that many of one address */
    SERVE_REJECTED_DEADLINE,    /* it did not send its request, or take the answer, in time */
    SERVE_REJECTED_MALFORMED,   /* it is not unambiguous HTTP */
    SERVE_REJECTED_HOST,        /* a Host or an Origin that is not served */
    SERVE_REJECTED_TOKEN,
    SERVE_REJECTED_SIZE, /* of address, header or body */
    SERVE_REJECTED_BUSY, /* too many requests are being answered */
    SERVE_REJECTIONS
} serve_rejection;

/* NULL = no memory. */
serve_measures *serve_measures_create(void);
void serve_measures_free(serve_measures *measures); /* NULL is fine */

/* An answer of a route (NULL = of no route) with its status, and how long it took. */
void serve_measures_answered(serve_measures *measures, const serve_route *route, int status,
                             double seconds);
void serve_measures_rejected(serve_measures *measures, serve_rejection why);

/* What is now. */
typedef struct serve_load {
    int64_t connections, in_flight;
} serve_load;

/* world may be NULL: then nothing is said of a model. */
void serve_measures_print(serve_measures *measures, serve_load load, serve_world *world,
                          serve_text *out);

#endif
