/*
 * Drawing the triplets of a step: the same draws as the host, from ops/sample_draw.h.
 *
 * A thread draws one slot's node: slot b the user of triplet b, B + b its positive, 2B + M b + k
 * its k-th negative candidate. A candidate needs its user only, so nothing waits for anything.
 * Slots of triplets that the step does not have (a short last batch) are -1.
 */
#include "device.cuh"
#include "ops/sample_draw.h"

namespace
{

__global__ void __launch_bounds__(rk::BLOCK)
    sample_triplets(const int64_t *__restrict__ offsets, const int32_t *__restrict__ columns,
                    const rk_step_state *__restrict__ state, const int32_t *__restrict__ users,
                    const int64_t *__restrict__ edge_offsets, const int32_t *__restrict__ pool,
                    const float *__restrict__ alias_share, const int32_t *__restrict__ alias_item,
                    const int64_t *__restrict__ cumulative, rk_sample_attr options,
                    int32_t *__restrict__ nodes)
{
    rk::begin();
    const int64_t slot = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    const int64_t batch = options.batch, n_candidates = options.n_candidates;
    if (slot >= (2 + n_candidates) * batch) {
        return;
    }
    const int64_t triplet = slot < 2 * batch ? slot % batch : (slot - 2 * batch) / n_candidates;
    if (triplet >= rk__step_count(state)) {
        nodes[slot] = -1;
        return;
    }
    rk_sampler s;
    s.offsets = offsets;
    s.columns = columns;
    s.users = users;
    s.edge_offsets = edge_offsets;
    s.pool = pool;
    s.alias_share = alias_share;
    s.alias_item = alias_item;
    s.cumulative = cumulative;
    s.positives = options.positives;
    s.negatives = options.negatives;
    s.pool_size = options.pool_size;
    s.pool_probability = options.pool_probability;
    s.n_users = options.n_users;
    s.n_items = options.n_items;
    s.n_eligible_users = options.n_eligible_users;
    s.n_eligible_edges = options.n_eligible_edges;
    s.seed = state->seed;
    s.step = state->step;
    s.epoch = state->epoch;
    s.first_draw = state->step_in_epoch * batch;
    int32_t user, positive;
    rk__draw_positive(&s, triplet, &user, &positive);
    if (slot < batch) {
        nodes[slot] = user;
    } else if (slot < 2 * batch) {
        nodes[slot] = positive;
    } else {
        nodes[slot] = rk__draw_negative(&s, user, slot - 2 * batch);
    }
}

/* A thread a triplet. */
__global__ void __launch_bounds__(rk::BLOCK)
    triplet_values(const int64_t *__restrict__ offsets, const int32_t *__restrict__ columns,
                   const float *__restrict__ values, const int32_t *__restrict__ nodes,
                   const rk_step_state *__restrict__ state, int64_t batch, float *__restrict__ out)
{
    rk::begin();
    const int64_t b = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (b < batch) {
        out[b] = b < rk__step_count(state)
                     ? values[rk__find_edge(offsets, columns, nodes[b], nodes[batch + b])]
                     : 0.0f;
    }
}

/* A thread a triplet. */
__global__ void __launch_bounds__(rk::BLOCK)
    triplet_fields(const int64_t *__restrict__ offsets, const int32_t *__restrict__ columns,
                   const int64_t *__restrict__ rows, const int32_t *__restrict__ fields,
                   const int32_t *__restrict__ nodes, const rk_step_state *__restrict__ state,
                   int64_t batch, int64_t n, int32_t *__restrict__ out)
{
    rk::begin();
    const int64_t b = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (b >= batch) {
        return;
    }
    const bool is_used = b < rk__step_count(state);
    int64_t row = 0;
    if (is_used) {
        const int64_t edge = rk__find_edge(offsets, columns, nodes[b], nodes[batch + b]);
        row = rk__draw_row(rows, edge, state->seed, state->step, b);
    }
    for (int64_t f = 0; f < n; f++) {
        out[b * n + f] = is_used ? fields[row * n + f] : -1;
    }
}

} // namespace

cudaError_t rk_cuda_sample_triplets(const rk_call *call)
{
    return rk::run(call->stream, rk::a_thread_each(rk__out(call, 0)->rows), sample_triplets,
                   rk::in(call, 0), rk::in(call, 1), rk::in(call, 2), rk::in(call, 3),
                   rk::in(call, 4), rk::in(call, 5), rk::in(call, 6), rk::in(call, 7),
                   rk::in(call, 8), call->node->attr.sample, rk::out(call, 0));
}

cudaError_t rk_cuda_triplet_values(const rk_call *call)
{
    return rk::run(call->stream, rk::a_thread_each(rk__out(call, 0)->rows), triplet_values,
                   rk::in(call, 0), rk::in(call, 1), rk::in(call, 2), rk::in(call, 3),
                   rk::in(call, 4), call->node->attr.batch, rk::out(call, 0));
}

cudaError_t rk_cuda_triplet_fields(const rk_call *call)
{
    const int64_t batch = call->node->attr.batch;
    return rk::run(call->stream, rk::a_thread_each(batch), triplet_fields, rk::in(call, 0),
                   rk::in(call, 1), rk::in(call, 2), rk::in(call, 3), rk::in(call, 4),
                   rk::in(call, 5), batch, rk__in(call, 3)->cols, rk::out(call, 0));
}
