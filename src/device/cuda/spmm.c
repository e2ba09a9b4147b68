/*
 * Full propagation through cuSPARSE's SpMM (CSR, row-major): the second path, chosen by
 * cuda.propagation = cusparse, and the yardstick of the first. It wants what the kernels do
 * without: a value array and offsets of the columns' type. Both are made on the host, so a graph
 * whose edges are drawn on the device is none for it.
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "device/cuda/context.h"

/* Weights scale[row] * scale[column] and 32-bit offsets, from the store's constants. */
static rk_status upload_matrix(rk_device_context *context, rk_cuda_graph *graph,
                               const int64_t *offsets, const int32_t *columns, const float *scale,
                               int64_t n)
{
    rk_status status = RK_OK;
    int32_t *offsets32 = NULL;
    float *values = NULL;
    int64_t nnz = offsets[n];
    RK_TRY_GOTO(done, rk__alloc(&offsets32, n + 1, sizeof *offsets32, "32-bit row offsets"));
    RK_TRY_GOTO(done, rk__alloc(&values, nnz, sizeof *values, "cuSPARSE's value array"));
    for (int64_t r = 0; r < n; r++) {
        offsets32[r] = (int32_t)offsets[r];
        for (int64_t e = offsets[r]; e < offsets[r + 1]; e++) {
            values[e] = scale[r] * scale[columns[e]];
        }
    }
    offsets32[n] = (int32_t)nnz;
    RK_TRY_GOTO(done, rk__cuda_alloc(&graph->offsets32, (n + 1) * 4, "32-bit row offsets"));
    RK_TRY_GOTO(done, rk__cuda_alloc(&graph->values, nnz * 4, "cuSPARSE's value array"));
    RK_TRY_GOTO(done, rk__cuda_upload(context, graph->offsets32, offsets32, (n + 1) * 4));
    RK_TRY_GOTO(done, rk__cuda_upload(context, graph->values, values, nnz * 4));
done:
    rk__free(offsets32);
    rk__free(values);
    return status;
}

static int32_t offsets_of(const rk_loaded *loaded, const rk_node *node)
{
    return loaded->program->tensors[node->in[0]].stored;
}

static rk_cuda_matrix *find_matrix(rk_loaded *loaded, const rk_node *node)
{
    for (int i = 0; i < loaded->n_matrices; i++) {
        if (loaded->matrices[i].stored_offsets == offsets_of(loaded, node)) {
            return &loaded->matrices[i];
        }
    }
    return NULL;
}

static rk_status make_matrix(rk_loaded *loaded, const rk_node *node)
{
    rk_cuda_graph *graph = rk__cuda_graph_find(loaded->context, offsets_of(loaded, node));
    rk_device_context *context = loaded->context;
    const rk_tensor *tensors = loaded->program->tensors;
    const rk_stored *items = context->store->items;
    const rk_stored *offsets = &items[tensors[node->in[0]].stored];
    const rk_stored *columns = &items[tensors[node->in[1]].stored];
    const rk_stored *scale = &items[tensors[node->in[2]].stored];
    int64_t n = offsets->rows - 1, nnz = columns->rows;
    if (nnz > INT32_MAX) {
        RK_FAIL(RK_ERR_DEVICE,
                "cuda.propagation = cusparse takes at most %d edges in both directions, the graph "
                "has %lld: use split_rows",
                INT32_MAX, (long long)nnz);
    }
    if (!context->sparse) {
        RK_TRY_CUSPARSE(cusparseCreate(&context->sparse));
        RK_TRY_CUSPARSE(cusparseSetStream(context->sparse, context->stream));
    }
    if (!graph->values) {
        RK_TRY(upload_matrix(context, graph, offsets->constant, columns->constant, scale->constant,
                             n));
    }
    RK_ASSERT(loaded->n_matrices < RK_CUDA_MAX_GRAPHS);
    rk_cuda_matrix *matrix = &loaded->matrices[loaded->n_matrices++];
    *matrix = (rk_cuda_matrix){.stored_offsets = graph->stored_offsets};
    RK_TRY_CUSPARSE(cusparseCreateCsr(&matrix->descriptor, n, n, nnz, graph->offsets32,
                                      rk__cuda_address(loaded, node->in[1]), graph->values,
                                      CUSPARSE_INDEX_32I, CUSPARSE_INDEX_32I,
                                      CUSPARSE_INDEX_BASE_ZERO, CUDA_R_32F));
    return RK_OK;
}

typedef struct operands {
    cusparseDnMatDescr_t x, y;
} operands;

