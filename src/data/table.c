#include "data/table.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/parse.h"

enum { MAX_COLUMNS = 10000 };

/* ---- fields of the current line ---- */

/* Where the next separator at or after `at` begins, or the end of the line. */
static const char *find_separator(const rk_table *table, const char *at, const char *stop)
{
    const char *found;
    if (table->separator_length == 1) {
        found = memchr(at, table->separator[0], (size_t)(stop - at));
    } else {
        found = memmem(at, (size_t)(stop - at), table->separator, (size_t)table->separator_length);
    }
    return found ? found : stop;
}

static rk_status wrong_count(const rk_table *table, const char *at, int64_t found, bool is_more)
{
    RK_FAIL_AT(&table->lines, at, "%s%lld column%s where %s %lld; is the separator right?",
               is_more ? "more than " : "", (long long)found, found == 1 ? "" : "s",
               table->header ? "the header has" : "the first line has",
               (long long)table->n_columns);
}

/* Only separators may follow the last column. */
static rk_status check_surplus(const rk_table *table, const char *at, const char *stop)
{
    for (const char *c = at; c < stop; c += table->separator_length) {
        if (find_separator(table, c, stop) != c) {
            return wrong_count(table, c, table->n_columns, true);
        }
    }
    return RK_OK;
}

/* Fast path: a line without quotes. */
static rk_status split_plain(rk_table *table)
{
    const char *at = rk__lines_at(&table->lines), *stop = at + rk__lines_length(&table->lines);
    for (int64_t column = 0;; column++) {
        const char *end = find_separator(table, at, stop);
        int place = table->places[column];
        if (place >= 0) {
            table->fields[place] = (rk_text){at, end - at};
        }
        if (column + 1 == table->n_columns) {
            return end == stop ? RK_OK : check_surplus(table, end, stop);
        }
        if (end == stop) {
            return wrong_count(table, stop, column + 1, false);
        }
        at = end + table->separator_length;
    }
}

/* A position in the current line; offsets from its start, since the line may grow and move. */
typedef struct field_walk {
    int64_t at;            /* where the next field begins */
    int64_t begin, length; /* the field found last */
    bool at_end;           /* it was the last one */
} field_walk;

/* The quoted field whose opening quote is at walk->at. With unquote, "" becomes " in place; the
 * bytes that this frees are filled with quotes, so that line ends are counted correctly. */
static rk_status walk_quoted(rk_table *table, field_walk *walk, bool unquote)
{
    const int64_t open = walk->at;
    int64_t to = open + 1, from = open + 1;
    walk->begin = open + 1;
    for (;;) {
        char *line = table->lines.buffer + table->lines.start;
        int64_t length = rk__lines_length(&table->lines);
        char *quote = from < length ? memchr(line + from, '"', (size_t)(length - from)) : NULL;
        int64_t stop = quote ? quote - line : length, moved = stop - from;
        if (to != from && moved > 0) {
            memmove(line + to, line + from, (size_t)moved);
        }
        to += moved;
        from = stop;
        if (!quote) {
            bool is_end = false;
            RK_TRY(rk__lines_extend(&table->lines, &is_end));
            if (is_end) {
                RK_FAIL_AT(&table->lines, rk__lines_at(&table->lines) + open,
                           "the quote that opens here is never closed");
            }
        } else if (from + 1 < length && line[from + 1] == '"') {
            if (unquote) {
                line[to++] = '"';
            } else {
                to += 2;
            }
            from += 2;
        } else {
            if (unquote) {
                memset(line + to, '"', (size_t)(from - to));
            }
            walk->length = to - walk->begin;
            walk->at = from + 1;
            return RK_OK;
        }
    }
}

/* The next field of the current line; handles quotes. */
static rk_status walk_field(rk_table *table, field_walk *walk, bool unquote)
{
    const char *line = rk__lines_at(&table->lines);
    int64_t length = rk__lines_length(&table->lines);
    if (table->quotes && walk->at < length && line[walk->at] == '"') {
        RK_TRY(walk_quoted(table, walk, unquote));
        line = rk__lines_at(&table->lines);
        length = rk__lines_length(&table->lines);
    } else {
        walk->begin = walk->at;
        walk->at = find_separator(table, line + walk->at, line + length) - line;
        walk->length = walk->at - walk->begin;
    }
    walk->at_end = walk->at == length;
    if (!walk->at_end) {
        if (find_separator(table, line + walk->at, line + length) != line + walk->at) {
            RK_FAIL_AT(&table->lines, line + walk->at,
                       "text behind a closing quote; a quote inside quotes is written \"\"");
        }
        walk->at += table->separator_length;
    }
    return RK_OK;
}

