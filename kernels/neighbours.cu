/*
 * The term over the neighbours of a batch's positives (ops/builder.h has the formula).
 *
 *   neighbour_slots   a thread a slot: the batch's users and, by rk__item_slot, the neighbours
 *   neighbour_loss    a warp a triplet: the scores one after the other, lanes over columns; then
 * lanes over the neighbours, so that the sum over them has a fixed order
 */
#include "device.cuh"

#include "ops/slot_loss.h"

namespace
{

constexpr int WARPS = rk::BLOCK / rk::WARP;

__global__ void __launch_bounds__(rk::BLOCK)
    neighbour_slots(const int32_t *__restrict__ nodes, const int32_t *__restrict__ items,
                    int32_t *__restrict__ out, int64_t batch, int64_t n, int64_t n_users)
{
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= batch * (1 + n)) {
        return;
    }
    const int64_t b = i / (1 + n), k = i % (1 + n) - 1, positive = nodes[batch + b];
    if (k < 0) {
        out[b] = nodes[b];
    } else {
        out[rk__item_slot(batch, n, b, k)] =
            positive < 0 ? -1 : items[(positive - n_users) * n + k];
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    neighbour_loss(const float *__restrict__ x, const int32_t *__restrict__ slot_row,
                   const int32_t *__restrict__ nodes, const float *__restrict__ weights,
                   const rk_step_state *__restrict__ state, double *__restrict__ terms,
                   float *by_score, int64_t batch, int64_t n, int64_t n_users, int64_t d,
                   double weight)
{
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int64_t b = (int64_t)blockIdx.x * WARPS + threadIdx.x / rk::WARP;
    if (b >= batch) {
        return; /* the whole warp */
    }
    const int64_t count = rk__step_count(state);
    float *scores = by_score + b * n;
    if (b >= count) {
        for (int64_t k = lane; k < n; k += rk::WARP) {
            scores[k] = 0.0f;
        }
        if (lane == 0) {
            terms[b] = 0.0;
        }
        return;
    }
    for (int64_t k = 0; k < n; k++) {
        const int64_t row = slot_row[rk__item_slot(batch, n, b, k)];
        const float score =
            row < 0 ? 0.0f : rk::warp_dot(x + slot_row[b] * d, x + row * d, d, lane);
        if (lane == 0) {
            scores[k] = score;
        }
    }
    __syncwarp();
    const float *mine = weights + (nodes[batch + b] - n_users) * n;
    const double factor = weight / (double)count;
    double sum = 0.0;
    for (int64_t k = lane; k < n; k += rk::WARP) {
        const bool is_there = slot_row[rk__item_slot(batch, n, b, k)] >= 0;
        const double score = scores[k], omega = is_there ? mine[k] : 0.0f;
        sum += is_there ? omega * rk__softplus(-score) : 0.0;
        scores[k] = is_there ? (float)(-factor * omega * rk__sigmoid(-score)) : 0.0f;
    }
    sum = rk::warp_sum(sum);
    if (lane == 0) {
        terms[b] = weight * sum;
    }
}

} // namespace

cudaError_t rk_cuda_neighbour_slots(const int32_t *nodes, const int32_t *items, int32_t *slots,
                                    int64_t batch, int64_t n, int64_t n_users, cudaStream_t stream)
{
    if (batch == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config =
        rk::launch(rk::blocks_for(batch * (1 + n), rk::BLOCK), rk::BLOCK, stream);
    return cudaLaunchKernelEx(&config, neighbour_slots, nodes, items, slots, batch, n, n_users);
}

cudaError_t rk_cuda_neighbour_loss(const float *x, const int32_t *slot_row, const int32_t *nodes,
                                   const float *weights, const rk_step_state *state, double *loss,
                                   float *by_score, double *terms, int64_t batch, int64_t n,
                                   int64_t n_users, int64_t d, double weight, cudaStream_t stream)
{
    if (batch == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = rk::launch(rk::blocks_for(batch, WARPS), rk::BLOCK, stream);
    RK_TRY_LAUNCH(cudaLaunchKernelEx(&config, neighbour_loss, x, slot_row, nodes, weights, state,
                                     terms, by_score, batch, n, n_users, d, weight));
    return rk_cuda_mean_of_terms(terms, state, loss, batch, stream);
}
