/*
 * Propagation over the symmetric-normalised graph, a split-row CSR kernel without a value array:
 *
 *     y[i] = alpha * s[i] * sum_{j in N(i)} s[j] * x[j],   s = 1 / sqrt(degree)
 *
 * A warp works on a piece of a row (at most a few hundred edges, cut on the host). It reads 32
 * columns and their weights at once, one a lane, and hands them round by shuffles; groups of lanes
 * take alternate edges, 16 bytes a lane: 4 floats, or 8 halves, which become floats before they are
 * summed. Rows of several pieces leave partial sums that a second kernel adds in the order of the
 * pieces. So every sum has one order: the result does not depend on scheduling. Three variants: all
 * rows; only rows of a row set; only columns of a row set. Of a graph with two sides a half is the
 * pieces of one side's rows, with first_x and first_y saying which node the first row of x and of y
 * belongs to. A graph with dropped edges has the pieces of the graph that it was drawn from, each
 * with what is left of its edges.
 *
 * A row that is not simply stored (rk_row_end) is put into shared memory, where all lanes of its
 * warp finish it: add what the batch adds there, then store it, make halves of it, or take it as
 * the gradient of an Adam step.
 */
#include "adam.cuh"
#include "half.cuh"

namespace
{

enum mode { ALL, ROWS, FROM_ROWS };
constexpr int WARPS = rk::BLOCK / rk::WARP;
constexpr int64_t SHARED_BYTES = 48 << 10; /* what a block has without asking for more */

/* What a kernel needs beside the rows: a bit for each active column, and the step's scalars. */
struct prepared {
    const uint32_t *active;
    const rk::adam_scalars *scalars;
};

template <int VECTOR, bool HALVES>
__device__ __forceinline__ rk::pack<VECTOR> fetch(const void *x, int64_t row, int64_t d, int q)
{
    if constexpr (HALVES) {
        return rk::load_halves<VECTOR>(static_cast<const rk_half *>(x), row, d, q);
    } else {
        return rk::load_constant<VECTOR>(static_cast<const float *>(x), row, d, q);
    }
}

/* Adds the edges whose lanes are in `active` to the group's sum. Each round every group takes one
 * edge, in ascending order of edges. */
template <int VECTOR>
__device__ __forceinline__ void add_edges(rk::pack<VECTOR> *sum, unsigned active, int column,
                                          float weight, const void *x, int64_t d, int q,
                                          bool in_row, int group, int n_groups)
{
    while (active) {
        int source = -1;
        for (int g = 0; g < n_groups && active; g++) {
            int lowest = __ffs((int)active) - 1;
            active &= active - 1;
            source = g == group ? lowest : source;
        }
        const int from = source < 0 ? 0 : source;
        const int c = __shfl_sync(rk::ALL_LANES, column, from);
        const float w = __shfl_sync(rk::ALL_LANES, weight, from);
        if (source >= 0 && in_row) {
            sum->add_scaled(w, fetch<VECTOR, false>(x, c, d, q));
        }
    }
}

/* All 32 (or n) edges are active: no bits to look for. */
template <int VECTOR, bool HALVES>
__device__ __forceinline__ void add_all_edges(rk::pack<VECTOR> *sum, int n, int column,
                                              float weight, const void *x, int64_t d, int q,
                                              bool in_row, int group, int n_groups)
{
#pragma unroll 4
    for (int j = 0; j < n; j += n_groups) {
        const int source = j + group;
        const int c = __shfl_sync(rk::ALL_LANES, column, source & (rk::WARP - 1));
        const float w = __shfl_sync(rk::ALL_LANES, weight, source & (rk::WARP - 1));
        if (source < n && in_row) {
            sum->add_scaled(w, fetch<VECTOR, HALVES>(x, c, d, q));
        }
    }
}

/* What becomes of row r, which lies in shared memory; all lanes of a warp. A lane only touches the
 * values that it writes itself. */
__device__ void finish_row(const rk_row_end &end, prepared ready, int64_t r, float *values,
                           int64_t d, int lane)
{
    const int64_t at = end.n_added > 0 ? end.map[r] : -1;
    const rk::adam_scalars scalars = end.adam.parameter ? *ready.scalars : rk::adam_scalars{};
    unsigned largest = 0;
    for (int64_t j = lane; j < d; j += rk::WARP) {
        float value = values[j];
        for (int32_t k = 0; k < end.n_added && at >= 0; k++) {
            value += end.weight[k] * end.added[k][at * d + j];
        }
        if (end.floats) {
            end.floats[r * d + j] = value;
        } else if (end.halves) {
            const unsigned magnitude = __float_as_uint(value) & RK_MAGNITUDE_BITS;
            values[j] = value;
            largest = magnitude > largest ? magnitude : largest;
        } else {
            rk::adam_element(end.adam, scalars, r * d + j, value);
        }
    }
    if (end.halves) {
        rk::store_halves(end.halves + r * d, end.factor + r, values, d, lane, largest);
    }
}

/* Floats of shared memory for a row; rows begin at multiples of 16 bytes. */
__host__ __device__ inline int64_t row_floats(int64_t d)
{
    return (d + 3) / 4 * 4;
}

template <int VECTOR, bool HALVES, mode MODE, bool PLAIN>
__global__ void __launch_bounds__(rk::BLOCK)
    propagate_pieces(const rk_piece *__restrict__ pieces, int64_t n_pieces,
                     const int64_t *__restrict__ first_edge, const int32_t *__restrict__ columns,
                     const float *__restrict__ scale, const int32_t *__restrict__ map,
                     rk_gathered x, rk_row_end end, prepared ready, float *__restrict__ partial,
                     int64_t d, int packs, int lanes, float alpha, int64_t first_x, int64_t first_y)
{
    RK_DYNAMIC_SHARED(float, rows);
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int group = lane / lanes, n_groups = rk::WARP / lanes;
    const int warp = (int)threadIdx.x / rk::WARP, n_warps = (int)blockDim.x / rk::WARP;
    const int64_t p = (int64_t)blockIdx.x * n_warps + warp;
    if (p >= n_pieces) {
        return; /* the whole warp */
    }
    rk_piece piece = pieces[p];
    if (first_edge) {
        piece.begin = first_edge[p];
        piece.end = first_edge[p + 1];
    }
    int64_t out_row = piece.row - first_y;
    if (MODE == ROWS) {
        out_row = map[piece.row];
        if (out_row < 0) {
            return; /* the whole warp */
        }
    }
    float *row = PLAIN ? nullptr : rows + warp * row_floats(d);
    for (int first = 0; first < packs; first += lanes) {
        const int q = first + lane % lanes;
        const bool in_row = q < packs;
        rk::pack<VECTOR> sum = rk::pack<VECTOR>::zero();
        for (int64_t base = piece.begin; base < piece.end; base += rk::WARP) {
            const int n = (int)min((int64_t)rk::WARP, piece.end - base);
            int column = lane < n ? __ldg(columns + base + lane) : 0;
            if constexpr (MODE == FROM_ROWS) {
                const bool is_active =
                    lane < n && (__ldg(ready.active + column / 32) >> (column % 32) & 1u);
                const float weight = is_active ? __ldg(scale + column) : 0.0f;
                column = is_active ? __ldg(map + column) : -1;
                const unsigned active = __ballot_sync(rk::ALL_LANES, is_active);
                add_edges(&sum, active, column, weight, x.rows, d, q, in_row, group, n_groups);
            } else {
                float weight = lane < n ? __ldg(scale + column) : 0.0f;
                column -= lane < n ? (int)first_x : 0; /* rows of x from here on */
                if (HALVES) {
                    weight *= lane < n ? __ldg(x.factor + column) : 0.0f;
                }
                add_all_edges<VECTOR, HALVES>(&sum, n, column, weight, x.rows, d, q, in_row, group,
                                              n_groups);
            }
        }
        for (int distance = lanes; distance < rk::WARP; distance *= 2) {
            sum.add_from_lane(distance);
        }
        if (group == 0 && in_row) {
            if (piece.slot >= 0) {
                rk::store<VECTOR>(partial, piece.slot, d, q, sum);
            } else {
                sum.scale(alpha * scale[piece.row]);
                rk::store<VECTOR>(PLAIN ? end.floats : row, PLAIN ? out_row : 0, d, q, sum);
            }
        }
    }
    if (!PLAIN && piece.slot < 0) {
        __syncwarp();
        finish_row(end, ready, piece.row, row, d, lane);
    }
}

/* One block a long row; a thread adds one column's partial sums in the order of the pieces. Where
 * the row is not simply stored the block is one warp. */
template <mode MODE, bool PLAIN>
__global__ void __launch_bounds__(rk::BLOCK)
    propagate_long_rows(const rk_long_row *__restrict__ long_rows, const float *__restrict__ scale,
                        const int32_t *__restrict__ map, const float *__restrict__ partial,
                        rk_row_end end, prepared ready, int64_t d, float alpha, int64_t first_y)
{
    RK_DYNAMIC_SHARED(float, values);
    const rk_long_row row = long_rows[blockIdx.x];
    int64_t out_row = row.row - first_y;
    if (MODE == ROWS) {
        out_row = map[row.row];
        if (out_row < 0) {
            return; /* the whole block */
        }
    }
    float *out = PLAIN ? end.floats + out_row * d : values;
    for (int64_t column = threadIdx.x; column < d; column += blockDim.x) {
        float sum = 0.0f;
        for (int32_t s = 0; s < row.n_slots; s++) {
            sum += partial[(int64_t)(row.first_slot + s) * d + column];
        }
        out[column] = alpha * scale[row.row] * sum;
    }
    if (!PLAIN) {
        finish_row(end, ready, row.row, values, d, (int)threadIdx.x);
    }
}

/* The bits of the active columns fit in a first-level cache, the map does not; and the powers of
 * Adam's scalars are taken once. */
__global__ void __launch_bounds__(rk::BLOCK)
    prepare(const int32_t *__restrict__ map, int64_t n_nodes, uint32_t *__restrict__ active,
            rk_adam_target adam, rk::adam_scalars *__restrict__ scalars)
{
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (adam.parameter && i == 0) {
        *scalars = rk::adam_scalars_at(adam.state, adam.beta1, adam.beta2);
    }
    if (active) { /* whole warps: a bit a lane */
        const unsigned bits = __ballot_sync(rk::ALL_LANES, i < n_nodes && map[i] >= 0);
        if (i % rk::WARP == 0 && i < n_nodes) {
            active[i / rk::WARP] = bits;
        }
    }
}

/* Everything that a launch of any variant takes. */
struct job {
    rk_split_rows split;
    const int32_t *columns;
    const float *scale;
    const int32_t *map; /* of MODE; not of what is added */
    rk_gathered x;
    rk_row_end end;
    void *scratch;
    int64_t d;
    float alpha;
    cudaStream_t stream;
};

template <int VECTOR, bool HALVES, mode MODE, bool PLAIN>
cudaError_t run_pieces(const job &j, prepared ready, float *partial)
{
    const int64_t d = j.d, row_bytes = PLAIN ? 0 : row_floats(d) * (int64_t)sizeof(float);
    const rk::warp_layout layout = rk::layout_for(d, VECTOR);
    int warps = WARPS;
    while (warps > 1 && warps * row_bytes > SHARED_BYTES) {
        warps /= 2;
    }
    cudaLaunchConfig_t config =
        rk::launch(rk::blocks_for(j.split.n_pieces, warps), (unsigned)(warps * rk::WARP), j.stream,
                   (size_t)(warps * row_bytes));
    RK_TRY_LAUNCH(cudaLaunchKernelEx(&config, propagate_pieces<VECTOR, HALVES, MODE, PLAIN>,
                                     j.split.pieces, j.split.n_pieces, j.split.first, j.columns,
                                     j.scale, j.map, j.x, j.end, ready, partial, d, layout.packs,
                                     layout.lanes, j.alpha, j.split.first_x, j.split.first_y));
    if (j.split.n_long_rows == 0) {
        return cudaSuccess;
    }
    const unsigned threads = PLAIN && d >= rk::BLOCK ? rk::BLOCK : PLAIN && d > 32 ? 64 : 32;
    config = rk::launch((unsigned)j.split.n_long_rows, threads, j.stream, (size_t)row_bytes);
    return cudaLaunchKernelEx(&config, propagate_long_rows<MODE, PLAIN>, j.split.long_rows, j.scale,
                              j.map, (const float *)partial, j.end, ready, d, j.alpha,
                              j.split.first_y);
}

/* Scratch: the partial sums, then the scalars, then the bits. */
template <int VECTOR, bool HALVES, mode MODE, bool PLAIN>
cudaError_t run(const job &j, int64_t n_nodes)
{
    if (j.split.n_pieces == 0 || j.d == 0) {
        return cudaSuccess;
    }
    float *partial = static_cast<float *>(j.scratch);
    rk::adam_scalars *scalars =
        reinterpret_cast<rk::adam_scalars *>(partial + row_floats(j.split.n_slots * j.d));
    uint32_t *active = MODE == FROM_ROWS ? reinterpret_cast<uint32_t *>(scalars + 2) : nullptr;
    if (active || j.end.adam.parameter) {
        cudaLaunchConfig_t config = rk::launch(active ? rk::blocks_for(n_nodes, rk::BLOCK) : 1,
                                               active ? rk::BLOCK : 32, j.stream);
        RK_TRY_LAUNCH(
            cudaLaunchKernelEx(&config, prepare, j.map, n_nodes, active, j.end.adam, scalars));
    }
    return run_pieces<VECTOR, HALVES, MODE, PLAIN>(j, {active, scalars}, partial);
}

template <mode MODE, bool PLAIN> cudaError_t run_any(const job &j, int64_t n_nodes)
{
    if constexpr (MODE != FROM_ROWS) {
        if (j.x.factor) {
            return j.d % 8 == 0 ? run<8, true, MODE, PLAIN>(j, n_nodes)
                                : run<1, true, MODE, PLAIN>(j, n_nodes);
        }
    }
    return rk::has_vectors(j.d) ? run<4, false, MODE, PLAIN>(j, n_nodes)
                                : run<1, false, MODE, PLAIN>(j, n_nodes);
}

bool is_plain(const rk_row_end &end)
{
    return end.floats && end.n_added == 0;
}

} // namespace

