#include "data/work.h"

#include <math.h>
#include <omp.h>

#include "base/timer.h"

void rk__work_begin(rk_work *work, const char *phase, int64_t total)
{
    if (work) {
        work->phase = phase;
        work->unit = "rows";
        work->total = total;
        work->done = work->looked = 0;
        work->began = work->told = rk__now();
    }
}

static rk_status stop(const rk_work *work)
{
    RK_FAIL(RK_ERR_INTERRUPTED, "interrupted while %s; %s", work->phase,
            work->left ? work->left : "nothing was written");
}

static void tell(rk_work *work, int64_t done)
{
    const double now = rk__now(), seconds = now - work->began;
    if (!work->hooks->progress || now - work->told < 1.0) {
        return;
    }
    work->told = now;
    done = done < work->total ? done : work->total;
    const rk_progress progress = {
        .phase = work->phase,
        .done = done,
        .total = work->total,
        .unit = work->unit,
        .seconds = seconds,
        .loss = NAN,
        .eta_seconds = done > 0 ? seconds * (double)(work->total - done) / (double)done : -1,
        .metric_value = NAN,
    };
    work->hooks->progress(work->hooks->user, &progress);
}

rk_status rk__work_look(rk_work *work)
{
    const int64_t done = atomic_load(&work->done);
    const int64_t before = atomic_exchange(&work->looked, done);
    rk__spill_touch(work->spill, (done - before) * work->row_bytes);
    /* Hooks belong to the thread that began the work. */
    if (work->hooks && omp_get_thread_num() == 0) {
        if (work->hooks->should_stop && work->hooks->should_stop(work->hooks->user)) {
            atomic_store(&work->stopped, RK_ERR_INTERRUPTED);
        }
        tell(work, done);
    }
    return rk__work_state(work);
}

rk_status rk__work_state(const rk_work *work)
{
    return work && atomic_load(&work->stopped) != RK_OK ? stop(work) : RK_OK;
}
