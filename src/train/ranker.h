/*
 * Ranking by the final embeddings of an engine's model: the rk_ranker that checks, evaluations and
 * recommendations ask.
 *
 * The final embeddings are recomputed when the parameters have changed since. Their program is
 * loaded only while it runs: its arena holds a table per layer, which a training step does not
 * need.
 */
#ifndef RK_TRAIN_RANKER_H
#define RK_TRAIN_RANKER_H

#include "data/dataset.h"
#include "eval/evaluate.h"
#include "train/engine.h"
#include "train/memory.h"

typedef struct rk_model_ranker {
    rk_engine *engine;                  /* lent */
    int32_t stored_final;               /* numbers in the store */
    int32_t stored_users, stored_items; /* a rank tile's input and output */
    int32_t stored_count, stored_mask_offsets, stored_mask_items;
    const rk_lists *valid;     /* lent; NULL = there are none */
    int64_t k;                 /* columns of that output: the largest of eval.k */
    rk_program embed, rank[2]; /* rank: on valid, on test */
    rk_loaded *loaded[2];      /* of rank */
    int32_t *tile;             /* RK_RANK_TILE * (1 + k): users, then items; owned */
    int64_t *mask_offsets;     /* RK_RANK_TILE + 1; owned */
    int32_t *mask_items;       /* of a tile: room for every train and valid row; owned */
    int64_t final_changes;     /* engine->changes of the final embeddings; -1 = not computed */
} rk_model_ranker;

/* Before the engine is bound. valid: items that are masked on test beside train's, as the valid
 * part of a data set; lent for the engine's life; NULL = there is no such part. RK_ERR_CONFIG when
 * an eval.k is larger than the catalogue. */
rk_status rk__ranker_create(rk_model_ranker *out, rk_engine *engine, const rk_lists *valid);
/* Before the engine is closed. A zeroed ranker is fine. */
void rk__ranker_free(rk_model_ranker *ranker);

/* What loading it allocates. The embedding program is counted, too: it is loaded beside the others
 * while it runs. */
rk_status rk__ranker_add_memory(const rk_model_ranker *ranker, rk_memory_table *table);
/* After the engine is bound. */
rk_status rk__ranker_load(rk_model_ranker *ranker);

/* A ranker by this model; lent. */
rk_ranker rk__ranker_of(rk_model_ranker *ranker);

/* The final embeddings on the host, float [n_users + n_items, dim]; free with rk__free. */
rk_status rk__ranker_embeddings(rk_model_ranker *ranker, float **out);

#endif
