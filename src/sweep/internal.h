/*
 * A sweep in progress, shared by its files: folder.c (what was asked), trial.c (one trial),
 * methods.c (which trials), finalists.c (the best with other seeds), finish.c (the chosen one,
 * tables and report), sweep.c (the call).
 */
#ifndef RK_SWEEP_INTERNAL_H
#define RK_SWEEP_INTERNAL_H

#include "io/folder_lock.h"
#include "rankine/sweep.h"
#include "sweep/journal.h"
#include "sweep/space.h"
#include "sweep/tpe.h"
#include "train/several.h"

#define RK_FILE_SWEEP "sweep.yaml"

typedef enum rk_trial_state {
    RK_TRIAL_OPEN, /* has no result yet */
    RK_TRIAL_DONE,
    RK_TRIAL_PRUNED,
    RK_TRIAL_FAILED,
    RK_TRIAL_REUSED
} rk_trial_state;

typedef struct rk_trial {
    double *places; /* [axes]; NaN = nothing reads the axis; owned */
    char *options;  /* members of a JSON object: the values that are read; owned */
    char *shown;    /* the same for people; owned */
    rk_trial_state state;
    double value; /* NaN = none */
    int64_t epochs;
    double seconds;
    int64_t same_as; /* number of a trial; 0 = none */
    char *why;       /* of a failure; owned */
} rk_trial;

/* A data set of some of the trials, and what these have in common. */
typedef struct rk_sweep_data {
    char digest[17];       /* of the options that make it */
    char *folder;          /* of the first trial that has it; owned */
    rk_dataset *dataset;   /* owned; NULL = not needed yet */
    rk_groundwork *ground; /* of it; owned; NULL = not needed yet */
} rk_sweep_data;

/* How the best trials did with other seeds. */
typedef struct rk_finalist {
    int64_t trial;
    double mean, sd; /* NaN = a seed failed */
} rk_finalist;

enum { RK_FINALISTS = 3, RK_REDUCTION = 3 /* eta of halving */, RK_MOST_ATTEMPTS = 1000 };

typedef struct rk_sweep_run {
    const rk_config *config;     /* lent */
    const rk_sweep_options *how; /* lent */
    rk_sweep_method method;
    int64_t wanted; /* trials; of a grid INT64_MAX = all */
    uint64_t seed;
    const char *metric; /* lent */
    bool lower;         /* is better */
    rk_space space;
    rk_folder_lock lock;
    const char *folder; /* lent by lock */
    rk_several runs;
    rk_journal journal;
    rk_trial *trials; /* n; owned */
    int64_t n, capacity;
    int64_t invalid;     /* combinations */
    int64_t grid_next;   /* combination of a grid */
    int64_t best;        /* trial, from 0; -1 = none yet */
    double seconds;      /* of all trainings */
    rk_sweep_data *data; /* n_data; owned */
    int64_t n_data;
    rk_groundwork *ground; /* of a data set that the caller gave; owned */
    bool begun;            /* the caller was told */
    int64_t kept;          /* results that were there before */
    int64_t final_seed;    /* the first of the other seeds */
    rk_finalist finalists[RK_FINALISTS];
    int64_t n_finalists;
} rk_sweep_run;

/* ---- folder.c ---- */

/* Method, trials, seed and space: as asked, of a sweep that goes on compared with sweep.yaml or
 * taken from it. With the lock in hand; writes nothing. */
rk_status rk__sweep_settle(rk_sweep_run *sweep);
/* sweep.yaml and config.yaml. */
rk_status rk__sweep_write_asked(const rk_sweep_run *sweep);

/* ---- trial.c ---- */

/* The config at these places (epochs: of halving, 0 = as they are), and in *trial the places,
 * options and shown. RK_ERR_CONFIG if the values do not go together. Free both. */
rk_status rk__trial_config(const rk_sweep_run *sweep, const double *places, int64_t epochs,
                           rk_config **out, rk_trial *trial);
void rk__trial_free(rk_trial *trial);
/* "DIR/trial-0007"; number from 1. */
rk_status rk__trial_folder(const rk_sweep_run *sweep, int64_t number, char **out);
/* Trains trial t (from 0) on, to so many epochs (0 = as its config says), or reads what came of it
 * before. */
rk_status rk__trial_run(rk_sweep_run *sweep, int64_t t, int64_t epochs);
/* The data set of a config; lent. From now on runs are given what trainings on it share. */
rk_status rk__sweep_dataset(rk_sweep_run *sweep, const rk_config *config, const char *folder,
                            const rk_dataset **out);
/* Failures of one combination; others, of files or devices, are the end of the sweep. */
bool rk__trial_may_fail(rk_status status);
/* Whether a is a better value than b. */
bool rk__sweep_better(const rk_sweep_run *sweep, double a, double b);

/* Whether key k of axis a is among the options that the trial has. */
bool rk__trial_reads(const rk_trial *trial, const rk_axis *axis, int64_t a, int64_t k);

/* ---- hparams.c ---- */

/* For TensorBoard, in the sweep's folder what is varied, in that of trial `number` (from 1) its
 * values and whether it came to an end. */
rk_status rk__sweep_hparams(const rk_sweep_run *sweep);
rk_status rk__trial_hparams(const rk_sweep_run *sweep, const rk_trial *trial, int64_t number);

/* ---- methods.c ---- */

/* Finds the first valid combination and forgets it: RK_ERR_CONFIG where there is none. */
rk_status rk__sweep_probe(rk_sweep_run *sweep, rk_config **out);
rk_status rk__sweep_run_trials(rk_sweep_run *sweep);

/* ---- finalists.c ---- */

/* Sets final_seed, above the config's and all of the space; RK_ERR_CONFIG where too few are left.
 */
rk_status rk__sweep_find_final_seed(rk_sweep_run *sweep);
/* *inout_chosen: the trial whose mean with other seeds is best, then tested with these. */
rk_status rk__sweep_choose_by_seeds(rk_sweep_run *sweep, int64_t *inout_chosen);

/* ---- finish.c ---- */

/* The config and the folder that trial t was trained with. */
rk_status rk__trial_open(const rk_sweep_run *sweep, int64_t t, rk_config **out, char **out_folder);

/* Chooses, tests, links, and writes trials.csv and report.json. */
rk_status rk__sweep_finish(rk_sweep_run *sweep);

/* ---- report.c ---- */

rk_status rk__sweep_write_csv(const rk_sweep_run *sweep);
/* chosen: the trial, from 0. */
rk_status rk__sweep_write_report(const rk_sweep_run *sweep, int64_t chosen);

#endif
