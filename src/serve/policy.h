/*
 * What the header of a request must be before anything is answered: unambiguous about where the
 * body ends (two parsers that disagree there are how a request is smuggled past a proxy), of a host
 * that is served (a page elsewhere may give its own name this machine's address), with the token.
 *
 * Only texts: nothing here knows of libmicrohttpd.
 */
#ifndef RK_SERVE_POLICY_H
#define RK_SERVE_POLICY_H

#include "serve/measures.h"
#include "serve/request.h"
#include "serve/routes.h"

typedef struct serve_policy {
    const char *token;          /* NULL = none is asked for */
    const char *const *origins; /* of other sites' pages that may ask, "https://shop.example" */
    const char *const *hosts;   /* names in Host, beside "localhost" and addresses */
    int n_origins, n_hosts;
    bool any_host;
} serve_policy;

/* The fields of a header that matter; NULL = not there. */
typedef struct serve_header {
    const char *host, *origin, *authorization, *api_key, *content_type, *content_length,
        *transfer_encoding;
    int hosts, content_lengths, transfer_encodings; /* how often each is there */
    bool is_malformed; /* a name that is none, or bytes that are hidden */
    bool is_encoded;   /* Content-Encoding says so */
    bool expects;      /* 100-continue */
} serve_header;

/* Adds a field to the header; value may be NULL, the texts are lent. */
void serve_header_add(serve_header *header, const char *name, const char *value);

/* Whether there is a body to come. */
bool serve_header_has_body(const serve_header *header);

/* Whether it is clear where the body ends and whose request it is; else the reply is a problem. A
 * connection with such a request must be closed: what follows may not be a request. */
bool serve_header_is_clear(const serve_header *header, const char *version, serve_reply *reply);

/* The rest, for a route: token, Origin, the type of a body. False: the reply is a problem, and *why
 * says of which kind. */
bool serve_policy_allows(const serve_policy *policy, const serve_header *header,
                         const serve_route *route, serve_reply *reply, serve_rejection *why);

/* Whether requests to "host:port" are meant for this service; NULL = to nobody in particular. */
bool serve_policy_serves_host(const serve_policy *policy, const char *host);
/* Whether a page of this origin may read answers. */
bool serve_policy_knows_origin(const serve_policy *policy, const char *origin);

#endif
