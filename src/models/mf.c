/*
 * Matrix factorisation (Koren, Bell, Volinsky: Matrix factorization techniques for recommender
 * systems, IEEE Computer 2009; with the BPR loss: Rendle et al., UAI 2009): the score of a user and
 * an item is the dot product of their embeddings. It is LightGCN with 0 layers, whatever
 * model.layers says.
 */
#include "models/models.h"

static rk_encoded encode(const rk_model_instance *instance, rk_program *p, rk_graph_values graph,
                         const rk_value *values, rk_value state)
{
    (void)instance, (void)p, (void)graph, (void)state;
    return (rk_encoded){values[0], values[0], {RK_NONE, RK_NONE}};
}

const rk_model rk__model_mf = {
    .name = "mf",
    .help = "matrix factorisation (Koren et al. 2009; with BPR: Rendle et al. 2009)",
    .declare = rk__declare_embedding,
    .encode = encode,
};
