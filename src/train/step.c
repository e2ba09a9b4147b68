#include "train/step.h"

#include <stdio.h>

#include "base/alloc.h"
#include "train/schedule.h"

/* ---- the store ---- */

rk_status rk__step_declare_state(rk_step *s)
{
    return rk__engine_add(s->engine, "step_state", RK_STATE, 1, 1, NULL, &s->stored_state);
}

rk_status rk__step_declare_sums(rk_step *s, int32_t n_terms)
{
    s->n_sums = n_terms;
    RK_TRY(rk__alloc(&s->sums, 1 + n_terms, sizeof *s->sums, "the sums of losses"));
    return rk__engine_add(s->engine, "loss_sums", RK_F64, 1 + n_terms, 1, NULL, &s->stored_sums);
}

/* ---- a model's own phases ---- */

static rk_status build_phases(rk_step *s)
{
    const rk_model_instance *m = &s->engine->model;
    RK_TRY(rk__step_declare_state(s));
    RK_TRY(rk__step_declare_sums(s, 0));
    for (int i = 0; i < s->n_phases; i++) {
        rk_program *p = &s->phases[i];
        rk__program_init(p, &s->engine->store, m->model->phases[i]);
        rk_value state = rk__use(p, s->stored_state);
        m->model->phase(m, p, i, state);
        rk__step_advance(p, state);
        RK_TRY(p->status);
        RK_TRY(rk__program_prune(p));
        RK_TRY(rk__engine_finish(p));
    }
    return RK_OK;
}

/* ---- life ---- */

static rk_status allocate(rk_step *s, int n)
{
    RK_TRY(rk__calloc(&s->phases, n, sizeof *s->phases, "the programs of a step"));
    RK_TRY(rk__calloc(&s->loaded, n, sizeof *s->loaded, "the programs of a step"));
    s->n_phases = n;
    return RK_OK;
}

rk_status rk__step_create(rk_step *out, rk_engine *engine, rk_step_how how, const rk_hooks *hooks)
{
    rk_status status = RK_OK;
    *out = (rk_step){.engine = engine,
                     .how = how,
                     .stored_gram = -1,
                     .stored_state = -1,
                     .stored_nodes = -1,
                     .fresh = -1};
    bool by_gradients = rk__model_is_by_gradients(engine->model.model);
    RK_TRY_GOTO(done, allocate(out, by_gradients ? 1 : engine->model.model->n_phases));
    status = by_gradients ? rk__batch_step_build(out, hooks) : build_phases(out);
done:
    if (status != RK_OK) {
        rk__step_free(out);
    }
    return status;
}

void rk__step_free(rk_step *s)
{
    for (int i = 0; i < s->n_phases; i++) {
        if (s->loaded[i]) {
            s->engine->device->unload(s->engine->context, s->loaded[i]);
        }
        rk__program_free(&s->phases[i]);
    }
    if (s->loaded_refresh) {
        s->engine->device->unload(s->engine->context, s->loaded_refresh);
    }
    rk__program_free(&s->refresh);
    rk__free(s->loaded);
    rk__free(s->phases);
    rk__sampling_free(&s->sampling);
    rk__neighbours_free(&s->neighbours);
    rk__free(s->gram);
    rk__free(s->tensors);
    rk__free(s->terms);
    rk__free(s->sums);
    *s = (rk_step){0};
}

rk_status rk__step_add_memory(const rk_step *s, rk_memory_table *table)
{
    bool by_gradients = rk__model_is_by_gradients(s->engine->model.model);
    for (int i = 0; i < s->n_phases; i++) {
        RK_TRY(rk__memory_add_program(table, s->engine->device, s->engine->context, &s->phases[i],
                                      by_gradients ? "model.dim, train.batch or sampling.candidates"
                                                   : NULL));
    }
    return RK_OK;
}

rk_status rk__step_load(rk_step *s)
{
    for (int i = 0; i < s->n_phases; i++) {
        RK_TRY(s->engine->device->load(s->engine->context, &s->phases[i], &s->loaded[i]));
    }
    return s->refresh.n_nodes > 0
               ? s->engine->device->load(s->engine->context, &s->refresh, &s->loaded_refresh)
               : RK_OK;
}

/* ---- work ---- */

rk_status rk__step_run(rk_step *s, int64_t steps)
{
    rk_engine *e = s->engine;
    if (s->loaded_refresh && s->fresh != e->changes) {
        RK_TRY(e->device->run(e->context, s->loaded_refresh, 1));
    }
    rk__engine_parameters_changed(e);
    s->fresh = e->changes;
    if (s->n_phases == 1) {
        RK_TRY(e->device->run(e->context, s->loaded[0], steps));
        return e->device->sync(e->context);
    }
    rk_step_state state;
    RK_TRY(rk__step_get_state(s, &state));
    for (int64_t i = 0; i < steps; i++) {
        int64_t phase = (state.step_in_epoch + i) % s->n_phases;
        RK_TRY(e->device->run(e->context, s->loaded[phase], 1));
    }
    return e->device->sync(e->context);
}

rk_step_state rk__step_first_state(const rk_step *s)
{
    const rk_options *o = s->engine->options;
    int64_t batch = o->train.batch, draws = s->sampling.n_eligible_edges;
    if (!rk__model_is_by_gradients(s->engine->model.model)) {
        /* an epoch is one round over all interactions */
        const int64_t edges = s->engine->graph.n_edges;
        return (rk_step_state){.seed = (uint64_t)o->run.seed,
                               .steps_per_epoch = s->n_phases,
                               .draws_per_epoch = edges,
                               .batch = (edges + s->n_phases - 1) / s->n_phases,
                               .rate_scale = 1};
    }
    if (o->sampling.positives == RK_POSITIVES_EACH_USER) {
        draws = s->sampling.n_eligible_users;
    }
    if (s->engine->model.model->needs_full_batches) {
        draws = (draws + batch - 1) / batch * batch;
    }
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

rk_status rk__step_get_state(rk_step *s, rk_step_state *out)
{
    return s->engine->device->read(s->engine->context, s->stored_state, 0, 1, out);
}

rk_status rk__step_set_state(rk_step *s, const rk_step_state *state)
{
    return s->engine->device->write(s->engine->context, s->stored_state, 0, 1, state);
}

rk_status rk__step_get_sums(rk_step *s, double *out)
{
    const rk_engine *e = s->engine;
    const int64_t n = 1 + s->n_sums;
    RK_TRY(e->device->read(e->context, s->stored_sums, 0, n, s->sums));
    out[0] = s->sums[0];
    for (int i = 0; i < s->n_terms; i++) {
        out[1 + i] = s->terms[i].row < 0 ? 0 : s->sums[s->terms[i].row];
    }
    return RK_OK;
}

rk_status rk__step_set_sums(rk_step *s, const double *sums)
{
    const rk_engine *e = s->engine;
    const int64_t n = 1 + s->n_sums;
    s->sums[0] = sums[0];
    for (int i = 0; i < s->n_terms; i++) {
        if (s->terms[i].row >= 0) {
            s->sums[s->terms[i].row] = sums[1 + i];
        }
    }
    return e->device->write(e->context, s->stored_sums, 0, n, s->sums);
}
