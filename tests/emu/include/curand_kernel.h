/* NVIDIA's own device generators, compiled for the host: their streams are bit-exact. The header
 * declares two of the built-in variables itself, as constants. */
#include <cuda_runtime.h>
#define threadIdx emu_unused_thread_idx
#define blockDim emu_unused_block_dim
#include_next <curand_kernel.h>
#undef threadIdx
#undef blockDim
