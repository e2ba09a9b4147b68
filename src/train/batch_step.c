/*
 * The step of a model that is trained by gradients: draw a batch, embed its rows, the loss terms,
 * the backward pass, clipping, the optimizer.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "graph/gram.h"
#include "train/neighbour_term.h"
#include "train/objective.h"
#include "train/schedule.h"
#include "train/step.h"

/* ---- the store ---- */

/* The Gram matrix of the small side, where the program takes that form. */
static rk_status declare_gram(rk_step *s)
{
    rk_engine *e = s->engine;
    rk_device_info info = {0};
    rk_graph_form *form = &s->form;
    RK_TRY(e->device->info(e->context, &info));
    RK_TRY(rk__graph_form_decide(form, e->options, e->model.model, &e->graph,
                                 e->device != &rk__device_cpu, &info));
    if (!form->is_gram || form->gram_bytes == 0) {
        return RK_OK;
    }
    RK_TRY(rk__gram_build(&s->gram, &e->graph, form->first, form->n));
    return rk__engine_add(e, "graph.gram", RK_F32, form->n, form->n, s->gram, &s->stored_gram);
}

/* A tensor of a parameter's shape, named after it. */
static rk_status declare_beside(rk_engine *e, const rk_parameter *p, const char *ending,
                                rk_dtype dtype, int32_t *out)
{
    char name[RK_NAME_LENGTH + 16];
    snprintf(name, sizeof name, "%s.%s", p->name, ending);
    return p->by_columns ? rk__store_add_sharded(&e->store, name, dtype, p->rows, p->cols, out)
                         : rk__engine_add(e, name, dtype, p->rows, p->cols, NULL, out);
}

static rk_status declare_tensors(rk_step *s)
{
    rk_engine *e = s->engine;
    RK_TRY(rk__alloc(&s->tensors, e->model.n_parameters, sizeof *s->tensors,
                     "the tensors of parameters"));
    for (int i = 0; i < e->model.n_parameters; i++) {
        const rk_parameter *p = &e->model.parameters[i];
        rk_step_tensors *t = &s->tensors[i];
        *t = (rk_step_tensors){p->stored, -1, -1, -1, -1};
        if (e->options->train.optimizer == RK_OPTIMIZER_ADAM) {
            RK_TRY(declare_beside(e, p, "m", RK_F32, &t->moment1));
            RK_TRY(declare_beside(e, p, "v", RK_F32, &t->moment2));
        }
        if (s->how.keeps_gradients) {
            RK_TRY(declare_beside(e, p, "gradient", RK_F32, &t->gradient));
        }
    }
    return RK_OK;
}

static rk_status declare_nodes(rk_step *s)
{
    int64_t slots = 0;
    if (!s->how.given_batch) {
        return RK_OK;
    }
    RK_TRY(rk__mul(&slots, 2 + s->sample.n_candidates, s->sample.batch, "the nodes of a batch"));
    return rk__engine_add(s->engine, "batch.nodes", RK_I32, slots, 1, NULL, &s->stored_nodes);
}

/* The fields of the train rows, of a model that reads some. */
static const char *const NAME_FIELDS = "batch.fields";
static const char *const NAME_ROWS = "batch.rows_of_edges";

static rk_status declare_fields(rk_step *s)
{
    const rk_contexts *c = s->engine->model.data.contexts;
    if (!c) {
        return RK_OK;
    }
    if (c->offsets) {
        RK_TRY(rk__engine_add(s->engine, NAME_ROWS, RK_I64, s->engine->graph.n_edges + 1, 1,
                              c->offsets, NULL));
    }
    return rk__engine_add(s->engine, NAME_FIELDS, RK_I32, c->n_train, c->n, c->train, NULL);
}

static rk_status declare(rk_step *s, const rk_hooks *hooks)
{
    rk_engine *e = s->engine;
    RK_TRY(rk__sampling_init(&s->sampling, &e->graph, e->model.data.train_values, e->options));
    RK_TRY(rk__sampling_declare(&s->sampling, e->options, &e->graph, &e->store, &s->sample));
    RK_TRY(declare_nodes(s));
    RK_TRY(declare_fields(s));
    RK_TRY(rk__neighbour_term_init(&s->neighbours, &e->graph, e->options, hooks));
    RK_TRY(rk__neighbour_term_declare(&s->neighbours, &e->store));
    RK_TRY(declare_gram(s));
    RK_TRY(rk__step_declare_state(s));
    return declare_tensors(s);
}

/* ---- the program ---- */

