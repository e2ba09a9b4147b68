/*
 * LightGCN++ (Lee, Kim, Shin: Revisiting LightGCN: unexpected inflexibility, inconsistency, and a
 * remedy towards improved recommendation, RecSys 2024): with u(x) = x / |x| by rows,
 *   x_k = D^-alpha A D^-beta u(x_(k-1)),  final = gamma x_0 + (1 - gamma) / K sum_(k>=1) x_k.
 *
 * The graph's own propagation is P = D^-1/2 A D^-1/2, so D^-alpha A D^-beta = L P R with the
 * factors of nodes L = D^(1/2 - alpha) and R = D^(1/2 - beta). A positive factor of a row does not
 * change its direction: u(L y) = u(y). So L is applied once, to the sum, and only where rows are
 * wanted.
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
    rk__declare_embedding(instance);
    return RK_OK;
}

static rk_value embed(const rk_model_instance *instance, rk_program *p, rk_graph_values graph,
                      const rk_value *values, const rk_row_set *rows, rk_value *out_ego)
{
    const rk_options *o = instance->options;
    const int n = (int)o->model.layers;
    const float gamma = (float)o->model.gamma;
    const float share = (float)((1 - o->model.gamma) / (double)n), one = 1;
    const rk_value left = rk__use(p, instance->left), right = rk__use(p, instance->right);
    rk_value layers[RK_MAX_LAYERS], x = values[0], sum = RK_NONE;
    float shares[RK_MAX_LAYERS];
    if (out_ego) {
        RK_ASSERT(rows);
        *out_ego = rk__combine_rows(p, values, &one, 1, *rows);
    }
    const int n_full = rows ? n - 1 : n; /* layers computed for all nodes */
    for (int k = 0; k < n_full; k++) {
        layers[k] = x = rk__propagate(p, graph, rk__unit_rows(p, x, right), 1);
        shares[k] = share;
    }
    if (!rows) {
        sum = rk__scale_nodes(p, rk__combine(p, layers, shares, n), left, NULL);
        return rk__add(p, values[0], sum, gamma, 1);
    }
    sum = rk__propagate_rows(p, graph, rk__unit_rows(p, x, right), *rows, share);
    if (n_full > 0) {
        rk_value others = rk__combine_rows(p, layers, shares, n_full, *rows);
        sum = rk__add(p, others, sum, 1, 1);
    }
    sum = rk__scale_nodes(p, sum, left, rows);
    rk_value ego = rk__combine_rows(p, values, &gamma, 1, *rows);
    return rk__add(p, ego, sum, 1, 1);
}

const rk_model rk__model_lightgcn_pp = {
    .name = "lightgcn++",
    .help =
        "LightGCN++ (Lee et al., RecSys 2024): layer inputs of unit length, two exponents of the "
        "degrees, layer 0 weighed apart",
    .needs_degree_powers = true,
    .declare = declare,
    .embed = embed,
};
