/*
 * Node types, relations and features in the file of a data set.
 *
 *   sides/types, sides/relations, sides/features   names, in order; an empty list is not there
 *   nodes/TYPE/{numbers|texts}                     ids of other types than users and items
 *   relations/NAME/{about, offsets, columns, weights, times, types, type_names}
 *   features/TYPE/{about, dense, dense_names, shift, scale, offsets, columns, names}
 *
 * about: whole numbers, in the order of the enumerations below. Reading checks what others rely on;
 * the fingerprint of the data set covers the contents.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "data/sides.h"

enum {
    ABOUT_FROM, /* node types: 0 user, 1 item, then those of sides/types */
    ABOUT_TO,
    ABOUT_IS_DERIVED,
    ABOUT_DROPS_HELD_OUT,
    ABOUT_HELD_OUT,
    ABOUT_ROWS_READ,
    ABOUT_ROWS_FILTERED,
    ABOUT_EDGES_UNKNOWN,
    ABOUT_EDGES_REPEATED,
    N_ABOUT_RELATION,
};
enum {
    ABOUT_NODES_KNOWN,
    ABOUT_NUMBERS_MISSING,
    ABOUT_ROWS_UNKNOWN,
    ABOUT_ROWS_REPEATED,
    N_ABOUT_FEATURES,
};

typedef struct array_path {
    char text[160];
} array_path;

static array_path path_of(const char *room, const char *name, const char *array)
{
    array_path path;
    snprintf(path.text, sizeof path.text, "%s/%s/%s", room, name, array);
    return path;
}

/* ---- writing ---- */

static rk_status write_texts(rk_h5 *file, const char *path, char *const *texts, int64_t n)
{
    return n > 0 ? rk__h5_write_texts(file, path, texts, n) : RK_OK;
}

/* An array beside the edges; nothing where there is none. */
static rk_status write_beside(rk_h5 *file, const char *name, const char *array, rk_h5_type type,
                              int64_t n, const void *values)
{
    return values ? rk__h5_write(file, path_of("relations", name, array).text, type, n, 0, values)
                  : RK_OK;
}

static rk_status write_relation(rk_h5 *file, const rk_relation_store *s)
{
    const rk_relation *r = &s->shown;
    const int64_t about[N_ABOUT_RELATION] = {
        [ABOUT_FROM] = s->from,
        [ABOUT_TO] = s->to,
        [ABOUT_IS_DERIVED] = r->is_derived,
        [ABOUT_DROPS_HELD_OUT] = r->drops_held_out,
        [ABOUT_HELD_OUT] = r->held_out,
        [ABOUT_ROWS_READ] = r->rows_read,
        [ABOUT_ROWS_FILTERED] = r->rows_filtered,
        [ABOUT_EDGES_UNKNOWN] = r->edges_unknown,
        [ABOUT_EDGES_REPEATED] = r->edges_repeated,
    };
    const char *name = s->name;
    RK_TRY(write_beside(file, name, "about", RK_H5_I64, N_ABOUT_RELATION, about));
    RK_TRY(write_beside(file, name, "offsets", RK_H5_I64, r->n_from + 1, s->offsets));
    RK_TRY(write_beside(file, name, "columns", RK_H5_I32, r->n_edges, s->columns));
    RK_TRY(write_beside(file, name, "weights", RK_H5_F32, r->n_edges, s->weights));
    RK_TRY(write_beside(file, name, "times", RK_H5_F64, r->n_edges, s->times));
    RK_TRY(write_beside(file, name, "types", RK_H5_I32, r->n_edges, s->types));
    return write_texts(file, path_of("relations", name, "type_names").text, s->type_names.at,
                       s->type_names.n);
}

static rk_status write_features(rk_h5 *file, const rk_features_store *s)
{
    const rk_features *f = &s->shown;
    const char *of = f->of;
    const int64_t about[N_ABOUT_FEATURES] = {
        [ABOUT_NODES_KNOWN] = f->nodes_known,
        [ABOUT_NUMBERS_MISSING] = f->numbers_missing,
        [ABOUT_ROWS_UNKNOWN] = f->rows_unknown,
        [ABOUT_ROWS_REPEATED] = f->rows_repeated,
    };
    RK_TRY(rk__h5_write(file, path_of("features", of, "about").text, RK_H5_I64, N_ABOUT_FEATURES, 0,
                        about));
    if (f->n_dense > 0) {
        RK_TRY(rk__h5_write(file, path_of("features", of, "dense").text, RK_H5_F32, f->n_nodes,
                            f->n_dense, s->dense));
        RK_TRY(rk__h5_write(file, path_of("features", of, "shift").text, RK_H5_F64, f->n_dense, 0,
                            s->shift));
        RK_TRY(rk__h5_write(file, path_of("features", of, "scale").text, RK_H5_F64, f->n_dense, 0,
                            s->scale));
        RK_TRY(write_texts(file, path_of("features", of, "dense_names").text, s->dense_names.at,
                           f->n_dense));
    }
    RK_TRY(rk__h5_write(file, path_of("features", of, "offsets").text, RK_H5_I64, f->n_nodes + 1, 0,
                        s->offsets));
    RK_TRY(rk__h5_write(file, path_of("features", of, "columns").text, RK_H5_I32,
                        s->offsets[f->n_nodes], 0, s->columns));
    return write_texts(file, path_of("features", of, "names").text, s->sparse_names.at,
                       f->n_sparse);
}

