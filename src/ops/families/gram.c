/*
 * The Gram form (models/lightgcn_gram.c): pair tables of the graph's small side. It is symmetric as
 * a whole: fold and unfold are each other's adjoint, and so are their forms at a row set; C and the
 * mixing matrices are symmetric.
 */
#include "ops/families/propagate.h"

#include <string.h>

static rk_value folded(rk_program *p, rk_node node, rk_fold_attr side)
{
    node.attr.fold = side;
    return rk__append_value(p, node);
}

/* The attribute names one side of the graph with N nodes, which is a stored one. */
static rk_status need_side(const rk_program *p, const rk_node *node)
{
    const rk_fold_attr *a = &node->attr.fold;
    int64_t n_nodes = AT(2)->rows;
    NEED(AT(0)->stored >= 0);
    NEED(a->first >= 0 && a->n >= 0 && (a->first == 0 || a->first + a->n == n_nodes));
    return rk__need_graph(p, node, n_nodes);
}

static double half_edges(const rk_counted *c)
{
    return 0.5 * (double)rk__counted_in(c, 1)->rows;
}

/* Edges of the batch's nodes on the side that is not folded. */
static double large_edges(const rk_counted *c)
{
    bool small_is_users = c->node->attr.fold.first == 0;
    return small_is_users ? c->batch->edges - c->batch->user_edges : c->batch->user_edges;
}

/* ---- fold ---- */

rk_value rk__fold(rk_program *p, rk_graph_values g, rk_value x, rk_fold_attr side)
{
    return folded(p, RK_NODE(RK_OP_FOLD, g.offsets, g.columns, g.scale, x), side);
}

/* offsets, columns, scale, x f32[N,d] -> f32[2n,d] */
rk_status rk__shape_fold(const rk_program *p, const rk_node *node, rk_shape *out)
{
    RK_TRY(need_side(p, node));
    NEED(is(AT(3), RK_F32, AT(2)->rows, -1));
    out[0] = shape(RK_F32, 2 * node->attr.fold.n, AT(3)->cols);
    return RK_OK;
}

void rk__grad_fold(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk__contribute(b, node->in[3],
                   rk__unfold(rk__backward_program(b), rk__graph_of(node), g, node->attr.fold),
                   alpha);
}

/* Half of a propagation, and the small side copied. */
rk_traffic rk__traffic_fold(const rk_counted *c)
{
    return rk__traffic_over_edges(c, half_edges(c), half_edges(c),
                                  1.5 * (double)rk__counted_out(c, 0)->rows);
}

rk_value rk__fold_from_rows(rk_program *p, rk_graph_values g, rk_value x, rk_row_set rows,
                            rk_fold_attr side)
{
    return folded(p, RK_NODE(RK_OP_FOLD_FROM_ROWS, g.offsets, g.columns, g.scale, x, rows.map),
                  side);
}

/* offsets, columns, scale, x f32[S,d], map i32[N] -> f32[2n,d] */
rk_status rk__shape_fold_from_rows(const rk_program *p, const rk_node *node, rk_shape *out)
{
    RK_TRY(need_side(p, node));
    NEED(is(AT(3), RK_F32, -1, -1) && is(AT(4), RK_I32, AT(2)->rows, 1));
    out[0] = shape(RK_F32, 2 * node->attr.fold.n, AT(3)->cols);
    return RK_OK;
}

rk_traffic rk__traffic_fold_from_rows(const rk_counted *c)
{
    return rk__traffic_over_edges(c, large_edges(c), half_edges(c),
                                  (double)rk__counted_out(c, 0)->rows);
}

/* ---- unfold ---- */

rk_value rk__unfold(rk_program *p, rk_graph_values g, rk_value pairs, rk_fold_attr side)
{
    return folded(p, RK_NODE(RK_OP_UNFOLD, g.offsets, g.columns, g.scale, pairs), side);
}

/* offsets, columns, scale, x f32[2n,d] -> f32[N,d] */
rk_status rk__shape_unfold(const rk_program *p, const rk_node *node, rk_shape *out)
{
    RK_TRY(need_side(p, node));
    NEED(is(AT(3), RK_F32, 2 * node->attr.fold.n, -1));
    out[0] = shape(RK_F32, AT(2)->rows, AT(3)->cols);
    return RK_OK;
}

void rk__grad_unfold(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk__contribute(b, node->in[3],
                   rk__fold(rk__backward_program(b), rk__graph_of(node), g, node->attr.fold),
                   alpha);
}

