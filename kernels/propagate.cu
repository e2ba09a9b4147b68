/*
 * Propagation over the symmetric-normalised graph, a split-row CSR kernel:
 *
 *     y[i] = alpha * s[i] * sum_{j in N(i)} s[j] * x[j],   s = 1 / sqrt(degree)
 *
 * A warp works on a piece of a row (at most a few hundred edges, cut on the host). It reads 32
 * columns and their weights at once, one a lane, the next 32 while it works on these, and hands
 * them round by shuffles; groups of lanes take alternate edges, 16 bytes a lane: 4 floats, or 8
 * halves, which become floats before they are summed. A group's loads leave four at a time, so that
 * what waits is memory and not the warp. The weights s[j] of a stored graph lie in the order of the
 * edges, 4 bytes an edge where a gather of s fetches 32; those of a drawn graph are gathered.
 *
 * The pieces of a row that has several leave partial sums, and the warp that is done last adds
 * them, in the order of the pieces; a counter a row says which one that is. So every sum has one
 * order: the result does not depend on scheduling. Popular rows have tens of partials, few enough
 * for a warp; and as long pieces begin first, most of the graph is still to do when they are added,
 * where a second kernel, or a block for each such row, would begin when all is done.
 *
 * Three variants: all rows; only rows of a row set; only columns of a row set. Of a graph with two
 * sides a half is the pieces of one side's rows, with first_x and first_y saying which node the
 * first row of x and of y belongs to. A graph with dropped edges has the pieces of the graph that
 * it was drawn from, each with what is left of its edges.
 *
 * A row that is not simply stored (rk::row_end) is finished in registers: add what the batch adds
 * there, then store it or take it as the gradient of an Adam step. Halves need the largest of their
 * row first, for which it is put into shared memory.
 */
#include "edge_sum.cuh"
#include "propagate.cuh"

#include <stddef.h>

