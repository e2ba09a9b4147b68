/*
 * What graph.order costs and gains: propagations over one graph, its rows gone through in one order
 * and in another.
 *
 *   bench_order [FILE] [key=value ...]
 *
 * FILE: an adjacency list; without one a graph is generated, of edges=10000000 pairs, 50 a user and
 * 200 an item, in clusters=24 of which a user takes the share affinity=0.6 of their items (0: there
 * is no structure to find). dim=64 threads=0 (all) rounds=5. In each round every order takes one
 * propagation, and one that ends in an Adam step (adam=0: without), in turns; medians, of the time
 * of processors, which other programs on the machine change less than the clock's. rcm=0 leaves out
 * reverse Cuthill-McKee; relabel=1 adds both orders as a numbering of the nodes, which Rankine has
 * not, for what it would gain. Results must be the same bits, but for those of another numbering.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/order.h"
#include "base/parse.h"
#include "base/philox.h"
#include "base/timer.h"
#include "device/device.h"
#include "graph/graph.h"
#include "graph/order.h"
#include "ops/builder_solve.h"
#include "pairs.h"

enum { MOST_ROUNDS = 101, MOST_ARMS = 5 };

/* One way through the graph. */
typedef struct arm {
    char name[32];
    rk_graph relabelled; /* n_nodes 0: the graph as it is */
    int32_t *order;      /* NULL: the rows as they are */
    double seconds;      /* of processors, to find it */
    double inside;       /* the share of edges inside a cluster */
    rk_program plain, adam;
    rk_loaded *loaded_plain, *loaded_adam;
    double times[2][MOST_ROUNDS];
} arm;

typedef struct bench {
    const char *file;
    int64_t edges, clusters, dim, threads, rounds, rcm, relabel, adam;
    double affinity;
    rk_graph graph;
    rk_store store;
    int32_t table, result, m, v, state;
    rk_device_context *context;
    arm arms[MOST_ARMS];
    int n_arms;
} bench;

static const rk_device *const device = &rk__device_cpu;

static rk_status make_graph(bench *b)
{
    pairs p = {0};
    rk_synth_options o = rk_synth_defaults();
    o.users = b->edges / 50;
    o.items = b->edges / 200;
    o.interactions = b->edges;
    o.clusters = b->clusters;
    o.affinity = b->affinity;
    double start = rk__now();
    rk_status status = b->file ? read_pairs(b->file, &p) : draw_pairs(&o, &p);
    status = status == RK_OK
                 ? rk__graph_build(&b->graph, p.users, p.items, p.n, p.n_users, p.n_items)
                 : status;
    free_pairs(&p);
    printf("graph: %.1f s\n", rk__now() - start);
    return status;
}

/* ---- orders ---- */

typedef enum order_kind { AS_IS, RCM, CLUSTER } order_kind;

/* Reverse Cuthill-McKee (Cuthill and McKee, 1969; George, 1971): each component breadth-first from
 * where a first search ended, neighbours by rising degree, all backwards; users before items. */
typedef struct search {
    const rk_graph *g;
    int32_t *mark;  /* n_nodes: the number of the last search that came by */
    int32_t number; /* of this search */
    rk_keyed *neighbours, *scratch;
} search;

static int64_t walk(search *s, int32_t start, int32_t *queue)
{
    const rk_graph *g = s->g;
    int64_t end = 1;
    s->mark[start] = ++s->number;
    queue[0] = start;
    for (int64_t i = 0; i < end; i++) {
        int64_t n = 0;
        for (int64_t e = g->offsets[queue[i]]; e < g->offsets[queue[i] + 1]; e++) {
            int32_t c = g->columns[e];
            if (s->mark[c] != s->number) {
                s->mark[c] = s->number;
                s->neighbours[n++] = (rk_keyed){(uint64_t)rk__graph_degree(g, c), c};
            }
        }
        rk__sort_keyed(s->neighbours, n, s->scratch);
        for (int64_t k = 0; k < n; k++) {
            queue[end++] = (int32_t)s->neighbours[k].value;
        }
    }
    return end;
}

