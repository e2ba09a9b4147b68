/*
 * The interface of a device. A model's program knows nothing of it; the trainer and the evaluator
 * talk to a device only through these functions.
 *
 * Life: open -> bind a store -> load programs -> run / write / read -> unload -> close.
 * Calls on one context come from one thread at a time.
 */
#ifndef RK_DEVICE_DEVICE_H
#define RK_DEVICE_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "dist/comm.h"
#include "ops/program.h"

typedef struct rk_device_context rk_device_context; /* each device's own */
typedef struct rk_loaded rk_loaded;                 /* a program made ready on a device */

typedef struct rk_device_options {
    int64_t threads; /* 0 = all cores */
    bool eager;      /* run operation by operation, check every output, name the first bad one */
    const char *isa; /* cpu: take this table of hot loops, by name; NULL = the best */
    int64_t index;   /* cuda: which of the devices, from 0 */
    int propagation; /* cuda: RK_PROPAGATION_* */
    int matmul;      /* cuda: RK_MATMUL_* */
    int ranking;     /* cuda: RK_RANKING_* */
    int gram;        /* cuda: RK_GRAM_* */
    int overlap;     /* cuda: RK_OVERLAP_* */
    int64_t steps_per_launch; /* cuda: steps in a captured graph; 0 = 1 */
    int64_t piece_edges;      /* cuda: longest piece of a row that one warp works on; 0 = 256 */
    rk_comm *comm;            /* who else has columns of the tables; lent; NULL = nobody */
    rk_comm *ranks;           /* who else works on this machine, on cores and GPUs of their own;
                               * lent; NULL = nobody */
    bool exact; /* cuda, with eager: no guard bands, so that a memory checker (compute-sanitizer)
                   sees where each tensor ends */
} rk_device_options;

typedef struct rk_device_info {
    char name[160];       /* "AMD EPYC 9654, 2 threads, AVX-512" */
    int64_t memory_total; /* bytes */
    int64_t memory_free;
} rk_device_info;

/* Memory that a program takes besides its arena. */
typedef struct rk_device_need {
    const char *what; /* static text */
    int64_t bytes;
    bool is_shared; /* there once for all programs that need it */
} rk_device_need;

enum { RK_MAX_NEEDS = 12 };

/* Time spent in each operation since the profile was switched on. */
typedef struct rk_op_time {
    double seconds;
    int64_t calls;
} rk_op_time;

/* How to draw the initial values of rows [first_row, end_row) of a stored f32 tensor; the draws
 * are ops/init_draw.h's. */
typedef struct rk_device_init {
    int32_t kind;   /* RK_INIT_* */
    int32_t number; /* of the parameter */
    uint64_t seed;
    double scale;
    int64_t first_row, end_row;
} rk_device_init;

/* The first rows of a stored tensor, from the host or to it. */
typedef struct rk_transfer {
    int32_t stored;
    int64_t rows;
    void *host;
} rk_transfer;

/* Writes, one run of a program, reads. */
typedef struct rk_submission {
    const rk_transfer *writes, *reads;
    int n_writes, n_reads;
    rk_loaded *loaded;
} rk_submission;

/* What is to be measured by rk_device.measure. */
typedef struct rk_device_probe {
    int64_t rows, row_bytes; /* of the table that rows are gathered from; row_bytes: 64 times n */
    int64_t gathers;         /* rows read in a pass; 0 = 2^20, on CUDA 2^24. A number also cuts the
                           measure of flops short: for those who do not want it, and for tests */
    int64_t copy_bytes;      /* of the block that is copied */
} rk_device_probe;

/* Somebody who watches programs that take long. Called on the thread that runs them, a few times a
 * second at most. */
typedef struct rk_watch {
    /* How far the program is, in `unit` (static text); total 0 = it is not known. True: it is to be
     * left. */
    bool (*look)(void *user, int64_t done, int64_t total, const char *unit);
    void *user;
} rk_watch;

/* What the device can do at best, the denominators of every other figure. */
typedef struct rk_device_ceilings {
    double gather; /* bytes a second that rows drawn uniformly at random are read with */
    double copy;   /* bytes a second that a block is copied with, read and written */
    double flops;  /* fp32 multiplications and additions a second, fused and without memory */
    double launch; /* seconds that a step without work takes */
} rk_device_ceilings;

