/* Shape rules of the propagations and of the pair tables of the Gram form; see shapes.c. */
#include "ops/shape_rules.h"

static rk_status need_graph(const rk_program *p, const rk_node *node, int64_t n)
{
    NEED(is(AT(0), RK_I64, n + 1, 1) && is(AT(1), RK_I32, -1, 1) && is(AT(2), RK_F32, n, 1));
    return RK_OK;
}

/* Tables f32[S,d] from input `first` on, which are added at the rows of a row set. */
static rk_status need_added(const rk_program *p, const rk_node *node, int32_t first)
{
    for (int32_t i = first; i < node->n_inputs; i++) {
        NEED(is(AT(i), RK_F32, AT(first)->rows, AT(3)->cols));
    }
    return RK_OK;
}

/* offsets, columns, scale, x f32|f16[N,d], then nothing or map i32[N], n tables f32[S,d] that are
 * added at the rows of the set -> f32[N,d] */
rk_status rk__shape_propagate(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(3), RK_F32, -1, -1) || is(AT(3), RK_F16, -1, -1));
    RK_TRY(need_graph(p, node, AT(3)->rows));
    NEED(node->n_inputs != RK_PROPAGATE_ADDED);
    NEED(node->n_inputs < RK_PROPAGATE_ADDED || is(AT(4), RK_I32, AT(3)->rows, 1));
    RK_TRY(need_added(p, node, RK_PROPAGATE_ADDED));
    out[0] = shape(RK_F32, AT(3)->rows, AT(3)->cols);
    return RK_OK;
}

/* offsets, columns, scale, x f32|f16[N,d], rows i32[S], count i32[1], map i32[N] -> f32[S,d]; a
 * device goes by the list or by the map, whichever suits it */
rk_status rk__shape_propagate_rows(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(3), RK_F32, -1, -1) || is(AT(3), RK_F16, -1, -1));
    NEED(is(AT(4), RK_I32, -1, 1) && is(AT(5), RK_I32, 1, 1));
    NEED(is(AT(6), RK_I32, AT(3)->rows, 1));
    RK_TRY(need_graph(p, node, AT(3)->rows));
    out[0] = shape(RK_F32, AT(4)->rows, AT(3)->cols);
    return RK_OK;
}

/* offsets, columns, scale, x f32[S,d], map i32[N], n tables f32[S,d] that are added at the rows of
 * the set -> f32[N,d] */
rk_status rk__shape_propagate_from_rows(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(3), RK_F32, -1, -1) && is(AT(4), RK_I32, -1, 1));
    RK_TRY(need_graph(p, node, AT(4)->rows));
    RK_TRY(need_added(p, node, RK_PROPAGATE_ADDED));
    out[0] = shape(RK_F32, AT(4)->rows, AT(3)->cols);
    return RK_OK;
}

/* offsets i64[N+1], columns i32[2E], state -> offsets i64[N+1], columns i32[2E] (-1 behind the last
 * edge that is kept), scale f32[N]: 1/sqrt of the degrees that are left, 0 where none is. Of a
 * stored graph: devices cut the rows of a drawn one by it. */
rk_status rk__shape_drop_edges(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_I64, -1, 1) && AT(0)->rows > 0 && AT(0)->stored >= 0);
    NEED(is(AT(1), RK_I32, -1, 1) && is(AT(2), RK_STATE, 1, 1));
    NEED(node->attr.drop.ratio > 0 && node->attr.drop.ratio < 1 && node->attr.drop.view >= 0);
    out[0] = shape(RK_I64, AT(0)->rows, 1);
    out[1] = shape(RK_I32, AT(1)->rows, 1);
    out[2] = shape(RK_F32, AT(0)->rows - 1, 1);
    return RK_OK;
}

/* The attribute names one side of the graph with N nodes, which is a stored one. */
static rk_status need_side(const rk_program *p, const rk_node *node)
{
    const rk_fold_attr *a = &node->attr.fold;
    int64_t n_nodes = AT(2)->rows;
    NEED(AT(0)->stored >= 0);
    NEED(a->first >= 0 && a->n >= 0 && (a->first == 0 || a->first + a->n == n_nodes));
    return need_graph(p, node, n_nodes);
}

/* offsets, columns, scale, x f32[N,d] -> f32[2n,d] */
rk_status rk__shape_fold(const rk_program *p, const rk_node *node, rk_shape *out)
{
    RK_TRY(need_side(p, node));
    NEED(is(AT(3), RK_F32, AT(2)->rows, -1));
    out[0] = shape(RK_F32, 2 * node->attr.fold.n, AT(3)->cols);
    return RK_OK;
}

