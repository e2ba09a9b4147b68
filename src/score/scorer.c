/* The life of a scorer: its tensors, its programs, what the model makes of its parameters. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "score/internal.h"

enum {
    MOST_ENTRIES = 1 << 20,     /* of the lists of a tile, if no single user has more */
    MOST_SCORES = 16 << 20,     /* of a tile whose scores of all items need room */
    MOST_PAIR_SCORES = 4 << 20, /* the same, where the scores of given items are taken from them */
    MOST_PAIR_QUERIES = 128,    /* of such a tile */
    MOST_PARTS = 64,            /* of a catalogue, as long as a tile may have fewer queries */
    MOST_ANSWERS = 1 << 18,     /* of a tile of long answers */
    LEAST_TILE = 16,
    /* Of a device that is not the host and has this many users: a run with its copies takes as long
     * as some hundred users do. The last tile is looked at when nothing is left to do meanwhile,
     * which speaks against larger ones. */
    DEVICE_TILE = 2 * RK_RANK_TILE,
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- the store ---- */

int64_t rk__most_queries(const rk_scorer *s)
{
    return s->sizes[RK_TILE_MANY].n;
}

int rk__scorer_fields(const rk_scorer *s)
{
    return rk__model_fields(&s->engine->model.data);
}

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

int64_t rk__scorer_part(const rk_scorer *s, int64_t n)
{
    const int64_t items = rk__model_part_pairs(&s->engine->model) / n;
    return items < 1 ? 1 : least(items, s->engine->graph.n_items);
}

static int64_t tile_of(const rk_engine *e)
{
    if (e->model.model->score_items) {
        const int64_t all = MOST_PARTS * rk__model_part_pairs(&e->model);
        const int64_t queries = all / (e->graph.n_items > 0 ? e->graph.n_items : 1);
        return queries < 1 ? 1 : least(queries, RK_RANK_TILE);
    }
    int64_t n = MOST_SCORES / (e->graph.n_items > 0 ? e->graph.n_items : 1);
    n = n / LEAST_TILE * LEAST_TILE;
    n = n < LEAST_TILE ? LEAST_TILE : n;
    if (e->model.model->scores_by_dot) {
        return e->device->peek || e->graph.n_users < DEVICE_TILE ? RK_RANK_TILE : DEVICE_TILE;
    }
    return n > RK_RANK_TILE ? RK_RANK_TILE : n;
}

/* The tensors of a size of tile, named NAME.users, ... */
static rk_status declare_size(rk_scorer *s, const char *name, rk_tile_tensors *t, bool is_standing)
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
        {"above", RK_I32, t->n, t->k, NULL, &t->above}, /* the last two: of standings alone */
        {"tied", RK_I32, t->n, t->k, NULL, &t->tied},
    };
    const size_t n = sizeof tensors / sizeof tensors[0] - (is_standing ? 0 : 2);
    for (size_t i = 0; i < n; i++) {
        snprintf(text, sizeof text, "%s.%s", name, tensors[i].what);
        RK_TRY(rk__engine_add(s->engine, text, tensors[i].dtype, tensors[i].rows, tensors[i].cols,
                              tensors[i].constant, tensors[i].out));
    }
    t->fields = -1;
    if (rk__scorer_fields(s) == 0) {
        return RK_OK;
    }
    snprintf(text, sizeof text, "%s.fields", name);
    return rk__engine_add(s->engine, text, RK_I32, t->n * rk__scorer_fields(s), 1, NULL,
                          &t->fields);
}

