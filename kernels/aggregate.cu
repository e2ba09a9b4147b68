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
    b.heads = b.by_type        ? a->n_types
              : b.coefficients ? rk__in(call, RK_AGGREGATE_COEFFICIENTS)->cols
                               : 1;
    b.sums_heads = a->sums_heads && b.heads > 1;
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

/* ---- gradients by what types have ---- */

/* Warps take consecutive rows, each as many, and have sums of their own, which are added up in
 * their order. So many warps at most, and so many bytes of sums. */
constexpr int64_t MOST_PARTS = 1024, PART_BYTES = 64 << 20;

int64_t parts_of(const rk_call *call)
{
    const int64_t rows = rk__in(call, RK_AGGREGATE_GRADIENT)->rows;
    const int64_t fit = PART_BYTES / (8 * (rk::elements(rk__out(call, 0)) + 1));
    const int64_t n = fit < MOST_PARTS ? fit : MOST_PARTS;
    return n < 1 ? 1 : n < rows ? n : rows;
}

/* Column j of the gradient by the one sum that the coefficients of type t make of the row's. */
__device__ __forceinline__ float gradient_at(const block &b, const float *g, int32_t t, int64_t j)
{
    if (!b.coefficients) {
        return g[j];
    }
    float sum = 0.0f;
    for (int64_t h = 0; h < b.heads; h++) {
        sum += b.coefficients[t * b.heads + h] * g[h * b.d + j];
    }
    return sum;
}

/* The sums of a run of edges of one type, AT_ONCE columns a lane. */
struct run_sums {
    float sum[AT_ONCE]; /* of phi for coefficients, of x for z */
    float weight;
};

/* The row that a warp is at. */
struct row_part {
    const float *g;
    float factor;
    int64_t first; /* column of lane 0 */
    int lane;
};

/* slab[t] += the run's part of the gradient by the coefficients of t. */
__device__ inline void add_to_coefficients(const block &b, const run_sums &run, int32_t t,
                                           const row_part &at, double *slab)
{
    for (int64_t h = 0; h < b.heads; h++) {
        float sum = 0.0f;
        for (int k = 0; k < AT_ONCE; k++) {
            const int64_t j = at.first + k * rk::WARP + at.lane;
            sum += j < b.d ? run.sum[k] * at.g[h * b.d + j] : 0.0f;
        }
        sum = rk::warp_sum(sum);
        if (at.lane == 0) {
            slab[t * b.heads + h] += (double)(at.factor * sum);
        }
    }
}

/* The same by column j of x, the sum x of the run there and `other` in the column beside. */
__device__ inline void add_column_to_z(const block &b, float x, float other, int32_t t,
                                       const row_part &at, int64_t j, double *out)
{
    const int64_t s = b.size;
    switch (b.compose) {
    case RK_COMPOSE_SUB:
        out[j] -= (double)(x * gradient_at(b, at.g, t, j));
        break;
    case RK_COMPOSE_MULT:
        out[j] += (double)(x * gradient_at(b, at.g, t, j));
        break;
    case RK_COMPOSE_CORR: {
        const float own = gradient_at(b, at.g, t, j), beside = gradient_at(b, at.g, t, j ^ 1);
        out[j] += (double)(j % 2 == 0 ? x * own - other * beside : other * own + x * beside);
        break;
    }
    case RK_COMPOSE_BLOCKS: /* row j of its block */
        for (int64_t i = 0; i < s; i++) {
            out[j * s + i] += (double)(x * gradient_at(b, at.g, t, j - j % s + i));
        }
        break;
    default: /* BLOCKS_BACK: column j of it */
        for (int64_t i = 0; i < s; i++) {
            out[(j - j % s + i) * s + j % s] +=
                (double)(x * gradient_at(b, at.g, t, j - j % s + i));
        }
    }
}

__device__ inline void add_to_z(const block &b, const run_sums &run, int32_t t, const row_part &at,
                                double *slab)
{
    for (int k = 0; k < AT_ONCE; k++) {
        const int64_t j = at.first + k * rk::WARP + at.lane;
        const float sum = b.compose == RK_COMPOSE_SUB ? run.weight : run.sum[k];
        const float other = __shfl_xor_sync(rk::ALL_LANES, sum, 1);
        if (j < b.d) {
            add_column_to_z(b, at.factor * sum, at.factor * other, t, at, j, slab + t * b.z_cols);
        }
    }
}

template <bool OF_Z>
__device__ __forceinline__ void add_run(const block &b, const run_sums &run, int32_t t,
                                        const row_part &at, double *slab)
{
    if (t < 0) {
        return; /* there was no edge yet */
    }
    if (OF_Z) {
        add_to_z(b, run, t, at, slab);
    } else {
        add_to_coefficients(b, run, t, at, slab);
    }
}

/* The edges of a row, of SPAN columns of x. */
template <bool OF_Z>
__device__ inline void add_row(const block &b, const float *x, int64_t row, const row_part &at,
                               double *slab)
{
    run_sums run = {};
    int32_t type = -1;
    for (int64_t place = b.offsets[row]; place < b.offsets[row + 1]; place++) {
        const edge e = edge_at(b, place);
        if (e.weight == 0.0f) {
            continue;
        }
        if (e.type != type) {
            add_run<OF_Z>(b, run, type, at, slab);
            run = {};
            type = e.type;
        }
        const float *from = x + e.row * b.d, *z = b.z + e.type * b.z_cols;
        run.weight += e.weight;
        for (int k = 0; k < AT_ONCE; k++) {
            const int64_t j = at.first + k * rk::WARP + at.lane;
            if (j < b.d) {
                run.sum[k] += e.weight * (OF_Z ? from[j] : composed(b, from, z, j));
            }
        }
    }
    add_run<OF_Z>(b, run, type, at, slab);
}

