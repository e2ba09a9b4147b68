/*
 * train.refit: the chosen model once more, fitted to train and valid together. What was chosen on
 * valid (epoch, options, weights) stays; nothing is checked on the way.
 */
#ifndef RK_TRAIN_REFIT_H
#define RK_TRAIN_REFIT_H

#include "train/trainer.h"

typedef struct rk_refit {
    rk_trainer trainer; /* without a folder; its data set is the joined one, which it owns */
    rk_hooks hooks;     /* of the run, without scalars */
} rk_refit;

/* With train.refit: RK_ERR_CONFIG where there is nothing to add to train, or the schedule goes by
 * checks, which a refit has none of. */
rk_status rk__refit_check(const rk_config *config, const rk_dataset *dataset);

/* Fits it for `epochs` epochs, and writes refit.h5 where the run has a folder. The engine of `run`
 * is closed before unless its steps are profiled: two of them may not fit into memory. `out` does
 * not move afterwards; it is to be freed after a failure, too. */
rk_status rk__refit_run(rk_refit *out, rk_trainer *run, int64_t epochs);
void rk__refit_free(rk_refit *refit); /* a zeroed one is fine */

#endif
