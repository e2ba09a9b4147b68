/*
 * The structure of the generated data: taste clusters and a power law of item popularity.
 *
 * Items are ranked; the item of rank r is drawn with weight r^-exponent. Ranks go to the clusters
 * in turn, back and forth, so that every cluster has its share of popular items; in the same way a
 * cluster is divided into up to 8 niches. A user belongs to one cluster and one of its niches. They
 * draw a share `affinity` of their items from the cluster, half of these from the niche, and the
 * rest from the other clusters, no item twice. So a model learns general popularity easily,
 * clusters soon, and niches after a while. Every number is a function of (seed, user, k-th item) in
 * integer arithmetic, so the same options give the same data on any machine. Memory: about 30 bytes
 * per item, 4 per user.
 */
#ifndef RK_DATA_SYNTH_WORLD_H
#define RK_DATA_SYNTH_WORLD_H

#include "data/power_law.h"
#include "rankine/dataset.h"

typedef struct rk_synth_world {
    rk_synth_options o;
    /* "Places" order the items by cluster, then by niche, then by rank: cluster c has places
     * firsts[c] up to firsts[c + 1]. */
    int64_t *firsts;     /* clusters + 1, owned */
    int32_t *item_at;    /* of a place, from 0; owned */
    int32_t *place_of;   /* of an item; owned */
    int32_t *taken_by;   /* of a place: the user, from 1, who drew it last; owned */
    int32_t *degrees;    /* of a user: how many items they draw; owned */
    rk_draw_table table; /* over places */
} rk_synth_world;

/* The options must be in range. After a failure the world must be freed, too. */
rk_status rk__synth_world_create(rk_synth_world *world, const rk_synth_options *options);
void rk__synth_world_free(rk_synth_world *world); /* a zeroed one is fine */

/* The cluster of an item, and its number in the cluster by popularity, from 1. */
int64_t rk__synth_cluster(const rk_synth_world *world, int64_t item, int64_t *out_number);

typedef struct rk_places {
    int64_t first, last; /* first up to last */
} rk_places;

/* A user whose items are being drawn; only one at a time. */
typedef struct rk_synth_user {
    int64_t user; /* from 0 */
    rk_places cluster, niche;
    int64_t inside, outside; /* items drawn so far */
    int64_t time;            /* of the last one */
} rk_synth_user;

typedef struct rk_synth_row {
    int64_t item; /* from 0 */
    int64_t time; /* seconds, later than the row before */
    int rating;   /* 1..5 */
} rk_synth_row;

rk_synth_user rk__synth_user(const rk_synth_world *world, int64_t user);

/* False when the user has all their items. */
bool rk__synth_next(rk_synth_world *world, rk_synth_user *user, rk_synth_row *out);

#endif
