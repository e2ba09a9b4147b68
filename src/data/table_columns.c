/* The columns of a table: found by name or index, or said to be missing, doubled or no header. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/near.h"
#include "base/parse.h"
#include "config/utf8.h"
#include "data/table_internal.h"

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
        if (!rk__utf8_is_valid(name, strlen(name))) {
            return "bytes that are not UTF-8: if the file is in Latin-1, set encoding to latin-1";
        }
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

static rk_shown shown_name(const char *name)
{
    return rk__shown((rk_text){name, (int64_t)strlen(name)});
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
    rk_status status =
        rk__fail(RK_ERR_DATA, __FILE__, __LINE__, __func__,
                 "%s: %s is '%s', but there is no such column; %s", path, key, column, text);
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
    rk_text wanted = rk__table_trim_name((rk_text){column, (int64_t)strlen(column)}, table->typed);
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
    for (int64_t i = 0; is_index && table->header && i < table->n_names; i++) {
        if (rk__table_is_data(table->names[i])) {
            RK_FAIL(RK_ERR_DATA,
                    "%s: %s is '%s', and the first line has '%s', so it is data and no header: set "
                    "header to false",
                    table->lines.path, key, column, shown_name(table->names[i]).text);
        }
    }
    found = found < 0 && is_index ? index : found;
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
    return rk__table_add_name(table, (rk_text){name, (int64_t)strlen(name)});
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
