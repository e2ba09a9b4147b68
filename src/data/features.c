/*
 * Features of nodes: numbers to columns of a dense table, words to lists of sparse columns.
 *
 * All elements of data.features of one node type make one table. Numbers are kept as read until the
 * last file was read, then scaled over the nodes that have one; NAN is a number that no file had.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "data/id_rule.h"
#include "data/reader.h"
#include "data/sides_internal.h"

/* A number of every node. */
typedef struct dense_column {
    const rk_column_options *option;
    char *name;     /* owned */
    double *values; /* owned */
} dense_column;

/* The words of one column, or the flags of one element. */
typedef struct word_group {
    char *name; /* owned; NULL: the words are names themselves */
    rk_id_map words;
    int32_t *rank; /* of each word, owned */
    int64_t first; /* sparse column of the first word */
} word_group;

/* The table of one node type, being read. */
typedef struct building {
    const rk_nodes *nodes;
    int64_t of, n_nodes;
    int64_t n_dense, n_groups, n_words; /* words: a node has one of a group */
    dense_column *dense;
    word_group *groups;
    int64_t words_capacity;
    int32_t *node, *group, *word; /* n_words; owned */
    uint8_t *known;               /* n_nodes; owned */
    int64_t unknown, repeated, missing;
} building;

/* What an element of data.features reads, a piece each. */
typedef struct piece {
    const rk_column_options *option;
    int place;
    int64_t target; /* a dense column, or a group of words */
    int32_t flag;   /* the word of a flag; else -1 */
} piece;

typedef struct pieces {
    int64_t n;
    piece *at; /* owned */
} pieces;

static void building_free(building *b)
{
    for (int64_t i = 0; i < b->n_dense; i++) {
        rk__free(b->dense[i].name);
        rk__free(b->dense[i].values);
    }
    for (int64_t g = 0; g < b->n_groups; g++) {
        rk__free(b->groups[g].name);
        rk__free(b->groups[g].rank);
        rk__id_map_free(&b->groups[g].words);
    }
    rk__free(b->dense);
    rk__free(b->groups);
    rk__free(b->node);
    rk__free(b->group);
    rk__free(b->word);
    rk__free(b->known);
}

static rk_status add_word(building *b, int64_t node, int64_t group, int32_t word)
{
    int64_t n = b->n_words;
    if (n == b->words_capacity) {
        int64_t wanted = n == 0 ? 1024 : n + n / 2;
        RK_TRY(rk__realloc(&b->node, n, wanted, sizeof *b->node, "features"));
        RK_TRY(rk__realloc(&b->group, n, wanted, sizeof *b->group, "features"));
        RK_TRY(rk__realloc(&b->word, n, wanted, sizeof *b->word, "features"));
        b->words_capacity = wanted;
    }
    b->node[n] = (int32_t)node;
    b->group[n] = (int32_t)group;
    b->word[n] = word;
    b->n_words++;
    return RK_OK;
}

/* ---- what an element reads ---- */

static rk_status add_piece(pieces *list, piece p)
{
    RK_TRY(rk__realloc(&list->at, list->n, list->n + 1, sizeof *list->at, "columns of features"));
    list->at[list->n++] = p;
    return RK_OK;
}

static rk_status add_dense(building *b, const rk_column_options *option, const char *name)
{
    RK_TRY(rk__realloc(&b->dense, b->n_dense, b->n_dense + 1, sizeof *b->dense, "features"));
    dense_column *column = &b->dense[b->n_dense];
    *column = (dense_column){.option = option};
    b->n_dense++;
    RK_TRY(option->scale == RK_SCALE_LOG ? rk__format(&column->name, "log(%s)", name)
                                         : rk__strdup(&column->name, name));
    RK_TRY(rk__alloc(&column->values, b->n_nodes, sizeof *column->values, "features"));
    for (int64_t i = 0; i < b->n_nodes; i++) {
        column->values[i] = NAN;
    }
    return RK_OK;
}

/* name: NULL for flags. */
static rk_status add_group(building *b, const char *name)
{
    RK_TRY(rk__realloc(&b->groups, b->n_groups, b->n_groups + 1, sizeof *b->groups, "features"));
    word_group *group = &b->groups[b->n_groups];
    *group = (word_group){0};
    rk__id_map_init(&group->words, true, "words of a feature");
    b->n_groups++;
    return name ? rk__strdup(&group->name, name) : RK_OK;
}

