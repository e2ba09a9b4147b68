/* Wall-clock seconds from a monotonic clock, and peak resident memory. */
#ifndef RK_BASE_TIMER_H
#define RK_BASE_TIMER_H

#include <stdint.h>

/* Seconds since an arbitrary start. */
double rk__now(void);

/* Seconds of processors that all threads of the process have used so far. */
double rk__processor_seconds(void);

/* The process's peak resident set so far, bytes. */
int64_t rk__peak_memory(void);

#endif
