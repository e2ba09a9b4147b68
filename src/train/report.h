/*
 * The end of a run: report.json for programs (rankine/report.h reads it back), and from it
 * report.html for people.
 */
#ifndef RK_TRAIN_REPORT_H
#define RK_TRAIN_REPORT_H

#include "rankine/evaluate.h"
#include "rankine/model.h"
#include "train/members.h"
#include "train/checkpoint.h"
#include "train/position.h"
#include "score/scorer.h"
#include "train/step.h"

/* Wall-clock seconds; training and checks over the whole run, the rest of this process. */
typedef struct rk_phase_seconds {
    double data, setup, training, checks, evaluation, total;
    double processor; /* of all processors, of this process since the run began */
} rk_phase_seconds;

/* Training, checks, total and processor: of a run that began, here, at rk__now() and
 * rk__processor_seconds(). */
void rk__phase_seconds_sum(rk_phase_seconds *s, const rk_position *position, double began,
                           double processor_began);

/* What came of train.refit. */
typedef struct rk_refit_facts {
    int64_t epochs, interactions; /* that it was fitted in and to; epochs 0 = there was no refit */
    rk_metrics test;
    rk_ratings ratings; /* of test; pairs 0 = the model predicts none */
} rk_refit_facts;

/* What a run came to; everything is lent. */
typedef struct rk_summary {
    const rk_options *options;
    const rk_dataset *dataset;
    const rk_step *step;
    const rk_scorer *scorer;
    const rk_config *config;
    const rk_position *position;
    const rk_warm_facts *warm;
    const rk_members *members;
    const char *watch;           /* "ndcg@10 on valid"; NULL = there were no checks */
    bool without_test;           /* test was not looked at */
    bool chose_best;             /* the final model is best.h5, else the last epoch's */
    bool chosen_on_test;         /* test took part in choosing the model or the epoch to stop at */
    int64_t sent_bytes_per_step; /* by this rank to the others */
    bool stopped_early;
    int64_t chosen_epoch;
    double chosen_value; /* of the watched metric; NaN = unknown */
    /* By rk_part; count 0 = the part is empty, of trace also: there are no traces. */
    rk_metrics model[3], popularity[3], trace[3];
    rk_audit audit[3];
    rk_ratings ratings[3]; /* by rk_part; pairs 0 = the model predicts none */
    rk_refit_facts refit;
    rk_phase_seconds seconds;
} rk_summary;

/* Bytes, by what for. */
typedef struct rk_memory_use {
    int64_t peak;   /* resident set of the process */
    int64_t store;  /* parameters, moments, graph, tables */
    int64_t arenas; /* temporaries of the programs that stay loaded */
} rk_memory_use;
rk_memory_use rk__summary_memory(const rk_summary *summary);

/* Triplets a second over all training steps of the run. */
double rk__summary_samples_per_second(const rk_summary *summary);

/* Writes report.html (src/page), then report.json into the folder of the run, whose other files are
 * there. */
rk_status rk__report_write(const char *folder, const rk_summary *summary);

#endif
