/* The ranking of a tile of queries: scores by cuBLAS, a tile of items at a time, that
 * kernels/topk.cu looks through. */
#include "device/cuda/context.h"

/* Scores of a tile of queries for this many items at a time: 32 MB, which the second-level cache of
 * a large device holds until they are looked through. */
static int64_t tile_items(int64_t n_queries, int64_t n_items)
{
    const int64_t most = (32 << 20) / (int64_t)sizeof(float) / (n_queries > 0 ? n_queries : 1);
    int64_t tile = most > 256 ? most / 256 * 256 : 256;
    return tile < n_items ? tile : n_items;
}

/* Rounding of a score relative to the product of the norms. fp32, in any order of additions, and
 * the exact chain: 2^-24 an addition each. TF32 keeps 10 bits of each factor, and it is not said
 * whether it rounds or cuts; tensor cores cut the sums, 2^-23 an addition. The rest is for the
 * arithmetic of the margin itself. */
static float epsilon_of(const rk_device_context *context, int64_t d)
{
    double sums = (double)(d + 8) * 0x1p-21;
    bool is_tensor = context->options.ranking == RK_RANKING_TENSOR;
    return (float)(is_tensor ? sums + 0x1.01p-9 : sums);
}

/* What the ranking needs, then a tile of scores [T,tile]. */
int64_t rk_cuda_scratch_score_topk(const rk_call *call)
{
    const rk_topk_attr *a = &call->node->attr.topk;
    int64_t n = rk__in(call, 0)->rows;
    return rk_cuda_topk_scratch(n, a->k) + n * tile_items(n, a->items.n) * (int64_t)sizeof(float);
}

rk_status rk__cuda_score_topk(const rk_call *call)
{
    const rk_cuda_prepared *prepared = call->prepared;
    const rk_topk_attr *a = &call->node->attr.topk;
    int64_t d = rk__in(call, 0)->cols, n = rk__in(call, 0)->rows;
    int64_t most = tile_items(n, a->items.n);
    rk_ranking r = {.queries = call->in[0],
                    .table = (const float *)call->in[1] + a->items.first * d,
                    .n_items = a->items.n,
                    .n_queries = n,
                    .d = d,
                    .mask_offsets = call->in[2],
                    .mask_items = call->in[3],
                    .blocked = call->in[4],
                    .count = call->in[5],
                    .k = a->k,
                    .epsilon = epsilon_of(prepared->context, d),
                    .out_items = call->out[0],
                    .out_scores = call->out[1]};
    float *scores = (float *)(void *)((char *)call->scratch + rk_cuda_topk_scratch(n, a->k));
    RK_TRY_CUDA(rk_cuda_topk_begin(&r, call->scratch, call->stream));
    for (int64_t first = 0; first < r.n_items; first += most) {
        int64_t width = r.n_items - first < most ? r.n_items - first : most;
        const rk_cuda_product p = {.rows = r.queries,
                                   .columns = r.table + first * d,
                                   .n_rows = n,
                                   .n_columns = width,
                                   .d = d,
                                   .products = scores,
                                   .stride = most};
        const rk_score_tile tile = {scores, most, width, first};
        RK_TRY(rk__cuda_blas_ranking(prepared->context, &p));
        RK_TRY_CUDA(rk_cuda_topk_merge(&r, &tile, call->stream));
    }
    RK_TRY_CUDA(rk_cuda_topk_finish(&r, call->stream));
    return RK_OK;
}
