/*
 * Two views of a batch against each other (formulas and the layout of the stack:
 * src/device/cpu/contrast.c). A warp a row everywhere; the loss is summed by one block in a fixed
 * order; a draw of noise serves four lanes' columns and is made by each of them.
 */
#include "device.cuh"

#include "ops/logit.h"
#include "ops/noise_draw.h"

namespace
{

constexpr int WARPS = rk::BLOCK / rk::WARP;

__device__ __forceinline__ float row_dot(const float *a, const float *b, int64_t d, int lane)
{
    float sum = 0.0f;
    for (int64_t i = lane; i < d; i += rk::WARP) {
        sum += a[i] * b[i];
    }
    return rk::warp_sum(sum);
}

__device__ __forceinline__ float inverse_length(const float *row, int64_t d, int lane)
{
    const float square = row_dot(row, row, d, lane);
    return square == 0.0f ? 0.0f : 1.0f / sqrtf(square);
}

/* The row that this warp works on. */
__device__ __forceinline__ int64_t row_of_warp()
{
    return (int64_t)blockIdx.x * WARPS + threadIdx.x / rk::WARP;
}

__device__ __forceinline__ float noise_at(const rk_step_state *state, int32_t view, int32_t layer,
                                          int64_t node, int64_t d, int64_t column)
{
    float four[4];
    rk__noise4(state->seed, state->step, view, layer, node, d, column / 4, four);
    return four[column % 4];
}

__global__ void __launch_bounds__(rk::BLOCK)
    perturb(const float *__restrict__ x, const rk_step_state *__restrict__ state,
            const int32_t *__restrict__ rows, const int32_t *__restrict__ count,
            float *__restrict__ y, int64_t n, int64_t d, float epsilon, int32_t view, int32_t layer)
{
    const int lane = (int)threadIdx.x % rk::WARP;
    const int64_t r = row_of_warp();
    if (r >= n) {
        return; /* the whole warp */
    }
    const bool used = !count || r < *count;
    const int64_t node = used && rows ? rows[r] : r;
    float square = 0.0f;
    for (int64_t i = lane; used && i < d; i += rk::WARP) {
        const float noise = noise_at(state, view, layer, node, d, i);
        y[r * d + i] = noise;
        square += noise * noise;
    }
    square = rk::warp_sum(square);
    const float scale = square > 0.0f ? epsilon / sqrtf(square) : 0.0f;
    for (int64_t i = lane; i < d; i += rk::WARP) {
        const float value = x[r * d + i];
        const float sign = (float)((value > 0.0f) - (value < 0.0f));
        y[r * d + i] = used ? value + scale * sign * y[r * d + i] : 0.0f;
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    contrast_slots(const float *__restrict__ first, const float *__restrict__ second,
                   const int32_t *__restrict__ slot_row, const int32_t *__restrict__ segments,
                   const int32_t *__restrict__ order, float *__restrict__ pair,
                   float *__restrict__ bias, int64_t half, int64_t d)
{
    const int lane = (int)threadIdx.x % rk::WARP;
    const int64_t i = row_of_warp();
    if (i >= 2 * half) {
        return; /* the whole warp */
    }
    const int64_t s = i < half ? i : i - half, row = slot_row[s];
    const bool counts = row >= 0 && order[segments[row]] == s;
    const float *x = (i < half ? first : second) + (counts ? row : 0) * d;
    const float scale = inverse_length(x, d, lane);
    for (int64_t j = lane; j < d; j += rk::WARP) {
        pair[i * d + j] = counts ? scale * x[j] : 0.0f;
    }
    if (lane == 0) {
        bias[i] = counts ? 0.0f : RK_NO_LOGIT;
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    contrast_slots_grad(const float *__restrict__ x, const float *__restrict__ pair,
                        const float *__restrict__ gradient, const int32_t *__restrict__ segments,
                        const int32_t *__restrict__ order, const int32_t *__restrict__ count,
                        float *__restrict__ y, int64_t n, int64_t half, int64_t d, bool is_second)
{
    const int lane = (int)threadIdx.x % rk::WARP;
    const int64_t r = row_of_warp();
    if (r >= n) {
        return; /* the whole warp */
    }
    const int64_t s = r < *count ? order[segments[r]] : half;
    if (s >= half) {
        for (int64_t j = lane; j < d; j += rk::WARP) {
            y[r * d + j] = 0.0f;
        }
        return; /* the whole warp */
    }
    const float *g = gradient + (is_second ? half + s : s) * d;
    const float *unit = pair + (is_second ? half + s : s) * d;
    const float scale = inverse_length(x + r * d, d, lane);
    const float along = row_dot(g, unit, d, lane);
    for (int64_t j = lane; j < d; j += rk::WARP) {
        y[r * d + j] = scale * (g[j] - along * unit[j]);
    }
}

/* terms [half] = lse - score where a slot counts, and its key bias; a warp a slot. */
__global__ void __launch_bounds__(rk::BLOCK)
    contrast_terms(const float *__restrict__ pair, const float *__restrict__ bias,
                   const float *__restrict__ user_lse, const float *__restrict__ item_lse,
                   double *__restrict__ terms, float *__restrict__ key_bias, int64_t batch,
                   int64_t d, double temperature)
{
    const int lane = (int)threadIdx.x % rk::WARP;
    const int64_t s = row_of_warp(), half = 2 * batch;
    if (s >= half) {
        return; /* the whole warp */
    }
    const float lse = s < batch ? user_lse[s] : item_lse[s - batch];
    const bool counts = rk__is_logit(bias[s]) && rk__is_logit(lse);
    const float score = row_dot(pair + s * d, pair + (half + s) * d, d, lane);
    if (lane == 0) {
        terms[s] = counts ? (double)lse - (double)score / temperature : 0.0;
        key_bias[s] = counts ? -lse : RK_NO_LOGIT;
        key_bias[half + s] = RK_NO_LOGIT;
    }
}

__device__ double block_sum(double value, double *shared)
{
    const int lane = (int)threadIdx.x % rk::WARP, warp = (int)threadIdx.x / rk::WARP;
    value = rk::warp_sum(value);
    __syncthreads(); /* behind the readers of the sum before */
    if (lane == 0) {
        shared[warp] = value;
    }
    __syncthreads();
    double total = 0.0;
    for (int i = 0; i < WARPS; i++) {
        total += shared[i];
    }
    return total;
}

/* One block: both means, and the factor of each slot. */
__global__ void __launch_bounds__(rk::BLOCK)
    contrast_sums(const double *__restrict__ terms, const float *__restrict__ key_bias,
                  double *__restrict__ loss, float *__restrict__ factor, int64_t batch,
                  double weight)
{
    __shared__ double shared[WARPS];
    double total = 0.0;
    for (int kind = 0; kind < 2; kind++) {
        double sum = 0.0, number = 0.0;
        for (int64_t b = threadIdx.x; b < batch; b += rk::BLOCK) {
            sum += terms[kind * batch + b];
            number += rk__is_logit(key_bias[kind * batch + b]) ? 1.0 : 0.0;
        }
        sum = block_sum(sum, shared);
        number = block_sum(number, shared);
        const float share = number > 0.0 ? (float)(weight / number) : 0.0f;
        total += number > 0.0 ? weight * sum / number : 0.0;
        for (int64_t b = threadIdx.x; b < batch; b += rk::BLOCK) {
            const int64_t s = kind * batch + b;
            const float value = rk__is_logit(key_bias[s]) ? share : 0.0f;
            factor[s] = value;
            factor[2 * batch + s] = value;
        }
    }
    if (threadIdx.x == 0) {
        *loss = total;
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    contrast_grad(rk_contrast_means means, const float *__restrict__ pair,
                  const float *__restrict__ factor, float *__restrict__ y, int64_t batch, int64_t d,
                  double temperature)
{
    const int lane = (int)threadIdx.x % rk::WARP;
    const int64_t i = row_of_warp(), half = 2 * batch;
    if (i >= 2 * half) {
        return; /* the whole warp */
    }
    const int64_t s = i < half ? i : i - half, kind = s >= batch ? 1 : 0, b = s - kind * batch;
    const float f = (float)((double)factor[i] / temperature);
    const bool counts = factor[i] != 0.0f;
    const float *mean = (i < half ? means.of_query[kind] : means.of_key[kind]) + b * d;
    const float weight = i < half ? f : counts ? f * expf(means.key_lse[kind][b]) : 0.0f;
    const float *other = pair + (i < half ? half + s : s) * d;
    for (int64_t j = lane; j < d; j += rk::WARP) {
        y[i * d + j] = counts ? weight * mean[j] - f * other[j] : 0.0f;
    }
}

cudaLaunchConfig_t a_warp_each(int64_t n, cudaStream_t stream)
{
    return rk::launch(rk::blocks_for(n, WARPS), rk::BLOCK, stream);
}

} // namespace

cudaError_t rk_cuda_perturb(const float *x, const rk_step_state *state, const int32_t *rows,
                            const int32_t *count, float *y, int64_t n, int64_t d, float epsilon,
                            int32_t view, int32_t layer, cudaStream_t stream)
{
    if (n == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = a_warp_each(n, stream);
    return cudaLaunchKernelEx(&config, perturb, x, state, rows, count, y, n, d, epsilon, view,
                              layer);
}

cudaError_t rk_cuda_contrast_slots(const float *first, const float *second, const int32_t *slot_row,
                                   const int32_t *segments, const int32_t *order, float *pair,
                                   float *bias, int64_t batch, int64_t d, cudaStream_t stream)
{
    cudaLaunchConfig_t config = a_warp_each(4 * batch, stream);
    return cudaLaunchKernelEx(&config, contrast_slots, first, second, slot_row, segments, order,
                              pair, bias, 2 * batch, d);
}

cudaError_t rk_cuda_contrast_slots_grad(const float *x, const float *pair, const float *gradient,
                                        const int32_t *segments, const int32_t *order,
                                        const int32_t *count, float *y, int64_t n, int64_t batch,
                                        int64_t d, bool is_second, cudaStream_t stream)
{
    cudaLaunchConfig_t config = a_warp_each(n, stream);
    return cudaLaunchKernelEx(&config, contrast_slots_grad, x, pair, gradient, segments, order,
                              count, y, n, 2 * batch, d, is_second);
}

cudaError_t rk_cuda_contrast_loss(const float *pair, const float *bias, const float *user_lse,
                                  const float *item_lse, double *loss, float *key_bias,
                                  float *factor, double *terms, int64_t batch, int64_t d,
                                  double weight, double temperature, cudaStream_t stream)
{
    cudaLaunchConfig_t config = a_warp_each(2 * batch, stream);
    RK_TRY_LAUNCH(cudaLaunchKernelEx(&config, contrast_terms, pair, bias, user_lse, item_lse, terms,
                                     key_bias, batch, d, temperature));
    cudaLaunchConfig_t one = rk::launch(1, rk::BLOCK, stream);
    return cudaLaunchKernelEx(&one, contrast_sums, (const double *)terms, (const float *)key_bias,
                              loss, factor, batch, weight);
}

cudaError_t rk_cuda_contrast_grad(rk_contrast_means means, const float *pair, const float *factor,
                                  float *y, int64_t batch, int64_t d, double temperature,
                                  cudaStream_t stream)
{
    cudaLaunchConfig_t config = a_warp_each(4 * batch, stream);
    return cudaLaunchKernelEx(&config, contrast_grad, means, pair, factor, y, batch, d,
                              temperature);
}
