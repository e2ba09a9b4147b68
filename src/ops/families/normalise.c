/* Columns of tables brought to a mean and a deviation of their own. */
#include "ops/family.h"

rk_value rk__normalise_columns(rk_program *p, rk_value x, rk_value gain, rk_value shift)
{
    return rk__append_value(p, RK_NODE(RK_OP_NORMALISE_COLUMNS, x, gain, shift));
}

/* x f32[N,d], gain f32[1,d], shift f32[1,d] -> f32[N,d]; mean and 1 / deviation of x, f64[2,d] */
rk_status rk__shape_normalise_columns(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && AT(0)->rows > 0);
    NEED(is(AT(1), RK_F32, 1, AT(0)->cols) && is(AT(2), RK_F32, 1, AT(0)->cols));
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    out[1] = shape(RK_F64, 2, AT(0)->cols);
    return RK_OK;
}

void rk__grad_normalise_columns(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    const rk_node *grad =
        rk__append(rk__backward_program(b), RK_NODE(RK_OP_NORMALISE_COLUMNS_GRAD, node->in[0],
                                                    node->in[1], node->out[1], g));
    if (!grad) {
        return;
    }
    const rk_value parts[] = {grad->out[0], grad->out[1], grad->out[2]};
    for (int i = 0; i < 3; i++) {
        rk__contribute(b, node->in[i], parts[i], alpha);
    }
}

/* x f32[N,d], gain f32[1,d], its mean and 1 / deviation f64[2,d], gradient of y f32[N,d] -> of x
 * f32[N,d], of gain f32[1,d], of shift f32[1,d] */
rk_status rk__shape_normalise_columns_grad(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const int64_t n = AT(0)->rows, d = AT(0)->cols;
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, 1, d));
    NEED(is(AT(2), RK_F64, 2, d) && is(AT(3), RK_F32, n, d));
    out[0] = shape(RK_F32, n, d);
    out[1] = shape(RK_F32, 1, d);
    out[2] = shape(RK_F32, 1, d);
    return RK_OK;
}
