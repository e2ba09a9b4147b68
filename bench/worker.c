/*
 * One arm of bench/run: Rankine, ready to train, that does what it is told.
 *
 *   bench_worker CONFIG [key=value ...]
 *
 * CONFIG and the settings are those of `rankine train`. Commands come as lines of words on standard
 * input, an answer is a line of JSON on standard output. Before the first command the facts
 * of the run are printed.
 *
 *   dump DIR STEPS    the split, the initial parameters and the triplets of the first steps as raw
 *                     arrays, so that another program can train on just the same
 *   check STEPS       the loss of each of the next steps
 *   train STEPS       seconds
 *   propagate N       seconds of n full propagations; the last one's result is compared with double
 *   rank              seconds of ranking all items for all test users; recall and NDCG
 *   embeddings FILE   the final embeddings, f32 [users + items, dim]
 *   profile STEPS     seconds, bytes and arithmetic by operation
 *   ceilings BYTES N  what the device can do at best with rows of so many bytes, reading N of them
 *                     in a pass; 0 = enough for steady figures
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/build.h"
#include "base/file.h"
#include "base/parse.h"
#include "base/timer.h"
#include "config/options.h"
#include "eval/evaluate.h"
#include "train/json.h"
#include "engine/memory.h"
#include "train/profile.h"
#include "train/set_up.h"

/* More steps than anybody trains here: no epoch ends, so every batch is full. */
static const int64_t ENDLESS_STEPS = 1000000000;

typedef struct worker {
    rk_config *config;
    rk_dataset *dataset;
    rk_engine engine;
    rk_step step;
    rk_scorer *scorer;
    double prepare_seconds, setup_seconds;
    int64_t steps_per_epoch; /* as `rankine train` has it */
    FILE *out;
} worker;

/* ---- answers ---- */

static rk_status say(worker *w, rk_buffer *buffer)
{
    char *line = NULL;
    RK_TRY(rk__buffer_take(buffer, &line));
    fprintf(w->out, "%s\n", line);
    fflush(w->out);
    rk__free(line);
    return RK_OK;
}

static rk_status say_seconds(worker *w, double seconds)
{
    rk_buffer buffer = {0};
    rk_json json = {.out = &buffer};
    rk__json_begin(&json, NULL, '{');
    rk__json_real(&json, "seconds", seconds);
    rk__json_end(&json, '}');
    return say(w, &buffer);
}

/* What stays allocated on the device. */
static rk_status count_bytes(const worker *w, int64_t *out)
{
    const rk_engine *e = &w->engine;
    rk_memory_table memory = {0};
    rk_status status = rk__memory_add_store(&memory, e->device, &e->store);
    if (status == RK_OK) {
        status = rk__step_add_memory(&w->step, &memory);
    }
    if (status == RK_OK) {
        status = rk__scorer_add_memory(w->scorer, &memory);
    }
    *out = memory.total;
    rk__memory_free(&memory);
    return status;
}

static rk_status say_facts(worker *w)
{
    const rk_engine *e = &w->engine;
    rk_device_info device = {0};
    int64_t bytes = 0;
    RK_TRY(e->device->info(e->context, &device));
    RK_TRY(count_bytes(w, &bytes));
    rk_buffer buffer = {0};
    rk_json json = {.out = &buffer};
    rk__json_begin(&json, NULL, '{');
    rk__json_text(&json, "version", rk__build_info()->version);
    rk__json_text(&json, "revision", rk__build_info()->revision);
    rk__json_text(&json, "device", e->device->name);
    rk__json_text(&json, "device_name", device.name);
    rk__json_int(&json, "users", e->graph.n_users);
    rk__json_int(&json, "items", e->graph.n_items);
    rk__json_int(&json, "train", e->graph.n_edges);
    rk__json_int(&json, "test", w->dataset->stats.test);
    rk__json_int(&json, "test_users", w->dataset->stats.test_users);
    rk__json_int(&json, "dim", e->options->model.dim);
    rk__json_int(&json, "layers", e->options->model.layers);
    rk__json_int(&json, "batch", e->options->train.batch);
    rk__json_bool(&json, "gram", w->step.form.is_gram);
    rk__json_int(&json, "steps_per_epoch", w->steps_per_epoch);
    rk__json_real(&json, "prepare_seconds", w->prepare_seconds);
    rk__json_real(&json, "setup_seconds", w->setup_seconds);
    rk__json_int(&json, "device_bytes", bytes);
    rk__json_end(&json, '}');
    return say(w, &buffer);
}

