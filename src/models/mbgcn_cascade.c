/*
 * MB-CGCN (Cheng, Han, Wang, Zhang, Zhang: Multi-behavior recommendation with cascading graph
 * convolution networks, WWW 2023): a LightGCN for each behaviour, one behind the other in the order
 * in which people act, e.g. view, cart, buy. With P_b the normalised graph of behaviour b,
 *   e_b = the mean of the layers P_b^k x_b, k = 0 .. K_b,
 *   x_1 the embeddings, x_(b+1) = e_b times a matrix of b, one of users and one of items,
 *   final = sum_b e_b.
 * The behaviours are model.relations, the last one the interactions. With train.message_share the
 * interactions that the loss looks at in an epoch are left out of the last graph, which is
 * normalised by what is left.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "models/behaviours.h"
#include "models/joined.h"
#include "models/models.h"
#include "models/relations.h"

static int64_t layers_of(const rk_options *o, int behaviour)
{
    const rk_ints *hops = &o->model.hops;
    return hops->n > 0 ? hops->v[behaviour] : o->model.layers;
}

static rk_status check(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    const int64_t n = 1 + rk__relations_count(o), n_hops = o->model.hops.n;
    RK_TRY(rk__behaviours_check(config));
    if (n_hops > 0 && n_hops != n) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s has %lld numbers of layers, but there are %lld behaviours: those of %s, and "
                "the interactions",
                rk__config_says(config, "model.hops").text, (long long)n_hops, (long long)n,
                rk__config_says(config, "model.relations").text);
    }
    return RK_OK;
}

/* ---- tensors ---- */

/* [2d, d]: the users' matrix above the items'. */
static rk_status declare_transform(rk_model_instance *m, int behaviour)
{
    const int64_t d = m->options->model.dim;
    rk_parameter p = {.rows = 2 * d,
                      .cols = d,
                      .init = m->options->model.init,
                      .init_sd = m->options->model.init_sd,
                      .block_end = {d, 2 * d}};
    snprintf(p.name, sizeof p.name, "transform.%d", behaviour + 1);
    return rk__model_add(m, p);
}

static const char *const interactions_block = "interactions";

static rk_status declare_interactions(rk_model_instance *m)
{
    rk_block block = {0};
    RK_TRY(rk__block_of_interactions(&block, m->data.graph));
    return rk__model_add_block(m, interactions_block, &block);
}

static rk_status declare(rk_model_instance *m)
{
    const int n = (int)rk__relations_count(m->options);
    RK_TRY(rk__declare_factors(m, "embedding"));
    for (int b = 0; b < n; b++) {
        RK_TRY(declare_transform(m, b));
    }
    RK_TRY(rk__declare_table(m, "final"));
    RK_TRY(rk__declare_table(m, "fold"));
    RK_TRY(rk__declare_side(m, "is_user", true));
    RK_TRY(rk__declare_side(m, "is_item", false));
    RK_TRY(rk__know_behaviours(m));
    RK_TRY(rk__splits_messages(m->options) ? declare_interactions(m) : RK_OK);
    return rk__declare_behaviours(m);
}

/* ---- the program ---- */

static rk_value mean(rk_program *p, const rk_value *layers, int n)
{
    float weights[RK_MAX_LAYERS];
    for (int k = 0; k < n; k++) {
        weights[k] = (float)(1.0 / (double)n);
    }
    return n == 1 ? layers[0] : rk__combine(p, layers, weights, n);
}

/* e W, W of users or items. */
static rk_value transform(rk_program *p, rk_value e, rk_value weights)
{
    const rk_value of_users = rk__use_named(p, "is_user"), of_items = rk__use_named(p, "is_item");
    const rk_value sides[] = {rk__scale_rows(p, e, of_users, RK_NONE, RK_NONE),
                              rk__scale_rows(p, e, of_items, RK_NONE, RK_NONE)};
    return rk__gemm(p, rk__join_columns(p, sides, 2), weights, RK_NONE);
}

