/*
 * Relations from files: rows to edges, edges to lists.
 *
 * While a file is read its nodes have the numbers of the maps (of users and items: of the data
 * set); once all files are read the ids of other node types are put in order, and the edges are
 * sorted by stable counting sorts.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "data/reader.h"
#include "data/sides_internal.h"

enum { FIRST_EDGES = 1 << 12 };

void rk__edges_free(rk_edges *edges)
{
    rk__free(edges->from);
    rk__free(edges->to);
    rk__free(edges->type);
    rk__free(edges->weight);
    rk__free(edges->time);
    rk__id_map_free(&edges->types);
    *edges = (rk_edges){0};
}

static rk_status grow(rk_edges *e)
{
    int64_t n = e->n, wanted = n == 0 ? FIRST_EDGES : n + n / 2;
    RK_TRY(rk__realloc(&e->from, n, wanted, sizeof *e->from, "edges"));
    RK_TRY(rk__realloc(&e->to, n, wanted, sizeof *e->to, "edges"));
    if (e->has_types) {
        RK_TRY(rk__realloc(&e->type, n, wanted, sizeof *e->type, "edges"));
    }
    if (e->has_weights) {
        RK_TRY(rk__realloc(&e->weight, n, wanted, sizeof *e->weight, "edges"));
    }
    if (e->has_times) {
        RK_TRY(rk__realloc(&e->time, n, wanted, sizeof *e->time, "edges"));
    }
    e->capacity = wanted;
    return RK_OK;
}

/* What a row says of each of its edges. */
typedef struct edge_values {
    int32_t type;
    double weight, time;
} edge_values;

static rk_status add(rk_edges *e, int32_t from, int32_t to, const edge_values *values)
{
    if (from < 0 || to < 0) {
        e->unknown++;
        return RK_OK;
    }
    if (e->n == e->capacity) {
        RK_TRY(grow(e));
    }
    e->from[e->n] = from;
    e->to[e->n] = to;
    if (e->has_types) {
        e->type[e->n] = values->type;
    }
    if (e->has_weights) {
        e->weight[e->n] = (float)values->weight;
    }
    if (e->has_times) {
        e->time[e->n] = values->time;
    }
    e->n++;
    return RK_OK;
}

/* ---- delimited text ---- */

/* Places in the rows of a table; -1 = none. */
typedef struct row_places {
    int head, tail, type, weight, time;
    int64_t n_flags;
    int *flag;          /* n_flags, owned */
    int32_t *flag_node; /* n_flags, owned */
} row_places;

static void places_free(row_places *places)
{
    rk__free(places->flag);
    rk__free(places->flag_node);
}

/* A column that may be named, which is then taken. */
static rk_status want_named(rk_side_table *t, const char *column, const char *key,
                            rk_side_columns *taken, int *out)
{
    *out = -1;
    if (column[0] == '\0') {
        return RK_OK;
    }
    RK_TRY(rk__table_want(&t->table, column, key, out));
    return rk__side_take(taken, t->table.columns[*out]);
}

/* The i-th of the words between commas; *out_is_last: no more follow. */
static rk_text word_at(const char *text, int64_t i, int64_t *out_n)
{
    rk_text found = {text, 0};
    *out_n = 0;
    for (const char *at = text; *at != '\0'; (*out_n)++) {
        int64_t length = (int64_t)strcspn(at, ",");
        if (*out_n == i) {
            found = rk__trimmed((rk_text){at, length});
        }
        at += length + (at[length] == ',');
    }
    return found;
}

static rk_status want_flags(rk_side_table *t, const rk_nodes *nodes,
                            const rk_relation_options *relation, int64_t to,
                            const rk_side_columns *flags, row_places *out)
{
    int64_t n_names = 0;
    word_at(relation->names, 0, &n_names);
    if (n_names > 0 && n_names != flags->n) {
        RK_FAIL(RK_ERR_CONFIG, "%s: relation.names has %lld names for %lld columns",
                relation->origin, (long long)n_names, (long long)flags->n);
    }
    RK_TRY(rk__alloc(&out->flag, flags->n, sizeof *out->flag, "flags"));
    RK_TRY(rk__alloc(&out->flag_node, flags->n, sizeof *out->flag_node, "flags"));
    out->n_flags = flags->n;
    for (int64_t i = 0; i < flags->n; i++) {
        char name[64];
        rk__side_column_name(&t->table, flags->index[i], name);
        rk_text id = {name, (int64_t)strlen(name)};
        id = n_names > 0 ? word_at(relation->names, i, &n_names) : id;
        RK_TRY(rk__side_want(t, flags->index[i], "relation.columns", &out->flag[i]));
        if (to >= RK_NODE_FIRST_OTHER && id.length > 0) { /* whatever the config calls it */
            RK_TRY(rk__id_map_text(&nodes->maps[to], id.at, id.length, &out->flag_node[i]));
            continue;
        }
        RK_TRY(rk__side_node(nodes, to, id, &t->table.lines, "a flag's name", &out->flag_node[i]));
    }
    return RK_OK;
}

