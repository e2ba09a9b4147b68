#include "data/table.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/moment.h"
#include "base/parse.h"
#include "data/sniff.h"
#include "data/table_internal.h"
#include "data/table_kinds.h"

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
                           "the quote that opens here is never closed; if quotes are ordinary "
                           "characters in this file, set quotes to false");
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
                       "text behind a closing quote; a quote inside quotes is written \"\"; if "
                       "quotes are ordinary characters in this file, set quotes to false");
        }
        walk->at += table->separator_length;
    }
    return RK_OK;
}

static rk_status split_quoted(rk_table *table)
{
    field_walk walk = {0};
    for (int64_t column = 0; column < table->n_columns; column++) {
        if (walk.at_end) {
            const char *line = rk__lines_at(&table->lines);
            return wrong_count(table, line + walk.at, column, false);
        }
        int place = table->places[column];
        RK_TRY(walk_field(table, &walk, place >= 0));
        if (place >= 0) {
            table->begins[place] = walk.begin;
            table->fields[place].length = walk.length;
        }
    }
    const char *line = rk__lines_at(&table->lines);
    for (int i = 0; i < table->n_wanted; i++) {
        table->fields[i].at = line + table->begins[i];
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

rk_text rk__table_trim_name(rk_text name, bool typed)
{
    name = rk__trimmed(name);
    while (name.length > 0 && name.at[name.length - 1] == '\r') {
        name.length--;
    }
    name = rk__trimmed(name);
    for (int64_t i = name.length - 1; typed && i > 0; i--) {
        bool is_type = (name.at[i] >= 'a' && name.at[i] <= 'z') || name.at[i] == '_';
        if (name.at[i] == ':' && i + 1 < name.length) {
            name.length = i;
        }
        if (!is_type) {
            break;
        }
    }
    return name;
}

rk_status rk__table_add_name(rk_table *table, rk_text name)
{
    RK_TRY(rk__realloc(&table->names, table->n_names, table->n_names + 1, sizeof(char *),
                       "the names of columns"));
    table->names[table->n_names] = NULL;
    RK_TRY(rk__strndup(&table->names[table->n_names], name.at, (size_t)name.length));
    table->n_names++;
    return RK_OK;
}

rk_status rk__table_set_names(rk_table *table, const char *const *names)
{
    for (; *names; names++) {
        RK_TRY(rk__table_add_name(table, (rk_text){*names, (int64_t)strlen(*names)}));
    }
    table->n_columns = table->n_names;
    return RK_OK;
}

bool rk__table_is_data(const char *name)
{
    double value;
    size_t length = strlen(name);
    return rk__parse_real(name, length, &value) == RK_PARSE_OK ||
           rk__parse_moment(name, length, &value) == RK_PARSE_OK;
}

static rk_status check_header(const rk_table *table)
{
    for (int64_t i = 0; i < table->n_names; i++) {
        if (!rk__table_is_data(table->names[i])) {
            return RK_OK;
        }
    }
    RK_FAIL(RK_ERR_DATA,
            "%s:%lld: the first line has no names but numbers, so it is data: set header to false "
            "and give columns by index, e.g. user: 0%s",
            table->lines.path, (long long)table->lines.number,
            table->typed ? ", with format csv" : "");
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
    RK_TRY(rk__sniff_text(table->lines.path, rk__lines_at(&table->lines),
                          rk__lines_length(&table->lines)));
    field_walk walk = {0};
    while (!walk.at_end) {
        RK_TRY(walk_field(table, &walk, table->header));
        if (++table->n_columns > MAX_COLUMNS) {
            RK_FAIL(RK_ERR_DATA, "%s:%lld: more than %d columns; is the separator right?",
                    table->lines.path, (long long)table->lines.number, MAX_COLUMNS);
        }
        if (table->header) {
            rk_text name = {rk__lines_at(&table->lines) + walk.begin, walk.length};
            RK_TRY(rk__table_add_name(table, rk__table_trim_name(name, format->typed)));
        }
    }
    if (table->header) {
        RK_TRY(check_header(table));
    }
    for (int i = 0; !table->header && format->names && format->names[i]; i++) {
        if (i == table->n_columns) {
            break;
        }
        RK_TRY(rk__table_add_name(table,
                                  (rk_text){format->names[i], (int64_t)strlen(format->names[i])}));
    }
    table->pending = !table->header;
    RK_TRY(rk__alloc(&table->places, table->n_columns, sizeof *table->places,
                     "the columns of a table"));
    memset(table->places, -1, (size_t)table->n_columns * sizeof *table->places);
    return RK_OK;
}

static rk_status open_kind(rk_table *table)
{
    RK_TRY(table->kind->open(table));
    if (table->n_columns > 0) {
        RK_TRY(rk__alloc(&table->places, table->n_columns, sizeof *table->places,
                         "the columns of a table"));
        memset(table->places, -1, (size_t)table->n_columns * sizeof *table->places);
    }
    return RK_OK;
}

rk_status rk__table_open(rk_table *table, const rk_table_format *format, const char *path,
                         rk_line_options lines)
{
    rk_status status = RK_OK;
    *table = (rk_table){.kind = format->kind,
                        .header = format->header,
                        .quotes = format->quotes,
                        .typed = format->typed,
                        .decimal_comma = format->decimal_comma};
    if (!table->kind) {
        RK_TRY(set_separator(table, format->separator, path));
    }
    if (table->kind && table->kind->is_binary) {
        RK_TRY(rk__strdup(&table->lines.path, path));
        table->lines.options = lines;
    } else {
        RK_TRY(rk__lines_open(&table->lines, path, lines));
    }
    status = table->kind ? open_kind(table) : read_first_line(table, format);
    if (status != RK_OK) {
        rk__table_close(table);
    }
    return status;
}

void rk__table_close(rk_table *table)
{
    if (table->kind) {
        table->kind->close(table);
    }
    for (int64_t i = 0; i < table->n_names; i++) {
        rk__free(table->names[i]);
    }
    for (int i = 0; i < table->n_wanted; i++) {
        rk__free(table->titles[i]);
    }
    rk__free(table->names);
    rk__free(table->places);
    rk__free(table->fields);
    rk__free(table->columns);
    rk__free(table->begins);
    rk__free(table->titles);
    rk__lines_close(&table->lines);
    *table = (rk_table){0};
}

/* ---- rows ---- */

/* A line of tabs is blank, or a row of empty fields where tabs divide it. */
static bool is_blank(const rk_table *table)
{
    const rk_lines *lines = &table->lines;
    bool is_divided = table->separator_length == 1 && table->separator[0] == '\t' &&
                      table->n_columns > 1 &&
                      memchr(rk__lines_at(lines), '\t', (size_t)rk__lines_length(lines));
    return !is_divided && rk__lines_is_blank(lines);
}

rk_status rk__table_next(rk_table *table, bool *out_end)
{
    if (table->kind) {
        RK_TRY(table->kind->next(table, out_end));
        if (*out_end && table->rows == 0) {
            RK_FAIL(RK_ERR_DATA, "%s has no rows", table->lines.path);
        }
        table->rows += !*out_end;
        return RK_OK;
    }
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
        } while (is_blank(table));
    }
    table->rows++;
    if (table->quotes && rk__lines_has_quote(&table->lines)) {
        return split_quoted(table);
    }
    return split_plain(table);
}

