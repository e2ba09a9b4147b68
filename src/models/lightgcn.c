/*
 * LightGCN (He, Deng, Wang, Li, Zhang, Wang: LightGCN: simplifying and powering graph convolution
 * network for recommendation, SIGIR 2020): x_k = D^-1/2 A D^-1/2 x_(k-1), final = sum_k w_k x_k.
 *
 * The weights w_k are fixed, or parameters like the embeddings. For graphs with a small side there
 * is another form of the same mathematics: lightgcn_gram.c.
 */
#include <math.h>

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
    if (o->model.layer_weights == RK_WEIGHTS_GIVEN) {
        float w[RK_MAX_LAYERS], largest = 0;
        rk__lightgcn_weights(o, w);
        for (int64_t k = 0; k <= o->model.layers; k++) {
            largest = fmaxf(largest, fabsf(w[k]));
        }
        if (largest == 0) {
            RK_FAIL(RK_ERR_CONFIG, "model.given_weights are all 0: nothing would be left of the "
                                   "layers; give at least one of them a weight");
        }
    }
    RK_TRY(rk__declare_embedding(instance));
    if (!is_learned(o)) {
        return RK_OK;
    }
    bool is_free = o->model.layer_weights == RK_WEIGHTS_LEARNED;
    return rk__model_add_parameter(
        instance, (rk_parameter){.name = "layer_weights",
                                 .rows = 1,
                                 .cols = o->model.layers + 1,
                                 .init = RK_INIT_CONSTANT,
                                 .init_sd = is_free ? 1.0 / (double)(o->model.layers + 1) : 0,
                                 .block_end = {1, 1}});
}

rk_value rk__lightgcn_sum(rk_program *p, const rk_value *layers, const float *weights, int n)
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
    return used == 1 && w[0] == 1 ? tables[0] : rk__combine(p, tables, w, used);
}

rk_value rk__lightgcn_final(const rk_model_instance *instance, rk_program *p, rk_graph_values graph,
                            const rk_value *values)
{
    const rk_options *o = instance->options;
    const int n = (int)o->model.layers;
    rk_value layers[RK_MAX_LAYERS] = {values[0]};
    float w[RK_MAX_LAYERS];
    rk__lightgcn_weights(o, w);
    if (instance->gram.on) {
        RK_ASSERT(has_gram_form(o));
        return rk__lightgcn_gram(instance, p, graph, values[0], w);
    }
    for (int k = 1; k <= n; k++) {
        layers[k] = rk__propagate(p, graph, layers[k - 1], 1);
    }
    if (!is_learned(o)) {
        return rk__lightgcn_sum(p, layers, w, n + 1);
    }
    bool is_softmax = o->model.layer_weights == RK_WEIGHTS_LEARNED_SOFTMAX;
    rk_value weights = is_softmax ? rk__softmax_weights(p, values[1]) : values[1];
    return rk__mix(p, weights, layers, n + 1);
}

static rk_encoded encode(const rk_model_instance *instance, rk_program *p, rk_graph_values graph,
                         const rk_value *values, rk_value state)
{
    rk_encoded out = {RK_NONE, values[0], {RK_NONE, RK_NONE}};
    if (state != RK_NONE && instance->options->loss.contrast != RK_CONTRAST_NONE) {
        rk__lightgcn_views(instance, p, graph, values, state, &out);
    } else {
        out.final = rk__lightgcn_final(instance, p, graph, values);
    }
    return out;
}

const rk_model rk__model_lightgcn = {
    .name = "lightgcn",
    .help = "LightGCN (He et al., SIGIR 2020): embeddings propagated over the user-item graph, "
            "layers averaged",
    .has_views = true,
    .has_gram_form = has_gram_form,
    .declare = declare,
    .encode = encode,
};
