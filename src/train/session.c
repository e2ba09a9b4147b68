/*
 * Building what a run computes with, from options and a data set.
 *
 * The store is declared first and bound to the device once; the programs (train, embed, rank on
 * valid, rank on test) all stand on it. The embedding program is loaded only while it runs: its
 * arena holds a table per layer, which a training step does not need.
 */
#include "train/session.h"

#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "graph/gram.h"
#include "train/memory.h"
#include "train/neighbour_term.h"
#include "train/objective.h"
#include "train/schedule.h"

/* ---- the store ---- */

static rk_status add(rk_session *s, const char *name, rk_dtype dtype, int64_t rows, int64_t cols,
                     const void *constant, int32_t *out)
{
    int32_t ignored = -1;
    return rk__store_add(&s->store, name, dtype, rows, cols, constant, out ? out : &ignored);
}

static rk_status declare_graph(rk_session *s)
{
    const rk_graph *g = &s->graph;
    RK_TRY(add(s, "graph.offsets", RK_I64, g->n_nodes + 1, 1, g->offsets, NULL));
    RK_TRY(add(s, "graph.columns", RK_I32, 2 * g->n_edges, 1, g->columns, NULL));
    return add(s, "graph.scale", RK_F32, g->n_nodes, 1, g->scale, NULL);
}

/* The Gram matrix of the small side, where the training program takes that form. */
static rk_status declare_gram(rk_session *s)
{
    rk_device_info info = {0};
    rk_graph_form *form = &s->form;
    RK_TRY(s->device->info(s->context, &info));
    RK_TRY(rk__graph_form_decide(form, s->options, s->model.model, &s->graph,
                                 s->device != &rk__device_cpu, &info));
    if (!form->is_gram || form->gram_bytes == 0) {
        return RK_OK;
    }
    RK_TRY(rk__gram_build(&s->gram, &s->graph, form->first, form->n));
    return add(s, "graph.gram", RK_F32, form->n, form->n, s->gram, &s->stored_gram);
}

/* What the propagation of lightgcn++ takes beside the graph. */
static rk_status declare_degree_powers(rk_session *s)
{
    const rk_graph *g = &s->graph;
    if (s->options->model.kind != RK_MODEL_LIGHTGCN_PP) {
        return RK_OK;
    }
    RK_TRY(rk__alloc(&s->degree_powers, 2 * g->n_nodes, sizeof *s->degree_powers,
                     "powers of the degrees"));
    float *left = s->degree_powers, *right = left + g->n_nodes;
    rk__graph_degree_power(g, 0.5 - s->options->model.alpha, left);
    rk__graph_degree_power(g, 0.5 - s->options->model.beta, right);
    RK_TRY(add(s, "graph.left", RK_F32, g->n_nodes, 1, left, &s->model.left));
    return add(s, "graph.right", RK_F32, g->n_nodes, 1, right, &s->model.right);
}

/* Training: the sampler's tables, item neighbours, the step state, Adam's moments. */
static rk_status declare_training(rk_session *s, const rk_hooks *hooks)
{
    RK_TRY(rk__sampling_init(&s->sampling, &s->graph, s->options));
    RK_TRY(rk__sampling_declare(&s->sampling, s->options, &s->graph, &s->store, &s->sample));
    RK_TRY(rk__neighbour_term_init(&s->neighbours, &s->graph, s->options, hooks));
    RK_TRY(rk__neighbour_term_declare(&s->neighbours, &s->store));
    RK_TRY(declare_gram(s));
    RK_TRY(add(s, "step_state", RK_STATE, 1, 1, NULL, &s->stored_state));
    if (s->options->train.optimizer != RK_OPTIMIZER_ADAM) {
        return RK_OK;
    }
    for (int i = 0; i < s->model.n_parameters; i++) {
        const rk_parameter *p = &s->model.parameters[i];
        char name[RK_NAME_LENGTH + 4];
        snprintf(name, sizeof name, "%s.m", p->name);
        RK_TRY(add(s, name, RK_F32, p->rows, p->cols, NULL, &s->moment1[i]));
        snprintf(name, sizeof name, "%s.v", p->name);
        RK_TRY(add(s, name, RK_F32, p->rows, p->cols, NULL, &s->moment2[i]));
    }
    return RK_OK;
}

