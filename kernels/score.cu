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
                    sum[p][q] = __fmaf_rn(u[j][row + p * GROUPS], v[j][column + q * GROUPS],
                                          sum[p][q]);
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