static rk_status declare(rk_scorer *s)
{
    rk_engine *e = s->engine;
    const int64_t n_items = e->graph.n_items;
    RK_TRY(declare_size(s, "rank", &s->sizes[RK_TILE_MANY], false));
    for (int i = RK_TILE_MANY + 1; i < RK_TILE_PAIRS; i++) {
        char name[16];
        snprintf(name, sizeof name, "rank%d", i);
        RK_TRY(declare_size(s, name, &s->sizes[i], false));
    }
    RK_TRY(declare_size(s, "pairs", &s->sizes[RK_TILE_PAIRS], false));
    RK_TRY(declare_size(s, "standing", &s->sizes[RK_TILE_STANDING], true));
    if (s->sizes[RK_TILE_ROWS].n > 0) {
        RK_TRY(declare_size(s, "rows", &s->sizes[RK_TILE_ROWS], false));
    }
    RK_TRY(rk__engine_add(e, "item_nodes", RK_I32, n_items, 1, s->nodes, &s->item_nodes));
    RK_TRY(rk__engine_add(e, "tile.items", RK_I32, s->capacity, 1, NULL, &s->list_items));
    RK_TRY(rk__engine_add(e, "tile.weights", RK_F32, s->capacity, 1, NULL, &s->list_weights));
    RK_TRY(rk__engine_add(e, "tile.mask", RK_I32, s->capacity, 1, NULL, &s->mask_items));
    RK_TRY(rk__engine_add(e, "tile.blocked", RK_I32, n_items, 1, NULL, &s->blocked));
    RK_TRY(rk__engine_add(e, "tile.count", RK_I32, 1, 1, NULL, &s->count));
    return rk__engine_add(e, "popularity", RK_F32, n_items, 1, s->counts, &s->popularity);
}

/* The most that one user has in all parts; more than all items where a pair is in several. */
static int64_t most_entries(const rk_scorer *s)
{
    int64_t most = 0;
    for (int64_t user = 0; user < s->engine->graph.n_users; user++) {
        int64_t n = 0;
        for (int part = 0; part < RK_PARTS; part++) {
            n += s->data.parts[part] ? rk__lists_count(s->data.parts[part], user) : 0;
        }
        most = n > most ? n : most;
    }
    return most;
}

static rk_status choose_sizes(rk_scorer *s)
{
    const int64_t n_items = s->engine->graph.n_items, n = tile_of(s->engine);
    int64_t k = 0, entries = 0;
    RK_TRY(largest_k(s->engine->options, n_items, &k));
    s->sizes[RK_TILE_MANY] = (rk_tile_tensors){.n = n, .k = k};
    for (int i = 1; i < RK_MANY_SIZES; i++) {
        int64_t length = least((int64_t)4 << 3 * i, n_items); /* 32, 256, 2048 */
        int64_t queries = MOST_ANSWERS / length < LEAST_TILE ? LEAST_TILE : MOST_ANSWERS / length;
        s->sizes[RK_TILE_MANY + i] = (rk_tile_tensors){.n = least(queries, n), .k = length};
    }
    for (int i = 0; i < RK_ONE_SIZES; i++) {
        int64_t length = i + 1 == RK_ONE_SIZES ? n_items : (int64_t)16 << 3 * i;
        s->sizes[RK_TILE_ONE + i] = (rk_tile_tensors){.n = 1, .k = least(length, n_items)};
    }
    int64_t pairs = n_items > 0 ? MOST_PAIR_SCORES / n_items : 1;
    pairs = pairs < 1 ? 1 : least(pairs, MOST_PAIR_QUERIES);
    s->sizes[RK_TILE_PAIRS] = (rk_tile_tensors){.n = least(pairs, n), .k = RK_PAIRS};
    s->sizes[RK_TILE_STANDING] =
        (rk_tile_tensors){.n = s->sizes[RK_TILE_PAIRS].n, .k = RK_STANDING_PAIRS};
    const rk_model_kind *m = s->engine->model.model;
    if (m->embeddings && m->fold_in && rk__instance_folds_in(&s->engine->model)) {
        const int32_t table = rk__store_find(&s->engine->store, m->embeddings);
        s->sizes[RK_TILE_ROWS] =
            (rk_tile_tensors){.n = least(LEAST_TILE, n), .k = s->engine->store.items[table].cols};
    }
    RK_TRY(rk__mul(&entries, n, n_items, "the lists of a tile"));
    entries = entries < MOST_ENTRIES ? entries : MOST_ENTRIES;
    s->capacity = entries > n_items ? entries : n_items;
    s->capacity = s->capacity > most_entries(s) ? s->capacity : most_entries(s);
    return RK_OK;
}

static rk_status allocate(rk_scorer *s)
{
    const rk_graph *g = &s->engine->graph;
    const int64_t n = rk__most_queries(s);
    RK_TRY(rk__tile_create(s, &s->tile));
    RK_TRY(rk__alloc(&s->nodes, g->n_items, sizeof *s->nodes, "the nodes of items"));
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
        s->nodes[i] = (int32_t)(g->n_users + i);
        s->cold[i] = s->closed[i] =
            degree == 0 && !rk__instance_knows(&s->engine->model, s->nodes[i]);
    }
    return RK_OK;
}

