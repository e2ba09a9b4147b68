/*
 * The eigenvectors of a symmetric matrix through cuSOLVER: its columns, with values that rise.
 */
#include <math.h>

#include "device/cuda/context.h"

enum { INFO_BYTES = 256 };

/* Doubles of cuSOLVER's working memory. */
static rk_status work_of(rk_device_context *context, int n, int *out)
{
    RK_TRY(rk__cuda_solver_prepare(context));
    RK_TRY_CUSOLVER(cusolverDnDsyevd_bufferSize(context->solver, CUSOLVER_EIG_MODE_VECTOR,
                                                CUBLAS_FILL_MODE_LOWER, n, NULL, n, NULL, out));
    return RK_OK;
}

/* A failure shows when the program is run: nothing is asked for here. */
int64_t rk_cuda_scratch_ritz(const rk_call *call)
{
    const rk_cuda_prepared *prepared = call->prepared;
    const int64_t n = call->node->attr.basis.used;
    int work = 0;
    if (work_of(prepared->context, (int)n, &work) != RK_OK) {
        return 0;
    }
    return INFO_BYTES + (n * n + n + work) * (int64_t)sizeof(double);
}

rk_status rk__cuda_ritz(const rk_call *call)
{
    rk_device_context *context = ((const rk_cuda_prepared *)call->prepared)->context;
    const rk_basis_attr *a = &call->node->attr.basis;
    const int64_t n = a->used, width = rk__in(call, 0)->cols;
    int work = 0;
    int *info = call->scratch;
    double *vectors = (double *)(void *)((char *)call->scratch + INFO_BYTES);
    double *values = vectors + n * n;
    RK_TRY(work_of(context, (int)n, &work));
    RK_TRY_CUDA(rk_cuda_ritz_begin(call->out[2], width, vectors, n, &context->launches));
    RK_TRY_CUSOLVER(cusolverDnDsyevd(context->solver, CUSOLVER_EIG_MODE_VECTOR,
                                     CUBLAS_FILL_MODE_LOWER, (int)n, vectors, (int)n, values,
                                     values + n, work, info));
    const rk_eigenvectors end = {.vectors = vectors,
                                 .values = values,
                                 .info = info,
                                 .state = call->in[1],
                                 .n = n,
                                 .width = width,
                                 .kept = a->kept,
                                 .bad = (double)NAN};
    RK_TRY_CUDA(
        rk_cuda_ritz_end(&end, call->out[0], call->out[1], call->out[2], &context->launches));
    return RK_OK;
}
