/*
 * LightGCN re-associated through the Gram matrix of the graph's small side; exact.
 *
 * Let R be the normalised adjacency between the large side (rows) and the small one (columns), C =
 * R^T R, and s_k, l_k the rows of layer k of the small and the large side. A propagation is s_k =
 * R^T l_(k-1) and l_k = R s_(k-1), so two of them multiply the small side by C:
 *
 *     s_0, s_1 = R^T l_0, s_2 = C s_0, s_3 = C s_1, ...      l_k = R s_(k-1)
 *
 * With the pair tables P_j = [s_2j; s_(2j+1)] = C^j P_0, P_0 = fold(x), the sum of the layers is
 *
 *     w_0 x + unfold([t; q]),  t = sum_(k>0) w_k s_k,  q = sum_(k>0) w_k s_(k-1)
 *
 * where unfold gives t at the small side and R q at the large one. P_j enters [t; q] through the
 * matrix (w_2j, w_(2j+1); w_(2j+1), w_(2j+2)) without w_0. So a forward pass takes two halves of a
 * propagation and K - 1 products of C with a table [n,d], whatever K is, and the same holds for
 * the backward pass, which is made of the adjoints: everything here is symmetric.
 */
#include "models/models.h"

/* [t; q] from the pair tables; K >= 1. */
static rk_value polynomial(rk_program *p, rk_value gram, rk_value pairs, const float *weights,
                           int layers)
{
    rk_value tables[RK_MAX_LAYERS] = {pairs};
    float w[RK_MAX_LAYERS] = {0};
    int n = 1;
    for (int k = 1; k <= layers; k++) {
        w[k] = weights[k];
    }
    for (; 2 * n <= layers; n++) { /* of an even last layer only the first half is wanted */
        tables[n] = rk__gram_product(p, gram, tables[n - 1], 2 * n == layers ? 1 : 2);
    }
    return rk__mix_pairs(p, tables, w, n);
}

rk_value rk__lightgcn_gram(const rk_model_instance *instance, rk_program *p, rk_graph_values graph,
                           rk_value x, const float *weights)
{
    const rk_gram_form *form = &instance->gram;
    const int layers = (int)instance->options->model.layers;
    const rk_fold_attr side = {form->first, form->n};
    rk_value gram = form->stored >= 0 ? rk__use(p, form->stored) : RK_NONE;
    rk_value pairs = polynomial(p, gram, rk__fold(p, graph, x, side), weights, layers);
    rk_value sum = rk__unfold(p, graph, pairs, side);
    return weights[0] != 0 ? rk__add(p, x, sum, weights[0], 1) : sum;
}
