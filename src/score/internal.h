/* The inside of a scorer, shared by scorer.c (its life), variants.c (programs), tile.c (queries to
 * tiles), answers.c and reasons.c. Everything but creating it is done under its lock. */
#ifndef RK_SCORE_INTERNAL_H
#define RK_SCORE_INTERNAL_H

#include <pthread.h>

#include "score/scorer.h"

typedef enum rk_asker {
    RK_ASKER_KNOWN,
    RK_ASKER_FOLDED,
    RK_ASKER_NOBODY, /* gets the items' popularity */
    RK_ASKER_ITEM,   /* an item, which asks for those like it (rk_model_kind.similar) */
    RK_ASKER_COUNT
} rk_asker;

/* The sizes of tiles. Answers are of several lengths, so that a short one costs little and a long
 * one is possible: of many queries at once up to some length, of one query up to all items. */
enum { RK_MANY_SIZES = 4, RK_ONE_SIZES = 4, RK_PAIRS = 256, RK_STANDING_PAIRS = 64 };
typedef enum rk_tile_size {
    RK_TILE_MANY,                               /* for the longest of eval.k; longer ones follow */
    RK_TILE_ONE = RK_TILE_MANY + RK_MANY_SIZES, /* the first of RK_ONE_SIZES */
    RK_TILE_PAIRS = RK_TILE_ONE + RK_ONE_SIZES, /* RK_PAIRS given items of each query */
    RK_TILE_ROWS,     /* no answers but the queries' vectors; n 0 of a model that has none */
    RK_TILE_STANDING, /* where RK_STANDING_PAIRS items of each stand */
    RK_TILE_SIZE_COUNT
} rk_tile_size;

/* Numbers in the store: what a size of tile is written to and read from. */
typedef struct rk_tile_tensors {
    int64_t n; /* queries at most */
    int64_t k; /* answers a query */
    int32_t users, ones, list_offsets, mask_offsets;
    /* Of RK_TILE_PAIRS items is an input, of RK_TILE_ROWS of no meaning; of RK_TILE_STANDING it is
     * an input, too, and the answers are above and tied. */
    int32_t items, scores, above, tied;
    int32_t fields; /* -1 where the model reads none */
} rk_tile_tensors;

typedef struct rk_variant {
    rk_program program;
    rk_loaded *loaded; /* NULL = not made yet */
} rk_variant;

/* A tile on the host: the queries that are put together, and their answers. Filled while a device
 * works on another one. */
typedef struct rk_host_tile {
    rk_tile_size size;
    rk_asker asker;
    int32_t n;                            /* queries */
    int32_t *users;                       /* [most queries]; nodes of RK_ASKER_ITEM */
    int32_t *fields;                      /* [most queries, fields]: rows of the contexts */
    int64_t *list_offsets, *mask_offsets; /* [1 + most queries] */
    int32_t *items, *masked;              /* [capacity] */
    float *weights;                       /* [capacity] */
    int32_t *found;                       /* [n, k] */
    float *found_scores;
    int32_t *above, *tied; /* [n, k] of RK_TILE_STANDING */
    void *memory;          /* of all these; owned, of the device's alloc_host */
    int64_t first;         /* the number of its first query, for who has several tiles */
    int64_t ticket;        /* of its submission */
    bool is_queued;
} rk_host_tile;

/* Two of them: one is filled and looked at while the device works on the other. */
typedef struct rk_tile_pair {
    rk_host_tile tiles[2];
    rk_query *queries; /* [most queries], of the one that is being filled; owned */
    int32_t *contexts; /* [most queries, fields], of those; owned */
} rk_tile_pair;

struct rk_scorer {
    rk_engine *engine; /* lent */
    rk_scorer_data data;
    rk_program finish;
    int64_t finished; /* engine->changes that the tables are of; -1 = never made */

    rk_tile_tensors sizes[RK_TILE_SIZE_COUNT];
    int32_t list_items, list_weights, mask_items, blocked, count, popularity;
    int32_t item_nodes; /* the node of each item */
    rk_variant variants[RK_ASKER_COUNT][RK_TILE_SIZE_COUNT];

    int64_t capacity;   /* entries of a tile's lists, and of its masks */
    rk_host_tile tile;  /* of whoever waits for the answers */
    rk_tile_pair *pair; /* for rankings of many users; NULL = not made yet, or taken */

