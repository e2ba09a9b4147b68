/*
 * The CUDA device from the inside: one context a device, one `rk_loaded` a program.
 *
 * Everything runs on one stream of the context's own. A context is used by one thread at a time.
 */
#ifndef RK_CONTEXT_H
#define RK_CONTEXT_H

#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <cusparse.h>

#include "base/choices.h"
#include "device/device.h"
#include "kernels.h"

/* Fails with RK_ERR_MEMORY or RK_ERR_DEVICE when a CUDA, cuBLAS or cuSPARSE call does; the message
 * names the call, CUDA's reason and what to do. The operation that is being launched, if any, is
 * added by the caller. */
#define RK_TRY_CUDA(call_)                                                                         \
    do {                                                                                           \
        cudaError_t cuda_error_ = (call_);                                                         \
        if (cuda_error_ != cudaSuccess) {                                                          \
            return rk__cuda_failed(cuda_error_, #call_, __FILE__, __LINE__, __func__);             \
        }                                                                                          \
    } while (0)
#define RK_TRY_CUBLAS(call_)                                                                       \
    do {                                                                                           \
        cublasStatus_t blas_status_ = (call_);                                                     \
        if (blas_status_ != CUBLAS_STATUS_SUCCESS) {                                               \
            RK_FAIL(RK_ERR_DEVICE, "%s: cuBLAS: %s", #call_, cublasGetStatusString(blas_status_)); \
        }                                                                                          \
    } while (0)
#define RK_TRY_CUSPARSE(call_)                                                                     \
    do {                                                                                           \
        cusparseStatus_t sparse_status_ = (call_);                                                 \
        if (sparse_status_ != CUSPARSE_STATUS_SUCCESS) {                                           \
            RK_FAIL(RK_ERR_DEVICE, "%s: cuSPARSE: %s", #call_,                                     \
                    cusparseGetErrorString(sparse_status_));                                       \
        }                                                                                          \
    } while (0)

rk_status rk__cuda_failed(cudaError_t error, const char *call, const char *file, int line,
                          const char *function);

/* The split rows of one graph on the device, found by the stored number of its offsets. */
typedef struct rk_cuda_graph {
    int32_t stored_offsets;
    rk_split_rows split;
    rk_piece *pieces;       /* device, owned */
    rk_long_row *long_rows; /* device, owned */
    /* Only for propagation through cuSPARSE: 32-bit offsets and the value array that it wants. */
    int32_t *offsets32; /* device, owned */
    float *values;      /* device, owned */
    cusparseSpMatDescr_t matrix;
} rk_cuda_graph;

enum { RK_CUDA_MAX_GRAPHS = 8 };

struct rk_device_context {
    rk_device_options options;
    int device;
    cudaStream_t stream;
    cublasHandle_t blas;
    cusparseHandle_t sparse; /* created when first needed */
    void *blas_workspace;    /* device, owned: cuBLAS must not allocate while a graph is captured */
    const rk_store *store;   /* lent */
    void **stored;           /* device addresses by number; owned array */
    void *memory;            /* device, owned: all stored tensors in one allocation */
    rk_cuda_graph graphs[RK_CUDA_MAX_GRAPHS];
    int n_graphs;
    rk_loaded *loaded; /* list of the loaded programs */
    rk_op_time *times; /* lent; NULL = no profile */
};

struct rk_loaded {
    rk_device_context *context;
    const rk_program *program; /* lent */
    void *arena;               /* device, owned */
    void *scratch;             /* device, owned: working memory of one operation at a time */
    cudaGraphExec_t one_step, many_steps; /* NULL until first run */
    void *sparse_buffer;                  /* device, owned: cuSPARSE's own */
    rk_loaded *next;
};

/* Device address of a value; NULL for RK_NONE. */
void *rk__cuda_address(const rk_loaded *loaded, rk_value value);

/* Queues one node on the context's stream. */
rk_status rk__cuda_launch(rk_loaded *loaded, const rk_node *node);
/* Bytes of scratch that a node needs. */
rk_status rk__cuda_scratch(const rk_device_context *context, const rk_program *program,
                           const rk_node *node, int64_t *out_bytes);

/* split_rows.c: the graph of a node's offsets, built and uploaded at its first use. */
rk_status rk__cuda_graph_prepare(rk_device_context *context, const rk_program *program,
                                 const rk_node *node);
const rk_cuda_graph *rk__cuda_graph_find(const rk_device_context *context, int32_t stored_offsets);
void rk__cuda_graphs_free(rk_device_context *context);

/* spmm.c: a full propagation through cuSPARSE. */
rk_status rk__cuda_spmm_prepare(rk_loaded *loaded, const rk_node *node);
rk_status rk__cuda_spmm(rk_loaded *loaded, const rk_node *node);

/* replay.c */
rk_status rk__cuda_load(rk_device_context *context, const rk_program *program, rk_loaded **out);
void rk__cuda_unload(rk_device_context *context, rk_loaded *loaded);
rk_status rk__cuda_run(rk_device_context *context, rk_loaded *loaded, int64_t steps);

/* memory.c: allocation with the messages that a person needs. */
rk_status rk__cuda_alloc(void *out_pointer, int64_t bytes, const char *what);

#endif