namespace
{

enum mode { ALL, ROWS, FROM_ROWS };
constexpr int WAITING = 2 * rk::WARP; /* active columns that a warp keeps until there are enough */

/* ---- the ends of rows ---- */

/* Is this warp the last one with a piece of the row? The counter is 0 again when all have come. The
 * fences put the others' partials before what this warp reads. */
__device__ __forceinline__ bool is_last(unsigned *arrived, unsigned n, int lane)
{
    unsigned before = 0;
    __threadfence();
    __syncwarp();
    if (lane == 0) {
        before = atomicInc(arrived, n - 1);
    }
    before = __shfl_sync(rk::ALL_LANES, before, 0);
    __threadfence();
    return before == n - 1;
}

/* What other warps have just written: not from a first-level cache. */
template <int VECTOR>
__device__ __forceinline__ rk::pack<VECTOR> load_fresh(const float *table, int64_t row, int64_t d,
                                                       int q)
{
    const float *from = table + row * d + (int64_t)q * VECTOR;
    if constexpr (VECTOR == 8) {
        return {load_fresh<4>(from, 0, 0, 0), load_fresh<4>(from, 0, 0, 1)};
    } else if constexpr (VECTOR == 4) {
        const float4 v = __ldcg(reinterpret_cast<const float4 *>(from));
        return {v.x, v.y, v.z, v.w};
    } else {
        return {__ldcg(from)};
    }
}

template <int VECTOR>
__device__ __forceinline__ rk::pack<VECTOR> sum_partials(const float *partials,
                                                         const rk_long_row &row, int64_t d, int q)
{
    rk::pack<VECTOR> sum = rk::pack<VECTOR>::zero();
#pragma unroll 1
    for (int s = 0; s < row.n_partials; s += rk::AT_ONCE) {
        rk::pack<VECTOR> part[rk::AT_ONCE];
#pragma unroll
        for (int k = 0; k < rk::AT_ONCE; k++) {
            part[k] = s + k < row.n_partials
                          ? load_fresh<VECTOR>(partials, row.first_partial + s + k, d, q)
                          : rk::pack<VECTOR>::zero();
        }
#pragma unroll
        for (int k = 0; k < rk::AT_ONCE; k++) {
            sum.add_scaled(1.0f, part[k]);
        }
    }
    return sum;
}

/* A step of Adam on pack q of row r; gives the new parameter. */
template <int VECTOR>
__device__ __forceinline__ rk::pack<VECTOR> update(const rk::adam_target &a, rk::adam_scalars s,
                                                   int64_t r, int64_t d, int q,
                                                   const rk::pack<VECTOR> &gradient)
{
    if constexpr (VECTOR == 8) {
        const rk::pack<4> low = update<4>(a, s, r, d, 2 * q, gradient.low);
        return {low, update<4>(a, s, r, d, 2 * q + 1, gradient.high)};
    } else {
        const int64_t at = r * d + (int64_t)q * VECTOR;
        if constexpr (VECTOR == 4) {
            const float4 p =
                rk::adam_four(a, s, at, {gradient.x, gradient.y, gradient.z, gradient.w});
            return {p.x, p.y, p.z, p.w};
        } else {
            return {rk::adam_element(a, s, at, gradient.v)};
        }
    }
}

/* Pack q of row r, which takes `row` for its halves. */
template <int VECTOR>
__device__ __forceinline__ void finish_pack(const rk::row_end &end, int64_t r, int64_t d, int q,
                                            rk::pack<VECTOR> value, float *row)
{
    const int64_t at = end.n_added > 0 ? end.map[r] : -1;
    for (int32_t k = 0; k < end.n_added && at >= 0; k++) {
        value.add_scaled(end.weight[k], rk::load<VECTOR>(end.added[k], at, d, q));
    }
    if (end.floats) {
        rk::store<VECTOR>(end.floats, r, d, q, value);
        return;
    }
    if (end.adam.parameter) {
        value = update<VECTOR>(end.adam, *end.adam.scalars, r, d, q, value);
    }
    if (end.halves) {
        rk::store<VECTOR>(row, 0, d, q, value);
    }
}

/* A row of values in shared memory as halves; all lanes of a warp. */
__device__ __forceinline__ void finish_halves(const rk::row_end &end, int64_t r,
                                              const float *values, int64_t d, int lane)
{
    unsigned largest = 0;
    __syncwarp();
    for (int64_t j = lane; j < d; j += rk::WARP) {
        const unsigned magnitude = __float_as_uint(values[j]) & RK_MAGNITUDE_BITS;
        largest = magnitude > largest ? magnitude : largest;
    }
    rk::store_halves(end.halves + r * d, end.exponent + r, values, d, lane, largest);
}

/* Floats of shared memory for a row; rows begin at multiples of 16 bytes. */
__host__ __device__ inline int64_t row_floats(int64_t d)
{
    return (d + 3) / 4 * 4;
}

/* Rows of y, how many of them the batch has, and what comes first there; ROWS only. */
struct batch {
    const int32_t *count;
    int64_t n_rows;
    rk::tables whole;
};

/* Rounded for itself: not joined with the addition that comes after it. */
__device__ __forceinline__ rk::pack<1> product(float a, rk::pack<1> x)
{
    return {__fmul_rn(a, x.v)};
}

__device__ __forceinline__ rk::pack<4> product(float a, rk::pack<4> x)
{
    return {__fmul_rn(a, x.x), __fmul_rn(a, x.y), __fmul_rn(a, x.z), __fmul_rn(a, x.w)};
}

__device__ __forceinline__ rk::pack<8> product(float a, rk::pack<8> x)
{
    return {product(a, x.low), product(a, x.high)};
}

/* The warp's piece in one register: a word of it a lane. */
struct piece_words {
    int mine;

