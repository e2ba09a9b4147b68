/* Whole tables element by element, and their columns: what layers of a network are made of beside
 * products (gemm.c). */
#include "ops/family.h"

/* ---- element by element ---- */

rk_value rk__activate(rk_program *p, rk_value x, rk_activate_attr attr)
{
    rk_node node = RK_NODE(RK_OP_ACTIVATE, x, RK_NONE);
    node.attr.activate = attr;
    return rk__append_value(p, node);
}

/* x f32[R,d], count i32[1] or -: rows from there on become zeros -> f32[R,d] */
rk_status rk__shape_activate(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && (!HAS(1) || is(AT(1), RK_I32, 1, 1)));
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}

void rk__grad_activate(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_node grad = RK_NODE(RK_OP_ACTIVATE_GRAD, node->out[0], g);
    grad.attr.activate = node->attr.activate;
    rk__contribute(b, node->in[0], rk__append_value(rk__backward_program(b), grad), alpha);
}

rk_value rk__restrict_activate(rk_restriction *r, const rk_node *node, float factor)
{
    (void)factor;
    RK_ASSERT(node->in[1] == RK_NONE);
    rk_node at_rows = *node;
    at_rows.in[0] = rk__at_rows(r, node->in[0]);
    at_rows.in[1] = rk__restriction_rows(r).count;
    at_rows.out[0] = RK_NONE;
    return rk__append_value(rk__restriction_program(r), at_rows);
}

/* y f32[R,d], gradient f32[R,d] -> f32[R,d] */
rk_status rk__shape_activate_grad(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, AT(0)->rows, AT(0)->cols));
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}

rk_value rk__multiply(rk_program *p, rk_value a, rk_value b)
{
    return rk__append_value(p, RK_NODE(RK_OP_MULTIPLY, a, b));
}

/* a f32[R,d], b f32[R,d] -> f32[R,d] */
rk_status rk__shape_multiply(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, AT(0)->rows, AT(0)->cols));
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}

void rk__grad_multiply(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    for (int i = 0; i < 2; i++) {
        if (rk__wants_gradient(b, node->in[i])) {
            rk_value part = rk__multiply(rk__backward_program(b), g, node->in[1 - i]);
            rk__contribute(b, node->in[i], part, alpha);
        }
    }
}

rk_value rk__restrict_multiply(rk_restriction *r, const rk_node *node, float factor)
{
    (void)factor;
    rk_value a = rk__at_rows(r, node->in[0]);
    return rk__multiply(rk__restriction_program(r), a, rk__at_rows(r, node->in[1]));
}

rk_value rk__scale_columns(rk_program *p, rk_value x, rk_value factor)
{
    return rk__append_value(p, RK_NODE(RK_OP_SCALE_COLUMNS, x, factor));
}

/* x f32[R,d], factor f32[1,d] -> f32[R,d] */
rk_status rk__shape_scale_columns(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, 1, AT(0)->cols));
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}

void rk__grad_scale_columns(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_program *p = rk__backward_program(b);
    if (rk__wants_gradient(b, node->in[0])) {
        rk__contribute(b, node->in[0], rk__scale_columns(p, g, node->in[1]), alpha);
    }
    if (rk__wants_gradient(b, node->in[1])) {
        rk_value product = rk__multiply(p, g, node->in[0]);
        rk__contribute(b, node->in[1], rk__column_sums(p, product), alpha);
    }
}

rk_value rk__restrict_scale_columns(rk_restriction *r, const rk_node *node, float factor)
{
    (void)factor;
    rk_value x = rk__at_rows(r, node->in[0]);
    return rk__scale_columns(rk__restriction_program(r), x, node->in[1]);
}

/* ---- columns ---- */

rk_value rk__join_columns(rk_program *p, const rk_value *tables, int n)
{
    RK_ASSERT(n > 0 && n <= RK_MAX_INPUTS);
    return n == 1 ? tables[0] : rk__append_value(p, rk__node(RK_OP_JOIN_COLUMNS, n, tables));
}

/* n tables f32[R,d_i] -> f32[R, sum of d_i] */
rk_status rk__shape_join_columns(const rk_program *p, const rk_node *node, rk_shape *out)
{
    int64_t cols = 0;
    for (int32_t i = 0; i < node->n_inputs; i++) {
        NEED(is(AT(i), RK_F32, AT(0)->rows, -1));
        cols += AT(i)->cols;
    }
    out[0] = shape(RK_F32, AT(0)->rows, cols);
    return RK_OK;
}

void rk__grad_join_columns(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_program *p = rk__backward_program(b);
    int64_t first = 0;
    for (int32_t i = 0; i < node->n_inputs; i++) {
        int64_t cols = p->tensors[node->in[i]].cols;
        if (rk__wants_gradient(b, node->in[i])) {
            rk__contribute(b, node->in[i], rk__take_columns(p, g, first, cols), alpha);
        }
        first += cols;
    }
}

rk_value rk__restrict_join_columns(rk_restriction *r, const rk_node *node, float factor)
{
    (void)factor;
    rk_value tables[RK_MAX_INPUTS];
    for (int32_t i = 0; i < node->n_inputs; i++) {
        tables[i] = rk__at_rows(r, node->in[i]);
    }
    return rk__join_columns(rk__restriction_program(r), tables, node->n_inputs);
}

