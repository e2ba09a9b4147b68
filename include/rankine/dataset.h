/*
 * A prepared data set: dense ids, splits, item labels, statistics, fingerprint; one HDF5 file.
 *
 * Threads: every call may be made from any number of threads at once, also with the same config and
 * the same columns, as long as nobody changes those meanwhile (rankine/status.h about HDF5 files).
 * Once a data set is there nothing changes it: any number of threads may read one. rk_dataset_free
 * is for one of them, when the others are done.
 */
#ifndef RANKINE_DATASET_H
#define RANKINE_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rankine/config.h"
#include "rankine/hooks.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rk_dataset rk_dataset;

/* The data set of a config: read from data.cache if a file there was made from the same options and
 * sources (by path, size, and the times of modification and change), else prepared from the
 * sources and cached, beside those that are there (rankine/cache.h). force prepares it in any case,
 * and so does a source that is no regular file. Several processes may prepare at once. hooks may be
 * NULL; if they ask to stop, RK_ERR_INTERRUPTED is returned and nothing is written. Free with
 * rk_dataset_free.
 *
 * Of several rows with the same user and item, one is kept: in the first of train, valid and test
 * that has it, with the earliest time, so that nothing known before is held out; its value is that
 * of data.repeat_value, its fields are those of the earliest row. With data.repeats keep the rows
 * of that part are kept beside it: rk_dataset_rows. */
RK_API rk_status rk_dataset_prepare(const rk_config *config, bool force, const rk_hooks *hooks,
                                    rk_dataset **out);

/* Interactions in memory, a row each. Begin with rk_columns_defaults(), or with zeros and `size`.
 * All arrays have n elements and are lent until the call returns. */
typedef struct rk_columns {
    size_t size; /* sizeof(rk_columns), so that later members are optional */
    int64_t n;   /* rows */
    /* Original ids, >= 0, with data.ids integer; or both NULL. */
    const int64_t *users, *items;
    /* Original ids with data.ids text, none empty; or both NULL. */
    const char *const *user_texts, *const *item_texts;
    const double *times; /* finite; seconds, or what source.time_unit auto tells; NULL = none */
    /* rk_part of each row; RK_GIVEN of users who have none in RK_TRAIN. Wanted with split.kind
     * given, which is the default; NULL with the others, which decide by split.*: ratio with
     * split.valid and split.test 0 puts all into train. */
    const uint8_t *parts;
    const double *values; /* rating, count or confidence, within a float; NULL = none */
    /* For each of data.fields an array of n texts, NULL or "" where a row has none; NULL for one
     * that is derived. NULL where there are no data.fields, or only derived ones. */
    const char *const *const *fields;
} rk_columns;

/* No rows. */
RK_API rk_columns rk_columns_defaults(void);

/* A data set of arrays: duplicates, filters (data.min_user ...), split and statistics are those of
 * rk_dataset_prepare, and the same rows give the same fingerprint. data.sources, data.cache and
 * labels.* of the config are not looked at; nothing but the files
 * of data.relations and data.features is read, and nothing written, so rk_dataset_path is "".
 * What is wrong with a row is RK_ERR_DATA with its number, from 0; columns that do not go with the
 * options are RK_ERR_CONFIG. hooks may be NULL. Free with rk_dataset_free. */
RK_API rk_status rk_dataset_from_columns(const rk_config *config, const rk_columns *columns,
                                         const rk_hooks *hooks, rk_dataset **out);

/* Opens a prepared file as it is. A truncated, foreign or corrupted file is RK_ERR_DATA. Free with
 * rk_dataset_free. */
RK_API rk_status rk_dataset_open(const char *path, rk_dataset **out);

/* NULL is fine. */
RK_API void rk_dataset_free(rk_dataset *dataset);

/* A degree distribution over all users or all items. A quantile is the smallest degree that at
 * least this share of them does not exceed. */
typedef struct rk_degrees {
    int64_t min, median, max;
    double mean;
    int64_t decile[9]; /* 10 % .. 90 %; decile[4] is the median */
} rk_degrees;