typedef struct rk_device {
    const char *name; /* "cpu", "cuda" */
    int lanes;        /* of a program that it can run at once (ops/lanes.h) */

    /* How many there are of its kind. Optional: NULL = one. */
    int64_t (*count)(void);
    /* RK_OK, or RK_ERR_DEVICE with the reason why this machine cannot use device `index` of its
     * kind; RK_ERR_CONFIG when there are devices, but not so many. */
    rk_status (*probe)(int64_t index);
    rk_status (*open)(const rk_device_options *options, rk_device_context **out);
    void (*close)(rk_device_context *context); /* unloads everything; NULL is fine */
    rk_status (*info)(rk_device_context *context, rk_device_info *out);

    /* What loading a planned program will allocate besides its arena; before the store is bound. */
    rk_status (*needs)(rk_device_context *context, const rk_program *program,
                       rk_device_need out[RK_MAX_NEEDS], int *out_n);

    /* Allocates every tensor of the store; constants are uploaded (or lent), others zeroed. */
    rk_status (*bind)(rk_device_context *context, const rk_store *store);
    /* Makes a planned program ready: one allocation for its arena. */
    rk_status (*load)(rk_device_context *context, const rk_program *program, rk_loaded **out);
    void (*unload)(rk_device_context *context, rk_loaded *loaded); /* NULL is fine */

    /* Host <-> stored tensor, `rows` rows from `first`. Synchronous. */
    rk_status (*write)(rk_device_context *context, int32_t stored, int64_t first, int64_t rows,
                       const void *host);
    rk_status (*read)(rk_device_context *context, int32_t stored, int64_t first, int64_t rows,
                      void *host);
    /* Host address of a stored tensor if the device computes in host memory, else NULL. Optional:
     * NULL = never. Saves copies of large tables. */
    const void *(*peek)(rk_device_context *context, int32_t stored);
    /* Draws initial values on the device. Optional: NULL = the caller draws them on the host
     * and writes them. */
    rk_status (*init)(rk_device_context *context, int32_t stored, const rk_device_init *how);
    /* Temporary of a loaded program, whole; for tests, after run. Without eager the value must be
     * the last that its memory was used for; with eager every temporary has memory of its own. */
    rk_status (*read_value)(rk_device_context *context, rk_loaded *loaded, rk_value value,
                            void *host);

    /* Replays the program `steps` times; returns when they are queued. */
    rk_status (*run)(rk_device_context *context, rk_loaded *loaded, int64_t steps);
    /* Has whatever is run from now on watched, until that is NULL; lent. A program that is left is
     * RK_ERR_INTERRUPTED, what it writes may hold anything then. Optional: NULL = a program cannot
     * be looked at before its end. */
    void (*watch)(rk_device_context *context, const rk_watch *watch);
    /* Waits for everything queued. */
    rk_status (*sync)(rk_device_context *context);

    /* Queues what a submission does, behind everything that was queued before; returns while it is
     * done, unless the device computes on the host. The host memory is the device's until wait has
     * returned for the ticket, and of alloc_host, or else the caller may be kept waiting. */
    rk_status (*submit)(rk_device_context *context, const rk_submission *what, int64_t *out_ticket);
    rk_status (*wait)(rk_device_context *context, int64_t ticket);
    rk_status (*alloc_host)(rk_device_context *context, void *out_pointer, int64_t bytes,
                            const char *what);
    void (*free_host)(rk_device_context *context, void *memory); /* NULL is fine */

    /* Nodes of the CUDA graph that a step of a loaded program is replayed from; captures it if need
     * be. 0 = it cannot be captured and goes operation by operation, as on a device where this is
     * NULL. */
    rk_status (*graph_nodes)(rk_device_context *context, rk_loaded *loaded, int64_t *out);

    /* What a person should know of how programs are run, each thing once; false: nothing new.
     * Optional. */
    bool (*note)(rk_device_context *context, char *out, size_t size);

    /* Switches timing per operation on (times is kept up to date by run) or off (NULL). Optional.
     */
    void (*profile)(rk_device_context *context, rk_op_time times[RK_OP_COUNT]);
    /* Measures ceilings, in a fraction of a second and with memory of its own. Optional. */
    rk_status (*measure)(rk_device_context *context, const rk_device_probe *what,
                         rk_device_ceilings *out);
    /* What of others it stands on, and which files these were loaded from, for `rankine info`.
     * Optional. */
    rk_status (*libraries)(rk_buffer *out);
} rk_device;

extern const rk_device rk__device_cpu;
extern const rk_device rk__device_cuda; /* only in a build with RANKINE_CUDA */

/* All devices of this build, NULL-terminated, best first for `auto`. */
const rk_device *const *rk__devices(void);

/* By choice of run.device and, where that is a GPU, its index; *out_reason (static or thread-local
 * text) says why auto took it. RK_ERR_DEVICE when a named device is not in this build or not
 * usable, RK_ERR_CONFIG for an index beyond the GPUs that are there, also with auto. */
rk_status rk__device_choose(int choice, int64_t index, const rk_device **out,
                            const char **out_reason);

#endif
