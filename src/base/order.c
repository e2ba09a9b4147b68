#include "base/order.h"

#include <stdlib.h>

#include "base/alloc.h"

typedef struct counted {
    int64_t count;
    int32_t index;
} counted;

static int compare(const void *a, const void *b)
{
    const counted *x = a, *y = b;
    if (x->count != y->count) {
        return x->count > y->count ? -1 : 1;
    }
    return (x->index > y->index) - (x->index < y->index);
}

rk_status rk__order_by_count(const int64_t *counts, int64_t n, int32_t *order)
{
    RK_ASSERT(n >= 0 && n <= INT32_MAX);
    counted *all = NULL;
    RK_TRY(rk__alloc(&all, n, sizeof *all, "a ranking by counts"));
    for (int64_t i = 0; i < n; i++) {
        all[i] = (counted){counts[i], (int32_t)i};
    }
    qsort(all, (size_t)n, sizeof *all, compare);
    for (int64_t i = 0; i < n; i++) {
        order[i] = all[i].index;
    }
    rk__free(all);
    return RK_OK;
}