    __device__ __forceinline__ int word(size_t offset) const
    {
        return __shfl_sync(rk::ALL_LANES, mine, (int)(offset / sizeof(int)));
    }
    __device__ __forceinline__ int64_t wide(size_t offset) const
    {
        const unsigned low = (unsigned)word(offset);
        return (int64_t)((uint64_t)(unsigned)word(offset + sizeof(int)) << 32 | low);
    }
};
static_assert(sizeof(rk_piece) == 8 * sizeof(int), "a lane takes a word");

/* Its edges, as this lane takes them. */
__device__ __forceinline__ rk::edge_list edges_of(const piece_words &piece,
                                                  const rk_split_rows &split,
                                                  const int32_t *columns, const float *scale,
                                                  int lane)
{
    int64_t begin, end;
    if (split.first) {
        const int64_t *first = split.first + piece.word(offsetof(rk_piece, number));
        begin = first[0];
        end = first[1];
    } else {
        begin = piece.wide(offsetof(rk_piece, begin));
        end = piece.wide(offsetof(rk_piece, end));
    }
    return {columns, split.weights, scale, begin + lane, (int)(end - begin)};
}

/* ONCE: a warp has a lane for each pack of a row. */
template <int VECTOR, bool HALVES, mode MODE, bool PLAIN, bool ONCE>
__global__ void __launch_bounds__(rk::BLOCK, PLAIN ? 5 : 4)
    propagate_pieces(rk_split_rows split, const int32_t *__restrict__ columns,
                     const float *__restrict__ scale, const int32_t *__restrict__ map,
                     rk::gathered x, rk::row_end end, const uint32_t *__restrict__ active,
                     batch rows_of_y, float *__restrict__ partials, int64_t d, int packs, int lanes,
                     float alpha)
{
    rk::begin();
    RK_DYNAMIC_SHARED(float, rows);
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int group = lane / lanes, n_groups = rk::WARP / lanes;
    const int warp = (int)threadIdx.x / rk::WARP, n_warps = (int)blockDim.x / rk::WARP;
    const int64_t p = (int64_t)blockIdx.x * n_warps + warp;
    if (MODE == ROWS && p < rows_of_y.n_rows && p >= *rows_of_y.count) {
        for (int q = lane; q < packs; q += rk::WARP) { /* a row that the batch has no use for */
            rk::store<VECTOR>(end.floats, p, d, q, rk::pack<VECTOR>::zero());
        }
    }
    if (p >= split.n_pieces) {
        return; /* the whole warp */
    }
    const piece_words piece = {__ldg(reinterpret_cast<const int *>(split.pieces + p) + lane % 8)};
    if (MODE == ROWS && map[piece.word(offsetof(rk_piece, row))] < 0) {
        return; /* the whole warp */
    }
    float *row = PLAIN ? nullptr : rows + warp * row_floats(d);
    const auto store_row = [&](const rk::pack<VECTOR> &sum, int r, int q) {
        const rk::pack<VECTOR> value = product(alpha * scale[r], sum);
        if constexpr (MODE == ROWS) {
            rk::pack<VECTOR> y = rk::sum_pack<VECTOR>(rows_of_y.whole, r, d, q);
            y.add_scaled(1.0f, value);
            rk::store<VECTOR>(end.floats, map[r], d, q, rows_of_y.whole.n > 0 ? y : value);
        } else if constexpr (PLAIN) {
            rk::store<VECTOR>(end.floats, r - split.first_y, d, q, value);
        } else {
            finish_pack<VECTOR>(end, r, d, q, value, row);
        }
    };
    int first = 0;
    do {
        const int q = first + lane % lanes, mine_q = q < packs ? q : packs - 1;
        using element = rk::element<VECTOR, HALVES>;
        const rk::lane_share mine = {
            static_cast<const char *>(x.rows) + mine_q * (int)sizeof(typename element::type),
            (uint32_t)packs * (uint32_t)sizeof(typename element::type), group, n_groups};
        const rk::edge_list edges = edges_of(piece, split, columns, scale, lane);
        rk::pack<VECTOR> sum;
        if constexpr (MODE == FROM_ROWS) {
            __shared__ int32_t waiting[rk::WARPS][WAITING];
            sum = rk::sum_active<VECTOR>(edges, {active, map, scale}, mine, lane, waiting[warp]);
        } else {
            sum = rk::sum_edges<VECTOR, HALVES>(edges, x, (int)split.first_x, mine, lane);
        }
        for (int distance = lanes; distance < rk::WARP; distance *= 2) {
            sum.add_from_lane(distance);
        }
        first += lanes;
        const int partial = piece.word(offsetof(rk_piece, partial));
        const int r = piece.word(offsetof(rk_piece, row));
        if (group > 0 || q >= packs) {
            continue;
        }
        if (partial >= 0) {
            rk::store<VECTOR>(partials, partial, d, q, sum);
            continue;
        }
        store_row(sum, r, q);
    } while (!ONCE && first < packs);
    const int r = piece.word(offsetof(rk_piece, row));
    if (piece.word(offsetof(rk_piece, partial)) >= 0) {
        const int number = piece.word(offsetof(rk_piece, long_row));
        const rk_long_row whole = split.long_rows[number];
        if (!is_last(split.arrived + number, (unsigned)whole.n_partials, lane)) {
            return; /* the whole warp */
        }
        for (int q = lane; q < packs; q += rk::WARP) {
            rk::pack<VECTOR> sum = sum_partials<VECTOR>(partials, whole, d, q);
            store_row(sum, r, q);
        }
    }
    if (!PLAIN && end.halves) {
        finish_halves(end, r, row, d, lane);
    }
}

/* The bits of the active columns fit in a first-level cache, the map does not. */
__global__ void __launch_bounds__(rk::BLOCK)
    mark_active(const int32_t *__restrict__ map, int64_t n_nodes, uint32_t *__restrict__ active)
{
    rk::begin();
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    const unsigned bits = __ballot_sync(rk::ALL_LANES, i < n_nodes && map[i] >= 0);
    if (i % rk::WARP == 0 && i < n_nodes) {
        active[i / rk::WARP] = bits;
    }
}

template <int VECTOR, bool HALVES, mode MODE, bool PLAIN, bool ONCE>
cudaError_t run_pieces(const rk::propagation &p, const uint32_t *active, float *partials)
{
    const int64_t d = p.d, row_bytes = p.end.halves ? row_floats(d) * (int64_t)sizeof(float) : 0;
    const rk::warp_layout layout = rk::layout_for(d, VECTOR);
    const int lanes = layout.lanes > rk::LEAST_LANES ? layout.lanes : rk::LEAST_LANES;
    const int64_t rows = MODE == ROWS ? p.n_rows : 0; /* a warp each, to clear it */
    const int64_t n = p.split.n_pieces > rows ? p.split.n_pieces : rows;
    const int64_t declared = MODE == FROM_ROWS ? rk::WARPS * WAITING * (int64_t)sizeof(int32_t) : 0;
    int warps = rk::WARPS;
    while (warps > 1 && warps * row_bytes + declared > rk::SHARED_BYTES) {
        warps /= 2;
    }
    return rk::run(p.stream, {rk::divide_up(n, warps), warps * rk::WARP, warps * row_bytes},
                   propagate_pieces<VECTOR, HALVES, MODE, PLAIN, ONCE>, p.split, p.columns, p.scale,
                   p.map, p.x, p.end, active, batch{p.count, rows, p.whole}, partials, d,
                   layout.packs, lanes, p.alpha);
}

/* Scratch: the partials, then the bits. */
template <int VECTOR, bool HALVES, mode MODE, bool PLAIN>
cudaError_t run_marked(const rk::propagation &p)
{
    if (p.d == 0) {
        return cudaSuccess;
    }
    float *partials = static_cast<float *>(p.scratch);
    uint32_t *active = nullptr;
    if (MODE == FROM_ROWS) {
        active = reinterpret_cast<uint32_t *>(partials + row_floats(p.split.n_partials * p.d));
        RK_TRY_LAUNCH(
            rk::run(p.stream, rk::a_thread_each(p.n_nodes), mark_active, p.map, p.n_nodes, active));
    }
    if (VECTOR > 1 && p.d <= VECTOR * rk::WARP) {
        return run_pieces<VECTOR, HALVES, MODE, PLAIN, (VECTOR > 1)>(p, active, partials);
    }
    return run_pieces<VECTOR, HALVES, MODE, PLAIN, false>(p, active, partials);
}

template <mode MODE, bool PLAIN> cudaError_t run_any(const rk::propagation &p)
{
    if constexpr (MODE != FROM_ROWS) {
        if (p.x.exponent) {
            return p.d % 8 == 0 ? run_marked<8, true, MODE, PLAIN>(p)
                                : run_marked<1, true, MODE, PLAIN>(p);
        }
    }
    return rk::has_vectors(p.d) ? run_marked<4, false, MODE, PLAIN>(p)
                                : run_marked<1, false, MODE, PLAIN>(p);
}

bool is_plain(const rk::row_end &end)
{
    return end.floats && end.n_added == 0;
}

/* Of a call, its inputs behind the first four and its output. An update has no output. */
rk::row_end row_end_of(const rk_call *call)
{
    const bool updates = call->node->n_outputs == 0;
    const int first = updates ? RK_PROPAGATE_ADAM_ADDED : RK_PROPAGATE_ADDED;
    rk::row_end end = {};
    void *halves = nullptr;
    for (int i = first; i < call->node->n_inputs; i++) {
        end.map = rk::in(call, 4);
        end.weight[end.n_added] = call->node->attr.weight[1 + end.n_added];
        end.added[end.n_added++] = rk::in(call, i);
    }
    if (updates) {
        end.adam = rk::adam_target_of(call, call->node->attr.update.adam, 5, 6);
        halves = call->in[RK_PROPAGATE_ADAM_HALVES];
    } else if (rk__out(call, 0)->dtype == RK_F16) {
        halves = call->out[0];
    } else {
        end.floats = rk::out(call, 0);
    }
    if (halves) {
        end.halves = static_cast<rk_half *>(halves);
        end.exponent = rk__half_exponents(halves, rk__in(call, 2)->rows, rk__in(call, 3)->cols);
    }
    return end;
}

} // namespace

