/*
 * Losses that compare a batch with itself (formulas: src/device/cpu/batch_loss.c); the sums over
 * all pairs are attend.cu's.
 *
 *   unit_slots       a warp a slot: its row, divided by its length if cosine
 *   softmax_loss     a thread a slot, then one block sums the terms in a fixed order
 *   align_uniform    a warp a triplet for the distances; one block for the sums over all pairs
 *   *_grad           a warp a slot, a warp a row of the row set in slot order
 */
#include "block_reduce.cuh"

#include "ops/logit.h"

namespace
{

__global__ void __launch_bounds__(rk::BLOCK)
    unit_slots(const float *__restrict__ x, const int32_t *__restrict__ slot_row,
               const int32_t *__restrict__ rows, const float *__restrict__ table,
               float *__restrict__ unit, float *__restrict__ bias, int64_t n_slots, int64_t d,
               bool cosine)
{
    rk::begin();
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int64_t s = rk::number_of_warp();
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
                    int64_t n_rows, int64_t d, float alpha, bool cosine)
{
    rk::begin();
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int64_t r = rk::number_of_warp();
    if (r >= n_rows) {
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

__global__ void __launch_bounds__(rk::BLOCK)
    softmax_terms(const float *__restrict__ lse, const double *__restrict__ own,
                  const rk_step_state *__restrict__ state, double *__restrict__ terms,
                  float *__restrict__ user_bias, int64_t n_slots, int64_t batch, double power)
{
    rk::begin();
    const int64_t s = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (s >= n_slots) {
        return;
    }
    const bool has_term = s < batch && s < rk__step_count(state) && rk__is_logit(lse[s]);
    user_bias[s] = has_term ? -lse[s] : RK_NO_LOGIT;
    if (s < batch) {
        terms[s] = has_term ? power * (double)lse[s] - own[s] : 0.0;
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    softmax_grad(const float *__restrict__ unit, const float *__restrict__ bias,
                 const float *__restrict__ item_mean, const float *__restrict__ user_bias,
                 const float *__restrict__ user_lse, const float *__restrict__ user_mean,
                 const rk_step_state *__restrict__ state, float *__restrict__ y, int64_t n_slots,
                 int64_t batch, int64_t d, double temperature, double power)
{
    rk::begin();
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int64_t s = rk::number_of_warp();
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
    rk::begin();
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int64_t b = rk::number_of_warp();
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
    rk::begin();
    __shared__ double sums[rk::BLOCK];
    __shared__ float shared[rk::BLOCK];
    const int64_t count = rk__step_count(state);
    for (int kind = 0; kind < 2; kind++) {
        const float *lse = kind ? item_lse : user_lse;
        float largest = RK_NO_LOGIT;
        for (int64_t b = threadIdx.x; b < count; b += rk::BLOCK) {
            largest = lse[b] > largest ? lse[b] : largest;
        }
        largest = rk::block_reduce(largest, shared, [](float a, float b) { return a > b ? a : b; });
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
    rk::begin();
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int64_t s = rk::number_of_warp();
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

} // namespace

cudaError_t rk_cuda_unit_slots(const rk_call *call)
{
    const int64_t n_slots = rk__in(call, 1)->rows;
    return rk::run(call->stream, rk::a_warp_each(n_slots), unit_slots, rk::in(call, 0),
                   rk::in(call, 1), rk::in(call, 2), rk::in(call, 3), rk::out(call, 0),
                   rk::out(call, 1), n_slots, rk__in(call, 0)->cols, call->node->attr.unit.cosine);
}

cudaError_t rk_cuda_unit_slots_grad(const rk_call *call)
{
    const rk_tensor *x = rk__in(call, 0);
    const rk_unit_attr *a = &call->node->attr.unit;
    return rk::run(call->stream, rk::a_warp_each(x->rows), unit_slots_grad, rk::in(call, 0),
                   rk::in(call, 1), rk::in(call, 2), rk::in(call, 3), rk::in(call, 4),
                   rk::in(call, 5), rk::out(call, 0), x->rows, x->cols, a->alpha, a->cosine);
}

int64_t rk_cuda_scratch_softmax_loss(const rk_call *call)
{
    return call->node->attr.softmax.batch * (int64_t)sizeof(double);
}

cudaError_t rk_cuda_softmax_loss(const rk_call *call)
{
    const rk_softmax_attr *a = &call->node->attr.softmax;
    const int64_t n_slots = rk__in(call, 0)->rows;
    const rk_step_state *state = rk::in(call, 5);
    double *terms = static_cast<double *>(call->scratch);
    RK_TRY_LAUNCH(rk::run(call->stream, rk::a_thread_each(n_slots), softmax_terms, rk::in(call, 2),
                          rk::in(call, 4), state, terms, rk::out(call, 1), n_slots, a->batch,
                          a->power));
    return rk::mean_of_terms(call->stream, {terms, state, rk::out(call, 0), a->batch});
}

cudaError_t rk_cuda_softmax_grad(const rk_call *call)
{
    const rk_tensor *unit = rk__in(call, 0);
    const rk_softmax_attr *a = &call->node->attr.softmax;
    return rk::run(call->stream, rk::a_warp_each(unit->rows), softmax_grad, rk::in(call, 0),
                   rk::in(call, 1), rk::in(call, 2), rk::in(call, 3), rk::in(call, 4),
                   rk::in(call, 5), rk::in(call, 6), rk::out(call, 0), unit->rows, a->batch,
                   unit->cols, a->temperature, a->power);
}

int64_t rk_cuda_scratch_align_uniform_loss(const rk_call *call)
{
    return call->node->attr.align.batch * (int64_t)sizeof(double);
}

cudaError_t rk_cuda_align_uniform_loss(const rk_call *call)
{
    const rk_align_attr *a = &call->node->attr.align;
    const rk_step_state *state = rk::in(call, 5);
    double *terms = static_cast<double *>(call->scratch), *loss = rk::out(call, 0);
    if (a->batch == 0) {
        return cudaSuccess;
    }
    RK_TRY_LAUNCH(rk::run(call->stream, rk::a_warp_each(a->batch), distances, rk::in(call, 0),
                          state, terms, a->batch, rk__in(call, 0)->cols));
    RK_TRY_LAUNCH(rk::mean_of_terms(call->stream, {terms, state, loss, a->batch}));
    return rk::run(call->stream, {1}, uniformity_of, rk::in(call, 1), rk::in(call, 3), state, terms,
                   loss, rk::out(call, 1), a->batch, a->uniformity);
}

cudaError_t rk_cuda_align_uniform_grad(const rk_call *call)
{
    const rk_tensor *unit = rk__in(call, 0);
    const rk_align_attr *a = &call->node->attr.align;
    return rk::run(call->stream, rk::a_warp_each(unit->rows), align_uniform_grad, rk::in(call, 0),
                   rk::in(call, 1), rk::in(call, 2), rk::in(call, 3), rk::in(call, 4),
                   rk::in(call, 5), rk::in(call, 6), rk::out(call, 0), unit->rows, a->batch,
                   unit->cols, a->uniformity);
}
