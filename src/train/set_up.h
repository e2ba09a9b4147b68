/* Engine, step and scorer of a run, put together in the order that they need. */
#ifndef RK_TRAIN_SET_UP_H
#define RK_TRAIN_SET_UP_H

#include "score/scorer.h"
#include "train/groundwork.h"
#include "train/step.h"

/* Everything is ready afterwards: memory has been compared with what there is, programs are loaded,
 * and with a step (NULL = only to rank) the parameters have their initial values; the step state
 * is the caller's to set. options and dataset are lent for the engine's life; hooks may be NULL.
 * Nothing is owed after a failure. */
rk_status rk__set_up(rk_engine *engine, rk_step *step, rk_scorer **scorer,
                     const rk_options *options, const rk_dataset *dataset, bool eager,
                     const rk_hooks *hooks);

/* With whom: the ranks of a run, who share the machine and divide users among them, and other
 * trainings on the same data set. Zeros: nobody. */
typedef struct rk_among {
    rk_comm *comm;         /* lent for the engine's life; NULL = nobody else */
    bool is_whole;         /* each has the model's tables whole; else some columns of them */
    rk_groundwork *ground; /* of the data set; lent for the engine's life; NULL = all is our own */
} rk_among;

/* The same among ranks, collective. */
rk_status rk__set_up_among(rk_among among, rk_engine *engine, rk_step *step, rk_scorer **scorer,
                           const rk_options *options, const rk_dataset *dataset, bool eager,
                           const rk_hooks *hooks);

/* Frees what rk__set_up made; step may be NULL, zeroed parts are fine. */
void rk__tear_down(rk_engine *engine, rk_step *step, rk_scorer **scorer);

#endif
