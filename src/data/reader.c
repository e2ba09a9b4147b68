/* Dispatch to the formats, and their common parts: ids, counts, paths. */
#include "data/reader.h"

#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/file.h"
#include "data/reader_internal.h"
#include "data/triples.h"

static rk_status open_format(rk_reader *reader, const rk_source_options *source, const char *path,
                             rk_line_options lines)
{
    switch (source->format) {
    case RK_FORMAT_CSV:
        return rk__reader_open_csv(reader, source, path, lines);
    case RK_FORMAT_MOVIELENS:
        return rk__reader_open_movielens(reader, source, path, lines);
    case RK_FORMAT_ADJACENCY:
        return rk__reader_open_adjacency(reader, source, path, lines);
    case RK_FORMAT_INTER:
        return rk__reader_open_inter(reader, source, path, lines);
    case RK_FORMAT_JSONL:
        return rk__reader_open_jsonl(reader, source, path, lines);
    case RK_FORMAT_MTX:
    case RK_FORMAT_NPZ:
        return rk__reader_open_matrix(reader, source, path, lines);
    default:
        break;
    }
    RK_FAIL(RK_ERR_INTERNAL, "%s: format %d has no reader", path, source->format);
}

rk_status rk__reader_open_lines(rk_reader **out, const rk_source_options *source, const char *path,
                                const rk_reader_options *how, rk_line_options lines)
{
    rk_reader *reader = NULL;
    RK_TRY(rk__calloc(&reader, 1, sizeof *reader, "a reader"));
    reader->rule = (rk_id_rule){.ids = how->ids, .missing = how->missing};
    reader->times = (rk_times){.unit = source->time_unit};
    reader->relation = -1;
    reader->least = how->value_range.n == 2 ? how->value_range.v[0] : -INFINITY;
    reader->most = how->value_range.n == 2 ? how->value_range.v[1] : INFINITY;
    lines.stop = how->stop;
    lines.is_latin1 = source->encoding == RK_ENCODING_LATIN1;
    rk_status status = open_format(reader, source, path, lines);
    if (status != RK_OK) {
        rk__reader_close(reader);
        return status;
    }
    *out = reader;
    return RK_OK;
}

rk_status rk__reader_open_with(rk_reader **out, const rk_source_options *source, const char *path,
                               const rk_reader_options *how)
{
    return rk__reader_open_lines(out, source, path, how, (rk_line_options){0});
}

rk_status rk__reader_open(rk_reader **out, const rk_source_options *source, const char *path,
                          int ids)
{
    return rk__reader_open_with(out, source, path, &(rk_reader_options){.ids = ids});
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

/* The user of a record becomes the query of an entity. */
static rk_status make_query(rk_reader *reader, rk_record *record, rk_text entity, bool is_backward)
{
    reader->query.length = 0;
    rk__triple_query(&reader->query, entity, reader->relation_text, is_backward);
    record->user = (rk_text){reader->query.at, reader->query.length};
    record->user_id = 0;
    return reader->query.status;
}

rk_status rk__reader_next(rk_reader *reader, rk_record *out, bool *out_end)
{
    if (reader->relation < 0) {
        return reader->next(reader, out, out_end);
    }
    if (reader->has_backward) {
        *out = reader->backward;
        *out_end = reader->has_backward = false;
        return make_query(reader, out, out->user, true);
    }
    RK_TRY(reader->next(reader, out, out_end));
    if (*out_end) {
        return RK_OK;
    }
    reader->has_backward = true;
    reader->backward = *out;
    reader->backward.user = out->item;
    reader->backward.item = out->user;
    reader->backward.item_id = out->user_id;
    return make_query(reader, out, out->user, false);
}

bool rk__reader_has_time(const rk_reader *reader)
{
    return reader->time >= 0;
}

rk_status rk__reader_settle_times(const rk_reader *reader, double *times, int64_t n)
{
    return rk__times_settle(&reader->times, times, n);
}

rk_reader_counts rk__reader_counts(const rk_reader *reader)
{
    const rk_lines *lines = reader->lines.path ? &reader->lines : &reader->table.lines;
    return (rk_reader_counts){
        .rows = reader->rows,
        .filtered = reader->filtered,
        .missing = reader->missing,
        .trimmed = reader->rule.trimmed,
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
        rk__buffer_free(&reader->query);
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