    int32_t *cold;   /* [I]: 1 = no train interaction; owned, as all of these */
    int32_t *closed; /* [I]: what the device has as blocked */
    int32_t *nodes;  /* [I]: users + item; the store borrows it */
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
/* Of a model that scores items in parts: how many a part of a tile of n queries has. */
int64_t rk__scorer_part(const rk_scorer *s, int64_t n);
/* The queries of the largest size of tile. */
int64_t rk__most_queries(const rk_scorer *s);
/* The number of fields that the model reads. */
int rk__scorer_fields(const rk_scorer *s);
/* What the model makes of its parameters, if they have changed since. */
rk_status rk__scorer_refresh(rk_scorer *s);
/* Two tiles to rank with; whoever has taken them gives them back. */
rk_status rk__scorer_take_pair(rk_scorer *s, rk_tile_pair **out);
void rk__scorer_give_pair(rk_scorer *s, rk_tile_pair *pair);
void rk__scorer_free_pair(const rk_scorer *s, rk_tile_pair *pair); /* NULL is fine */
/* What selection leaves out for everybody, to s->closed and the device. */
rk_status rk__scorer_set_limits(rk_scorer *s, const rk_selection *selection);
/* A score as it is given: a predicted rating lies within the scale. */
float rk__given_score(const rk_scorer *s, float score);
/* s->closed to the device. */
rk_status rk__scorer_write_blocked(rk_scorer *s);

/* answers.c, shares.c: what the seam of evaluation does, by this rank alone, or with the others. */
rk_status rk__rank_here(rk_scorer *s, const rk_rank_order *order);
rk_status rk__rank_shares(rk_scorer *s, const rk_rank_order *order);
typedef struct rk_score_order { /* as of rk_ranker.score_rows */
    rk_part part;
    const int32_t *users;
    const int64_t *rows; /* NULL: without contexts */
    int64_t n;
    rk_item_lists lists;
} rk_score_order;
rk_status rk__score_here(rk_scorer *s, const rk_score_order *order, float *scores);
rk_status rk__score_shares(rk_scorer *s, const rk_score_order *order, float *scores);
rk_status rk__stand_here(rk_scorer *s, const rk_standing_order *order, int32_t *above,
                         int32_t *tied);
rk_status rk__stand_shares(rk_scorer *s, const rk_standing_order *order, int32_t *above,
                           int32_t *tied);

/* RK_ERR_CONFIG where a ranking would need the other ranks for each tile. */
rk_status rk__scorer_check_ranks(rk_scorer *s);

/* RK_ERR_CONFIG for an item that is none. */
rk_status rk__tile_check_items(const rk_scorer *s, const int32_t *items, int64_t n);
rk_status rk__tile_create(const rk_scorer *s, rk_host_tile *tile);
void rk__tile_free(const rk_scorer *s, rk_host_tile *tile);
/* Begins a tile of tile->size with the first of n queries, as many as fit together and are of one
 * kind, at least one: tile->n. */
rk_status rk__tile_fill(const rk_scorer *s, rk_host_tile *tile, const rk_query *queries, int64_t n,
                        const rk_selection *selection);
/* The same with the first of n items that ask for those like them. Unless keep_given, an item is
 * masked in its own answer. */
void rk__tile_fill_items(const rk_scorer *s, rk_host_tile *tile, const int32_t *items, int64_t n,
                         bool keep_given);
/* Who asks, and how many of the items of the query count: RK_ERR_CONFIG for a query that makes no
 * sense, or that the model cannot answer. out_counted may be NULL. */
rk_status rk__query_asker(const rk_scorer *s, const rk_query *query, rk_asker *out,
                          int64_t *out_counted);
/* Is there an item given of a held-out user that counts? */
bool rk__is_given(const rk_scorer *s, int64_t user);
/* Queues it: to the device, its program, the answers back, scores only if they are wanted. Of
 * RK_TILE_PAIRS the items in tile->found are asked for, and there are only scores. */
rk_status rk__tile_queue(rk_scorer *s, rk_host_tile *tile, bool wants_scores);
/* Of a filled tile of RK_TILE_PAIRS: the scores of any number of items of each of its queries. */
rk_status rk__tile_score(rk_scorer *s, rk_host_tile *tile, rk_item_lists lists, float *scores);
/* Of a filled tile of RK_TILE_STANDING: where any number of items of each of its queries stand. */
rk_status rk__tile_stand(rk_scorer *s, rk_host_tile *tile, rk_item_lists lists, int32_t *above,
                         int32_t *tied);
/* Until the answers are there. */
rk_status rk__tile_wait(const rk_scorer *s, rk_host_tile *tile);

#endif
