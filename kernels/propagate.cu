/*
 * Propagation over the symmetric-normalised graph, a split-row CSR kernel without a value array:
 *
 *     y[i] = alpha * s[i] * sum_{j in N(i)} s[j] * x[j],   s = 1 / sqrt(degree)
 *
 * A warp works on a piece of a row (at most a few hundred edges, cut on the host). It reads 32
 * columns and their scales at once, one a lane, and hands them round by shuffles; groups of lanes
 * take alternate edges, 16 bytes a lane. Rows of several pieces leave partial sums that a second
 * kernel adds in the order of the pieces. So every sum has one order: the result does not depend on
 * scheduling. Three variants: all rows; only rows of a row set; only columns of a row set.
 * Of a graph with two sides a half is the pieces of one side's rows, with first_x and first_y
 * saying which node the first row of x and of y belongs to.
 */
#include "device.cuh"

namespace
{

enum mode { ALL, ROWS, FROM_ROWS };
constexpr int WARPS = rk::BLOCK / rk::WARP;

/* Adds the edges whose lanes are in `active` to the group's sum. Each round every group takes one
 * edge, in ascending order of edges. */
template <int VECTOR>
__device__ __forceinline__ void add_edges(rk::pack<VECTOR> *sum, unsigned active, int column,
                                          float weight, const float *x, int64_t d, int q,
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
            sum->add_scaled(w, rk::load<VECTOR>(x, c, d, q));
        }
    }
}

/* All 32 (or n) edges are active: no bits to look for. */
template <int VECTOR>
__device__ __forceinline__ void add_all_edges(rk::pack<VECTOR> *sum, int n, int column,
                                              float weight, const float *x, int64_t d, int q,
                                              bool in_row, int group, int n_groups)
{
#pragma unroll 4
    for (int j = 0; j < n; j += n_groups) {
        const int source = j + group;
        const int c = __shfl_sync(rk::ALL_LANES, column, source & (rk::WARP - 1));
        const float w = __shfl_sync(rk::ALL_LANES, weight, source & (rk::WARP - 1));
        if (source < n && in_row) {
            sum->add_scaled(w, rk::load<VECTOR>(x, c, d, q));
        }
    }
}

template <int VECTOR, mode MODE>
__global__ void __launch_bounds__(rk::BLOCK)
    propagate_pieces(const rk_piece *__restrict__ pieces, int64_t n_pieces,
                     const int32_t *__restrict__ columns, const float *__restrict__ scale,
                     const int32_t *__restrict__ map, const float *__restrict__ x,
                     float *__restrict__ y, float *__restrict__ partial, int64_t d, int packs,
                     int lanes, float alpha, int64_t first_x, int64_t first_y)
{
    x -= first_x * d; /* rows of x and y count as nodes from here on */
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int group = lane / lanes, n_groups = rk::WARP / lanes;
    const int64_t p = (int64_t)blockIdx.x * WARPS + threadIdx.x / rk::WARP;
    if (p >= n_pieces) {
        return; /* the whole warp */
    }
    const rk_piece piece = pieces[p];
    int64_t out_row = piece.row - first_y;
    if (MODE == ROWS) {
        out_row = map[piece.row];
        if (out_row < 0) {
            return; /* the whole warp */
        }
    }
    for (int first = 0; first < packs; first += lanes) {
        const int q = first + lane % lanes;
        const bool in_row = q < packs;
        rk::pack<VECTOR> sum = rk::pack<VECTOR>::zero();
        for (int64_t base = piece.begin; base < piece.end; base += rk::WARP) {
            const int n = (int)min((int64_t)rk::WARP, piece.end - base);
            int column = lane < n ? __ldg(columns + base + lane) : 0;
            const float weight = lane < n ? __ldg(scale + column) : 0.0f;
            if (MODE == FROM_ROWS) {
                column = lane < n ? __ldg(map + column) : -1;
                const unsigned active = __ballot_sync(rk::ALL_LANES, column >= 0);
                add_edges(&sum, active, column, weight, x, d, q, in_row, group, n_groups);
            } else {
                add_all_edges(&sum, n, column, weight, x, d, q, in_row, group, n_groups);
            }
        }
        for (int distance = lanes; distance < rk::WARP; distance *= 2) {
            sum.add_from_lane(distance);
        }
        if (group == 0 && in_row) {
            if (piece.slot < 0) {
                sum.scale(alpha * scale[piece.row]);
                rk::store<VECTOR>(y, out_row, d, q, sum);
            } else {
                rk::store<VECTOR>(partial, piece.slot, d, q, sum);
            }
        }
    }
}

