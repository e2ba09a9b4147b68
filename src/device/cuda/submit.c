/* Submissions: copies and a run that the host does not wait for, each with a mark behind it. Each
 * function of the device's table names the device to CUDA: which one is current is a thread's
 * own. */
#include <string.h>

#include "device/cuda/context.h"

static rk_status queue(rk_device_context *context, const rk_transfer *t, enum cudaMemcpyKind kind)
{
    RK_ASSERT(context->store && t->stored >= 0 && t->stored < context->store->n);
    const rk_stored *s = &context->store->items[t->stored];
    const bool is_read = kind == cudaMemcpyDeviceToHost;
    void *device = context->stored[t->stored].data;
    RK_ASSERT(t->rows >= 0 && t->rows <= s->rows && (is_read || !s->constant));
    if (t->rows > 0) {
        RK_TRY_CUDA(cudaMemcpyAsync(is_read ? t->host : device, is_read ? device : t->host,
                                    (size_t)(t->rows * s->cols * rk__dtype_size(s->dtype)), kind,
                                    context->stream));
    }
    return RK_OK;
}

static rk_status queue_all(rk_device_context *context, const rk_submission *what, cudaEvent_t *mark)
{
    for (int i = 0; i < what->n_writes; i++) {
        RK_TRY(queue(context, &what->writes[i], cudaMemcpyHostToDevice));
    }
    RK_TRY(rk__cuda_run(context, what->loaded, 1));
    for (int i = 0; i < what->n_reads; i++) {
        RK_TRY(queue(context, &what->reads[i], cudaMemcpyDeviceToHost));
    }
    if (!*mark) {
        RK_TRY_CUDA(cudaEventCreateWithFlags(mark, cudaEventDisableTiming));
    }
    RK_TRY_CUDA(cudaEventRecord(*mark, context->stream));
    return RK_OK;
}

rk_status rk__cuda_submit(rk_device_context *context, const rk_submission *what,
                          int64_t *out_ticket)
{
    RK_TRY(rk__cuda_enter(context));
    rk_status status =
        queue_all(context, what, &context->marks[context->submitted % RK_CUDA_MARKS]);
    if (status != RK_OK) {
        cudaStreamSynchronize(context->stream); /* there is no ticket to wait with */
        return status;
    }
    *out_ticket = context->submitted++;
    return RK_OK;
}

/* A mark that was used again since lies behind the one that is meant. */
rk_status rk__cuda_wait(rk_device_context *context, int64_t ticket)
{
    RK_ASSERT(ticket >= 0 && ticket < context->submitted);
    RK_TRY(rk__cuda_enter(context));
    RK_TRY_CUDA(cudaEventSynchronize(context->marks[ticket % RK_CUDA_MARKS]));
    return RK_OK;
}

void rk__cuda_marks_free(rk_device_context *context)
{
    for (int i = 0; i < RK_CUDA_MARKS; i++) {
        if (context->marks[i]) {
            cudaEventDestroy(context->marks[i]);
            context->marks[i] = NULL;
        }
    }
}

/* Pages that stay where they are: others the driver copies through pages of its own, and the host
 * waits. */
rk_status rk__cuda_alloc_host(rk_device_context *context, void *out_pointer, int64_t bytes,
                              const char *what)
{
    void *pointer = NULL;
    RK_TRY(rk__cuda_enter(context));
    if (cudaMallocHost(&pointer, (size_t)(bytes > 0 ? bytes : 1)) != cudaSuccess) {
        cudaGetLastError();
        RK_FAIL(RK_ERR_MEMORY, "the host has no %.1f MB of pages that stay in memory, for %s",
                (double)bytes / 1e6, what);
    }
    memcpy(out_pointer, &pointer, sizeof pointer);
    return RK_OK;
}

void rk__cuda_free_host(rk_device_context *context, void *memory)
{
    cudaSetDevice(context->device);
    cudaFreeHost(memory);
}
