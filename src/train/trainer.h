/*
 * A training run in progress, shared by the files that drive it: trainer.c (set-up, resume, end)
 * and epoch.c (steps, checks, checkpoints).
 */
#ifndef RK_TRAIN_TRAINER_H
#define RK_TRAIN_TRAINER_H

#include "rankine/train.h"
#include "engine/snapshot.h"
#include "train/checkpoint.h"
#include "train/events.h"
#include "train/members.h"
#include "train/position.h"
#include "train/profile.h"
#include "train/report.h"
#include "train/run_folder.h"
#include "train/run_log.h"
#include "train/set_up.h"
#include "train/warm_start.h"

typedef struct rk_trainer {
    const rk_config *config;   /* lent */
    const rk_options *options; /* lent */
    rk_folder_lock lock;       /* held from before anything is read to the end */
    const char *folder;        /* lent by lock; NULL = nothing is written */
    rk_comm *comm;             /* the ranks of the run; owned, of a refit lent */
    /* The folder that the run is written into, by this rank or rank 0; NULL = none; owned. */
    char *run_folder;
    rk_run_log log;
    rk_events events;          /* writes nothing unless run.tensorboard and a folder say so */
    const rk_dataset *dataset; /* lent: the caller's, or `prepared` */
    rk_dataset *prepared;      /* owned; NULL when the caller gave one */
    rk_groundwork *ground; /* of the data set, shared with other trainings; lent; NULL = alone */
    rk_warm_start warm;
    rk_members members; /* of an ensemble */
    rk_engine engine;
    rk_step step;
    rk_scorer *scorer;
    rk_position position;
    rk_checkpoint_facts facts; /* of this run */
    bool checks;               /* eval.every > 0, and the part to check on is not empty */
    rk_part check_part;
    int32_t *check_users; /* ascending; owned */
    int64_t n_check_users;
    double newest_check;     /* NaN = none yet */
    double seconds_per_step; /* measured; 0 = not yet */
    double train_began;      /* rk__now() at the first step of this process */
    double processor_began;  /* rk__processor_seconds() at the beginning */
    int64_t steps_here;      /* done by this process */
    int64_t bytes_sent;      /* by these steps, to other ranks */
    rk_snapshot best;        /* without a folder: the model of the best check */
    int64_t epochs;          /* to train */
    bool unsaved;            /* last.h5 does not hold the present position yet */
    bool stopped_early;
    bool has_final;    /* the run was finished before, and its event files have its final metrics */
    bool without_test; /* the report says nothing of test */
    bool profiles;     /* the steps are timed by operation */
    const char *command; /* lent; NULL = not known */
    rk_profile profile;
    rk_phase_seconds seconds;
} rk_trainer;

/* Epochs until train.epochs or early stopping. On RK_ERR_INTERRUPTED last.h5 is written; on
 * RK_ERR_DIVERGED the checkpoints stay as they were. */
rk_status rk__train_epochs(rk_trainer *trainer);

/* What callers in the library have or want beside. Zeros: nothing. */
typedef struct rk_train_beside {
    rk_groundwork *ground; /* of how->dataset, shared with other trainings; lent */
    rk_snapshot *kept;     /* the chosen model; out */
    rk_dataset **prepared; /* the data set that it is of, unless the caller gave one; out */
} rk_train_beside;

/* rk_train, also without a folder. */
rk_status rk__train(const rk_config *config, const rk_train_options *how, const rk_hooks *hooks,
                    rk_train_beside beside);

/* last.h5 as the run stands now. */
rk_status rk__train_checkpoint(rk_trainer *trainer);

#endif
