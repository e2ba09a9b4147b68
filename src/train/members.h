/*
 * The members of an ensemble: other runs' models, of the same data set. What is taken of them,
 * config and tensors, becomes the ensemble's own; their folders are not looked at again once it is
 * trained.
 */
#ifndef RK_TRAIN_MEMBERS_H
#define RK_TRAIN_MEMBERS_H

#include "data/dataset.h"
#include "engine/engine.h"
#include "io/h5.h"

typedef struct rk_member {
    char *run;     /* the folder of its run; owned */
    rk_h5 *chosen; /* its checkpoint, fitted to train; owned */
    rk_h5 *refit;  /* fitted to train and valid; owned; NULL unless the ensemble has train.refit */
    double weight; /* that was chosen, or given */
    double on_valid; /* eval.metric of the member alone; NaN = not looked at */
} rk_member;

typedef struct rk_members {
    rk_config *config; /* the ensemble's, with its members'; owned */
    rk_member *of;     /* n; owned */
    int64_t n;         /* 0 = the model is no ensemble */
} rk_members;

/* Opens the runs of model.members; nothing of a model that has none. RK_ERR_CONFIG where a run
 * cannot be a member, RK_ERR_DATA where it was trained on other data. hooks may be NULL. */
rk_status rk__members_open(rk_members *out, const rk_config *config, const rk_dataset *dataset,
                           const rk_hooks *hooks);
void rk__members_close(rk_members *members); /* a zeroed one is fine */

/* Their tensors into the ensemble's engine: of the models of train, or of train and valid. */
rk_status rk__members_load(const rk_members *members, bool refit, rk_engine *engine);

/* The weights as they are in the engine, to members->of[].weight; and the other way. */
rk_status rk__members_read_weights(rk_members *members, const rk_engine *engine);
rk_status rk__members_write_weights(const rk_members *members, rk_engine *engine);

/* The configs of an ensemble's members in a file of its own, beside its tensors. */
rk_status rk__members_write_configs(rk_h5 *file, const rk_options *options);
rk_status rk__members_read_configs(const rk_h5 *file, rk_config *config);

#endif
