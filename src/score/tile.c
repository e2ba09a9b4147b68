/* Queries to a tile: who asks, what they have, what is left out; and the run of its program. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
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

/* The weights of items are ratings here. */
static rk_status check_ratings(const rk_scorer *s, const rk_query *q)
{
    if (q->n_items > 0 && !q->weights) {
        RK_FAIL(RK_ERR_CONFIG,
                "model %s predicts ratings, but of %lld items of a query none has a rating: give "
                "one each, from %g to %g",
                s->engine->model.model->name, (long long)q->n_items, s->data.low, s->data.high);
    }
    for (int64_t i = 0; i < q->n_items; i++) {
        const double rating = (double)q->weights[i];
        if (!(rating >= (double)(float)s->data.low && rating <= (double)(float)s->data.high)) {
            RK_FAIL(RK_ERR_CONFIG,
                    "an item is rated %g: that lies outside of the scale, which goes from %g to %g",
                    rating, s->data.low, s->data.high);
        }
    }
    return RK_OK;
}

/* A value for each field that the model reads, no more and no fewer. */
static rk_status check_context(const rk_scorer *s, const rk_query *q)
{
    const rk_contexts *c = &s->engine->contexts;
    rk_buffer names = {0};
    if (q->n_context == c->n) {
        if (c->n > 0 && !q->context) {
            RK_FAIL(RK_ERR_CONFIG, "a query has %lld values of fields, but no list of them",
                    (long long)q->n_context);
        }
        return rk__contexts_check(c, q->context);
    }
    for (int f = 0; f < c->n; f++) {
        rk__buffer_add(&names, "%s%s", f > 0 ? ", " : "", c->dataset->fields[c->fields[f]].name);
    }
    rk_status status = names.status;
    if (status == RK_OK && c->n == 0) {
        status = rk__fail(RK_ERR_CONFIG, __FILE__, __LINE__, __func__,
                          "a query has %lld values of fields, but the model (%s) reads none",
                          (long long)q->n_context, s->engine->model.model->name);
    } else if (status == RK_OK) {
        status =
            rk__fail(RK_ERR_CONFIG, __FILE__, __LINE__, __func__,
                     "the model reads the context of a query (%s), but %s of it: give "
                     "a value of each field",
                     names.at, q->n_context == 0 ? "nothing is said" : "another number is said");
    }
    rk__buffer_free(&names);
    return status;
}

/* Has the model learnt of any value of the query's context? */
static bool knows_context(const rk_scorer *s, const rk_query *q)
{
    const rk_contexts *c = &s->engine->contexts;
    for (int f = 0; f < c->n; f++) {
        if (rk__contexts_row(c, f, q->context[f]) >= 0) {
            return true;
        }
    }
    return false;
}

