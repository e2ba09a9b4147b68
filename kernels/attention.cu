/*
 * Attention over the edges of a block (Velickovic et al., "Graph attention networks", ICLR 2018)
 * and its gradient, pulled by rows for a and by columns for b and x: no two blocks write to one
 * place, and nothing is kept for each edge.
 *
 * A block of threads takes a row (or column). Its warps take every WARPS-th edge, the lanes of a
 * warp the columns of a head; what the warps have is added in their order, so that every sum has
 * one order. Heads are done one after the other.
 */
#include "block_reduce.cuh"

#include "ops/dropout_draw.h"
#include "ops/edge_attend_inputs.h"

namespace
{

constexpr int PARTS = 4; /* columns of a head that a lane has in registers */

struct sizes {
    int64_t heads, d;
    float slope;
    double dropout;
    int32_t layer;
};

__device__ __forceinline__ float leaky(float x, float slope)
{
    return x > 0.0f ? x : slope * x;
}

__device__ __forceinline__ rk_dropout_draw draw_of(const rk_step_state *state, const sizes &s)
{
    rk_dropout_draw draw = {0, 0, 1.0f};
    if (state) {
        draw = rk__dropout_at(state->seed, state->step, s.layer, s.dropout);
    }
    return draw;
}

/* What edge e multiplies the weight of a head with. */
__device__ __forceinline__ float kept(const rk_dropout_draw &draw, bool drops, int64_t e, int64_t h,
                                      int64_t heads)
{
    return drops ? rk__dropout_factor(draw.key, draw.threshold, draw.factor, e * heads + h) : 1.0f;
}

/* As how many edge e counts. */
__device__ __forceinline__ float count_of(const float *counts, int64_t e)
{
    return counts ? counts[e] : 1.0f;
}

/* The weight of an edge from its exponent, which may be large where the edge is not there. */
__device__ __forceinline__ float weight_of(const float *counts, int64_t e, float exponent)
{
    const float count = count_of(counts, e);
    return count > 0.0f ? count * expf(exponent) : 0.0f;
}

/* *mine of each warp's lane added up in the order of the warps, in all of them. shared: BLOCK. */
__device__ __forceinline__ float add_warps(float mine, float *shared)
{
    const int lane = (int)threadIdx.x % rk::WARP;
    shared[threadIdx.x] = mine;
    __syncthreads();
    float sum = 0.0f;
    for (int w = 0; w < rk::WARPS; w++) {
        sum += shared[w * rk::WARP + lane];
    }
    __syncthreads();
    return sum;
}

struct largest_of {
    __device__ float operator()(float a, float b) const
    {
        return a > b ? a : b;
    }
};

struct sum_of {
    __device__ float operator()(float a, float b) const
    {
        return a + b;
    }
};

/* ---- the result ---- */

__global__ void __launch_bounds__(rk::BLOCK)
    attend_rows(const int64_t *__restrict__ offsets, const int32_t *__restrict__ columns,
                const float *__restrict__ a, const float *__restrict__ b,
                const float *__restrict__ x, const rk_step_state *__restrict__ state,
                const float *__restrict__ counts, const int32_t *__restrict__ rows,
                const int32_t *__restrict__ count, sizes s, float *__restrict__ y,
                float *__restrict__ lse)
{
    rk::begin();
    __shared__ float shared[rk::BLOCK];
    const int64_t r = blockIdx.x;
    const int lane = (int)threadIdx.x % rk::WARP, warp = (int)threadIdx.x / rk::WARP;
    const bool is_used = !rows || r < *count;
    const int64_t v = !is_used ? 0 : rows ? rows[r] : r;
    const int64_t begin = is_used ? offsets[v] : 0, end = is_used ? offsets[v + 1] : 0;
    const int64_t width = s.heads * s.d;
    const rk_dropout_draw draw = draw_of(state, s);
    for (int64_t h = 0; h < s.heads; h++) {
        if (begin == end) { /* the whole block */
            for (int64_t j = threadIdx.x; j < s.d; j += rk::BLOCK) {
                y[r * width + h * s.d + j] = 0.0f;
            }
            if (threadIdx.x == 0) {
                lse[r * s.heads + h] = 0.0f;
            }
            continue;
        }
        const float own = a[v * s.heads + h];
        float largest = -INFINITY;
        for (int64_t e = begin + threadIdx.x; e < end; e += rk::BLOCK) {
            const float z = leaky(own + b[columns[e] * s.heads + h], s.slope);
            largest = count_of(counts, e) > 0.0f && !(z <= largest) ? z : largest;
        }
        largest = rk::block_reduce(largest, shared, largest_of());
        float sum = 0.0f;
        for (int64_t e = begin + threadIdx.x; e < end; e += rk::BLOCK) {
            const float z = leaky(own + b[columns[e] * s.heads + h], s.slope);
            sum += weight_of(counts, e, z - largest);
        }
        sum = rk::block_reduce(sum, shared, sum_of());
        const float total = sum > 0.0f || isnan(sum) ? largest + logf(sum) : 0.0f;
        if (threadIdx.x == 0) {
            lse[r * s.heads + h] = total;
        }
        for (int64_t first = 0; first < s.d; first += PARTS * rk::WARP) {
            float part[PARTS] = {0.0f, 0.0f, 0.0f, 0.0f};
            for (int64_t e = begin + warp; e < end; e += rk::WARPS) {
                const int64_t u = columns[e];
                const float z = leaky(own + b[u * s.heads + h], s.slope);
                const float w =
                    weight_of(counts, e, z - largest) * kept(draw, state, e, h, s.heads);
                for (int k = 0; k < PARTS; k++) {
                    const int64_t j = first + k * rk::WARP + lane;
                    part[k] += j < s.d ? w * x[u * width + h * s.d + j] : 0.0f;
                }
            }
            for (int k = 0; k < PARTS; k++) {
                const int64_t j = first + k * rk::WARP + lane;
                const float all = add_warps(part[k], shared);
                if (warp == 0 && j < s.d) {
                    y[r * width + h * s.d + j] = sum == 0.0f ? 0.0f : all / sum;
                }
            }
        }
    }
}

/* ---- its gradient ---- */

/* sums [R, heads]: the products of g and y, by heads; a warp each. */
__global__ void __launch_bounds__(rk::BLOCK)
    multiply_heads(const float *__restrict__ g, const float *__restrict__ y,
                   float *__restrict__ sums, int64_t n, int64_t d)
{
    rk::begin();
    const int64_t i = rk::number_of_warp();
    const int lane = (int)threadIdx.x % rk::WARP;
    if (i >= n) {
        return; /* the whole warp */
    }
    const float sum = rk::warp_dot(g + i * d, y + i * d, d, lane);
    if (lane == 0) {
        sums[i] = sum;
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    attend_rows_grad(const int64_t *__restrict__ offsets, const int32_t *__restrict__ columns,
                     const float *__restrict__ a, const float *__restrict__ b,
                     const float *__restrict__ x, const rk_step_state *__restrict__ state,
                     const float *__restrict__ counts, const int32_t *__restrict__ map,
                     const float *__restrict__ lse, const float *__restrict__ g,
                     const float *__restrict__ sums, sizes s, float *__restrict__ da)
{
    rk::begin();
    __shared__ float shared[rk::BLOCK];
    const int64_t v = blockIdx.x, r = map ? map[v] : v;
    const int lane = (int)threadIdx.x % rk::WARP, warp = (int)threadIdx.x / rk::WARP;
    if (r < 0) {
        return; /* the whole block */
    }
    const int64_t begin = offsets[v], end = offsets[v + 1];
    const int64_t width = s.heads * s.d;
    const rk_dropout_draw draw = draw_of(state, s);
    for (int64_t h = 0; h < s.heads; h++) {
        const int64_t at = r * s.heads + h;
        float sum = 0.0f;
        for (int64_t e = begin + warp; e < end; e += rk::WARPS) {
            const int64_t u = columns[e];
            const float raw = a[v * s.heads + h] + b[u * s.heads + h];
            const float w =
                weight_of(counts, e, leaky(raw, s.slope) - lse[at]) * (raw > 0.0f ? 1.0f : s.slope);
            const float product =
                rk::warp_dot(g + r * width + h * s.d, x + u * width + h * s.d, s.d, lane);
            sum += w * (kept(draw, state, e, h, s.heads) * product - sums[at]);
        }
        const float all = add_warps(sum, shared);
        if (threadIdx.x == 0) {
            da[at] = all;
        }
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    attend_columns_grad(const int64_t *__restrict__ offsets, const int32_t *__restrict__ rows,
                        const int32_t *__restrict__ numbers, const float *__restrict__ a,
                        const float *__restrict__ b, const float *__restrict__ x,
                        const rk_step_state *__restrict__ state, const float *__restrict__ counts,
                        const int32_t *__restrict__ map, const float *__restrict__ lse,
                        const float *__restrict__ g, const float *__restrict__ sums, sizes s,
                        float *__restrict__ db, float *__restrict__ dx)
{
    rk::begin();
    __shared__ float shared[rk::BLOCK];
    const int64_t u = blockIdx.x, begin = offsets[u], end = offsets[u + 1];
    const int lane = (int)threadIdx.x % rk::WARP, warp = (int)threadIdx.x / rk::WARP;
    const int64_t width = s.heads * s.d;
    const rk_dropout_draw draw = draw_of(state, s);
    for (int64_t h = 0; h < s.heads; h++) {
        const float *own = x + u * width + h * s.d;
        float sum = 0.0f;
        for (int64_t first = 0; first < s.d; first += PARTS * rk::WARP) {
            float part[PARTS] = {0.0f, 0.0f, 0.0f, 0.0f};
            for (int64_t i = begin + warp; i < end; i += rk::WARPS) {
                const int64_t v = rows[i], r = map ? map[v] : v;
                if (r < 0) {
                    continue; /* the whole warp */
                }
                const int64_t at = r * s.heads + h;
                const float *of_y = g + r * width + h * s.d;
                const float raw = a[v * s.heads + h] + b[u * s.heads + h];
                const float w = weight_of(counts, numbers[i], leaky(raw, s.slope) - lse[at]);
                const float factor = kept(draw, state, numbers[i], h, s.heads);
                if (first == 0) {
                    const float product = rk::warp_dot(of_y, own, s.d, lane);
                    const float slope = raw > 0.0f ? 1.0f : s.slope;
                    sum += w * slope * (factor * product - sums[at]);
                }
                for (int k = 0; k < PARTS; k++) {
                    const int64_t j = first + k * rk::WARP + lane;
                    part[k] += j < s.d ? w * factor * of_y[j] : 0.0f;
                }
            }
            for (int k = 0; k < PARTS; k++) {
                const int64_t j = first + k * rk::WARP + lane;
                const float all = add_warps(part[k], shared);
                if (warp == 0 && j < s.d) {
                    dx[u * width + h * s.d + j] = all;
                }
            }
        }
        const float all = add_warps(sum, shared);
        if (threadIdx.x == 0) {
            db[u * s.heads + h] = all;
        }
    }
}

sizes sizes_of(const rk_call *call)
{
    const rk_edge_attend_attr &a = call->node->attr.edge_attend;
    return {a.heads, rk__in(call, X)->cols / a.heads, a.slope, a.dropout, a.layer};
}

} // namespace

cudaError_t rk_cuda_edge_attend(const rk_call *call)
{
    return rk::run(call->stream, rk::grid{rk__out(call, 0)->rows}, attend_rows,
                   rk::in(call, OFFSETS), rk::in(call, COLUMNS), rk::in(call, OF_ROWS),
                   rk::in(call, OF_COLUMNS), rk::in(call, X), rk::in(call, STATE),
                   rk::in(call, WEIGHTS), rk::in(call, ROWS), rk::in(call, COUNT), sizes_of(call),
                   rk::out(call, 0), rk::out(call, 1));
}

int64_t rk_cuda_scratch_edge_attend_grad(const rk_call *call)
{
    return rk::elements(rk__in(call, LSE)) * (int64_t)sizeof(float);
}

cudaError_t rk_cuda_edge_attend_grad(const rk_call *call)
{
    const sizes s = sizes_of(call);
    const int64_t n = rk::elements(rk__in(call, LSE));
    float *sums = static_cast<float *>(call->scratch);
    RK_TRY_LAUNCH(rk::run(call->stream, rk::a_warp_each(n), multiply_heads, rk::in(call, G),
                          rk::in(call, Y), sums, n, s.d));
    if (call->in[MAP]) { /* rows that are not in use have no row of the block */
        RK_TRY_LAUNCH(rk::fill(call->stream, call->out[0], 0, n * (int64_t)sizeof(float)));
    }
    RK_TRY_LAUNCH(rk::run(call->stream, rk::grid{rk__in(call, OFFSETS)->rows - 1}, attend_rows_grad,
                          rk::in(call, OFFSETS), rk::in(call, COLUMNS), rk::in(call, OF_ROWS),
                          rk::in(call, OF_COLUMNS), rk::in(call, X), rk::in(call, STATE),
                          rk::in(call, WEIGHTS), rk::in(call, MAP), rk::in(call, LSE),
                          rk::in(call, G), sums, s, rk::out(call, 0)));
    return rk::run(call->stream, rk::grid{rk__out(call, 1)->rows}, attend_columns_grad,
                   rk::in(call, BACK_OFFSETS), rk::in(call, BACK_COLUMNS), rk::in(call, BACK_EDGES),
                   rk::in(call, OF_ROWS), rk::in(call, OF_COLUMNS), rk::in(call, X),
                   rk::in(call, STATE), rk::in(call, WEIGHTS), rk::in(call, MAP), rk::in(call, LSE),
                   rk::in(call, G), sums, s, rk::out(call, 1), rk::out(call, 2));
}
