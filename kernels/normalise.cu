/*
 * Columns brought to a mean and a deviation of their own. A thread sums a column of a share of the
 * rows in double, then the shares are added in their order; means first, then the squares about
 * them, so that nothing is lost where the mean is far from 0.
 */
#include "device.cuh"

#include "ops/normalise.h"

namespace
{

constexpr int64_t ROWS_PER_SUM = 256;

/* Sums of x - mean, or of its square; mean null = 0. */
__global__ void __launch_bounds__(rk::BLOCK)
    sum_shares(const float *__restrict__ x, const double *__restrict__ mean, bool squared,
               double *__restrict__ partial, int64_t n, int64_t d, int64_t n_shares)
{
    rk::begin();
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n_shares * d) {
        return;
    }
    const int64_t share = i / d, column = i % d;
    const int64_t end = min((share + 1) * ROWS_PER_SUM, n);
    const double middle = mean ? mean[column] : 0.0;
    double sum = 0.0;
    for (int64_t r = share * ROWS_PER_SUM; r < end; r++) {
        const double away = (double)x[r * d + column] - middle;
        sum += squared ? away * away : away;
    }
    partial[i] = sum;
}

__device__ __forceinline__ double add_shares(const double *partial, int64_t column, int64_t stride,
                                             int64_t n_shares)
{
    double sum = 0.0;
    for (int64_t share = 0; share < n_shares; share++) {
        sum += partial[share * stride + column];
    }
    return sum;
}

/* Into out: the mean, or of squares what differences are multiplied with. */
__global__ void __launch_bounds__(rk::BLOCK)
    finish_sums(const double *__restrict__ partial, bool squared, double *__restrict__ out,
                int64_t n, int64_t d, int64_t n_shares)
{
    rk::begin();
    const int64_t column = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= d) {
        return;
    }
    const double mean = add_shares(partial, column, d, n_shares) / (double)n;
    out[column] = squared ? rk__inverse_deviation(mean) : mean;
}

__global__ void __launch_bounds__(rk::BLOCK)
    normalise(const float *__restrict__ x, const float *__restrict__ gain,
              const float *__restrict__ shift, const double *__restrict__ moments,
              float *__restrict__ y, int64_t n, int64_t d)
{
    rk::begin();
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n * d;
         i += (int64_t)gridDim.x * blockDim.x) {
        const int64_t c = i % d;
        y[i] = rk__normalised(x[i], moments[c], moments[d + c]) * gain[c] + shift[c];
    }
}

/* Of a share of the rows: the sums of g, then those of g times what x became. */
__global__ void __launch_bounds__(rk::BLOCK)
    sum_gradients(const float *__restrict__ x, const double *__restrict__ moments,
                  const float *__restrict__ g, double *__restrict__ partial, int64_t n, int64_t d,
                  int64_t n_shares)
{
    rk::begin();
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n_shares * d) {
        return;
    }
    const int64_t share = i / d, column = i % d;
    const int64_t end = min((share + 1) * ROWS_PER_SUM, n);
    const double mean = moments[column], inverse = moments[d + column];
    double sum = 0.0, product = 0.0;
    for (int64_t r = share * ROWS_PER_SUM; r < end; r++) {
        const double of_y = (double)g[r * d + column];
        sum += of_y;
        product += of_y * (double)rk__normalised(x[r * d + column], mean, inverse);
    }
    partial[share * 2 * d + column] = sum;
    partial[share * 2 * d + d + column] = product;
}

__global__ void __launch_bounds__(rk::BLOCK)
    finish_gradients(const double *__restrict__ partial, double *__restrict__ sums,
                     float *__restrict__ of_gain, float *__restrict__ of_shift, int64_t d,
                     int64_t n_shares)
{
    rk::begin();
    const int64_t column = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= d) {
        return;
    }
    const double sum = add_shares(partial, column, 2 * d, n_shares);
    const double product = add_shares(partial, d + column, 2 * d, n_shares);
    sums[column] = sum;
    sums[d + column] = product;
    of_shift[column] = (float)sum;
    of_gain[column] = (float)product;
}

