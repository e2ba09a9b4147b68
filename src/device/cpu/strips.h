/*
 * Scores of a tile of queries with the rows of a table, a strip of items at a time, for whoever
 * looks through them while they are in the cache.
 *
 * Many queries: items are packed into panels a slab at a time, by all threads together; then each
 * thread takes groups of blocks of queries and walks the slab in strips that fit the second-level
 * cache. A few queries: packing would cost more than the products, so that the scores come from the
 * rows themselves, and each thread has a part of the items.
 *
 * A score is one chain of multiply-adds over the columns in order on either way: the same bits.
 */
#ifndef RK_DEVICE_CPU_STRIPS_H
#define RK_DEVICE_CPU_STRIPS_H

#include "device/cpu/cpu.h"

enum { RK_FEW_QUERIES = 64 }; /* most that are not worth packing for */

typedef struct rk_strips {
    const float *queries; /* [n_queries, d]: the used ones of a tile */
    const float *items;   /* [n_items, d] */
    int64_t n_queries, n_items, d;
} rk_strips;

/* Scores of one query for the items [first, first + n). Strips of a query come in ascending order
 * of the items, on one thread, but for a few queries: then each part of the items does so. */
typedef void (*rk_strip_taker)(void *self, int64_t part, int64_t query, const float *scores,
                               int64_t first, int64_t n);

/* Bytes of scratch, for a tile that has room for n_queries. */
int64_t rk__strips_scratch(const rk_call *call, int64_t n_queries, int64_t n_items, int64_t d);
/* Most scores that a taker is given at once. */
int64_t rk__strips_most(const rk_call *call, int64_t d);
/* Parts of the items: 1, or for a few queries at most as many as there are threads. */
int64_t rk__strips_parts(const rk_call *call, const rk_strips *s);
void rk__strips_run(const rk_call *call, const rk_strips *s, char *scratch, rk_strip_taker take,
                    void *self);

/* Queries in use: *count, within what the tile has room for. */
static inline int64_t rk__used_queries(const int32_t *count, int64_t n_queries)
{
    int64_t n = *count > 0 ? *count : 0;
    return n < n_queries ? n : n_queries;
}

#endif
