/*
 * How long-running calls talk to their caller: messages, progress, and requests to stop.
 *
 * Any callback may be NULL, so initialise the whole struct: rk_hooks hooks = {.progress = show};
 * members that are not named are then NULL, also those of later versions.
 *
 * Threads: callbacks run on the thread that made the call; but a message about ranks that do not
 * come is logged by another one, while the call waits for them. Hooks that are handed to calls in
 * several threads at once must bear being called so. The struct is only read.
 */
#ifndef RANKINE_HOOKS_H
#define RANKINE_HOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "rankine/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum rk_log_level { RK_LOG_DEBUG, RK_LOG_INFO, RK_LOG_WARNING } rk_log_level;

/* What a call is doing. The texts are lent for the duration of the callback. */
typedef struct rk_progress {
    const char *phase;         /* "reading ratings.csv", "training", "evaluating", or what a model
                                * in closed form is at: "coordinate descent" */
    int64_t done, total;       /* in `unit`; total 0 = not known */
    const char *unit;          /* "rows", "steps", "users" */
    double seconds;            /* since the phase began */
    int64_t epoch, epochs;     /* 1-based while training, else 0 */
    double loss;               /* mean over the epoch so far; NaN where there is none */
    double samples_per_second; /* triplets; 0 where there are none */
    double eta_seconds;        /* until the last epoch; negative = not known */
    const char *metric;        /* name of the watched metric, or NULL */
    double metric_value;       /* its latest value; NaN = none yet */
    int64_t run, runs;         /* of several runs, 1-based; 0 = there is only one */
} rk_progress;

typedef struct rk_hooks {
    void (*log)(void *user, rk_log_level level, const char *message);
    void (*progress)(void *user, const rk_progress *progress);
    bool (*should_stop)(void *user); /* true: write a checkpoint, return RK_ERR_INTERRUPTED */
    void *user;                      /* handed to every callback; owned by the caller */
    /* A number of the epoch that has just ended; step is the epoch, from 1. With a loss every epoch
     * gives "train/loss", each of its terms ("train/bpr", "train/l2") and "train/learning_rate"; a
     * checked one also each metric of the part it was checked on ("valid/ndcg@10"). They are those
     * of metrics.jsonl, and come when its line is written; a value may be NaN or infinite. A
     * resumed run begins behind its checkpoint, so an epoch that ended after that comes again. Of
     * several seeds one run follows the other, each from 1. name is lent for the call. */
    void (*scalar)(void *user, const char *name, int64_t step, double value);
} rk_hooks;

#ifdef __cplusplus
}
#endif
#endif
