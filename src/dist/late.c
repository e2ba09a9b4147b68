/*
 * A word about ranks that do not come. Nobody can look up while MPI waits for all processes that
 * were started with this one (MPI_Init), which it does for ever where one of them has ended in
 * order before it joined: a second thread looks at the clock.
 */
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "dist/internal.h"

enum { FIRST_WORD = 60 }; /* seconds, at most; a tenth of the patience if that is less */

static struct timespec from_now(double seconds)
{
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    const double end = (double)at.tv_nsec * 1e-9 + seconds;
    at.tv_sec += (time_t)end;
    at.tv_nsec = (long)((end - (double)(time_t)end) * 1e9);
    return at;
}

static void *watch(void *argument)
{
    rk_late *l = argument;
    const struct timespec end = from_now(l->seconds);
    char text[300];
    int code = 0;
    pthread_mutex_lock(&l->lock);
    while (!l->is_over && code == 0) {
        code = pthread_cond_timedwait(&l->changed, &l->lock, &end);
    }
    if (!l->is_over) { /* by the lock the call that waits goes on behind this word only */
        snprintf(
            text, sizeof text,
            "this process has waited %.3g s for the others that were started with it: has one "
            "of them ended before it joined (a script around rankine, --help)? Ctrl-C ends the "
            "waiting",
            l->seconds);
        l->hooks->log(l->hooks->user, RK_LOG_WARNING, text);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

void rk__late_begin(rk_late *l, const rk_comm_options *options)
{
    const double share = options->patience / 10;
    sigset_t all, before;
    *l = (rk_late){.hooks = options->hooks,
                   .seconds = share > 0 && share < FIRST_WORD ? share : FIRST_WORD,
                   .lock = PTHREAD_MUTEX_INITIALIZER,
                   .changed = PTHREAD_COND_INITIALIZER};
    sigfillset(&all); /* signals are for the threads of the program */
    if (l->hooks && l->hooks->log && pthread_sigmask(SIG_SETMASK, &all, &before) == 0) {
        l->has_thread = pthread_create(&l->thread, NULL, watch, l) == 0;
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
}

void rk__late_end(rk_late *l)
{
    if (l->has_thread) {
        pthread_mutex_lock(&l->lock);
        l->is_over = true;
        pthread_cond_signal(&l->changed);
        pthread_mutex_unlock(&l->lock);
        pthread_join(l->thread, NULL);
    }
}
