/* Convolution of rows that are images, as products with patches of them; and columns normalised by
 * statistics that are there. */
#include "ops/family.h"

rk_value rk__patches(rk_program *p, rk_value x, rk_patches_attr attr)
{
    rk_node node = RK_NODE(RK_OP_PATCHES, x);
    node.attr.patches = attr;
    return rk__append_value(p, node);
}

static int64_t places(const rk_patches_attr *a)
{
    return (a->height - a->size + 1) * (a->width - a->size + 1);
}

static bool is_patch(const rk_patches_attr *a)
{
    return a->size > 0 && a->size <= a->height && a->size <= a->width;
}

/* x f32[B, height width] -> f32[B P, size size], P the places of a patch, row by row */
rk_status rk__shape_patches(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_patches_attr *a = &node->attr.patches;
    NEED(is_patch(a) && is(AT(0), RK_F32, -1, a->height * a->width));
    out[0] = shape(RK_F32, AT(0)->rows * places(a), a->size * a->size);
    return RK_OK;
}

void rk__grad_patches(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_node grad = RK_NODE(RK_OP_PATCHES_GRAD, g);
    grad.attr.patches = node->attr.patches;
    rk__contribute(b, node->in[0], rk__append_value(rk__backward_program(b), grad), alpha);
}

/* g f32[B P, size size] -> f32[B, height width]: of each element the sum over its places in patches
 */
rk_status rk__shape_patches_grad(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_patches_attr *a = &node->attr.patches;
    NEED(is_patch(a) && is(AT(0), RK_F32, -1, a->size * a->size));
    NEED(AT(0)->rows % places(a) == 0);
    out[0] = shape(RK_F32, AT(0)->rows / places(a), a->height * a->width);
    return RK_OK;
}

rk_value rk__normalise_by(rk_program *p, rk_value x, rk_value gain, rk_value shift,
                          rk_value statistics)
{
    return rk__append_value(p, RK_NODE(RK_OP_NORMALISE_BY, x, gain, shift, statistics));
}

/* x f32[N,d], gain f32[1,d], shift f32[1,d], mean and 1 / deviation f64[2,d] -> f32[N,d] */
rk_status rk__shape_normalise_by(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const int64_t d = AT(0)->cols;
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, 1, d) && is(AT(2), RK_F32, 1, d));
    NEED(is(AT(3), RK_F64, 2, d));
    out[0] = shape(RK_F32, AT(0)->rows, d);
    return RK_OK;
}
