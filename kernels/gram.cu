/*
 * Pair tables: halves of a propagation, from and to the small side's nodes, sums, and what the
 * product with the Gram matrix at the precision of fp32 on tensor cores is made of (the product
 * itself: src/device/cuda/gram.c).
 *
 * Numbers are cut into two halves (fp16), v = high + low with a power of two in front that keeps
 * them in range: 2^14 for C, whose elements are at most 1 in magnitude, and one for a whole pair
 * table, from its largest element. Each half has 11 bits, so v is known to 2^-22 of itself, or
 * 2^-39 of the largest element. Products of halves are exact in fp32; of
 *
 *     C x = C_high x_high + C_high x_low + C_low x_high + C_low x_low
 *
 * the last, 2^-22 of the result, is left out. The table is packed as [t_high q_high t_low q_low], n
 * rows, so that one product with C_high gives the first two terms of both halves.
 */
#include "propagate.cuh"
#include "tables.cuh"

namespace
{

constexpr float GRAM_FACTOR = 16384.0f;

__device__ __forceinline__ void cut(float value, rk_half *high, rk_half *low)
{
    const __half first = __float2half_rn(value);
    *high = __half_as_ushort(first);
    *low = __half_as_ushort(__float2half_rn(value - __half2float(first)));
}

/* Rows of n become rows of `stride`, filled up with zeros. */
__global__ void __launch_bounds__(rk::BLOCK)
    cut_gram(const float *__restrict__ gram, int64_t n, int64_t stride, rk_half *__restrict__ high,
             rk_half *__restrict__ low)
{
    rk::begin();
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n * stride;
         i += (int64_t)gridDim.x * blockDim.x) {
        const int64_t column = i % stride;
        cut(column < n ? GRAM_FACTOR * gram[i / stride * n + column] : 0.0f, high + i, low + i);
    }
}

/* The bits of numbers that are not negative order as integers do. */
__global__ void __launch_bounds__(rk::BLOCK)
    largest_of(const float *__restrict__ x, int64_t n, int *__restrict__ largest)
{
    rk::begin();
    int most = 0;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n;
         i += (int64_t)gridDim.x * blockDim.x) {
        most = max(most, __float_as_int(x[i]) & 0x7fffffff);
    }
    for (int distance = rk::WARP / 2; distance > 0; distance /= 2) {
        most = max(most, __shfl_xor_sync(rk::ALL_LANES, most, distance));
    }
    if (threadIdx.x % rk::WARP == 0) {
        atomicMax(largest, most);
    }
}

/* 2^exponent in front of a table: its largest element comes to lie in [2^14, 2^15). */
__device__ __forceinline__ int exponent_for(int largest)
{
    return min(14 - ((largest >> 23) - 127), 126);
}

__global__ void __launch_bounds__(rk::BLOCK)
    pack_pairs(const float *__restrict__ x, const int *__restrict__ largest, int64_t n, int64_t d,
               int64_t halves, rk_half *__restrict__ packed)
{
    rk::begin();
    const float factor = ldexpf(1.0f, exponent_for(*largest));
    const int64_t width = halves * d;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n * width;
         i += (int64_t)gridDim.x * blockDim.x) {
        const int64_t half = i / (n * d), row = i / d % n, column = i % d;
        rk_half *to = packed + row * 2 * width + half * d + column;
        cut(factor * x[i], to, to + width);
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    unpack_pairs(const float *__restrict__ sums, const int *__restrict__ largest, int64_t n,
                 int64_t d, int64_t halves, float *__restrict__ y)
{
    rk::begin();
    const float factor = ldexpf(1.0f / GRAM_FACTOR, -exponent_for(*largest));
    const int64_t width = halves * d;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n * width;
         i += (int64_t)gridDim.x * blockDim.x) {
        const int64_t half = i / (n * d), row = i / d % n, column = i % d;
        const float *from = sums + row * 2 * width + half * d + column;
        y[i] = factor * (from[0] + from[width]);
    }
}

rk::grid an_element_each(int64_t n)
{
    return rk::strided(n, rk::BLOCK, 4096);
}

/* One side's half of a propagation: a pair table's halves begin with the small side's first node.
 */
rk::propagation half_of(const rk_call *call, bool to_small)
{
    const rk_split_graph *graph = static_cast<const rk_split_graph *>(call->prepared);
    rk::propagation p = rk::propagation_of(call);
    p.split = to_small ? graph->small : graph->other;
    return p;
}

