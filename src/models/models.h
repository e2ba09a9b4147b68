/* Shared by the files of this room: the models, and the parameters that several of them have. */
#ifndef RK_MODELS_MODELS_H
#define RK_MODELS_MODELS_H

#include "models/model.h"

extern const rk_model rk__model_lightgcn;
extern const rk_model rk__model_mf;
extern const rk_model rk__model_lightgcn_pp;

/* lightgcn_gram.c: the sum of the layers with these weights (one a layer, at least one layer), at
 * the rows of a row set [S,d] or, without, at all nodes [N,d]. x: layer 0. */
rk_value rk__lightgcn_gram(const rk_model_instance *instance, rk_program *program,
                           rk_graph_values graph, rk_value x, const float *weights,
                           const rk_row_set *rows);

/* w_0 .. w_K of model.layer_weights, where they are fixed. */
void rk__lightgcn_weights(const rk_options *options, float w[RK_MAX_LAYERS]);

/* lightgcn_views.c; see rk_model.views. */
rk_views rk__lightgcn_views(const rk_model_instance *instance, rk_program *p, rk_graph_values graph,
                            const rk_value *values, const rk_row_set *rows, rk_value state,
                            rk_value *out_ego);

/* One table "embedding" [users + items, model.dim], users and items initialised apart. */
void rk__declare_embedding(rk_model_instance *instance);

#endif
