/* What loading a program will allocate, told before anything is. */
#include "base/alloc.h"
#include "device/cuda/context.h"
#include "device/executor.h"

typedef struct needs {
    rk_device_need *list;
    int n;
} needs;

/* One allocation of the largest size for all nodes that need it. */
static void add(needs *all, const char *what, int64_t bytes, bool is_shared)
{
    for (int i = 0; i < all->n; i++) {
        if (all->list[i].what == what) {
            all->list[i].bytes = bytes > all->list[i].bytes ? bytes : all->list[i].bytes;
            return;
        }
    }
    RK_ASSERT(all->n < RK_MAX_NEEDS);
    all->list[all->n++] = (rk_device_need){what, bytes, is_shared};
}

/* Of one node, with the sizes that its scratch function asks for. */
static void add_node(needs *all, rk_device_context *context, const rk_program *program,
                     const rk_node *node, int64_t *own_bytes)
{
    static const char *const working = "working memory", *const pieces = "rows cut into pieces",
                             *const blas = "cuBLAS's workspace",
                             *const halves = "the Gram matrix in halves",
                             *const sparse = "cuSPARSE's values and offsets",
                             *const sides = "pieces by side",
                             *const weights = "weights of the edges";
    uint32_t flags = rk__op_info(node->op)->flags;
    rk_cuda_prepared prepared = {.context = context};
    rk_call call = {.prepared = &prepared};
    rk__executor_resolve(&call, program, node, NULL);
    if (flags & RK_OP_IS_GRAPH) {
        rk_split_rows rows = rk__cuda_graph_size(context, program, node);
        prepared.graph.rows = rows;
        add(all, pieces,
            rows.n_pieces * (int64_t)sizeof(rk_piece) +
                rows.n_long_rows * (int64_t)sizeof(rk_long_row),
            true);
        if (flags & RK_OP_IS_SIDE) {
            add(all, sides, rows.n_pieces * (int64_t)sizeof(rk_piece), true);
        }
        if (rk__cuda_graph_has_weights(context, program, node)) {
            add(all, weights, rk__in(&call, 1)->rows * (int64_t)sizeof(float), true);
        }
        *own_bytes += rk__cuda_graph_own_bytes(node, &rows);
    }
    add(all, working, program->n_lanes * rk__cuda_scratch(&call), false);
    if (rk__cuda_spmm_takes(context, program, node)) {
        add(all, sparse, 4 * (rk__in(&call, 0)->rows + rk__in(&call, 1)->rows), true);
    }
    if (node->op == RK_OP_GRAM_PRODUCT && context->options.gram == RK_GRAM_SPLIT) {
        add(all, halves, rk__cuda_gram_bytes(rk__in(&call, 0)->rows), true);
    }
    if ((flags & RK_OP_IS_LIBRARY) && !rk__cuda_is_exchange(node->op)) {
        add(all, blas, RK_CUDA_BLAS_WORKSPACE, true);
    }
}

rk_status rk__cuda_needs(rk_device_context *context, const rk_program *program,
                         rk_device_need out[RK_MAX_NEEDS], int *out_n)
{
    needs all = {.list = out};
    int64_t own_bytes = 0;
    for (int32_t i = 0; i < program->n_nodes; i++) {
        add_node(&all, context, program, &program->nodes[i], &own_bytes);
    }
    if (own_bytes > 0) {
        add(&all, "pieces of drawn graphs, counters of long rows", own_bytes, false);
    }
    *out_n = all.n;
    return RK_OK;
}
