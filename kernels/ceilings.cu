/*
 * What a device can do at best, for rk_device.measure: rows read at random, fused multiply-adds,
 * nothing at all.
 *
 * A group of lanes sums ROWS_IN_SUM rows of d floats with 16-byte loads, eight rows in flight; the
 * sums are whole numbers, so that the caller can tell that every row was read.
 */
#include "base/philox.h"
#include "device.cuh"

namespace
{

constexpr int ROWS_IN_SUM = RK_CEILING_ROWS_IN_SUM, IN_FLIGHT = 8, CHAINS = 8;

/* Blocks on a multiprocessor. Eight rows take 56 registers; without a number the compiler keeps to
 * 32, with two rows in flight. */
[[maybe_unused]] constexpr int RESIDENT = 4;

/* table[i] = 1; rows[i] uniform in [0, n_rows). */
__global__ void __launch_bounds__(rk::BLOCK)
    prepare(float *__restrict__ table, int64_t n_floats, int32_t *__restrict__ rows,
            int64_t n_gathers, int64_t n_rows)
{
    rk::begin();
    const int64_t stride = (int64_t)gridDim.x * blockDim.x;
    const int64_t first = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    for (int64_t i = first; i < n_floats; i += stride) {
        table[i] = 1.0f;
    }
    for (int64_t i = first; i < n_gathers; i += stride) {
        const rk_words w = rk__philox(1, RK_PURPOSE_SYNTH, 0, (uint64_t)i, 0);
        rows[i] = (int32_t)rk__bounded(w.v[0], w.v[1], (uint64_t)n_rows);
    }
}

__global__ void __launch_bounds__(rk::BLOCK, RESIDENT)
    gather(const float *__restrict__ table, int64_t d, const int32_t *__restrict__ rows,
           int64_t n_sums, int packs, int lanes, float *__restrict__ sums)
{
    rk::begin();
    const int lane = (int)(threadIdx.x % (unsigned)lanes);
    const int64_t groups = (int64_t)gridDim.x * (blockDim.x / (unsigned)lanes);
    for (int64_t s = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) / lanes; s < n_sums;
         s += groups) {
        const int32_t *mine = rows + s * ROWS_IN_SUM;
        for (int q = lane; q < packs; q += lanes) {
            rk::pack<4> total = rk::pack<4>::zero();
#pragma unroll 1
            for (int i = 0; i < ROWS_IN_SUM; i += IN_FLIGHT) {
                rk::pack<4> x[IN_FLIGHT];
#pragma unroll
                for (int j = 0; j < IN_FLIGHT; j++) {
                    x[j] = rk::load<4>(table, __ldg(mine + i + j), d, q);
                }
#pragma unroll
                for (int j = 0; j < IN_FLIGHT; j++) {
                    total.add_scaled(1.0f, x[j]);
                }
            }
            rk::store<4>(sums, s, d, q, total);
        }
    }
}

/* 2 * CHAINS * n operations a thread. */
__global__ void __launch_bounds__(rk::BLOCK) multiply(int64_t n, float *__restrict__ out)
{
    rk::begin();
    float x[CHAINS];
#pragma unroll
    for (int j = 0; j < CHAINS; j++) {
        x[j] = (float)(threadIdx.x + (unsigned)j);
    }
    for (int64_t i = 0; i < n; i++) {
#pragma unroll
        for (int j = 0; j < CHAINS; j++) {
            x[j] = x[j] * 0.999f + 0.001f;
        }
    }
    float sum = 0.0f;
    for (int j = 0; j < CHAINS; j++) {
        sum += x[j];
    }
    out[(int64_t)blockIdx.x * blockDim.x + threadIdx.x] = sum;
}

__global__ void nothing()
{
    rk::begin();
}

} // namespace

cudaError_t rk_cuda_ceiling_prepare(float *table, int64_t n_floats, int32_t *rows,
                                    int64_t n_gathers, int64_t n_rows, rk_stream *stream)
{
    const int64_t most = n_floats > n_gathers ? n_floats : n_gathers;
    return rk::run(stream, rk::strided(most, 4 * rk::BLOCK), prepare, table, n_floats, rows,
                   n_gathers, n_rows);
}

cudaError_t rk_cuda_ceiling_gather(const float *table, int64_t d, const int32_t *rows,
                                   int64_t n_sums, float *sums, rk_stream *stream)
{
    const rk::warp_layout layout = rk::layout_for(d, 4);
    return rk::run(stream, rk::strided(n_sums, rk::BLOCK / layout.lanes), gather, table, d, rows,
                   n_sums, layout.packs, layout.lanes, sums);
}

int64_t rk_cuda_ceiling_flops(int64_t blocks, int64_t n)
{
    return 2 * CHAINS * rk::BLOCK * blocks * n;
}

int64_t rk_cuda_ceiling_threads(int64_t blocks)
{
    return rk::BLOCK * blocks;
}

cudaError_t rk_cuda_ceiling_multiply(int64_t blocks, int64_t n, float *out, rk_stream *stream)
{
    return rk::run(stream, {blocks}, multiply, n, out);
}

cudaError_t rk_cuda_ceiling_nothing(rk_stream *stream)
{
    return rk::run(stream, {1, rk::WARP}, nothing);
}
