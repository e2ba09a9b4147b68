#include "eval/sampled.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/order.h"

/* Of the rows of a lot: what is scored, its scores, room to sort, and the lists. */
typedef struct lot {
    int64_t *offsets; /* RK_RANK_TILE + 1 */
    int32_t *items;   /* [RK_RANK_TILE, 1 + n_candidates], as the next two */
    float *scores;
    rk_item_score *sorted;
    int32_t *lists; /* [RK_RANK_TILE, k] */
} lot;

static void free_lot(lot *l)
{
    rk__free(l->offsets);
    rk__free(l->items);
    rk__free(l->scores);
    rk__free(l->sorted);
    rk__free(l->lists);
}

static rk_status make_lot(lot *l, int64_t n_candidates, int64_t k)
{
    int64_t n = 0, n_ranks = 0;
    RK_TRY(rk__mul(&n, RK_RANK_TILE, 1 + n_candidates, "candidates"));
    RK_TRY(rk__mul(&n_ranks, RK_RANK_TILE, k, "ranked lists"));
    RK_TRY(rk__alloc(&l->offsets, RK_RANK_TILE + 1, sizeof *l->offsets, "candidates"));
    RK_TRY(rk__alloc(&l->items, n, sizeof *l->items, "candidates"));
    RK_TRY(rk__alloc(&l->scores, n, sizeof *l->scores, "candidates"));
    RK_TRY(rk__alloc(&l->sorted, n, sizeof *l->sorted, "candidates"));
    return rk__alloc(&l->lists, n_ranks, sizeof *l->lists, "ranked lists");
}

/* The place of a user's item in the part's items. */
static int64_t place_of(const rk_lists *lists, int64_t user, int32_t item)
{
    int64_t place = lists->offsets[user];
    while (lists->items[place] != item) {
        place++;
    }
    return place;
}

/* The held-out item of a row and its candidates. */
static int64_t collect(const rk_dataset *d, rk_part part, int64_t user, int32_t item, int32_t *out)
{
    const int64_t row = place_of(&d->parts[part], user, item);
    int64_t n = 0;
    out[n++] = item;
    for (int64_t c = 0; c < d->n_candidates; c++) {
        out[n++] = d->candidates[part][row * d->n_candidates + c];
    }
    return n;
}

/* The k best of row i of the lot. */
static void sort_row(lot *l, int64_t i, int64_t k)
{
    int64_t begin = l->offsets[i], n = 0;
    rk_item_score *sorted = l->sorted + begin;
    for (int64_t e = begin; e < l->offsets[i + 1]; e++) {
        if (l->scores[e] > -INFINITY) {
            sorted[n++] = (rk_item_score){l->scores[e], l->items[e]};
        }
    }
    qsort(sorted, (size_t)n, sizeof *sorted, rk__by_score);
    for (int64_t r = 0; r < k; r++) {
        l->lists[i * k + r] = r < n ? sorted[r].item : -1;
    }
}

static rk_status rank_lot(const rk_dataset *d, const rk_ranker *ranker, const rk_rank_order *o,
                          int64_t first, int64_t n, lot *l)
{
    l->offsets[0] = 0;
    for (int64_t i = 0; i < n; i++) {
        const int32_t item = o->row_lists->items[o->rows[first + i]];
        l->offsets[i + 1] = l->offsets[i] + collect(d, o->part, o->users[first + i], item,
                                                    l->items + l->offsets[i]);
    }
    RK_TRY(ranker->score_rows
               ? ranker->score_rows(ranker->self, o->part, o->rows + first, o->users + first, n,
                                    l->offsets, l->items, l->scores)
               : ranker->score(ranker->self, o->users + first, n, l->offsets, l->items, l->scores));
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++) {
        sort_row(l, i, o->k);
    }
    return o->take(o->taker, first, n, l->lists);
}

rk_status rk__rank_candidates(const rk_dataset *dataset, const rk_ranker *ranker,
                              const rk_rank_order *o)
{
    rk_status status = RK_OK;
    lot l = {0};
    if (!dataset->candidates[o->part]) {
        RK_FAIL(RK_ERR_CONFIG,
                "eval.among is candidates, but %s of the data set %s has none: draw them by "
                "split.candidates, or take eval.among=all",
                rk_part_name(o->part), dataset->name);
    }
    RK_ASSERT(ranker->score && o->rows && o->row_lists);
    RK_TRY_GOTO(done, make_lot(&l, dataset->n_candidates, o->k));
    for (int64_t first = 0; first < o->n; first += RK_RANK_TILE) {
        int64_t n = o->n - first < RK_RANK_TILE ? o->n - first : RK_RANK_TILE;
        RK_TRY_GOTO(done, rank_lot(dataset, ranker, o, first, n, &l));
    }
done:
    free_lot(&l);
    return status;
}