rk::propagation rk::propagation_of(const rk_call *call)
{
    propagation p = {};
    p.split = static_cast<const rk_split_graph *>(call->prepared)->rows;
    p.columns = in(call, 1);
    p.scale = in(call, 2);
    p.x = gathered_in(call, 3);
    p.n_nodes = rk__in(call, 2)->rows;
    p.d = rk__in(call, 3)->cols;
    p.alpha = 1.0f;
    p.scratch = call->scratch;
    p.stream = call->stream;
    return p;
}

cudaError_t rk::propagate(const propagation &p)
{
    return is_plain(p.end) ? run_any<ALL, true>(p) : run_any<ALL, false>(p);
}

cudaError_t rk::propagate_rows(const propagation &p)
{
    return run_any<ROWS, true>(p);
}

cudaError_t rk::propagate_from_rows(const propagation &p)
{
    return is_plain(p.end) ? run_any<FROM_ROWS, true>(p) : run_any<FROM_ROWS, false>(p);
}

/* INT64_MAX where the partials are more than can be counted, which no device has. */
int64_t rk_cuda_scratch_propagate(const rk_call *call)
{
    const rk_split_rows &split = static_cast<const rk_split_graph *>(call->prepared)->rows;
    const int64_t d = rk__in(call, 3)->cols, n_nodes = rk__in(call, 2)->rows;
    if (d > 0 && split.n_partials > (INT64_MAX >> 8) / d) {
        return INT64_MAX;
    }
    const int64_t bits = rk::divide_up(n_nodes, 32) * (int64_t)sizeof(uint32_t);
    return row_floats(split.n_partials * d) * (int64_t)sizeof(float) + bits;
}

