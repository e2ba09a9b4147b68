/* Whole tables element by element, their columns, dropout: a thread an element, or strided. */
#include "device.cuh"

#include "ops/activation.h"
#include "ops/dropout_draw.h"

namespace
{

#define FOR_EACH_ELEMENT(i, n)                                                                     \
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < (n);                      \
         i += (int64_t)gridDim.x * blockDim.x)

rk::grid over(int64_t n)
{
    return rk::strided(n, 4 * rk::BLOCK);
}

__global__ void __launch_bounds__(rk::BLOCK)
    activate(const float *__restrict__ x, const int32_t *__restrict__ count, rk_activate_attr a,
             float *__restrict__ y, int64_t n, int64_t d)
{
    rk::begin();
    const int64_t used = count ? *count * d : n;
    FOR_EACH_ELEMENT(i, n)
    {
        y[i] = i < used ? rk__activation(a.kind, a.slope, x[i]) : 0.0f;
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    activate_grad(const float *__restrict__ y, const float *__restrict__ g, rk_activate_attr a,
                  float *__restrict__ out, int64_t n)
{
    rk::begin();
    FOR_EACH_ELEMENT(i, n)
    {
        out[i] = g[i] * rk__activation_slope(a.kind, a.slope, y[i]);
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    multiply(const float *__restrict__ a, const float *__restrict__ b, float *__restrict__ y,
             int64_t n)
{
    rk::begin();
    FOR_EACH_ELEMENT(i, n)
    {
        y[i] = a[i] * b[i];
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    scale_columns(const float *__restrict__ x, const float *__restrict__ factor,
                  float *__restrict__ y, int64_t n, int64_t d)
{
    rk::begin();
    FOR_EACH_ELEMENT(i, n)
    {
        y[i] = factor[i % d] * x[i];
    }
}

/* n elements in rows of `cols` from rows of from_cols to rows of to_cols. */
__global__ void __launch_bounds__(rk::BLOCK)
    copy_columns(const float *__restrict__ x, int64_t from_cols, float *__restrict__ y,
                 int64_t to_cols, int64_t cols, int64_t n)
{
    rk::begin();
    FOR_EACH_ELEMENT(i, n)
    {
        y[i / cols * to_cols + i % cols] = x[i / cols * from_cols + i % cols];
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    place_columns(const float *__restrict__ x, int64_t d, float *__restrict__ y, int64_t cols,
                  int64_t first, int64_t n)
{
    rk::begin();
    FOR_EACH_ELEMENT(i, n)
    {
        const int64_t column = i % cols - first;
        y[i] = column >= 0 && column < d ? x[i / cols * d + column] : 0.0f;
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    dropout(const float *__restrict__ x, const rk_step_state *__restrict__ state,
            const int32_t *__restrict__ rows, const int32_t *__restrict__ count, rk_dropout_attr a,
            float *__restrict__ y, int64_t n_rows, int64_t d, int64_t first, int64_t all)
{
    rk::begin();
    const int64_t used = rows ? *count : n_rows;
    const rk_dropout_draw draw = rk__dropout_at(state->seed, state->step, a.layer, a.ratio);
    FOR_EACH_ELEMENT(i, n_rows * d)
    {
        const int64_t r = i / d;
        const int64_t row = r < used && rows ? rows[r] : r;
        const float factor =
            rk__dropout_factor(draw.key, draw.threshold, draw.factor, row * all + first + i % d);
        y[i] = r < used ? x[i] * factor : 0.0f;
    }
}

} // namespace

cudaError_t rk_cuda_activate(const rk_call *call)
{
    const rk_tensor *y = rk__out(call, 0);
    const int64_t n = rk::elements(y);
    return rk::run(call->stream, over(n), activate, rk::in(call, 0), rk::in(call, 1),
                   call->node->attr.activate, rk::out(call, 0), n, y->cols);
}

cudaError_t rk_cuda_activate_grad(const rk_call *call)
{
    const int64_t n = rk::elements(rk__out(call, 0));
    return rk::run(call->stream, over(n), activate_grad, rk::in(call, 0), rk::in(call, 1),
                   call->node->attr.activate, rk::out(call, 0), n);
}

cudaError_t rk_cuda_multiply(const rk_call *call)
{
    const int64_t n = rk::elements(rk__out(call, 0));
    return rk::run(call->stream, over(n), multiply, rk::in(call, 0), rk::in(call, 1),
                   rk::out(call, 0), n);
}

cudaError_t rk_cuda_scale_columns(const rk_call *call)
{
    const rk_tensor *y = rk__out(call, 0);
    const int64_t n = rk::elements(y);
    return rk::run(call->stream, over(n), scale_columns, rk::in(call, 0), rk::in(call, 1),
                   rk::out(call, 0), n, y->cols);
}

cudaError_t rk_cuda_join_columns(const rk_call *call)
{
    const rk_tensor *y = rk__out(call, 0);
    float *to = static_cast<float *>(call->out[0]);
    for (int32_t i = 0; i < call->node->n_inputs; i++) {
        const int64_t cols = rk__in(call, i)->cols, n = y->rows * cols;
        RK_TRY_LAUNCH(rk::run(call->stream, over(n), copy_columns, rk::in(call, i), cols, to,
                              y->cols, cols, n));
        to += cols;
    }
    return cudaSuccess;
}

cudaError_t rk_cuda_take_columns(const rk_call *call)
{
    const rk_tensor *y = rk__out(call, 0);
    const float *x = static_cast<const float *>(call->in[0]) + call->node->attr.columns.first;
    const int64_t n = rk::elements(y);
    return rk::run(call->stream, over(n), copy_columns, x, rk__in(call, 0)->cols, rk::out(call, 0),
                   y->cols, y->cols, n);
}

cudaError_t rk_cuda_place_columns(const rk_call *call)
{
    const rk_tensor *y = rk__out(call, 0);
    const int64_t n = rk::elements(y);
    return rk::run(call->stream, over(n), place_columns, rk::in(call, 0), rk__in(call, 0)->cols,
                   rk::out(call, 0), y->cols, call->node->attr.columns.first, n);
}

cudaError_t rk_cuda_reshape(const rk_call *call)
{
    const int64_t n = rk::elements(rk__out(call, 0));
    return rk::copy(call->stream, call->out[0], call->in[0], n * (int64_t)sizeof(float));
}

cudaError_t rk_cuda_dropout(const rk_call *call)
{
    const rk_tensor *y = rk__out(call, 0);
    return rk::run(call->stream, over(rk::elements(y)), dropout, rk::in(call, 0), rk::in(call, 1),
                   rk::in(call, 2), rk::in(call, 3), call->node->attr.dropout, rk::out(call, 0),
                   y->rows, y->cols, rk__in(call, 0)->first_column,
                   rk__all_columns(rk__in(call, 0)));
}
