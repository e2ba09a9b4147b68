/*
 * Where the time of training steps goes: by operation, with the bytes that it has to move and the
 * rates that the device reaches at best.
 */
#ifndef RK_TRAIN_PROFILE_H
#define RK_TRAIN_PROFILE_H

#include "ops/traffic.h"
#include "train/run_log.h"
#include "train/session.h"

typedef struct rk_profile {
    rk_op_time times[RK_OP_COUNT];
    int64_t steps;
} rk_profile;

/* RK_ERR_DEVICE when the device measures neither operations nor itself. */
rk_status rk__profile_check(const rk_session *session);

/* The same as rk__session_step, timed operation by operation. On CUDA the steps are then not
 * replayed from a graph: each operation is waited for. */
rk_status rk__profile_step(rk_profile *profile, rk_session *session, int64_t steps);

/* What a batch touches, on average over the first steps: itself, and with loss.neighbours its users
 * and the neighbours of its positives. */
rk_status rk__profile_batch(const rk_session *session, rk_batch_facts out[RK_BATCH_SETS]);

/* Measures the device's ceilings, writes path (CSV) and logs the table. */
rk_status rk__profile_report(const rk_profile *profile, rk_session *session, const char *path,
                             rk_run_log *log);

#endif
