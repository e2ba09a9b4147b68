/*
 * The row set of a batch: its distinct nodes in ascending order, and for each the slots that name
 * it in ascending order.
 *
 *   mark     map[node] = 0 for every node of the batch, -1 elsewhere
 *   number   exclusive scan over the marks -> map[node] = index in rows, rows[index] = node
 *   count    slots per row (integer atomics: the counts do not depend on their order)
 *   segment  exclusive scan over the counts
 *   place    slots into their segments in any order, then ranked by slot number in each segment
 */
#include "scan.cuh"

namespace
{

__global__ void __launch_bounds__(rk::BLOCK)
    mark(const int32_t *__restrict__ nodes, int64_t n_slots, int32_t *__restrict__ map)
{
    const int64_t s = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (s < n_slots && nodes[s] >= 0) {
        atomicExch(&map[nodes[s]], 0); /* several slots may name a node: plain stores would race */
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

scratch cut(void *memory, int64_t n_slots, int64_t n_nodes)
{
    const int64_t most = n_nodes > n_slots ? n_nodes : n_slots;
    scratch s;
    s.sums = static_cast<int32_t *>(memory);
    s.counts = s.sums + rk::n_chunks(most);
    s.unordered = s.counts + n_slots;
    return s;
}

} // namespace

int64_t rk_cuda_unique_rows_scratch(int64_t n_slots, int64_t n_nodes)
{
    const int64_t most = n_nodes > n_slots ? n_nodes : n_slots;
    return (rk::n_chunks(most) + 2 * n_slots) * (int64_t)sizeof(int32_t);
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
    RK_TRY_LAUNCH(rk::scan<true>(map, n_nodes, s.sums, count, rows, stream));
    RK_TRY_LAUNCH(cudaMemsetAsync(s.counts, 0, (size_t)n_slots * sizeof *s.counts, stream));
    RK_TRY_LAUNCH(cudaLaunchKernelEx(&by_slot, count_slots, nodes, n_slots, (const int32_t *)map,
                                     (const int32_t *)count, slot_row, s.counts, rows, n_rows));
    RK_TRY_LAUNCH(rk::scan<false>(s.counts, n_rows, s.sums, segments + n_rows, segments, stream));
    RK_TRY_LAUNCH(cudaLaunchKernelEx(&by_slot, gather_slots, (const int32_t *)slot_row, n_slots,
                                     (const int32_t *)segments, s.counts, s.unordered));
    return cudaLaunchKernelEx(&by_slot, rank_slots, (const int32_t *)slot_row, n_slots,
                              (const int32_t *)segments, (const int32_t *)s.unordered, order,
                              n_rows);
}