/* ---- what another program needs to train alike ---- */

static rk_status write_array(const char *folder, const char *name, const void *data, int64_t bytes)
{
    char *path = NULL;
    RK_TRY(rk__path_join(&path, folder, name));
    rk_status status = rk__file_replace(path, data, bytes);
    rk__free(path);
    return status;
}

static rk_status write_lists(const char *folder, const char *part, const rk_lists *lists)
{
    char name[64];
    snprintf(name, sizeof name, "%s.offsets.i64", part);
    RK_TRY(write_array(folder, name, lists->offsets, (lists->n_rows + 1) * 8));
    snprintf(name, sizeof name, "%s.items.i32", part);
    return write_array(folder, name, lists->items, lists->offsets[lists->n_rows] * 4);
}

static rk_status write_parameter(worker *w, const char *folder, const rk_parameter *p,
                                 const char *name)
{
    const rk_engine *e = &w->engine;
    char file[RK_NAME_LENGTH + 8];
    float *host = NULL;
    snprintf(file, sizeof file, "%s.f32", name);
    RK_TRY(rk__alloc(&host, p->rows * p->cols, sizeof *host, "the weights"));
    rk_status status = e->device->read(e->context, p->stored, 0, p->rows, host);
    if (status == RK_OK) {
        status = write_array(folder, file, host, p->rows * p->cols * 4);
    }
    rk__free(host);
    return status;
}

/* The first parameter, all that many models have, is there as `weights`, too. */
static rk_status write_parameters(worker *w, const char *folder)
{
    const rk_model_instance *m = &w->engine.model;
    for (int i = 0; i < m->n_parameters; i++) {
        RK_TRY(write_parameter(w, folder, &m->parameters[i], m->parameters[i].name));
    }
    return write_parameter(w, folder, &m->parameters[0], "weights");
}

/* i32 [steps, 3, batch]: users, positives, negatives; items as nodes. The draws are pure functions
 * of seed and step, so they are made here once more, on the host. */
static rk_status write_triplets(const rk_step *s, const char *folder, int64_t steps)
{
    int64_t batch = s->sample.batch, count = 0;
    int32_t *nodes = NULL;
    RK_TRY(rk__mul(&count, steps, 3 * batch, "the triplets"));
    RK_TRY(rk__alloc(&nodes, count, sizeof *nodes, "the triplets"));
    for (int64_t step = 0; step < steps; step++) {
        rk_sampler sampler = rk__sampling_sampler(&s->sampling, &s->engine->graph, &s->sample,
                                                  (uint64_t)s->engine->options->run.seed, step);
        int32_t *user = nodes + step * 3 * batch, *negative = user + 2 * batch;
        for (int64_t b = 0; b < batch; b++) {
            rk__draw_positive(&sampler, b, &user[b], &user[batch + b]);
            negative[b] = rk__draw_negative(&sampler, user[b], b);
        }
    }
    rk_status status = write_array(folder, "triplets.i32", nodes, count * 4);
    rk__free(nodes);
    return status;
}