/* The names of n things as a list of their own. */
static rk_status write_names(rk_h5 *file, const rk_sides *sides)
{
    rk_status status = RK_OK;
    char **names = NULL;
    int64_t n_others = sides->n_types - RK_NODE_FIRST_OTHER;
    int64_t most = sides->n_types + sides->n_relations + sides->n_features;
    RK_TRY_GOTO(done, rk__alloc(&names, most, sizeof *names, "names of relations"));
    for (int64_t t = 0; t < n_others; t++) {
        names[t] = sides->types[t + RK_NODE_FIRST_OTHER].name;
    }
    RK_TRY_GOTO(done, write_texts(file, "sides/types", names, n_others));
    for (int64_t i = 0; i < sides->n_relations; i++) {
        names[i] = sides->relations[i].name;
    }
    RK_TRY_GOTO(done, write_texts(file, "sides/relations", names, sides->n_relations));
    for (int64_t i = 0; i < sides->n_features; i++) {
        names[i] = sides->types[sides->features[i].of].name;
    }
    RK_TRY_GOTO(done, write_texts(file, "sides/features", names, sides->n_features));
done:
    rk__free(names);
    return status;
}

rk_status rk__sides_write(const rk_sides *sides, rk_h5 *file)
{
    if (!sides) {
        return RK_OK;
    }
    RK_TRY(write_names(file, sides));
    for (int64_t t = RK_NODE_FIRST_OTHER; t < sides->n_types; t++) {
        const rk_node_type *type = &sides->types[t];
        array_path path = path_of("nodes", type->name, type->ids.texts ? "texts" : "numbers");
        RK_TRY(type->ids.texts
                   ? rk__h5_write_texts(file, path.text, type->ids.texts, type->ids.n)
                   : rk__h5_write(file, path.text, RK_H5_I64, type->ids.n, 0, type->ids.numbers));
    }
    for (int64_t i = 0; i < sides->n_relations; i++) {
        RK_TRY(write_relation(file, &sides->relations[i]));
    }
    for (int64_t i = 0; i < sides->n_features; i++) {
        RK_TRY(write_features(file, &sides->features[i]));
    }
    return RK_OK;
}

/* ---- reading ---- */

static rk_status load_names(const rk_h5 *file, const char *path, rk_words *out)
{
    *out = (rk_words){0};
    return rk__h5_has(file, path) ? rk__h5_load_texts(file, path, &out->at, &out->n) : RK_OK;
}

static rk_status wrong(const rk_h5 *file, const char *what, const char *name)
{
    RK_FAIL(RK_ERR_DATA, "%s: the %s %s is not what it should be", rk__h5_path(file), what, name);
}

static rk_status load_type(const rk_h5 *file, const char *name, rk_node_type *out)
{
    array_path texts = path_of("nodes", name, "texts");
    rk_ids *ids = &out->ids;
    RK_TRY(rk__strdup(&out->name, name));
    if (rk__h5_has(file, texts.text)) {
        RK_TRY(rk__h5_load_texts(file, texts.text, &ids->texts, &ids->n));
    } else {
        RK_TRY(rk__h5_load(file, path_of("nodes", name, "numbers").text, RK_H5_I64, &ids->numbers,
                           &ids->n));
    }
    for (int64_t i = 1; i < ids->n; i++) {
        if (ids->texts ? strcmp(ids->texts[i - 1], ids->texts[i]) >= 0
                       : ids->numbers[i - 1] >= ids->numbers[i]) {
            return wrong(file, "list of nodes", name);
        }
    }
    return ids->n > INT32_MAX ? wrong(file, "list of nodes", name) : RK_OK;
}

/* An array beside the edges, of n elements; nothing where there is none. */
static rk_status load_beside(const rk_h5 *file, const char *name, const char *array,
                             rk_h5_type type, void *out, int64_t n)
{
    array_path path = path_of("relations", name, array);
    int64_t rows = 0;
    if (!rk__h5_has(file, path.text)) {
        return RK_OK;
    }
    RK_TRY(rk__h5_load(file, path.text, type, out, &rows));
    return rows == n ? RK_OK : wrong(file, "relation", name);
}