rk_value rk__restrict_unfold(rk_restriction *r, const rk_node *node, float factor)
{
    (void)factor;
    return rk__unfold_rows(rk__restriction_program(r), rk__graph_of(node), node->in[3],
                           rk__restriction_rows(r), node->attr.fold);
}

rk_traffic rk__traffic_unfold(const rk_counted *c)
{
    return rk__traffic_over_edges(c, half_edges(c), half_edges(c),
                                  (double)(rk__counted_out(c, 0)->rows + c->node->attr.fold.n));
}

rk_value rk__unfold_rows(rk_program *p, rk_graph_values g, rk_value pairs, rk_row_set rows,
                         rk_fold_attr side)
{
    return folded(p,
                  RK_NODE(RK_OP_UNFOLD_ROWS, g.offsets, g.columns, g.scale, pairs, rows.rows,
                          rows.count, rows.map),
                  side);
}

/* offsets, columns, scale, x f32[2n,d], rows i32[S], count i32[1], map i32[N] -> f32[S,d] */
rk_status rk__shape_unfold_rows(const rk_program *p, const rk_node *node, rk_shape *out)
{
    RK_TRY(need_side(p, node));
    NEED(is(AT(3), RK_F32, 2 * node->attr.fold.n, -1) && is(AT(4), RK_I32, -1, 1));
    NEED(is(AT(5), RK_I32, 1, 1) && is(AT(6), RK_I32, AT(2)->rows, 1));
    out[0] = shape(RK_F32, AT(4)->rows, AT(3)->cols);
    return RK_OK;
}

void rk__grad_unfold_rows(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_program *p = rk__backward_program(b);
    rk_row_set rows = rk__row_set_of(p, node->in[4]);
    rk__contribute(b, node->in[3],
                   rk__fold_from_rows(p, rk__graph_of(node), g, rows, node->attr.fold), alpha);
}

rk_traffic rk__traffic_unfold_rows(const rk_counted *c)
{
    return rk__traffic_over_edges(c, large_edges(c), large_edges(c), c->batch->rows);
}

/* ---- products on pair tables ---- */

rk_value rk__gram_product(rk_program *p, rk_value gram, rk_value pairs, int32_t halves)
{
    rk_node node = RK_NODE(RK_OP_GRAM_PRODUCT, gram, pairs);
    node.attr.halves = halves;
    return rk__append_value(p, node);
}

/* gram f32[n,n], symmetric, x f32[2n,d] -> f32[2n,d] */
rk_status rk__shape_gram_product(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, AT(0)->cols, AT(0)->cols) && is(AT(1), RK_F32, 2 * AT(0)->rows, -1));
    NEED(AT(0)->rows <= INT32_MAX && (node->attr.halves == 1 || node->attr.halves == 2));
    out[0] = shape(RK_F32, AT(1)->rows, AT(1)->cols);
    return RK_OK;
}

void rk__grad_gram_product(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    if (rk__wants_gradient(b, node->in[1])) {
        rk__contribute(b, node->in[1],
                       rk__gram_product(rk__backward_program(b), node->in[0], g, node->attr.halves),
                       alpha);
    }
}

rk_traffic rk__traffic_gram_product(const rk_counted *c)
{
    rk_traffic t = rk__traffic_once(c);
    t.flops = 2 * (double)c->node->attr.halves * rk__elements(rk__counted_in(c, 0)) *
              (double)rk__counted_out(c, 0)->cols;
    return t;
}

rk_value rk__mix_pairs(rk_program *p, const rk_value *pairs, const float weights[RK_MAX_LAYERS],
                       int n)
{
    rk_node node = rk__node(RK_OP_MIX_PAIRS, n, pairs);
    memcpy(node.attr.weight, weights, sizeof node.attr.weight);
    return rk__append_value(p, node);
}

/* k tables f32[2n,d] -> f32[2n,d] */
rk_status rk__shape_mix_pairs(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(AT(0)->rows % 2 == 0);
    for (int32_t i = 0; i < node->n_inputs; i++) {
        NEED(is(AT(i), RK_F32, AT(0)->rows, AT(0)->cols));
    }
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}

void rk__grad_mix_pairs(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    for (int32_t j = 0; j < node->n_inputs; j++) {
        float w[RK_MAX_LAYERS] = {0};
        for (int32_t i = 0; i < 3 && 2 * j + i < RK_MAX_LAYERS; i++) {
            w[i] = alpha * node->attr.weight[2 * j + i];
        }
        rk__contribute(b, node->in[j], rk__mix_pairs(rk__backward_program(b), &g, w, 1), 1);
    }
}
