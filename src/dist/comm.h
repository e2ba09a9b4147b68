/*
 * The ranks of a run: processes, one a device, that a launcher (mpirun, srun) has started together.
 *
 * A communicator is what a rank knows of the others and how it adds up with them. Alone ("self") a
 * process is rank 0 of 1 and every call returns at once, so nobody asks whether there are others.
 * Host memory travels by MPI, device memory by NCCL; neither is loaded where one process runs.
 *
 * Collective calls are made by all ranks in the same order with the same `what` (static text that
 * names the call in errors) and the same sizes; each message says which call it belongs to, and a
 * rank that is somewhere else is RK_ERR_INTERNAL with both names. Sums are taken in the order of
 * the ranks: the same bits on every rank, and again the next time on as many ranks. While a rank
 * waits it looks out for others that have died (RK_ERR_RANKS) or said why they end (that rank's
 * status, with its sentence), and for the limit of time: nothing hangs.
 *
 * Life: open -> agree -> calls -> part(status) -> close, by each rank and whatever the status.
 * Calls on one communicator come from one thread at a time.
 */
#ifndef RK_DIST_COMM_H
#define RK_DIST_COMM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "rankine/hooks.h"

typedef struct rk_comm rk_comm;

typedef enum rk_comm_type { RK_COMM_F32, RK_COMM_F64 } rk_comm_type;

enum { RK_COMM_ALL = -1 }; /* as a root: every rank gets the result */

typedef struct rk_comm_options {
    int choice;            /* RK_COMMUNICATOR_* */
    const char *option;    /* what sets it, for errors; static text; NULL = run.communicator */
    bool on_cuda;          /* tensors live in the memory of a GPU: device sums are wanted */
    double patience;       /* seconds to wait for others in one call; 0 = for ever */
    const rk_hooks *hooks; /* lent to close; should_stop is asked while waiting. NULL is fine */
} rk_comm_options;

/* Finds the others. RK_ERR_CONFIG for a communicator that is not in this build or cannot be had as
 * we were started; RK_ERR_RANKS if the others cannot be reached. */
rk_status rk__comm_open(const rk_comm_options *options, rk_comm **out);

/* Ends a rank's part, with the status that its work ended with and (not RK_OK) the thread's last
 * error as its sentence: whoever waits for this rank learns it and ends with the same. To be called
 * before memory is freed, which the others should not wait for; after a failure work that GPUs do
 * together is given up. No calls are made any more. The last error stays what it was. */
void rk__comm_part(rk_comm *comm, rk_status status);

/* The same, unless that was done, and frees it. NULL is fine. */
void rk__comm_close(rk_comm *comm, rk_status status);

/* A process on its own, for those who opened no communicator. Static, need not be closed. */
rk_comm *rk__comm_self(void);

int rk__comm_rank(const rk_comm *comm);         /* 0 ... size - 1 */
int rk__comm_size(const rk_comm *comm);         /* 1 = alone */
int rk__comm_local_rank(const rk_comm *comm);   /* among the ranks of this machine: which GPU */
int rk__comm_local_size(const rk_comm *comm);   /* ranks on this machine */
const char *rk__comm_name(const rk_comm *comm); /* "self", "mpi", "nccl" */

/* Where the share of a rank begins of n things that are divided equally; rank size: n. */
int64_t rk__comm_share(const rk_comm *comm, int64_t n, int rank);

/* Bytes of values that this rank has sent so far, of device sums what NCCL's ring would send. */
int64_t rk__comm_bytes_sent(const rk_comm *comm);

/* Bytes of host memory that it allocates for calls in which no rank has more than `most` bytes. */
int64_t rk__comm_room(const rk_comm *comm, int64_t most);

/* Text for people: which MPI and NCCL were found, and who started this process. Loads both, but
 * initialises nothing. Free with rk__free. */
rk_status rk__comm_describe(char **out);

/* ---- host memory, collective ---- */

