#include "models/network.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "models/relations.h"

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
    const struct rk_network *n = self->network;
    return o->loss.kind == RK_LOSS_MSE && n->ratings        ? n->ratings
           : o->model.scorer == RK_SCORER_FM && n->machines ? n->machines
                                                            : self;
}

static rk_status check_layers(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    if (o->model.layers == 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: it needs at least one layer; mf has none",
                rk__config_says(config, "model.kind").text,
                rk__config_says(config, "model.layers").text);
    }
    return RK_OK;
}

rk_status rk__messages_check(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    const int kind = o->loss.kind;
    const bool is_drawn = o->sampling.negatives != RK_NEGATIVES_IN_BATCH;
    if (rk__splits_messages(o) && !(kind == RK_LOSS_BPR || kind == RK_LOSS_HINGE ||
                                    kind == RK_LOSS_MSE || (kind == RK_LOSS_SOFTMAX && is_drawn))) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s, whose negatives belong to no interaction: take bpr, hinge, mse, or "
                "softmax with drawn negatives",
                rk__config_says(config, "train.message_share").text,
                rk__config_says(config, "loss.kind").text);
    }
    return RK_OK;
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

/* What only model.scorer fm looks at, and who has it. */
static rk_status check_machines(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    if (o->model.scorer != RK_SCORER_FM && o->model.fields[0] != '\0' &&
        strcmp(o->model.fields, "none") != 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s, so nothing looks at it: remove it, or take model.scorer fm",
                rk__config_says(config, "model.fields").text,
                rk__config_says(config, "model.scorer").text);
    }
    if (o->model.scorer == RK_SCORER_FM && !rk__model_of(o)->network->machines) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s, which has no such scorer: take model.kind gcn or gat",
                rk__config_says(config, "model.scorer").text,
                rk__config_says(config, "model.kind").text);
    }
    return RK_OK;
}

rk_status rk__network_check(const rk_config *config)
{
    const rk_model_kind *kind = rk__model_of(rk__config_options(config));
    RK_TRY(check_layers(config));
    RK_TRY(check_widths(config));
    RK_TRY(check_machines(config));
    RK_TRY(rk__relations_check(config));
    RK_TRY(rk__messages_check(config));
    RK_TRY(rk__network_check_scores(config));
    return kind->network->check ? kind->network->check(config) : RK_OK;
}

/* Sums of weights below 0 are no degrees; where nothing is divided by them, edges may have any. */
static rk_status check_edge_weights(const rk_options *o, const rk_model_data *data)
{
    rk_model_relations relations = {0};
    RK_TRY(rk__relations_init(&relations, o, data));
    rk_status status = rk__relations_check_weights(&relations, o->model.edges != RK_NORMALISE_SUM);
    rk__relations_free(&relations);
    return status;
}

rk_status rk__network_check_data(const rk_options *o, const rk_model_data *data)
{
    const struct rk_network *n = rk__model_of(o)->network;
    RK_TRY(rk__network_check_input(o, data));
    RK_TRY(check_edge_weights(o, data));
    RK_TRY(rk__network_check_labels(o, data));
    return n->check_data ? n->check_data(o, data) : RK_OK;
}

bool rk__network_ends(const rk_model_instance *m, int k)
{
    const rk_options *o = m->options;
    return k + 1 == (int)o->model.layers && !m->model->network->joins_layers &&
           !o->model.activate_last;
}

/* ---- tensors ---- */

static rk_status declare_layers(rk_model_instance *m)
{
    const rk_options *o = m->options;
    for (int k = 0; k < o->model.layers; k++) {
        const int64_t width = rk__layer_width(o, k + 1);
        RK_TRY(m->model->network->declare_layer(m, k, rk__layer_width(o, k), width));
        if (o->model.batch_norm && !rk__network_ends(m, k)) {
            RK_TRY(rk__declare_layer_row(m, k, "gain", width, 1));
            RK_TRY(rk__declare_layer_row(m, k, "shift", width, 0));
        }
    }
    return RK_OK;
}

