/*
 * Dense products through cuBLAS, in the precision that cuda.matmul names. The workspace is ours:
 * cuBLAS would otherwise allocate while a graph is captured.
 */
#include "device/cuda/context.h"

/* Sizes of the products that warm cuBLAS up: large enough for the tiles that it takes for batches,
 * small enough to cost nothing. */
enum { WARM_ROWS = 128, WARM_COLUMNS = 256, WARM_D = 64 };

/* What a gemm of transposed rows makes besides, of squares. */
static rk_status products_of_transposed(rk_device_context *context, const rk_cuda_product *p)
{
    static const cublasOperation_t kinds[] = {CUBLAS_OP_N, CUBLAS_OP_T};
    const float one = 1.0f, zero = 0.0f;
    const int d = (int)p->d;
    for (int i = 0; i < 2; i++) {
        RK_TRY_CUBLAS(cublasSgemm(context->blas, kinds[i], CUBLAS_OP_T, d, d, d, &one, p->columns,
                                  d, p->rows, d, &zero, p->products, d));
    }
    return RK_OK;
}

/* One product of each kind that the programs of this context make, of zeros. With its first product
 * of a kind the library loads a kernel (CUDA_MODULE_LOADING is LAZY by default) and sets things up,
 * which may break a capture if it happens inside of one. */
static rk_status warm_up(rk_device_context *context)
{
    const int64_t rows = WARM_ROWS * WARM_D, columns = WARM_COLUMNS * WARM_D;
    const int64_t bytes = (rows + columns + WARM_ROWS * WARM_COLUMNS) * (int64_t)sizeof(float);
    rk_status status = RK_OK;
    float *zeros = NULL;
    RK_TRY(rk__cuda_alloc(&zeros, bytes, "products that warm cuBLAS up"));
    const rk_cuda_product p = {.rows = zeros,
                               .columns = zeros + rows,
                               .n_rows = WARM_ROWS,
                               .n_columns = WARM_COLUMNS,
                               .d = WARM_D,
                               .products = zeros + rows + columns,
                               .stride = WARM_COLUMNS};
    cudaError_t error = cudaMemsetAsync(zeros, 0, (size_t)bytes, context->stream);
    if (error == cudaSuccess) {
        RK_TRY_GOTO(done, rk__cuda_blas_product(context, &p));
        RK_TRY_GOTO(done, rk__cuda_blas_weighted(context, &p, zeros));
        RK_TRY_GOTO(done, rk__cuda_blas_ranking(context, &p));
        RK_TRY_GOTO(done, products_of_transposed(context, &p));
        RK_TRY_GOTO(done, rk__cuda_gram_warm_up(context, zeros, bytes));
        error = cudaStreamSynchronize(context->stream);
    }
    if (error != cudaSuccess) {
        status = rk__cuda_failed(error, "cuBLAS's first products", __FILE__, __LINE__, __func__);
    }
done:
    cudaFree(zeros);
    return status;
}

static rk_status make_handle(rk_device_context *context)
{
    RK_TRY(rk__cuda_alloc(&context->blas_workspace, RK_CUDA_BLAS_WORKSPACE, "cuBLAS's workspace"));
    RK_TRY_CUBLAS(cublasCreate(&context->blas));
    RK_TRY_CUBLAS(cublasSetStream(context->blas, context->stream));
    RK_TRY_CUBLAS(
        cublasSetWorkspace(context->blas, context->blas_workspace, RK_CUDA_BLAS_WORKSPACE));
    RK_TRY_CUBLAS(cublasSetMathMode(context->blas, rk__cuda_blas_math(context)));
    return RK_OK;
}

/* What could not be warmed up is not kept: the next program would take it for ready. */
rk_status rk__cuda_blas_prepare(rk_device_context *context)
{
    if (context->blas) {
        return RK_OK;
    }
    rk_status status = make_handle(context);
    status = status == RK_OK ? warm_up(context) : status;
    if (status != RK_OK) {
        rk__cuda_blas_free(context);
    }
    return status;
}

cublasMath_t rk__cuda_blas_math(const rk_device_context *context)
{
    bool is_tf32 = context->options.matmul == RK_MATMUL_TF32;
    return is_tf32 ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_PEDANTIC_MATH;
}

void rk__cuda_blas_free(rk_device_context *context)
{
    if (context->blas) {
        cublasDestroy(context->blas);
    }
    cudaFree(context->blas_workspace);
    context->blas = NULL;
    context->blas_workspace = NULL;
}

/* Column-major: products^T [n_columns, n_rows] = columns [d, n_columns]^T rows [d, n_rows]. */
rk_status rk__cuda_blas_product(rk_device_context *context, const rk_cuda_product *p)
{
    const float one = 1.0f, zero = 0.0f;
    RK_TRY_CUBLAS(cublasSgemm(context->blas, CUBLAS_OP_T, CUBLAS_OP_N, (int)p->n_columns,
                              (int)p->n_rows, (int)p->d, &one, p->columns, (int)p->d, p->rows,
                              (int)p->d, &zero, p->products, (int)p->stride));
    return RK_OK;
}

rk_status rk__cuda_blas_ranking(rk_device_context *context, const rk_cuda_product *p)
{
    const float one = 1.0f, zero = 0.0f;
    const bool is_tensor = context->options.ranking == RK_RANKING_TENSOR;
    RK_TRY_CUBLAS(
        cublasSetMathMode(context->blas, is_tensor ? CUBLAS_DEFAULT_MATH : CUBLAS_PEDANTIC_MATH));
    RK_TRY_CUBLAS(
        cublasGemmEx(context->blas, CUBLAS_OP_T, CUBLAS_OP_N, (int)p->n_columns, (int)p->n_rows,
                     (int)p->d, &one, p->columns, CUDA_R_32F, (int)p->d, p->rows, CUDA_R_32F,
                     (int)p->d, &zero, p->products, CUDA_R_32F, (int)p->stride,
                     is_tensor ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F_PEDANTIC,
                     CUBLAS_GEMM_DEFAULT));
    RK_TRY_CUBLAS(cublasSetMathMode(context->blas, rk__cuda_blas_math(context)));
    return RK_OK;
}

/* Column-major: mean^T [d, n_rows] = columns^T [d, n_columns] products^T [n_columns, n_rows]. */
rk_status rk__cuda_blas_weighted(rk_device_context *context, const rk_cuda_product *p, float *mean)
{
    const float one = 1.0f, zero = 0.0f;
    RK_TRY_CUBLAS(cublasSgemm(context->blas, CUBLAS_OP_N, CUBLAS_OP_N, (int)p->d, (int)p->n_rows,
                              (int)p->n_columns, &one, p->columns, (int)p->d, p->products,
                              (int)p->stride, &zero, mean, (int)p->d));
    return RK_OK;
}
