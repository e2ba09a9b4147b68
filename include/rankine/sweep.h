/*
 * Looking for good options: a training for each of many combinations of values, the best one by the
 * valid part, which alone is then tested.
 *
 * The space of values is a YAML file, or RecBole's hyper.test (docs/sweep.md). A sweep folder holds
 * sweep.yaml (what was asked), config.yaml, trials.jsonl (what was decided, a line each, on the
 * disk before the next step), trial-0001/ ... (run folders like any other, but that their reports
 * say nothing of test), and at the end `best` (a link to the chosen trial, which is tested then),
 * trials.csv and report.json. docs/formats.md describes them.
 *
 * Which values trial i has follows from the seed, i and the results of the trials before it, so a
 * sweep that was stopped at any point, also by kill -9, goes on with resume as if it never had
 * been: the same trials, the same bits.
 *
 * Threads: as rk_train; the trials are trained one after the other.
 */
#ifndef RANKINE_SWEEP_H
#define RANKINE_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "rankine/train.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum rk_sweep_method {
    RK_SWEEP_GRID,    /* every combination, the last option of the space changing fastest */
    RK_SWEEP_RANDOM,  /* each value drawn by itself (Bergstra and Bengio 2012) */
    RK_SWEEP_HALVING, /* as random, but first all of them in a few epochs, then the best third in
                       * three times as many ... up to train.epochs (Jamieson and Talwalkar 2016) */
    RK_SWEEP_TPE      /* drawn where good trials were (Bergstra et al. 2011) */
} rk_sweep_method;

/* A trial as it stands; everything is lent. */
typedef struct rk_sweep_trial {
    int64_t number;      /* from 1 */
    int64_t trials;      /* that there will be at most */
    const char *options; /* "model.dim 32, model.layers 2" */
    const char *folder;  /* its run folder; NULL: it was not trained, see same_as */
    int64_t epochs;      /* trained by now; 0 where a model has none */
    double value;        /* of eval.metric on valid; NaN = failed */
    bool is_best;        /* of those so far */
    int64_t same_as;     /* had the same values before, whose result it has; 0 = none */
    const char *failure; /* why there is no value; NULL = there is one */
} rk_sweep_trial;

/* Begin with rk_sweep_defaults(). */
typedef struct rk_sweep_options {
    const char *run_dir;    /* the sweep folder; must not hold anything unless resume */
    bool new_dir;           /* run_dir is a wish: if that is there, run_dir-2, ... is taken */
    bool resume;            /* go on with the sweep in run_dir. Config, space, method and seed must
                             * be as they were; trials may have grown, but not of halving */
    const char *space;      /* a file: YAML, or lines of RecBole's hyper.test; NULL: with resume,
                             * what sweep.yaml says, also of method, seed and, where they are 0,
                             * trials */
    rk_sweep_method method; /* default: random */
    int64_t trials;         /* 1 to 100,000; 0 = 20, of a grid: all of it */
    int64_t seed;           /* of the choices; negative = run.seed of the config */
    int64_t final_seeds;    /* 2 to 1000: the best 3 trials are trained again, with so many other
                             * seeds each (final/trial-0007/seed-*), and the best mean decides; 0 =
                             * the best trial is taken as it is. Trials that differ only in run.seed
                             * count as one, and the other seeds are above all of the space */
    const rk_dataset *dataset; /* as in rk_train_options; then the space may not change data.* and
                                * split.* */
    void (*begun)(void *user, const char *run_dir, const rk_dataset *dataset); /* as there */
    /* Called after each trial, and of halving each time a trial has trained on; of a sweep that is
     * resumed also for those that were finished before. NULL = nobody. */
    void (*trial)(void *user, const rk_sweep_trial *trial);
    void *user; /* handed to both; owned by the caller */
} rk_sweep_options;

RK_API rk_sweep_options rk_sweep_defaults(void);

/* The word of a method ("halving"), NULL for a number that is none. Constant. */
RK_API const char *rk_sweep_method_name(rk_sweep_method method);

/* Trains the trials, tests the best one and writes report.json, which rk_report_open reads
 * ("best.trial", "best.value", "test.ndcg@10"). A training that diverges or does not fit into
 * memory is the worst trial, not the end. RK_ERR_CONFIG, before anything is trained: a space that
 * is not understood or has no valid combination, a metric on test (eval.split), a schedule by
 * train.epochs with halving, a folder that holds something else, a sweep resumed with other
 * options. RK_ERR_INTERRUPTED if hooks->should_stop asked for it: resume goes on. */
RK_API rk_status rk_sweep(const rk_config *config, const rk_sweep_options *options,
                          const rk_hooks *hooks);

#ifdef __cplusplus
}
#endif
#endif
