/*
 * What changes from step to step, in device memory, so that a replayed step needs no host.
 *
 * Shared with the kernels: fixed-width members, nothing but the standard headers.
 */
#ifndef RK_OPS_STEP_STATE_H
#define RK_OPS_STEP_STATE_H

#include <math.h>
#include <stdint.h>

#if defined(__CUDACC__)
#define RK_HOST_DEVICE __host__ __device__
#else
#define RK_HOST_DEVICE
#endif

/* What changes from step to step; one stored tensor [1, 1] of dtype RK_STATE named "step_state".
 * Shared with kernels, so: fixed-width members only. step_advance adds one to step and
 * step_in_epoch and touches nothing else; the host opens the next epoch (epoch + 1, step_in_epoch
 * zero). step_loss keeps the first bad_step that it meets. */
typedef struct rk_step_state {
    uint64_t seed;
    int64_t step;          /* steps done since the run began */
    int64_t epoch;         /* epochs done */
    int64_t step_in_epoch; /* steps done in this epoch */
    int64_t steps_per_epoch;
    int64_t draws_per_epoch; /* triplets in an epoch; the last batch holds what remains */
    int64_t batch;           /* B, triplets in a full batch */
    int64_t bad_step;        /* first step (from 1) with a non-finite loss; 0 = none */
    double bad_loss;
    double learning_rate;
    double last_loss;
    double rate_scale; /* what the plateau rule has left of the learning rate; 1 = all of it */
} rk_step_state;

/* Triplets in the step that the state is at. */
RK_HOST_DEVICE static inline int64_t rk__step_count(const rk_step_state *s)
{
    int64_t rest = s->draws_per_epoch - s->step_in_epoch * s->batch;
    return rest < s->batch ? (rest > 0 ? rest : 0) : s->batch;
}

/* The step that the state is at is done. */
RK_HOST_DEVICE static inline void rk__next_step(rk_step_state *s)
{
    s->step += 1;
    s->step_in_epoch += 1;
}

/* The loss of the step that the state is at. */
RK_HOST_DEVICE static inline void rk__note_loss(rk_step_state *s, double loss)
{
    s->last_loss = loss;
    if (!isfinite(loss) && s->bad_step == 0) {
        s->bad_step = s->step + 1;
        s->bad_loss = loss;
    }
}

#endif
