/* The functions of the CUDA device: opening, binding a store, moving data. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "device/cuda/context.h"

enum { OLDEST_MAJOR = 7, OLDEST_MINOR = 5, STORED_ALIGNMENT = 256 };
enum { DEFAULT_PIECE_EDGES = 256 };

static int64_t count(void)
{
    int n = 0;
    cudaError_t error = cudaGetDeviceCount(&n);
    cudaGetLastError(); /* a machine without is no error */
    return error == cudaSuccess ? n : 0;
}

static rk_status probe(int64_t index)
{
    int n = 0, major = 0, minor = 0;
    RK_TRY_CUDA(cudaGetDeviceCount(&n));
    if (n == 0) {
        return rk__cuda_failed(cudaErrorNoDevice, "cudaGetDeviceCount", __FILE__, __LINE__,
                               __func__);
    }
    if (index >= n) {
        RK_FAIL(RK_ERR_CONFIG,
                "cuda.device is %lld, but CUDA shows %d device%s here%s: take one from 0 to %d "
                "(--device cuda:0); CUDA_VISIBLE_DEVICES and, in a container, docker run --gpus "
                "decide which are "
                "shown",
                (long long)index, n, n == 1 ? "" : "s", n == 1 ? ", number 0" : "", n - 1);
    }
    RK_TRY_CUDA(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, (int)index));
    RK_TRY_CUDA(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, (int)index));
    if (major < OLDEST_MAJOR || (major == OLDEST_MAJOR && minor < OLDEST_MINOR)) {
        RK_FAIL(RK_ERR_DEVICE, "the GPU has compute capability %d.%d, %d.%d or newer is needed",
                major, minor, OLDEST_MAJOR, OLDEST_MINOR);
    }
    return RK_OK;
}

/* CUDA's current device is each thread's own, and 0 to begin with: whoever calls may be another
 * thread than the one that opened the context, or one that has worked with another device since. */
rk_status rk__cuda_enter(const rk_device_context *context)
{
    RK_TRY_CUDA(cudaSetDevice(context->device));
    return RK_OK;
}

static void release_store(rk_device_context *context)
{
    for (int32_t i = 0; context->stored && i < context->store->n; i++) {
        cudaFree(context->stored[i].base);
    }
    cudaFree(context->memory);
    rk__free(context->stored);
    context->memory = NULL;
    context->stored = NULL;
    context->store = NULL;
}

static void close_context(rk_device_context *context)
{
    if (!context) {
        return;
    }
    cudaSetDevice(context->device); /* if even that fails, nothing is left to free */
    while (context->loaded) {
        rk__cuda_unload(context, context->loaded);
    }
    rk__cuda_graphs_free(context);
    rk__cuda_grams_free(context);
    if (context->sparse) {
        cusparseDestroy(context->sparse);
    }
    rk__cuda_solver_free(context);
    rk__cuda_blas_free(context);
    release_store(context);
    if (context->branch) {
        cudaStreamDestroy(context->branch);
    }
    rk__cuda_marks_free(context);
    if (context->stream) {
        cudaStreamDestroy(context->stream);
    }
    rk__free(context);
}

rk_status rk__cuda_ask_architecture(rk_device_context *context)
{
    int *answer = NULL, code = 0, major = 0, minor = 0;
    if (context->architecture > 0) {
        return RK_OK;
    }
    RK_TRY_CUDA(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, context->device));
    RK_TRY_CUDA(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, context->device));
    RK_TRY(rk__cuda_alloc(&answer, sizeof *answer, "an answer"));
    cudaError_t error = rk_cuda_architecture(answer, &context->launches);
    if (error == cudaSuccess) {
        error =
            cudaMemcpyAsync(&code, answer, sizeof code, cudaMemcpyDeviceToHost, context->stream);
    }
    if (error == cudaSuccess) {
        error = cudaStreamSynchronize(context->stream);
    }
    cudaFree(answer);
    RK_TRY_CUDA(error);
    const int device = 100 * major + 10 * minor;
    context->architecture = code < device ? code : device;
    return RK_OK;
}

static rk_status open_stream(rk_device_context *context)
{
    RK_TRY(rk__cuda_enter(context));
    RK_TRY_CUDA(cudaStreamCreateWithFlags(&context->stream, cudaStreamNonBlocking));
    context->launches.stream = context->stream;
    return RK_OK;
}

/* Who has columns of the tables, so that programs sum over ranks. */
static bool has_others(const rk_device_options *options)
{
    return options->comm && rk__comm_size(options->comm) > 1;
}

static int64_t index_of(const rk_device_options *options)
{
    return options->ranks && rk__comm_size(options->ranks) > 1
               ? rk__comm_device_index(options->ranks, count())
               : options->index;
}

