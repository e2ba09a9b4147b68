#include "engine/snapshot.h"

#include "base/alloc.h"

static rk_status take(const rk_engine *e, rk_snapshot *s)
{
    RK_TRY(rk__calloc(&s->values, e->model.n_parameters, sizeof *s->values, "a model's tensors"));
    for (s->n = 0; s->n < e->model.n_parameters; s->n++) {
        const rk_parameter *p = &e->model.parameters[s->n];
        char *values = NULL;
        RK_TRY(rk__alloc(&values, p->rows * p->cols, (size_t)rk__dtype_size(p->dtype), p->name));
        s->values[s->n] = values;
        rk_status status = rk__engine_read(e, p->stored, RK_COMM_ALL, values);
        if (status != RK_OK) {
            s->n++;
            return status;
        }
    }
    return RK_OK;
}

rk_status rk__snapshot_take(const rk_engine *engine, rk_snapshot *out)
{
    rk_snapshot fresh = {0};
    rk_status status = take(engine, &fresh);
    if (status != RK_OK) {
        rk__snapshot_free(&fresh);
        return status;
    }
    rk__snapshot_free(out);
    *out = fresh;
    return RK_OK;
}

rk_status rk__snapshot_put(const rk_snapshot *s, rk_engine *e)
{
    RK_ASSERT(s->n == e->model.n_parameters);
    rk__engine_parameters_changed(e);
    for (int i = 0; i < s->n; i++) {
        const rk_parameter *p = &e->model.parameters[i];
        RK_TRY(rk__engine_write(e, p->stored, s->values[i]));
    }
    return RK_OK;
}

void rk__snapshot_free(rk_snapshot *s)
{
    for (int i = 0; i < s->n; i++) {
        rk__free(s->values[i]);
    }
    rk__free(s->values);
    rk_config_free(s->config);
    *s = (rk_snapshot){0};
}
