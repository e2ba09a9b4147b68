/* The learning-rate schedule of a run, from its options: what ops/schedule.h is evaluated with. */
#ifndef RK_TRAIN_SCHEDULE_H
#define RK_TRAIN_SCHEDULE_H

#include "config/options.h"
#include "ops/program.h"

/* RK_ERR_CONFIG when warm-up or schedule are longer than the run. */
rk_status rk__schedule_make(const rk_options *options, int64_t steps_per_epoch, rk_schedule *out);

/* Does the rate change at all? If not, the step state keeps the one it began with. */
bool rk__schedule_moves(const rk_options *options);

/* The plateau rule after a check without a better metric: counts it, and after
 * train.plateau_patience of them lowers *scale and returns true. */
bool rk__schedule_plateau(const rk_options *options, int64_t *checks, double *scale);

#endif
