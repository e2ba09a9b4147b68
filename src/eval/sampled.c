#include "eval/sampled.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "data/contexts.h"

typedef struct scored {
    float score;
    int32_t item;
} scored;

static int best_first(const void *a, const void *b)
{
    const scored *x = a, *y = b;
    if (x->score != y->score) {
        return x->score < y->score ? 1 : -1;
    }
    return (x->item > y->item) - (x->item < y->item);
}

static int ascending(const void *a, const void *b)
{
    const int32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Of the users of a lot: what is scored, its scores, room to sort, and the lists. */
typedef struct lot {
    int64_t *offsets; /* RK_RANK_TILE + 1 */
    int64_t capacity;
    int32_t *items; /* capacity */
    float *scores;  /* capacity */
    scored *sorted; /* capacity */
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

static rk_status reserve(lot *l, int64_t wanted)
{
    if (wanted <= l->capacity) {
        return RK_OK;
    }
    rk__free(l->items);
    rk__free(l->scores);
    rk__free(l->sorted);
    l->items = NULL;
    l->scores = NULL;
    l->sorted = NULL;
    l->capacity = 0;
    RK_TRY(rk__alloc(&l->items, wanted, sizeof *l->items, "candidates"));
    RK_TRY(rk__alloc(&l->scores, wanted, sizeof *l->scores, "candidates"));
    RK_TRY(rk__alloc(&l->sorted, wanted, sizeof *l->sorted, "candidates"));
    l->capacity = wanted;
    return RK_OK;
}

/* The held-out items of a user (item >= 0: this one alone) and the candidates of all their rows,
 * each once. */
static int64_t collect(const rk_dataset *d, rk_part part, int64_t user, int32_t item, int32_t *out)
{
    const rk_lists *lists = &d->parts[part];
    int64_t all = 0, n = 0;
    for (int64_t row = lists->offsets[user]; row < lists->offsets[user + 1]; row++) {
        if (item >= 0 && lists->items[row] != item) {
            continue;
        }
        out[all++] = lists->items[row];
        for (int64_t c = 0; c < d->n_candidates; c++) {
            int32_t candidate = d->candidates[part][row * d->n_candidates + c];
            out[all] = candidate;
            all += candidate >= 0;
        }
    }
    qsort(out, (size_t)all, sizeof *out, ascending);
    for (int64_t i = 0; i < all; i++) {
        if (i == 0 || out[i] != out[i - 1]) {
            out[n++] = out[i];
        }
    }
    return n;
}

/* The k best of user i of the lot. */
static void sort_user(lot *l, int64_t i, int64_t k)
{
    int64_t begin = l->offsets[i], n = 0;
    scored *sorted = l->sorted + begin;
    for (int64_t e = begin; e < l->offsets[i + 1]; e++) {
        if (l->scores[e] > -INFINITY) {
            sorted[n++] = (scored){l->scores[e], l->items[e]};
        }
    }
    qsort(sorted, (size_t)n, sizeof *sorted, best_first);
    for (int64_t r = 0; r < k; r++) {
        l->lists[i * k + r] = r < n ? sorted[r].item : -1;
    }
}

static rk_status rank_lot(const rk_dataset *d, const rk_ranker *ranker, const rk_rank_order *o,
                          int64_t first, int64_t n, lot *l)
{
    int64_t wanted = 0;
    for (int64_t i = 0; i < n; i++) {
        wanted += rk__lists_count(&d->parts[o->part], o->users[first + i]) * (1 + d->n_candidates);
    }
    RK_TRY(reserve(l, wanted));
    l->offsets[0] = 0;
    const rk_lists *rows = rk__contexts_lists(d, o->part);
    for (int64_t i = 0; i < n; i++) {
        const int32_t item = o->rows ? rows->items[o->rows[first + i]] : -1;
        l->offsets[i + 1] = l->offsets[i] + collect(d, o->part, o->users[first + i], item,
                                                    l->items + l->offsets[i]);
    }
    RK_TRY(o->rows && ranker->score_rows
               ? ranker->score_rows(ranker->self, o->part, o->rows + first, o->users + first, n,
                                    l->offsets, l->items, l->scores)
               : ranker->score(ranker->self, o->users + first, n, l->offsets, l->items,
                               l->scores));
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++) {
        sort_user(l, i, o->k);
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
    RK_ASSERT(ranker->score);
    RK_TRY_GOTO(done, rk__alloc(&l.offsets, RK_RANK_TILE + 1, sizeof *l.offsets, "candidates"));
    RK_TRY_GOTO(done, rk__alloc(&l.lists, RK_RANK_TILE * o->k, sizeof *l.lists, "ranked lists"));
    for (int64_t first = 0; first < o->n; first += RK_RANK_TILE) {
        int64_t n = o->n - first < RK_RANK_TILE ? o->n - first : RK_RANK_TILE;
        RK_TRY_GOTO(done, rank_lot(dataset, ranker, o, first, n, &l));
    }
done:
    free_lot(&l);
    return status;
}