int64_t rk_cuda_propagate_scratch(int64_t n_slots, int64_t n_nodes, int64_t d)
{
    const int64_t bits = (n_nodes + 31) / 32 * (int64_t)sizeof(uint32_t);
    return row_floats(n_slots * d) * (int64_t)sizeof(float) + 2 * sizeof(rk::adam_scalars) + bits;
}

cudaError_t rk_cuda_propagate(rk_split_rows split, const int32_t *columns, const float *scale,
                              rk_gathered x, rk_row_end end, void *scratch, int64_t d, float alpha,
                              cudaStream_t stream)
{
    const job j = {split, columns, scale, nullptr, x, end, scratch, d, alpha, stream};
    return is_plain(end) ? run_any<ALL, true>(j, 0) : run_any<ALL, false>(j, 0);
}

cudaError_t rk_cuda_propagate_rows(rk_split_rows split, const int32_t *columns, const float *scale,
                                   const int32_t *map, rk_gathered x, float *y, void *scratch,
                                   int64_t n_slots, int64_t d, float alpha, cudaStream_t stream)
{
    rk_row_end end = {};
    end.floats = y;
    const job j = {split, columns, scale, map, x, end, scratch, d, alpha, stream};
    RK_TRY_LAUNCH(cudaMemsetAsync(y, 0, (size_t)n_slots * (size_t)d * sizeof(float), stream));
    return run_any<ROWS, true>(j, 0);
}

cudaError_t rk_cuda_propagate_from_rows(rk_split_rows split, const int32_t *columns,
                                        const float *scale, const int32_t *map, int64_t n_nodes,
                                        const float *x, rk_row_end end, void *scratch, int64_t d,
                                        float alpha, cudaStream_t stream)
{
    const job j = {split, columns, scale, map, {x, nullptr}, end, scratch, d, alpha, stream};
    return is_plain(end) ? run_any<FROM_ROWS, true>(j, n_nodes)
                         : run_any<FROM_ROWS, false>(j, n_nodes);
}
