/* Device memory and the messages of CUDA's failures. */
#include <stdio.h>
#include <string.h>

#include "device/cuda/context.h"

rk_status rk__cuda_failed(cudaError_t error, const char *call, const char *file, int line,
                          const char *function)
{
    const char *advice = "";
    rk_status status = RK_ERR_DEVICE;
    switch (error) {
    case cudaErrorMemoryAllocation:
        status = RK_ERR_MEMORY;
        advice =
            "; lower model.dim, train.batch or sampling.candidates, or free the device's memory";
        break;
    case cudaErrorNoDevice:
        advice = "; there is no CUDA device here: use --device cpu, or in a container --gpus all";
        break;
    case cudaErrorInsufficientDriver:
        advice = "; the driver is older than this build's CUDA runtime: update the driver";
        break;
    case cudaErrorDevicesUnavailable:
        advice = "; the device is busy or reserved by another process: try again or choose another "
                 "with CUDA_VISIBLE_DEVICES";
        break;
    case cudaErrorNoKernelImageForDevice:
        advice = "; this build has no code for the device's architecture: rebuild with "
                 "-DCMAKE_CUDA_ARCHITECTURES=native";
        break;
    default:
        break;
    }
    cudaGetLastError(); /* clears an error that is not sticky */
    return rk__fail(status, file, line, function, "%.*s: CUDA: %s (%s)%s", (int)strcspn(call, "("),
                    call, cudaGetErrorString(error), cudaGetErrorName(error), advice);
}

rk_status rk__cuda_alloc(void *out_pointer, int64_t bytes, const char *what)
{
    void *pointer = NULL;
    size_t wanted = (size_t)(bytes > 0 ? bytes : 1), free_bytes = 0, total = 0;
    RK_TRY_CUDA(cudaMemGetInfo(&free_bytes, &total));
    if (wanted > free_bytes || cudaMalloc(&pointer, wanted) != cudaSuccess) {
        cudaGetLastError();
        RK_FAIL(
            RK_ERR_MEMORY,
            "the device is out of memory: %.1f MB wanted for %s, %.1f of %.1f MB are free (other "
            "processes count too); lower model.dim, train.batch or sampling.candidates, or use "
            "--device cpu",
            (double)wanted / 1e6, what, (double)free_bytes / 1e6, (double)total / 1e6);
    }
    memcpy(out_pointer, &pointer, sizeof pointer);
    return RK_OK;
}
