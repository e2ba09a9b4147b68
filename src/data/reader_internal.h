/* Shared by the formats behind data/reader.h. */
#ifndef RK_DATA_READER_INTERNAL_H
#define RK_DATA_READER_INTERNAL_H

#include "base/buffer.h"
#include "data/id_rule.h"
#include "data/lines.h"
#include "data/table.h"
#include "data/times.h"
#include "data/where.h"

struct rk_reader {
    rk_id_rule rule;
    int64_t rows, filtered, missing;
    rk_status (*next)(rk_reader *reader, rk_record *out, bool *out_end);

    /* all but adjacency */
    rk_table table;
    int user, item, time, value; /* places; time and value may be -1 */
    int relation;                /* likewise */
    double least, most;          /* that a value may be */
    rk_times times;
    rk_where where;
    int n_fields;         /* of data.fields */
    int *field_places;    /* n_fields: places in the table, -1 = derived; owned */
    rk_text *field_texts; /* n_fields: of the row in hand; owned */

    /* triples, each of which is two records (triples.h) */
    rk_text relation_text; /* of the row in hand */
    rk_buffer query;       /* the id of the record's user */
    rk_record backward;    /* the second record; its user is in `query` when it is returned */
    bool has_backward;     /* it was not returned yet */

    /* adjacency */
    rk_lines lines;
    char separator[RK_TABLE_MAX_SEPARATOR + 1]; /* accepted besides blanks; "" = none */
    int64_t at;                                 /* offset in the current line; -1 = take the next */
    rk_record user_in_hand;
};

/* How the formats of delimited text differ. */
typedef struct rk_table_source {
    rk_table_format format;
    const char *user, *item; /* columns */
    const char *time;        /* column, "" = none */
    bool time_is_optional;   /* not named by the source: may be missing */
} rk_table_source;

rk_status rk__reader_open_table(rk_reader *reader, const rk_table_source *table_source,
                                const rk_source_options *source, const char *path,
                                rk_line_options lines);

rk_status rk__reader_open_csv(rk_reader *reader, const rk_source_options *source, const char *path,
                              rk_line_options lines);
rk_status rk__reader_open_movielens(rk_reader *reader, const rk_source_options *source,
                                    const char *path, rk_line_options lines);
rk_status rk__reader_open_inter(rk_reader *reader, const rk_source_options *source,
                                const char *path, rk_line_options lines);
rk_status rk__reader_open_jsonl(rk_reader *reader, const rk_source_options *source,
                                const char *path, rk_line_options lines);
/* mtx and npz */
rk_status rk__reader_open_matrix(rk_reader *reader, const rk_source_options *source,
                                 const char *path, rk_line_options lines);
rk_status rk__reader_open_adjacency(rk_reader *reader, const rk_source_options *source,
                                    const char *path, rk_line_options lines);

/* rk__reader_open_with, and other ways to read lines. */
rk_status rk__reader_open_lines(rk_reader **out, const rk_source_options *source, const char *path,
                                const rk_reader_options *how, rk_line_options lines);

#endif
