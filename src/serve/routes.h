/* The one table of what the service is asked: method, path, who answers, who may ask. */
#ifndef RK_SERVE_ROUTES_H
#define RK_SERVE_ROUTES_H

#include "serve/decode.h"
#include "serve/request.h"

/* Who answers. */
typedef enum serve_answerer {
    SERVE_BY_MODEL,    /* serve_answer, to the route's question */
    SERVE_BY_PAGE,     /* the page that is built in */
    SERVE_BY_LIVE,     /* the program runs */
    SERVE_BY_READY,    /* and answers questions */
    SERVE_BY_METRICS,  /* measures.h */
    SERVE_BY_FEEDBACK, /* feedback.h */
} serve_answerer;

/* Who may ask, where there is a token. */
typedef enum serve_guard {
    SERVE_FOR_ALL,   /* health, and what holds nothing of the data */
    SERVE_BY_TOKEN,  /* whoever has the token; all where there is none */
    SERVE_FOR_ADMIN, /* whoever has the token; nobody where there is none */
} serve_guard;

typedef struct serve_route {
    const char *method; /* GET (and so HEAD) or POST */
    const char *path;   /* "/api/v1/items/{item}"; also the route's name in metrics */
    serve_answerer answerer;
    serve_question question; /* of SERVE_BY_MODEL */
    serve_guard guard;
} serve_route;

enum { SERVE_MOST_PARTS = 3 }; /* {names} in a path */

/* All of them, ended by one without a method; *out_n may be NULL. */
const serve_route *serve_routes(int *out_n);

/* The route of a method and the segments of a path, with the decoded {names} in parts, as many as
 * *out_n_parts. NULL if there is none: then *out_allow is NULL, or, where the path has other
 * methods, these as a constant text for the header Allow. OPTIONS is never found: *out_allow tells
 * whether there is such a path. */
const serve_route *serve_route_find(const char *method, const serve_target *target,
                                    serve_parameter parts[SERVE_MOST_PARTS], size_t *out_n_parts,
                                    const char **out_allow);

#endif
