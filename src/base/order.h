/* Ranking by frequency. */
#ifndef RK_BASE_ORDER_H
#define RK_BASE_ORDER_H

#include <stdint.h>

#include "base/error.h"

/* order[0..n): the indices 0..n-1 by falling count, ties to the smaller index. n <= INT32_MAX. */
rk_status rk__order_by_count(const int64_t *counts, int64_t n, int32_t *order);

#endif
