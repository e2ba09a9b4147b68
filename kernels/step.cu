/*
 * The book-keeping of a step, by one thread each: the learning rate from the step's number
 * (ops/schedule.h), the sums of the loss terms, the count of steps. And what every loss ends in,
 * the mean over the step's triplets, by one block in a fixed order.
 */
#include "device.cuh"

namespace
{

constexpr int BEFORE_TERMS = 3; /* inputs of step_loss */

struct loss_list {
    const double *previous, *term[RK_MAX_INPUTS - BEFORE_TERMS];
    int32_t n;
    rk_step_attr attr;
};

__global__ void __launch_bounds__(rk::BLOCK)
    mean_of_terms(const double *__restrict__ terms, const rk_step_state *__restrict__ state,
                  double *__restrict__ loss, int64_t batch)
{
    rk::begin();
    __shared__ double shared[rk::BLOCK];
    rk::write_mean(terms, batch, state, loss, shared);
}

__global__ void schedule(rk_schedule rule, rk_step_state *state)
{
    rk::begin();
    state->learning_rate = rk__schedule_rate(&rule, state->step, state->rate_scale);
}

__global__ void step_loss(loss_list losses, rk_step_state *state, double *sums, double *out)
{
    rk::begin();
    double total = losses.previous ? *losses.previous : 0.0;
    for (int32_t i = 0; i < losses.n; i++) {
        const double value = *losses.term[i];
        sums[losses.attr.first + i] += value;
        total += value;
    }
    *out = total;
    if (!losses.attr.is_last) {
        return;
    }
    sums[0] += total;
    rk__note_loss(state, total);
    if (losses.attr.advances) {
        rk__next_step(state);
    }
}

__global__ void architecture(int *out)
{
    rk::begin();
    *out = RK_ARCHITECTURE;
}

__global__ void step_advance(rk_step_state *state)
{
    rk::begin();
    rk__next_step(state);
}

} // namespace

cudaError_t rk::mean_of_terms(rk_stream *stream, const loss_terms &t)
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
    loss_list losses = {};
    losses.previous = rk::in(call, 2);
    losses.n = call->node->n_inputs - BEFORE_TERMS;
    losses.attr = call->node->attr.step;
    for (int i = 0; i < losses.n; i++) {
        losses.term[i] = rk::in(call, BEFORE_TERMS + i);
    }
    return rk::run(call->stream, {1, 1}, step_loss, losses, rk::in(call, 0), rk::in(call, 1),
                   rk::out(call, 0));
}

cudaError_t rk_cuda_step_advance(const rk_call *call)
{
    return rk::run(call->stream, {1, 1}, step_advance, rk::in(call, 0));
}

cudaError_t rk_cuda_architecture(int *out, rk_stream *stream)
{
    return rk::run(stream, {1, 1}, architecture, out);
}
