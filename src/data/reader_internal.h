/* Shared by the formats behind data/reader.h. */
#ifndef RK_DATA_READER_INTERNAL_H
#define RK_DATA_READER_INTERNAL_H

#include "data/lines.h"
#include "data/table.h"
#include "data/where.h"

struct rk_reader {
    int ids; /* RK_IDS_* */
    int64_t rows, filtered;
    rk_status (*next)(rk_reader *reader, rk_record *out, bool *out_end);

    /* csv, movielens, inter */
    rk_table table;
    int user, item, time, value, tested; /* places; time, value and tested may be -1 */
    rk_where where;
    int n_fields;         /* of data.fields */
    int *field_places;    /* n_fields: places in the table, -1 = derived; owned */
    rk_text *field_texts; /* n_fields: of the row in hand; owned */

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
rk_status rk__reader_open_adjacency(rk_reader *reader, const rk_source_options *source,
                                    const char *path, rk_line_options lines);

/* rk__reader_open with other ways to read lines. */
rk_status rk__reader_open_limited(rk_reader **out, const rk_source_options *source,
                                  const char *path, int ids, rk_line_options lines);

/* The slow path of rk__reader_id: signs, 19 digits, and every error. */
rk_status rk__reader_id_checked(const rk_lines *lines, rk_text text, int ids, const char *title,
                                int64_t *out);

/* Checks an id and, for integer ids, returns it as a number. title: its name in messages. */
static inline rk_status rk__reader_id(const rk_lines *lines, rk_text text, int ids,
                                      const char *title, int64_t *out)
{
    enum { ALWAYS_FITS = 18 /* decimal digits, in 63 bits */ };
    if (ids == RK_IDS_INTEGER && text.length > 0 && text.length <= ALWAYS_FITS) {
        uint64_t value = 0, not_a_digit = 0;
        for (int64_t i = 0; i < text.length; i++) {
            uint64_t digit = (uint64_t)(unsigned char)text.at[i] - '0';
            not_a_digit |= digit > 9;
            value = value * 10 + digit;
        }
        if (!not_a_digit) {
            *out = (int64_t)value;
            return RK_OK;
        }
    }
    return rk__reader_id_checked(lines, text, ids, title, out);
}

#endif
