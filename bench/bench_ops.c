/*
 * Times of the operations, of a training step and of a full ranking on the CPU device.
 *
 *   bench_ops [FILE] [key=value ...]
 *
 * FILE: an adjacency list (a user and their items per line); without one a synthetic graph of
 * Gowalla's size. Keys: threads=0 (all) dim=64 layers=3 batch=2048 k=20 repeat=15 isa=NAME fuse=1
 * rows=1 (0: the last layer of the step for all nodes, not only the batch's) half=0 (1: fp16 tables
 * in the step) rank=1 (0: no full ranking).
 * Each figure is the median over `repeat` runs after a warm-up; the propagation is first compared
 * with a plain loop in double.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/choices.h"
#include "base/parse.h"
#include "base/philox.h"
#include "base/timer.h"
#include "device/device.h"
#include "graph/graph.h"
#include "ops/builder_solve.h"
#include "train/sampling.h"
#include "pairs.h"

enum { MOST_REPEATS = 1001, TILE = 1024 };

typedef struct settings {
    const char *file, *isa;
    int64_t threads, dim, layers, batch, k, repeat, fuse, rows, half, rank;
} settings;

typedef struct bench {
    settings s;
    rk_graph graph;
    rk_sampling sampling;
    rk_store store;
    int32_t offsets, columns, scale, state, sums, table, m, v, result, users, items, scores, count,
        mask_offsets, mask_items;
    rk_device_context *context;
} bench;

static const rk_device *const device = &rk__device_cpu;

/* ---- graphs ---- */

/* Degrees and popularity fall off like powers; an item is drawn once per stratum, so no user has
 * one twice. */
static rk_status make_pairs(pairs *p)
{
    enum { USERS = 29858, ITEMS = 40981, PAIRS = 810128 };
    for (int64_t u = 0; u < USERS; u++) {
        int64_t degree = 8 + (int64_t)(3.2 * sqrt((double)PAIRS / (double)(u + 1)));
        degree = degree < 800 ? degree : 800;
        for (int64_t j = 0; j < degree; j++) {
            rk_words w = rk__philox(1, RK_PURPOSE_SYNTH, (uint64_t)u, (uint64_t)j, 0);
            double at = ((double)j + (double)rk__uniform(w.v[0])) / (double)degree;
            double low = (double)j / (double)degree;
            int64_t item = j + (int64_t)((double)(ITEMS - degree) * fmax(low * low, at * at));
            RK_TRY(add_pair(p, u, item));
        }
    }
    RK_TRY(add_pair(p, USERS - 1, ITEMS - 1));
    return RK_OK;
}

/* ---- set-up ---- */

static rk_status declare(bench *b, rk_sample_attr *attr)
{
    const rk_graph *g = &b->graph;
    int64_t n = g->n_nodes, d = b->s.dim;
    rk_store *store = &b->store;
    rk_options options = {0};
    options.train.batch = b->s.batch;
    options.sampling.per_positive = 1;
    RK_TRY(rk__sampling_init(&b->sampling, g, NULL, &options));
    RK_TRY(rk__store_add(store, "offsets", RK_I64, n + 1, 1, g->offsets, &b->offsets));
    RK_TRY(rk__store_add(store, "columns", RK_I32, 2 * g->n_edges, 1, g->columns, &b->columns));
    RK_TRY(rk__store_add(store, "scale", RK_F32, n, 1, g->scale, &b->scale));
    RK_TRY(rk__store_add(store, "step_state", RK_STATE, 1, 1, NULL, &b->state));
    RK_TRY(rk__store_add(store, "loss_sums", RK_F64, 3, 1, NULL, &b->sums));
    RK_TRY(rk__store_add(store, "table", RK_F32, n, d, NULL, &b->table));
    RK_TRY(rk__store_add(store, "m", RK_F32, n, d, NULL, &b->m));
    RK_TRY(rk__store_add(store, "v", RK_F32, n, d, NULL, &b->v));
    RK_TRY(rk__store_add(store, "result", RK_F32, n, d, NULL, &b->result));
    RK_TRY(rk__store_add(store, "users", RK_I32, TILE, 1, NULL, &b->users));
    RK_TRY(rk__store_add(store, "items", RK_I32, TILE, b->s.k, NULL, &b->items));
    RK_TRY(rk__store_add(store, "scores", RK_F32, TILE, b->s.k, NULL, &b->scores));
    RK_TRY(rk__store_add(store, "count", RK_I32, 1, 1, NULL, &b->count));
    RK_TRY(rk__store_add(store, "mask_offsets", RK_I64, TILE + 1, 1, NULL, &b->mask_offsets));
    RK_TRY(rk__store_add(store, "mask_items", RK_I32, b->graph.n_edges, 1, NULL, &b->mask_items));
    return rk__sampling_declare(&b->sampling, &options, g, store, attr);
}

