/*
 * The one way to rank and to score: evaluation, recommendation, lists and services ask a scorer.
 *
 * Queries are answered in tiles. A tile is one of three kinds: known users, people who are known by
 * a list of items (folded in by the model; users without train interactions whose items are given
 * are such people), and people of whom nothing is known, other users without train interactions
 * among them, who get the items' popularity. A kind and a size of tile make a
 * program: the model's scores of all items, then the best K that are not masked (variants.c). What
 * the model needs to have computed first (rk_model_kind.finish) is computed when its parameters
 * have changed.
 *
 * A tile's queries, items and masks are put together on the host and written to the device, so what
 * is masked is the caller's business and not the graph's.
 */
#ifndef RK_SCORE_SCORER_H
#define RK_SCORE_SCORER_H

#include "data/dataset.h"
#include "engine/engine.h"
#include "engine/memory.h"
#include "eval/evaluate.h"
#include "rankine/approximate.h"
#include "rankine/scoring.h"

typedef struct rk_scorer rk_scorer;

/* The lists of what users have, by rk_part; lent. NULL or without rows = nothing. */
typedef struct rk_scorer_data {
    const rk_lists *parts[RK_PARTS];
    const float *given_weights; /* of parts[RK_GIVEN], for models that weigh; NULL = 1 each */
    double low, high;           /* of a model of ratings: scores are given within */
} rk_scorer_data;

/* Before the engine is bound: adds its tensors to the store. The engine is lent. RK_ERR_CONFIG when
 * an eval.k is larger than the catalogue. */
rk_status rk__scorer_create(rk_scorer **out, rk_engine *engine, rk_scorer_data data);
/* Before the engine is closed. NULL is fine. */
void rk__scorer_free(rk_scorer *scorer);

/* What ranking tiles of known users allocates, and finish, which is loaded beside them while it
 * runs. Other programs are made when they are first asked for. */
rk_status rk__scorer_add_memory(const rk_scorer *scorer, rk_memory_table *table);
/* Bytes of the lists that a rank gives the others at a time, when users are divided among ranks. */
int64_t rk__scorer_list_bytes(const rk_scorer *scorer);
/* After the engine is bound. */
rk_status rk__scorer_load(rk_scorer *scorer);
/* Bytes of the temporaries of the programs that are loaded. */
int64_t rk__scorer_arenas(const rk_scorer *scorer);

/*
 * From here on any number of threads may ask; they are answered one after the other, each with all
 * of the device's threads.
 */

/* The k best items of each query that selection allows, best first, ties to the smaller item; -1
 * (score 0) where fewer are left. items, scores: [n, k]; scores may be NULL. RK_ERR_CONFIG for a
 * query that makes no sense, or that the model cannot answer. */
rk_status rk__scorer_top_k(rk_scorer *scorer, const rk_query *queries, int64_t n,
                           const rk_selection *selection, int64_t k, int32_t *items, float *scores);

/* The k items that are most like each of n, as rk__scorer_top_k has answers; selection->seen is of
 * no meaning, and an item is in its own answer with keep_given only. An item without train
 * interactions gets none, and a score of 0, nothing in common, is none. RK_ERR_CONFIG where the
 * model does not know. */
rk_status rk__scorer_similar(rk_scorer *scorer, const int32_t *asking, int64_t n,
                             const rk_selection *selection, int64_t k, int32_t *items,
                             float *scores);

/* Items of several queries: those of query i are items[offsets[i]] to items[offsets[i + 1] - 1]. */
typedef struct rk_item_lists {
    const int64_t *offsets;
    const int32_t *items;
} rk_item_lists;

/* The scores of each query's items, scores[e] of lists.items[e]. Those of items without train
 * interactions are -INFINITY. */
rk_status rk__scorer_scores(rk_scorer *scorer, const rk_query *queries, int64_t n,
                            rk_item_lists lists, float *scores);

/* How an answer to a query comes about. */
rk_status rk__scorer_basis(rk_scorer *scorer, const rk_query *query, rk_basis *out,
                           int64_t *out_counted);

/* An index of the items' vectors; items without train interactions are left out. RK_ERR_CONFIG
 * where scores are no dot products of the model's vectors. rankine/approximate.h has the rest. */
rk_status rk__scorer_lsh(rk_scorer *scorer, const rk_lsh_options *options, rk_lsh **out);
/* rk__scorer_top_k from such an index; scores are needed. */
rk_status rk__scorer_lsh_top_k(rk_scorer *scorer, const rk_lsh *index, int64_t probes,
                               const rk_query *queries, int64_t n, const rk_selection *selection,
                               int64_t k, int32_t *items, float *scores);

/* What rk_model_explain does, of n items: reasons [n, k], out [n]. */
rk_status rk__scorer_explain(rk_scorer *scorer, const rk_query *query, const int32_t *items,
                             int64_t n, int64_t k, rk_reason *reasons, rk_explanation *out);

/* Makes what answers are made of of the parameters, if these have changed. Among ranks all of them
 * do so, here or by an evaluation, before one may ask alone. */
rk_status rk__scorer_prepare(rk_scorer *scorer);

/* A tensor of the store that is up to date with the parameters: whole, free *out with rk__free; or
 * rows of it, into room for them. */
rk_status rk__scorer_read(rk_scorer *scorer, const char *name, void *out);
rk_status rk__scorer_read_rows(rk_scorer *scorer, const char *name, int64_t first, int64_t rows,
                               void *out);

/* Its address in the host's memory, for as long as the engine is there; NULL where the device does
 * not compute in that. */
rk_status rk__scorer_view(rk_scorer *scorer, const char *name, const void **out);

/* Nobody is answered between the two: the device is the caller's. */
void rk__scorer_hold(rk_scorer *scorer);
void rk__scorer_release(rk_scorer *scorer);

/* The seam of evaluation; lent. Of an engine with several ranks all of them make its calls together
 * (but for `rank`), each for a share of the users, and get what comes of all. */
rk_ranker rk__scorer_ranker(rk_scorer *scorer);

#endif
