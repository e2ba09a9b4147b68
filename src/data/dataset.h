/*
 * The data set inside the library: what the public rk_dataset points to.
 *
 * Users and items are dense indices in ascending order of their original ids (as numbers for
 * integer ids, bytewise for text ids). Item lists are ascending and free of duplicates; no pair is
 * in two parts, but with data.repeats each_part. What rows say besides (times, values ...) lies
 * beside the lists.
 */
#ifndef RK_DATA_DATASET_H
#define RK_DATA_DATASET_H

#include "config/options.h"
#include "data/details.h"
#include "rankine/dataset.h"

/* Lists of items, one a row: row u is items[offsets[u] .. offsets[u + 1]). */
typedef struct rk_lists {
    int64_t n_rows;
    int64_t *offsets; /* n_rows + 1, owned */
    int32_t *items;   /* offsets[n_rows], owned */
} rk_lists;

/* Original ids of dense indices; exactly one of the two is set. */
typedef struct rk_ids {
    int64_t n;
    int64_t *numbers; /* n, ascending; or NULL */
    char **texts;     /* n, ascending bytewise, one block with their bytes; or NULL */
} rk_ids;

/* Which file a path led to: enough to notice that another one has taken its name. */
typedef struct rk_file_id {
    uint64_t device, inode;  /* inode 0 = none */
    int64_t bytes, modified; /* modified: nanoseconds since 1970 */
} rk_file_id;

enum { RK_PARTS = 4 /* of rk_part */ };

/* A field of rows: what the indices in rk_details.field stand for. */
typedef struct rk_row_field {
    char *name;    /* owned */
    int derive;    /* RK_DERIVED_FIELD_* */
    rk_ids values; /* texts of a field of a column; none where the items are meant */
} rk_row_field;

struct rk_dataset {
    /* Lent: of a data set that is another one joined (join.h), whose everything but parts, details
     * and repeats is borrowed; NULL = all is owned. */
    const struct rk_dataset *base;
    char *name;
    char *path;      /* of the HDF5 file; "" before it is written */
    rk_file_id file; /* that was written or read there, and holds exactly this */
    /* Of one that is a run's own, where the run found it when it began: the path of the cached
     * file, owned; NULL = path. */
    char *origin;
    char sources[17];     /* digest of the state of its sources then; "" = not known (cache.h) */
    char fingerprint[17]; /* over ids and splits: rk__dataset_fingerprint */
    int64_t n_users, n_items;
    rk_ids users, items;
    char **labels; /* n_items, "" = none, one block; NULL = the data set has no labels */
    /* By rk_part: n_users rows each; all but train may be empty. given has no rows at all
     * (n_rows 0) unless users are held out. */
    rk_lists parts[RK_PARTS];
    /* Beside parts[].items; part is NULL. time is there if every source has times, value if rows
     * have values, order if somebody asked for it. */
    rk_details details[RK_PARTS];
    /* With data.repeats keep: the rows themselves, several of an item one after the other in the
     * order of the sources, of the pairs in parts[]; else without rows. */
    rk_lists repeats[RK_PARTS];
    rk_details repeat_details[RK_PARTS];
    int n_fields;
    rk_row_field *fields; /* n_fields, owned */
    int64_t n_candidates; /* of each row; 0 = none */
    /* Of RK_VALID and RK_TEST: i32 [rows of the part, n_candidates], beside parts[].items; NULL
     * elsewhere. Owned. */
    int32_t *candidates[RK_PARTS];
    struct rk_sides *sides; /* relations and features, data/sides.h; owned; NULL = none */
    /* Over details[RK_TRAIN].time: rk__dataset_times_fingerprint; "" = none. */
    char times_fingerprint[17];
    rk_dataset_stats stats;
    double seconds;  /* that it took to prepare or open it */
    rk_spill *spill; /* where its rows lie; shared; NULL = all in memory */
};

/* rk_dataset_prepare with the options themselves, already checked. */
rk_status rk__dataset_prepare(const rk_options *options, bool force, const rk_hooks *hooks,
                              rk_dataset **out);

/* rk_dataset_open within data.memory, 0 = no bound: rows that do not fit go through files beside
 * that one. hooks may be NULL. */
rk_status rk__dataset_open_within(const char *path, int64_t memory, const rk_hooks *hooks,
                                  rk_dataset **out);

/* A digest, 16 hex digits, of every option that shapes the data set, and of the paths of its
 * sources: options with the same digest give the same data set from the same files. */
rk_status rk__dataset_options_digest(const rk_options *options, char out[17]);
/* The digest of the sources' state now; "" where one is missing, or is no regular file. */
rk_status rk__dataset_sources_digest(const rk_options *options, char out[17]);

/* Puts the data set into a file of its own at path, which may exist: as a second name of the file
 * that it came from, as a clone that shares its blocks, or else written anew. */
rk_status rk__dataset_keep(const rk_dataset *dataset, const char *path);

void rk__lists_free(rk_lists *lists);

/* How many items a row has, and whether it has this one. Lists without rows have nothing. */
static inline int64_t rk__lists_count(const rk_lists *lists, int64_t row)
{
    return lists->n_rows == 0 ? 0 : lists->offsets[row + 1] - lists->offsets[row];
}

static inline bool rk__lists_has(const rk_lists *lists, int64_t row, int32_t item)
{
    int64_t lo = lists->n_rows == 0 ? 0 : lists->offsets[row];
    int64_t end = lo + rk__lists_count(lists, row);
    for (int64_t hi = end; lo < hi;) {
        int64_t middle = lo + (hi - lo) / 2;
        if (lists->items[middle] < item) {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }
    return lo < end && lists->items[lo] == item;
}

void rk__ids_free(rk_ids *ids);

/* The id of an index as text, in `room` if it is a number; NULL when out of range. */
const char *rk__ids_at(const rk_ids *ids, int64_t index, char room[RK_ID_BYTES]);

#endif
