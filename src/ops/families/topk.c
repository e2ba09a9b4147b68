/* The ranking of a tile of users. */
#include "ops/family.h"

void rk__score_topk(rk_program *p, rk_topk_values v, rk_topk_attr attr)
{
    rk_node node = RK_NODE(RK_OP_SCORE_TOPK, v.final, v.users, v.train_offsets, v.train_columns,
                           v.other_offsets, v.other_columns);
    node.attr.topk = attr;
    node.out[0] = v.items;
    node.out[1] = v.scores;
    rk__append(p, node);
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

rk_traffic rk__traffic_score_topk(const rk_counted *c)
{
    const rk_tensor *final = rk__counted_in(c, 0);
    double users = (double)rk__counted_in(c, 1)->rows, items = (double)c->node->attr.topk.n_items;
    return (rk_traffic){.bytes = (users + items) * rk__row_bytes(final) +
                                 rk__used_bytes(c, rk__counted_out(c, 0)) +
                                 rk__used_bytes(c, rk__counted_out(c, 1)),
                        .flops = 2 * users * items * (double) final->cols};
}
