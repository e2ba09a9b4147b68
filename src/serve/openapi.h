/* The description of the service that programs read: OpenAPI 3.1 with ids of the run as examples,
 * so that tools which make requests of it meet users and items that are there. */
#ifndef RK_SERVE_OPENAPI_H
#define RK_SERVE_OPENAPI_H

#include "serve/request.h"

/* What the template leaves open: any texts, and numbers of items in an answer. */
typedef struct serve_examples {
    const char *version;                  /* of Rankine */
    const char *summary;                  /* one line about the run */
    const char *user, *item, *other_item; /* ids that are known */
    const char *words;                    /* that find some items */
    int64_t most, usual, found;           /* the most, and those of who says none; of a search */
} serve_examples;

/* Adds the description to the text. */
void serve_openapi_write(serve_text *out, const serve_examples *examples);

#endif
