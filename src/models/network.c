#include "models/network.h"

#include <stdio.h>

#include "base/alloc.h"

/* ---- layers ---- */

int64_t rk__layer_width(const rk_options *o, int k)
{
    return k < o->model.widths.n ? o->model.widths.v[k] : o->model.dim;
}

void rk__layer_name(char out[RK_NAME_LENGTH], int k, const char *name)
{
    snprintf(out, RK_NAME_LENGTH, "layer%d.%s", k + 1, name);
}

rk_value rk__use_layer(rk_program *p, int k, const char *name)
{
    char full[RK_NAME_LENGTH];
    rk__layer_name(full, k, name);
    return rk__use_if_there(p, full);
}

rk_status rk__declare_layer_matrix(rk_model_instance *m, int k, const char *name, int64_t rows,
                                   int64_t cols)
{
    rk_parameter p = {
        .rows = rows, .cols = cols, .init = RK_INIT_XAVIER, .block_end = {rows, rows}};
    rk__layer_name(p.name, k, name);
    return rk__model_add(m, p);
}

rk_status rk__declare_layer_row(rk_model_instance *m, int k, const char *name, int64_t cols,
                                double value)
{
    rk_parameter p = {
        .rows = 1, .cols = cols, .init = RK_INIT_CONSTANT, .init_sd = value, .block_end = {1, 1}};
    rk__layer_name(p.name, k, name);
    return rk__model_add(m, p);
}

/* ---- options ---- */

const rk_model_kind *rk__network_form(const rk_model_kind *self, const rk_options *o)
{
    (void)o;
    return self;
}

static rk_status check_widths(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    if (o->model.widths.n > 0 && o->model.widths.n != o->model.layers) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: give one width for what goes into each layer, or []",
                rk__config_says(config, "model.widths").text,
                rk__config_says(config, "model.layers").text);
    }
    for (int64_t k = 0; !o->model.maps && k < o->model.widths.n; k++) {
        if (o->model.widths.v[k] != o->model.dim) {
            RK_FAIL(RK_ERR_CONFIG, "%s, but %s: without matrices all widths are model.dim",
                    rk__config_says(config, "model.widths").text,
                    rk__config_says(config, "model.maps").text);
        }
    }
    return RK_OK;
}

/* What is in the table of options, but not in the networks yet. */
static rk_status check_unread(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    const char *key = o->model.scorer > RK_SCORER_COSINE ? "model.scorer"
                      : o->model.relations[0] != '\0'    ? "model.relations"
                      : o->model.batch_norm              ? "model.batch_norm"
                      : o->model.edge_dropout > 0        ? "model.edge_dropout"
                      : o->train.message_share < 1       ? "train.message_share"
                                                         : NULL;
    if (key) {
        RK_FAIL(RK_ERR_CONFIG, "%s, which networks do not know yet",
                rk__config_says(config, key).text);
    }
    return RK_OK;
}

rk_status rk__network_check(const rk_config *config)
{
    const rk_model_kind *kind = rk__model_of(rk__config_options(config));
    RK_TRY(check_widths(config));
    RK_TRY(check_unread(config));
    return kind->network->check ? kind->network->check(config) : RK_OK;
}

rk_status rk__network_check_data(const rk_options *o, const rk_model_data *data)
{
    const struct rk_network *n = rk__model_of(o)->network;
    return n->check_data ? n->check_data(o, data) : RK_OK;
}

/* ---- tensors ---- */

static rk_status declare_input(rk_model_instance *m)
{
    const rk_options *o = m->options;
    rk_parameter embedding = {.name = "embedding",
                              .rows = m->n_nodes,
                              .cols = rk__layer_width(o, 0),
                              .init = o->model.init,
                              .init_sd = o->model.init_sd,
                              .block_end = {m->data.n_users, m->n_nodes}};
    return rk__model_add(m, embedding);
}

static rk_status declare_layers(rk_model_instance *m)
{
    const rk_options *o = m->options;
    for (int k = 0; k < o->model.layers; k++) {
        RK_TRY(m->model->network->declare_layer(m, k, rk__layer_width(o, k),
                                                rk__layer_width(o, k + 1)));
    }
    return RK_OK;
}

/* What fold_in reads of the nodes at each layer. */
static rk_status declare_fold(rk_model_instance *m)
{
    for (int k = 0; k < m->options->model.layers; k++) {
        rk_parameter p = {
            .rows = m->n_nodes, .cols = rk__layer_width(m->options, k), .role = RK_TABLE};
        rk__layer_name(p.name, k, "fold");
        RK_TRY(rk__model_add(m, p));
    }
    return RK_OK;
}