static rk_status initialise(bench *b)
{
    float *table = NULL;
    int64_t n = b->graph.n_nodes * b->s.dim;
    RK_TRY(rk__alloc(&table, n + 1, sizeof *table, "the embeddings"));
    for (int64_t i = 0; i < n; i += 2) {
        rk_words w = rk__philox(1, RK_PURPOSE_INIT, 0, (uint64_t)i / 2, 0);
        rk__normal2(w.v[0], w.v[1], table + i);
        table[i] *= 0.1f;
        table[i + 1] *= 0.1f;
    }
    rk_status status = device->write(b->context, b->table, 0, b->graph.n_nodes, table);
    rk__free(table);
    rk_step_state state = {.seed = 2020, .batch = b->s.batch, .learning_rate = 1e-3};
    state.steps_per_epoch = state.draws_per_epoch = INT64_MAX / (2 * b->s.batch);
    RK_TRY(status);
    return device->write(b->context, b->state, 0, 1, &state);
}

static rk_graph_values graph_values(const bench *b, rk_program *p)
{
    return (rk_graph_values){rk__use(p, b->offsets), rk__use(p, b->columns), rk__use(p, b->scale)};
}

/* LightGCN with BPR, L2 on layer 0 and Adam, as models/lightgcn.c makes it. */
static void build_step(const bench *b, rk_sample_attr attr, rk_program *p)
{
    rk_graph_values graph = graph_values(b, p);
    rk_value state = rk__use(p, b->state), tables[RK_MAX_LAYERS] = {rk__use(p, b->table)};
    rk_value nodes = rk__sample_triplets(p, graph, rk__sampling_use(p, &b->store), attr);
    rk_row_set rows = rk__unique_rows(p, nodes, b->graph.n_nodes);
    int n = (int)b->s.layers;
    float weights[RK_MAX_LAYERS], share = 1 / (float)(n + 1);
    for (int k = 0; k <= n; k++) {
        weights[k] = share;
        if (k > 0) {
            tables[k] = rk__propagate(p, graph, tables[k - 1], 1);
        }
    }
    rk_value ego = rk__gather_rows(p, tables[0], rows);
    rk_value final = b->s.rows ? rk__gather_rows(p, rk__combine(p, tables, weights, n + 1), rows)
                               : rk__combine_rows(p, tables, weights, n + 1, rows);
    rk__slot_loss(p, final, rows, (rk_slot_inputs){state, RK_NONE, RK_NONE, RK_NONE}, false,
                  (rk_slot_attr){.batch = b->s.batch, .rule = {.kind = RK_LOSS_BPR}});
    rk__l2_loss(p, ego, rows, RK_NONE, state, (rk_l2_attr){.weight = 1e-4, .batch = b->s.batch});
    if (b->s.rows) {
        rk__program_restrict(p);
    }
    rk_value gradient = RK_NONE;
    if (rk__program_backward(p, &b->table, 1, &gradient) == RK_OK) {
        rk__adam(p, tables[0], gradient, rk__use(p, b->m), rk__use(p, b->v), state,
                 (rk_adam_attr){.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8});
    }
    rk__step_loss(p, state, rk__use(p, b->sums));
    rk__step_advance(p, state);
    if (b->s.fuse) {
        rk__program_fuse(p);
    }
    if (b->s.half) {
        rk__program_narrow(p);
    }
}

/* ---- measuring ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median seconds of a run of the program; *out_least (may be NULL) gets the least. */
static rk_status time_program(const bench *b, rk_loaded *loaded, double *out_median,
                              double *out_least)
{
    double seconds[MOST_REPEATS];
    RK_TRY(device->run(b->context, loaded, 3));
    for (int64_t i = 0; i < b->s.repeat; i++) {
        double start = rk__now();
        RK_TRY(device->run(b->context, loaded, 1));
        seconds[i] = rk__now() - start;
    }
    qsort(seconds, (size_t)b->s.repeat, sizeof *seconds, by_value);
    *out_median = seconds[b->s.repeat / 2];
    *out_least = seconds[0];
    return RK_OK;
}

static rk_status prepare(const bench *b, rk_program *p, rk_loaded **out)
{
    RK_TRY(rk__program_verify(p));
    RK_TRY(rk__program_plan(p));
    return device->load(b->context, p, out);
}

