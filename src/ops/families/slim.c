/* Sparse linear models of items. */
#include "ops/family.h"

#include "base/alloc.h"

void rk__slim_columns(rk_program *p, rk_csr_values graph, rk_slim_attr attr, rk_value out_items,
                      rk_value out_values, rk_value out_stopped)
{
    RK_ASSERT(graph.values == RK_NONE);
    rk_node node = RK_NODE(RK_OP_SLIM_COLUMNS, graph.offsets, graph.columns);
    node.attr.slim = attr;
    node.out[0] = out_items;
    node.out[1] = out_values;
    node.out[2] = out_stopped;
    rk__append(p, node);
}

/* offsets i64[U+I+1], columns i32 (nodes) -> items i32[I,K], values f32[I,K],
 * stopped i32[I,1] */
rk_status rk__shape_slim_columns(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_slim_attr *a = &node->attr.slim;
    int64_t cells = 0;
    NEED(a->n_users >= 0 && a->n_items >= 0 && a->n_items <= INT32_MAX - a->n_users && a->k > 0);
    NEED(a->l1 >= 0 && a->l2 >= 0 && a->tolerance >= 0 && a->passes > 0);
    NEED(is(AT(0), RK_I64, a->n_users + a->n_items + 1, 1) && is(AT(1), RK_I32, -1, 1));
    RK_TRY(rk__mul(&cells, a->n_items, a->k, "the weights of the items"));
    out[0] = shape(RK_I32, a->n_items, a->k);
    out[1] = shape(RK_F32, a->n_items, a->k);
    out[2] = shape(RK_I32, a->n_items, 1);
    return RK_OK;
}

/* As if all users had the same number of items and all items the same number of users: a pass goes
 * over the users of each candidate of each item, and there are about ten. */
rk_traffic rk__traffic_slim_columns(const rk_counted *c)
{
    const rk_slim_attr *a = &c->node->attr.slim;
    rk_traffic t = rk__traffic_once(c);
    double edges = 0.5 * (double)rk__counted_in(c, 1)->rows;
    double users = (double)a->n_users, items = (double)a->n_items;
    double pairs = users > 0 ? edges * edges / users : 0;
    t.flops = items > 0 ? 10 * pairs * edges / items : 0;
    t.bytes += 2 * t.flops * (double)sizeof(float);
    t.gathers = 1;
    return t;
}
