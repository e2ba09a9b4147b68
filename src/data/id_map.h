/*
 * Original ids to indices in the order of their first appearance, for millions of look-ups per
 * second.
 *
 * A map holds integers or texts, never both. Open addressing with linear probing, at most two
 * thirds full. A cell has the id itself (or the hash of the text), so that a look-up waits for
 * memory only once; in a table of millions of ids that wait is the whole cost.
 */
#ifndef RK_DATA_ID_MAP_H
#define RK_DATA_ID_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef struct rk_id_cell {
    int64_t key;   /* the integer, or the hash of the text */
    int32_t index; /* + 1; 0 = free */
} rk_id_cell;

typedef struct rk_id_map {
    bool is_text;
    const char *what; /* "users", for messages; lent */
    int64_t n;        /* distinct ids so far, below 2^31 */
    int64_t capacity; /* of numbers or starts */
    int64_t *numbers; /* integer ids: n; owned */
    int64_t *starts;  /* text ids: n + 1 offsets into bytes; owned */
    char *bytes;      /* text ids, each with a final zero byte; owned */
    int64_t bytes_capacity;
    rk_id_cell *cells; /* owned */
    int64_t n_cells;   /* a power of two */
} rk_id_map;

/* Makes an empty map, which owns nothing. */
void rk__id_map_init(rk_id_map *map, bool is_text, const char *what);
/* A zeroed map is fine. */
void rk__id_map_free(rk_id_map *map);

/* The index of an id; an id met for the first time gets the next one. More than 2^31 - 1 ids are
 * RK_ERR_DATA. */
rk_status rk__id_map_number(rk_id_map *map, int64_t id, int32_t *out_index);
/* The same for n ids in turn; their waits for memory overlap. */
rk_status rk__id_map_numbers(rk_id_map *map, const int64_t *ids, int64_t n, int32_t *out);
rk_status rk__id_map_text(rk_id_map *map, const char *text, int64_t length, int32_t *out_index);

/* Whether n more ids may make the map grow, and would then take more than so many bytes. */
bool rk__id_map_outgrows(const rk_id_map *map, int64_t n, int64_t bytes);

/* Gives back what only look-ups need, most of a map of integers; there are none after it. */
void rk__id_map_end(rk_id_map *map);

static inline const char *rk__id_map_text_at(const rk_id_map *map, int64_t index)
{
    return map->bytes + map->starts[index];
}

/* All indices in ascending order of their ids: as numbers, or bytewise. Free *out with rk__free. */
rk_status rk__id_map_order(const rk_id_map *map, int32_t **out);

#endif
