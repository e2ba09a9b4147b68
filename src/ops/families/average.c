/* Scores of several models on one scale. */
#include "ops/family.h"

rk_value rk__standardise_scores(rk_program *p, rk_value scores, rk_value count)
{
    return rk__append_value(p, RK_NODE(RK_OP_STANDARDISE_SCORES, scores, count));
}

rk_value rk__rank_scores(rk_program *p, rk_value scores, rk_value count, double offset)
{
    rk_node node = RK_NODE(RK_OP_RANK_SCORES, scores, count);
    node.attr.rank.offset = offset;
    return rk__append_value(p, node);
}

/* scores f32[T,I], count i32[1] -> f32[T,I] */
rk_status rk__shape_standardise_scores(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_I32, 1, 1));
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}

/* scores f32[T,I], count i32[1] -> f32[T,I] */
rk_status rk__shape_rank_scores(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(node->attr.rank.offset >= 0 && AT(0)->cols <= INT32_MAX);
    return rk__shape_standardise_scores(p, node, out);
}
