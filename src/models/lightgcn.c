/*
 * LightGCN (He, Deng, Wang, Li, Zhang, Wang: LightGCN: simplifying and powering graph convolution
 * network for recommendation, SIGIR 2020): x_k = D^-1/2 A D^-1/2 x_(k-1), final = sum_k w_k x_k.
 *
 * The weights w_k are fixed, or parameters like the embeddings. A is that of the interactions, or
 * with model.relations of them and further relations (propagation.c). For graphs with a small side
 * there is another form of the same mathematics: lightgcn_gram.c.
 */
#include <math.h>

#include "models/models.h"
#include "models/propagation.h"

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
    return o->model.layers > 0 && !is_learned(o) && o->loss.contrast == RK_CONTRAST_NONE &&
           !rk__has_relations(o);
}

static rk_status check(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    const rk_said weights = rk__config_says(config, "model.layer_weights");
    const rk_said layers = rk__config_says(config, "model.layers");
    if (o->model.layer_weights == RK_WEIGHTS_GIVEN &&
        o->model.given_weights.n != o->model.layers + 1) {
        RK_FAIL(RK_ERR_CONFIG, "%s has %lld weights, but %s, so it takes %lld: layer 0 first",
                rk__config_says(config, "model.given_weights").text,
                (long long)o->model.given_weights.n, layers.text, (long long)o->model.layers + 1);
    }
    if (o->model.layer_weights == RK_WEIGHTS_MEAN_WITHOUT_EGO && o->model.layers == 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: without layer 0 nothing is left; take mean",
                weights.text, layers.text);
    }
    if (o->graph.form == RK_FORM_GRAM && is_learned(o)) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: that form needs fixed weights; take graph.form direct",
                rk__config_says(config, "graph.form").text, weights.text);
    }
    if (o->loss.contrast != RK_CONTRAST_NONE && is_learned(o)) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: views need fixed weights of layers",
                rk__config_says(config, "loss.contrast").text, weights.text);
    }
    return rk__propagation_check(config);
}

/* Does any layer behind layer 0 count? What a new user is made of. */
static bool has_fold_table(const rk_options *o)
{
    float w[RK_MAX_LAYERS];
    bool any = is_learned(o) && o->model.layers > 0;
    for (int k = 1; !is_learned(o) && k <= (int)o->model.layers; k++) {
        rk__lightgcn_weights(o, w);
        any = any || w[k] != 0;
    }
    return any;
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
    bool is_free = o->model.layer_weights == RK_WEIGHTS_LEARNED;
    rk_parameter weights = {.name = "layer_weights",
                            .rows = 1,
                            .cols = o->model.layers + 1,
                            .init = RK_INIT_CONSTANT,
                            .init_sd = is_free ? 1.0 / (double)(o->model.layers + 1) : 0,
                            .block_end = {1, 1}};
    rk_propagation over = {0};
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__propagation_init(&over, instance));
    RK_TRY_GOTO(done, rk__declare_factors(instance, "embedding"));
    RK_TRY_GOTO(done, is_learned(o) ? rk__model_add(instance, weights) : RK_OK);
    RK_TRY_GOTO(done, rk__declare_table(instance, "final"));
    RK_TRY_GOTO(done, has_fold_table(o) ? rk__declare_table(instance, "fold") : RK_OK);
    status = rk__declare_propagation(instance, &over);
done:
    rk__propagation_free(&over);
    return status;
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

static void propagate(const rk_model_instance *instance, rk_program *p, rk_graph_values graph,
                      rk_value ego, rk_value layers[RK_MAX_LAYERS])
{
    layers[0] = ego;
    for (int k = 1; k <= (int)instance->options->model.layers; k++) {
        layers[k] = rk__propagate_over(instance, p, graph, layers[k - 1]);
    }
}

/* The weights of layers as a value f32 [1, layers + 1], where they are learned. */
static rk_value learned_weights(const rk_options *o, rk_program *p, rk_value parameter)
{
    bool is_softmax = o->model.layer_weights == RK_WEIGHTS_LEARNED_SOFTMAX;
    return is_softmax ? rk__softmax_weights(p, parameter) : parameter;
}

/* The sum of all layers; weights: learned_weights, RK_NONE where they are fixed. */
static rk_value sum_of(const rk_options *o, rk_program *p, const rk_value *layers, rk_value weights)
{
    const int n = (int)o->model.layers + 1;
    float w[RK_MAX_LAYERS];
    if (weights != RK_NONE) {
        return rk__mix(p, weights, layers, n);
    }
    rk__lightgcn_weights(o, w);
    return rk__lightgcn_sum(p, layers, w, n);
}

