/*
 * What this device can do at best: random rows read, a block copied, fused multiply-adds, the
 * launch of a captured graph of one empty kernel. Device memory of its own, given back at the end.
 */
#include "device/cuda/context.h"

enum {
    PASSES = 7,
    GATHERS = 1 << 24, /* a millisecond: the first and the last wave of blocks do not count */
    REPEATS = 4,       /* of a pass between two events: nor does what an event takes, or a launch */
    ROWS_IN_SUM = RK_CEILING_ROWS_IN_SUM,
    BLOCKS_PER_PROCESSOR = 8,
    MULTIPLIES = 4096,
    FEW_MULTIPLIES = 8, /* with few gathers, as in tests */
    LAUNCHES = 64,
};

typedef struct stopwatch {
    cudaEvent_t begin, end;
} stopwatch;

/* What a pass queues. */
typedef struct work {
    rk_device_context *context;
    const float *table;
    const int32_t *rows;
    float *sums;
    void *from, *to;
    cudaGraphExec_t empty;
    int64_t d, n_sums, copy_bytes, blocks, multiplies;
} work;

typedef rk_status (*pass_fn)(const work *w);

static rk_status gather_pass(const work *w)
{
    RK_TRY_CUDA(
        rk_cuda_ceiling_gather(w->table, w->d, w->rows, w->n_sums, w->sums, &w->context->launches));
    return RK_OK;
}

static rk_status copy_pass(const work *w)
{
    RK_TRY_CUDA(cudaMemcpyAsync(w->to, w->from, (size_t)w->copy_bytes, cudaMemcpyDeviceToDevice,
                                w->context->stream));
    return RK_OK;
}

static rk_status multiply_pass(const work *w)
{
    RK_TRY_CUDA(rk_cuda_ceiling_multiply(w->blocks, w->multiplies, w->sums, &w->context->launches));
    return RK_OK;
}

static rk_status launch_pass(const work *w)
{
    for (int i = 0; i < LAUNCHES; i++) {
        RK_TRY_CUDA(cudaGraphLaunch(w->empty, w->context->stream));
    }
    return RK_OK;
}

/* Seconds of a pass in the best of several rows of them, after one to warm up. */
static rk_status time_passes(const work *w, const stopwatch *watch, pass_fn pass, double *out)
{
    *out = 0;
    for (int i = -1; i < PASSES; i++) {
        float milliseconds = 0;
        RK_TRY_CUDA(cudaEventRecord(watch->begin, w->context->stream));
        for (int repeat = 0; repeat < REPEATS; repeat++) {
            RK_TRY(pass(w));
        }
        RK_TRY_CUDA(cudaEventRecord(watch->end, w->context->stream));
        RK_TRY_CUDA(cudaEventSynchronize(watch->end));
        RK_TRY_CUDA(cudaEventElapsedTime(&milliseconds, watch->begin, watch->end));
        double seconds = 1e-3 * (double)milliseconds / REPEATS;
        *out = i <= 0 || seconds < *out ? seconds : *out;
    }
    return RK_OK;
}

static rk_status measure_gather(work *w, const stopwatch *watch, const rk_device_probe *what,
                                double *out)
{
    rk_status status = RK_OK;
    float *table = NULL, sum = 0;
    int32_t *rows = NULL;
    double seconds = 0;
    w->d = what->row_bytes / (int64_t)sizeof(float);
    w->n_sums = ((what->gathers > 0 ? what->gathers : GATHERS) + ROWS_IN_SUM - 1) / ROWS_IN_SUM;
    int64_t n_gathers = w->n_sums * ROWS_IN_SUM;
    RK_TRY_GOTO(done,
                rk__cuda_alloc(&table, what->rows * what->row_bytes, "a table to gather from"));
    RK_TRY_GOTO(done, rk__cuda_alloc(&rows, n_gathers * 4, "rows to gather"));
    RK_TRY_GOTO(done, rk__cuda_alloc(&w->sums, w->n_sums * what->row_bytes, "sums of rows"));
    w->table = table;
    w->rows = rows;
    cudaError_t error = rk_cuda_ceiling_prepare(table, what->rows * w->d, rows, n_gathers,
                                                what->rows, &w->context->launches);
    if (error != cudaSuccess) {
        status = rk__cuda_failed(error, "a table to gather from", __FILE__, __LINE__, __func__);
        goto done;
    }
    RK_TRY_GOTO(done, time_passes(w, watch, gather_pass, &seconds));
    error = cudaMemcpy(&sum, w->sums + w->n_sums * w->d - 1, sizeof sum, cudaMemcpyDeviceToHost);
    if (error != cudaSuccess || sum != (float)ROWS_IN_SUM) {
        RK_FAIL_GOTO(done, RK_ERR_DEVICE, "%d rows of ones were read as %g", ROWS_IN_SUM,
                     (double)sum);
    }
    *out = (double)n_gathers * (double)what->row_bytes / seconds;
done:
    cudaFree(table);
    cudaFree(rows);
    cudaFree(w->sums);
    w->sums = NULL;
    return status;
}

