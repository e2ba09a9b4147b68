/*
 * Loading a program and replaying it: the first run captures the nodes into a CUDA graph, later
 * runs only launch it. A second graph holds several steps, so that a launch costs the host nothing.
 *
 * Eager mode and the profile launch node by node instead.
 */
#include "base/alloc.h"
#include "device/cuda/context.h"

/* ---- loading ---- */

void *rk__cuda_address(const rk_loaded *loaded, rk_value value)
{
    return value == RK_NONE ? NULL : loaded->tensors[value].data;
}

/* A temporary with memory of its own: not an alias, not orphaned. */
static bool is_root(const rk_tensor *t)
{
    return t->stored < 0 && t->alias_of == RK_NONE && t->producer >= 0;
}

static rk_status place_tensors(rk_loaded *loaded)
{
    rk_device_context *context = loaded->context;
    const rk_program *program = loaded->program;
    RK_TRY(rk__calloc(&loaded->tensors, program->n_tensors, sizeof *loaded->tensors,
                      "a loaded program"));
    if (!context->options.eager) {
        RK_TRY(rk__cuda_alloc(&loaded->arena, program->arena_bytes, "a program's temporaries"));
    }
    for (rk_value v = 0; v < program->n_tensors; v++) {
        const rk_tensor *t = &program->tensors[v];
        if (t->stored >= 0) {
            loaded->tensors[v].data = context->stored[t->stored].data;
        } else if (t->alias_of != RK_NONE) { /* an earlier tensor, so it has its place */
            loaded->tensors[v].data = loaded->tensors[t->alias_of].data;
        } else if (is_root(t) && context->options.eager) {
            RK_TRY(
                rk__cuda_alloc_guarded(context, rk__tensor_bytes(t), t->name, &loaded->tensors[v]));
        } else if (is_root(t)) {
            loaded->tensors[v].data = (char *)loaded->arena + t->offset;
        }
    }
    return RK_OK;
}

static rk_status prepare(rk_loaded *loaded)
{
    rk_device_context *context = loaded->context;
    const rk_program *program = loaded->program;
    RK_TRY(place_tensors(loaded));
    for (int32_t i = 0; i < program->n_nodes; i++) {
        const rk_node *node = &program->nodes[i];
        int64_t bytes = 0;
        if (rk__cuda_needs_pieces(node->op)) {
            RK_TRY(rk__cuda_graph_prepare(context, program, node));
        }
        if (node->op == RK_OP_DROP_EDGES) {
            RK_TRY(rk__cuda_draw_prepare(loaded, node));
        }
        if (rk__cuda_needs_blas(node->op)) {
            RK_TRY(rk__cuda_blas_prepare(context));
        }
        if (node->op == RK_OP_GRAM_PRODUCT) {
            RK_TRY(rk__cuda_gram_prepare(loaded, node));
        }
        RK_TRY(rk__cuda_scratch(context, program, node, &bytes));
        loaded->scratch_bytes = bytes > loaded->scratch_bytes ? bytes : loaded->scratch_bytes;
    }
    RK_TRY(rk__cuda_alloc(&loaded->scratch, loaded->scratch_bytes,
                          "the operations' working "
                          "memory"));
    for (int32_t i = 0; i < program->n_nodes; i++) {
        if (context->options.propagation == RK_PROPAGATION_CUSPARSE &&
            rk__cuda_spmm_takes(program, &program->nodes[i])) {
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
    rk__cuda_spmm_free(loaded);
    rk__cuda_draws_free(loaded);
    for (rk_value v = 0; loaded->tensors && v < loaded->program->n_tensors; v++) {
        cudaFree(loaded->tensors[v].base);
    }
    cudaFree(loaded->arena);
    cudaFree(loaded->scratch);
    rk__free(loaded->tensors);
    rk__free(loaded);
}

/* ---- node by node ---- */

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
    RK_TRY(rk__cuda_launch(loaded, &loaded->program->nodes[i]));
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
        return rk__cuda_launch(loaded, &loaded->program->nodes[i]);
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

static rk_status run_nodes(rk_loaded *loaded)
{
    for (int32_t i = 0; i < loaded->program->n_nodes; i++) {
        rk_status status = rk__cuda_run_node(loaded, i);
        if (status != RK_OK) {
            return rk__cuda_name_node(loaded, i, status);
        }
    }
    return RK_OK;
}

/* ---- replay ---- */

/* A failure while capturing must still end the capture. */
static rk_status capture(rk_loaded *loaded, int64_t steps, cudaGraphExec_t *out)
{
    cudaStream_t stream = loaded->context->stream;
    cudaGraph_t graph = NULL;
    RK_TRY_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    rk_status status = RK_OK;
    for (int64_t s = 0; s < steps && status == RK_OK; s++) {
        status = run_nodes(loaded);
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
            RK_TRY(context->options.eager ? rk__cuda_run_eager(loaded) : run_nodes(loaded));
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