__global__ void __launch_bounds__(rk::BLOCK)
    normalise_grad(const float *__restrict__ x, const float *__restrict__ gain,
                   const double *__restrict__ moments, const float *__restrict__ g,
                   const double *__restrict__ sums, float *__restrict__ dx, int64_t n, int64_t d)
{
    rk::begin();
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n * d;
         i += (int64_t)gridDim.x * blockDim.x) {
        const int64_t c = i % d;
        const float at = rk__normalised(x[i], moments[c], moments[d + c]);
        dx[i] = rk__normalised_grad(g[i], at, gain[c] * (float)moments[d + c], sums[c] / (double)n,
                                    sums[d + c] / (double)n);
    }
}

int64_t n_shares_of(const rk_call *call)
{
    return rk::divide_up(rk__in(call, 0)->rows, ROWS_PER_SUM);
}

} // namespace

int64_t rk_cuda_scratch_normalise_columns(const rk_call *call)
{
    return n_shares_of(call) * rk__in(call, 0)->cols * (int64_t)sizeof(double);
}

cudaError_t rk_cuda_normalise_columns(const rk_call *call)
{
    const int64_t n = rk__in(call, 0)->rows, d = rk__in(call, 0)->cols;
    const int64_t n_shares = n_shares_of(call);
    const rk::grid by_share = rk::a_thread_each(n_shares * d), by_column = rk::a_thread_each(d);
    double *partial = static_cast<double *>(call->scratch);
    double *moments = static_cast<double *>(call->out[1]);
    const double *none = nullptr;
    RK_TRY_LAUNCH(rk::run(call->stream, by_share, sum_shares, rk::in(call, 0), none, false, partial,
                          n, d, n_shares));
    RK_TRY_LAUNCH(
        rk::run(call->stream, by_column, finish_sums, partial, false, moments, n, d, n_shares));
    RK_TRY_LAUNCH(rk::run(call->stream, by_share, sum_shares, rk::in(call, 0), moments, true,
                          partial, n, d, n_shares));
    RK_TRY_LAUNCH(
        rk::run(call->stream, by_column, finish_sums, partial, true, moments + d, n, d, n_shares));
    return rk::run(call->stream, rk::strided(n * d, 4 * rk::BLOCK), normalise, rk::in(call, 0),
                   rk::in(call, 1), rk::in(call, 2), moments, rk::out(call, 0), n, d);
}

int64_t rk_cuda_scratch_normalise_columns_grad(const rk_call *call)
{
    return (n_shares_of(call) + 1) * 2 * rk__in(call, 0)->cols * (int64_t)sizeof(double);
}

/* Scratch: the sums, then those of shares. */
cudaError_t rk_cuda_normalise_columns_grad(const rk_call *call)
{
    const int64_t n = rk__in(call, 0)->rows, d = rk__in(call, 0)->cols;
    const int64_t n_shares = n_shares_of(call);
    double *sums = static_cast<double *>(call->scratch), *partial = sums + 2 * d;
    RK_TRY_LAUNCH(rk::run(call->stream, rk::a_thread_each(n_shares * d), sum_gradients,
                          rk::in(call, 0), rk::in(call, 2), rk::in(call, 3), partial, n, d,
                          n_shares));
    RK_TRY_LAUNCH(rk::run(call->stream, rk::a_thread_each(d), finish_gradients, partial, sums,
                          rk::out(call, 1), rk::out(call, 2), d, n_shares));
    return rk::run(call->stream, rk::strided(n * d, 4 * rk::BLOCK), normalise_grad, rk::in(call, 0),
                   rk::in(call, 1), rk::in(call, 2), rk::in(call, 3), sums, rk::out(call, 0), n, d);
}
