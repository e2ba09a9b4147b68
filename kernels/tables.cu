/*
 * Sums of tables and the moves between all nodes [N, d] and the rows of a batch [S, d].
 *
 * Every output element is written by one thread in one fixed order of additions. A grid covers rows
 * times packs (16 bytes where the row length allows) and strides over what is left.
 */
#include "half.cuh"

namespace
{

/* What a thread works on: element (row, q) of a table of `packs` packs a row. */
#define FOR_EACH_PACK(row, q, rows, packs)                                                         \
    for (int64_t i_ = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, row = i_ / (packs),          \
                 q = i_ % (packs);                                                                 \
         i_ < (rows) * (int64_t)(packs);                                                           \
         i_ += (int64_t)gridDim.x * blockDim.x, row = i_ / (packs), q = i_ % (packs))

template <int VECTOR>
__global__ void __launch_bounds__(rk::BLOCK)
    combine(rk_tables tables, const int32_t *__restrict__ rows, const int32_t *__restrict__ count,
            float *__restrict__ y, int64_t n_rows, int64_t d, int64_t packs)
{
    const int64_t n_used = count ? *count : n_rows;
    FOR_EACH_PACK(row, q, n_rows, packs)
    {
        rk::pack<VECTOR> sum = rk::pack<VECTOR>::zero();
        if (row < n_used) {
            const int64_t source = rows ? rows[row] : row;
            for (int32_t k = 0; k < tables.n; k++) {
                if (tables.factor[k]) {
                    sum.add_scaled(
                        tables.weight[k] * tables.factor[k][source],
                        rk::load_halves<VECTOR>(reinterpret_cast<const rk_half *>(tables.x[k]),
                                                source, d, (int)q));
                } else {
                    sum.add_scaled(tables.weight[k],
                                   rk::load<VECTOR>(tables.x[k], source, d, (int)q));
                }
            }
        }
        rk::store<VECTOR>(y, row, d, (int)q, sum);
    }
}

template <int VECTOR>
__global__ void __launch_bounds__(rk::BLOCK)
    scale_rows(const float *__restrict__ x, const float *__restrict__ factor,
               const int32_t *__restrict__ count, float *__restrict__ y, int64_t n_rows, int64_t d,
               int64_t packs)
{
    const int64_t n_used = *count;
    FOR_EACH_PACK(row, q, n_rows, packs)
    {
        rk::pack<VECTOR> value = rk::pack<VECTOR>::zero();
        if (row < n_used) {
            value = rk::load<VECTOR>(x, row, d, (int)q);
            value.scale(factor[row]);
        }
        rk::store<VECTOR>(y, row, d, (int)q, value);
    }
}

template <int VECTOR>
__global__ void __launch_bounds__(rk::BLOCK)
    scatter_rows(const float *__restrict__ x, const int32_t *__restrict__ map,
                 float *__restrict__ y, int64_t n_rows, int64_t d, int64_t packs, float alpha)
{
    FOR_EACH_PACK(row, q, n_rows, packs)
    {
        rk::pack<VECTOR> value = rk::pack<VECTOR>::zero();
        const int32_t source = map[row];
        if (source >= 0) {
            value = rk::load<VECTOR>(x, source, d, (int)q);
            value.scale(alpha);
        }
        rk::store<VECTOR>(y, row, d, (int)q, value);
    }
}

template <int VECTOR>
__global__ void __launch_bounds__(rk::BLOCK)
    scatter_add_rows(float *__restrict__ y, const float *__restrict__ x,
                     const int32_t *__restrict__ rows, const int32_t *__restrict__ count, int64_t d,
                     int64_t packs, float alpha)
{
    const int64_t n_used = *count;
    FOR_EACH_PACK(row, q, n_used, packs)
    {
        const int64_t target = rows[row];
        rk::pack<VECTOR> value = rk::load<VECTOR>(y, target, d, (int)q);
        value.add_scaled(alpha, rk::load<VECTOR>(x, row, d, (int)q));
        rk::store<VECTOR>(y, target, d, (int)q, value);
    }
}

template <int VECTOR>
__global__ void __launch_bounds__(rk::BLOCK)
    spread_rows(const float *__restrict__ x, const int32_t *__restrict__ map, float *__restrict__ y,
                int64_t n_rows, int64_t d, int64_t packs)
{
    FOR_EACH_PACK(row, q, n_rows, packs)
    {
        const int32_t target = map[row];
        if (target >= 0) {
            rk::store<VECTOR>(y, target, d, (int)q, rk::load<VECTOR>(x, row, d, (int)q));
        }
    }
}

/* A warp a row: the largest magnitude, then the row again, which is near by then. */
__global__ void __launch_bounds__(rk::BLOCK)
    narrow(const float *__restrict__ x, rk_half *__restrict__ y, float *__restrict__ factor,
           int64_t n_rows, int64_t d)
{
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int64_t warps = (int64_t)gridDim.x * (blockDim.x / rk::WARP);
    for (int64_t row = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) / rk::WARP; row < n_rows;
         row += warps) {
        unsigned largest = 0;
        for (int64_t j = lane; j < d; j += rk::WARP) {
            const unsigned magnitude = __float_as_uint(x[row * d + j]) & RK_MAGNITUDE_BITS;
            largest = magnitude > largest ? magnitude : largest;
        }
        rk::store_halves(y + row * d, factor + row, x + row * d, d, lane, largest);
    }
}