static rk_status largest_k(const rk_options *options, const rk_dataset *dataset, int64_t *out)
{
    *out = 1;
    for (int64_t i = 0; i < options->eval.k.n; i++) {
        int64_t k = options->eval.k.v[i];
        if (k > dataset->n_items) {
            RK_FAIL(RK_ERR_CONFIG,
                    "eval.k: %lld is larger than the catalogue of %lld items; take a smaller K",
                    (long long)k, (long long)dataset->n_items);
        }
        *out = k > *out ? k : *out;
    }
    return RK_OK;
}

/* Evaluation: the final embeddings, a tile of users with their best items, what else is seen. */
static rk_status declare_ranking(rk_session *s)
{
    const rk_lists *valid = &s->dataset->parts[RK_VALID];
    RK_TRY(largest_k(s->options, s->dataset, &s->rank_k));
    RK_TRY(
        add(s, "final", RK_F32, s->graph.n_nodes, s->options->model.dim, NULL, &s->stored_final));
    RK_TRY(add(s, "rank.users", RK_I32, RK_RANK_TILE, 1, NULL, &s->stored_users));
    RK_TRY(add(s, "rank.items", RK_I32, RK_RANK_TILE, s->rank_k, NULL, &s->stored_items));
    RK_TRY(add(s, "rank.scores", RK_F32, RK_RANK_TILE, s->rank_k, NULL, NULL));
    if (s->dataset->stats.valid > 0) {
        RK_TRY(add(s, "valid.offsets", RK_I64, valid->n_rows + 1, 1, valid->offsets, NULL));
        RK_TRY(add(s, "valid.items", RK_I32, valid->offsets[valid->n_rows], 1, valid->items, NULL));
    }
    return rk__alloc(&s->tile, RK_RANK_TILE * (1 + s->rank_k), sizeof *s->tile, "a rank tile");
}

/* ---- the programs ---- */

static rk_value use(rk_session *s, rk_program *p, const char *name)
{
    int32_t stored = rk__store_find(&s->store, name);
    RK_ASSERT(stored >= 0);
    return rk__use(p, stored);
}

static rk_graph_values use_graph(rk_session *s, rk_program *p)
{
    return (rk_graph_values){use(s, p, "graph.offsets"), use(s, p, "graph.columns"),
                             use(s, p, "graph.scale")};
}

static void use_parameters(rk_session *s, rk_program *p, rk_value *values)
{
    for (int i = 0; i < s->model.n_parameters; i++) {
        values[i] = rk__use(p, s->model.parameters[i].stored);
    }
}

static rk_status finish(rk_program *p)
{
    RK_TRY(p->status);
    RK_TRY(rk__program_verify(p));
    return rk__program_plan(p);
}

/* train.clip_norm or train.clip_value, of which at most one is set. */
static void clip(const rk_session *s, rk_program *p, rk_value *gradients)
{
    const double norm = s->options->train.clip_norm, value = s->options->train.clip_value;
    if (norm == 0 && value == 0) {
        return;
    }
    rk_value factor = RK_NONE;
    if (norm > 0) {
        factor = rk__clip_factor(p, gradients, s->model.n_parameters, (float)norm);
    }
    for (int i = 0; i < s->model.n_parameters; i++) {
        gradients[i] = rk__clip(p, gradients[i], factor, value > 0 ? (float)value : INFINITY);
    }
}

static rk_status append_updates(rk_session *s, rk_program *p, const rk_value *values,
                                rk_value state)
{
    const rk_options *o = s->options;
    int32_t stored[RK_MAX_PARAMETERS];
    rk_value gradients[RK_MAX_PARAMETERS];
    for (int i = 0; i < s->model.n_parameters; i++) {
        stored[i] = s->model.parameters[i].stored;
    }
    RK_TRY(rk__program_backward(p, stored, s->model.n_parameters, gradients));
    clip(s, p, gradients);
    if (rk__schedule_moves(o)) {
        rk__schedule(p, state, s->schedule);
    }
    for (int i = 0; i < s->model.n_parameters; i++) {
        if (o->train.optimizer == RK_OPTIMIZER_ADAM) {
            rk_adam_attr adam = {o->train.beta1, o->train.beta2, o->train.epsilon,
                                 o->train.weight_decay};
            rk__adam(p, values[i], gradients[i], rk__use(p, s->moment1[i]),
                     rk__use(p, s->moment2[i]), state, adam);
        } else {
            rk__sgd(p, values[i], gradients[i], state, o->train.weight_decay);
        }
    }
    return p->status;
}

