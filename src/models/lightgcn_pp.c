/*
 * LightGCN++ (Lee, Kim, Shin: Revisiting LightGCN: unexpected inflexibility, inconsistency, and a
 * remedy towards improved recommendation, RecSys 2024): with u(x) = x / |x| by rows,
 *   x_k = D^-alpha A D^-beta u(x_(k-1)),  final = gamma x_0 + (1 - gamma) / K sum_(k>=1) x_k.
 *
 * The graph's own propagation is P = D^-1/2 A D^-1/2, so D^-alpha A D^-beta = L P R with the
 * factors of nodes L = D^(1/2 - alpha) and R = D^(1/2 - beta). A positive factor of a row does not
 * change its direction: u(L y) = u(y). So L is applied once, to the sum.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "models/models.h"
#include "models/propagation.h"

/* L and R of the head, one number a node. */
static rk_status declare_power(rk_model_instance *instance, const rk_propagation *over,
                               const char *name, double exponent)
{
    rk_parameter p = {.rows = instance->n_nodes, .cols = 1, .role = RK_CONSTANT};
    float *power = NULL;
    snprintf(p.name, sizeof p.name, "%s", name);
    RK_TRY(rk__alloc(&power, p.rows, sizeof *power, "powers of the degrees"));
    rk__degree_power(instance, over, exponent, power);
    p.constant = power;
    return rk__model_add(instance, p);
}

static rk_status check(const rk_config *config)
{
    if (rk__config_options(config)->model.layers == 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: it needs at least one layer",
                rk__config_says(config, "model.kind").text,
                rk__config_says(config, "model.layers").text);
    }
    return rk__propagation_check(config);
}

static rk_status declare(rk_model_instance *instance)
{
    const rk_options *o = instance->options;
    if (o->model.layers < 1 || o->model.layers >= RK_MAX_LAYERS) {
        RK_FAIL(RK_ERR_CONFIG, "model.layers is %lld; lightgcn++ takes 1 to %d",
                (long long)o->model.layers, RK_MAX_LAYERS - 1);
    }
    rk_propagation over = {0};
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__propagation_init(&over, instance));
    RK_TRY_GOTO(done, rk__declare_factors(instance, "embedding"));
    RK_TRY_GOTO(done, rk__declare_table(instance, "final"));
    RK_TRY_GOTO(done, rk__declare_table(instance, "fold"));
    RK_TRY_GOTO(done, declare_power(instance, &over, "graph.left", 0.5 - o->model.alpha));
    RK_TRY_GOTO(done, declare_power(instance, &over, "graph.right", 0.5 - o->model.beta));
    status = rk__declare_propagation(instance, &over);
done:
    rk__propagation_free(&over);
    return status;
}

/* (1 - gamma) / K times the sum over k < K of P^last R u(x_k), with the last propagation or
 * without it. */
static rk_value sum_of_layers(const rk_model_instance *instance, rk_program *p,
                              rk_graph_values graph, rk_value x, bool is_propagated)
{
    const rk_options *o = instance->options;
    const int n = (int)o->model.layers;
    const float share = (float)((1 - o->model.gamma) / (double)n);
    const rk_value right = rk__use_named(p, "graph.right");
    rk_value layers[RK_MAX_LAYERS];
    float shares[RK_MAX_LAYERS];
    for (int k = 0; k < n; k++) {
        rk_value unit = rk__unit_rows(p, x, right);
        x = k + 1 < n || is_propagated ? rk__propagate_over(instance, p, graph, unit) : x;
        layers[k] = is_propagated ? x : unit;
        shares[k] = share;
    }
    return rk__combine(p, layers, shares, n);
}

static rk_value final_of(const rk_model_instance *instance, rk_program *p, rk_graph_values graph,
                         rk_value ego)
{
    const rk_value left = rk__use_named(p, "graph.left");
    rk_value sum = sum_of_layers(instance, p, graph, ego, true);
    sum = rk__scale_rows(p, sum, left, RK_NONE, RK_NONE);
    return rk__add(p, ego, sum, (float)instance->options->model.gamma, 1);
}

static rk_encoded encode(const rk_model_instance *instance, rk_program *p, rk_graph_values graph,
                         const rk_value *values, rk_value state)
{
    (void)state;
    rk_value final = final_of(instance, p, rk__propagation_graph(instance, p, graph), values[0]);
    return (rk_encoded){final, values[0], {RK_NONE, RK_NONE}};
}

/*
 * A new user with the items I and no embedding of its own (compare lightgcn.c): its layer k is
 *     |I|^-alpha sum over i in I of d_i^-beta u(x_i^(k-1)),
 * so its final row is |I|^-alpha times the sum over I of
 *     F_i = (1 - gamma) / K  sum over k < K of d_i^-beta u(x_i^(k)),
 * where d^-beta = d^-1/2 R.
 */
static void finish(const rk_model_instance *instance, rk_program *p)
{
    const rk_graph_values graph = rk__propagation_graph(instance, p, rk__use_graph(p));
    const rk_value ego = rk__use_named(p, "embedding");
    rk__assign_named(p, "final", final_of(instance, p, graph, ego));
    rk_value sum = sum_of_layers(instance, p, graph, ego, false);
    rk__assign_named(p, "fold", rk__scale_rows(p, sum, graph.scale, RK_NONE, RK_NONE));
}

static rk_fold_sum fold_sum(const rk_model_instance *instance)
{
    return (rk_fold_sum){"fold", instance->options->model.alpha};
}

const rk_model_kind rk__model_lightgcn_pp = {
    .name = "lightgcn++",
    .help =
        "LightGCN++ (Lee et al., RecSys 2024): layer inputs of unit length, two exponents of the "
        "degrees, layer 0 weighed apart",
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
