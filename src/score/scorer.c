#include "score/scorer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "score/internal.h"

enum {
    MOST_ENTRIES = 1 << 20, /* of the lists of a tile, if no single user has more */
    MOST_SCORES = 16 << 20, /* of a tile whose scores of all items need room */
    LEAST_TILE = 16,
};

rk_selection rk_selection_defaults(void)
{
    return (rk_selection){.seen = 1u << RK_TRAIN | 1u << RK_VALID | 1u << RK_TEST};
}

/* ---- the store ---- */

static rk_status largest_k(const rk_options *options, int64_t n_items, int64_t *out)
{
    *out = 1;
    for (int64_t i = 0; i < options->eval.k.n; i++) {
        int64_t k = options->eval.k.v[i];
        if (k > n_items) {
            RK_FAIL(RK_ERR_CONFIG,
                    "eval.k: %lld is larger than the catalogue of %lld items; take a smaller K",
                    (long long)k, (long long)n_items);
        }
        *out = k > *out ? k : *out;
    }
    return RK_OK;
}

static int64_t tile_of(const rk_engine *e)
{
    int64_t n = MOST_SCORES / (e->graph.n_items > 0 ? e->graph.n_items : 1);
    n = n / LEAST_TILE * LEAST_TILE;
    n = n < LEAST_TILE ? LEAST_TILE : n;
    return e->model.model->scores_by_dot || n > RK_RANK_TILE ? RK_RANK_TILE : n;
}

/* The tensors of a size of tile, named NAME.users, ... */
static rk_status declare_size(rk_scorer *s, const char *name, rk_tile_tensors *t)
{
    char text[RK_NAME_LENGTH];
    const struct {
        const char *what;
        rk_dtype dtype;
        int64_t rows, cols;
        const void *constant;
        int32_t *out;
    } tensors[] = {
        {"users", RK_I32, t->n, 1, NULL, &t->users},
        {"ones", RK_F32, t->n, 1, s->ones, &t->ones},
        {"list_offsets", RK_I64, t->n + 1, 1, NULL, &t->list_offsets},
        {"mask_offsets", RK_I64, t->n + 1, 1, NULL, &t->mask_offsets},
        {"items", RK_I32, t->n, t->k, NULL, &t->items},
        {"scores", RK_F32, t->n, t->k, NULL, &t->scores},
    };
    for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++) {
        snprintf(text, sizeof text, "%s.%s", name, tensors[i].what);
        RK_TRY(rk__engine_add(s->engine, text, tensors[i].dtype, tensors[i].rows, tensors[i].cols,
                              tensors[i].constant, tensors[i].out));
    }
    return RK_OK;
}

static rk_status declare(rk_scorer *s)
{
    rk_engine *e = s->engine;
    const int64_t n_items = e->graph.n_items;
    RK_TRY(declare_size(s, "rank", &s->sizes[RK_TILE_MANY]));
    for (int i = 0; i < RK_ONE_SIZES; i++) {
        char name[16];
        snprintf(name, sizeof name, "rank%d", i + 1);
        RK_TRY(declare_size(s, name, &s->sizes[RK_TILE_ONE + i]));
    }
    RK_TRY(declare_size(s, "pairs", &s->sizes[RK_TILE_PAIRS]));
    RK_TRY(rk__engine_add(e, "tile.items", RK_I32, s->capacity, 1, NULL, &s->list_items));
    RK_TRY(rk__engine_add(e, "tile.weights", RK_F32, s->capacity, 1, NULL, &s->list_weights));
    RK_TRY(rk__engine_add(e, "tile.mask", RK_I32, s->capacity, 1, NULL, &s->mask_items));
    RK_TRY(rk__engine_add(e, "tile.blocked", RK_I32, n_items, 1, NULL, &s->blocked));
    RK_TRY(rk__engine_add(e, "tile.count", RK_I32, 1, 1, NULL, &s->count));
    return rk__engine_add(e, "popularity", RK_F32, n_items, 1, s->counts, &s->popularity);
}