/* The counts of a data set and of what was dropped on the way to it. */
typedef struct rk_dataset_stats {
    int64_t users, items;
    int64_t rows_read;     /* data rows in all sources, before anything was dropped */
    int64_t rows_filtered; /* dropped by a source's where */
    int64_t rows_missing;  /* dropped by data.missing_ids: rows without a user or an item */
    int64_t ids_trimmed;   /* text ids, counted row by row, that had blanks at their ends */
    int64_t duplicates;    /* dropped: the same user and item again in the same part */
    int64_t overlap;       /* dropped: held-out pairs of a given split that an earlier part has */
    int64_t interactions;  /* kept, over all parts */
    int64_t train, valid, test;
    int64_t filter_passes;                /* rounds of min_user / min_item that dropped something */
    int64_t users_dropped, items_dropped; /* by those rounds */
    int64_t empty_users;                  /* without an item in train (left out of training) */
    int64_t valid_users, test_users;      /* users with at least one item in that part */
    /* distinct items of that part without a train interaction */
    int64_t cold_valid_items, cold_test_items;
    int64_t cold_items;                    /* items without a train interaction */
    int64_t cold_test_users;               /* users with test items but no train item */
    double density;                        /* interactions / (users * items) */
    rk_degrees user_degrees, item_degrees; /* in train */
    int64_t given;       /* kept interactions in RK_GIVEN; not among train, valid and test */
    int64_t given_users; /* users who have some */
    int64_t tied_users;  /* users whose held-out rows were chosen among rows of equal time */
    int64_t repeats;     /* rows that data.repeats keep has kept; 0 without it */
    int64_t in_gap;      /* dropped: interactions in split.gap */
} rk_dataset_stats;

RK_API const rk_dataset_stats *rk_dataset_get_stats(const rk_dataset *dataset);
RK_API const char *rk_dataset_name(const rk_dataset *dataset);
RK_API const char *rk_dataset_path(const rk_dataset *dataset); /* of the HDF5 file, or "" */

/* A hash of ids, splits and what rows say besides (not of times), 16 hex digits: data sets with the
 * same fingerprint train alike. */
RK_API const char *rk_dataset_fingerprint(const rk_dataset *dataset);

/* Original id of a dense index, as text; NULL when out of range. An integer id is written into
 * `room`, a text id is the data set's own, so go by what is returned. */
enum { RK_ID_BYTES = 24 };
RK_API const char *rk_dataset_user_id(const rk_dataset *dataset, int64_t user,
                                      char room[RK_ID_BYTES]);
RK_API const char *rk_dataset_item_id(const rk_dataset *dataset, int64_t item,
                                      char room[RK_ID_BYTES]);

/* The ids of all users or of all items, by dense index; they ascend, as numbers or bytewise. Either
 * numbers or texts is set. Owned by the data set. */
typedef struct rk_id_list {
    int64_t n;
    const int64_t *numbers;   /* n, with data.ids integer; else NULL */
    const char *const *texts; /* n, UTF-8, with data.ids text; else NULL */
} rk_id_list;
RK_API rk_id_list rk_dataset_user_ids(const rk_dataset *dataset);
RK_API rk_id_list rk_dataset_item_ids(const rk_dataset *dataset);

/* Label of an item, "" if it has none. Owned by the data set. */
RK_API const char *rk_dataset_item_label(const rk_dataset *dataset, int64_t item);
/* Those of all items; NULL = the data set has no labels. Owned by the data set. */
RK_API const char *const *rk_dataset_item_labels(const rk_dataset *dataset);

/* Dense index of an original id, e.g. "17"; of a text id also in a form of Unicode that looks the
 * same. RK_ERR_DATA, naming the id, if there is none. */
RK_API rk_status rk_dataset_find_user(const rk_dataset *dataset, const char *id, int64_t *out);
RK_API rk_status rk_dataset_find_item(const rk_dataset *dataset, const char *id, int64_t *out);

/* RK_GIVEN: what is known of users who are held out (split.kind users). Nobody trains on it and it
 * is no target; it tells who they are. */
typedef enum rk_part { RK_TRAIN, RK_VALID, RK_TEST, RK_GIVEN } rk_part;

/* "train", "valid", "test" or "given", as in every file and message; NULL if out of range. */
RK_API const char *rk_part_name(rk_part part);

/* A user's items in a part: *out_count dense indices, ascending. Owned by the data set. */
RK_API rk_status rk_dataset_items(const rk_dataset *dataset, rk_part part, int64_t user,
                                  const int32_t **out_items, int64_t *out_count);