/* One half of the result: w[2j + half] t_j + w[2j + half + 1] q_j over the tables. */
cudaError_t mix_half(const rk_call *call, int half)
{
    const float *w = call->node->attr.weight;
    const int64_t n = rk::elements(rk__out(call, 0)) / 2;
    float *y = static_cast<float *>(call->out[0]) + half * n;
    rk::tables terms = {};
    for (int i = 0; i < 2 * call->node->n_inputs; i++) {
        const int at = i / 2 * 2 + half + i % 2;
        if (at < RK_MAX_LAYERS && w[at] != 0) {
            terms.x[terms.n] = static_cast<const float *>(call->in[i / 2]) + i % 2 * n;
            terms.weight[terms.n++] = w[at];
        }
    }
    return terms.n > 0 ? rk::sum_tables(call->stream, terms, y, n)
                       : rk::fill(call->stream, y, 0, n * (int64_t)sizeof *y);
}

} // namespace

cudaError_t rk_cuda_fold(const rk_call *call)
{
    const rk_fold_attr a = call->node->attr.fold;
    rk::propagation p = half_of(call, true);
    const float *x = rk::in(call, 3);
    float *t = rk::out(call, 0);
    p.end.floats = t + a.n * p.d;
    RK_TRY_LAUNCH(rk::copy(call->stream, t, x + a.first * p.d, a.n * p.d * (int64_t)sizeof *t));
    return rk::propagate(p);
}

cudaError_t rk_cuda_fold_from_rows(const rk_call *call)
{
    const rk_fold_attr a = call->node->attr.fold;
    rk::propagation p = half_of(call, true);
    const float *x = rk::in(call, 3);
    float *t = rk::out(call, 0);
    p.map = rk::in(call, 4);
    p.end.floats = t + a.n * p.d;
    RK_TRY_LAUNCH(rk::scatter_rows(call->stream, {x, p.map + a.first, t, a.n, p.d}, 1.0f));
    return rk::propagate_from_rows(p);
}

cudaError_t rk_cuda_unfold(const rk_call *call)
{
    const rk_fold_attr a = call->node->attr.fold;
    rk::propagation p = half_of(call, false);
    const float *t = rk::in(call, 3);
    float *y = rk::out(call, 0);
    p.x.rows = t + a.n * p.d;
    p.end.floats = y;
    RK_TRY_LAUNCH(rk::copy(call->stream, y + a.first * p.d, t, a.n * p.d * (int64_t)sizeof *t));
    return rk::propagate(p);
}

cudaError_t rk_cuda_unfold_rows(const rk_call *call)
{
    const rk_fold_attr a = call->node->attr.fold;
    rk::propagation p = half_of(call, false);
    const float *t = rk::in(call, 3);
    float *y = rk::out(call, 0);
    p.count = rk::in(call, 5);
    p.map = rk::in(call, 6);
    p.n_rows = rk__out(call, 0)->rows;
    p.x.rows = t + a.n * p.d;
    p.end.floats = y;
    RK_TRY_LAUNCH(rk::propagate_rows(p));
    return rk::spread_rows(call->stream, {t, p.map + a.first, y, a.n, p.d});
}

cudaError_t rk_cuda_mix_pairs(const rk_call *call)
{
    RK_TRY_LAUNCH(mix_half(call, 0));
    return mix_half(call, 1);
}

cudaError_t rk_cuda_gram_cut(const float *gram, int64_t n, int64_t stride, rk_half *high,
                             rk_half *low, rk_stream *stream)
{
    return rk::run(stream, an_element_each(n * stride), cut_gram, gram, n, stride, high, low);
}

cudaError_t rk_cuda_gram_pack(const rk_pair_product *p, const float *x, rk_stream *stream)
{
    const int64_t n = p->halves * p->n * p->d;
    const rk::grid g = an_element_each(n);
    RK_TRY_LAUNCH(rk::fill(stream, p->largest, 0, sizeof *p->largest));
    RK_TRY_LAUNCH(rk::run(stream, g, largest_of, x, n, p->largest));
    return rk::run(stream, g, pack_pairs, x, p->largest, p->n, p->d, p->halves, p->packed);
}

cudaError_t rk_cuda_gram_unpack(const rk_pair_product *p, float *y, rk_stream *stream)
{
    return rk::run(stream, an_element_each(p->halves * p->n * p->d), unpack_pairs, p->sums,
                   p->largest, p->n, p->d, p->halves, y);
}
