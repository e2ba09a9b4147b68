#include "data/id_map.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "data/hash.h"

enum { FIRST_CELLS = 1024, AT_ONCE = 64 /* look-ups whose waits for memory overlap */ };

void rk__id_map_init(rk_id_map *map, bool is_text, const char *what)
{
    *map = (rk_id_map){.is_text = is_text, .what = what};
}

void rk__id_map_free(rk_id_map *map)
{
    rk__free(map->numbers);
    rk__free(map->starts);
    rk__free(map->bytes);
    rk__free(map->cells);
    rk__id_map_init(map, map->is_text, map->what);
}

void rk__id_map_end(rk_id_map *map)
{
    rk__free(map->cells);
    map->cells = NULL;
    map->n_cells = 0;
}

/* The finalizer of MurmurHash3 (Appleby, public domain): spreads consecutive or strided ids over
 * the low bits. */
static uint64_t hash_number(int64_t id)
{
    uint64_t x = (uint64_t)id;
    x = (x ^ (x >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    x = (x ^ (x >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ (x >> 33);
}

static uint64_t hash_text(const char *text, int64_t length)
{
    uint64_t x = rk__hash(RK_HASH_START, text, length);
    return x ^ (x >> 32);
}

/* Where the search for a key begins. */
static uint64_t place_of(const rk_id_map *map, int64_t key)
{
    return map->is_text ? (uint64_t)key : hash_number(key);
}

/* The first free cell for a key. */
static rk_id_cell *free_cell(const rk_id_map *map, rk_id_cell *cells, int64_t n, int64_t key)
{
    uint64_t mask = (uint64_t)n - 1, at = place_of(map, key) & mask;
    while (cells[at].index) {
        at = (at + 1) & mask;
    }
    return &cells[at];
}

static rk_status grow_cells(rk_id_map *map)
{
    rk_id_cell *cells = NULL;
    int64_t n = map->n_cells == 0 ? FIRST_CELLS : 2 * map->n_cells;
    RK_TRY(rk__calloc(&cells, n, sizeof *cells, "the table of ids"));
    for (int64_t i = 0; i < map->n_cells; i++) {
        if (map->cells[i].index) {
            *free_cell(map, cells, n, map->cells[i].key) = map->cells[i];
        }
    }
    rk__free(map->cells);
    map->cells = cells;
    map->n_cells = n;
    return RK_OK;
}

/* Room for one more id: index and cell. */
static rk_status make_room(rk_id_map *map)
{
    if (map->n == INT32_MAX) {
        RK_FAIL(RK_ERR_DATA, "there are more than %d %s", INT32_MAX, map->what);
    }
    if (map->n == map->capacity) {
        int64_t wanted = map->capacity == 0 ? FIRST_CELLS : map->capacity + map->capacity / 2;
        if (map->is_text) {
            RK_TRY(rk__realloc(&map->starts, map->n + 1, wanted + 1, sizeof *map->starts, "ids"));
            map->starts[0] = 0;
        } else {
            RK_TRY(rk__realloc(&map->numbers, map->n, wanted, sizeof *map->numbers, "ids"));
        }
        map->capacity = wanted;
    }
    return 3 * (map->n + 1) > 2 * map->n_cells ? grow_cells(map) : RK_OK;
}

bool rk__id_map_outgrows(const rk_id_map *map, int64_t n, int64_t bytes)
{
    enum { OLD_AND_NEW = 3 /* a table of twice the size, and the one before */ };
    const int64_t cells = map->n_cells * (int64_t)sizeof *map->cells;
    const int64_t ids = map->capacity * (int64_t)sizeof *map->numbers + map->bytes_capacity;
    const bool grows = 3 * (map->n + n) > 2 * map->n_cells || ids > cells;
    return map->n > 0 && grows && OLD_AND_NEW * (cells + ids) > bytes;
}

/* The next index for a key that is not in the map yet; there is room. */
static int32_t append(rk_id_map *map, int64_t key)
{
    rk_id_cell *cell = free_cell(map, map->cells, map->n_cells, key);
    *cell = (rk_id_cell){key, (int32_t)++map->n};
    return (int32_t)(map->n - 1);
}

static rk_status look_up(rk_id_map *map, int64_t id, uint64_t hash, int32_t *out_index)
{
    uint64_t mask = (uint64_t)map->n_cells - 1, at = hash & mask;
    if (map->n_cells > 0) {
        for (; map->cells[at].index; at = (at + 1) & mask) {
            if (map->cells[at].key == id) {
                *out_index = map->cells[at].index - 1;
                return RK_OK;
            }
        }
    }
    RK_TRY(make_room(map));
    map->numbers[map->n] = id;
    *out_index = append(map, id);
    return RK_OK;
}

rk_status rk__id_map_number(rk_id_map *map, int64_t id, int32_t *out_index)
{
    return look_up(map, id, hash_number(id), out_index);
}

/* Asks for the cell where the search for a key begins. */
static void prefetch(const rk_id_map *map, uint64_t hash)
{
    if (map->n_cells > 0) {
        __builtin_prefetch(&map->cells[hash & ((uint64_t)map->n_cells - 1)]);
    }
}

rk_status rk__id_map_numbers(rk_id_map *map, const int64_t *ids, int64_t n, int32_t *out)
{
    uint64_t hashes[AT_ONCE];
    for (int64_t first = 0; first < n; first += AT_ONCE) {
        int64_t count = n - first < AT_ONCE ? n - first : AT_ONCE;
        for (int64_t i = 0; i < count; i++) {
            hashes[i] = hash_number(ids[first + i]);
            prefetch(map, hashes[i]);
        }
        for (int64_t i = 0; i < count; i++) {
            int64_t at = first + i;
            if (at > 0 && ids[at] == ids[at - 1]) {
                out[at] = out[at - 1]; /* files are often sorted by user */
                continue;
            }
            RK_TRY(look_up(map, ids[at], hashes[i], &out[at]));
        }
    }
    return RK_OK;
}

static bool is_text_at(const rk_id_map *map, int64_t index, const char *text, int64_t length)
{
    return map->starts[index + 1] - map->starts[index] - 1 == length &&
           memcmp(map->bytes + map->starts[index], text, (size_t)length) == 0;
}

rk_status rk__id_map_text(rk_id_map *map, const char *text, int64_t length, int32_t *out_index)
{
    int64_t key = (int64_t)hash_text(text, length);
    uint64_t mask = (uint64_t)map->n_cells - 1, at = (uint64_t)key & mask;
    if (map->n_cells > 0) {
        for (; map->cells[at].index; at = (at + 1) & mask) {
            const rk_id_cell *cell = &map->cells[at];
            if (cell->key == key && is_text_at(map, cell->index - 1, text, length)) {
                *out_index = cell->index - 1;
                return RK_OK;
            }
        }
    }
    RK_TRY(make_room(map));
    int64_t start = map->starts[map->n], end = start + length + 1;
    if (end > map->bytes_capacity) {
        int64_t wanted = end + end / 2 + 16 * FIRST_CELLS;
        RK_TRY(rk__realloc(&map->bytes, start, wanted, 1, "the texts of ids"));
        map->bytes_capacity = wanted;
    }
    memcpy(map->bytes + start, text, (size_t)length);
    map->bytes[end - 1] = '\0';
    map->starts[map->n + 1] = end;
    *out_index = append(map, key);
    return RK_OK;
}

static int compare_numbers(const void *a, const void *b, void *data)
{
    const rk_id_map *map = data;
    int64_t x = map->numbers[*(const int32_t *)a], y = map->numbers[*(const int32_t *)b];
    return (x > y) - (x < y);
}

static int compare_texts(const void *a, const void *b, void *data)
{
    const rk_id_map *map = data;
    return strcmp(rk__id_map_text_at(map, *(const int32_t *)a),
                  rk__id_map_text_at(map, *(const int32_t *)b));
}

rk_status rk__id_map_order(const rk_id_map *map, int32_t **out)
{
    int32_t *order = NULL;
    RK_TRY(rk__alloc(&order, map->n, sizeof *order, "the order of ids"));
    for (int64_t i = 0; i < map->n; i++) {
        order[i] = (int32_t)i;
    }
    qsort_r(order, (size_t)map->n, sizeof *order, map->is_text ? compare_texts : compare_numbers,
            (void *)map);
    *out = order;
    return RK_OK;
}
