/*
 * What every kernel file needs: the operands of a call, launches, warp reductions, vector loads.
 *
 * A launcher of ops.def takes a call and nothing else, helpers take six parameters at most. Kernels
 * list all that they read: __restrict__ counts for parameters only, and read-only loads hang on it.
 */
#ifndef RK_KERNELS_DEVICE_CUH
#define RK_KERNELS_DEVICE_CUH

/* base/philox.h takes cuRAND's generator. */
#define RK_KERNEL_SOURCE 1

#include <cuda_runtime.h>
#include <stdint.h>
#include <utility>

#include "kernels.h"

/* The dynamic shared memory of a block as an array of T. The CPU-executed test build hands out a
 * block of exactly the launched size instead, so that an overrun is found. */
#ifdef CUDA_EMU
#define RK_DYNAMIC_SHARED(T, name) T *name = static_cast<T *>(emu::cur.smem)
#else
#define RK_DYNAMIC_SHARED(T, name)                                                                 \
    extern __shared__ __align__(16) unsigned char name##_bytes[];                                  \
    T *name = reinterpret_cast<T *>(name##_bytes)
#endif

/* Returns the error of a launch or an asynchronous call from the launcher that made it. */
#define RK_TRY_LAUNCH(call)                                                                        \
    do {                                                                                           \
        cudaError_t error_ = (call);                                                               \
        if (error_ != cudaSuccess) {                                                               \
            return error_;                                                                         \
        }                                                                                          \
    } while (0)

namespace rk
{

constexpr unsigned ALL_LANES = 0xffffffffu;
constexpr int WARP = 32;
constexpr int BLOCK = 256; /* threads in a block, unless a kernel says otherwise */

constexpr int WARPS = BLOCK / WARP;

/* Shared memory that a block has without asking for more: what a kernel declares, and what it is
 * launched with. tools/check_kernels.py knows what kernels with both of them declare. */
constexpr int64_t SHARED_BYTES = 48 << 10;

/* ---- a call ---- */

/* Memory of the device; the parameter that it is passed to says what is there. */
struct address {
    void *memory;
    template <typename T> operator T *() const
    {
        return static_cast<T *>(memory);
    }
};

inline address in(const rk_call *call, int i)
{
    return {call->in[i]};
}

inline address out(const rk_call *call, int i)
{
    return {call->out[i]};
}

inline int64_t elements(const rk_tensor *t)
{
    return t->rows * t->cols;
}

/* ---- launches ---- */

/* Kernels do not loop where a thread, a warp or a block has one thing to do; strided ones do. */
struct grid {
    int64_t blocks;
    int threads = BLOCK;
    int64_t shared_bytes = 0;
};

inline int64_t divide_up(int64_t n, int64_t by)
{
    return (n + by - 1) / by;
}

inline grid a_thread_each(int64_t n)
{
    return {divide_up(n, BLOCK)};
}

inline grid a_warp_each(int64_t n)
{
    return {divide_up(n, WARPS)};
}

/* For kernels that stride over n: a block for each `per_block`, up to as many as keep a device
 * busy. */
inline grid strided(int64_t n, int64_t per_block, int64_t most_blocks = 1 << 30)
{
    const int64_t blocks = divide_up(n, per_block);
    return {blocks < most_blocks ? blocks : most_blocks};
}

/* Launches nothing for an empty grid; one that is larger than a device takes is refused. */
template <typename... PARAMETERS, typename... ARGUMENTS>
cudaError_t run(rk_stream *stream, grid g, void (*kernel)(PARAMETERS...), ARGUMENTS &&...arguments)
{
    if (g.blocks == 0) {
        return cudaSuccess;
    }
    if (g.blocks > INT32_MAX) {
        return cudaErrorInvalidConfiguration;
    }
    cudaLaunchAttribute early = {};
    early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    early.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3((unsigned)g.blocks);
    config.blockDim = dim3((unsigned)g.threads);
    config.dynamicSmemBytes = (size_t)g.shared_bytes;
    config.stream = stream->stream;
    config.attrs = &early;
    config.numAttrs = stream->overlaps && stream->is_after_kernel ? 1 : 0;
    stream->is_after_kernel = true;
    return cudaLaunchKernelEx(&config, kernel, std::forward<ARGUMENTS>(arguments)...);
}

inline cudaError_t fill(rk_stream *stream, void *memory, int byte, int64_t bytes)
{
    if (bytes == 0) {
        return cudaSuccess;
    }
    stream->is_after_kernel = false;
    return cudaMemsetAsync(memory, byte, (size_t)bytes, stream->stream);
}

inline cudaError_t copy(rk_stream *stream, void *to, const void *from, int64_t bytes)
{
    if (bytes == 0) {
        return cudaSuccess;
    }
    stream->is_after_kernel = false;
    return cudaMemcpyAsync(to, from, (size_t)bytes, cudaMemcpyDeviceToDevice, stream->stream);
}

/* loss double[1] = sum of a term for each of `batch` triplets / triplets in the step; step.cu. */
struct loss_terms {
    const double *terms;
    const rk_step_state *state;
    double *loss;
    int64_t batch;
};
cudaError_t mean_of_terms(rk_stream *stream, const loss_terms &t);

/* ---- in kernels ---- */

/* The architecture that a kernel's code was made for: to be asked in a kernel that is run, since
 * PTX of an older one runs on newer devices, too. */
#if defined(CUDA_EMU)
#define RK_ARCHITECTURE 900
#elif defined(__CUDA_ARCH__)
#define RK_ARCHITECTURE __CUDA_ARCH__
#else
#define RK_ARCHITECTURE 0
#endif

/* ptxas takes loads through the read-only path (__ldg, and const __restrict__ parameters) for loads
 * of what nobody writes while the kernel runs, and moves them in front of the wait. A branch that
 * is never taken, by a number that it cannot know, keeps them behind; tools/check_kernels.py looks.
 */
__device__ __forceinline__ void stay_behind()
{
#ifndef CUDA_EMU
    unsigned processor;
    asm volatile("mov.u32 %0, %%smid;" : "=r"(processor)::"memory");
    if (processor == 0xffffffffu) {
        asm volatile("exit;");
    }
#endif
}

/* First in every kernel: lets the next one be put onto the device, and waits until what was
 * launched before is done and can be seen (rk_stream.overlaps). Nothing is read or written before
 * it. */
__device__ __forceinline__ void begin()
{
#if RK_ARCHITECTURE >= RK_WAITS_FROM
    cudaTriggerProgrammaticLaunchCompletion();
    cudaGridDependencySynchronize();
    stay_behind();
#endif
}

/* In all threads of a block, once: is it the last block of the grid to come here? It then sees all
 * that the others wrote before. *arrived: 0 before and after. One thread of shared memory. */
__device__ __forceinline__ bool is_last_block(int32_t *arrived, int *shared)
{
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) {
        *shared = atomicAdd(arrived, 1) == (int32_t)gridDim.x - 1;
        if (*shared) {
            atomicExch(arrived, 0);
        }
    }
    __syncthreads();
    __threadfence();
    return *shared != 0;
}

/* The row, slot or triplet that this warp works on. */
__device__ __forceinline__ int64_t number_of_warp()
{
    return (int64_t)blockIdx.x * WARPS + threadIdx.x / WARP;
}

template <typename T> __device__ __forceinline__ T warp_sum(T value)
{
    for (int offset = WARP / 2; offset > 0; offset >>= 1) {
        value += __shfl_xor_sync(ALL_LANES, value, offset);
    }
    return value;
}

/* Dot product of two rows by the lanes of a warp; every lane gets it. */
__device__ __forceinline__ float warp_dot(const float *a, const float *b, int64_t d, int lane)
{
    float sum = 0.0f;
    for (int64_t i = lane; i < d; i += WARP) {
        sum += a[i] * b[i];
    }
    return warp_sum(sum);
}

/* 1 / length of a row; 0 of a row of zeros, which has no direction and no gradient. */
__device__ __forceinline__ float inverse_length(const float *row, int64_t d, int lane)
{
    const float square = warp_dot(row, row, d, lane);
    return square == 0.0f ? 0.0f : 1.0f / sqrtf(square);
}

/* Sum of n doubles by one block in a fixed order; thread 0 gets it. */
__device__ inline double block_sum(const double *terms, int64_t n, double *shared)
{
    double sum = 0.0;
    for (int64_t i = threadIdx.x; i < n; i += BLOCK) {
        sum += terms[i];
    }
    shared[threadIdx.x] = sum;
    __syncthreads();
    for (int half = BLOCK / 2; half > 0; half /= 2) {
        if ((int)threadIdx.x < half) {
            shared[threadIdx.x] += shared[threadIdx.x + half];
        }
        __syncthreads();
    }
    const double total = shared[0];
    __syncthreads();
    return total;
}

/* *loss = sum of n terms / triplets of the step, by one block. */
__device__ inline void write_mean(const double *terms, int64_t n, const rk_step_state *state,
                                  double *loss, double *shared)
{
    const double sum = block_sum(terms, n, shared);
    if (threadIdx.x == 0) {
        const int64_t count = rk__step_count(state);
        *loss = count > 0 ? sum / (double)count : 0.0;
    }
}

/* The sum over the block, at thread 0; shared: a double a warp. */
__device__ inline double block_total(double value, double *shared)
{
    const int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
    value = warp_sum(value);
    if (lane == 0) {
        shared[warp] = value;
    }
    __syncthreads();
    double total = 0.0;
    if (threadIdx.x == 0) {
        for (int i = 0; i < BLOCK / WARP; i++) {
            total += shared[i];
        }
    }
    return total;
}

constexpr int64_t SHARE = 16 * BLOCK; /* elements of a large sum that one block takes */

inline int64_t shares_of(int64_t n)
{
    return divide_up(n, SHARE);
}

/* Of <a, b> over n elements the block's share in double, at thread 0; shared as in block_total. */
__device__ inline double share_dot(const float *__restrict__ a, const float *__restrict__ b,
                                   int64_t n, int64_t share, double *shared)
{
    const int64_t end = (share + 1) * SHARE < n ? (share + 1) * SHARE : n;
    double sum = 0.0;
    for (int64_t i = share * SHARE + threadIdx.x; i < end; i += BLOCK) {
        sum += (double)a[i] * (double)b[i];
    }
    return block_total(sum, shared);
}

/* A lane's share of a row: one float, or four where the row length allows 16-byte loads. */
template <int VECTOR> struct pack;
template <> struct pack<1> {
    float v;
    __device__ static pack zero()
    {
        return {0.0f};
    }
    __device__ __forceinline__ void add_scaled(float w, pack x)
    {
        v += w * x.v;
    }
    __device__ __forceinline__ void scale(float w)
    {
        v *= w;
    }
    __device__ __forceinline__ float dot(pack x) const
    {
        return v * x.v;
    }
    __device__ __forceinline__ void add_from_lane(int distance)
    {
        v += __shfl_xor_sync(ALL_LANES, v, distance);
    }
};
template <> struct alignas(16) pack<4> {
    float x, y, z, w;
    __device__ static pack zero()
    {
        return {0.0f, 0.0f, 0.0f, 0.0f};
    }
    __device__ __forceinline__ void add_scaled(float a, pack b)
    {
        x += a * b.x;
        y += a * b.y;
        z += a * b.z;
        w += a * b.w;
    }
    __device__ __forceinline__ void scale(float a)
    {
        x *= a;
        y *= a;
        z *= a;
        w *= a;
    }
    __device__ __forceinline__ float dot(pack b) const
    {
        return x * b.x + y * b.y + z * b.z + w * b.w;
    }
    __device__ __forceinline__ void add_from_lane(int distance)
    {
        x += __shfl_xor_sync(ALL_LANES, x, distance);
        y += __shfl_xor_sync(ALL_LANES, y, distance);
        z += __shfl_xor_sync(ALL_LANES, z, distance);
        w += __shfl_xor_sync(ALL_LANES, w, distance);
    }
};

/* Of a table that nobody writes while the kernel runs. */
template <int VECTOR>
__device__ __forceinline__ pack<VECTOR> load_constant(const float *table, int64_t row, int64_t d,
                                                      int q)
{
    static_assert(VECTOR == 1 || VECTOR == 4, "a float, or 16 bytes");
    if constexpr (VECTOR == 4) {
        const float4 v = __ldg(reinterpret_cast<const float4 *>(table + row * d) + q);
        return {v.x, v.y, v.z, v.w};
    } else {
        return {__ldg(table + row * d + q)};
    }
}

template <int VECTOR>
__device__ __forceinline__ pack<VECTOR> load(const float *table, int64_t row, int64_t d, int q)
{
    return reinterpret_cast<const pack<VECTOR> *>(table + row * d)[q];
}

template <int VECTOR>
__device__ __forceinline__ void store(float *table, int64_t row, int64_t d, int q,
                                      pack<VECTOR> value)
{
    reinterpret_cast<pack<VECTOR> *>(table + row * d)[q] = value;
}

/* How a warp divides rows of `packs` packs: groups of `lanes` lanes, a row a group at a time. */
struct warp_layout {
    int packs, lanes;
};

inline warp_layout layout_for(int64_t d, int vector)
{
    int packs = (int)(d / vector), lanes = 1;
    while (lanes < packs && lanes < WARP) {
        lanes *= 2;
    }
    return {packs, lanes};
}

inline bool has_vectors(int64_t d)
{
    return d % 4 == 0;
}

} // namespace rk

#endif
