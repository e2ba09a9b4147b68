/* Where a training run stands: what a checkpoint holds beside the parameters and their moments. */
#ifndef RK_TRAIN_POSITION_H
#define RK_TRAIN_POSITION_H

#include "ops/program.h"

/* One finished epoch. A checkpoint keeps the columns that follow from data and options; how long
 * things took is in metrics.jsonl, so that equal runs write equal checkpoints. */
typedef struct rk_epoch_record {
    double loss;          /* mean over the epoch's steps */
    double check;         /* eval.metric; NaN = not checked */
    double seconds;       /* of its training steps; not in the checkpoint */
    double check_seconds; /* not in the checkpoint */
} rk_epoch_record;

typedef struct rk_position {
    rk_step_state step;
    int n_terms;  /* of the loss; rk_step has their names */
    double *sums; /* [1 + n_terms]: the loss and its terms, over this epoch's steps; owned */
    double epoch_seconds; /* spent so far in the epoch that is not finished */
    double best_value;    /* of eval.metric; NaN = no check yet */
    int64_t best_epoch;   /* 1-based; 0 = none */
    int64_t checks_since_best;
    int64_t plateau_checks;   /* without a better one since then or since the rate was lowered */
    rk_epoch_record *history; /* step.epoch records; owned */
    double *terms; /* [step.epoch, n_terms]: means over an epoch's steps; NaN = unknown; owned */
    int64_t history_capacity;
    double first_loss; /* of the first step; NaN = not known, of a checkpoint of an older version */
} rk_position;

/* Before the first step, without a state yet. Free with rk__position_free. */
rk_status rk__position_init(rk_position *out, int n_terms);

/* Room for one more record and its terms; the caller fills them and counts the epoch. */
rk_status rk__position_reserve(rk_position *position);
void rk__position_free(rk_position *position);

/* What losses are held against: that of the first step or, where it is not known, of the first
 * epoch. */
double rk__position_first_loss(const rk_position *position);
/* The first epoch (from 1) whose loss is finite and a hundred times that of the beginning or more:
 * a training that has diverged without numbers that are not finite. 0 = none. */
int64_t rk__position_diverged(const rk_position *position);

/* The terms of a record (from 0), n_terms. */
static inline double *rk__position_terms(const rk_position *position, int64_t record)
{
    return position->terms + record * position->n_terms;
}

#endif
