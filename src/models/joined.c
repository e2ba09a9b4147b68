/* Edges of interactions and relations, gathered as a list and built as a block. */
#include "models/joined.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "models/field_pairs.h"
#include "models/models.h"
#include "rankine/sides.h"

/* ---- names ---- */

static rk_status fail_unknown(const rk_dataset *d, const char *name, size_t length)
{
    char known[256] = "";
    const int64_t n = d ? rk_dataset_n_relations(d) : 0;
    for (int64_t i = 0; i < n; i++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "",
                 rk_dataset_relation(d, i)->name);
    }
    RK_FAIL(RK_ERR_CONFIG,
            "model.relations names \"%.*s\", but the relations of the data set are: "
            "%s; take some of those, or add it to data.relations",
            (int)length, name, n > 0 ? known : "none");
}

/* The next relation of the list, NULL at its end; *at moves on. */
static rk_status next_relation(const rk_model_data *data, const char **at, const rk_relation **out)
{
    const rk_dataset *d = data->dataset;
    const char *name = NULL;
    size_t length = 0;
    *out = NULL;
    if (!rk__next_name(at, &name, &length)) {
        return RK_OK;
    }
    for (int64_t i = 0; d && i < rk_dataset_n_relations(d); i++) {
        const rk_relation *r = rk_dataset_relation(d, i);
        if (strlen(r->name) == length && memcmp(r->name, name, length) == 0) {
            *out = r;
            return RK_OK;
        }
    }
    return fail_unknown(d, name, length);
}

static int64_t types_of(const rk_relation *r)
{
    return r->types ? r->n_types : 1;
}

rk_status rk__count_relations(const rk_model_data *data, const char *relations, int64_t *out_n,
                              int64_t *out_types)
{
    const rk_relation *r = NULL;
    *out_n = 0;
    *out_types = 2;
    RK_TRY(next_relation(data, &relations, &r));
    while (r) {
        (*out_n)++;
        *out_types += 2 * types_of(r);
        RK_TRY(next_relation(data, &relations, &r));
    }
    *out_types += 2 * rk__field_types(data);
    return RK_OK;
}

/* ---- levels of values ---- */

static int find_level(const rk_levels *l, float value)
{
    int at = 0;
    while (at < l->n && l->v[at] < value) {
        at++;
    }
    return at;
}

rk_status rk__levels_add(rk_levels *l, const float *values, int64_t n)
{
    for (int64_t e = 0; e < n; e++) {
        const int at = find_level(l, values[e]);
        if (at < l->n && l->v[at] == values[e]) {
            continue;
        }
        if (l->n == RK_MOST_LEVELS) {
            RK_FAIL(RK_ERR_DATA,
                    "model.type_by is value, but train has more than %d different values, e.g. "
                    "%.9g: a type of edges for each is for ratings in steps",
                    RK_MOST_LEVELS, (double)values[e]);
        }
        memmove(l->v + at + 1, l->v + at, (size_t)(l->n - at) * sizeof *l->v);
        l->v[at] = values[e];
        l->n++;
    }
    return RK_OK;
}

rk_status rk__value_levels(rk_levels *out, const rk_options *o, const rk_model_data *data)
{
    *out = (rk_levels){.n = 1};
    if (o->model.type_by != RK_WEIGH_BY_VALUE) {
        return RK_OK;
    }
    if (!data->train_values) {
        RK_FAIL(RK_ERR_DATA,
                "model.type_by is value, but the data set has no values: name their column in the "
                "key 'value' of each of data.sources");
    }
    out->n = 0;
    RK_TRY(rk__levels_add(out, data->train_values, data->graph->n_edges));
    out->n = out->n > 0 ? out->n : 1;
    return RK_OK;
}

/* ---- nodes ---- */

static int64_t type_named(const rk_dataset *d, const char *name)
{
    int64_t type = 0;
    while (strcmp(rk_dataset_node_type(d, type, NULL), name) != 0) {
        type++;
    }
    return type;
}

