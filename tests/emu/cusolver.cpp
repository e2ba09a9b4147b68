/* cuSOLVER: the inverse of a positive definite matrix by its Cholesky factor, the eigenvectors of a
 * symmetric one by Jacobi's rotations, as plain loops on the handle's stream. */
#include <algorithm>
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
constexpr int INVERSE_FLOATS = 512, EIGEN_DOUBLES = 64;

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

/* One sweep over all pairs (Golub and Van Loan, Matrix computations, section 8.5): a and the
 * columns of v are rotated. */
static void sweep(std::vector<double> &a, std::vector<double> &v, size_t n)
{
    for (size_t p = 0; p < n; p++) {
        for (size_t q = p + 1; q < n; q++) {
            if (a[p * n + q] == 0) {
                continue;
            }
            const double theta = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q]);
            const double t =
                (theta < 0 ? -1 : 1) / (std::fabs(theta) + std::sqrt(theta * theta + 1));
            const double c = 1 / std::sqrt(t * t + 1), s = t * c;
            auto rotate = [&](double &x, double &y) {
                const double from = x;
                x = c * from - s * y;
                y = s * from + c * y;
            };
            for (size_t k = 0; k < n; k++) {
                rotate(a[k * n + p], a[k * n + q]);
            }
            for (size_t k = 0; k < n; k++) {
                rotate(a[p * n + k], a[q * n + k]);
                rotate(v[k * n + p], v[k * n + q]);
            }
        }
    }
}

static int eigenvectors(double *matrix, double *values, size_t n)
{
    std::vector<double> a(matrix, matrix + n * n), v(n * n, 0.0);
    std::vector<size_t> order(n);
    for (size_t i = 0; i < n; i++) {
        v[i * n + i] = 1;
        order[i] = i;
        for (size_t j = 0; j < n; j++) {
            a[i * n + j] = matrix[std::min(i, j) * n + std::max(i, j)]; /* its lower triangle */
            if (!std::isfinite(a[i * n + j])) {
                return 1;
            }
        }
    }
    for (int i = 0; i < 30; i++) {
        sweep(a, v, n);
    }
    std::sort(order.begin(), order.end(),
              [&](size_t i, size_t j) { return a[i * n + i] < a[j * n + j]; });
    for (size_t i = 0; i < n; i++) {
        values[i] = a[order[i] * n + order[i]];
        for (size_t j = 0; j < n; j++) {
            matrix[i * n + j] = v[j * n + order[i]];
        }
    }
    return 0;
}

cusolverStatus_t cusolverDnDsyevd_bufferSize(cusolverDnHandle_t, cusolverEigMode_t,
                                             cublasFillMode_t, int, const double *, int,
                                             const double *, int *doubles)
{
    *doubles = EIGEN_DOUBLES;
    return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnDsyevd(cusolverDnHandle_t handle, cusolverEigMode_t mode,
                                  cublasFillMode_t triangle, int n, double *a, int stride,
                                  double *values, double *work, int doubles, int *info)
{
    if (mode != CUSOLVER_EIG_MODE_VECTOR || triangle != CUBLAS_FILL_MODE_LOWER || stride != n) {
        return CUSOLVER_STATUS_NOT_SUPPORTED;
    }
    if (doubles < EIGEN_DOUBLES || !emu::is_device(work)) {
        return CUSOLVER_STATUS_INVALID_VALUE;
    }
    const cudaError_t error = emu::enqueue(handle->stream, [=] {
        memset(work, 0xA5, EIGEN_DOUBLES * sizeof(double));
        *info = eigenvectors(a, values, (size_t)n);
    });
    return error == cudaSuccess ? CUSOLVER_STATUS_SUCCESS : CUSOLVER_STATUS_EXECUTION_FAILED;
}