static rk_status build_train(rk_session *s)
{
    const rk_options *o = s->options;
    rk_program *p = &s->train;
    rk__program_init(p, &s->store, "train");
    rk_value values[RK_MAX_PARAMETERS];
    rk_value state = rk__use(p, s->stored_state);
    rk_graph_values graph = use_graph(s, p);
    rk_sample_values sample = rk__sampling_use(p, &s->store);
    rk_value nodes = rk__sample_triplets(p, graph, sample, s->sample);
    rk_objective_values batch = {.ego = RK_NONE,
                                 .logit_bias = rk__sampling_use_logit_bias(p, &s->store),
                                 .degree_factor = rk__sampling_use_degree_factor(p, &s->store),
                                 .state = state,
                                 .rows = rk__unique_rows(p, nodes, s->graph.n_nodes)};
    use_parameters(s, p, values);
    /* Of this program only: an evaluation is the same whatever the run was trained with. */
    s->model.gram = (rk_gram_form){s->form.is_gram, s->form.first, s->form.n, s->stored_gram};
    RK_TRY(p->status); /* a model may look at the row set, so it must be a real one */
    rk_value *ego = rk__objective_needs_ego(o) ? &batch.ego : NULL;
    const rk_model *model = s->model.model;
    if (o->loss.contrast != RK_CONTRAST_NONE) {
        RK_ASSERT(model->views); /* the config says so */
        rk_views v = model->views(&s->model, p, graph, values, &batch.rows, state, ego);
        batch.final = v.final;
        batch.views[0] = v.first;
        batch.views[1] = v.second;
    } else {
        batch.final = model->embed(&s->model, p, graph, values, &batch.rows, ego);
    }
    rk__neighbour_term_embed(p, &s->model, graph, values, nodes, &batch);
    RK_TRY(rk__objective_append(p, o, &batch, s->sample.n_candidates));
    RK_TRY(append_updates(s, p, values, state));
    rk__step_loss(p, state);
    rk__step_advance(p, state);
    RK_TRY(p->status);
    if (o->cuda.propagation == RK_PROPAGATION_SPLIT_ROWS) { /* cuSPARSE knows no other endings */
        RK_TRY(rk__program_fuse(p));
    }
    if (o->train.propagation == RK_TABLES_FP16) {
        RK_TRY(rk__program_narrow(p));
    }
    return finish(p);
}

static rk_status build_embed(rk_session *s)
{
    rk_program *p = &s->embed;
    rk__program_init(p, &s->store, "embed");
    rk_value values[RK_MAX_PARAMETERS];
    rk_graph_values graph = use_graph(s, p);
    use_parameters(s, p, values);
    RK_TRY(p->status);
    rk_value final = s->model.model->embed(&s->model, p, graph, values, NULL, NULL);
    RK_TRY(p->status);
    rk__assign(p, s->stored_final, final);
    return finish(p);
}

static rk_status build_rank(rk_session *s, bool on_test)
{
    rk_program *p = &s->rank[on_test];
    rk__program_init(p, &s->store, on_test ? "rank on test" : "rank on valid");
    bool masks_valid = on_test && s->dataset->stats.valid > 0;
    rk_topk_values v = {
        .final = rk__use(p, s->stored_final),
        .users = rk__use(p, s->stored_users),
        .train_offsets = use(s, p, "graph.offsets"),
        .train_columns = use(s, p, "graph.columns"),
        .other_offsets = masks_valid ? use(s, p, "valid.offsets") : RK_NONE,
        .other_columns = masks_valid ? use(s, p, "valid.items") : RK_NONE,
        .items = rk__use(p, s->stored_items),
        .scores = use(s, p, "rank.scores"),
    };
    rk__score_topk(p, v,
                   (rk_topk_attr){.k = (int32_t)s->rank_k,
                                  .n_users = s->graph.n_users,
                                  .n_items = s->graph.n_items});
    return finish(p);
}

/* ---- life ---- */

static rk_status init_on_device(rk_session *s, const rk_parameter *p, int number)
{
    rk_device_init how = {
        .kind = p->init, .number = number, .seed = (uint64_t)s->options->run.seed};
    for (int block = 0; block < 2; block++) {
        how.first_row = how.end_row;
        how.end_row = p->block_end[block];
        how.scale = rk__parameter_scale(p, block);
        RK_TRY(s->device->init(s->context, p->stored, &how));
    }
    return RK_OK;
}

