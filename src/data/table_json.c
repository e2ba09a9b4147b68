#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "data/sniff.h"
#include "data/table_kinds.h"

typedef struct json_rows {
    json_t *row;         /* the current one, whose texts are lent to the fields */
    char (*numbers)[40]; /* a field each; owned */
} json_rows;

static rk_status open_rows(rk_table *table)
{
    json_rows *rows = NULL;
    RK_TRY(rk__calloc(&rows, 1, sizeof *rows, "JSON lines"));
    table->own = rows;
    return RK_OK;
}

static void close_rows(rk_table *table)
{
    json_rows *rows = table->own;
    if (rows) {
        json_decref(rows->row);
        rk__free(rows->numbers);
        rk__free(rows);
    }
}

static rk_status not_json(const rk_table *table, const json_error_t *error)
{
    const rk_lines *lines = &table->lines;
    const char *line = rk__lines_at(lines);
    int64_t length = rk__lines_length(lines), at = error->position;
    int64_t first = (int64_t)strspn(line, " \t");
    if (line[first] != '{') {
        RK_FAIL_AT(lines, line,
                   "'%s' is not a JSON object; format jsonl has one object a line, set format to "
                   "csv for delimited text",
                   rk__shown((rk_text){line, length}).text);
    }
    bool is_python = first + 1 < length && line[first + 1] == '\'';
    at = at < 0 ? 0 : at > length ? length : at;
    if (json_error_code(error) == json_error_numeric_overflow) {
        RK_FAIL_AT(lines, line + at,
                   "%s: a number must fit 64 bits, with its sign; write what does not "
                   "in quotes",
                   error->text);
    }
    if (json_error_code(error) == json_error_premature_end_of_input) {
        RK_FAIL_AT(lines, line + at,
                   "the object does not end in its line: JSON lines have one on each line; write "
                   "them so, e.g. jq -c . FILE > data.jsonl (of an array: jq -c '.[]' FILE)");
    }
    RK_FAIL_AT(lines, line + at, "this is no JSON: %s%s", error->text,
               is_python ? "; with single quotes it is a Python literal: write it by json.dumps"
                         : "");
}

/* NULL if there is none. */
static const json_t *find(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    const char *dot = value ? NULL : strchr(key, '.');
    char name[128];
    if (!dot || (size_t)(dot - key) >= sizeof name) {
        return value;
    }
    memcpy(name, key, (size_t)(dot - key));
    name[dot - key] = '\0';
    return find(json_object_get(object, name), dot + 1);
}

static rk_status no_key(const rk_table *table, const json_t *row, const char *key)
{
    rk_status status = RK_OK;
    char **names = NULL, *place = NULL;
    int64_t n = 0;
    const char *name;
    json_t *value;
    RK_TRY_GOTO(done, rk__calloc(&names, (int64_t)json_object_size(row), sizeof *names, "keys"));
    json_object_foreach((json_t *)row, name, value)
    {
        RK_TRY_GOTO(done, rk__strdup(&names[n++], name));
    }
    RK_TRY_GOTO(done,
                rk__format(&place, "%s:%lld", table->lines.path, (long long)table->lines.number));
    status = rk__table_no_column(place, names, n, key, "a key that the config asks for", NULL);
done:
    for (int64_t i = 0; i < n; i++) {
        rk__free(names[i]);
    }
    rk__free(names);
    rk__free(place);
    return status;
}

/* The first number of the line that has this value and is not an integer, as it is written. Texts
 * are passed over; their quotes inside have a backslash. */
static bool find_written(const rk_lines *lines, double value, char out[40])
{
    const char *at = rk__lines_at(lines), *end = at + rk__lines_length(lines);
    bool is_text = false;
    while (at < end) {
        size_t length = is_text ? 0 : strspn(at, "+-.0123456789eE");
        length = length < (size_t)(end - at) ? length : (size_t)(end - at);
        double number = 0;
        if (length > 1 && length < 40 && memchr("-0123456789", *at, 11) &&
            rk__parse_real(at, length, &number) == RK_PARSE_OK && number == value) {
            memcpy(out, at, length);
            out[length] = '\0';
            if (strpbrk(out, ".eE")) {
                return true;
            }
        }
        if (*at == '"') {
            is_text = !is_text;
        }
        at += length > 0 ? length : is_text && *at == '\\' && at + 1 < end ? 2 : 1;
    }
    return false;
}

/* As it is written, for it may be an id; else with a fraction even where it is 0, so that 1.0 is
 * not taken for the integer 1. */
static void print_real(const rk_lines *lines, char out[40], double value)
{
    if (find_written(lines, value, out)) {
        return;
    }
    rk__print_real(out, value);
    if (!strpbrk(out, ".e")) {
        memcpy(out + strlen(out), ".0", sizeof ".0");
    }
}

static rk_status set_field(rk_table *table, int place, const json_t *value)
{
    json_rows *rows = table->own;
    char *number = rows->numbers[place];
    rk_text *field = &table->fields[place];
    *field = (rk_text){"", 0};
    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_STRING:
        *field = (rk_text){json_string_value(value), (int64_t)json_string_length(value)};
        return RK_OK;
    case JSON_INTEGER:
        rk__print_int(number, json_integer_value(value));
        break;
    case JSON_REAL:
        print_real(&table->lines, number, json_real_value(value));
        break;
    case JSON_TRUE:
        memcpy(number, "true", sizeof "true");
        break;
    case JSON_FALSE:
        memcpy(number, "false", sizeof "false");
        break;
    case JSON_NULL:
        return RK_OK;
    case JSON_OBJECT:
    case JSON_ARRAY:
        RK_FAIL_AT(&table->lines, rk__lines_at(&table->lines), "%s is %s, not a text or a number%s",
                   table->titles[place], json_is_array(value) ? "a list" : "an object",
                   json_is_array(value) ? "" : "; a key in it is named 'user.id'");
    }
    *field = (rk_text){number, (int64_t)strlen(number)};
    return RK_OK;
}

static rk_status next_row(rk_table *table, bool *out_end)
{
    json_rows *rows = table->own;
    rk_lines *lines = &table->lines;
    json_error_t error;
    do {
        RK_TRY(rk__lines_next(lines, out_end));
        if (*out_end) {
            return RK_OK;
        }
    } while (rk__lines_is_blank(lines));
    if (table->rows == 0) {
        if (rk__lines_at(lines)[strspn(rk__lines_at(lines), " \t")] != '{') {
            RK_TRY(rk__sniff_text(lines->path, rk__lines_at(lines), rk__lines_length(lines)));
        }
        RK_TRY(rk__calloc(&rows->numbers, table->n_wanted, sizeof *rows->numbers, "fields"));
    }
    json_decref(rows->row);
    rows->row = json_loadb(rk__lines_at(lines), (size_t)rk__lines_length(lines),
                           JSON_REJECT_DUPLICATES, &error);
    if (!rows->row) {
        return not_json(table, &error);
    }
    if (!json_is_object(rows->row)) {
        error = (json_error_t){0};
        return not_json(table, &error);
    }
    for (int i = 0; i < table->n_wanted; i++) {
        const char *key = table->names[table->columns[i]];
        const json_t *value = find(rows->row, key);
        if (!value && table->rows == 0) {
            return no_key(table, rows->row, key);
        }
        RK_TRY(set_field(table, i, value));
    }
    return RK_OK;
}

const rk_table_kind rk__table_json = {
    .open = open_rows, .next = next_row, .close = close_rows, .is_keyed = true};
