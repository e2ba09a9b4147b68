/*
 * Several runs of one job, one after the other: seeds, the trials of a sweep. Hooks that number the
 * progress, and a run that is kept where it is finished, resumed where it was cut off, or begun.
 */
#ifndef RK_TRAIN_SEVERAL_H
#define RK_TRAIN_SEVERAL_H

#include "rankine/report.h"
#include "rankine/train.h"
#include "train/groundwork.h"

typedef struct rk_several {
    const rk_hooks *outer; /* the caller's; lent; may be NULL */
    rk_hooks hooks;        /* for the runs; refers to this struct, which must stay in its place */
    int64_t current, n;    /* the run, from 1, of so many */
    bool hushed;           /* what runs say of themselves becomes RK_LOG_DEBUG, but for warnings */
    char warned[256];      /* the last warning, which is not repeated for each run; its beginning */
    rk_groundwork *ground; /* of the data set that the runs are given; lent; NULL = none */
    double seconds_each;   /* that a run takes, for the time that is left; 0 = not known */
} rk_several;

void rk__several_init(rk_several *out, const rk_hooks *outer, int64_t n);

/* A message of the job itself. */
void rk__several_say(const rk_several *several, rk_log_level level, const char *format, ...)
    RK_PRINTF(3, 4);

/* Whether the run in a folder is finished under exactly this configuration, and tested unless
 * without_test. */
rk_status rk__several_is_finished(const char *folder, const rk_config *config, bool without_test,
                                  bool *out);

/* RK_ERR_CONFIG where several processes were started as ranks of one training. what: the call. */
rk_status rk__several_refuse_ranks(const rk_config *config, const char *what);

/* Trains the run of how->run_dir: unless it is finished, it goes on from its checkpoint if there is
 * one, else it begins anew. Of `how` new_dir, begun and force are not looked at, and without resume
 * what is in the folder is replaced. *out_report (NULL: not wanted) is that of the run. */
rk_status rk__several_train(rk_several *several, const rk_config *config,
                            const rk_train_options *how, bool is_finished, rk_report **out_report);

/* The data set of all the runs: that of `first` if that has begun, so that they go on with what it
 * has. As rk_train_dataset. */
rk_status rk__several_dataset(rk_several *several, const rk_config *config, const char *first,
                              bool resume, rk_dataset **out);

#endif
