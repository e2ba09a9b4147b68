/* The answers of a scorer from an index: vectors of queries, what each leaves out, the search. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "score/internal.h"
#include "score/lsh.h"

/* The table of a model whose scores are dot products of it: users, then items. */
static rk_status find_table(const rk_scorer *s, const rk_stored **out)
{
    const rk_model_kind *m = s->engine->model.model;
    if (!m->embeddings || !m->scores_by_dot) {
        RK_FAIL(RK_ERR_CONFIG,
                "approximate answers are of models with a vector for each user and item whose dot "
                "product is the score, and %s is none: rank exactly",
                m->name);
    }
    *out = &s->engine->store.items[rk__store_find(&s->engine->store, m->embeddings)];
    return RK_OK;
}

rk_status rk__scorer_lsh(rk_scorer *s, const rk_lsh_options *options, rk_lsh **out)
{
    const rk_graph *g = &s->engine->graph;
    const rk_stored *table = NULL;
    rk_lsh_options how = options ? *options : (rk_lsh_options){0};
    uint8_t *left_out = NULL;
    float *vectors = NULL;
    rk_status status = RK_OK;
    RK_TRY(find_table(s, &table));
    RK_TRY_GOTO(done, rk__alloc(&left_out, g->n_items, sizeof *left_out, "items without rows"));
    RK_TRY_GOTO(done, rk__alloc(&vectors, g->n_items * table->cols, sizeof *vectors,
                                "the vectors of items"));
    for (int64_t i = 0; i < g->n_items; i++) {
        left_out[i] = s->cold[i] || (how.left_out && how.left_out[i]);
    }
    how.left_out = left_out;
    RK_TRY_GOTO(done, rk__scorer_read_rows(s, s->engine->model.model->embeddings, g->n_users,
                                           g->n_items, vectors));
    status = rk_lsh_create(vectors, g->n_items, table->cols, &how, out);
done:
    rk__free(vectors);
    rk__free(left_out);
    return status;
}

/* ---- queries ---- */

/* What an index is asked; queries of whom nothing is known are not among them. */
typedef struct asking {
    int64_t n;
    int64_t *number;       /* [n]: of the caller's queries; owned, as all of these */
    float *vectors;        /* [n, width] */
    rk_lsh_query *queries; /* [n] */
    int32_t *masked;       /* of all of them */
    int64_t *mask_offsets; /* [n + 1] */
    uint8_t *blocked;      /* [items]; NULL = nothing is left out for everybody */
} asking;

static void asking_free(asking *a)
{
    rk__free(a->number);
    rk__free(a->vectors);
    rk__free(a->queries);
    rk__free(a->masked);
    rk__free(a->mask_offsets);
    rk__free(a->blocked);
}

/* The vectors of queries that fold in, as many as go together; else of one known user. */
static rk_status read_vectors(rk_scorer *s, const rk_stored *table, const rk_query *queries,
                              int64_t n, rk_asker asker, float *out, int64_t *out_n)
{
    static const rk_selection nothing = {.keep_given = true};
    const rk_engine *e = s->engine;
    *out_n = 1;
    if (asker == RK_ASKER_KNOWN) {
        const int32_t stored = (int32_t)(table - e->store.items);
        return e->device->read(e->context, stored, queries->user, 1, out);
    }
    s->tile.size = RK_TILE_ROWS;
    RK_TRY(rk__tile_fill(s, &s->tile, queries, n, &nothing));
    RK_TRY(rk__tile_queue(s, &s->tile, true));
    RK_TRY(rk__tile_wait(s, &s->tile));
    *out_n = s->tile.n;
    memcpy(out, s->tile.found_scores, (size_t)(s->tile.n * table->cols) * sizeof *out);
    return RK_OK;
}

static int ascending(const void *left, const void *right)
{
    const int32_t a = *(const int32_t *)left, b = *(const int32_t *)right;
    return (a > b) - (a < b);
}

/* What a query leaves out, ascending, to `out` unless that is NULL; returns how many. */
static int64_t mask_of(const rk_scorer *s, const rk_query *q, const rk_selection *selection,
                       int32_t *out)
{
    int64_t n = 0;
    const bool by_items = q->user < 0 && !selection->keep_given;
    if (by_items && out) {
        memcpy(out, q->items, (size_t)q->n_items * sizeof *out);
    }
    n += by_items ? q->n_items : 0;
    for (int part = 0; q->user >= 0 && part < RK_PARTS; part++) {
        const rk_lists *l = s->data.parts[part];
        if (!(selection->seen & 1u << part) || !l || rk__lists_count(l, q->user) == 0) {
            continue;
        }
        if (out) {
            memcpy(out + n, l->items + l->offsets[q->user],
                   (size_t)rk__lists_count(l, q->user) * sizeof *out);
        }
        n += rk__lists_count(l, q->user);
    }
    if (out && q->n_deny > 0) {
        memcpy(out + n, q->deny, (size_t)q->n_deny * sizeof *out);
    }
    n += q->n_deny;
    if (out && n > 0) {
        qsort(out, (size_t)n, sizeof *out, ascending);
    }
    return n;
}

