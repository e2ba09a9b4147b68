/* The programs of a scorer: the scores of a tile, then the best items, or the scores of given ones.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "score/internal.h"

static rk_value scores_of(const rk_scorer *s, rk_program *p, rk_asker asker,
                          const rk_tile_tensors *t)
{
    const rk_model_instance *instance = &s->engine->model;
    const rk_model_kind *m = instance->model;
    const rk_tile tile = {.is_folded = asker == RK_ASKER_FOLDED || asker == RK_ASKER_ITEM,
                          .users = rk__use(p, t->users),
                          .ones = rk__use(p, t->ones),
                          .lists = {rk__use(p, t->list_offsets), rk__use(p, s->list_items),
                                    rk__use(p, s->list_weights)},
                          .count = rk__use(p, s->count),
                          .fields = t->fields < 0 ? RK_NONE : rk__use(p, t->fields)};
    if (asker == RK_ASKER_NOBODY) {
        const rk_range_attr items = {0, instance->data.n_items};
        return rk__score_dot(p, tile.ones, rk__use(p, s->popularity), tile.count, items);
    }
    rk_value queries = RK_NONE;
    if (asker == RK_ASKER_ITEM) {
        return m->similar(instance, p, &tile, rk__use(p, s->item_nodes));
    }
    if (m->query) {
        queries = asker == RK_ASKER_FOLDED ? m->fold_in(instance, p, &tile)
                                           : m->query(instance, p, &tile);
    }
    return p->status == RK_OK ? m->score(instance, p, &tile, queries) : RK_NONE;
}

static rk_status build(rk_scorer *s, rk_asker asker, rk_tile_size size, rk_program *p)
{
    static const char *const names[] = {"rank users", "rank by items", "rank by popularity",
                                        "rank similar items"};
    const rk_tile_tensors *t = &s->sizes[size];
    rk__program_init(p, &s->engine->store, names[asker]);
    rk_value scores = scores_of(s, p, asker, t);
    RK_TRY(p->status);
    if (size == RK_TILE_PAIRS) {
        rk__assign(p, t->scores, rk__take_scores(p, scores, rk__use(p, t->items)));
    } else {
        const rk_topk_values v = {.scores = scores,
                                  .mask_offsets = rk__use(p, t->mask_offsets),
                                  .mask_items = rk__use(p, s->mask_items),
                                  .blocked = rk__use(p, s->blocked),
                                  .count = rk__use(p, s->count),
                                  .out_items = rk__use(p, t->items),
                                  .out_scores = rk__use(p, t->scores)};
        rk__top_k(p, v, (int32_t)t->k);
    }
    RK_TRY(p->status);
    RK_TRY(rk__program_prune(p));
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
