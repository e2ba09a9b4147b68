/*
 * The operations of this device: who starts each, and what it works in. A kernel's launcher gives
 * an error of CUDA's, which is explained here; an operation that is made with a library has
 * explained its own.
 */
#include "base/alloc.h"
#include "device/cuda/context.h"
#include "ops/columns.h"

/* ---- the table ---- */

typedef struct operation {
    rk_cuda_launcher launcher;
    const char *name;                        /* of the launcher, for messages */
    int64_t (*scratch)(const rk_call *call); /* NULL = none */
} operation;

#define rk_cuda_scratch_none NULL

static const operation operations[RK_OP_COUNT] = {
#define RK_OP_ROW(ENUM, name, min, max, outputs, gradient, traffic, cpu, cuda, updates, halves,    \
                  restrict, at_rows, shards, by_columns, flags, help)                              \
    {{(flags)&LIBRARY ? NULL : rk_cuda_##name, (flags)&LIBRARY ? rk__cuda_##name : NULL},          \
     "rk_cuda_" #name,                                                                             \
     rk_cuda_scratch_##cuda},
#include "ops/ops.def"
};

rk_cuda_launcher rk__cuda_launcher_of(const rk_node *node)
{
    return operations[node->op].launcher;
}

int64_t rk__cuda_scratch(const rk_call *call)
{
    const operation *o = &operations[call->node->op];
    return o->scratch ? o->scratch(call) : 0;
}

/* ---- running a node ---- */

/* What a library launches does not wait, nor can what comes behind it begin early. */
static rk_status call_library(const rk_cuda_node *node)
{
    rk_stream *stream = node->call.stream;
    const bool overlaps = stream->overlaps;
    stream->overlaps = false;
    rk_status status = node->launcher.library(&node->call);
    stream->overlaps = overlaps;
    stream->is_after_kernel = false;
    return status;
}

static rk_status launch(const rk_cuda_node *node)
{
    if (node->launcher.library) {
        return call_library(node);
    }
    cudaError_t error = node->launcher.kernel(&node->call);
    if (error != cudaSuccess) {
        return rk__cuda_failed(error, operations[node->call.node->op].name, __FILE__, __LINE__,
                               __func__);
    }
    return RK_OK;
}

rk_status rk__cuda_name_node(const rk_loaded *loaded, int32_t i, rk_status status)
{
    return rk__fail_prefix(status, "program %s, node %d (%s)", loaded->program->name, i,
                           rk__op_name(loaded->program->nodes[i].op));
}

static rk_status run_timed(rk_loaded *loaded, int32_t i, cudaEvent_t begin, cudaEvent_t end)
{
    rk_op_time *time = &loaded->context->times[loaded->program->nodes[i].op];
    float milliseconds = 0;
    RK_TRY_CUDA(cudaEventRecord(begin, loaded->context->stream));
    RK_TRY(launch(&loaded->nodes[i]));
    RK_TRY_CUDA(cudaEventRecord(end, loaded->context->stream));
    RK_TRY_CUDA(cudaEventSynchronize(end));
    RK_TRY_CUDA(cudaEventElapsedTime(&milliseconds, begin, end));
    time->seconds += 1e-3 * (double)milliseconds;
    time->calls++;
    return RK_OK;
}

rk_status rk__cuda_run_node(rk_loaded *loaded, int32_t i)
{
    if (!loaded->context->times) {
        return launch(&loaded->nodes[i]);
    }
    cudaEvent_t begin = NULL, end = NULL;
    RK_TRY_CUDA(cudaEventCreate(&begin));
    cudaError_t error = cudaEventCreate(&end);
    rk_status status = error == cudaSuccess ? run_timed(loaded, i, begin, end)
                                            : rk__cuda_failed(error, "cudaEventCreate", __FILE__,
                                                              __LINE__, __func__);
    cudaEventDestroy(begin);
    if (end) {
        cudaEventDestroy(end);
    }
    return status;
}