static rk_status split_quoted(rk_table *table)
{
    field_walk walk = {0};
    int64_t begins[RK_TABLE_MAX_WANTED] = {0};
    for (int64_t column = 0; column < table->n_columns; column++) {
        if (walk.at_end) {
            const char *line = rk__lines_at(&table->lines);
            return wrong_count(table, line + walk.at, column, false);
        }
        int place = table->places[column];
        RK_TRY(walk_field(table, &walk, place >= 0));
        if (place >= 0) {
            begins[place] = walk.begin;
            table->fields[place].length = walk.length;
        }
    }
    const char *line = rk__lines_at(&table->lines);
    for (int i = 0; i < table->n_wanted; i++) {
        table->fields[i].at = line + begins[i];
    }
    if (walk.at_end) {
        return RK_OK;
    }
    return check_surplus(table, line + walk.at - table->separator_length,
                         line + rk__lines_length(&table->lines));
}

/* ---- opening ---- */

static rk_status set_separator(rk_table *table, const char *text, const char *path)
{
    int64_t n = 0;
    for (const char *c = text; *c; c++, n++) {
        char byte = *c;
        if (c[0] == '\\' && c[1] == 't') {
            byte = '\t';
            c++;
        }
        if (n == RK_TABLE_MAX_SEPARATOR || byte == '"' || byte == '\n' || byte == '\r') {
            RK_FAIL(RK_ERR_CONFIG,
                    "%s: the separator '%s' cannot be used: up to %d bytes, no quote, no line end",
                    path, text, RK_TABLE_MAX_SEPARATOR);
        }
        table->separator[n] = byte;
    }
    RK_ASSERT(n > 0);
    table->separator[n] = '\0';
    table->separator_length = n;
    return RK_OK;
}

/* Removes blanks around a name, and RecBole's ":type". */
static rk_text trim_name(rk_text name, bool typed)
{
    while (name.length > 0 && (name.at[0] == ' ' || name.at[0] == '\t')) {
        name.at++;
        name.length--;
    }
    while (name.length > 0 && strchr(" \t\r", name.at[name.length - 1])) {
        name.length--;
    }
    static const char *const types[] = {":token", ":token_seq", ":float", ":float_seq"};
    for (size_t i = 0; typed && i < sizeof types / sizeof types[0]; i++) {
        int64_t length = (int64_t)strlen(types[i]);
        if (name.length > length &&
            memcmp(name.at + name.length - length, types[i], (size_t)length) == 0) {
            name.length -= length;
        }
    }
    return name;
}

static rk_status add_name(rk_table *table, rk_text name)
{
    RK_TRY(rk__realloc(&table->names, table->n_names, table->n_names + 1, sizeof(char *),
                       "the names of columns"));
    table->names[table->n_names] = NULL;
    RK_TRY(rk__strndup(&table->names[table->n_names], name.at, (size_t)name.length));
    table->n_names++;
    return RK_OK;
}

/* Counts the columns of the first line and, if it is a header, keeps their names. */
static rk_status read_first_line(rk_table *table, const rk_table_format *format)
{
    bool is_end = false;
    do {
        RK_TRY(rk__lines_next(&table->lines, &is_end));
        if (is_end) {
            RK_FAIL(RK_ERR_DATA, "%s is empty", table->lines.path);
        }
    } while (rk__lines_is_blank(&table->lines));
    field_walk walk = {0};
    while (!walk.at_end) {
        RK_TRY(walk_field(table, &walk, table->header));
        if (++table->n_columns > MAX_COLUMNS) {
            RK_FAIL(RK_ERR_DATA, "%s:%lld: more than %d columns; is the separator right?",
                    table->lines.path, (long long)table->lines.number, MAX_COLUMNS);
        }
        if (table->header) {
            rk_text name = {rk__lines_at(&table->lines) + walk.begin, walk.length};
            RK_TRY(add_name(table, trim_name(name, format->typed)));
        }
    }
    for (int i = 0; !table->header && format->names && format->names[i]; i++) {
        if (i == table->n_columns) {
            break;
        }
        RK_TRY(add_name(table, (rk_text){format->names[i], (int64_t)strlen(format->names[i])}));
    }
    table->pending = !table->header;
    RK_TRY(rk__alloc(&table->places, table->n_columns, sizeof(int8_t), "the columns of a table"));
    memset(table->places, -1, (size_t)table->n_columns);
    return RK_OK;
}

rk_status rk__table_open(rk_table *table, const rk_table_format *format, const char *path,
                         rk_line_limits limits)
{
    rk_status status = RK_OK;
    memset(table, 0, sizeof *table);
    table->header = format->header;
    table->quotes = format->quotes;
    RK_TRY(set_separator(table, format->separator, path));
    RK_TRY(rk__lines_open(&table->lines, path, limits));
    status = read_first_line(table, format);
    if (status != RK_OK) {
        rk__table_close(table);
    }
    return status;
}

void rk__table_close(rk_table *table)
{
    for (int64_t i = 0; i < table->n_names; i++) {
        rk__free(table->names[i]);
    }
    rk__free(table->names);
    rk__free(table->places);
    rk__lines_close(&table->lines);
    memset(table, 0, sizeof *table);
}

/* ---- columns ---- */

static const char *const separators[][2] = {
    {"\t", "tabs: set separator to \\t"},  {"::", "'::': set separator to '::'"},
    {",", "commas: set separator to ','"}, {";", "semicolons: set separator to ';'"},
    {"|", "bars: set separator to '|'"},   {" ", "blanks: set separator to ' '"},
};

