/*
 * The hooks that a run hands to everything below it: messages go to train.log (with the time) and
 * to the caller; progress, scalars and the wish to stop pass through. Messages from before the run
 * folder is there are kept and written first. Among ranks only rank 0 talks, and from
 * rk__run_log_agree on a wish is that of any rank: the same answer on all.
 */
#ifndef RK_TRAIN_RUN_LOG_H
#define RK_TRAIN_RUN_LOG_H

#include <stdio.h>

#include "base/buffer.h"
#include "dist/comm.h"
#include "rankine/hooks.h"

typedef struct rk_run_log {
    const rk_hooks *outer; /* lent; may be NULL */
    FILE *file;            /* owned; NULL until opened */
    rk_buffer early;       /* lines from before */
    rk_hooks hooks;        /* to hand down; its user is this log */
    bool is_quiet;         /* the caller hears nothing */
    rk_comm *agrees;       /* lent; NULL = a wish is the caller's alone */
    rk_status status;      /* of asking the ranks */
} rk_run_log;

void rk__run_log_init(rk_run_log *log, const rk_hooks *outer);

/* From now on should_stop is collective, until comm is NULL again. */
void rk__run_log_agree(rk_run_log *log, rk_comm *comm);

/* Opens path, appending. */
rk_status rk__run_log_open(rk_run_log *log, const char *path);
void rk__run_log_close(rk_run_log *log); /* a zeroed log is fine */

void rk__log(rk_run_log *log, rk_log_level level, const char *format, ...) RK_PRINTF(3, 4);

/* The caller's wish, false without a hook. */
bool rk__should_stop(const rk_hooks *hooks);

#endif
