/*
 * Matrix factorisation (Koren, Bell, Volinsky: Matrix factorization techniques for recommender
 * systems, IEEE Computer 2009; with the BPR loss: Rendle et al., UAI 2009): the score of a user and
 * an item is the dot product of their embeddings. It is LightGCN with 0 layers, whatever
 * model.layers says.
 */
#include "models/models.h"

static rk_status declare(rk_model_instance *instance)
{
    rk__declare_embedding(instance);
    return RK_OK;
}

static rk_value embed(const rk_model_instance *instance, rk_program *p, rk_graph_values graph,
                      const rk_value *values, const rk_row_set *rows, rk_value *out_ego)
{
    static const float one[] = {1};
    (void)instance, (void)graph;
    if (!rows) {
        return values[0];
    }
    rk_value final = rk__combine_rows(p, values, one, 1, *rows);
    if (out_ego) {
        *out_ego = final;
    }
    return final;
}

const rk_model rk__model_mf = {
    .name = "mf",
    .help = "matrix factorisation (Koren et al. 2009; with BPR: Rendle et al. 2009)",
    .declare = declare,
    .embed = embed,
};
