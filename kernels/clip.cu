/*
 * What comes between the gradients and the update.
 *
 * clip_factor: min(1, limit / (norm + 1e-6)), the norm over all gradients together. Each gradient
 * is cut into as many shares as its size says, a block sums one in double in a fixed order, and one
 * block sums the shares in their order, onto the squares of the gradients of earlier nodes: no
 * atomics, the same bits each time.
 * clip: y = x * factor, each element limited to [-limit, limit].
 */
#include "device.cuh"

namespace
{

__global__ void __launch_bounds__(rk::BLOCK)
    sum_squares(const float *__restrict__ x, int64_t n, double *__restrict__ partial,
                int64_t n_shares)
{
    rk::begin();
    __shared__ double shared[rk::WARPS];
    for (int64_t share = blockIdx.x; share < n_shares; share += gridDim.x) {
        const double total = rk::share_dot(x, x, n, share, shared);
        if (threadIdx.x == 0) {
            partial[share] = total;
        }
        __syncthreads(); /* before the next share's sums go to `shared` */
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    finish_factor(const double *__restrict__ partial, int64_t n_shares,
                  const double *__restrict__ previous, float limit, float *__restrict__ factor,
                  double *__restrict__ squares)
{
    rk::begin();
    __shared__ double shared[rk::WARPS];
    double sum = 0.0;
    for (int64_t i = threadIdx.x; i < n_shares; i += rk::BLOCK) {
        sum += partial[i];
    }
    const double these = rk::block_total(sum, shared);
    if (threadIdx.x == 0) {
        const double all = (previous ? *previous : 0.0) + these;
        const double wanted = (double)limit / (sqrt(all) + 1e-6);
        *squares = all;
        *factor = (float)(wanted < 1.0 ? wanted : 1.0);
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    clip(const float *__restrict__ x, const float *__restrict__ factor, float *__restrict__ y,
         int64_t n, float limit)
{
    rk::begin();
    const float by = factor ? *factor : 1.0f;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n;
         i += (int64_t)gridDim.x * blockDim.x) {
        float value = x[i] * by;
        value = value > limit ? limit : value;
        y[i] = value < -limit ? -limit : value;
    }
}

} // namespace

int64_t rk_cuda_scratch_clip_factor(const rk_call *call)
{
    int64_t shares = 0;
    for (int32_t i = 1; i < call->node->n_inputs; i++) {
        shares += rk::shares_of(rk::elements(rk__in(call, i)));
    }
    return shares * (int64_t)sizeof(double);
}

cudaError_t rk_cuda_clip_factor(const rk_call *call)
{
    double *partial = static_cast<double *>(call->scratch);
    int64_t used = 0;
    for (int32_t i = 1; i < call->node->n_inputs; i++) {
        const int64_t n = rk::elements(rk__in(call, i)), shares = rk::shares_of(n);
        RK_TRY_LAUNCH(rk::run(call->stream, rk::strided(shares, 1), sum_squares, rk::in(call, i), n,
                              partial + used, shares));
        used += shares;
    }
    return rk::run(call->stream, {1}, finish_factor, partial, used, rk::in(call, 0),
                   call->node->attr.weight[0], rk::out(call, 0), rk::out(call, 1));
}

cudaError_t rk_cuda_clip(const rk_call *call)
{
    const int64_t n = rk::elements(rk__in(call, 0));
    return rk::run(call->stream, rk::strided(n, 4 * rk::BLOCK), clip, rk::in(call, 0),
                   rk::in(call, 1), rk::out(call, 0), n, call->node->attr.weight[0]);
}
