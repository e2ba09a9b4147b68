#include "train/ranker.h"

#include "base/alloc.h"

/* ---- the store ---- */

static rk_status largest_k(const rk_options *options, int64_t n_items, int64_t *out)
{
    *out = 1;
    for (int64_t i = 0; i < options->eval.k.n; i++) {
        int64_t k = options->eval.k.v[i];
        if (k > n_items) {
            RK_FAIL(RK_ERR_CONFIG,
                    "eval.k: %lld is larger than the catalogue of %lld items; take a smaller K",
                    (long long)k, (long long)n_items);
        }
        *out = k > *out ? k : *out;
    }
    return RK_OK;
}

/* The final embeddings, a tile of users with their best items, what else is seen. */
static rk_status declare(rk_model_ranker *r, const rk_lists *valid)
{
    rk_engine *e = r->engine;
    RK_TRY(largest_k(e->options, e->graph.n_items, &r->k));
    RK_TRY(rk__engine_add(e, "final", RK_F32, e->graph.n_nodes, e->options->model.dim, NULL,
                          &r->stored_final));
    RK_TRY(rk__engine_add(e, "rank.users", RK_I32, RK_RANK_TILE, 1, NULL, &r->stored_users));
    RK_TRY(rk__engine_add(e, "rank.items", RK_I32, RK_RANK_TILE, r->k, NULL, &r->stored_items));
    RK_TRY(rk__engine_add(e, "rank.scores", RK_F32, RK_RANK_TILE, r->k, NULL, NULL));
    const int64_t n_masked = e->graph.n_edges + (valid ? valid->offsets[valid->n_rows] : 0);
    RK_TRY(rk__engine_add(e, "rank.count", RK_I32, 1, 1, NULL, &r->stored_count));
    RK_TRY(rk__engine_add(e, "mask.offsets", RK_I64, RK_RANK_TILE + 1, 1, NULL,
                          &r->stored_mask_offsets));
    RK_TRY(rk__engine_add(e, "mask.items", RK_I32, n_masked, 1, NULL, &r->stored_mask_items));
    RK_TRY(rk__alloc(&r->mask_offsets, RK_RANK_TILE + 1, sizeof *r->mask_offsets, "masks"));
    RK_TRY(rk__alloc(&r->mask_items, n_masked, sizeof *r->mask_items, "masks"));
    return rk__alloc(&r->tile, RK_RANK_TILE * (1 + r->k), sizeof *r->tile, "a rank tile");
}

/* ---- the programs ---- */

static rk_status build_embed(rk_model_ranker *r)
{
    const rk_engine *e = r->engine;
    rk_program *p = &r->embed;
    rk_value *values = NULL;
    rk_status status = RK_OK;
    rk__program_init(p, &e->store, "embed");
    rk_graph_values graph = rk__engine_use_graph(e, p);
    RK_TRY_GOTO(done, rk__engine_use_parameters(e, p, &values));
    RK_TRY_GOTO(done, p->status);
    rk_encoded encoded = e->model.model->encode(&e->model, p, graph, values, RK_NONE);
    RK_TRY_GOTO(done, p->status);
    rk__assign(p, r->stored_final, encoded.final);
    RK_TRY_GOTO(done, rk__program_prune(p));
    status = rk__engine_finish(p);
done:
    rk__free(values);
    return status;
}

static rk_status build_rank(rk_model_ranker *r, bool on_test)
{
    const rk_engine *e = r->engine;
    rk_program *p = &r->rank[on_test];
    rk__program_init(p, &e->store, on_test ? "rank on test" : "rank on valid");
    const rk_range_attr items = {e->graph.n_users, e->graph.n_items};
    rk_value final = rk__use(p, r->stored_final), count = rk__use(p, r->stored_count);
    rk_value queries = rk__take_rows(p, final, rk__use(p, r->stored_users));
    rk_topk_values v = {
        .scores = rk__score_dot(p, queries, final, count, items),
        .mask_offsets = rk__use(p, r->stored_mask_offsets),
        .mask_items = rk__use(p, r->stored_mask_items),
        .blocked = RK_NONE,
        .count = count,
        .out_items = rk__use(p, r->stored_items),
        .out_scores = rk__engine_use(e, p, "rank.scores"),
    };
    rk__top_k(p, v, (int32_t)r->k);
    RK_TRY(rk__program_fuse(p));
    return rk__engine_finish(p);
}

/* ---- life ---- */

rk_status rk__ranker_create(rk_model_ranker *out, rk_engine *engine, const rk_lists *valid)
{
    rk_status status = RK_OK;
    *out = (rk_model_ranker){.engine = engine, .valid = valid, .final_changes = -1};
    RK_TRY_GOTO(done, declare(out, valid));
    RK_TRY_GOTO(done, build_embed(out));
    RK_TRY_GOTO(done, build_rank(out, false));
    status = build_rank(out, true);
done:
    if (status != RK_OK) {
        rk__ranker_free(out);
    }
    return status;
}

void rk__ranker_free(rk_model_ranker *r)
{
    for (int i = 0; i < 2; i++) {
        if (r->loaded[i]) {
            r->engine->device->unload(r->engine->context, r->loaded[i]);
        }
        rk__program_free(&r->rank[i]);
    }
    rk__program_free(&r->embed);
    rk__free(r->tile);
    rk__free(r->mask_offsets);
    rk__free(r->mask_items);
    *r = (rk_model_ranker){0};
}

