/* Clipping of gradients, by the norm over all of them or element by element. */
#include "ops/family.h"

#include <string.h>

/* More gradients than a node takes go through several; the last one has seen them all. */
rk_value rk__clip_factor(rk_program *p, const rk_value *gradients, int n, float limit)
{
    enum { MOST = RK_MAX_INPUTS - 2 };
    rk_value squares = RK_NONE, factor = RK_NONE;
    for (int first = 0; first < n; first += MOST) {
        rk_value in[RK_MAX_INPUTS] = {squares};
        int more = n - first < MOST ? n - first : MOST;
        memcpy(in + 1, gradients + first, (size_t)more * sizeof *in);
        rk_node node = rk__node(RK_OP_CLIP_FACTOR, 1 + more, in);
        node.attr.weight[0] = limit;
        const rk_node *made = rk__append(p, node);
        factor = made ? made->out[0] : RK_NONE;
        squares = made ? made->out[1] : RK_NONE;
    }
    return factor;
}

/* squares f64[1] or -: of the gradients before, n >= 0 gradients f32[R_i,d_i] -> factor f32[1],
 * squares f64[1]: the sum over all so far */
rk_status rk__shape_clip_factor(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(!HAS(0) || is(AT(0), RK_F64, 1, 1));
    for (int32_t i = 1; i < node->n_inputs; i++) {
        NEED(is(AT(i), RK_F32, -1, -1));
    }
    NEED(node->attr.weight[0] > 0);
    out[0] = shape(RK_F32, 1, 1);
    out[1] = shape(RK_F64, 1, 1);
    return RK_OK;
}

rk_value rk__clip(rk_program *p, rk_value x, rk_value factor, float limit)
{
    rk_node node = RK_NODE(RK_OP_CLIP, x, factor);
    node.attr.weight[0] = limit;
    return rk__append_value(p, node);
}

/* x f32[R,d], factor f32[1] or - -> f32[R,d] */
rk_status rk__shape_clip(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && (!HAS(1) || is(AT(1), RK_F32, 1, 1)));
    NEED(node->attr.weight[0] > 0);
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}