static rk_status take_masks(const rk_scorer *s, asking *a, const rk_query *queries,
                            const rk_selection *selection, int64_t width)
{
    RK_TRY(rk__alloc(&a->mask_offsets, a->n + 1, sizeof *a->mask_offsets, "what is left out"));
    a->mask_offsets[0] = 0;
    for (int64_t i = 0; i < a->n; i++) {
        a->mask_offsets[i + 1] =
            a->mask_offsets[i] + mask_of(s, &queries[a->number[i]], selection, NULL);
    }
    RK_TRY(rk__alloc(&a->masked, a->mask_offsets[a->n], sizeof *a->masked, "what is left out"));
    for (int64_t i = 0; i < a->n; i++) {
        int32_t *masked = a->masked + a->mask_offsets[i];
        const int64_t n = mask_of(s, &queries[a->number[i]], selection, masked);
        a->queries[i] =
            (rk_lsh_query){.vector = a->vectors + i * width, .masked = masked, .n_masked = n};
    }
    if (s->has_limits) {
        const int64_t n_items = s->engine->graph.n_items;
        RK_TRY(rk__alloc(&a->blocked, n_items, sizeof *a->blocked, "items that are left out"));
        for (int64_t i = 0; i < n_items; i++) {
            a->blocked[i] = s->closed[i] != 0;
        }
    }
    return RK_OK;
}

/* Under the scorer's lock. */
static rk_status ask(rk_scorer *s, const rk_stored *table, const rk_query *queries, int64_t n,
                     const rk_selection *selection, asking *a)
{
    RK_TRY(rk__alloc(&a->number, n, sizeof *a->number, "queries"));
    RK_TRY(rk__alloc(&a->vectors, n * table->cols, sizeof *a->vectors, "the vectors of queries"));
    RK_TRY(rk__alloc(&a->queries, n, sizeof *a->queries, "queries"));
    RK_TRY(rk__scorer_set_limits(s, selection));
    RK_TRY(rk__scorer_refresh(s));
    for (int64_t i = 0, together = 1; i < n; i += together) {
        rk_asker asker = RK_ASKER_NOBODY;
        RK_TRY(rk__query_asker(s, &queries[i], &asker, NULL));
        together = 1;
        if (asker == RK_ASKER_NOBODY) {
            continue;
        }
        RK_TRY(read_vectors(s, table, queries + i, n - i, asker, a->vectors + a->n * table->cols,
                            &together));
        for (int64_t j = 0; j < together; j++) {
            a->number[a->n++] = i + j;
        }
    }
    return take_masks(s, a, queries, selection, table->cols);
}

/* ---- answers ---- */

/* As exact answers have them: scores as they are given, and none that is too low. */
static void settle(const rk_scorer *s, const rk_selection *selection, int64_t k, int32_t *items,
                   float *scores)
{
    for (int64_t j = 0; j < k && items[j] >= 0; j++) {
        scores[j] = rk__given_score(s, scores[j]);
        if (selection->has_min_score && scores[j] < selection->min_score) {
            items[j] = -1;
            scores[j] = 0;
        }
    }
}

/* The answers of a->queries to their places; everybody else is answered exactly. */
static rk_status answer(rk_scorer *s, const rk_lsh *index, int64_t probes, const asking *a,
                        const rk_query *queries, int64_t n, const rk_selection *selection,
                        int64_t k, int32_t *items, float *scores)
{
    int32_t *found = NULL;
    float *values = NULL;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__alloc(&found, a->n * k, sizeof *found, "the answers of an index"));
    RK_TRY_GOTO(done, rk__alloc(&values, a->n * k, sizeof *values, "the answers of an index"));
    RK_TRY_GOTO(done,
                rk_lsh_top_k(index, a->queries, a->n, probes, a->blocked, k, found, values, NULL));
    for (int64_t i = 0, at = 0; i < n; i++) {
        if (at < a->n && a->number[at] == i) {
            memcpy(items + i * k, found + at * k, (size_t)k * sizeof *items);
            memcpy(scores + i * k, values + at * k, (size_t)k * sizeof *scores);
            settle(s, selection, k, items + i * k, scores + i * k);
            at++;
        } else {
            RK_TRY_GOTO(done, rk__scorer_top_k(s, queries + i, 1, selection, k, items + i * k,
                                               scores + i * k));
        }
    }
done:
    rk__free(found);
    rk__free(values);
    return status;
}

rk_status rk__scorer_lsh_top_k(rk_scorer *s, const rk_lsh *index, int64_t probes,
                               const rk_query *queries, int64_t n, const rk_selection *selection,
                               int64_t k, int32_t *items, float *scores)
{
    const rk_stored *table = NULL;
    asking a = {0};
    RK_TRY(find_table(s, &table));
    if (index->n_all != s->engine->graph.n_items || index->width != table->cols) {
        RK_FAIL(RK_ERR_CONFIG,
                "the index is of %lld items with vectors of %lld numbers, the model of %lld and "
                "%lld: it is another model's",
                (long long)index->n_all, (long long)index->width,
                (long long)s->engine->graph.n_items, (long long)table->cols);
    }
    pthread_mutex_lock(&s->lock);
    rk_status status = ask(s, table, queries, n, selection, &a);
    pthread_mutex_unlock(&s->lock);
    if (status == RK_OK) {
        status = answer(s, index, probes, &a, queries, n, selection, k, items, scores);
    }
    asking_free(&a);
    return status;
}
