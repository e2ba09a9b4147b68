/*
 * Delimited text as rows of the wanted columns, for csv, movielens, inter and label files.
 *
 * The separator may be any text. A field that begins with a double quote ends at the next one; in
 * it, "" is a quote, and separators and line ends are text (RFC 4180). Blank lines are skipped. The
 * first line says how many columns a row has: fewer are an error, more are an error unless they are
 * empty.
 */
#ifndef RK_DATA_TABLE_H
#define RK_DATA_TABLE_H

#include "data/lines.h"

typedef struct rk_table_format {
    const char *separator; /* not empty; \t stands for a tab */
    bool header;           /* the first line names the columns */
    bool quotes;
    bool typed;               /* names are name:type (RecBole) */
    const char *const *names; /* without header: the format's own names, NULL at the end; or NULL */
} rk_table_format;

enum { RK_TABLE_MAX_WANTED = 64, RK_TABLE_MAX_SEPARATOR = 15 };

typedef struct rk_table {
    rk_lines lines;
    char separator[RK_TABLE_MAX_SEPARATOR + 1];
    int64_t separator_length;
    bool header, quotes;
    bool pending;      /* the current line is a data row that was not returned yet */
    char **names;      /* n_names, each owned */
    int64_t n_names;   /* 0: the columns have no names */
    int64_t n_columns; /* of the first line */
    int8_t *places;    /* n_columns, owned: where in `fields` a column goes, -1 = nowhere */
    int n_wanted;
    int64_t columns[RK_TABLE_MAX_WANTED]; /* of each place */
    rk_text fields[RK_TABLE_MAX_WANTED];  /* the current row; valid until the next row */
    char titles[RK_TABLE_MAX_WANTED][64]; /* of each place, for messages */
    int64_t rows;
} rk_table;

/* A failed open owes nothing. RK_ERR_CONFIG for an invalid separator. */
rk_status rk__table_open(rk_table *table, const rk_table_format *format, const char *path,
                         rk_line_limits limits);
void rk__table_close(rk_table *table); /* a zeroed one is fine */

/* The place of a column given by name, or by its index from 0 ("2"). key: the option that names it,
 * for the error message, which lists the columns. Once per column, before the first row. */
rk_status rk__table_want(rk_table *table, const char *column, const char *key, int *out_place);

/* The same for a column that may be missing: *out_place = -1 then. */
rk_status rk__table_want_optional(rk_table *table, const char *column, int *out_place);

/* Fills `fields`; *out_end = true (and no row) after the last. A file without any row fails. */
rk_status rk__table_next(rk_table *table, bool *out_end);

/* The number in a field of the current row; key: the option that needs it, for the message. */
rk_status rk__table_real(const rk_table *table, int place, const char *key, double *out);

#endif