static rk_status choose_sizes(rk_scorer *s)
{
    const int64_t n_items = s->engine->graph.n_items, n = tile_of(s->engine);
    int64_t k = 0, entries = 0;
    RK_TRY(largest_k(s->engine->options, n_items, &k));
    s->sizes[RK_TILE_MANY] = (rk_tile_tensors){.n = n, .k = k};
    for (int i = 0; i < RK_ONE_SIZES; i++) {
        int64_t length = i + 1 == RK_ONE_SIZES ? n_items : (int64_t)16 << 3 * i;
        length = length < n_items ? length : n_items;
        s->sizes[RK_TILE_ONE + i] = (rk_tile_tensors){.n = 1, .k = length};
    }
    s->sizes[RK_TILE_PAIRS] = (rk_tile_tensors){.n = 1, .k = RK_PAIRS};
    RK_TRY(rk__mul(&entries, n, n_items, "the lists of a tile"));
    entries = entries < MOST_ENTRIES ? entries : MOST_ENTRIES;
    s->capacity = entries > n_items ? entries : n_items;
    return RK_OK;
}

static rk_status allocate(rk_scorer *s)
{
    const rk_graph *g = &s->engine->graph;
    const int64_t n = s->sizes[RK_TILE_MANY].n;
    int64_t found = n * s->sizes[RK_TILE_MANY].k;
    found = found > g->n_items ? found : g->n_items;
    found = found > RK_PAIRS ? found : RK_PAIRS;
    RK_TRY(rk__alloc(&s->users, n, sizeof *s->users, "a tile of queries"));
    RK_TRY(rk__alloc(&s->list_offsets, n + 1, sizeof *s->list_offsets, "a tile of queries"));
    RK_TRY(rk__alloc(&s->mask_offsets, n + 1, sizeof *s->mask_offsets, "a tile of queries"));
    RK_TRY(rk__alloc(&s->items, s->capacity, sizeof *s->items, "the items of a tile"));
    RK_TRY(rk__alloc(&s->weights, s->capacity, sizeof *s->weights, "the items of a tile"));
    RK_TRY(rk__alloc(&s->masked, s->capacity, sizeof *s->masked, "the masks of a tile"));
    RK_TRY(rk__alloc(&s->found, found, sizeof *s->found, "the answers of a tile"));
    RK_TRY(rk__alloc(&s->found_scores, found, sizeof *s->found_scores, "the answers of a tile"));
    RK_TRY(rk__alloc(&s->cold, g->n_items, sizeof *s->cold, "items without interactions"));
    RK_TRY(rk__alloc(&s->closed, g->n_items, sizeof *s->closed, "items that are left out"));
    RK_TRY(rk__alloc(&s->counts, g->n_items, sizeof *s->counts, "the popularity of items"));
    RK_TRY(rk__alloc(&s->ones, n, sizeof *s->ones, "a tile of ones"));
    for (int64_t i = 0; i < n; i++) {
        s->ones[i] = 1;
    }
    for (int64_t i = 0; i < g->n_items; i++) {
        int64_t degree = rk__graph_degree(g, g->n_users + i);
        s->counts[i] = (float)degree;
        s->cold[i] = s->closed[i] = degree == 0;
    }
    return RK_OK;
}

/* ---- life ---- */

static rk_status build_finish(rk_scorer *s)
{
    const rk_model_instance *m = &s->engine->model;
    rk__program_init(&s->finish, &s->engine->store, "finish");
    if (!m->model->finish) {
        return RK_OK;
    }
    m->model->finish(m, &s->finish);
    RK_TRY(s->finish.status);
    RK_TRY(rk__program_share(&s->finish));
    RK_TRY(rk__program_prune(&s->finish));
    return rk__engine_finish(&s->finish);
}

