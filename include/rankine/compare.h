/*
 * Runs side by side: the options that differ, the metrics, and paired tests over users.
 *
 * Every run is evaluated again from its chosen checkpoint, so that it has a value for each user;
 * the runs must have the same data set (users, items and split). A folder of runs with several
 * seeds (rk_train_seeds) counts as one: a user's value is the mean over its seeds.
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

/* Run minus first run over the users: the t-test of paired samples (Student 1908) and the
 * percentile interval of the bootstrap (Efron 1979), both two-sided. */
typedef struct rk_paired {
    double difference;            /* mean over the users */
    double sd;                    /* of the differences, of a sample */
    double t, p;                  /* n - 1 degrees of freedom; without any difference 0 and 1 */
    double low, high;             /* interval of the mean difference */
    int64_t better, worse, equal; /* users */
} rk_paired;

typedef struct rk_compare_options {
    rk_part part;          /* valid or test */
    const char *device;    /* "auto", "cpu", "cuda"; NULL = as each run's config says */
    const char *data_root; /* as for rk_run_open; may be NULL */
    int64_t replicates;    /* of the bootstrap, 100 to 1,000,000 */
    double confidence;     /* of the interval, above 0 and below 1 */
} rk_compare_options;

/* Test, 2,000 replicates, 0.95. */
RK_API rk_compare_options rk_compare_defaults(void);

typedef struct rk_compared_run {
    const char *folder;
    int64_t seeds; /* runs with different seeds in it; 1 = a single run */
    int64_t epoch; /* the model is of; of a single run, else 0 */
} rk_compared_run;

typedef struct rk_compared_option {
    const char *key;     /* "train.learning_rate" */
    const char **values; /* one a run, in YAML notation */
} rk_compared_option;

typedef struct rk_compared_metric {
    const char *name;  /* "ndcg@10" */
    double *values;    /* one a run */
    double *sd;        /* over the seeds of each; NaN for a single run */
    bool is_paired;    /* false: it has no value for a user (coverage) */
    rk_paired *paired; /* one a run, against the first one; entry 0 is not used */
} rk_compared_metric;

/* Everything in it is owned by the comparison. */
typedef struct rk_comparison {
    rk_compared_run *runs;
    int64_t n_runs;
    rk_compared_option *options; /* those that differ between any two runs */
    int64_t n_options;
    rk_compared_metric *metrics; /* eval.metrics x eval.k of the first run */
    int64_t n_metrics;
    int64_t users; /* that were averaged over */
    rk_compare_options how;
    char fingerprint[17];
} rk_comparison;

/* Two or more runs, against the first. RK_ERR_CONFIG when they cannot be compared. Free with
 * rk_comparison_free. */
RK_API rk_status rk_compare(const char *const *run_dirs, int64_t n, const rk_compare_options *how,
                            const rk_hooks *hooks, rk_comparison **out);
/* NULL is fine. */
RK_API void rk_comparison_free(rk_comparison *comparison);

#ifdef __cplusplus
}
#endif
#endif
