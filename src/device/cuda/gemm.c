/* Products of dense matrices through cuBLAS, in the precision of cuda.matmul. */
#include "device/cuda/context.h"

/* Column-major: y^T [m, n] = alpha op(w)^T op(x)^T + what is there. A row-major matrix is the
 * transposed column-major one. */
rk_status rk__cuda_gemm(const rk_call *call)
{
    rk_device_context *context = ((const rk_cuda_prepared *)call->prepared)->context;
    const rk_gemm_attr *a = &call->node->attr.gemm;
    const rk_tensor *x = rk__in(call, 0), *w = rk__in(call, 1), *y = rk__out(call, 0);
    const float keep = call->in[2] ? 1.0f : 0.0f;
    const int64_t k = a->transposed_x ? x->rows : x->cols;
    if (call->in[2]) {
        RK_TRY_CUDA(rk_cuda_repeat_bias(call->in[2], call->in[3], y, call->out[0], call->stream));
    }
    RK_TRY_CUBLAS(cublasSgemm(context->blas, a->transposed_w ? CUBLAS_OP_T : CUBLAS_OP_N,
                              a->transposed_x ? CUBLAS_OP_T : CUBLAS_OP_N, (int)y->cols,
                              (int)y->rows, (int)k, &a->alpha, call->in[1], (int)w->cols,
                              call->in[0], (int)x->cols, &keep, call->out[0], (int)y->cols));
    return RK_OK;
}