static rk_status init_on_host(rk_session *s, const rk_parameter *p, int number)
{
    int64_t elements = 0;
    float *host = NULL;
    RK_TRY(rk__mul(&elements, p->rows, p->cols, p->name));
    RK_TRY(rk__alloc(&host, elements, sizeof *host, "initial parameters"));
    rk__parameter_init(p, number, (uint64_t)s->options->run.seed, host);
    rk_status status = s->device->write(s->context, p->stored, 0, p->rows, host);
    rk__free(host);
    return status;
}

static rk_status init_parameters(rk_session *s)
{
    for (int i = 0; i < s->model.n_parameters; i++) {
        const rk_parameter *p = &s->model.parameters[i];
        RK_TRY(s->device->init ? init_on_device(s, p, i) : init_on_host(s, p, i));
    }
    return RK_OK;
}

/* What will be allocated, told and compared with what there is. The embedding program is counted,
 * too: it is loaded beside the others while it runs. */
static rk_status plan_memory(rk_session *s, bool training, const rk_hooks *hooks)
{
    rk_memory_table table = {0};
    rk_device_info info = {0};
    const rk_device *d = s->device;
    RK_TRY(d->info(s->context, &info));
    RK_TRY(rk__memory_add_store(&table, d, &s->store));
    if (training) {
        RK_TRY(rk__memory_add_program(&table, d, s->context, &s->train,
                                      "model.dim, train.batch or sampling.candidates"));
    }
    RK_TRY(rk__memory_add_program(&table, d, s->context, &s->embed, "model.dim"));
    for (int on_test = 0; on_test < 2; on_test++) {
        RK_TRY(rk__memory_add_program(&table, d, s->context, &s->rank[on_test], "eval.k"));
    }
    rk__memory_log(&table, d, info.memory_free, hooks);
    return rk__memory_check(&table, d, info.memory_free);
}

static rk_status build_programs(rk_session *s, bool training)
{
    RK_TRY(build_embed(s));
    RK_TRY(build_rank(s, false));
    RK_TRY(build_rank(s, true));
    if (training) {
        RK_TRY(rk__schedule_make(s->options, rk__session_first_state(s).steps_per_epoch,
                                 &s->schedule));
        RK_TRY(build_train(s));
    }
    return RK_OK;
}

static rk_status build(rk_session *s, rk_session_options what, const rk_hooks *hooks)
{
    const rk_lists *train = &s->dataset->parts[RK_TRAIN];
    const rk_dataset *d = s->dataset;
    RK_TRY(rk__device_choose(s->options->run.device, &s->device, &s->device_reason));
    rk_device_options how = {.threads = s->options->run.threads,
                             .eager = what.eager,
                             .propagation = s->options->cuda.propagation,
                             .matmul = s->options->cuda.matmul,
                             .ranking = s->options->cuda.ranking,
                             .gram = s->options->cuda.gram,
                             .steps_per_launch = s->options->cuda.steps_per_launch,
                             .piece_edges = s->options->cuda.piece_edges};
    RK_TRY(s->device->open(&how, &s->context));
    RK_TRY(rk__graph_build_lists(&s->graph, train->offsets, train->items, d->n_users, d->n_items));
    RK_TRY(declare_graph(s));
    RK_TRY(rk__model_declare(&s->model, s->options, d->n_users, d->n_items, &s->store));
    RK_TRY(declare_degree_powers(s));
    if (what.training) {
        RK_TRY(declare_training(s, hooks));
    }
    RK_TRY(declare_ranking(s));

    RK_TRY(build_programs(s, what.training));
    RK_TRY(plan_memory(s, what.training, hooks));
    RK_TRY(s->device->bind(s->context, &s->store));
    for (int on_test = 0; on_test < 2; on_test++) {
        RK_TRY(s->device->load(s->context, &s->rank[on_test], &s->loaded_rank[on_test]));
    }
    if (what.training) {
        RK_TRY(s->device->load(s->context, &s->train, &s->loaded_train));
        RK_TRY(init_parameters(s));
    }
    return RK_OK;
}

rk_status rk__session_create(rk_session *out, const rk_options *options, const rk_dataset *dataset,
                             rk_session_options what, const rk_hooks *hooks)
{
    *out =
        (rk_session){.options = options, .dataset = dataset, .stored_state = -1, .stored_gram = -1};
    for (int i = 0; i < RK_MAX_PARAMETERS; i++) {
        out->moment1[i] = out->moment2[i] = -1;
    }
    rk_status status = build(out, what, hooks);
    if (status != RK_OK) {
        rk__session_free(out);
        return status;
    }
    if (hooks && hooks->log && out->sampling.n_skipped_users > 0) {
        char text[160];
        snprintf(text, sizeof text,
                 "%lld users have every item: there is no negative for them, they are not drawn",
                 (long long)out->sampling.n_skipped_users);
        hooks->log(hooks->user, RK_LOG_WARNING, text);
    }
    return RK_OK;
}

