#include "train/schedule.h"

#include <math.h>

bool rk__schedule_moves(const rk_options *o)
{
    return o->train.schedule != RK_SCHEDULE_CONSTANT || o->train.warmup_steps > 0 ||
           o->train.warmup_epochs > 0;
}

rk_status rk__schedule_make(const rk_options *o, int64_t steps_per_epoch, rk_schedule *out)
{
    const int64_t total = o->train.epochs * steps_per_epoch;
    const int64_t warmup = o->train.warmup_epochs > 0
                               ? llround(o->train.warmup_epochs * (double)steps_per_epoch)
                               : o->train.warmup_steps;
    *out = (rk_schedule){.rate = o->train.learning_rate,
                         .floor = o->train.schedule_floor,
                         .warmup = warmup,
                         .cosine_from = warmup};
    if (warmup > 0 && warmup >= total) {
        RK_FAIL(RK_ERR_CONFIG,
                "the warm-up takes %lld steps (%s), but the run has only %lld (train.epochs %lld, "
                "%lld steps each): shorten the warm-up or train longer",
                (long long)warmup,
                o->train.warmup_epochs > 0 ? "train.warmup_epochs" : "train.warmup_steps",
                (long long)total, (long long)o->train.epochs, (long long)steps_per_epoch);
    }
    if (o->train.schedule == RK_SCHEDULE_COSINE) {
        int64_t epochs = o->train.schedule_epochs > 0 ? o->train.schedule_epochs : o->train.epochs;
        out->cosine_to = epochs * steps_per_epoch;
        if (warmup > 0 && warmup >= out->cosine_to) {
            RK_FAIL(RK_ERR_CONFIG,
                    "the warm-up takes %lld steps, but the cosine schedule ends after %lld "
                    "(train.schedule_epochs %lld): shorten the one or lengthen the other",
                    (long long)warmup, (long long)out->cosine_to, (long long)epochs);
        }
    }
    return RK_OK;
}

bool rk__schedule_plateau(const rk_options *o, int64_t *checks, double *scale)
{
    if (o->train.schedule != RK_SCHEDULE_PLATEAU || ++*checks < o->train.plateau_patience) {
        return false;
    }
    double lower = fmax(*scale * o->train.plateau_factor, o->train.schedule_floor);
    bool lowered = lower < *scale;
    *checks = 0;
    *scale = lowered ? lower : *scale;
    return lowered;
}
