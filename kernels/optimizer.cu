/*
 * Parameter updates in place. The step number and the learning rate come from the step state in
 * device memory, so that a replayed graph stays valid.
 *
 * Adam (Kingma & Ba 2015) as PyTorch does it: g += weight_decay * p; m, v are the usual running
 * means; p -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon), t counting from 1.
 */
#include "device.cuh"

namespace
{

struct adam_scalars {
    float step_size, root_correction;
};

__global__ void __launch_bounds__(rk::BLOCK)
    adam(float *__restrict__ parameter, const float *__restrict__ gradient, float *__restrict__ m,
         float *__restrict__ v, const rk_step_state *__restrict__ state, int64_t n, double beta1,
         double beta2, float epsilon, float weight_decay)
{
    __shared__ adam_scalars scalars;
    if (threadIdx.x == 0) {
        const double t = (double)(state->step + 1);
        scalars.step_size = (float)(state->learning_rate / (1.0 - pow(beta1, t)));
        scalars.root_correction = (float)(1.0 / sqrt(1.0 - pow(beta2, t)));
    }
    __syncthreads();
    const float b1 = (float)beta1, b2 = (float)beta2;
    const float c1 = (float)(1.0 - beta1), c2 = (float)(1.0 - beta2);
    const adam_scalars s = scalars;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n;
         i += (int64_t)gridDim.x * blockDim.x) {
        const float p = parameter[i], g = gradient[i] + weight_decay * p;
        const float m_new = b1 * m[i] + c1 * g, v_new = b2 * v[i] + c2 * g * g;
        m[i] = m_new;
        v[i] = v_new;
        parameter[i] = p - s.step_size * m_new / (sqrtf(v_new) * s.root_correction + epsilon);
    }
}

__global__ void __launch_bounds__(rk::BLOCK)
    sgd(float *__restrict__ parameter, const float *__restrict__ gradient,
        const rk_step_state *__restrict__ state, int64_t n, float weight_decay)
{
    const float rate = (float)state->learning_rate;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n;
         i += (int64_t)gridDim.x * blockDim.x) {
        const float p = parameter[i];
        parameter[i] = p - rate * (gradient[i] + weight_decay * p);
    }
}

/* Four elements a thread: enough loads in flight, few enough blocks for the pow of each. */
cudaLaunchConfig_t cover(int64_t n, cudaStream_t stream)
{
    return rk::launch(rk::blocks_for(n, 4 * rk::BLOCK), rk::BLOCK, stream);
}

} // namespace

cudaError_t rk_cuda_adam(float *parameter, const float *gradient, float *m, float *v,
                         const rk_step_state *state, int64_t n, double beta1, double beta2,
                         double epsilon, double weight_decay, cudaStream_t stream)
{
    if (n == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = cover(n, stream);
    return cudaLaunchKernelEx(&config, adam, parameter, gradient, m, v, state, n, beta1, beta2,
                              (float)epsilon, (float)weight_decay);
}

cudaError_t rk_cuda_sgd(float *parameter, const float *gradient, const rk_step_state *state,
                        int64_t n, double weight_decay, cudaStream_t stream)
{
    if (n == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = cover(n, stream);
    return cudaLaunchKernelEx(&config, sgd, parameter, gradient, state, n, (float)weight_decay);
}