/* ---- pairs of tiles ---- */

void rk__scorer_free_pair(const rk_scorer *s, rk_tile_pair *pair)
{
    if (pair) {
        rk__tile_free(s, &pair->tiles[0]);
        rk__tile_free(s, &pair->tiles[1]);
        rk__free(pair->queries);
        rk__free(pair->contexts);
        rk__free(pair);
    }
}

rk_status rk__scorer_take_pair(rk_scorer *s, rk_tile_pair **out)
{
    rk_tile_pair *pair = s->pair;
    rk_status status = RK_OK;
    s->pair = NULL;
    if (!pair) {
        RK_TRY(rk__calloc(&pair, 1, sizeof *pair, "two tiles of queries"));
        RK_TRY_GOTO(done, rk__alloc(&pair->queries, rk__most_queries(s), sizeof *pair->queries,
                                    "a tile of queries"));
        RK_TRY_GOTO(done, rk__alloc(&pair->contexts, rk__most_queries(s) * rk__scorer_fields(s),
                                    sizeof *pair->contexts, "the contexts of queries"));
        RK_TRY_GOTO(done, rk__tile_create(s, &pair->tiles[0]));
        RK_TRY_GOTO(done, rk__tile_create(s, &pair->tiles[1]));
    }
    *out = pair;
done:
    if (status != RK_OK) {
        rk__scorer_free_pair(s, pair);
    }
    return status;
}

/* Of several that were in use at once one is kept. */
void rk__scorer_give_pair(rk_scorer *s, rk_tile_pair *pair)
{
    if (s->pair) {
        rk__scorer_free_pair(s, pair);
    } else {
        s->pair = pair;
    }
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
    status = rk__comm_size(engine->comm) > 1
                 ? rk__scorer_check_ranks(s)
                 : rk__scorer_variant(s, RK_ASKER_KNOWN, RK_TILE_MANY, &ignored);
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
    rk__tile_free(s, &s->tile);
    rk__scorer_free_pair(s, s->pair);
    rk__free(s->cold);
    rk__free(s->closed);
    rk__free(s->nodes);
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

rk_status rk__scorer_load_variant(rk_scorer *s, rk_asker asker, rk_tile_size size, rk_variant **out)
{
    rk_variant *v = NULL;
    RK_TRY(rk__scorer_variant(s, asker, size, &v));
    *out = v;
    return v->loaded ? RK_OK : s->engine->device->load(s->engine->context, &v->program, &v->loaded);
}

rk_status rk__scorer_write_blocked(rk_scorer *s)
{
    return s->engine->device->write(s->engine->context, s->blocked, 0, s->engine->graph.n_items,
                                    s->closed);
}

rk_status rk__scorer_load(rk_scorer *s)
{
    rk_variant *ignored = NULL;
    RK_TRY(rk__scorer_write_blocked(s));
    return rk__scorer_load_variant(s, RK_ASKER_KNOWN, RK_TILE_MANY, &ignored);
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
rk_status rk__scorer_refresh(rk_scorer *s)
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

/* ---- tensors ---- */

rk_status rk__scorer_prepare(rk_scorer *s)
{
    pthread_mutex_lock(&s->lock);
    rk_status status = rk__scorer_refresh(s);
    pthread_mutex_unlock(&s->lock);
    return status;
}

rk_status rk__scorer_read_rows(rk_scorer *s, const char *name, int64_t first, int64_t rows,
                               void *out)
{
    const rk_engine *e = s->engine;
    int32_t stored = rk__store_find(&e->store, name);
    RK_ASSERT(stored >= 0);
    pthread_mutex_lock(&s->lock);
    rk_status status = rk__scorer_refresh(s);
    if (status == RK_OK && rows > 0) {
        status = e->device->read(e->context, stored, first, rows, out);
    }
    pthread_mutex_unlock(&s->lock);
    return status;
}

rk_status rk__scorer_view(rk_scorer *s, const char *name, const void **out)
{
    const rk_engine *e = s->engine;
    int32_t stored = rk__store_find(&e->store, name);
    RK_ASSERT(stored >= 0);
    pthread_mutex_lock(&s->lock);
    rk_status status = rk__scorer_refresh(s);
    if (status == RK_OK) {
        *out = e->device->peek ? e->device->peek(e->context, stored) : NULL;
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
