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
int64_t rk__cuda_gram_stride(int64_t n)
{
    return (n + 63) / 64 * 64;
}

static int64_t aligned(int64_t bytes)
{
    return (bytes + 255) / 256 * 256;
}

/* The largest element, the packed table, the sums. */
int64_t rk__cuda_gram_scratch(int64_t n, int64_t d, int64_t halves)
{
    int64_t elements = n * 2 * halves * d;
    return aligned((int64_t)sizeof(int)) + aligned(elements * (int64_t)sizeof(rk_half)) +
           elements * (int64_t)sizeof(float);
}

static rk_cuda_gram *find(rk_device_context *context, int32_t stored)
{
    for (int i = 0; i < context->n_grams; i++) {
        if (context->grams[i].stored == stored) {
            return &context->grams[i];
        }
    }
    return NULL;
}

rk_status rk__cuda_gram_prepare(rk_loaded *loaded, const rk_node *node)
{
    rk_device_context *context = loaded->context;
    const rk_tensor *gram = &loaded->program->tensors[node->in[0]];
    if (context->options.gram != RK_GRAM_SPLIT || find(context, gram->stored)) {
        return RK_OK;
    }
    if (gram->stored < 0 || context->n_grams == RK_CUDA_MAX_GRAPHS) {
        RK_FAIL(RK_ERR_INTERNAL, "the Gram matrix %s is no stored tensor, or there are too many",
                gram->name);
    }
    int64_t elements = gram->rows * rk__cuda_gram_stride(gram->rows);
    rk_half *high = NULL;
    RK_TRY(rk__cuda_alloc(&high, 2 * elements * (int64_t)sizeof *high,
                          "the Gram matrix in halves (graph.form direct needs none)"));
    context->grams[context->n_grams++] = (rk_cuda_gram){gram->stored, high, high + elements};
    RK_TRY_CUDA(rk_cuda_gram_cut(rk__cuda_address(loaded, node->in[0]), gram->rows,
                                 rk__cuda_gram_stride(gram->rows), high, high + elements,
                                 context->stream));
    return RK_OK;
}

void rk__cuda_grams_free(rk_device_context *context)
{
    for (int i = 0; i < context->n_grams; i++) {
        cudaFree(context->grams[i].high);
    }
    context->n_grams = 0;
}

/* sums [n, width] += packed^T's product with `columns` columns, column-major: sums^T [columns, n]
 * = packed^T [columns, depth] part [depth, n]. */
static rk_status multiply_part(rk_device_context *context, const rk_half *packed,
                               const rk_half *part, int64_t n, int64_t depth, int64_t columns,
                               int64_t width, bool is_first, float *sums)
{
    const float one = 1.0f, keep = is_first ? 0.0f : 1.0f;
    RK_TRY_CUBLAS(cublasGemmEx(context->blas, CUBLAS_OP_N, CUBLAS_OP_N, (int)columns, (int)n,
                               (int)depth, &one, packed, CUDA_R_16F, (int)width, part, CUDA_R_16F,
                               (int)rk__cuda_gram_stride(n), &keep, sums, CUDA_R_32F, (int)width,
                               CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT));
    return RK_OK;
}

static rk_status multiply_split(rk_loaded *loaded, const rk_cuda_gram *gram, const float *x,
                                int64_t n, int64_t d, int64_t halves, float *y)
{
    rk_device_context *context = loaded->context;
    int64_t width = 2 * halves * d;
    char *rest = loaded->scratch;
    int *largest = (int *)(void *)rest;
    rk_half *packed = (rk_half *)(void *)(rest += aligned((int64_t)sizeof *largest));
    rest += aligned(n * width * (int64_t)sizeof *packed);
    float *sums = (float *)(void *)rest;
    RK_TRY_CUDA(rk_cuda_gram_pack(x, n, d, halves, packed, largest, context->stream));
    for (int64_t k = 0; k < n; k += DEPTH) {
        int64_t depth = n - k < DEPTH ? n - k : DEPTH;
        const rk_half *columns = packed + k * width;
        RK_TRY(
            multiply_part(context, columns, gram->high + k, n, depth, width, width, k == 0, sums));
        RK_TRY(multiply_part(context, columns, gram->low + k, n, depth, width / 2, width, false,
                             sums));
    }
    RK_TRY_CUDA(rk_cuda_gram_unpack(sums, largest, n, d, halves, y, context->stream));
    return RK_OK;
}

/* Column-major: y^T [d, n] = x^T [d, n] C. The halves are a batch, so that both read C at once and
 * fill the device. */
static rk_status multiply_fp32(rk_device_context *context, const float *gram, const float *x,
                               int64_t n, int64_t d, int32_t halves, float *y)
{
    const float one = 1.0f, zero = 0.0f;
    RK_TRY_CUBLAS(cublasSgemmStridedBatched(context->blas, CUBLAS_OP_N, CUBLAS_OP_N, (int)d, (int)n,
                                            (int)n, &one, x, (int)d, n * d, gram, (int)n, 0, &zero,
                                            y, (int)d, n * d, halves));
    return RK_OK;
}

rk_status rk__cuda_gram_multiply(rk_loaded *loaded, const rk_node *node)
{
    rk_device_context *context = loaded->context;
    const rk_tensor *gram = &loaded->program->tensors[node->in[0]];
    int64_t n = gram->rows, d = loaded->program->tensors[node->out[0]].cols;
    int32_t halves = node->attr.halves;
    const float *x = rk__cuda_address(loaded, node->in[1]);
    float *y = rk__cuda_address(loaded, node->out[0]);
    bool is_split = context->options.gram == RK_GRAM_SPLIT;
    RK_TRY_CUBLAS(
        cublasSetMathMode(context->blas, is_split ? CUBLAS_DEFAULT_MATH : CUBLAS_PEDANTIC_MATH));
    if (is_split) {
        RK_TRY(multiply_split(loaded, find(context, gram->stored), x, n, d, halves, y));
    } else {
        const float *whole = rk__cuda_address(loaded, node->in[0]);
        RK_TRY(multiply_fp32(context, whole, x, n, d, halves, y));
    }
    RK_TRY_CUBLAS(cublasSetMathMode(context->blas, rk__cuda_blas_math(context)));
    if (halves == 1) {
        RK_TRY_CUDA(cudaMemsetAsync(y + n * d, 0, (size_t)(n * d) * sizeof *y, context->stream));
    }
    return RK_OK;
}