/* Largest error of a few rows of the propagation, relative to the sum of the terms' sizes. */
static double propagation_error(const bench *b)
{
    const float *x = device->peek(b->context, b->table), *y = device->peek(b->context, b->result);
    const rk_graph *g = &b->graph;
    double worst = 0;
    for (int64_t r = 0; r < g->n_nodes; r += 97) {
        for (int64_t j = 0; j < b->s.dim; j++) {
            double sum = 0, size = 1e-30;
            for (int64_t e = g->offsets[r]; e < g->offsets[r + 1]; e++) {
                int64_t c = g->columns[e];
                double term =
                    (double)g->scale[r] * (double)g->scale[c] * (double)x[c * b->s.dim + j];
                sum += term;
                size += fabs(term);
            }
            worst = fmax(worst, fabs(sum - (double)y[r * b->s.dim + j]) / size);
        }
    }
    return worst;
}

static rk_status measure_propagate(const bench *b)
{
    rk_program p;
    rk_loaded *loaded = NULL;
    double median = 0, least = 0;
    rk__program_init(&p, &b->store, "propagate");
    rk__assign(&p, b->result, rk__propagate(&p, graph_values(b, &p), rk__use(&p, b->table), 1));
    rk_status status = prepare(b, &p, &loaded);
    status = status == RK_OK ? time_program(b, loaded, &median, &least) : status;
    if (status == RK_OK) {
        double bytes = 2.0 * (double)b->graph.n_edges * (double)(b->s.dim * 4 + 8);
        printf("propagate: median %.2f ms, least %.2f ms, %.0f GB/s gathered, error %.1e\n",
               1e3 * median, 1e3 * least, 1e-9 * bytes / median, propagation_error(b));
    }
    device->unload(b->context, loaded);
    rk__program_free(&p);
    return status;
}

static rk_status measure_step(const bench *b, rk_sample_attr attr)
{
    rk_program p;
    rk_loaded *loaded = NULL;
    rk_op_time times[RK_OP_COUNT] = {0};
    rk_step_state state = {0};
    double median = 0, least = 0;
    rk__program_init(&p, &b->store, "step");
    build_step(b, attr, &p);
    rk_status status = prepare(b, &p, &loaded);
    status = status == RK_OK ? time_program(b, loaded, &median, &least) : status;
    device->profile(b->context, times);
    status = status == RK_OK ? device->run(b->context, loaded, b->s.repeat) : status;
    device->profile(b->context, NULL);
    status = status == RK_OK ? device->read(b->context, b->state, 0, 1, &state) : status;
    if (status == RK_OK) {
        printf("step: median %.2f ms, least %.2f ms, arena %.1f MB, loss %.5f after %" PRId64
               " steps\n",
               1e3 * median, 1e3 * least, 1e-6 * (double)p.arena_bytes, state.last_loss,
               state.step);
        for (int i = 0; i < RK_OP_COUNT; i++) {
            if (times[i].calls > 0) {
                printf("  %-20s %7.3f ms a step, %" PRId64 " calls\n", rk__op_name((rk_op)i),
                       1e3 * times[i].seconds / (double)b->s.repeat, times[i].calls / b->s.repeat);
            }
        }
    }
    device->unload(b->context, loaded);
    rk__program_free(&p);
    return status;
}

/* items: room for every list. */
static rk_status write_tile(const bench *b, int64_t first, int32_t *items)
{
    const rk_graph *g = &b->graph;
    int32_t users[TILE], count = 0;
    int64_t offsets[TILE + 1] = {0}, n = 0;
    for (int64_t i = 0; i < TILE; i++) {
        users[i] = first + i < g->n_users ? (int32_t)(first + i) : -1;
        count += users[i] >= 0;
        for (int64_t e = 0; users[i] >= 0 && e < rk__graph_degree(g, users[i]); e++) {
            items[n++] = (int32_t)(g->columns[g->offsets[users[i]] + e] - g->n_users);
        }
        offsets[i + 1] = n;
    }
    RK_TRY(device->write(b->context, b->users, 0, TILE, users));
    RK_TRY(device->write(b->context, b->count, 0, 1, &count));
    RK_TRY(device->write(b->context, b->mask_offsets, 0, TILE + 1, offsets));
    return device->write(b->context, b->mask_items, 0, n, items);
}

static rk_status rank_all(const bench *b, rk_loaded *loaded, int32_t *items)
{
    for (int64_t first = 0; first < b->graph.n_users; first += TILE) {
        RK_TRY(write_tile(b, first, items));
        RK_TRY(device->run(b->context, loaded, 1));
    }
    return RK_OK;
}

static rk_status build_ranking(const bench *b, rk_program *p)
{
    const rk_range_attr items = {b->graph.n_users, b->graph.n_items};
    rk_value table = rk__use(p, b->table), count = rk__use(p, b->count);
    rk_value queries = rk__take_rows(p, table, rk__use(p, b->users));
    rk_topk_values v = {.scores = rk__score_dot(p, queries, table, count, items),
                        .mask_offsets = rk__use(p, b->mask_offsets),
                        .mask_items = rk__use(p, b->mask_items),
                        .blocked = RK_NONE,
                        .count = count,
                        .out_items = rk__use(p, b->items),
                        .out_scores = rk__use(p, b->scores)};
    rk__top_k(p, v, 0, (int32_t)b->s.k);
    return rk__program_fuse(p);
}

