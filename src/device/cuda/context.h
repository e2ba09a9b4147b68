/*
 * The CUDA device from the inside: one context a device, one `rk_loaded` a program.
 *
 * Everything runs on one stream of the context's own, but for the branches of a captured graph. A
 * context is used by one thread at a time, not always the same: cuda_device.c makes its device the
 * thread's current one in every call.
 */
#ifndef RK_CONTEXT_H
#define RK_CONTEXT_H

#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <cusolverDn.h>
#include <cusparse.h>

#include "base/choices.h"
#include "device/device.h"
#include "ops/lanes.h"
#include "kernels.h"

/* Fails with RK_ERR_MEMORY or RK_ERR_DEVICE when a call of CUDA or its libraries does; the message
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

#define RK_TRY_CUSOLVER(call_)                                                                     \
    do {                                                                                           \
        cusolverStatus_t solver_status_ = (call_);                                                 \
        if (solver_status_ != CUSOLVER_STATUS_SUCCESS) {                                           \
            RK_FAIL(RK_ERR_DEVICE, "%s: cuSOLVER: status %d", #call_, (int)solver_status_);        \
        }                                                                                          \
    } while (0)

rk_status rk__cuda_failed(cudaError_t error, const char *call, const char *file, int line,
                          const char *function);

/* The split rows of one stored graph on the device. */
typedef struct rk_cuda_graph {
    struct rk_cuda_graph *next;
    int32_t stored_offsets; /* its number: that of the offsets */
    rk_split_rows rows;
    int64_t n_users, n_user_pieces; /* 0 until a node names a side of the graph */
    rk_piece *pieces;               /* device, owned */
    rk_piece *by_side;      /* device, owned: the users', then the items'; NULL until needed */
    float *weights;         /* device, owned: scale of each edge's column; NULL until needed */
    rk_long_row *long_rows; /* device, owned */
    /* Only for propagation through cuSPARSE: 32-bit offsets and the value array that it wants. */
    int32_t *offsets32; /* device, owned; NULL until needed */
    float *values;      /* device, owned */
} rk_cuda_graph;

/* A program's own view of a graph for cuSPARSE: a descriptor remembers the buffer that it was
 * preprocessed with, so programs do not share one. */
typedef struct rk_cuda_matrix {
    struct rk_cuda_matrix *next;
    int32_t stored_offsets;
    cusparseSpMatDescr_t descriptor;
    void *buffer; /* device, owned */
} rk_cuda_matrix;

/* A Gram matrix as two of halves (kernels/gram.cu), found by its stored number. */
typedef struct rk_cuda_gram {
    struct rk_cuda_gram *next;
    int32_t stored;
    rk_half *high, *low; /* device, [n, stride], one allocation, owned by high */
} rk_cuda_gram;

/* A tensor in device memory. */
typedef struct rk_cuda_block {
    void *base; /* device, owned; NULL = inside of a larger allocation */
    char *data; /* device */
} rk_cuda_block;

enum { RK_CUDA_MARKS = 8 }; /* submissions on their way that can be told apart */

struct rk_device_context {
    rk_device_options options;
    int device; /* index */
    cudaStream_t stream;
    cudaStream_t branch; /* of a captured graph; NULL until needed */
    rk_stream launches;  /* of kernels outside of programs: `stream` */
    int architecture;    /* of the code that runs and of the device, the older; 0 = not asked yet */
    char note[512];      /* what a person should be told, once */
    char noted[512];     /* the names of the programs of which something was, each in blanks */
    cublasHandle_t blas; /* this one and the next three: created when first needed */
    cusparseHandle_t sparse;
    cusolverDnHandle_t solver;
    cusolverDnParams_t solver_params;
    void *solver_host; /* owned: cuSOLVER's working memory on the host */
    size_t solver_host_bytes;
    void *blas_workspace;  /* device, owned: cuBLAS must not allocate while a graph is captured */
    const rk_store *store; /* lent */
    rk_cuda_block *stored; /* by number; owned array */
    void *memory;          /* device, owned: all stored tensors, unless eager */
    rk_cuda_graph *graphs; /* list, owned */
    rk_cuda_gram *grams;   /* list, owned */
    rk_loaded *loaded;     /* list of the loaded programs */
    rk_op_time *times;     /* lent; NULL = no profile */
    cudaEvent_t marks[RK_CUDA_MARKS]; /* owned: behind submissions; NULL until needed */
    int64_t submitted;
};

