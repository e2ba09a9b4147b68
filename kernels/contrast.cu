/*
 * Two views of a batch against each other (formulas and the layout of the stack:
 * src/device/cpu/contrast.c). A warp a row, a thread a term; the loss is summed by one block in a
 * fixed order; a draw of noise serves four lanes' columns and is made by each of them.
 */
#include "device.cuh"

#include "ops/logit.h"
#include "ops/noise_draw.h"

namespace
{

/* Where in the noise of a step a row is. */
struct noise_row {
    int32_t view, layer;
    int64_t node, d;
};

__device__ __forceinline__ float noise_at(const rk_step_state *state, noise_row row, int64_t column)
{
    float four[4];
    rk__noise4(state->seed, state->step, row.view, row.layer, row.node, row.d, column / 4, four);
    return four[column % 4];
}

__global__ void __launch_bounds__(rk::BLOCK)
    perturb(const float *__restrict__ x, const rk_step_state *__restrict__ state,
            const int32_t *__restrict__ rows, const int32_t *__restrict__ count,
            float *__restrict__ y, int64_t n, int64_t d, int64_t from, int64_t all, float epsilon,
            int32_t view, int32_t layer)
{
    rk::begin();
    const int lane = (int)threadIdx.x % rk::WARP;
    const int64_t r = rk::number_of_warp();
    if (r >= n) {
        return; /* the whole warp */
    }
    const bool used = !count || r < *count;
    const int64_t node = used && rows ? rows[r] : r;
    float square = 0.0f;
    for (int64_t i = lane; used && i < all; i += rk::WARP) {
        const float noise = noise_at(state, {view, layer, node, all}, i);
        if (i >= from && i < from + d) {
            y[r * d + i - from] = noise;
        }
        square += noise * noise;
    }
    __syncwarp(); /* columns from elsewhere than 0 are other lanes' */
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
    rk::begin();
    const int lane = (int)threadIdx.x % rk::WARP;
    const int64_t i = rk::number_of_warp();
    if (i >= 2 * half) {
        return; /* the whole warp */
    }
    const int64_t s = i < half ? i : i - half, row = slot_row[s];
    const bool counts = row >= 0 && order[segments[row]] == s;
    const float *x = (i < half ? first : second) + (counts ? row : 0) * d;
    const float scale = rk::inverse_length(x, d, lane);
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
    rk::begin();
    const int lane = (int)threadIdx.x % rk::WARP;
    const int64_t r = rk::number_of_warp();
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
    const float scale = rk::inverse_length(x + r * d, d, lane);
    const float along = rk::warp_dot(g, unit, d, lane);
    for (int64_t j = lane; j < d; j += rk::WARP) {
        y[r * d + j] = scale * (g[j] - along * unit[j]);
    }
}

struct contrast_logits { /* users, positives */
    const float *lse[2];
    const double *own[2];
};

/* terms [half] = lse - own logit where a slot counts, and its key bias; a thread a slot. */
__global__ void __launch_bounds__(rk::BLOCK)
    contrast_terms(const float *__restrict__ bias, contrast_logits logits,
                   double *__restrict__ terms, float *__restrict__ key_bias, int64_t batch)
{
    rk::begin();
    const int64_t s = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, half = 2 * batch;
    if (s >= half) {
        return;
    }
    const int64_t kind = s >= batch ? 1 : 0, b = s - kind * batch;
    const float lse = logits.lse[kind][b];
    const bool counts = rk__is_logit(bias[s]) && rk__is_logit(lse);
    terms[s] = counts ? (double)lse - logits.own[kind][b] : 0.0;
    key_bias[s] = counts ? -lse : RK_NO_LOGIT;
    key_bias[half + s] = RK_NO_LOGIT;
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
    for (int i = 0; i < rk::WARPS; i++) {
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
    rk::begin();
    __shared__ double shared[rk::WARPS];
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

struct contrast_means { /* users, positives */
    const float *of_query[2], *key_lse[2], *of_key[2];
};

__global__ void __launch_bounds__(rk::BLOCK)
    contrast_grad(contrast_means means, const float *__restrict__ pair,
                  const float *__restrict__ factor, float *__restrict__ y, int64_t batch, int64_t d,
                  double temperature)
{
    rk::begin();
    const int lane = (int)threadIdx.x % rk::WARP;
    const int64_t i = rk::number_of_warp(), half = 2 * batch;
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

} // namespace

cudaError_t rk_cuda_perturb(const rk_call *call)
{
    const rk_tensor *y = rk__out(call, 0);
    const rk_perturb_attr *a = &call->node->attr.perturb;
    return rk::run(call->stream, rk::a_warp_each(y->rows), perturb, rk::in(call, 0),
                   rk::in(call, 1), rk::in(call, 2), rk::in(call, 3), rk::out(call, 0), y->rows,
                   y->cols, rk__in(call, 0)->first_column, rk__all_columns(rk__in(call, 0)),
                   a->epsilon, a->view, a->layer);
}

cudaError_t rk_cuda_contrast_slots(const rk_call *call)
{
    const int64_t batch = call->node->attr.contrast.batch;
    return rk::run(call->stream, rk::a_warp_each(4 * batch), contrast_slots, rk::in(call, 0),
                   rk::in(call, 1), rk::in(call, 2), rk::in(call, 3), rk::in(call, 4),
                   rk::out(call, 0), rk::out(call, 1), 2 * batch, rk__in(call, 0)->cols);
}

cudaError_t rk_cuda_contrast_slots_grad(const rk_call *call)
{
    const rk_tensor *y = rk__out(call, 0);
    const rk_contrast_attr *a = &call->node->attr.contrast;
    return rk::run(call->stream, rk::a_warp_each(y->rows), contrast_slots_grad, rk::in(call, 0),
                   rk::in(call, 1), rk::in(call, 2), rk::in(call, 3), rk::in(call, 4),
                   rk::in(call, 5), rk::out(call, 0), y->rows, 2 * a->batch, y->cols, a->second);
}

int64_t rk_cuda_scratch_contrast_loss(const rk_call *call)
{
    return 2 * call->node->attr.contrast.batch * (int64_t)sizeof(double);
}

cudaError_t rk_cuda_contrast_loss(const rk_call *call)
{
    const rk_contrast_attr *a = &call->node->attr.contrast;
    double *terms = static_cast<double *>(call->scratch);
    float *key_bias = rk::out(call, 1);
    const contrast_logits logits = {{rk::in(call, 2), rk::in(call, 3)},
                                    {rk::in(call, 4), rk::in(call, 5)}};
    RK_TRY_LAUNCH(rk::run(call->stream, rk::a_thread_each(2 * a->batch), contrast_terms,
                          rk::in(call, 1), logits, terms, key_bias, a->batch));
    return rk::run(call->stream, {1}, contrast_sums, terms, key_bias, rk::out(call, 0),
                   rk::out(call, 2), a->batch, a->weight);
}

cudaError_t rk_cuda_contrast_grad(const rk_call *call)
{
    const rk_contrast_attr *a = &call->node->attr.contrast;
    const contrast_means means = {{rk::in(call, 2), rk::in(call, 3)},
                                  {rk::in(call, 4), rk::in(call, 5)},
                                  {rk::in(call, 6), rk::in(call, 7)}};
    return rk::run(call->stream, rk::a_warp_each(4 * a->batch), contrast_grad, means,
                   rk::in(call, 0), rk::in(call, 1), rk::out(call, 0), a->batch,
                   rk__in(call, 0)->cols, a->temperature);
}