rk_status rk__node_space(rk_node_space *out, const rk_model_data *data, const char *relations)
{
    const rk_dataset *d = data->dataset;
    const rk_relation *r = NULL;
    rk_status status = RK_OK;
    rk_node_space s = {.n_types = d ? rk_dataset_n_node_types(d) : 2};
    RK_TRY(rk__calloc(&s.first, s.n_types, sizeof *s.first, "types of nodes"));
    RK_TRY_GOTO(done, next_relation(data, &relations, &r));
    while (r) {
        s.first[type_named(d, r->from)] = s.first[type_named(d, r->to)] = 1;
        RK_TRY_GOTO(done, next_relation(data, &relations, &r));
    }
    s.first[0] = 0;
    s.first[1] = data->n_users;
    s.n_nodes = rk__field_nodes(data);
    for (int64_t t = 2; t < s.n_types; t++) {
        int64_t n = 0;
        rk_dataset_node_type(d, t, &n);
        const bool is_there = s.first[t] != 0;
        s.first[t] = is_there ? s.n_nodes : -1;
        s.n_nodes += is_there ? n : 0;
    }
    if (s.n_nodes > INT32_MAX) {
        RK_FAIL_GOTO(done, RK_ERR_CONFIG,
                     "%lld users, items and other nodes are too many: at most "
                     "%lld; name fewer relations in model.relations",
                     (long long)s.n_nodes, (long long)INT32_MAX);
    }
    *out = s;
done:
    if (status != RK_OK) {
        rk__node_space_free(&s);
    }
    return status;
}

void rk__node_space_free(rk_node_space *space)
{
    rk__free(space->first);
    *space = (rk_node_space){0};
}

/* ---- edges ---- */

typedef struct edge_list {
    int64_t n;
    int32_t *rows, *columns, *types; /* owned */
    float *weights;
} edge_list;

static void free_edges(edge_list *e)
{
    rk__free(e->rows);
    rk__free(e->columns);
    rk__free(e->types);
    rk__free(e->weights);
}

static rk_status alloc_edges(edge_list *e, int64_t n)
{
    static const char what[] = "the edges of relations";
    RK_TRY(rk__alloc(&e->rows, n, sizeof *e->rows, what));
    RK_TRY(rk__alloc(&e->columns, n, sizeof *e->columns, what));
    RK_TRY(rk__alloc(&e->types, n, sizeof *e->types, what));
    return rk__alloc(&e->weights, n, sizeof *e->weights, what);
}

static void add(edge_list *e, int64_t row, int64_t column, int64_t type, float weight)
{
    e->rows[e->n] = (int32_t)row;
    e->columns[e->n] = (int32_t)column;
    e->types[e->n] = (int32_t)type;
    e->weights[e->n++] = weight;
}

static void add_both(edge_list *e, int64_t from, int64_t to, int64_t type, float weight)
{
    add(e, from, to, 2 * type, weight);
    add(e, to, from, 2 * type + 1, weight);
}

/* The weight with which v is in the list of u by an edge of that type, -1 = it is not. */
static double weight_between(const rk_relation *r, int64_t u, int64_t v, int32_t type)
{
    for (int64_t k = r->offsets[u]; k < r->offsets[u + 1] && r->columns[k] <= v; k++) {
        if (r->columns[k] == v && (!r->types || r->types[k] == type)) {
            return r->weights ? (double)r->weights[k] : 1;
        }
    }
    return -1;
}

/* Of a relation within a type of nodes, whose lists may have an edge from both ends. Edges of
 * different types are different edges, whichever end has which. */
static void add_once(edge_list *e, const rk_relation *r, int64_t first, int64_t type, double weight)
{
    for (int64_t v = 0; v < r->n_from; v++) {
        for (int64_t k = r->offsets[v]; k < r->offsets[v + 1]; k++) {
            const int64_t u = r->columns[k];
            const double own = r->weights ? (double)r->weights[k] : 1;
            const int32_t own_type = r->types ? r->types[k] : 0;
            const double back = u == v ? -1 : weight_between(r, u, v, own_type);
            const int64_t of = type + own_type;
            const float larger = (float)(weight * fmax(own, back));
            if (u == v) {
                add(e, first + v, first + v, 2 * of, larger);
            } else if (back < 0 || v < u) {
                add_both(e, first + v, first + u, of, larger);
            }
        }
    }
}

static void add_relation(edge_list *e, const rk_relation *r, int64_t from, int64_t to, int64_t type,
                         double weight)
{
    for (int64_t v = 0; v < r->n_from; v++) {
        for (int64_t k = r->offsets[v]; k < r->offsets[v + 1]; k++) {
            const double own = r->weights ? (double)r->weights[k] : 1;
            add_both(e, from + v, to + r->columns[k], type + (r->types ? r->types[k] : 0),
                     (float)(weight * own));
        }
    }
}

