/*
 * Attention over a batch: a tile of queries at a time, products and weighted means by cuBLAS in the
 * precision of cuda.matmul, the softmax between them by kernels/attend.cu.
 */
#include "device/cuda/context.h"

/* Queries at a time, so that their products with n keys take 64 MB at most. */
static int64_t tile_queries(int64_t n)
{
    const int64_t most = (64 << 20) / (int64_t)sizeof(float) / (n > 0 ? n : 1);
    return most < 1 ? 1 : most < n ? most : n;
}

int64_t rk_cuda_scratch_attend(const rk_call *call)
{
    int64_t n = call->node->attr.attend.n;
    return n * tile_queries(n) * (int64_t)sizeof(float);
}

rk_status rk__cuda_attend(const rk_call *call)
{
    const rk_cuda_prepared *prepared = call->prepared;
    const rk_attend_attr *a = &call->node->attr.attend;
    int64_t d = rk__in(call, 0)->cols, most = tile_queries(a->n);
    const float *unit = call->in[0], *bias = call->in[1];
    const float *queries = unit + a->first_query * d;
    float *mean = call->out[1];
    rk_cuda_product p = {.columns = unit + a->first_key * d,
                         .n_columns = a->n,
                         .d = d,
                         .products = call->scratch,
                         .stride = a->n};
    rk_attend_tile tile = {.products = call->scratch,
                           .bias = bias + a->first_key,
                           .lse = call->out[0],
                           .own = call->out[2],
                           .n = a->n,
                           .temperature = a->temperature,
                           .skip_diagonal = a->skip_diagonal};
    for (int64_t first = 0; first < a->n; first += most) {
        p.rows = queries + first * d;
        p.n_rows = a->n - first < most ? a->n - first : most;
        tile.first = first;
        tile.n_queries = p.n_rows;
        RK_TRY(rk__cuda_blas_product(prepared->context, &p));
        RK_TRY_CUDA(rk_cuda_softmax_tile(&tile, call->stream));
        RK_TRY(rk__cuda_blas_weighted(prepared->context, &p, mean + first * d));
    }
    return RK_OK;
}
