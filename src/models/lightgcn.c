/*
 * LightGCN (He, Deng, Wang, Li, Zhang, Wang: LightGCN: simplifying and powering graph convolution
 * network for recommendation, SIGIR 2020): x_k = D^-1/2 A D^-1/2 x_(k-1), final = sum_k w_k x_k.
 *
 * For a batch only some rows of the sum are wanted. Layers 1 .. K-1 are computed for all nodes,
 * because the next layer may read any of them; layer K and the sum only at the batch's rows. That
 * is the same mathematics. So is the Gram form, for graphs with a small side: lightgcn_gram.c.
 * The weights w_k are fixed, or parameters like the embeddings.
 */
#include <stdio.h>

#include "models/models.h"

void rk__lightgcn_weights(const rk_options *options, float w[RK_MAX_LAYERS])
{
    int64_t n = options->model.layers;
    for (int64_t k = 0; k <= n; k++) {
        switch (options->model.layer_weights) {
        case RK_WEIGHTS_MEAN:
            w[k] = (float)(1.0 / (double)(n + 1));
            break;
        case RK_WEIGHTS_MEAN_WITHOUT_EGO:
            w[k] = k == 0 ? 0 : (float)(1.0 / (double)n);
            break;
        case RK_WEIGHTS_GIVEN:
            w[k] = (float)options->model.given_weights.v[k];
            break;
        default:
            w[k] = k == n ? 1 : 0;
        }
    }
}

static bool is_learned(const rk_options *o)
{
    return o->model.layer_weights == RK_WEIGHTS_LEARNED ||
           o->model.layer_weights == RK_WEIGHTS_LEARNED_SOFTMAX;
}

/* Weights that are trained are no constants of a program; noise on layers needs the layers. */
static bool has_gram_form(const rk_options *o)
{
    return o->model.layers > 0 && !is_learned(o) && o->loss.contrast == RK_CONTRAST_NONE;
}

static rk_status declare(rk_model_instance *instance)
{
    const rk_options *o = instance->options;
    if (o->model.layers >= RK_MAX_LAYERS) {
        RK_FAIL(RK_ERR_CONFIG, "model.layers is %lld, at most %d", (long long)o->model.layers,
                RK_MAX_LAYERS - 1);
    }
    if (o->model.layers == 0 && o->model.layer_weights == RK_WEIGHTS_MEAN_WITHOUT_EGO) {
        RK_FAIL(RK_ERR_CONFIG, "model.layer_weights mean_without_ego needs model.layers >= 1: with "
                               "0 layers there is nothing but layer 0");
    }
    rk__declare_embedding(instance);
    if (is_learned(o)) {
        bool is_free = o->model.layer_weights == RK_WEIGHTS_LEARNED;
        rk_parameter *p = &instance->parameters[instance->n_parameters++];
        *p = (rk_parameter){.rows = 1,
                            .cols = o->model.layers + 1,
                            .init = RK_INIT_CONSTANT,
                            .init_sd = is_free ? 1.0 / (double)(o->model.layers + 1) : 0,
                            .block_end = {1, 1},
                            .stored = -1};
        snprintf(p->name, sizeof p->name, "layer_weights");
    }
    return RK_OK;
}

/* The weighted sum of layers [0, n) as a table, at a row set if there is one; RK_NONE if all
 * weights are zero. */
static rk_value sum_layers(rk_program *p, const rk_value *layers, const float *weights, int n,
                           const rk_row_set *rows)
{
    rk_value tables[RK_MAX_LAYERS];
    float w[RK_MAX_LAYERS];
    int used = 0;
    for (int k = 0; k < n; k++) {
        if (weights[k] != 0) {
            tables[used] = layers[k];
            w[used++] = weights[k];
        }
    }
    if (used == 0) {
        return RK_NONE;
    }
    if (rows) {
        return rk__combine_rows(p, tables, w, used, *rows);
    }
    return used == 1 && w[0] == 1 ? tables[0] : rk__combine(p, tables, w, used);
}

/* sum_k w_k x_k with weights that are trained, too: layers 0 .. K - 1 at the row set and layer K
 * computed there, or layers 0 .. K for all nodes. */
static rk_value mix_layers(const rk_model_instance *instance, rk_program *p, rk_graph_values graph,
                           rk_value weights, const rk_value *layers, const rk_row_set *rows)
{
    static const float one[] = {1};
    const int n = (int)instance->options->model.layers;
    rk_value tables[RK_MAX_LAYERS];
    for (int k = 0; k <= n; k++) {
        if (!rows) {
            tables[k] = layers[k];
        } else if (k == n && n > 0) {
            tables[k] = rk__propagate_rows(p, graph, layers[n - 1], *rows, 1);
        } else {
            tables[k] = rk__combine_rows(p, &layers[k], one, 1, *rows);
        }
    }
    if (instance->options->model.layer_weights == RK_WEIGHTS_LEARNED_SOFTMAX) {
        weights = rk__softmax_weights(p, weights);
    }
    return rk__mix(p, weights, tables, n + 1);
}

static rk_value embed(const rk_model_instance *instance, rk_program *p, rk_graph_values graph,
                      const rk_value *values, const rk_row_set *rows, rk_value *out_ego)
{
    static const float one[] = {1};
    const int n = (int)instance->options->model.layers;
    rk_value layers[RK_MAX_LAYERS] = {values[0]};
    float w[RK_MAX_LAYERS];
    rk__lightgcn_weights(instance->options, w);
    if (out_ego) {
        RK_ASSERT(rows);
        *out_ego = rk__combine_rows(p, values, one, 1, *rows);
    }
    if (instance->gram.on) {
        RK_ASSERT(has_gram_form(instance->options));
        return rk__lightgcn_gram(instance, p, graph, values[0], w, rows);
    }
    const bool learned = is_learned(instance->options);
    const int n_full = rows && n > 0 ? n - 1 : n; /* layers computed for all nodes */
    for (int k = 1; k <= n_full; k++) {
        layers[k] = rk__propagate(p, graph, layers[k - 1], 1);
    }
    if (learned) {
        return mix_layers(instance, p, graph, values[1], layers, rows);
    }
    rk_value sum = sum_layers(p, layers, w, n_full + 1, rows);
    if (n_full == n) {
        return sum;
    }
    rk_value last = rk__propagate_rows(p, graph, layers[n_full], *rows, w[n]);
    return sum == RK_NONE ? last : rk__add(p, sum, last, 1, 1);
}

const rk_model rk__model_lightgcn = {
    .name = "lightgcn",
    .help = "LightGCN (He et al., SIGIR 2020): embeddings propagated over the user-item graph, "
            "layers averaged",
    .has_gram_form = has_gram_form,
    .declare = declare,
    .embed = embed,
    .views = rk__lightgcn_views,
};
