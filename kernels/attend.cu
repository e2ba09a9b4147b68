/*
 * The softmax of attention over a batch, a block a query: logits [n] -> weights in place, their
 * log-sum-exp, and the query's own logit, that of the key with its number. The products that make
 * the logits and use the weights are cuBLAS's; see src/device/cuda/attend.c.
 */
#include "block_reduce.cuh"

#include "ops/logit.h"

namespace
{

/* Of products [queries, n] of this tile; a query's number among the batch's is first + its row. */
__global__ void __launch_bounds__(rk::BLOCK)
    softmax_tile(float *__restrict__ products, const float *__restrict__ bias,
                 float *__restrict__ lse, double *__restrict__ own, int64_t first, int64_t n,
                 double temperature, float scale, bool skip_diagonal)
{
    rk::begin();
    __shared__ float shared[rk::BLOCK];
    const int64_t query = first + blockIdx.x;
    float *row = products + blockIdx.x * n;
    if (threadIdx.x == query % rk::BLOCK) { /* the thread that will write to this product */
        const bool is_key = rk__is_logit(bias[query]);
        own[query] =
            is_key ? (double)row[query] / temperature + (double)bias[query] : (double)RK_NO_LOGIT;
    }
    float largest = RK_NO_LOGIT;
    for (int64_t j = threadIdx.x; j < n; j += rk::BLOCK) {
        const bool is_skipped = skip_diagonal && j == query;
        const float logit = is_skipped ? RK_NO_LOGIT : scale * row[j] + bias[j];
        row[j] = logit;
        largest = logit > largest ? logit : largest;
    }
    largest = rk::block_reduce(largest, shared, [](float a, float b) { return a > b ? a : b; });
    const bool has_key = rk__is_logit(largest);
    float sum = 0.0f;
    for (int64_t j = threadIdx.x; j < n; j += rk::BLOCK) {
        const float e = has_key ? expf(row[j] - largest) : 0.0f;
        row[j] = e;
        sum += e;
    }
    sum = rk::block_reduce(sum, shared, [](float a, float b) { return a + b; });
    const float inverse = has_key ? 1.0f / sum : 0.0f;
    for (int64_t j = threadIdx.x; j < n; j += rk::BLOCK) {
        row[j] *= inverse;
    }
    if (threadIdx.x == 0) {
        lse[query] = has_key ? (float)((double)largest + log((double)sum)) : RK_NO_LOGIT;
    }
}

} // namespace

cudaError_t rk_cuda_softmax_tile(const rk_attend_tile *t, rk_stream *stream)
{
    return rk::run(stream, {t->n == 0 ? 0 : t->n_queries}, softmax_tile, t->products, t->bias,
                   t->lse, t->own, t->first, t->n, t->temperature, (float)(1.0 / t->temperature),
                   t->skip_diagonal);
}