static rk_status open_operands(rk_loaded *loaded, const rk_node *node, operands *out)
{
    const rk_tensor *y = &loaded->program->tensors[node->out[0]];
    RK_TRY_CUSPARSE(cusparseCreateDnMat(&out->x, y->rows, y->cols, y->cols,
                                        rk__cuda_address(loaded, node->in[3]), CUDA_R_32F,
                                        CUSPARSE_ORDER_ROW));
    RK_TRY_CUSPARSE(cusparseCreateDnMat(&out->y, y->rows, y->cols, y->cols,
                                        rk__cuda_address(loaded, node->out[0]), CUDA_R_32F,
                                        CUSPARSE_ORDER_ROW));
    return RK_OK;
}

static void close_operands(operands *o)
{
    if (o->x) {
        cusparseDestroyDnMat(o->x);
    }
    if (o->y) {
        cusparseDestroyDnMat(o->y);
    }
}

/* ALG2 is the one that is bit-reproducible for CSR, and the fastest on Hopper (performance.md 2).
 */
static const cusparseSpMMAlg_t ALGORITHM = CUSPARSE_SPMM_CSR_ALG2;

static rk_status size_and_preprocess(rk_loaded *loaded, const rk_node *node, rk_cuda_matrix *matrix,
                                     const operands *o)
{
    const float alpha = node->attr.weight[0], beta = 0.0f;
    size_t bytes = 0;
    RK_TRY_CUSPARSE(cusparseSpMM_bufferSize(
        loaded->context->sparse, CUSPARSE_OPERATION_NON_TRANSPOSE, CUSPARSE_OPERATION_NON_TRANSPOSE,
        &alpha, matrix->descriptor, o->x, &beta, o->y, CUDA_R_32F, ALGORITHM, &bytes));
    /* All propagations of a program have one shape: the buffer of the first serves all. */
    if (matrix->buffer) {
        return RK_OK;
    }
    RK_TRY(rk__cuda_alloc(&matrix->buffer, (int64_t)bytes, "cuSPARSE's buffer"));
    RK_TRY_CUSPARSE(cusparseSpMM_preprocess(
        loaded->context->sparse, CUSPARSE_OPERATION_NON_TRANSPOSE, CUSPARSE_OPERATION_NON_TRANSPOSE,
        &alpha, matrix->descriptor, o->x, &beta, o->y, CUDA_R_32F, ALGORITHM, matrix->buffer));
    return RK_OK;
}

bool rk__cuda_spmm_takes(const rk_program *program, const rk_node *node)
{
    return node->op == RK_OP_PROPAGATE && node->n_inputs == 4 &&
           program->tensors[node->in[0]].stored >= 0 &&
           program->tensors[node->in[3]].dtype == RK_F32 &&
           program->tensors[node->out[0]].dtype == RK_F32;
}

rk_status rk__cuda_spmm_prepare(rk_loaded *loaded, const rk_node *node)
{
    if (!find_matrix(loaded, node)) {
        RK_TRY(make_matrix(loaded, node));
    }
    operands o = {0};
    rk_status status = open_operands(loaded, node, &o);
    if (status == RK_OK) {
        status = size_and_preprocess(loaded, node, find_matrix(loaded, node), &o);
    }
    close_operands(&o);
    return status;
}

static rk_status run(rk_loaded *loaded, const rk_node *node, const operands *o)
{
    const float alpha = node->attr.weight[0], beta = 0.0f;
    const rk_cuda_matrix *matrix = find_matrix(loaded, node);
    RK_TRY_CUSPARSE(cusparseSpMM(loaded->context->sparse, CUSPARSE_OPERATION_NON_TRANSPOSE,
                                 CUSPARSE_OPERATION_NON_TRANSPOSE, &alpha, matrix->descriptor, o->x,
                                 &beta, o->y, CUDA_R_32F, ALGORITHM, matrix->buffer));
    return RK_OK;
}

rk_status rk__cuda_spmm(rk_loaded *loaded, const rk_node *node)
{
    operands o = {0};
    rk_status status = open_operands(loaded, node, &o);
    status = status == RK_OK ? run(loaded, node, &o) : status;
    close_operands(&o);
    return status;
}

void rk__cuda_spmm_free(rk_loaded *loaded)
{
    for (int i = 0; i < loaded->n_matrices; i++) {
        if (loaded->matrices[i].descriptor) {
            cusparseDestroySpMat(loaded->matrices[i].descriptor);
        }
        cudaFree(loaded->matrices[i].buffer);
    }
    loaded->n_matrices = 0;
}
