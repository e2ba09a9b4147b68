/*
 * What comes between the gradients and the update.
 *
 * schedule: the step's learning rate from the step's number (ops/schedule.h), by one thread.
 * clip_factor: min(1, limit / (norm + 1e-6)), the norm over all gradients together. Each gradient
 * is cut into as many shares as its size says, a block sums one in double in a fixed order, and one
 * block sums the shares in their order: no atomics, the same bits each time.
 * clip: y = x * factor, each element limited to [-limit, limit].
 */
#include "device.cuh"

namespace
{

__global__ void schedule(rk_schedule rule, rk_step_state *state)
{
    state->learning_rate = rk__schedule_rate(&rule, state->step, state->rate_scale);
}

__global__ void __launch_bounds__(rk::BLOCK)
    sum_squares(const float *__restrict__ x, int64_t n, double *__restrict__ partial,
                int64_t n_shares)
{
    __shared__ double shared[rk::BLOCK / rk::WARP];
    for (int64_t share = blockIdx.x; share < n_shares; share += gridDim.x) {
        const double total = rk::share_dot(x, x, n, share, shared);
        if (threadIdx.x == 0) {
            partial[share] = total;
        }
        __syncthreads(); /* before the next share's sums go to `shared` */
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    finish_factor(const double *__restrict__ partial, int64_t n_shares, float limit,
                  float *__restrict__ factor)
{
    __shared__ double shared[rk::BLOCK / rk::WARP];
    double sum = 0.0;
    for (int64_t i = threadIdx.x; i < n_shares; i += rk::BLOCK) {
        sum += partial[i];
    }
    const double squares = rk::block_total(sum, shared);
    if (threadIdx.x == 0) {
        const double wanted = (double)limit / (sqrt(squares) + 1e-6);
        *factor = (float)(wanted < 1.0 ? wanted : 1.0);
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    clip(const float *__restrict__ x, const float *__restrict__ factor, float *__restrict__ y,
         int64_t n, float limit)
{
    const float by = factor ? *factor : 1.0f;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n;
         i += (int64_t)gridDim.x * blockDim.x) {
        float value = x[i] * by;
        value = value > limit ? limit : value;
        y[i] = value < -limit ? -limit : value;
    }
}

int64_t shares_of(int64_t n)
{
    return (n + rk::SHARE - 1) / rk::SHARE;
}

} // namespace

cudaError_t rk_cuda_schedule(rk_schedule rule, rk_step_state *state, cudaStream_t stream)
{
    cudaLaunchConfig_t config = rk::launch(1, 1, stream);
    return cudaLaunchKernelEx(&config, schedule, rule, state);
}

int64_t rk_cuda_clip_factor_scratch(const rk_gradients *gradients)
{
    int64_t shares = 0;
    for (int32_t i = 0; i < gradients->count; i++) {
        shares += shares_of(gradients->n[i]);
    }
    return shares * (int64_t)sizeof(double);
}

cudaError_t rk_cuda_clip_factor(rk_gradients gradients, float limit, float *factor, void *scratch,
                                cudaStream_t stream)
{
    double *partial = static_cast<double *>(scratch);
    int64_t used = 0;
    for (int32_t i = 0; i < gradients.count; i++) {
        const int64_t shares = shares_of(gradients.n[i]);
        if (shares == 0) {
            continue;
        }
        cudaLaunchConfig_t config = rk::launch(rk::blocks_for(shares, 1), rk::BLOCK, stream);
        RK_TRY_LAUNCH(cudaLaunchKernelEx(&config, sum_squares, gradients.x[i], gradients.n[i],
                                         partial + used, shares));
        used += shares;
    }
    cudaLaunchConfig_t one = rk::launch(1, rk::BLOCK, stream);
    return cudaLaunchKernelEx(&one, finish_factor, (const double *)partial, used, limit, factor);
}

cudaError_t rk_cuda_clip(const float *x, const float *factor, float *y, int64_t n, float limit,
                         cudaStream_t stream)
{
    if (n == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = rk::launch(rk::blocks_for(n, 4 * rk::BLOCK), rk::BLOCK, stream);
    return cudaLaunchKernelEx(&config, clip, x, factor, y, n, limit);
}
