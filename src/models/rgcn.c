/*
 * R-GCN (Schlichtkrull, Kipf, Bloem, van den Berg, Titov, Welling: Modeling relational data with
 * graph convolutional networks, ESWC 2018) as an encoder of users, items and further nodes. The
 * interactions and each of model.relations are types of edges, each direction one of its own:
 *   y = x W_0 + sum over types t of (G_t x) W_t + b,
 * G_t the gathering of model.edges over the edges of type t alone. W_t is a matrix of its own, or
 * with model.bases a sum of so many that all types share, or with model.blocks zero but for so many
 * blocks on the diagonal. With model.type_by interactions of each value have types of their own:
 * of ratings that is GC-MC (van den Berg, Kipf, Welling: Graph convolutional matrix completion, KDD
 * 2018 workshop), with the matrices' sum in place of its dense layer.
 *
 * Gathering comes first: of each node one sum for each type or basis, side by side, and then one
 * product with all matrices. So nothing is computed for an edge but a row of x.
 */
#include <math.h>

#include "base/alloc.h"
#include "models/relational.h"

/* ---- of networks over relations ---- */

rk_status rk__relational_check(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    if (!o->model.maps) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s, whose matrices are what tells relations apart",
                rk__config_says(config, "model.maps").text,
                rk__config_says(config, "model.kind").text);
    }
    if (o->model.type_by == RK_WEIGH_BY_VALUE && o->loss.kind == RK_LOSS_MSE &&
        !rk__splits_messages(o)) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s and %s: the type of a rating's own edge would give it away; take "
                "train.message_share 0.5",
                rk__config_says(config, "model.type_by").text,
                rk__config_says(config, "loss.kind").text,
                rk__config_says(config, "train.message_share").text);
    }
    return RK_OK;
}

rk_status rk__relational_types(const rk_model_instance *m, int64_t *out)
{
    int64_t n = 0;
    rk_levels levels = {0};
    RK_TRY(rk__count_relations(&m->data, m->options->model.relations, &n, out));
    RK_TRY(rk__value_levels(&levels, m->options, &m->data));
    *out += 2 * (levels.n - 1);
    return RK_OK;
}

rk_block_norm rk__relational_norm(const rk_options *o)
{
    return o->model.edges == RK_NORMALISE_SYMMETRIC ? RK_BLOCK_SYMMETRIC
           : o->model.edges == RK_NORMALISE_MEAN    ? RK_BLOCK_MEAN
                                                    : RK_BLOCK_AS_IS;
}

rk_value rk__relational_weights(const rk_model_instance *m, rk_program *p, rk_block_values block,
                                const rk_layer_values *v)
{
    rk_value weights = rk__network_edge_weights(p, block, v->edges);
    const float grown = (float)(1 / m->options->train.message_share);
    return v->messages == RK_NONE || m->options->model.edges == RK_NORMALISE_SUM
               ? weights
               : rk__combine(p, &weights, &grown, 1);
}

bool rk__relational_folds(const rk_options *o)
{
    return o->model.type_by != RK_WEIGH_BY_VALUE;
}

/* weights^-1/2 of the edges into each node that are of type 0, or forward, as those of people's
 * lists are. */
static rk_status declare_scale(rk_model_instance *m, const rk_block *b, rk_block_scope scope)
{
    const bool is_symmetric = m->options->model.edges == RK_NORMALISE_SYMMETRIC;
    float *values = NULL;
    RK_TRY(rk__alloc(&values, m->n_nodes, sizeof *values, "factors of nodes"));
    for (int64_t i = 0; i < m->n_nodes; i++) {
        double sum = 0;
        for (int64_t k = b->back_offsets[i]; k < b->back_offsets[i + 1]; k++) {
            const int64_t e = b->back_edges[k], type = b->types[e];
            const bool is_loop = b->has_loops && type == b->n_types - 1;
            const bool is_ours = scope == RK_BLOCK_OF_TYPE ? type == 0 : type % 2 == 0 && !is_loop;
            sum += is_ours ? (b->weights ? (double)b->weights[e] : 1) : 0;
        }
        values[i] = !is_symmetric ? 1 : sum > 0 ? (float)(1 / sqrt(sum)) : 0;
    }
    return rk__declare_constant(m, RK_RELATIONAL_SCALE, m->n_nodes, 1, values);
}

rk_status rk__relational_join(rk_model_instance *m, bool loops, rk_block_scope scope)
{
    const rk_join_options how = {.typed = true, .loops = loops};
    rk_block block = {0};
    rk_status status = RK_OK;
    RK_TRY(rk__network_join(m, &block, how));
    RK_TRY_GOTO(done, rk__relational_folds(m->options) ? declare_scale(m, &block, scope) : RK_OK);
    RK_TRY_GOTO(done, rk__block_normalise(&block, rk__relational_norm(m->options), scope));
    status = rk__model_add_block(m, RK_NETWORK_EDGES, &block);
done:
    rk__block_free(&block);
    return status;
}

