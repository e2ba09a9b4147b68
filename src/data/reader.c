/* Dispatch to the formats, and their common parts: ids, counts, paths. */
#include "data/reader.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/parse.h"
#include "data/reader_internal.h"

rk_status rk__reader_id_checked(const rk_lines *lines, rk_text text, int ids, const char *title,
                                int64_t *out)
{
    *out = 0;
    if (text.length == 0) {
        RK_FAIL_AT(lines, text.at, "%s is empty", title);
    }
    if (ids == RK_IDS_TEXT) {
        return RK_OK;
    }
    rk_shown shown = rk__shown(text);
    int64_t value = 0;
    switch (rk__parse_int(text.at, (size_t)text.length, &value)) {
    case RK_PARSE_OK:
        if (value < 0) {
            RK_FAIL_AT(lines, text.at, "%s '%s' is negative; integer ids count from 0", title,
                       shown.text);
        }
        *out = value;
        return RK_OK;
    case RK_PARSE_OUT_OF_RANGE:
        RK_FAIL_AT(lines, text.at, "%s '%s' does not fit 64 bits; set data.ids to text", title,
                   shown.text);
    case RK_PARSE_NOT_A_NUMBER:
        break;
    }
    if (strchr(" \t", text.at[0]) || strchr(" \t", text.at[text.length - 1])) {
        RK_FAIL_AT(lines, text.at,
                   "%s '%s' is not a number: there are blanks around it; make them part of the "
                   "separator (e.g. ', ')",
                   title, shown.text);
    }
    RK_FAIL_AT(lines, text.at,
               "%s '%s' is not a number; set data.ids to text for ids that are words", title,
               shown.text);
}

rk_status rk__reader_open_limited(rk_reader **out, const rk_source_options *source,
                                  const char *path, int ids, rk_line_options lines)
{
    rk_status status = RK_OK;
    rk_reader *reader = NULL;
    RK_TRY(rk__calloc(&reader, 1, sizeof *reader, "a reader"));
    reader->ids = ids;
    switch (source->format) {
    case RK_FORMAT_CSV:
        status = rk__reader_open_csv(reader, source, path, lines);
        break;
    case RK_FORMAT_MOVIELENS:
        status = rk__reader_open_movielens(reader, source, path, lines);
        break;
    case RK_FORMAT_ADJACENCY:
        status = rk__reader_open_adjacency(reader, source, path, lines);
        break;
    case RK_FORMAT_INTER:
        status = rk__reader_open_inter(reader, source, path, lines);
        break;
    default:
        status = rk__fail(RK_ERR_INTERNAL, __FILE__, __LINE__, __func__,
                          "%s: format %d has no reader", path, source->format);
        break;
    }
    if (status != RK_OK) {
        rk__reader_close(reader);
        return status;
    }
    *out = reader;
    return RK_OK;
}

rk_status rk__reader_open(rk_reader **out, const rk_source_options *source, const char *path,
                          int ids)
{
    return rk__reader_open_limited(out, source, path, ids, (rk_line_options){0});
}

rk_status rk__reader_want_fields(rk_reader *reader, const rk_options *options,
                                 const rk_source_options *source, const char *path)
{
    int64_t n = options->n_fields;
    if (n == 0) {
        return RK_OK;
    }
    RK_TRY(rk__alloc(&reader->field_places, n, sizeof *reader->field_places, "fields"));
    RK_TRY(rk__calloc(&reader->field_texts, n, sizeof *reader->field_texts, "fields"));
    for (int64_t f = 0; f < n; f++) {
        const rk_field_options *field = &options->fields[f];
        char key[64];
        reader->field_places[f] = -1;
        if (field->derive != RK_DERIVED_FIELD_NONE) {
            continue;
        }
        if (source->format == RK_FORMAT_ADJACENCY) {
            RK_FAIL(RK_ERR_CONFIG,
                    "%s: adjacency lists have no columns, and data.fields[%lld] (%s) is read from "
                    "one: remove it",
                    path, (long long)f, field->origin);
        }
        snprintf(key, sizeof key, "data.fields[%lld].column", (long long)f);
        RK_TRY(rk__table_want(&reader->table, field->column[0] ? field->column : field->name, key,
                              &reader->field_places[f]));
    }
    reader->n_fields = (int)n;
    return RK_OK;
}

rk_status rk__reader_next(rk_reader *reader, rk_record *out, bool *out_end)
{
    return reader->next(reader, out, out_end);
}

bool rk__reader_has_time(const rk_reader *reader)
{
    return reader->time >= 0;
}

rk_reader_counts rk__reader_counts(const rk_reader *reader)
{
    const rk_lines *lines = reader->lines.path ? &reader->lines : &reader->table.lines;
    return (rk_reader_counts){
        .rows = reader->rows,
        .filtered = reader->filtered,
        .bytes = rk__lines_used(lines),
        .file_bytes = lines->stream.file_bytes,
    };
}

void rk__reader_close(rk_reader *reader)
{
    if (reader) {
        rk__table_close(&reader->table);
        rk__lines_close(&reader->lines);
        rk__where_free(&reader->where);
        rk__free(reader->field_places);
        rk__free(reader->field_texts);
        rk__free(reader);
    }
}

rk_status rk__source_path(const rk_options *options, const char *file, char **out)
{
    if (file[0] == '/') {
        return rk__strdup(out, file);
    }
    bool has_root = options->data.root[0] != '\0';
    return rk__path_join(out, has_root ? options->data.root : options->config_dir, file);
}
