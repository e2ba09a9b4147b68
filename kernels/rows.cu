/*
 * The row set of a batch: its distinct nodes in ascending order, and for each the slots that name
 * it in ascending order.
 *
 *   mark     map[node] = 0 for every node of the batch, -1 elsewhere
 *   number   exclusive scan over the marks -> map[node] = index in rows, rows[index] = node
 *   count    slots per row (integer atomics: the counts do not depend on their order)
 *   segment  exclusive scan over the counts
 *   place    slots into their segments in any order, then ranked by slot number in each segment
 *
 * The scans go in three launches: sums of chunks, a scan of the sums in one block, the chunks.
 */
#include "device.cuh"

namespace
{

constexpr int CHUNK = 4 * rk::BLOCK; /* elements of a block in a scan */

__global__ void __launch_bounds__(rk::BLOCK)
    mark(const int32_t *__restrict__ nodes, int64_t n_slots, int32_t *__restrict__ map)
{
    const int64_t s = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (s < n_slots && nodes[s] >= 0) {
        atomicExch(&map[nodes[s]], 0); /* several slots may name a node: plain stores would race */
    }
}

/* Inclusive scan over the block; every thread calls it. */
__device__ __forceinline__ int32_t block_inclusive_scan(int32_t value, int32_t *warp_sums)
{
    const int lane = (int)threadIdx.x & (rk::WARP - 1), warp = (int)threadIdx.x / rk::WARP;
    for (int distance = 1; distance < rk::WARP; distance *= 2) {
        const int32_t below = __shfl_up_sync(rk::ALL_LANES, value, (unsigned)distance);
        value += lane >= distance ? below : 0;
    }
    if (lane == rk::WARP - 1) {
        warp_sums[warp] = value;
    }
    __syncthreads();
    int32_t before = 0;
    for (int w = 0; w < warp; w++) {
        before += warp_sums[w];
    }
    __syncthreads(); /* warp_sums may be written again */
    return value + before;
}

/* Value of element i of the scan: a mark (map >= 0) or a count. */
template <bool MARKS> __device__ __forceinline__ int32_t scanned(const int32_t *in, int64_t i)
{
    return MARKS ? (int32_t)(in[i] >= 0) : in[i];
}

template <bool MARKS>
__global__ void __launch_bounds__(rk::BLOCK)
    chunk_sums(const int32_t *__restrict__ in, int64_t n, int32_t *__restrict__ sums)
{
    __shared__ int32_t warp_sums[rk::BLOCK / rk::WARP];
    int32_t sum = 0;
    for (int k = 0; k < CHUNK / rk::BLOCK; k++) {
        const int64_t i = (int64_t)blockIdx.x * CHUNK + k * rk::BLOCK + threadIdx.x;
        sum += i < n ? scanned<MARKS>(in, i) : 0;
    }
    sum = block_inclusive_scan(sum, warp_sums);
    if (threadIdx.x == blockDim.x - 1) {
        sums[blockIdx.x] = sum;
    }
}

/* Exclusive scan of the chunks' sums in one block; the total goes to *total. */
__global__ void __launch_bounds__(rk::BLOCK)
    scan_sums(int32_t *__restrict__ sums, int64_t n, int32_t *__restrict__ total)
{
    __shared__ int32_t warp_sums[rk::BLOCK / rk::WARP];
    __shared__ int32_t carried;
    if (threadIdx.x == 0) {
        carried = 0;
    }
    __syncthreads();
    for (int64_t base = 0; base < n; base += rk::BLOCK) {
        const int64_t i = base + threadIdx.x;
        const int32_t value = i < n ? sums[i] : 0, before = carried;
        const int32_t inclusive = block_inclusive_scan(value, warp_sums);
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

/* MARKS: map and rows from the scan; else segments from the counts. */
template <bool MARKS>
__global__ void __launch_bounds__(rk::BLOCK)
    scan_chunks(int32_t *__restrict__ in, int64_t n, const int32_t *__restrict__ sums,
                int32_t *__restrict__ out)
{
    __shared__ int32_t warp_sums[rk::BLOCK / rk::WARP];
    int32_t before = sums[blockIdx.x];
    __shared__ int32_t block_total;
    for (int k = 0; k < CHUNK / rk::BLOCK; k++) {
        const int64_t i = (int64_t)blockIdx.x * CHUNK + k * rk::BLOCK + threadIdx.x;
        const int32_t value = i < n ? scanned<MARKS>(in, i) : 0;
        const int32_t inclusive = block_inclusive_scan(value, warp_sums);
        const int32_t index = before + inclusive - value;
        if (MARKS && value) {
            in[i] = index;
            out[index] = (int32_t)i;
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

/* slot_row, and how many slots each row has; rows beyond the count become -1. */
__global__ void __launch_bounds__(rk::BLOCK)
    count_slots(const int32_t *__restrict__ nodes, int64_t n_slots, const int32_t *__restrict__ map,
                const int32_t *__restrict__ count, int32_t *__restrict__ slot_row,
                int32_t *__restrict__ counts, int32_t *__restrict__ rows, int64_t n_rows)
{
    const int64_t s = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (s >= n_slots) {
        return;
    }
    const int32_t row = nodes[s] >= 0 ? map[nodes[s]] : -1;
    slot_row[s] = row;
    if (row >= 0) {
        atomicAdd(&counts[row], 1);
    }
    if (s >= *count && s < n_rows) {
        rows[s] = -1;
    }
}

/* Slots into their segments in any order; cursor counts down what is left of each. */
__global__ void __launch_bounds__(rk::BLOCK)
    gather_slots(const int32_t *__restrict__ slot_row, int64_t n_slots,
                 const int32_t *__restrict__ segments, int32_t *__restrict__ cursor,
                 int32_t *__restrict__ unordered)
{
    const int64_t s = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (s < n_slots && slot_row[s] >= 0) {
        const int32_t row = slot_row[s];
        unordered[segments[row] + atomicSub(&cursor[row], 1) - 1] = (int32_t)s;
    }
}

/* The place of a slot in its segment is the number of smaller slots there. Entries of `order`
 * behind the last segment (unused slots of a short batch) become -1. */
__global__ void __launch_bounds__(rk::BLOCK)
    rank_slots(const int32_t *__restrict__ slot_row, int64_t n_slots,
               const int32_t *__restrict__ segments, const int32_t *__restrict__ unordered,
               int32_t *__restrict__ order, int64_t n_rows)
{
    const int64_t s = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (s >= n_slots) {
        return;
    }
    if (s >= segments[n_rows]) {
        order[s] = -1;
    }
    const int32_t row = slot_row[s];
    if (row < 0) {
        return;
    }
    const int32_t begin = segments[row], end = segments[row + 1];
    int32_t place = begin;
    for (int32_t i = begin; i < end; i++) {
        place += unordered[i] < s;
    }
    order[place] = (int32_t)s;
}

/* The scratch memory, cut up. */
struct scratch {
    int32_t *sums, *counts, *unordered;
};

int64_t n_chunks(int64_t n)
{
    return (n + CHUNK - 1) / CHUNK;
}

scratch cut(void *memory, int64_t n_slots, int64_t n_nodes)
{
    const int64_t most = n_nodes > n_slots ? n_nodes : n_slots;
    scratch s;
    s.sums = static_cast<int32_t *>(memory);
    s.counts = s.sums + n_chunks(most);
    s.unordered = s.counts + n_slots;
    return s;
}

template <bool MARKS>
cudaError_t scan(int32_t *in, int64_t n, int32_t *sums, int32_t *total, int32_t *out,
                 cudaStream_t stream)
{
    cudaLaunchConfig_t config = rk::launch((unsigned)n_chunks(n), rk::BLOCK, stream);
    RK_TRY_LAUNCH(cudaLaunchKernelEx(&config, chunk_sums<MARKS>, (const int32_t *)in, n, sums));
    cudaLaunchConfig_t one = rk::launch(1, rk::BLOCK, stream);
    RK_TRY_LAUNCH(cudaLaunchKernelEx(&one, scan_sums, sums, n_chunks(n), total));
    return cudaLaunchKernelEx(&config, scan_chunks<MARKS>, in, n, (const int32_t *)sums, out);
}

} // namespace

int64_t rk_cuda_unique_rows_scratch(int64_t n_slots, int64_t n_nodes)
{
    const int64_t most = n_nodes > n_slots ? n_nodes : n_slots;
    return (n_chunks(most) + 2 * n_slots) * (int64_t)sizeof(int32_t);
}

cudaError_t rk_cuda_unique_rows(const int32_t *nodes, int64_t n_slots, int64_t n_nodes,
                                int32_t *rows, int32_t *count, int32_t *map, int32_t *slot_row,
                                int32_t *segments, int32_t *order, void *memory,
                                cudaStream_t stream)
{
    if (n_slots == 0 || n_nodes == 0) {
        return cudaSuccess;
    }
    const scratch s = cut(memory, n_slots, n_nodes);
    const int64_t n_rows = n_slots < n_nodes ? n_slots : n_nodes;
    cudaLaunchConfig_t by_slot = rk::launch(rk::blocks_for(n_slots, rk::BLOCK), rk::BLOCK, stream);
    RK_TRY_LAUNCH(cudaMemsetAsync(map, 0xff, (size_t)n_nodes * sizeof *map, stream));
    RK_TRY_LAUNCH(cudaLaunchKernelEx(&by_slot, mark, nodes, n_slots, map));
    RK_TRY_LAUNCH(scan<true>(map, n_nodes, s.sums, count, rows, stream));
    RK_TRY_LAUNCH(cudaMemsetAsync(s.counts, 0, (size_t)n_slots * sizeof *s.counts, stream));
    RK_TRY_LAUNCH(cudaLaunchKernelEx(&by_slot, count_slots, nodes, n_slots, (const int32_t *)map,
                                     (const int32_t *)count, slot_row, s.counts, rows, n_rows));
    RK_TRY_LAUNCH(scan<false>(s.counts, n_rows, s.sums, segments + n_rows, segments, stream));
    RK_TRY_LAUNCH(cudaLaunchKernelEx(&by_slot, gather_slots, (const int32_t *)slot_row, n_slots,
                                     (const int32_t *)segments, s.counts, s.unordered));
    return cudaLaunchKernelEx(&by_slot, rank_slots, (const int32_t *)slot_row, n_slots,
                              (const int32_t *)segments, (const int32_t *)s.unordered, order,
                              n_rows);
}