void rk__session_free(rk_session *s)
{
    if (s->device && s->context) {
        s->device->close(s->context);
    }
    rk__program_free(&s->train);
    rk__program_free(&s->embed);
    rk__program_free(&s->rank[0]);
    rk__program_free(&s->rank[1]);
    rk__store_free(&s->store);
    rk__sampling_free(&s->sampling);
    rk__neighbours_free(&s->neighbours);
    rk__graph_free(&s->graph);
    rk__free(s->tile);
    rk__free(s->gram);
    rk__free(s->degree_powers);
    *s = (rk_session){0};
}

/* ---- work ---- */

rk_status rk__session_step(rk_session *s, int64_t steps)
{
    s->final_is_fresh = false;
    RK_TRY(s->device->run(s->context, s->loaded_train, steps));
    return s->device->sync(s->context);
}

rk_step_state rk__session_first_state(const rk_session *s)
{
    const rk_options *o = s->options;
    int64_t batch = o->train.batch, draws = s->sampling.n_eligible_edges;
    if (o->train.steps_per_epoch > 0) {
        draws = o->train.steps_per_epoch * batch; /* shuffle goes into another pass then */
    }
    return (rk_step_state){.seed = (uint64_t)o->run.seed,
                           .steps_per_epoch = (draws + batch - 1) / batch,
                           .draws_per_epoch = draws,
                           .batch = batch,
                           .learning_rate = o->train.learning_rate,
                           .rate_scale = 1};
}

rk_status rk__session_get_state(rk_session *s, rk_step_state *out)
{
    return s->device->read(s->context, s->stored_state, 0, 1, out);
}

rk_status rk__session_set_state(rk_session *s, const rk_step_state *state)
{
    return s->device->write(s->context, s->stored_state, 0, 1, state);
}

void rk__session_parameters_changed(rk_session *s)
{
    s->final_is_fresh = false;
}

static rk_status refresh(rk_session *s)
{
    if (s->final_is_fresh) {
        return RK_OK;
    }
    rk_loaded *loaded = NULL;
    RK_TRY(s->device->load(s->context, &s->embed, &loaded));
    rk_status status = s->device->run(s->context, loaded, 1);
    if (status == RK_OK) {
        status = s->device->sync(s->context);
    }
    s->device->unload(s->context, loaded);
    s->final_is_fresh = status == RK_OK;
    return status;
}

static rk_status rank_tile(void *self, rk_part part, const int32_t *users, int64_t n, int64_t k,
                           int32_t *items)
{
    rk_session *s = self;
    RK_ASSERT(n <= RK_RANK_TILE && k <= s->rank_k && part != RK_TRAIN);
    RK_TRY(refresh(s));
    int32_t *tile_users = s->tile, *tile_items = s->tile + RK_RANK_TILE;
    for (int64_t i = 0; i < RK_RANK_TILE; i++) {
        tile_users[i] = i < n ? users[i] : -1;
    }
    RK_TRY(s->device->write(s->context, s->stored_users, 0, RK_RANK_TILE, tile_users));
    RK_TRY(s->device->run(s->context, s->loaded_rank[part == RK_TEST], 1));
    RK_TRY(s->device->sync(s->context));
    RK_TRY(s->device->read(s->context, s->stored_items, 0, n, tile_items));
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < k; j++) {
            items[i * k + j] = tile_items[i * s->rank_k + j];
        }
    }
    return RK_OK;
}

rk_ranker rk__session_ranker(rk_session *session)
{
    return (rk_ranker){.self = session, .rank = rank_tile};
}

rk_status rk__session_embeddings(rk_session *s, float **out)
{
    int64_t elements = 0;
    float *host = NULL;
    RK_TRY(refresh(s));
    RK_TRY(rk__mul(&elements, s->graph.n_nodes, s->options->model.dim, "the final embeddings"));
    RK_TRY(rk__alloc(&host, elements, sizeof *host, "the final embeddings"));
    rk_status status = s->device->read(s->context, s->stored_final, 0, s->graph.n_nodes, host);
    if (status != RK_OK) {
        rk__free(host);
        return status;
    }
    *out = host;
    return RK_OK;
}
