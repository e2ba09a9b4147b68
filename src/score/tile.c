/* Queries to a tile: who asks, what they have, what is left out; and the run of its program. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "score/internal.h"

rk_status rk__tile_check_items(const rk_scorer *s, const int32_t *items, int64_t n)
{
    const int64_t n_items = s->engine->graph.n_items;
    for (int64_t i = 0; i < n; i++) {
        if (items[i] < 0 || items[i] >= n_items) {
            RK_FAIL(RK_ERR_CONFIG, "there is no item %d; they go from 0 to %lld", items[i],
                    (long long)n_items - 1);
        }
    }
    return RK_OK;
}

typedef struct entry {
    int32_t item;
    float weight;
} entry;

static int by_item(const void *left, const void *right)
{
    const entry *a = left, *b = right;
    if (a->item != b->item) {
        return a->item > b->item ? 1 : -1;
    }
    return (a->weight < b->weight) - (a->weight > b->weight); /* of an item the largest first */
}

static rk_status check_query(const rk_scorer *s, const rk_query *q)
{
    const int64_t n_users = s->engine->graph.n_users;
    if (q->user >= n_users || q->user < -1) {
        RK_FAIL(RK_ERR_CONFIG, "there is no user %lld; they go from 0 to %lld", (long long)q->user,
                (long long)n_users - 1);
    }
    if (q->user >= 0 && q->n_items > 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "a query names user %lld and %lld items: it is one of the two, with "
                "user -1 the items count",
                (long long)q->user, (long long)q->n_items);
    }
    if (q->n_items < 0 || (q->n_items > 0 && !q->items)) {
        RK_FAIL(RK_ERR_CONFIG, "a query has %lld items, but no list of them",
                (long long)q->n_items);
    }
    RK_TRY(rk__tile_check_items(s, q->items, q->n_items));
    for (int64_t i = 0; q->weights && i < q->n_items; i++) {
        if (!(q->weights[i] >= 0 && q->weights[i] <= RK_MOST_WEIGHT)) {
            RK_FAIL(
                RK_ERR_CONFIG,
                "the weight of item %d is %g: weights of items must be finite, not negative and "
                "at most %d",
                q->items[i], (double)q->weights[i], RK_MOST_WEIGHT);
        }
    }
    return RK_OK;
}

static int64_t train_items(const rk_scorer *s, int64_t user)
{
    const rk_lists *train = s->data.parts[RK_TRAIN];
    return train ? rk__lists_count(train, user) : 0;
}

static rk_status kind_of(const rk_scorer *s, const rk_query *q, rk_asker *out)
{
    const rk_model_kind *m = s->engine->model.model;
    bool any = false;
    RK_TRY(check_query(s, q));
    for (int64_t i = 0; i < q->n_items; i++) {
        any = any || !q->weights || q->weights[i] > 0;
    }
    if (m->is_same_for_all) {
        *out = RK_ASKER_KNOWN;
    } else if (q->user >= 0) {
        *out = train_items(s, q->user) > 0 ? RK_ASKER_KNOWN : RK_ASKER_NOBODY;
    } else {
        *out = any ? RK_ASKER_FOLDED : RK_ASKER_NOBODY;
    }
    if (*out == RK_ASKER_FOLDED && !rk__model_folds_in(m)) {
        RK_FAIL(RK_ERR_CONFIG,
                "model %s ranks for users that it was trained on only, not for a list "
                "of items",
                m->name);
    }
    return RK_OK;
}

/* Entries that a query adds to lists and masks at most. */
static int64_t room_of(const rk_scorer *s, const rk_query *q)
{
    int64_t n = q->n_items;
    for (int part = 0; q->user >= 0 && part < 3; part++) {
        n += s->data.parts[part] ? rk__lists_count(s->data.parts[part], q->user) : 0;
    }
    return n;
}

/* The items of the query that count for something, ascending, each once, behind those that are
 * there; and all of them to the mask, unless they may be answered. */
static rk_status add_given(rk_scorer *s, const rk_query *q, bool keep_given)
{
    entry *sorted = NULL;
    int64_t at = s->list_offsets[s->n], mask = s->mask_offsets[s->n];
    RK_TRY(rk__alloc(&sorted, q->n_items, sizeof *sorted, "the items of a query"));
    for (int64_t i = 0; i < q->n_items; i++) {
        sorted[i] = (entry){q->items[i], q->weights ? q->weights[i] : 1};
    }
    qsort(sorted, (size_t)q->n_items, sizeof *sorted, by_item);
    for (int64_t i = 0; i < q->n_items; i++) {
        if (i > 0 && sorted[i].item == sorted[i - 1].item) {
            continue; /* named twice; the larger weight came first */
        }
        if (sorted[i].weight > 0) {
            s->items[at] = sorted[i].item;
            s->weights[at++] = sorted[i].weight;
        }
        if (!keep_given) {
            s->masked[mask++] = sorted[i].item;
        }
    }
    s->list_offsets[s->n + 1] = at;
    s->mask_offsets[s->n + 1] = mask;
    rk__free(sorted);
    return RK_OK;
}

