/* Sums, products and norms of whole tables. */
#include "ops/family.h"

#include <string.h>

/* More tables than a node takes are summed in several. */
rk_value rk__combine(rk_program *p, const rk_value *tables, const float *weights, int n)
{
    RK_ASSERT(n > 0);
    int first = n < RK_MAX_LAYERS ? n : RK_MAX_LAYERS;
    rk_node node = rk__node(RK_OP_COMBINE, first, tables);
    memcpy(node.attr.weight, weights, (size_t)first * sizeof *weights);
    rk_value sum = rk__append_value(p, node);
    while (first < n) {
        rk_value in[RK_MAX_LAYERS] = {sum};
        float w[RK_MAX_LAYERS] = {1};
        int more = n - first < RK_MAX_LAYERS - 1 ? n - first : RK_MAX_LAYERS - 1;
        memcpy(in + 1, tables + first, (size_t)more * sizeof *in);
        memcpy(w + 1, weights + first, (size_t)more * sizeof *w);
        node = rk__node(RK_OP_COMBINE, 1 + more, in);
        memcpy(node.attr.weight, w, (size_t)(1 + more) * sizeof *w);
        sum = rk__append_value(p, node);
        first += more;
    }
    return sum;
}

rk_value rk__add(rk_program *p, rk_value a, rk_value b, float alpha, float beta)
{
    return rk__combine(p, (const rk_value[]){a, b}, (const float[]){alpha, beta}, 2);
}

/* n tables f32[N,d] -> f32[N,d] */
rk_status rk__shape_combine(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(node->n_inputs <= RK_MAX_LAYERS);
    for (int32_t i = 0; i < node->n_inputs; i++) {
        NEED(is(AT(i), RK_F32, AT(0)->rows, AT(0)->cols));
    }
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}

void rk__grad_combine(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    for (int32_t i = 0; i < node->n_inputs; i++) {
        rk__contribute_shared(b, node->in[i], g, alpha * node->attr.weight[i]);
    }
}

rk_value rk__restrict_combine(rk_restriction *r, const rk_node *node, float factor)
{
    (void)factor;
    return rk__sum_at_rows(r, node->in, node->attr.weight, node->n_inputs);
}

/* ---- sums with weights that are trained ---- */

rk_value rk__mix(rk_program *p, rk_value weights, const rk_value *tables, int n)
{
    RK_ASSERT(n > 0 && n <= RK_MAX_LAYERS);
    rk_value in[1 + RK_MAX_LAYERS] = {weights};
    memcpy(in + 1, tables, (size_t)n * sizeof *tables);
    return rk__append_value(p, rk__node(RK_OP_MIX, n + 1, in));
}

/* weights f32[1,n], n tables f32[R,d] -> f32[R,d] */
rk_status rk__shape_mix(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, 1, node->n_inputs - 1));
    for (int32_t i = 1; i < node->n_inputs; i++) {
        NEED(is(AT(i), RK_F32, AT(1)->rows, AT(1)->cols));
    }
    out[0] = shape(RK_F32, AT(1)->rows, AT(1)->cols);
    return RK_OK;
}

rk_value rk__weigh(rk_program *p, rk_value weights, rk_value x, int32_t index)
{
    rk_node node = RK_NODE(RK_OP_WEIGH, x, weights);
    node.attr.index = index;
    return rk__append_value(p, node);
}

void rk__grad_mix(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_program *p = rk__backward_program(b);
    rk_node dots = rk__node(RK_OP_TABLE_DOTS, node->n_inputs, node->in);
    dots.in[0] = g;
    dots.attr.weight[0] = alpha;
    for (int32_t i = 1; i < node->n_inputs; i++) {
        if (rk__wants_gradient(b, node->in[i])) {
            rk__contribute(b, node->in[i], rk__weigh(p, node->in[0], g, i - 1), alpha);
        }
    }
    if (rk__wants_gradient(b, node->in[0])) {
        rk__contribute(b, node->in[0], rk__append_value(p, dots), 1);
    }
}

rk_value rk__restrict_mix(rk_restriction *r, const rk_node *node, float factor)
{
    (void)factor;
    rk_value tables[RK_MAX_INPUTS];
    for (int32_t i = 1; i < node->n_inputs; i++) {
        tables[i - 1] = rk__at_rows(r, node->in[i]);
    }
    return rk__mix(rk__restriction_program(r), node->in[0], tables, node->n_inputs - 1);
}