static rk_status measure_ranking(const bench *b)
{
    rk_program p;
    rk_loaded *loaded = NULL;
    int32_t *items = NULL;
    RK_TRY(rk__alloc(&items, b->graph.n_edges, sizeof *items, "masks"));
    rk__program_init(&p, &b->store, "rank");
    rk_status status = build_ranking(b, &p);
    status = status == RK_OK ? prepare(b, &p, &loaded) : status;
    double seconds[9];
    for (int i = -1; i < 9 && status == RK_OK; i++) {
        double start = rk__now();
        status = rank_all(b, loaded, items);
        seconds[i < 0 ? 0 : i] = rk__now() - start;
    }
    if (status == RK_OK) {
        qsort(seconds, 9, sizeof *seconds, by_value);
        double flop = 2.0 * (double)b->graph.n_users * (double)b->graph.n_items * (double)b->s.dim;
        printf("full ranking, K %" PRId64 ": median %.3f s, least %.3f s, %.0f GFLOP/s\n", b->s.k,
               seconds[4], seconds[0], 1e-9 * flop / seconds[4]);
    }
    device->unload(b->context, loaded);
    rk__program_free(&p);
    rk__free(items);
    return status;
}

static rk_status measure(bench *b)
{
    pairs p = {0};
    rk_sample_attr attr;
    rk_device_info info;
    rk_device_options options = {.threads = b->s.threads, .isa = b->s.isa};
    rk_status status = b->s.file ? read_pairs(b->s.file, &p) : make_pairs(&p);
    status = status == RK_OK
                 ? rk__graph_build(&b->graph, p.users, p.items, p.n, p.n_users, p.n_items)
                 : status;
    free_pairs(&p);
    RK_TRY(status);
    RK_TRY(declare(b, &attr));
    RK_TRY(device->open(&options, &b->context));
    RK_TRY(device->bind(b->context, &b->store));
    RK_TRY(initialise(b));
    RK_TRY(device->info(b->context, &info));
    printf("%s: %" PRId64 " users, %" PRId64 " items, %" PRId64 " pairs; dim %" PRId64
           ", layers %" PRId64 ", batch %" PRId64 ", %" PRId64 " repeats\n",
           info.name, b->graph.n_users, b->graph.n_items, b->graph.n_edges, b->s.dim, b->s.layers,
           b->s.batch, b->s.repeat);
    RK_TRY(measure_propagate(b));
    RK_TRY(measure_step(b, attr));
    RK_TRY(b->s.rank ? measure_ranking(b) : RK_OK);
    printf("peak memory %.0f MB\n", 1e-6 * (double)rk__peak_memory());
    return RK_OK;
}

static bool read_setting(settings *s, const char *text)
{
    const struct {
        const char *key;
        int64_t *value;
    } keys[] = {{"threads=", &s->threads}, {"dim=", &s->dim},   {"layers=", &s->layers},
                {"batch=", &s->batch},     {"k=", &s->k},       {"repeat=", &s->repeat},
                {"fuse=", &s->fuse},       {"rows=", &s->rows}, {"half=", &s->half},
                {"rank=", &s->rank}};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        size_t n = strlen(keys[i].key);
        if (strncmp(text, keys[i].key, n) == 0) {
            return rk__parse_int(text + n, strlen(text + n), keys[i].value) == RK_PARSE_OK;
        }
    }
    if (strncmp(text, "isa=", 4) == 0) {
        s->isa = text + 4;
        return true;
    }
    s->file = text;
    return !strchr(text, '=');
}

int main(int argc, char **argv)
{
    bench b = {.s = {.dim = 64,
                     .layers = 3,
                     .batch = 2048,
                     .k = 20,
                     .repeat = 15,
                     .fuse = 1,
                     .rows = 1,
                     .rank = 1}};
    for (int i = 1; i < argc; i++) {
        if (!read_setting(&b.s, argv[i])) {
            fprintf(stderr, "bench_ops: %s is no setting\n", argv[i]);
            return 2;
        }
    }
    if (b.s.repeat < 1 || b.s.repeat > MOST_REPEATS || b.s.layers < 0 || b.s.layers > 10) {
        fprintf(stderr, "bench_ops: repeat is 1 to %d, layers 0 to 10\n", MOST_REPEATS);
        return 2;
    }
    rk_status status = measure(&b);
    if (status != RK_OK) {
        fprintf(stderr, "bench_ops: %s\n", rk_last_error());
    }
    device->close(b.context);
    rk__store_free(&b.store);
    rk__sampling_free(&b.sampling);
    rk__graph_free(&b.graph);
    return rk_status_exit_code(status);
}
