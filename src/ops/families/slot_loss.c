/*
 * Losses of a positive and M drawn negatives by their scores (ops/slot_loss.h has the formulas),
 * and the gradient at a row set of any loss by scores of a user with items.
 */
#include "ops/family.h"

/* x f32[S,d], slot_row i32[L], state -> f32[B,1+M]: of the user with the positive and the
 * candidates; zeros behind the last triplet */
rk_status rk__shape_slot_dots(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const int64_t batch = node->attr.batch, slots = AT(1)->rows;
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_I32, -1, 1) && is(AT(2), RK_STATE, 1, 1));
    NEED(batch > 0 && slots % batch == 0 && slots / batch >= 3);
    out[0] = shape(RK_F32, batch, slots / batch - 1);
    return RK_OK;
}

/* The optional input `at`: of slot_dots, where x has but some of the columns. */
static rk_status need_dots(const rk_program *p, const rk_node *node, int32_t at, int64_t batch,
                           int64_t slots)
{
    NEED(node->n_inputs <= at || is(AT(at), RK_F32, batch, slots / batch - 1));
    return RK_OK;
}

rk_value rk__select_negatives(rk_program *p, rk_value final, rk_row_set rows, rk_value state,
                              int64_t batch)
{
    rk_node node = RK_NODE(RK_OP_SELECT_NEGATIVES, final, rows.slot_row, state);
    node.attr.batch = batch;
    return rk__append_value(p, node);
}

/* final f32[S,d], slot_row i32[L], state, dots f32[B,1+M] or - -> chosen i32[B] */
rk_status rk__shape_select_negatives(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_I32, -1, 1));
    NEED(is(AT(2), RK_STATE, 1, 1) && node->attr.batch > 0);
    NEED(AT(1)->rows % node->attr.batch == 0 && AT(1)->rows / node->attr.batch >= 3);
    RK_TRY(need_dots(p, node, RK_SELECT_NEGATIVES_DOTS, node->attr.batch, AT(1)->rows));
    out[0] = shape(RK_I32, node->attr.batch, 1);
    return RK_OK;
}

void rk__slot_loss(rk_program *p, rk_value final, rk_row_set rows, rk_slot_inputs v, bool cosine,
                   rk_slot_attr attr)
{
    rk_value x = cosine ? rk__unit_rows(p, final, RK_NONE) : final;
    rk_node node = RK_NODE(RK_OP_SLOT_LOSS, x, rows.slot_row, rows.rows, v.state, v.factor,
                           v.chosen, v.weight);
    node.attr.slot = attr;
    rk__program_add_term(p, "ranking", rk__append_value(p, node));
}

/* x f32[S,d], slot_row i32[L], rows i32[S], state, factor f32[N] or - (beta is the product of the
 * user's and the item's), chosen i32[B] or -: the one candidate of each triplet that counts,
 * weight f32[B] or - (1 each), dots f32[B,1+M] or - (made of x)
 * -> loss f64[1], by_score f32[B,1+M]: derivatives by the scores of the positive and the negatives,
 * 0 behind the last triplet and where a candidate does not count */
rk_status rk__shape_slot_loss(const rk_program *p, const rk_node *node, rk_shape *out)
{
    int64_t batch = node->attr.slot.batch, slots = AT(1)->rows;
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_I32, -1, 1));
    NEED(is(AT(2), RK_I32, AT(0)->rows, 1));
    NEED(is(AT(3), RK_STATE, 1, 1) && (!HAS(4) || is(AT(4), RK_F32, -1, 1)));
    NEED(batch > 0 && slots % batch == 0 && slots / batch >= 3);
    NEED(!HAS(5) || is(AT(5), RK_I32, batch, 1));
    NEED(!HAS(6) || is(AT(6), RK_F32, batch, 1));
    RK_TRY(need_dots(p, node, RK_SLOT_LOSS_DOTS, batch, slots));
    out[0] = shape(RK_F64, 1, 1);
    out[1] = shape(RK_F32, batch, slots / batch - 1);
    return RK_OK;
}

void rk__score_loss(rk_program *p, rk_value scores, rk_score_inputs v, rk_slot_rule rule)
{
    rk_node node = RK_NODE(RK_OP_SCORE_LOSS, scores, v.state, v.labels, v.weight);
    node.attr.slot.batch = p->status == RK_OK ? p->tensors[scores].rows : 0;
    node.attr.slot.rule = rule;
    rk__program_add_term(p, "ranking", rk__append_value(p, node));
}

/* scores f32[B,n] of each triplet's positive and n - 1 negatives, state, labels f32[B] or -: then
 * n is 1 and the loss is the squared distance from them, weight f32[B] or - (1 each)
 * -> loss f64[1], by_score f32[B,n], 0 behind the last triplet */
rk_status rk__shape_score_loss(const rk_program *p, const rk_node *node, rk_shape *out)
{
    int64_t batch = node->attr.slot.batch, n = AT(0)->cols;
    NEED(batch > 0 && is(AT(0), RK_F32, batch, -1) && is(AT(1), RK_STATE, 1, 1));
    NEED(HAS(2) ? is(AT(2), RK_F32, batch, 1) && n == 1 : n >= 2);
    NEED(!HAS(3) || is(AT(3), RK_F32, batch, 1));
    out[0] = shape(RK_F64, 1, 1);
    out[1] = shape(RK_F32, batch, n);
    return RK_OK;
}

void rk__grad_score_loss(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    (void)g, (void)alpha;
    rk__contribute_shared(b, node->in[0], node->out[1], 1);
}

/* Of a loss by scores: inputs x, slot_row, ...; outputs loss, by_score. */
void rk__grad_slot_loss(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    (void)g, (void)alpha;
    rk_program *p = rk__backward_program(b);
    rk_row_set set = rk__row_set_of(p, node->in[1]);
    rk_node grad = RK_NODE(RK_OP_SLOT_GRAD, node->in[0], node->out[1], set.slot_row, set.segments,
                           set.order, set.count);
    rk__contribute(b, node->in[0], rk__append_value(p, grad), 1);
}

/* x f32[S,d], by_score f32[B,n], slot_row i32[(1+n)B], segments i32[S+1], order i32[(1+n)B],
 * count i32[1] -> f32[S,d]; n items a triplet, by rk__item_slot: the positive and M negatives, or K
 * neighbours. A slot whose by_score is 0 need not have a row. */
rk_status rk__shape_slot_grad(const rk_program *p, const rk_node *node, rk_shape *out)
{
    int64_t slots = AT(2)->rows, batch = AT(1)->rows;
    NEED(is(AT(0), RK_F32, -1, -1) && batch > 0);
    NEED(is(AT(1), RK_F32, batch, slots / batch - 1) && slots % batch == 0);
    NEED(is(AT(2), RK_I32, -1, 1) && is(AT(3), RK_I32, AT(0)->rows + 1, 1));
    NEED(is(AT(4), RK_I32, slots, 1) && is(AT(5), RK_I32, 1, 1));
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}
