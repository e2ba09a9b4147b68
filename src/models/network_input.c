/*
 * What a network knows of its nodes before the first layer: embeddings and features.
 *
 * Features are the edges of a block from nodes to columns: a number is the weight of an edge to its
 * column, a word an edge of weight 1, and every node of a type with features has an edge to a
 * column of its type, whose row is the bias of the map. So the map of all features of all types is
 * one sum over edges of rows of one matrix [columns, width], whatever they are.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "models/network.h"
#include "rankine/sides.h"

static const char *const embedding = "embedding", *const mask = "embedding.mask",
                         *const bias = "bias", *const features = "features",
                         *const feature_weight = "features.weight",
                         *const feature_bias = "features.bias";

/* ---- features ---- */

/* The i-th features of the data set; *first: the row of their first node. NULL = they are not read,
 * or nodes of that type are not there. */
static const rk_features *features_at(const rk_model_data *data, const rk_node_space *space,
                                      int64_t i, int64_t *first)
{
    const rk_features *f = rk_dataset_features(data->dataset, i);
    for (int64_t t = 0; t < space->n_types; t++) {
        if (strcmp(rk_dataset_node_type(data->dataset, t, NULL), f->of) == 0) {
            *first = space->first[t];
            return *first >= 0 ? f : NULL;
        }
    }
    return NULL;
}

static int64_t n_features(const rk_options *o, const rk_model_data *data)
{
    return o->model.features && data->dataset ? rk_dataset_n_features(data->dataset) : 0;
}

/* Columns and edges of all types. */
static void count_features(const rk_options *o, const rk_model_data *data,
                           const rk_node_space *space, int64_t *columns, int64_t *edges)
{
    *columns = *edges = 0;
    for (int64_t i = 0; i < n_features(o, data); i++) {
        int64_t first = 0;
        const rk_features *f = features_at(data, space, i, &first);
        if (f) {
            *columns += 1 + f->n_dense + f->n_sparse;
            *edges += f->n_nodes * (1 + f->n_dense) + (f->n_sparse ? f->offsets[f->n_nodes] : 0);
        }
    }
}

/* The edges of a node, behind the n that are there; returns how many there are then. */
static int64_t add_node(const rk_features *f, int64_t node, int64_t row, int64_t column,
                        int32_t *rows, int32_t *columns, float *weights, int64_t n)
{
    for (int64_t k = 0; k < 1 + f->n_dense; k++, n++) {
        rows[n] = (int32_t)row;
        columns[n] = (int32_t)(column + k);
        weights[n] = k == 0 ? 1 : f->dense[node * f->n_dense + k - 1];
    }
    const int64_t begin = f->n_sparse ? f->offsets[node] : 0;
    const int64_t end = f->n_sparse ? f->offsets[node + 1] : 0;
    for (int64_t e = begin; e < end; e++, n++) {
        rows[n] = (int32_t)row;
        columns[n] = (int32_t)(column + 1 + f->n_dense + f->columns[e]);
        weights[n] = 1;
    }
    return n;
}

/* Does anything tell the node from others of its type? */
static bool has_features(const rk_features *f, int64_t node)
{
    return f->n_dense > 0 || (f->n_sparse > 0 && f->offsets[node] < f->offsets[node + 1]);
}

static rk_status add_block(rk_model_instance *m, const rk_node_space *space)
{
    static const char what[] = "the features of nodes";
    rk_block_edges e = {.n_rows = m->n_nodes};
    rk_block block = {0};
    int32_t *rows = NULL, *columns = NULL;
    float *weights = NULL;
    int64_t n = 0, column = 0;
    rk_status status = RK_OK;
    count_features(m->options, &m->data, space, &e.n_columns, &e.n_edges);
    RK_TRY_GOTO(done, rk__alloc(&rows, e.n_edges, sizeof *rows, what));
    RK_TRY_GOTO(done, rk__alloc(&columns, e.n_edges, sizeof *columns, what));
    RK_TRY_GOTO(done, rk__alloc(&weights, e.n_edges, sizeof *weights, what));
    e.rows = rows, e.columns = columns, e.weights = weights;
    for (int64_t i = 0; i < n_features(m->options, &m->data); i++) {
        int64_t first = 0;
        const rk_features *f = features_at(&m->data, space, i, &first);
        for (int64_t node = 0; f && node < f->n_nodes; node++) {
            n = add_node(f, node, first + node, column, rows, columns, weights, n);
            if (has_features(f, node)) {
                m->known[first + node] = 1;
            }
        }
        column += f ? 1 + f->n_dense + f->n_sparse : 0;
    }
    RK_TRY_GOTO(done, rk__block_build(&block, &e));
    status = rk__model_add_block(m, features, &block);
done:
    rk__block_free(&block);
    rk__free(rows);
    rk__free(columns);
    rk__free(weights);
    return status;
}

/* ---- tensors ---- */

