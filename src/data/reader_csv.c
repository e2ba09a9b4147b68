/* Delimited text, one record per row; movielens and inter are built on it. */
#include <float.h>
#include <math.h>
#include <stddef.h>

#include "data/reader_internal.h"

static rk_status read_value(const rk_reader *reader, double *out)
{
    const rk_table *table = &reader->table;
    RK_TRY(rk__table_real(table, reader->value, "source.value", out));
    if (fabs(*out) > FLT_MAX) {
        rk_text text = table->fields[reader->value];
        RK_FAIL_AT(&table->lines, text.at, "%s '%s' is beyond 3.4e38, what a value may be",
                   table->titles[reader->value], rk__shown(text).text);
    }
    return RK_OK;
}

static rk_status next(rk_reader *reader, rk_record *out, bool *out_end)
{
    rk_table *table = &reader->table;
    for (;;) {
        RK_TRY(rk__table_next(table, out_end));
        if (*out_end) {
            return RK_OK;
        }
        reader->rows++;
        if (reader->tested < 0) {
            break;
        }
        double value = 0;
        RK_TRY(rk__table_real(table, reader->tested, "where", &value));
        if (rk__where_holds(&reader->where, value)) {
            break;
        }
        reader->filtered++;
    }
    out->user = table->fields[reader->user];
    out->item = table->fields[reader->item];
    out->has_item = true;
    out->time = out->value = 0;
    out->fields = reader->field_texts;
    out->line = table->lines.number;
    RK_TRY(rk__reader_id(&table->lines, out->user, reader->ids, table->titles[reader->user],
                         &out->user_id));
    RK_TRY(rk__reader_id(&table->lines, out->item, reader->ids, table->titles[reader->item],
                         &out->item_id));
    if (reader->time >= 0) {
        RK_TRY(rk__table_real(table, reader->time, "source.time", &out->time));
    }
    for (int f = 0; f < reader->n_fields; f++) {
        int place = reader->field_places[f];
        reader->field_texts[f] = place < 0 ? (rk_text){0} : table->fields[place];
    }
    if (reader->value >= 0) {
        RK_TRY(read_value(reader, &out->value));
    }
    return RK_OK;
}

static rk_status want_columns(rk_reader *reader, const rk_table_source *source, const char *value)
{
    rk_table *table = &reader->table;
    reader->time = reader->value = reader->tested = -1;
    RK_TRY(rk__table_want(table, source->user, "source.user", &reader->user));
    RK_TRY(rk__table_want(table, source->item, "source.item", &reader->item));
    if (source->time_is_optional) {
        RK_TRY(rk__table_want_optional(table, source->time, &reader->time));
    } else if (source->time[0]) {
        RK_TRY(rk__table_want(table, source->time, "source.time", &reader->time));
    }
    if (value[0]) {
        RK_TRY(rk__table_want(table, value, "source.value", &reader->value));
    }
    if (reader->where.column) {
        RK_TRY(rk__table_want(table, reader->where.column, "the column of source.where",
                              &reader->tested));
    }
    return RK_OK;
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
        status = want_columns(reader, table_source, source->value);
    }
    reader->next = next;
    /* Says which of the config's sources it was: most of these errors are fixed there. */
    bool has_origin = source->origin && source->origin[0];
    return status != RK_OK && has_origin ? rk__fail_prefix(status, "%s", source->origin) : status;
}

rk_status rk__reader_open_csv(rk_reader *reader, const rk_source_options *source, const char *path,
                              rk_line_options lines)
{
    rk_table_source csv = {
        .format = {.separator = source->separator[0] ? source->separator : ",",
                   .header = source->header,
                   .quotes = true},
        .user = source->user,
        .item = source->item,
        .time = source->time,
    };
    return rk__reader_open_table(reader, &csv, source, path, lines);
}