/* Offsets of lists of n entries. */
static bool are_offsets(const int64_t *offsets, int64_t n_rows, int64_t n)
{
    bool fine = offsets[0] == 0 && offsets[n_rows] == n;
    for (int64_t v = 0; fine && v < n_rows; v++) {
        fine = offsets[v] <= offsets[v + 1];
    }
    return fine;
}

/* Whether the lists are in order and inside their bounds. */
static bool are_edges(const rk_relation_store *s, int64_t n_from, int64_t n_to, int64_t n)
{
    if (!are_offsets(s->offsets, n_from, n)) {
        return false;
    }
    for (int64_t v = 0; v < n_from; v++) {
        for (int64_t k = s->offsets[v]; k < s->offsets[v + 1]; k++) {
            bool is_first = k == s->offsets[v];
            bool is_next =
                is_first || s->columns[k - 1] < s->columns[k] ||
                (s->types && s->columns[k - 1] == s->columns[k] && s->types[k - 1] < s->types[k]);
            if (!is_next || s->columns[k] < 0 || s->columns[k] >= n_to ||
                (s->types && (s->types[k] < 0 || s->types[k] >= s->type_names.n)) ||
                (s->weights && !isfinite(s->weights[k])) || (s->times && !isfinite(s->times[k]))) {
                return false;
            }
        }
    }
    return true;
}

static rk_status load_relation(const rk_h5 *file, const rk_dataset *d, const rk_sides *sides,
                               const char *name, rk_relation_store *s)
{
    int64_t about[N_ABOUT_RELATION], n = 0, n_offsets = 0;
    rk_relation *r = &s->shown;
    RK_TRY(rk__strdup(&s->name, name));
    RK_TRY(rk__h5_read(file, path_of("relations", name, "about").text, RK_H5_I64, N_ABOUT_RELATION,
                       0, about));
    s->from = about[ABOUT_FROM];
    s->to = about[ABOUT_TO];
    r->is_derived = about[ABOUT_IS_DERIVED] != 0;
    r->drops_held_out = about[ABOUT_DROPS_HELD_OUT] != 0;
    r->held_out = about[ABOUT_HELD_OUT];
    r->rows_read = about[ABOUT_ROWS_READ];
    r->rows_filtered = about[ABOUT_ROWS_FILTERED];
    r->edges_unknown = about[ABOUT_EDGES_UNKNOWN];
    r->edges_repeated = about[ABOUT_EDGES_REPEATED];
    if (s->from < 0 || s->from >= sides->n_types || s->to < 0 || s->to >= sides->n_types) {
        return wrong(file, "relation", name);
    }
    RK_TRY(rk__h5_load(file, path_of("relations", name, "offsets").text, RK_H5_I64, &s->offsets,
                       &n_offsets));
    RK_TRY(
        rk__h5_load(file, path_of("relations", name, "columns").text, RK_H5_I32, &s->columns, &n));
    RK_TRY(load_beside(file, name, "weights", RK_H5_F32, &s->weights, n));
    RK_TRY(load_beside(file, name, "times", RK_H5_F64, &s->times, n));
    RK_TRY(load_beside(file, name, "types", RK_H5_I32, &s->types, n));
    RK_TRY(load_names(file, path_of("relations", name, "type_names").text, &s->type_names));
    int64_t n_from = rk__sides_count(d, sides, s->from), n_to = rk__sides_count(d, sides, s->to);
    return n_offsets == n_from + 1 && are_edges(s, n_from, n_to, n) ? RK_OK
                                                                    : wrong(file, "relation", name);
}

static rk_status load_dense(const rk_h5 *file, const char *of, int64_t n_nodes,
                            rk_features_store *s)
{
    int64_t k = 0, cells = 0;
    RK_TRY(load_names(file, path_of("features", of, "dense_names").text, &s->dense_names));
    k = s->dense_names.n;
    RK_TRY(rk__mul(&cells, n_nodes, k, "features"));
    RK_TRY(rk__alloc(&s->dense, cells, sizeof *s->dense, "features"));
    RK_TRY(rk__alloc(&s->shift, k, sizeof *s->shift, "features"));
    RK_TRY(rk__alloc(&s->scale, k, sizeof *s->scale, "features"));
    if (k == 0) {
        return RK_OK;
    }
    RK_TRY(
        rk__h5_read(file, path_of("features", of, "dense").text, RK_H5_F32, n_nodes, k, s->dense));
    RK_TRY(rk__h5_read(file, path_of("features", of, "shift").text, RK_H5_F64, k, 0, s->shift));
    RK_TRY(rk__h5_read(file, path_of("features", of, "scale").text, RK_H5_F64, k, 0, s->scale));
    for (int64_t i = 0; i < cells; i++) {
        if (!isfinite(s->dense[i])) {
            return wrong(file, "table of features of", of);
        }
    }
    return RK_OK;
}