static void add_train(rk_scorer *s, int64_t user)
{
    const rk_lists *train = s->data.parts[RK_TRAIN];
    int64_t at = s->list_offsets[s->n], n = train_items(s, user);
    for (int64_t i = 0; i < n; i++) {
        s->items[at + i] = train->items[train->offsets[user] + i];
        s->weights[at + i] = 1;
    }
    s->list_offsets[s->n + 1] = at + n;
}

/* Merges the ascending lists of the parts that count as seen; no item is in two of them. */
static int64_t merge_seen(const rk_scorer *s, int64_t user, unsigned seen, int32_t *out)
{
    const int32_t *at[3], *end[3];
    int64_t n = 0;
    int lists = 0;
    for (int part = 0; part < 3; part++) {
        const rk_lists *l = s->data.parts[part];
        if ((seen & 1u << part) && l && rk__lists_count(l, user) > 0) {
            at[lists] = l->items + l->offsets[user];
            end[lists++] = l->items + l->offsets[user + 1];
        }
    }
    while (lists > 0) {
        int least = 0;
        for (int i = 1; i < lists; i++) {
            least = *at[i] < *at[least] ? i : least;
        }
        out[n++] = *at[least]++;
        if (at[least] == end[least]) {
            lists--;
            at[least] = at[lists];
            end[least] = end[lists];
        }
    }
    return n;
}

static rk_status add_query(rk_scorer *s, const rk_query *q, const rk_selection *selection)
{
    if (q->user < 0) {
        RK_TRY(add_given(s, q, selection->keep_given));
    } else {
        const int64_t mask = s->mask_offsets[s->n];
        s->list_offsets[s->n + 1] = s->list_offsets[s->n];
        if (s->engine->model.model->reads_lists) {
            add_train(s, q->user);
        }
        s->mask_offsets[s->n + 1] =
            mask + merge_seen(s, q->user, selection->seen, s->masked + mask);
    }
    s->users[s->n++] = (int32_t)q->user;
    return RK_OK;
}

/* ---- tiles ---- */

static void begin_tile(rk_scorer *s)
{
    s->n = 0;
    s->list_offsets[0] = s->mask_offsets[0] = 0;
}

rk_status rk__tile_write(const rk_scorer *s, int32_t stored, int64_t rows, const void *values)
{
    return rows == 0 ? RK_OK
                     : s->engine->device->write(s->engine->context, stored, 0, rows, values);
}

static rk_status write_tile(rk_scorer *s)
{
    const rk_tile_tensors *t = &s->sizes[s->size];
    const int32_t count = (int32_t)s->n;
    for (int64_t i = s->n; i < t->n; i++) {
        s->users[i] = -1;
        s->list_offsets[i + 1] = s->list_offsets[s->n];
        s->mask_offsets[i + 1] = s->mask_offsets[s->n];
    }
    RK_TRY(rk__tile_write(s, s->count, 1, &count));
    RK_TRY(rk__tile_write(s, t->users, t->n, s->users));
    RK_TRY(rk__tile_write(s, t->list_offsets, t->n + 1, s->list_offsets));
    RK_TRY(rk__tile_write(s, s->list_items, s->list_offsets[s->n], s->items));
    RK_TRY(rk__tile_write(s, s->list_weights, s->list_offsets[s->n], s->weights));
    RK_TRY(rk__tile_write(s, t->mask_offsets, t->n + 1, s->mask_offsets));
    return rk__tile_write(s, s->mask_items, s->mask_offsets[s->n], s->masked);
}

rk_status rk__tile_run(rk_scorer *s)
{
    const rk_engine *e = s->engine;
    rk_variant *v = NULL;
    RK_TRY(write_tile(s));
    RK_TRY(rk__scorer_load_variant(s, s->asker, s->size, &v));
    RK_TRY(e->device->run(e->context, v->loaded, 1));
    return e->device->sync(e->context);
}

rk_status rk__tile_fill(rk_scorer *s, const rk_query *queries, int64_t first, int64_t n,
                        const rk_selection *selection, int64_t *out)
{
    begin_tile(s);
    RK_TRY(kind_of(s, &queries[first], &s->asker));
    for (*out = 0; first + *out < n && s->n < s->sizes[s->size].n; ++*out) {
        const rk_query *q = &queries[first + *out];
        rk_asker asker = s->asker;
        RK_TRY(kind_of(s, q, &asker));
        int64_t used = s->list_offsets[s->n] > s->mask_offsets[s->n] ? s->list_offsets[s->n]
                                                                     : s->mask_offsets[s->n];
        if (s->n > 0 && (asker != s->asker || used + room_of(s, q) > s->capacity)) {
            return RK_OK;
        }
        RK_TRY(add_query(s, q, selection));
    }
    return RK_OK;
}
