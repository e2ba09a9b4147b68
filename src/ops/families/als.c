/* Factor models that are solved side by side: alternating least squares. */
#include "ops/family.h"

#include <stddef.h>

rk_value rk__side_gram(rk_program *p, rk_value table, rk_range_attr range)
{
    rk_node node = RK_NODE(RK_OP_SIDE_GRAM, table);
    node.attr.range = range;
    return rk__append_value(p, node);
}

/* table f32[R,d] -> f32[d,d] */
rk_status rk__shape_side_gram(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_range_attr *a = &node->attr.range;
    NEED(is(AT(0), RK_F32, -1, -1) && AT(0)->cols > 0 && AT(0)->cols <= INT16_MAX);
    NEED(a->first >= 0 && a->n > 0 && a->first + a->n <= AT(0)->rows);
    out[0] = shape(RK_F32, AT(0)->cols, AT(0)->cols);
    return RK_OK;
}

rk_traffic rk__traffic_side_gram(const rk_counted *c)
{
    double rows = (double)c->node->attr.range.n, d = (double)rk__counted_in(c, 0)->cols;
    return (rk_traffic){.bytes = rows * rk__row_bytes(rk__counted_in(c, 0)), .flops = rows * d * d};
}

/* A right side and a matrix of finite numbers can still be no system; that is seen when solving. */
static bool is_sound(const rk_als_attr *a)
{
    return a->gram_weight >= 0 && a->l2 >= 0 && a->l2_constant >= 0 && a->cg_steps >= 0 &&
           a->bias_l2 >= 0 && a->bias_l2_constant >= 0 && (a->is_rating || !a->has_bias);
}

/* The values of ratings are fitted, without a Gram matrix; else there is one. */
static bool has_what_it_needs(const rk_als_attr *a, const rk_tensor *table, const rk_tensor *values,
                              const rk_tensor *gram)
{
    return a->is_rating ? values && !gram : gram && is(gram, RK_F32, table->cols, table->cols);
}

/* Of `rows` systems with `entries` entries together. */
static rk_traffic solving(const rk_als_attr *a, double rows, double entries, const rk_tensor *table)
{
    double d = (double)table->cols, passes = a->cg_steps + 1.0;
    double cholesky = entries * d * d + rows * (d * d * d / 3 + 2 * d * d);
    double gradients = passes * (4 * entries * d + 2 * rows * d * d);
    return (rk_traffic){.bytes = (entries + rows) * rk__row_bytes(table),
                        .flops = a->cg_steps > 0 ? gradients : cholesky,
                        .gathers = 1};
}

void rk__als_sweep(rk_program *p, rk_csr_values rows, rk_value table, rk_value gram, rk_value state,
                   rk_als_attr attr)
{
    rk_node node =
        RK_NODE(RK_OP_ALS_SWEEP, rows.offsets, rows.columns, rows.values, table, gram, state);
    node.attr.als = attr;
    rk__append(p, node);
}

/* offsets i64[R+1], columns i32[E], values f32[E] or -, table f32[R,d], gram f32[d,d] or -, state
 * -> (updates 3 and 5) */
rk_status rk__shape_als_sweep(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_als_attr *a = &node->attr.als;
    (void)out;
    NEED(is(AT(3), RK_F32, -1, -1) && AT(3)->stored >= 0);
    NEED(is(AT(0), RK_I64, AT(3)->rows + 1, 1) && is(AT(1), RK_I32, -1, 1));
    NEED(!HAS(2) || is(AT(2), RK_F32, AT(1)->rows, 1));
    NEED(has_what_it_needs(a, AT(3), HAS(2) ? AT(2) : NULL, HAS(4) ? AT(4) : NULL));
    NEED(AT(3)->cols <= INT16_MAX && is(AT(5), RK_STATE, 1, 1) && is_sound(a));
    NEED(a->first >= 0 && a->n > 0 && a->first + a->n <= AT(3)->rows);
    return RK_OK;
}

/* The graph lists every edge at both of its ends; one side's rows have half of the entries. */
rk_traffic rk__traffic_als_sweep(const rk_counted *c)
{
    return solving(&c->node->attr.als, (double)c->node->attr.als.n,
                   0.5 * (double)rk__counted_in(c, 1)->rows, rk__counted_in(c, 3));
}

rk_value rk__als_fold(rk_program *p, rk_tile_lists lists, rk_value table, rk_value gram,
                      rk_als_attr attr)
{
    rk_node node = RK_NODE(RK_OP_ALS_FOLD, lists.offsets, lists.items, lists.weights, table, gram);
    node.attr.als = attr;
    return rk__append_value(p, node);
}

/* offsets i64[T+1], items i32[C], weights f32[C] or -, table f32[R,d], gram f32[d,d] or - ->
 * f32[T,d] */
rk_status rk__shape_als_fold(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_I64, -1, 1) && AT(0)->rows > 1 && is(AT(1), RK_I32, -1, 1));
    NEED(!HAS(2) || is(AT(2), RK_F32, AT(1)->rows, 1));
    NEED(is(AT(3), RK_F32, -1, -1) && AT(3)->cols <= INT16_MAX);
    NEED(has_what_it_needs(&node->attr.als, AT(3), HAS(2) ? AT(2) : NULL, HAS(4) ? AT(4) : NULL));
    NEED(is_sound(&node->attr.als));
    NEED(node->attr.als.first >= 0 && node->attr.als.first < AT(3)->rows);
    out[0] = shape(RK_F32, AT(0)->rows - 1, AT(3)->cols);
    return RK_OK;
}

rk_traffic rk__traffic_als_fold(const rk_counted *c)
{
    return solving(&c->node->attr.als, (double)rk__counted_out(c, 0)->rows,
                   (double)rk__counted_in(c, 1)->rows, rk__counted_in(c, 3));
}
