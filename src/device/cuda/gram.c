/*
 * Products of pair tables with the Gram matrix through cuBLAS, by cuda.gram in fp32 or of halves
 * (kernels/gram.cu) with fp32 sums. Training rests on them, so cuda.matmul changes neither.
 */
#include "base/alloc.h"
#include "device/cuda/context.h"

/* Tensor cores cut their sums instead of rounding them: the longer a sum, the larger the error.
 * cuBLAS adds what it gets to what is there in fp32, so a sum over n is made of pieces. */
enum { DEPTH = 2048 };

/* Rows begin at multiples of 128 bytes, as tensor cores want them. */
static int64_t stride_of(int64_t n)
{
    return (n + 63) / 64 * 64;
}

static int64_t aligned(int64_t bytes)
{
    return (bytes + 255) / 256 * 256;
}

/* ---- the halves of a matrix ---- */

int64_t rk__cuda_gram_bytes(int64_t n)
{
    return 2 * n * stride_of(n) * (int64_t)sizeof(rk_half);
}

static rk_cuda_gram *find(rk_device_context *context, int32_t stored)
{
    rk_cuda_gram *gram = context->grams;
    while (gram && gram->stored != stored) {
        gram = gram->next;
    }
    return gram;
}

static rk_status make_halves(rk_device_context *context, const rk_tensor *matrix,
                             const float *values)
{
    if (matrix->stored < 0) {
        RK_FAIL(RK_ERR_INTERNAL, "the Gram matrix %s is no stored tensor", matrix->name);
    }
    int64_t n = matrix->rows;
    rk_cuda_gram *gram = NULL;
    RK_TRY(rk__calloc(&gram, 1, sizeof *gram, "the Gram matrix in halves"));
    rk_status status = rk__cuda_alloc(&gram->high, rk__cuda_gram_bytes(n),
                                      "the Gram matrix in halves (graph.form direct needs none)");
    if (status != RK_OK) {
        rk__free(gram);
        return status;
    }
    gram->stored = matrix->stored;
    gram->low = gram->high + n * stride_of(n);
    gram->next = context->grams;
    context->grams = gram;
    RK_TRY_CUDA(
        rk_cuda_gram_cut(values, n, stride_of(n), gram->high, gram->low, &context->launches));
    return RK_OK;
}

rk_status rk__cuda_gram_prepare(rk_loaded *loaded, rk_cuda_node *node)
{
    const rk_tensor *matrix = rk__in(&node->call, 0);
    if (loaded->context->options.gram != RK_GRAM_SPLIT) {
        return RK_OK;
    }
    if (!find(loaded->context, matrix->stored)) {
        RK_TRY(make_halves(loaded->context, matrix, node->call.in[0]));
    }
    node->prepared.gram = find(loaded->context, matrix->stored);
    return RK_OK;
}

void rk__cuda_grams_free(rk_device_context *context)
{
    while (context->grams) {
        rk_cuda_gram *gram = context->grams;
        context->grams = gram->next;
        cudaFree(gram->high);
        rk__free(gram);
    }
}

/* ---- the product ---- */

/* The scratch memory: the largest element, the packed table, the sums. */
static rk_pair_product pair_product(const rk_call *call)
{
    rk_pair_product p = {.n = rk__in(call, 0)->rows,
                         .d = rk__in(call, 1)->cols,
                         .halves = call->node->attr.halves,
                         .largest = call->scratch};
    char *rest = call->scratch;
    rest += aligned((int64_t)sizeof *p.largest);
    p.packed = (rk_half *)(void *)rest;
    rest += aligned(p.n * 2 * p.halves * p.d * (int64_t)sizeof *p.packed);
    p.sums = (float *)(void *)rest;
    return p;
}

int64_t rk_cuda_scratch_gram_product(const rk_call *call)
{
    const rk_cuda_prepared *prepared = call->prepared;
    if (prepared->context->options.gram != RK_GRAM_SPLIT) {
        return 0;
    }
    int64_t elements = rk__in(call, 0)->rows * 2 * call->node->attr.halves * rk__in(call, 1)->cols;
    return aligned((int64_t)sizeof(int)) + aligned(elements * (int64_t)sizeof(rk_half)) +
           elements * (int64_t)sizeof(float);
}

/* sums += the product of rows k to k + depth of the packed table, of their first columns, with a
 * part of C; column-major: sums^T [columns, n] = packed^T [columns, depth] part [depth, n]. */
