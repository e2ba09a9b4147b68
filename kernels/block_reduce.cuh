/* Reductions of floats over a block by any operation. */
#ifndef RK_KERNELS_BLOCK_REDUCE_CUH
#define RK_KERNELS_BLOCK_REDUCE_CUH

#include "device.cuh"

namespace rk
{

/* Reduction over the block by op; every thread gets the result. */
template <typename OP> __device__ inline float block_reduce(float value, float *shared, OP op)
{
    shared[threadIdx.x] = value;
    __syncthreads();
    for (int half = BLOCK / 2; half > 0; half /= 2) {
        if ((int)threadIdx.x < half) {
            shared[threadIdx.x] = op(shared[threadIdx.x], shared[threadIdx.x + half]);
        }
        __syncthreads();
    }
    const float result = shared[0];
    __syncthreads();
    return result;
}

} // namespace rk

#endif