/* slabs [n_parts, n]: zeros before. */
template <bool OF_Z>
__global__ void __launch_bounds__(rk::BLOCK)
    types_grad(const block b, const float *__restrict__ x, const float *__restrict__ g,
               int64_t n_parts, int64_t n, double *__restrict__ slabs)
{
    rk::begin();
    const int64_t part = rk::number_of_warp();
    if (part >= n_parts) {
        return; /* the whole warp */
    }
    const int64_t n_rows = b.rows ? *b.count : b.n_rows;
    for (int64_t i = n_rows * part / n_parts; i < n_rows * (part + 1) / n_parts; i++) {
        const int64_t row = b.rows ? b.rows[i] : i;
        row_part at = {g + i * b.heads * b.d, b.row_scale ? b.row_scale[row] : 1.0f, 0,
                       (int)threadIdx.x % rk::WARP};
        for (; at.first < b.d; at.first += SPAN) {
            add_row<OF_Z>(b, x, row, at, slabs + part * n);
        }
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    add_parts(const double *__restrict__ slabs, int64_t n_parts, int64_t n, float *__restrict__ out)
{
    rk::begin();
    const int64_t k = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (k < n) {
        double sum = 0.0;
        for (int64_t part = 0; part < n_parts; part++) {
            sum += slabs[part * n + k];
        }
        out[k] = (float)sum;
    }
}

block gradient_block(const rk_call *call)
{
    block b = block_of(call);
    b.d = rk__in(call, RK_AGGREGATE_X)->cols;
    b.map = nullptr; /* the gradient */
    b.n_rows = rk__in(call, RK_AGGREGATE_GRADIENT)->rows;
    return b;
}

template <bool OF_Z> cudaError_t gradient_of_types(const rk_call *call)
{
    const int64_t n = rk::elements(rk__out(call, 0)), n_parts = parts_of(call);
    double *slabs = static_cast<double *>(call->scratch);
    RK_TRY_LAUNCH(rk::fill(call->stream, slabs, 0, n_parts * n * (int64_t)sizeof *slabs));
    RK_TRY_LAUNCH(rk::run(call->stream, rk::a_warp_each(n_parts), types_grad<OF_Z>,
                          gradient_block(call), rk::in(call, RK_AGGREGATE_X),
                          rk::in(call, RK_AGGREGATE_GRADIENT), n_parts, n, slabs));
    return rk::run(call->stream, rk::a_thread_each(n), add_parts, slabs, n_parts, n,
                   rk::out(call, 0));
}

/* ---- gradient by the weights ---- */

/* A warp takes a row; out: zeros before. */
__global__ void __launch_bounds__(rk::BLOCK)
    weights_grad(const block b, const float *__restrict__ x, const float *__restrict__ g,
                 float *__restrict__ out)
{
    rk::begin();
    const int lane = (int)threadIdx.x % rk::WARP;
    const int64_t i = rk::number_of_warp();
    if (i >= (b.rows ? *b.count : b.n_rows)) {
        return; /* the whole warp */
    }
    const int64_t row = b.rows ? b.rows[i] : i;
    const float *of_row = g + i * b.heads * b.d;
    for (int64_t place = b.offsets[row]; place < b.offsets[row + 1]; place++) {
        const int64_t number = b.edges ? b.edges[place] : place;
        const int32_t column = b.columns[place], type = b.types ? b.types[number] : 0;
        float sum = 0.0f;
        for (int64_t j = lane; j < b.d; j += rk::WARP) {
            const float own = b.by_type ? of_row[type * b.d + j] : gradient_at(b, of_row, type, j);
            sum += own * composed(b, x + column * b.d, b.z + type * b.z_cols, j);
        }
        sum = rk::warp_sum(sum);
        if (lane == 0) {
            sum *= b.row_scale ? b.row_scale[row] : 1.0f;
            out[number] = b.column_scale ? sum * b.column_scale[column] : sum;
        }
    }
}

/* ---- which edges ---- */

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

int64_t rk_cuda_scratch_aggregate_types_grad(const rk_call *call)
{
    return parts_of(call) * rk::elements(rk__out(call, 0)) * (int64_t)sizeof(double);
}

cudaError_t rk_cuda_aggregate_coefficients_grad(const rk_call *call)
{
    return gradient_of_types<false>(call);
}

cudaError_t rk_cuda_aggregate_z_grad(const rk_call *call)
{
    return gradient_of_types<true>(call);
}

cudaError_t rk_cuda_aggregate_weights_grad(const rk_call *call)
{
    const block b = gradient_block(call);
    const int64_t bytes = rk::elements(rk__out(call, 0)) * (int64_t)sizeof(float);
    RK_TRY_LAUNCH(rk::fill(call->stream, call->out[0], 0, bytes));
    return rk::run(call->stream, rk::a_warp_each(b.n_rows), weights_grad, b,
                   rk::in(call, RK_AGGREGATE_X), rk::in(call, RK_AGGREGATE_GRADIENT),
                   rk::out(call, 0));
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