/* offsets, columns, scale, x f32[S,d], map i32[N] -> f32[2n,d] */
rk_status rk__shape_fold_from_rows(const rk_program *p, const rk_node *node, rk_shape *out)
{
    RK_TRY(need_side(p, node));
    NEED(is(AT(3), RK_F32, -1, -1) && is(AT(4), RK_I32, AT(2)->rows, 1));
    out[0] = shape(RK_F32, 2 * node->attr.fold.n, AT(3)->cols);
    return RK_OK;
}

/* offsets, columns, scale, x f32[2n,d] -> f32[N,d] */
rk_status rk__shape_unfold(const rk_program *p, const rk_node *node, rk_shape *out)
{
    RK_TRY(need_side(p, node));
    NEED(is(AT(3), RK_F32, 2 * node->attr.fold.n, -1));
    out[0] = shape(RK_F32, AT(2)->rows, AT(3)->cols);
    return RK_OK;
}

/* offsets, columns, scale, x f32[2n,d], rows i32[S], count i32[1], map i32[N] -> f32[S,d] */
rk_status rk__shape_unfold_rows(const rk_program *p, const rk_node *node, rk_shape *out)
{
    RK_TRY(need_side(p, node));
    NEED(is(AT(3), RK_F32, 2 * node->attr.fold.n, -1) && is(AT(4), RK_I32, -1, 1));
    NEED(is(AT(5), RK_I32, 1, 1) && is(AT(6), RK_I32, AT(2)->rows, 1));
    out[0] = shape(RK_F32, AT(4)->rows, AT(3)->cols);
    return RK_OK;
}

/* gram f32[n,n], symmetric, x f32[2n,d] -> f32[2n,d] */
rk_status rk__shape_gram_product(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, AT(0)->cols, AT(0)->cols) && is(AT(1), RK_F32, 2 * AT(0)->rows, -1));
    NEED(AT(0)->rows <= INT32_MAX && (node->attr.halves == 1 || node->attr.halves == 2));
    out[0] = shape(RK_F32, AT(1)->rows, AT(1)->cols);
    return RK_OK;
}

/* k tables f32[2n,d] -> f32[2n,d] */
rk_status rk__shape_mix_pairs(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(AT(0)->rows % 2 == 0);
    for (int32_t i = 0; i < node->n_inputs; i++) {
        NEED(is(AT(i), RK_F32, AT(0)->rows, AT(0)->cols));
    }
    out[0] = shape(RK_F32, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}

/* Inputs 5 to 8: parameter f32[N,d], m, v, state. */
static rk_status need_update(const rk_program *p, const rk_node *node)
{
    for (int32_t i = 5; i < 8; i++) {
        NEED(is(AT(i), RK_F32, AT(2)->rows, AT(3)->cols) && AT(i)->stored >= 0);
    }
    NEED(is(AT(8), RK_STATE, 1, 1) && node->in[3] != node->in[5]);
    return need_added(p, node, RK_PROPAGATE_ADAM_ADDED);
}

/* offsets, columns, scale, x f32|f16[N,d], map i32[N] or -, parameter f32[N,d], m f32[N,d],
 * v f32[N,d], state, n tables f32[S,d] that are added at the rows of the set -> (updates 5, 6, 7)
 */
rk_status rk__shape_propagate_adam(const rk_program *p, const rk_node *node, rk_shape *out)
{
    (void)out;
    NEED(is(AT(3), RK_F32, -1, -1) || is(AT(3), RK_F16, -1, -1));
    RK_TRY(need_graph(p, node, AT(3)->rows));
    NEED(HAS(4) || node->n_inputs == RK_PROPAGATE_ADAM_ADDED);
    NEED(!HAS(4) || is(AT(4), RK_I32, AT(3)->rows, 1));
    return need_update(p, node);
}

/* The same with x f32[S,d], zero outside of the set; the map is not optional. */
rk_status rk__shape_propagate_from_rows_adam(const rk_program *p, const rk_node *node,
                                             rk_shape *out)
{
    (void)out;
    NEED(is(AT(3), RK_F32, -1, -1) && HAS(4) && is(AT(4), RK_I32, -1, 1));
    RK_TRY(need_graph(p, node, AT(4)->rows));
    return need_update(p, node);
}

/* x f32[R,d] -> f16[R,d] */
rk_status rk__shape_narrow(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1));
    out[0] = shape(RK_F16, AT(0)->rows, AT(0)->cols);
    return RK_OK;
}
