/* Rows of models of ratings. */
#include "ops/family.h"

rk_value rk__rating_rows(rk_program *p, rk_value offsets, rk_value rows, rk_rating_attr attr)
{
    rk_node node = RK_NODE(RK_OP_RATING_ROWS, offsets, rows);
    node.attr.rating = attr;
    return rk__append_value(p, node);
}

/* offsets i64[R+1], rows f32[R,w] -> f32[R,d+2], plain f32[R,d]; w = d + 1 with biases, else d */
rk_status rk__shape_rating_rows(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_rating_attr *a = &node->attr.rating;
    NEED(is(AT(1), RK_F32, -1, -1) && AT(1)->cols >= 1 && is(AT(0), RK_I64, AT(1)->rows + 1, 1));
    NEED(a->n_users >= 0);
    NEED(AT(1)->cols > a->has_bias);
    out[0] = shape(RK_F32, AT(1)->rows, AT(1)->cols - a->has_bias + (a->is_plain ? 0 : 2));
    return RK_OK;
}
