/* Device memory. */
#include <string.h>

#include "base/alloc.h"
#include "device/cuda/context.h"
#include "device/eager.h"

rk_status rk__cuda_alloc(void *out_pointer, int64_t bytes, const char *what)
{
    void *pointer = NULL;
    size_t wanted = (size_t)(bytes > 0 ? bytes : 1), free_bytes = 0, total = 0;
    RK_TRY_CUDA(cudaMemGetInfo(&free_bytes, &total));
    if (wanted > free_bytes || cudaMalloc(&pointer, wanted) != cudaSuccess) {
        cudaGetLastError();
        RK_FAIL(RK_ERR_MEMORY,
                "the device is out of memory: %.1f MB wanted for %s, %.1f of %.1f MB are free "
                "(other processes count too); lower model.dim, train.batch or "
                "sampling.candidates, or use --device cpu",
                (double)wanted / 1e6, what, (double)free_bytes / 1e6, (double)total / 1e6);
    }
    memcpy(out_pointer, &pointer, sizeof pointer);
    return RK_OK;
}

rk_status rk__cuda_upload(rk_device_context *context, void *device, const void *host, int64_t bytes)
{
    if (bytes > 0) {
        RK_TRY_CUDA(
            cudaMemcpyAsync(device, host, (size_t)bytes, cudaMemcpyHostToDevice, context->stream));
        RK_TRY(rk__cuda_wait_stream(context));
    }
    return RK_OK;
}

rk_status rk__cuda_alloc_guarded(rk_device_context *context, int64_t bytes, const char *what,
                                 rk_cuda_block *out)
{
    const int64_t guard = context->options.exact ? 0 : RK_CUDA_GUARD_BYTES;
    char band[RK_CUDA_GUARD_BYTES];
    RK_TRY(rk__cuda_alloc(&out->base, bytes + 2 * guard, what));
    out->data = (char *)out->base + guard;
    rk__guard_fill(band, sizeof band);
    RK_TRY(rk__cuda_upload(context, out->base, band, guard));
    return rk__cuda_upload(context, out->data + bytes, band, guard);
}
