/*
 * cuSPARSE: CSR times dense, as plain loops on the handle's stream.
 *
 * Only CSR_ALG3 adds in the same order every time; the others turn it round now and then.
 * The first product of an algorithm may not be made inside of a capture.
 *
 * EMU_FAULT: no_spmm:N  the algorithm of that number (cusparseSpMMAlg_t) is not supported
 *            bad_spmm:N it computes something else; both also in a list with commas
 */
#include <cstdlib>
#include <cusparse.h>
#include <set>

#include "emu_collectives.h"
#include "emu_internal.h"

struct cusparseContext {
    cudaStream_t stream = nullptr;
    std::set<int> warm; /* algorithms that were used */
    int device = emu::current_device();
};

struct cusparseSpMatDescr {
    int64_t rows, cols;
    const void *offsets, *columns;
    const float *values;
    bool long_offsets, long_columns;
    int base;
};

struct cusparseDnMatDescr {
    int64_t rows, cols, stride;
    float *values;
    bool by_rows;

    float &at(int64_t row, int64_t column) const
    {
        return values[by_rows ? row * stride + column : row + column * stride];
    }
};

constexpr size_t BUFFER = 1024;

/* Does the list of faults hold NAME:N of this algorithm? */
static bool has_fault(const char *name, cusparseSpMMAlg_t algorithm)
{
    const std::string wanted = "," + std::string(name) + ":" + std::to_string((int)algorithm) + ",";
    return ("," + emu::config.fault + ",").find(wanted) != std::string::npos;
}