rk_parse rk__table_parse(const rk_table *table, rk_text text, double *out)
{
    text = rk__trimmed(text);
    return table->decimal_comma ? rk__parse_real_comma(text.at, (size_t)text.length, out)
                                : rk__parse_real(text.at, (size_t)text.length, out);
}

rk_status rk__table_real(const rk_table *table, int place, const char *key, double *out)
{
    rk_text field = table->fields[place];
    double other = 0;
    switch (rk__table_parse(table, field, out)) {
    case RK_PARSE_OK:
        return RK_OK;
    case RK_PARSE_NOT_A_NUMBER: {
        rk_text trimmed = rk__trimmed(field);
        bool has_comma =
            !table->decimal_comma &&
            rk__parse_real_comma(trimmed.at, (size_t)trimmed.length, &other) == RK_PARSE_OK;
        RK_FAIL_AT(&table->lines, field.at, "%s '%s' is not a number, which %s needs%s",
                   table->titles[place], rk__shown(field).text, key,
                   has_comma             ? "; for a decimal comma set decimal to comma"
                   : trimmed.length == 0 ? "; where \"COLUMN != '' and ...\" leaves empty ones out"
                                         : "");
    }
    case RK_PARSE_OUT_OF_RANGE:
        break;
    }
    RK_FAIL_AT(&table->lines, field.at, "%s '%s' is too large", table->titles[place],
               rk__shown(field).text);
}
