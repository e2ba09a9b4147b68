/* Launchers of mixed layers, factors of nodes, neighbours, views, schedules and clipping; see
 * launch.c. */
#include "device/cuda/call.h"

rk_status rk__cuda_mix(const call *c)
{
    const rk_tensor *y = out_tensor(c, 0);
    RK_TRY_CUDA(rk_cuda_mix(tables_of(c, 1), in(c, 0), out(c, 0), y->rows * y->cols, c->stream));
    return RK_OK;
}

rk_status rk__cuda_weigh(const call *c)
{
    const rk_tensor *y = out_tensor(c, 0);
    RK_TRY_CUDA(rk_cuda_weigh(in(c, 0), in(c, 1), c->node->attr.index, out(c, 0), y->rows * y->cols,
                              c->stream));
    return RK_OK;
}

rk_status rk__cuda_table_dots(const call *c)
{
    const rk_tensor *g = in_tensor(c, 0);
    RK_TRY_CUDA(rk_cuda_table_dots(tables_of(c, 1), in(c, 0), out(c, 0), g->rows * g->cols,
                                   c->node->attr.weight[0], c->loaded->scratch, c->stream));
    return RK_OK;
}

rk_status rk__cuda_softmax_weights(const call *c)
{
    RK_TRY_CUDA(rk_cuda_softmax_weights(in(c, 0), out(c, 0), in_tensor(c, 0)->cols, c->stream));
    return RK_OK;
}

rk_status rk__cuda_softmax_weights_grad(const call *c)
{
    RK_TRY_CUDA(rk_cuda_softmax_weights_grad(in(c, 0), in(c, 1), out(c, 0), in_tensor(c, 0)->cols,
                                             c->stream));
    return RK_OK;
}

rk_status rk__cuda_unit_rows(const call *c)
{
    const rk_tensor *y = out_tensor(c, 0);
    RK_TRY_CUDA(rk_cuda_unit_rows(in(c, 0), in(c, 1), out(c, 0), y->rows, y->cols, c->stream));
    return RK_OK;
}

rk_status rk__cuda_unit_rows_grad(const call *c)
{
    const rk_tensor *y = out_tensor(c, 0);
    RK_TRY_CUDA(rk_cuda_unit_rows_grad(in(c, 0), in(c, 1), in(c, 2), out(c, 0), y->rows, y->cols,
                                       c->stream));
    return RK_OK;
}

rk_status rk__cuda_scale_nodes(const call *c)
{
    const rk_tensor *y = out_tensor(c, 0);
    RK_TRY_CUDA(rk_cuda_scale_nodes(in(c, 0), in(c, 1), in(c, 2), in(c, 3), out(c, 0), y->rows,
                                    y->cols, c->stream));
    return RK_OK;
}

rk_status rk__cuda_neighbour_slots(const call *c)
{
    const rk_neighbour_attr *a = &c->node->attr.neighbour;
    RK_TRY_CUDA(rk_cuda_neighbour_slots(in(c, 0), in(c, 1), out(c, 0), a->batch,
                                        in_tensor(c, 1)->cols, a->n_users, c->stream));
    return RK_OK;
}

rk_status rk__cuda_neighbour_loss(const call *c)
{
    const rk_neighbour_attr *a = &c->node->attr.neighbour;
    RK_TRY_CUDA(rk_cuda_neighbour_loss(
        in(c, 0), in(c, 1), in(c, 2), in(c, 3), in(c, 4), out(c, 0), out(c, 1), c->loaded->scratch,
        a->batch, in_tensor(c, 3)->cols, a->n_users, in_tensor(c, 0)->cols, a->weight, c->stream));
    return RK_OK;
}

rk_status rk__cuda_schedule(const call *c)
{
    RK_TRY_CUDA(rk_cuda_schedule(c->node->attr.schedule, in(c, 0), c->stream));
    return RK_OK;
}

rk_status rk__cuda_clip_factor(const call *c)
{
    rk_gradients gradients = {.count = c->node->n_inputs};
    for (int i = 0; i < gradients.count; i++) {
        gradients.x[i] = in(c, i);
        gradients.n[i] = in_tensor(c, i)->rows * in_tensor(c, i)->cols;
    }
    RK_TRY_CUDA(rk_cuda_clip_factor(gradients, c->node->attr.weight[0], out(c, 0),
                                    c->loaded->scratch, c->stream));
    return RK_OK;
}

rk_status rk__cuda_clip(const call *c)
{
    const rk_tensor *x = in_tensor(c, 0);
    RK_TRY_CUDA(rk_cuda_clip(in(c, 0), in(c, 1), out(c, 0), x->rows * x->cols,
                             c->node->attr.weight[0], c->stream));
    return RK_OK;
}

rk_status rk__cuda_perturb(const call *c)
{
    const rk_tensor *y = out_tensor(c, 0);
    const rk_perturb_attr *a = &c->node->attr.perturb;
    RK_TRY_CUDA(rk_cuda_perturb(in(c, 0), in(c, 1), in(c, 2), in(c, 3), out(c, 0), y->rows, y->cols,
                                a->epsilon, a->view, a->layer, c->stream));
    return RK_OK;
}

rk_status rk__cuda_contrast_slots(const call *c)
{
    RK_TRY_CUDA(rk_cuda_contrast_slots(in(c, 0), in(c, 1), in(c, 2), in(c, 3), in(c, 4), out(c, 0),
                                       out(c, 1), c->node->attr.contrast.batch,
                                       in_tensor(c, 0)->cols, c->stream));
    return RK_OK;
}

rk_status rk__cuda_contrast_slots_grad(const call *c)
{
    const rk_tensor *y = out_tensor(c, 0);
    const rk_contrast_attr *a = &c->node->attr.contrast;
    RK_TRY_CUDA(rk_cuda_contrast_slots_grad(in(c, 0), in(c, 1), in(c, 2), in(c, 3), in(c, 4),
                                            in(c, 5), out(c, 0), y->rows, a->batch, y->cols,
                                            a->second, c->stream));
    return RK_OK;
}

rk_status rk__cuda_contrast_loss(const call *c)
{
    const rk_contrast_attr *a = &c->node->attr.contrast;
    RK_TRY_CUDA(rk_cuda_contrast_loss(in(c, 0), in(c, 1), in(c, 2), in(c, 3), out(c, 0), out(c, 1),
                                      out(c, 2), c->loaded->scratch, a->batch,
                                      in_tensor(c, 0)->cols, a->weight, a->temperature, c->stream));
    return RK_OK;
}

rk_status rk__cuda_contrast_grad(const call *c)
{
    const rk_contrast_attr *a = &c->node->attr.contrast;
    const rk_contrast_means means = {
        {in(c, 2), in(c, 3)}, {in(c, 4), in(c, 5)}, {in(c, 6), in(c, 7)}};
    RK_TRY_CUDA(rk_cuda_contrast_grad(means, in(c, 0), in(c, 1), out(c, 0), a->batch,
                                      in_tensor(c, 0)->cols, a->temperature, c->stream));
    return RK_OK;
}