/* The probable reason why a column is missing, "" if none stands out. */
static const char *guess(const rk_table *table)
{
    bool all_numbers = true;
    for (int64_t i = 0; i < table->n_names; i++) {
        double number;
        const char *name = table->names[i];
        all_numbers = all_numbers && rk__parse_real(name, strlen(name), &number) == RK_PARSE_OK;
        for (size_t s = 0; s < sizeof separators / sizeof separators[0]; s++) {
            /* A blank may be part of a name, so it counts only if there is a single name. */
            if (strstr(name, separators[s][0]) && (table->n_names == 1 || s < 5)) {
                return separators[s][1];
            }
        }
    }
    return all_numbers ? "numbers: set header to false and give columns by index" : NULL;
}

static rk_status missing(const rk_table *table, const char *column, const char *key)
{
    if (table->n_names == 0) {
        RK_FAIL(RK_ERR_DATA,
                "%s: %s is '%s', but without a header columns are given by index, 0 to %lld",
                table->lines.path, key, column, (long long)table->n_columns - 1);
    }
    rk_buffer list = {0};
    for (int64_t i = 0; i < table->n_names && i < 40; i++) {
        const char *name = table->names[i];
        rk_shown shown = rk__shown((rk_text){name, (int64_t)strlen(name)});
        rk__buffer_add(&list, "%s%s", i > 0 ? ", " : "", shown.text);
    }
    char *text = NULL;
    RK_TRY(rk__buffer_take(&list, &text));
    const char *hint = guess(table);
    rk_status status = rk__fail(RK_ERR_DATA, __FILE__, __LINE__, __func__,
                                "%s: %s is '%s', but there is no such column; there %s: %s%s%s%s",
                                table->lines.path, key, column, table->n_names == 1 ? "is" : "are",
                                text, table->n_names > 40 ? ", ..." : "",
                                hint ? " (the first line has " : "", hint ? hint : "");
    if (hint) {
        status = rk__fail(status, __FILE__, __LINE__, __func__, "%s)", rk_last_error());
    }
    rk__free(text);
    return status;
}

/* -1 if there is none. */
static int64_t find_column(const rk_table *table, const char *column)
{
    for (int64_t i = 0; i < table->n_names; i++) {
        if (strcmp(table->names[i], column) == 0) {
            return i;
        }
    }
    int64_t index = -1;
    if (rk__parse_int(column, strlen(column), &index) != RK_PARSE_OK || index < 0 ||
        index >= table->n_columns) {
        return -1;
    }
    return index;
}

rk_status rk__table_want_optional(rk_table *table, const char *column, int *out_place)
{
    *out_place = -1;
    int64_t index = find_column(table, column);
    if (index < 0) {
        return RK_OK;
    }
    if (table->places[index] < 0) {
        int place = table->n_wanted++;
        RK_ASSERT(place < RK_TABLE_MAX_WANTED);
        table->places[index] = (int8_t)place;
        table->columns[place] = index;
        if (index < table->n_names) {
            const char *name = table->names[index];
            rk_shown shown = rk__shown((rk_text){name, (int64_t)strlen(name)});
            memcpy(table->titles[place], shown.text, sizeof shown.text);
        } else {
            snprintf(table->titles[place], sizeof table->titles[place], "column %lld",
                     (long long)index);
        }
    }
    *out_place = table->places[index];
    return RK_OK;
}

rk_status rk__table_want(rk_table *table, const char *column, const char *key, int *out_place)
{
    RK_TRY(rk__table_want_optional(table, column, out_place));
    return *out_place < 0 ? missing(table, column, key) : RK_OK;
}

/* ---- rows ---- */

rk_status rk__table_next(rk_table *table, bool *out_end)
{
    if (table->pending) {
        table->pending = false;
        *out_end = false;
    } else {
        do {
            RK_TRY(rk__lines_next(&table->lines, out_end));
            if (*out_end) {
                if (table->rows == 0) {
                    RK_FAIL(RK_ERR_DATA, "%s has a header but no rows", table->lines.path);
                }
                return RK_OK;
            }
        } while (rk__lines_is_blank(&table->lines));
    }
    table->rows++;
    if (table->quotes && rk__lines_has_quote(&table->lines)) {
        return split_quoted(table);
    }
    return split_plain(table);
}

rk_status rk__table_real(const rk_table *table, int place, const char *key, double *out)
{
    rk_text field = table->fields[place];
    switch (rk__parse_real(field.at, (size_t)field.length, out)) {
    case RK_PARSE_OK:
        return RK_OK;
    case RK_PARSE_NOT_A_NUMBER:
        RK_FAIL_AT(&table->lines, field.at, "%s '%s' is not a number, which %s needs",
                   table->titles[place], rk__shown(field).text, key);
    case RK_PARSE_OUT_OF_RANGE:
        break;
    }
    RK_FAIL_AT(&table->lines, field.at, "%s '%s' is too large", table->titles[place],
               rk__shown(field).text);
}
