/*
 * Propagation over the symmetric-normalised graph, a split-row CSR kernel without a value array:
 *
 *     y[i] = alpha * s[i] * sum_{j in N(i)} s[j] * x[j],   s = 1 / sqrt(degree)
 *
 * A warp works on a piece of a row (at most a few hundred edges, cut on the host). It reads 32
 * columns and their weights at once, one a lane, and hands them round by shuffles; groups of lanes
 * take alternate edges, 16 bytes a lane: 4 floats, or 8 halves, which become floats before they are
 * summed. Rows of several pieces leave partials that a second kernel adds in the order of the
 * pieces. So every sum has one order: the result does not depend on scheduling. Three variants: all
 * rows; only rows of a row set; only columns of a row set. Of a graph with two sides a half is the
 * pieces of one side's rows, with first_x and first_y saying which node the first row of x and of y
 * belongs to. A graph with dropped edges has the pieces of the graph that it was drawn from, each
 * with what is left of its edges.
 *
 * A row that is not simply stored (rk::row_end) is put into shared memory, where all lanes of its
 * warp finish it: add what the batch adds there, then store it, make halves of it, or take it as
 * the gradient of an Adam step.
 */
#include "propagate.cuh"

namespace
{

enum mode { ALL, ROWS, FROM_ROWS };
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

/* What a lane takes of each edge of its group: pack q of a row of x. */
struct lane_share {
    const void *x;
    int64_t d;
    int q;
    bool in_row;
    int group, n_groups;
};

/* Adds the edges whose lanes are in `active` to the group's sum. Each round every group takes one
 * edge, in ascending order of edges. */
template <int VECTOR>
__device__ __forceinline__ void add_edges(rk::pack<VECTOR> *sum, unsigned active, int column,
                                          float weight, lane_share mine)
{
    while (active) {
        int source = -1;
        for (int g = 0; g < mine.n_groups && active; g++) {
            int lowest = __ffs((int)active) - 1;
            active &= active - 1;
            source = g == mine.group ? lowest : source;
        }
        const int from = source < 0 ? 0 : source;
        const int c = __shfl_sync(rk::ALL_LANES, column, from);
        const float w = __shfl_sync(rk::ALL_LANES, weight, from);
        if (source >= 0 && mine.in_row) {
            sum->add_scaled(w, fetch<VECTOR, false>(mine.x, c, mine.d, mine.q));
        }
    }
}

/* All 32 (or n) edges are active: no bits to look for. */
template <int VECTOR, bool HALVES>
__device__ __forceinline__ void add_all_edges(rk::pack<VECTOR> *sum, int n, int column,
                                              float weight, lane_share mine)
{
#pragma unroll 4
    for (int j = 0; j < n; j += mine.n_groups) {
        const int source = j + mine.group;
        const int c = __shfl_sync(rk::ALL_LANES, column, source & (rk::WARP - 1));
        const float w = __shfl_sync(rk::ALL_LANES, weight, source & (rk::WARP - 1));
        if (source < n && mine.in_row) {
            sum->add_scaled(w, fetch<VECTOR, HALVES>(mine.x, c, mine.d, mine.q));
        }
    }
}

/* What becomes of row r, which lies in shared memory; all lanes of a warp. A lane only touches the
 * values that it writes itself. */
__device__ void finish_row(const rk::row_end &end, prepared ready, int64_t r, float *values,
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
                     rk::gathered x, rk::row_end end, prepared ready, float *__restrict__ partials,
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
        piece.begin = first_edge[piece.number];
        piece.end = first_edge[piece.number + 1];
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
        const lane_share mine = {x.rows, d, q, in_row, group, n_groups};
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
                add_edges(&sum, active, column, weight, mine);
            } else {
                float weight = lane < n ? __ldg(scale + column) : 0.0f;
                column -= lane < n ? (int)first_x : 0; /* rows of x from here on */
                if (HALVES) {
                    weight *= lane < n ? __ldg(x.factor + column) : 0.0f;
                }
                add_all_edges<VECTOR, HALVES>(&sum, n, column, weight, mine);
            }
        }
        for (int distance = lanes; distance < rk::WARP; distance *= 2) {
            sum.add_from_lane(distance);
        }
        if (group == 0 && in_row) {
            if (piece.partial >= 0) {
                rk::store<VECTOR>(partials, piece.partial, d, q, sum);
            } else {
                sum.scale(alpha * scale[piece.row]);
                rk::store<VECTOR>(PLAIN ? end.floats : row, PLAIN ? out_row : 0, d, q, sum);
            }
        }
    }
    if (!PLAIN && piece.partial < 0) {
        __syncwarp();
        finish_row(end, ready, piece.row, row, d, lane);
    }
}

/* One block a long row; a thread adds one column's partials in the order of the pieces. Where
 * the row is not simply stored the block is one warp. */