rk_value rk__lightgcn_final(const rk_model_instance *instance, rk_program *p, rk_graph_values graph,
                            const rk_value *values)
{
    const rk_options *o = instance->options;
    rk_value layers[RK_MAX_LAYERS];
    if (instance->gram.on) {
        float w[RK_MAX_LAYERS];
        RK_ASSERT(has_gram_form(o));
        rk__lightgcn_weights(o, w);
        return rk__lightgcn_gram(instance, p, graph, values[0], w);
    }
    propagate(instance, p, graph, values[0], layers);
    return sum_of(o, p, layers, is_learned(o) ? learned_weights(o, p, values[1]) : RK_NONE);
}

static rk_encoded encode(const rk_model_instance *instance, rk_program *p, rk_graph_values graph,
                         const rk_value *values, rk_value state)
{
    rk_encoded out = {RK_NONE, values[0], {RK_NONE, RK_NONE}};
    graph = rk__propagation_graph(instance, p, graph);
    if (state != RK_NONE && instance->options->loss.contrast != RK_CONTRAST_NONE) {
        rk__lightgcn_views(instance, p, graph, values, state, &out);
    } else {
        out.final = rk__lightgcn_final(instance, p, graph, values);
    }
    return out;
}

/* ---- scoring ---- */

/*
 * A new user who is known by the items I only is a node that was not there when the model was
 * trained. Give it the edges to I and no embedding of its own, and propagate: layer k >= 1 of it is
 *     x_u^(k) = 1/sqrt(|I|) sum over i in I of x_i^(k-1) / sqrt(d_i),   d_i = train degree of i,
 * and its final row
 *     x_u = 1/sqrt(|I|) sum over i in I of F_i,
 *     F_i = 1/sqrt(d_i) sum over k >= 1 of w_k x_i^(k-1).
 * The table F is made once. (The items' own vectors would change a little by the new edges, too;
 * that is neglected.)
 */
static rk_value fold_table(const rk_model_instance *instance, rk_program *p, rk_graph_values graph,
                           const rk_value *layers, rk_value weights)
{
    const rk_options *o = instance->options;
    const int n = (int)o->model.layers;
    rk_value sum = RK_NONE;
    if (!is_learned(o)) {
        float w[RK_MAX_LAYERS];
        rk__lightgcn_weights(o, w);
        sum = rk__lightgcn_sum(p, layers, w + 1, n);
    } else { /* mix takes a table for each weight: layer 0 stands in for w_0, and is taken out */
        rk_value shifted[RK_MAX_LAYERS + 1] = {layers[0]};
        for (int k = 1; k <= n; k++) {
            shifted[k] = layers[k - 1];
        }
        sum = rk__add(p, rk__mix(p, weights, shifted, n + 1), rk__weigh(p, weights, layers[0], 0),
                      1, -1);
    }
    return rk__scale_rows(p, sum, graph.scale, RK_NONE, RK_NONE);
}

static void finish(const rk_model_instance *instance, rk_program *p)
{
    const rk_options *o = instance->options;
    const rk_graph_values graph = rk__propagation_graph(instance, p, rk__use_graph(p));
    rk_value layers[RK_MAX_LAYERS], weights = RK_NONE;
    propagate(instance, p, graph, rk__use_named(p, "embedding"), layers);
    if (is_learned(o)) {
        weights = learned_weights(o, p, rk__use_named(p, "layer_weights"));
    }
    rk__assign_named(p, "final", sum_of(o, p, layers, weights));
    if (has_fold_table(o)) {
        rk__assign_named(p, "fold", fold_table(instance, p, graph, layers, weights));
    }
}

static rk_fold_sum fold_sum(const rk_model_instance *instance)
{
    bool propagates = has_fold_table(instance->options);
    return (rk_fold_sum){propagates ? "fold" : "final", propagates ? 0.5 : 0};
}

const rk_model_kind rk__model_lightgcn = {
    .name = "lightgcn",
    .help = "LightGCN (He et al., SIGIR 2020): embeddings propagated over the user-item graph, "
            "layers averaged",
    .has_views = true,
    .has_gram_form = has_gram_form,
    .check = check,
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
