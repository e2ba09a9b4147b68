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
    rk_split_rows
        side[2];      /* its part of the users' rows and of the items', once n_users is known */
    int64_t n_users;  /* 0 until a node names a side of the graph */
    rk_piece *pieces; /* device, owned */
    rk_long_row *long_rows; /* device, owned */
    /* Only for propagation through cuSPARSE: 32-bit offsets and the value array that it wants. */
    int32_t *offsets32; /* device, owned; NULL until needed */
    float *values;      /* device, owned */
} rk_cuda_graph;

/* A program's own view of a graph for cuSPARSE: a descriptor remembers the buffer that it was
 * preprocessed with, so programs do not share one. */
typedef struct rk_cuda_matrix {
    int32_t stored_offsets;
    cusparseSpMatDescr_t descriptor;
    void *buffer; /* device, owned */
} rk_cuda_matrix;

/* The pieces of a drawn graph, found by its offsets: they depend on the draw, so a program has its
 * own. */
typedef struct rk_cuda_draw {
    rk_value offsets; /* of drop_edges */
    int64_t *first;   /* device, owned; as in rk_split_rows */
} rk_cuda_draw;

/* A Gram matrix as two of halves (kernels/gram.cu), found by its stored number. */
typedef struct rk_cuda_gram {
    int32_t stored;
    rk_half *high, *low; /* device, [n, rk__cuda_gram_stride(n)], one allocation, owned by high */
} rk_cuda_gram;

enum { RK_CUDA_MAX_GRAPHS = 8 };

/* A tensor in device memory. */
typedef struct rk_cuda_block {
    void *base; /* device, owned; NULL = inside of a larger allocation */
    char *data; /* device */
} rk_cuda_block;

struct rk_device_context {
    rk_device_options options;
    int device;
    cudaStream_t stream;
    cublasHandle_t blas; /* this one and the next: created when first needed */
    cusparseHandle_t sparse;
    void *blas_workspace;  /* device, owned: cuBLAS must not allocate while a graph is captured */
    const rk_store *store; /* lent */
    rk_cuda_block *stored; /* by number; owned array */
    void *memory;          /* device, owned: all stored tensors, unless eager */
    rk_cuda_graph graphs[RK_CUDA_MAX_GRAPHS];
    int n_graphs;
    rk_cuda_gram grams[RK_CUDA_MAX_GRAPHS];
    int n_grams;
    rk_loaded *loaded; /* list of the loaded programs */
    rk_op_time *times; /* lent; NULL = no profile */
};

struct rk_loaded {
    rk_device_context *context;
    const rk_program *program; /* lent */
    rk_cuda_block *tensors;    /* n_tensors; owned array */
    void *arena;               /* device, owned: all temporaries, unless eager */
    void *scratch;             /* device, owned: working memory of one operation at a time */
    int64_t scratch_bytes;
    cudaGraphExec_t one_step, many_steps; /* NULL until first run */
    rk_cuda_matrix matrices[RK_CUDA_MAX_GRAPHS];
    int n_matrices;
    rk_cuda_draw draws[RK_CUDA_MAX_GRAPHS];
    int n_draws;
    rk_loaded *next;
};

/* Device address of a value; NULL for RK_NONE. */
void *rk__cuda_address(const rk_loaded *loaded, rk_value value);

/* launch.c: queues one node on the context's stream. */
rk_status rk__cuda_launch(rk_loaded *loaded, const rk_node *node);
/* scratch.c: bytes of scratch that a node needs; and of its tiles, which are in it: items that a
 * tile of users is scored with at a time, queries that attend to all keys at a time. */
int64_t rk__cuda_tile_items(int64_t n_tile_users, int64_t n_items);
int64_t rk__cuda_tile_queries(int64_t n);
rk_status rk__cuda_scratch(rk_device_context *context, const rk_program *program,
                           const rk_node *node, int64_t *out_bytes);

/* blas.c: cuBLAS with a workspace of ours; NULL is fine to free. */
enum { RK_CUDA_BLAS_WORKSPACE = 32 << 20 }; /* bytes; what NVIDIA advises for Hopper */
rk_status rk__cuda_blas_prepare(rk_device_context *context);
void rk__cuda_blas_free(rk_device_context *context);
/* The handle's mode by cuda.matmul; who sets another one for a call puts it back. */
cublasMath_t rk__cuda_blas_math(const rk_device_context *context);
/* scores [n_users, stride], row-major, = users [n_users, d] items^T [d, n_items]. */
rk_status rk__cuda_blas_scores(rk_device_context *context, const float *users, int64_t n_users,
                               const float *items, int64_t n_items, int64_t d, float *scores,
                               int64_t stride);

