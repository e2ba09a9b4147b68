/* The best items of a tile of queries, by scores that are there or by dot products; where given
 * items stand. */
#include "ops/family.h"

rk_ranked_values rk__top_k(rk_program *p, rk_topk_values v, int64_t first, int32_t k)
{
    rk_node node = RK_NODE(RK_OP_TOP_K, v.scores, v.mask_offsets, v.mask_items, v.blocked, v.count);
    node.attr.topk.k = k;
    node.attr.topk.items.first = first;
    node.out[0] = v.out_items;
    node.out[1] = v.out_scores;
    const rk_node *made = rk__append(p, node);
    return made ? (rk_ranked_values){made->out[0], made->out[1]}
                : (rk_ranked_values){RK_NONE, RK_NONE};
}

rk_ranked_values rk__merge_top_k(rk_program *p, rk_ranked_values a, rk_ranked_values b, int32_t k,
                                 rk_ranked_values out)
{
    rk_node node = RK_NODE(RK_OP_MERGE_TOP_K, a.items, a.scores, b.items, b.scores);
    node.attr.topk.k = k;
    node.out[0] = out.items;
    node.out[1] = out.scores;
    const rk_node *made = rk__append(p, node);
    return made ? (rk_ranked_values){made->out[0], made->out[1]}
                : (rk_ranked_values){RK_NONE, RK_NONE};
}

/* Inputs from `mask` on: offsets i64[T+1], items i32[M], blocked i32[I] or -, count i32[1]. The
 * items that are ranked: n_items of I from `first` on. */
static rk_status ranked(const rk_program *p, const rk_node *node, int32_t mask, int64_t first,
                        int64_t n_items, rk_shape *out)
{
    int64_t k = node->attr.topk.k, n_queries = AT(0)->rows;
    NEED(is(AT(mask), RK_I64, n_queries + 1, 1) && is(AT(mask + 1), RK_I32, -1, 1));
    NEED(!HAS(mask + 2) ||
         (is(AT(mask + 2), RK_I32, -1, 1) && first >= 0 && first + n_items <= AT(mask + 2)->rows));
    NEED(is(AT(mask + 3), RK_I32, 1, 1));
    NEED(k > 0 && k <= n_items);
    out[0] = shape(RK_I32, n_queries, k);
    out[1] = shape(RK_F32, n_queries, k);
    return RK_OK;
}

/* scores f32[T,I], mask_offsets, mask_items, blocked or -, count -> items i32[T,K], scores
 * f32[T,K] */
rk_status rk__shape_top_k(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1));
    return ranked(p, node, 1, node->attr.topk.items.first, AT(0)->cols, out);
}

/* items i32[T,Ka], scores f32[T,Ka], items i32[T,Kb], scores f32[T,Kb] -> items i32[T,K], scores
 * f32[T,K] */
rk_status rk__shape_merge_top_k(const rk_program *p, const rk_node *node, rk_shape *out)
{
    int64_t k = node->attr.topk.k, n = AT(0)->rows;
    NEED(is(AT(0), RK_I32, -1, -1) && is(AT(1), RK_F32, n, AT(0)->cols));
    NEED(is(AT(2), RK_I32, n, -1) && is(AT(3), RK_F32, n, AT(2)->cols));
    NEED(k > 0 && k <= AT(0)->cols + AT(2)->cols);
    out[0] = shape(RK_I32, n, k);
    out[1] = shape(RK_F32, n, k);
    return RK_OK;
}

/* queries f32[T,w], table f32[R,w], mask_offsets, mask_items, blocked or -, count -> items
 * i32[T,K], scores f32[T,K] */
rk_status rk__shape_score_topk(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_range_attr *items = &node->attr.topk.items;
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, -1, AT(0)->cols));
    NEED(items->first >= 0 && items->n > 0 && items->first + items->n <= AT(1)->rows);
    return ranked(p, node, 2, 0, items->n, out);
}

rk_traffic rk__traffic_score_topk(const rk_counted *c)
{
    const rk_tensor *queries = rk__counted_in(c, 0);
    double n = (double)queries->rows, items = (double)c->node->attr.topk.items.n;
    return (rk_traffic){.bytes = (n + items) * rk__row_bytes(queries) +
                                 rk__used_bytes(c, rk__counted_out(c, 0)) +
                                 rk__used_bytes(c, rk__counted_out(c, 1)),
                        .flops = 2 * n * items * (double)queries->cols};
}

void rk__standing(rk_program *p, rk_standing_values v)
{
    rk_node node = RK_NODE(RK_OP_STANDING, v.scores, v.items, v.mask_offsets, v.mask_items,
                           v.blocked, v.count);
    node.out[0] = v.out_above;
    node.out[1] = v.out_tied;
    rk__append(p, node);
}

/* scores f32[T,I], items i32[T,P], mask_offsets i64[T+1], mask_items i32[M], blocked i32[I] or -,
 * count i32[1] -> above i32[T,P], tied i32[T,P] */
rk_status rk__shape_standing(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_I32, AT(0)->rows, -1));
    NEED(is(AT(2), RK_I64, AT(0)->rows + 1, 1) && is(AT(3), RK_I32, -1, 1));
    NEED(!HAS(4) || is(AT(4), RK_I32, AT(0)->cols, 1));
    NEED(is(AT(5), RK_I32, 1, 1));
    out[0] = shape(RK_I32, AT(1)->rows, AT(1)->cols);
    out[1] = shape(RK_I32, AT(1)->rows, AT(1)->cols);
    return RK_OK;
}