/* values[0, n) become the sums over ranks. */
rk_status rk__comm_sum(rk_comm *comm, const char *what, float *values, int64_t n);
rk_status rk__comm_sum_double(rk_comm *comm, const char *what, double *values, int64_t n);

/* all = the blocks of all ranks one behind the other, bytes[r] that of rank r (size entries, equal
 * on all ranks). Only the root gets them, or all with RK_COMM_ALL; elsewhere all may be NULL. */
rk_status rk__comm_gather(rk_comm *comm, const char *what, const void *mine, const int64_t *bytes,
                          int root, void *all);

/* all [rows x (size * columns)] f32 = the columns of rank 0, of rank 1 ...: mine [rows x columns].
 * root as above. */
rk_status rk__comm_gather_columns(rk_comm *comm, const char *what, const float *mine, int64_t rows,
                                  int64_t columns, int root, float *all);

/* bytes[0, n) of the root go to all. */
rk_status rk__comm_broadcast(rk_comm *comm, const char *what, void *bytes, int64_t n, int root);

/* Returns when all have called it. */
rk_status rk__comm_barrier(rk_comm *comm, const char *what);

/* The same for what one rank does alone and may take hours: as long as it lives. */
rk_status rk__comm_barrier_without_limit(rk_comm *comm, const char *what);

/* Compares texts. Where they differ every rank returns `differs` with a sentence that names the
 * rank whose `what` ("config", "data set", "build") is not rank 0's, and the first line of it. */
rk_status rk__comm_agree(rk_comm *comm, rk_status differs, const char *what, const char *text);

/* Each rank says how it fared with its part. RK_OK if all did well; else the failure of the first
 * rank that did not: on that rank its message as it is, elsewhere after "rank R: ". */
rk_status rk__comm_all_ok(rk_comm *comm, const char *what, rk_status mine);

/* Whether any rank wants to stop: the same answer on all ranks. A wish travels with the sums of
 * host memory that are made anyway, so it may be answered a call later; where there were none since
 * the last call, a message of its own is sent. */
rk_status rk__comm_stop(rk_comm *comm, bool mine, bool *out_any);

/* A number that rank 0 tells the others, in the same messages (what other ranks tell is of no
 * meaning): told returns the newest one that all of them know, 0 before there is one. It is the
 * same on all ranks between two calls. */
void rk__comm_tell(rk_comm *comm, int64_t number);
int64_t rk__comm_told(const rk_comm *comm);

/* ---- device memory, collective, queued on a stream ---- */

/* Which of the `count` GPUs that CUDA shows is this rank's, from 0. */
int64_t rk__comm_device_index(const rk_comm *comm, int64_t count);

/* Prepares sums of device memory on the GPU that is current now; gpu is its PCI bus id, count as
 * above. RK_ERR_CONFIG if two ranks would share a GPU, RK_ERR_DEVICE where NCCL is not there or
 * refuses. Alone: nothing. */
rk_status rk__comm_use_device(rk_comm *comm, const char *gpu, int64_t count);

/* memory[0, n) becomes the sum over ranks; stream is a cudaStream_t, may be capturing a graph. */
rk_status rk__comm_sum_device(rk_comm *comm, void *memory, int64_t n, rk_comm_type type,
                              void *stream);

/* all [size x n] f32 = the blocks of all ranks, one behind the other. */
rk_status rk__comm_gather_device(rk_comm *comm, const float *mine, int64_t n, float *all,
                                 void *stream);

/* Waits until is_done(user) (of a stream: cudaStreamQuery is not cudaErrorNotReady) as the other
 * calls wait: looks out for ranks that died and for errors of NCCL. After such an error NCCL is
 * shut down, and device memory holds anything. Alone is_done is not asked: wait as you would. */
rk_status rk__comm_wait_device(rk_comm *comm, const char *what, bool (*is_done)(void *user),
                               void *user);

#endif
