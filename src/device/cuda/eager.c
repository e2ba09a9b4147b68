/*
 * Eager mode on the device: after each node the host waits, takes copies of what was written, and
 * makes the checks of device/eager.h. Every tensor has an allocation of its own.
 */
#include <string.h>

#include "base/alloc.h"
#include "device/cuda/context.h"
#include "device/eager.h"
#include "device/executor.h"

/* NaN and -1 in the outputs and in the scratch memory: what is not written, or is left over from
 * another operation, shows. */
static rk_status poison(rk_loaded *loaded, const rk_node *node)
{
    const rk_program *program = loaded->program;
    cudaStream_t stream = loaded->context->stream;
    int32_t place = 0;
    for (rk_value v = 0; (v = rk__executor_next_new(program, node, &place)) != RK_NONE;) {
        size_t bytes = (size_t)rk__tensor_bytes(&program->tensors[v]);
        if (bytes > 0) {
            RK_TRY_CUDA(cudaMemsetAsync(loaded->memory[v], RK_POISON, bytes, stream));
        }
    }
    RK_TRY_CUDA(cudaMemsetAsync(loaded->scratch[node->lane], RK_POISON,
                                (size_t)loaded->scratch_bytes, stream));
    return RK_OK;
}

static rk_status download(rk_loaded *loaded, void *host, const void *device, int64_t bytes)
{
    RK_TRY_CUDA(cudaMemcpyAsync(host, device, (size_t)bytes, cudaMemcpyDeviceToHost,
                                loaded->context->stream));
    RK_TRY_CUDA(cudaStreamSynchronize(loaded->context->stream));
    return RK_OK;
}

static rk_status step_number(rk_loaded *loaded, int64_t *out)
{
    const rk_device_context *context = loaded->context;
    int32_t stored = rk__store_find(context->store, "step_state");
    rk_step_state state;
    *out = 0;
    if (stored >= 0) {
        RK_TRY(download(loaded, &state, context->stored[stored].data, sizeof state));
        *out = state.step + 1;
    }
    return RK_OK;
}

/* A copy of a written tensor with its bands, checked. A constant has no bands: nothing may write
 * to it, and the plan says so. */
static rk_status check_value(rk_loaded *loaded, int32_t node, rk_value value)
{
    const rk_program *program = loaded->program;
    const int64_t bytes = rk__tensor_bytes(&program->tensors[value]);
    const int64_t guard = loaded->context->options.exact ? 0 : RK_CUDA_GUARD_BYTES;
    const char *device = loaded->memory[value];
    rk_status status = RK_OK;
    int64_t step = 0;
    char *host = NULL;
    RK_TRY(rk__alloc(&host, bytes + 2 * guard, 1, "a copy of a tensor"));
    RK_TRY_GOTO(done, download(loaded, host, device - guard, bytes + 2 * guard));
    RK_TRY_GOTO(done, rk__check_guards(program, node, value, host, host + guard + bytes, guard));
    RK_TRY_GOTO(done, step_number(loaded, &step));
    RK_TRY_GOTO(done, rk__check_finite(program, node, value, host + guard, step));
done:
    rk__free(host);
    return status;
}

static rk_status run_node(rk_loaded *loaded, int32_t i)
{
    const rk_node *node = &loaded->program->nodes[i];
    RK_TRY(poison(loaded, node));
    RK_TRY(rk__cuda_run_node(loaded, i));
    RK_TRY_CUDA(cudaStreamSynchronize(loaded->context->stream));
    return RK_OK;
}

rk_status rk__cuda_run_eager(rk_loaded *loaded)
{
    for (int32_t i = 0; i < loaded->program->n_nodes; i++) {
        rk_status status = run_node(loaded, i);
        if (status != RK_OK) {
            return rk__cuda_name_node(loaded, i, status);
        }
        int32_t place = 0;
        for (rk_value v = 0;
             (v = rk__next_written(&loaded->program->nodes[i], &place)) != RK_NONE;) {
            RK_TRY(check_value(loaded, i, v));
        }
    }
    return RK_OK;
}
