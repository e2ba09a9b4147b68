/* The inside of guessing what a file is: guess.c looks at it, guess_roles.c says which column is
 * what, guess_config.c writes the config. */
#ifndef RK_DATA_GUESS_H
#define RK_DATA_GUESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "data/lines.h"
#include "rankine/guess.h"

enum { RK_GUESS_ROWS = 200000 };

typedef struct rk_guess_column {
    char *name;                     /* "" = none; owned */
    int64_t n, empty;               /* fields; of them without a text */
    int64_t ids;                    /* numbers as integer ids are written: 0, 17 */
    int64_t numbers, comma_numbers; /* with a decimal point or none; with a decimal comma */
    int64_t dates;
    int64_t foreign;              /* texts that are not UTF-8 */
    int64_t rising;               /* numbers that are one more than in the row before */
    double first, last, min, max; /* of numbers */
    int64_t distinct, most;       /* distinct is `most` from there on */
    uint64_t *seen;               /* their hashes, 2 * most cells; owned */
} rk_guess_column;

enum { RK_ROLE_USER, RK_ROLE_ITEM, RK_ROLE_TIME, RK_ROLE_VALUE, RK_ROLE_COUNT };

typedef struct rk_look {
    const char *path;
    const char *format; /* word of source.format */
    char separator[8];  /* "" = not of this format */
    bool header;
    bool decimal_comma;
    bool is_latin1;
    bool without_quotes;      /* quotes are characters like others */
    rk_guess_column *columns; /* owned */
    int64_t n_columns;
    int64_t role[RK_ROLE_COUNT]; /* columns; -1 = none */
    int64_t rows;
    bool whole;
} rk_look;

/* Makes room for the columns of a file, which have no names yet. */
rk_status rk__guess_make_columns(rk_look *look, int64_t n);
/* Notes what is in a field of a column. */
void rk__guess_note(rk_guess_column *column, rk_text field);
/* The keys of JSON lines as columns, and what is in them. */
rk_status rk__guess_read_json(rk_look *look);

/* Does a name stand for a column of something? Its case and what is between its words do not count.
 */
bool rk__guess_knows_name(const char *name);

/* Chooses the columns. RK_ERR_DATA when there are no two for users and items. */
rk_status rk__guess_roles(rk_look *look);

/* Whether all fields of a column that are there are numbers. */
bool rk__guess_is_numeric(const rk_look *look, const rk_guess_column *column);

/* How the config names a column; free with rk__free. */
rk_status rk__guess_column_name(const rk_look *look, int64_t column, char **out);

/* Whether the ids are words; integers are sorted as numbers. */
bool rk__guess_has_text_ids(const rk_look *look);

rk_status rk__guess_config(const rk_look *look, const char *file, const char *name, char **out);

#endif
