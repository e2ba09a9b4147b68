/*
 * Shape rules: what each operation takes and gives, and the table that binds the rules to rows of
 * ops.def. The comment above a rule is the operation's signature: inputs in order -> outputs.
 */
#include "base/alloc.h"
#include "ops/shape_rules.h"

/* offsets i64[N+1], columns i32[2E], state, users i32[n], edge_offsets i64[n+1], pool i32[P] or -,
 * alias_share f32[items] or -, alias_item i32[items] or - -> nodes i32[(2+M)B] */
rk_status rk__shape_sample_triplets(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_sample_attr *a = &node->attr.sample;
    NEED(is(AT(0), RK_I64, a->n_users + a->n_items + 1, 1) && is(AT(1), RK_I32, -1, 1));
    NEED(is(AT(2), RK_STATE, 1, 1) && is(AT(3), RK_I32, a->n_eligible_users, 1));
    NEED(is(AT(4), RK_I64, a->n_eligible_users + 1, 1));
    NEED(!HAS(5) || is(AT(5), RK_I32, a->pool_size, 1));
    NEED(HAS(6) == HAS(7));
    NEED(!HAS(6) || (is(AT(6), RK_F32, a->n_items, 1) && is(AT(7), RK_I32, a->n_items, 1)));
    NEED(a->batch > 0 && a->n_candidates >= 0 && a->n_eligible_edges > 0);
    int64_t slots = 0;
    RK_TRY(rk__mul(&slots, a->batch, 2 + (int64_t)a->n_candidates, "a batch's slots"));
    NEED(slots < INT32_MAX);
    out[0] = shape(RK_I32, slots, 1);
    return RK_OK;
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

/* n tables f32[N,d] -> f32[N,d] */
rk_status rk__shape_combine(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(node->n_inputs <= RK_MAX_LAYERS);
    for (int32_t i = 0; i < node->n_inputs; i++) {
        NEED(is(AT(i), RK_F32, AT(0)->rows, AT(0)->cols));
    }
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
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

/* a f32[R,d], b f32[R,d] -> f32[R,d] */
rk_status rk__shape_add(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, AT(0)->rows, AT(0)->cols));
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}

/* weights f32[1,n], n tables f32[R,d] -> f32[R,d] */
rk_status rk__shape_mix(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, 1, node->n_inputs - 1));
    for (int32_t i = 1; i < node->n_inputs; i++) {
        NEED(is(AT(i), RK_F32, AT(1)->rows, AT(1)->cols));
    }
    out[0] = shape(RK_F32, AT(1)->rows, AT(1)->cols);
    return RK_OK;
}

/* x f32[R,d], weights f32[1,n] -> f32[R,d] */
rk_status rk__shape_weigh(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, 1, -1));
    NEED(node->attr.index >= 0 && node->attr.index < AT(1)->cols);
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}

/* x f32[R,d], n tables f32[R,d] -> f32[1,n] */
rk_status rk__shape_table_dots(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(node->n_inputs - 1 <= RK_MAX_LAYERS);
    for (int32_t i = 0; i < node->n_inputs; i++) {
        NEED(is(AT(i), RK_F32, AT(0)->rows, AT(0)->cols));
    }
    out[0] = shape(RK_F32, 1, node->n_inputs - 1);
    return RK_OK;
}

/* x f32[1,n] -> f32[1,n] */
rk_status rk__shape_softmax_weights(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, 1, -1) && AT(0)->cols > 0 && AT(0)->cols <= RK_MAX_LAYERS);
    out[0] = shape(RK_F32, 1, AT(0)->cols);
    return RK_OK;
}

/* w f32[1,n], gradient f32[1,n] -> f32[1,n] */
rk_status rk__shape_softmax_weights_grad(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, 1, -1) && is(AT(1), RK_F32, 1, AT(0)->cols));
    out[0] = shape(RK_F32, 1, AT(0)->cols);
    return RK_OK;
}

/* x f32[N,d], factor f32[N] or - -> f32[N,d] */
rk_status rk__shape_unit_rows(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && (!HAS(1) || is(AT(1), RK_F32, AT(0)->rows, 1)));
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}

/* x f32[N,d], gradient f32[N,d], factor f32[N] or - -> f32[N,d] */
rk_status rk__shape_unit_rows_grad(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, AT(0)->rows, AT(0)->cols));
    NEED(!HAS(2) || is(AT(2), RK_F32, AT(0)->rows, 1));
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}

/* x f32[R,d], factor f32[N], rows i32[R] or -, count i32[1] or - -> f32[R,d]; R = N without rows */
rk_status rk__shape_scale_nodes(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, -1, 1) && HAS(2) == HAS(3));
    NEED(HAS(2) ? is(AT(2), RK_I32, AT(0)->rows, 1) && is(AT(3), RK_I32, 1, 1)
                : AT(1)->rows == AT(0)->rows);
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}

