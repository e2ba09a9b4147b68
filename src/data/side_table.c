/*
 * Files of relations and features as rows: which of their columns is what, the filter `where`, and
 * looking up whether somebody wants to stop.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/parse.h"
#include "base/timer.h"
#include "config/utf8.h"
#include "data/dataset_internal.h"
#include "data/id_rule.h"
#include "data/sides_internal.h"
#include "data/table_kinds.h"

enum { ROWS_PER_LOOK = 1 << 16 };

rk_source_options rk__relation_source(const rk_relation_options *relation)
{
    return (rk_source_options){.origin = relation->origin,
                               .file = relation->file,
                               .format = relation->format,
                               .separator = relation->separator,
                               .header = relation->header,
                               .quotes = relation->quotes,
                               .encoding = relation->encoding,
                               .decimal = relation->decimal,
                               .where = relation->where,
                               .time = relation->time,
                               .user = "",
                               .item = "",
                               .value = "",
                               .relation = ""};
}

rk_source_options rk__feature_source(const rk_feature_options *feature)
{
    return (rk_source_options){.origin = feature->origin,
                               .file = feature->file,
                               .format = feature->format,
                               .separator = feature->separator,
                               .header = feature->header,
                               .quotes = feature->quotes,
                               .encoding = feature->encoding,
                               .decimal = feature->decimal,
                               .where = feature->where,
                               .time = "",
                               .user = "",
                               .item = "",
                               .value = "",
                               .relation = ""};
}

static const rk_table_kind *kind_of(int format)
{
    return format == RK_FORMAT_JSONL ? &rk__table_json
           : format == RK_FORMAT_MTX ? &rk__table_mtx
           : format == RK_FORMAT_NPZ ? &rk__table_npz
                                     : NULL;
}

static rk_status open_table(rk_side_table *out, const rk_source_options *source)
{
    bool is_inter = source->format == RK_FORMAT_INTER;
    const rk_hooks *hooks = out->hooks;
    const rk_table_format format = {
        .kind = kind_of(source->format),
        .separator = source->separator[0] ? source->separator
                     : is_inter           ? "\t"
                                          : ",",
        .header = is_inter || source->header,
        .quotes = source->quotes,
        .typed = is_inter,
        .decimal_comma = source->decimal == RK_DECIMAL_COMMA,
    };
    const rk_line_options lines = {
        .is_latin1 = source->encoding == RK_ENCODING_LATIN1,
        .stop = {hooks ? hooks->should_stop : NULL, hooks ? hooks->user : NULL}};
    RK_TRY(rk__where_parse(&out->where, source->where));
    RK_TRY(rk__table_open(&out->table, &format, out->path, lines));
    return rk__where_bind(&out->where, &out->table);
}

rk_status rk__side_table_open(rk_side_table *out, const rk_source_options *source, const char *path,
                              const rk_hooks *hooks)
{
    double now = rk__now();
    *out = (rk_side_table){
        .path = path, .origin = source->origin, .hooks = hooks, .began = now, .looked = now};
    rk_status status = open_table(out, source);
    if (status != RK_OK) {
        rk__side_table_close(out);
        return status == RK_ERR_INTERRUPTED ? status
                                            : rk__fail_prefix(status, "%s", source->origin);
    }
    return RK_OK;
}

void rk__side_table_close(rk_side_table *table)
{
    rk__table_close(&table->table);
    rk__where_free(&table->where);
}

static rk_status look(rk_side_table *t)
{
    const rk_hooks *hooks = t->hooks;
    if (hooks && hooks->should_stop && hooks->should_stop(hooks->user)) {
        RK_FAIL(RK_ERR_INTERRUPTED, "interrupted while reading %s; nothing was written", t->path);
    }
    double now = rk__now();
    if (!hooks || !hooks->progress || now - t->looked < 1) {
        return RK_OK;
    }
    t->looked = now;
    char phase[300];
    const char *slash = strrchr(t->path, '/');
    snprintf(phase, sizeof phase, "reading %.250s", slash ? slash + 1 : t->path);
    rk_progress progress = {.phase = phase,
                            .done = t->rows,
                            .unit = "rows",
                            .seconds = now - t->began,
                            .loss = NAN,
                            .eta_seconds = -1,
                            .metric_value = NAN};
    hooks->progress(hooks->user, &progress);
    return RK_OK;
}

rk_status rk__side_table_next(rk_side_table *t, bool *out_end)
{
    for (;;) {
        RK_TRY(rk__table_next(&t->table, out_end));
        if (*out_end) {
            return RK_OK;
        }
        if (++t->rows % ROWS_PER_LOOK == 0) {
            RK_TRY(look(t));
        }
        bool passes = true;
        if (rk__where_is_set(&t->where)) {
            RK_TRY(rk__where_test(&t->where, &t->table, &passes));
        }
        if (passes) {
            return RK_OK;
        }
        t->filtered++;
    }
}

/* ---- which column ---- */

