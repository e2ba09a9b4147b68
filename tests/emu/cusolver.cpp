/* cuSOLVER: the inverse of a positive definite matrix by its Cholesky factor, as plain loops on the
 * handle's stream. */
#include <cmath>
#include <cusolverDn.h>
#include <vector>

#include "emu_collectives.h"
#include "emu_internal.h"

struct cusolverDnContext {
    cudaStream_t stream = nullptr;
};

struct cusolverDnParams {
    int unused = 0;
};

constexpr size_t FACTOR_BYTES = 1024, HOST_BYTES = 64;
constexpr int INVERSE_FLOATS = 512;

cusolverStatus_t cusolverDnCreate(cusolverDnHandle_t *handle)
{
    if (emu::device_fault() != cudaSuccess) {
        return CUSOLVER_STATUS_NOT_INITIALIZED;
    }
    *handle = new cusolverDnContext;
    return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnDestroy(cusolverDnHandle_t handle)
{
    delete handle;
    return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnCreateParams(cusolverDnParams_t *params)
{
    *params = new cusolverDnParams;
    return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnDestroyParams(cusolverDnParams_t params)
{
    delete params;
    return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnSetStream(cusolverDnHandle_t handle, cudaStream_t stream)
{
    handle->stream = stream;
    return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnXpotrf_bufferSize(cusolverDnHandle_t, cusolverDnParams_t,
                                             cublasFillMode_t, int64_t, cudaDataType, const void *,
                                             int64_t, cudaDataType, size_t *device, size_t *host)
{
    *device = FACTOR_BYTES;
    *host = HOST_BYTES;
    return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnSpotri_bufferSize(cusolverDnHandle_t, cublasFillMode_t, int, float *,
                                             int, int *floats)
{
    *floats = INVERSE_FLOATS;
    return CUSOLVER_STATUS_SUCCESS;
}

/* U of A = U^T U in the upper triangle; 1 + the first diagonal element that is not positive. */
static int factor(float *a, int64_t n)
{
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i <= j; i++) {
            double sum = (double)a[i + j * n];
            for (int64_t k = 0; k < i; k++) {
                sum -= (double)a[k + i * n] * (double)a[k + j * n];
            }
            if (i == j && sum <= 0) {
                return (int)j + 1;
            }
            a[i + j * n] = (float)(i == j ? std::sqrt(sum) : sum / (double)a[i + i * n]);
        }
    }
    return 0;
}

/* V = U^-1, then V V^T in the upper triangle. */
static int invert(float *a, int64_t n)
{
    std::vector<double> v((size_t)(n * n), 0.0);
    for (int64_t j = 0; j < n; j++) {
        if (a[j + j * n] == 0.0f) {
            return (int)j + 1;
        }
        v[(size_t)(j + j * n)] = 1 / (double)a[j + j * n];
        for (int64_t i = j - 1; i >= 0; i--) {
            double sum = 0;
            for (int64_t k = i + 1; k <= j; k++) {
                sum -= (double)a[i + k * n] * v[(size_t)(k + j * n)];
            }
            v[(size_t)(i + j * n)] = sum / (double)a[i + i * n];
        }
    }
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i <= j; i++) {
            double sum = 0;
            for (int64_t k = j; k < n; k++) {
                sum += v[(size_t)(i + k * n)] * v[(size_t)(j + k * n)];
            }
            a[i + j * n] = (float)sum;
        }
    }
    return 0;
}

/* The working memory is overwritten, so that one which is too small or was freed shows. */
cusolverStatus_t cusolverDnXpotrf(cusolverDnHandle_t handle, cusolverDnParams_t,
                                  cublasFillMode_t triangle, int64_t n, cudaDataType type, void *a,
                                  int64_t stride, cudaDataType compute, void *device,
                                  size_t device_bytes, void *host, size_t host_bytes, int *info)
{
    if (triangle != CUBLAS_FILL_MODE_UPPER || type != CUDA_R_32F || compute != CUDA_R_32F ||
        stride != n) {
        return CUSOLVER_STATUS_NOT_SUPPORTED;
    }
    if (device_bytes < FACTOR_BYTES || host_bytes < HOST_BYTES || !emu::is_device(device)) {
        return CUSOLVER_STATUS_INVALID_VALUE;
    }
    memset(host, 0xA5, HOST_BYTES);
    const cudaError_t error = emu::enqueue(handle->stream, [=] {
        memset(device, 0xA5, FACTOR_BYTES);
        *info = factor((float *)a, n);
    });
    return error == cudaSuccess ? CUSOLVER_STATUS_SUCCESS : CUSOLVER_STATUS_EXECUTION_FAILED;
}

cusolverStatus_t cusolverDnSpotri(cusolverDnHandle_t handle, cublasFillMode_t triangle, int n,
                                  float *a, int stride, float *work, int floats, int *info)
{
    if (triangle != CUBLAS_FILL_MODE_UPPER || stride != n) {
        return CUSOLVER_STATUS_NOT_SUPPORTED;
    }
    if (floats < INVERSE_FLOATS || !emu::is_device(work)) {
        return CUSOLVER_STATUS_INVALID_VALUE;
    }
    const cudaError_t error = emu::enqueue(handle->stream, [=] {
        memset(work, 0xA5, INVERSE_FLOATS * sizeof(float));
        *info = invert(a, n);
    });
    return error == cudaSuccess ? CUSOLVER_STATUS_SUCCESS : CUSOLVER_STATUS_EXECUTION_FAILED;
}
