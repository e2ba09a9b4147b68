/*
 * Losses of a positive and M drawn negatives (ops/slot_loss.h has the formulas).
 *
 *   slot_loss   a warp a triplet: the scores one after the other, lanes over columns; then lanes
 * over the negatives, so that the sums over them have a fixed order slot_grad   a warp a row of the
 * row set in slot order, lanes over columns
 */
#include "device.cuh"

#include "ops/slot_loss.h"

namespace
{

constexpr int WARPS = rk::BLOCK / rk::WARP;

/* The scores in `scores` become the derivatives by them, for one triplet; every lane gets the term.
 * beta(k) is that of score k. */
template <typename BETA>
__device__ double additive_term(const rk_slot_rule &rule, float *scores, int64_t m, double by_count,
                                int lane, BETA beta)
{
    const double positive = scores[0], share = 1.0 / (double)m;
    const rk_slot_term own = rk__slot_positive(&rule, positive, beta(0));
    double value = 0.0, by_positive = 0.0;
    for (int64_t k = 1 + lane; k <= m; k += rk::WARP) {
        const rk_slot_term t = rk__slot_negative(&rule, positive, scores[k], beta(k));
        value += t.value;
        by_positive += t.by_positive;
        scores[k] = (float)(t.by_negative * share * by_count);
    }
    value = rk::warp_sum(value);
    by_positive = rk::warp_sum(by_positive);
    __syncwarp();
    if (lane == 0) {
        scores[0] = (float)((own.by_positive + by_positive * share) * by_count);
    }
    return own.value + value * share;
}

__device__ double softmax_term(const rk_slot_rule &rule, float *scores, int64_t m, double by_count,
                               int lane)
{
    const double positive = (double)scores[0] / rule.temperature;
    const int64_t first = rule.exclude_positive ? 1 : 0;
    double largest = -INFINITY, sum = 0.0;
    for (int64_t k = first + lane; k <= m; k += rk::WARP) {
        const double logit = (double)scores[k] / rule.temperature;
        largest = logit > largest ? logit : largest;
    }
    for (int offset = rk::WARP / 2; offset > 0; offset >>= 1) {
        const double other = __shfl_xor_sync(rk::ALL_LANES, largest, offset);
        largest = other > largest ? other : largest;
    }
    for (int64_t k = first + lane; k <= m; k += rk::WARP) {
        sum += exp((double)scores[k] / rule.temperature - largest);
    }
    const double lse = largest + log(rk::warp_sum(sum));
    __syncwarp();
    for (int64_t k = lane; k <= m; k += rk::WARP) {
        const double weight = rule.power * exp((double)scores[k] / rule.temperature - lse);
        const double by_score = (k >= first ? weight : 0.0) - (k == 0 ? 1.0 : 0.0);
        scores[k] = (float)(by_score / rule.temperature * by_count);
    }
    return rule.power * lse - positive;
}

__global__ void __launch_bounds__(rk::BLOCK)
    slot_loss(const float *__restrict__ x, const int32_t *__restrict__ slot_row,
              const int32_t *__restrict__ rows, const rk_step_state *__restrict__ state,
              const float *__restrict__ factor, double *__restrict__ terms, float *by_score,
              int64_t batch, int64_t m, int64_t d, rk_slot_rule rule)
{
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int64_t b = (int64_t)blockIdx.x * WARPS + threadIdx.x / rk::WARP;
    if (b >= batch) {
        return; /* the whole warp */
    }
    const int64_t count = rk__step_count(state);
    float *scores = by_score + b * (1 + m);
    if (b >= count) {
        for (int64_t k = lane; k <= m; k += rk::WARP) {
            scores[k] = 0.0f;
        }
        if (lane == 0) {
            terms[b] = 0.0;
        }
        return;
    }
    const float *user = x + slot_row[b] * d;
    const int32_t *negatives = slot_row + 2 * batch + b * m;
    for (int64_t k = 0; k <= m; k++) {
        const int64_t row = k == 0 ? slot_row[batch + b] : negatives[k - 1];
        const float score = rk::warp_dot(user, x + row * d, d, lane);
        if (lane == 0) {
            scores[k] = score;
        }
    }
    __syncwarp();
    const double by_count = 1.0 / (double)count;
    const double user_factor = factor ? factor[rows[slot_row[b]]] : 0.0f;
    auto beta = [=](int64_t k) {
        const int32_t row = k == 0 ? slot_row[batch + b] : negatives[k - 1];
        return factor ? user_factor * (double)factor[rows[row]] : 0.0;
    };
    const double term = rule.kind == RK_LOSS_SOFTMAX
                            ? softmax_term(rule, scores, m, by_count, lane)
                            : additive_term(rule, scores, m, by_count, lane, beta);
    if (lane == 0) {
        terms[b] = term;
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    slot_grad(const float *__restrict__ x, const float *__restrict__ by_score,
              const int32_t *__restrict__ slot_row, const int32_t *__restrict__ segments,
              const int32_t *__restrict__ order, const int32_t *__restrict__ count,
              float *__restrict__ y, int64_t n_slots, int64_t batch, int64_t m, int64_t d)
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
                const float *mine = by_score + slot * (1 + m);
                const int32_t *others = slot_row + 2 * batch + slot * m;
                if (mine[0] != 0.0f) { /* a missing one has no row */
                    sum += mine[0] * x[slot_row[batch + slot] * d + i];
                }
                for (int64_t k = 0; k < m; k++) {
                    if (mine[1 + k] != 0.0f) { /* losses with a margin leave many out */
                        sum += mine[1 + k] * x[others[k] * d + i];
                    }
                }
            } else {
                const int64_t candidate = slot - 2 * batch;
                const int64_t b = candidate < 0 ? slot - batch : candidate / m;
                const int64_t k = candidate < 0 ? 0 : 1 + candidate % m;
                sum += by_score[b * (1 + m) + k] * x[slot_row[b] * d + i];
            }
        }
        y[r * d + i] = sum;
    }
}

cudaLaunchConfig_t a_warp_each(int64_t n, cudaStream_t stream)
{
    return rk::launch(rk::blocks_for(n, WARPS), rk::BLOCK, stream);
}

} // namespace

cudaError_t rk_cuda_slot_loss(const float *x, const int32_t *slot_row, const int32_t *rows,
                              const rk_step_state *state, const float *factor, double *loss,
                              float *by_score, double *terms, int64_t batch, int64_t m, int64_t d,
                              const rk_slot_rule *rule, cudaStream_t stream)
{
    if (batch == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = a_warp_each(batch, stream);
    RK_TRY_LAUNCH(cudaLaunchKernelEx(&config, slot_loss, x, slot_row, rows, state, factor, terms,
                                     by_score, batch, m, d, *rule));
    return rk_cuda_mean_of_terms(terms, state, loss, batch, stream);
}

cudaError_t rk_cuda_slot_grad(const float *x, const float *by_score, const int32_t *slot_row,
                              const int32_t *segments, const int32_t *order, const int32_t *count,
                              float *y, int64_t n_slots, int64_t batch, int64_t m, int64_t d,
                              cudaStream_t stream)
{
    if (n_slots == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = a_warp_each(n_slots, stream);
    return cudaLaunchKernelEx(&config, slot_grad, x, by_score, slot_row, segments, order, count, y,
                              n_slots, batch, m, d);
}
