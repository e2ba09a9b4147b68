/*
 * The book-keeping of a step, by one thread each: the learning rate from the step's number
 * (ops/schedule.h), the sums of the loss terms, the count of steps. And what every loss ends in,
 * the mean over the step's triplets, by one block in a fixed order.
 */
#include "device.cuh"

namespace
{

constexpr int MAX_LOSSES = 8;

struct losses {
    const double *value[MAX_LOSSES];
    int32_t slot[MAX_LOSSES];
    int32_t n;
};

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

__global__ void schedule(rk_schedule rule, rk_step_state *state)
{
    state->learning_rate = rk__schedule_rate(&rule, state->step, state->rate_scale);
}

__global__ void step_loss(losses losses, rk_step_state *state)
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

cudaError_t rk::mean_of_terms(void *stream, const loss_terms &t)
{
    return run(stream, grid{t.batch > 0 ? 1 : 0}, ::mean_of_terms, t.terms, t.state, t.loss,
               t.batch);
}

cudaError_t rk_cuda_schedule(const rk_call *call)
{
    return rk::run(call->stream, {1, 1}, schedule, call->node->attr.schedule, rk::in(call, 0));
}

cudaError_t rk_cuda_step_loss(const rk_call *call)
{
    losses terms = {};
    terms.n = call->node->n_inputs - 1;
    for (int i = 0; i < terms.n; i++) {
        terms.value[i] = rk::in(call, 1 + i);
        terms.slot[i] = call->node->attr.loss_slot[i];
    }
    return rk::run(call->stream, {1, 1}, step_loss, terms, rk::in(call, 0));
}

cudaError_t rk_cuda_step_advance(const rk_call *call)
{
    return rk::run(call->stream, {1, 1}, step_advance, rk::in(call, 0));
}