static rk_status dump(worker *w, const char *folder, int64_t steps)
{
    const rk_step *s = &w->step;
    if (s->sample.n_candidates != 1 || w->dataset->stats.valid != 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "the other arms know one negative and no valid part (split.valid=0)");
    }
    RK_TRY(rk__folder_create(folder));
    RK_TRY(write_lists(folder, "train", &w->dataset->parts[RK_TRAIN]));
    RK_TRY(write_lists(folder, "test", &w->dataset->parts[RK_TEST]));
    RK_TRY(write_parameters(w, folder));
    RK_TRY(write_triplets(s, folder, steps));
    return say_seconds(w, 0);
}

/* ---- measuring ---- */

static rk_status check(worker *w, int64_t steps)
{
    rk_buffer buffer = {0};
    rk_json json = {.out = &buffer};
    rk_status status = RK_OK;
    rk__json_begin(&json, NULL, '{');
    rk__json_begin(&json, "losses", '[');
    for (int64_t i = 0; i < steps; i++) {
        rk_step_state state;
        RK_TRY_GOTO(done, rk__step_run(&w->step, 1));
        RK_TRY_GOTO(done, rk__step_get_state(&w->step, &state));
        rk__json_real(&json, NULL, state.last_loss);
    }
    rk__json_end(&json, ']');
    rk__json_end(&json, '}');
    return say(w, &buffer);
done:
    rk__buffer_free(&buffer);
    return status;
}

static rk_status train(worker *w, int64_t steps)
{
    double began = rk__now();
    RK_TRY(rk__step_run(&w->step, steps));
    return say_seconds(w, rk__now() - began);
}

/* The largest error of some rows, relative to the sum of the terms' sizes. */
static double propagation_error(const rk_graph *g, const float *x, const float *y, int64_t d)
{
    double worst = 0;
    int64_t stride = 1 + g->n_nodes / 1000;
    for (int64_t r = 0; r < g->n_nodes; r += stride) {
        for (int64_t j = 0; j < d; j++) {
            double sum = 0, size = 1e-30;
            for (int64_t e = g->offsets[r]; e < g->offsets[r + 1]; e++) {
                int64_t c = g->columns[e];
                double term = (double)g->scale[r] * (double)g->scale[c] * (double)x[c * d + j];
                sum += term;
                size += fabs(term);
            }
            worst = fmax(worst, fabs(sum - (double)y[r * d + j]) / size);
        }
    }
    return worst;
}

static rk_status read_table(worker *w, int32_t stored, float **out)
{
    rk_engine *e = &w->engine;
    const rk_stored *t = &e->store.items[stored];
    RK_TRY(rk__alloc(out, t->rows * t->cols, sizeof **out, t->name));
    return e->device->read(e->context, stored, 0, t->rows, *out);
}

static rk_status run_propagation(worker *w, rk_loaded *loaded, int64_t n)
{
    rk_engine *e = &w->engine;
    float *x = NULL, *y = NULL;
    rk_status status = RK_OK;
    RK_TRY(e->device->run(e->context, loaded, 1)); /* captured on a first run */
    RK_TRY(e->device->sync(e->context));
    double began = rk__now();
    RK_TRY(e->device->run(e->context, loaded, n));
    RK_TRY(e->device->sync(e->context));
    double seconds = rk__now() - began;
    rk_buffer buffer = {0};
    rk_json json = {.out = &buffer};
    RK_TRY_GOTO(done, read_table(w, e->model.parameters[0].stored, &x));
    RK_TRY_GOTO(done, read_table(w, rk__store_find(&e->store, "final"), &y));
    rk__json_begin(&json, NULL, '{');
    rk__json_real(&json, "seconds", seconds);
    rk__json_real(&json, "error", propagation_error(&e->graph, x, y, e->options->model.dim));
    rk__json_end(&json, '}');
    status = say(w, &buffer);
done:
    rk__free(x);
    rk__free(y);
    return status;
}

