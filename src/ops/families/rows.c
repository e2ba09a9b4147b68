/* The row set of a batch, and tables at its rows. */
#include "ops/family.h"

#include <string.h>

rk_row_set rk__unique_rows(rk_program *p, rk_value nodes, int64_t n_nodes)
{
    rk_node node = RK_NODE(RK_OP_UNIQUE_ROWS, nodes);
    node.attr.n_nodes = n_nodes;
    rk_value rows = rk__append_value(p, node);
    return rows == RK_NONE ? (rk_row_set){RK_NONE, RK_NONE, RK_NONE, RK_NONE, RK_NONE, RK_NONE}
                           : rk__row_set_of(p, rows);
}

rk_row_set rk__row_set_of(const rk_program *p, rk_value member)
{
    RK_ASSERT(p->tensors[member].producer >= 0);
    const rk_node *node = &p->nodes[p->tensors[member].producer];
    RK_ASSERT(node->op == RK_OP_UNIQUE_ROWS);
    return (rk_row_set){node->out[0], node->out[1], node->out[2],
                        node->out[3], node->out[4], node->out[5]};
}

/* nodes i32[L] -> rows i32[S], count i32[1], map i32[N], slot_row i32[L], segments i32[S+1],
 * order i32[L]; S = min(L, N) */
rk_status rk__shape_unique_rows(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_I32, -1, 1) && node->attr.n_nodes > 0);
    int64_t slots = AT(0)->rows;
    int64_t rows = slots < node->attr.n_nodes ? slots : node->attr.n_nodes;
    out[0] = shape(RK_I32, rows, 1);
    out[1] = shape(RK_I32, 1, 1);
    out[2] = shape(RK_I32, node->attr.n_nodes, 1);
    out[3] = shape(RK_I32, slots, 1);
    out[4] = shape(RK_I32, rows + 1, 1);
    out[5] = shape(RK_I32, slots, 1);
    return RK_OK;
}

/* ---- tables at the rows ---- */

rk_value rk__combine_rows(rk_program *p, const rk_value *tables, const float *weights, int n,
                          rk_row_set rows)
{
    RK_ASSERT(n > 0);
    if (n > RK_MAX_LAYERS) { /* more than a node takes */
        rk_value first = rk__combine_rows(p, tables, weights, RK_MAX_LAYERS, rows);
        rk_value rest = rk__combine_rows(p, tables + RK_MAX_LAYERS, weights + RK_MAX_LAYERS,
                                         n - RK_MAX_LAYERS, rows);
        return rk__add(p, first, rest, 1, 1);
    }
    rk_value in[2 + RK_MAX_LAYERS] = {rows.rows, rows.count};
    memcpy(in + 2, tables, (size_t)n * sizeof *tables);
    rk_node node = rk__node(RK_OP_COMBINE_ROWS, n + 2, in);
    memcpy(node.attr.weight, weights, (size_t)n * sizeof *weights);
    return rk__append_value(p, node);
}

rk_value rk__gather_rows(rk_program *p, rk_value table, rk_row_set rows)
{
    const float one = 1;
    return rk__combine_rows(p, &table, &one, 1, rows);
}

/* rows i32[S], count i32[1], n tables f32|f16[N,d] -> f32[S,d] */
rk_status rk__shape_combine_rows(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(node->n_inputs - 2 <= RK_MAX_LAYERS);
    NEED(is(AT(0), RK_I32, -1, 1) && is(AT(1), RK_I32, 1, 1));
    for (int32_t i = 2; i < node->n_inputs; i++) {
        NEED(is(AT(i), AT(i)->dtype == RK_F16 ? RK_F16 : RK_F32, AT(2)->rows, AT(2)->cols));
    }
    out[0] = shape(RK_F32, AT(0)->rows, AT(2)->cols);
    return RK_OK;
}

void rk__grad_combine_rows(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_row_set rows = rk__row_set_of(rk__backward_program(b), node->in[0]);
    for (int32_t i = 2; i < node->n_inputs; i++) {
        rk__contribute_rows(b, node->in[i], g, alpha * node->attr.weight[i - 2], rows);
    }
}