/* x f32[R,d], weights f32[1,n] -> f32[R,d] */
rk_status rk__shape_weigh(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, 1, -1));
    NEED(node->attr.index >= 0 && node->attr.index < AT(1)->cols);
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}

/* x f32[R,d], n tables f32[R,d] -> f32[1,n] */
rk_status rk__shape_table_dots(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(node->n_inputs - 1 <= RK_MAX_LAYERS);
    for (int32_t i = 0; i < node->n_inputs; i++) {
        NEED(is(AT(i), RK_F32, AT(0)->rows, AT(0)->cols));
    }
    out[0] = shape(RK_F32, 1, node->n_inputs - 1);
    return RK_OK;
}

rk_value rk__softmax_weights(rk_program *p, rk_value x)
{
    return rk__append_value(p, RK_NODE(RK_OP_SOFTMAX_WEIGHTS, x));
}

/* x f32[1,n] -> f32[1,n] */
rk_status rk__shape_softmax_weights(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, 1, -1) && AT(0)->cols > 0 && AT(0)->cols <= RK_MAX_LAYERS);
    out[0] = shape(RK_F32, 1, AT(0)->cols);
    return RK_OK;
}

void rk__grad_softmax_weights(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_node grad = RK_NODE(RK_OP_SOFTMAX_WEIGHTS_GRAD, node->out[0], g);
    rk__contribute(b, node->in[0], rk__append_value(rk__backward_program(b), grad), alpha);
}

/* w f32[1,n], gradient f32[1,n] -> f32[1,n] */
rk_status rk__shape_softmax_weights_grad(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, 1, -1) && is(AT(1), RK_F32, 1, AT(0)->cols));
    out[0] = shape(RK_F32, 1, AT(0)->cols);
    return RK_OK;
}

/* ---- rows of unit length ---- */

rk_value rk__unit_rows(rk_program *p, rk_value x, rk_value factor)
{
    return rk__append_value(p, RK_NODE(RK_OP_UNIT_ROWS, x, factor));
}

/* x f32[N,d], factor f32[N] or -, squares of the rows f32[N] or - (made of x) -> f32[N,d] */
rk_status rk__shape_unit_rows(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && (!HAS(1) || is(AT(1), RK_F32, AT(0)->rows, 1)));
    NEED(node->n_inputs <= RK_UNIT_ROWS_SQUARES ||
         is(AT(RK_UNIT_ROWS_SQUARES), RK_F32, AT(0)->rows, 1));
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}

void rk__grad_unit_rows(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_node grad = RK_NODE(RK_OP_UNIT_ROWS_GRAD, node->in[0], g, node->in[1]);
    rk__contribute(b, node->in[0], rk__append_value(rk__backward_program(b), grad), alpha);
}

rk_value rk__restrict_unit_rows(rk_restriction *r, const rk_node *node, float factor)
{
    (void)factor;
    rk_value x = rk__at_rows(r, node->in[0]);
    return rk__unit_rows(rk__restriction_program(r), x, rk__at_rows(r, node->in[1]));
}

/* x f32[N,d], gradient f32[N,d], factor f32[N] or -, squares of the rows of x and dots of both rows
 * f32[N] or - (made of them) -> f32[N,d] */
rk_status rk__shape_unit_rows_grad(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, AT(0)->rows, AT(0)->cols));
    NEED(!HAS(2) || is(AT(2), RK_F32, AT(0)->rows, 1));
    for (int32_t i = RK_UNIT_ROWS_GRAD_SQUARES; i < node->n_inputs; i++) {
        NEED(node->n_inputs == RK_UNIT_ROWS_GRAD_ALONG + 1 && is(AT(i), RK_F32, AT(0)->rows, 1));
    }
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}

/* a f32[N,d], b f32[N,d] -> f32[N] */
rk_status rk__shape_row_dots(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, AT(0)->rows, AT(0)->cols));
    out[0] = shape(RK_F32, AT(0)->rows, 1);
    return RK_OK;
}

/* ---- halves ---- */

rk_value rk__narrow(rk_program *p, rk_value x)
{
    return rk__append_value(p, RK_NODE(RK_OP_NARROW, x));
}

/* x f32[R,d] -> f16[R,d] */
rk_status rk__shape_narrow(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1));
    out[0] = shape(RK_F16, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}
