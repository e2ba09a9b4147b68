/* Noise, and views of a batch held against each other. */
#include "ops/family.h"

rk_value rk__perturb(rk_program *p, rk_value x, rk_value state, const rk_row_set *rows,
                     rk_perturb_attr attr)
{
    rk_node node =
        RK_NODE(RK_OP_PERTURB, x, state, rows ? rows->rows : RK_NONE, rows ? rows->count : RK_NONE);
    node.attr.perturb = attr;
    return rk__append_value(p, node);
}

/* x f32[R,d], state, rows i32[R] or -, count i32[1] or - -> f32[R,d] */
rk_status rk__shape_perturb(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_perturb_attr *a = &node->attr.perturb;
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_STATE, 1, 1) && HAS(2) == HAS(3));
    NEED(!HAS(2) || (is(AT(2), RK_I32, AT(0)->rows, 1) && is(AT(3), RK_I32, 1, 1)));
    NEED(a->epsilon >= 0 && a->layer >= 0 && a->layer < 16 && a->view >= 0);
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}

/* The noise does not depend on x, and sign(x) hardly does. */
void rk__grad_perturb(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk__contribute_shared(b, node->in[0], g, alpha);
}

rk_value rk__restrict_perturb(rk_restriction *r, const rk_node *node, float factor)
{
    (void)factor;
    rk_row_set rows = rk__restriction_rows(r);
    RK_ASSERT(node->in[2] == RK_NONE);
    return rk__perturb(rk__restriction_program(r), rk__at_rows(r, node->in[0]), node->in[1], &rows,
                       node->attr.perturb);
}

void rk__contrast_loss(rk_program *p, rk_value first, rk_value second, rk_row_set rows,
                       rk_contrast_rule rule)
{
    const int64_t batch = rule.batch;
    rk_attend_values of[2];
    rk_node slots =
        RK_NODE(RK_OP_CONTRAST_SLOTS, first, second, rows.slot_row, rows.segments, rows.order);
    slots.attr.contrast.batch = batch;
    const rk_node *made = rk__append(p, slots);
    if (!made) {
        return;
    }
    const rk_value stack = made->out[0], bias = made->out[1];
    for (int kind = 0; kind < 2; kind++) {
        of[kind] = rk__attend(p, stack, bias,
                              (rk_attend_attr){.first_query = kind * batch,
                                               .first_key = (2 + kind) * batch,
                                               .n = batch,
                                               .temperature = rule.temperature});
    }
    rk_node node = RK_NODE(RK_OP_CONTRAST_LOSS, stack, bias, of[0].lse, of[1].lse, of[0].own,
                           of[1].own, of[0].mean, of[1].mean);
    node.attr.contrast = (rk_contrast_attr){.batch = batch, .weight = rule.weight};
    rk__program_add_term(p, "contrast", rk__append_value(p, node));
}

/* first f32[S,d], second f32[S,d], slot_row i32[L], segments i32[S+1], order i32[L]
 * -> stack f32[4B,d]: users and positives of the first view, then of the second; bias f32[4B]: 0 at
 * the first slot of each node, else RK_NO_LOGIT */
rk_status rk__shape_contrast_slots(const rk_program *p, const rk_node *node, rk_shape *out)
{
    int64_t rows = AT(0)->rows, slots = AT(2)->rows, batch = node->attr.contrast.batch;
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, rows, AT(0)->cols));
    NEED(is(AT(2), RK_I32, -1, 1) && is(AT(3), RK_I32, rows + 1, 1));
    NEED(is(AT(4), RK_I32, slots, 1) && batch > 0 && 2 * batch <= slots);
    out[0] = shape(RK_F32, 4 * batch, AT(0)->cols);
    out[1] = shape(RK_F32, 4 * batch, 1);
    return RK_OK;
}