static rk_value columns(rk_program *p, rk_op op, rk_value x, int64_t first, int64_t n)
{
    rk_node node = RK_NODE(op, x);
    node.attr.columns = (rk_columns_attr){first, n};
    return rk__append_value(p, node);
}

rk_value rk__take_columns(rk_program *p, rk_value x, int64_t first, int64_t n)
{
    return columns(p, RK_OP_TAKE_COLUMNS, x, first, n);
}

/* x f32[R,d] -> f32[R,n] */
rk_status rk__shape_take_columns(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_columns_attr *a = &node->attr.columns;
    NEED(is(AT(0), RK_F32, -1, -1) && a->first >= 0 && a->n > 0);
    NEED(a->first + a->n <= AT(0)->cols);
    out[0] = shape(RK_F32, AT(0)->rows, a->n);
    return RK_OK;
}

void rk__grad_take_columns(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_program *p = rk__backward_program(b);
    int64_t cols = p->tensors[node->in[0]].cols;
    rk__contribute(b, node->in[0], rk__place_columns(p, g, node->attr.columns.first, cols), alpha);
}

rk_value rk__restrict_take_columns(rk_restriction *r, const rk_node *node, float factor)
{
    (void)factor;
    rk_value x = rk__at_rows(r, node->in[0]);
    return rk__take_columns(rk__restriction_program(r), x, node->attr.columns.first,
                            node->attr.columns.n);
}

rk_value rk__place_columns(rk_program *p, rk_value x, int64_t first, int64_t n)
{
    return columns(p, RK_OP_PLACE_COLUMNS, x, first, n);
}

/* x f32[R,d] -> f32[R,n], x at columns [first, first + d) */
rk_status rk__shape_place_columns(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_columns_attr *a = &node->attr.columns;
    NEED(is(AT(0), RK_F32, -1, -1) && a->first >= 0 && a->first + AT(0)->cols <= a->n);
    out[0] = shape(RK_F32, AT(0)->rows, a->n);
    return RK_OK;
}

void rk__grad_place_columns(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_program *p = rk__backward_program(b);
    int64_t cols = p->tensors[node->in[0]].cols;
    rk__contribute(b, node->in[0], rk__take_columns(p, g, node->attr.columns.first, cols), alpha);
}

rk_value rk__restrict_place_columns(rk_restriction *r, const rk_node *node, float factor)
{
    (void)factor;
    rk_value x = rk__at_rows(r, node->in[0]);
    return rk__place_columns(rk__restriction_program(r), x, node->attr.columns.first,
                             node->attr.columns.n);
}

rk_value rk__reshape(rk_program *p, rk_value x, int64_t cols)
{
    rk_node node = RK_NODE(RK_OP_RESHAPE, x);
    node.attr.cols = cols;
    return rk__append_value(p, node);
}

/* x f32[R,d] -> f32[R d / cols, cols] */
rk_status rk__shape_reshape(const rk_program *p, const rk_node *node, rk_shape *out)
{
    int64_t cols = node->attr.cols;
    NEED(is(AT(0), RK_F32, -1, -1) && cols > 0 && AT(0)->rows * AT(0)->cols % cols == 0);
    out[0] = shape(RK_F32, AT(0)->rows * AT(0)->cols / cols, cols);
    return RK_OK;
}

void rk__grad_reshape(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_program *p = rk__backward_program(b);
    rk__contribute(b, node->in[0], rk__reshape(p, g, p->tensors[node->in[0]].cols), alpha);
}

/* ---- dropout ---- */

static rk_value dropout(rk_program *p, const rk_node *like, rk_value x, rk_value rows,
                        rk_value count)
{
    rk_node node = RK_NODE(RK_OP_DROPOUT, x, like->in[1], rows, count);
    node.attr = like->attr;
    return rk__append_value(p, node);
}

rk_value rk__dropout(rk_program *p, rk_value x, rk_value state, rk_dropout_attr attr)
{
    rk_node node = RK_NODE(RK_OP_DROPOUT, x, state, RK_NONE, RK_NONE);
    node.attr.dropout.ratio = attr.ratio;
    node.attr.dropout.layer = attr.layer;
    return attr.ratio > 0 && state != RK_NONE ? rk__append_value(p, node) : x;
}

/* x f32[R,d], state, rows i32[R] or -: what row of the whole table each is, count i32[1] with
 * rows -> f32[R,d] */
rk_status rk__shape_dropout(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_dropout_attr *a = &node->attr.dropout;
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_STATE, 1, 1) && HAS(2) == HAS(3));
    NEED(!HAS(2) || (is(AT(2), RK_I32, AT(0)->rows, 1) && is(AT(3), RK_I32, 1, 1)));
    NEED(a->ratio > 0 && a->ratio < 1 && a->layer >= 0 && a->layer < 1 << 20);
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}

void rk__grad_dropout(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_value part = dropout(rk__backward_program(b), node, g, node->in[2], node->in[3]);
    rk__contribute(b, node->in[0], part, alpha);
}

rk_value rk__restrict_dropout(rk_restriction *r, const rk_node *node, float factor)
{
    (void)factor;
    rk_row_set rows = rk__restriction_rows(r);
    RK_ASSERT(node->in[2] == RK_NONE);
    return dropout(rk__restriction_program(r), node, rk__at_rows(r, node->in[0]), rows.rows,
                   rows.count);
}
