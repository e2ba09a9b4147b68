/* The L2 term on the rows of a batch. */
#include "ops/family.h"

void rk__l2_loss(rk_program *p, rk_value x, rk_row_set rows, rk_value chosen, rk_value state,
                 rk_l2_attr attr)
{
    rk_node node = RK_NODE(RK_OP_L2_LOSS, x, rows.segments, rows.order, rows.count, state, chosen);
    node.attr.l2 = attr;
    rk__program_add_term(p, "l2", rk__append_value(p, node));
}

/* x f32[S,d], segments i32[S+1], order i32[L], count i32[1], state, chosen i32[B] or -, squares
 * f64[3] or - (made of x) -> loss f64[1], gradient f32[S,d] by x: a multiple of each row */
rk_status rk__shape_l2_loss(const rk_program *p, const rk_node *node, rk_shape *out)
{
    int64_t rows = AT(0)->rows, slots = AT(2)->rows;
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_I32, rows + 1, 1));
    NEED(is(AT(2), RK_I32, -1, 1) && is(AT(3), RK_I32, 1, 1) && is(AT(4), RK_STATE, 1, 1));
    NEED(!HAS(5) || is(AT(5), RK_I32, node->attr.l2.batch, 1));
    NEED(slots % node->attr.l2.batch == 0 && slots / node->attr.l2.batch >= 2);
    NEED(node->n_inputs <= RK_L2_LOSS_SQUARES || is(AT(RK_L2_LOSS_SQUARES), RK_F64, 3, 1));
    out[0] = shape(RK_F64, 1, 1);
    out[1] = shape(RK_F32, rows, AT(0)->cols);
    return RK_OK;
}

/* the first six inputs of l2_loss -> f64[3]: of users, positives, negatives, as it counts them */
rk_status rk__shape_l2_squares(const rk_program *p, const rk_node *node, rk_shape *out)
{
    RK_TRY(rk__shape_l2_loss(p, node, (rk_shape[2]){{0}}));
    out[0] = shape(RK_F64, 3, 1);
    return RK_OK;
}

void rk__grad_l2_loss(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    (void)g, (void)alpha;
    rk__contribute(b, node->in[0], node->out[1], 1);
}