static rk_status load_features(const rk_h5 *file, const rk_dataset *d, const rk_sides *sides,
                               const char *of, rk_features_store *s)
{
    int64_t about[N_ABOUT_FEATURES], n = 0, n_offsets = 0;
    s->of = -1;
    for (int64_t t = 0; t < sides->n_types; t++) {
        s->of = strcmp(sides->types[t].name, of) == 0 ? t : s->of;
    }
    if (s->of < 0) {
        return wrong(file, "table of features of", of);
    }
    int64_t n_nodes = rk__sides_count(d, sides, s->of);
    RK_TRY(rk__h5_read(file, path_of("features", of, "about").text, RK_H5_I64, N_ABOUT_FEATURES, 0,
                       about));
    s->shown.nodes_known = about[ABOUT_NODES_KNOWN];
    s->shown.numbers_missing = about[ABOUT_NUMBERS_MISSING];
    s->shown.rows_unknown = about[ABOUT_ROWS_UNKNOWN];
    s->shown.rows_repeated = about[ABOUT_ROWS_REPEATED];
    RK_TRY(load_dense(file, of, n_nodes, s));
    RK_TRY(load_names(file, path_of("features", of, "names").text, &s->sparse_names));
    RK_TRY(rk__h5_load(file, path_of("features", of, "offsets").text, RK_H5_I64, &s->offsets,
                       &n_offsets));
    RK_TRY(rk__h5_load(file, path_of("features", of, "columns").text, RK_H5_I32, &s->columns, &n));
    if (n_offsets != n_nodes + 1 || !are_offsets(s->offsets, n_nodes, n)) {
        return wrong(file, "table of features of", of);
    }
    for (int64_t v = 0; v < n_nodes; v++) {
        int64_t last = -1;
        for (int64_t k = s->offsets[v]; k < s->offsets[v + 1]; k++) {
            if (s->columns[k] <= last || s->columns[k] >= s->sparse_names.n) {
                return wrong(file, "table of features of", of);
            }
            last = s->columns[k];
        }
    }
    return RK_OK;
}

/* names: the lists of sides/. */
static rk_status load_all(const rk_h5 *file, const rk_dataset *d, const rk_words names[3],
                          rk_sides *sides)
{
    int64_t n_types = RK_NODE_FIRST_OTHER + names[0].n;
    RK_TRY(rk__calloc(&sides->types, n_types, sizeof *sides->types, "node types"));
    sides->n_types = n_types;
    RK_TRY(rk__strdup(&sides->types[RK_NODE_USER].name, "user"));
    RK_TRY(rk__strdup(&sides->types[RK_NODE_ITEM].name, "item"));
    for (int64_t t = 0; t < names[0].n; t++) {
        RK_TRY(load_type(file, names[0].at[t], &sides->types[RK_NODE_FIRST_OTHER + t]));
    }
    RK_TRY(rk__calloc(&sides->relations, names[1].n, sizeof *sides->relations, "relations"));
    sides->n_relations = names[1].n;
    for (int64_t i = 0; i < names[1].n; i++) {
        RK_TRY(load_relation(file, d, sides, names[1].at[i], &sides->relations[i]));
    }
    RK_TRY(rk__calloc(&sides->features, names[2].n, sizeof *sides->features, "features"));
    sides->n_features = names[2].n;
    for (int64_t i = 0; i < names[2].n; i++) {
        RK_TRY(load_features(file, d, sides, names[2].at[i], &sides->features[i]));
    }
    return RK_OK;
}

rk_status rk__sides_load(rk_dataset *dataset, const rk_h5 *file)
{
    static const char *const lists[3] = {"sides/types", "sides/relations", "sides/features"};
    rk_status status = RK_OK;
    rk_words names[3] = {0};
    rk_sides *sides = NULL;
    for (int i = 0; i < 3; i++) {
        RK_TRY_GOTO(done, load_names(file, lists[i], &names[i]));
    }
    if (names[1].n + names[2].n == 0) {
        goto done;
    }
    RK_TRY_GOTO(done, rk__calloc(&sides, 1, sizeof *sides, "relations"));
    RK_TRY_GOTO(done, load_all(file, dataset, names, sides));
    rk__sides_show(dataset, sides);
    dataset->sides = sides;
    sides = NULL;
done:
    for (int i = 0; i < 3; i++) {
        rk__free(names[i].at);
    }
    rk__sides_free(sides);
    return status;
}
