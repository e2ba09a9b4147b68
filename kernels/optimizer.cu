/*
 * Parameter updates in place. The step number and the learning rate come from the step state in
 * device memory, so that a replayed graph stays valid. Adam's formula is in adam.cuh.
 */
#include "adam.cuh"

namespace
{

__global__ void __launch_bounds__(rk::BLOCK)
    adam(rk::adam_target target, const float *__restrict__ gradient, int64_t n)
{
    rk::begin();
    const rk::adam_scalars s = *target.scalars;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n;
         i += (int64_t)gridDim.x * blockDim.x) {
        rk::adam_element(target, s, i, gradient[i]);
    }
}

__global__ void adam_rates(const rk_step_state *state, double beta1, double beta2,
                           rk::adam_scalars *rates)
{
    rk::begin();
    const double t = (double)(state->step + 1);
    rates->step_size = (float)(state->learning_rate / (1.0 - pow(beta1, t)));
    rates->root_correction = (float)(1.0 / sqrt(1.0 - pow(beta2, t)));
}

__global__ void __launch_bounds__(rk::BLOCK)
    sgd(float *__restrict__ parameter, const float *__restrict__ gradient,
        const rk_step_state *__restrict__ state, int64_t n, float weight_decay)
{
    rk::begin();
    const float rate = (float)state->learning_rate;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n;
         i += (int64_t)gridDim.x * blockDim.x) {
        const float p = parameter[i];
        parameter[i] = p - rate * (gradient[i] + weight_decay * p);
    }
}

/* Four elements a thread: enough loads in flight, few enough blocks. */
rk::grid four_elements_a_thread(int64_t n)
{
    return rk::strided(n, 4 * rk::BLOCK);
}

} // namespace

cudaError_t rk_cuda_adam_rates(const rk_call *call)
{
    const rk_adam_attr &a = call->node->attr.adam;
    return rk::run(call->stream, {1, 1}, adam_rates, rk::in(call, 0), a.beta1, a.beta2,
                   rk::out(call, 0));
}

cudaError_t rk_cuda_adam(const rk_call *call)
{
    const int64_t n = rk::elements(rk__in(call, 0));
    return rk::run(call->stream, four_elements_a_thread(n), adam,
                   rk::adam_target_of(call, call->node->attr.adam, 0, 2), rk::in(call, 1), n);
}

cudaError_t rk_cuda_sgd(const rk_call *call)
{
    const int64_t n = rk::elements(rk__in(call, 0));
    return rk::run(call->stream, four_elements_a_thread(n), sgd, rk::in(call, 0), rk::in(call, 1),
                   rk::in(call, 2), n, (float)call->node->attr.adam.weight_decay);
}
