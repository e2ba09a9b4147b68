/* Shape rules of noise and of views held against each other; see shapes.c. */
#include "ops/shape_rules.h"

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

/* stack f32[4B,d], bias f32[4B], lse f32[B] of the attention of users and of positives,
 * mean f32[B,d] of both -> loss f64[1]; key_bias f32[4B]: -lse at the queries that count, else
 * RK_NO_LOGIT; factor f32[4B]: weight / how many count, 0 at the others */
rk_status rk__shape_contrast_loss(const rk_program *p, const rk_node *node, rk_shape *out)
{
    int64_t batch = node->attr.contrast.batch, d = AT(0)->cols;
    NEED(is(AT(0), RK_F32, 4 * batch, -1) && is(AT(1), RK_F32, 4 * batch, 1));
    NEED(is(AT(2), RK_F32, batch, 1) && is(AT(3), RK_F32, batch, 1));
    NEED(is(AT(4), RK_F32, batch, d) && is(AT(5), RK_F32, batch, d));
    NEED(node->attr.contrast.temperature > 0);
    out[0] = shape(RK_F64, 1, 1);
    out[1] = shape(RK_F32, 4 * batch, 1);
    out[2] = shape(RK_F32, 4 * batch, 1);
    return RK_OK;
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
