#include "serve/routes.h"

#include <string.h>

static const serve_route routes[] = {
    {"GET", "/api/v1/info", SERVE_BY_MODEL, SERVE_INFO, SERVE_BY_TOKEN},
    {"GET", "/api/v1/users/{user}/recommendations", SERVE_BY_MODEL, SERVE_USER, SERVE_BY_TOKEN},
    {"POST", "/api/v1/recommendations", SERVE_BY_MODEL, SERVE_LIST, SERVE_BY_TOKEN},
    {"POST", "/api/v1/batch", SERVE_BY_MODEL, SERVE_BATCH, SERVE_BY_TOKEN},
    {"POST", "/api/v1/scores", SERVE_BY_MODEL, SERVE_SCORES, SERVE_BY_TOKEN},
    {"GET", "/api/v1/items", SERVE_BY_MODEL, SERVE_SEARCH, SERVE_BY_TOKEN},
    {"GET", "/api/v1/items/random", SERVE_BY_MODEL, SERVE_RANDOM, SERVE_BY_TOKEN},
    {"GET", "/api/v1/items/popular", SERVE_BY_MODEL, SERVE_POPULAR, SERVE_BY_TOKEN},
    /* behind the two above: the first that fits is taken */
    {"GET", "/api/v1/items/{item}", SERVE_BY_MODEL, SERVE_ITEM, SERVE_BY_TOKEN},
    {"GET", "/api/v1/items/{item}/similar", SERVE_BY_MODEL, SERVE_SIMILAR, SERVE_BY_TOKEN},
    {"POST", "/api/v1/feedback", SERVE_BY_FEEDBACK, 0, SERVE_BY_TOKEN},
    {"GET", "/api/recommend/{user}", SERVE_BY_MODEL, SERVE_GORSE_USER, SERVE_BY_TOKEN},
    {"POST", "/api/session/recommend", SERVE_BY_MODEL, SERVE_GORSE_LIST, SERVE_BY_TOKEN},
    {"GET", "/api/item/{item}/neighbors/", SERVE_BY_MODEL, SERVE_GORSE_SIMILAR, SERVE_BY_TOKEN},
    {"GET", "/api/item/{item}/neighbors", SERVE_BY_MODEL, SERVE_GORSE_SIMILAR, SERVE_BY_TOKEN},
    {"GET", "/health/live", SERVE_BY_LIVE, 0, SERVE_FOR_ALL},
    {"GET", "/health/ready", SERVE_BY_READY, 0, SERVE_FOR_ALL},
    {"GET", "/metrics", SERVE_BY_METRICS, 0, SERVE_BY_TOKEN},
    {"GET", "/openapi.json", SERVE_BY_MODEL, SERVE_OPENAPI, SERVE_BY_TOKEN},
    {"POST", "/admin/reload", SERVE_BY_MODEL, SERVE_RELOAD, SERVE_FOR_ADMIN},
    {"GET", "/", SERVE_BY_PAGE, 0, SERVE_FOR_ALL},
    {NULL, NULL, 0, 0, 0},
};

const serve_route *serve_routes(int *out_n)
{
    if (out_n) {
        *out_n = (int)(sizeof routes / sizeof routes[0]) - 1;
    }
    return routes;
}

/* Whether the segments are those of a path, "{name}" standing for anything but "". */
static bool fits(const char *path, const serve_target *target,
                 serve_parameter parts[SERVE_MOST_PARTS], size_t *out_n_parts)
{
    size_t n_parts = 0;
    for (size_t i = 0; i < target->n_segments; i++) {
        const serve_parameter *segment = &target->segments[i];
        if (*path != '/') {
            return false;
        }
        path++;
        const size_t n = strcspn(path, "/");
        if (*path == '{' && segment->length > 0 && n_parts < SERVE_MOST_PARTS) {
            parts[n_parts++] = *segment;
        } else if (n != segment->length || memcmp(path, segment->text, n) != 0) {
            return false;
        }
        path += n;
    }
    *out_n_parts = n_parts;
    return *path == '\0' && target->n_segments > 0;
}

const serve_route *serve_route_find(const char *method, const serve_target *target,
                                    serve_parameter parts[SERVE_MOST_PARTS], size_t *out_n_parts,
                                    const char **out_allow)
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    *out_allow = NULL;
    for (const serve_route *route = routes; route->method; route++) {
        if (!fits(route->path, target, parts, out_n_parts)) {
            continue;
        }
        if (strcmp(route->method, wanted) == 0) {
            return route;
        }
        *out_allow = strcmp(route->method, "GET") == 0 ? "GET, HEAD, OPTIONS" : "POST, OPTIONS";
    }
    return NULL;
}