rk_value rk__relational_scaled(const rk_model_instance *m, rk_program *p, rk_value x)
{
    return m->options->model.edges == RK_NORMALISE_SYMMETRIC
               ? rk__scale_rows(p, x, rk__use_named(p, RK_RELATIONAL_SCALE), RK_NONE, RK_NONE)
               : x;
}

rk_value rk__first_row(rk_program *p, rk_value table)
{
    if (p->status != RK_OK) {
        return RK_NONE;
    }
    const int64_t rows = p->tensors[table].rows, cols = p->tensors[table].cols;
    return rk__take_columns(p, rk__reshape(p, table, rows * cols), 0, cols);
}

/* ---- a layer ---- */

rk_value rk__rgcn_layer(rk_program *p, rk_block_values block, rk_value weights, rk_value x,
                        rk_rgcn_weights w)
{
    rk_aggregate_inputs in = rk__block_inputs(block);
    rk_aggregate_attr attr = {.compose = RK_COMPOSE_COPY};
    in.weights = weights;
    in.coefficients = w.coefficients;
    if (w.size > 0) {
        attr.compose = RK_COMPOSE_BLOCKS;
        attr.size = w.size;
        in.z = w.relations;
    } else if (w.coefficients == RK_NONE) {
        attr.n_types = w.n_types;
    }
    rk_value y = rk__aggregate(p, block, x, in, attr);
    rk_value bias = w.bias;
    if (w.size == 0) {
        y = rk__gemm(p, y, w.relations, bias);
        bias = RK_NONE;
    }
    if (w.self != RK_NONE) {
        y = rk__add(p, y, rk__gemm(p, x, w.self, bias), 1, 1);
        bias = RK_NONE;
    }
    if (bias == RK_NONE || p->status != RK_OK) {
        return y;
    }
    return rk__add(p, y, rk__repeat_rows(p, bias, p->tensors[x].rows), 1, 1);
}

/* ---- tensors ---- */

/* Each relation is normalised by itself, so that what counts its edges cancels out. */
static rk_status check_weights(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    for (int64_t i = 0; i < o->model.relation_weights.n; i++) {
        if (o->model.edges != RK_NORMALISE_SUM && o->model.relation_weights.v[i] != 1) {
            RK_FAIL(RK_ERR_CONFIG,
                    "%s, but %s and %s, which divides each relation by its own weights: remove it, "
                    "or take model.edges sum",
                    rk__config_says(config, "model.relation_weights").text,
                    rk__config_says(config, "model.kind").text,
                    rk__config_says(config, "model.edges").text);
        }
    }
    return RK_OK;
}

static rk_status check(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    RK_TRY(rk__relational_check(config));
    RK_TRY(check_weights(config));
    if (o->model.bases > 0 && o->model.blocks > 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s: a relation's matrix is either a sum or blocks; take 0 "
                "for one of them",
                rk__config_says(config, "model.blocks").text,
                rk__config_says(config, "model.bases").text);
    }
    for (int k = 0; k < o->model.layers && o->model.blocks > 0; k++) {
        const int64_t in = rk__layer_width(o, k), out = rk__layer_width(o, k + 1);
        if (in != out || in % o->model.blocks != 0) {
            RK_FAIL(
                RK_ERR_CONFIG,
                "%s, but layer %d goes from %lld columns to %lld: blocks on the diagonal need as "
                "many on both sides, a multiple of the number of blocks",
                rk__config_says(config, "model.blocks").text, k + 1, (long long)in, (long long)out);
        }
    }
    return RK_OK;
}

static rk_status check_data(const rk_options *o, const rk_model_data *data)
{
    rk_levels levels = {0};
    return rk__value_levels(&levels, o, data);
}

static rk_status declare_layer(rk_model_instance *m, int k, int64_t in, int64_t out)
{
    const rk_options *o = m->options;
    int64_t n_types = 0;
    RK_TRY(rk__relational_types(m, &n_types));
    if (o->model.blocks > 0) {
        RK_TRY(rk__declare_layer_matrix(m, k, "relations", n_types, in * (in / o->model.blocks)));
    } else if (o->model.bases > 0) {
        RK_TRY(rk__declare_layer_matrix(m, k, "coefficients", n_types, o->model.bases));
        RK_TRY(rk__declare_layer_matrix(m, k, "bases", o->model.bases * in, out));
    } else {
        RK_TRY(rk__declare_layer_matrix(m, k, "relations", n_types * in, out));
    }
    if (o->model.self != RK_SELF_NONE) {
        RK_TRY(rk__declare_layer_matrix(m, k, "self", in, out));
    }
    return rk__declare_layer_row(m, k, "bias", out, 0);
}

/* Of blocks on the diagonal: what places a row of them in a matrix, f32 [size, width], and where
 * they are, [width, width]. */