/* Head and tail, of flags only the head: by their names first, so that one is not taken for the
 * other. Named ones are in `taken` already. */
static rk_status want_nodes(rk_side_table *t, const rk_nodes *nodes,
                            const rk_relation_options *relation, const rk_relation_store *store,
                            rk_side_columns *taken, row_places *out)
{
    const rk_node_type *types = nodes->sides->types;
    const char *from = types[store->from].name, *to = types[store->to].name;
    bool has_tail = relation->kind != RK_EDGES_FLAGS;
    int64_t head = -1, tail = -1;
    RK_TRY(rk__side_named_column(t, relation->head, from, taken, "relation.head", &head));
    if (head >= 0) {
        RK_TRY(rk__side_take(taken, head));
    }
    if (has_tail) {
        RK_TRY(rk__side_named_column(t, relation->tail, to, taken, "relation.tail", &tail));
    }
    if (tail >= 0) {
        RK_TRY(rk__side_take(taken, tail));
    }
    if (head < 0) {
        int64_t needed = has_tail && tail < 0 ? 2 : 1;
        RK_TRY(rk__side_guess_column(t, from, taken, needed, "relation.head", &head));
        RK_TRY(rk__side_take(taken, head));
    }
    if (has_tail && tail < 0) {
        RK_TRY(rk__side_guess_column(t, to, taken, 1, "relation.tail", &tail));
    }
    if (has_tail && head == tail) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s: relation.head ('%s') and relation.tail ('%s') are the same "
                "column",
                t->path, relation->head, relation->tail);
    }
    RK_TRY(rk__side_want(t, head, "relation.head", &out->head));
    return has_tail ? rk__side_want(t, tail, "relation.tail", &out->tail) : RK_OK;
}

static rk_status want_all(rk_side_table *t, const rk_nodes *nodes,
                          const rk_relation_options *relation, const rk_relation_store *store,
                          row_places *out)
{
    rk_status status = RK_OK;
    rk_side_columns taken = {0}, flags = {0};
    bool counts = strcmp(relation->weight, "count") == 0,
         is_flags = relation->kind == RK_EDGES_FLAGS;
    *out = (row_places){.tail = -1};
    RK_TRY_GOTO(done, want_named(t, relation->type, "relation.type", &taken, &out->type));
    RK_TRY_GOTO(done, want_named(t, relation->time, "relation.time", &taken, &out->time));
    RK_TRY_GOTO(done, want_named(t, counts ? "" : relation->weight, "relation.weight", &taken,
                                 &out->weight));
    RK_TRY_GOTO(done, want_named(t, relation->head, "relation.head", &taken, &out->head));
    RK_TRY_GOTO(done, want_named(t, relation->tail, "relation.tail", &taken, &out->tail));
    if (is_flags) {
        RK_TRY_GOTO(done,
                    rk__side_columns(&t->table, relation->columns, "relation.columns", &flags));
        for (int64_t i = 0; i < flags.n; i++) {
            RK_TRY_GOTO(done, rk__side_take(&taken, flags.index[i]));
        }
        RK_TRY_GOTO(done, want_flags(t, nodes, relation, store->to, &flags, out));
    }
    RK_TRY_GOTO(done, want_nodes(t, nodes, relation, store, &taken, out));
done:
    rk__free(taken.index);
    rk__free(flags.index);
    return status;
}

static rk_status read_values(rk_edges *e, const rk_side_table *t, const row_places *places,
                             edge_values *out)
{
    const rk_table *table = &t->table;
    *out = (edge_values){.weight = 1};
    if (places->type >= 0) {
        rk_text word = rk__trimmed(table->fields[places->type]);
        if (word.length == 0) {
            RK_FAIL_AT(&table->lines, table->fields[places->type].at, "the type in %s is empty",
                       table->titles[places->type]);
        }
        RK_TRY(rk__id_map_text(&e->types, word.at, word.length, &out->type));
    }
    if (places->weight >= 0) {
        RK_TRY(rk__table_real(table, places->weight, "relation.weight", &out->weight));
        if (fabs(out->weight) > FLT_MAX) {
            RK_FAIL_AT(&table->lines, table->fields[places->weight].at,
                       "%s is beyond 3.4e38, what a weight may be", table->titles[places->weight]);
        }
    }
    if (places->time >= 0) {
        RK_TRY(rk__times_read(&e->times, table, places->time, "relation.time", &out->time));
    }
    return RK_OK;
}