static rk_status multiply_part(rk_device_context *context, const rk_pair_product *p,
                               const rk_half *part, int64_t k, int64_t columns, bool is_first)
{
    const float one = 1.0f, keep = is_first ? 0.0f : 1.0f;
    int64_t width = 2 * p->halves * p->d, depth = p->n - k < DEPTH ? p->n - k : DEPTH;
    RK_TRY_CUBLAS(cublasGemmEx(context->blas, CUBLAS_OP_N, CUBLAS_OP_N, (int)columns, (int)p->n,
                               (int)depth, &one, p->packed + k * width, CUDA_R_16F, (int)width,
                               part + k, CUDA_R_16F, (int)stride_of(p->n), &keep, p->sums,
                               CUDA_R_32F, (int)width, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT));
    return RK_OK;
}

static rk_status multiply_split(const rk_call *call)
{
    const rk_cuda_prepared *prepared = call->prepared;
    const rk_pair_product p = pair_product(call);
    int64_t width = 2 * p.halves * p.d;
    RK_TRY_CUDA(rk_cuda_gram_pack(&p, call->in[1], call->stream));
    for (int64_t k = 0; k < p.n; k += DEPTH) {
        RK_TRY(multiply_part(prepared->context, &p, prepared->gram->high, k, width, k == 0));
        RK_TRY(multiply_part(prepared->context, &p, prepared->gram->low, k, width / 2, false));
    }
    RK_TRY_CUDA(rk_cuda_gram_unpack(&p, call->out[0], call->stream));
    return RK_OK;
}

typedef struct plain_product {
    const float *gram, *x; /* [n, n], [halves, n, d] */
    float *y;              /* [halves, n, d] */
    int64_t n, d;
    int halves;
} plain_product;

/* Column-major: y^T [d, n] = x^T [d, n] C. The halves are a batch, so that both read C at once and
 * fill the device. */
static rk_status multiply_fp32(rk_device_context *context, const plain_product *p)
{
    const float one = 1.0f, zero = 0.0f;
    RK_TRY_CUBLAS(cublasSgemmStridedBatched(context->blas, CUBLAS_OP_N, CUBLAS_OP_N, (int)p->d,
                                            (int)p->n, (int)p->n, &one, p->x, (int)p->d,
                                            p->n * p->d, p->gram, (int)p->n, 0, &zero, p->y,
                                            (int)p->d, p->n * p->d, p->halves));
    return RK_OK;
}

static cublasMath_t math_of(const rk_device_context *context)
{
    bool is_split = context->options.gram == RK_GRAM_SPLIT;
    return is_split ? CUBLAS_DEFAULT_MATH : CUBLAS_PEDANTIC_MATH;
}

/* Square matrices of 64 rows: four of floats are asked for. */
rk_status rk__cuda_gram_warm_up(rk_device_context *context, void *zeros, int64_t bytes)
{
    enum { N = 64 };
    float *floats = zeros;
    const rk_pair_product p = {
        .n = N, .d = N / 2, .halves = 1, .packed = zeros, .sums = floats + (ptrdiff_t)2 * N * N};
    const plain_product plain = {.gram = floats,
                                 .x = floats + (ptrdiff_t)N * N,
                                 .y = floats + (ptrdiff_t)2 * N * N,
                                 .n = N,
                                 .d = N / 2,
                                 .halves = 2};
    RK_ASSERT(bytes >= 4 * N * N * (int64_t)sizeof(float));
    RK_TRY_CUBLAS(cublasSetMathMode(context->blas, math_of(context)));
    if (context->options.gram == RK_GRAM_SPLIT) {
        RK_TRY(multiply_part(context, &p, zeros, 0, N, true));
    } else {
        RK_TRY(multiply_fp32(context, &plain));
    }
    RK_TRY_CUBLAS(cublasSetMathMode(context->blas, rk__cuda_blas_math(context)));
    return RK_OK;
}

rk_status rk__cuda_gram_product(const rk_call *call)
{
    rk_device_context *context = ((const rk_cuda_prepared *)call->prepared)->context;
    int64_t half = rk__in(call, 0)->rows * rk__in(call, 1)->cols;
    float *y = call->out[0];
    const plain_product plain = {.gram = call->in[0],
                                 .x = call->in[1],
                                 .y = y,
                                 .n = rk__in(call, 0)->rows,
                                 .d = rk__in(call, 1)->cols,
                                 .halves = call->node->attr.halves};
    RK_TRY_CUBLAS(cublasSetMathMode(context->blas, math_of(context)));
    RK_TRY(context->options.gram == RK_GRAM_SPLIT ? multiply_split(call)
                                                  : multiply_fp32(context, &plain));
    RK_TRY_CUBLAS(cublasSetMathMode(context->blas, rk__cuda_blas_math(context)));
    if (call->node->attr.halves == 1) {
        RK_TRY_CUDA(cudaMemsetAsync(y + half, 0, (size_t)half * sizeof *y, context->stream));
    }
    return RK_OK;
}