static rk_status propagate(worker *w, int64_t n)
{
    rk_engine *e = &w->engine;
    rk_program p;
    rk_loaded *loaded = NULL;
    rk_status status = RK_OK;
    rk__program_init(&p, &e->store, "propagate");
    rk_graph_values graph = {rk__use(&p, rk__store_find(&e->store, "graph.offsets")),
                             rk__use(&p, rk__store_find(&e->store, "graph.columns")),
                             rk__use(&p, rk__store_find(&e->store, "graph.scale"))};
    rk_value x = rk__use(&p, e->model.parameters[0].stored);
    rk__assign_named(&p, "final", rk__propagate(&p, graph, x, 1));
    RK_TRY_GOTO(done, rk__program_verify(&p));
    RK_TRY_GOTO(done, rk__program_plan(&p));
    RK_TRY_GOTO(done, e->device->load(e->context, &p, &loaded));
    status = run_propagation(w, loaded, n);
done:
    rk__engine_parameters_changed(e); /* the final embeddings were written over */
    e->device->unload(e->context, loaded);
    rk__program_free(&p);
    return status;
}

static rk_status rank(worker *w)
{
    rk_metrics metrics = {0};
    rk_ranker ranker = rk__scorer_ranker(w->scorer);
    rk_buffer buffer = {0};
    rk_json json = {.out = &buffer};
    double began = rk__now();
    RK_TRY(rk__evaluate(w->dataset, w->engine.options, RK_TEST, NULL, 0, &ranker, NULL, &metrics));
    double seconds = rk__now() - began;
    rk__json_begin(&json, NULL, '{');
    rk__json_real(&json, "seconds", seconds);
    for (int64_t i = 0; i < metrics.count; i++) {
        rk__json_real(&json, metrics.values[i].name, metrics.values[i].value);
    }
    rk__json_int(&json, "users", metrics.users);
    rk__json_end(&json, '}');
    rk_metrics_free(&metrics);
    return say(w, &buffer);
}

static rk_status embeddings(worker *w, const char *path)
{
    float *host = NULL;
    RK_TRY(rk__scorer_read(w->scorer, "final", &host));
    int64_t bytes = w->engine.graph.n_nodes * w->engine.options->model.dim * 4;
    rk_status status = rk__file_replace(path, host, bytes);
    rk__free(host);
    return status == RK_OK ? say_seconds(w, 0) : status;
}

/* Of a step, by operation: seconds, bytes to move, arithmetic. */
static rk_status profile(worker *w, int64_t steps)
{
    rk_profile seen = {0};
    rk_traffic work[RK_OP_COUNT];
    RK_TRY(rk__profile_step(&seen, &w->step, steps));
    RK_TRY(rk__profile_work(&w->step, work));
    rk_buffer buffer = {0};
    rk_json json = {.out = &buffer};
    rk__json_begin(&json, NULL, '{');
    for (int i = 0; i < RK_OP_COUNT; i++) {
        if (seen.times[i].calls > 0) {
            rk__json_begin(&json, rk__op_name((rk_op)i), '{');
            rk__json_real(&json, "seconds", seen.times[i].seconds / (double)steps);
            rk__json_real(&json, "bytes", work[i].bytes);
            rk__json_real(&json, "flops", work[i].flops);
            rk__json_bool(&json, "gathers", work[i].gathers > 0);
            rk__json_end(&json, '}');
        }
    }
    rk__json_end(&json, '}');
    return say(w, &buffer);
}

static rk_status ceilings(worker *w, int64_t row_bytes, int64_t gathers)
{
    const rk_engine *e = &w->engine;
    rk_device_probe what = {.rows = e->graph.n_nodes,
                            .row_bytes = row_bytes,
                            .gathers = gathers,
                            .copy_bytes = (int64_t)256 << 20};
    rk_device_ceilings c = {0};
    if (row_bytes % 64 != 0) {
        RK_FAIL(RK_ERR_CONFIG, "ceilings: rows of %lld bytes, want a multiple of 64",
                (long long)row_bytes);
    }
    RK_TRY(e->device->measure(e->context, &what, &c));
    rk_buffer buffer = {0};
    rk_json json = {.out = &buffer};
    rk__json_begin(&json, NULL, '{');
    rk__json_real(&json, "gather", c.gather);
    rk__json_real(&json, "copy", c.copy);
    rk__json_real(&json, "flops", c.flops);
    rk__json_real(&json, "launch", c.launch);
    rk__json_end(&json, '}');
    return say(w, &buffer);
}

