/* The models by name, and the initial values of their parameters. */
#include "models/model.h"

#include <math.h>

#include "base/alloc.h"
#include "models/models.h"
#include "ops/init_draw.h"

const rk_model *const *rk__models(void)
{
    static const rk_model *const models[] = {&rk__model_lightgcn, &rk__model_mf,
                                             &rk__model_lightgcn_pp, NULL};
    return models;
}

rk_status rk__model_declare(rk_model_instance *out, const rk_model *model,
                            const rk_options *options, int64_t n_users, int64_t n_items,
                            rk_store *store)
{
    *out = (rk_model_instance){
        .model = model, .options = options, .n_users = n_users, .n_items = n_items};
    RK_TRY(model->declare(out));
    for (int i = 0; i < out->n_parameters; i++) {
        rk_parameter *p = &out->parameters[i];
        RK_TRY(rk__store_add(store, p->name, RK_F32, p->rows, p->cols, NULL, &p->stored));
    }
    return RK_OK;
}

void rk__model_free(rk_model_instance *instance)
{
    rk__free(instance->parameters);
    *instance = (rk_model_instance){0};
}

rk_status rk__model_add_parameter(rk_model_instance *instance, rk_parameter parameter)
{
    if (instance->n_parameters == instance->parameter_capacity) {
        int capacity = 2 * instance->parameter_capacity + 4;
        RK_TRY(rk__realloc(&instance->parameters, instance->n_parameters, capacity,
                           sizeof *instance->parameters, "the parameters of a model"));
        instance->parameter_capacity = capacity;
    }
    parameter.stored = -1;
    instance->parameters[instance->n_parameters++] = parameter;
    return RK_OK;
}

rk_status rk__declare_embedding(rk_model_instance *instance)
{
    const rk_options *o = instance->options;
    int64_t n_nodes = instance->n_users + instance->n_items;
    return rk__model_add_parameter(instance,
                                   (rk_parameter){.name = "embedding",
                                                  .rows = n_nodes,
                                                  .cols = o->model.dim,
                                                  .init = o->model.init,
                                                  .init_sd = o->model.init_sd,
                                                  .block_end = {instance->n_users, n_nodes}});
}

double rk__parameter_scale(const rk_parameter *parameter, int block)
{
    int64_t first_row = block == 0 ? 0 : parameter->block_end[block - 1];
    int64_t rows = parameter->block_end[block] - first_row;
    /* Glorot & Bengio 2010: variance 2 / (fan in + fan out) */
    return parameter->init == RK_INIT_XAVIER ? sqrt(6.0 / (double)(rows + parameter->cols))
                                             : parameter->init_sd;
}

void rk__parameter_init(const rk_parameter *parameter, int number, uint64_t seed, float *out)
{
    int64_t first_row = 0;
    for (int b = 0; b < 2; b++) {
        int64_t first = first_row * parameter->cols;
        int64_t last = parameter->block_end[b] * parameter->cols;
        double scale = rk__parameter_scale(parameter, b);
#pragma omp parallel for schedule(static)
        for (int64_t group = first / 4; group < (last + 3) / 4; group++) {
            float unit[4];
            rk__init_unit4(parameter->init, seed, number, group, unit);
            for (int64_t j = 0; j < 4; j++) {
                int64_t element = 4 * group + j;
                if (element >= first && element < last) {
                    out[element] = (float)(scale * (double)unit[j]);
                }
            }
        }
        first_row = parameter->block_end[b];
    }
}
