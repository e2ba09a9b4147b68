/*
 * Exclusive scans over a table of integers in three launches: sums of chunks, a scan of the sums in
 * one block, the chunks. SUM is the type of the sums, wider than the elements where these may add
 * up to more than 2^31.
 */
#ifndef RK_KERNELS_SCAN_CUH
#define RK_KERNELS_SCAN_CUH

#include "device.cuh"

namespace rk
{

constexpr int CHUNK = 4 * BLOCK; /* elements of a block in a scan */

/* Sums that a scan of n elements needs as working memory. */
inline int64_t n_chunks(int64_t n)
{
    return (n + CHUNK - 1) / CHUNK;
}

/* Inclusive scan over the block; every thread calls it. */
template <typename SUM>
__device__ __forceinline__ SUM block_inclusive_scan(SUM value, SUM *warp_sums)
{
    const int lane = (int)threadIdx.x & (WARP - 1), warp = (int)threadIdx.x / WARP;
    for (int distance = 1; distance < WARP; distance *= 2) {
        const SUM below = __shfl_up_sync(ALL_LANES, value, (unsigned)distance);
        value += lane >= distance ? below : 0;
    }
    if (lane == WARP - 1) {
        warp_sums[warp] = value;
    }
    __syncthreads();
    SUM before = 0;
    for (int w = 0; w < warp; w++) {
        before += warp_sums[w];
    }
    __syncthreads(); /* warp_sums may be written again */
    return value + before;
}

/* Value of element i of the scan: a mark (at least 0) or a count. */
template <bool MARKS> __device__ __forceinline__ int32_t scanned(const int32_t *in, int64_t i)
{
    return MARKS ? (int32_t)(in[i] >= 0) : in[i];
}

template <bool MARKS, typename SUM>
__global__ void __launch_bounds__(BLOCK)
    chunk_sums(const int32_t *__restrict__ in, int64_t n, SUM *__restrict__ sums)
{
    begin();
    __shared__ SUM warp_sums[BLOCK / WARP];
    SUM sum = 0;
    for (int k = 0; k < CHUNK / BLOCK; k++) {
        const int64_t i = (int64_t)blockIdx.x * CHUNK + k * BLOCK + threadIdx.x;
        sum += i < n ? scanned<MARKS>(in, i) : 0;
    }
    sum = block_inclusive_scan(sum, warp_sums);
    if (threadIdx.x == blockDim.x - 1) {
        sums[blockIdx.x] = sum;
    }
}

/* Exclusive scan of the chunks' sums in one block; the total goes to *total. */
template <typename SUM>
__global__ void __launch_bounds__(BLOCK)
    scan_sums(SUM *__restrict__ sums, int64_t n, SUM *__restrict__ total)
{
    begin();
    __shared__ SUM warp_sums[BLOCK / WARP];
    __shared__ SUM carried;
    if (threadIdx.x == 0) {
        carried = 0;
    }
    __syncthreads();
    for (int64_t base = 0; base < n; base += BLOCK) {
        const int64_t i = base + threadIdx.x;
        const SUM value = i < n ? sums[i] : 0, before = carried;
        const SUM inclusive = block_inclusive_scan(value, warp_sums);
        if (i < n) {
            sums[i] = before + inclusive - value;
        }
        __syncthreads();
        if (threadIdx.x == blockDim.x - 1) {
            carried = before + inclusive;
        }
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        *total = carried;
    }
}

/* Counts: out[i] = their sum before i. Marks: in[i] becomes the number of its mark, and out[number]
 * = i. */
template <bool MARKS, typename SUM>
__global__ void __launch_bounds__(BLOCK)
    scan_chunks(int32_t *__restrict__ in, int64_t n, const SUM *__restrict__ sums,
                SUM *__restrict__ out)
{
    begin();
    __shared__ SUM warp_sums[BLOCK / WARP];
    SUM before = sums[blockIdx.x];
    __shared__ SUM block_total;
    for (int k = 0; k < CHUNK / BLOCK; k++) {
        const int64_t i = (int64_t)blockIdx.x * CHUNK + k * BLOCK + threadIdx.x;
        const SUM value = i < n ? scanned<MARKS>(in, i) : 0;
        const SUM inclusive = block_inclusive_scan(value, warp_sums);
        const SUM index = before + inclusive - value;
        if (MARKS && value) {
            in[i] = (int32_t)index;
            out[index] = (SUM)i;
        } else if (!MARKS && i < n) {
            out[i] = index;
        }
        if (threadIdx.x == blockDim.x - 1) {
            block_total = inclusive;
        }
        __syncthreads();
        before += block_total;
        __syncthreads();
    }
}

/* Where a scan of n elements puts its sums: n_chunks(n) of them, and the total. */
template <typename SUM> struct sums_of {
    SUM *chunks, *total;
};

/* Only marks are written to. */
template <bool MARKS, typename SUM>
cudaError_t scan(rk_stream *stream, int32_t *in, int64_t n, sums_of<SUM> sums, SUM *out)
{
    const grid by_chunk = {n_chunks(n)};
    RK_TRY_LAUNCH(run(stream, by_chunk, chunk_sums<MARKS, SUM>, in, n, sums.chunks));
    RK_TRY_LAUNCH(run(stream, {1}, scan_sums<SUM>, sums.chunks, n_chunks(n), sums.total));
    return run(stream, by_chunk, scan_chunks<MARKS, SUM>, in, n, sums.chunks, out);
}

} // namespace rk

#endif
