/*
 * trials.jsonl: what a sweep decided, in order, each line on the disk before the next step.
 *
 * A sweep that goes on runs through its decisions from the beginning. As long as there are lines of
 * before, what it says is compared with them, and results are read from them instead of trained; so
 * a sweep is either the same as before or an error. A last line that was cut off is dropped.
 */
#ifndef RK_SWEEP_JOURNAL_H
#define RK_SWEEP_JOURNAL_H

#include <stdbool.h>

#include "base/buffer.h"

typedef struct rk_journal {
    char *path, *text; /* the file as it was; owned */
    const char *at;    /* the next line of before in text; at its end: there is none */
    int64_t line;      /* its number, from 1 */
    int descriptor;    /* -1 = not open */
} rk_journal;

/* Opens or creates the file. */
rk_status rk__journal_open(rk_journal *out, const char *folder);
void rk__journal_close(rk_journal *journal); /* a zeroed one, which was never opened, is fine */

/* Whether the next line of before is this event ("done"). */
bool rk__journal_next_is(const rk_journal *journal, const char *event);
/* A number, or a text to be freed, of the next line of before. */
double rk__journal_number(const rk_journal *journal, const char *key);
rk_status rk__journal_text(const rk_journal *journal, const char *key, char **out);

/* What ends a line and is not compared: how long something took, or why, in words. */
typedef struct rk_journal_end {
    double seconds;  /* NaN = not said */
    const char *why; /* NULL = not said */
} rk_journal_end;

/* body: an object without its last brace. RK_ERR_DATA if a line of before is another one. */
rk_status rk__journal_say(rk_journal *journal, const char *body, rk_journal_end end);

#endif
