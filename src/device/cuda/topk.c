/* The ranking of a tile of queries: candidates by tensor cores (kernels/topk_tensor.cu), or from
 * scores by cuBLAS, a tile of items at a time, that kernels/topk.cu looks through. */
#include "device/cuda/context.h"

/* Scores of a tile of queries for this many items at a time: 32 MB, which the second-level cache of
 * a large device holds until they are looked through. */
static int64_t tile_items(int64_t n_queries, int64_t n_items)
{
    const int64_t most = (32 << 20) / (int64_t)sizeof(float) / (n_queries > 0 ? n_queries : 1);
    int64_t tile = most > 256 ? most / 256 * 256 : 256;
    return tile < n_items ? tile : n_items;
}

static bool is_tensor(const rk_device_context *context)
{
    return context->options.ranking == RK_RANKING_TENSOR;
}

/* Rounding of a score relative to the product of the norms. fp32, in any order of additions, and
 * the exact chain: 2^-24 an addition each. TF32 keeps 10 bits of each factor; where our kernel
 * rounds them that is 2^-11 of each, and of cuBLAS it is not said whether it rounds or cuts. Tensor
 * cores cut the sums, 2^-23 an addition. The rest is for the arithmetic of the margin itself. */
static float epsilon_of(const rk_device_context *context, int64_t d, bool is_fused)
{
    double sums = (double)(d + 8) * 0x1p-21;
    double factors = is_fused ? 0x1.01p-10 : is_tensor(context) ? 0x1.01p-9 : 0;
    return (float)(sums + factors);
}

/* What the ranking needs, then what one of the two ways does: a tile of scores [T,tile], or less
 * than that. */
int64_t rk_cuda_scratch_score_topk(const rk_call *call)
{
    const rk_topk_attr *a = &call->node->attr.topk;
    int64_t n = rk__in(call, 0)->rows;
    int64_t tile = n * tile_items(n, a->items.n) * (int64_t)sizeof(float);
    int64_t fused =
        rk_cuda_topk_tensor_takes(a->k) ? rk_cuda_topk_tensor_scratch(n, a->items.n, a->k) : 0;
    return rk_cuda_topk_scratch(n, a->k) + (tile > fused ? tile : fused);
}

static bool is_fused(const rk_device_context *context, int64_t k)
{
    return is_tensor(context) && context->architecture >= RK_TF32_FROM &&
           rk_cuda_topk_tensor_takes(k);
}

/* Candidates from tiles of scores. */
static rk_status merge_tiles(rk_device_context *context, const rk_ranking *r, float *scores,
                             rk_stream *stream)
{
    int64_t most = tile_items(r->n_queries, r->n_items);
    for (int64_t first = 0; first < r->n_items; first += most) {
        int64_t width = r->n_items - first < most ? r->n_items - first : most;
        const rk_cuda_product p = {.rows = r->queries,
                                   .columns = r->table + first * r->d,
                                   .n_rows = r->n_queries,
                                   .n_columns = width,
                                   .d = r->d,
                                   .products = scores,
                                   .stride = most};
        const rk_score_tile tile = {scores, most, width, first};
        RK_TRY(rk__cuda_blas_ranking(context, &p));
        RK_TRY_CUDA(rk_cuda_topk_merge(r, &tile, stream));
    }
    return RK_OK;
}

rk_status rk__cuda_score_topk(const rk_call *call)
{
    const rk_cuda_prepared *prepared = call->prepared;
    const rk_topk_attr *a = &call->node->attr.topk;
    int64_t d = rk__in(call, 0)->cols, n = rk__in(call, 0)->rows;
    const bool fused = is_fused(prepared->context, a->k);
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
                    .epsilon = epsilon_of(prepared->context, d, fused),
                    .out_items = call->out[0],
                    .out_scores = call->out[1]};
    void *rest = (char *)call->scratch + rk_cuda_topk_scratch(n, a->k);
    RK_TRY_CUDA(rk_cuda_topk_begin(&r, call->scratch, call->stream));
    if (fused) {
        RK_TRY_CUDA(rk_cuda_topk_tensor(&r, rest, call->stream));
    } else {
        RK_TRY(merge_tiles(prepared->context, &r, rest, call->stream));
    }
    RK_TRY_CUDA(rk_cuda_topk_finish(&r, call->stream));
    return RK_OK;
}
