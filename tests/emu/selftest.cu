/*
 * The emulator against CUDA's documented behaviour: built-ins, barriers, votes, shuffles, atomics,
 * patterns that kernels may use, launch errors, streams, capture. Compiles with nvcc, too: on a
 * device the same checks must pass, but for those under CUDA_EMU.
 */
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <stdio.h>
#include <string.h>

namespace
{

constexpr unsigned FULL = 0xffffffffu;
int failed, passed;

void check(bool ok, int line, const char *what, long long actual, long long expected)
{
    passed += ok;
    failed += !ok;
    if (!ok) {
        printf("FAIL line %d: %s is %lld, not %lld\n", line, what, actual, expected);
    }
}

#define EXPECT(actual_, expected_)                                                                 \
    do {                                                                                           \
        const long long got_ = (long long)(actual_), wanted_ = (long long)(expected_);             \
        check(got_ == wanted_, __LINE__, #actual_, got_, wanted_);                                 \
    } while (0)

cudaLaunchConfig_t shape(unsigned blocks, unsigned threads, cudaStream_t stream = nullptr)
{
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(blocks);
    config.blockDim = dim3(threads);
    config.stream = stream;
    return config;
}

template <class T> T *device_memory(size_t n)
{
    T *memory = nullptr;
    EXPECT(cudaMalloc(&memory, n * sizeof(T)), cudaSuccess);
    return memory;
}

/* ---- a warp and a half ---- */

enum { THREADS = 48, VALUES = 18 };
__constant__ float constants[4];

__global__ void warps(int *out)
{
    const int t = (int)threadIdx.x, lane = t & 31;
    int *p = out + t * VALUES;
    p[0] = __shfl_up_sync(FULL, t, 1, 8);
    p[1] = __shfl_down_sync(FULL, t, lane < 15 ? 1u : 0u, 16);
    p[2] = __shfl_xor_sync(FULL, t, 3);
    p[3] = (int)__ballot_sync(FULL, lane % 3 == 0);
    p[4] = __any_sync(FULL, lane == 5);
    p[5] = __all_sync(FULL, t < THREADS);
    p[6] = (int)__match_any_sync(FULL, lane / 4);
    p[7] = __reduce_add_sync(FULL, lane);
    p[8] = (int)__reduce_max_sync(FULL, (unsigned)t);
    p[9] = __reduce_min_sync(FULL, -lane);
    int sum = 0; /* lanes of disjoint masks go their own ways */
    if (lane & 1) {
        for (int i = 0; i < 3; i++) {
            sum += __shfl_sync(0xaaaaaaaau, lane, 1 + 2 * i);
        }
    } else {
        sum = __popc(__activemask());
    }
    p[10] = sum;
    p[11] = __syncthreads_count(t % 2 == 0);
    p[12] = __syncthreads_or(t == 40);
    p[13] = __syncthreads_and(t < THREADS);
    const __half h = __float2half(1.5f + (float)lane);
    p[14] = (int)(__half2float(__hadd(h, h)) * 2.0f);
    p[15] = (int)(__bfloat162float(__float2bfloat16(3.14159f)) * 1000.0f);
    p[16] = (int)constants[lane & 3];
    p[17] = (int)__reduce_xor_sync(FULL, 1u << lane);
}

void check_warps()
{
    const float values[4] = {10, 20, 30, 40};
    int host[THREADS * VALUES], *out = device_memory<int>(THREADS * VALUES);
    EXPECT(cudaMemcpyToSymbolAsync(constants, values, sizeof values, 0, cudaMemcpyHostToDevice, 0),
           cudaSuccess);
    const cudaLaunchConfig_t config = shape(1, THREADS);
    EXPECT(cudaLaunchKernelEx(&config, warps, out), cudaSuccess);
    EXPECT(cudaMemcpy(host, out, sizeof host, cudaMemcpyDeviceToHost), cudaSuccess);
    for (int t = 0; t < THREADS; t++) {
        const int *p = host + t * VALUES, lane = t & 31, warp = t / 32, lanes = warp ? 16 : 32;
        unsigned thirds = 0;
        for (int i = 0; i < lanes; i += 3) {
            thirds |= 1u << i;
        }
        EXPECT(p[0], lane % 8 ? t - 1 : t);
        if (lane < 15) {
            EXPECT(p[1], t + 1);
        }
        EXPECT(p[2], t ^ 3);
        EXPECT((unsigned)p[3], thirds);
        EXPECT(p[4], 1);
        EXPECT(p[5], 1);
        EXPECT((unsigned)p[6], 0xfu << (lane / 4 * 4));
        EXPECT(p[7], lanes * (lanes - 1) / 2);
        EXPECT(p[8], warp ? 47 : 31);
        EXPECT(p[9], -(lanes - 1));
        EXPECT(p[10], lane & 1 ? 1 + 3 + 5 : lanes / 2);
        EXPECT(p[11], 24);
        EXPECT(p[12], 1);
        EXPECT(p[13], 1);
        EXPECT(p[14], (int)(4 * (1.5f + (float)lane)));
        EXPECT(p[15], 3140);
        EXPECT(p[16], 10 * (lane % 4 + 1));
        EXPECT((unsigned)p[17], lanes == 32 ? FULL : 0xffffu);
    }
    cudaFree(out);
}

/* ---- blocks ---- */

__device__ unsigned blocks_done;

/* The last block to finish adds the parts. */
__global__ void last_block(const float *x, float *part, float *out, int n)
{
    __shared__ float sums[4];
    __shared__ bool last;
    float v = 0.0f;
    for (int i = (int)(blockIdx.x * blockDim.x + threadIdx.x); i < n;
         i += (int)(gridDim.x * blockDim.x)) {
        v += x[i];
    }
    for (int distance = 16; distance; distance >>= 1) {
        v += __shfl_down_sync(FULL, v, (unsigned)distance);
    }
    if ((threadIdx.x & 31) == 0) {
        sums[threadIdx.x >> 5] = v;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        part[blockIdx.x] = sums[0] + sums[1] + sums[2] + sums[3];
        __threadfence();
        last = atomicInc(&blocks_done, gridDim.x - 1) == gridDim.x - 1;
        __threadfence();
    }
    __syncthreads();
    if (last && threadIdx.x == 0) {
        float total = 0.0f;
        for (unsigned b = 0; b < gridDim.x; b++) {
            total += part[b];
        }
        *out = total;
    }
}

void check_last_block()
{
    enum { N = 1000, BLOCKS = 5 };
    float host[N], result = 0, expected = 0;
    for (int i = 0; i < N; i++) {
        host[i] = (float)(i % 7);
        expected += host[i];
    }
    float *x = device_memory<float>(N), *part = device_memory<float>(BLOCKS);
    float *out = device_memory<float>(1);
    cudaMemcpy(x, host, sizeof host, cudaMemcpyHostToDevice);
    const cudaLaunchConfig_t config = shape(BLOCKS, 128);
    for (int repeat = 0; repeat < 2; repeat++) {
        EXPECT(cudaLaunchKernelEx(&config, last_block, x, part, out, (int)N), cudaSuccess);
        cudaMemcpy(&result, out, sizeof result, cudaMemcpyDeviceToHost);
        EXPECT(result, expected);
    }
    cudaFree(x);
    cudaFree(part);
    cudaFree(out);
}

/* A spin lock taken by one lane of a warp. */
__global__ void locked_count(int *lock, int *count)
{
    if ((threadIdx.x & 31) == 0) {
        while (atomicCAS(lock, 0, 1) != 0) {
        }
        __threadfence();
        *count += 1;
        __threadfence();
        atomicExch(lock, 0);
    }
}

void check_lock()
{
    int *memory = device_memory<int>(2), *count = memory + 1, result = 0;
    cudaMemset(memory, 0, 2 * sizeof *memory);
    void *arguments[] = {&memory, &count};
    EXPECT(cudaLaunchKernel(locked_count, dim3(3), dim3(256), arguments, 0, 0), cudaSuccess);
    cudaMemcpy(&result, count, sizeof result, cudaMemcpyDeviceToHost);
    EXPECT(result, 24);
    cudaFree(memory);
}

__global__ void atomics(__half2 *halves, __nv_bfloat162 *brains, unsigned *words)
{
    atomicAdd(halves, __floats2half2_rn(1.0f, 2.0f));
    atomicAdd(brains, __floats2bfloat162_rn(1.0f, 2.0f));
    atomicMax(words, threadIdx.x);
    atomicAdd(words + 1, 1u);
    atomicOr(words + 2, 1u << threadIdx.x);
    atomicMin(words + 3, threadIdx.x);
}

void check_atomics()
{
    char *memory = device_memory<char>(64), host[64];
    cudaMemset(memory, 0, 64);
    const cudaLaunchConfig_t config = shape(1, 32);
    EXPECT(cudaLaunchKernelEx(&config, atomics, (__half2 *)memory, (__nv_bfloat162 *)(memory + 16),
                              (unsigned *)(memory + 32)),
           cudaSuccess);
    cudaMemcpy(host, memory, sizeof host, cudaMemcpyDeviceToHost);
    __half2 half_sum;
    __nv_bfloat162 brain_sum;
    unsigned words[4];
    memcpy((void *)&half_sum, host, sizeof half_sum);
    memcpy((void *)&brain_sum, host + 16, sizeof brain_sum);
    memcpy(words, host + 32, sizeof words);
    EXPECT(__half2float(half_sum.x), 32);
    EXPECT(__half2float(half_sum.y), 64);
    EXPECT(__bfloat162float(brain_sum.x), 32);
    EXPECT(__bfloat162float(brain_sum.y), 64);
    EXPECT(words[0], 31);
    EXPECT(words[1], 32);
    EXPECT(words[2], FULL);
    EXPECT(words[3], 0);
    cudaFree(memory);
}

/* ---- launches, streams, graphs ---- */

__global__ void add_one(int *x)
{
    *x += 1;
}

void check_launch_errors()
{
    int *x = device_memory<int>(1);
    cudaLaunchConfig_t config = shape(1, 2048);
    EXPECT(cudaLaunchKernelEx(&config, add_one, x), cudaErrorInvalidConfiguration);
    EXPECT(cudaGetLastError(), cudaErrorInvalidConfiguration);
    EXPECT(cudaGetLastError(), cudaSuccess);
    config = shape(0, 32);
    EXPECT(cudaLaunchKernelEx(&config, add_one, x), cudaErrorInvalidConfiguration);
    cudaGetLastError();
    config = shape(1, 1);
    config.dynamicSmemBytes = 60000;
    EXPECT(cudaLaunchKernelEx(&config, add_one, x), cudaErrorInvalidValue);
    cudaGetLastError();
    EXPECT(cudaFuncSetAttribute(add_one, cudaFuncAttributeMaxDynamicSharedMemorySize, 61440),
           cudaSuccess);
    EXPECT(cudaLaunchKernelEx(&config, add_one, x), cudaSuccess);
#ifdef CUDA_EMU /* a device may take these for valid */
    int host[2] = {0, 0};
    EXPECT(cudaMemcpy(x, host, sizeof host, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
    EXPECT(cudaMemcpy(host, host, sizeof *host, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
    cudaGetLastError();
#endif
    cudaFree(x);
}

void check_streams()
{
    int *x = device_memory<int>(1), *pinned = nullptr;
    cudaStream_t one = nullptr, other = nullptr;
    cudaEvent_t event = nullptr;
    cudaStreamCreateWithFlags(&one, cudaStreamNonBlocking);
    cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking);
    cudaEventCreate(&event);
    cudaMallocHost(&pinned, sizeof *pinned);
    *pinned = -7;
    const cudaLaunchConfig_t config = shape(1, 1, one);
    cudaMemsetAsync(x, 0, sizeof *x, one);
    EXPECT(cudaLaunchKernelEx(&config, add_one, x), cudaSuccess);
    cudaEventRecord(event, one);
    cudaStreamWaitEvent(other, event, 0);
    cudaMemcpyAsync(pinned, x, sizeof *x, cudaMemcpyDeviceToHost, other);
#ifdef CUDA_EMU /* lazy: nothing has run, and nobody was told to wait */
    EXPECT(*pinned, -7);
#endif
    EXPECT(cudaStreamSynchronize(other), cudaSuccess);
    EXPECT(*pinned, 1);
    EXPECT(cudaStreamDestroy(one), cudaSuccess);
    EXPECT(cudaStreamDestroy(other), cudaSuccess);
    cudaEventDestroy(event);
    cudaFreeHost(pinned);
    cudaFree(x);
}

void check_graphs()
{
    int *x = device_memory<int>(1), *unwanted = nullptr, result = 0;
    cudaStream_t stream = nullptr;
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    const cudaLaunchConfig_t config = shape(1, 1, stream);
    cudaMemsetAsync(x, 0, sizeof *x, stream);
    EXPECT(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
    cudaLaunchKernelEx(&config, add_one, x);
    cudaLaunchKernelEx(&config, add_one, x);
    EXPECT(cudaStreamEndCapture(stream, &graph), cudaSuccess);
    EXPECT(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
    cudaGraphDestroy(graph);
    for (int i = 0; i < 3; i++) {
        EXPECT(cudaGraphLaunch(executable, stream), cudaSuccess);
    }
    cudaStreamSynchronize(stream);
    cudaMemcpy(&result, x, sizeof result, cudaMemcpyDeviceToHost);
    EXPECT(result, 6); /* the capture itself ran nothing */
    cudaGraphExecDestroy(executable);
    EXPECT(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
    EXPECT(cudaStreamSynchronize(stream), cudaErrorStreamCaptureUnsupported);
    EXPECT(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
    EXPECT(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
    EXPECT(cudaMalloc(&unwanted, 64), cudaErrorStreamCaptureUnsupported);
    EXPECT(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
    cudaGetLastError();
    cudaStreamDestroy(stream);
    cudaFree(x);
}

} // namespace

int main()
{
    check_warps();
    check_last_block();
    check_lock();
    check_atomics();
    check_launch_errors();
    check_streams();
    check_graphs();
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
