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
