/*
 * cuBLAS: the calls that the device makes, as plain loops on the handle's stream.
 *
 * The first product of a kind (function, transpositions, types, precision) may not be made inside
 * of a capture: the library may load a kernel or allocate then, unless CUDA_MODULE_LOADING=EAGER
 * has loaded all. EMU_FAULT=cold_blas forgets that there were any, to see that this is noticed.
 */
#include <cstdlib>
#include <cstring>
#include <cublas_v2.h>
#include <cuda_fp16.h>
#include <set>
#include <tuple>
#include <vector>

#include "emu_collectives.h"
#include "emu_internal.h"

namespace
{

struct kind {
    const char *function;
    int op_a, op_b, type, compute, math;

    auto key() const
    {
        return std::make_tuple(std::string(function), op_a, op_b, type, compute, math);
    }
};

} // namespace

struct cublasContext {
    cudaStream_t stream = nullptr;
    cublasPointerMode_t mode = CUBLAS_POINTER_MODE_HOST;
    cublasMath_t math = CUBLAS_DEFAULT_MATH;
    int device = emu::current_device();
    std::set<decltype(std::declval<kind>().key())> warm;
};

cublasStatus_t cublasCreate_v2(cublasHandle_t *handle)
{
    if (emu::device_fault() != cudaSuccess) {
        return CUBLAS_STATUS_NOT_INITIALIZED;
    }
    *handle = new cublasContext;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle)
{
    delete handle;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream)
{
    handle->stream = stream;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t mode)
{
    handle->mode = mode;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t math)
{
    handle->math = math;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t, void *workspace, size_t bytes)
{
    const bool ok = bytes == 0 || emu::find_allocation(workspace, bytes);
    return ok ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

const char *cublasGetStatusString(cublasStatus_t status)
{
    return status == CUBLAS_STATUS_SUCCESS           ? "CUBLAS_STATUS_SUCCESS"
           : status == CUBLAS_STATUS_NOT_INITIALIZED ? "CUBLAS_STATUS_NOT_INITIALIZED"
                                                     : "CUBLAS_STATUS_INVALID_VALUE";
}

namespace
{

template <class T> struct matrix {
    const T *data;
    int64_t row, column; /* strides */
};

void make(cublasHandle_t handle, const kind &k)
{
    if (handle->device != emu::current_device()) {
        emu::die("%s: the handle is of device %d, device %d is current", k.function, handle->device,
                 emu::current_device());
    }
    const bool is_new = handle->warm.insert(k.key()).second || emu::config.fault == "cold_blas";
    const char *loading = getenv("CUDA_MODULE_LOADING");
    const bool is_loaded = loading && strcmp(loading, "EAGER") == 0;
    if (is_new && !is_loaded && emu::is_capturing(handle->stream)) {
        emu::die("%s: the first product of its kind (operations %d and %d, type %d, compute %d, "
                 "math mode %d) is made inside of a capture",
                 k.function, k.op_a, k.op_b, k.type, k.compute, k.math);
    }
}

/* TF32 keeps 10 bits of a factor. A device may round or cut, so the worse of the two is done. */
float cut_to_tf32(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits &= 0xffffe000u;
    memcpy(&x, &bits, sizeof x);
    return x;
}

float same(float x)
{
    return x;
}

float of_half(__half x)
{
    return __half2float(x);
}

/* What is multiplied, row by row. */
template <class T>
std::vector<float> factors(const matrix<T> &m, int64_t rows, int64_t columns, float (*factor)(T))
{
    std::vector<float> values(rows * columns);
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < columns; j++) {
            values[i * columns + j] = factor(m.data[i * m.row + j * m.column]);
        }
    }
    return values;
}

