/* The programs of a scorer: the scores of a tile, then the best items, or the scores of given ones,
 * or where given ones stand. */
#include <stdio.h>

#include "base/alloc.h"
#include "score/internal.h"

static rk_tile tile_in(const rk_scorer *s, rk_program *p, rk_asker asker, const rk_tile_tensors *t)
{
    return (rk_tile){.is_folded = asker == RK_ASKER_FOLDED || asker == RK_ASKER_ITEM,
                     .users = rk__use(p, t->users),
                     .ones = rk__use(p, t->ones),
                     .lists = {rk__use(p, t->list_offsets), rk__use(p, s->list_items),
                               rk__use(p, s->list_weights)},
                     .count = rk__use(p, s->count),
                     .fields = t->fields < 0 ? RK_NONE : rk__use(p, t->fields)};
}

static rk_value queries_of(const rk_scorer *s, rk_program *p, const rk_tile *tile)
{
    const rk_model_instance *instance = &s->engine->model;
    const rk_model_kind *m = instance->model;
    if (!m->query) {
        return RK_NONE;
    }
    return tile->is_folded ? m->fold_in(instance, p, tile) : m->query(instance, p, tile);
}

static rk_value scores_of(const rk_scorer *s, rk_program *p, rk_asker asker,
                          const rk_tile_tensors *t)
{
    const rk_model_instance *instance = &s->engine->model;
    const rk_model_kind *m = instance->model;
    const rk_tile tile = tile_in(s, p, asker, t);
    if (asker == RK_ASKER_NOBODY) {
        const rk_range_attr items = {0, instance->data.n_items};
        return rk__score_dot(p, tile.ones, rk__use(p, s->popularity), tile.count, items);
    }
    if (asker == RK_ASKER_ITEM) {
        return m->similar(instance, p, &tile, rk__use(p, s->item_nodes));
    }
    rk_value queries = queries_of(s, p, &tile);
    return p->status == RK_OK ? m->score(instance, p, &tile, queries) : RK_NONE;
}

static rk_topk_values top_k_of(const rk_scorer *s, rk_program *p, const rk_tile_tensors *t,
                               rk_value scores)
{
    return (rk_topk_values){.scores = scores,
                            .mask_offsets = rk__use(p, t->mask_offsets),
                            .mask_items = rk__use(p, s->mask_items),
                            .blocked = rk__use(p, s->blocked),
                            .count = rk__use(p, s->count),
                            .out_items = rk__use(p, t->items),
                            .out_scores = rk__use(p, t->scores)};
}

static void stand(const rk_scorer *s, rk_program *p, const rk_tile_tensors *t, rk_value scores)
{
    const rk_standing_values v = {.scores = scores,
                                  .items = rk__use(p, t->items),
                                  .mask_offsets = rk__use(p, t->mask_offsets),
                                  .mask_items = rk__use(p, s->mask_items),
                                  .blocked = rk__use(p, s->blocked),
                                  .count = rk__use(p, s->count),
                                  .out_above = rk__use(p, t->above),
                                  .out_tied = rk__use(p, t->tied)};
    rk__standing(p, v);
}

/* ---- in parts ---- */

static bool goes_in_parts(const rk_scorer *s, rk_asker asker)
{
    return s->engine->model.model->score_items &&
           (asker == RK_ASKER_KNOWN || asker == RK_ASKER_FOLDED);
}

static void score_given(const rk_scorer *s, rk_program *p, rk_asker asker, const rk_tile_tensors *t)
{
    const rk_model_instance *instance = &s->engine->model;
    const rk_tile tile = tile_in(s, p, asker, t);
    const rk_tile_items items = {{0, instance->data.n_items}, rk__use(p, t->items)};
    rk_value queries = queries_of(s, p, &tile);
    if (p->status == RK_OK) {
        rk__assign(p, t->scores, instance->model->score_items(instance, p, &tile, queries, &items));
    }
}