/* The edges of a node to the flags that are 1. */
static rk_status add_flags(rk_edges *e, const rk_side_table *t, const row_places *places,
                           int32_t from, const edge_values *values)
{
    for (int64_t i = 0; i < places->n_flags; i++) {
        double flag = 0;
        int place = places->flag[i];
        RK_TRY(rk__table_real(&t->table, place, "relation.columns", &flag));
        if (flag != 0 && flag != 1) {
            RK_FAIL_AT(&t->table.lines, t->table.fields[place].at, "%s is %g; a flag is 0 or 1",
                       t->table.titles[place], flag);
        }
        if (flag == 1) {
            RK_TRY(add(e, from, places->flag_node[i], values));
        }
    }
    return RK_OK;
}

/* The edges of a node to the nodes in one field. Nothing between two separators is no node. */
static rk_status add_tails(rk_edges *e, const rk_nodes *nodes, const rk_side_table *t,
                           const rk_relation_options *relation, int64_t to_type, rk_text field,
                           const char *title, int32_t from, const edge_values *values)
{
    int64_t width = (int64_t)strlen(relation->split);
    int32_t to = -1;
    if (width == 0) {
        RK_TRY(rk__side_node(nodes, to_type, field, &t->table.lines, title, &to));
        return add(e, from, to, values);
    }
    for (int64_t at = 0; at <= field.length;) {
        int64_t end = at;
        while (end < field.length &&
               (end + width > field.length ||
                memcmp(field.at + end, relation->split, (size_t)width) != 0)) {
            end++;
        }
        rk_text word = rk__trimmed((rk_text){field.at + at, end - at});
        if (word.length > 0) {
            RK_TRY(rk__side_node(nodes, to_type, word, &t->table.lines, title, &to));
            RK_TRY(add(e, from, to, values));
        }
        at = end + width;
    }
    return RK_OK;
}

static rk_status read_table(rk_edges *e, const rk_nodes *nodes, const rk_relation_options *relation,
                            const rk_relation_store *store, const char *path)
{
    rk_status status = RK_OK;
    rk_side_table t;
    row_places places = {0};
    edge_values values;
    const rk_source_options source = rk__relation_source(relation);
    RK_TRY(rk__side_table_open(&t, &source, path, nodes->hooks));
    status = want_all(&t, nodes, relation, store, &places);
    if (status != RK_OK) {
        status = rk__fail_prefix(status, "%s", relation->origin);
        goto done;
    }
    for (bool is_end = false;;) {
        int32_t from = -1;
        RK_TRY_GOTO(done, rk__side_table_next(&t, &is_end));
        if (is_end) {
            break;
        }
        const rk_table *table = &t.table;
        RK_TRY_GOTO(done, rk__side_node(nodes, store->from, table->fields[places.head],
                                        &table->lines, table->titles[places.head], &from));
        RK_TRY_GOTO(done, read_values(e, &t, &places, &values));
        if (places.tail < 0) {
            RK_TRY_GOTO(done, add_flags(e, &t, &places, from, &values));
        } else {
            RK_TRY_GOTO(done,
                        add_tails(e, nodes, &t, relation, store->to, table->fields[places.tail],
                                  table->titles[places.tail], from, &values));
        }
    }
    if (e->has_times) {
        status = rk__times_settle(&e->times, e->time, e->n);
        if (status != RK_OK) {
            status = rk__fail_prefix(status, "%s", t.path);
            goto done;
        }
    }
    e->rows = t.rows;
    e->filtered = t.filtered;
done:
    places_free(&places);
    rk__side_table_close(&t);
    return status;
}

/* ---- adjacency lists ---- */

/* The number of an id that a reader of texts gave. */
static rk_status reader_node(const rk_nodes *nodes, int64_t type, const rk_record *record,
                             rk_text id, const char *path, const char *what, int32_t *out)
{
    /* For the place in a message: the line is known, the column is not. */
    rk_lines lines = {.number = record->line};
    rk_status status = RK_OK;
    RK_TRY(rk__strdup(&lines.path, path));
    status = rk__side_node(nodes, type, id, &lines, what, out);
    rk__free(lines.path);
    return status;
}

