/*
 * BPR and L2 on the rows of a batch, with their gradients, and the book-keeping of a step.
 *
 *   bpr   x_b = <u, n> - <u, p>;  loss = 1/C sum_b softplus(x_b);  coefficient_b = sigmoid(x_b) / C
 *   d/du = c (n - p), d/dp = -c u, d/dn = c u, summed over a row's slots in ascending slot order
 *   l2    squared: w/2 sum_s |x_s|^2 / D;  norm: w (|U| + |P| + |N|) / D, Frobenius norms; unique
 *         rows: a node counts once, and once in each of the three groups where these have a norm
 * each
 *
 * C is the number of triplets in this step, D the divisor. Sums over the batch are taken in double,
 * in one block, in a fixed order.
 */
#include "device.cuh"

#include "base/choices.h"

namespace
{

constexpr int WARPS = rk::BLOCK / rk::WARP;

/* Slot of triplet b's negative. */
__device__ __forceinline__ int64_t negative_slot(const int32_t *chosen, int64_t b, int64_t batch,
                                                 int64_t n_candidates)
{
    return 2 * batch + n_candidates * b + (chosen ? chosen[b] : 0);
}

__global__ void __launch_bounds__(rk::BLOCK)
    select_negatives(const float *__restrict__ final, const int32_t *__restrict__ slot_row,
                     const rk_step_state *__restrict__ state, int32_t *__restrict__ chosen,
                     int64_t batch, int64_t n_candidates, int64_t d)
{
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int64_t b = (int64_t)blockIdx.x * WARPS + threadIdx.x / rk::WARP;
    if (b >= batch) {
        return; /* the whole warp */
    }
    int32_t best = -1; /* triplets that the step does not have choose nothing */
    if (b < rk__step_count(state)) {
        const float *user = final + slot_row[b] * d;
        float best_score = 0.0f;
        for (int64_t k = 0; k < n_candidates; k++) {
            const float *item = final + slot_row[2 * batch + n_candidates * b + k] * d;
            const float score = rk::warp_dot(user, item, d, lane);
            if (k == 0 || score > best_score) {
                best = (int32_t)k;
                best_score = score;
            }
        }
    }
    if (lane == 0) {
        chosen[b] = best;
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    bpr_terms(const float *__restrict__ final, const int32_t *__restrict__ slot_row,
              const rk_step_state *__restrict__ state, const int32_t *__restrict__ chosen,
              double *__restrict__ terms, float *__restrict__ coefficient, int64_t batch,
              int64_t n_candidates, int64_t d)
{
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int64_t b = (int64_t)blockIdx.x * WARPS + threadIdx.x / rk::WARP;
    if (b >= batch) {
        return; /* the whole warp */
    }
    const int64_t count = rk__step_count(state);
    float c = 0.0f;
    double term = 0.0;
    if (b < count) {
        const float *user = final + slot_row[b] * d, *positive = final + slot_row[batch + b] * d;
        const float *negative = final + slot_row[negative_slot(chosen, b, batch, n_candidates)] * d;
        float sum = 0.0f;
        for (int64_t i = lane; i < d; i += rk::WARP) {
            sum += user[i] * (negative[i] - positive[i]);
        }
        const double x = rk::warp_sum(sum);
        term = (x > 0.0 ? x : 0.0) + log1p(exp(-fabs(x)));
        c = (float)(1.0 / (1.0 + exp(-x)) / (double)count);
    }
    if (lane == 0) {
        terms[b] = term;
        coefficient[b] = c;
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    mean_of_terms(const double *__restrict__ terms, const rk_step_state *__restrict__ state,
                  double *__restrict__ loss, int64_t batch)
{
    __shared__ double shared[rk::BLOCK];
    const double sum = rk::block_sum(terms, batch, shared);
    if (threadIdx.x == 0) {
        const int64_t count = rk__step_count(state);
        *loss = count > 0 ? sum / (double)count : 0.0;
    }
}

/* A warp a row of the row set; lanes over columns. */
__global__ void __launch_bounds__(rk::BLOCK)
    bpr_grad(const float *__restrict__ final, const float *__restrict__ coefficient,
             const int32_t *__restrict__ slot_row, const int32_t *__restrict__ segments,
             const int32_t *__restrict__ order, const int32_t *__restrict__ count,
             const int32_t *__restrict__ chosen, float *__restrict__ y, int64_t n_slots,
             int64_t batch, int64_t n_candidates, int64_t d)
{
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int64_t r = (int64_t)blockIdx.x * WARPS + threadIdx.x / rk::WARP;
    if (r >= n_slots) {
        return; /* the whole warp */
    }
    const int32_t begin = r < *count ? segments[r] : 0, end = r < *count ? segments[r + 1] : 0;
    for (int64_t i = lane; i < d; i += rk::WARP) {
        float sum = 0.0f;
        for (int32_t e = begin; e < end; e++) {
            const int64_t slot = order[e];
            if (slot < batch) {
                const int64_t p = slot_row[batch + slot];
                const int64_t n = slot_row[negative_slot(chosen, slot, batch, n_candidates)];
                sum += coefficient[slot] * (final[n * d + i] - final[p * d + i]);
            } else if (slot < 2 * batch) {
                const int64_t b = slot - batch;
                sum -= coefficient[b] * final[slot_row[b] * d + i];
            } else {
                const int64_t b = (slot - 2 * batch) / n_candidates;
                if (slot == negative_slot(chosen, b, batch, n_candidates)) {
                    sum += coefficient[b] * final[slot_row[b] * d + i];
                }
            }
        }
        y[r * d + i] = sum;
    }
}

/* How often a row occurs as user, positive and chosen negative, times |x|^2: terms[kind][row]; the
 * counts themselves are kept behind them for the factors. */
__global__ void __launch_bounds__(rk::BLOCK)
    l2_terms(const float *__restrict__ x, const int32_t *__restrict__ segments,
             const int32_t *__restrict__ order, const int32_t *__restrict__ count,
             const int32_t *__restrict__ chosen, double *__restrict__ terms,
             float *__restrict__ occurrences, int64_t n_slots, int64_t batch, int64_t n_candidates,
             int64_t d, int32_t form, int32_t rows)
{
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int64_t r = (int64_t)blockIdx.x * WARPS + threadIdx.x / rk::WARP;
    if (r >= n_slots) {
        return; /* the whole warp */
    }
    float times[3] = {0.0f, 0.0f, 0.0f};
    double square = 0.0;
    if (r < *count) {
        for (int32_t e = segments[r] + lane; e < segments[r + 1]; e += rk::WARP) {
            const int64_t slot = order[e];
            const int kind = slot < batch ? 0 : slot < 2 * batch ? 1 : 2;
            const int64_t b = kind == 2 ? (slot - 2 * batch) / n_candidates : 0;
            const bool counts =
                kind < 2 || !chosen || slot == negative_slot(chosen, b, batch, n_candidates);
            times[0] += counts && kind == 0 ? 1.0f : 0.0f;
            times[1] += counts && kind == 1 ? 1.0f : 0.0f;
            times[2] += counts && kind == 2 ? 1.0f : 0.0f;
        }
        for (int64_t i = lane; i < d; i += rk::WARP) {
            square += (double)x[r * d + i] * (double)x[r * d + i];
        }
    }
    square = rk::warp_sum(square);
    float n_positive = 0.0f;
    for (int kind = 0; kind < 3; kind++) {
        float n = rk::warp_sum(times[kind]);
        if (rows == RK_L2_UNIQUE) {
            n = n > 0.0f ? 1.0f : 0.0f;
            n = kind == 2 && form == RK_L2_SQUARED && n_positive > 0.0f ? 0.0f : n;
            n_positive = kind == 1 ? n : n_positive;
        }
        if (lane == 0) {
            terms[kind * n_slots + r] = n * square;
            occurrences[kind * n_slots + r] = n;
        }
    }
}

/* Loss, and the factor of each kind: group_factor[3]. */
__global__ void __launch_bounds__(rk::BLOCK)
    l2_sum(const double *__restrict__ terms, const rk_step_state *__restrict__ state,
           double *__restrict__ loss, double *__restrict__ group_factor, int64_t n_slots,
           int64_t batch, double weight, int32_t form, int32_t divisor)
{
    __shared__ double shared[rk::BLOCK];
    double total = 0.0;
    const int64_t count = rk__step_count(state);
    const double by = divisor == RK_L2_ACTUAL    ? (double)(count > 0 ? count : 1)
                      : divisor == RK_L2_NOMINAL ? (double)batch
                                                 : 1.0;
    for (int kind = 0; kind < 3; kind++) {
        const double sum = rk::block_sum(terms + kind * n_slots, n_slots, shared);
        const double norm = sqrt(sum);
        total += form == RK_L2_SQUARED ? 0.5 * sum : norm;
        if (threadIdx.x == 0) {
            group_factor[kind] = weight / by *
                                 (form == RK_L2_SQUARED ? 1.0
                                  : norm > 0.0          ? 1.0 / norm
                                                        : 0.0);
        }
    }
    if (threadIdx.x == 0) {
        *loss = weight / by * total;
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    l2_factors(const float *__restrict__ occurrences, const double *__restrict__ group_factor,
               float *__restrict__ factor, int64_t n_slots)
{
    const int64_t r = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (r < n_slots) {
        double sum = 0.0;
        for (int kind = 0; kind < 3; kind++) {
            sum += (double)occurrences[kind * n_slots + r] * group_factor[kind];
        }
        factor[r] = (float)sum;
    }
}

__global__ void step_loss(rk_losses losses, rk_step_state *state)
{
    double total = 0.0;
    for (int32_t i = 0; i < losses.n; i++) {
        const double value = *losses.value[i];
        state->loss_sum[losses.slot[i]] += value;
        total += value;
    }
    state->loss_sum[0] += total;
    state->last_loss = total;
    if (!isfinite(total) && state->bad_step == 0) {
        state->bad_step = state->step + 1;
        state->bad_loss = total;
    }
}

__global__ void step_advance(rk_step_state *state)
{
    state->step += 1;
    state->step_in_epoch += 1;
}

} // namespace

cudaError_t rk_cuda_select_negatives(const float *final, const int32_t *slot_row,
                                     const rk_step_state *state, int32_t *chosen, int64_t batch,
                                     int64_t n_candidates, int64_t d, cudaStream_t stream)
{
    if (batch == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = rk::launch(rk::blocks_for(batch, WARPS), rk::BLOCK, stream);
    return cudaLaunchKernelEx(&config, select_negatives, final, slot_row, state, chosen, batch,
                              n_candidates, d);
}

cudaError_t rk_cuda_bpr_loss(const float *final, const int32_t *slot_row,
                             const rk_step_state *state, const int32_t *chosen, double *loss,
                             float *coefficient, double *terms, int64_t batch, int64_t n_candidates,
                             int64_t d, cudaStream_t stream)
{
    if (batch == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = rk::launch(rk::blocks_for(batch, WARPS), rk::BLOCK, stream);
    RK_TRY_LAUNCH(cudaLaunchKernelEx(&config, bpr_terms, final, slot_row, state, chosen, terms,
                                     coefficient, batch, n_candidates, d));
    return rk_cuda_mean_of_terms(terms, state, loss, batch, stream);
}

cudaError_t rk_cuda_mean_of_terms(const double *terms, const rk_step_state *state, double *loss,
                                  int64_t batch, cudaStream_t stream)
{
    cudaLaunchConfig_t one = rk::launch(1, rk::BLOCK, stream);
    return cudaLaunchKernelEx(&one, mean_of_terms, terms, state, loss, batch);
}

cudaError_t rk_cuda_bpr_grad(const float *final, const float *coefficient, const int32_t *slot_row,
                             const int32_t *segments, const int32_t *order, const int32_t *count,
                             const int32_t *chosen, float *y, int64_t n_slots, int64_t batch,
                             int64_t n_candidates, int64_t d, cudaStream_t stream)
{
    if (n_slots == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = rk::launch(rk::blocks_for(n_slots, WARPS), rk::BLOCK, stream);
    return cudaLaunchKernelEx(&config, bpr_grad, final, coefficient, slot_row, segments, order,
                              count, chosen, y, n_slots, batch, n_candidates, d);
}

cudaError_t rk_cuda_l2_loss(const float *x, const int32_t *segments, const int32_t *order,
                            const int32_t *count, const rk_step_state *state, const int32_t *chosen,
                            double *loss, float *factor, double *terms, int64_t n_slots,
                            int64_t batch, int64_t n_candidates, int64_t d, double weight,
                            int32_t form, int32_t rows, int32_t divisor, cudaStream_t stream)
{
    if (n_slots == 0) {
        return cudaSuccess;
    }
    double *group_factor = terms + 3 * n_slots;
    float *occurrences = reinterpret_cast<float *>(group_factor + 4);
    cudaLaunchConfig_t by_row = rk::launch(rk::blocks_for(n_slots, WARPS), rk::BLOCK, stream);
    RK_TRY_LAUNCH(cudaLaunchKernelEx(&by_row, l2_terms, x, segments, order, count, chosen, terms,
                                     occurrences, n_slots, batch, n_candidates, d, form, rows));
    cudaLaunchConfig_t one = rk::launch(1, rk::BLOCK, stream);
    RK_TRY_LAUNCH(cudaLaunchKernelEx(&one, l2_sum, (const double *)terms, state, loss, group_factor,
                                     n_slots, batch, weight, form, divisor));
    cudaLaunchConfig_t flat = rk::launch(rk::blocks_for(n_slots, rk::BLOCK), rk::BLOCK, stream);
    return cudaLaunchKernelEx(&flat, l2_factors, (const float *)occurrences,
                              (const double *)group_factor, factor, n_slots);
}

cudaError_t rk_cuda_step_loss(rk_losses losses, rk_step_state *state, cudaStream_t stream)
{
    cudaLaunchConfig_t config = rk::launch(1, 1, stream);
    return cudaLaunchKernelEx(&config, step_loss, losses, state);
}

cudaError_t rk_cuda_step_advance(rk_step_state *state, cudaStream_t stream)
{
    cudaLaunchConfig_t config = rk::launch(1, 1, stream);
    return cudaLaunchKernelEx(&config, step_advance, state);
}
