/*
 * What is beside cuBLAS's products: a bias in every row, and sums over rows. A block sums a share
 * of the rows in double, then the shares are added in their order: the same bits each time.
 */
#include "device.cuh"

namespace
{

__global__ void __launch_bounds__(rk::BLOCK)
    repeat_bias(const float *__restrict__ bias, const int32_t *__restrict__ count,
                float *__restrict__ y, int64_t n, int64_t m)
{
    rk::begin();
    const int64_t used = count ? *count * m : n;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n;
         i += (int64_t)gridDim.x * blockDim.x) {
        y[i] = i < used ? bias[i % m] : 0.0f;
    }
}

constexpr int64_t ROWS_PER_SUM = 256;

/* A thread a column of a share. */
__global__ void __launch_bounds__(rk::BLOCK)
    sum_shares(const float *__restrict__ x, double *__restrict__ partial, int64_t n, int64_t m,
               int64_t n_shares)
{
    rk::begin();
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n_shares * m) {
        return;
    }
    const int64_t share = i / m, column = i % m;
    const int64_t end = min((share + 1) * ROWS_PER_SUM, n);
    double sum = 0.0;
    for (int64_t r = share * ROWS_PER_SUM; r < end; r++) {
        sum += (double)x[r * m + column];
    }
    partial[i] = sum;
}

__global__ void __launch_bounds__(rk::BLOCK)
    add_shares(const double *__restrict__ partial, float *__restrict__ y, int64_t m,
               int64_t n_shares)
{
    rk::begin();
    const int64_t column = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= m) {
        return;
    }
    double sum = 0.0;
    for (int64_t share = 0; share < n_shares; share++) {
        sum += partial[share * m + column];
    }
    y[column] = (float)sum;
}

} // namespace

cudaError_t rk_cuda_repeat_bias(const float *bias, const int32_t *count, const rk_tensor *shape,
                                float *y, rk_stream *stream)
{
    const int64_t n = rk::elements(shape);
    return rk::run(stream, rk::strided(n, 4 * rk::BLOCK), repeat_bias, bias, count, y, n,
                   shape->cols);
}

int64_t rk_cuda_scratch_column_sums(const rk_call *call)
{
    const rk_tensor *x = rk__in(call, 0);
    return rk::divide_up(x->rows, ROWS_PER_SUM) * x->cols * (int64_t)sizeof(double);
}

cudaError_t rk_cuda_column_sums(const rk_call *call)
{
    const int64_t n = rk__in(call, 0)->rows, m = rk__in(call, 0)->cols;
    const int64_t n_shares = rk::divide_up(n, ROWS_PER_SUM);
    double *partial = static_cast<double *>(call->scratch);
    RK_TRY_LAUNCH(rk::run(call->stream, rk::a_thread_each(n_shares * m), sum_shares,
                          rk::in(call, 0), partial, n, m, n_shares));
    return rk::run(call->stream, rk::a_thread_each(m), add_shares, partial, rk::out(call, 0), m,
                   n_shares);
}
