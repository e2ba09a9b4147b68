/*
 * Loading a program: every tensor gets its place, every node what it will be called with.
 */
#include "base/alloc.h"
#include "device/cuda/context.h"
#include "device/executor.h"

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
    node->call.stream = &loaded->lanes[what->lane];
    node->call.prepared = &node->prepared;
    rk__executor_resolve(&node->call, loaded->program, what, loaded->memory);
    node->launcher = rk__cuda_launcher_of(what);
    if (flags & RK_OP_IS_GRAPH) {
        RK_TRY(rk__cuda_graph_prepare(loaded, node));
    }
    if (rk__cuda_is_exchange(what->op)) {
        node->prepared.context = context;
    } else if (flags & RK_OP_IS_LIBRARY) {
        node->prepared.context = context;
        RK_TRY(rk__cuda_ask_architecture(context));
        RK_TRY(rk__cuda_blas_prepare(context));
    }
    if (what->op == RK_OP_GRAM_PRODUCT) {
        RK_TRY(rk__cuda_gram_prepare(loaded, node));
    }
    if (what->op == RK_OP_SPD_INVERSE) {
        RK_TRY(rk__cuda_inverse_prepare(context, &node->call));
        loaded->is_plain = true; /* cuSOLVER does not promise to be captured */
    }
    loaded->is_plain = loaded->is_plain || what->op == RK_OP_RITZ; /* cuSOLVER, too */
    if (rk__cuda_spmm_takes(context, loaded->program, what)) {
        RK_TRY(rk__cuda_spmm_prepare(loaded, node));
    }
    return RK_OK;
}

/* Working memory: of one operation at a time in each lane. */
static rk_status allocate_scratch(rk_loaded *loaded)
{
    const rk_program *program = loaded->program;
    for (int32_t i = 0; i < program->n_nodes; i++) {
        int64_t bytes = rk__cuda_scratch(&loaded->nodes[i].call);
        loaded->scratch_bytes = bytes > loaded->scratch_bytes ? bytes : loaded->scratch_bytes;
    }
    for (int32_t lane = 0; lane < program->n_lanes; lane++) {
        RK_TRY(rk__cuda_alloc(&loaded->scratch[lane], loaded->scratch_bytes,
                              "the operations' working memory"));
    }
    for (int32_t i = 0; i < program->n_nodes; i++) {
        loaded->nodes[i].call.scratch = loaded->scratch[program->nodes[i].lane];
    }
    return RK_OK;
}

static rk_status allocate_counters(rk_loaded *loaded)
{
    const int32_t n = loaded->program->n_nodes;
    RK_TRY(rk__cuda_alloc(&loaded->arrived, n * (int64_t)sizeof *loaded->arrived,
                          "the counters of operations"));
    RK_TRY_CUDA(cudaMemsetAsync(loaded->arrived, 0, (size_t)n * sizeof *loaded->arrived,
                                loaded->context->stream));
    for (int32_t i = 0; i < n; i++) {
        loaded->nodes[i].call.arrived = loaded->arrived + i;
    }
    return RK_OK;
}

/* For each node that another lane waits for, what it waits for. */
static rk_status make_events(rk_loaded *loaded)
{
    const rk_program *program = loaded->program;
    if (program->n_lanes == 1) {
        return RK_OK;
    }
    RK_TRY(rk__program_lane_order(program, &loaded->orders));
    RK_TRY_CUDA(cudaEventCreateWithFlags(&loaded->begun, cudaEventDisableTiming));
    RK_TRY_CUDA(cudaEventCreateWithFlags(&loaded->ended, cudaEventDisableTiming));
    for (int32_t i = 0; i < program->n_nodes; i++) {
        int32_t j = loaded->orders[i].waits;
        if (j >= 0 && !loaded->nodes[j].done) {
            RK_TRY_CUDA(cudaEventCreateWithFlags(&loaded->nodes[j].done, cudaEventDisableTiming));
        }
    }
    return RK_OK;
}

static rk_status prepare(rk_loaded *loaded)
{
    const rk_program *program = loaded->program;
    for (int lane = 0; lane < RK_LANES; lane++) {
        loaded->lanes[lane].stream = loaded->context->stream;
    }
    RK_TRY(place_tensors(loaded));
    RK_TRY(rk__calloc(&loaded->nodes, program->n_nodes, sizeof *loaded->nodes, "a loaded program"));
    for (int32_t i = 0; i < program->n_nodes; i++) {
        RK_TRY(prepare_node(loaded, &loaded->nodes[i], &program->nodes[i]));
    }
    RK_TRY(allocate_scratch(loaded));
    RK_TRY(allocate_counters(loaded));
    return make_events(loaded);
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

static void free_event(cudaEvent_t event)
{
    if (event) {
        cudaEventDestroy(event);
    }
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
        free_event(loaded->nodes[i].done);
    }
    free_event(loaded->begun);
    free_event(loaded->ended);
    for (rk_value v = 0; loaded->guarded && v < loaded->program->n_tensors; v++) {
        cudaFree(loaded->guarded[v].base);
    }
    cudaFree(loaded->arena);
    cudaFree(loaded->scratch[0]);
    cudaFree(loaded->scratch[1]);
    cudaFree(loaded->arrived);
    rk__free(loaded->orders);
    rk__free(loaded->nodes);
    rk__free(loaded->memory);
    rk__free(loaded->guarded);
    rk__free(loaded);
}
