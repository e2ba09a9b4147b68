/* Working memory: how large the tiles are that operations work in, and the bytes that a node needs.
 */
#include "base/alloc.h"
#include "device/cuda/context.h"

/* Scores of a tile of users for this many items at a time: 32 MB, which the second-level cache of
 * a large device holds until they are looked through. */
int64_t rk__cuda_tile_items(int64_t n_tile_users, int64_t n_items)
{
    const int64_t most =
        (32 << 20) / (int64_t)sizeof(float) / (n_tile_users > 0 ? n_tile_users : 1);
    int64_t tile = most > 256 ? most / 256 * 256 : 256;
    return tile < n_items ? tile : n_items;
}

/* Queries at a time, so that their products with n keys take 64 MB at most. */
int64_t rk__cuda_tile_queries(int64_t n)
{
    const int64_t most = (64 << 20) / (int64_t)sizeof(float) / (n > 0 ? n : 1);
    return most < 1 ? 1 : most < n ? most : n;
}

/* B of a loss that keeps a term for each triplet. */
static int64_t triplets_of(const rk_node *node)
{
    switch (node->op) {
    case RK_OP_SOFTMAX_LOSS:
        return node->attr.softmax.batch;
    case RK_OP_ALIGN_UNIFORM_LOSS:
        return node->attr.align.batch;
    case RK_OP_SLOT_LOSS:
        return node->attr.slot.batch;
    case RK_OP_NEIGHBOUR_LOSS:
        return node->attr.neighbour.batch;
    default:
        return node->attr.batch;
    }
}

rk_status rk__cuda_scratch(rk_device_context *context, const rk_program *program,
                           const rk_node *node, int64_t *out_bytes)
{
    const rk_tensor *tensors = program->tensors;
    const rk_tensor *first = node->n_inputs > 0 ? &tensors[node->in[0]] : NULL;
    int64_t elements = 0;
    *out_bytes = 0;
    switch (node->op) {
    case RK_OP_UNIQUE_ROWS:
        *out_bytes = rk_cuda_unique_rows_scratch(first->rows, node->attr.n_nodes);
        return RK_OK;
    case RK_OP_DROP_EDGES:
        *out_bytes =
            rk_cuda_drop_edges_scratch(rk__cuda_graph_size(context, program, node).n_pieces);
        return RK_OK;
    case RK_OP_PROPAGATE:
    case RK_OP_PROPAGATE_ROWS:
    case RK_OP_PROPAGATE_FROM_ROWS:
    case RK_OP_PROPAGATE_ADAM:
    case RK_OP_PROPAGATE_FROM_ROWS_ADAM:
    case RK_OP_FOLD:
    case RK_OP_FOLD_FROM_ROWS:
    case RK_OP_UNFOLD:
    case RK_OP_UNFOLD_ROWS: {
        int64_t slots = rk__cuda_graph_size(context, program, node).n_slots;
        int64_t d = tensors[node->in[3]].cols;
        RK_TRY(
            rk__mul(&elements, slots, d * (int64_t)sizeof(float), "the partial sums of long rows"));
        *out_bytes = rk_cuda_propagate_scratch(slots, tensors[node->in[2]].rows, d);
        return RK_OK;
    }
    case RK_OP_BPR_LOSS:
    case RK_OP_SOFTMAX_LOSS:
    case RK_OP_ALIGN_UNIFORM_LOSS:
    case RK_OP_SLOT_LOSS:
    case RK_OP_NEIGHBOUR_LOSS:
        *out_bytes = triplets_of(node) * (int64_t)sizeof(double);
        return RK_OK;
    case RK_OP_ATTEND:
        elements = node->attr.attend.n;
        RK_TRY(rk__mul(out_bytes, elements,
                       rk__cuda_tile_queries(elements) * (int64_t)sizeof(float),
                       "a tile of logits"));
        return RK_OK;
    case RK_OP_L2_LOSS:
        *out_bytes = (5 * first->rows + 4) * (int64_t)sizeof(double);
        return RK_OK;
    case RK_OP_CONTRAST_LOSS:
        *out_bytes = 2 * node->attr.contrast.batch * (int64_t)sizeof(double);
        return RK_OK;
    case RK_OP_TABLE_DOTS:
        RK_TRY(rk__mul(&elements, first->rows, first->cols, "a table"));
        *out_bytes = rk_cuda_table_dots_scratch(elements, node->n_inputs - 1);
        return RK_OK;
    case RK_OP_CLIP_FACTOR: {
        rk_gradients gradients = {.count = node->n_inputs};
        for (int i = 0; i < gradients.count; i++) {
            gradients.n[i] = tensors[node->in[i]].rows * tensors[node->in[i]].cols;
        }
        *out_bytes = rk_cuda_clip_factor_scratch(&gradients);
        return RK_OK;
    }
    case RK_OP_GRAM_PRODUCT:
        *out_bytes =
            context->options.gram == RK_GRAM_SPLIT
                ? rk__cuda_gram_scratch(first->rows, tensors[node->in[1]].cols, node->attr.halves)
                : 0;
        return RK_OK;
    case RK_OP_SCORE_TOPK: {
        int64_t n = tensors[node->in[1]].rows;
        *out_bytes = rk_cuda_topk_scratch(n, node->attr.topk.k) +
                     (n * first->cols + n * rk__cuda_tile_items(n, node->attr.topk.n_items)) *
                         (int64_t)sizeof(float);
        return RK_OK;
    }
    default:
        return RK_OK;
    }
}