static rk_status add_all(edge_list *e, const rk_model_data *data, const char *relations,
                         const rk_node_space *space, const rk_field_pairs *pairs,
                         const rk_levels *levels, const rk_join_options *o)
{
    const rk_relation *r = NULL;
    const rk_graph *g = data->graph;
    int64_t type = levels->n;
    for (int64_t u = 0; u < data->n_users; u++) {
        for (int64_t k = g->offsets[u]; k < g->offsets[u + 1]; k++) {
            const int level = levels->n > 1 ? find_level(levels, data->train_values[k]) : 0;
            add_both(e, u, g->columns[k], level, 1);
        }
    }
    RK_TRY(next_relation(data, &relations, &r));
    for (int64_t i = 0; r; i++) {
        const int64_t from = space->first[type_named(data->dataset, r->from)];
        const int64_t to = space->first[type_named(data->dataset, r->to)];
        const double weight = o->weights ? o->weights[i] : 1;
        if (o->once && from == to) {
            add_once(e, r, from, type, weight);
        } else {
            add_relation(e, r, from, to, type, weight);
        }
        type += types_of(r);
        RK_TRY(next_relation(data, &relations, &r));
    }
    for (int64_t i = 0; i < pairs->n; i++) { /* with negatives, which are like interactions */
        add_both(e, pairs->a[i], pairs->b[i], pairs->type[i] < 0 ? 0 : type + pairs->type[i], 1);
    }
    type += pairs->n_types;
    for (int64_t v = 0; v < space->n_nodes && o->loops; v++) {
        add(e, v, v, 2 * type, 1);
    }
    return RK_OK;
}

/* Edges of the interactions and the relations, in both directions, and loops. */
static rk_status count_edges(const rk_model_data *data, const char *relations,
                             const rk_node_space *space, const rk_join_options *o, int64_t *out)
{
    const rk_relation *r = NULL;
    *out = 2 * data->graph->n_edges + (o->loops ? space->n_nodes : 0);
    RK_TRY(next_relation(data, &relations, &r));
    while (r) {
        *out += 2 * r->n_edges;
        RK_TRY(next_relation(data, &relations, &r));
    }
    return RK_OK;
}

rk_status rk__block_join(rk_block *out, const rk_model_data *data, const char *relations,
                         const rk_join_options *o)
{
    rk_status status = RK_OK;
    rk_node_space space = {0};
    rk_field_pairs pairs = {0};
    rk_levels levels = {.n = 1};
    edge_list edges = {0};
    rk_block block = {0};
    int64_t n = 0, n_relations = 0, n_types = 0;
    RK_TRY_GOTO(done, rk__node_space(&space, data, relations));
    RK_TRY_GOTO(done, rk__count_relations(data, relations, &n_relations, &n_types));
    if (o->typed && o->options) {
        RK_TRY_GOTO(done, rk__value_levels(&levels, o->options, data));
        n_types += 2 * (levels.n - 1);
    }
    RK_TRY_GOTO(done, count_edges(data, relations, &space, o, &n));
    RK_TRY_GOTO(done, o->options ? rk__field_pairs(&pairs, o->options, data) : RK_OK);
    n += 2 * pairs.n;
    RK_TRY_GOTO(done, alloc_edges(&edges, n));
    RK_TRY_GOTO(done, add_all(&edges, data, relations, &space, &pairs, &levels, o));
    const rk_block_edges list = {.n_rows = space.n_nodes,
                                 .n_columns = space.n_nodes,
                                 .n_edges = edges.n,
                                 .n_types = n_types + o->loops,
                                 .rows = edges.rows,
                                 .columns = edges.columns,
                                 .weights = edges.weights,
                                 .types = o->typed ? edges.types : NULL};
    RK_TRY_GOTO(done, rk__block_build(&block, &list));
    block.has_loops = o->typed && o->loops;
    RK_TRY_GOTO(done, rk__block_normalise(&block, o->norm, o->scope));
    *out = block;
    block = (rk_block){0};
done:
    rk__block_free(&block);
    free_edges(&edges);
    rk__field_pairs_free(&pairs);
    rk__node_space_free(&space);
    return status;
}

