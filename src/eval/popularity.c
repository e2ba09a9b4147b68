#include "eval/popularity.h"

#include <math.h>

#include "base/alloc.h"
#include "base/order.h"

rk_status rk__popularity_init(rk_popularity *out, const rk_dataset *dataset)
{
    rk_status status = RK_OK;
    const rk_lists *train = &dataset->parts[RK_TRAIN];
    *out = (rk_popularity){.dataset = dataset};
    RK_TRY_GOTO(done,
                rk__calloc(&out->degrees, dataset->n_items, sizeof *out->degrees, "item degrees"));
    RK_TRY_GOTO(done, rk__alloc(&out->order, dataset->n_items, sizeof *out->order, "popularity"));
    for (int64_t e = 0; e < train->offsets[train->n_rows]; e++) {
        out->degrees[train->items[e]]++;
    }
    for (int64_t i = 0; i < dataset->n_items; i++) {
        out->n_ranked += out->degrees[i] > 0;
    }
    RK_TRY_GOTO(done, rk__order_by_count(out->degrees, dataset->n_items, out->order));
done:
    if (status != RK_OK) {
        rk__popularity_free(out);
    }
    return status;
}

static rk_status rank(void *self, rk_part part, const int32_t *users, int64_t n, int64_t k,
                      int32_t *items)
{
    const rk_popularity *popularity = self;
    const rk_dataset *d = popularity->dataset;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++) {
        int64_t found = 0;
        for (int64_t p = 0; p < popularity->n_ranked && found < k; p++) {
            int32_t item = popularity->order[p];
            if (!rk__lists_has(&d->parts[RK_TRAIN], users[i], item) &&
                !rk__lists_has(&d->parts[RK_GIVEN], users[i], item) &&
                !(part == RK_TEST && rk__lists_has(&d->parts[RK_VALID], users[i], item))) {
                items[i * k + found++] = item;
            }
        }
        while (found < k) {
            items[i * k + found++] = -1;
        }
    }
    return RK_OK;
}

static rk_status score(void *self, const int32_t *users, int64_t n, const int64_t *offsets,
                       const int32_t *items, float *scores)
{
    const rk_popularity *popularity = self;
    (void)users; /* the same for everybody */
    for (int64_t e = 0; e < offsets[n]; e++) {
        int64_t degree = popularity->degrees[items[e]];
        scores[e] = degree > 0 ? (float)degree : -INFINITY;
    }
    return RK_OK;
}

rk_ranker rk__popularity_ranker(rk_popularity *popularity)
{
    return (rk_ranker){.self = popularity, .rank = rank, .score = score};
}

void rk__popularity_free(rk_popularity *popularity)
{
    rk__free(popularity->order);
    rk__free(popularity->degrees);
    *popularity = (rk_popularity){0};
}