/* How an operation is started; one of the two. */
typedef struct rk_cuda_launcher {
    cudaError_t (*kernel)(const rk_call *call); /* in kernels/ */
    rk_status (*library)(const rk_call *call);  /* in this room: of an operation with LIBRARY, and
                                                    of what cuSPARSE does instead of a kernel */
} rk_cuda_launcher;

/* What call->prepared points to: made for a node when its program is loaded. */
typedef struct rk_cuda_prepared {
    rk_split_graph graph;         /* GRAPH; first, since it is all that the kernels know of */
    rk_device_context *context;   /* LIBRARY, cuSPARSE */
    const rk_cuda_gram *gram;     /* gram_product with halves */
    const rk_cuda_matrix *matrix; /* cuSPARSE */
} rk_cuda_prepared;

/* A node made ready. */
typedef struct rk_cuda_node {
    rk_call call;
    rk_cuda_launcher launcher;
    rk_cuda_prepared prepared; /* owns graph.drawn and graph.arrived, device memory */
    cudaEvent_t done;          /* NULL: nobody in another lane waits for it */
} rk_cuda_node;

struct rk_loaded {
    rk_device_context *context;
    const rk_program *program; /* lent */
    rk_cuda_node *nodes;       /* n_nodes; owned array */
    void **memory;             /* n_tensors: where each is, NULL = nowhere; owned array */
    rk_cuda_block *guarded;    /* n_tensors, eager: the temporaries; owned array */
    void *arena;               /* device, owned: all temporaries, unless eager */
    void *scratch[RK_LANES];   /* device, owned: working memory of one operation at a time */
    int64_t scratch_bytes;
    int32_t *arrived;          /* device, owned: a counter of each node */
    rk_stream lanes[RK_LANES]; /* the context's stream, but while a graph is captured */
    rk_lane_order *orders;     /* of nodes, owned; NULL: one lane */
    cudaEvent_t begun, ended;  /* of a step, between the lanes; NULL: one lane */
    bool is_plain;             /* run node by node: of a call that a graph cannot be sure to hold */
    bool is_straight;          /* captured without branches, where these failed */
    cudaGraphExec_t one_step, many_steps; /* NULL until first run */
    rk_cuda_matrix *matrices;             /* list, owned */
    rk_loaded *next;
};

/* cuda_device.c: makes the context's device the calling thread's. Every function of the device's
 * table that calls CUDA begins with it. */
rk_status rk__cuda_enter(const rk_device_context *context);

/* cuda_device.c: until everything queued is done, or another rank has failed that it needs. */
rk_status rk__cuda_wait_stream(rk_device_context *context);

/* cuda_device.c: finds context->architecture, once; not while a graph is captured. */
rk_status rk__cuda_ask_architecture(rk_device_context *context);

/* operations.c: the table. */
rk_cuda_launcher rk__cuda_launcher_of(const rk_node *node);
/* Bytes of scratch that a call needs, by its shapes, attributes and what is prepared. */
int64_t rk__cuda_scratch(const rk_call *call);
/* Queues node i of the program; timed, if there is a profile. */
rk_status rk__cuda_run_node(rk_loaded *loaded, int32_t i);
/* Puts the node's name in front of the last message. */
rk_status rk__cuda_name_node(const rk_loaded *loaded, int32_t i, rk_status status);
/* Operations of libraries: attend.c, ease.c, gram.c, ranks.c, spectral.c, topk.c. Only
 * those with the flag LIBRARY exist. */
#define RK_OP_ROW(ENUM, name, ...) rk_status rk__cuda_##name(const rk_call *call);
#include "ops/ops.def"

/* blas.c: cuBLAS with a workspace of ours, made when first needed; one product of each kind is done
 * then, so that none is the first inside of a capture. NULL is fine to free. */
enum { RK_CUDA_BLAS_WORKSPACE = 32 << 20 }; /* bytes; what NVIDIA advises for Hopper */
rk_status rk__cuda_blas_prepare(rk_device_context *context);
void rk__cuda_blas_free(rk_device_context *context);
/* The handle's mode by cuda.matmul; who sets another one for a call puts it back. */
cublasMath_t rk__cuda_blas_math(const rk_device_context *context);
/* products [n_rows, stride] = rows [n_rows, d] columns^T [d, n_columns], all row-major. */
typedef struct rk_cuda_product {
    const float *rows, *columns;
    int64_t n_rows, n_columns, d;
    float *products;
    int64_t stride;
} rk_cuda_product;
rk_status rk__cuda_blas_product(rk_device_context *context, const rk_cuda_product *p);
/* The same in the precision of cuda.ranking. */
rk_status rk__cuda_blas_ranking(rk_device_context *context, const rk_cuda_product *p);
/* mean [n_rows, d] = products [n_rows, n_columns] columns [n_columns, d]. */
rk_status rk__cuda_blas_weighted(rk_device_context *context, const rk_cuda_product *p, float *mean);

