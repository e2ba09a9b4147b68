/*
 * Opening what a run folder holds: the checkpoint of its model, and the data set that it is of.
 *
 * No lock is taken, since a run may be looked at while it is going on, or be replaced meanwhile. So
 * the checkpoint is opened once, and config and data set are compared with what it says: parts of
 * two runs are an error.
 */
#ifndef RK_TRAIN_OPEN_RUN_H
#define RK_TRAIN_OPEN_RUN_H

#include "data/dataset.h"
#include "train/checkpoint.h"

typedef struct rk_open_run {
    rk_h5 *checkpoint; /* best.h5; or last.h5, by eval.select or where there is no best; with
                        * train.refit refit.h5; owned */
    rk_checkpoint_facts facts; /* of it; owned */
    rk_dataset *dataset;       /* owned; of a refit, too, as it was before valid joined train */
} rk_open_run;

/* Which model of a run: the one that came of it; or the one that was chosen, before a refit. */
typedef enum rk_run_model { RK_RUN_FINAL, RK_RUN_CHOSEN } rk_run_model;

/* config: that of the folder, perhaps with other values of options that do not decide the course of
 * training. The data set is the run's own (data.h5), else the cached file that it was trained on,
 * else prepared once more; with data_root, which moved data.root of config, always prepared from
 * the sources there (NULL = it was not moved). RK_ERR_IO without a checkpoint, RK_ERR_DATA where
 * the parts do not belong together. hooks may be NULL. Nothing is owed after a failure. */
rk_status rk__open_run(rk_open_run *out, const char *folder, const rk_config *config,
                       rk_run_model model, const char *data_root, const rk_hooks *hooks);

void rk__open_run_close(rk_open_run *run); /* a zeroed one is fine */

#endif
