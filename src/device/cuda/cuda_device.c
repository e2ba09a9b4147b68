/* The slots of the CUDA device: opening, binding a store, moving data. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "device/cuda/context.h"

enum { OLDEST_MAJOR = 7, OLDEST_MINOR = 5, STORED_ALIGNMENT = 256, BLAS_WORKSPACE = 32 << 20 };

static rk_status probe(void)
{
    int n = 0, major = 0, minor = 0;
    RK_TRY_CUDA(cudaGetDeviceCount(&n));
    if (n == 0) {
        return rk__cuda_failed(cudaErrorNoDevice, "cudaGetDeviceCount", __FILE__, __LINE__,
                               __func__);
    }
    RK_TRY_CUDA(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0));
    RK_TRY_CUDA(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0));
    if (major < OLDEST_MAJOR || (major == OLDEST_MAJOR && minor < OLDEST_MINOR)) {
        RK_FAIL(RK_ERR_DEVICE, "the GPU has compute capability %d.%d, %d.%d or newer is needed",
                major, minor, OLDEST_MAJOR, OLDEST_MINOR);
    }
    return RK_OK;
}

static void close_context(rk_device_context *context)
{
    if (!context) {
        return;
    }
    while (context->loaded) {
        rk__cuda_unload(context, context->loaded);
    }
    rk__cuda_graphs_free(context);
    if (context->sparse) {
        cusparseDestroy(context->sparse);
    }
    if (context->blas) {
        cublasDestroy(context->blas);
    }
    cudaFree(context->blas_workspace);
    cudaFree(context->memory);
    if (context->stream) {
        cudaStreamDestroy(context->stream);
    }
    rk__free(context->stored);
    rk__free(context);
}

static rk_status open_libraries(rk_device_context *context)
{
    RK_TRY_CUDA(cudaSetDevice(context->device));
    RK_TRY_CUDA(cudaStreamCreateWithFlags(&context->stream, cudaStreamNonBlocking));
    RK_TRY(rk__cuda_alloc(&context->blas_workspace, BLAS_WORKSPACE, "cuBLAS's workspace"));
    RK_TRY_CUBLAS(cublasCreate(&context->blas));
    RK_TRY_CUBLAS(cublasSetStream(context->blas, context->stream));
    RK_TRY_CUBLAS(cublasSetWorkspace(context->blas, context->blas_workspace, BLAS_WORKSPACE));
    RK_TRY_CUBLAS(cublasSetMathMode(context->blas, context->options.matmul == RK_MATMUL_TF32
                                                       ? CUBLAS_TF32_TENSOR_OP_MATH
                                                       : CUBLAS_PEDANTIC_MATH));
    return RK_OK;
}

static rk_status open_context(const rk_device_options *options, rk_device_context **out)
{
    RK_TRY(probe());
    rk_device_context *context = NULL;
    RK_TRY(rk__calloc(&context, 1, sizeof *context, "a CUDA context"));
    context->options = *options;
    rk_status status = open_libraries(context);
    if (status != RK_OK) {
        close_context(context);
        return status;
    }
    *out = context;
    return RK_OK;
}

static rk_status info(rk_device_context *context, rk_device_info *out)
{
    struct cudaDeviceProp properties;
    size_t free_bytes = 0, total = 0;
    int driver = 0;
    RK_TRY_CUDA(cudaGetDeviceProperties(&properties, context->device));
    RK_TRY_CUDA(cudaMemGetInfo(&free_bytes, &total));
    RK_TRY_CUDA(cudaDriverGetVersion(&driver));
    snprintf(out->name, sizeof out->name,
             "%.60s, compute capability %d.%d, driver for CUDA %d.%d, %s", properties.name,
             properties.major, properties.minor, driver / 1000, driver % 1000 / 10,
             context->options.matmul == RK_MATMUL_TF32 ? "tf32 products" : "fp32 products");
    out->memory_total = (int64_t)total;
    out->memory_free = (int64_t)free_bytes;
    return RK_OK;
}

/* ---- the store ---------------------------------------------------------------------------------
 */

static int64_t stored_bytes(const rk_stored *s)
{
    return s->rows * s->cols * rk__dtype_size(s->dtype);
}

