/* What ranks of a run exchange that have some columns of the tables each: passes/shard.c appends
 * it, models know nothing of it. */
#include "ops/family.h"

/* x f32|f64[R,d] of this rank in place -> its sum over ranks [R,d] */
rk_status rk__shape_sum_ranks(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(AT(0)->stored < 0 && (AT(0)->dtype == RK_F32 || AT(0)->dtype == RK_F64));
    out[0] = shape(AT(0)->dtype, AT(0)->rows, AT(0)->cols);
    out[0].in_place = node->in[0];
    return RK_OK;
}

/* x f32[R,c], this rank's columns of d -> f32[R,d] */
rk_status rk__shape_gather_columns(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && AT(0)->all_columns >= AT(0)->cols);
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->all_columns);
    return RK_OK;
}
