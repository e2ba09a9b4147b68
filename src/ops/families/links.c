/*
 * What link prediction asks for beside products: ids by a table, lengths of rows, and the loss of
 * all items at once.
 */
#include "ops/family.h"

rk_value rk__lookup(rk_program *p, rk_value x, rk_value table)
{
    return rk__append_value(p, RK_NODE(RK_OP_LOOKUP, x, table));
}

/* x i32[L], table i32[R] -> i32[L] */
rk_status rk__shape_lookup(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_I32, -1, 1) && is(AT(1), RK_I32, -1, 1));
    out[0] = shape(RK_I32, AT(0)->rows, 1);
    return RK_OK;
}

/* ---- lengths ---- */

rk_value rk__row_norms(rk_program *p, rk_value x, int32_t norm)
{
    rk_node node = RK_NODE(RK_OP_ROW_NORMS, x);
    node.attr.norm = norm;
    return rk__append_value(p, node);
}

/* x f32[n,d] -> f32[n,1] */
rk_status rk__shape_row_norms(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && (node->attr.norm == 1 || node->attr.norm == 2));
    out[0] = shape(RK_F32, AT(0)->rows, 1);
    return RK_OK;
}

void rk__grad_row_norms(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_node grad = RK_NODE(RK_OP_ROW_NORMS_GRAD, node->in[0], node->out[0], g);
    grad.attr.norm = node->attr.norm;
    rk__contribute(b, node->in[0], rk__append_value(rk__backward_program(b), grad), alpha);
}

/* x f32[n,d], its norms f32[n,1], gradient f32[n,1] -> f32[n,d] */
rk_status rk__shape_row_norms_grad(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, AT(0)->rows, 1));
    NEED(is(AT(2), RK_F32, AT(0)->rows, 1) && (node->attr.norm == 1 || node->attr.norm == 2));
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}

/* ---- all items at once ---- */

void rk__list_loss(rk_program *p, rk_value scores, rk_list_inputs v, rk_list_loss_attr attr)
{
    rk_node node = RK_NODE(RK_OP_LIST_LOSS, scores, v.nodes, v.offsets, v.columns, v.state);
    node.attr.list_loss = attr;
    rk__program_add_term(p, "ranking", rk__append_value(p, node));
}

/* scores f32[B,I] of all items for the users in the first B of nodes i32[L], offsets i64[N+1] and
 * columns i32[E] of the graph, whose node attr.first is item 0, state
 * -> loss f64[1], by_score f32[B,I], 0 behind the last user */
rk_status rk__shape_list_loss(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_list_loss_attr *a = &node->attr.list_loss;
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_I32, -1, 1) && AT(1)->rows >= AT(0)->rows);
    NEED(is(AT(2), RK_I64, -1, 1) && is(AT(3), RK_I32, -1, 1) && is(AT(4), RK_STATE, 1, 1));
    NEED(a->smoothing >= 0 && a->smoothing < 1 && a->first >= 0);
    NEED(AT(2)->rows == a->first + AT(0)->cols + 1);
    out[0] = shape(RK_F64, 1, 1);
    out[1] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}