/* One block a long row; a thread adds one column's partial sums in the order of the pieces. */
template <mode MODE>
__global__ void __launch_bounds__(rk::BLOCK)
    propagate_long_rows(const rk_long_row *__restrict__ long_rows, const float *__restrict__ scale,
                        const int32_t *__restrict__ map, const float *__restrict__ partial,
                        float *__restrict__ y, int64_t d, float alpha, int64_t first_y)
{
    const rk_long_row row = long_rows[blockIdx.x];
    int64_t out_row = row.row - first_y;
    if (MODE == ROWS) {
        out_row = map[row.row];
        if (out_row < 0) {
            return; /* the whole block */
        }
    }
    for (int64_t column = threadIdx.x; column < d; column += blockDim.x) {
        float sum = 0.0f;
        for (int32_t s = 0; s < row.n_slots; s++) {
            sum += partial[(int64_t)(row.first_slot + s) * d + column];
        }
        y[out_row * d + column] = alpha * scale[row.row] * sum;
    }
}

template <int VECTOR, mode MODE>
cudaError_t run(rk_split_rows split, const int32_t *columns, const float *scale, const int32_t *map,
                const float *x, float *y, float *partial, int64_t d, float alpha,
                cudaStream_t stream)
{
    if (split.n_pieces == 0 || d == 0) {
        return cudaSuccess;
    }
    const rk::warp_layout layout = rk::layout_for(d, VECTOR);
    cudaLaunchConfig_t config =
        rk::launch(rk::blocks_for(split.n_pieces, WARPS), rk::BLOCK, stream);
    cudaError_t error = cudaLaunchKernelEx(
        &config, propagate_pieces<VECTOR, MODE>, split.pieces, split.n_pieces, columns, scale, map,
        x, y, partial, d, layout.packs, layout.lanes, alpha, split.first_x, split.first_y);
    if (error == cudaSuccess && split.n_long_rows > 0) {
        const unsigned threads = d >= rk::BLOCK ? rk::BLOCK : d > 32 ? 64 : 32;
        config = rk::launch((unsigned)split.n_long_rows, threads, stream);
        error = cudaLaunchKernelEx(&config, propagate_long_rows<MODE>, split.long_rows, scale, map,
                                   (const float *)partial, y, d, alpha, split.first_y);
    }
    return error;
}

template <mode MODE>
cudaError_t run_any(rk_split_rows split, const int32_t *columns, const float *scale,
                    const int32_t *map, const float *x, float *y, float *partial, int64_t d,
                    float alpha, cudaStream_t stream)
{
    return rk::has_vectors(d)
               ? run<4, MODE>(split, columns, scale, map, x, y, partial, d, alpha, stream)
               : run<1, MODE>(split, columns, scale, map, x, y, partial, d, alpha, stream);
}

} // namespace

cudaError_t rk_cuda_propagate(rk_split_rows split, const int32_t *columns, const float *scale,
                              const float *x, float *y, float *partial, int64_t d, float alpha,
                              cudaStream_t stream)
{
    return run_any<ALL>(split, columns, scale, nullptr, x, y, partial, d, alpha, stream);
}

cudaError_t rk_cuda_propagate_rows(rk_split_rows split, const int32_t *columns, const float *scale,
                                   const int32_t *map, const float *x, float *y, float *partial,
                                   int64_t n_slots, int64_t d, float alpha, cudaStream_t stream)
{
    cudaError_t error = cudaMemsetAsync(y, 0, (size_t)n_slots * (size_t)d * sizeof(float), stream);
    return error != cudaSuccess
               ? error
               : run_any<ROWS>(split, columns, scale, map, x, y, partial, d, alpha, stream);
}

cudaError_t rk_cuda_propagate_from_rows(rk_split_rows split, const int32_t *columns,
                                        const float *scale, const int32_t *map, const float *x,
                                        float *y, float *partial, int64_t d, float alpha,
                                        cudaStream_t stream)
{
    return run_any<FROM_ROWS>(split, columns, scale, map, x, y, partial, d, alpha, stream);
}
