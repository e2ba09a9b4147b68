/*
 * LightGCN++ (Lee, Kim, Shin: Revisiting LightGCN: unexpected inflexibility, inconsistency, and a
 * remedy towards improved recommendation, RecSys 2024): with u(x) = x / |x| by rows,
 *   x_k = D^-alpha A D^-beta u(x_(k-1)),  final = gamma x_0 + (1 - gamma) / K sum_(k>=1) x_k.
 *
 * The graph's own propagation is P = D^-1/2 A D^-1/2, so D^-alpha A D^-beta = L P R with the
 * factors of nodes L = D^(1/2 - alpha) and R = D^(1/2 - beta). A positive factor of a row does not
 * change its direction: u(L y) = u(y). So L is applied once, to the sum.
 */
#include <stddef.h>

#include "models/models.h"

static rk_status declare(rk_model_instance *instance)
{
    const rk_options *o = instance->options;
    if (o->model.layers < 1 || o->model.layers >= RK_MAX_LAYERS) {
        RK_FAIL(RK_ERR_CONFIG, "model.layers is %lld; lightgcn++ takes 1 to %d",
                (long long)o->model.layers, RK_MAX_LAYERS - 1);
    }
    return rk__declare_embedding(instance);
}

static rk_encoded encode(const rk_model_instance *instance, rk_program *p, rk_graph_values graph,
                         const rk_value *values, rk_value state)
{
    (void)state;
    const rk_options *o = instance->options;
    const int n = (int)o->model.layers;
    const float gamma = (float)o->model.gamma;
    const float share = (float)((1 - o->model.gamma) / (double)n);
    const rk_value left = rk__use(p, instance->left), right = rk__use(p, instance->right);
    rk_value layers[RK_MAX_LAYERS], x = values[0];
    float shares[RK_MAX_LAYERS];
    for (int k = 0; k < n; k++) {
        layers[k] = x = rk__propagate(p, graph, rk__unit_rows(p, x, right), 1);
        shares[k] = share;
    }
    rk_value sum = rk__combine(p, layers, shares, n);
    sum = rk__scale_rows(p, sum, left, RK_NONE, RK_NONE);
    return (rk_encoded){rk__add(p, values[0], sum, gamma, 1), values[0], {RK_NONE, RK_NONE}};
}

const rk_model rk__model_lightgcn_pp = {
    .name = "lightgcn++",
    .help =
        "LightGCN++ (Lee et al., RecSys 2024): layer inputs of unit length, two exponents of the "
        "degrees, layer 0 weighed apart",
    .declare = declare,
    .encode = encode,
};
