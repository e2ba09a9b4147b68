/*
 * Scores of a tile of queries for all items, and what queries are made of. Every element has one
 * thread that computes it in one order.
 *
 * score_dot: a block has SIDE x SIDE scores, a thread FEW x FEW of them, and both sides' columns
 * pass through shared memory DEPTH at a time; a score is one chain of multiply-adds over the
 * columns in order, the same as on the CPU device. Blocks of unused queries write their zeros.
 */
#include "device.cuh"

namespace
{

constexpr int64_t MOST_BLOCKS = 4096;

__global__ void __launch_bounds__(rk::BLOCK)
    take_rows(const float *__restrict__ table, const int32_t *__restrict__ rows,
              float *__restrict__ y, int64_t n, int64_t d)
{
    rk::begin();
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n * d;
         i += (int64_t)gridDim.x * blockDim.x) {
        const int64_t row = rows[i / d];
        y[i] = row >= 0 ? table[row * d + i % d] : 0.0f;
    }
}

/* ---- dot products ---- */

constexpr int SIDE = 64, DEPTH = 16, FEW = 4, GROUPS = SIDE / FEW;

struct dots {
    const float *queries, *items; /* [n_queries, d], [n_items, d] */
    float *y;                     /* [n_queries, n_items] */
    int64_t n_queries, n_items, d;
};

/* Columns [first, first + DEPTH) of SIDE rows, one column a row of `to`; zeros where there is
 * nothing. A row more keeps the writes of a warp in different banks. */