rk_status rk__side_take(rk_side_columns *taken, int64_t index)
{
    RK_TRY(rk__realloc(&taken->index, taken->n, taken->n + 1, sizeof *taken->index, "columns"));
    taken->index[taken->n++] = index;
    return RK_OK;
}

static bool is_taken(const rk_side_columns *taken, int64_t index)
{
    for (int64_t i = 0; i < taken->n; i++) {
        if (taken->index[i] == index) {
            return true;
        }
    }
    return false;
}

void rk__side_column_name(const rk_table *table, int64_t index, char out[64])
{
    if (index < table->n_names) {
        snprintf(out, 64, "%.63s", table->names[index]);
    } else {
        snprintf(out, 64, "%lld", (long long)index);
    }
}

rk_status rk__side_want(rk_side_table *table, int64_t index, const char *key, int *out_place)
{
    char text[24];
    const rk_table *t = &table->table;
    snprintf(text, sizeof text, "%lld", (long long)index);
    bool is_keyed = t->kind && t->kind->is_keyed; /* columns have no places, only names */
    return rk__table_want(&table->table, is_keyed ? t->names[index] : text, key, out_place);
}

/* The index of a column that is given by name or index. */
static rk_status find(rk_table *table, const char *column, const char *key, int64_t *out)
{
    int place = -1;
    RK_TRY(rk__table_want(table, column, key, &place));
    *out = table->columns[place];
    return RK_OK;
}

/* "5:24" at text[0, length). */
static bool is_range(const char *text, size_t length, int64_t *out_first, int64_t *out_end)
{
    const char *colon = memchr(text, ':', length);
    return colon && rk__parse_int(text, (size_t)(colon - text), out_first) == RK_PARSE_OK &&
           rk__parse_int(colon + 1, length - (size_t)(colon + 1 - text), out_end) == RK_PARSE_OK;
}

static rk_status add_range(const rk_table *table, const char *key, int64_t first, int64_t end,
                           rk_side_columns *out)
{
    if (first < 0 || end <= first || end > table->n_columns) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s: %s has %lld:%lld, but the columns of the file are 0:%lld (from 0 to %lld)",
                table->lines.path, key, (long long)first, (long long)end,
                (long long)table->n_columns, (long long)table->n_columns - 1);
    }
    for (int64_t i = first; i < end; i++) {
        RK_TRY(rk__side_take(out, i));
    }
    return RK_OK;
}

rk_status rk__side_columns(rk_table *table, const char *text, const char *key, rk_side_columns *out)
{
    *out = (rk_side_columns){0};
    for (const char *at = text; *at != '\0';) {
        size_t length = strcspn(at, ",");
        rk_text piece = rk__trimmed((rk_text){at, (int64_t)length});
        int64_t first = 0, end = 0, index = 0;
        char *name = NULL;
        if (is_range(piece.at, (size_t)piece.length, &first, &end)) {
            RK_TRY(add_range(table, key, first, end, out));
        } else {
            RK_TRY(rk__strndup(&name, piece.at, (size_t)piece.length));
            rk_status status = find(table, name, key, &index);
            rk__free(name);
            RK_TRY(status);
            RK_TRY(rk__side_take(out, index));
        }
        at += length + (at[length] == ',');
    }
    for (int64_t i = 1; i < out->n; i++) {
        const rk_side_columns before = {i, out->index};
        if (is_taken(&before, out->index[i])) {
            RK_FAIL(RK_ERR_CONFIG, "%s: %s names column %lld twice", table->lines.path, key,
                    (long long)out->index[i]);
        }
    }
    return RK_OK;
}

/* Whether a name is TYPE_id, TYPEid or TYPE, whatever its case; of users also uid, of items iid. */
static bool is_called(const char *name, const char *type)
{
    size_t length = strlen(type);
    bool is_short = (strcmp(type, "user") == 0 && strcasecmp(name, "uid") == 0) ||
                    (strcmp(type, "item") == 0 && strcasecmp(name, "iid") == 0);
    if (is_short || strncasecmp(name, type, length) != 0) {
        return is_short;
    }
    name += length;
    name += *name == '_';
    return *name == '\0' || strcasecmp(name, "id") == 0;
}

