/*
 * Rows of the wanted columns: of delimited text, for csv, movielens, inter and label files, and of
 * what table_kinds.h lists.
 *
 * The separator may be any text. A field that begins with a double quote ends at the next one; in
 * it, "" is a quote, and separators and line ends are text (RFC 4180). Blank lines are skipped. The
 * first line says how many columns a row has: fewer are an error, more are an error unless they are
 * empty.
 */
#ifndef RK_DATA_TABLE_H
#define RK_DATA_TABLE_H

#include "base/parse.h"
#include "data/lines.h"

typedef struct rk_table rk_table;
typedef struct rk_table_kind rk_table_kind;

typedef struct rk_table_format {
    const rk_table_kind *kind; /* NULL = delimited text */
    const char *separator;     /* of delimited text, not empty; \t stands for a tab */
    bool header;               /* the first line names the columns */
    bool quotes;
    bool typed;               /* names are name:type (RecBole) */
    bool decimal_comma;       /* numbers are 4,5 and not 4.5 */
    const char *const *names; /* without header: the format's own names, NULL at the end; or NULL */
} rk_table_format;

enum { RK_TABLE_MAX_SEPARATOR = 15 };

/* What other files than delimited text are, whose rows have fields of text, too. */
struct rk_table_kind {
    /* The lines are open; sets the names of the columns, if they are known. */
    rk_status (*open)(rk_table *table);
    /* Fills the fields of the wanted columns, unless *out_end. */
    rk_status (*next)(rk_table *table, bool *out_end);
    void (*close)(rk_table *table); /* frees table->own; NULL is fine there */
    bool is_keyed;  /* columns are keys of each row: any may be wanted, one may be missing */
    bool is_binary; /* opens the file by itself */
};

struct rk_table {
    const rk_table_kind *kind; /* NULL = delimited text */
    void *own;                 /* what the kind keeps */
    rk_lines lines;
    char separator[RK_TABLE_MAX_SEPARATOR + 1];
    int64_t separator_length;
    bool header, quotes, typed, decimal_comma;
    bool pending;      /* the current line is a data row that was not returned yet */
    char **names;      /* n_names, each owned */
    int64_t n_names;   /* 0: the columns have no names */
    int64_t n_columns; /* of the first line */
    int32_t *places;   /* n_columns, owned: where in `fields` a column goes, -1 = nowhere */
    int n_wanted, wanted_capacity;
    rk_text *fields;  /* n_wanted: the current row; valid until the next row; owned */
    int64_t *columns; /* n_wanted: of each place; owned */
    int64_t *begins;  /* n_wanted: where a field begins in its line; owned */
    char **titles;    /* n_wanted: of each place, for messages; each owned */
    int64_t rows;
};

/* A failed open owes nothing. RK_ERR_CONFIG for an invalid separator. */
rk_status rk__table_open(rk_table *table, const rk_table_format *format, const char *path,
                         rk_line_options lines);
void rk__table_close(rk_table *table); /* a zeroed one is fine */

/* The place of a column given by name, or by its index from 0 ("2"); the same column has the same
 * place. key: the option that names it, for the error message: there is no such column (with a list
 * of those that are there and the nearest one), there are two, or its name looks like data. Before
 * the first row. */
rk_status rk__table_want(rk_table *table, const char *column, const char *key, int *out_place);

/* The same for a column that may be missing: *out_place = -1 then. */
rk_status rk__table_want_optional(rk_table *table, const char *column, int *out_place);

/* Fills `fields`; *out_end = true (and no row) after the last. A file without any row fails. */
rk_status rk__table_next(rk_table *table, bool *out_end);

/* Says that there is no such column, what there is and what was probably meant; hint: what the
 * first line has and what to do about it, or NULL. */
rk_status rk__table_no_column(const char *path, char *const *names, int64_t n, const char *column,
                              const char *key, const char *hint);

/* A field as a number; blanks around it do not matter. */
rk_parse rk__table_parse(const rk_table *table, rk_text text, double *out);

/* The number in a field of the current row; key: the option that needs it, for the message. */
rk_status rk__table_real(const rk_table *table, int place, const char *key, double *out);

#endif