static rk_status declare_diagonal(rk_model_instance *m, int k)
{
    const int64_t width = rk__layer_width(m->options, k), size = width / m->options->model.blocks;
    float *spread = NULL, *mask = NULL;
    char name[RK_NAME_LENGTH];
    RK_TRY(rk__calloc(&spread, size * width, sizeof *spread, "blocks on the diagonal"));
    for (int64_t j = 0; j < width; j++) {
        spread[j % size * width + j] = 1;
    }
    rk__layer_name(name, k, "fold_spread");
    RK_TRY(rk__declare_constant(m, name, size, width, spread));
    RK_TRY(rk__calloc(&mask, width * width, sizeof *mask, "blocks on the diagonal"));
    for (int64_t i = 0; i < width * width; i++) {
        mask[i] = i / width / size == i % width / size;
    }
    rk__layer_name(name, k, "fold_mask");
    return rk__declare_constant(m, name, width, width, mask);
}

static rk_status declare_constants(rk_model_instance *m)
{
    const rk_options *o = m->options;
    for (int k = 0; k < o->model.layers && o->model.blocks > 0 && rk__relational_folds(o); k++) {
        RK_TRY(declare_diagonal(m, k));
    }
    return rk__relational_join(m, false, RK_BLOCK_OF_TYPE);
}

/* ---- layers ---- */

static rk_value layer(const rk_model_instance *m, rk_program *p, int k, rk_layer_values *v)
{
    const rk_options *o = m->options;
    const rk_block_values block = rk__use_block(p, RK_NETWORK_EDGES);
    rk_rgcn_weights w = {.relations =
                             rk__use_layer(p, k, o->model.bases > 0 ? "bases" : "relations"),
                         .coefficients = rk__use_layer(p, k, "coefficients"),
                         .self = rk__use_layer(p, k, "self"),
                         .bias = rk__use_layer(p, k, "bias")};
    if (p->status == RK_OK) {
        p->status = rk__relational_types(m, &w.n_types);
    }
    if (p->status != RK_OK) {
        return RK_NONE;
    }
    w.size = o->model.blocks > 0 ? rk__layer_width(o, k) / o->model.blocks : 0;
    return rk__rgcn_layer(p, block, rk__relational_weights(m, p, block, v), v->x, w);
}

/* ---- somebody with a list of items ---- */

static rk_status declare_fold(rk_model_instance *m, int k)
{
    rk_parameter p = {.rows = rk__layer_width(m->options, k),
                      .cols = rk__layer_width(m->options, k + 1),
                      .role = RK_TABLE};
    rk__layer_name(p.name, k, "fold_map");
    return rk__model_add(m, p);
}

/* The matrix of a user's interactions, those of type 0. */
static rk_value first_matrix(const rk_model_instance *m, rk_program *p, int k)
{
    const rk_options *o = m->options;
    const int64_t in = rk__layer_width(o, k), out = rk__layer_width(o, k + 1);
    if (o->model.blocks > 0) {
        rk_value rows = rk__first_row(p, rk__use_layer(p, k, "relations"));
        rows = rk__reshape(p, rows, in / o->model.blocks);
        return rk__multiply(p, rk__gemm(p, rows, rk__use_layer(p, k, "fold_spread"), RK_NONE),
                            rk__use_layer(p, k, "fold_mask"));
    }
    rk_value flat =
        rk__reshape(p, rk__use_layer(p, k, o->model.bases > 0 ? "bases" : "relations"), in * out);
    rk_value row =
        o->model.bases > 0
            ? rk__gemm(p, rk__first_row(p, rk__use_layer(p, k, "coefficients")), flat, RK_NONE)
            : rk__first_row(p, flat);
    return rk__reshape(p, row, out);
}

static rk_value fold_table(const rk_model_instance *m, rk_program *p, int k,
                           const rk_layer_values *v)
{
    char name[RK_NAME_LENGTH];
    rk__layer_name(name, k, "fold_map");
    rk__assign_named(p, name, first_matrix(m, p, k));
    return rk__relational_scaled(m, p, v->x);
}

static rk_value fold_layer(const rk_model_instance *m, rk_program *p, int k, const rk_tile *tile,
                           rk_value x, rk_value items)
{
    rk_value self = rk__use_layer(p, k, "self");
    rk_value y = rk__gemm(p, rk__network_gather(m, p, tile, items, RK_NONE),
                          rk__use_layer(p, k, "fold_map"), rk__use_layer(p, k, "bias"));
    return self == RK_NONE ? y : rk__add(p, y, rk__gemm(p, x, self, RK_NONE), 1, 1);
}

static const rk_model_kind ratings;

static const struct rk_network network = {.check = check,
                                          .check_data = check_data,
                                          .declare_layer = declare_layer,
                                          .declare_constants = declare_constants,
                                          .layer = layer,
                                          .folds = rk__relational_folds,
                                          .declare_fold = declare_fold,
                                          .fold_table = fold_table,
                                          .fold_layer = fold_layer,
                                          .ratings = &ratings};

static const char help[] = "R-GCN (Schlichtkrull et al., ESWC 2018): a matrix for each relation";

static const rk_model_kind ratings = {
    RK_NETWORK_COMMON("rgcn", help, network, rk__network_fold_in),
    .scores = rk__network_scores,
    .rates = true,
};

const rk_model_kind rk__model_rgcn = {
    RK_NETWORK_COMMON("rgcn", help, network, rk__network_fold_in),
    .encode = rk__network_encode,
};
