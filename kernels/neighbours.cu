/*
 * The term over the neighbours of a batch's positives (ops/builder.h has the formula).
 *
 *   neighbour_slots   a thread a slot: the batch's users and, by rk__item_slot, the neighbours
 *   neighbour_loss    a warp a triplet: the scores one after the other, lanes over columns; then
 *                     lanes over the neighbours, so that the sum over them has a fixed order
 */
#include "device.cuh"

#include "ops/slot_loss.h"

namespace
{

__global__ void __launch_bounds__(rk::BLOCK)
    neighbour_slots(const int32_t *__restrict__ nodes, const int32_t *__restrict__ items,
                    int32_t *__restrict__ out, int64_t batch, int64_t n, int64_t n_users)
{
    rk::begin();
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
    rk::begin();
    const int lane = (int)threadIdx.x & (rk::WARP - 1);
    const int64_t b = rk::number_of_warp();
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

cudaError_t rk_cuda_neighbour_slots(const rk_call *call)
{
    const rk_neighbour_attr *a = &call->node->attr.neighbour;
    const int64_t n = rk__in(call, 1)->cols;
    return rk::run(call->stream, rk::a_thread_each(a->batch * (1 + n)), neighbour_slots,
                   rk::in(call, 0), rk::in(call, 1), rk::out(call, 0), a->batch, n, a->n_users);
}

int64_t rk_cuda_scratch_neighbour_loss(const rk_call *call)
{
    return call->node->attr.neighbour.batch * (int64_t)sizeof(double);
}

cudaError_t rk_cuda_neighbour_loss(const rk_call *call)
{
    const rk_neighbour_attr *a = &call->node->attr.neighbour;
    double *terms = static_cast<double *>(call->scratch);
    RK_TRY_LAUNCH(rk::run(call->stream, rk::a_warp_each(a->batch), neighbour_loss, rk::in(call, 0),
                          rk::in(call, 1), rk::in(call, 2), rk::in(call, 3), rk::in(call, 4), terms,
                          rk::out(call, 1), a->batch, rk__in(call, 3)->cols, a->n_users,
                          rk__in(call, 0)->cols, a->weight));
    return rk::mean_of_terms(call->stream, {terms, rk::in(call, 4), rk::out(call, 0), a->batch});
}