/* Column-major: C [m, n] = alpha op(A) op(B) + beta C. */
template <class T>
cublasStatus_t gemm(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m,
                    int n, int k, const float *alpha, const T *a, int lda, const T *b, int ldb,
                    const float *beta, float *c, int ldc, float (*factor)(T))
{
    const bool plain_a = op_a == CUBLAS_OP_N, plain_b = op_b == CUBLAS_OP_N;
    const bool on_host = handle->mode == CUBLAS_POINTER_MODE_HOST;
    if (m < 0 || n < 0 || k < 0 || lda < 1 || ldb < 1 || ldc < 1 || lda < (plain_a ? m : k) ||
        ldb < (plain_b ? k : n) || ldc < m) {
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    const bool reads = m && n && k;
    if ((reads && (!emu::is_device(a) || !emu::is_device(b))) || (m && n && !emu::is_device(c))) {
        emu::die("cuBLAS: a matrix is not in device memory");
    }
    const float host_alpha = on_host ? *alpha : 0, host_beta = on_host ? *beta : 0;
    const matrix<T> x = {a, plain_a ? 1 : lda, plain_a ? lda : 1};
    const matrix<T> y = {b, plain_b ? 1 : ldb, plain_b ? ldb : 1};
    const cudaError_t error = emu::enqueue(handle->stream, [=] {
        const float al = on_host ? host_alpha : *alpha, be = on_host ? host_beta : *beta;
        const std::vector<float> left = factors(x, m, k, factor), right = factors(y, k, n, factor);
        std::vector<float> sums(n);
        for (int64_t i = 0; i < m; i++) {
            emu::multiply_row(left.data() + i * k, right.data(), k, n, sums.data());
            for (int64_t j = 0; j < n; j++) {
                float *to = &c[i + j * ldc];
                *to = be == 0 ? al * sums[j] : al * sums[j] + be * *to;
            }
        }
    });
    return error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

cublasStatus_t multiply_floats(cublasHandle_t handle, cublasOperation_t op_a,
                               cublasOperation_t op_b, int m, int n, int k, const float *alpha,
                               const float *a, int lda, const float *b, int ldb, const float *beta,
                               float *c, int ldc)
{
    return gemm(handle, op_a, op_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc,
                handle->math == CUBLAS_TF32_TENSOR_OP_MATH ? cut_to_tf32 : same);
}

} // namespace

cublasStatus_t cublasSgemm_v2(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b,
                              int m, int n, int k, const float *alpha, const float *a, int lda,
                              const float *b, int ldb, const float *beta, float *c, int ldc)
{
    make(handle, {"cublasSgemm", op_a, op_b, CUDA_R_32F, CUBLAS_COMPUTE_32F, handle->math});
    return multiply_floats(handle, op_a, op_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b,
                            int m, int n, int k, const void *alpha, const void *a,
                            cudaDataType type_a, int lda, const void *b, cudaDataType type_b,
                            int ldb, const void *beta, void *c, cudaDataType type_c, int ldc,
                            cublasComputeType_t compute, cublasGemmAlgo_t)
{
    const bool is_tf32 = compute == CUBLAS_COMPUTE_32F_FAST_TF32;
    if ((is_tf32 || compute == CUBLAS_COMPUTE_32F) && handle->math == CUBLAS_PEDANTIC_MATH) {
        emu::die(
            "cublasGemmEx: tensor cores are asked for, but the handle's math mode is pedantic");
    }
    make(handle, {"cublasGemmEx", op_a, op_b, type_a, compute, handle->math});
    const float *al = static_cast<const float *>(alpha), *be = static_cast<const float *>(beta);
    float *to = static_cast<float *>(c);
    if (type_a == CUDA_R_16F && type_b == CUDA_R_16F && type_c == CUDA_R_32F &&
        compute == CUBLAS_COMPUTE_32F) {
        return gemm(handle, op_a, op_b, m, n, k, al, static_cast<const __half *>(a), lda,
                    static_cast<const __half *>(b), ldb, be, to, ldc, of_half);
    }
    if (type_a != CUDA_R_32F || type_b != CUDA_R_32F || type_c != CUDA_R_32F ||
        (!is_tf32 && compute != CUBLAS_COMPUTE_32F_PEDANTIC)) {
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    return gemm(handle, op_a, op_b, m, n, k, al, static_cast<const float *>(a), lda,
                static_cast<const float *>(b), ldb, be, to, ldc, is_tf32 ? cut_to_tf32 : same);
}

cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t handle, cublasOperation_t op_a,
                                         cublasOperation_t op_b, int m, int n, int k,
                                         const float *alpha, const float *a, int lda,
                                         long long stride_a, const float *b, int ldb,
                                         long long stride_b, const float *beta, float *c, int ldc,
                                         long long stride_c, int batch)
{
    cublasStatus_t status = CUBLAS_STATUS_SUCCESS;
    make(handle,
         {"cublasSgemmStridedBatched", op_a, op_b, CUDA_R_32F, CUBLAS_COMPUTE_32F, handle->math});
    for (int i = 0; i < batch && status == CUBLAS_STATUS_SUCCESS; i++) {
        status = multiply_floats(handle, op_a, op_b, m, n, k, alpha, a + i * stride_a, lda,
                                 b + i * stride_b, ldb, beta, c + i * stride_c, ldc);
    }
    return status;
}