cudaError_t rk_cuda_propagate(const rk_call *call)
{
    rk::propagation p = rk::propagation_of(call);
    p.alpha = call->node->attr.weight[0];
    p.end = row_end_of(call);
    return rk::propagate(p);
}

cudaError_t rk_cuda_propagate_adam(const rk_call *call)
{
    return rk_cuda_propagate(call);
}

cudaError_t rk_cuda_propagate_rows(const rk_call *call)
{
    rk::propagation p = rk::propagation_of(call);
    p.alpha = call->node->attr.weight[0];
    p.count = rk::in(call, 5);
    p.map = rk::in(call, 6);
    p.n_rows = rk__out(call, 0)->rows;
    p.whole = rk::tables_of(call, RK_PROPAGATE_ROWS_ADDED, 1);
    p.end.floats = rk::out(call, 0);
    return rk::propagate_rows(p);
}

cudaError_t rk_cuda_propagate_from_rows(const rk_call *call)
{
    rk::propagation p = rk::propagation_of(call);
    p.alpha = call->node->attr.weight[0];
    p.map = rk::in(call, 4);
    p.end = row_end_of(call);
    return rk::propagate_from_rows(p);
}

cudaError_t rk_cuda_propagate_from_rows_adam(const rk_call *call)
{
    return rk_cuda_propagate_from_rows(call);
}