/* train.clip_norm or train.clip_value, of which at most one is set. */
static void clip(const rk_options *o, rk_program *p, rk_value *gradients, int n)
{
    const double norm = o->train.clip_norm, value = o->train.clip_value;
    if (norm == 0 && value == 0) {
        return;
    }
    rk_value factor = RK_NONE;
    if (norm > 0) {
        factor = rk__clip_factor(p, gradients, n, (float)norm);
    }
    for (int i = 0; i < n; i++) {
        gradients[i] = rk__clip(p, gradients[i], factor, value > 0 ? (float)value : INFINITY);
    }
}

/* Behind all readers of the gradients, which then read what is stored. */
static void keep(const rk_step *s, rk_program *p, const rk_value *gradients)
{
    for (int i = 0; s->how.keeps_gradients && i < s->engine->model.n_parameters; i++) {
        rk__assign(p, s->tensors[i].gradient, gradients[i]);
    }
}

static void append_optimizer(const rk_step *s, rk_program *p, const rk_value *values,
                             const rk_value *gradients, rk_value state)
{
    const rk_options *o = s->engine->options;
    const rk_adam_attr adam = {o->train.beta1, o->train.beta2, o->train.epsilon,
                               o->train.weight_decay};
    for (int i = 0; i < s->engine->model.n_parameters; i++) {
        const rk_step_tensors *t = &s->tensors[i];
        if (o->train.optimizer == RK_OPTIMIZER_ADAM) {
            rk__adam(p, values[i], gradients[i], rk__use(p, t->moment1), rk__use(p, t->moment2),
                     state, adam);
        } else {
            rk__sgd(p, values[i], gradients[i], state, o->train.weight_decay);
        }
    }
}

static rk_status append_updates(const rk_step *s, rk_program *p, const rk_value *values,
                                rk_value state)
{
    const rk_options *o = s->engine->options;
    const int n = s->engine->model.n_parameters;
    rk_status status = RK_OK;
    int32_t *stored = NULL;
    rk_value *raw = NULL, *clipped = NULL;
    RK_TRY_GOTO(done, rk__alloc(&stored, n, sizeof *stored, "the numbers of parameters"));
    RK_TRY_GOTO(done, rk__alloc(&raw, n, sizeof *raw, "the values of gradients"));
    RK_TRY_GOTO(done, rk__alloc(&clipped, n, sizeof *clipped, "the values of gradients"));
    for (int i = 0; i < n; i++) {
        stored[i] = s->tensors[i].parameter;
    }
    RK_TRY_GOTO(done, rk__program_backward(p, stored, n, raw));
    memcpy(clipped, raw, (size_t)n * sizeof *raw);
    clip(o, p, clipped, n);
    if (rk__schedule_moves(o)) {
        rk__schedule(p, state, s->schedule);
    }
    append_optimizer(s, p, values, clipped, state);
    keep(s, p, raw);
    status = p->status;
done:
    rk__free(stored);
    rk__free(raw);
    rk__free(clipped);
    return status;
}

static rk_value append_nodes(const rk_step *s, rk_program *p, rk_graph_values graph)
{
    if (s->how.given_batch) {
        return rk__use(p, s->stored_nodes);
    }
    return rk__sample_triplets(p, graph, rk__sampling_use(p, &s->engine->store), s->sample);
}

/* The model in the form of this program: an evaluation is the same whatever the run was trained
 * with. */
static rk_model_instance model_of(const rk_step *s)
{
    rk_model_instance model = s->engine->model;
    model.gram = (rk_gram_form){s->form.is_gram, s->form.first, s->form.n, s->stored_gram};
    return model;
}

/* Of the triplets, or RK_NONE. */
static rk_value use_weights(const rk_step *s, rk_program *p, rk_graph_values graph, rk_value nodes,
                            rk_value state)
{
    const int64_t batch = s->sample.batch;
    rk_value values = rk__sampling_use_edge_weights(p, &s->engine->store), weights = RK_NONE;
    if (values != RK_NONE) {
        weights = rk__triplet_values(p, graph, values, nodes, state, batch);
    }
    if (rk__splits_messages(s->engine->options)) {
        values = rk__model_target_weights(&s->engine->model, p, graph, state);
        values = rk__triplet_values(p, graph, values, nodes, state, batch);
        weights = weights == RK_NONE ? values : rk__multiply(p, weights, values);
    }
    return weights;
}

/* Of the positives, or RK_NONE. */
static rk_value use_labels(const rk_step *s, rk_program *p, rk_graph_values graph, rk_value nodes,
                           rk_value state)
{
    rk_value values = rk__sampling_use_edge_labels(p, &s->engine->store);
    return values == RK_NONE ? RK_NONE
                             : rk__triplet_values(p, graph, values, nodes, state, s->sample.batch);
}

