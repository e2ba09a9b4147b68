/*
 * The learning rate of a step, a pure function of the step's number; the same code on the host, on
 * the CPU device and in the kernel.
 *
 * Shared with the kernels: fixed-width members, the C mathematics library, nothing else.
 */
#ifndef RK_OPS_SCHEDULE_H
#define RK_OPS_SCHEDULE_H

#include <math.h>
#include <stdint.h>

#include "ops/step_state.h"

typedef struct rk_schedule {
    double rate;         /* train.learning_rate */
    double floor;        /* cosine: the share of the rate that it ends at */
    int64_t warmup;      /* W, steps of the linear warm-up; 0 = none */
    int64_t cosine_from; /* steps that the cosine begins after, i.e. W */
    int64_t cosine_to;   /* T, and ends after; 0 = no cosine */
} rk_schedule;

/*
 * Step t, from 0. Warm-up: rate * (t + 1) / W for t < W, so that step W - 1 has the whole rate.
 * Cosine (Loshchilov & Hutter, SGDR, ICLR 2017, one cycle; PyTorch's CosineAnnealingLR stepped
 * once a step): rate * (floor + (1 - floor) * (1 + cos(pi (t - W) / (T - W))) / 2) for W <= t < T,
 * rate * floor from T on. All of it times `scale`, which the plateau rule lowers between epochs.
 */
RK_HOST_DEVICE static inline double rk__schedule_rate(const rk_schedule *s, int64_t t, double scale)
{
    const double pi = 3.14159265358979323846;
    double rate = s->rate * scale;
    if (t < s->warmup) {
        return rate * ((double)(t + 1) / (double)s->warmup);
    }
    if (s->cosine_to == 0) {
        return rate;
    }
    if (t >= s->cosine_to) {
        return rate * s->floor;
    }
    double done = (double)(t - s->cosine_from) / (double)(s->cosine_to - s->cosine_from);
    return rate * (s->floor + (1 - s->floor) * 0.5 * (1 + cos(pi * done)));
}

#endif
