/* Shape rules of the term over the neighbours of a batch's positives; see shapes.c. */
#include "base/alloc.h"
#include "ops/shape_rules.h"

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