/* ---- commands ---- */

/* A count that a command is about; NULL and what is no count are -1. */
static int64_t count_of(const char *word)
{
    int64_t n = -1;
    bool good = word && rk__parse_int(word, strlen(word), &n) == RK_PARSE_OK && n >= 0;
    return good ? n : -1;
}

static rk_status obey(worker *w, char *line)
{
    char *rest = NULL;
    const char *verb = strtok_r(line, " \n", &rest);
    const char *first = strtok_r(NULL, " \n", &rest), *second = strtok_r(NULL, " \n", &rest);
    const int64_t n = count_of(first), m = count_of(second);
    const struct {
        const char *verb;
        rk_status (*run)(worker *w, int64_t n);
    } numbered[] = {
        {"check", check}, {"train", train}, {"propagate", propagate}, {"profile", profile}};
    for (size_t i = 0; verb && n > 0 && i < sizeof numbered / sizeof numbered[0]; i++) {
        if (strcmp(verb, numbered[i].verb) == 0) {
            return numbered[i].run(w, n);
        }
    }
    if (verb && strcmp(verb, "dump") == 0 && first && m > 0) {
        return dump(w, first, m);
    }
    if (verb && strcmp(verb, "ceilings") == 0 && n > 0 && m >= 0) {
        return ceilings(w, n, m);
    }
    if (verb && strcmp(verb, "rank") == 0) {
        return rank(w);
    }
    if (verb && strcmp(verb, "embeddings") == 0 && first) {
        return embeddings(w, first);
    }
    RK_FAIL(RK_ERR_CONFIG, "no command: %s %s %s", verb ? verb : "", first ? first : "",
            second ? second : "");
}

static rk_status open_run(worker *w, int argc, char **argv)
{
    RK_TRY(rk_config_load(&w->config, argv[1]));
    for (int i = 2; i < argc; i++) {
        RK_TRY(rk_config_set(w->config, argv[i], "--set"));
    }
    RK_TRY(rk_config_check(w->config));
    double began = rk__now();
    RK_TRY(rk_dataset_prepare(w->config, false, NULL, &w->dataset));
    w->prepare_seconds = rk__now() - began;
    began = rk__now();
    RK_TRY(rk__set_up(&w->engine, &w->step, &w->scorer, rk__config_options(w->config), w->dataset,
                      false, NULL));
    w->setup_seconds = rk__now() - began;
    rk_step_state state = rk__step_first_state(&w->step);
    w->steps_per_epoch = state.steps_per_epoch;
    state.steps_per_epoch = ENDLESS_STEPS;
    state.draws_per_epoch = ENDLESS_STEPS * state.batch;
    return rk__step_set_state(&w->step, &state);
}

int main(int argc, char **argv)
{
    worker w = {.out = stdout};
    char *line = NULL;
    size_t capacity = 0;
    if (argc < 2) {
        fprintf(stderr, "usage: bench_worker CONFIG [key=value ...]\n");
        return 2;
    }
    rk_status status = open_run(&w, argc, argv);
    status = status == RK_OK ? say_facts(&w) : status;
    while (status == RK_OK && getline(&line, &capacity, stdin) > 0) {
        status = obey(&w, line);
    }
    if (status != RK_OK) {
        fprintf(stderr, "bench_worker: %s\n", rk_last_error());
    }
    free(line);
    rk__tear_down(&w.engine, &w.step, &w.scorer);
    rk_dataset_free(w.dataset);
    rk_config_free(w.config);
    return rk_status_exit_code(status);
}
