/* What loading a program will allocate, told before anything is. */
#include "base/alloc.h"
#include "device/cuda/context.h"

bool rk__cuda_names_a_side(rk_op op)
{
    return rk__op_info(op)->flags & RK_OP_IS_SIDE;
}

bool rk__cuda_needs_blas(rk_op op)
{
    return rk__op_info(op)->flags & RK_OP_IS_LIBRARY;
}

bool rk__cuda_needs_pieces(rk_op op)
{
    return rk__op_info(op)->flags & RK_OP_IS_GRAPH;
}

static void add(rk_device_need *needs, int *n, const char *what, int64_t bytes, bool is_shared)
{
    for (int i = 0; i < *n; i++) {
        if (needs[i].what == what) {
            needs[i].bytes = bytes > needs[i].bytes ? bytes : needs[i].bytes;
            return;
        }
    }
    RK_ASSERT(*n < RK_MAX_NEEDS);
    needs[(*n)++] = (rk_device_need){what, bytes, is_shared};
}

rk_status rk__cuda_needs(rk_device_context *context, const rk_program *program,
                         rk_device_need out[RK_MAX_NEEDS], int *out_n)
{
    static const char *const working = "working memory", *const pieces = "rows cut into pieces",
                             *const blas = "cuBLAS's workspace",
                             *const drawn = "pieces of drawn graphs",
                             *const halves = "the Gram matrix in halves",
                             *const sparse = "cuSPARSE's values and offsets";
    int64_t drawn_bytes = 0;
    *out_n = 0;
    for (int32_t i = 0; i < program->n_nodes; i++) {
        const rk_node *node = &program->nodes[i];
        int64_t bytes = 0;
        RK_TRY(rk__cuda_scratch(context, program, node, &bytes));
        add(out, out_n, working, bytes, false);
        if (rk__cuda_needs_pieces(node->op)) {
            rk_split_rows split = rk__cuda_graph_size(context, program, node);
            add(out, out_n, pieces,
                split.n_pieces * (int64_t)sizeof(rk_piece) +
                    split.n_long_rows * (int64_t)sizeof(rk_long_row),
                true);
            drawn_bytes += node->op == RK_OP_DROP_EDGES ? rk__cuda_draw_bytes(split.n_pieces) : 0;
        }
        if (context->options.propagation == RK_PROPAGATION_CUSPARSE &&
            rk__cuda_spmm_takes(program, node)) {
            int64_t rows = program->tensors[node->in[0]].rows;
            add(out, out_n, sparse, 4 * (rows + program->tensors[node->in[1]].rows), true);
        }
        if (node->op == RK_OP_GRAM_PRODUCT && context->options.gram == RK_GRAM_SPLIT) {
            int64_t n = program->tensors[node->in[0]].rows;
            add(out, out_n, halves, 4 * n * rk__cuda_gram_stride(n), true);
        }
        if (rk__cuda_needs_blas(node->op)) {
            add(out, out_n, blas, RK_CUDA_BLAS_WORKSPACE, true);
        }
    }
    if (drawn_bytes > 0) {
        add(out, out_n, drawn, drawn_bytes, false);
    }
    return RK_OK;
}
