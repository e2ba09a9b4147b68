/* Scores of a tile of queries for all items, and what queries are made of. */
#include "ops/family.h"

/* ---- queries ---- */

rk_value rk__take_rows(rk_program *p, rk_value table, rk_value rows)
{
    return rk__append_value(p, RK_NODE(RK_OP_TAKE_ROWS, table, rows));
}

/* table f32[R,w], rows i32[T] -> f32[T,w] */
rk_status rk__shape_take_rows(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_I32, -1, 1));
    out[0] = shape(RK_F32, AT(1)->rows, AT(0)->cols);
    return RK_OK;
}

/* ---- scores ---- */

rk_value rk__score_dot(rk_program *p, rk_value queries, rk_value table, rk_value count,
                       rk_range_attr items)
{
    rk_node node = RK_NODE(RK_OP_SCORE_DOT, queries, table, count);
    node.attr.range = items;
    return rk__append_value(p, node);
}

static bool is_within(const rk_range_attr *range, int64_t rows)
{
    return range->first >= 0 && range->n >= 0 && range->first + range->n <= rows;
}

/* queries f32[T,w], table f32[R,w], count i32[1] -> f32[T,n] */
rk_status rk__shape_score_dot(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, -1, AT(0)->cols));
    NEED(is(AT(2), RK_I32, 1, 1));
    NEED(is_within(&node->attr.range, AT(1)->rows));
    out[0] = shape(RK_F32, AT(0)->rows, node->attr.range.n);
    return RK_OK;
}

rk_traffic rk__traffic_score_dot(const rk_counted *c)
{
    const rk_tensor *queries = rk__counted_in(c, 0);
    double n = (double)queries->rows, items = (double)c->node->attr.range.n;
    return (rk_traffic){.bytes = (n + items) * rk__row_bytes(queries) +
                                 rk__used_bytes(c, rk__counted_out(c, 0)),
                        .flops = 2 * n * items * (double)queries->cols};
}

/* ---- sums over lists ---- */

/* Inputs from `at` on: offsets i64[T+1], items i32[C], weights f32[C]. */
static rk_status are_lists(const rk_program *p, const rk_node *node, int32_t at)
{
    NEED(is(AT(at), RK_I64, -1, 1) && AT(at)->rows >= 1);
    NEED(is(AT(at + 1), RK_I32, -1, 1) && is(AT(at + 2), RK_F32, AT(at + 1)->rows, 1));
    return RK_OK;
}

/* Inputs from `at` on: offsets i64[R+1], columns i32[E], values f32[E] or -. */
static rk_status are_rows(const rk_program *p, const rk_node *node, int32_t at)
{
    NEED(is(AT(at), RK_I64, -1, 1) && AT(at)->rows >= 1 && is(AT(at + 1), RK_I32, -1, 1));
    NEED(!HAS(at + 2) || is(AT(at + 2), RK_F32, AT(at + 1)->rows, 1));
    return RK_OK;
}

rk_value rk__sum_lists(rk_program *p, rk_value table, rk_tile_lists lists, int64_t first,
                       double power)
{
    rk_node node = RK_NODE(RK_OP_SUM_LISTS, table, lists.offsets, lists.items, lists.weights);
    node.attr.sum_lists.first = first;
    node.attr.sum_lists.power = power;
    return rk__append_value(p, node);
}

/* table f32[R,w], lists -> f32[T,w] */
rk_status rk__shape_sum_lists(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1));
    RK_TRY(are_lists(p, node, 1));
    NEED(node->attr.sum_lists.first >= 0 && node->attr.sum_lists.first <= AT(0)->rows);
    out[0] = shape(RK_F32, AT(1)->rows - 1, AT(0)->cols);
    return RK_OK;
}

rk_value rk__score_lists(rk_program *p, rk_tile_lists lists, rk_csr_values rows, rk_value bias,
                         rk_value count, int64_t first_row, int64_t n)
{
    return rk__score_lists_at(p, lists, rows, bias, count, (rk_rows_attr){first_row, n, 0});
}

rk_value rk__score_lists_at(rk_program *p, rk_tile_lists lists, rk_csr_values rows, rk_value bias,
                            rk_value count, rk_rows_attr at)
{
    rk_node node = RK_NODE(RK_OP_SCORE_LISTS, lists.offsets, lists.items, lists.weights,
                           rows.offsets, rows.columns, rows.values, bias, count);
    node.attr.rows = at;
    return rk__append_value(p, node);
}

/* lists, rows, bias f32[n] or -, count i32[1] -> f32[T,n] */
rk_status rk__shape_score_lists(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_rows_attr *a = &node->attr.rows;
    RK_TRY(are_lists(p, node, 0));
    RK_TRY(are_rows(p, node, 3));
    NEED(a->n >= 0 && a->first >= 0 && a->first < AT(3)->rows && a->first_column >= 0);
    NEED((!HAS(6) || is(AT(6), RK_F32, a->n, 1)) && is(AT(7), RK_I32, 1, 1));
    out[0] = shape(RK_F32, AT(0)->rows - 1, a->n);
    return RK_OK;
}

