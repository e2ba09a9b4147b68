/*
 * Streaming readers: one record at a time from a file, never the whole file in memory.
 *
 * Every format gives the same records. Bad input is RK_ERR_DATA with file:line:column, the text
 * found and the text expected; columns are counted in bytes, from 1. Accepted everywhere: CRLF, CR,
 * a missing last line end, a UTF-8 byte order mark, blank lines, gzip and zstd. NUL bytes, UTF-16
 * and lines above 64 MiB are errors, and so are a file without data and, for delimited text, a row
 * with fewer or more columns than the first line. id_rule.h says what an id may be.
 */
#ifndef RK_DATA_READER_H
#define RK_DATA_READER_H

#include "config/options.h"
#include "data/stream.h"

typedef struct rk_text {
    const char *at; /* not zero-terminated; valid until the next record */
    int64_t length;
} rk_text;

typedef struct rk_record {
    rk_text user, item;       /* the ids as in the file, without quotes; text ids without blanks */
    int64_t user_id, item_id; /* as numbers, >= 0, when data.ids is integer */
    bool has_item;            /* false: adjacency lists a user with no items */
    double time;              /* for rk__reader_settle_times; 0 when the source has no times */
    double value;             /* 0 when the source names no value column */
    const rk_text *fields;    /* one per data.fields, empty where derived; NULL = none; as user */
    int64_t line;             /* from 1 */
} rk_record;

typedef struct rk_reader rk_reader;

/* path: resolved. ids: RK_IDS_*. Looks up the source's columns in the header; a missing column is
 * RK_ERR_DATA, which lists those that exist. A file that cannot be read is RK_ERR_IO, an invalid
 * where or separator RK_ERR_CONFIG. */
rk_status rk__reader_open(rk_reader **out, const rk_source_options *source, const char *path,
                          int ids);

typedef struct rk_reader_options {
    int ids;              /* RK_IDS_* */
    int missing;          /* RK_MISSING_* */
    rk_reals value_range; /* data.value_range: a value outside of it is an error */
    rk_stop stop; /* asked now and then, also while a pipe has nothing to read; on the thread that
                   * opens and reads */
} rk_reader_options;
/* The same with more to say. The options are only read here. */
rk_status rk__reader_open_with(rk_reader **out, const rk_source_options *source, const char *path,
                               const rk_reader_options *how);

/* Looks up the columns of data.fields, before the first record, so that records have them. A column
 * that is not there is RK_ERR_DATA; a format without columns RK_ERR_CONFIG. */
rk_status rk__reader_want_fields(rk_reader *reader, const rk_options *options,
                                 const rk_source_options *source, const char *path);

/* *out_end = true (and no record) after the last one. Rows that `where` drops or that have no id
 * are not returned. RK_ERR_INTERRUPTED if the caller wants to stop. */
rk_status rk__reader_next(rk_reader *reader, rk_record *out, bool *out_end);

/* Whether records have a time: the source's column, or the format's own where the file has it. */
bool rk__reader_has_time(const rk_reader *reader);

/* After the last record: makes seconds of the times of n records, in place. Their unit is only
 * known then (times.h); RK_ERR_DATA where it is not. Any thread. */
rk_status rk__reader_settle_times(const rk_reader *reader, double *times, int64_t n);

/* So far: data rows read (adjacency: items), rows dropped by `where`, rows dropped because they
 * have no id, ids from which blanks were taken, bytes of the file that the rows are; size of the
 * file in bytes, 0 for a pipe. */
typedef struct rk_reader_counts {
    int64_t rows, filtered, missing, trimmed, bytes, file_bytes;
} rk_reader_counts;
rk_reader_counts rk__reader_counts(const rk_reader *reader);
void rk__reader_close(rk_reader *reader); /* NULL is fine */

/* Streams the labels of the file at path with the options `labels` and calls `take` for each row;
 * in its record only item, item_id and line are set. Labels are UTF-8; one that is not is taken for
 * Latin-1 and converted. A failure of take ends the reading and is returned. */
typedef rk_status (*rk_label_fn)(void *self, const rk_record *id_in_item, rk_text label);
rk_status rk__labels_read(const rk_options *options, const char *path, rk_stop stop,
                          rk_label_fn take, void *self);

/* Puts data.root or the config's folder in front of a relative path. Free with rk__free. */
rk_status rk__source_path(const rk_options *options, const char *file, char **out);

#endif
