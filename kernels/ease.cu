/* EASE: the Gram matrix of a side, the end of its inverse, item weights. */
#include "device.cuh"

namespace
{

constexpr int TILE = 32;

/* A block writes one row. The counts are whole numbers, so that their order changes nothing. */
__global__ void __launch_bounds__(rk::BLOCK)
    count_gram(const int64_t *__restrict__ offsets, const int32_t *__restrict__ columns, float *out,
               rk_ridge_attr a)
{
    rk::begin();
    const int lane = (int)threadIdx.x % rk::WARP, warp = (int)threadIdx.x / rk::WARP;
    const int64_t node = a.first + blockIdx.x;
    float *row = out + blockIdx.x * a.n;
    for (int64_t j = threadIdx.x; j < a.n; j += rk::BLOCK) {
        row[j] = 0.0f;
    }
    __syncthreads();
    for (int64_t e = offsets[node] + warp; e < offsets[node + 1]; e += rk::WARPS) {
        const int64_t between = columns[e];
        for (int64_t f = offsets[between] + lane; f < offsets[between + 1]; f += rk::WARP) {
            atomicAdd(&row[columns[f] - a.first], 1.0f);
        }
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        row[blockIdx.x] += (float)a.ridge;
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    keep_diagonal(const float *__restrict__ matrix, float *__restrict__ diagonal, int64_t n)
{
    rk::begin();
    const int64_t i = (int64_t)blockIdx.x * rk::BLOCK + threadIdx.x;
    if (i < n) {
        diagonal[i] = matrix[i * n + i];
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    check_inflation(const float *__restrict__ matrix, const float *__restrict__ diagonal, int *info,
                    int64_t n)
{
    rk::begin();
    const int64_t i = (int64_t)blockIdx.x * rk::BLOCK + threadIdx.x;
    if (i < n && !(diagonal[i] * matrix[i * n + i] < RK_MOST_INFLATION)) {
        atomicOr(info + 1, 1);
    }
}

/* A NaN anywhere in the matrix reaches the last pivot, of which info need not know. */
__global__ void note_inverse(const float *matrix, int64_t n, int *info, rk_step_state *state,
                             double bad)
{
    rk::begin();
    if (info[0] != 0 || info[1] != 0 || !isfinite(matrix[n * n - 1])) {
        info[0] = 1;
        rk__note_loss(state, bad);
    }
}

/* A block takes a square of the lower triangle over to the upper one. */
__global__ void __launch_bounds__(rk::BLOCK)
    mirror(float *matrix, int64_t n, const int *__restrict__ info, int64_t side)
{
    rk::begin();
    __shared__ float tile[TILE][TILE + 1];
    const int x = (int)threadIdx.x % TILE, y = (int)threadIdx.x / TILE;
    const int64_t ti = blockIdx.x / side, tj = blockIdx.x % side;
    const bool has_failed = info[0] != 0;
    if (tj > ti) {
        return;
    }
    for (int r = y; r < TILE; r += rk::WARPS) {
        const int64_t i = ti * TILE + r, j = tj * TILE + x;
        if (i < n && j < n) {
            tile[r][x] = has_failed ? 0.0f : matrix[i * n + j];
        }
    }
    __syncthreads();
    for (int r = y; r < TILE; r += rk::WARPS) {
        const int64_t i = ti * TILE + r, j = tj * TILE + x;
        if (has_failed && i < n && j <= i) {
            matrix[i * n + j] = 0.0f;
        }
        const int64_t upper_row = tj * TILE + r, upper_column = ti * TILE + x;
        if (upper_row < upper_column && upper_column < n) {
            matrix[upper_row * n + upper_column] = tile[x][r];
        }
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    column_factors(const float *__restrict__ matrix, float *__restrict__ factor, int64_t n)
{
    rk::begin();
    const int64_t j = (int64_t)blockIdx.x * rk::BLOCK + threadIdx.x;
    if (j < n) {
        factor[j] = -1.0f / matrix[j * n + j];
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    scale_columns(float *matrix, const float *__restrict__ factor, int64_t n)
{
    rk::begin();
    float *row = matrix + blockIdx.x * n;
    for (int64_t j = threadIdx.x; j < n; j += rk::BLOCK) {
        row[j] = j == blockIdx.x ? 0.0f : row[j] * factor[j];
    }
}

/* A block sums the pairs of one row's columns. */
__global__ void __launch_bounds__(rk::BLOCK)
    ease_factor(const int64_t *__restrict__ offsets, const int32_t *__restrict__ columns,
                const float *__restrict__ inverse, float *__restrict__ factor, rk_ridge_attr a,
                int64_t m)
{
    rk::begin();
    __shared__ double shared[rk::WARPS];
    const int lane = (int)threadIdx.x % rk::WARP, warp = (int)threadIdx.x / rk::WARP;
    const int64_t row = a.first + blockIdx.x, n = offsets[row + 1] - offsets[row];
    const int32_t *list = columns + offsets[row];
    double sum = 0.0;
    for (int64_t u = warp; u < n; u += rk::WARPS) {
        for (int64_t v = lane; v < n; v += rk::WARP) {
            sum += (double)inverse[list[u] * m + list[v]];
        }
    }
    const double total = rk::block_total(sum, shared);
    if (threadIdx.x == 0) {
        factor[blockIdx.x] = (float)(-a.ridge / (1.0 - total));
    }
}

} // namespace

cudaError_t rk_cuda_count_gram(const rk_call *call)
{
    const rk_ridge_attr &a = call->node->attr.ridge;
    return rk::run(call->stream, {a.n}, count_gram, rk::in(call, 0), rk::in(call, 1),
                   rk::out(call, 0), a);
}

cudaError_t rk_cuda_keep_diagonal(const float *matrix, int64_t n, float *diagonal,
                                  rk_stream *stream)
{
    return rk::run(stream, rk::a_thread_each(n), keep_diagonal, matrix, diagonal, n);
}

cudaError_t rk_cuda_end_inverse(float *matrix, int64_t n, const float *diagonal, int *info,
                                rk_step_state *state, double bad, rk_stream *stream)
{
    const int64_t side = rk::divide_up(n, TILE);
    RK_TRY_LAUNCH(
        rk::run(stream, rk::a_thread_each(n), check_inflation, matrix, diagonal, info, n));
    RK_TRY_LAUNCH(rk::run(stream, {1, 1}, note_inverse, matrix, n, info, state, bad));
    return rk::run(stream, {side * side}, mirror, matrix, n, info, side);
}

int64_t rk_cuda_scratch_ease_weights(const rk_call *call)
{
    return rk__in(call, 0)->rows * (int64_t)sizeof(float);
}

cudaError_t rk_cuda_ease_weights(const rk_call *call)
{
    const int64_t n = rk__in(call, 0)->rows;
    float *factor = static_cast<float *>(call->scratch);
    RK_TRY_LAUNCH(
        rk::run(call->stream, rk::a_thread_each(n), column_factors, rk::in(call, 0), factor, n));
    return rk::run(call->stream, {n}, scale_columns, rk::in(call, 0), factor, n);
}

cudaError_t rk_cuda_ease_factor(const rk_call *call)
{
    const rk_ridge_attr &a = call->node->attr.ridge;
    return rk::run(call->stream, {a.n}, ease_factor, rk::in(call, 0), rk::in(call, 1),
                   rk::in(call, 2), rk::out(call, 0), a, rk__in(call, 2)->rows);
}
