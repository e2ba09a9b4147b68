/* EASE in closed form, through the Gram matrix of the items or of the users. */
#include "ops/family.h"

void rk__count_gram(rk_program *p, rk_csr_values rows, rk_range_attr side, double ridge,
                    rk_value into)
{
    rk_node node = RK_NODE(RK_OP_COUNT_GRAM, rows.offsets, rows.columns);
    node.attr.ridge = (rk_ridge_attr){side.first, side.n, ridge};
    node.out[0] = into;
    rk__append(p, node);
}

/* offsets i64[N+1], columns i32[E] (nodes) -> f32[n,n] */
rk_status rk__shape_count_gram(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_ridge_attr *a = &node->attr.ridge;
    NEED(is(AT(0), RK_I64, -1, 1) && is(AT(1), RK_I32, -1, 1) && a->ridge >= 0);
    NEED(a->first >= 0 && a->n > 0 && a->first + a->n < AT(0)->rows);
    out[0] = shape(RK_F32, a->n, a->n);
    return RK_OK;
}

void rk__spd_inverse(rk_program *p, rk_value matrix, rk_value state)
{
    rk__append(p, RK_NODE(RK_OP_SPD_INVERSE, matrix, state));
}

/* matrix f32[n,n], state -> (updates 0 and 1) */
rk_status rk__shape_spd_inverse(const rk_program *p, const rk_node *node, rk_shape *out)
{
    (void)out;
    NEED(is(AT(0), RK_F32, AT(0)->cols, AT(0)->cols) && AT(0)->stored >= 0);
    NEED(AT(0)->rows > 0 && AT(0)->rows <= INT32_MAX / 2 && is(AT(1), RK_STATE, 1, 1));
    return RK_OK;
}

/* n^3 / 3 for the factor, 2 n^3 / 3 for the inverse. */
rk_traffic rk__traffic_spd_inverse(const rk_counted *c)
{
    double n = (double)rk__counted_in(c, 0)->rows;
    return (rk_traffic){.bytes = 8 * n * n, .flops = n * n * n};
}

void rk__ease_weights(rk_program *p, rk_value matrix)
{
    rk__append(p, RK_NODE(RK_OP_EASE_WEIGHTS, matrix));
}

/* matrix f32[n,n] -> (updates 0) */
rk_status rk__shape_ease_weights(const rk_program *p, const rk_node *node, rk_shape *out)
{
    (void)out;
    NEED(is(AT(0), RK_F32, AT(0)->cols, AT(0)->cols) && AT(0)->stored >= 0);
    return RK_OK;
}

rk_value rk__ease_factor(rk_program *p, rk_csr_values rows, rk_value inverse, rk_range_attr items,
                         double ridge)
{
    rk_node node = RK_NODE(RK_OP_EASE_FACTOR, rows.offsets, rows.columns, inverse);
    node.attr.ridge = (rk_ridge_attr){items.first, items.n, ridge};
    return rk__append_value(p, node);
}

/* offsets i64[R+1], columns i32[E], inverse f32[m,m] -> f32[n] */
rk_status rk__shape_ease_factor(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_ridge_attr *a = &node->attr.ridge;
    NEED(is(AT(0), RK_I64, -1, 1) && is(AT(1), RK_I32, -1, 1) && a->ridge > 0);
    NEED(is(AT(2), RK_F32, AT(2)->cols, AT(2)->cols));
    NEED(a->first >= 0 && a->n > 0 && a->first + a->n < AT(0)->rows);
    out[0] = shape(RK_F32, a->n, 1);
    return RK_OK;
}
