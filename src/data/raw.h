/*
 * Interactions as read: pairs of first-seen indices in the order of the sources.
 *
 * 8 bytes per row, and what is asked of its details: 1 byte for its part if the split needs that, 8
 * for its time unless a source has none (times that only some rows have are of no use to anybody),
 * 4 each for value, order and a field.
 */
#ifndef RK_DATA_RAW_H
#define RK_DATA_RAW_H

#include "data/details.h"
#include "data/id_map.h"
#include "data/id_runs.h"
#include "data/reader.h"
#include "data/work.h"
#include "rankine/dataset.h"

typedef struct rk_raw {
    rk_id_runs users, items;
    bool with_parts, with_times, with_values;
    bool needs_times;  /* for the split */
    bool needs_order;  /* of rows, which rk__pairs_build makes */
    bool counts_rows;  /* values are 1 a row, whatever the sources say */
    int n_fields;      /* of the options, with those that are derived and empty here */
    rk_id_map *fields; /* n_fields: the values of each; owned */
    int threads;       /* to read and sort with */
    rk_work *work;     /* lent; where the rows lie and who watches; NULL = in memory, nobody */
    int64_t n, capacity;
    int64_t expected;     /* rows in the end, a guess; 0 = none */
    int32_t *user, *item; /* n each; owned */
    rk_details details;   /* n rows, capacity allocated; no order */
    int64_t n_listed, listed_capacity;
    int32_t *listed; /* users met without an item, perhaps repeatedly; owned */
    int64_t rows_read, rows_filtered, rows_missing, ids_trimmed; /* as in rk_dataset_stats */
} rk_raw;

/* Empty; the options decide the kind of ids and which details are kept; times are kept until
 * rk__raw_drop_times. work: lent, may be NULL. */
rk_status rk__raw_init(rk_raw *raw, const rk_options *options, rk_work *work);
/* A zeroed or initialised one is fine. */
void rk__raw_free(rk_raw *raw);

/* Adds n records of a source; part: RK_PART_* of the source (RK_PART_ALL counts as train). */
rk_status rk__raw_add(rk_raw *raw, const rk_record *records, int64_t n, int part);

/* The rows alone, of which there are none then. */
void rk__raw_free_rows(rk_raw *raw);

/* For good: a source has no times. Not where they are needed. */
void rk__raw_drop_times(rk_raw *raw);

/* Reads all sources of the options, one after the other. Reports progress about once a second,
 * returns RK_ERR_INTERRUPTED when the hooks ask to stop. */
rk_status rk__raw_read(rk_raw *raw, const rk_options *options, const rk_hooks *hooks);

/* The same for the rows of a caller's arrays, whose pointers have been checked. missing:
 * RK_MISSING_*. */
rk_status rk__raw_read_columns(rk_raw *raw, const rk_columns *columns, int missing,
                               const rk_hooks *hooks);

#endif
