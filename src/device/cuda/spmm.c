/*
 * Full propagation through cuSPARSE's SpMM (CSR, row-major): the second path, chosen by
 * cuda.propagation = cusparse, and the yardstick of the first. It wants what the kernels do
 * without: a value array and offsets of the columns' type. Both are made on the host, so a graph
 * whose edges are drawn on the device is not supported.
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

static rk_cuda_matrix *find_matrix(const rk_loaded *loaded, int32_t stored_offsets)
{
    rk_cuda_matrix *matrix = loaded->matrices;
    while (matrix && matrix->stored_offsets != stored_offsets) {
        matrix = matrix->next;
    }
    return matrix;
}

static rk_status make_matrix(rk_loaded *loaded, const rk_call *call)
{
    rk_device_context *context = loaded->context;
    const rk_stored *items = context->store->items;
    const rk_stored *offsets = &items[rk__in(call, 0)->stored];
    const rk_stored *columns = &items[rk__in(call, 1)->stored];
    const rk_stored *scale = &items[rk__in(call, 2)->stored];
    rk_cuda_graph *graph = rk__cuda_graph_find(context, rk__in(call, 0)->stored);
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
    rk_cuda_matrix *matrix = NULL;
    RK_TRY(rk__calloc(&matrix, 1, sizeof *matrix, "a matrix of cuSPARSE's"));
    matrix->stored_offsets = graph->stored_offsets;
    matrix->next = loaded->matrices;
    loaded->matrices = matrix;
    RK_TRY_CUSPARSE(cusparseCreateCsr(&matrix->descriptor, n, n, nnz, graph->offsets32, call->in[1],
                                      graph->values, CUSPARSE_INDEX_32I, CUSPARSE_INDEX_32I,
                                      CUSPARSE_INDEX_BASE_ZERO, CUDA_R_32F));
    return RK_OK;
}

typedef struct operands {
    cusparseDnMatDescr_t x, y;
} operands;

/* The operation's own, but that the result goes to `result`. */
static rk_status open_operands(const rk_call *call, void *result, operands *out)
{
    const rk_tensor *y = rk__out(call, 0);
    RK_TRY_CUSPARSE(cusparseCreateDnMat(&out->x, y->rows, y->cols, y->cols, call->in[3], CUDA_R_32F,
                                        CUSPARSE_ORDER_ROW));
    RK_TRY_CUSPARSE(cusparseCreateDnMat(&out->y, y->rows, y->cols, y->cols, result, CUDA_R_32F,
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

/* ALG3 is the one for CSR that gives the same bits every time. The documentation claims it of ALG2
 * too, but an engineer of NVIDIA's names ALG3 alone (github.com/jax-ml/jax/issues/10255), and ALG2
 * was seen to differ between runs on an A100 (github.com/jaemolihm/ElectronPhonon.jl/pull/38).
 * ALG1 and ALG3 are the two that gain by preprocessing, says the documentation of cusparseSpMM. */
static const cusparseSpMMAlg_t ALGORITHM = CUSPARSE_SPMM_CSR_ALG3;

static rk_status size_and_preprocess(const rk_device_context *context, const rk_call *call,
                                     rk_cuda_matrix *matrix, const operands *o)
{
    const float alpha = call->node->attr.weight[0], beta = 0.0f;
    size_t bytes = 0;
    RK_TRY_CUSPARSE(cusparseSpMM_bufferSize(
        context->sparse, CUSPARSE_OPERATION_NON_TRANSPOSE, CUSPARSE_OPERATION_NON_TRANSPOSE, &alpha,
        matrix->descriptor, o->x, &beta, o->y, CUDA_R_32F, ALGORITHM, &bytes));
    /* All propagations of a program have one shape: the buffer of the first serves all. */
    if (matrix->buffer) {
        return RK_OK;
    }
    RK_TRY(rk__cuda_alloc(&matrix->buffer, (int64_t)bytes, "cuSPARSE's buffer"));
    RK_TRY_CUSPARSE(cusparseSpMM_preprocess(
        context->sparse, CUSPARSE_OPERATION_NON_TRANSPOSE, CUSPARSE_OPERATION_NON_TRANSPOSE, &alpha,
        matrix->descriptor, o->x, &beta, o->y, CUDA_R_32F, ALGORITHM, matrix->buffer));
    return RK_OK;
}

bool rk__cuda_spmm_takes(const rk_device_context *context, const rk_program *program,
                         const rk_node *node)
{
    return context->options.propagation == RK_PROPAGATION_CUSPARSE && node->op == RK_OP_PROPAGATE &&
           node->n_inputs == 4 && program->tensors[node->in[0]].stored >= 0 &&
           program->tensors[node->in[3]].dtype == RK_F32 &&
           program->tensors[node->out[0]].dtype == RK_F32;
}

/* ---- instead of the kernel ---- */

static rk_status multiply(const rk_call *call, const operands *o)
{
    const rk_cuda_prepared *prepared = call->prepared;
    const float alpha = call->node->attr.weight[0], beta = 0.0f;
    RK_TRY_CUSPARSE(cusparseSpMM(prepared->context->sparse, CUSPARSE_OPERATION_NON_TRANSPOSE,
                                 CUSPARSE_OPERATION_NON_TRANSPOSE, &alpha,
                                 prepared->matrix->descriptor, o->x, &beta, o->y, CUDA_R_32F,
                                 ALGORITHM, prepared->matrix->buffer));
    return RK_OK;
}

static rk_status multiply_into(const rk_call *call, void *result)
{
    operands o = {0};
    rk_status status = open_operands(call, result, &o);
    status = status == RK_OK ? multiply(call, &o) : status;
    close_operands(&o);
    return status;
}

static rk_status spmm(const rk_call *call)
{
    return multiply_into(call, call->out[0]);
}

/* ---- making it ready ---- */

/* The product once, before any capture: with the first one cuSPARSE loads its kernels. Nothing has
 * been computed in the program's temporaries yet; a stored result keeps what it holds. */
static rk_status warm_up(rk_device_context *context, const rk_call *call)
{
    const rk_tensor *y = rk__out(call, 0);
    void *aside = NULL;
    if (y->stored >= 0) {
        RK_TRY(rk__cuda_alloc(&aside, rk__tensor_bytes(y), "cuSPARSE's first product"));
    }
    rk_status status = multiply_into(call, aside ? aside : call->out[0]);
    if (status == RK_OK) {
        cudaError_t error = cudaStreamSynchronize(context->stream);
        status = error == cudaSuccess ? RK_OK
                                      : rk__cuda_failed(error, "cuSPARSE's first product", __FILE__,
                                                        __LINE__, __func__);
    }
    cudaFree(aside);
    return status;
}

rk_status rk__cuda_spmm_prepare(rk_loaded *loaded, rk_cuda_node *node)
{
    int32_t stored = rk__in(&node->call, 0)->stored;
    if (!find_matrix(loaded, stored)) {
        RK_TRY(make_matrix(loaded, &node->call));
    }
    rk_cuda_matrix *matrix = find_matrix(loaded, stored);
    bool is_first = !matrix->buffer;
    operands o = {0};
    rk_status status = open_operands(&node->call, node->call.out[0], &o);
    if (status == RK_OK) {
        status = size_and_preprocess(loaded->context, &node->call, matrix, &o);
    }
    close_operands(&o);
    node->prepared.context = loaded->context;
    node->prepared.matrix = matrix;
    node->launcher = (rk_cuda_launcher){.library = spmm};
    return status == RK_OK && is_first ? warm_up(loaded->context, &node->call) : status;
}

void rk__cuda_spmm_free(rk_loaded *loaded)
{
    while (loaded->matrices) {
        rk_cuda_matrix *matrix = loaded->matrices;
        loaded->matrices = matrix->next;
        if (matrix->descriptor) {
            cusparseDestroySpMat(matrix->descriptor);
        }
        cudaFree(matrix->buffer);
        rk__free(matrix);
    }
}
