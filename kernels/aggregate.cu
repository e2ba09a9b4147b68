/*
 * Sums over the edges of a block, with weights and types.
 *
 * A block of threads takes a row of the result and one of its sums: each warp takes every WARPS-th
 * edge, a lane some columns; then the warps' sums are added in their order. So the bits are the
 * same each time, and nothing is shared between rows.
 */
#include "device.cuh"

#include "ops/edge_draw.h"

namespace
{

constexpr int AT_ONCE = 4; /* columns of a lane */
constexpr int64_t SPAN = AT_ONCE * rk::WARP;

/* The edges of the nodes that sum, and what they count for; as RK_AGGREGATE_*. */
struct block {
    const int64_t *offsets;
    const int32_t *columns, *edges;
    const float *weights;
    const int32_t *types;
    const float *coefficients, *z, *row_scale, *column_scale;
    const int32_t *rows, *count, *map;
    int64_t n_rows; /* of the result */
    int64_t d, heads, z_cols;
    int64_t size;
    int32_t compose;
    bool by_type, sums_heads;
};

block block_of(const rk_call *call)
{
    const rk_aggregate_attr *a = &call->node->attr.aggregate;
    const bool back = a->transposed;
    block b = {};
    b.offsets = rk::in(call, back ? RK_AGGREGATE_BACK_OFFSETS : RK_AGGREGATE_OFFSETS);
    b.columns = rk::in(call, back ? RK_AGGREGATE_BACK_COLUMNS : RK_AGGREGATE_COLUMNS);
    b.edges = back ? (const int32_t *)rk::in(call, RK_AGGREGATE_BACK_EDGES) : nullptr;
    b.weights = rk::in(call, RK_AGGREGATE_WEIGHTS);
    b.types = rk::in(call, RK_AGGREGATE_TYPES);
    b.coefficients = rk::in(call, RK_AGGREGATE_COEFFICIENTS);
    b.z = rk::in(call, RK_AGGREGATE_Z);
    b.row_scale = rk::in(call, RK_AGGREGATE_ROW_SCALE);
    b.column_scale = rk::in(call, RK_AGGREGATE_COLUMN_SCALE);
    b.rows = rk::in(call, RK_AGGREGATE_ROWS);
    b.count = rk::in(call, RK_AGGREGATE_COUNT);
    b.map = rk::in(call, RK_AGGREGATE_MAP);
    b.compose = a->compose;
    b.size = a->size;
    b.by_type = a->n_types > 0;
    b.sums_heads = a->sums_heads;
    b.heads = b.by_type        ? a->n_types
              : b.coefficients ? rk__in(call, RK_AGGREGATE_COEFFICIENTS)->cols
                               : 1;
    b.z_cols = b.z ? rk__in(call, RK_AGGREGATE_Z)->cols : 0;
    return b;
}

/* Column j of phi(x). */
__device__ __forceinline__ float composed(const block &b, const float *x, const float *z, int64_t j)
{
    const int64_t s = b.size;
    float sum = 0.0f;
    switch (b.compose) {
    case RK_COMPOSE_COPY:
        return x[j];
    case RK_COMPOSE_SUB:
        return x[j] - z[j];
    case RK_COMPOSE_MULT:
        return x[j] * z[j];
    case RK_COMPOSE_CORR:
        return j % 2 == 0 ? x[j] * z[j] + x[j + 1] * z[j + 1] : x[j - 1] * z[j] - x[j] * z[j - 1];
    case RK_COMPOSE_BLOCKS:
        for (int64_t i = j - j % s; i < j - j % s + s; i++) {
            sum += x[i] * z[i * s + j % s];
        }
        return sum;
    default:
        for (int64_t k = 0; k < s; k++) {
            sum += x[j - j % s + k] * z[j * s + k];
        }
        return sum;
    }
}

/* An edge: its row of x, type and weight; 0 = it counts nothing. */
struct edge {
    int64_t row;
    int32_t type;
    float weight;
};

__device__ __forceinline__ edge edge_at(const block &b, int64_t place)
{
    const int64_t number = b.edges ? b.edges[place] : place;
    const int32_t column = b.columns[place];
    edge e = {b.map ? b.map[column] : column, b.types ? b.types[number] : 0,
              b.weights ? b.weights[number] : 1.0f};
    if (b.column_scale) {
        e.weight *= b.column_scale[column];
    }
    if (e.row < 0) {
        e.weight = 0.0f;
    }
    return e;
}

/* What an edge adds to column j of sum `head`. */
__device__ __forceinline__ float of_edge(const block &b, const float *x, const edge &e,
                                         int64_t head, int64_t j)
{
    const float *z = b.z + e.type * b.z_cols;
    if (b.by_type) {
        const int64_t width = b.sums_heads ? b.heads * b.d : b.d;
        return b.sums_heads     ? e.weight * x[e.row * width + e.type * b.d + j]
               : e.type == head ? e.weight * x[e.row * width + j]
                                : 0.0f;
    }
    const float *c = b.coefficients + e.type * b.heads;
    if (b.sums_heads) {
        float sum = 0.0f;
        for (int64_t h = 0; h < b.heads; h++) {
            sum += c[h] * composed(b, x + (e.row * b.heads + h) * b.d, z, j);
        }
        return e.weight * sum;
    }
    const float value = composed(b, x + e.row * b.d, z, j);
    return b.coefficients ? e.weight * c[head] * value : e.weight * value;
}

__global__ void __launch_bounds__(rk::BLOCK)
    aggregate(const block b, const float *__restrict__ x, float *__restrict__ y)
{
    rk::begin();
    __shared__ float sums[rk::WARPS][SPAN];
    const int lane = (int)threadIdx.x % rk::WARP, warp = (int)threadIdx.x / rk::WARP;
    const int64_t heads = b.sums_heads ? 1 : b.heads;
    const int64_t i = blockIdx.x / heads, head = blockIdx.x % heads;
    float *out = y + (i * heads + head) * b.d;
    const bool is_there = !b.rows || i < *b.count;
    const int64_t row = !is_there ? 0 : b.rows ? b.rows[i] : i;
    const int64_t begin = is_there ? b.offsets[row] : 0, end = is_there ? b.offsets[row + 1] : 0;
    const float factor = is_there && b.row_scale ? b.row_scale[row] : 1.0f;
    for (int64_t first = 0; first < b.d; first += SPAN) {
        float sum[AT_ONCE] = {};
        for (int64_t place = begin + warp; place < end; place += rk::WARPS) {
            const edge e = edge_at(b, place);
            if (e.weight != 0.0f) {
#pragma unroll
                for (int k = 0; k < AT_ONCE; k++) {
                    const int64_t j = first + k * rk::WARP + lane;
                    if (j < b.d) {
                        sum[k] += of_edge(b, x, e, head, j);
                    }
                }
            }
        }
#pragma unroll
        for (int k = 0; k < AT_ONCE; k++) {
            sums[warp][k * rk::WARP + lane] = sum[k];
        }
        __syncthreads();
        for (int64_t j = threadIdx.x; j < SPAN && first + j < b.d; j += rk::BLOCK) {
            float total = 0.0f;
            for (int w = 0; w < rk::WARPS; w++) {
                total += sums[w][j];
            }
            out[first + j] = factor * total;
        }
        __syncthreads();
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    edge_mask(const int64_t *__restrict__ offsets, const int32_t *__restrict__ columns,
              const rk_step_state *__restrict__ state, int64_t n_rows, rk_mask_attr attr,
              uint32_t threshold, float *__restrict__ out)
{
    rk::begin();
    const int lane = (int)threadIdx.x % rk::WARP;
    const int64_t row = rk::number_of_warp();
    if (row >= n_rows) {
        return; /* the whole warp */
    }
    const rk_edge_draw draw = rk__edge_mask_at(state, attr.stream, attr.each_step, threshold);
    for (int64_t e = offsets[row] + lane; e < offsets[row + 1]; e += rk::WARP) {
        const bool is_masked =
            rk__edge_is_dropped(draw.key, draw.threshold, (int32_t)row, columns[e]) != 0;
        out[e] = columns[e] == row ? 1.0f : is_masked ? attr.masked : attr.kept;
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    block_degrees(const int64_t *__restrict__ offsets, const int32_t *__restrict__ edges,
                  const float *__restrict__ weights, int64_t n_rows, double plus, double power,
                  float *__restrict__ out)
{
    rk::begin();
    const int lane = (int)threadIdx.x % rk::WARP;
    const int64_t row = rk::number_of_warp();
    if (row >= n_rows) {
        return; /* the whole warp */
    }
    double sum = 0.0;
    for (int64_t k = offsets[row] + lane; k < offsets[row + 1]; k += rk::WARP) {
        sum += weights ? (double)weights[edges ? edges[k] : k] : 1.0;
    }
    sum = plus + rk::warp_sum(sum);
    if (lane == 0) {
        out[row] = sum == 0.0 ? 0.0f : (float)pow(sum, power);
    }
}

} // namespace

cudaError_t rk_cuda_aggregate(const rk_call *call)
{
    block b = block_of(call);
    const rk_tensor *y = rk__out(call, 0);
    b.d = b.sums_heads ? y->cols : y->cols / b.heads;
    return rk::run(call->stream, {y->rows * (b.sums_heads ? 1 : b.heads)}, aggregate, b,
                   rk::in(call, RK_AGGREGATE_X), rk::out(call, 0));
}

cudaError_t rk_cuda_edge_mask(const rk_call *call)
{
    const rk_mask_attr *a = &call->node->attr.mask;
    const int64_t n_rows = rk__in(call, 0)->rows - 1;
    return rk::run(call->stream, rk::a_warp_each(n_rows), edge_mask, rk::in(call, 0),
                   rk::in(call, 1), rk::in(call, 2), n_rows, *a, rk__edge_threshold(a->share),
                   rk::out(call, 0));
}

cudaError_t rk_cuda_block_degrees(const rk_call *call)
{
    const int64_t n_rows = rk__out(call, 0)->rows;
    const rk_degrees_attr a = call->node->attr.degrees;
    return rk::run(call->stream, rk::a_warp_each(n_rows), block_degrees, rk::in(call, 0),
                   rk::in(call, 1), rk::in(call, 2), n_rows, a.plus, a.power, rk::out(call, 0));
}