rk_status rk__network_check_input(const rk_options *o, const rk_model_data *data)
{
    rk_node_space space = {0};
    int64_t columns = 0, edges = 0, n = 0, types = 0;
    RK_TRY(rk__node_space(&space, data, o->model.relations));
    count_features(o, data, &space, &columns, &edges);
    rk__node_space_free(&space);
    if (o->model.ids == RK_EMBEDDED_NONE && columns == 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "model.ids is none, but the data set has no features of users or items%s, so that "
                "nothing is known of them: name some in data.features, or take model.ids all",
                o->model.features ? "" : " that are read (model.features is false)");
    }
    RK_TRY(rk__count_relations(data, o->model.relations, &n, &types));
    if (o->model.relation_weights.n != 1 && o->model.relation_weights.n != n) {
        RK_FAIL(RK_ERR_CONFIG,
                "model.relation_weights has %lld numbers, but model.relations names %lld: give one "
                "for each, or one for all",
                (long long)o->model.relation_weights.n, (long long)n);
    }
    return RK_OK;
}

/* Is the embedding of a node trained? */
static bool is_embedded(const rk_model_instance *m, int64_t node)
{
    const int ids = m->options->model.ids;
    const bool is_user = node < m->data.n_users;
    const bool is_item = !is_user && node < m->data.n_users + m->data.n_items;
    return !(is_user && ids == RK_EMBEDDED_ITEMS) && !(is_item && ids == RK_EMBEDDED_USERS) &&
           (node >= m->data.graph->n_nodes || rk__graph_degree(m->data.graph, node) > 0);
}

static rk_status add_trained(rk_model_instance *m, const char *name, int64_t rows, int64_t cols,
                             int init)
{
    const bool is_nodes = rows == m->n_nodes;
    rk_parameter p = {.rows = rows,
                      .cols = cols,
                      .init = init,
                      .init_sd = init == RK_INIT_NORMAL ? m->options->model.init_sd : 0,
                      .block_end = {is_nodes ? m->data.n_users : rows, rows}};
    snprintf(p.name, sizeof p.name, "%s", name);
    return rk__model_add(m, p);
}

rk_status rk__network_declare_input(rk_model_instance *m)
{
    const rk_options *o = m->options;
    const int64_t width = rk__layer_width(o, 0), n = m->n_nodes;
    const bool is_biased = o->model.scorer == RK_SCORER_BIASED;
    const bool has_ids = o->model.ids != RK_EMBEDDED_NONE;
    rk_node_space space = {0};
    int64_t columns = 0, edges = 0;
    RK_TRY(rk__node_space(&space, &m->data, o->model.relations));
    count_features(o, &m->data, &space, &columns, &edges);
    rk__node_space_free(&space);
    RK_TRY(has_ids ? add_trained(m, embedding, n, width, o->model.init) : RK_OK);
    RK_TRY(columns > 0 ? add_trained(m, feature_weight, columns, width, RK_INIT_XAVIER) : RK_OK);
    RK_TRY(is_biased && has_ids ? add_trained(m, bias, n, 1, RK_INIT_CONSTANT) : RK_OK);
    return is_biased && columns > 0 ? add_trained(m, feature_bias, columns, 1, RK_INIT_CONSTANT)
                                    : RK_OK;
}

static rk_status add_mask(rk_model_instance *m)
{
    const int64_t n = m->n_nodes;
    int64_t embedded = 0;
    float *values = NULL;
    if (m->options->model.ids == RK_EMBEDDED_NONE) {
        return RK_OK;
    }
    RK_TRY(rk__alloc(&values, n, sizeof *values, "which nodes have embeddings"));
    for (int64_t i = 0; i < n; i++) {
        values[i] = is_embedded(m, i);
        embedded += is_embedded(m, i);
    }
    if (embedded == n) {
        rk__free(values);
        return RK_OK;
    }
    return rk__declare_constant(m, mask, n, 1, values);
}

rk_status rk__network_declare_known(rk_model_instance *m)
{
    rk_node_space space = {0};
    int64_t columns = 0, edges = 0;
    rk_status status = RK_OK;
    RK_TRY(rk__model_add_known(m));
    RK_TRY(rk__node_space(&space, &m->data, m->options->model.relations));
    count_features(m->options, &m->data, &space, &columns, &edges);
    RK_TRY_GOTO(done, columns > 0 ? add_block(m, &space) : RK_OK);
    status = add_mask(m);
done:
    rk__node_space_free(&space);
    return status;
}

/* ---- in programs ---- */

/* own at nodes whose embeddings are trained, plus the map of the features. */
static rk_value known(rk_program *p, const char *own_name, const char *map_name)
{
    rk_value own = rk__use_if_there(p, own_name), map = rk__use_if_there(p, map_name);
    rk_value is_trained = rk__use_if_there(p, mask);
    if (own != RK_NONE && is_trained != RK_NONE) {
        own = rk__scale_rows(p, own, is_trained, RK_NONE, RK_NONE);
    }
    if (map == RK_NONE) {
        return own;
    }
    const rk_block_values block = rk__use_block(p, features);
    map = rk__aggregate(p, block, map, rk__block_inputs(block), (rk_aggregate_attr){0});
    return own == RK_NONE ? map : rk__add(p, own, map, 1, 1);
}

rk_value rk__network_input(rk_program *p)
{
    return known(p, embedding, feature_weight);
}

rk_value rk__network_biases(rk_program *p)
{
    return known(p, bias, feature_bias);
}
