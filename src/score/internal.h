/* The inside of a scorer, shared by scorer.c (its life), variants.c (programs), tile.c (queries to
 * tiles) and answers.c. Everything but creating it is done under its lock. */
#ifndef RK_SCORE_INTERNAL_H
#define RK_SCORE_INTERNAL_H

#include <pthread.h>

#include "score/scorer.h"

typedef enum rk_asker {
    RK_ASKER_KNOWN,
    RK_ASKER_FOLDED,
    RK_ASKER_NOBODY, /* gets the items' popularity */
    RK_ASKER_COUNT
} rk_asker;

/* The sizes of tiles. Answers of one query are of several lengths, so that a short one costs little
 * and a long one is possible. */
typedef enum rk_tile_size {
    RK_TILE_MANY,
    RK_TILE_ONE, /* the first of RK_ONE_SIZES */
    RK_TILE_PAIRS = RK_TILE_ONE + 4,
    RK_TILE_SIZE_COUNT
} rk_tile_size;
enum { RK_ONE_SIZES = 4, RK_PAIRS = 256 };

/* Numbers in the store: what a size of tile is written to and read from. */
typedef struct rk_tile_tensors {
    int64_t n; /* queries at most */
    int64_t k; /* answers a query */
    int32_t users, ones, list_offsets, mask_offsets;
    int32_t items, scores; /* of RK_TILE_PAIRS items is an input */
} rk_tile_tensors;

typedef struct rk_variant {
    rk_program program;
    rk_loaded *loaded; /* NULL = not made yet */
} rk_variant;

struct rk_scorer {
    rk_engine *engine; /* lent */
    rk_scorer_data data;
    rk_program finish;
    int64_t finished; /* engine->changes that the tables are of; -1 = never made */

    rk_tile_tensors sizes[RK_TILE_SIZE_COUNT];
    int32_t list_items, list_weights, mask_items, blocked, count, popularity;
    rk_variant variants[RK_ASKER_COUNT][RK_TILE_SIZE_COUNT];

    /* The tile that is being put together. */
    int64_t capacity; /* entries of lists, and of masks */
    int64_t n;        /* queries */
    int64_t k;        /* answers that are wanted of each */
    rk_asker asker;
    rk_tile_size size;
    int32_t *users;                       /* [sizes[MANY].n]; owned, as all of these */
    int64_t *list_offsets, *mask_offsets; /* [1 + sizes[MANY].n] */
    int32_t *items, *masked;              /* [capacity] */
    float *weights;                       /* [capacity] */
    int32_t *found;                       /* [n, k] of a tile */
    float *found_scores;

    int32_t *cold;   /* [I]: 1 = no train interaction */
    int32_t *closed; /* [I]: what the device has as blocked */
    float *counts;   /* [I]: train interactions; the store borrows it */
    float *ones;     /* the store borrows it */
    bool has_limits; /* closed differs from cold */
    pthread_mutex_t lock;
    bool has_lock;
};

/* The program of a kind of asker and a size of tile; made if need be. */
rk_status rk__scorer_variant(rk_scorer *s, rk_asker asker, rk_tile_size size, rk_variant **out);

/* The same, loaded. */
rk_status rk__scorer_load_variant(rk_scorer *s, rk_asker asker, rk_tile_size size,
                                  rk_variant **out);
/* What the model makes of its parameters, if they have changed since. */
rk_status rk__scorer_refresh(rk_scorer *s);
/* s->closed to the device. */
rk_status rk__scorer_write_blocked(rk_scorer *s);

/* RK_ERR_CONFIG for an item that is none. */
rk_status rk__tile_check_items(const rk_scorer *s, const int32_t *items, int64_t n);
/* Begins a tile of s->size with queries from `first` on, as many as fit together and are of one
 * kind: *out, at least one. */
rk_status rk__tile_fill(rk_scorer *s, const rk_query *queries, int64_t first, int64_t n,
                        const rk_selection *selection, int64_t *out);
/* Writes it to the device and runs its program. */
rk_status rk__tile_run(rk_scorer *s);
/* The first rows of a stored tensor. */
rk_status rk__tile_write(const rk_scorer *s, int32_t stored, int64_t rows, const void *values);

#endif
