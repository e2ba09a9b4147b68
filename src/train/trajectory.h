/*
 * The options that decide where training goes step by step. A run may be resumed with other values
 * of the rest (train.epochs, eval.*, run.threads, run.device ...), but not of these.
 */
#ifndef RK_TRAIN_TRAJECTORY_H
#define RK_TRAIN_TRAJECTORY_H

#include "config/options.h"

/* "key: value" lines. times: the fingerprint of the data set's times, for a model that goes by
 * them; else NULL. Free with rk__free. */
rk_status rk__trajectory_text(const rk_config *config, const char *times, char **out);

/* The same of the options that decide what the data set is, without those that say where files are:
 * data.*, its lists, split.*. */
rk_status rk__data_text(const rk_config *config, char **out);

/* Names the first option that differs, with both values, e.g. "model.dim was 8 when this run began
 * and is 9 now"; *out NULL = none does. An option that `before` does not know had its default. Free
 * with rk__free. */
rk_status rk__trajectory_difference(const char *before, const char *now, char **out);

/* The same of two texts of rk__data_text, also where elements of lists are gone. */
rk_status rk__data_difference(const char *before, const char *now, char **out);

/* RK_ERR_CONFIG, with the difference, if there is one: a run cannot be resumed with it. */
rk_status rk__trajectory_compare(const char *before, const char *now);

#endif