void rk__grad_contrast_slots(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_program *p = rk__backward_program(b);
    rk_row_set set = rk__row_set_of(p, node->in[2]);
    for (int view = 0; view < 2; view++) {
        if (rk__wants_gradient(b, node->in[view])) {
            rk_node grad = RK_NODE(RK_OP_CONTRAST_SLOTS_GRAD, node->in[view], node->out[0], g,
                                   node->in[3], node->in[4], set.count);
            grad.attr.contrast = node->attr.contrast;
            grad.attr.contrast.second = view == 1;
            rk__contribute(b, node->in[view], rk__append_value(p, grad), alpha);
        }
    }
}

/* x f32[S,d], stack f32[4B,d], gradient of the stack f32[4B,d], segments i32[S+1], order i32[L],
 * count i32[1] -> f32[S,d] */
rk_status rk__shape_contrast_slots_grad(const rk_program *p, const rk_node *node, rk_shape *out)
{
    int64_t rows = AT(0)->rows, d = AT(0)->cols, stack = 4 * node->attr.contrast.batch;
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, stack, d) && is(AT(2), RK_F32, stack, d));
    NEED(is(AT(3), RK_I32, rows + 1, 1) && is(AT(4), RK_I32, -1, 1) && is(AT(5), RK_I32, 1, 1));
    out[0] = shape(RK_F32, rows, d);
    return RK_OK;
}

/* stack f32[4B,d], bias f32[4B]; of the attention of users and of positives lse f32[B] twice, own
 * f64[B] twice, mean f32[B,d] twice -> loss f64[1]; key_bias f32[4B]: -lse at the queries that
 * count, else RK_NO_LOGIT; factor f32[4B]: weight / how many count, 0 at the others */
rk_status rk__shape_contrast_loss(const rk_program *p, const rk_node *node, rk_shape *out)
{
    int64_t batch = node->attr.contrast.batch, d = AT(0)->cols;
    NEED(is(AT(0), RK_F32, 4 * batch, -1) && is(AT(1), RK_F32, 4 * batch, 1));
    NEED(is(AT(2), RK_F32, batch, 1) && is(AT(3), RK_F32, batch, 1));
    NEED(is(AT(4), RK_F64, batch, 1) && is(AT(5), RK_F64, batch, 1));
    NEED(is(AT(6), RK_F32, batch, d) && is(AT(7), RK_F32, batch, d));
    out[0] = shape(RK_F64, 1, 1);
    out[1] = shape(RK_F32, 4 * batch, 1);
    out[2] = shape(RK_F32, 4 * batch, 1);
    return RK_OK;
}

void rk__grad_contrast_loss(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    (void)g, (void)alpha;
    rk_program *p = rk__backward_program(b);
    rk_attend_values keys[2];
    for (int kind = 0; kind < 2; kind++) {
        keys[kind] = rk__attend_back(p, node->in[2 + kind], node->out[1]);
    }
    rk_node grad = RK_NODE(RK_OP_CONTRAST_GRAD, node->in[0], node->out[2], node->in[6], node->in[7],
                           keys[0].lse, keys[1].lse, keys[0].mean, keys[1].mean);
    grad.attr.contrast = node->attr.contrast;
    grad.attr.contrast.temperature = rk__temperature_of(p, node->in[2]);
    rk__contribute(b, node->in[0], rk__append_value(p, grad), 1);
}

/* stack f32[4B,d], factor f32[4B], means f32[B,d] of keys by user and by positive, then of the
 * attention with the roles changed lse f32[B] twice and mean f32[B,d] twice -> f32[4B,d] */
rk_status rk__shape_contrast_grad(const rk_program *p, const rk_node *node, rk_shape *out)
{
    int64_t batch = node->attr.contrast.batch, d = AT(0)->cols;
    NEED(is(AT(0), RK_F32, 4 * batch, -1) && is(AT(1), RK_F32, 4 * batch, 1));
    for (int i = 2; i < 8; i++) {
        NEED(is(AT(i), RK_F32, batch, i == 4 || i == 5 ? 1 : d));
    }
    out[0] = shape(RK_F32, 4 * batch, d);
    return RK_OK;
}