/* Blocks enough to cover n threads once, but no more than keep a large device busy. */
cudaLaunchConfig_t cover(int64_t n, cudaStream_t stream)
{
    const unsigned most = 1u << 16;
    const unsigned blocks = rk::blocks_for(n, rk::BLOCK);
    return rk::launch(blocks < most ? blocks : most, rk::BLOCK, stream);
}

cudaError_t run_combine(rk_tables tables, const int32_t *rows, const int32_t *count, float *y,
                        int64_t n_rows, int64_t d, cudaStream_t stream)
{
    const int64_t packs = rk::has_vectors(d) ? d / 4 : d;
    if (n_rows * packs == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = cover(n_rows * packs, stream);
    return rk::has_vectors(d)
               ? cudaLaunchKernelEx(&config, combine<4>, tables, rows, count, y, n_rows, d, packs)
               : cudaLaunchKernelEx(&config, combine<1>, tables, rows, count, y, n_rows, d, packs);
}

} // namespace

cudaError_t rk_cuda_combine(rk_tables tables, float *y, int64_t n, cudaStream_t stream)
{
    /* One row after the other is one long row: any d that divides n does; 4 gives 16-byte loads. */
    const int64_t d = n % 4 == 0 ? 4 : 1;
    return run_combine(tables, nullptr, nullptr, y, n / d, d, stream);
}

cudaError_t rk_cuda_combine_rows(rk_tables tables, const int32_t *rows, const int32_t *count,
                                 float *y, int64_t n_slots, int64_t d, cudaStream_t stream)
{
    return run_combine(tables, rows, count, y, n_slots, d, stream);
}

cudaError_t rk_cuda_narrow(const float *x, rk_half *y, float *factor, int64_t n_rows, int64_t d,
                           cudaStream_t stream)
{
    if (n_rows * d == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = cover(n_rows * rk::WARP, stream);
    return cudaLaunchKernelEx(&config, narrow, x, y, factor, n_rows, d);
}

cudaError_t rk_cuda_scale_rows(const float *x, const float *factor, const int32_t *count, float *y,
                               int64_t n_slots, int64_t d, cudaStream_t stream)
{
    const int64_t packs = rk::has_vectors(d) ? d / 4 : d;
    if (n_slots * packs == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = cover(n_slots * packs, stream);
    return rk::has_vectors(d)
               ? cudaLaunchKernelEx(&config, scale_rows<4>, x, factor, count, y, n_slots, d, packs)
               : cudaLaunchKernelEx(&config, scale_rows<1>, x, factor, count, y, n_slots, d, packs);
}

cudaError_t rk_cuda_scatter_rows(const float *x, const int32_t *map, float *y, int64_t n_nodes,
                                 int64_t d, float alpha, cudaStream_t stream)
{
    const int64_t packs = rk::has_vectors(d) ? d / 4 : d;
    if (n_nodes * packs == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = cover(n_nodes * packs, stream);
    return rk::has_vectors(d)
               ? cudaLaunchKernelEx(&config, scatter_rows<4>, x, map, y, n_nodes, d, packs, alpha)
               : cudaLaunchKernelEx(&config, scatter_rows<1>, x, map, y, n_nodes, d, packs, alpha);
}

cudaError_t rk_cuda_spread_rows(const float *x, const int32_t *map, float *y, int64_t n, int64_t d,
                                cudaStream_t stream)
{
    const int64_t packs = rk::has_vectors(d) ? d / 4 : d;
    if (n * packs == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = cover(n * packs, stream);
    return rk::has_vectors(d) ? cudaLaunchKernelEx(&config, spread_rows<4>, x, map, y, n, d, packs)
                              : cudaLaunchKernelEx(&config, spread_rows<1>, x, map, y, n, d, packs);
}

cudaError_t rk_cuda_scatter_add_rows(float *y, const float *x, const int32_t *rows,
                                     const int32_t *count, int64_t n_slots, int64_t d, float alpha,
                                     cudaStream_t stream)
{
    const int64_t packs = rk::has_vectors(d) ? d / 4 : d;
    if (n_slots * packs == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = cover(n_slots * packs, stream);
    return rk::has_vectors(d) ? cudaLaunchKernelEx(&config, scatter_add_rows<4>, y, x, rows, count,
                                                   d, packs, alpha)
                              : cudaLaunchKernelEx(&config, scatter_add_rows<1>, y, x, rows, count,
                                                   d, packs, alpha);
}
