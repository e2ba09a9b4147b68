/*
 * Products with the Gram matrix at the precision of fp32, on tensor cores.
 *
 * Numbers are cut into two halves (fp16), v = high + low with a power of two in front that keeps
 * them in range: 2^14 for C, whose elements are at most 1 in magnitude, and one for a whole pair
 * table, from its largest element. Each half has 11 bits, so v is known to 2^-22 of itself, or
 * 2^-39 of the largest element. Products of halves are exact in fp32; of
 *
 *     C x = C_high x_high + C_high x_low + C_low x_high + C_low x_low
 *
 * the last, 2^-22 of the result, is left out. The table is packed as [t_high q_high t_low q_low], n
 * rows, so that one product with C_high gives the first two terms of both halves.
 */
#include "half.cuh"

namespace
{

constexpr float GRAM_FACTOR = 16384.0f;

__device__ __forceinline__ void cut(float value, rk_half *high, rk_half *low)
{
    const __half first = __float2half_rn(value);
    *high = __half_as_ushort(first);
    *low = __half_as_ushort(__float2half_rn(value - __half2float(first)));
}

/* Rows of n become rows of `stride`, filled up with zeros. */
__global__ void __launch_bounds__(rk::BLOCK)
    cut_gram(const float *__restrict__ gram, int64_t n, int64_t stride, rk_half *__restrict__ high,
             rk_half *__restrict__ low)
{
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n * stride;
         i += (int64_t)gridDim.x * blockDim.x) {
        const int64_t column = i % stride;
        cut(column < n ? GRAM_FACTOR * gram[i / stride * n + column] : 0.0f, high + i, low + i);
    }
}

/* The bits of numbers that are not negative order as integers do. */
__global__ void __launch_bounds__(rk::BLOCK)
    largest_of(const float *__restrict__ x, int64_t n, int *__restrict__ largest)
{
    int most = 0;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n;
         i += (int64_t)gridDim.x * blockDim.x) {
        most = max(most, __float_as_int(x[i]) & 0x7fffffff);
    }
    for (int distance = rk::WARP / 2; distance > 0; distance /= 2) {
        most = max(most, __shfl_xor_sync(rk::ALL_LANES, most, distance));
    }
    if (threadIdx.x % rk::WARP == 0) {
        atomicMax(largest, most);
    }
}

/* 2^exponent in front of a table: its largest element comes to lie in [2^14, 2^15). */
__device__ __forceinline__ int exponent_for(int largest)
{
    return min(14 - ((largest >> 23) - 127), 126);
}

__global__ void __launch_bounds__(rk::BLOCK)
    pack_pairs(const float *__restrict__ x, const int *__restrict__ largest, int64_t n, int64_t d,
               int64_t halves, rk_half *__restrict__ packed)
{
    const float factor = ldexpf(1.0f, exponent_for(*largest));
    const int64_t width = halves * d;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n * width;
         i += (int64_t)gridDim.x * blockDim.x) {
        const int64_t half = i / (n * d), row = i / d % n, column = i % d;
        rk_half *to = packed + row * 2 * width + half * d + column;
        cut(factor * x[i], to, to + width);
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    unpack_pairs(const float *__restrict__ sums, const int *__restrict__ largest, int64_t n,
                 int64_t d, int64_t halves, float *__restrict__ y)
{
    const float factor = ldexpf(1.0f / GRAM_FACTOR, -exponent_for(*largest));
    const int64_t width = halves * d;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n * width;
         i += (int64_t)gridDim.x * blockDim.x) {
        const int64_t half = i / (n * d), row = i / d % n, column = i % d;
        const float *from = sums + row * 2 * width + half * d + column;
        y[i] = factor * (from[0] + from[width]);
    }
}

cudaLaunchConfig_t cover(int64_t n, cudaStream_t stream)
{
    constexpr unsigned MOST_BLOCKS = 4096;
    const unsigned blocks = rk::blocks_for(n, rk::BLOCK);
    return rk::launch(blocks < MOST_BLOCKS ? blocks : MOST_BLOCKS, rk::BLOCK, stream);
}

} // namespace

cudaError_t rk_cuda_gram_cut(const float *gram, int64_t n, int64_t stride, rk_half *high,
                             rk_half *low, cudaStream_t stream)
{
    if (n == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = cover(n * stride, stream);
    return cudaLaunchKernelEx(&config, cut_gram, gram, n, stride, high, low);
}

cudaError_t rk_cuda_gram_pack(const float *x, int64_t n, int64_t d, int64_t halves, rk_half *packed,
                              int *largest, cudaStream_t stream)
{
    RK_TRY_LAUNCH(cudaMemsetAsync(largest, 0, sizeof *largest, stream));
    if (n * d == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = cover(halves * n * d, stream);
    RK_TRY_LAUNCH(cudaLaunchKernelEx(&config, largest_of, x, halves * n * d, largest));
    return cudaLaunchKernelEx(&config, pack_pairs, x, (const int *)largest, n, d, halves, packed);
}

cudaError_t rk_cuda_gram_unpack(const float *sums, const int *largest, int64_t n, int64_t d,
                                int64_t halves, float *y, cudaStream_t stream)
{
    if (n * d == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = cover(halves * n * d, stream);
    return cudaLaunchKernelEx(&config, unpack_pairs, sums, largest, n, d, halves, y);
}
