/* cuSOLVER: a handle of the context's, made when first needed. */
#include "base/alloc.h"
#include "device/cuda/context.h"

rk_status rk__cuda_solver_prepare(rk_device_context *context)
{
    if (context->solver) {
        return RK_OK;
    }
    RK_TRY_CUSOLVER(cusolverDnCreate(&context->solver));
    RK_TRY_CUSOLVER(cusolverDnCreateParams(&context->solver_params));
    RK_TRY_CUSOLVER(cusolverDnSetStream(context->solver, context->stream));
    return RK_OK;
}

void rk__cuda_solver_free(rk_device_context *context)
{
    if (context->solver_params) {
        cusolverDnDestroyParams(context->solver_params);
    }
    if (context->solver) {
        cusolverDnDestroy(context->solver);
    }
    rk__free(context->solver_host);
    context->solver_params = NULL;
    context->solver = NULL;
    context->solver_host = NULL;
}
