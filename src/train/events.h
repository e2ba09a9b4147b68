/*
 * Event files, as TensorBoard reads them (tensorboard --logdir DIR), beside metrics.jsonl.
 *
 * A process that trains opens one file of its own, events.out.tfevents.SECONDS.HOST.PID.N, when it
 * has something to say: readers take the files of a folder in the order of their names, so its
 * seconds are later than those of every file that is there. Records are written whole, by one
 * write() an epoch. A killed process may leave half a record at the end of its file, which readers
 * pass over, for whoever resumes the run opens another file; that one begins by saying which
 * step comes first, and readers drop what they have seen from there on.
 *
 * Threads: one at a time. Errors: RK_ERR_IO, as of metrics.jsonl.
 */
#ifndef RK_TRAIN_EVENTS_H
#define RK_TRAIN_EVENTS_H

#include <stdbool.h>

#include "base/buffer.h"

#define RK_EVENTS_PREFIX "events.out.tfevents."

typedef struct rk_events {
    const char *folder; /* lent; NULL = nothing is written */
    int64_t first_step; /* of a resumed run: that which comes first, from 1; 0 = a new run */
    int descriptor;     /* owned; 0 = not open yet */
    char *path;         /* of the file; owned */
    rk_buffer summary;  /* values that belong to one step */
} rk_events;

/* Nothing is opened yet. */
rk_events rk__events_of(const char *folder, int64_t first_step);

/* A number of the step that rk__events_write will name. */
void rk__events_scalar(rk_events *events, const char *tag, double value);

/* Writes the numbers since the last call as one record; without any, nothing happens. */
rk_status rk__events_write(rk_events *events, int64_t step);

/* Appends one event with this Summary message, which is emptied. */
rk_status rk__events_write_summary(rk_events *events, int64_t step, rk_buffer *summary);

void rk__events_close(rk_events *events); /* a zeroed one is fine */

/* Removes the event files of a folder. */
void rk__events_clear(const char *folder);

#endif
