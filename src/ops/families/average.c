/* Scores of several models on one scale. */
#include "ops/family.h"

rk_value rk__standardise_scores(rk_program *p, rk_value scores, rk_value count)
{
    return rk__append_value(p, RK_NODE(RK_OP_STANDARDISE_SCORES, scores, count));
}

/* scores f32[T,I], count i32[1] -> f32[T,I] */
rk_status rk__shape_standardise_scores(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_I32, 1, 1));
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}
