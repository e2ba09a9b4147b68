/*
 * Losses that compare a batch with itself (formulas: src/device/cpu/batch_loss.c, attend.c).
 *
 *   unit_slots       a warp a slot: its row, divided by its length if cosine
 *   softmax_tile     a block a query: logits [n] -> weights in place, log-sum-exp; the products
 * that make the logits and use the weights are cuBLAS's softmax_loss     a warp a triplet, then one
 * block sums the terms in a fixed order
 *   align_uniform    a warp a triplet for the distances; one block for the sums over all pairs
 *   *_grad           a warp a slot, a warp a row of the row set in slot order
 */
#include "device.cuh"

#include "ops/logit.h"

namespace
{

constexpr int WARPS = rk::BLOCK / rk::WARP;

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
        scale = rk::inverse_length(x + row * d, d, lane);
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
    const float scale = rk::inverse_length(x + r * d, d, lane);
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
        const float score = rk::warp_dot(unit + s * d, unit + (batch + s) * d, d, lane);
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

__global__ void __launch_bounds__(rk::BLOCK)
    distances(const float *__restrict__ unit, const rk_step_state *__restrict__ state,
              double *__restrict__ terms, int64_t batch, int64_t d)
{
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int64_t b = (int64_t)blockIdx.x * WARPS + threadIdx.x / rk::WARP;
    if (b >= batch) {
        return; /* the whole warp */
    }
    double sum = 0.0;
    const bool used = b < rk__step_count(state);
    for (int64_t i = lane; i < d && used; i += rk::WARP) {
        const double difference = (double)unit[b * d + i] - (double)unit[(batch + b) * d + i];
        sum += difference * difference;
    }
    sum = rk::warp_sum(sum);
    if (lane == 0) {
        terms[b] = sum;
    }
}

/* Adds the uniformity to *loss, which is the alignment: one block. */
__global__ void __launch_bounds__(rk::BLOCK)
    uniformity_of(const float *__restrict__ user_lse, const float *__restrict__ item_lse,
                  const rk_step_state *__restrict__ state, double *terms, double *loss,
                  float *__restrict__ total, int64_t batch, double weight)
{
    __shared__ double sums[rk::BLOCK];
    __shared__ float shared[rk::BLOCK];
    const int64_t count = rk__step_count(state);
    for (int kind = 0; kind < 2; kind++) {
        const float *lse = kind ? item_lse : user_lse;
        float largest = RK_NO_LOGIT;
        for (int64_t b = threadIdx.x; b < count; b += rk::BLOCK) {
            largest = lse[b] > largest ? lse[b] : largest;
        }
        largest = block_reduce(largest, shared, [](float a, float b) { return a > b ? a : b; });
        const bool has_pairs = rk__is_logit(largest);
        for (int64_t b = threadIdx.x; b < batch; b += rk::BLOCK) {
            terms[b] = b < count && has_pairs ? exp((double)lse[b] - (double)largest) : 0.0;
        }
        __syncthreads();
        const double sum = rk::block_sum(terms, batch, sums);
        if (threadIdx.x == 0) {
            const double all = has_pairs ? (double)largest + log(sum) : (double)RK_NO_LOGIT;
            const double pairs = (double)count * (double)(count - 1);
            total[kind] = (float)all;
            *loss += has_pairs ? weight / 2.0 * (all - 4.0 - log(pairs)) : 0.0;
        }
        __syncthreads();
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    align_uniform_grad(const float *__restrict__ unit, const float *__restrict__ user_lse,
                       const float *__restrict__ user_mean, const float *__restrict__ item_lse,
                       const float *__restrict__ item_mean, const rk_step_state *__restrict__ state,
                       const float *__restrict__ total, float *__restrict__ y, int64_t n_slots,
                       int64_t batch, int64_t d, double weight)
{
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int64_t s = (int64_t)blockIdx.x * WARPS + threadIdx.x / rk::WARP;
    if (s >= n_slots) {
        return; /* the whole warp */
    }
    const bool is_item = s >= batch;
    const int64_t b = is_item ? s - batch : s, count = rk__step_count(state);
    const bool used = b < count;
    const float *lse = is_item ? item_lse : user_lse, *mean = is_item ? item_mean : user_mean;
    const float pull = used ? (float)(2.0 / (double)count) : 0.0f;
    float push = 0.0f;
    if (used && rk__is_logit(lse[b])) {
        push = (float)(4.0 * weight * exp((double)lse[b] - (double)total[is_item]));
    }
    for (int64_t i = lane; i < d; i += rk::WARP) {
        float value = 0.0f;
        if (used) {
            const float other = unit[(is_item ? b : batch + b) * d + i];
            value = pull * (unit[s * d + i] - other) + push * mean[b * d + i];
        }
        y[s * d + i] = value;
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

cudaError_t rk_cuda_align_uniform_loss(const float *unit, const float *user_lse,
                                       const float *item_lse, const rk_step_state *state,
                                       double *loss, float *total, double *terms, int64_t batch,
                                       int64_t d, double uniformity, cudaStream_t stream)
{
    if (batch == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = a_warp_each(batch, stream), one = rk::launch(1, rk::BLOCK, stream);
    RK_TRY_LAUNCH(cudaLaunchKernelEx(&config, distances, unit, state, terms, batch, d));
    RK_TRY_LAUNCH(rk_cuda_mean_of_terms(terms, state, loss, batch, stream));
    return cudaLaunchKernelEx(&one, uniformity_of, user_lse, item_lse, state, terms, loss, total,
                              batch, uniformity);
}

cudaError_t rk_cuda_align_uniform_grad(const float *unit, const float *user_lse,
                                       const float *user_mean, const float *item_lse,
                                       const float *item_mean, const rk_step_state *state,
                                       const float *total, float *y, int64_t n_slots, int64_t batch,
                                       int64_t d, double uniformity, cudaStream_t stream)
{
    if (n_slots == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = a_warp_each(n_slots, stream);
    return cudaLaunchKernelEx(&config, align_uniform_grad, unit, user_lse, user_mean, item_lse,
                              item_mean, state, total, y, n_slots, batch, d, uniformity);
}