__device__ void load_side(float (*to)[SIDE + 1], const float *x, int64_t row, int64_t n_rows,
                          int64_t first, int64_t d)
{
    for (int i = (int)threadIdx.x; i < SIDE * DEPTH; i += rk::BLOCK) {
        const int64_t r = row + i / DEPTH, j = first + i % DEPTH;
        to[i % DEPTH][i / DEPTH] = r < n_rows && j < d ? x[r * d + j] : 0.0f;
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    score_dot(dots a, const int32_t *__restrict__ count, int64_t n_across)
{
    rk::begin();
    __shared__ float u[DEPTH][SIDE + 1], v[DEPTH][SIDE + 1];
    const int64_t query = blockIdx.x / n_across * SIDE, item = blockIdx.x % n_across * SIDE;
    const int row = (int)threadIdx.x / GROUPS, column = (int)threadIdx.x % GROUPS;
    const int64_t n_used = *count;
    float sum[FEW][FEW] = {};
    for (int64_t first = 0; first < a.d && query < n_used; first += DEPTH) {
        load_side(u, a.queries, query, a.n_queries, first, a.d);
        load_side(v, a.items, item, a.n_items, first, a.d);
        __syncthreads();
        const int depth = (int)(a.d - first < DEPTH ? a.d - first : DEPTH);
        for (int j = 0; j < depth; j++) {
            for (int p = 0; p < FEW; p++) {
                for (int q = 0; q < FEW; q++) {
                    sum[p][q] =
                        __fmaf_rn(u[j][row + p * GROUPS], v[j][column + q * GROUPS], sum[p][q]);
                }
            }
        }
        __syncthreads(); /* before the next columns take their place */
    }
    for (int p = 0; p < FEW; p++) {
        const int64_t t = query + row + p * GROUPS;
        for (int q = 0; q < FEW; q++) {
            const int64_t i = item + column + q * GROUPS;
            if (t < a.n_queries && i < a.n_items) {
                a.y[t * a.n_items + i] = t < n_used ? sum[p][q] : 0.0f;
            }
        }
    }
}

/* ---- sums over lists ---- */

struct lists {
    const int64_t *offsets;
    const int32_t *items;
    const float *weights;
};

/* A block a query, a thread a column. */
__global__ void __launch_bounds__(rk::BLOCK)
    sum_lists(const float *__restrict__ table, lists l, double power, int64_t d,
              float *__restrict__ y)
{
    rk::begin();
    const int64_t t = blockIdx.x, begin = l.offsets[t], end = l.offsets[t + 1];
    double total = 0.0;
    for (int64_t j = begin; j < end; j++) {
        total += (double)l.weights[j];
    }
    const float scale = (float)(power == 0.0 ? 1.0 : total > 0.0 ? pow(total, -power) : 0.0);
    for (int64_t i = threadIdx.x; i < d; i += rk::BLOCK) {
        float sum = 0.0f;
        for (int64_t j = begin; j < end; j++) {
            sum += l.weights[j] * table[l.items[j] * d + i];
        }
        y[t * d + i] = sum * scale;
    }
}

struct sparse_rows {
    const int64_t *offsets; /* from the first row on */
    const int32_t *columns;
    const float *values; /* NULL = 1 */
    int64_t first_column;
};

/* A block a query: one sparse row after the other, whose columns are distinct. */
__global__ void __launch_bounds__(rk::BLOCK)
    score_lists(lists l, sparse_rows s, const float *__restrict__ bias,
                const int32_t *__restrict__ count, float *y, int64_t n)
{
    rk::begin();
    const int64_t t = blockIdx.x;
    const bool is_used = t < *count;
    float *row = y + t * n;
    for (int64_t i = threadIdx.x; i < n; i += rk::BLOCK) {
        row[i] = bias && is_used ? bias[i] : 0.0f;
    }
    __syncthreads();
    for (int64_t j = l.offsets[t]; is_used && j < l.offsets[t + 1]; j++) {
        const float weight = l.weights[j];
        const int64_t end = s.offsets[l.items[j] + 1];
        for (int64_t e = s.offsets[l.items[j]] + threadIdx.x; e < end; e += rk::BLOCK) {
            row[s.columns[e] - s.first_column] += weight * (s.values ? s.values[e] : 1.0f);
        }
        __syncthreads();
    }
}

/* A block has BLOCK columns of a query. */
__global__ void __launch_bounds__(rk::BLOCK)
    score_dense(lists l, const float *__restrict__ matrix, const int32_t *__restrict__ count,
                float *__restrict__ y, int64_t n, int64_t n_across)
{
    rk::begin();
    const int64_t t = blockIdx.x / n_across;
    const int64_t i = blockIdx.x % n_across * rk::BLOCK + threadIdx.x;
    const int64_t end = t < *count ? l.offsets[t + 1] : l.offsets[t];
    if (i >= n) {
        return;
    }
    float sum = 0.0f;
    for (int64_t j = l.offsets[t]; j < end; j++) {
        sum += l.weights[j] * matrix[l.items[j] * n + i];
    }
    y[t * n + i] = sum;
}

/* ---- sparse products ---- */

constexpr int TILE = rk::WARP;

/* x [n, m] -> y [m, n], a tile a block. */
__global__ void __launch_bounds__(rk::BLOCK)
    transpose(const float *__restrict__ x, float *__restrict__ y, int64_t n, int64_t m,
              int64_t n_across)
{
    rk::begin();
    __shared__ float tile[TILE][TILE + 1];
    const int64_t row = blockIdx.x / n_across * TILE, column = blockIdx.x % n_across * TILE;
    const int lane = (int)threadIdx.x % TILE;
    for (int i = (int)threadIdx.x / TILE; i < TILE; i += rk::WARPS) {
        const bool is_in = row + i < n && column + lane < m;
        tile[i][lane] = is_in ? x[(row + i) * m + column + lane] : 0.0f;
    }
    __syncthreads();
    for (int i = (int)threadIdx.x / TILE; i < TILE; i += rk::WARPS) {
        if (column + i < m && row + lane < n) {
            y[(column + i) * n + row + lane] = tile[lane][i];
        }
    }
}

/* A block has TILE queries and as many items; a warp an item, a lane a query. queries [m, T]. */
__global__ void __launch_bounds__(rk::BLOCK)
    score_columns(const float *__restrict__ queries, sparse_rows s,
                  const float *__restrict__ factor, const int32_t *__restrict__ count,
                  float *__restrict__ y, rk_range_attr size)
{
    rk::begin();
    __shared__ float tile[TILE][TILE + 1];
    const int64_t n = size.n, n_queries = size.first, n_across = (n + TILE - 1) / TILE;
    const int64_t query = blockIdx.x / n_across * TILE, item = blockIdx.x % n_across * TILE;
    const int lane = (int)threadIdx.x % TILE;
    const int64_t t = query + lane;
    for (int i = (int)threadIdx.x / TILE; i < TILE && item + i < n; i += rk::WARPS) {
        float sum = 0.0f;
        const int64_t end = s.offsets[item + i + 1];
        for (int64_t e = s.offsets[item + i]; t < n_queries && t < *count && e < end; e++) {
            sum += (s.values ? s.values[e] : 1.0f) *
                   queries[(s.columns[e] - s.first_column) * n_queries + t];
        }
        tile[lane][i] = factor ? sum * factor[item + i] : sum;
    }
    __syncthreads();
    for (int q = (int)threadIdx.x / TILE; q < TILE && query + q < n_queries; q += rk::WARPS) {
        if (item + lane < n) {
            y[(query + q) * n + item + lane] = query + q < *count ? tile[q][lane] : 0.0f;
        }
    }
}

/* ---- scores that are there ---- */

/* A block a query; its items are distinct. factor NULL = 0. */
__global__ void __launch_bounds__(rk::BLOCK) add_lists(lists l, const float *__restrict__ factor,
                                                       float alpha, float beta, float *y, int64_t n)
{
    rk::begin();
    const int64_t t = blockIdx.x;
    for (int64_t j = l.offsets[t] + threadIdx.x; j < l.offsets[t + 1]; j += rk::BLOCK) {
        const int32_t item = l.items[j];
        y[t * n + item] += l.weights[j] * (factor ? alpha + beta * factor[item] : alpha);
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    take_scores(const float *__restrict__ scores, const int32_t *__restrict__ items,
                float *__restrict__ y, int64_t n_elements, int64_t n, int64_t width)
{
    rk::begin();
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n_elements;
         i += (int64_t)gridDim.x * blockDim.x) {
        y[i] = items[i] >= 0 ? scores[i / width * n + items[i]] : 0.0f;
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    ratio(const float *__restrict__ a, const float *__restrict__ b, float *__restrict__ y,
          int64_t n_elements)
{
    rk::begin();
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n_elements;
         i += (int64_t)gridDim.x * blockDim.x) {
        y[i] = b[i] == 0.0f ? 0.0f : a[i] / b[i];
    }
}

lists lists_of(const rk_call *call, int at)
{
    return {rk::in(call, at), rk::in(call, at + 1), rk::in(call, at + 2)};
}

sparse_rows rows_of(const rk_call *call, int at)
{
    const rk_rows_attr &a = call->node->attr.rows;
    return {static_cast<const int64_t *>(call->in[at]) + a.first, rk::in(call, at + 1),
            rk::in(call, at + 2), a.first_column};
}

} // namespace

cudaError_t rk_cuda_take_rows(const rk_call *call)
{
    const rk_tensor *y = rk__out(call, 0);
    return rk::run(call->stream, rk::strided(rk::elements(y), rk::BLOCK, MOST_BLOCKS), take_rows,
                   rk::in(call, 0), rk::in(call, 1), rk::out(call, 0), y->rows, y->cols);
}

cudaError_t rk_cuda_score_dot(const rk_call *call)
{
    const rk_tensor *queries = rk__in(call, 0), *y = rk__out(call, 0);
    const int64_t d = queries->cols, n_across = rk::divide_up(y->cols, SIDE);
    dots a = {};
    a.queries = rk::in(call, 0);
    a.items = static_cast<const float *>(call->in[1]) + call->node->attr.range.first * d;
    a.y = rk::out(call, 0);
    a.n_queries = y->rows;
    a.n_items = y->cols;
    a.d = d;
    return rk::run(call->stream, {n_across * rk::divide_up(y->rows, SIDE)}, score_dot, a,
                   rk::in(call, 2), n_across);
}

cudaError_t rk_cuda_sum_lists(const rk_call *call)
{
    const rk_sum_lists_attr *a = &call->node->attr.sum_lists;
    const rk_tensor *y = rk__out(call, 0);
    const float *table = static_cast<const float *>(call->in[0]) + a->first * y->cols;
    return rk::run(call->stream, {y->rows}, sum_lists, table, lists_of(call, 1), a->power, y->cols,
                   rk::out(call, 0));
}

cudaError_t rk_cuda_score_lists(const rk_call *call)
{
    const rk_tensor *y = rk__out(call, 0);
    return rk::run(call->stream, {y->rows}, score_lists, lists_of(call, 0), rows_of(call, 3),
                   rk::in(call, 6), rk::in(call, 7), rk::out(call, 0), y->cols);
}

cudaError_t rk_cuda_score_dense(const rk_call *call)
{
    const rk_tensor *y = rk__out(call, 0);
    const int64_t n_across = rk::divide_up(y->cols, rk::BLOCK);
    return rk::run(call->stream, {y->rows * n_across}, score_dense, lists_of(call, 0),
                   rk::in(call, 3), rk::in(call, 4), rk::out(call, 0), y->cols, n_across);
}

int64_t rk_cuda_scratch_score_columns(const rk_call *call)
{
    return rk::elements(rk__in(call, 0)) * (int64_t)sizeof(float);
}

cudaError_t rk_cuda_score_columns(const rk_call *call)
{
    const rk_tensor *x = rk__in(call, 0), *y = rk__out(call, 0);
    const int64_t down = rk::divide_up(x->rows, TILE), across = rk::divide_up(x->cols, TILE);
    float *queries = static_cast<float *>(call->scratch);
    const rk_range_attr size = {x->rows, y->cols};
    RK_TRY_LAUNCH(rk::run(call->stream, {down * across}, transpose, rk::in(call, 0), queries,
                          x->rows, x->cols, across));
    return rk::run(call->stream, {down * rk::divide_up(y->cols, TILE)}, score_columns, queries,
                   rows_of(call, 1), rk::in(call, 4), rk::in(call, 5), rk::out(call, 0), size);
}

cudaError_t rk_cuda_add_lists(const rk_call *call)
{
    const rk_add_lists_attr *a = &call->node->attr.add_lists;
    const rk_tensor *y = rk__out(call, 0);
    return rk::run(call->stream, {y->rows}, add_lists, lists_of(call, 1), rk::in(call, 4),
                   (float)a->alpha, (float)a->beta, rk::out(call, 0), y->cols);
}

cudaError_t rk_cuda_take_scores(const rk_call *call)
{
    const rk_tensor *scores = rk__in(call, 0), *y = rk__out(call, 0);
    return rk::run(call->stream, rk::strided(rk::elements(y), rk::BLOCK, MOST_BLOCKS), take_scores,
                   rk::in(call, 0), rk::in(call, 1), rk::out(call, 0), rk::elements(y),
                   scores->cols, y->cols);
}

cudaError_t rk_cuda_ratio(const rk_call *call)
{
    const int64_t n = rk::elements(rk__out(call, 0));
    return rk::run(call->stream, rk::strided(n, rk::BLOCK, MOST_BLOCKS), ratio, rk::in(call, 0),
                   rk::in(call, 1), rk::out(call, 0), n);
}