static rk_status count_nodes(rk_model_instance *m)
{
    rk_node_space space = {0};
    RK_TRY(rk__node_space(&space, &m->data, m->options->model.relations));
    m->n_nodes = space.n_nodes;
    rk__node_space_free(&space);
    return RK_OK;
}

rk_status rk__network_declare(rk_model_instance *m)
{
    const struct rk_network *n = m->model->network;
    RK_TRY(count_nodes(m));
    RK_TRY(rk__network_declare_input(m));
    RK_TRY(declare_layers(m));
    RK_TRY(n->declare_trained ? n->declare_trained(m) : RK_OK);
    RK_TRY(rk__network_declare_scores(m));
    RK_TRY(rk__network_folds(m->model, m->options) ? rk__network_declare_fold(m) : RK_OK);
    RK_TRY(rk__network_declare_known(m));
    return n->declare_constants ? n->declare_constants(m) : RK_OK;
}

/* ---- edges ---- */

bool rk__network_has_relations(const rk_options *o)
{
    return o->model.relations[strspn(o->model.relations, " ,")] != '\0';
}

bool rk__network_masks(const rk_options *o)
{
    return o->model.edge_dropout > 0 || rk__splits_messages(o);
}

rk_status rk__network_join(rk_model_instance *m, rk_block *out, rk_join_options how)
{
    const rk_reals *given = &m->options->model.relation_weights;
    double *weights = NULL;
    int64_t n = 0, types = 0;
    rk_status status = RK_OK;
    RK_TRY(rk__count_relations(&m->data, m->options->model.relations, &n, &types));
    RK_TRY(rk__alloc(&weights, n, sizeof *weights, "the weights of relations"));
    for (int64_t r = 0; r < n; r++) {
        weights[r] = given->v[given->n == 1 ? 0 : r];
    }
    how.weights = weights;
    how.options = m->options;
    RK_TRY_GOTO(done, rk__block_join(out, &m->data, m->options->model.relations, &how));
    status = m->known ? rk__know_joined(m, out) : RK_OK;
    if (status != RK_OK) {
        rk__block_free(out);
    }
done:
    rk__free(weights);
    return status;
}

rk_value rk__network_edge_weights(rk_program *p, rk_block_values block, rk_value edges)
{
    return block.weights == RK_NONE ? edges
           : edges == RK_NONE       ? block.weights
                                    : rk__multiply(p, block.weights, edges);
}

/* Streams of masks. */
enum { OF_MESSAGES, OF_DROPOUT };

/* What edges count that vectors are made of, and those that the loss looks at. */
static rk_mask_attr message_mask(double share, float messages, float targets)
{
    return (rk_mask_attr){
        .share = 1 - share, .kept = messages, .masked = targets, .stream = OF_MESSAGES};
}

rk_value rk__model_target_weights(const rk_model_instance *m, rk_program *p, rk_graph_values graph,
                                  rk_value state)
{
    const double share = m->options->train.message_share;
    const rk_block_values edges = {.offsets = graph.offsets, .columns = graph.columns};
    return rk__edge_mask(p, edges, state, message_mask(share, 0, (float)(1 / (1 - share))));
}

rk_value rk__model_messages(const rk_model_instance *m, rk_program *p, rk_block_values block,
                            rk_value state)
{
    const double share = m->options->train.message_share;
    return rk__splits_messages(m->options) && state != RK_NONE
               ? rk__edge_mask(p, block, state, message_mask(share, 1, 0))
               : RK_NONE;
}

/* The edges of a step: those that the loss looks at are left out in an epoch, dropped ones in the
 * step. */
