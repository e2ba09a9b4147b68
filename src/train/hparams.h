/*
 * What TensorBoard's HParams page shows of several runs side by side: the values that each has of
 * the options that differ between them, and which metric they are compared by. Its plugin reads
 * this from event files (tensorboard/plugins/hparams/plugin_data.proto, api.proto): of a run from a
 * session's start and end in the run's folder, of all of them from an experiment in the folder that
 * holds those.
 */
#ifndef RK_TRAIN_HPARAMS_H
#define RK_TRAIN_HPARAMS_H

#include <stdint.h>

#include "rankine/status.h"

/* The value of an option; text where it is no number, and then `number` does not matter. */
typedef struct rk_hparam {
    const char *name; /* "train.learning_rate" */
    const char *text; /* NULL = a number */
    double number;
} rk_hparam;

typedef enum rk_hparams_end {
    RK_HPARAMS_SUCCEEDED = 1,
    RK_HPARAMS_FAILED = 2,
    RK_HPARAMS_RUNNING = 3,
} rk_hparams_end;

/* Adds an event file to the folder of a run: it begins with these values. group: runs of the same
 * group are one row of the table (seeds of one trial); NULL = each is its own. RK_ERR_IO where the
 * disk does not take it. Only one process may do so at a time. */
rk_status rk__hparams_write_start(const char *run_folder, const char *group,
                                  const rk_hparam *hparams, int64_t n);

/* The same: how the run ended. */
rk_status rk__hparams_write_end(const char *run_folder, rk_hparams_end end);

/* Adds an event file to the folder that holds the runs: what is varied (whose `number` and `text`
 * only say which kind it is) and the tag of the metric to compare by, "valid/ndcg@10". */
rk_status rk__hparams_write_experiment(const char *folder, const rk_hparam *varied, int64_t n,
                                       const char *metric);

#endif
