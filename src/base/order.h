/* Ranking by frequency, and sorting by a number. */
#ifndef RK_BASE_ORDER_H
#define RK_BASE_ORDER_H

#include <stdint.h>

#include "base/error.h"

/* order[0..n): the indices 0..n-1 by falling count, ties to the smaller index. n <= INT32_MAX. */
rk_status rk__order_by_count(const int64_t *counts, int64_t n, int32_t *order);

/* Something to be sorted by its key. */
typedef struct rk_keyed {
    uint64_t key;
    int64_t value;
} rk_keyed;

/* Ascending by key, equal keys as they were. scratch: n more. */
void rk__sort_keyed(rk_keyed *all, int64_t n, rk_keyed *scratch);

/* An item and its score. */
typedef struct rk_item_score {
    float score;
    int32_t item;
} rk_item_score;

/* For qsort of rk_item_score: the higher score first, of equal ones the lower item. */
int rk__by_score(const void *a, const void *b);

#endif
