/*
 * Loading a program and replaying it: the first run captures the nodes into a CUDA graph, later
 * runs only launch it. A second graph holds several steps, so that a launch costs the host nothing.
 *
 * Eager mode and the profile launch node by node instead.
 */
#include "base/alloc.h"
#include "device/cuda/context.h"
#include "device/executor.h"

/* ---- loading ---- */

/* In eager mode every temporary has an allocation of its own, between guard bands. */
static rk_status place_tensors(rk_loaded *loaded)
{
    rk_device_context *context = loaded->context;
    const rk_program *program = loaded->program;
    int64_t n = program->n_tensors;
    RK_TRY(rk__calloc(&loaded->memory, n, sizeof *loaded->memory, "a loaded program"));
    if (context->options.eager) {
        RK_TRY(rk__calloc(&loaded->guarded, n, sizeof *loaded->guarded, "a loaded program"));
    } else {
        RK_TRY(rk__cuda_alloc(&loaded->arena, program->arena_bytes, "a program's temporaries"));
    }
    for (rk_value v = 0; v < n; v++) {
        const rk_tensor *t = &program->tensors[v];
        if (t->stored >= 0) {
            loaded->memory[v] = context->stored[t->stored].data;
        } else if (rk__executor_is_root(t) && context->options.eager) {
            rk_cuda_block *block = &loaded->guarded[v];
            RK_TRY(rk__cuda_alloc_guarded(context, rk__tensor_bytes(t), t->name, block));
            loaded->memory[v] = block->data;
        }
    }
    rk__executor_place(program, loaded->arena, loaded->memory);
    return RK_OK;
}

/* Everything that a launch needs, found once. */
static rk_status prepare_node(rk_loaded *loaded, rk_cuda_node *node, const rk_node *what)
{
    rk_device_context *context = loaded->context;
    uint32_t flags = rk__op_info(what->op)->flags;
    node->call.stream = context->stream;
    node->call.prepared = &node->prepared;
    rk__executor_resolve(&node->call, loaded->program, what, loaded->memory);
    node->launcher = rk__cuda_launcher_of(what);
    if (flags & RK_OP_IS_GRAPH) {
        RK_TRY(rk__cuda_graph_prepare(loaded, node));
    }
    if (flags & RK_OP_IS_LIBRARY) {
        node->prepared.context = context;
        RK_TRY(rk__cuda_blas_prepare(context));
    }
    if (what->op == RK_OP_GRAM_PRODUCT) {
        RK_TRY(rk__cuda_gram_prepare(loaded, node));
    }
    if (what->op == RK_OP_SPD_INVERSE) {
        RK_TRY(rk__cuda_inverse_prepare(context, &node->call));
        loaded->is_plain = true; /* cuSOLVER does not promise to be captured */
    }
    if (rk__cuda_spmm_takes(context, loaded->program, what)) {
        RK_TRY(rk__cuda_spmm_prepare(loaded, node));
    }
    return RK_OK;
}

static rk_status prepare(rk_loaded *loaded)
{
    const rk_program *program = loaded->program;
    RK_TRY(place_tensors(loaded));
    RK_TRY(rk__calloc(&loaded->nodes, program->n_nodes, sizeof *loaded->nodes, "a loaded program"));
    for (int32_t i = 0; i < program->n_nodes; i++) {
        RK_TRY(prepare_node(loaded, &loaded->nodes[i], &program->nodes[i]));
        int64_t bytes = rk__cuda_scratch(&loaded->nodes[i].call);
        loaded->scratch_bytes = bytes > loaded->scratch_bytes ? bytes : loaded->scratch_bytes;
    }
    RK_TRY(
        rk__cuda_alloc(&loaded->scratch, loaded->scratch_bytes, "the operations' working memory"));
    for (int32_t i = 0; i < program->n_nodes; i++) {
        loaded->nodes[i].call.scratch = loaded->scratch;
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
    for (int32_t i = 0; loaded->nodes && i < loaded->program->n_nodes; i++) {
        cudaFree(loaded->nodes[i].prepared.graph.drawn);
        cudaFree(loaded->nodes[i].prepared.graph.arrived);
    }
    for (rk_value v = 0; loaded->guarded && v < loaded->program->n_tensors; v++) {
        cudaFree(loaded->guarded[v].base);
    }
    cudaFree(loaded->arena);
    cudaFree(loaded->scratch);
    rk__free(loaded->nodes);
    rk__free(loaded->memory);
    rk__free(loaded->guarded);
    rk__free(loaded);
}

/* ---- replay ---- */

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

static rk_status instantiate(cudaGraph_t graph, cudaGraphExec_t *out, size_t *out_nodes)
{
    RK_TRY_CUDA(cudaGraphGetNodes(graph, NULL, out_nodes));
    RK_TRY_CUDA(cudaGraphInstantiate(out, graph, 0));
    return RK_OK;
}

/* A failure while capturing must still end the capture. */
static rk_status capture(rk_loaded *loaded, int64_t steps, cudaGraphExec_t *out, size_t *out_nodes)
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
        status = instantiate(graph, out, out_nodes);
    }
    if (graph) {
        cudaGraphDestroy(graph);
    }
    return status;
}

rk_status rk__cuda_run(rk_device_context *context, rk_loaded *loaded, int64_t steps)
{
    if (context->options.eager || context->times || loaded->is_plain) {
        for (int64_t s = 0; s < steps; s++) {
            RK_TRY(context->options.eager ? rk__cuda_run_eager(loaded) : run_nodes(loaded));
        }
        return RK_OK;
    }
    int64_t many = context->options.steps_per_launch;
    size_t nodes = 0;
    if (many > 1 && steps >= many) {
        if (!loaded->many_steps) {
            RK_TRY(capture(loaded, many, &loaded->many_steps, &nodes));
        }
        for (; steps >= many; steps -= many) {
            RK_TRY_CUDA(cudaGraphLaunch(loaded->many_steps, context->stream));
        }
    }
    if (steps > 0 && !loaded->one_step) {
        RK_TRY(capture(loaded, 1, &loaded->one_step, &nodes));
    }
    for (; steps > 0; steps--) {
        RK_TRY_CUDA(cudaGraphLaunch(loaded->one_step, context->stream));
    }
    return RK_OK;
}

rk_status rk__cuda_graph_nodes(rk_device_context *context, rk_loaded *loaded, int64_t *out)
{
    cudaGraphExec_t graph = NULL;
    size_t nodes = 0;
    (void)context;
    RK_TRY(capture(loaded, 1, &graph, &nodes));
    cudaGraphExecDestroy(graph);
    *out = (int64_t)nodes;
    return RK_OK;
}
