/*
 * Dense products through cuBLAS, in the precision that cuda.matmul names. The workspace is ours:
 * cuBLAS would otherwise allocate while a graph is captured.
 */
#include "device/cuda/context.h"

rk_status rk__cuda_blas_prepare(rk_device_context *context)
{
    if (context->blas) {
        return RK_OK;
    }
    RK_TRY(rk__cuda_alloc(&context->blas_workspace, RK_CUDA_BLAS_WORKSPACE, "cuBLAS's workspace"));
    RK_TRY_CUBLAS(cublasCreate(&context->blas));
    RK_TRY_CUBLAS(cublasSetStream(context->blas, context->stream));
    RK_TRY_CUBLAS(
        cublasSetWorkspace(context->blas, context->blas_workspace, RK_CUDA_BLAS_WORKSPACE));
    RK_TRY_CUBLAS(cublasSetMathMode(context->blas, rk__cuda_blas_math(context)));
    return RK_OK;
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

rk_status rk__cuda_blas_scores(rk_device_context *context, const float *users, int64_t n_users,
                               const float *items, int64_t n_items, int64_t d, float *scores,
                               int64_t stride)
{
    const float one = 1.0f, zero = 0.0f;
    /* Column-major: scores^T [n_items, n_users] = items [d, n_items]^T users [d, n_users]. */
    RK_TRY_CUBLAS(cublasSgemm(context->blas, CUBLAS_OP_T, CUBLAS_OP_N, (int)n_items, (int)n_users,
                              (int)d, &one, items, (int)d, users, (int)d, &zero, scores,
                              (int)stride));
    return RK_OK;
}

rk_status rk__cuda_blas_ranking(rk_device_context *context, const float *users, int64_t n_users,
                                const float *items, int64_t n_items, int64_t d, float *scores,
                                int64_t stride)
{
    const float one = 1.0f, zero = 0.0f;
    const bool is_tensor = context->options.ranking == RK_RANKING_TENSOR;
    RK_TRY_CUBLAS(
        cublasSetMathMode(context->blas, is_tensor ? CUBLAS_DEFAULT_MATH : CUBLAS_PEDANTIC_MATH));
    RK_TRY_CUBLAS(cublasGemmEx(
        context->blas, CUBLAS_OP_T, CUBLAS_OP_N, (int)n_items, (int)n_users, (int)d, &one, items,
        CUDA_R_32F, (int)d, users, CUDA_R_32F, (int)d, &zero, scores, CUDA_R_32F, (int)stride,
        is_tensor ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F_PEDANTIC,
        CUBLAS_GEMM_DEFAULT));
    RK_TRY_CUBLAS(cublasSetMathMode(context->blas, rk__cuda_blas_math(context)));
    return RK_OK;
}

rk_status rk__cuda_blas_weighted(rk_device_context *context, const float *weights, int64_t n,
                                 const float *keys, int64_t n_keys, int64_t d, float *mean)
{
    const float one = 1.0f, zero = 0.0f;
    /* Column-major: mean^T [d, n] = keys^T [d, n_keys] weights^T [n_keys, n]. */
    RK_TRY_CUBLAS(cublasSgemm(context->blas, CUBLAS_OP_N, CUBLAS_OP_N, (int)d, (int)n, (int)n_keys,
                              &one, keys, (int)d, weights, (int)n_keys, &zero, mean, (int)d));
    return RK_OK;
}
