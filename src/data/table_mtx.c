#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "data/table_kinds.h"

typedef struct mtx_rows {
    int64_t n_rows, n_columns, entries; /* as the head says */
    int64_t read;
    bool has_values;
} mtx_rows;

/* The next word of the line, empty at its end. */
static rk_text next_word(const rk_lines *lines, int64_t *at)
{
    const char *line = rk__lines_at(lines);
    int64_t length = rk__lines_length(lines);
    while (*at < length && (line[*at] == ' ' || line[*at] == '\t')) {
        ++*at;
    }
    int64_t begin = *at;
    while (*at < length && line[*at] != ' ' && line[*at] != '\t') {
        ++*at;
    }
    return (rk_text){line + begin, *at - begin};
}

static bool is_one_of(rk_text word, const char *const *words)
{
    for (; *words; words++) {
        if ((int64_t)strlen(*words) == word.length &&
            strncasecmp(*words, word.at, (size_t)word.length) == 0) {
            return true;
        }
    }
    return false;
}

/* "%%MatrixMarket matrix coordinate real general" */
static rk_status read_banner(rk_table *table, mtx_rows *rows)
{
    static const char
        *const banner[] = {"%%MatrixMarket", NULL},
               *const matrix[] = {"matrix", NULL}, *const sparse[] = {"coordinate", NULL},
               *const fields[] = {"real", "integer", "double", "pattern", NULL},
               *const pattern[] = {"pattern", NULL}, *const general[] = {"general", NULL};
    const rk_lines *lines = &table->lines;
    bool is_end = false;
    int64_t at = 0;
    RK_TRY(rk__lines_next(&table->lines, &is_end));
    if (is_end) {
        RK_FAIL(RK_ERR_DATA, "%s is empty", lines->path);
    }
    if (!is_one_of(next_word(lines, &at), banner)) {
        RK_FAIL(RK_ERR_DATA,
                "%s:1: a MatrixMarket file begins with \"%%%%MatrixMarket matrix coordinate ...\"; "
                "for other files set format to csv",
                lines->path);
    }
    rk_text object = next_word(lines, &at), form = next_word(lines, &at);
    rk_text field = next_word(lines, &at), symmetry = next_word(lines, &at);
    if (!is_one_of(object, matrix) || !is_one_of(form, sparse)) {
        RK_FAIL_AT(lines, form.at,
                   "only \"matrix coordinate\" is read, not '%s': write a sparse "
                   "matrix",
                   rk__shown(form).text);
    }
    if (!is_one_of(field, fields)) {
        RK_FAIL_AT(lines, field.at, "only real, integer and pattern are read, not '%s'",
                   rk__shown(field).text);
    }
    if (!is_one_of(symmetry, general)) {
        RK_FAIL_AT(lines, symmetry.at,
                   "only general matrices are read, not '%s': users and items are different things",
                   rk__shown(symmetry).text);
    }
    rows->has_values = !is_one_of(field, pattern);
    return RK_OK;
}

static rk_status next_line(rk_lines *lines, bool *out_end)
{
    for (;;) {
        RK_TRY(rk__lines_next(lines, out_end));
        if (*out_end || (!rk__lines_is_blank(lines) && rk__lines_at(lines)[0] != '%')) {
            return RK_OK;
        }
    }
}

static rk_status read_count(const rk_lines *lines, rk_text word, int64_t *out)
{
    if (rk__parse_int(word.at, (size_t)word.length, out) != RK_PARSE_OK || *out < 0) {
        RK_FAIL_AT(lines, word.at, "'%s' is not a count; this line says rows, columns and entries",
                   rk__shown(word).text);
    }
    return RK_OK;
}

static rk_status open_rows(rk_table *table)
{
    static const char *const names[] = {"row", "column", "value", NULL}, *const without[] = {
                                                                             "row", "column", NULL};
    mtx_rows *rows = NULL;
    bool is_end = false;
    int64_t at = 0;
    RK_TRY(rk__calloc(&rows, 1, sizeof *rows, "a matrix"));
    table->own = rows;
    RK_TRY(read_banner(table, rows));
    RK_TRY(next_line(&table->lines, &is_end));
    if (is_end) {
        RK_FAIL(RK_ERR_DATA, "%s has no line with its size", table->lines.path);
    }
    RK_TRY(read_count(&table->lines, next_word(&table->lines, &at), &rows->n_rows));
    RK_TRY(read_count(&table->lines, next_word(&table->lines, &at), &rows->n_columns));
    RK_TRY(read_count(&table->lines, next_word(&table->lines, &at), &rows->entries));
    return rk__table_set_names(table, rows->has_values ? names : without);
}

static rk_status check_index(const rk_table *table, rk_text word, const char *title, int64_t n)
{
    int64_t index = 0;
    if (rk__parse_int(word.at, (size_t)word.length, &index) != RK_PARSE_OK) {
        RK_FAIL_AT(&table->lines, word.at, "the %s '%s' is not a number", title,
                   rk__shown(word).text);
    }
    if (index < 1 || index > n) {
        RK_FAIL_AT(&table->lines, word.at, "the %s %lld is not in 1 to %lld, as the head says",
                   title, (long long)index, (long long)n);
    }
    return RK_OK;
}

static rk_status next_row(rk_table *table, bool *out_end)
{
    mtx_rows *rows = table->own;
    rk_lines *lines = &table->lines;
    RK_TRY(next_line(lines, out_end));
    if (*out_end) {
        if (rows->read != rows->entries) {
            RK_FAIL(RK_ERR_DATA, "%s has %lld entries where its head says %lld: is it whole?",
                    lines->path, (long long)rows->read, (long long)rows->entries);
        }
        return RK_OK;
    }
    int64_t at = 0;
    rk_text words[3];
    for (int i = 0; i < 3; i++) {
        words[i] = next_word(lines, &at);
    }
    RK_TRY(check_index(table, words[0], "row", rows->n_rows));
    RK_TRY(check_index(table, words[1], "column", rows->n_columns));
    bool has_more = next_word(lines, &at).length > 0;
    if (has_more || (words[2].length > 0) != rows->has_values) {
        RK_FAIL_AT(lines, words[2].at, "an entry is row, column%s",
                   rows->has_values ? " and value" : ", and nothing else in a pattern");
    }
    if (++rows->read > rows->entries) {
        RK_FAIL_AT(lines, words[0].at, "more entries than the %lld of its head",
                   (long long)rows->entries);
    }
    for (int i = 0; i < table->n_wanted; i++) {
        table->fields[i] = words[table->columns[i]];
    }
    return RK_OK;
}

static void close_rows(rk_table *table)
{
    rk__free(table->own);
}

const rk_table_kind rk__table_mtx = {.open = open_rows, .next = next_row, .close = close_rows};
