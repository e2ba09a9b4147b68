#include "engine/engine.h"

#include <string.h>

#include "base/alloc.h"

/* ---- the store ---- */

rk_status rk__engine_add(rk_engine *e, const char *name, rk_dtype dtype, int64_t rows, int64_t cols,
                         const void *constant, int32_t *out)
{
    int32_t ignored = -1;
    return rk__store_add(&e->store, name, dtype, rows, cols, constant, out ? out : &ignored);
}

static rk_status declare_graph(rk_engine *e)
{
    const rk_graph *g = &e->graph;
    RK_TRY(rk__engine_add(e, "graph.offsets", RK_I64, g->n_nodes + 1, 1, g->offsets, NULL));
    RK_TRY(rk__engine_add(e, "graph.columns", RK_I32, 2 * g->n_edges, 1, g->columns, NULL));
    return rk__engine_add(e, "graph.scale", RK_F32, g->n_nodes, 1, g->scale, NULL);
}

/* ---- life ---- */

static rk_status open_device(rk_engine *e, rk_engine_how how)
{
    const rk_options *o = e->options;
    rk_device_options options = {.threads = o->run.threads,
                                 .eager = how.eager,
                                 .index = o->cuda.device,
                                 .propagation = o->cuda.propagation,
                                 .matmul = o->cuda.matmul,
                                 .ranking = o->cuda.ranking,
                                 .gram = o->cuda.gram,
                                 .overlap = o->cuda.overlap,
                                 .steps_per_launch = o->cuda.steps_per_launch,
                                 .piece_edges = o->cuda.piece_edges,
                                 .comm = e->comm,
                                 .ranks = e->ranks};
    e->device = how.device;
    if (!e->device) {
        RK_TRY(rk__device_choose(o->run.device, o->cuda.device, &e->device, &e->device_reason));
    }
    return e->device->open(&options, &e->context);
}

/* Whether the ranks can divide the model's tables among them. */
static rk_status check_ranks(const rk_engine *e, const rk_model_kind *model)
{
    const int ranks = rk__comm_size(e->comm);
    const int64_t dim = e->options->model.dim;
    if (ranks == 1) {
        return RK_OK;
    }
    if (!rk__model_is_by_gradients(model)) {
        RK_FAIL(RK_ERR_CONFIG,
                "model.kind is %s, which is not trained by gradients: its tables cannot be divided "
                "among %d ranks; start one process",
                model->name, ranks);
    }
    if (dim % ranks != 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "model.dim is %lld, which %d ranks cannot divide equally: start as many ranks as "
                "divide it, or take a model.dim that is a multiple of %d",
                (long long)dim, ranks, ranks);
    }
    return RK_OK;
}

static rk_status check_divided(const rk_engine *e)
{
    for (int i = 0; i < e->model.n_parameters; i++) {
        if (e->store.items[e->model.parameters[i].stored].all_columns > 0) {
            return RK_OK;
        }
    }
    RK_FAIL(RK_ERR_CONFIG,
            "model.kind is %s, which has no table whose columns %d ranks could divide; start one "
            "process",
            e->model.model->name, rk__comm_size(e->comm));
}

rk_status rk__engine_open(rk_engine *out, const rk_options *options, rk_graph *graph,
                          rk_engine_how how)
{
    rk_status status = RK_OK;
    *out = (rk_engine){.options = options,
                       .graph = *graph,
                       .row_order = how.row_order,
                       .ranks = how.ranks ? how.ranks : rk__comm_self(),
                       .comm = how.ranks && !how.is_whole ? how.ranks : rk__comm_self()};
    out->store.ranks = rk__comm_size(out->comm);
    out->store.rank = rk__comm_rank(out->comm);
    *graph = (rk_graph){0};
    const rk_model_kind *model = how.model ? how.model : rk__model_of(options);
    if (model->reads_fields && how.dataset) {
        status = rk__contexts_init(&out->contexts, how.dataset, options);
    }
    const rk_model_data data = {.n_users = out->graph.n_users,
                                .n_items = out->graph.n_items,
                                .graph = &out->graph,
                                .train_times = how.train_times,
                                .train_values = how.train_values,
                                .contexts = out->contexts.n > 0 ? &out->contexts : NULL,
                                .dataset = how.dataset};
    RK_TRY_GOTO(done, status);
    RK_TRY_GOTO(done, rk__model_check_data(options, &data));
    RK_TRY_GOTO(done, check_ranks(out, model));
    RK_TRY_GOTO(done, open_device(out, how));
    RK_TRY_GOTO(done, declare_graph(out));
    RK_TRY_GOTO(done, rk__model_declare(&out->model, model, options, &data, &out->store));
    status = rk__comm_size(out->comm) > 1 ? check_divided(out) : RK_OK;
done:
    if (status != RK_OK) {
        rk__engine_close(out);
    }
    return status;
}

void rk__engine_close(rk_engine *e)
{
    if (e->device && e->context) {
        e->device->close(e->context);
    }
    rk__model_free(&e->model);
    rk__store_free(&e->store);
    rk__graph_free(&e->graph);
    rk__contexts_free(&e->contexts);
    for (int i = 0; i < e->n_row_orders; i++) {
        rk__free(e->row_orders[i]);
    }
    rk__free(e->row_orders);
    *e = (rk_engine){0};
}