/* x f32[S,d], factor f32[S], count i32[1] -> f32[S,d] */
rk_status rk__shape_scale_rows(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, AT(0)->rows, 1));
    NEED(is(AT(2), RK_I32, 1, 1));
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}

/* x f32[S,d], map i32[N] -> f32[N,d] */
rk_status rk__shape_scatter_rows(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_I32, -1, 1));
    out[0] = shape(RK_F32, AT(1)->rows, AT(0)->cols);
    return RK_OK;
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

/* final f32[S,d], slot_row i32[L], state -> chosen i32[B] */
rk_status rk__shape_select_negatives(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_I32, -1, 1));
    NEED(is(AT(2), RK_STATE, 1, 1) && node->attr.batch > 0);
    NEED(AT(1)->rows % node->attr.batch == 0 && AT(1)->rows / node->attr.batch >= 3);
    out[0] = shape(RK_I32, node->attr.batch, 1);
    return RK_OK;
}

/* final f32[S,d], slot_row i32[L], state, chosen i32[B] or -
 * -> loss f64[1], coefficient f32[B]: sigmoid(negative - positive) / triplets, 0 beyond them */
rk_status rk__shape_bpr_loss(const rk_program *p, const rk_node *node, rk_shape *out)
{
    int64_t batch = node->attr.batch;
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_I32, -1, 1));
    NEED(is(AT(2), RK_STATE, 1, 1) && batch > 0 && AT(1)->rows % batch == 0);
    NEED(HAS(3) ? is(AT(3), RK_I32, batch, 1) : AT(1)->rows == 3 * batch);
    out[0] = shape(RK_F64, 1, 1);
    out[1] = shape(RK_F32, batch, 1);
    return RK_OK;
}

/* final f32[S,d], coefficient f32[B], slot_row i32[L], segments i32[S+1], order i32[L],
 * count i32[1], chosen i32[B] or - -> f32[S,d] */
rk_status rk__shape_bpr_grad(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, node->attr.batch, 1));
    NEED(is(AT(2), RK_I32, -1, 1) && is(AT(3), RK_I32, AT(0)->rows + 1, 1));
    NEED(is(AT(4), RK_I32, AT(2)->rows, 1) && is(AT(5), RK_I32, 1, 1));
    NEED(!HAS(6) || is(AT(6), RK_I32, node->attr.batch, 1));
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}

/* x f32[S,d], slot_row i32[L], rows i32[S], table f32[N] or - -> unit f32[L,d]: the row of each
 * slot, zero in unused ones; bias f32[L]: the table's entry of its node, RK_NO_LOGIT if unused */
rk_status rk__shape_unit_slots(const rk_program *p, const rk_node *node, rk_shape *out)
{
    int64_t slots = AT(1)->rows;
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_I32, slots, 1));
    NEED(is(AT(2), RK_I32, AT(0)->rows, 1));
    NEED(!HAS(3) || is(AT(3), RK_F32, -1, 1));
    out[0] = shape(RK_F32, slots, AT(0)->cols);
    out[1] = shape(RK_F32, slots, 1);
    return RK_OK;
}

/* x f32[S,d], unit f32[L,d], gradient of unit f32[L,d], segments i32[S+1], order i32[L],
 * count i32[1] -> f32[S,d], by rows of the row set */
rk_status rk__shape_unit_slots_grad(const rk_program *p, const rk_node *node, rk_shape *out)
{
    int64_t rows = AT(0)->rows, slots = AT(1)->rows, d = AT(0)->cols;
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, slots, d) && is(AT(2), RK_F32, slots, d));
    NEED(is(AT(3), RK_I32, rows + 1, 1) && is(AT(4), RK_I32, slots, 1) && is(AT(5), RK_I32, 1, 1));
    out[0] = shape(RK_F32, rows, d);
    return RK_OK;
}

/* unit f32[L,d], bias f32[L] -> lse f32[n], mean f32[n,d]; RK_NO_LOGIT and zero where a query has
 * no key: a key does not count whose bias is RK_NO_LOGIT */
rk_status rk__shape_attend(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_attend_attr *a = &node->attr.attend;
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, AT(0)->rows, 1));
    NEED(a->n > 0 && a->first_query >= 0 && a->first_query + a->n <= AT(0)->rows);
    NEED(a->first_key >= 0 && a->first_key + a->n <= AT(0)->rows && a->scale > 0);
    out[0] = shape(RK_F32, a->n, 1);
    out[1] = shape(RK_F32, a->n, AT(0)->cols);
    return RK_OK;
}

/* unit f32[L,d], bias f32[L], lse f32[B], mean f32[B,d], state
 * -> loss f64[1], user_bias f32[L]: -lse at the slots of users that have a term, else RK_NO_LOGIT
 */