/* The words between commas, one a flag, or the columns' names. */
static rk_status want_flags(building *b, rk_side_table *t, const rk_column_options *option,
                            pieces *out)
{
    rk_status status = RK_OK;
    rk_side_columns columns = {0};
    const char *names = option->name;
    RK_TRY(add_group(b, NULL));
    word_group *group = &b->groups[b->n_groups - 1];
    RK_TRY_GOTO(done, rk__side_columns(&t->table, option->column, "column.column", &columns));
    for (int64_t i = 0; i < columns.n; i++) {
        char name[64];
        piece p = {.option = option, .target = b->n_groups - 1};
        rk__side_column_name(&t->table, columns.index[i], name);
        rk_text word = {name, (int64_t)strlen(name)};
        if (option->name[0] != '\0') {
            size_t length = strcspn(names, ",");
            word = rk__trimmed((rk_text){names, (int64_t)length});
            names += length + (names[length] == ',');
        }
        if (word.length == 0 || (i + 1 == columns.n && option->name[0] && names[0] != '\0')) {
            RK_FAIL_GOTO(done, RK_ERR_CONFIG,
                         "%s: column.name '%s' must have %lld names, one for each flag",
                         option->origin, option->name, (long long)columns.n);
        }
        RK_TRY_GOTO(done, rk__id_map_text(&group->words, word.at, word.length, &p.flag));
        if (p.flag != i) {
            RK_FAIL_GOTO(done, RK_ERR_CONFIG, "%s: two flags are called '%.*s'", option->origin,
                         (int)word.length, word.at);
        }
        RK_TRY_GOTO(done, rk__side_want(t, columns.index[i], "column.column", &p.place));
        RK_TRY_GOTO(done, add_piece(out, p));
    }
done:
    rk__free(columns.index);
    return status;
}

static rk_status want_column(building *b, rk_side_table *t, const rk_column_options *option,
                             pieces *out)
{
    piece p = {.option = option, .flag = -1};
    char own[64];
    if (option->kind == RK_FEATURE_FLAGS) {
        return want_flags(b, t, option, out);
    }
    RK_TRY(rk__table_want(&t->table, option->column, "column.column", &p.place));
    rk__side_column_name(&t->table, t->table.columns[p.place], own);
    const char *name = option->name[0] ? option->name : own;
    bool is_number = option->kind == RK_FEATURE_NUMBER;
    RK_TRY(is_number ? add_dense(b, option, name) : add_group(b, name));
    p.target = is_number ? b->n_dense - 1 : b->n_groups - 1;
    return add_piece(out, p);
}

/* ---- rows ---- */

static rk_status take_number(building *b, const rk_table *table, const piece *p, int64_t node)
{
    rk_text field = rk__trimmed(table->fields[p->place]);
    double value = 0;
    if (field.length == 0 || rk__is_word_for_nothing(field)) {
        return RK_OK; /* missing: judged when all files are read */
    }
    RK_TRY(rk__table_real(table, p->place, "a feature of kind number", &value));
    RK_TRY(rk__feature_check(table, p->place, p->option->scale, field.at, value));
    b->dense[p->target].values[node] = p->option->scale == RK_SCALE_LOG ? log1p(value) : value;
    return RK_OK;
}

static rk_status take_flag(building *b, const rk_table *table, const piece *p, int64_t node)
{
    double flag = 0;
    RK_TRY(rk__table_real(table, p->place, "a feature of kind flags", &flag));
    if (flag != 0 && flag != 1) {
        RK_FAIL_AT(&table->lines, table->fields[p->place].at, "%s is %g; a flag is 0 or 1",
                   table->titles[p->place], flag);
    }
    return flag == 1 ? add_word(b, node, p->target, p->flag) : RK_OK;
}

/* Of a category one word, of a list those between its `split`; blanks around them do not matter,
 * and nothing, or a mark of it that is not in quotes, is no word. */
