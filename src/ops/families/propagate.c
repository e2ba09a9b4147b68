/* Propagations over the graph: y = alpha * D^-1/2 A D^-1/2 x. */
#include "ops/families/propagate.h"

rk_value rk__propagate(rk_program *p, rk_graph_values g, rk_value x, float alpha)
{
    return rk__append_weighted(p, RK_NODE(RK_OP_PROPAGATE, g.offsets, g.columns, g.scale, x),
                               alpha);
}

rk_status rk__need_graph(const rk_program *p, const rk_node *node, int64_t n)
{
    NEED(is(AT(0), RK_I64, n + 1, 1) && is(AT(1), RK_I32, -1, 1) && is(AT(2), RK_F32, n, 1));
    return RK_OK;
}

/* Tables f32[S,d] from input `first` on, which are added at the rows of a row set. */
static rk_status need_added(const rk_program *p, const rk_node *node, int32_t first)
{
    for (int32_t i = first; i < node->n_inputs; i++) {
        NEED(is(AT(i), RK_F32, AT(first)->rows, AT(3)->cols));
    }
    return RK_OK;
}

/* offsets, columns, scale, x f32|f16[N,d], then nothing or map i32[N], n tables f32[S,d] that are
 * added at the rows of the set -> f32[N,d] */
rk_status rk__shape_propagate(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(3), RK_F32, -1, -1) || is(AT(3), RK_F16, -1, -1));
    RK_TRY(rk__need_graph(p, node, AT(3)->rows));
    NEED(node->n_inputs != RK_PROPAGATE_ADDED);
    NEED(node->n_inputs < RK_PROPAGATE_ADDED || is(AT(4), RK_I32, AT(3)->rows, 1));
    RK_TRY(need_added(p, node, RK_PROPAGATE_ADDED));
    out[0] = shape(RK_F32, AT(3)->rows, AT(3)->cols);
    return RK_OK;
}

/* A^ is symmetric: the adjoint of a propagation is a propagation. */
void rk__grad_propagate(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    RK_ASSERT(node->n_inputs == 4); /* nodes are fused after the backward pass */
    rk__contribute(
        b, node->in[3],
        rk__propagate(rk__backward_program(b), rk__graph_of(node), g, alpha * node->attr.weight[0]),
        1);
}

rk_value rk__restrict_propagate(rk_restriction *r, const rk_node *node, float factor)
{
    RK_ASSERT(node->n_inputs == 4);
    return rk__propagate_rows(rk__restriction_program(r), rk__graph_of(node), node->in[3],
                              rk__restriction_rows(r), factor * node->attr.weight[0]);
}

rk_value rk__propagate_rows(rk_program *p, rk_graph_values g, rk_value x, rk_row_set rows,
                            float alpha)
{
    return rk__append_weighted(p,
                               RK_NODE(RK_OP_PROPAGATE_ROWS, g.offsets, g.columns, g.scale, x,
                                       rows.rows, rows.count, rows.map),
                               alpha);
}

/* offsets, columns, scale, x f32|f16[N,d], rows i32[S], count i32[1], map i32[N], then n tables
 * f32|f16[N,d] whose weighted sum at the rows comes first -> f32[S,d]; a device goes by the list or
 * by the map, whichever suits it */
rk_status rk__shape_propagate_rows(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(3), RK_F32, -1, -1) || is(AT(3), RK_F16, -1, -1));
    NEED(is(AT(4), RK_I32, -1, 1) && is(AT(5), RK_I32, 1, 1));
    NEED(is(AT(6), RK_I32, AT(3)->rows, 1));
    RK_TRY(rk__need_graph(p, node, AT(3)->rows));
    for (int32_t i = RK_PROPAGATE_ROWS_ADDED; i < node->n_inputs; i++) {
        NEED(is(AT(i), AT(i)->dtype == RK_F16 ? RK_F16 : RK_F32, AT(3)->rows, AT(3)->cols));
    }
    out[0] = shape(RK_F32, AT(4)->rows, AT(3)->cols);
    return RK_OK;
}

void rk__grad_propagate_rows(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_program *p = rk__backward_program(b);
    RK_ASSERT(node->n_inputs == RK_PROPAGATE_ROWS_ADDED); /* nodes are fused after this pass */
    rk__contribute(b, node->in[3],
                   rk__propagate_from_rows(p, rk__graph_of(node), g, rk__row_set_of(p, node->in[4]),
                                           alpha * node->attr.weight[0]),
                   1);
}

rk_value rk__propagate_from_rows(rk_program *p, rk_graph_values g, rk_value x, rk_row_set rows,
                                 float alpha)
{
    return rk__append_weighted(
        p, RK_NODE(RK_OP_PROPAGATE_FROM_ROWS, g.offsets, g.columns, g.scale, x, rows.map), alpha);
}

/* offsets, columns, scale, x f32[S,d], map i32[N], n tables f32[S,d] that are added at the rows of
 * the set -> f32[N,d] */
rk_status rk__shape_propagate_from_rows(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(3), RK_F32, -1, -1) && is(AT(4), RK_I32, -1, 1));
    RK_TRY(rk__need_graph(p, node, AT(4)->rows));
    RK_TRY(need_added(p, node, RK_PROPAGATE_ADDED));
    out[0] = shape(RK_F32, AT(4)->rows, AT(3)->cols);
    return RK_OK;
}

