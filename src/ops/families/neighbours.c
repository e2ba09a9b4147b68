/* The term over the neighbours of a batch's positives. */
#include "ops/family.h"

#include "base/alloc.h"

rk_value rk__neighbour_slots(rk_program *p, rk_value nodes, rk_value items, rk_neighbour_attr attr)
{
    rk_node node = RK_NODE(RK_OP_NEIGHBOUR_SLOTS, nodes, items);
    node.attr.neighbour = attr;
    return rk__append_value(p, node);
}

/* nodes i32[(2+M)B], items i32[I,K]: the neighbours of each item as nodes, -1 where there are fewer
 * -> i32[(1+K)B]: the users, then by rk__item_slot the neighbours of each triplet's positive */
rk_status rk__shape_neighbour_slots(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_neighbour_attr *a = &node->attr.neighbour;
    int64_t slots = 0;
    NEED(a->batch > 0 && is(AT(0), RK_I32, -1, 1) && AT(0)->rows >= 2 * a->batch);
    NEED(is(AT(1), RK_I32, -1, -1) && AT(1)->cols > 0 && a->n_users > 0);
    RK_TRY(rk__mul(&slots, a->batch, 1 + AT(1)->cols, "the neighbours of a batch"));
    NEED(slots < INT32_MAX);
    out[0] = shape(RK_I32, slots, 1);
    return RK_OK;
}

/* Of the table, the rows of the positives. */
rk_traffic rk__traffic_neighbour_slots(const rk_counted *c)
{
    return (rk_traffic){.bytes = 2 * rk__used_bytes(c, rk__counted_out(c, 0)), .gathers = 1};
}

void rk__neighbour_loss(rk_program *p, rk_value x, rk_row_set rows, rk_value nodes,
                        rk_value weights, rk_value state, bool cosine, rk_neighbour_attr attr)
{
    x = cosine ? rk__unit_rows(p, x, RK_NONE) : x;
    rk_node node = RK_NODE(RK_OP_NEIGHBOUR_LOSS, x, rows.slot_row, nodes, weights, state);
    node.attr.neighbour = attr;
    rk__program_add_term(p, "neighbours", rk__append_value(p, node));
}

/* x f32[S,d], slot_row i32[(1+K)B], nodes i32[(2+M)B] of the batch, weights f32[I,K], state
 * -> loss f64[1], by_score f32[B,K]: derivatives by the scores of user and neighbour, 0 where there
 * is no neighbour and behind the last triplet */
rk_status rk__shape_neighbour_loss(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_neighbour_attr *a = &node->attr.neighbour;
    NEED(a->batch > 0 && is(AT(0), RK_F32, -1, -1) && is(AT(3), RK_F32, -1, -1));
    NEED(AT(3)->cols > 0 && is(AT(1), RK_I32, (1 + AT(3)->cols) * a->batch, 1));
    NEED(is(AT(2), RK_I32, -1, 1) && AT(2)->rows >= 2 * a->batch);
    NEED(is(AT(4), RK_STATE, 1, 1) && a->n_users > 0 && a->weight > 0);
    out[0] = shape(RK_F64, 1, 1);
    out[1] = shape(RK_F32, a->batch, AT(3)->cols);
    return RK_OK;
}

/* Of the weights, the rows of the positives. */
rk_traffic rk__traffic_neighbour_loss(const rk_counted *c)
{
    rk_traffic t = rk__traffic_once(c);
    const rk_tensor *by_score = rk__counted_out(c, 1);
    t.bytes -= rk__used_bytes(c, rk__counted_in(c, 3)) - rk__used_bytes(c, by_score);
    t.flops = 2 * rk__elements(by_score) * (double)rk__counted_in(c, 0)->cols;
    return t;
}