rk_value rk__score_dense(rk_program *p, rk_tile_lists lists, rk_value matrix, rk_value count)
{
    return rk__append_value(
        p, RK_NODE(RK_OP_SCORE_DENSE, lists.offsets, lists.items, lists.weights, matrix, count));
}

/* lists, matrix f32[m,n], count i32[1] -> f32[T,n] */
rk_status rk__shape_score_dense(const rk_program *p, const rk_node *node, rk_shape *out)
{
    RK_TRY(are_lists(p, node, 0));
    NEED(is(AT(3), RK_F32, -1, -1) && is(AT(4), RK_I32, 1, 1));
    out[0] = shape(RK_F32, AT(0)->rows - 1, AT(3)->cols);
    return RK_OK;
}

/* ---- sparse products ---- */

rk_value rk__score_columns(rk_program *p, rk_value queries, rk_csr_values rows, rk_value factor,
                           rk_value count, rk_range_attr items)
{
    return rk__score_columns_at(p, queries, rows, factor, count,
                                (rk_rows_attr){items.first, items.n, 0});
}

rk_value rk__score_columns_at(rk_program *p, rk_value queries, rk_csr_values rows, rk_value factor,
                              rk_value count, rk_rows_attr at)
{
    rk_node node = RK_NODE(RK_OP_SCORE_COLUMNS, queries, rows.offsets, rows.columns, rows.values,
                           factor, count);
    node.attr.rows = at;
    return rk__append_value(p, node);
}

/* queries f32[T,m], rows, factor f32[n] or -, count i32[1] -> f32[T,n] */
rk_status rk__shape_score_columns(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_range_attr range = {node->attr.rows.first, node->attr.rows.n};
    NEED(is(AT(0), RK_F32, -1, -1));
    RK_TRY(are_rows(p, node, 1));
    NEED(is_within(&range, AT(1)->rows - 1) && node->attr.rows.first_column >= 0);
    NEED((!HAS(4) || is(AT(4), RK_F32, range.n, 1)) && is(AT(5), RK_I32, 1, 1));
    out[0] = shape(RK_F32, AT(0)->rows, range.n);
    return RK_OK;
}

rk_traffic rk__traffic_score_columns(const rk_counted *c)
{
    const rk_tensor *queries = rk__counted_in(c, 0), *columns = rk__counted_in(c, 2);
    double entries = (double)columns->rows, n = (double)queries->rows;
    return (rk_traffic){.bytes = n * rk__row_bytes(queries) + entries * (8 + 4 * n) +
                                 rk__used_bytes(c, rk__counted_out(c, 0)),
                        .flops = 2 * n * entries};
}

/* ---- scores that are there ---- */

rk_value rk__add_lists(rk_program *p, rk_value scores, rk_tile_lists lists, rk_value factor,
                       double alpha, double beta)
{
    rk_node node =
        RK_NODE(RK_OP_ADD_LISTS, scores, lists.offsets, lists.items, lists.weights, factor);
    node.attr.add_lists = (rk_add_lists_attr){alpha, beta};
    return rk__append_value(p, node);
}

/* scores f32[T,n] in place, lists, factor f32[n] or - -> f32[T,n] */
rk_status rk__shape_add_lists(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && AT(0)->stored < 0);
    RK_TRY(are_lists(p, node, 1));
    NEED(AT(1)->rows == AT(0)->rows + 1 && (!HAS(4) || is(AT(4), RK_F32, AT(0)->cols, 1)));
    out[0] = (rk_shape){RK_F32, AT(0)->rows, AT(0)->cols, node->in[0]};
    return RK_OK;
}

rk_value rk__take_scores(rk_program *p, rk_value scores, rk_value items)
{
    return rk__append_value(p, RK_NODE(RK_OP_TAKE_SCORES, scores, items));
}

/* scores f32[T,I], items i32[T,C] -> f32[T,C] */
rk_status rk__shape_take_scores(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_I32, AT(0)->rows, -1));
    out[0] = shape(RK_F32, AT(1)->rows, AT(1)->cols);
    return RK_OK;
}

rk_value rk__ratio(rk_program *p, rk_value a, rk_value b)
{
    return rk__append_value(p, RK_NODE(RK_OP_RATIO, a, b));
}

/* a f32[T,n], b f32[T,n] -> f32[T,n] */
rk_status rk__shape_ratio(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, AT(0)->rows, AT(0)->cols));
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}

/* Where b is 0 the result does not move: both gradients are 0 there. */
void rk__grad_ratio(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_program *p = rk__backward_program(b);
    rk_value part = rk__ratio(p, g, node->in[1]);
    if (rk__wants_gradient(b, node->in[1])) {
        rk__contribute(b, node->in[1], rk__multiply(p, part, node->out[0]), -alpha);
    }
    if (rk__wants_gradient(b, node->in[0])) {
        rk__contribute_shared(b, node->in[0], part, alpha);
    }
}

rk_value rk__restrict_ratio(rk_restriction *r, const rk_node *node, float factor)
{
    (void)factor;
    rk_value a = rk__at_rows(r, node->in[0]);
    return rk__ratio(rk__restriction_program(r), a, rk__at_rows(r, node->in[1]));
}