static rk_status take_words(building *b, const rk_table *table, const piece *p, int64_t node)
{
    rk_text field = table->fields[p->place];
    const char *split = p->option->kind == RK_FEATURE_LIST ? p->option->split : "";
    int64_t width = (int64_t)strlen(split);
    bool in_quotes = rk__is_quoted(&table->lines, field);
    for (int64_t at = 0; at <= field.length;) {
        int64_t end = width == 0 ? field.length : at;
        while (end < field.length &&
               (end + width > field.length || memcmp(field.at + end, split, (size_t)width) != 0)) {
            end++;
        }
        rk_text word = rk__trimmed((rk_text){field.at + at, end - at});
        int32_t index = 0;
        if (word.length > 0 && (in_quotes || !rk__is_mark_of_nothing(word))) {
            RK_TRY(rk__id_map_text(&b->groups[p->target].words, word.at, word.length, &index));
            RK_TRY(add_word(b, node, p->target, index));
        }
        at = end + (width == 0 ? 1 : width);
    }
    return RK_OK;
}

static rk_status take_row(building *b, const rk_table *table, const pieces *list, int64_t node)
{
    for (int64_t i = 0; i < list->n; i++) {
        const piece *p = &list->at[i];
        RK_TRY(p->flag >= 0                           ? take_flag(b, table, p, node)
               : p->option->kind == RK_FEATURE_NUMBER ? take_number(b, table, p, node)
                                                      : take_words(b, table, p, node));
    }
    return RK_OK;
}

static rk_status read_rows(building *b, rk_side_table *t, const rk_feature_options *feature,
                           const pieces *list, uint8_t *seen)
{
    const rk_side_columns none = {0};
    const char *type = b->nodes->sides->types[b->of].name;
    int64_t column = -1, node = -1;
    int id = -1;
    RK_TRY(rk__side_named_column(t, feature->id, type, &none, "feature.id", &column));
    if (column < 0) { /* "id" says it, too */
        RK_TRY(rk__side_named_column(t, "", "", &none, "feature.id", &column));
    }
    if (column < 0) {
        RK_TRY(rk__side_guess_column(t, type, &none, 1, "feature.id", &column));
    }
    RK_TRY(rk__side_want(t, column, "feature.id", &id));
    for (bool is_end = false;;) {
        RK_TRY(rk__side_table_next(t, &is_end));
        if (is_end) {
            return RK_OK;
        }
        const rk_table *table = &t->table;
        RK_TRY(rk__side_find(b->nodes, b->of, table->fields[id], &table->lines, table->titles[id],
                             &node));
        if (node < 0) {
            b->unknown++;
        } else if (seen[node]) {
            b->repeated++;
        } else {
            seen[node] = b->known[node] = 1;
            RK_TRY(take_row(b, table, list, node));
        }
    }
}

static rk_status read_file(building *b, const rk_feature_options *feature)
{
    rk_status status = RK_OK;
    char *path = NULL;
    rk_side_table t;
    pieces list = {0};
    uint8_t *seen = NULL;
    const rk_source_options source = rk__feature_source(feature);
    RK_TRY(rk__source_path(b->nodes->options, feature->file, &path));
    status = rk__side_table_open(&t, &source, path, b->nodes->hooks);
    if (status != RK_OK) {
        rk__free(path);
        return status;
    }
    RK_TRY_GOTO(done, rk__calloc(&seen, b->n_nodes, sizeof *seen, "features"));
    for (int64_t c = 0; c < feature->n_columns; c++) {
        status = want_column(b, &t, &feature->columns[c], &list);
        if (status != RK_OK) {
            status = rk__fail_prefix(status, "%s", feature->columns[c].origin);
            goto done;
        }
    }
    RK_TRY_GOTO(done, read_rows(b, &t, feature, &list, seen));
done:
    rk__free(seen);
    rk__free(list.at);
    rk__side_table_close(&t);
    rk__free(path);
    return status;
}

/* ---- the table ---- */

/* The first node without a number. */
static rk_status refuse_missing(const building *b, const dense_column *column)
{
    char room[RK_ID_BYTES];
    int64_t n = 0, first = -1;
    const char *type = b->nodes->sides->types[b->of].name;
    for (int64_t i = b->n_nodes - 1; i >= 0; i--) {
        if (isnan(column->values[i])) {
            n++;
            first = i;
        }
    }
    RK_FAIL(RK_ERR_DATA,
            "%s: %lld of %lld nodes of the type %s have no number %s, the first of them %s: set "
            "missing to mean or zero in this column, or complete the file",
            column->option->origin, (long long)n, (long long)b->n_nodes, type, column->name,
            rk__node_id(b->nodes->dataset, b->nodes->sides, b->of, first, room));
}