template <mode MODE, bool PLAIN>
__global__ void __launch_bounds__(rk::BLOCK)
    propagate_long_rows(const rk_long_row *__restrict__ long_rows, const float *__restrict__ scale,
                        const int32_t *__restrict__ map, const float *__restrict__ partials,
                        rk::row_end end, prepared ready, int64_t d, float alpha, int64_t first_y)
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
        for (int32_t s = 0; s < row.n_partials; s++) {
            sum += partials[(int64_t)(row.first_partial + s) * d + column];
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
            rk::adam_target adam, rk::adam_scalars *__restrict__ scalars)
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

template <int VECTOR, bool HALVES, mode MODE, bool PLAIN>
cudaError_t run_pieces(const rk::propagation &p, prepared ready, float *partials)
{
    const int64_t d = p.d, row_bytes = PLAIN ? 0 : row_floats(d) * (int64_t)sizeof(float);
    const rk::warp_layout layout = rk::layout_for(d, VECTOR);
    int warps = rk::WARPS;
    while (warps > 1 && warps * row_bytes > SHARED_BYTES) {
        warps /= 2;
    }
    RK_TRY_LAUNCH(rk::run(
        p.stream, {rk::divide_up(p.split.n_pieces, warps), warps * rk::WARP, warps * row_bytes},
        propagate_pieces<VECTOR, HALVES, MODE, PLAIN>, p.split.pieces, p.split.n_pieces,
        p.split.first, p.columns, p.scale, p.map, p.x, p.end, ready, partials, d, layout.packs,
        layout.lanes, p.alpha, p.split.first_x, p.split.first_y));
    const int threads = PLAIN && d >= rk::BLOCK ? rk::BLOCK : PLAIN && d > 32 ? 64 : 32;
    return rk::run(p.stream, {p.split.n_long_rows, threads, row_bytes},
                   propagate_long_rows<MODE, PLAIN>, p.split.long_rows, p.scale, p.map, partials,
                   p.end, ready, d, p.alpha, p.split.first_y);
}

/* Scratch: the partials, then the scalars, then the bits. */
template <int VECTOR, bool HALVES, mode MODE, bool PLAIN>
cudaError_t run_prepared(const rk::propagation &p)
{
    if (p.split.n_pieces == 0 || p.d == 0) {
        return cudaSuccess;
    }
    float *partials = static_cast<float *>(p.scratch);
    rk::adam_scalars *scalars =
        reinterpret_cast<rk::adam_scalars *>(partials + row_floats(p.split.n_partials * p.d));
    uint32_t *active = MODE == FROM_ROWS ? reinterpret_cast<uint32_t *>(scalars + 2) : nullptr;
    if (active || p.end.adam.parameter) {
        const rk::grid g = active ? rk::a_thread_each(p.n_nodes) : rk::grid{1, rk::WARP};
        RK_TRY_LAUNCH(rk::run(p.stream, g, prepare, p.map, p.n_nodes, active, p.end.adam, scalars));
    }
    return run_pieces<VECTOR, HALVES, MODE, PLAIN>(p, {active, scalars}, partials);
}

template <mode MODE, bool PLAIN> cudaError_t run_any(const rk::propagation &p)
{
    if constexpr (MODE != FROM_ROWS) {
        if (p.x.factor) {
            return p.d % 8 == 0 ? run_prepared<8, true, MODE, PLAIN>(p)
                                : run_prepared<1, true, MODE, PLAIN>(p);
        }
    }
    return rk::has_vectors(p.d) ? run_prepared<4, false, MODE, PLAIN>(p)
                                : run_prepared<1, false, MODE, PLAIN>(p);
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
    for (int i = first; i < call->node->n_inputs; i++) {
        end.map = rk::in(call, 4);
        end.weight[end.n_added] = call->node->attr.weight[1 + end.n_added];
        end.added[end.n_added++] = rk::in(call, i);
    }
    if (updates) {
        end.adam = rk::adam_target_of(call, call->node->attr.update.adam, 5, 6);
    } else if (rk__out(call, 0)->dtype == RK_F16) {
        const rk_tensor *y = rk__out(call, 0);
        end.halves = rk::out(call, 0);
        end.factor = rk__half_factors(call->out[0], y->rows, y->cols);
    } else {
        end.floats = rk::out(call, 0);
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

cudaError_t rk::propagate_rows(const propagation &p, int64_t n_rows)
{
    RK_TRY_LAUNCH(fill(p.stream, p.end.floats, 0, n_rows * p.d * (int64_t)sizeof(float)));
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
    return row_floats(split.n_partials * d) * (int64_t)sizeof(float) +
           2 * (int64_t)sizeof(rk::adam_scalars) + bits;
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
    p.map = rk::in(call, 6);
    p.end.floats = rk::out(call, 0);
    return rk::propagate_rows(p, rk__out(call, 0)->rows);
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