static int64_t aligned(int64_t bytes)
{
    return (bytes + STORED_ALIGNMENT - 1) / STORED_ALIGNMENT * STORED_ALIGNMENT;
}

static rk_status bind(rk_device_context *context, const rk_store *store)
{
    RK_ASSERT(!context->store);
    int64_t total = 0, offset = 0;
    for (int32_t i = 0; i < store->n; i++) {
        total += aligned(stored_bytes(&store->items[i]));
    }
    RK_TRY(rk__calloc(&context->stored, store->n, sizeof *context->stored, "the stored tensors"));
    RK_TRY(rk__cuda_alloc(&context->memory, total, "parameters, moments and the graph"));
    context->store = store;
    for (int32_t i = 0; i < store->n; i++) {
        const rk_stored *s = &store->items[i];
        char *device = (char *)context->memory + offset;
        offset += aligned(stored_bytes(s));
        context->stored[i] = device;
        if (stored_bytes(s) == 0) {
            continue;
        }
        if (s->constant) {
            RK_TRY_CUDA(cudaMemcpyAsync(device, s->constant, (size_t)stored_bytes(s),
                                        cudaMemcpyHostToDevice, context->stream));
        } else {
            RK_TRY_CUDA(cudaMemsetAsync(device, 0, (size_t)stored_bytes(s), context->stream));
        }
    }
    RK_TRY_CUDA(cudaStreamSynchronize(context->stream));
    return RK_OK;
}

static rk_status transfer(rk_device_context *context, int32_t stored, int64_t first, int64_t rows,
                          void *host, enum cudaMemcpyKind kind)
{
    const rk_stored *s = &context->store->items[stored];
    RK_ASSERT(first >= 0 && rows >= 0 && first + rows <= s->rows);
    int64_t row_bytes = s->cols * rk__dtype_size(s->dtype);
    char *device = (char *)context->stored[stored] + first * row_bytes;
    if (rows * row_bytes == 0) {
        return RK_OK;
    }
    RK_TRY_CUDA(cudaMemcpyAsync(kind == cudaMemcpyHostToDevice ? device : host,
                                kind == cudaMemcpyHostToDevice ? host : device,
                                (size_t)(rows * row_bytes), kind, context->stream));
    RK_TRY_CUDA(cudaStreamSynchronize(context->stream));
    return RK_OK;
}

static rk_status write_stored(rk_device_context *context, int32_t stored, int64_t first,
                              int64_t rows, const void *host)
{
    void *source = NULL; /* the runtime takes both ends through one parameter; it only reads here */
    memcpy(&source, &host, sizeof source);
    return transfer(context, stored, first, rows, source, cudaMemcpyHostToDevice);
}

static rk_status read_stored(rk_device_context *context, int32_t stored, int64_t first,
                             int64_t rows, void *host)
{
    return transfer(context, stored, first, rows, host, cudaMemcpyDeviceToHost);
}

static rk_status read_value(rk_device_context *context, rk_loaded *loaded, rk_value value,
                            void *host)
{
    RK_TRY_CUDA(cudaMemcpyAsync(host, rk__cuda_address(loaded, value),
                                (size_t)rk__tensor_bytes(&loaded->program->tensors[value]),
                                cudaMemcpyDeviceToHost, context->stream));
    RK_TRY_CUDA(cudaStreamSynchronize(context->stream));
    return RK_OK;
}

static rk_status sync(rk_device_context *context)
{
    RK_TRY_CUDA(cudaStreamSynchronize(context->stream));
    return RK_OK;
}

static void profile(rk_device_context *context, rk_op_time times[RK_OP_COUNT])
{
    context->times = times;
}

const rk_device rk__device_cuda = {
    .name = "cuda",
    .probe = probe,
    .open = open_context,
    .close = close_context,
    .info = info,
    .bind = bind,
    .load = rk__cuda_load,
    .unload = rk__cuda_unload,
    .write = write_stored,
    .read = read_stored,
    .peek = NULL,
    .read_value = read_value,
    .run = rk__cuda_run,
    .sync = sync,
    .profile = profile,
};
