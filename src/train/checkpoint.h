/*
 * Checkpoints: HDF5 files in the run folder, written aside and renamed.
 *
 * last.h5 holds everything that the next step depends on: parameters, Adam's moments, the step
 * state (also in the middle of an epoch), the history, and what must still be the same on resume:
 * the options of trajectory.h and the data set's fingerprint. best.h5 holds the parameters of one
 * epoch. A file that is cut off, foreign or corrupted is RK_ERR_DATA.
 */
#ifndef RK_TRAIN_CHECKPOINT_H
#define RK_TRAIN_CHECKPOINT_H

#include "io/h5.h"
#include "train/position.h"
#include "train/step.h"

/* What a run took over from an earlier one when it began (warm_start.h). */
typedef struct rk_warm_facts {
    char *run;            /* the earlier one's path; owned; NULL = the run began at zero */
    int64_t epoch;        /* that the parameters were from */
    int64_t folds;        /* 1: who was new was folded in, where they had something that was not */
    int64_t users, items; /* taken over */
    int64_t new_users, new_items;   /* not in the earlier run */
    int64_t folded;                 /* of these, folded in; the others were drawn */
    int64_t gone_users, gone_items; /* of the earlier run that are not in the data any more */
} rk_warm_facts;

/* What a checkpoint says about itself; also the expectation that it is compared with. */
typedef struct rk_checkpoint_facts {
    char *trajectory;     /* see trajectory.h; owned */
    char *data;           /* rk__data_text; "" = not known; owned */
    char *watch;          /* what the checks look at, e.g. "ndcg@10 on valid"; owned */
    char fingerprint[17]; /* of the data set */
    char *dataset_path;   /* of its prepared file, absolute; owned */
    char sources[17];     /* digest of the state of its sources; "" = not known */
    int64_t epoch;        /* epochs done */
    double value;         /* of the watched metric at that epoch; NaN = not checked */
    rk_warm_facts warm;   /* owned */
} rk_checkpoint_facts;

void rk__checkpoint_facts_free(rk_checkpoint_facts *facts);

/* position NULL: parameters only (best.h5). RK_ERR_DIVERGED when a parameter is not finite. Among
 * ranks rank 0 writes, and the others, path NULL, give it their columns: the file does not know how
 * many they were. */
rk_status rk__checkpoint_write(const char *path, const rk_step *step,
                               const rk_checkpoint_facts *facts, const rk_position *position);

/* Who wrote it and for what, without the tensors. Free with rk__checkpoint_facts_free. */
rk_status rk__checkpoint_read_facts(const char *path, rk_checkpoint_facts *out);

/* Parameters, moments and the step state into the engine; the position with its history (free it
 * with rk__position_free). Shapes must be the engine's. */
rk_status rk__checkpoint_read(const char *path, rk_step *step, rk_position *position);
/* The file, to read its parts one by one, all of the same checkpoint also if it is replaced. */
rk_status rk__checkpoint_open(const char *path, rk_h5 **out);
rk_status rk__checkpoint_facts_of(const rk_h5 *file, rk_checkpoint_facts *out);
/* The parameters into a file of another kind. */
rk_status rk__checkpoint_write_parameters(rk_h5 *file, const rk_engine *engine);
rk_status rk__checkpoint_read_tensors(const rk_h5 *file, rk_engine *engine);
/* Those whose names begin with the prefix, which they do not have in the file. */
rk_status rk__checkpoint_read_prefixed(const rk_h5 *file, rk_engine *engine, const char *prefix);
/* Only the parameters; also of a best.h5. */
rk_status rk__checkpoint_read_parameters(const char *path, rk_engine *engine);

#endif
