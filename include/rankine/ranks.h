/*
 * Ranks: processes that a launcher (mpirun, srun) has started together, as they share the work of a
 * model's evaluation. A training finds its ranks by itself (rk_train, run.communicator).
 *
 * Each rank makes the same calls in the same order. A rank whose work fails leaves with the reason,
 * and the others' calls then fail with the same status and that reason; a rank that dies is
 * RK_ERR_RANKS in them. Nothing waits for ever.
 *
 *     rk_ranks_join -> rk_ranks_open_model -> rk_evaluate ... -> rk_model_free -> rk_ranks_leave
 *
 * Threads: one at a time.
 */
#ifndef RANKINE_RANKS_H
#define RANKINE_RANKS_H

#include <stdbool.h>
#include <stdint.h>

#include "rankine/hooks.h"
#include "rankine/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rk_ranks rk_ranks;

/* Who started this process, as a launcher tells it; before and without meeting the others. */
typedef struct rk_ranks_start {
    int64_t size, rank;   /* processes that were started together, and which this is; 1 and 0 */
    const char *by;       /* "mpirun", "srun" ...; NULL = no launcher */
    const char *variable; /* of the environment, that says how many; NULL */
} rk_ranks_start;

RK_API rk_ranks_start rk_ranks_started(void);

/* Finds the others. Started by nobody as one of several, or with is_self, a process is alone: rank
 * 0 of 1, and MPI is not loaded. hooks: should_stop is asked while others are waited for; lent
 * until rk_ranks_leave, may be NULL. RK_ERR_CONFIG where this build has no MPI, or another one than
 * the launcher's, RK_ERR_RANKS where the others cannot be reached. */
RK_API rk_status rk_ranks_join(bool is_self, const rk_hooks *hooks, rk_ranks **out);

/* Ends this rank's part and frees it; NULL is fine. status is what its work ended with, sentence
 * (of a failure) is what the others say of it after "rank R ended the run: "; NULL = the last
 * error, which stays what it was. Returns when all have left, after a failure within seconds. */
RK_API void rk_ranks_leave(rk_ranks *ranks, rk_status status, const char *sentence);

/* 0 to size - 1; NULL is alone. */
RK_API int64_t rk_ranks_rank(const rk_ranks *ranks);
RK_API int64_t rk_ranks_size(const rk_ranks *ranks);

/* Where the share of a rank begins of n things that are divided equally; rank size: n. */
RK_API int64_t rk_ranks_share(const rk_ranks *ranks, int64_t n, int64_t rank);

/* Compares texts: RK_ERR_CONFIG on every rank, with the rank whose `what` ("command line") is not
 * rank 0's and the first line that differs. Collective, as all that follows. */
RK_API rk_status rk_ranks_agree(rk_ranks *ranks, const char *what, const char *text);

/* Returns when all ranks have called it, however long that takes. what: a static text. */
RK_API rk_status rk_ranks_wait(rk_ranks *ranks, const char *what);

/* The bytes of all ranks one behind the other to rank 0, bytes[r] those of rank r (size entries,
 * equal on all ranks). all: on rank 0, where it may begin with `mine`. what: a static text. */
RK_API rk_status rk_ranks_gather(rk_ranks *ranks, const char *what, const void *mine,
                                 const int64_t *bytes, void *all);

/* rk_model_open by each rank, of the same model, which is compared. rk_evaluate, rk_model_evaluate
 * and rk_evaluate_audit by the model's own ranking are made by all ranks together from then on,
 * each for a share of the users, and give each rank the result, equal to one process's. All else is
 * each rank's own. Threads and GPUs of a machine are divided among its ranks. ranks: lent for the
 * model's life. */
RK_API rk_status rk_ranks_open_model(rk_ranks *ranks, const char *path, const char *device,
                                     const char *data_root, const rk_hooks *hooks, rk_model **out);

#ifdef __cplusplus
}
#endif
#endif
