/*
 * One full propagation by cuSPARSE's SpMM, the best of its algorithms for CSR: the arm p3 of
 * bench/run. CUDA builds only.
 *
 *   bench_cusparse DIR USERS ITEMS DIM
 *
 * DIR holds what bench_worker's `dump` wrote. 32-bit indices, fp32 values, row-major tables,
 * preprocessed; each algorithm is timed over PASSES launches after a warm-up, and its result is
 * held against a plain loop in double. Prints a line of JSON with the seconds of one propagation by
 * the fastest. An algorithm that is not supported here, or whose error is above MOST_ERROR, is left
 * out and named, with the reason; an error only if none is left.
 */
#include <cuda_runtime_api.h>
#include <cusparse.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/file.h"
#include "base/parse.h"
#include "graph/graph.h"

enum { PASSES = 200, CHECKED_ROWS = 1000 };
static const double MOST_ERROR = 1e-5;

#define TRY_CUDA(call)                                                                             \
    do {                                                                                           \
        cudaError_t error_ = (call);                                                               \
        if (error_ != cudaSuccess) {                                                               \
            RK_FAIL(RK_ERR_DEVICE, "%s: %s", #call, cudaGetErrorString(error_));                   \
        }                                                                                          \
    } while (0)
#define TRY_CUSPARSE(call)                                                                         \
    do {                                                                                           \
        cusparseStatus_t status_ = (call);                                                         \
        if (status_ != CUSPARSE_STATUS_SUCCESS) {                                                  \
            RK_FAIL(RK_ERR_DEVICE, "%.*s: %s", (int)strcspn(#call, "("), #call,                    \
                    cusparseGetErrorString(status_));                                              \
        }                                                                                          \
    } while (0)

/* Host arrays are freed with the process's end, and so is device memory: it measures and ends. */
typedef struct problem {
    rk_graph graph;
    int64_t d;
    float *weights, *result; /* host [n_nodes, d] */
    float *x, *y;            /* device, the same */
    cusparseHandle_t handle;
    cusparseSpMatDescr_t matrix;
    cusparseDnMatDescr_t from, to;
} problem;

typedef struct outcome {
    const char *algorithm;
    double seconds, error;
} outcome;

static rk_status read_array(const char *folder, const char *name, int64_t bytes, void *out)
{
    char *path = NULL, *data = NULL;
    int64_t length = 0;
    RK_TRY(rk__path_join(&path, folder, name));
    rk_status status = rk__file_read(path, &data, &length);
    if (status == RK_OK && bytes >= 0 && length != bytes) {
        RK_FAIL(RK_ERR_DATA, "%s has %lld bytes, not %lld", path, (long long)length,
                (long long)bytes);
    }
    rk__free(path);
    memcpy(out, &data, sizeof data);
    return status;
}

static rk_status read_problem(problem *p, const char *folder, int64_t users, int64_t items)
{
    int64_t *offsets = NULL;
    int32_t *lists = NULL;
    RK_TRY(read_array(folder, "train.offsets.i64", (users + 1) * 8, &offsets));
    RK_TRY(read_array(folder, "train.items.i32", offsets[users] * 4, &lists));
    RK_TRY(rk__graph_build_lists(&p->graph, offsets, lists, users, items));
    int64_t bytes = p->graph.n_nodes * p->d * (int64_t)sizeof(float);
    RK_TRY(read_array(folder, "weights.f32", bytes, &p->weights));
    RK_TRY(rk__alloc(&p->result, p->graph.n_nodes * p->d, sizeof(float), "a result"));
    rk__free(offsets);
    rk__free(lists);
    return RK_OK;
}

static rk_status to_device(void *out_pointer, const void *host, int64_t bytes)
{
    void *device = NULL;
    TRY_CUDA(cudaMalloc(&device, (size_t)bytes));
    TRY_CUDA(cudaMemcpy(device, host, (size_t)bytes, cudaMemcpyHostToDevice));
    memcpy(out_pointer, &device, sizeof device);
    return RK_OK;
}

static rk_status upload(problem *p)
{
    const rk_graph *g = &p->graph;
    int64_t n = g->n_nodes, nnz = 2 * g->n_edges, table_bytes = n * p->d * 4;
    int32_t *offsets = NULL, *device_offsets = NULL, *columns = NULL;
    float *values = NULL, *device_values = NULL;
    if (nnz > INT32_MAX) {
        RK_FAIL(RK_ERR_CONFIG, "%lld edges in both directions, 32-bit offsets reach to %d",
                (long long)nnz, INT32_MAX);
    }
    RK_TRY(rk__alloc(&offsets, n + 1, sizeof *offsets, "32-bit offsets"));
    RK_TRY(rk__alloc(&values, nnz, sizeof *values, "values"));
    for (int64_t r = 0; r <= n; r++) {
        offsets[r] = (int32_t)g->offsets[r];
        for (int64_t e = g->offsets[r]; r < n && e < g->offsets[r + 1]; e++) {
            values[e] = g->scale[r] * g->scale[g->columns[e]];
        }
    }
    RK_TRY(to_device(&device_offsets, offsets, (n + 1) * 4));
    RK_TRY(to_device(&columns, g->columns, nnz * 4));
    RK_TRY(to_device(&device_values, values, nnz * 4));
    RK_TRY(to_device(&p->x, p->weights, table_bytes));
    RK_TRY(to_device(&p->y, p->weights, table_bytes));
    rk__free(offsets);
    rk__free(values);
    TRY_CUSPARSE(cusparseCreate(&p->handle));
    TRY_CUSPARSE(cusparseCreateCsr(&p->matrix, n, n, nnz, device_offsets, columns, device_values,
                                   CUSPARSE_INDEX_32I, CUSPARSE_INDEX_32I, CUSPARSE_INDEX_BASE_ZERO,
                                   CUDA_R_32F));
    TRY_CUSPARSE(
        cusparseCreateDnMat(&p->from, n, p->d, p->d, p->x, CUDA_R_32F, CUSPARSE_ORDER_ROW));
    TRY_CUSPARSE(cusparseCreateDnMat(&p->to, n, p->d, p->d, p->y, CUDA_R_32F, CUSPARSE_ORDER_ROW));
    return RK_OK;
}

/* The largest error of some rows, relative to the sum of the terms' sizes. */
static double error_of(const problem *p)
{
    const rk_graph *g = &p->graph;
    double worst = 0;
    for (int64_t r = 0; r < g->n_nodes; r += 1 + g->n_nodes / CHECKED_ROWS) {
        for (int64_t j = 0; j < p->d; j++) {
            double sum = 0, size = 1e-30;
            for (int64_t e = g->offsets[r]; e < g->offsets[r + 1]; e++) {
                int64_t c = g->columns[e];
                double term =
                    (double)g->scale[r] * (double)g->scale[c] * (double)p->weights[c * p->d + j];
                sum += term;
                size += fabs(term);
            }
            worst = fmax(worst, fabs(sum - (double)p->result[r * p->d + j]) / size);
        }
    }
    return worst;
}

static rk_status multiply(const problem *p, cusparseSpMMAlg_t algorithm, void *buffer)
{
    const float alpha = 1, beta = 0;
    const cusparseOperation_t plain = CUSPARSE_OPERATION_NON_TRANSPOSE;
    TRY_CUSPARSE(cusparseSpMM(p->handle, plain, plain, &alpha, p->matrix, p->from, &beta, p->to,
                              CUDA_R_32F, algorithm, buffer));
    return RK_OK;
}

static rk_status time_algorithm(const problem *p, cusparseSpMMAlg_t algorithm, outcome *out)
{
    const float alpha = 1, beta = 0;
    const cusparseOperation_t plain = CUSPARSE_OPERATION_NON_TRANSPOSE;
    size_t bytes = 0;
    void *buffer = NULL;
    float milliseconds = 0;
    cudaEvent_t begin, end;
    TRY_CUDA(cudaEventCreate(&begin));
    TRY_CUDA(cudaEventCreate(&end));
    TRY_CUSPARSE(cusparseSpMM_bufferSize(p->handle, plain, plain, &alpha, p->matrix, p->from, &beta,
                                         p->to, CUDA_R_32F, algorithm, &bytes));
    TRY_CUDA(cudaMalloc(&buffer, bytes + 1));
    TRY_CUSPARSE(cusparseSpMM_preprocess(p->handle, plain, plain, &alpha, p->matrix, p->from, &beta,
                                         p->to, CUDA_R_32F, algorithm, buffer));
    for (int i = 0; i < PASSES / 10; i++) {
        RK_TRY(multiply(p, algorithm, buffer));
    }
    TRY_CUDA(cudaEventRecord(begin, NULL));
    for (int i = 0; i < PASSES; i++) {
        RK_TRY(multiply(p, algorithm, buffer));
    }
    TRY_CUDA(cudaEventRecord(end, NULL));
    TRY_CUDA(cudaEventSynchronize(end));
    TRY_CUDA(cudaEventElapsedTime(&milliseconds, begin, end));
    TRY_CUDA(
        cudaMemcpy(p->result, p->y, (size_t)(p->graph.n_nodes * p->d * 4), cudaMemcpyDeviceToHost));
    TRY_CUDA(cudaFree(buffer));
    out->seconds = 1e-3 * (double)milliseconds / PASSES;
    out->error = error_of(p);
    return RK_OK;
}

/* The fastest of the algorithms that work; `left_out` gets the others as a JSON list's elements. */
static rk_status try_all(const problem *p, outcome *best, rk_buffer *left_out)
{
    static const struct {
        const char *name;
        cusparseSpMMAlg_t algorithm;
    } all[] = {{"CSR_ALG1", CUSPARSE_SPMM_CSR_ALG1},
               {"CSR_ALG2", CUSPARSE_SPMM_CSR_ALG2},
               {"CSR_ALG3", CUSPARSE_SPMM_CSR_ALG3}};
    *best = (outcome){.seconds = INFINITY};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const char *comma = left_out->length > 0 ? ", " : "";
        outcome one = {.algorithm = all[i].name};
        rk_status status = time_algorithm(p, all[i].algorithm, &one);
        if (status != RK_OK) {
            rk__buffer_add(left_out, "%s\"%s: %s\"", comma, one.algorithm, rk_last_error());
        } else if (!(one.error <= MOST_ERROR)) {
            rk__buffer_add(left_out, "%s\"%s: off by %.2g, more than %g\"", comma, one.algorithm,
                           one.error, MOST_ERROR);
        } else if (one.seconds < best->seconds) {
            *best = one;
        }
    }
    return left_out->status;
}

static rk_status report(const outcome *best, const char *left_out)
{
    if (!best->algorithm) {
        RK_FAIL(RK_ERR_DEVICE, "no algorithm of cuSPARSE's works here: %s", left_out);
    }
    printf("{\"algorithm\": \"%s\", \"seconds\": %.9g, \"error\": %.3g, \"left_out\": [%s]}\n",
           best->algorithm, best->seconds, best->error, left_out);
    return RK_OK;
}

static rk_status measure(int argc, char **argv)
{
    int64_t numbers[3] = {0};
    for (int i = 0; i < 3; i++) {
        if (argc != 5 || rk__parse_int(argv[2 + i], strlen(argv[2 + i]), &numbers[i]) ||
            numbers[i] < 1) {
            RK_FAIL(RK_ERR_CONFIG, "usage: bench_cusparse DIR USERS ITEMS DIM");
        }
    }
    problem p = {.d = numbers[2]};
    outcome best;
    rk_buffer buffer = {0};
    char *left_out = NULL;
    RK_TRY(read_problem(&p, argv[1], numbers[0], numbers[1]));
    RK_TRY(upload(&p));
    RK_TRY(try_all(&p, &best, &buffer));
    RK_TRY(rk__buffer_take(&buffer, &left_out));
    rk_status status = report(&best, left_out);
    rk__free(left_out);
    return status;
}

int main(int argc, char **argv)
{
    rk_status status = measure(argc, argv);
    if (status != RK_OK) {
        fprintf(stderr, "bench_cusparse: %s\n", rk_last_error());
    }
    return rk_status_exit_code(status);
}