static rk_status fill_dense(building *b, rk_features_store *out)
{
    int64_t n = b->n_nodes, k = b->n_dense, cells = 0;
    RK_TRY(rk__mul(&cells, n, k, "features"));
    RK_TRY(rk__alloc(&out->dense, cells, sizeof *out->dense, "features"));
    RK_TRY(rk__alloc(&out->shift, k, sizeof *out->shift, "features"));
    RK_TRY(rk__alloc(&out->scale, k, sizeof *out->scale, "features"));
    for (int64_t c = 0; c < k; c++) {
        const dense_column *column = &b->dense[c];
        double shift = 0, scale = 1, sum = 0;
        int64_t count = 0;
        rk__feature_scale(column->values, n, column->option->scale, &shift, &scale);
        for (int64_t i = 0; i < n; i++) {
            double x = (column->values[i] - shift) * scale;
            if (isnan(column->values[i])) {
                continue;
            }
            out->dense[i * k + c] = (float)x;
            sum += x;
            count++;
        }
        if (count < n && column->option->missing == RK_FILL_ERROR) {
            return refuse_missing(b, column);
        }
        bool is_mean = column->option->missing == RK_FILL_MEAN && count > 0;
        for (int64_t i = 0; i < n; i++) {
            if (isnan(column->values[i])) {
                out->dense[i * k + c] = is_mean ? (float)(sum / (double)count) : 0;
                b->missing++;
            }
        }
        out->shift[c] = shift;
        out->scale[c] = scale;
    }
    return RK_OK;
}

/* A growing list of names as one block; `at` of the result is NULL where there are none. */
static rk_status dense_names(const building *b, rk_words *out)
{
    rk_status status = RK_OK;
    rk_id_map names;
    rk__id_map_init(&names, true, "features");
    for (int64_t c = 0; c < b->n_dense; c++) {
        int32_t index = 0;
        const char *name = b->dense[c].name;
        RK_TRY_GOTO(done, rk__id_map_text(&names, name, (int64_t)strlen(name), &index));
        if (index != c) {
            RK_FAIL_GOTO(done, RK_ERR_CONFIG,
                         "%s: two features of the type %s are called %s: give "
                         "one another name",
                         b->dense[c].option->origin, b->nodes->sides->types[b->of].name, name);
        }
    }
    RK_TRY_GOTO(done, rk__words_of_map(&names, NULL, out));
done:
    rk__id_map_free(&names);
    return status;
}

/* NAME=WORD of all groups, each with its words in order; flags in the order of the config. */
static rk_status sparse_names(building *b, rk_words *out)
{
    rk_status status = RK_OK;
    rk_id_map names;
    int64_t n = 0;
    rk__id_map_init(&names, true, "features");
    for (int64_t g = 0; g < b->n_groups; g++) {
        word_group *group = &b->groups[g];
        rk_words words = {0};
        rk_ids ids = {0};
        if (group->name) {
            RK_TRY_GOTO(done, rk__side_order(&group->words, &ids, &group->rank));
            rk__ids_free(&ids);
        }
        RK_TRY_GOTO(done, rk__words_of_map(&group->words, group->rank, &words));
        group->first = n;
        for (int64_t w = 0; w < words.n && status == RK_OK; w++, n++) {
            rk_buffer name = {0};
            int32_t index = 0;
            rk__buffer_add(&name, "%s%s", group->name ? group->name : "", group->name ? "=" : "");
            rk__buffer_add(&name, "%s", words.at[w]);
            status = name.status;
            if (status == RK_OK) {
                status = rk__id_map_text(&names, name.at, name.length, &index);
            }
            if (status == RK_OK && index != n) {
                status = rk__fail(RK_ERR_CONFIG, __FILE__, __LINE__, __func__,
                                  "data.features: two features of the type %s are called %s: give "
                                  "one another name",
                                  b->nodes->sides->types[b->of].name, name.at);
            }
            rk__buffer_free(&name);
        }
        rk__free(words.at);
        if (status != RK_OK) {
            goto done;
        }
    }
    RK_TRY_GOTO(done, rk__words_of_map(&names, NULL, out));
done:
    rk__id_map_free(&names);
    return status;
}