rk_status rk__engine_bind(rk_engine *e)
{
    return e->device->bind(e->context, &e->store);
}

/* ---- tensors with all their columns ---- */

int64_t rk__engine_columns(const rk_engine *e, int32_t stored)
{
    const rk_stored *s = &e->store.items[stored];
    return s->all_columns > 0 ? s->all_columns : s->cols;
}

rk_status rk__engine_read(const rk_engine *e, int32_t stored, int root, void *out)
{
    const rk_stored *s = &e->store.items[stored];
    float *own = NULL;
    if (s->all_columns == 0) {
        return out ? e->device->read(e->context, stored, 0, s->rows, out) : RK_OK;
    }
    RK_ASSERT(s->dtype == RK_F32);
    const void *values = e->device->peek ? e->device->peek(e->context, stored) : NULL;
    rk_status status = RK_OK;
    if (!values) {
        RK_TRY(rk__alloc(&own, s->rows * s->cols, sizeof *own, s->name));
        RK_TRY_GOTO(done, e->device->read(e->context, stored, 0, s->rows, own));
        values = own;
    }
    status = rk__comm_gather_columns(e->comm, "the columns of a tensor", values, s->rows, s->cols,
                                     root, out);
done:
    rk__free(own);
    return status;
}

rk_status rk__engine_write(const rk_engine *e, int32_t stored, const void *values)
{
    const rk_stored *s = &e->store.items[stored];
    const float *all = values;
    float *own = NULL;
    if (s->all_columns == 0) {
        return e->device->write(e->context, stored, 0, s->rows, values);
    }
    RK_ASSERT(s->dtype == RK_F32);
    RK_TRY(rk__alloc(&own, s->rows * s->cols, sizeof *own, s->name));
    for (int64_t r = 0; r < s->rows; r++) {
        memcpy(own + r * s->cols, all + r * s->all_columns + s->first_column,
               (size_t)s->cols * sizeof *own);
    }
    rk_status status = e->device->write(e->context, stored, 0, s->rows, own);
    rk__free(own);
    return status;
}

/* ---- parameters ---- */

static rk_status init_on_device(rk_engine *e, const rk_parameter *p, int number)
{
    rk_device_init how = {
        .kind = p->init, .number = number, .seed = (uint64_t)e->options->run.seed};
    for (int block = 0; block < RK_BLOCKS; block++) {
        rk__parameter_block(p, block, &how.first_row, &how.end_row);
        how.scale = rk__parameter_scale(p, block);
        if (how.end_row > how.first_row) {
            RK_TRY(e->device->init(e->context, p->stored, &how));
        }
    }
    return RK_OK;
}

static rk_status init_on_host(rk_engine *e, const rk_parameter *p, int number)
{
    const rk_stored *s = &e->store.items[p->stored];
    const rk_columns_attr columns = {s->first_column, s->cols};
    int64_t elements = 0;
    float *host = NULL;
    RK_TRY(rk__mul(&elements, s->rows, s->cols, p->name));
    RK_TRY(rk__alloc(&host, elements, sizeof *host, "initial parameters"));
    rk__parameter_init_columns(p, number, (uint64_t)e->options->run.seed, columns, host);
    rk_status status = e->device->write(e->context, p->stored, 0, p->rows, host);
    rk__free(host);
    return status;
}

rk_status rk__engine_init_parameters(rk_engine *e)
{
    rk__engine_parameters_changed(e);
    for (int i = 0; i < e->model.n_parameters; i++) {
        const rk_parameter *p = &e->model.parameters[i];
        if (p->role == RK_TRAINED) {
            const bool is_divided = e->store.items[p->stored].all_columns > 0;
            RK_TRY(e->device->init && !is_divided ? init_on_device(e, p, i)
                                                  : init_on_host(e, p, i));
        }
    }
    return RK_OK;
}

void rk__engine_parameters_changed(rk_engine *engine)
{
    engine->changes++;
}

/* ---- in programs ---- */

rk_status rk__engine_use_parameters(const rk_engine *e, rk_program *p, rk_value **out)
{
    RK_TRY(rk__alloc(out, e->model.n_parameters, sizeof **out, "the values of parameters"));
    for (int i = 0; i < e->model.n_parameters; i++) {
        (*out)[i] = rk__use(p, e->model.parameters[i].stored);
    }
    return RK_OK;
}

void rk__engine_tell_notes(const rk_engine *e, const rk_hooks *hooks)
{
    char text[512];
    if (e->device->note && e->device->note(e->context, text, sizeof text) && hooks && hooks->log) {
        hooks->log(hooks->user, RK_LOG_WARNING, text);
    }
}

rk_status rk__engine_finish(rk_program *p)
{
    RK_TRY(p->status);
    if (p->passes[RK_PASS_SHARD].after == 0) {
        RK_TRY(rk__program_shard(p));
    }
    RK_TRY(rk__program_verify(p));
    return rk__program_plan(p);
}