rk_traffic rk__traffic_combine_rows(const rk_counted *c)
{
    double rows = c->batch->rows, tables = c->node->n_inputs - 2;
    double bytes = rk__row_bytes(rk__counted_out(c, 0));
    for (int32_t i = 2; i < c->node->n_inputs; i++) {
        bytes += rk__row_bytes(rk__counted_in(c, i));
    }
    return (rk_traffic){.bytes = rows * bytes,
                        .flops = 2 * tables * rows * (double)rk__counted_out(c, 0)->cols,
                        .gathers = 1};
}

rk_value rk__scale_rows(rk_program *p, rk_value x, rk_value factor, rk_value rows, rk_value count)
{
    return rk__append_value(p, RK_NODE(RK_OP_SCALE_ROWS, x, factor, rows, count));
}

/* x f32[R,d], factor f32[F], rows i32[R] or -, count i32[1] or - -> f32[R,d]; without rows F = R */
rk_status rk__shape_scale_rows(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, -1, 1));
    NEED(HAS(2) ? is(AT(2), RK_I32, AT(0)->rows, 1) && HAS(3) : AT(1)->rows == AT(0)->rows);
    NEED(!HAS(3) || is(AT(3), RK_I32, 1, 1));
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}

void rk__grad_scale_rows(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_value part =
        rk__scale_rows(rk__backward_program(b), g, node->in[1], node->in[2], node->in[3]);
    rk__contribute(b, node->in[0], part, alpha);
}

rk_value rk__restrict_scale_rows(rk_restriction *r, const rk_node *node, float factor)
{
    (void)factor;
    rk_row_set rows = rk__restriction_rows(r);
    RK_ASSERT(node->in[2] == RK_NONE && node->in[3] == RK_NONE);
    return rk__scale_rows(rk__restriction_program(r), rk__at_rows(r, node->in[0]), node->in[1],
                          rows.rows, rows.count);
}

/* ---- and back ---- */

rk_value rk__scatter_rows(rk_program *p, rk_value x, rk_row_set rows, float alpha)
{
    return rk__append_weighted(p, RK_NODE(RK_OP_SCATTER_ROWS, x, rows.map), alpha);
}

/* x f32[S,d], map i32[N] -> f32[N,d] */
rk_status rk__shape_scatter_rows(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_I32, -1, 1));
    out[0] = shape(RK_F32, AT(1)->rows, AT(0)->cols);
    return RK_OK;
}

rk_traffic rk__traffic_scatter_rows(const rk_counted *c)
{
    return (rk_traffic){.bytes = c->batch->rows * rk__row_bytes(rk__counted_in(c, 0)) +
                                 rk__used_bytes(c, rk__counted_out(c, 0))};
}

rk_value rk__scatter_add_rows(rk_program *p, rk_value table, rk_value x, rk_row_set rows,
                              float alpha)
{
    return rk__append_weighted(p, RK_NODE(RK_OP_SCATTER_ADD_ROWS, table, x, rows.rows, rows.count),
                               alpha);
}

/* table f32[N,d], x f32[S,d], rows i32[S], count i32[1] -> f32[N,d], in place on table */
rk_status rk__shape_scatter_add_rows(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, -1, AT(0)->cols));
    NEED(is(AT(2), RK_I32, AT(1)->rows, 1) && is(AT(3), RK_I32, 1, 1));
    NEED(AT(0)->stored < 0); /* a parameter is only ever changed by an optimizer */
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    out[0].in_place = node->in[0];
    return RK_OK;
}

/* Rows of the table are read and written. */
rk_traffic rk__traffic_scatter_add_rows(const rk_counted *c)
{
    const rk_tensor *x = rk__counted_in(c, 1);
    return (rk_traffic){.bytes = 3 * c->batch->rows * rk__row_bytes(x),
                        .flops = 2 * c->batch->rows * (double)x->cols};
}
