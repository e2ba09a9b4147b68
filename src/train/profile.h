/*
 * Where the time of training steps goes: by operation, with the bytes that it has to move and the
 * rates that the device reaches at best.
 */
#ifndef RK_TRAIN_PROFILE_H
#define RK_TRAIN_PROFILE_H

#include "ops/traffic.h"
#include "train/run_log.h"
#include "train/step.h"

typedef struct rk_profile {
    rk_op_time times[RK_OP_COUNT];
    int64_t steps;
} rk_profile;

/* RK_ERR_DEVICE when the device measures neither operations nor itself. */
rk_status rk__profile_check(const rk_engine *engine);

/* The same as rk__step_run, timed operation by operation. On CUDA the steps are then not replayed
 * from a graph: each operation is waited for. */
rk_status rk__profile_step(rk_profile *profile, rk_step *step, int64_t steps);

/* What the row sets of the step's program touch, on average over the first steps, in its order: the
 * batch, or with loss.neighbours its users and the neighbours of its positives. A row set that a
 * model makes counts as the batch's. Free *out with rk__free. */
rk_status rk__profile_batch(const rk_step *step, rk_batch_facts **out, int *out_n);

/* The work of a step by operation: out[RK_OP_COUNT]. */
rk_status rk__profile_work(const rk_step *step, rk_traffic *out);

/* Measures the device's ceilings, writes path (CSV) and logs the table. */
rk_status rk__profile_report(const rk_profile *profile, const rk_step *step, const char *path,
                             rk_run_log *log);

#endif
