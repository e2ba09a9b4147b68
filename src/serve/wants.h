/*
 * What a request wants: its parameters, or the members of its body, checked and by name. Nothing is
 * looked up here, and nothing is passed over: a name that the route does not know is an error.
 */
#ifndef RK_SERVE_WANTS_H
#define RK_SERVE_WANTS_H

#include "serve/request.h"

enum {
    SERVE_MOST_LISTED = 1000, /* ids of a list */
    SERVE_MOST_OFFSET = 1000,
    SERVE_MOST_REASONS = 10,
    SERVE_MOST_ID = 1000, /* characters of an id */
};

/* What a route knows; a bit each. */
typedef enum serve_want {
    SERVE_WANT_N = 1,
    SERVE_WANT_OFFSET = 2,
    SERVE_WANT_REASONS = 4,
    SERVE_WANT_SEED = 8,
    SERVE_WANT_WORDS = 16, /* "q" */
    SERVE_WANT_EXCLUDE = 32,
    SERVE_WANT_AMONG = 64,
    SERVE_WANT_CONTEXT = 128,
    SERVE_WANT_ITEMS = 256, /* from here on of bodies alone */
    SERVE_WANT_WEIGHTS = 512,
    SERVE_WANT_USERS = 1024,
    SERVE_WANT_PAIRS = 2048,
} serve_want;

/* Texts of the request, which are lent as long as that is; the array is owned. */
typedef struct serve_texts {
    const char **at;
    int64_t n;
} serve_texts;

typedef struct serve_wants {
    unsigned given; /* serve_want of what is there */
    int64_t n, offset, reasons, seed;
    const char *words;
    serve_texts items, exclude, among, users;
    serve_texts pair_users, pair_items; /* as long as each other */
    serve_texts fields, values;         /* the context; values NULL: fields are NAME=VALUE */
    float *weights;                     /* as many as items; owned */
} serve_wants;

/* known: what the route knows; needed: what it cannot do without; n: the usual number of answers,
 * most: the largest. false: the reply is a problem. Free in either case. */
bool serve_wants_read(serve_wants *out, const serve_request *request, unsigned known,
                      unsigned needed, int64_t n, int64_t most, serve_reply *reply);
/* The items of gorse's session, a list of objects with an ItemId; parameters as above. */
bool serve_wants_read_session(serve_wants *out, const serve_request *request, int64_t n,
                              int64_t most, serve_reply *reply);
void serve_wants_free(serve_wants *wants);

/* An id as it stands in the path. false: the reply is a problem. */
bool serve_wants_id(const char *id, serve_reply *reply);

#endif
