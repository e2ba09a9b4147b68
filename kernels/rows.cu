/*
 * The row set of a batch and the moves between all nodes [N, d] and its rows [S, d].
 *
 * unique_rows: the distinct nodes in ascending order, and for each the slots that name it in
 * ascending order.
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
    const lists l = cut(call);
    void *const stream = call->stream;
    const int32_t *nodes = rk::in(call, 0);
    int32_t *rows = rk::out(call, 0), *count = rk::out(call, 1), *map = rk::out(call, 2);
    int32_t *slot_row = rk::out(call, 3), *segments = rk::out(call, 4), *order = rk::out(call, 5);
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

cudaError_t rk::scatter_rows(void *stream, const row_move &m, float alpha)
{
    return run(stream, a_pack_each(m.n_rows, m.d),
               has_vectors(m.d) ? ::scatter_rows<4> : ::scatter_rows<1>, m.x, m.map, m.y, m.n_rows,
               m.d, packs_of(m.d), alpha);
}

cudaError_t rk::spread_rows(void *stream, const row_move &m)
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
