/*
 * The inverse of a positive definite matrix through cuSOLVER: its Cholesky factor, then the inverse
 * of that. Our lower triangle is the upper one of a column-major matrix.
 */
#include <math.h>

#include "base/alloc.h"
#include "device/cuda/context.h"

enum {
    INFO_BYTES = 256,  /* two ints: what the two calls say */
    MOST_ROWS = 46340, /* cusolverDnSpotri counts elements in 32 bits */
};

/* Of the matrix's diagonal, behind those. */
static int64_t diagonal_bytes(int64_t n)
{
    return (n * (int64_t)sizeof(float) + INFO_BYTES - 1) / INFO_BYTES * INFO_BYTES;
}

typedef struct sizes {
    size_t factor, host; /* bytes for cusolverDnXpotrf, here and on the host */
    int inverse;         /* floats for cusolverDnSpotri */
} sizes;

static rk_status sizes_of(rk_device_context *context, int64_t n, float *matrix, sizes *out)
{
    if (n > MOST_ROWS) {
        RK_FAIL(RK_ERR_DEVICE,
                "the inverse of a matrix of %lld rows: on a CUDA device at most %d; "
                "take run.device=cpu",
                (long long)n, MOST_ROWS);
    }
    RK_TRY(rk__cuda_solver_prepare(context));
    RK_TRY_CUSOLVER(cusolverDnXpotrf_bufferSize(context->solver, context->solver_params,
                                                CUBLAS_FILL_MODE_UPPER, n, CUDA_R_32F, matrix, n,
                                                CUDA_R_32F, &out->factor, &out->host));
    RK_TRY_CUSOLVER(cusolverDnSpotri_bufferSize(context->solver, CUBLAS_FILL_MODE_UPPER, (int)n,
                                                matrix, (int)n, &out->inverse));
    return RK_OK;
}

/* Room of the host for the factor: the largest that a program of the context needs. */
rk_status rk__cuda_inverse_prepare(rk_device_context *context, const rk_call *call)
{
    sizes s = {0};
    RK_TRY(sizes_of(context, rk__in(call, 0)->rows, call->in[0], &s));
    if (s.host > context->solver_host_bytes) {
        RK_TRY(rk__realloc(&context->solver_host, (int64_t)context->solver_host_bytes,
                           (int64_t)s.host, 1, "cuSOLVER's working memory"));
        context->solver_host_bytes = s.host;
    }
    return RK_OK;
}

/* A failure shows when the program is loaded: nothing is asked for here. */
int64_t rk_cuda_scratch_spd_inverse(const rk_call *call)
{
    const rk_cuda_prepared *prepared = call->prepared;
    sizes s = {0};
    if (sizes_of(prepared->context, rk__in(call, 0)->rows, call->in[0], &s) != RK_OK) {
        return 0;
    }
    int64_t inverse = (int64_t)s.inverse * (int64_t)sizeof(float);
    return INFO_BYTES + diagonal_bytes(rk__in(call, 0)->rows) +
           (inverse > (int64_t)s.factor ? inverse : (int64_t)s.factor);
}

rk_status rk__cuda_spd_inverse(const rk_call *call)
{
    rk_device_context *context = ((const rk_cuda_prepared *)call->prepared)->context;
    int64_t n = rk__in(call, 0)->rows;
    float *matrix = call->in[0];
    int *info = call->scratch;
    float *diagonal = (float *)((char *)call->scratch + INFO_BYTES);
    void *work = (char *)diagonal + diagonal_bytes(n);
    sizes s = {0};
    RK_TRY(sizes_of(context, n, matrix, &s));
    RK_TRY_CUDA(rk_cuda_keep_diagonal(matrix, n, diagonal, &context->launches));
    RK_TRY_CUSOLVER(cusolverDnXpotrf(context->solver, context->solver_params,
                                     CUBLAS_FILL_MODE_UPPER, n, CUDA_R_32F, matrix, n, CUDA_R_32F,
                                     work, s.factor, context->solver_host, s.host, info));
    RK_TRY_CUSOLVER(cusolverDnSpotri(context->solver, CUBLAS_FILL_MODE_UPPER, (int)n, matrix,
                                     (int)n, work, s.inverse, info + 1));
    RK_TRY_CUDA(rk_cuda_end_inverse(matrix, n, diagonal, info, call->in[1], (double)NAN,
                                    &context->launches));
    return RK_OK;
}