/* ---- with the Adam step of the result; made by passes/fuse.c ---- */

/* Inputs 5 to 9: parameter f32[N,d], m, v, state, halves f16[N,d] or -. */
static rk_status need_update(const rk_program *p, const rk_node *node)
{
    for (int32_t i = 5; i < 8; i++) {
        NEED(is(AT(i), RK_F32, AT(2)->rows, AT(3)->cols) && AT(i)->stored >= 0);
    }
    NEED(is(AT(8), RK_F32, 1, 2) && node->in[3] != node->in[5]);
    NEED(!HAS(9) || (is(AT(9), RK_F16, AT(2)->rows, AT(3)->cols) && AT(9)->stored >= 0 &&
                     node->in[3] != node->in[9]));
    return need_added(p, node, RK_PROPAGATE_ADAM_ADDED);
}

/* offsets, columns, scale, x f32|f16[N,d], map i32[N] or -, parameter f32[N,d], m f32[N,d],
 * v f32[N,d], rates f32[1,2], halves f16[N,d] of the parameter or -, n tables f32[S,d] that are
 * added at the rows of the set -> (updates 5, 6, 7, 9) */
rk_status rk__shape_propagate_adam(const rk_program *p, const rk_node *node, rk_shape *out)
{
    (void)out;
    NEED(is(AT(3), RK_F32, -1, -1) || is(AT(3), RK_F16, -1, -1));
    RK_TRY(rk__need_graph(p, node, AT(3)->rows));
    NEED(HAS(4) || node->n_inputs == RK_PROPAGATE_ADAM_ADDED);
    NEED(!HAS(4) || is(AT(4), RK_I32, AT(3)->rows, 1));
    return need_update(p, node);
}

/* The same with x f32[S,d], zero outside of the set; the map is not optional. */
rk_status rk__shape_propagate_from_rows_adam(const rk_program *p, const rk_node *node,
                                             rk_shape *out)
{
    (void)out;
    NEED(is(AT(3), RK_F32, -1, -1) && HAS(4) && is(AT(4), RK_I32, -1, 1));
    RK_TRY(rk__need_graph(p, node, AT(4)->rows));
    return need_update(p, node);
}

/* ---- traffic ---- */

/* The edges that a drawn graph has of those that it was drawn from. */
static double kept_share(const rk_counted *c)
{
    const rk_node *draw = rk__edge_draw_of(c->p, c->node);
    return draw ? 1 - draw->attr.drop.ratio : 1;
}

/* Rows of x over so many edges; beside them the columns of `listed` edges, the batch's rows that
 * are added, and the result, or what an Adam step reads and writes instead of it. */
rk_traffic rk__traffic_over_edges(const rk_counted *c, double edges, double listed, double rows_out)
{
    const rk_tensor *x = rk__counted_in(c, 3);
    bool updates = rk__updated_parameter(c->p, c->node) != RK_NONE;
    rk_traffic t = {.bytes = edges * rk__row_bytes(x) + listed * (double)sizeof(int32_t),
                    .flops = 2 * edges * (double)x->cols,
                    .gathers = 1};
    bool adds = rk__op_info(c->node->op)->flags & RK_OP_IS_ADDS;
    for (int32_t i = updates ? RK_PROPAGATE_ADAM_ADDED : RK_PROPAGATE_ADDED;
         adds && i < c->node->n_inputs; i++) {
        t.bytes += c->batch->rows * rk__row_bytes(rk__counted_in(c, i));
        t.flops += 2 * c->batch->rows * (double)x->cols;
    }
    if (updates) {
        const rk_value halves = c->node->in[RK_PROPAGATE_ADAM_HALVES];
        t.bytes += 6 * rk__used_bytes(c, rk__counted_in(c, 5));
        t.bytes += halves == RK_NONE ? 0 : (double)rk__tensor_bytes(&c->p->tensors[halves]);
        t.flops += RK_ADAM_FLOPS * rk__elements(rk__counted_in(c, 5));
    } else {
        t.bytes += rows_out * rk__row_bytes(rk__counted_out(c, 0));
    }
    return t;
}

static double all_edges(const rk_counted *c)
{
    return kept_share(c) * (double)rk__counted_in(c, 1)->rows;
}

static double batch_edges(const rk_counted *c)
{
    return kept_share(c) * c->batch->edges;
}

rk_traffic rk__traffic_propagate(const rk_counted *c)
{
    return rk__traffic_over_edges(c, all_edges(c), all_edges(c),
                                  (double)rk__counted_in(c, 2)->rows);
}

rk_traffic rk__traffic_propagate_rows(const rk_counted *c)
{
    rk_traffic t = rk__traffic_over_edges(c, batch_edges(c), batch_edges(c), c->batch->rows);
    for (int32_t i = RK_PROPAGATE_ROWS_ADDED; i < c->node->n_inputs; i++) {
        t.bytes += c->batch->rows * rk__row_bytes(rk__counted_in(c, i));
        t.flops += 2 * c->batch->rows * (double)rk__counted_in(c, i)->cols;
    }
    return t;
}

/* Every edge is looked at, and those of the batch are followed. */
rk_traffic rk__traffic_propagate_from_rows(const rk_counted *c)
{
    return rk__traffic_over_edges(c, batch_edges(c), all_edges(c),
                                  (double)rk__counted_in(c, 2)->rows);
}
