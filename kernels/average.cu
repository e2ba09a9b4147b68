/*
 * Scores of several models on one scale.
 *
 * standardise_scores: a block takes a query. Each thread sums a fixed share of the row in double
 * and the block adds the shares in a fixed order, so the bits are the same each time.
 */
#include "device.cuh"

namespace
{

__global__ void __launch_bounds__(rk::BLOCK)
    standardise(const float *__restrict__ scores, const int32_t *__restrict__ count,
                float *__restrict__ out, int64_t n)
{
    rk::begin();
    __shared__ double shared[rk::WARPS];
    __shared__ double total;
    const int64_t t = blockIdx.x;
    const float *x = scores + t * n;
    float *y = out + t * n;
    if (t >= *count) {
        for (int64_t i = threadIdx.x; i < n; i += rk::BLOCK) {
            y[i] = 0.0f;
        }
        return;
    }
    double sum = 0.0, squares = 0.0;
    for (int64_t i = threadIdx.x; i < n; i += rk::BLOCK) {
        sum += (double)x[i];
    }
    sum = rk::block_total(sum, shared);
    if (threadIdx.x == 0) {
        total = sum;
    }
    __syncthreads();
    const double mean = total / (double)n;
    for (int64_t i = threadIdx.x; i < n; i += rk::BLOCK) {
        squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    }
    __syncthreads(); /* everybody has read the total, and `shared` is free again */
    squares = rk::block_total(squares, shared);
    if (threadIdx.x == 0) {
        total = squares;
    }
    __syncthreads();
    const double sd = sqrt(total / (double)n);
    const double factor = sd <= RK_FLAT_SCORES * fabs(mean) ? 0.0 : 1.0 / sd;
    for (int64_t i = threadIdx.x; i < n; i += rk::BLOCK) {
        y[i] = (float)(((double)x[i] - mean) * factor);
    }
}

} // namespace

cudaError_t rk_cuda_standardise_scores(const rk_call *call)
{
    const rk_tensor *scores = rk__in(call, 0);
    return rk::run(call->stream, {scores->rows}, standardise, rk::in(call, 0), rk::in(call, 1),
                   rk::out(call, 0), scores->cols);
}
