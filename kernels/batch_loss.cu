/*
 * Losses that compare a batch with itself (formulas: src/device/cpu/batch_loss.c, attend.c).
 *
 *   unit_slots       a warp a slot: its row, divided by its length if cosine
 *   softmax_tile     a block a query: logits [n] -> weights in place, log-sum-exp; the products
 * that make the logits and use the weights are cuBLAS's softmax_loss     a warp a triplet, then one
 * block sums the terms in a fixed order
 *   *_grad           a warp a slot, a warp a row of the row set in slot order
 */
#include "device.cuh"

#include "ops/logit.h"

namespace
{

constexpr int WARPS = rk::BLOCK / rk::WARP;

__device__ __forceinline__ float warp_dot(const float *a, const float *b, int64_t d, int lane)
{
    float sum = 0.0f;
    for (int64_t i = lane; i < d; i += rk::WARP) {
        sum += a[i] * b[i];
    }
    return rk::warp_sum(sum);
}

__device__ __forceinline__ float inverse_length(const float *row, int64_t d, int lane)
{
    const float square = warp_dot(row, row, d, lane);
    return square == 0.0f ? 0.0f : 1.0f / sqrtf(square);
}

__global__ void __launch_bounds__(rk::BLOCK)
    unit_slots(const float *__restrict__ x, const int32_t *__restrict__ slot_row,
               const int32_t *__restrict__ rows, const float *__restrict__ table,
               float *__restrict__ unit, float *__restrict__ bias, int64_t n_slots, int64_t d,
               bool cosine)
{
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int64_t s = (int64_t)blockIdx.x * WARPS + threadIdx.x / rk::WARP;
    if (s >= n_slots) {
        return; /* the whole warp */
    }
    const int64_t row = slot_row[s];
    float scale = 1.0f;
    if (row >= 0 && cosine) {
        scale = inverse_length(x + row * d, d, lane);
    }
    for (int64_t i = lane; i < d; i += rk::WARP) {
        unit[s * d + i] = row < 0 ? 0.0f : scale * x[row * d + i];
    }
    if (lane == 0) {
        bias[s] = row < 0 ? RK_NO_LOGIT : table ? table[rows[row]] : 0.0f;
    }
}

/* y is written and read again by the same lane. */
__global__ void __launch_bounds__(rk::BLOCK)
    unit_slots_grad(const float *__restrict__ x, const float *__restrict__ unit,
                    const float *__restrict__ gradient, const int32_t *__restrict__ segments,
                    const int32_t *__restrict__ order, const int32_t *__restrict__ count, float *y,
                    int64_t n_slots, int64_t d, float alpha, bool cosine)
{
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int64_t r = (int64_t)blockIdx.x * WARPS + threadIdx.x / rk::WARP;
    if (r >= n_slots) {
        return; /* the whole warp */
    }
    const bool used = r < *count;
    const int32_t begin = used ? segments[r] : 0, end = used ? segments[r + 1] : 0;
    const float *direction = used ? unit + order[begin] * d : nullptr;
    float along = 0.0f;
    for (int64_t i = lane; i < d; i += rk::WARP) {
        float sum = 0.0f;
        for (int32_t e = begin; e < end; e++) {
            sum += alpha * gradient[order[e] * d + i];
        }
        y[r * d + i] = sum;
        along += used ? sum * direction[i] : 0.0f;
    }
    if (!cosine || !used) {
        return; /* the whole warp */
    }
    along = rk::warp_sum(along);
    const float scale = inverse_length(x + r * d, d, lane);
    for (int64_t i = lane; i < d; i += rk::WARP) {
        y[r * d + i] = scale * (y[r * d + i] - along * direction[i]);
    }
}

/* Reduction over the block by op; every thread gets the result. */
template <typename OP> __device__ float block_reduce(float value, float *shared, OP op)
{
    shared[threadIdx.x] = value;
    __syncthreads();
    for (int half = rk::BLOCK / 2; half > 0; half /= 2) {
        if ((int)threadIdx.x < half) {
            shared[threadIdx.x] = op(shared[threadIdx.x], shared[threadIdx.x + half]);
        }
        __syncthreads();
    }
    const float result = shared[0];
    __syncthreads();
    return result;
}

/* Of products [queries, n] of this tile; a query's number among the batch's is first + its row. */
__global__ void __launch_bounds__(rk::BLOCK)
    softmax_tile(float *__restrict__ products, const float *__restrict__ bias,
                 float *__restrict__ lse, int64_t first, int64_t n, float scale, bool skip_diagonal)
{
    __shared__ float shared[rk::BLOCK];
    const int64_t query = first + blockIdx.x;
    float *row = products + blockIdx.x * n;
    float largest = RK_NO_LOGIT;
    for (int64_t j = threadIdx.x; j < n; j += rk::BLOCK) {
        const bool is_skipped = skip_diagonal && j == query;
        const float logit = is_skipped ? RK_NO_LOGIT : scale * row[j] + bias[j];
        row[j] = logit;
        largest = logit > largest ? logit : largest;
    }
    largest = block_reduce(largest, shared, [](float a, float b) { return a > b ? a : b; });
    const bool has_key = rk__is_logit(largest);
    float sum = 0.0f;
    for (int64_t j = threadIdx.x; j < n; j += rk::BLOCK) {
        const float e = has_key ? expf(row[j] - largest) : 0.0f;
        row[j] = e;
        sum += e;
    }
    sum = block_reduce(sum, shared, [](float a, float b) { return a + b; });
    const float inverse = has_key ? 1.0f / sum : 0.0f;
    for (int64_t j = threadIdx.x; j < n; j += rk::BLOCK) {
        row[j] *= inverse;
    }
    if (threadIdx.x == 0) {
        lse[query] = has_key ? (float)((double)largest + log((double)sum)) : RK_NO_LOGIT;
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    softmax_terms(const float *__restrict__ unit, const float *__restrict__ bias,
                  const float *__restrict__ lse, const rk_step_state *__restrict__ state,
                  double *__restrict__ terms, float *__restrict__ user_bias, int64_t n_slots,
                  int64_t batch, int64_t d, double temperature, double power)
{
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int64_t s = (int64_t)blockIdx.x * WARPS + threadIdx.x / rk::WARP;
    if (s >= n_slots) {
        return; /* the whole warp */
    }
    const bool has_term = s < batch && s < rk__step_count(state) && rk__is_logit(lse[s]);
    double term = 0.0;
    if (has_term) {
        const float score = warp_dot(unit + s * d, unit + (batch + s) * d, d, lane);
        term = power * (double)lse[s] - ((double)score / temperature + (double)bias[batch + s]);
    }
    if (lane == 0) {
        user_bias[s] = has_term ? -lse[s] : RK_NO_LOGIT;
        if (s < batch) {
            terms[s] = term;
        }
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    softmax_grad(const float *__restrict__ unit, const float *__restrict__ bias,
                 const float *__restrict__ item_mean, const float *__restrict__ user_bias,
                 const float *__restrict__ user_lse, const float *__restrict__ user_mean,
                 const rk_step_state *__restrict__ state, float *__restrict__ y, int64_t n_slots,
                 int64_t batch, int64_t d, double temperature, double power)
{
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int64_t s = (int64_t)blockIdx.x * WARPS + threadIdx.x / rk::WARP;
    if (s >= n_slots) {
        return; /* the whole warp */
    }
    const int64_t b = s < batch ? s : s - batch, count = rk__step_count(state);
    const bool has_term = b < count && rk__is_logit(user_bias[b]);
    if (!has_term) {
        for (int64_t i = lane; i < d; i += rk::WARP) {
            y[s * d + i] = 0.0f;
        }
        return;
    }
    const float c = (float)(1.0 / (temperature * (double)count));
    const double share = s < batch ? 1.0 : exp((double)user_lse[b] + (double)bias[s]);
    const float weight = c * (float)(power * share);
    const float *mean = (s < batch ? item_mean : user_mean) + b * d;
    const float *other = unit + (s < batch ? batch + b : b) * d;
    for (int64_t i = lane; i < d; i += rk::WARP) {
        y[s * d + i] = weight * mean[i] - c * other[i];
    }
}

cudaLaunchConfig_t a_warp_each(int64_t n, cudaStream_t stream)
{
    return rk::launch(rk::blocks_for(n, WARPS), rk::BLOCK, stream);
}

} // namespace

cudaError_t rk_cuda_unit_slots(const float *x, const int32_t *slot_row, const int32_t *rows,
                               const float *table, float *unit, float *bias, int64_t n_slots,
                               int64_t d, bool cosine, cudaStream_t stream)
{
    if (n_slots == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = a_warp_each(n_slots, stream);
    return cudaLaunchKernelEx(&config, unit_slots, x, slot_row, rows, table, unit, bias, n_slots, d,
                              cosine);
}

cudaError_t rk_cuda_unit_slots_grad(const float *x, const float *unit, const float *gradient,
                                    const int32_t *segments, const int32_t *order,
                                    const int32_t *count, float *y, int64_t n_slots, int64_t d,
                                    float alpha, bool cosine, cudaStream_t stream)
{
    if (n_slots == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = a_warp_each(n_slots, stream);
    return cudaLaunchKernelEx(&config, unit_slots_grad, x, unit, gradient, segments, order, count,
                              y, n_slots, d, alpha, cosine);
}

cudaError_t rk_cuda_softmax_tile(float *products, const float *bias, float *lse, int64_t first,
                                 int64_t n_queries, int64_t n, float scale, bool skip_diagonal,
                                 cudaStream_t stream)
{
    if (n_queries == 0 || n == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = rk::launch((unsigned)n_queries, rk::BLOCK, stream);
    return cudaLaunchKernelEx(&config, softmax_tile, products, bias, lse, first, n, scale,
                              skip_diagonal);
}

cudaError_t rk_cuda_softmax_loss(const float *unit, const float *bias, const float *lse,
                                 const rk_step_state *state, double *loss, float *user_bias,
                                 double *terms, int64_t n_slots, int64_t batch, int64_t d,
                                 double temperature, double power, cudaStream_t stream)
{
    if (n_slots == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = a_warp_each(n_slots, stream);
    RK_TRY_LAUNCH(cudaLaunchKernelEx(&config, softmax_terms, unit, bias, lse, state, terms,
                                     user_bias, n_slots, batch, d, temperature, power));
    return rk_cuda_mean_of_terms(terms, state, loss, batch, stream);
}

cudaError_t rk_cuda_softmax_grad(const float *unit, const float *bias, const float *item_mean,
                                 const float *user_bias, const float *user_lse,
                                 const float *user_mean, const rk_step_state *state, float *y,
                                 int64_t n_slots, int64_t batch, int64_t d, double temperature,
                                 double power, cudaStream_t stream)
{
    if (n_slots == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = a_warp_each(n_slots, stream);
    return cudaLaunchKernelEx(&config, softmax_grad, unit, bias, item_mean, user_bias, user_lse,
                              user_mean, state, y, n_slots, batch, d, temperature, power);
}
