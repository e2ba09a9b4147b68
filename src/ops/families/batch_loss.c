/* Losses that compare a batch with itself, and the rows of a batch slot by slot. */
#include "ops/family.h"

rk_unit_values rk__unit_slots(rk_program *p, rk_value x, rk_row_set rows, rk_value table,
                              bool cosine)
{
    rk_node node = RK_NODE(RK_OP_UNIT_SLOTS, x, rows.slot_row, rows.rows, table);
    node.attr.unit.cosine = cosine;
    const rk_node *made = rk__append(p, node);
    return made ? (rk_unit_values){made->out[0], made->out[1]} : (rk_unit_values){RK_NONE, RK_NONE};
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

void rk__grad_unit_slots(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_program *p = rk__backward_program(b);
    rk_row_set set = rk__row_set_of(p, node->in[1]);
    rk_node grad = RK_NODE(RK_OP_UNIT_SLOTS_GRAD, node->in[0], node->out[0], g, set.segments,
                           set.order, set.count);
    grad.attr.unit = (rk_unit_attr){.cosine = node->attr.unit.cosine, .alpha = alpha};
    rk__contribute(b, node->in[0], rk__append_value(p, grad), 1);
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

/* ---- softmax ---- */

void rk__softmax_loss(rk_program *p, rk_value final, rk_row_set rows, rk_value logit_bias,
                      rk_value state, rk_softmax_rule rule)
{
    rk_unit_values slots = rk__unit_slots(p, final, rows, logit_bias, rule.cosine);
    rk_attend_values items = rk__attend(p, slots.unit, slots.bias,
                                        (rk_attend_attr){.first_query = 0,
                                                         .first_key = rule.batch,
                                                         .n = rule.batch,
                                                         .temperature = rule.temperature,
                                                         .skip_diagonal = rule.exclude_positive});
    rk_node node = RK_NODE(RK_OP_SOFTMAX_LOSS, slots.unit, slots.bias, items.lse, items.mean,
                           items.own, state);
    node.attr.softmax = (rk_softmax_attr){.batch = rule.batch, .power = rule.power};
    rk__program_add_term(p, "ranking", rk__append_value(p, node));
}

/* unit f32[L,d], bias f32[L], lse f32[B], mean f32[B,d], own f64[B], state
 * -> loss f64[1], user_bias f32[L]: -lse at the slots of users that have a term, else RK_NO_LOGIT
 * */
rk_status rk__shape_softmax_loss(const rk_program *p, const rk_node *node, rk_shape *out)
{
    int64_t batch = node->attr.softmax.batch, slots = AT(0)->rows;
    NEED(batch > 0 && is(AT(0), RK_F32, -1, -1) && slots >= 2 * batch);
    NEED(is(AT(1), RK_F32, slots, 1) && is(AT(2), RK_F32, batch, 1));
    NEED(is(AT(3), RK_F32, batch, AT(0)->cols) && is(AT(4), RK_F64, batch, 1));
    NEED(is(AT(5), RK_STATE, 1, 1));
    out[0] = shape(RK_F64, 1, 1);
    out[1] = shape(RK_F32, slots, 1);
    return RK_OK;
}

/* With w_ij the weight of item j for user i: a user's gradient needs the mean of items under w_i.,
 * which the loss had; an item's needs the sum of users under w_.j. That is the same attention with
 * the roles changed, as w_ij = exp(s_ij - lse_i). */
void rk__grad_softmax_loss(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    (void)g, (void)alpha;
    rk_program *p = rk__backward_program(b);
    rk_attend_values users = rk__attend_back(p, node->in[2], node->out[1]);
    rk_node grad = RK_NODE(RK_OP_SOFTMAX_GRAD, node->in[0], node->in[1], node->in[3], node->out[1],
                           users.lse, users.mean, node->in[5]);
    grad.attr.softmax = node->attr.softmax;
    grad.attr.softmax.temperature = rk__temperature_of(p, node->in[2]);
    rk__contribute(b, node->in[0], rk__append_value(p, grad), 1);
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

/* ---- alignment and uniformity ---- */

void rk__align_uniform_loss(rk_program *p, rk_value final, rk_row_set rows, rk_value state,
                            rk_align_attr attr)
{
    /* e^(-2 |x - y|^2) = e^(4 <x, y> - 4) for unit vectors */
    rk_attend_attr pairs = {.n = attr.batch, .temperature = 0.25, .skip_diagonal = true};
    rk_unit_values slots = rk__unit_slots(p, final, rows, RK_NONE, true);
    rk_attend_values users = rk__attend(p, slots.unit, slots.bias, pairs);
    pairs.first_query = pairs.first_key = attr.batch;
    rk_attend_values items = rk__attend(p, slots.unit, slots.bias, pairs);
    rk_node node = RK_NODE(RK_OP_ALIGN_UNIFORM_LOSS, slots.unit, users.lse, users.mean, items.lse,
                           items.mean, state);
    node.attr.align = attr;
    rk__program_add_term(p, "ranking", rk__append_value(p, node));
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

void rk__grad_align_uniform_loss(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    (void)g, (void)alpha;
    rk_node grad = rk__node(RK_OP_ALIGN_UNIFORM_GRAD, 7, node->in);
    grad.in[6] = node->out[1];
    grad.attr.align = node->attr.align;
    rk__contribute(b, node->in[0], rk__append_value(rk__backward_program(b), grad), 1);
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
