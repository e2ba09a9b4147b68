#include "serve/measures.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rankine/scoring.h"
#include "serve/memory.h"
#include "serve/reply.h"

/* Statuses that are counted; others as the last of them. */
static const int statuses[] = {200, 202, 204, 400, 401, 403, 404, 405, 413,
                               414, 415, 421, 422, 429, 431, 500, 503};
/* Upper bounds of the histogram's buckets, in seconds. */
static const double bounds[] = {.0005, .001, .0025, .005, .01, .025, .05,
                                .1,    .25,  .5,    1,    2.5, 5,    10};
enum {
    STATUSES = sizeof statuses / sizeof statuses[0],
    BOUNDS = sizeof bounds / sizeof bounds[0],
};

typedef struct route_measures {
    atomic_llong statuses[STATUSES];
    atomic_llong buckets[BOUNDS + 1]; /* each of its own, the last without a bound */
    atomic_llong nanoseconds;
} route_measures;

struct serve_measures {
    int n_routes;
    route_measures *routes; /* [n_routes + 1]; the last is of no route */
    atomic_llong rejected[SERVE_REJECTIONS];
};

serve_measures *serve_measures_create(void)
{
    serve_measures *m = serve_alloc(1, sizeof *m);
    if (m) {
        serve_routes(&m->n_routes);
        m->routes = serve_alloc(m->n_routes + 1, sizeof *m->routes);
        if (!m->routes) {
            serve_free(m);
            m = NULL;
        }
    }
    return m;
}

void serve_measures_free(serve_measures *measures)
{
    if (measures) {
        serve_free(measures->routes);
        serve_free(measures);
    }
}