/* The same of all users: those of user u are (*out_items)[(*out_offsets)[u]] to
 * (*out_items)[(*out_offsets)[u + 1] - 1]. Both are NULL for a part without rows. Owned by the data
 * set. */
RK_API rk_status rk_dataset_lists(const rk_dataset *dataset, rk_part part,
                                  const int64_t **out_offsets, const int32_t **out_items);

/* The rows of a user in a part: the items of rk_dataset_items or, with data.repeats keep, the rows
 * themselves, several of an item one after the other in the order of the sources. Begin with
 * rk_rows_defaults(). All arrays have n elements and are owned by the data set. */
typedef struct rk_rows {
    size_t size; /* sizeof(rk_rows) */
    int64_t n;
    const int32_t *items;  /* dense indices, ascending */
    const double *times;   /* in seconds; NULL = the data set has none */
    const float *values;   /* source.value, or counts; NULL = the data set has none */
    const int32_t *places; /* among the rows of the user in the order of the sources, from 0; NULL
                            * unless something asked for it: split.ties row, data.repeats keep,
                            * data.fields with derive */
} rk_rows;
RK_API rk_rows rk_rows_defaults(void);
RK_API rk_status rk_dataset_rows(const rk_dataset *dataset, rk_part part, int64_t user,
                                 rk_rows *out);

/* The fields of rows: how many data.fields there are, and their names (NULL out of range). */
RK_API int64_t rk_dataset_n_fields(const rk_dataset *dataset);
RK_API const char *rk_dataset_field_name(const rk_dataset *dataset, int64_t field);

/* A field of the rows that rk_dataset_rows gives: numbers of values, -1 = empty (the first row, for
 * previous_item). Of a derived field they are items. Owned by the data set. */
RK_API rk_status rk_dataset_field(const rk_dataset *dataset, int64_t field, rk_part part,
                                  int64_t user, const int32_t **out_values);

/* The text of a field's value; values are numbered in the order of their texts. NULL when out of
 * range; of a derived field it is the item's id, written into `room` if it is a number. */
RK_API const char *rk_dataset_field_value(const rk_dataset *dataset, int64_t field, int64_t value,
                                          char room[RK_ID_BYTES]);

/* The number of the value with that text (of a derived field: of the item with that id). The empty
 * text is -1, as in rk_dataset_field. RK_ERR_DATA if no row has it. */
RK_API rk_status rk_dataset_find_value(const rk_dataset *dataset, int64_t field, const char *text,
                                       int64_t *out);

/* The candidates of split.candidates of a user's rows in valid or test: *out_each of every item of
 * rk_dataset_items, one after the other, as drawn.
 * *out_each is 0 where there are none. Owned by the data set. */
RK_API rk_status rk_dataset_candidates(const rk_dataset *dataset, rk_part part, int64_t user,
                                       const int32_t **out_candidates, int64_t *out_each);

/* A generated data set: users and items in taste clusters, item popularity by a power law. */
typedef struct rk_synth_options {
    int64_t users, items; /* 1 to 2^31 - 2 */
    int64_t interactions; /* exact number of distinct pairs, from users to users * items */
    int64_t clusters;     /* 1 to items */
    double affinity;      /* share of a user's interactions inside their cluster, 0..1 */
    double exponent; /* an item is drawn with weight rank^-exponent, 0..4; since a user draws no
                      * item twice, the most popular items end up below this law */
    uint64_t seed;
} rk_synth_options;

/* The demo's data set; training on it takes well under a minute on two cores. */
RK_API rk_synth_options rk_synth_defaults(void);

/* Writes into a folder, which is created if need be:
 *
 *   ratings.csv   user_id,item_id,rating,timestamp; sorted by user, then by time
 *   items.csv     item_id,title; the title names the cluster
 *   synth.yaml    a config that trains on them
 *
 * Ids count from 1. Ratings inside a user's cluster are mostly 4 and 5, the others mostly 1 to 3.
 * The same options give the same bytes on every machine. Refuses to overwrite unless force; on
 * failure nothing is left behind. RK_ERR_CONFIG for options out of range. hooks may be NULL. */
RK_API rk_status rk_synth_write(const rk_synth_options *options, const char *directory, bool force,
                                const rk_hooks *hooks);

#ifdef __cplusplus
}
#endif
#endif
