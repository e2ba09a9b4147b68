/* Engine, step and scorer of a run, put together in the order that they need. */
#ifndef RK_TRAIN_SET_UP_H
#define RK_TRAIN_SET_UP_H

#include "score/scorer.h"
#include "train/step.h"

/* Everything is ready afterwards: memory has been compared with what there is, programs are loaded,
 * and with a step (NULL = only to rank) the parameters have their initial values; the step state
 * is the caller's to set. options and dataset are lent for the engine's life; hooks may be NULL.
 * Nothing is owed after a failure. */
rk_status rk__set_up(rk_engine *engine, rk_step *step, rk_scorer **scorer,
                     const rk_options *options, const rk_dataset *dataset, bool eager,
                     const rk_hooks *hooks);

/* The same among ranks, each with some columns of the model's tables; comm is lent for the engine's
 * life. */
rk_status rk__set_up_among(rk_comm *comm, rk_engine *engine, rk_step *step, rk_scorer **scorer,
                           const rk_options *options, const rk_dataset *dataset, bool eager,
                           const rk_hooks *hooks);

/* Frees what rk__set_up made; step may be NULL, zeroed parts are fine. */
void rk__tear_down(rk_engine *engine, rk_step *step, rk_scorer **scorer);

#endif