cusparseStatus_t cusparseCreate(cusparseHandle_t *handle)
{
    *handle = new cusparseContext;
    return CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseDestroy(cusparseHandle_t handle)
{
    delete handle;
    return CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseSetStream(cusparseHandle_t handle, cudaStream_t stream)
{
    handle->stream = stream;
    return CUSPARSE_STATUS_SUCCESS;
}

const char *cusparseGetErrorString(cusparseStatus_t status)
{
    return status == CUSPARSE_STATUS_SUCCESS         ? "success"
           : status == CUSPARSE_STATUS_NOT_SUPPORTED ? "operation not supported"
                                                     : "cuSPARSE error";
}

cusparseStatus_t cusparseCreateCsr(cusparseSpMatDescr_t *out, int64_t rows, int64_t cols, int64_t,
                                   void *offsets, void *columns, void *values,
                                   cusparseIndexType_t offset_type, cusparseIndexType_t column_type,
                                   cusparseIndexBase_t base, cudaDataType type)
{
    if (type != CUDA_R_32F) {
        return CUSPARSE_STATUS_NOT_SUPPORTED;
    }
    *out = new cusparseSpMatDescr{rows,
                                  cols,
                                  offsets,
                                  columns,
                                  (const float *)values,
                                  offset_type == CUSPARSE_INDEX_64I,
                                  column_type == CUSPARSE_INDEX_64I,
                                  (int)base};
    return CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseDestroySpMat(cusparseConstSpMatDescr_t matrix)
{
    delete matrix;
    return CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseCreateDnMat(cusparseDnMatDescr_t *out, int64_t rows, int64_t cols,
                                     int64_t stride, void *values, cudaDataType type,
                                     cusparseOrder_t order)
{
    const bool by_rows = order == CUSPARSE_ORDER_ROW;
    if (type != CUDA_R_32F) {
        return CUSPARSE_STATUS_NOT_SUPPORTED;
    }
    if (stride < (by_rows ? cols : rows)) {
        return CUSPARSE_STATUS_INVALID_VALUE;
    }
    *out = new cusparseDnMatDescr{rows, cols, stride, (float *)values, by_rows};
    return CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseDestroyDnMat(cusparseConstDnMatDescr_t matrix)
{
    delete matrix;
    return CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseSpMM_bufferSize(cusparseHandle_t, cusparseOperation_t, cusparseOperation_t,
                                         const void *, cusparseConstSpMatDescr_t,
                                         cusparseConstDnMatDescr_t, const void *,
                                         cusparseDnMatDescr_t, cudaDataType,
                                         cusparseSpMMAlg_t algorithm, size_t *bytes)
{
    *bytes = BUFFER;
    return has_fault("no_spmm", algorithm) ? CUSPARSE_STATUS_NOT_SUPPORTED
                                           : CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseSpMM_preprocess(cusparseHandle_t, cusparseOperation_t, cusparseOperation_t,
                                         const void *, cusparseConstSpMatDescr_t,
                                         cusparseConstDnMatDescr_t, const void *,
                                         cusparseDnMatDescr_t, cudaDataType, cusparseSpMMAlg_t,
                                         void *buffer)
{
    return emu::find_allocation(buffer, BUFFER) ? CUSPARSE_STATUS_SUCCESS
                                                : CUSPARSE_STATUS_INVALID_VALUE;
}

/* Another answer from product to product of the process, and no pattern that a run repeats. */
static bool turns_round()
{
    static uint64_t products;
    const uint64_t z = ++products * 0x9E3779B97F4A7C15u;
    return (z ^ (z >> 29)) >> 62 & 1;
}

static int64_t index(const void *indices, bool is_long, int64_t i)
{
    return is_long ? ((const int64_t *)indices)[i] : (int64_t)((const int32_t *)indices)[i];
}

static void multiply(const cusparseSpMatDescr &a, const cusparseDnMatDescr &b,
                     const cusparseDnMatDescr &c, bool transpose, float alpha, float beta,
                     bool backwards)
{
    for (int64_t i = 0; i < c.rows; i++) {
        for (int64_t j = 0; j < c.cols; j++) {
            c.at(i, j) = beta == 0 ? 0 : beta * c.at(i, j);
        }
    }
    for (int64_t i = 0; i < a.rows; i++) {
        const int64_t begin = index(a.offsets, a.long_offsets, i) - a.base;
        const int64_t end = index(a.offsets, a.long_offsets, i + 1) - a.base;
        for (int64_t i_edge = begin; i_edge < end; i_edge++) {
            const int64_t e = backwards ? end - 1 - (i_edge - begin) : i_edge;
            const int64_t column = index(a.columns, a.long_columns, e) - a.base;
            const int64_t to = transpose ? column : i, from = transpose ? i : column;
            for (int64_t j = 0; j < c.cols; j++) {
                c.at(to, j) += alpha * a.values[e] * b.at(from, j);
            }
        }
    }
}

cusparseStatus_t cusparseSpMM(cusparseHandle_t handle, cusparseOperation_t op_a,
                              cusparseOperation_t op_b, const void *alpha,
                              cusparseConstSpMatDescr_t a, cusparseConstDnMatDescr_t b,
                              const void *beta, cusparseDnMatDescr_t c, cudaDataType type,
                              cusparseSpMMAlg_t algorithm, void *buffer)
{
    const bool transpose = op_a != CUSPARSE_OPERATION_NON_TRANSPOSE;
    const int64_t rows = transpose ? a->cols : a->rows, inner = transpose ? a->rows : a->cols;
    if (type != CUDA_R_32F || op_b != CUSPARSE_OPERATION_NON_TRANSPOSE) {
        return CUSPARSE_STATUS_NOT_SUPPORTED;
    }
    if (rows != c->rows || inner != b->rows || b->cols != c->cols || !emu::is_device(buffer)) {
        return CUSPARSE_STATUS_INVALID_VALUE;
    }
    if (handle->device != emu::current_device()) {
        emu::die("cusparseSpMM: the handle is of device %d, device %d is current", handle->device,
                 emu::current_device());
    }
    if (handle->warm.insert((int)algorithm).second && emu::is_capturing(handle->stream)) {
        emu::die("cusparseSpMM: the first product of algorithm %d is made inside of a capture",
                 (int)algorithm);
    }
    const bool backwards = algorithm != CUSPARSE_SPMM_CSR_ALG3 && turns_round();
    const float al = *(const float *)alpha * (has_fault("bad_spmm", algorithm) ? 1.01f : 1.0f);
    const float be = *(const float *)beta;
    /* Copies: descriptors may go before the work is done. The buffer is overwritten, so that one
     * which is too small or was freed shows. */
    const cusparseSpMatDescr matrix = *a;
    const cusparseDnMatDescr x = *b, y = *c;
    const cudaError_t error = emu::enqueue(handle->stream, [=] {
        memset(buffer, 0xA5, BUFFER);
        multiply(matrix, x, y, transpose, al, be, backwards);
    });
    return error == cudaSuccess ? CUSPARSE_STATUS_SUCCESS : CUSPARSE_STATUS_EXECUTION_FAILED;
}