rk_status rk__block_of_lists(rk_block *out, int64_t n_nodes, int64_t n_lists,
                             const int64_t *offsets, const int32_t *columns, int64_t first)
{
    const int64_t n = offsets[n_lists];
    edge_list edges = {0};
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, alloc_edges(&edges, n));
    for (int64_t v = 0; v < n_lists; v++) {
        for (int64_t k = offsets[v]; k < offsets[v + 1]; k++) {
            add(&edges, v, first + columns[k], 0, 1);
        }
    }
    const rk_block_edges list = {.n_rows = n_nodes,
                                 .n_columns = n_nodes,
                                 .n_edges = n,
                                 .rows = edges.rows,
                                 .columns = edges.columns};
    status = rk__block_build(out, &list);
done:
    free_edges(&edges);
    return status;
}

rk_status rk__know_joined(rk_model_instance *m, const rk_block *b)
{
    const rk_graph *train = m->data.graph;
    int32_t *reached = NULL; /* nodes, in the order in which they were found */
    int64_t n = 0;
    RK_TRY(rk__alloc(&reached, b->n_rows, sizeof *reached, "the nodes that are known"));
    for (int64_t v = 0; v < b->n_rows; v++) {
        m->known[v] |= v < train->n_nodes && rk__graph_degree(train, v) > 0;
        if (m->known[v]) {
            reached[n++] = (int32_t)v;
        }
    }
    for (int64_t at = 0; at < n; at++) {
        for (int64_t e = b->offsets[reached[at]]; e < b->offsets[reached[at] + 1]; e++) {
            const int32_t u = b->columns[e];
            if (!m->known[u] && (!b->weights || b->weights[e] != 0)) {
                m->known[u] = 1;
                reached[n++] = u;
            }
        }
    }
    rk__free(reached);
    return RK_OK;
}

/* ---- in the store ---- */

/* One array as a constant; it is the instance's from then on, also when this fails. */
static rk_status add_array(rk_model_instance *m, const char *block, const char *name,
                           rk_dtype dtype, int64_t rows, void *array)
{
    rk_parameter p = {.dtype = dtype, .rows = rows, .cols = 1, .role = RK_CONSTANT};
    if (!array) {
        return RK_OK;
    }
    snprintf(p.name, sizeof p.name, "%s.%s", block, name);
    p.constant = array;
    return rk__model_add(m, p);
}

rk_status rk__model_add_block(rk_model_instance *m, const char *name, rk_block *block)
{
    const struct {
        const char *name;
        rk_dtype dtype;
        int64_t rows;
        void *array;
    } arrays[] = {{"offsets", RK_I64, block->n_rows + 1, block->offsets},
                  {"columns", RK_I32, block->n_edges, block->columns},
                  {"weights", RK_F32, block->n_edges, block->weights},
                  {"types", RK_I32, block->n_edges, block->types},
                  {"back_offsets", RK_I64, block->n_columns + 1, block->back_offsets},
                  {"back_columns", RK_I32, block->n_edges, block->back_columns},
                  {"back_edges", RK_I32, block->n_edges, block->back_edges}};
    rk_status status = RK_OK;
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        if (status == RK_OK) {
            status = add_array(m, name, arrays[i].name, arrays[i].dtype, arrays[i].rows,
                               arrays[i].array);
        } else {
            rk__free(arrays[i].array);
        }
    }
    *block = (rk_block){0};
    return status;
}

static rk_value use_array(rk_program *p, const char *block, const char *name)
{
    char full[RK_NAME_LENGTH];
    snprintf(full, sizeof full, "%s.%s", block, name);
    return rk__use_if_there(p, full);
}

rk_block_values rk__use_block(rk_program *p, const char *name)
{
    rk_block_values b = {.offsets = use_array(p, name, "offsets"),
                         .columns = use_array(p, name, "columns"),
                         .weights = use_array(p, name, "weights"),
                         .types = use_array(p, name, "types"),
                         .back_offsets = use_array(p, name, "back_offsets"),
                         .back_columns = use_array(p, name, "back_columns"),
                         .back_edges = use_array(p, name, "back_edges")};
    if (b.back_offsets == RK_NONE) { /* symmetric */
        b.back_offsets = b.offsets;
        b.back_columns = b.columns;
    }
    return b;
}