static rk_status read_lists(rk_edges *e, const rk_nodes *nodes, const rk_relation_options *relation,
                            const rk_relation_store *store, const char *path)
{
    rk_status status = RK_OK;
    rk_reader *reader = NULL;
    rk_record record;
    const edge_values values = {.weight = 1};
    const rk_source_options source = rk__relation_source(relation);
    const rk_hooks *hooks = nodes->hooks;
    const rk_reader_options how = {
        .ids = RK_IDS_TEXT,
        .missing = nodes->options->data.missing_ids,
        .stop = {hooks ? hooks->should_stop : NULL, hooks ? hooks->user : NULL}};
    RK_TRY(rk__reader_open_with(&reader, &source, path, &how));
    for (bool is_end = false;;) {
        int32_t from = -1, to = -1;
        RK_TRY_GOTO(done, rk__reader_next(reader, &record, &is_end));
        if (is_end) {
            break;
        }
        RK_TRY_GOTO(done, reader_node(nodes, store->from, &record, record.user, path,
                                      "the first word", &from));
        if (record.has_item) {
            RK_TRY_GOTO(done, reader_node(nodes, store->to, &record, record.item, path,
                                          "a neighbour", &to));
            RK_TRY_GOTO(done, add(e, from, to, &values));
        }
    }
    e->rows = rk__reader_counts(reader).rows;
done:
    rk__reader_close(reader);
    return status;
}

rk_status rk__edges_read(rk_edges *out, const rk_nodes *nodes, const rk_relation_options *relation,
                         rk_relation_store *store)
{
    char *path = NULL;
    *out = (rk_edges){.has_types = relation->type[0] != '\0',
                      .has_weights = relation->weight[0] != '\0',
                      .has_times = relation->time[0] != '\0',
                      .times = {.unit = relation->time_unit}};
    rk__id_map_init(&out->types, true, "types of edges");
    RK_TRY(rk__source_path(nodes->options, relation->file, &path));
    rk_status status = relation->format == RK_FORMAT_ADJACENCY
                           ? read_lists(out, nodes, relation, store, path)
                           : read_table(out, nodes, relation, store, path);
    rk__free(path);
    store->shown.rows_read = out->rows;
    store->shown.rows_filtered = out->filtered;
    return status;
}

/* ---- edges to lists ---- */

/* One stable counting sort: *order of n edges by a key below n_keys. */
static rk_status sort_by(const int32_t *key, int64_t n_keys, int64_t n, int64_t **order)
{
    rk_status status = RK_OK;
    int64_t *starts = NULL, *sorted = NULL;
    RK_TRY_GOTO(done, rk__calloc(&starts, n_keys + 1, sizeof *starts, "edges"));
    RK_TRY_GOTO(done, rk__alloc(&sorted, n, sizeof *sorted, "edges"));
    for (int64_t i = 0; i < n; i++) {
        starts[key[i] + 1]++;
    }
    for (int64_t k = 0; k < n_keys; k++) {
        starts[k + 1] += starts[k];
    }
    for (int64_t i = 0; i < n; i++) {
        sorted[starts[key[(*order)[i]]]++] = (*order)[i];
    }
    rk__free(*order);
    *order = sorted;
    sorted = NULL;
done:
    rk__free(starts);
    rk__free(sorted);
    return status;
}

static void renumber(int32_t *numbers, int64_t n, const int32_t *rank)
{
    for (int64_t i = 0; rank && i < n; i++) {
        numbers[i] = rank[numbers[i]];
    }
}

static bool is_same(const rk_edges *e, int64_t a, int64_t b)
{
    return e->from[a] == e->from[b] && e->to[a] == e->to[b] &&
           (!e->has_types || e->type[a] == e->type[b]);
}

static bool is_held_out(const rk_dataset *d, int32_t user, int32_t item)
{
    return rk__lists_has(&d->parts[RK_VALID], user, item) ||
           rk__lists_has(&d->parts[RK_TEST], user, item);
}

