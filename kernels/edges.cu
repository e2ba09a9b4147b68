/*
 * The graph with a share of its edges dropped (Wu et al., SGL, SIGIR 2021). Which ones is a
 * function of each edge (ops/edge_draw.h), so nothing is kept from step to step, and the result
 * depends on nothing else.
 *
 * A warp works on a piece of a row, as in propagate.cu, so that long rows do not keep the device
 * waiting: it counts what is kept of its piece; the counts are summed up; then it draws again and
 * writes the columns where they belong, in their order.
 */
#include "scan.cuh"

#include "ops/edge_draw.h"

namespace
{

__global__ void __launch_bounds__(rk::BLOCK)
    count_kept(const rk_piece *__restrict__ pieces, int64_t n_pieces,
               const int32_t *__restrict__ columns, const rk_step_state *__restrict__ state,
               int32_t view, uint32_t threshold, int32_t *__restrict__ counts)
{
    rk::begin();
    const int lane = (int)threadIdx.x % rk::WARP;
    const int64_t p = rk::number_of_warp();
    if (p >= n_pieces) {
        return; /* the whole warp */
    }
    const rk_edge_draw draw = rk__edge_draw_at(state, view, threshold);
    const rk_piece piece = pieces[p];
    int kept = 0;
    for (int64_t e = piece.begin + lane; e < piece.end; e += rk::WARP) {
        kept += !rk__edge_is_dropped(draw.key, draw.threshold, piece.row, columns[e]);
    }
    kept = rk::warp_sum(kept);
    if (lane == 0) {
        counts[piece.number] = kept;
    }
}

/* first[n]: where the kept edges of piece number n begin. The first piece of a row gives its
 * offset; a row without edges has one piece, too. */
__global__ void __launch_bounds__(rk::BLOCK)
    write_kept(const rk_piece *__restrict__ pieces, int64_t n_pieces,
               const int64_t *__restrict__ offsets, const int32_t *__restrict__ columns,
               const rk_step_state *__restrict__ state, int32_t view, uint32_t threshold,
               const int64_t *__restrict__ first, int64_t *__restrict__ out_offsets,
               int32_t *__restrict__ out_columns)
{
    rk::begin();
    const int lane = (int)threadIdx.x % rk::WARP;
    const int64_t p = rk::number_of_warp();
    if (p >= n_pieces) {
        return; /* the whole warp */
    }
    const rk_edge_draw draw = rk__edge_draw_at(state, view, threshold);
    const rk_piece piece = pieces[p];
    int64_t place = first[piece.number];
    if (lane == 0 && piece.begin == offsets[piece.row]) {
        out_offsets[piece.row] = place;
    }
    if (lane == 0 && piece.number == n_pieces - 1) {
        out_offsets[piece.row + 1] = first[n_pieces];
    }
    for (int64_t base = piece.begin; base < piece.end; base += rk::WARP) {
        const bool is_edge = base + lane < piece.end;
        const int32_t column = is_edge ? columns[base + lane] : 0;
        const bool is_kept =
            is_edge && !rk__edge_is_dropped(draw.key, draw.threshold, piece.row, column);
        const unsigned kept = __ballot_sync(rk::ALL_LANES, is_kept);
        if (is_kept) {
            out_columns[place + __popc(kept & ((1u << lane) - 1))] = column;
        }
        place += __popc(kept);
    }
}

/* 1/sqrt of the degrees, and -1 behind the last edge. */
__global__ void __launch_bounds__(rk::BLOCK)
    finish_graph(const int64_t *__restrict__ offsets, int64_t n_nodes,
                 int32_t *__restrict__ columns, int64_t n_edges, float *__restrict__ scale)
{
    rk::begin();
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n_nodes) {
        const int64_t degree = offsets[i + 1] - offsets[i];
        scale[i] = degree == 0 ? 0.0f : (float)(1.0 / sqrt((double)degree));
    }
    if (i < n_edges && i >= offsets[n_nodes]) {
        columns[i] = -1;
    }
}

} // namespace

int64_t rk_cuda_scratch_drop_edges(const rk_call *call)
{
    const int64_t n = static_cast<const rk_split_graph *>(call->prepared)->rows.n_pieces;
    return rk::n_chunks(n) * (int64_t)sizeof(int64_t) + n * (int64_t)sizeof(int32_t);
}

/* Scratch: sums of chunks, then the counts. */
cudaError_t rk_cuda_drop_edges(const rk_call *call)
{
    const rk_split_graph *graph = static_cast<const rk_split_graph *>(call->prepared);
    const rk_piece *pieces = graph->rows.pieces;
    const int64_t n = graph->rows.n_pieces;
    const int64_t n_nodes = rk__out(call, 2)->rows, n_edges = rk__out(call, 1)->rows;
    const rk_drop_attr *a = &call->node->attr.drop;
    const uint32_t threshold = rk__edge_threshold(a->ratio);
    const int32_t *columns = rk::in(call, 1);
    const rk_step_state *state = rk::in(call, 2);
    int64_t *first = graph->drawn, *offsets = rk::out(call, 0);
    int32_t *kept = rk::out(call, 1);
    if (n_nodes == 0) {
        return rk::fill(call->stream, offsets, 0, sizeof *offsets);
    }
    int64_t *sums = static_cast<int64_t *>(call->scratch);
    int32_t *counts = reinterpret_cast<int32_t *>(sums + rk::n_chunks(n));
    const rk::grid by_piece = rk::a_warp_each(n);
    RK_TRY_LAUNCH(rk::run(call->stream, by_piece, count_kept, pieces, n, columns, state, a->view,
                          threshold, counts));
    RK_TRY_LAUNCH(
        rk::scan<false>(call->stream, counts, n, rk::sums_of<int64_t>{sums, first + n}, first));
    RK_TRY_LAUNCH(rk::run(call->stream, by_piece, write_kept, pieces, n, rk::in(call, 0), columns,
                          state, a->view, threshold, first, offsets, kept));
    return rk::run(call->stream, rk::a_thread_each(n_nodes > n_edges ? n_nodes : n_edges),
                   finish_graph, offsets, n_nodes, kept, n_edges, rk::out(call, 2));
}
