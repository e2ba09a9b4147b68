/*
 * Long work on rows, pass by pass: progress with an estimate, whoever wants to stop is heard, and
 * mapped rows are given back as the pass moves on.
 *
 * A pass says how many rows it has gone over, every row or every few thousand. In a parallel region
 * all threads may do so; only the one that began the work calls the hooks. Once the work is to
 * stop, every call says so, on every thread.
 */
#ifndef RK_DATA_WORK_H
#define RK_DATA_WORK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "io/spill.h"
#include "rankine/hooks.h"

typedef struct rk_work {
    const rk_hooks *hooks;  /* lent; may be NULL */
    rk_spill *spill;        /* lent; NULL = all rows are in memory */
    const char *phase;      /* of the pass, for progress */
    const char *unit;       /* of what is counted, "rows" */
    const char *left;       /* said where the work is stopped; NULL = that nothing was written */
    int64_t row_bytes;      /* that a row of a pass touches, about: read and written */
    int64_t total;          /* of the pass */
    double began, told;     /* the pass; the last progress */
    _Atomic int64_t done;   /* of the pass */
    _Atomic int64_t looked; /* `done` at the last look */
    _Atomic int stopped;    /* RK_ERR_INTERRUPTED once somebody wanted to stop */
} rk_work;

/* NULL stands for work that nobody watches, in all calls. */
static inline rk_spill *rk__work_spill(const rk_work *work)
{
    return work ? work->spill : NULL;
}

/* A pass over so many rows begins. */
void rk__work_begin(rk_work *work, const char *phase, int64_t total);

/* Of rk__work_add, which calls it every few thousand rows. */
rk_status rk__work_look(rk_work *work);

enum { RK_ROWS_PER_LOOK = 1 << 15 };

/* So many rows more are done: RK_ERR_INTERRUPTED if the work is to stop. */
static inline rk_status rk__work_add(rk_work *work, int64_t rows)
{
    if (!work) {
        return RK_OK;
    }
    const int64_t done = rows + atomic_fetch_add_explicit(&work->done, rows, memory_order_relaxed);
    return done - atomic_load_explicit(&work->looked, memory_order_relaxed) < RK_ROWS_PER_LOOK
               ? RK_OK
               : rk__work_look(work);
}

/* *inout_to becomes the end of the next piece of n rows, which begins there and counts as done, for
 * loops that have nothing to say of single rows:
 *   for (int64_t k = 0, to = 0; k < n;) {
 *       RK_TRY(rk__work_piece(work, n, &to));
 *       for (; k < to; k++) { ... }
 *   } */
static inline rk_status rk__work_piece(rk_work *work, int64_t n, int64_t *inout_to)
{
    const int64_t from = *inout_to;
    *inout_to = n - from < RK_ROWS_PER_LOOK ? n : from + RK_ROWS_PER_LOOK;
    return rk__work_add(work, *inout_to - from);
}

/* Whether it is not to stop: for the threads of a parallel region, which cannot leave it. */
static inline bool rk__work_goes_on(const rk_work *work)
{
    return !work || atomic_load_explicit(&work->stopped, memory_order_relaxed) == RK_OK;
}

/* RK_ERR_INTERRUPTED if the work is to stop; after a parallel region. */
rk_status rk__work_state(const rk_work *work);

#endif
