/* Delimited text, one record per row; the other formats but adjacency are built on it. */
#include <float.h>
#include <math.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "config/utf8.h"
#include "data/reader_internal.h"
#include "data/triples.h"

static rk_status read_value(const rk_reader *reader, double *out)
{
    const rk_table *table = &reader->table;
    RK_TRY(rk__table_real(table, reader->value, "source.value", out));
    if (fabs(*out) > FLT_MAX) {
        rk_text text = table->fields[reader->value];
        RK_FAIL_AT(&table->lines, text.at, "%s '%s' is beyond 3.4e38, what a value may be",
                   table->titles[reader->value], rk__shown(text).text);
    }
    if (*out < reader->least || *out > reader->most) {
        rk_text text = table->fields[reader->value];
        RK_FAIL_AT(&table->lines, text.at,
                   "%s '%s' lies outside of data.value_range [%g, %g]; leave such rows out by the "
                   "'where' of the source, or mend the range",
                   table->titles[reader->value], rk__shown(text).text, reader->least, reader->most);
    }
    return RK_OK;
}

/* A second header, where files were put together, is no row, though its names are text ids. */
static bool is_header_again(const rk_reader *reader)
{
    const rk_table *table = &reader->table;
    const int places[] = {reader->user, reader->item};
    for (int i = 0; i < 2; i++) {
        int64_t column = table->columns[places[i]];
        const char *name = column < table->n_names ? table->names[column] : "";
        rk_text field = table->fields[places[i]];
        if (field.length == 0 || field.at[0] != name[0] || (int64_t)strlen(name) != field.length ||
            memcmp(name, field.at, (size_t)field.length) != 0) {
            return false;
        }
    }
    return true;
}

/* The words that head a column of ids: user, userId, movie_id ... */
static bool is_head_of_ids(rk_text field)
{
    static const char *const words[] = {"user", "item", "movie", "product", "artist",  "track",
                                        "song", "book", "asin",  "session", "customer"};
    if (field.length > 2 && strncasecmp(field.at + field.length - 2, "id", 2) == 0) {
        return true;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if ((int64_t)strlen(words[i]) == field.length &&
            strncasecmp(field.at, words[i], (size_t)field.length) == 0) {
            return true;
        }
    }
    return false;
}

static rk_status check_first_row(const rk_reader *reader)
{
    const rk_table *table = &reader->table;
    rk_text user = table->fields[reader->user], item = table->fields[reader->item];
    if (!table->header && !table->kind && is_head_of_ids(user) && is_head_of_ids(item)) {
        RK_FAIL_AT(&table->lines, user.at,
                   "the first row has '%s' and '%s', so it is a header: set header to true and "
                   "give columns by name",
                   rk__shown(user).text, rk__shown(item).text);
    }
    return RK_OK;
}

/* Reads rows until one passes `where`. */
static rk_status next_row(rk_reader *reader, bool *out_end)
{
    rk_table *table = &reader->table;
    for (bool passes = false; !passes;) {
        RK_TRY(rk__table_next(table, out_end));
        if (*out_end) {
            return RK_OK;
        }
        if (reader->rows++ == 0) {
            RK_TRY(check_first_row(reader));
        }
        if (table->header && reader->rule.ids == RK_IDS_TEXT && is_header_again(reader)) {
            RK_FAIL_AT(&table->lines, table->fields[reader->user].at,
                       "the header again, as where files were put together: remove the line");
        }
        if (!rk__where_is_set(&reader->where)) {
            return RK_OK;
        }
        RK_TRY(rk__where_test(&reader->where, table, &passes));
        reader->filtered += !passes;
    }
    return RK_OK;
}

/* The relation of a triple, a text id, and names that a query can be made of. */
static rk_status read_relation(rk_reader *reader, const rk_record *record, bool *out_missing)
{
    const rk_table *table = &reader->table;
    rk_id_rule rule = {.ids = RK_IDS_TEXT, .missing = reader->rule.missing};
    int64_t ignored = 0;
    reader->relation_text = table->fields[reader->relation];
    RK_TRY(rk__id_read(&rule, &table->lines, &reader->relation_text,
                       table->titles[reader->relation], &ignored, out_missing));
    reader->rule.trimmed += rule.trimmed;
    const rk_text names[] = {record->user, record->item, reader->relation_text};
    const int places[] = {reader->user, reader->item, reader->relation};
    for (int i = 0; i < 3; i++) {
        const char *forbidden = rk__triple_forbidden(names[i]);
        if (forbidden) {
            RK_FAIL_AT(&table->lines, names[i].at,
                       "%s '%s' holds '%s', which stands between entity and relation in a query: "
                       "rename it",
                       table->titles[places[i]], rk__shown(names[i]).text, forbidden);
        }
    }
    return RK_OK;
}