/* i32 [BF,1], rows of the table of contexts; RK_NONE of a model that reads no fields. */
static rk_value use_fields(const rk_step *s, rk_program *p, rk_graph_values graph, rk_value nodes,
                           rk_value state)
{
    const rk_contexts *c = s->engine->model.data.contexts;
    rk_value rows = c && c->offsets ? rk__use_named(p, NAME_ROWS) : RK_NONE;
    return !c ? RK_NONE
              : rk__triplet_fields(p, graph, rows, rk__use_named(p, NAME_FIELDS), nodes, state,
                                   s->sample.batch);
}

/* What the loss reads of a model by its tables, at the rows of the batch. */
static void encode(const rk_step *s, rk_program *p, rk_graph_values graph, const rk_value *values,
                   rk_value nodes, rk_objective_values *batch)
{
    const rk_options *o = s->engine->options;
    const rk_model_instance model = model_of(s);
    rk_encoded encoded = model.model->encode(&model, p, graph, values, batch->state);
    if (rk__objective_needs_ego(o) && encoded.ego != encoded.final) {
        batch->ego = rk__gather_rows(p, encoded.ego, batch->rows);
    }
    batch->final = rk__gather_rows(p, encoded.final, batch->rows);
    batch->ego = encoded.ego == encoded.final ? batch->final : batch->ego;
    for (int i = 0; i < 2 && o->loss.contrast != RK_CONTRAST_NONE; i++) {
        bool is_final = encoded.views[i] == encoded.final;
        batch->views[i] =
            is_final ? batch->final : rk__gather_rows(p, encoded.views[i], batch->rows);
    }
    rk__neighbour_term_gather(p, &model, encoded.final, nodes, batch);
}

/* What it reads of a model that scores pairs. */
static void score(const rk_step *s, rk_program *p, rk_graph_values graph, const rk_value *values,
                  rk_value nodes, rk_objective_values *batch)
{
    const rk_model_instance *model = &s->engine->model;
    const rk_batch_values pairs = {.nodes = nodes,
                                   .rows = batch->rows,
                                   .fields = use_fields(s, p, graph, nodes, batch->state),
                                   .labels = use_labels(s, p, graph, nodes, batch->state),
                                   .state = batch->state,
                                   .batch = s->sample.batch,
                                   .n_candidates = s->sample.n_candidates};
    rk_scored scored = model->model->scores(model, p, values, &pairs);
    batch->scores = scored.scores;
    batch->labels = pairs.labels;
    batch->ego = scored.ego;
}

/* The terms of the loss, on whole tables; rk__program_restrict leaves of them what is read. */
static rk_status append_loss(const rk_step *s, rk_program *p, const rk_value *values,
                             rk_value state)
{
    const rk_engine *e = s->engine;
    const rk_options *o = e->options;
    rk_graph_values graph = rk__use_graph(p);
    rk_value nodes = append_nodes(s, p, graph);
    rk_objective_values batch = {.final = RK_NONE,
                                 .scores = RK_NONE,
                                 .labels = RK_NONE,
                                 .ego = RK_NONE,
                                 .logit_bias = rk__sampling_use_logit_bias(p, &e->store),
                                 .degree_factor = rk__sampling_use_degree_factor(p, &e->store),
                                 .weight = use_weights(s, p, graph, nodes, state),
                                 .state = state,
                                 .nodes = nodes,
                                 .graph = graph,
                                 .first_item = e->graph.n_users,
                                 .rows = rk__unique_rows(p, nodes, e->model.n_nodes)};
    if (e->model.model->scores) {
        score(s, p, graph, values, nodes, &batch);
    } else {
        encode(s, p, graph, values, nodes, &batch);
    }
    return rk__objective_append(p, o, &batch, s->sample.n_candidates);
}

/* ---- the terms of the loss ---- */

static void add_term(rk_step *s, const char *name, int32_t row)
{
    rk_step_term *term = &s->terms[s->n_terms++];
    snprintf(term->name, sizeof term->name, "%s", name);
    term->row = row;
}