/* The sums over ranks go from this GPU to those of the others. */
static rk_status join_ranks(const rk_device_context *context)
{
    char gpu[32];
    if (!has_others(&context->options)) {
        return RK_OK;
    }
    RK_TRY_CUDA(cudaDeviceGetPCIBusId(gpu, sizeof gpu, context->device));
    return rk__comm_use_device(context->options.comm, gpu, count());
}

static bool is_idle(void *user)
{
    const rk_device_context *context = user;
    return cudaStreamQuery(context->stream) != cudaErrorNotReady;
}

rk_status rk__cuda_wait_stream(rk_device_context *context)
{
    if (has_others(&context->options)) {
        RK_TRY(rk__comm_wait_device(context->options.comm, "the work of a GPU", is_idle, context));
    }
    RK_TRY_CUDA(cudaStreamSynchronize(context->stream));
    return RK_OK;
}

static rk_status open_context(const rk_device_options *options, rk_device_context **out)
{
    const int64_t index = index_of(options);
    RK_TRY(probe(index));
    rk_device_context *context = NULL;
    RK_TRY(rk__calloc(&context, 1, sizeof *context, "a CUDA context"));
    context->options = *options;
    context->device = (int)index;
    if (options->piece_edges <= 0) {
        context->options.piece_edges = DEFAULT_PIECE_EDGES;
    }
    rk_status status = open_stream(context);
    status = status == RK_OK ? join_ranks(context) : status;
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
    RK_TRY(rk__cuda_enter(context));
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

/* ---- the store ---- */

static int64_t aligned(int64_t bytes)
{
    return (bytes + STORED_ALIGNMENT - 1) / STORED_ALIGNMENT * STORED_ALIGNMENT;
}

/* Memory for each stored tensor: pieces of one allocation, or with guard bands one each. */
static rk_status place_stored(rk_device_context *context)
{
    const rk_store *store = context->store;
    int64_t total = 0, offset = 0;
    for (int32_t i = 0; i < store->n; i++) {
        total += aligned(rk__stored_bytes(&store->items[i]));
    }
    if (!context->options.eager) {
        RK_TRY(rk__cuda_alloc(&context->memory, total, "parameters, moments and the graph"));
    }
    for (int32_t i = 0; i < store->n; i++) {
        const rk_stored *s = &store->items[i];
        rk_cuda_block *block = &context->stored[i];
        if (context->options.eager) {
            RK_TRY(rk__cuda_alloc_guarded(context, rk__stored_bytes(s), s->name, block));
        } else {
            block->data = (char *)context->memory + offset;
            offset += aligned(rk__stored_bytes(s));
        }
    }
    return RK_OK;
}

static rk_status fill_stored(rk_device_context *context)
{
    for (int32_t i = 0; i < context->store->n; i++) {
        const rk_stored *s = &context->store->items[i];
        if (rk__stored_bytes(s) > 0 && s->constant) {
            RK_TRY_CUDA(cudaMemcpyAsync(context->stored[i].data, s->constant,
                                        (size_t)rk__stored_bytes(s), cudaMemcpyHostToDevice,
                                        context->stream));
        } else if (rk__stored_bytes(s) > 0) {
            RK_TRY_CUDA(cudaMemsetAsync(context->stored[i].data, 0, (size_t)rk__stored_bytes(s),
                                        context->stream));
        }
    }
    RK_TRY_CUDA(cudaStreamSynchronize(context->stream));
    return RK_OK;
}

static rk_status bind(rk_device_context *context, const rk_store *store)
{
    RK_ASSERT(!context->loaded);
    RK_TRY(rk__cuda_enter(context));
    release_store(context);
    rk__cuda_graphs_free(context);
    rk__cuda_grams_free(context);
    RK_TRY(rk__calloc(&context->stored, store->n, sizeof *context->stored, "the stored tensors"));
    context->store = store;
    rk_status status = place_stored(context);
    status = status == RK_OK ? fill_stored(context) : status;
    if (status != RK_OK) {
        release_store(context);
    }
    return status;
}

/* Address and bytes of rows of a stored tensor. */
static rk_status range_of(rk_device_context *context, int32_t stored, int64_t first, int64_t rows,
                          char **out_address, size_t *out_bytes)
{
    RK_ASSERT(context->store && stored >= 0 && stored < context->store->n);
    const rk_stored *s = &context->store->items[stored];
    if (first < 0 || rows < 0 || first > s->rows - rows) {
        RK_FAIL(RK_ERR_INTERNAL, "rows %lld to %lld of %s, which has %lld", (long long)first,
                (long long)(first + rows), s->name, (long long)s->rows);
    }
    int64_t row_bytes = s->cols * rk__dtype_size(s->dtype);
    *out_address = context->stored[stored].data + first * row_bytes;
    *out_bytes = (size_t)(rows * row_bytes);
    return RK_OK;
}

static rk_status write_stored(rk_device_context *context, int32_t stored, int64_t first,
                              int64_t rows, const void *host)
{
    char *device = NULL;
    size_t bytes = 0;
    RK_TRY(rk__cuda_enter(context));
    RK_TRY(range_of(context, stored, first, rows, &device, &bytes));
    if (context->store->items[stored].constant) {
        RK_FAIL(RK_ERR_INTERNAL, "%s is a constant and cannot be written",
                context->store->items[stored].name);
    }
    return rk__cuda_upload(context, device, host, (int64_t)bytes);
}

static rk_status read_stored(rk_device_context *context, int32_t stored, int64_t first,
                             int64_t rows, void *host)
{
    char *device = NULL;
    size_t bytes = 0;
    RK_TRY(rk__cuda_enter(context));
    RK_TRY(range_of(context, stored, first, rows, &device, &bytes));
    if (bytes > 0) {
        RK_TRY_CUDA(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, context->stream));
        RK_TRY(rk__cuda_wait_stream(context));
    }
    return RK_OK;
}