rk_status rk__scorer_create(rk_scorer **out, rk_engine *engine, rk_scorer_data data)
{
    rk_scorer *s = NULL;
    rk_variant *ignored = NULL;
    rk_status status = RK_OK;
    RK_TRY(rk__calloc(&s, 1, sizeof *s, "a scorer"));
    s->engine = engine;
    s->data = data;
    s->finished = -1;
    s->has_lock = pthread_mutex_init(&s->lock, NULL) == 0;
    RK_TRY_GOTO(done, choose_sizes(s));
    RK_TRY_GOTO(done, allocate(s));
    RK_TRY_GOTO(done, declare(s));
    RK_TRY_GOTO(done, build_finish(s));
    status = rk__scorer_variant(s, RK_ASKER_KNOWN, RK_TILE_MANY, &ignored);
done:
    if (status != RK_OK) {
        rk__scorer_free(s);
        return status;
    }
    *out = s;
    return RK_OK;
}

void rk__scorer_free(rk_scorer *s)
{
    if (!s) {
        return;
    }
    for (int asker = 0; asker < RK_ASKER_COUNT; asker++) {
        for (int size = 0; size < RK_TILE_SIZE_COUNT; size++) {
            rk_variant *v = &s->variants[asker][size];
            if (v->loaded) {
                s->engine->device->unload(s->engine->context, v->loaded);
            }
            rk__program_free(&v->program);
        }
    }
    rk__program_free(&s->finish);
    if (s->has_lock) {
        pthread_mutex_destroy(&s->lock);
    }
    rk__free(s->users);
    rk__free(s->list_offsets);
    rk__free(s->mask_offsets);
    rk__free(s->items);
    rk__free(s->weights);
    rk__free(s->masked);
    rk__free(s->found);
    rk__free(s->found_scores);
    rk__free(s->cold);
    rk__free(s->closed);
    rk__free(s->counts);
    rk__free(s->ones);
    rk__free(s);
}

rk_status rk__scorer_add_memory(const rk_scorer *s, rk_memory_table *table)
{
    const rk_engine *e = s->engine;
    if (s->finish.planned) {
        RK_TRY(rk__memory_add_program(table, e->device, e->context, &s->finish, "model.dim"));
    }
    return rk__memory_add_program(table, e->device, e->context,
                                  &s->variants[RK_ASKER_KNOWN][RK_TILE_MANY].program, "eval.k");
}

static rk_status load(rk_scorer *s, rk_asker asker, rk_tile_size size, rk_variant **out)
{
    rk_variant *v = NULL;
    RK_TRY(rk__scorer_variant(s, asker, size, &v));
    *out = v;
    return v->loaded ? RK_OK : s->engine->device->load(s->engine->context, &v->program, &v->loaded);
}

static rk_status write_blocked(rk_scorer *s)
{
    return s->engine->device->write(s->engine->context, s->blocked, 0, s->engine->graph.n_items,
                                    s->closed);
}

rk_status rk__scorer_load(rk_scorer *s)
{
    rk_variant *ignored = NULL;
    RK_TRY(write_blocked(s));
    return load(s, RK_ASKER_KNOWN, RK_TILE_MANY, &ignored);
}

int64_t rk__scorer_arenas(const rk_scorer *s)
{
    int64_t bytes = 0;
    for (int asker = 0; asker < RK_ASKER_COUNT; asker++) {
        for (int size = 0; size < RK_TILE_SIZE_COUNT; size++) {
            const rk_variant *v = &s->variants[asker][size];
            bytes += v->loaded ? v->program.arena_bytes : 0;
        }
    }
    return bytes;
}

/* What the model makes of its parameters, if they have changed since. */
static rk_status refresh(rk_scorer *s)
{
    rk_engine *e = s->engine;
    rk_loaded *loaded = NULL;
    if (s->finished == e->changes || !s->finish.planned) {
        return RK_OK;
    }
    RK_TRY(e->device->load(e->context, &s->finish, &loaded));
    rk_status status = e->device->run(e->context, loaded, 1);
    if (status == RK_OK) {
        status = e->device->sync(e->context);
    }
    e->device->unload(e->context, loaded);
    s->finished = status == RK_OK ? e->changes : -1;
    return status;
}