static rk_status order_rcm(const rk_graph *g, int32_t *out)
{
    rk_status status = RK_OK;
    search s = {.g = g};
    int32_t *queue = NULL;
    int64_t done_nodes = 0, user = 0, item = g->n_users;
    RK_TRY_GOTO(done, rk__alloc(&queue, g->n_nodes, sizeof *queue, "a queue"));
    RK_TRY_GOTO(done, rk__calloc(&s.mark, g->n_nodes, sizeof *s.mark, "marks"));
    RK_TRY_GOTO(done, rk__alloc(&s.neighbours, g->n_nodes, sizeof *s.neighbours, "neighbours"));
    RK_TRY_GOTO(done, rk__alloc(&s.scratch, g->n_nodes, sizeof *s.scratch, "neighbours"));
    for (int64_t v = 0; v < g->n_nodes; v++) {
        if (s.mark[v] == 0) {
            int64_t size = walk(&s, (int32_t)v, queue + done_nodes);
            done_nodes += walk(&s, queue[done_nodes + size - 1], queue + done_nodes);
        }
    }
    for (int64_t i = g->n_nodes - 1; i >= 0; i--) {
        out[queue[i] < g->n_users ? user++ : item++] = queue[i];
    }
done:
    rk__free(queue);
    rk__free(s.mark);
    rk__free(s.neighbours);
    rk__free(s.scratch);
    return status;
}

static rk_status find_order(const rk_graph *g, order_kind kind, int32_t *out, double *out_inside)
{
    const rk_adjacency rows = {g->offsets, g->columns, g->n_nodes, g->n_users};
    return kind == RCM ? order_rcm(g, out) : rk__order_rows(&rows, NULL, out, out_inside);
}

/* The graph with its nodes numbered in the order. */
static rk_status relabel(const rk_graph *g, const int32_t *order, rk_graph *out)
{
    int32_t *place = NULL, *users = NULL, *items = NULL;
    RK_TRY(rk__alloc(&place, g->n_nodes, sizeof *place, "places"));
    RK_TRY(rk__alloc(&users, g->n_edges, sizeof *users, "users"));
    RK_TRY(rk__alloc(&items, g->n_edges, sizeof *items, "items"));
    for (int64_t k = 0; k < g->n_nodes; k++) {
        place[order[k]] = (int32_t)k;
    }
    for (int64_t u = 0; u < g->n_users; u++) {
        for (int64_t e = g->offsets[u]; e < g->offsets[u + 1]; e++) {
            users[e] = place[u];
            items[e] = (int32_t)(place[g->columns[e]] - g->n_users);
        }
    }
    rk_status status = rk__graph_build(out, users, items, g->n_edges, g->n_users, g->n_items);
    rk__free(place);
    rk__free(users);
    rk__free(items);
    return status;
}

static rk_status add_arm(bench *b, const char *name, order_kind kind, bool relabels)
{
    arm *a = &b->arms[b->n_arms++];
    const rk_graph *g = &b->graph;
    snprintf(a->name, sizeof a->name, "%s", name);
    if (kind == AS_IS) {
        return RK_OK;
    }
    double start = rk__processor_seconds();
    RK_TRY(rk__alloc(&a->order, g->n_nodes, sizeof *a->order, "an order"));
    RK_TRY(find_order(g, kind, a->order, &a->inside));
    a->seconds = rk__processor_seconds() - start;
    if (relabels) {
        RK_TRY(relabel(g, a->order, &a->relabelled));
        rk__free(a->order);
        a->order = NULL;
    }
    return RK_OK;
}

static rk_status add_arms(bench *b)
{
    RK_TRY(add_arm(b, "file", AS_IS, false));
    RK_TRY(add_arm(b, "cluster", CLUSTER, false));
    RK_TRY(b->rcm ? add_arm(b, "rcm", RCM, false) : RK_OK);
    RK_TRY(b->relabel ? add_arm(b, "cluster, relabelled", CLUSTER, true) : RK_OK);
    return b->relabel && b->rcm ? add_arm(b, "rcm, relabelled", RCM, true) : RK_OK;
}

/* ---- programs ---- */

