/*
 * What encoders with more than a fixed sum of layers need.
 *
 * mix: y = sum_k w[k] x_k, the weights in device memory; weigh: y = w[index] x.
 * table_dots: y[k] = alpha <g, x_k> in double; a block sums a share of one table, a block a table
 * sums the shares in their order: no atomics, the same bits each time.
 * softmax_weights and its gradient: a dozen numbers, one thread.
 * unit_rows: y[n] = f[n] x[n] / (|x[n]| + 1e-12), a warp a row; its gradient s (g - x <x, g> /
 * (|x| (|x| + 1e-12))), s = f / (|x| + 1e-12), and zero for a row of zeros.
 * scale_nodes: y[r] = f[rows[r]] x[r].
 */
#include "device.cuh"

namespace
{

constexpr int WARPS = rk::BLOCK / rk::WARP;
constexpr float NORM_EPSILON = 1e-12f;

__global__ void __launch_bounds__(rk::BLOCK)
    mix(rk_tables tables, const float *__restrict__ weights, float *__restrict__ y, int64_t n)
{
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n;
         i += (int64_t)gridDim.x * blockDim.x) {
        float sum = 0.0f;
        for (int32_t k = 0; k < tables.n; k++) {
            sum += weights[k] * tables.x[k][i];
        }
        y[i] = sum;
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    weigh(const float *__restrict__ x, const float *__restrict__ weights, int32_t index,
          float *__restrict__ y, int64_t n)
{
    const float weight = weights[index];
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n;
         i += (int64_t)gridDim.x * blockDim.x) {
        y[i] = weight * x[i];
    }
}

/* partial [tables, shares]; a block a (table, share). */
__global__ void __launch_bounds__(rk::BLOCK)
    dot_shares(rk_tables tables, const float *__restrict__ g, int64_t n,
               double *__restrict__ partial, int64_t n_shares)
{
    __shared__ double shared[WARPS];
    const int64_t total = n_shares * tables.n;
    for (int64_t at = blockIdx.x; at < total; at += gridDim.x) {
        const float *x = tables.x[at / n_shares];
        const int64_t share = at % n_shares;
        const double result = rk::share_dot(g, x, n, share, shared);
        if (threadIdx.x == 0) {
            partial[at] = result;
        }
        __syncthreads(); /* before the next share's sums go to `shared` */
    }
}

/* A block a table. */
__global__ void __launch_bounds__(rk::BLOCK)
    finish_dots(const double *__restrict__ partial, int64_t n_shares, float alpha,
                float *__restrict__ y)
{
    __shared__ double shared[WARPS];
    double sum = 0.0;
    for (int64_t i = threadIdx.x; i < n_shares; i += rk::BLOCK) {
        sum += partial[blockIdx.x * n_shares + i];
    }
    const double total = rk::block_total(sum, shared);
    if (threadIdx.x == 0) {
        y[blockIdx.x] = (float)((double)alpha * total);
    }
}

__global__ void softmax_weights(const float *__restrict__ x, float *__restrict__ w, int64_t n)
{
    double most = x[0], sum = 0.0;
    for (int64_t k = 1; k < n; k++) {
        most = fmax(most, (double)x[k]);
    }
    for (int64_t k = 0; k < n; k++) {
        sum += exp((double)x[k] - most);
    }
    for (int64_t k = 0; k < n; k++) {
        w[k] = (float)(exp((double)x[k] - most) / sum);
    }
}

__global__ void softmax_weights_grad(const float *__restrict__ w, const float *__restrict__ g,
                                     float *__restrict__ y, int64_t n)
{
    double sum = 0.0;
    for (int64_t k = 0; k < n; k++) {
        sum += (double)w[k] * (double)g[k];
    }
    for (int64_t k = 0; k < n; k++) {
        y[k] = (float)((double)w[k] * ((double)g[k] - sum));
    }
}

__device__ float row_dot(const float *a, const float *b, int64_t d, int lane)
{
    float sum = 0.0f;
    for (int64_t i = lane; i < d; i += rk::WARP) {
        sum += a[i] * b[i];
    }
    return rk::warp_sum(sum);
}

/* gradient NULL: the rows themselves. */
__global__ void __launch_bounds__(rk::BLOCK)
    unit_rows(const float *__restrict__ x, const float *__restrict__ gradient,
              const float *__restrict__ factor, float *__restrict__ y, int64_t n, int64_t d)
{
    const int lane = (int)threadIdx.x % rk::WARP;
    const int64_t stride = (int64_t)gridDim.x * WARPS;
    for (int64_t r = (int64_t)blockIdx.x * WARPS + threadIdx.x / rk::WARP; r < n; r += stride) {
        const float *row = x + r * d;
        const float norm = sqrtf(row_dot(row, row, d, lane));
        const float by = (factor ? factor[r] : 1.0f) / (norm + NORM_EPSILON);
        if (!gradient) {
            for (int64_t i = lane; i < d; i += rk::WARP) {
                y[r * d + i] = by * row[i];
            }
            continue;
        }
        const float *g = gradient + r * d;
        const float along = row_dot(row, g, d, lane);
        const float back = norm > 0.0f ? -by * along / norm / (norm + NORM_EPSILON) : 0.0f;
        for (int64_t i = lane; i < d; i += rk::WARP) {
            y[r * d + i] = norm > 0.0f ? by * g[i] + back * row[i] : 0.0f;
        }
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    scale_nodes(const float *__restrict__ x, const float *__restrict__ factor,
                const int32_t *__restrict__ rows, const int32_t *__restrict__ count,
                float *__restrict__ y, int64_t n, int64_t d)
{
    const int64_t n_used = count ? *count : n;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n * d;
         i += (int64_t)gridDim.x * blockDim.x) {
        const int64_t r = i / d;
        y[i] = r < n_used ? factor[rows ? rows[r] : r] * x[i] : 0.0f;
    }
}

cudaLaunchConfig_t cover(int64_t n, cudaStream_t stream)
{
    const unsigned most = 1u << 16, blocks = rk::blocks_for(n, 2 * rk::BLOCK);
    return rk::launch(blocks < most ? blocks : most, rk::BLOCK, stream);
}

int64_t shares_of(int64_t n)
{
    return (n + rk::SHARE - 1) / rk::SHARE;
}

cudaError_t run_unit_rows(const float *x, const float *gradient, const float *factor, float *y,
                          int64_t n, int64_t d, cudaStream_t stream)
{
    if (n == 0) {
        return cudaSuccess;
    }
    const unsigned most = 1u << 16, blocks = rk::blocks_for(n, WARPS);
    cudaLaunchConfig_t config = rk::launch(blocks < most ? blocks : most, rk::BLOCK, stream);
    return cudaLaunchKernelEx(&config, unit_rows, x, gradient, factor, y, n, d);
}

} // namespace

cudaError_t rk_cuda_mix(rk_tables tables, const float *weights, float *y, int64_t n,
                        cudaStream_t stream)
{
    if (n == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = cover(n, stream);
    return cudaLaunchKernelEx(&config, mix, tables, weights, y, n);
}

cudaError_t rk_cuda_weigh(const float *x, const float *weights, int32_t index, float *y, int64_t n,
                          cudaStream_t stream)
{
    if (n == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = cover(n, stream);
    return cudaLaunchKernelEx(&config, weigh, x, weights, index, y, n);
}

int64_t rk_cuda_table_dots_scratch(int64_t n, int32_t n_tables)
{
    return shares_of(n) * n_tables * (int64_t)sizeof(double);
}

cudaError_t rk_cuda_table_dots(rk_tables tables, const float *g, float *y, int64_t n, float alpha,
                               void *scratch, cudaStream_t stream)
{
    double *partial = static_cast<double *>(scratch);
    const int64_t shares = shares_of(n);
    if (shares > 0) {
        cudaLaunchConfig_t config =
            rk::launch(rk::blocks_for(shares * tables.n, 1), rk::BLOCK, stream);
        RK_TRY_LAUNCH(cudaLaunchKernelEx(&config, dot_shares, tables, g, n, partial, shares));
    }
    cudaLaunchConfig_t config = rk::launch((unsigned)tables.n, rk::BLOCK, stream);
    return cudaLaunchKernelEx(&config, finish_dots, (const double *)partial, shares, alpha, y);
}

cudaError_t rk_cuda_softmax_weights(const float *x, float *w, int64_t n, cudaStream_t stream)
{
    cudaLaunchConfig_t config = rk::launch(1, 1, stream);
    return cudaLaunchKernelEx(&config, softmax_weights, x, w, n);
}

cudaError_t rk_cuda_softmax_weights_grad(const float *w, const float *g, float *y, int64_t n,
                                         cudaStream_t stream)
{
    cudaLaunchConfig_t config = rk::launch(1, 1, stream);
    return cudaLaunchKernelEx(&config, softmax_weights_grad, w, g, y, n);
}

cudaError_t rk_cuda_unit_rows(const float *x, const float *factor, float *y, int64_t n, int64_t d,
                              cudaStream_t stream)
{
    return run_unit_rows(x, nullptr, factor, y, n, d, stream);
}

cudaError_t rk_cuda_unit_rows_grad(const float *x, const float *g, const float *factor, float *y,
                                   int64_t n, int64_t d, cudaStream_t stream)
{
    return run_unit_rows(x, g, factor, y, n, d, stream);
}

cudaError_t rk_cuda_scale_nodes(const float *x, const float *factor, const int32_t *rows,
                                const int32_t *count, float *y, int64_t n, int64_t d,
                                cudaStream_t stream)
{
    if (n * d == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = cover(n * d, stream);
    return cudaLaunchKernelEx(&config, scale_nodes, x, factor, rows, count, y, n, d);
}