/* Before anything is asked of a list that is of no use. */
static rk_status check_folds(const rk_scorer *s)
{
    if (!rk__instance_folds_in(&s->engine->model)) {
        RK_FAIL(RK_ERR_CONFIG,
                "model %s ranks for users that it was trained on only, not for a list "
                "of items",
                s->engine->model.model->name);
    }
    return RK_OK;
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
    if (q->n_deny < 0 || (q->n_deny > 0 && !q->deny)) {
        RK_FAIL(RK_ERR_CONFIG, "a query denies %lld items, but has no list of them",
                (long long)q->n_deny);
    }
    RK_TRY(rk__tile_check_items(s, q->items, q->n_items));
    RK_TRY(rk__tile_check_items(s, q->deny, q->n_deny));
    RK_TRY(check_context(s, q));
    RK_TRY(q->n_items > 0 ? check_folds(s) : RK_OK);
    if (s->engine->model.model->rates) {
        return check_ratings(s, q);
    }
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

/* How many of the given items of a held-out user count; they and their weights go to `out` and
 * `weights` unless those are NULL. */
static int64_t given_items(const rk_scorer *s, int64_t user, int32_t *out, float *weights)
{
    const rk_lists *given = s->data.parts[RK_GIVEN];
    int64_t n = 0;
    for (int64_t j = 0; given && j < rk__lists_count(given, user); j++) {
        int64_t at = given->offsets[user] + j;
        if (!s->cold[given->items[at]]) {
            if (out) {
                out[n] = given->items[at];
                weights[n] = s->data.given_weights ? s->data.given_weights[at] : 1;
            }
            n++;
        }
    }
    return n;
}

/* Of an item without train interactions the model has learnt nothing: its vector is the drawn one.
 * So it says as little about who asks as an item of weight 0. */
static bool counts(const rk_scorer *s, const rk_query *q, int64_t i)
{
    return !s->cold[q->items[i]] &&
           (!q->weights || q->weights[i] > 0 || s->engine->model.model->rates);
}

rk_status rk__query_asker(const rk_scorer *s, const rk_query *q, rk_asker *out,
                          int64_t *out_counted)
{
    const rk_model_kind *m = s->engine->model.model;
    int64_t counted = 0;
    RK_TRY(check_query(s, q));
    for (int64_t i = 0; i < q->n_items; i++) {
        counted += counts(s, q, i);
    }
    if (m->is_same_for_all) {
        *out = RK_ASKER_KNOWN;
    } else if (q->user >= 0 && train_items(s, q->user) > 0) {
        *out = RK_ASKER_KNOWN;
    } else {
        if (q->user >= 0) {
            counted =
                rk__instance_folds_in(&s->engine->model) ? given_items(s, q->user, NULL, NULL) : 0;
        }
        /* Where lists are of no use a row of ratings says what is known without one: the mean. */
        const bool is_known =
            q->user >= 0 && (rk__instance_knows(&s->engine->model, q->user) ||
                             (m->rates && !rk__instance_folds_in(&s->engine->model)));
        *out = counted > 0           ? RK_ASKER_FOLDED
               : is_known            ? RK_ASKER_KNOWN
               : m->rates            ? RK_ASKER_FOLDED
               : knows_context(s, q) ? RK_ASKER_KNOWN /* by the context alone */
                                     : RK_ASKER_NOBODY;
    }
    RK_TRY(*out == RK_ASKER_FOLDED ? check_folds(s) : RK_OK);
    if (out_counted) {
        *out_counted = counted;
    }
    return RK_OK;
}

bool rk__is_given(const rk_scorer *s, int64_t user)
{
    return user >= 0 && given_items(s, user, NULL, NULL) > 0;
}

/* Entries that a query adds to lists and masks at most. */
static int64_t room_of(const rk_scorer *s, const rk_query *q)
{
    int64_t n = q->n_items + q->n_deny;
    for (int part = 0; q->user >= 0 && part < RK_PARTS; part++) {
        n += s->data.parts[part] ? rk__lists_count(s->data.parts[part], q->user) : 0;
    }
    return n;
}

/* The items of the query that count for something, ascending, each once, behind those that are
 * there; and all of them to the mask, unless they may be answered. */
static rk_status add_given(const rk_scorer *s, rk_host_tile *t, const rk_query *q, bool keep_given)
{
    const bool is_rating = s->engine->model.model->rates;
    entry *sorted = NULL;
    rk_status status = RK_OK;
    int64_t at = t->list_offsets[t->n], mask = t->mask_offsets[t->n];
    RK_TRY(rk__alloc(&sorted, q->n_items, sizeof *sorted, "the items of a query"));
    for (int64_t i = 0; i < q->n_items; i++) {
        sorted[i] = (entry){q->items[i], q->weights ? q->weights[i] : 1};
    }
    qsort(sorted, (size_t)q->n_items, sizeof *sorted, by_item);
    for (int64_t i = 0; i < q->n_items; i++) {
        if (i > 0 && sorted[i].item == sorted[i - 1].item) {
            if (is_rating && sorted[i].weight != sorted[i - 1].weight) {
                RK_FAIL_GOTO(done, RK_ERR_CONFIG,
                             "an item is named twice and rated %g and %g: which is it?",
                             (double)sorted[i - 1].weight, (double)sorted[i].weight);
            }
            continue; /* named twice; the larger weight came first */
        }
        if ((sorted[i].weight > 0 || is_rating) && !s->cold[sorted[i].item]) {
            t->items[at] = sorted[i].item;
            t->weights[at++] = sorted[i].weight;
        }
        if (!keep_given) {
            t->masked[mask++] = sorted[i].item;
        }
    }
    t->list_offsets[t->n + 1] = at;
    t->mask_offsets[t->n + 1] = mask;
done:
    rk__free(sorted);
    return status;
}

static const rk_lists *seen_part(const rk_scorer *s, int64_t user, unsigned seen, int part)
{
    const rk_lists *l = s->data.parts[part];
    return (seen & 1u << part) && l && rk__lists_count(l, user) > 0 ? l : NULL;
}

/* Room for what a known user has; fill_users copies it. No item is in two parts. */
static void reserve(const rk_scorer *s, rk_host_tile *t, int64_t user, unsigned seen)
{
    const bool reads_lists = s->engine->model.model->reads_lists;
    int64_t n = 0, listed = 0;
    for (int part = 0; part < RK_PARTS; part++) {
        const rk_lists *l = seen_part(s, user, seen, part);
        n += l ? rk__lists_count(l, user) : 0;
    }
    if (t->asker == RK_ASKER_FOLDED) {
        listed = given_items(s, user, NULL, NULL);
    } else if (reads_lists) {
        listed = train_items(s, user);
    }
    t->list_offsets[t->n + 1] = t->list_offsets[t->n] + listed;
    t->mask_offsets[t->n + 1] = t->mask_offsets[t->n] + n;
}

/* Merges the ascending lists of the parts that count as seen. */
static void merge_seen(const rk_scorer *s, int64_t user, unsigned seen, int32_t *out)
{
    const int32_t *at[RK_PARTS], *end[RK_PARTS];
    int lists = 0;
    for (int part = 0; part < RK_PARTS; part++) {
        const rk_lists *l = seen_part(s, user, seen, part);
        if (l) {
            at[lists] = l->items + l->offsets[user];
            end[lists++] = l->items + l->offsets[user + 1];
        }
    }
    while (lists > 1) {
        int least = 0;
        for (int i = 1; i < lists; i++) {
            least = *at[i] < *at[least] ? i : least;
        }
        *out++ = *at[least]++;
        if (at[least] == end[least]) {
            lists--;
            at[least] = at[lists];
            end[least] = end[lists];
        }
    }
    if (lists == 1) {
        memcpy(out, at[0], (size_t)(end[0] - at[0]) * sizeof *out);
    }
}

static int ascending(const void *left, const void *right)
{
    const int32_t a = *(const int32_t *)left, b = *(const int32_t *)right;
    return (a > b) - (a < b);
}

/* The mask of the last query of the tile once more, with what the query itself denies. Each item
 * stands in it once, so it is not longer than the catalogue. */
static rk_status deny(const rk_scorer *s, rk_host_tile *t, const rk_query *q, unsigned seen)
{
    const int64_t begin = t->mask_offsets[t->n], n = t->mask_offsets[t->n + 1] - begin;
    int32_t *all = NULL;
    RK_TRY(rk__alloc(&all, n + q->n_deny, sizeof *all, "the items that a query denies"));
    if (q->user >= 0) {
        merge_seen(s, q->user, seen, all);
    } else if (n > 0) {
        memcpy(all, t->masked + begin, (size_t)n * sizeof *all);
    }
    memcpy(all + n, q->deny, (size_t)q->n_deny * sizeof *all);
    qsort(all, (size_t)(n + q->n_deny), sizeof *all, ascending);
    int64_t end = begin;
    for (int64_t i = 0; i < n + q->n_deny; i++) {
        if (i == 0 || all[i] != all[i - 1]) {
            t->masked[end++] = all[i];
        }
    }
    t->mask_offsets[t->n + 1] = end;
    rk__free(all);
    return RK_OK;
}

/* The list of a known user, and the mask unless that is there already. */
static void fill_user(const rk_scorer *s, rk_host_tile *t, int64_t i, unsigned seen, bool is_masked)
{
    const int64_t user = t->users[i], begin = t->list_offsets[i];
    const int64_t n = t->list_offsets[i + 1] - begin;
    const rk_lists *train = s->data.parts[RK_TRAIN];
    if (t->asker == RK_ASKER_FOLDED) {
        given_items(s, user, t->items + begin, t->weights + begin);
    } else {
        for (int64_t j = 0; j < n; j++) {
            t->items[begin + j] = train->items[train->offsets[user] + j];
            t->weights[begin + j] = 1;
        }
    }
    if (!is_masked) {
        merge_seen(s, user, seen, t->masked + t->mask_offsets[i]);
    }
}

/* ---- tiles ---- */

/* The next `bytes` of the memory, and where it goes on. */
static void *carve(char **memory, int64_t bytes)
{
    void *here = *memory;
    *memory += bytes;
    return here;
}

rk_status rk__tile_create(const rk_scorer *s, rk_host_tile *t)
{
    const rk_engine *e = s->engine;
    const int64_t n = rk__most_queries(s);
    int64_t found = 0, stand = s->sizes[RK_TILE_STANDING].n * s->sizes[RK_TILE_STANDING].k;
    for (int i = 0; i < RK_TILE_SIZE_COUNT; i++) {
        int64_t size = s->sizes[i].n * s->sizes[i].k;
        found = size > found ? size : found;
    }
    char *at = NULL;
    RK_TRY(e->device->alloc_host(e->context, &at,
                                 16 * (n + 1) + 4 * ((1 + rk__scorer_fields(s)) * n +
                                                     3 * s->capacity + 2 * found + 2 * stand),
                                 "a tile of queries"));
    *t = (rk_host_tile){.memory = at};
    t->list_offsets = carve(&at, 8 * (n + 1)); /* the wider ones first: all are aligned */
    t->mask_offsets = carve(&at, 8 * (n + 1));
    t->users = carve(&at, 4 * n);
    t->fields = carve(&at, 4 * rk__scorer_fields(s) * n);
    t->items = carve(&at, 4 * s->capacity);
    t->masked = carve(&at, 4 * s->capacity);
    t->weights = carve(&at, 4 * s->capacity);
    t->found = carve(&at, 4 * found);
    t->found_scores = carve(&at, 4 * found);
    t->above = carve(&at, 4 * stand);
    t->tied = carve(&at, 4 * stand);
    return RK_OK;
}

void rk__tile_free(const rk_scorer *s, rk_host_tile *t)
{
    s->engine->device->free_host(s->engine->context, t->memory);
    *t = (rk_host_tile){0};
}

static void add_context(const rk_scorer *s, rk_host_tile *t, const rk_query *q)
{
    const rk_contexts *c = &s->engine->contexts;
    for (int f = 0; f < c->n; f++) {
        t->fields[t->n * c->n + f] = rk__contexts_row(c, f, q->context[f]);
    }
}

/* Of a user without train rows nothing was learnt: the context alone says who asks. */
static void leave_out_untrained(const rk_scorer *s, rk_host_tile *t)
{
    for (int32_t i = 0; i < t->n; i++) {
        if (t->users[i] >= 0 && train_items(s, t->users[i]) == 0 &&
            !rk__instance_knows(&s->engine->model, t->users[i])) {
            t->users[i] = -1;
        }
    }
}

rk_status rk__tile_fill(const rk_scorer *s, rk_host_tile *t, const rk_query *queries, int64_t n,
                        const rk_selection *selection)
{
    enum { FEW = 64 }; /* queries that are not worth several threads */
    t->n = 0;
    t->list_offsets[0] = t->mask_offsets[0] = 0;
    RK_TRY(rk__query_asker(s, queries, &t->asker, NULL));
    while (t->n < n && t->n < s->sizes[t->size].n) {
        const rk_query *q = &queries[t->n];
        const int64_t list = t->list_offsets[t->n], mask = t->mask_offsets[t->n];
        rk_asker asker = t->asker;
        RK_TRY(rk__query_asker(s, q, &asker, NULL));
        if (t->n > 0 &&
            (asker != t->asker || (list > mask ? list : mask) + room_of(s, q) > s->capacity)) {
            break;
        }
        if (q->user < 0) {
            RK_TRY(add_given(s, t, q, selection->keep_given));
        } else {
            reserve(s, t, q->user, selection->seen);
        }
        if (q->n_deny > 0) {
            RK_TRY(deny(s, t, q, selection->seen));
        }
        add_context(s, t, q);
        t->users[t->n++] = (int32_t)q->user;
    }
#pragma omp parallel for schedule(static) if (t->n > FEW)
    for (int32_t i = 0; i < t->n; i++) {
        if (t->users[i] >= 0) {
            fill_user(s, t, i, selection->seen, queries[i].n_deny > 0);
        }
    }
    if (rk__scorer_fields(s) > 0 && t->asker == RK_ASKER_KNOWN) {
        leave_out_untrained(s, t);
    }
    return RK_OK;
}

void rk__tile_fill_items(const rk_scorer *s, rk_host_tile *t, const int32_t *items, int64_t n,
                         bool keep_given)
{
    const int64_t most = s->sizes[t->size].n;
    t->asker = RK_ASKER_ITEM;
    t->n = (int32_t)(n < most ? n : most);
    t->list_offsets[0] = t->mask_offsets[0] = 0;
    for (int64_t i = 0; i < t->n * rk__scorer_fields(s); i++) {
        t->fields[i] = -1;
    }
    for (int32_t i = 0; i < t->n; i++) {
        t->users[i] = s->nodes[items[i]];
        t->items[i] = t->masked[i] = items[i];
        t->weights[i] = 1;
        t->list_offsets[i + 1] = i + 1;
        t->mask_offsets[i + 1] = keep_given ? 0 : i + 1;
    }
}

rk_status rk__tile_queue(rk_scorer *s, rk_host_tile *t, bool wants_scores)
{
    const rk_engine *e = s->engine;
    const rk_tile_tensors *d = &s->sizes[t->size];
    const bool is_standing = t->size == RK_TILE_STANDING;
    const bool is_pairs = t->size == RK_TILE_PAIRS || is_standing;
    const bool has_items = !is_pairs && t->size != RK_TILE_ROWS;
    const bool has_lists =
        t->asker == RK_ASKER_FOLDED || s->engine->model.model->reads_lists; /* else none is read */
    const int64_t n_fields = rk__scorer_fields(s);
    rk_variant *v = NULL;
    for (int64_t i = t->n; i < d->n; i++) {
        t->users[i] = -1;
        t->list_offsets[i + 1] = t->list_offsets[t->n];
        t->mask_offsets[i + 1] = t->mask_offsets[t->n];
    }
    for (int64_t i = t->n * n_fields; i < d->n * n_fields; i++) {
        t->fields[i] = -1;
    }
    const rk_transfer writes[] = {
        {s->count, 1, &t->n},
        {d->users, d->n, t->users},
        {d->list_offsets, has_lists ? d->n + 1 : 0, t->list_offsets},
        {s->list_items, t->list_offsets[t->n], t->items},
        {s->list_weights, t->list_offsets[t->n], t->weights},
        {d->mask_offsets, d->n + 1, t->mask_offsets},
        {s->mask_items, t->mask_offsets[t->n], t->masked},
        {d->items, is_pairs ? t->n : 0, t->found},
        {n_fields > 0 ? d->fields : d->users, n_fields * d->n, t->fields},
    };
    const rk_transfer reads[] = {
        {d->items, has_items ? t->n : 0, t->found},
        {d->scores, wants_scores ? t->n : 0, t->found_scores},
        {d->above, t->n, t->above},
        {d->tied, t->n, t->tied},
    };
    const int n_reads = sizeof reads / sizeof reads[0] - (is_standing ? 0 : 2);
    RK_TRY(rk__scorer_load_variant(s, t->asker, t->size, &v));
    const rk_submission all = {writes, reads, sizeof writes / sizeof writes[0], n_reads, v->loaded};
    RK_TRY(e->device->submit(e->context, &all, &t->ticket));
    t->is_queued = true;
    return RK_OK;
}

rk_status rk__tile_wait(const rk_scorer *s, rk_host_tile *t)
{
    t->is_queued = false;
    return s->engine->device->wait(s->engine->context, t->ticket);
}