static void count(atomic_llong *counter, long long n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static long long value(atomic_llong *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void serve_measures_answered(serve_measures *measures, const serve_route *route, int status,
                             double seconds)
{
    route_measures *r = &measures->routes[route ? route - serve_routes(NULL) : measures->n_routes];
    int s = 0, b = 0;
    while (s < STATUSES - 1 && statuses[s] != status) {
        s++;
    }
    while (b < BOUNDS && seconds > bounds[b]) {
        b++;
    }
    count(&r->statuses[s], 1);
    count(&r->buckets[b], 1);
    count(&r->nanoseconds, (long long)(seconds * 1e9));
}

void serve_measures_rejected(serve_measures *measures, serve_rejection why)
{
    count(&measures->rejected[why], 1);
}

/* ---- printing ---- */

static void head(serve_text *out, const char *name, const char *type, const char *help)
{
    serve_text_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(serve_text *out, const char *name, const char *type, const char *help, double v)
{
    head(out, name, type, help);
    serve_text_format(out, "%s %.17g\n", name, v);
}

/* The value of a label: backslashes, quotes and line breaks escaped. */
static void label(serve_text *out, const char *name, const char *text)
{
    serve_text_format(out, "%s=\"", name);
    for (const char *at = text; *at; at++) {
        if (*at == '\n') {
            serve_text_add(out, "\\n", 2);
        } else {
            serve_text_add(out, "\\", *at == '\\' || *at == '"');
            serve_text_add(out, at, 1);
        }
    }
    serve_text_add(out, "\"", 1);
}

static const char *name_of(const serve_measures *m, int route)
{
    return route < m->n_routes ? serve_routes(NULL)[route].path : "none";
}

/* The method of two routes with one path tells them apart. */
static const char *method_of(const serve_measures *m, int route)
{
    return route < m->n_routes ? serve_routes(NULL)[route].method : "";
}

static void print_requests(serve_measures *m, serve_text *out)
{
    head(out, "rankine_http_requests_total", "counter", "Requests by route and status.");
    for (int r = 0; r <= m->n_routes; r++) {
        for (int s = 0; s < STATUSES; s++) {
            const long long n = value(&m->routes[r].statuses[s]);
            if (n > 0) {
                serve_text_format(out,
                                  "rankine_http_requests_total{method=\"%s\",route=\"%s\","
                                  "code=\"%d\"} %lld\n",
                                  method_of(m, r), name_of(m, r), statuses[s], n);
            }
        }
    }
}

static void print_seconds(serve_measures *m, serve_text *out)
{
    static const char name[] = "rankine_http_request_seconds";
    head(out, name, "histogram", "Time from the request's header to its answer, by route.");
    for (int r = 0; r <= m->n_routes; r++) {
        long long sum = 0;
        char labels[128];
        for (int b = 0; b <= BOUNDS; b++) {
            sum += value(&m->routes[r].buckets[b]);
        }
        if (sum == 0) {
            continue;
        }
        snprintf(labels, sizeof labels, "method=\"%s\",route=\"%s\"", method_of(m, r),
                 name_of(m, r));
        sum = 0;
        for (int b = 0; b < BOUNDS; b++) {
            sum += value(&m->routes[r].buckets[b]);
            serve_text_format(out, "%s_bucket{%s,le=\"%g\"} %lld\n", name, labels, bounds[b], sum);
        }
        sum += value(&m->routes[r].buckets[BOUNDS]);
        serve_text_format(out, "%s_bucket{%s,le=\"+Inf\"} %lld\n", name, labels, sum);
        serve_text_format(out, "%s_sum{%s} %.9g\n", name, labels,
                          (double)value(&m->routes[r].nanoseconds) * 1e-9);
        serve_text_format(out, "%s_count{%s} %lld\n", name, labels, sum);
    }
}

static void print_rejected(serve_measures *m, serve_text *out)
{
    static const char *const names[SERVE_REJECTIONS] = {
        [SERVE_REJECTED_CONNECTIONS] = "connections",
        [SERVE_REJECTED_ADDRESS] = "address",
        [SERVE_REJECTED_DEADLINE] = "deadline",
        [SERVE_REJECTED_MALFORMED] = "malformed",
        [SERVE_REJECTED_HOST] = "host",
        [SERVE_REJECTED_TOKEN] = "token",
        [SERVE_REJECTED_SIZE] = "size",
        [SERVE_REJECTED_BUSY] = "busy",
    };
    head(out, "rankine_rejected_total", "counter", "Connections and requests turned away, by why.");
    for (int i = 0; i < SERVE_REJECTIONS; i++) {
        serve_text_format(out, "rankine_rejected_total{reason=\"%s\"} %lld\n", names[i],
                          value(&m->rejected[i]));
    }
}

static void print_world(serve_world *world, serve_text *out)
{
    serve_world_facts f;
    serve_world_get_facts(world, &f);
    head(out, "rankine_model_info", "gauge", "The run that is served.");
    serve_text_format(out, "rankine_model_info{");
    label(out, "run", f.run);
    label(out, ",model", f.model);
    label(out, ",fingerprint", f.fingerprint);
    serve_text_format(out, ",epoch=\"%" PRId64 "\"} 1\n", f.epoch);
    one(out, "rankine_model_loaded_timestamp_seconds", "gauge", "When it was opened.", f.loaded);
    one(out, "rankine_users", "gauge", "Users that the model knows.", (double)f.users);
    one(out, "rankine_items", "gauge", "Items that the model knows.", (double)f.items);
    head(out, "rankine_reloads_total", "counter", "Runs opened again, by how it went.");
    serve_text_format(out,
                      "rankine_reloads_total{result=\"ok\"} %" PRId64
                      "\nrankine_reloads_total{result=\"failed\"} %" PRId64 "\n",
                      f.reloads, f.failed_reloads);
    head(out, "rankine_answers_total", "counter", "Answers by what they come from.");
    for (rk_basis basis = RK_BASIS_MODEL; basis <= RK_BASIS_POPULARITY; basis++) {
        serve_text_format(out, "rankine_answers_total{basis=\"%s\"} %" PRId64 "\n",
                          rk_basis_name(basis), f.answers[basis]);
    }
    one(out, "rankine_batches_total", "counter", "Runs of the answering thread.",
        (double)f.batches);
    one(out, "rankine_batched_questions_total", "counter", "Questions answered in them.",
        (double)f.questions);
    one(out, "rankine_waiting_questions", "gauge", "Questions that wait now.", (double)f.waiting);
}

/* Of this process; 0 where the system does not say. */
static double resident_bytes(void)
{
    long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    char line[128] = "";
    if (file) {
        const char *at = fgets(line, sizeof line, file) ? strchr(line, ' ') : NULL;
        for (at = at ? at + 1 : ""; *at >= '0' && *at <= '9'; at++) {
            pages = pages * 10 + (*at - '0');
        }
        fclose(file);
    }
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

void serve_measures_print(serve_measures *measures, serve_load load, serve_world *world,
                          serve_text *out)
{
    print_requests(measures, out);
    print_seconds(measures, out);
    print_rejected(measures, out);
    one(out, "rankine_http_connections", "gauge", "Open connections.", (double)load.connections);
    one(out, "rankine_http_in_flight", "gauge", "Requests that are being answered.",
        (double)load.in_flight);
    one(out, "process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes());
    if (world) {
        print_world(world, out);
    }
}