/* The same in the precision of cuda.ranking. */
rk_status rk__cuda_blas_ranking(rk_device_context *context, const float *users, int64_t n_users,
                                const float *items, int64_t n_items, int64_t d, float *scores,
                                int64_t stride);

/* mean [n, d] = weights [n, n_keys] keys [n_keys, d], all row-major. */
rk_status rk__cuda_blas_weighted(rk_device_context *context, const float *weights, int64_t n,
                                 const float *keys, int64_t n_keys, int64_t d, float *mean);
/* gram.c: the halves of a node's Gram matrix, made at its first use; the product. */
int64_t rk__cuda_gram_stride(int64_t n);
int64_t rk__cuda_gram_scratch(int64_t n, int64_t d, int64_t halves);
rk_status rk__cuda_gram_prepare(rk_loaded *loaded, const rk_node *node);
rk_status rk__cuda_gram_multiply(rk_loaded *loaded, const rk_node *node);
void rk__cuda_grams_free(rk_device_context *context);

/* split_rows.c: the stored offsets of a node's graph, or of the one that it was drawn from. */
int32_t rk__cuda_stored_offsets(const rk_program *program, const rk_node *node);
/* The graph of these offsets, built and uploaded at its first use. */
rk_status rk__cuda_graph_prepare(rk_device_context *context, const rk_program *program,
                                 const rk_node *node);
/* Its counts, without its arrays: from the constant that the offsets are. */
rk_split_rows rk__cuda_graph_size(const rk_device_context *context, const rk_program *program,
                                  const rk_node *node);
/* Memory for the pieces of the graph that a drop_edges node draws; NULL for a graph that is not
 * drawn. */
rk_status rk__cuda_draw_prepare(rk_loaded *loaded, const rk_node *node);
int64_t *rk__cuda_draw_first(const rk_loaded *loaded, rk_value offsets);
int64_t rk__cuda_draw_bytes(int64_t n_pieces);
void rk__cuda_draws_free(rk_loaded *loaded);
rk_cuda_graph *rk__cuda_graph_find(rk_device_context *context, int32_t stored_offsets);
void rk__cuda_graphs_free(rk_device_context *context);

/* spmm.c: a full propagation through cuSPARSE over a stored graph, from floats to floats with
 * nothing added. */
bool rk__cuda_spmm_takes(const rk_program *program, const rk_node *node);
rk_status rk__cuda_spmm_prepare(rk_loaded *loaded, const rk_node *node);
rk_status rk__cuda_spmm(rk_loaded *loaded, const rk_node *node);
void rk__cuda_spmm_free(rk_loaded *loaded);

/* needs.c: what loading a program allocates besides its arena. */
rk_status rk__cuda_needs(rk_device_context *context, const rk_program *program,
                         rk_device_need out[RK_MAX_NEEDS], int *out_n);
/* Is it one of the operations that read a graph's split rows? */
bool rk__cuda_needs_pieces(rk_op op);
bool rk__cuda_needs_blas(rk_op op);
/* Half a propagation, of the side in attr.fold. */
bool rk__cuda_names_a_side(rk_op op);

/* replay.c */
rk_status rk__cuda_load(rk_device_context *context, const rk_program *program, rk_loaded **out);
void rk__cuda_unload(rk_device_context *context, rk_loaded *loaded);
rk_status rk__cuda_run(rk_device_context *context, rk_loaded *loaded, int64_t steps);
/* Queues node i of the program; timed, if there is a profile. */
rk_status rk__cuda_run_node(rk_loaded *loaded, int32_t i);
/* Puts the node's name in front of the last message. */
rk_status rk__cuda_name_node(const rk_loaded *loaded, int32_t i, rk_status status);

/* ceilings.c: the slot `measure`. */
rk_status rk__cuda_measure(rk_device_context *context, const rk_device_probe *what,
                           rk_device_ceilings *out);

/* eager.c: one step, node by node, with the checks of device/eager.h. */
rk_status rk__cuda_run_eager(rk_loaded *loaded);

/* memory.c: allocation with the messages that a person needs. */
rk_status rk__cuda_alloc(void *out_pointer, int64_t bytes, const char *what);
/* The same with guard bands on both sides, unless options.exact. */
rk_status rk__cuda_alloc_guarded(rk_device_context *context, int64_t bytes, const char *what,
                                 rk_cuda_block *out);
/* Host -> device; the host memory may go when it returns. */
rk_status rk__cuda_upload(rk_device_context *context, void *device, const void *host,
                          int64_t bytes);

/* Band on each side of a tensor in eager mode; keeps the 256-byte alignment of allocations. */
enum { RK_CUDA_GUARD_BYTES = 256 };

#endif
