#include "device/executor.h"

#include <stddef.h>

bool rk__executor_is_root(const rk_tensor *t)
{
    return t->stored < 0 && t->alias_of == RK_NONE && t->producer >= 0;
}

void rk__executor_place(const rk_program *program, char *arena, void **memory)
{
    for (rk_value v = 0; v < program->n_tensors; v++) {
        const rk_tensor *t = &program->tensors[v];
        if (t->stored < 0 && t->alias_of != RK_NONE) { /* an earlier tensor, so it has its place */
            memory[v] = memory[t->alias_of];
        } else if (rk__executor_is_root(t) && !memory[v]) {
            memory[v] = arena + t->offset;
        }
    }
}

void rk__executor_resolve(rk_call *call, const rk_program *program, const rk_node *node,
                          void *const *memory)
{
    call->program = program;
    call->tensors = program->tensors;
    call->node = node;
    for (int32_t i = 0; memory && i < node->n_inputs; i++) {
        call->in[i] = node->in[i] == RK_NONE ? NULL : memory[node->in[i]];
    }
    for (int32_t i = 0; memory && i < node->n_outputs; i++) {
        call->out[i] = memory[node->out[i]];
    }
}

rk_value rk__executor_next_new(const rk_program *program, const rk_node *node, int32_t *place)
{
    while (*place < node->n_outputs) {
        rk_value v = node->out[(*place)++];
        if (program->tensors[v].alias_of == RK_NONE) {
            return v;
        }
    }
    return RK_NONE;
}
