/* Shared by the files of this room: the models, and the parameters that several of them have. */
#ifndef RK_MODELS_MODELS_H
#define RK_MODELS_MODELS_H

#include "models/model.h"

extern const rk_model rk__model_lightgcn;
extern const rk_model rk__model_mf;

/* One table "embedding" [users + items, model.dim], users and items initialised apart. */
void rk__declare_embedding(rk_model_instance *instance);

#endif