rk_status rk__ranker_add_memory(const rk_model_ranker *r, rk_memory_table *table)
{
    const rk_engine *e = r->engine;
    RK_TRY(rk__memory_add_program(table, e->device, e->context, &r->embed, "model.dim"));
    RK_TRY(rk__memory_add_program(table, e->device, e->context, &r->rank[0], "eval.k"));
    return rk__memory_add_program(table, e->device, e->context, &r->rank[1], "eval.k");
}

rk_status rk__ranker_load(rk_model_ranker *r)
{
    for (int i = 0; i < 2; i++) {
        RK_TRY(r->engine->device->load(r->engine->context, &r->rank[i], &r->loaded[i]));
    }
    return RK_OK;
}

/* ---- work ---- */

static rk_status refresh(rk_model_ranker *r)
{
    rk_engine *e = r->engine;
    rk_loaded *loaded = NULL;
    if (r->final_changes == e->changes) {
        return RK_OK;
    }
    RK_TRY(e->device->load(e->context, &r->embed, &loaded));
    rk_status status = e->device->run(e->context, loaded, 1);
    if (status == RK_OK) {
        status = e->device->sync(e->context);
    }
    e->device->unload(e->context, loaded);
    r->final_changes = status == RK_OK ? e->changes : -1;
    return status;
}

/* The items of train and, on test, of valid, of each user ascending. */
static void fill_masks(rk_model_ranker *r, bool on_test, const int32_t *users, int64_t n)
{
    const rk_graph *g = &r->engine->graph;
    int64_t total = 0;
    for (int64_t i = 0; i < RK_RANK_TILE; i++) {
        r->mask_offsets[i] = total;
        if (i >= n) {
            continue;
        }
        const int32_t *train = g->columns + g->offsets[users[i]];
        const int32_t *train_end = g->columns + g->offsets[users[i] + 1];
        const rk_lists *valid = on_test ? r->valid : NULL;
        const int32_t *other = valid ? valid->items + valid->offsets[users[i]] : NULL;
        const int32_t *other_end = valid ? valid->items + valid->offsets[users[i] + 1] : NULL;
        while (train < train_end || other < other_end) {
            bool is_train =
                other == other_end || (train < train_end && *train - g->n_users <= *other);
            r->mask_items[total++] = is_train ? (int32_t)(*train++ - g->n_users) : *other++;
        }
    }
    r->mask_offsets[RK_RANK_TILE] = total;
}

static rk_status write_tile(rk_model_ranker *r, bool on_test, const int32_t *users, int64_t n)
{
    const rk_engine *e = r->engine;
    const int32_t count = (int32_t)n;
    for (int64_t i = 0; i < RK_RANK_TILE; i++) {
        r->tile[i] = i < n ? users[i] : -1;
    }
    fill_masks(r, on_test, users, n);
    const int64_t n_masked = r->mask_offsets[RK_RANK_TILE];
    RK_TRY(e->device->write(e->context, r->stored_users, 0, RK_RANK_TILE, r->tile));
    RK_TRY(e->device->write(e->context, r->stored_count, 0, 1, &count));
    RK_TRY(
        e->device->write(e->context, r->stored_mask_offsets, 0, RK_RANK_TILE + 1, r->mask_offsets));
    return e->device->write(e->context, r->stored_mask_items, 0, n_masked, r->mask_items);
}

static rk_status rank_tile(void *self, rk_part part, const int32_t *users, int64_t n, int64_t k,
                           int32_t *items)
{
    rk_model_ranker *r = self;
    const rk_engine *e = r->engine;
    RK_ASSERT(n <= RK_RANK_TILE && k <= r->k && part != RK_TRAIN);
    RK_TRY(refresh(r));
    int32_t *tile_items = r->tile + RK_RANK_TILE;
    RK_TRY(write_tile(r, part == RK_TEST, users, n));
    RK_TRY(e->device->run(e->context, r->loaded[part == RK_TEST], 1));
    RK_TRY(e->device->sync(e->context));
    RK_TRY(e->device->read(e->context, r->stored_items, 0, n, tile_items));
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < k; j++) {
            items[i * k + j] = tile_items[i * r->k + j];
        }
    }
    return RK_OK;
}

rk_ranker rk__ranker_of(rk_model_ranker *ranker)
{
    return (rk_ranker){.self = ranker, .rank = rank_tile};
}

rk_status rk__ranker_embeddings(rk_model_ranker *r, float **out)
{
    const rk_engine *e = r->engine;
    int64_t elements = 0;
    float *host = NULL;
    RK_TRY(refresh(r));
    RK_TRY(rk__mul(&elements, e->graph.n_nodes, e->options->model.dim, "the final embeddings"));
    RK_TRY(rk__alloc(&host, elements, sizeof *host, "the final embeddings"));
    rk_status status = e->device->read(e->context, r->stored_final, 0, e->graph.n_nodes, host);
    if (status != RK_OK) {
        rk__free(host);
        return status;
    }
    *out = host;
    return RK_OK;
}