/* The program's terms by the names that users see, and l2 behind the first one. */
static rk_status name_terms(rk_step *s)
{
    const rk_program *p = &s->phases[0];
    const char *kind = rk__option_choice("loss.kind", s->engine->options->loss.kind);
    bool has_l2 = false;
    RK_TRY(rk__alloc(&s->terms, p->n_terms + 1, sizeof *s->terms, "the terms of the loss"));
    for (int32_t i = 0; i < p->n_terms; i++) {
        has_l2 = has_l2 || strcmp(p->terms[i].name, "l2") == 0;
    }
    for (int32_t i = 0; i < p->n_terms; i++) {
        bool is_ranking = strcmp(p->terms[i].name, "ranking") == 0;
        add_term(s, is_ranking ? kind : p->terms[i].name, 1 + i);
        if (i == 0 && !has_l2) {
            add_term(s, "l2", -1);
        }
    }
    return RK_OK;
}

/* ---- passes ---- */

/* cuSPARSE's propagations share a buffer, and ranks come to their exchanges in one order. */
static bool forks(const rk_engine *e)
{
    const int overlap = e->options->cuda.overlap;
    return e->device->lanes > 1 && rk__comm_size(e->comm) == 1 &&
           e->options->cuda.propagation == RK_PROPAGATION_SPLIT_ROWS &&
           (overlap == RK_OVERLAP_ALL || overlap == RK_OVERLAP_BRANCHES);
}

/* The halves of parameters live from step to step; whatever else changes a parameter is followed by
 * the program `refresh` (rk__step_run). */
static rk_status keep_halves(rk_step *s, rk_program *p)
{
    rk_engine *e = s->engine;
    rk__program_init(&s->refresh, &e->store, "halves");
    for (int i = 0; i < e->model.n_parameters; i++) {
        const rk_parameter *parameter = &e->model.parameters[i];
        if (!rk__program_can_keep_halves(p, parameter->stored)) {
            continue;
        }
        int32_t *halves = &s->tensors[i].halves;
        RK_TRY(declare_beside(e, parameter, "halves", RK_F16, halves));
        RK_TRY(rk__program_keep_halves(p, parameter->stored, *halves));
        rk_value of = rk__use(&s->refresh, parameter->stored);
        rk__assign(&s->refresh, *halves, rk__narrow(&s->refresh, of));
    }
    return s->refresh.n_nodes > 0 ? rk__engine_finish(&s->refresh) : RK_OK;
}

/* A model that its ranks cannot train is one that asks for too much in each step. */
static rk_status shard(const rk_step *s, rk_program *p)
{
    rk_status status = rk__program_shard(p);
    return status == RK_ERR_CONFIG
               ? rk__fail_prefix(status, "model.kind is %s, which cannot be divided among ranks",
                                 s->engine->model.model->name)
               : status;
}

static rk_status build(rk_step *s)
{
    const rk_options *o = s->engine->options;
    rk_program *p = &s->phases[0];
    rk_value *values = NULL;
    rk_status status = RK_OK;
    rk__program_init(p, &s->engine->store, "train");
    rk_value state = rk__use(p, s->stored_state);
    RK_TRY_GOTO(done, rk__engine_use_parameters(s->engine, p, &values));
    RK_TRY_GOTO(done, append_loss(s, p, values, state));
    RK_TRY_GOTO(done, name_terms(s));
    RK_TRY_GOTO(done, rk__step_declare_sums(s, p->n_terms));
    RK_TRY_GOTO(done, rk__program_share(p));
    RK_TRY_GOTO(done, rk__program_restrict(p));
    RK_TRY_GOTO(done, append_updates(s, p, values, state));
    rk__step_loss(p, state, rk__use(p, s->stored_sums));
    rk__step_advance(p, state);
    RK_TRY_GOTO(done, rk__program_prune(p));
    RK_TRY_GOTO(done, shard(s, p));
    if (o->cuda.propagation == RK_PROPAGATION_SPLIT_ROWS) { /* cuSPARSE knows no other endings */
        RK_TRY_GOTO(done, rk__program_fuse(p));
    }
    if (o->train.propagation == RK_TABLES_FP16) {
        RK_TRY_GOTO(done, rk__program_narrow(p));
        RK_TRY_GOTO(done, keep_halves(s, p));
    }
    if (forks(s->engine)) {
        RK_TRY_GOTO(done, rk__program_fork(p));
    }
    status = rk__engine_finish(p);
done:
    rk__free(values);
    return status;
}

rk_status rk__batch_step_build(rk_step *s, const rk_hooks *hooks)
{
    RK_TRY(declare(s, hooks));
    RK_TRY(rk__schedule_make(s->engine->options, rk__step_first_state(s).steps_per_epoch,
                             &s->schedule));
    RK_TRY(build(s));
    return rk__engine_order_rows(s->engine, &s->phases[0], hooks);
}
