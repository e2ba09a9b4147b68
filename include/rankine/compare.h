/*
 * Comparing runs: the options that differ, the metrics, and paired tests over users.
 *
 * Every run is evaluated again from its chosen checkpoint, which gives a value for each user. All
 * runs must have the same data set (users, items and split). A folder with several seeds
 * (rk_train_seeds) counts as one run: a user's value is the mean over its seeds. A file of
 * rk_model_save may stand in a run folder's place.
 *
 * Threads: run folders are only read, so the same may be compared in several threads at once
 * (rankine/status.h about HDF5 files). A comparison does not change once it is there.
 */
#ifndef RANKINE_COMPARE_H
#define RANKINE_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "rankine/dataset.h"
#include "rankine/hooks.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A run minus the first run, over the users: paired t-test (Student 1908) and bootstrap percentile
 * interval (Efron 1979), both two-sided. */
typedef struct rk_paired {
    double difference;            /* mean over the users */
    double sd;                    /* sample standard deviation of the differences */
    double t, p;                  /* n - 1 degrees of freedom; 0 and 1 if no user differs */
    double low, high;             /* bootstrap interval of the mean difference */
    int64_t better, worse, equal; /* numbers of users */
} rk_paired;

typedef struct rk_compare_options {
    rk_part part;          /* RK_VALID or RK_TEST */
    const char *device;    /* as of rk_model_open; NULL = as each run's config says */
    const char *data_root; /* as for rk_model_open; may be NULL */
    int64_t replicates;    /* of the bootstrap, 100 to 1,000,000 */
    double confidence;     /* level of the interval, above 0 and below 1 */
} rk_compare_options;

/* The test part, 2,000 replicates, confidence 0.95. */
RK_API rk_compare_options rk_compare_defaults(void);

typedef struct rk_compared_run {
    const char *folder; /* as it was named; of a sweep that of its chosen trial */
    int64_t seeds;      /* number of seeds in the folder; 1 = a single run */
    int64_t epoch;      /* that the model was taken from; 0 for several seeds */
    const char *compat; /* as in rk_model_facts */
} rk_compared_run;

typedef struct rk_compared_option {
    const char *key;     /* "train.learning_rate" */
    const char **values; /* one per run, in YAML notation; "-" where nothing in the run reads it */
} rk_compared_option;

typedef struct rk_compared_metric {
    const char *name;  /* "ndcg@10" */
    double *values;    /* one per run */
    double *sd;        /* over the seeds of each run; NaN for a single run */
    bool is_paired;    /* false: the metric has no value for a single user (coverage) */
    rk_paired *paired; /* one per run, against the first run; entry 0 is not used */
} rk_compared_metric;

/* The comparison owns everything in it. */
typedef struct rk_comparison {
    rk_compared_run *runs;
    int64_t n_runs;
    rk_compared_option *options; /* those that differ between any two runs */
    int64_t n_options;
    rk_compared_metric *metrics; /* eval.metrics x eval.k of the first run */
    int64_t n_metrics;
    int64_t users; /* averaged over */
    rk_compare_options how;
    char fingerprint[17];
} rk_comparison;

/* Compares two or more runs with the first one. RK_ERR_CONFIG if they cannot be compared. Free with
 * rk_comparison_free. */
RK_API rk_status rk_compare(const char *const *run_dirs, int64_t n, const rk_compare_options *how,
                            const rk_hooks *hooks, rk_comparison **out);
/* NULL is fine. */
RK_API void rk_comparison_free(rk_comparison *comparison);

#ifdef __cplusplus
}
#endif
#endif