rk_status rk__side_named_column(rk_side_table *t, const char *given, const char *type,
                                const rk_side_columns *taken, const char *key, int64_t *out)
{
    rk_table *table = &t->table;
    *out = -1;
    if (given[0] != '\0') {
        return find(table, given, key, out);
    }
    if (table->kind && table->kind->is_keyed) {
        char name[80];
        snprintf(name, sizeof name, "%s_id", type);
        return find(table, name, key, out); /* its columns have no order */
    }
    for (int64_t i = 0; i < table->n_names && *out < 0; i++) {
        *out = is_called(table->names[i], type) && !is_taken(taken, i) ? i : -1;
    }
    return RK_OK;
}

rk_status rk__side_guess_column(rk_side_table *t, const char *type, const rk_side_columns *taken,
                                int64_t needed, const char *key, int64_t *out)
{
    const rk_table *table = &t->table;
    bool has_names = table->n_names > 0 && !table->kind;
    int64_t first = -1, n_free = 0;
    rk_buffer free_names = {0};
    for (int64_t i = 0; i < table->n_columns; i++) {
        if (!is_taken(taken, i)) {
            char name[64];
            rk__side_column_name(table, i, name);
            rk__buffer_add(&free_names, "%s%s", n_free > 0 ? ", " : "", name);
            first = first < 0 ? i : first;
            n_free++;
        }
    }
    rk_status status = free_names.status;
    *out = first;
    if (status == RK_OK && (n_free < needed || (has_names && n_free > needed))) {
        bool any = n_free > 0;
        rk_excerpt shown = rk__excerpt(any ? free_names.at : "", (size_t)free_names.length);
        status = rk__fail(RK_ERR_CONFIG, __FILE__, __LINE__, __func__,
                          "%s: no column is called %s_id%s%s: name it in %s%s", t->path, type,
                          any ? "; it could be any of " : " and none is left", shown.text, key,
                          n_free < needed ? ", and check the separator" : "");
    }
    rk__buffer_free(&free_names);
    return status;
}

/* ---- nodes ---- */

/* Of a user or item; -1: not in the data set. */
static rk_status find_known(const rk_nodes *nodes, int64_t type, rk_text id, const rk_lines *lines,
                            const char *title, int64_t *out)
{
    const rk_ids *ids = type == RK_NODE_USER ? &nodes->dataset->users : &nodes->dataset->items;
    rk_id_rule rule = {.ids = nodes->options->data.ids,
                       .missing = nodes->options->data.missing_ids};
    int64_t number = 0;
    bool is_missing = false;
    RK_TRY(rk__id_read(&rule, lines, &id, title, &number, &is_missing));
    *out = is_missing   ? -1
           : ids->texts ? rk__ids_find_text(ids, id.at, id.length)
                        : rk__ids_find_number(ids, number);
    return RK_OK;
}

rk_status rk__side_node(const rk_nodes *nodes, int64_t type, rk_text id, const rk_lines *lines,
                        const char *title, int32_t *out)
{
    int64_t known = -1;
    id = rk__trimmed(id);
    if (type < RK_NODE_FIRST_OTHER) {
        RK_TRY(find_known(nodes, type, id, lines, title, &known));
        *out = (int32_t)known;
        return RK_OK;
    }
    rk_id_rule rule = {.ids = RK_IDS_TEXT, .missing = nodes->options->data.missing_ids};
    bool is_missing = false;
    RK_TRY(rk__id_read(&rule, lines, &id, title, &known, &is_missing));
    *out = -1;
    return is_missing ? RK_OK : rk__id_map_text(&nodes->maps[type], id.at, id.length, out);
}

rk_status rk__side_find(const rk_nodes *nodes, int64_t type, rk_text id, const rk_lines *lines,
                        const char *title, int64_t *out)
{
    id = rk__trimmed(id);
    if (type < RK_NODE_FIRST_OTHER) {
        return find_known(nodes, type, id, lines, title, out);
    }
    const rk_ids *ids = &nodes->sides->types[type].ids;
    int64_t number = 0;
    char text[24];
    *out = -1;
    if (ids->texts) {
        *out = rk__ids_find_text(ids, id.at, id.length);
    } else if (rk__parse_int(id.at, (size_t)id.length, &number) == RK_PARSE_OK) {
        /* "007" is another id than 7. */
        int64_t length = snprintf(text, sizeof text, "%lld", (long long)number);
        bool is_same = length == id.length && memcmp(text, id.at, (size_t)length) == 0;
        *out = is_same ? rk__ids_find_number(ids, number) : -1;
    }
    return RK_OK;
}