static rk_status measure_copy(work *w, const stopwatch *watch, int64_t bytes, double *out)
{
    rk_status status = RK_OK;
    double seconds = 0;
    w->copy_bytes = bytes;
    RK_TRY_GOTO(done, rk__cuda_alloc(&w->from, bytes, "a block to copy"));
    RK_TRY_GOTO(done, rk__cuda_alloc(&w->to, bytes, "a copy of a block"));
    RK_TRY_GOTO(done, time_passes(w, watch, copy_pass, &seconds));
    *out = 2 * (double)bytes / seconds;
done:
    cudaFree(w->from);
    cudaFree(w->to);
    return status;
}

static rk_status measure_flops(work *w, const stopwatch *watch, bool small, double *out)
{
    int processors = 0;
    double seconds = 0;
    RK_TRY_CUDA(
        cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, w->context->device));
    w->blocks = small ? 1 : (int64_t)processors * BLOCKS_PER_PROCESSOR;
    w->multiplies = small ? FEW_MULTIPLIES : MULTIPLIES;
    RK_TRY(rk__cuda_alloc(&w->sums, rk_cuda_ceiling_threads(w->blocks) * 4, "results"));
    rk_status status = time_passes(w, watch, multiply_pass, &seconds);
    cudaFree(w->sums);
    *out = (double)rk_cuda_ceiling_flops(w->blocks, w->multiplies) / seconds;
    return status;
}

static rk_status capture_nothing(work *w)
{
    cudaGraph_t graph = NULL;
    RK_TRY_CUDA(cudaStreamBeginCapture(w->context->stream, cudaStreamCaptureModeThreadLocal));
    cudaError_t launched = rk_cuda_ceiling_nothing(&w->context->launches);
    cudaError_t error = cudaStreamEndCapture(w->context->stream, &graph);
    error = launched != cudaSuccess ? launched : error;
    if (error == cudaSuccess) {
        error = cudaGraphInstantiate(&w->empty, graph, 0);
    }
    if (graph) {
        cudaGraphDestroy(graph);
    }
    RK_TRY_CUDA(error);
    return RK_OK;
}

static rk_status measure_all(work *w, const stopwatch *watch, const rk_device_probe *what,
                             rk_device_ceilings *out)
{
    RK_TRY(measure_gather(w, watch, what, &out->gather));
    RK_TRY(measure_copy(w, watch, what->copy_bytes, &out->copy));
    RK_TRY(measure_flops(w, watch, what->gathers > 0, &out->flops));
    RK_TRY(capture_nothing(w));
    rk_status status = time_passes(w, watch, launch_pass, &out->launch);
    out->launch /= LAUNCHES;
    cudaGraphExecDestroy(w->empty);
    return status;
}

rk_status rk__cuda_measure(rk_device_context *context, const rk_device_probe *what,
                           rk_device_ceilings *out)
{
    RK_ASSERT(what->rows > 0 && what->rows <= INT32_MAX && what->copy_bytes > 0);
    RK_ASSERT(what->row_bytes > 0 && what->row_bytes % 64 == 0);
    work w = {.context = context};
    stopwatch watch = {NULL, NULL};
    RK_TRY_CUDA(cudaEventCreate(&watch.begin));
    cudaError_t error = cudaEventCreate(&watch.end);
    rk_status status = error == cudaSuccess ? measure_all(&w, &watch, what, out)
                                            : rk__cuda_failed(error, "cudaEventCreate", __FILE__,
                                                              __LINE__, __func__);
    cudaEventDestroy(watch.begin);
    if (watch.end) {
        cudaEventDestroy(watch.end);
    }
    return status;
}