static void mask_edges(const rk_model_instance *m, rk_program *p, rk_layer_values *v)
{
    const rk_options *o = m->options;
    const double dropped = o->model.edge_dropout;
    if (v->state == RK_NONE || !rk__network_masks(o)) {
        return;
    }
    const rk_block_values block = rk__use_block(p, RK_NETWORK_EDGES);
    v->messages = v->edges = rk__model_messages(m, p, block, v->state);
    if (dropped > 0) {
        const rk_mask_attr how = {.share = dropped,
                                  .kept = (float)(1 / (1 - dropped)),
                                  .stream = OF_DROPOUT,
                                  .each_step = true};
        rk_value mask = rk__edge_mask(p, block, v->state, how);
        v->edges = v->edges == RK_NONE ? mask : rk__multiply(p, v->edges, mask);
    }
}

/* ---- encoding ---- */

rk_value rk__network_activated(const rk_model_instance *m, rk_program *p, int k, rk_value x,
                               rk_value state)
{
    const rk_options *o = m->options;
    if (o->model.activation != RK_ACTIVATION_NONE) {
        const float leak = m->model->network->joins_layers ? 0.2F : 0.01F;
        const bool is_leaky = o->model.activation == RK_ACTIVATION_LEAKY_RELU;
        x = rk__activate(
            p, x, (rk_activate_attr){.kind = o->model.activation, .slope = is_leaky ? leak : 1});
    }
    return rk__dropout(p, x, state, (rk_dropout_attr){o->model.dropout, k});
}

/* Layer k's result on its way to the next, or to the end. */
static rk_value behind(const rk_model_instance *m, rk_program *p, int k, rk_value x, rk_value state,
                       bool keeps)
{
    if (rk__network_ends(m, k)) {
        return x;
    }
    if (m->options->model.batch_norm) {
        rk_value y =
            rk__normalise_columns(p, x, rk__use_layer(p, k, "gain"), rk__use_layer(p, k, "shift"));
        if (keeps) {
            rk__network_keep_scale(p, k, x, y, m->n_nodes);
        }
        x = y;
    }
    return rk__network_activated(m, p, k, x, state);
}

/* What a network comes to: the last layer's result, or all side by side. */
rk_value rk__network_joined(const rk_model_instance *m, rk_program *p, const rk_value *layers)
{
    const int n = (int)m->options->model.layers;
    rk_value columns[RK_MAX_LAYERS + 1] = {layers[0]};
    for (int k = 1; k <= n; k++) {
        columns[k] = rk__unit_rows(p, layers[k], RK_NONE);
    }
    return m->model->network->joins_layers ? rk__join_columns(p, columns, n + 1) : layers[n];
}

int64_t rk__network_width(const rk_model_instance *m)
{
    const int n = (int)m->options->model.layers;
    int64_t width = 0;
    for (int k = m->model->network->joins_layers ? 0 : n; k <= n; k++) {
        width += rk__layer_width(m->options, k);
    }
    return width;
}

rk_value rk__network_nodes(const rk_model_instance *m, rk_program *p, rk_value input,
                           rk_value state, bool keeps)
{
    const struct rk_network *n = m->model->network;
    const int layers = (int)m->options->model.layers;
    rk_layer_values v = {input, RK_NONE, RK_NONE, RK_NONE, state};
    rk_value tables[RK_MAX_LAYERS], results[RK_MAX_LAYERS + 1] = {input};
    mask_edges(m, p, &v);
    if (n->begin) {
        n->begin(m, p, &v);
    }
    for (int k = 0; k < layers; k++) {
        tables[k] = keeps ? n->fold_table(m, p, k, &v) : RK_NONE;
        results[k + 1] = v.x = behind(m, p, k, n->layer(m, p, k, &v), state, keeps);
    }
    rk_value result = rk__network_joined(m, p, results);
    for (int k = layers - 1; keeps && k >= 0;
         k--) { /* behind their readers: they may be x itself */
        char name[RK_NAME_LENGTH];
        rk__layer_name(name, k, "fold");
        rk__assign_named(p, name, tables[k]);
    }
    if (keeps) {
        const bool is_kept = tables[0] == input;
        rk__assign_named(p, "input", is_kept ? rk__use_layer(p, 0, "fold") : input);
    }
    return result;
}