/* Two stable passes: by column, then by node; a word that a node says twice stays once. */
static rk_status fill_sparse(building *b, rk_features_store *out)
{
    rk_status status = RK_OK;
    int64_t n = b->n_words, n_columns = out->sparse_names.n, kept = 0;
    int64_t *starts = NULL, *order = NULL;
    RK_TRY_GOTO(done, rk__calloc(&starts, n_columns + 1, sizeof *starts, "features"));
    RK_TRY_GOTO(done, rk__alloc(&order, n, sizeof *order, "features"));
    RK_TRY_GOTO(done, rk__calloc(&out->offsets, b->n_nodes + 1, sizeof *out->offsets, "features"));
    RK_TRY_GOTO(done, rk__alloc(&out->columns, n, sizeof *out->columns, "features"));
    for (int64_t i = 0; i < n; i++) {
        const word_group *group = &b->groups[b->group[i]];
        b->word[i] = (int32_t)(group->first + (group->rank ? group->rank[b->word[i]] : b->word[i]));
        starts[b->word[i] + 1]++;
        out->offsets[b->node[i] + 1]++;
    }
    for (int64_t c = 0; c < n_columns; c++) {
        starts[c + 1] += starts[c];
    }
    for (int64_t v = 0; v < b->n_nodes; v++) {
        out->offsets[v + 1] += out->offsets[v];
    }
    for (int64_t i = 0; i < n; i++) {
        order[starts[b->word[i]]++] = i;
    }
    for (int64_t i = 0; i < n; i++) {
        out->columns[out->offsets[b->node[order[i]]]++] = b->word[order[i]];
    }
    /* Each offset is at the end of its row now. */
    int64_t begin = 0;
    for (int64_t v = 0; v < b->n_nodes; v++) {
        int64_t end = out->offsets[v], first = kept;
        for (int64_t k = begin; k < end; k++) {
            if (kept == first || out->columns[kept - 1] != out->columns[k]) {
                out->columns[kept++] = out->columns[k];
            }
        }
        out->offsets[v] = first;
        begin = end;
    }
    out->offsets[b->n_nodes] = kept;
done:
    rk__free(starts);
    rk__free(order);
    return status;
}

static rk_status build(building *b, rk_features_store *out)
{
    RK_TRY(dense_names(b, &out->dense_names));
    RK_TRY(fill_dense(b, out));
    RK_TRY(sparse_names(b, &out->sparse_names));
    RK_TRY(fill_sparse(b, out));
    for (int64_t i = 0; i < b->n_nodes; i++) {
        out->shown.nodes_known += b->known[i];
    }
    out->shown.numbers_missing = b->missing;
    out->shown.rows_unknown = b->unknown;
    out->shown.rows_repeated = b->repeated;
    return RK_OK;
}

/* The type that an element is of. */
static int64_t type_of(const rk_nodes *nodes, const rk_feature_options *feature)
{
    for (int64_t t = 0; t < nodes->sides->n_types; t++) {
        if (strcmp(nodes->sides->types[t].name, feature->of) == 0) {
            return t;
        }
    }
    RK_ASSERT(false); /* rk__config_check knows the node types */
    return -1;
}

static rk_status read_type(const rk_nodes *nodes, int64_t type)
{
    rk_status status = RK_OK;
    const rk_options *o = nodes->options;
    rk_sides *sides = nodes->sides;
    building b = {
        .nodes = nodes, .of = type, .n_nodes = rk__sides_count(nodes->dataset, sides, type)};
    bool any = false;
    for (int64_t i = 0; i < o->n_features; i++) {
        any = any || type_of(nodes, &o->features[i]) == type;
    }
    if (!any) {
        return RK_OK;
    }
    RK_TRY_GOTO(done, rk__calloc(&b.known, b.n_nodes, sizeof *b.known, "features"));
    for (int64_t i = 0; i < o->n_features; i++) {
        if (type_of(nodes, &o->features[i]) == type) {
            RK_TRY_GOTO(done, read_file(&b, &o->features[i]));
        }
    }
    RK_TRY_GOTO(done, rk__realloc(&sides->features, sides->n_features, sides->n_features + 1,
                                  sizeof *sides->features, "features"));
    rk_features_store *store = &sides->features[sides->n_features++];
    *store = (rk_features_store){.of = type};
    RK_TRY_GOTO(done, build(&b, store));
done:
    building_free(&b);
    return status;
}

rk_status rk__features_read(const rk_nodes *nodes)
{
    for (int64_t type = 0; type < nodes->sides->n_types; type++) {
        RK_TRY(read_type(nodes, type));
    }
    return RK_OK;
}
