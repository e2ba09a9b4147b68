/*
 * Ids by a table, lengths of rows, and the loss of all items at once.
 *
 *   row_norms  a warp a row, lanes over columns
 *   list_loss  a block a user, threads over the items; then over those that the user has
 */
#include "device.cuh"

#include "ops/list_loss.h"

namespace
{

__global__ void __launch_bounds__(rk::BLOCK)
    lookup(const int32_t *__restrict__ x, const int32_t *__restrict__ table,
           int32_t *__restrict__ y, int64_t n)
{
    rk::begin();
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        y[i] = x[i] < 0 ? -1 : table[x[i]];
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    row_norms(const float *__restrict__ x, float *__restrict__ y, int64_t n, int64_t d, bool is_sum)
{
    rk::begin();
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int64_t r = rk::number_of_warp();
    if (r >= n) {
        return; /* the whole warp */
    }
    double sum = 0.0;
    for (int64_t j = lane; j < d; j += rk::WARP) {
        const double a = x[r * d + j];
        sum += is_sum ? fabs(a) : a * a;
    }
    sum = rk::warp_sum(sum);
    if (lane == 0) {
        y[r] = (float)(is_sum ? sum : sqrt(sum));
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    row_norms_grad(const float *__restrict__ x, const float *__restrict__ norm,
                   const float *__restrict__ g, float *__restrict__ y, int64_t n, int64_t d,
                   bool is_sum)
{
    rk::begin();
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n * d;
         i += (int64_t)gridDim.x * blockDim.x) {
        const int64_t r = i / d;
        const float a = x[i], by = g[r];
        if (is_sum) {
            y[i] = a > 0.0f ? by : a < 0.0f ? -by : a * by;
        } else {
            y[i] = a * (norm[r] > 0.0f ? by / norm[r] : norm[r] * by);
        }
    }
}

/* terms [batch]: of each user the mean over the items. */
__global__ void __launch_bounds__(rk::BLOCK)
    list_loss(const float *__restrict__ scores, const int32_t *__restrict__ nodes,
              const int64_t *__restrict__ offsets, const int32_t *__restrict__ columns,
              const rk_step_state *__restrict__ state, rk_list_loss_attr a,
              double *__restrict__ terms, float *__restrict__ by_score, int64_t n)
{
    rk::begin();
    __shared__ double shared[rk::WARPS];
    const int64_t b = blockIdx.x, count = rk__step_count(state);
    const float *mine = scores + b * n;
    float *out = by_score + b * n;
    double sum = 0.0;
    if (b < count) {
        const rk_list_labels labels = rk__list_labels(a.smoothing, n);
        const double share = 1.0 / ((double)n * (double)count), more = labels.own - labels.other;
        for (int64_t i = threadIdx.x; i < n; i += rk::BLOCK) {
            const double s = mine[i], e = exp(-fabs(s));
            const double sigmoid = s >= 0.0 ? 1.0 / (1.0 + e) : e / (1.0 + e);
            sum += (s <= 0.0 ? 0.0 : s) + log1p(e) - labels.other * s;
            out[i] = (float)((sigmoid - labels.other) * share);
        }
        __syncthreads();
        const int64_t user = nodes[b];
        for (int64_t k = offsets[user] + threadIdx.x; k < offsets[user + 1]; k += rk::BLOCK) {
            const int64_t item = columns[k] - a.first;
            sum -= more * (double)mine[item];
            out[item] -= (float)(more * share);
        }
    } else {
        for (int64_t i = threadIdx.x; i < n; i += rk::BLOCK) {
            out[i] = 0.0f;
        }
    }
    sum = rk::block_total(sum, shared);
    if (threadIdx.x == 0) {
        terms[b] = b < count ? sum / (double)n : 0.0;
    }
}

} // namespace

cudaError_t rk_cuda_lookup(const rk_call *call)
{
    const int64_t n = rk__out(call, 0)->rows;
    return rk::run(call->stream, rk::a_thread_each(n), lookup, rk::in(call, 0), rk::in(call, 1),
                   rk::out(call, 0), n);
}

cudaError_t rk_cuda_row_norms(const rk_call *call)
{
    const rk_tensor *x = rk__in(call, 0);
    return rk::run(call->stream, rk::a_warp_each(x->rows), row_norms, rk::in(call, 0),
                   rk::out(call, 0), x->rows, x->cols, call->node->attr.norm == 1);
}

cudaError_t rk_cuda_row_norms_grad(const rk_call *call)
{
    const rk_tensor *x = rk__in(call, 0);
    return rk::run(call->stream, rk::strided(rk::elements(x), 4 * rk::BLOCK), row_norms_grad,
                   rk::in(call, 0), rk::in(call, 1), rk::in(call, 2), rk::out(call, 0), x->rows,
                   x->cols, call->node->attr.norm == 1);
}

int64_t rk_cuda_scratch_list_loss(const rk_call *call)
{
    return rk__in(call, 0)->rows * (int64_t)sizeof(double);
}

cudaError_t rk_cuda_list_loss(const rk_call *call)
{
    const rk_tensor *scores = rk__in(call, 0);
    double *terms = static_cast<double *>(call->scratch);
    RK_TRY_LAUNCH(rk::run(call->stream, rk::grid{scores->rows}, list_loss, rk::in(call, 0),
                          rk::in(call, 1), rk::in(call, 2), rk::in(call, 3), rk::in(call, 4),
                          call->node->attr.list_loss, terms, rk::out(call, 1), scores->cols));
    return rk::mean_of_terms(call->stream,
                             {terms, rk::in(call, 4), rk::out(call, 0), scores->rows});
}
