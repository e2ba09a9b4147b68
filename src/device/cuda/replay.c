/*
 * Loading a program and replaying it: the first run captures the nodes into a CUDA graph, later
 * runs only launch it. A second graph holds several steps, so that a launch costs the host nothing.
 *
 * Eager mode and the profile launch node by node instead.
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "device/cuda/context.h"

/* ---- loading -----------------------------------------------------------------------------------
 */

void *rk__cuda_address(const rk_loaded *loaded, rk_value value)
{
    if (value == RK_NONE) {
        return NULL;
    }
    const rk_tensor *t = &loaded->program->tensors[value];
    return t->stored >= 0 ? loaded->context->stored[t->stored] : (char *)loaded->arena + t->offset;
}

static rk_status prepare(rk_loaded *loaded)
{
    rk_device_context *context = loaded->context;
    const rk_program *program = loaded->program;
    int64_t scratch = 0;
    for (int32_t i = 0; i < program->n_nodes; i++) {
        const rk_node *node = &program->nodes[i];
        int64_t bytes = 0;
        if (node->op == RK_OP_PROPAGATE || node->op == RK_OP_PROPAGATE_ROWS ||
            node->op == RK_OP_PROPAGATE_FROM_ROWS) {
            RK_TRY(rk__cuda_graph_prepare(context, program, node));
        }
        RK_TRY(rk__cuda_scratch(context, program, node, &bytes));
        scratch = bytes > scratch ? bytes : scratch;
    }
    RK_TRY(rk__cuda_alloc(&loaded->arena, program->arena_bytes, "a program's temporaries"));
    RK_TRY(rk__cuda_alloc(&loaded->scratch, scratch, "the operations' working memory"));
    for (int32_t i = 0; i < program->n_nodes; i++) {
        if (program->nodes[i].op == RK_OP_PROPAGATE &&
            context->options.propagation == RK_PROPAGATION_CUSPARSE) {
            RK_TRY(rk__cuda_spmm_prepare(loaded, &program->nodes[i]));
        }
    }
    return RK_OK;
}

rk_status rk__cuda_load(rk_device_context *context, const rk_program *program, rk_loaded **out)
{
    RK_ASSERT(program->planned && program->store == context->store);
    rk_loaded *loaded = NULL;
    RK_TRY(rk__calloc(&loaded, 1, sizeof *loaded, "a loaded program"));
    loaded->context = context;
    loaded->program = program;
    loaded->next = context->loaded;
    context->loaded = loaded;
    rk_status status = prepare(loaded);
    if (status != RK_OK) {
        rk__cuda_unload(context, loaded);
        return status;
    }
    *out = loaded;
    return RK_OK;
}

void rk__cuda_unload(rk_device_context *context, rk_loaded *loaded)
{
    if (!loaded) {
        return;
    }
    cudaStreamSynchronize(context->stream);
    for (rk_loaded **link = &context->loaded; *link; link = &(*link)->next) {
        if (*link == loaded) {
            *link = loaded->next;
            break;
        }
    }
    if (loaded->one_step) {
        cudaGraphExecDestroy(loaded->one_step);
    }
    if (loaded->many_steps) {
        cudaGraphExecDestroy(loaded->many_steps);
    }
    cudaFree(loaded->arena);
    cudaFree(loaded->scratch);
    cudaFree(loaded->sparse_buffer);
    rk__free(loaded);
}

/* ---- node by node ------------------------------------------------------------------------------
 */

static rk_status launch_node(rk_loaded *loaded, int32_t i)
{
    const rk_node *node = &loaded->program->nodes[i];
    rk_status status = rk__cuda_launch(loaded, node);
    return status == RK_OK ? RK_OK
                           : rk__fail_prefix(status, "program %s, node %d (%s)",
                                             loaded->program->name, i, rk__op_name(node->op));
}

/* RK_ERR_DIVERGED when an element is not finite. */
static rk_status check_floats(rk_loaded *loaded, int32_t node, rk_value value)
{
    const rk_tensor *t = &loaded->program->tensors[value];
    /* topk marks "no more items" with -inf on purpose */
    if (t->dtype != RK_F32 || loaded->program->nodes[node].op == RK_OP_SCORE_TOPK) {
        return RK_OK;
    }
    rk_status status = RK_OK;
    float *host = NULL;
    int64_t n = t->rows * t->cols;
    RK_TRY(rk__alloc(&host, n, sizeof *host, "a copy of a tensor"));
    cudaError_t error =
        cudaMemcpyAsync(host, rk__cuda_address(loaded, value), (size_t)n * sizeof *host,
                        cudaMemcpyDeviceToHost, loaded->context->stream);
    error = error == cudaSuccess ? cudaStreamSynchronize(loaded->context->stream) : error;
    if (error != cudaSuccess) {
        RK_TRY_GOTO(done, rk__cuda_failed(error, "cudaMemcpyAsync", __FILE__, __LINE__, __func__));
    }
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(host[i])) {
            RK_FAIL_GOTO(done, RK_ERR_DIVERGED, "program %s, node %d (%s): %s[%lld, %lld] is %g",
                         loaded->program->name, node, rk__op_name(loaded->program->nodes[node].op),
                         t->name, (long long)(i / t->cols), (long long)(i % t->cols),
                         (double)host[i]);
        }
    }
