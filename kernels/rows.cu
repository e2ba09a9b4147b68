/*
 * The row set of a batch and the moves between all nodes [N, d] and its rows [S, d].
 *
 * unique_rows: the distinct nodes in ascending order, and for each the slots that name it in
 * ascending order. Where the graph has a bit for each node, and the batch a counter for each slot,
 * in a block's shared memory, one block does all of it (sort_batch). Else:
 *
 *   mark     map[node] = 0 for every node of the batch, -1 elsewhere
 *   number   exclusive scan over the marks -> map[node] = index in rows, rows[index] = node
 *   count    slots per row (integer atomics: the counts do not depend on their order)
 *   segment  exclusive scan over the counts
 *   place    slots into their segments in any order, then ranked by slot number in each segment
 */
#include "scan.cuh"
#include "tables.cuh"

namespace
{

__global__ void __launch_bounds__(rk::BLOCK)
    mark(const int32_t *__restrict__ nodes, int64_t n_slots, int32_t *__restrict__ map)
{
    rk::begin();
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
    rk::begin();
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
    rk::begin();
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
    rk::begin();
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

/* ---- the same by one block ---- */

constexpr int ONE_BLOCK = 1024; /* its threads */
constexpr int64_t MOST_SLOTS = 8192;
constexpr int64_t DECLARED = ONE_BLOCK / rk::WARP * sizeof(int32_t); /* by sort_batch */

/* Outputs and sizes of unique_rows. */
struct row_set {
    int32_t *rows, *count, *map, *slot_row, *segments, *order;
    int64_t n_slots, n_nodes, n_rows;
};

/* A bit for each node of the batch, the number of bits before each word, a counter for each row. */
struct marks {
    uint32_t *bits;
    int32_t *before, *counts;
    int64_t n_words;
};

int64_t words_of(int64_t n_nodes)
{
    return (n_nodes + rk::WARP - 1) / rk::WARP;
}

int64_t marks_bytes(int64_t n_nodes, int64_t n_slots)
{
    return (2 * words_of(n_nodes) + n_slots) * (int64_t)sizeof(int32_t);
}

bool fits_one_block(int64_t n_nodes, int64_t n_slots)
{
    return n_slots <= MOST_SLOTS && marks_bytes(n_nodes, n_slots) + DECLARED <= rk::SHARED_BYTES;
}

/* The number of a node's row, if its bit is set. */
__device__ __forceinline__ int32_t row_of(const marks &m, int32_t node)
{
    const uint32_t below = m.bits[node / rk::WARP] & ((1u << (node % rk::WARP)) - 1u);
    return m.before[node / rk::WARP] + __popc(below);
}

/* to[i] = sum of size(0) .. size(i - 1); returns the sum of all. */
template <typename SIZE>
__device__ int32_t scan_by_block(int64_t n, int32_t *to, int32_t *warp_sums, SIZE size)
{
    int32_t carried = 0;
    for (int64_t base = 0; base < n; base += ONE_BLOCK) {
        const int64_t i = base + threadIdx.x;
        const int32_t value = i < n ? size(i) : 0;
        const int32_t inclusive = rk::block_inclusive_scan(value, warp_sums);
        if (i < n) {
            to[i] = carried + inclusive - value;
        }
        if (threadIdx.x == ONE_BLOCK - 1) {
            warp_sums[0] = inclusive;
        }
        __syncthreads();
        carried += warp_sums[0];
        __syncthreads();
    }
    return carried;
}

__device__ void mark_nodes(const int32_t *nodes, const row_set &s, const marks &m)
{
    for (int64_t i = threadIdx.x; i < m.n_words; i += ONE_BLOCK) {
        m.bits[i] = 0;
    }
    for (int64_t i = threadIdx.x; i < s.n_slots; i += ONE_BLOCK) {
        m.counts[i] = 0;
    }
    __syncthreads();
    for (int64_t i = threadIdx.x; i < s.n_slots; i += ONE_BLOCK) {
        if (nodes[i] >= 0) {
            atomicOr(&m.bits[nodes[i] / rk::WARP], 1u << (nodes[i] % rk::WARP));
        }
    }
    __syncthreads();
}

/* rows, map, slot_row, and the slots of each row counted. */
__device__ void number_rows(const int32_t *nodes, const row_set &s, const marks &m, int32_t n_used)
{
    for (int64_t i = threadIdx.x; i < s.n_nodes; i += ONE_BLOCK) {
        const bool is_used = m.bits[i / rk::WARP] >> (i % rk::WARP) & 1u;
        const int32_t row = is_used ? row_of(m, (int32_t)i) : -1;
        s.map[i] = row;
        if (is_used) {
            s.rows[row] = (int32_t)i;
        }
    }
    for (int64_t i = n_used + threadIdx.x; i < s.n_rows; i += ONE_BLOCK) {
        s.rows[i] = -1;
    }
    for (int64_t i = threadIdx.x; i < s.n_slots; i += ONE_BLOCK) {
        const int32_t row = nodes[i] >= 0 ? row_of(m, nodes[i]) : -1;
        s.slot_row[i] = row;
        if (row >= 0) {
            atomicAdd(&m.counts[row], 1);
        }
    }
    __syncthreads();
}

/* Slots into their segments in any order, then ranked. */
__device__ void order_slots(const row_set &s, const marks &m, int32_t *unordered)
{
    for (int64_t i = threadIdx.x; i < s.n_slots; i += ONE_BLOCK) {
        const int32_t row = s.slot_row[i];
        if (row >= 0) {
            unordered[atomicAdd(&m.counts[row], 1)] = (int32_t)i; /* counts: where it begins */
        }
    }
    __syncthreads();
    for (int64_t i = threadIdx.x; i < s.n_slots; i += ONE_BLOCK) {
        const int32_t row = s.slot_row[i];
        if (i >= s.segments[s.n_rows]) {
            s.order[i] = -1;
        }
        if (row < 0) {
            continue;
        }
        int32_t place = s.segments[row];
        for (int32_t j = s.segments[row]; j < s.segments[row + 1]; j++) {
            place += unordered[j] < i;
        }
        s.order[place] = (int32_t)i;
    }
}

__global__ void __launch_bounds__(ONE_BLOCK)
    sort_batch(const int32_t *__restrict__ nodes, row_set s, int32_t *unordered, int64_t n_words)
{
    rk::begin();
    RK_DYNAMIC_SHARED(int32_t, shared);
    __shared__ int32_t warp_sums[ONE_BLOCK / rk::WARP];
    const marks m = {reinterpret_cast<uint32_t *>(shared), shared + n_words, shared + 2 * n_words,
                     n_words};
    mark_nodes(nodes, s, m);
    const int32_t n_used =
        scan_by_block(n_words, m.before, warp_sums, [&](int64_t i) { return __popc(m.bits[i]); });
    number_rows(nodes, s, m, n_used);
    const int32_t total =
        scan_by_block(s.n_rows, s.segments, warp_sums, [&](int64_t i) { return m.counts[i]; });
    if (threadIdx.x == 0) {
        *s.count = n_used;
        s.segments[s.n_rows] = total;
    }
    __syncthreads();
    for (int64_t i = threadIdx.x; i < s.n_rows; i += ONE_BLOCK) {
        m.counts[i] = s.segments[i];
    }
    __syncthreads();
    order_slots(s, m, unordered);
}

template <int VECTOR>
__global__ void __launch_bounds__(rk::BLOCK)
    scale_rows(const float *__restrict__ x, const float *__restrict__ factor,
               const int32_t *__restrict__ rows, const int32_t *__restrict__ count,
               float *__restrict__ y, int64_t n_rows, int64_t d, int64_t packs)
{
    rk::begin();
    const int64_t n_used = count ? *count : n_rows;
    FOR_EACH_PACK(row, q, n_rows, packs)
    {
        rk::pack<VECTOR> value = rk::pack<VECTOR>::zero();
        if (row < n_used) {
            value = rk::load<VECTOR>(x, row, d, (int)q);
            value.scale(factor[rows ? rows[row] : row]);
        }
        rk::store<VECTOR>(y, row, d, (int)q, value);
    }
}

template <int VECTOR>
__global__ void __launch_bounds__(rk::BLOCK)
    scatter_rows(const float *__restrict__ x, const int32_t *__restrict__ map,
                 float *__restrict__ y, int64_t n_rows, int64_t d, int64_t packs, float alpha)
{
    rk::begin();
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
    rk::begin();
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
    rk::begin();
    FOR_EACH_PACK(row, q, n_rows, packs)
    {
        const int32_t target = map[row];
        if (target >= 0) {
            rk::store<VECTOR>(y, target, d, (int)q, rk::load<VECTOR>(x, row, d, (int)q));
        }
    }
}

/* The scratch memory of unique_rows, cut up. */
struct lists {
    int32_t *sums, *counts, *unordered;
};

lists cut(const rk_call *call)
{
    const int64_t n_slots = rk__in(call, 0)->rows, n_nodes = call->node->attr.n_nodes;
    lists l;
    l.sums = static_cast<int32_t *>(call->scratch);
    l.counts = l.sums + rk::n_chunks(n_nodes > n_slots ? n_nodes : n_slots);
    l.unordered = l.counts + n_slots;
    return l;
}

} // namespace

int64_t rk_cuda_scratch_unique_rows(const rk_call *call)
{
    const int64_t n_slots = rk__in(call, 0)->rows, n_nodes = call->node->attr.n_nodes;
    return (rk::n_chunks(n_nodes > n_slots ? n_nodes : n_slots) + 2 * n_slots) *
           (int64_t)sizeof(int32_t);
}

cudaError_t rk_cuda_unique_rows(const rk_call *call)
{
    const int64_t n_slots = rk__in(call, 0)->rows, n_nodes = call->node->attr.n_nodes;
    const int64_t n_rows = n_slots < n_nodes ? n_slots : n_nodes;
    if (n_rows == 0) {
        return cudaSuccess;
    }
    rk_stream *const stream = call->stream;
    const int32_t *nodes = rk::in(call, 0);
    int32_t *rows = rk::out(call, 0), *count = rk::out(call, 1), *map = rk::out(call, 2);
    int32_t *slot_row = rk::out(call, 3), *segments = rk::out(call, 4), *order = rk::out(call, 5);
    if (fits_one_block(n_nodes, n_slots)) {
        const row_set s = {rows, count, map, slot_row, segments, order, n_slots, n_nodes, n_rows};
        return rk::run(stream, {1, ONE_BLOCK, marks_bytes(n_nodes, n_slots)}, sort_batch, nodes, s,
                       static_cast<int32_t *>(call->scratch), words_of(n_nodes));
    }
    const lists l = cut(call);
    const rk::grid by_slot = rk::a_thread_each(n_slots);
    RK_TRY_LAUNCH(rk::fill(stream, map, 0xff, n_nodes * (int64_t)sizeof *map));
    RK_TRY_LAUNCH(rk::run(stream, by_slot, mark, nodes, n_slots, map));
    RK_TRY_LAUNCH(rk::scan<true>(stream, map, n_nodes, rk::sums_of<int32_t>{l.sums, count}, rows));
    RK_TRY_LAUNCH(rk::fill(stream, l.counts, 0, n_slots * (int64_t)sizeof *l.counts));
    RK_TRY_LAUNCH(rk::run(stream, by_slot, count_slots, nodes, n_slots, map, count, slot_row,
                          l.counts, rows, n_rows));
    RK_TRY_LAUNCH(rk::scan<false>(stream, l.counts, n_rows,
                                  rk::sums_of<int32_t>{l.sums, segments + n_rows}, segments));
    RK_TRY_LAUNCH(
        rk::run(stream, by_slot, gather_slots, slot_row, n_slots, segments, l.counts, l.unordered));
    return rk::run(stream, by_slot, rank_slots, slot_row, n_slots, segments, l.unordered, order,
                   n_rows);
}

cudaError_t rk::scatter_rows(rk_stream *stream, const row_move &m, float alpha)
{
    return run(stream, a_pack_each(m.n_rows, m.d),
               has_vectors(m.d) ? ::scatter_rows<4> : ::scatter_rows<1>, m.x, m.map, m.y, m.n_rows,
               m.d, packs_of(m.d), alpha);
}

cudaError_t rk::spread_rows(rk_stream *stream, const row_move &m)
{
    return run(stream, a_pack_each(m.n_rows, m.d),
               has_vectors(m.d) ? ::spread_rows<4> : ::spread_rows<1>, m.x, m.map, m.y, m.n_rows,
               m.d, packs_of(m.d));
}

cudaError_t rk_cuda_combine_rows(const rk_call *call)
{
    const rk_tensor *y = rk__out(call, 0);
    return rk::sum_tables(call->stream, {rk::tables_of(call, 2), rk::in(call, 0), rk::in(call, 1),
                                         rk::out(call, 0), y->rows, y->cols});
}

cudaError_t rk_cuda_scale_rows(const rk_call *call)
{
    const rk_tensor *y = rk__out(call, 0);
    return rk::run(call->stream, rk::a_pack_each(y->rows, y->cols),
                   rk::has_vectors(y->cols) ? scale_rows<4> : scale_rows<1>, rk::in(call, 0),
                   rk::in(call, 1), rk::in(call, 2), rk::in(call, 3), rk::out(call, 0), y->rows,
                   y->cols, rk::packs_of(y->cols));
}

cudaError_t rk_cuda_scatter_rows(const rk_call *call)
{
    const rk_tensor *y = rk__out(call, 0);
    return rk::scatter_rows(call->stream,
                            {rk::in(call, 0), rk::in(call, 1), rk::out(call, 0), y->rows, y->cols},
                            call->node->attr.weight[0]);
}

cudaError_t rk_cuda_scatter_add_rows(const rk_call *call)
{
    const rk_tensor *x = rk__in(call, 1);
    return rk::run(call->stream, rk::a_pack_each(x->rows, x->cols),
                   rk::has_vectors(x->cols) ? scatter_add_rows<4> : scatter_add_rows<1>,
                   rk::out(call, 0), rk::in(call, 1), rk::in(call, 2), rk::in(call, 3), x->cols,
                   rk::packs_of(x->cols), call->node->attr.weight[0]);
}