/* The scores of one part at a time, merged into the best so far. */
static void rank_in_parts(const rk_scorer *s, rk_program *p, rk_asker asker,
                          const rk_tile_tensors *t)
{
    const rk_model_instance *instance = &s->engine->model;
    const rk_tile tile = tile_in(s, p, asker, t);
    const int64_t n_items = instance->data.n_items, size = rk__scorer_part(s, t->n);
    const rk_ranked_values out = {rk__use(p, t->items), rk__use(p, t->scores)};
    const rk_ranked_values none = {RK_NONE, RK_NONE};
    rk_ranked_values best = none;
    rk_value queries = queries_of(s, p, &tile);
    for (int64_t first = 0; first < n_items && p->status == RK_OK; first += size) {
        const int64_t end = first + size < n_items ? first + size : n_items, n = end - first;
        const rk_tile_items items = {{first, n}, RK_NONE};
        rk_value scores = instance->model->score_items(instance, p, &tile, queries, &items);
        rk_topk_values v = top_k_of(s, p, t, scores);
        if (n < n_items) {
            v.out_items = v.out_scores = RK_NONE;
        }
        rk_ranked_values part = rk__top_k(p, v, first, (int32_t)(n < t->k ? n : t->k));
        if (first > 0) {
            part = rk__merge_top_k(p, best, part, (int32_t)(end < t->k ? end : t->k),
                                   end == n_items ? out : none);
        }
        best = part;
    }
}

/* All scores [T,I] of a tile that is small enough for them. */
static rk_value scores_in_parts(const rk_scorer *s, rk_program *p, rk_asker asker,
                                const rk_tile_tensors *t)
{
    const rk_model_instance *instance = &s->engine->model;
    const rk_tile tile = tile_in(s, p, asker, t);
    const int64_t n_items = instance->data.n_items, size = rk__scorer_part(s, t->n);
    rk_value queries = queries_of(s, p, &tile), all = RK_NONE;
    for (int64_t first = 0; first < n_items && p->status == RK_OK; first += size) {
        const int64_t n = n_items - first < size ? n_items - first : size;
        const rk_tile_items items = {{first, n}, RK_NONE};
        rk_value scores = instance->model->score_items(instance, p, &tile, queries, &items);
        const rk_value both[] = {all, scores};
        all = first == 0 ? scores : rk__join_columns(p, both, 2);
    }
    return all;
}

static rk_status build(rk_scorer *s, rk_asker asker, rk_tile_size size, rk_program *p)
{
    static const char *const names[] = {"rank users", "rank by items", "rank by popularity",
                                        "rank similar items"};
    const rk_tile_tensors *t = &s->sizes[size];
    rk__program_init(p, &s->engine->store, names[asker]);
    if (size == RK_TILE_ROWS) {
        const rk_tile tile = tile_in(s, p, asker, t);
        rk__assign(p, t->scores, queries_of(s, p, &tile));
    } else if (goes_in_parts(s, asker)) {
        if (size == RK_TILE_PAIRS) {
            score_given(s, p, asker, t);
        } else if (size == RK_TILE_STANDING) {
            stand(s, p, t, scores_in_parts(s, p, asker, t));
        } else {
            rank_in_parts(s, p, asker, t);
        }
    } else {
        rk_value scores = scores_of(s, p, asker, t);
        RK_TRY(p->status);
        if (size == RK_TILE_PAIRS) {
            rk__assign(p, t->scores, rk__take_scores(p, scores, rk__use(p, t->items)));
        } else if (size == RK_TILE_STANDING) {
            stand(s, p, t, scores);
        } else {
            rk__top_k(p, top_k_of(s, p, t, scores), 0, (int32_t)t->k);
        }
    }
    RK_TRY(p->status);
    RK_TRY(rk__program_prune(p));
    RK_TRY(rk__program_shard(p));
    RK_TRY(rk__program_fuse(p));
    return rk__engine_finish(p);
}

rk_status rk__scorer_variant(rk_scorer *s, rk_asker asker, rk_tile_size size, rk_variant **out)
{
    rk_variant *v = &s->variants[asker][size];
    *out = v;
    if (v->program.planned) {
        return RK_OK;
    }
    rk__program_free(&v->program);
    return build(s, asker, size, &v->program);
}