static rk_status declare_arm(bench *b, arm *a, rk_graph_values *out, bool is_adam)
{
    const rk_graph *g = a->relabelled.n_nodes > 0 ? &a->relabelled : &b->graph;
    rk_program *p = is_adam ? &a->adam : &a->plain;
    char name[RK_NAME_LENGTH];
    int32_t numbers[3] = {-1, -1, -1};
    snprintf(name, sizeof name, "%s.offsets", a->name);
    if (!is_adam) {
        RK_TRY(rk__store_add(&b->store, name, RK_I64, g->n_nodes + 1, 1, g->offsets, &numbers[0]));
        rk__store_order_rows(&b->store, numbers[0], a->order);
        snprintf(name, sizeof name, "%s.columns", a->name);
        RK_TRY(rk__store_add(&b->store, name, RK_I32, 2 * g->n_edges, 1, g->columns, &numbers[1]));
        snprintf(name, sizeof name, "%s.scale", a->name);
        RK_TRY(rk__store_add(&b->store, name, RK_F32, g->n_nodes, 1, g->scale, &numbers[2]));
    } else {
        numbers[0] = rk__store_find(&b->store, name);
        numbers[1] = numbers[0] + 1;
        numbers[2] = numbers[0] + 2;
    }
    rk__program_init(p, &b->store, a->name);
    *out =
        (rk_graph_values){rk__use(p, numbers[0]), rk__use(p, numbers[1]), rk__use(p, numbers[2])};
    return RK_OK;
}

static rk_status build_arm(bench *b, arm *a)
{
    rk_graph_values g;
    RK_TRY(declare_arm(b, a, &g, false));
    rk_program *p = &a->plain;
    rk__assign(p, b->result, rk__propagate(p, g, rk__use(p, b->table), 1));
    RK_TRY(rk__program_verify(p));
    RK_TRY(rk__program_plan(p));
    RK_TRY(declare_arm(b, a, &g, true));
    p = &a->adam;
    rk_value gradient = rk__propagate(p, g, rk__use(p, b->table), 1);
    rk__adam(p, rk__use(p, b->result), gradient, rk__use(p, b->m), rk__use(p, b->v),
             rk__use(p, b->state), (rk_adam_attr){.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8});
    RK_TRY(rk__program_fuse(p));
    RK_TRY(rk__program_verify(p));
    return rk__program_plan(p);
}

static rk_status fill_table(const bench *b)
{
    float *table = NULL;
    int64_t n = b->graph.n_nodes * b->dim;
    RK_TRY(rk__alloc(&table, n + 1, sizeof *table, "the table"));
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i += 2) {
        rk_words w = rk__philox(1, RK_PURPOSE_INIT, 0, (uint64_t)i / 2, 0);
        table[i] = rk__uniform(w.v[0]) - 0.5f;
        table[i + 1] = rk__uniform(w.v[1]) - 0.5f;
    }
    rk_status status = device->write(b->context, b->table, 0, b->graph.n_nodes, table);
    rk__free(table);
    rk_step_state state = {.seed = 2020, .batch = 2048, .learning_rate = 1e-3, .rate_scale = 1};
    RK_TRY(status);
    return device->write(b->context, b->state, 0, 1, &state);
}

static rk_status declare(bench *b)
{
    const rk_device_options options = {.threads = b->threads};
    int64_t n = b->graph.n_nodes;
    RK_TRY(rk__store_add(&b->store, "step_state", RK_STATE, 1, 1, NULL, &b->state));
    RK_TRY(rk__store_add(&b->store, "table", RK_F32, n, b->dim, NULL, &b->table));
    RK_TRY(rk__store_add(&b->store, "result", RK_F32, n, b->dim, NULL, &b->result));
    RK_TRY(rk__store_add(&b->store, "m", RK_F32, n, b->dim, NULL, &b->m));
    RK_TRY(rk__store_add(&b->store, "v", RK_F32, n, b->dim, NULL, &b->v));
    for (int i = 0; i < b->n_arms; i++) {
        RK_TRY(build_arm(b, &b->arms[i]));
    }
    RK_TRY(device->open(&options, &b->context));
    RK_TRY(device->bind(b->context, &b->store));
    for (int i = 0; i < b->n_arms; i++) {
        RK_TRY(device->load(b->context, &b->arms[i].plain, &b->arms[i].loaded_plain));
        RK_TRY(device->load(b->context, &b->arms[i].adam, &b->arms[i].loaded_adam));
    }
    return fill_table(b);
}

/* ---- measuring ---- */

static uint64_t digest(const bench *b)
{
    const uint32_t *words = device->peek(b->context, b->result);
    uint64_t sum = 14695981039346656037u;
    for (int64_t i = 0; i < b->graph.n_nodes * b->dim; i++) {
        sum = (sum ^ words[i]) * 1099511628211u;
    }
    return sum;
}

static rk_status run_timed(const bench *b, rk_loaded *loaded, double *out_seconds)
{
    double start = rk__processor_seconds();
    RK_TRY(device->run(b->context, loaded, 1));
    *out_seconds = rk__processor_seconds() - start;
    return RK_OK;
}

