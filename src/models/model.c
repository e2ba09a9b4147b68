/* The models by name, and the initial values of their parameters. */
#include "models/model.h"

#include <math.h>
#include <stdio.h>

#include "base/philox.h"
#include "models/models.h"

const rk_model *const *rk__models(void)
{
    static const rk_model *const models[] = {&rk__model_lightgcn, &rk__model_mf, NULL};
    return models;
}

rk_status rk__model_declare(rk_model_instance *out, const rk_options *options, int64_t n_users,
                            int64_t n_items, rk_store *store)
{
    *out = (rk_model_instance){.model = rk__models()[options->model.kind],
                               .options = options,
                               .n_users = n_users,
                               .n_items = n_items};
    RK_TRY(out->model->declare(out));
    for (int i = 0; i < out->n_parameters; i++) {
        rk_parameter *p = &out->parameters[i];
        RK_TRY(rk__store_add(store, p->name, RK_F32, p->rows, p->cols, NULL, &p->stored));
    }
    return RK_OK;
}

void rk__declare_embedding(rk_model_instance *instance)
{
    const rk_options *o = instance->options;
    int64_t n_nodes = instance->n_users + instance->n_items;
    rk_parameter *p = &instance->parameters[instance->n_parameters++];
    *p = (rk_parameter){.rows = n_nodes,
                        .cols = o->model.dim,
                        .init = o->model.init,
                        .init_sd = o->model.init_sd,
                        .block_end = {instance->n_users, n_nodes},
                        .stored = -1};
    snprintf(p->name, sizeof p->name, "embedding");
}

/* Elements 4 group .. 4 group + 3 with unit scale: standard normal, or uniform in [-1, 1). */
static void draw4(int init, uint64_t seed, int number, int64_t group, float out[4])
{
    rk_words w = rk__philox(seed, RK_PURPOSE_INIT, (uint64_t)number, (uint64_t)group, 0);
    if (init == RK_INIT_NORMAL) {
        rk__normal2(w.v[0], w.v[1], out);
        rk__normal2(w.v[2], w.v[3], out + 2);
        return;
    }
    for (int j = 0; j < 4; j++) {
        out[j] = 2 * rk__uniform(w.v[j]) - 1;
    }
}

void rk__parameter_init(const rk_parameter *parameter, int number, uint64_t seed, float *out)
{
    int64_t first_row = 0;
    for (int b = 0; b < 2; b++) {
        int64_t rows = parameter->block_end[b] - first_row;
        int64_t first = first_row * parameter->cols;
        int64_t last = parameter->block_end[b] * parameter->cols;
        /* Glorot & Bengio 2010: variance 2 / (fan in + fan out) */
        double scale = parameter->init == RK_INIT_NORMAL
                           ? parameter->init_sd
                           : sqrt(6.0 / (double)(rows + parameter->cols));
#pragma omp parallel for schedule(static)
        for (int64_t group = first / 4; group < (last + 3) / 4; group++) {
            float unit[4];
            draw4(parameter->init, seed, number, group, unit);
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