static rk_status next(rk_reader *reader, rk_record *out, bool *out_end)
{
    rk_table *table = &reader->table;
    for (bool is_missing = true; is_missing; reader->missing += is_missing) {
        RK_TRY(next_row(reader, out_end));
        if (*out_end) {
            return RK_OK;
        }
        is_missing = false;
        out->user = table->fields[reader->user];
        out->item = table->fields[reader->item];
        RK_TRY(rk__id_read(&reader->rule, &table->lines, &out->user, table->titles[reader->user],
                           &out->user_id, &is_missing));
        RK_TRY(rk__id_read(&reader->rule, &table->lines, &out->item, table->titles[reader->item],
                           &out->item_id, &is_missing));
        if (reader->relation >= 0 && !is_missing) {
            RK_TRY(read_relation(reader, out, &is_missing));
        }
    }
    out->has_item = true;
    out->time = out->value = 0;
    out->fields = reader->field_texts;
    out->line = table->lines.number;
    if (reader->time >= 0) {
        RK_TRY(rk__times_read(&reader->times, table, reader->time, "source.time", &out->time));
    }
    for (int f = 0; f < reader->n_fields; f++) {
        int place = reader->field_places[f];
        reader->field_texts[f] = place < 0 ? (rk_text){0} : table->fields[place];
        if (!rk__utf8_is_valid(reader->field_texts[f].at, (size_t)reader->field_texts[f].length)) {
            RK_FAIL_AT(&table->lines, reader->field_texts[f].at,
                       "%s '%s' is not UTF-8; if the file is in Latin-1, set encoding to latin-1",
                       table->titles[place], rk__shown(reader->field_texts[f]).text);
        }
    }
    if (reader->value >= 0) {
        RK_TRY(read_value(reader, &out->value));
    }
    return RK_OK;
}

static rk_status want_columns(rk_reader *reader, const rk_table_source *source, const char *value,
                              const char *relation)
{
    rk_table *table = &reader->table;
    reader->time = reader->value = -1;
    RK_TRY(rk__table_want(table, source->user, "source.user", &reader->user));
    RK_TRY(rk__table_want(table, source->item, "source.item", &reader->item));
    if (table->columns[reader->user] == table->columns[reader->item]) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s: source.user '%s' and source.item '%s' are the same column: name the other one",
                table->lines.path, source->user, source->item);
    }
    if (source->time_is_optional) {
        RK_TRY(rk__table_want_optional(table, source->time, &reader->time));
    } else if (source->time[0]) {
        RK_TRY(rk__table_want(table, source->time, "source.time", &reader->time));
    }
    if (relation[0]) {
        RK_TRY(rk__table_want(table, relation, "source.relation", &reader->relation));
    }
    if (value[0]) {
        RK_TRY(rk__table_want(table, value, "source.value", &reader->value));
    }
    return rk__where_bind(&reader->where, table);
}

rk_status rk__reader_open_table(rk_reader *reader, const rk_table_source *table_source,
                                const rk_source_options *source, const char *path,
                                rk_line_options lines)
{
    rk_status status = rk__where_parse(&reader->where, source->where);
    if (status == RK_OK) {
        status = rk__table_open(&reader->table, &table_source->format, path, lines);
    }
    if (status == RK_OK) {
        status = want_columns(reader, table_source, source->value, source->relation);
    }
    reader->next = next;
    /* Says which of the config's sources it was: most of these errors are fixed there. */
    bool has_origin = status != RK_ERR_INTERRUPTED && source->origin && source->origin[0];
    return status != RK_OK && has_origin ? rk__fail_prefix(status, "%s", source->origin) : status;
}

rk_status rk__reader_open_csv(rk_reader *reader, const rk_source_options *source, const char *path,
                              rk_line_options lines)
{
    rk_table_source csv = {
        .format = {.separator = source->separator[0] ? source->separator : ",",
                   .header = source->header,
                   .quotes = source->quotes,
                   .decimal_comma = source->decimal == RK_DECIMAL_COMMA},
        .user = source->user,
        .item = source->item,
        .time = source->time,
    };
    return rk__reader_open_table(reader, &csv, source, path, lines);
}