done:
    rk__free(host);
    return status;
}

static rk_status run_eager(rk_loaded *loaded)
{
    for (int32_t i = 0; i < loaded->program->n_nodes; i++) {
        const rk_node *node = &loaded->program->nodes[i];
        RK_TRY(launch_node(loaded, i));
        cudaError_t error = cudaStreamSynchronize(loaded->context->stream);
        if (error != cudaSuccess) {
            rk_status status =
                rk__cuda_failed(error, "cudaStreamSynchronize", __FILE__, __LINE__, __func__);
            return rk__fail_prefix(status, "program %s, node %d (%s)", loaded->program->name, i,
                                   rk__op_name(node->op));
        }
        for (int32_t j = 0; j < node->n_outputs; j++) {
            RK_TRY(check_floats(loaded, i, node->out[j]));
        }
    }
    return RK_OK;
}

static rk_status run_profiled(rk_loaded *loaded)
{
    rk_status status = RK_OK;
    cudaEvent_t begin = NULL, end = NULL;
    RK_TRY_CUDA(cudaEventCreate(&begin));
    cudaError_t error = cudaEventCreate(&end);
    for (int32_t i = 0; i < loaded->program->n_nodes && error == cudaSuccess; i++) {
        rk_op_time *time = &loaded->context->times[loaded->program->nodes[i].op];
        float milliseconds = 0;
        error = cudaEventRecord(begin, loaded->context->stream);
        RK_TRY_GOTO(done, launch_node(loaded, i));
        error = error == cudaSuccess ? cudaEventRecord(end, loaded->context->stream) : error;
        error = error == cudaSuccess ? cudaEventSynchronize(end) : error;
        error = error == cudaSuccess ? cudaEventElapsedTime(&milliseconds, begin, end) : error;
        time->seconds += 1e-3 * (double)milliseconds;
        time->calls++;
    }
    if (error != cudaSuccess) {
        status = rk__cuda_failed(error, "cudaEventRecord", __FILE__, __LINE__, __func__);
    }
done:
    cudaEventDestroy(begin);
    if (end) {
        cudaEventDestroy(end);
    }
    return status;
}

/* ---- replay ------------------------------------------------------------------------------------
 */

/* A failure while capturing must still end the capture. */
static rk_status capture(rk_loaded *loaded, int64_t steps, cudaGraphExec_t *out)
{
    cudaStream_t stream = loaded->context->stream;
    cudaGraph_t graph = NULL;
    RK_TRY_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    rk_status status = RK_OK;
    for (int64_t s = 0; s < steps && status == RK_OK; s++) {
        for (int32_t i = 0; i < loaded->program->n_nodes && status == RK_OK; i++) {
            status = launch_node(loaded, i);
        }
    }
    cudaError_t error = cudaStreamEndCapture(stream, &graph);
    if (status == RK_OK && error != cudaSuccess) {
        status = rk__cuda_failed(error, "cudaStreamEndCapture", __FILE__, __LINE__, __func__);
    }
    if (status == RK_OK) {
        error = cudaGraphInstantiate(out, graph, 0);
        if (error != cudaSuccess) {
            status = rk__cuda_failed(error, "cudaGraphInstantiate", __FILE__, __LINE__, __func__);
        }
    }
    if (graph) {
        cudaGraphDestroy(graph);
    }
    return status;
}

rk_status rk__cuda_run(rk_device_context *context, rk_loaded *loaded, int64_t steps)
{
    if (context->options.eager || context->times) {
        for (int64_t s = 0; s < steps; s++) {
            RK_TRY(context->options.eager ? run_eager(loaded) : run_profiled(loaded));
        }
        return RK_OK;
    }
    int64_t many = context->options.steps_per_launch;
    if (many > 1 && steps >= many) {
        if (!loaded->many_steps) {
            RK_TRY(capture(loaded, many, &loaded->many_steps));
        }
        for (; steps >= many; steps -= many) {
            RK_TRY_CUDA(cudaGraphLaunch(loaded->many_steps, context->stream));
        }
    }
    if (steps > 0 && !loaded->one_step) {
        RK_TRY(capture(loaded, 1, &loaded->one_step));
    }
    for (; steps > 0; steps--) {
        RK_TRY_CUDA(cudaGraphLaunch(loaded->one_step, context->stream));
    }
    return RK_OK;
}