rk_status rk__shape_softmax_loss(const rk_program *p, const rk_node *node, rk_shape *out)
{
    int64_t batch = node->attr.softmax.batch, slots = AT(0)->rows;
    NEED(batch > 0 && is(AT(0), RK_F32, -1, -1) && slots >= 2 * batch);
    NEED(is(AT(1), RK_F32, slots, 1) && is(AT(2), RK_F32, batch, 1));
    NEED(is(AT(3), RK_F32, batch, AT(0)->cols) && is(AT(4), RK_STATE, 1, 1));
    NEED(node->attr.softmax.temperature > 0);
    out[0] = shape(RK_F64, 1, 1);
    out[1] = shape(RK_F32, slots, 1);
    return RK_OK;
}

/* unit f32[L,d], bias f32[L], mean f32[B,d] of items by user, user_bias f32[L], lse f32[B] and
 * mean f32[B,d] of users by item, state -> f32[L,d] */
rk_status rk__shape_softmax_grad(const rk_program *p, const rk_node *node, rk_shape *out)
{
    int64_t batch = node->attr.softmax.batch, slots = AT(0)->rows, d = AT(0)->cols;
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, slots, 1) && is(AT(2), RK_F32, batch, d));
    NEED(is(AT(3), RK_F32, slots, 1) && is(AT(4), RK_F32, batch, 1));
    NEED(is(AT(5), RK_F32, batch, d) && is(AT(6), RK_STATE, 1, 1) && slots >= 2 * batch);
    out[0] = shape(RK_F32, slots, d);
    return RK_OK;
}

/* unit f32[L,d], lse f32[B] and mean f32[B,d] of users by user, the same of items by item, state
 * -> loss f64[1], total f32[2]: log of the sum over all pairs of users, of items */
rk_status rk__shape_align_uniform_loss(const rk_program *p, const rk_node *node, rk_shape *out)
{
    int64_t batch = node->attr.align.batch, d = AT(0)->cols;
    NEED(batch > 0 && is(AT(0), RK_F32, -1, -1) && AT(0)->rows >= 2 * batch);
    NEED(is(AT(1), RK_F32, batch, 1) && is(AT(2), RK_F32, batch, d));
    NEED(is(AT(3), RK_F32, batch, 1) && is(AT(4), RK_F32, batch, d) && is(AT(5), RK_STATE, 1, 1));
    out[0] = shape(RK_F64, 1, 1);
    out[1] = shape(RK_F32, 2, 1);
    return RK_OK;
}

/* the inputs of align_uniform_loss, its total f32[2] -> f32[L,d] */
rk_status rk__shape_align_uniform_grad(const rk_program *p, const rk_node *node, rk_shape *out)
{
    rk_shape loss[2];
    RK_TRY(rk__shape_align_uniform_loss(p, node, loss));
    NEED(is(AT(6), RK_F32, 2, 1));
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}

/* x f32[S,d], slot_row i32[L], rows i32[S], state, factor f32[N] or - (beta is the product of the
 * user's and the item's) -> loss f64[1], by_score f32[B,1+M]: derivatives by the scores of the
 * positive and the negatives, 0 behind the last triplet */
rk_status rk__shape_slot_loss(const rk_program *p, const rk_node *node, rk_shape *out)
{
    int64_t batch = node->attr.slot.batch, slots = AT(1)->rows;
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_I32, -1, 1));
    NEED(is(AT(2), RK_I32, AT(0)->rows, 1));
    NEED(is(AT(3), RK_STATE, 1, 1) && (!HAS(4) || is(AT(4), RK_F32, -1, 1)));
    NEED(batch > 0 && slots % batch == 0 && slots / batch >= 3);
    out[0] = shape(RK_F64, 1, 1);
    out[1] = shape(RK_F32, batch, slots / batch - 1);
    return RK_OK;
}

/* x f32[S,d], by_score f32[B,n], slot_row i32[(1+n)B], segments i32[S+1], order i32[(1+n)B],
 * count i32[1] -> f32[S,d]; n items a triplet, by rk__item_slot: the positive and M negatives, or K
 * neighbours. A slot whose by_score is 0 need not have a row. */
rk_status rk__shape_slot_grad(const rk_program *p, const rk_node *node, rk_shape *out)
{
    int64_t slots = AT(2)->rows, batch = node->attr.slot.batch;
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, batch, slots / batch - 1));
    NEED(is(AT(2), RK_I32, -1, 1) && is(AT(3), RK_I32, AT(0)->rows + 1, 1));
    NEED(is(AT(4), RK_I32, slots, 1) && is(AT(5), RK_I32, 1, 1));
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}

/* x f32[S,d], segments i32[S+1], order i32[L], count i32[1], state, chosen i32[B] or -
 * -> loss f64[1], factor f32[S]: the gradient of row r is factor[r] * x[r] */