/* Does it go through NCCL, not cuBLAS? */
static inline bool rk__cuda_is_exchange(rk_op op)
{
    return op == RK_OP_SUM_RANKS || op == RK_OP_GATHER_COLUMNS;
}

/* gram.c: the halves of a node's Gram matrix, made at its first use. */
int64_t rk__cuda_gram_bytes(int64_t n);
rk_status rk__cuda_gram_prepare(rk_loaded *loaded, rk_cuda_node *node);
void rk__cuda_grams_free(rk_device_context *context);
/* A product as gram_product makes it, of zeros [bytes]; into them. */
rk_status rk__cuda_gram_warm_up(rk_device_context *context, void *zeros, int64_t bytes);

/* solver.c: cuSOLVER. */
rk_status rk__cuda_solver_prepare(rk_device_context *context);
void rk__cuda_solver_free(rk_device_context *context);
/* ease.c: what a node spd_inverse needs besides its scratch memory. */
rk_status rk__cuda_inverse_prepare(rk_device_context *context, const rk_call *call);

/* split_rows.c: the graph of these offsets, or NULL. */
rk_cuda_graph *rk__cuda_graph_find(rk_device_context *context, int32_t stored_offsets);
/* The split rows of a node's graph, built and uploaded at its first use; and memory for the pieces
 * of the graph that a drop_edges node draws. Nodes before this one are prepared. */
rk_status rk__cuda_graph_prepare(rk_loaded *loaded, rk_cuda_node *node);
/* Their sizes alone, from the constant that the offsets are. */
rk_split_rows rk__cuda_graph_size(const rk_device_context *context, const rk_program *program,
                                  const rk_node *node);
/* Does the node read the weights of its edges in their order? */
bool rk__cuda_graph_has_weights(const rk_device_context *context, const rk_program *program,
                                const rk_node *node);
/* Of a graph of these rows what is a node's own: where the pieces of the graph that drop_edges
 * draws begin, or counters of its long rows. */
int64_t rk__cuda_graph_own_bytes(const rk_node *node, const rk_split_rows *rows);
void rk__cuda_graphs_free(rk_device_context *context);

/* spmm.c: a full propagation through cuSPARSE over a stored graph, from floats to floats with
 * nothing added; cuSPARSE knows neither halves with factors nor what a batch adds. */
bool rk__cuda_spmm_takes(const rk_device_context *context, const rk_program *program,
                         const rk_node *node);
rk_status rk__cuda_spmm_prepare(rk_loaded *loaded, rk_cuda_node *node);
void rk__cuda_spmm_free(rk_loaded *loaded);

/* libraries.c: the function of this name. */
rk_status rk__cuda_libraries(rk_buffer *out);

/* needs.c: what loading a program allocates besides its arena. */
rk_status rk__cuda_needs(rk_device_context *context, const rk_program *program,
                         rk_device_need out[RK_MAX_NEEDS], int *out_n);

/* load.c */
rk_status rk__cuda_load(rk_device_context *context, const rk_program *program, rk_loaded **out);
void rk__cuda_unload(rk_device_context *context, rk_loaded *loaded);
/* replay.c */
rk_status rk__cuda_run(rk_device_context *context, rk_loaded *loaded, int64_t steps);
rk_status rk__cuda_graph_nodes(rk_device_context *context, rk_loaded *loaded, int64_t *out);
bool rk__cuda_note(rk_device_context *context, char *out, size_t size);

/* submit.c: the functions of these names. */
rk_status rk__cuda_submit(rk_device_context *context, const rk_submission *what,
                          int64_t *out_ticket);
rk_status rk__cuda_wait(rk_device_context *context, int64_t ticket);
rk_status rk__cuda_alloc_host(rk_device_context *context, void *out_pointer, int64_t bytes,
                              const char *what);
void rk__cuda_free_host(rk_device_context *context, void *memory);
void rk__cuda_marks_free(rk_device_context *context);

/* ceilings.c: the function `measure` of the device. */
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