/* ---- which items are left out for everybody ---- */

static rk_status check_items(const rk_scorer *s, const int32_t *items, int64_t n)
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

static rk_status set_limits(rk_scorer *s, const rk_selection *selection)
{
    const int64_t n_items = s->engine->graph.n_items;
    bool has_limits = selection->allow || selection->n_deny > 0;
    if (!has_limits && !s->has_limits) {
        return RK_OK;
    }
    RK_TRY(check_items(s, selection->deny, selection->n_deny));
    RK_TRY(check_items(s, selection->allow, selection->allow ? selection->n_allow : 0));
    for (int64_t i = 0; i < n_items; i++) {
        s->closed[i] = selection->allow ? 1 : s->cold[i];
    }
    for (int64_t i = 0; selection->allow && i < selection->n_allow; i++) {
        s->closed[selection->allow[i]] = s->cold[selection->allow[i]];
    }
    for (int64_t i = 0; i < selection->n_deny; i++) {
        s->closed[selection->deny[i]] = 1;
    }
    s->has_limits = has_limits;
    return write_blocked(s);
}

/* ---- queries ---- */

typedef struct entry {
    int32_t item;
    float weight;
} entry;

static int by_item(const void *left, const void *right)
{
    const entry *a = left, *b = right;
    return (a->item > b->item) - (a->item < b->item);
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
    RK_TRY(check_items(s, q->items, q->n_items));
    for (int64_t i = 0; q->weights && i < q->n_items; i++) {
        if (!(q->weights[i] >= 0) || !isfinite(q->weights[i])) {
            RK_FAIL(RK_ERR_CONFIG,
                    "the weight of item %d is %g: weights of items must be finite and not negative",
                    q->items[i], (double)q->weights[i]);
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

/* The items of the query, ascending, each once, behind those that are there. */
static rk_status add_given(rk_scorer *s, const rk_query *q)
{
    entry *sorted = NULL;
    int64_t at = s->list_offsets[s->n];
    RK_TRY(rk__alloc(&sorted, q->n_items, sizeof *sorted, "the items of a query"));
    for (int64_t i = 0; i < q->n_items; i++) {
        sorted[i] = (entry){q->items[i], q->weights ? q->weights[i] : 1};
    }
    qsort(sorted, (size_t)q->n_items, sizeof *sorted, by_item);
    for (int64_t i = 0; i < q->n_items; i++) {
        if (i == 0 || sorted[i].item != sorted[i - 1].item) {
            s->items[at] = sorted[i].item;
            s->weights[at++] = sorted[i].weight;
        }
    }
    s->list_offsets[s->n + 1] = at;
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

static void add_mask(rk_scorer *s, const rk_query *q, const rk_selection *selection)
{
    int64_t at = s->mask_offsets[s->n], first = s->list_offsets[s->n];
    if (q->user >= 0) {
        at += merge_seen(s, q->user, selection->seen, s->masked + at);
    } else if (!selection->keep_given) {
        int64_t n = s->list_offsets[s->n + 1] - first;
        memcpy(s->masked + at, s->items + first, (size_t)n * sizeof *s->masked);
        at += n;
    }
    s->mask_offsets[s->n + 1] = at;
}

static rk_status add_query(rk_scorer *s, const rk_query *q, const rk_selection *selection)
{
    if (q->user < 0) {
        RK_TRY(add_given(s, q));
    } else if (s->engine->model.model->reads_lists) {
        add_train(s, q->user);
    } else {
        s->list_offsets[s->n + 1] = s->list_offsets[s->n];
    }
    add_mask(s, q, selection);
    s->users[s->n++] = (int32_t)q->user;
    return RK_OK;
}

/* ---- tiles ---- */

static void begin_tile(rk_scorer *s)
{
    s->n = 0;
    s->list_offsets[0] = s->mask_offsets[0] = 0;
}

static rk_status write(const rk_scorer *s, int32_t stored, int64_t rows, const void *values)
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
    RK_TRY(write(s, s->count, 1, &count));
    RK_TRY(write(s, t->users, t->n, s->users));
    RK_TRY(write(s, t->list_offsets, t->n + 1, s->list_offsets));
    RK_TRY(write(s, s->list_items, s->list_offsets[s->n], s->items));
    RK_TRY(write(s, s->list_weights, s->list_offsets[s->n], s->weights));
    RK_TRY(write(s, t->mask_offsets, t->n + 1, s->mask_offsets));
    return write(s, s->mask_items, s->mask_offsets[s->n], s->masked);
}

static rk_status run_tile(rk_scorer *s)
{
    const rk_engine *e = s->engine;
    rk_variant *v = NULL;
    RK_TRY(write_tile(s));
    RK_TRY(load(s, s->asker, s->size, &v));
    RK_TRY(e->device->run(e->context, v->loaded, 1));
    return e->device->sync(e->context);
}

/* The answers of the tile, k of each of its queries. */
static rk_status answer(rk_scorer *s, int32_t *items, float *scores)
{
    const rk_engine *e = s->engine;
    const rk_tile_tensors *t = &s->sizes[s->size];
    RK_TRY(run_tile(s));
    RK_TRY(e->device->read(e->context, t->items, 0, s->n, s->found));
    RK_TRY(scores ? e->device->read(e->context, t->scores, 0, s->n, s->found_scores) : RK_OK);
    for (int64_t i = 0; i < s->n; i++) {
        for (int64_t j = 0; j < s->k; j++) {
            bool is_there = j < t->k;
            items[i * s->k + j] = is_there ? s->found[i * t->k + j] : -1;
            if (scores) {
                scores[i * s->k + j] = is_there ? s->found_scores[i * t->k + j] : 0;
            }
        }
    }
    return RK_OK;
}

/* How queries are answered that want k items: many at a time, or one by one. */
static rk_tile_size size_for(const rk_scorer *s, int64_t n, int64_t k)
{
    int size = RK_TILE_ONE;
    if (n > 1 && k <= s->sizes[RK_TILE_MANY].k) {
        return RK_TILE_MANY;
    }
    while (size + 1 < RK_TILE_ONE + RK_ONE_SIZES && s->sizes[size].k < k) {
        size++;
    }
    return (rk_tile_size)size;
}

/* Queries that fit into a tile together: how many from `first` on, at least one. */
static rk_status fill_tile(rk_scorer *s, const rk_query *queries, int64_t first, int64_t n,
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

static rk_status top_k(rk_scorer *s, const rk_query *queries, int64_t n,
                       const rk_selection *selection, int64_t k, int32_t *items, float *scores)
{
    RK_TRY(set_limits(s, selection));
    RK_TRY(refresh(s));
    s->k = k;
    s->size = size_for(s, n, k);
    for (int64_t first = 0, taken = 0; first < n; first += taken) {
        RK_TRY(fill_tile(s, queries, first, n, selection, &taken));
        RK_TRY(answer(s, items + first * k, scores ? scores + first * k : NULL));
    }
    return RK_OK;
}

rk_status rk__scorer_top_k(rk_scorer *s, const rk_query *queries, int64_t n,
                           const rk_selection *selection, int64_t k, int32_t *items, float *scores)
{
    if (k < 1) {
        RK_FAIL(RK_ERR_CONFIG, "%lld recommendations are wanted; take 1 or more", (long long)k);
    }
    pthread_mutex_lock(&s->lock);
    rk_status status = top_k(s, queries, n, selection, k, items, scores);
    pthread_mutex_unlock(&s->lock);
    return status;
}

/* ---- scores of given items ---- */

static rk_status score_query(rk_scorer *s, const rk_query *q, const int32_t *items, int64_t n,
                             float *scores)
{
    const rk_selection none = {0};
    const rk_engine *e = s->engine;
    const rk_tile_tensors *t = &s->sizes[RK_TILE_PAIRS];
    int64_t taken = 0;
    s->size = RK_TILE_PAIRS;
    RK_TRY(check_items(s, items, n));
    RK_TRY(fill_tile(s, q, 0, 1, &none, &taken));
    for (int64_t first = 0; first < n; first += RK_PAIRS) {
        int64_t some = n - first < RK_PAIRS ? n - first : RK_PAIRS;
        for (int64_t i = 0; i < RK_PAIRS; i++) {
            s->found[i] = i < some ? items[first + i] : -1;
        }
        RK_TRY(write(s, t->items, 1, s->found));
        RK_TRY(run_tile(s));
        RK_TRY(e->device->read(e->context, t->scores, 0, 1, s->found_scores));
        for (int64_t i = 0; i < some; i++) {
            bool is_cold = s->cold[items[first + i]];
            scores[first + i] = is_cold ? -INFINITY : s->found_scores[i];
        }
    }
    return RK_OK;
}

rk_status rk__scorer_scores(rk_scorer *s, const rk_query *queries, int64_t n, const int32_t *items,
                            int64_t n_items, float *scores)
{
    pthread_mutex_lock(&s->lock);
    rk_status status = refresh(s);
    for (int64_t i = 0; status == RK_OK && i < n; i++) {
        status = score_query(s, &queries[i], items + i * n_items, n_items, scores + i * n_items);
    }
    pthread_mutex_unlock(&s->lock);
    return status;
}

/* ---- tensors ---- */

rk_status rk__scorer_read_rows(rk_scorer *s, const char *name, int64_t first, int64_t rows,
                               void *out)
{
    const rk_engine *e = s->engine;
    int32_t stored = rk__store_find(&e->store, name);
    RK_ASSERT(stored >= 0);
    pthread_mutex_lock(&s->lock);
    rk_status status = refresh(s);
    if (status == RK_OK && rows > 0) {
        status = e->device->read(e->context, stored, first, rows, out);
    }
    pthread_mutex_unlock(&s->lock);
    return status;
}

rk_status rk__scorer_read(rk_scorer *s, const char *name, void *out_pointer)
{
    const rk_store *store = &s->engine->store;
    char *values = NULL;
    RK_ASSERT(rk__store_find(store, name) >= 0);
    const rk_stored *t = &store->items[rk__store_find(store, name)];
    RK_TRY(rk__alloc(&values, t->rows * t->cols, (size_t)rk__dtype_size(t->dtype), t->name));
    rk_status status = rk__scorer_read_rows(s, name, 0, t->rows, values);
    if (status != RK_OK) {
        rk__free(values);
        return status;
    }
    memcpy(out_pointer, &values, sizeof values);
    return RK_OK;
}

void rk__scorer_hold(rk_scorer *s)
{
    pthread_mutex_lock(&s->lock);
}

void rk__scorer_release(rk_scorer *s)
{
    pthread_mutex_unlock(&s->lock);
}

/* ---- evaluation ---- */

static rk_status rank(void *self, rk_part part, const int32_t *users, int64_t n, int64_t k,
                      int32_t *items)
{
    rk_scorer *s = self;
    rk_query queries[RK_RANK_TILE];
    RK_ASSERT(n <= RK_RANK_TILE && part != RK_TRAIN);
    const rk_selection selection = {.seen =
                                        1u << RK_TRAIN | (part == RK_TEST ? 1u << RK_VALID : 0)};
    for (int64_t i = 0; i < n; i++) {
        queries[i] = (rk_query){.user = users[i]};
    }
    return rk__scorer_top_k(s, queries, n, &selection, k, items, NULL);
}

rk_ranker rk__scorer_ranker(rk_scorer *scorer)
{
    return (rk_ranker){.self = scorer, .rank = rank};
}
