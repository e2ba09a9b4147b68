/* A folder of runs with several seeds, for those who want one model of it. */
#ifndef RK_TRAIN_SEEDS_FOLDER_H
#define RK_TRAIN_SEEDS_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "rankine/hooks.h"
#include "rankine/status.h"

/* Whether a run in such a folder has this name, "seed-S", and its seed. */
bool rk__seeds_folder_member(const char *name, int64_t *out_seed);

/* Of the folder of a sweep that of the trial that it chose, DIR/best; else a copy of path.
 * RK_ERR_CONFIG where it has chosen none yet. Free *out with rk__free. */
rk_status rk__sweep_folder_choose(const char *path, char **out);

/* The run folder that `of` stands for: itself; of a finished sweep its chosen trial; or, of a
 * folder that rk_train_seeds made, the run with the best value of eval.metric when its model was
 * chosen, which is logged. RK_ERR_CONFIG, naming its runs, where they are not finished or were
 * never checked. hooks may be NULL. Free *out with rk__free. */
rk_status rk__seeds_folder_choose(const char *of, const rk_hooks *hooks, char **out);

#endif
