/*
 * Whole tables: their sums with fixed weights or with weights in device memory, dot products, rows
 * of unit length, rows of halves. Every output element has one fixed order of additions.
 *
 * table_dots: y[k] = alpha <g, x_k> in double; a block sums a share of one table, a block a table
 * sums the shares in their order: no atomics, the same bits each time.
 * softmax_weights and its gradient: a dozen numbers, one thread.
 * row_dots: a warp a row.
 * unit_rows: y[n] = f[n] x[n] / (|x[n]| + 1e-12), a warp a row; its gradient s (g - x <x, g> /
 * (|x| (|x| + 1e-12))), s = f / (|x| + 1e-12), and zero for a row of zeros.
 */
#include "tables.cuh"

namespace
{

constexpr float NORM_EPSILON = 1e-12f;

template <int VECTOR>
__global__ void __launch_bounds__(rk::BLOCK)
    combine(rk::tables tables, const int32_t *__restrict__ rows, const int32_t *__restrict__ count,
            float *__restrict__ y, int64_t n_rows, int64_t d, int64_t packs)
{
    rk::begin();
    const int64_t n_used = count ? *count : n_rows;
    FOR_EACH_PACK(row, q, n_rows, packs)
    {
        rk::pack<VECTOR> sum = rk::pack<VECTOR>::zero();
        if (row < n_used) {
            sum = rk::sum_pack<VECTOR>(tables, rows ? rows[row] : row, d, (int)q);
        }
        rk::store<VECTOR>(y, row, d, (int)q, sum);
    }
}

/* A warp a row: the largest magnitude, then the row again, which is near by then. */
__global__ void __launch_bounds__(rk::BLOCK)
    narrow(const float *__restrict__ x, rk_half *__restrict__ y, uint8_t *__restrict__ exponent,
           int64_t n_rows, int64_t d)
{
    rk::begin();
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int64_t warps = (int64_t)gridDim.x * (blockDim.x / rk::WARP);
    for (int64_t row = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) / rk::WARP; row < n_rows;
         row += warps) {
        unsigned largest = 0;
        for (int64_t j = lane; j < d; j += rk::WARP) {
            const unsigned magnitude = __float_as_uint(x[row * d + j]) & RK_MAGNITUDE_BITS;
            largest = magnitude > largest ? magnitude : largest;
        }
        rk::store_halves(y + row * d, exponent + row, x + row * d, d, lane, largest);
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    mix(rk::tables tables, const float *__restrict__ weights, float *__restrict__ y, int64_t n)
{
    rk::begin();
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n;
         i += (int64_t)gridDim.x * blockDim.x) {
        float sum = 0.0f;
        for (int32_t k = 0; k < tables.n; k++) {
            sum += weights[k] * tables.x[k][i];
        }
        y[i] = sum;
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    weigh(const float *__restrict__ x, const float *__restrict__ weights, int32_t index,
          float *__restrict__ y, int64_t n)
{
    rk::begin();
    const float weight = weights[index];
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n;
         i += (int64_t)gridDim.x * blockDim.x) {
        y[i] = weight * x[i];
    }
}

/* partial [tables, shares]; a block a (table, share). */
__global__ void __launch_bounds__(rk::BLOCK)
    dot_shares(rk::tables tables, const float *__restrict__ g, int64_t n,
               double *__restrict__ partial, int64_t n_shares)
{
    rk::begin();
    __shared__ double shared[rk::WARPS];
    const int64_t total = n_shares * tables.n;
    for (int64_t at = blockIdx.x; at < total; at += gridDim.x) {
        const float *x = tables.x[at / n_shares];
        const int64_t share = at % n_shares;
        const double result = rk::share_dot(g, x, n, share, shared);
        if (threadIdx.x == 0) {
            partial[at] = result;
        }
        __syncthreads(); /* before the next share's sums go to `shared` */
    }
}

/* A block a table. */
__global__ void __launch_bounds__(rk::BLOCK)
    finish_dots(const double *__restrict__ partial, int64_t n_shares, float alpha,
                float *__restrict__ y)
{
    rk::begin();
    __shared__ double shared[rk::WARPS];
    double sum = 0.0;
    for (int64_t i = threadIdx.x; i < n_shares; i += rk::BLOCK) {
        sum += partial[blockIdx.x * n_shares + i];
    }
    const double total = rk::block_total(sum, shared);
    if (threadIdx.x == 0) {
        y[blockIdx.x] = (float)((double)alpha * total);
    }
}

__global__ void softmax_weights(const float *__restrict__ x, float *__restrict__ w, int64_t n)
{
    rk::begin();
    double most = x[0], sum = 0.0;
    for (int64_t k = 1; k < n; k++) {
        most = fmax(most, (double)x[k]);
    }
    for (int64_t k = 0; k < n; k++) {
        sum += exp((double)x[k] - most);
    }
    for (int64_t k = 0; k < n; k++) {
        w[k] = (float)(exp((double)x[k] - most) / sum);
    }
}

__global__ void softmax_weights_grad(const float *__restrict__ w, const float *__restrict__ g,
                                     float *__restrict__ y, int64_t n)
{
    rk::begin();
    double sum = 0.0;
    for (int64_t k = 0; k < n; k++) {
        sum += (double)w[k] * (double)g[k];
    }
    for (int64_t k = 0; k < n; k++) {
        y[k] = (float)((double)w[k] * ((double)g[k] - sum));
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    row_dots(const float *__restrict__ a, const float *__restrict__ b, float *__restrict__ y,
             int64_t n, int64_t d)
{
    rk::begin();
    const int lane = (int)threadIdx.x % rk::WARP;
    const int64_t stride = (int64_t)gridDim.x * rk::WARPS;
    for (int64_t r = (int64_t)blockIdx.x * rk::WARPS + threadIdx.x / rk::WARP; r < n; r += stride) {
        const float dot = rk::warp_dot(a + r * d, b + r * d, d, lane);
        if (lane == 0) {
            y[r] = dot;
        }
    }
}

/* What is not made of the rows themselves; NULL = it is. */
struct row_sums {
    const float *squares, *along;
};

/* gradient NULL: the rows themselves. */
__global__ void __launch_bounds__(rk::BLOCK)
    unit_rows(const float *__restrict__ x, const float *__restrict__ gradient,
              const float *__restrict__ factor, row_sums given, float *__restrict__ y, int64_t n,
              int64_t d)
{
    rk::begin();
    const int lane = (int)threadIdx.x % rk::WARP;
    const int64_t stride = (int64_t)gridDim.x * rk::WARPS;
    for (int64_t r = (int64_t)blockIdx.x * rk::WARPS + threadIdx.x / rk::WARP; r < n; r += stride) {
        const float *row = x + r * d;
        const float norm =
            sqrtf(given.squares ? given.squares[r] : rk::warp_dot(row, row, d, lane));
        const float by = (factor ? factor[r] : 1.0f) / (norm + NORM_EPSILON);
        if (!gradient) {
            for (int64_t i = lane; i < d; i += rk::WARP) {
                y[r * d + i] = by * row[i];
            }
            continue;
        }
        const float *g = gradient + r * d;
        const float along = given.along ? given.along[r] : rk::warp_dot(row, g, d, lane);
        const float back = norm > 0.0f ? -by * along / norm / (norm + NORM_EPSILON) : 0.0f;
        for (int64_t i = lane; i < d; i += rk::WARP) {
            y[r * d + i] = norm > 0.0f ? by * g[i] + back * row[i] : 0.0f;
        }
    }
}

rk::grid two_elements_a_thread(int64_t n)
{
    return rk::strided(n, 2 * rk::BLOCK, rk::MOST_BLOCKS);
}

/* gradient NULL: the rows themselves. */
cudaError_t run_unit_rows(const rk_call *call, const float *gradient, const float *factor,
                          row_sums given)
{
    const rk_tensor *y = rk__out(call, 0);
    return rk::run(call->stream, rk::strided(y->rows, rk::WARPS, rk::MOST_BLOCKS), unit_rows,
                   rk::in(call, 0), gradient, factor, given, rk::out(call, 0), y->rows, y->cols);
}

} // namespace

cudaError_t rk::sum_tables(rk_stream *stream, const table_sum &s)
{
    const int64_t d = s.d;
    return rk::run(stream, a_pack_each(s.n_rows, d), has_vectors(d) ? combine<4> : combine<1>,
                   s.terms, s.rows, s.count, s.y, s.n_rows, d, packs_of(d));
}

cudaError_t rk::sum_tables(rk_stream *stream, const tables &terms, float *y, int64_t n)
{
    /* One row after the other is one long row: any d that divides n does; 4 gives 16-byte loads. */
    const int64_t d = n % 4 == 0 ? 4 : 1;
    return sum_tables(stream, {terms, nullptr, nullptr, y, n / d, d});
}

cudaError_t rk_cuda_combine(const rk_call *call)
{
    return rk::sum_tables(call->stream, rk::tables_of(call, 0), rk::out(call, 0),
                          rk::elements(rk__out(call, 0)));
}

cudaError_t rk_cuda_mix(const rk_call *call)
{
    const int64_t n = rk::elements(rk__out(call, 0));
    return rk::run(call->stream, two_elements_a_thread(n), mix, rk::tables_of(call, 1),
                   rk::in(call, 0), rk::out(call, 0), n);
}

cudaError_t rk_cuda_weigh(const rk_call *call)
{
    const int64_t n = rk::elements(rk__out(call, 0));
    return rk::run(call->stream, two_elements_a_thread(n), weigh, rk::in(call, 0), rk::in(call, 1),
                   call->node->attr.index, rk::out(call, 0), n);
}

int64_t rk_cuda_scratch_table_dots(const rk_call *call)
{
    return rk::shares_of(rk::elements(rk__in(call, 0))) * (call->node->n_inputs - 1) *
           (int64_t)sizeof(double);
}

cudaError_t rk_cuda_table_dots(const rk_call *call)
{
    double *partial = static_cast<double *>(call->scratch);
    const rk::tables terms = rk::tables_of(call, 1);
    const int64_t n = rk::elements(rk__in(call, 0)), shares = rk::shares_of(n);
    RK_TRY_LAUNCH(rk::run(call->stream, rk::strided(shares * terms.n, 1), dot_shares, terms,
                          rk::in(call, 0), n, partial, shares));
    return rk::run(call->stream, rk::grid{terms.n}, finish_dots, partial, shares,
                   call->node->attr.weight[0], rk::out(call, 0));
}

cudaError_t rk_cuda_softmax_weights(const rk_call *call)
{
    return rk::run(call->stream, rk::grid{1, 1}, softmax_weights, rk::in(call, 0), rk::out(call, 0),
                   rk__in(call, 0)->cols);
}

cudaError_t rk_cuda_softmax_weights_grad(const rk_call *call)
{
    return rk::run(call->stream, rk::grid{1, 1}, softmax_weights_grad, rk::in(call, 0),
                   rk::in(call, 1), rk::out(call, 0), rk__in(call, 0)->cols);
}

cudaError_t rk_cuda_row_dots(const rk_call *call)
{
    const rk_tensor *x = rk__in(call, 0);
    return rk::run(call->stream, rk::strided(x->rows, rk::WARPS, rk::MOST_BLOCKS), row_dots,
                   rk::in(call, 0), rk::in(call, 1), rk::out(call, 0), x->rows, x->cols);
}

cudaError_t rk_cuda_unit_rows(const rk_call *call)
{
    return run_unit_rows(call, nullptr, rk::in(call, 1),
                         {rk::in(call, RK_UNIT_ROWS_SQUARES), nullptr});
}

cudaError_t rk_cuda_unit_rows_grad(const rk_call *call)
{
    return run_unit_rows(
        call, rk::in(call, 1), rk::in(call, 2),
        {rk::in(call, RK_UNIT_ROWS_GRAD_SQUARES), rk::in(call, RK_UNIT_ROWS_GRAD_ALONG)});
}

cudaError_t rk_cuda_narrow(const rk_call *call)
{
    const rk_tensor *x = rk__in(call, 0);
    return rk::run(call->stream, rk::strided(x->rows * rk::WARP, rk::BLOCK, rk::MOST_BLOCKS),
                   narrow, rk::in(call, 0), rk::out(call, 0),
                   rk__half_exponents(call->out[0], x->rows, x->cols), x->rows, x->cols);
}
