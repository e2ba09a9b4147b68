#include "data/table.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/moment.h"
#include "base/near.h"
#include "base/parse.h"
#include "data/sniff.h"
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

/* Removes blanks around a name, and RecBole's ":type", whatever the type is. */
static rk_text trim_name(rk_text name, bool typed)
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

static rk_status add_name(rk_table *table, rk_text name)
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
        RK_TRY(add_name(table, (rk_text){*names, (int64_t)strlen(*names)}));
    }
    table->n_columns = table->n_names;
    return RK_OK;
}

/* A number or a date, as names of columns hardly are and data often is. */
static bool is_data(const char *name)
{
    double value;
    size_t length = strlen(name);
    return rk__parse_real(name, length, &value) == RK_PARSE_OK ||
           rk__parse_moment(name, length, &value) == RK_PARSE_OK;
}

static rk_status check_header(const rk_table *table)
{
    for (int64_t i = 0; i < table->n_names; i++) {
        if (!is_data(table->names[i])) {
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
            RK_TRY(add_name(table, trim_name(name, format->typed)));
        }
    }
    if (table->header) {
        RK_TRY(check_header(table));
    }
    for (int i = 0; !table->header && format->names && format->names[i]; i++) {
        if (i == table->n_columns) {
            break;
        }
        RK_TRY(add_name(table, (rk_text){format->names[i], (int64_t)strlen(format->names[i])}));
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

/* ---- columns ---- */

static const char *const separators[][2] = {
    {"\t", "tabs: set separator to \\t"},  {"::", "'::': set separator to '::'"},
    {",", "commas: set separator to ','"}, {";", "semicolons: set separator to ';'"},
    {"|", "bars: set separator to '|'"},   {" ", "blanks: set separator to ' '"},
};

/* The probable reason why a column is missing, "" if none stands out. */
static const char *guess(const rk_table *table)
{
    for (int64_t i = 0; i < table->n_names; i++) {
        const char *name = table->names[i];
        if (strchr(name, '\r')) {
            return "carriage returns: line ends are mixed, save the file with one kind";
        }
        for (size_t s = 0; s < sizeof separators / sizeof separators[0]; s++) {
            /* A blank may be part of a name, so it counts only if there is a single name. */
            if (strstr(name, separators[s][0]) && (table->n_names == 1 || s < 5)) {
                return separators[s][1];
            }
        }
    }
    return NULL;
}

/* The name that was probably meant, NULL if none is near. */
static const char *nearest_name(char *const *names, int64_t n, const char *column)
{
    const char *found = NULL;
    int best = RK_NEAR_LONGEST;
    for (int64_t i = 0; i < n; i++) {
        int distance = rk__name_distance(names[i], column);
        if (distance < best && rk__is_near(distance, strlen(column))) {
            best = distance;
            found = names[i];
        }
    }
    return found;
}

rk_status rk__table_no_column(const char *path, char *const *names, int64_t n, const char *column,
                              const char *key, const char *hint)
{
    enum { MOST = 40 };
    rk_buffer list = {0};
    const char *nearest = nearest_name(names, n, column);
    rk__buffer_add(&list, "there %s: ", n == 1 ? "is" : "are");
    for (int64_t i = 0; i < n && i < MOST; i++) {
        rk_shown shown = rk__shown((rk_text){names[i], (int64_t)strlen(names[i])});
        rk__buffer_add(&list, "%s%s", i > 0 ? ", " : "", shown.text);
    }
    rk__buffer_add(&list, "%s", n > MOST ? ", ..." : "");
    if (hint) {
        rk__buffer_add(&list, " (the first line has %s)", hint);
    } else if (nearest) {
        rk__buffer_add(&list, "; did you mean '%s'?",
                       rk__shown((rk_text){nearest, (int64_t)strlen(nearest)}).text);
    }
    char *text = NULL;
    RK_TRY(rk__buffer_take(&list, &text));
    rk_status status = rk__fail(RK_ERR_DATA, __FILE__, __LINE__, __func__,
                                "%s: %s is '%s', but there is no such column; %s", path, key,
                                column, text);
    rk__free(text);
    return status;
}

static rk_status missing(const rk_table *table, const char *column, const char *key)
{
    if (table->n_names == 0) {
        RK_FAIL(RK_ERR_DATA,
                "%s: %s is '%s', but without a header columns are given by index, 0 to %lld",
                table->lines.path, key, column, (long long)table->n_columns - 1);
    }
    return rk__table_no_column(table->lines.path, table->names, table->n_names, column, key,
                               guess(table));
}

/* Of the column with that name or, if there is none, that index; -1 if there is none. What may mean
 * two columns, and a name that looks like data, is an error. */
static rk_status find_column(const rk_table *table, const char *column, const char *key,
                             int64_t *out)
{
    rk_text wanted = trim_name((rk_text){column, (int64_t)strlen(column)}, table->typed);
    int64_t found = -1, index = -1;
    bool is_index = rk__parse_int(column, strlen(column), &index) == RK_PARSE_OK && index >= 0 &&
                    index < table->n_columns;
    for (int64_t i = 0; i < table->n_names; i++) {
        if (strcmp(table->names[i], column) != 0 &&
            ((int64_t)strlen(table->names[i]) != wanted.length ||
             memcmp(table->names[i], wanted.at, (size_t)wanted.length) != 0)) {
            continue;
        }
        if (found >= 0) {
            RK_FAIL(RK_ERR_DATA,
                    "%s: %s is '%s', and two columns are called that: give it by index, %lld or "
                    "%lld",
                    table->lines.path, key, column, (long long)found, (long long)i);
        }
        found = i;
    }
    if (is_index && found >= 0 && found != index) {
        RK_FAIL(RK_ERR_DATA,
                "%s: %s is '%s', which is the index of a column and the name of another (column "
                "%lld): if the first line is data, set header to false; else rename the column",
                table->lines.path, key, column, (long long)found);
    }
    found = found < 0 && is_index ? index : found;
    if (is_index && table->header && is_data(table->names[found])) {
        RK_FAIL(RK_ERR_DATA,
                "%s: %s is '%s', and the first line has '%s' there, so it is data: set header to "
                "false",
                table->lines.path, key, column,
                rk__shown((rk_text){table->names[found], (int64_t)strlen(table->names[found])})
                    .text);
    }
    *out = found;
    return RK_OK;
}

static rk_status grow_wanted(rk_table *table)
{
    int64_t old = table->n_wanted, wanted = old == 0 ? 4 : 2 * old;
    RK_TRY(rk__realloc(&table->fields, old, wanted, sizeof *table->fields, "wanted columns"));
    RK_TRY(rk__realloc(&table->columns, old, wanted, sizeof *table->columns, "wanted columns"));
    RK_TRY(rk__realloc(&table->begins, old, wanted, sizeof *table->begins, "wanted columns"));
    RK_TRY(rk__realloc(&table->titles, old, wanted, sizeof *table->titles, "wanted columns"));
    table->wanted_capacity = (int)wanted;
    return RK_OK;
}

static rk_status add_place(rk_table *table, int64_t index)
{
    int place = table->n_wanted;
    if (place == table->wanted_capacity) {
        RK_TRY(grow_wanted(table));
    }
    if (index < table->n_names) {
        const char *name = table->names[index];
        rk_shown shown = rk__shown((rk_text){name, (int64_t)strlen(name)});
        RK_TRY(rk__strdup(&table->titles[place], shown.text));
    } else {
        RK_TRY(rk__format(&table->titles[place], "column %lld", (long long)index));
    }
    table->fields[place] = (rk_text){0};
    table->columns[place] = index;
    table->places[index] = place;
    table->n_wanted++;
    return RK_OK;
}

/* Any name is a column of a keyed table. */
static rk_status find_key(rk_table *table, const char *name, int64_t *out)
{
    for (*out = 0; *out < table->n_names; ++*out) {
        if (strcmp(table->names[*out], name) == 0) {
            return RK_OK;
        }
    }
    RK_TRY(rk__realloc(&table->places, table->n_columns, table->n_columns + 1,
                       sizeof *table->places, "the columns of a table"));
    table->places[table->n_columns++] = -1;
    return add_name(table, (rk_text){name, (int64_t)strlen(name)});
}

static rk_status want(rk_table *table, const char *column, const char *key, int *out_place)
{
    int64_t index = -1;
    *out_place = -1;
    if (table->kind && table->kind->is_keyed) {
        RK_TRY(find_key(table, column, &index));
    } else {
        RK_TRY(find_column(table, column, key, &index));
    }
    if (index >= 0 && table->places[index] < 0) {
        RK_TRY(add_place(table, index));
    }
    *out_place = index >= 0 ? table->places[index] : -1;
    return RK_OK;
}

rk_status rk__table_want_optional(rk_table *table, const char *column, int *out_place)
{
    return want(table, column, "a column", out_place);
}

rk_status rk__table_want(rk_table *table, const char *column, const char *key, int *out_place)
{
    RK_TRY(want(table, column, key, out_place));
    return *out_place < 0 ? missing(table, column, key) : RK_OK;
}

/* ---- rows ---- */

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
        } while (rk__lines_is_blank(&table->lines));
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
        bool has_comma = !table->decimal_comma &&
                         rk__parse_real_comma(trimmed.at, (size_t)trimmed.length, &other) ==
                             RK_PARSE_OK;
        RK_FAIL_AT(&table->lines, field.at, "%s '%s' is not a number, which %s needs%s",
                   table->titles[place], rk__shown(field).text, key,
                   has_comma ? "; for a decimal comma set decimal to comma" : "");
    }
    case RK_PARSE_OUT_OF_RANGE:
        break;
    }
    RK_FAIL_AT(&table->lines, field.at, "%s '%s' is too large", table->titles[place],
               rk__shown(field).text);
}
