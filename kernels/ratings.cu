/* Rows of models of ratings: factors and what stands behind them, a warp a row. */
#include "device.cuh"

namespace
{

__global__ void __launch_bounds__(rk::BLOCK)
    rating_rows(const int64_t *__restrict__ offsets, const float *__restrict__ x,
                float *__restrict__ y, int64_t rows, int64_t w, rk_rating_attr a)
{
    rk::begin();
    const int64_t d = a.has_bias ? w - 1 : w, cols = a.is_plain ? d : d + 2;
    const int64_t row = ((int64_t)blockIdx.x * rk::BLOCK + threadIdx.x) / rk::WARP;
    if (row >= rows) {
        return;
    }
    const int lane = (int)threadIdx.x % rk::WARP;
    const bool is_user = row<a.n_users, is_learnt = offsets[row + 1]> offsets[row];
    for (int64_t i = lane; i < d; i += rk::WARP) {
        y[row * cols + i] = is_learnt ? x[row * w + i] : 0.0f;
    }
    if (lane == 0 && !a.is_plain) {
        float *end = y + row * cols + d;
        const float mean = (float)a.mean, bias = a.has_bias && is_learnt ? x[row * w + d] : 0.0f;
        if (a.has_bias) {
            end[0] = is_user ? mean + bias : 1.0f;
            end[1] = is_user ? 1.0f : bias;
        } else {
            end[0] = is_user ? (is_learnt ? 0.0f : mean) : (is_learnt ? 1.0f : 0.0f);
            end[1] = is_user ? 1.0f : (is_learnt ? 0.0f : mean);
        }
    }
}

} // namespace

cudaError_t rk_cuda_rating_rows(const rk_call *call)
{
    const int64_t rows = rk__in(call, 1)->rows;
    return rk::run(call->stream, rk::a_thread_each(rows * rk::WARP), rating_rows, rk::in(call, 0),
                   rk::in(call, 1), rk::out(call, 0), rows, rk__in(call, 1)->cols,
                   call->node->attr.rating);
}
