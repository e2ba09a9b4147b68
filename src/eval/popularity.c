#include "eval/popularity.h"

#include <math.h>

#include "base/alloc.h"
#include "base/order.h"
#include "eval/stand_by_scores.h"

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
    RK_TRY_GOTO(done, rk__alloc(&out->scores, dataset->n_items, sizeof *out->scores, "popularity"));
    for (int64_t i = 0; i < dataset->n_items; i++) {
        out->n_ranked += out->degrees[i] > 0;
        out->scores[i] = out->degrees[i] > 0 ? (float)out->degrees[i] : -INFINITY;
    }
    RK_TRY_GOTO(done, rk__order_by_count(out->degrees, dataset->n_items, out->order));
done:
    if (status != RK_OK) {
        rk__popularity_free(out);
    }
    return status;
}

static bool is_seen(const rk_dataset *d, unsigned seen, int64_t user, int32_t item)
{
    for (int part = 0; part < RK_PARTS; part++) {
        if ((seen & 1u << part) && rk__lists_has(&d->parts[part], user, item)) {
            return true;
        }
    }
    return false;
}

static rk_status rank(void *self, unsigned seen, const int32_t *users, int64_t n, int64_t k,
                      int32_t *items)
{
    const rk_popularity *popularity = self;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++) {
        int64_t found = 0;
        for (int64_t p = 0; p < popularity->n_ranked && found < k; p++) {
            if (!is_seen(popularity->dataset, seen, users[i], popularity->order[p])) {
                items[i * k + found++] = popularity->order[p];
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
        scores[e] = popularity->scores[items[e]];
    }
    return RK_OK;
}

static rk_status stand(void *self, const rk_standing_order *o, int32_t *above, int32_t *tied)
{
    const rk_popularity *popularity = self;
    const rk_lists *own[RK_PARTS];
    for (int part = 0; part < RK_PARTS; part++) {
        own[part] = &popularity->dataset->parts[part];
    }
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < o->n; i++) {
        const int64_t first = o->offsets[i];
        const rk_stand_among among = {popularity->scores, popularity->dataset->n_items,
                                      o->has ? o->has : own, o->left_out, o->users[i]};
        rk__stand_by_scores(&among, o->items + first, o->offsets[i + 1] - first, above + first,
                            tied + first);
    }
    return RK_OK;
}

rk_ranker rk__popularity_ranker(rk_popularity *popularity)
{
    return (rk_ranker){.self = popularity, .rank = rank, .score = score, .stand = stand};
}

void rk__popularity_free(rk_popularity *popularity)
{
    rk__free(popularity->order);
    rk__free(popularity->degrees);
    rk__free(popularity->scores);
    *popularity = (rk_popularity){0};
}
