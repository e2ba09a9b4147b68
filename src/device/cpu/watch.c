/*
 * Looking at a program while it runs: how far it is, and whether it is to be left.
 *
 * Clocks are read, and whoever watches is called, by the thread that runs the program alone; the
 * others see a flag. What a program computes does not depend on it.
 */
#include "base/timer.h"
#include "device/cpu/cpu.h"

static const double seconds_between = 0.1;

void rk__cpu_watch_begin(rk_cpu_watch *w)
{
    w->looked_at = -INFINITY; /* so that everything which asks is looked at once */
    w->unit = NULL;
    w->total = 0;
    atomic_store(&w->left, false);
}

bool rk__cpu_watch_look(rk_cpu_watch *w, int64_t done, int64_t total, const char *unit)
{
    if (!w->outer || atomic_load_explicit(&w->left, memory_order_relaxed)) {
        return w->outer != NULL;
    }
    const double now = rk__now();
    if (now - w->looked_at < seconds_between) {
        return false;
    }
    w->looked_at = now;
    w->unit = unit;
    w->total = total;
    const bool leave = w->outer->look(w->outer->user, done, total, unit);
    atomic_store(&w->left, leave);
    return leave;
}

bool rk__cpu_leave(const rk_call *call, int64_t done, int64_t total, const char *unit)
{
    rk_cpu_watch *w = call->watch;
    if (!w) {
        return false;
    }
    if (rk__cpu_thread() == 0) {
        return rk__cpu_watch_look(w, done, total, unit);
    }
    return atomic_load_explicit(&w->left, memory_order_relaxed);
}

void rk__cpu_watch_end(rk_cpu_watch *w)
{
    if (w->outer && w->unit && w->total > 0) {
        w->outer->look(w->outer->user, w->total, w->total, w->unit);
    }
}
