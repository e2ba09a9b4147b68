/*
 * A call of one operation, the same for every device: an operation of ops.def is one function of a
 * call, rk__cpu_<name> and rk_cuda_<name>.
 *
 * Inputs and outputs are in the order of the shape rules (ops/families/). Shapes and attributes
 * were checked when the program was built, and every byte that an operation works in was allocated
 * when it was loaded, so that a call allocates nothing and decides nothing.
 *
 * Shared with the kernels: C and C++.
 */
#ifndef RK_OPS_CALL_H
#define RK_OPS_CALL_H

#include "ops/node.h"

typedef struct rk_call {
    const struct rk_program *program;
    const rk_tensor *tensors; /* of the program */
    const rk_node *node;
    void *in[RK_MAX_INPUTS];    /* memory of the device; NULL = absent */
    void *out[RK_MAX_OUTPUTS];  /* of an in-place operation also one of the inputs */
    void *scratch;              /* as much as the operation's scratch function asked for */
    const void *prepared;       /* what the device made for the node when it was loaded, or NULL */
    int threads;                /* cpu */
    const struct rk_isa *isa;   /* cpu: the hot loops */
    struct rk_cpu_ranks *ranks; /* cpu: who else has columns, never NULL */
    struct rk_cpu_watch *watch; /* cpu: rk__cpu_leave; NULL = nobody watches */
    struct rk_stream *stream;   /* cuda: where launches go (kernels.h) */
    int32_t *arrived; /* cuda: a counter of the node's own, 0 before and after each launch */
} rk_call;

static inline const rk_tensor *rk__in(const rk_call *call, int i)
{
    return &call->tensors[call->node->in[i]];
}

/* The columns of the whole table, of which the tensor may have some. */
static inline int64_t rk__all_columns(const rk_tensor *t)
{
    return t->all_columns > 0 ? t->all_columns : t->cols;
}

static inline const rk_tensor *rk__out(const rk_call *call, int i)
{
    return &call->tensors[call->node->out[i]];
}

#endif