/* Round 0 warms up and compares bits. */
static rk_status measure_round(bench *b, int64_t round)
{
    uint64_t expected = 0;
    for (int i = 0; i < b->n_arms; i++) {
        arm *a = &b->arms[i];
        RK_TRY(run_timed(b, a->loaded_plain, &a->times[0][round]));
        uint64_t found = round == 0 && a->relabelled.n_nodes == 0 ? digest(b) : expected;
        if (i > 0 && found != expected) {
            RK_FAIL(RK_ERR_INTERNAL, "in the order %s results have other bits", a->name);
        }
        expected = found;
        RK_TRY(b->adam ? run_timed(b, a->loaded_adam, &a->times[1][round]) : RK_OK);
    }
    return RK_OK;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static rk_status measure(bench *b)
{
    rk_device_info info;
    for (int64_t round = 0; round <= b->rounds; round++) {
        RK_TRY(measure_round(b, round));
    }
    RK_TRY(device->info(b->context, &info));
    printf("%s: %" PRId64 " users, %" PRId64 " items, %" PRId64 " pairs; dim %" PRId64
           "; processor time, medians of %" PRId64 "\n",
           info.name, b->graph.n_users, b->graph.n_items, b->graph.n_edges, b->dim, b->rounds);
    printf("%-20s %9s %9s %13s %12s %12s\n", "order", "found, s", "inside, %", "propagate, ms",
           "ns a gather", "and Adam, ms");
    for (int i = 0; i < b->n_arms; i++) {
        arm *a = &b->arms[i];
        for (int k = 0; k < 2; k++) {
            qsort(a->times[k] + 1, (size_t)b->rounds, sizeof(double), by_value);
        }
        double median = a->times[0][1 + b->rounds / 2];
        printf("%-20s %9.2f %9.1f %13.2f %12.2f %12.2f\n", a->name, a->seconds, 100 * a->inside,
               1e3 * median, 1e9 * median / (2.0 * (double)b->graph.n_edges),
               1e3 * a->times[1][1 + b->rounds / 2]);
    }
    printf("peak memory %.0f MB\n", 1e-6 * (double)rk__peak_memory());
    return RK_OK;
}

static rk_status work(bench *b)
{
    RK_TRY(make_graph(b));
    RK_TRY(add_arms(b));
    RK_TRY(declare(b));
    return measure(b);
}

static bool read_setting(bench *b, const char *text)
{
    const struct {
        const char *key;
        int64_t *value;
    } keys[] = {{"edges=", &b->edges},     {"clusters=", &b->clusters}, {"dim=", &b->dim},
                {"threads=", &b->threads}, {"rounds=", &b->rounds},     {"relabel=", &b->relabel},
                {"rcm=", &b->rcm},         {"adam=", &b->adam}};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        size_t n = strlen(keys[i].key);
        if (strncmp(text, keys[i].key, n) == 0) {
            return rk__parse_int(text + n, strlen(text + n), keys[i].value) == RK_PARSE_OK;
        }
    }
    if (strncmp(text, "affinity=", 9) == 0) {
        return rk__parse_real(text + 9, strlen(text + 9), &b->affinity) == RK_PARSE_OK;
    }
    b->file = text;
    return !strchr(text, '=');
}

int main(int argc, char **argv)
{
    static bench b = {.edges = 10000000,
                      .clusters = 24,
                      .dim = 64,
                      .rounds = 5,
                      .rcm = 1,
                      .adam = 1,
                      .affinity = 0.6};
    for (int i = 1; i < argc; i++) {
        if (!read_setting(&b, argv[i]) || b.rounds < 1 || b.rounds >= MOST_ROUNDS) {
            fprintf(stderr, "bench_order: %s is no setting\n", argv[i]);
            return 2;
        }
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    rk_status status = work(&b);
    if (status != RK_OK) {
        fprintf(stderr, "bench_order: %s\n", rk_last_error());
    }
    device->close(b.context);
    rk__store_free(&b.store);
    for (int i = 0; i < b.n_arms; i++) {
        rk__program_free(&b.arms[i].plain);
        rk__program_free(&b.arms[i].adam);
        rk__graph_free(&b.arms[i].relabelled);
        rk__free(b.arms[i].order);
    }
    rk__graph_free(&b.graph);
    return rk_status_exit_code(status);
}