/* Room for all edges; fewer may be used. */
static rk_status alloc_lists(const rk_edges *e, int64_t n_from, rk_relation_store *out)
{
    RK_TRY(rk__calloc(&out->offsets, n_from + 1, sizeof *out->offsets, "a relation"));
    RK_TRY(rk__alloc(&out->columns, e->n, sizeof *out->columns, "a relation"));
    if (e->has_weights) {
        RK_TRY(rk__alloc(&out->weights, e->n, sizeof *out->weights, "a relation"));
    }
    if (e->has_times) {
        RK_TRY(rk__alloc(&out->times, e->n, sizeof *out->times, "a relation"));
    }
    if (e->has_types) {
        RK_TRY(rk__alloc(&out->types, e->n, sizeof *out->types, "a relation"));
    }
    return RK_OK;
}

/* The edges from `first` to `end` - 1 of the order are one and the same. */
static rk_status put(const rk_edges *e, const int64_t *order, int64_t first, int64_t end,
                     int64_t at, rk_relation_store *out)
{
    int64_t edge = order[first];
    double weight = 0, time = INFINITY;
    for (int64_t k = first; k < end; k++) {
        weight += e->has_weights ? (double)e->weight[order[k]] : 0;
        time = e->has_times && e->time[order[k]] < time ? e->time[order[k]] : time;
    }
    out->columns[at] = e->to[edge];
    if (out->weights) {
        out->weights[at] = (float)weight;
        if (!isfinite(out->weights[at])) {
            RK_FAIL(RK_ERR_DATA,
                    "the weights of an edge of the relation %s add up to %g, beyond "
                    "3.4e38",
                    out->name, weight);
        }
    }
    if (out->times) {
        out->times[at] = time;
    }
    if (out->types) {
        out->types[at] = e->type[edge];
    }
    return RK_OK;
}

static rk_status put_all(const rk_edges *e, const rk_dataset *dataset, const int64_t *order,
                         int64_t n_from, rk_relation_store *out)
{
    rk_relation *shown = &out->shown;
    const bool is_target = out->from == RK_NODE_USER && out->to == RK_NODE_ITEM;
    const bool is_turned = out->from == RK_NODE_ITEM && out->to == RK_NODE_USER;
    int64_t n = 0;
    for (int64_t first = 0, end = 0; first < e->n; first = end) {
        int64_t edge = order[first];
        for (end = first + 1; end < e->n && is_same(e, edge, order[end]);) {
            end++;
        }
        shown->edges_repeated += end - first - 1;
        bool held_out = (is_target && is_held_out(dataset, e->from[edge], e->to[edge])) ||
                        (is_turned && is_held_out(dataset, e->to[edge], e->from[edge]));
        shown->held_out += held_out;
        if (held_out && shown->drops_held_out) {
            continue;
        }
        RK_TRY(put(e, order, first, end, n, out));
        out->offsets[e->from[edge] + 1]++;
        n++;
    }
    for (int64_t v = 0; v < n_from; v++) {
        out->offsets[v + 1] += out->offsets[v];
    }
    return RK_OK;
}

rk_status rk__edges_store(rk_edges *e, const rk_nodes *nodes, const int32_t *rank_from,
                          const int32_t *rank_to, rk_relation_store *out)
{
    rk_status status = RK_OK;
    int64_t *order = NULL;
    int32_t *type_rank = NULL;
    rk_ids type_ids = {0};
    int64_t n_from = rk__sides_count(nodes->dataset, nodes->sides, out->from);
    int64_t n_to = rk__sides_count(nodes->dataset, nodes->sides, out->to);
    renumber(e->from, e->n, rank_from);
    renumber(e->to, e->n, rank_to);
    RK_TRY_GOTO(done, rk__alloc(&order, e->n, sizeof *order, "edges"));
    for (int64_t i = 0; i < e->n; i++) {
        order[i] = i;
    }
    if (e->has_types) {
        RK_TRY_GOTO(done, rk__side_order(&e->types, &type_ids, &type_rank));
        RK_TRY_GOTO(done, rk__words_of_map(&e->types, type_rank, &out->type_names));
        renumber(e->type, e->n, type_rank);
        RK_TRY_GOTO(done, sort_by(e->type, e->types.n, e->n, &order));
    }
    RK_TRY_GOTO(done, sort_by(e->to, n_to, e->n, &order));
    RK_TRY_GOTO(done, sort_by(e->from, n_from, e->n, &order));
    RK_TRY_GOTO(done, alloc_lists(e, n_from, out));
    RK_TRY_GOTO(done, put_all(e, nodes->dataset, order, n_from, out));
    out->shown.edges_unknown = e->unknown;
done:
    rk__free(order);
    rk__free(type_rank);
    rk__ids_free(&type_ids);
    return status;
}