rk_status rk__network_declare(rk_model_instance *m)
{
    const struct rk_network *n = m->model->network;
    rk_parameter final = {
        .name = "final", .rows = m->n_nodes, .cols = m->options->model.dim, .role = RK_TABLE};
    RK_TRY(declare_input(m));
    RK_TRY(declare_layers(m));
    RK_TRY(n->declare_trained ? n->declare_trained(m) : RK_OK);
    RK_TRY(rk__model_add(m, final));
    RK_TRY(n->fold_layer ? declare_fold(m) : RK_OK);
    return n->declare_constants ? n->declare_constants(m) : RK_OK;
}

/* ---- encoding ---- */

rk_value rk__network_input(const rk_model_instance *m, rk_program *p)
{
    (void)m;
    return rk__use_named(p, "embedding");
}

/* What comes between layer k and the next. */
static rk_value between(const rk_model_instance *m, rk_program *p, int k, rk_value x,
                        rk_value state)
{
    const rk_options *o = m->options;
    if (o->model.activation != RK_ACTIVATION_NONE) {
        const bool is_leaky = o->model.activation == RK_ACTIVATION_LEAKY_RELU;
        x = rk__activate(
            p, x, (rk_activate_attr){.kind = o->model.activation, .slope = is_leaky ? 0.01F : 1});
    }
    return rk__dropout(p, x, state, (rk_dropout_attr){o->model.dropout, k});
}

/* keeps: for fold_in. */
static rk_value nodes_from(const rk_model_instance *m, rk_program *p, rk_value input,
                           rk_value state, bool keeps)
{
    const struct rk_network *n = m->model->network;
    const int layers = (int)m->options->model.layers;
    rk_layer_values v = {.x = input, .relations = RK_NONE, .edges = RK_NONE, .state = state};
    if (n->begin) {
        n->begin(m, p, &v);
    }
    rk_value tables[RK_MAX_LAYERS];
    for (int k = 0; k < layers; k++) {
        tables[k] = keeps ? n->fold_table(m, p, v.x) : RK_NONE;
        v.x = n->layer(m, p, k, &v);
        v.x = k + 1 < layers ? between(m, p, k, v.x, state) : v.x;
    }
    for (int k = 0; keeps && k < layers; k++) { /* behind their readers: they may be x itself */
        char name[RK_NAME_LENGTH];
        rk__layer_name(name, k, "fold");
        rk__assign_named(p, name, tables[k]);
    }
    return v.x;
}

rk_value rk__network_nodes(const rk_model_instance *m, rk_program *p, rk_value state)
{
    return nodes_from(m, p, rk__network_input(m, p), state, false);
}

/* ---- scorers ---- */

/* As the products of scores are made of. */
static rk_value scored_nodes(const rk_model_instance *m, rk_program *p, rk_value x)
{
    return m->options->model.scorer == RK_SCORER_COSINE ? rk__unit_rows(p, x, RK_NONE) : x;
}

rk_encoded rk__network_encode(const rk_model_instance *m, rk_program *p, rk_graph_values graph,
                              const rk_value *values, rk_value state)
{
    (void)graph, (void)values;
    rk_value input = rk__network_input(m, p);
    rk_value final = scored_nodes(m, p, nodes_from(m, p, input, state, false));
    return (rk_encoded){final, input, {RK_NONE, RK_NONE}};
}

void rk__network_finish(const rk_model_instance *m, rk_program *p)
{
    const bool folds = m->model->network->fold_layer;
    rk_value x = nodes_from(m, p, rk__network_input(m, p), RK_NONE, folds);
    rk__assign_named(p, "final", scored_nodes(m, p, x));
}

rk_value rk__network_fold_in(const rk_model_instance *m, rk_program *p, const rk_tile *tile)
{
    const struct rk_network *n = m->model->network;
    const int layers = (int)m->options->model.layers;
    rk_value x = rk__take_rows(p, rk__network_input(m, p), tile->users);
    for (int k = 0; k < layers; k++) {
        x = n->fold_layer(m, p, k, tile, x, rk__use_layer(p, k, "fold"));
        x = k + 1 < layers ? between(m, p, k, x, RK_NONE) : x;
    }
    return scored_nodes(m, p, x);
}