static rk_status init_stored(rk_device_context *context, int32_t stored, const rk_device_init *how)
{
    char *device = NULL;
    size_t bytes = 0;
    RK_TRY(rk__cuda_enter(context));
    RK_TRY(
        range_of(context, stored, how->first_row, how->end_row - how->first_row, &device, &bytes));
    const rk_stored *s = &context->store->items[stored];
    RK_ASSERT(s->dtype == RK_F32 && !s->constant);
    const rk_init draw = {.first = how->first_row * s->cols,
                          .end = how->end_row * s->cols,
                          .seed = how->seed,
                          .scale = how->scale,
                          .kind = how->kind,
                          .number = how->number};
    RK_TRY_CUDA(
        rk_cuda_init((float *)(void *)context->stored[stored].data, &draw, &context->launches));
    return RK_OK;
}

static rk_status read_value(rk_device_context *context, rk_loaded *loaded, rk_value value,
                            void *host)
{
    RK_ASSERT(value >= 0 && value < loaded->program->n_tensors && loaded->memory[value]);
    size_t bytes = (size_t)rk__tensor_bytes(&loaded->program->tensors[value]);
    if (bytes == 0) {
        return RK_OK;
    }
    RK_TRY(rk__cuda_enter(context));
    RK_TRY_CUDA(cudaMemcpyAsync(host, loaded->memory[value], bytes, cudaMemcpyDeviceToHost,
                                context->stream));
    RK_TRY_CUDA(cudaStreamSynchronize(context->stream));
    return RK_OK;
}

static rk_status load(rk_device_context *context, const rk_program *program, rk_loaded **out)
{
    RK_TRY(rk__cuda_enter(context));
    return rk__cuda_load(context, program, out);
}

static void unload(rk_device_context *context, rk_loaded *loaded)
{
    if (loaded) {
        cudaSetDevice(context->device);
        rk__cuda_unload(context, loaded);
    }
}

static rk_status run(rk_device_context *context, rk_loaded *loaded, int64_t steps)
{
    RK_TRY(rk__cuda_enter(context));
    return rk__cuda_run(context, loaded, steps);
}

static rk_status graph_nodes(rk_device_context *context, rk_loaded *loaded, int64_t *out)
{
    RK_TRY(rk__cuda_enter(context));
    return rk__cuda_graph_nodes(context, loaded, out);
}

static rk_status measure(rk_device_context *context, const rk_device_probe *what,
                         rk_device_ceilings *out)
{
    RK_TRY(rk__cuda_enter(context));
    return rk__cuda_measure(context, what, out);
}

static rk_status sync(rk_device_context *context)
{
    RK_TRY(rk__cuda_enter(context));
    return rk__cuda_wait_stream(context);
}

static void profile(rk_device_context *context, rk_op_time times[RK_OP_COUNT])
{
    context->times = times;
}

const rk_device rk__device_cuda = {
    .name = "cuda",
    .lanes = RK_LANES,
    .count = count,
    .probe = probe,
    .open = open_context,
    .close = close_context,
    .info = info,
    .needs = rk__cuda_needs,
    .bind = bind,
    .load = load,
    .unload = unload,
    .write = write_stored,
    .read = read_stored,
    .submit = rk__cuda_submit,
    .wait = rk__cuda_wait,
    .alloc_host = rk__cuda_alloc_host,
    .free_host = rk__cuda_free_host,
    .peek = NULL,
    .init = init_stored,
    .read_value = read_value,
    .run = run,
    .sync = sync,
    .note = rk__cuda_note,
    .graph_nodes = graph_nodes,
    .profile = profile,
    .measure = measure,
    .libraries = rk__cuda_libraries,
};
