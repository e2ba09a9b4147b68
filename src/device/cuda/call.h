/*
 * What a launcher of one operation is given, for the files that hold launchers: launch.c has most
 * of them and the table, launch_mix.c those declared below.
 */
#ifndef RK_CALL_H
#define RK_CALL_H

#include "device/cuda/context.h"

typedef struct call {
    rk_loaded *loaded;
    const rk_node *node;
    const rk_program *program;
    cudaStream_t stream;
} call;

static inline void *in(const call *c, int i)
{
    return rk__cuda_address(c->loaded, c->node->in[i]);
}

static inline void *out(const call *c, int i)
{
    return rk__cuda_address(c->loaded, c->node->out[i]);
}

static inline const rk_tensor *in_tensor(const call *c, int i)
{
    return &c->program->tensors[c->node->in[i]];
}

static inline const rk_tensor *out_tensor(const call *c, int i)
{
    return &c->program->tensors[c->node->out[i]];
}

/* Input i as a table to gather from. */
static inline rk_gathered gathered(const call *c, int i)
{
    const rk_tensor *t = in_tensor(c, i);
    bool is_half = t->dtype == RK_F16;
    return (rk_gathered){in(c, i), is_half ? rk__half_factors(in(c, i), t->rows, t->cols) : NULL};
}

/* Tables from input `first` on, with the node's weights. */
static inline rk_tables tables_of(const call *c, int first)
{
    rk_tables tables = {.n = c->node->n_inputs - first};
    for (int i = 0; i < tables.n; i++) {
        rk_gathered x = gathered(c, first + i);
        tables.x[i] = x.rows;
        tables.factor[i] = x.factor;
        tables.weight[i] = c->node->attr.weight[i];
    }
    return tables;
}

rk_status rk__cuda_mix(const call *c);
rk_status rk__cuda_weigh(const call *c);
rk_status rk__cuda_table_dots(const call *c);
rk_status rk__cuda_softmax_weights(const call *c);
rk_status rk__cuda_softmax_weights_grad(const call *c);
rk_status rk__cuda_unit_rows(const call *c);
rk_status rk__cuda_unit_rows_grad(const call *c);
rk_status rk__cuda_scale_nodes(const call *c);
rk_status rk__cuda_neighbour_slots(const call *c);
rk_status rk__cuda_neighbour_loss(const call *c);
rk_status rk__cuda_schedule(const call *c);
rk_status rk__cuda_clip_factor(const call *c);
rk_status rk__cuda_clip(const call *c);
rk_status rk__cuda_perturb(const call *c);
rk_status rk__cuda_contrast_slots(const call *c);
rk_status rk__cuda_contrast_slots_grad(const call *c);
rk_status rk__cuda_contrast_loss(const call *c);
rk_status rk__cuda_contrast_grad(const call *c);

#endif