/* A layer of the interactions' graph: of all, or of the messages of this epoch. */
static rk_value propagate_messages(const rk_model_instance *m, rk_program *p,
                                   rk_graph_values interactions, rk_value state, rk_value x)
{
    if (!rk__splits_messages(m->options) || state == RK_NONE) {
        return rk__propagate(p, interactions, x, 1);
    }
    const rk_block_values block = rk__use_block(p, interactions_block);
    rk_aggregate_inputs in = rk__block_inputs(block);
    in.weights = rk__model_messages(m, p, block, state);
    in.row_scale = in.column_scale =
        rk__block_degrees(p, block, in.weights, (rk_degrees_attr){.power = -0.5});
    return rk__aggregate(p, block, x, in, (rk_aggregate_attr){0});
}

/* values: of the parameters. *out_fold, if wanted: rows that somebody new is the sum of, over the
 * root of their number: a node of the last graph alone, without an embedding (see lightgcn.c). */
static rk_value final_of(const rk_model_instance *m, rk_program *p, rk_graph_values interactions,
                         const rk_value *values, rk_value state, rk_value *out_fold)
{
    const int n = (int)rk__relations_count(m->options);
    rk_value sum = RK_NONE, x = values[0];
    for (int b = 0; b <= n; b++) {
        const rk_graph_values graph = b < n ? rk__use_behaviour(p, b) : interactions;
        const int layers = (int)layers_of(m->options, b);
        rk_value layer[RK_MAX_LAYERS] = {x};
        for (int k = 1; k <= layers; k++) {
            layer[k] = b < n ? rk__propagate(p, graph, layer[k - 1], 1)
                             : propagate_messages(m, p, graph, state, layer[k - 1]);
        }
        const rk_value e = mean(p, layer, layers + 1);
        sum = b == 0 ? e : rk__add(p, sum, e, 1, 1);
        x = b < n ? transform(p, e, values[1 + b]) : x;
        if (b == n && out_fold) {
            float weights[RK_MAX_LAYERS] = {0}; /* without layers nobody new has a vector */
            for (int k = 0; k < layers; k++) {
                weights[k] = (float)(1.0 / (double)(layers + 1));
            }
            rk_value fold = rk__combine(p, layer, weights, layers > 0 ? layers : 1);
            *out_fold = rk__scale_rows(p, fold, graph.scale, RK_NONE, RK_NONE);
        }
    }
    return sum;
}

static rk_encoded encode(const rk_model_instance *m, rk_program *p, rk_graph_values graph,
                         const rk_value *values, rk_value state)
{
    return (rk_encoded){final_of(m, p, graph, values, state, NULL), values[0], {RK_NONE, RK_NONE}};
}

static void finish(const rk_model_instance *m, rk_program *p)
{
    rk_value values[1 + RK_MOST_BEHAVIOURS], fold = RK_NONE;
    for (int i = 0; i < m->n_parameters; i++) {
        values[i] = rk__use_named(p, m->parameters[i].name);
    }
    rk__assign_named(p, "final", final_of(m, p, rk__use_graph(p), values, RK_NONE, &fold));
    rk__assign_named(p, "fold", fold);
}

static rk_fold_sum fold_sum(const rk_model_instance *m)
{
    (void)m;
    return (rk_fold_sum){"fold", 0.5};
}

const rk_model_kind rk__model_mbgcn_cascade = {
    .name = "mbgcn_cascade",
    .help = "MB-CGCN (Cheng et al., WWW 2023): a LightGCN for each behaviour, each beginning with "
            "what the one before made",
    .check = check,
    .check_data = rk__behaviours_check_data,
    .declare = declare,
    .encode = encode,
    .finish = finish,
    .query = rk__query_embeddings,
    .fold_in = rk__fold_by_sum,
    .fold_sum = fold_sum,
    .similar = rk__similar_embeddings,
    .score = rk__score_embeddings,
    .embeddings = "final",
    .scores_by_dot = true,
    .knows = rk__model_marks_known,
    .has_layers = true,
};