rk_status rk__shape_l2_loss(const rk_program *p, const rk_node *node, rk_shape *out)
{
    int64_t rows = AT(0)->rows, slots = AT(2)->rows;
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_I32, rows + 1, 1));
    NEED(is(AT(2), RK_I32, -1, 1) && is(AT(3), RK_I32, 1, 1) && is(AT(4), RK_STATE, 1, 1));
    NEED(!HAS(5) || is(AT(5), RK_I32, node->attr.l2.batch, 1));
    NEED(slots % node->attr.l2.batch == 0 && slots / node->attr.l2.batch >= 2);
    out[0] = shape(RK_F64, 1, 1);
    out[1] = shape(RK_F32, rows, 1);
    return RK_OK;
}

/* state -> (sets its learning rate) */
rk_status rk__shape_schedule(const rk_program *p, const rk_node *node, rk_shape *out)
{
    (void)out;
    NEED(is(AT(0), RK_STATE, 1, 1));
    NEED(node->attr.schedule.cosine_to == 0 ||
         node->attr.schedule.cosine_to > node->attr.schedule.cosine_from);
    return RK_OK;
}

/* n gradients f32[R_i,d_i] -> factor f32[1] */
rk_status rk__shape_clip_factor(const rk_program *p, const rk_node *node, rk_shape *out)
{
    for (int32_t i = 0; i < node->n_inputs; i++) {
        NEED(is(AT(i), RK_F32, -1, -1));
    }
    NEED(node->attr.weight[0] > 0);
    out[0] = shape(RK_F32, 1, 1);
    return RK_OK;
}

/* x f32[R,d], factor f32[1] or - -> f32[R,d] */
rk_status rk__shape_clip(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && (!HAS(1) || is(AT(1), RK_F32, 1, 1)));
    NEED(node->attr.weight[0] > 0);
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}

/* state, n losses f64[1] -> (adds them to state.loss_sum) */
rk_status rk__shape_step_loss(const rk_program *p, const rk_node *node, rk_shape *out)
{
    (void)out;
    NEED(is(AT(0), RK_STATE, 1, 1));
    for (int32_t i = 1; i < node->n_inputs; i++) {
        NEED(is(AT(i), RK_F64, 1, 1));
    }
    return RK_OK;
}

/* parameter f32[R,d], gradient f32[R,d], m f32[R,d], v f32[R,d], state -> (updates 0, 2, 3) */
rk_status rk__shape_adam(const rk_program *p, const rk_node *node, rk_shape *out)
{
    (void)out;
    for (int32_t i = 0; i < 4; i++) {
        NEED(is(AT(i), RK_F32, AT(0)->rows, AT(0)->cols));
        NEED(i == 1 || AT(i)->stored >= 0);
    }
    NEED(is(AT(4), RK_STATE, 1, 1));
    return RK_OK;
}

/* parameter f32[R,d], gradient f32[R,d], state -> (updates 0) */
rk_status rk__shape_sgd(const rk_program *p, const rk_node *node, rk_shape *out)
{
    (void)out;
    NEED(is(AT(0), RK_F32, -1, -1) && AT(0)->stored >= 0);
    NEED(is(AT(1), RK_F32, AT(0)->rows, AT(0)->cols) && is(AT(2), RK_STATE, 1, 1));
    return RK_OK;
}

/* state -> (counts the step) */
rk_status rk__shape_step_advance(const rk_program *p, const rk_node *node, rk_shape *out)
{
    (void)out;
    NEED(is(AT(0), RK_STATE, 1, 1));
    return RK_OK;
}

/* final f32[N,d], users i32[T], train_offsets i64[N+1], train_columns i32 (nodes),
 * other_offsets i64[users+1] or -, other_columns i32 (items) or - -> items i32[T,K], scores
 * f32[T,K] */
rk_status rk__shape_score_topk(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_topk_attr *a = &node->attr.topk;
    int64_t nodes = a->n_users + a->n_items;
    NEED(is(AT(0), RK_F32, nodes, -1) && is(AT(1), RK_I32, -1, 1));
    NEED(is(AT(2), RK_I64, nodes + 1, 1) && is(AT(3), RK_I32, -1, 1));
    NEED(HAS(4) == HAS(5));
    NEED(!HAS(4) || (is(AT(4), RK_I64, a->n_users + 1, 1) && is(AT(5), RK_I32, -1, 1)));
    NEED(a->k > 0 && a->k <= a->n_items);
    out[0] = shape(RK_I32, AT(1)->rows, a->k);
    out[1] = shape(RK_F32, AT(1)->rows, a->k);
    return RK_OK;
}

const rk_shape_rule rk__shape_rules[RK_OP_COUNT] = {
#define RK_OP_ROW(ENUM, name, ...) rk__shape_##name,
#include "ops/ops.def"
};
