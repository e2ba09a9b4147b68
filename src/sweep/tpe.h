/*
 * Where to look next: random places, and those of the tree-structured Parzen estimator (Bergstra et
 * al., "Algorithms for hyper-parameter optimization", NIPS 2011).
 *
 * Of n results the best min(ceil(sqrt(n) / 4), 25) are the good ones. On each axis by itself the
 * density of good places l(x) and that of the others g(x) are mixtures: of numbers normal ones
 * around what was seen and a wide one of the whole range, widths by the distances of neighbours; of
 * lists counts and one more each. 24 places are drawn from l, the one with the largest l / g is
 * taken. As hyperopt 0.2 does it, but for draws: these are Philox's, pure functions of the seed and
 * the trial. An axis that a trial did not read says nothing there.
 */
#ifndef RK_SWEEP_TPE_H
#define RK_SWEEP_TPE_H

#include "sweep/space.h"

enum { RK_TPE_RANDOM = 10, RK_TPE_CANDIDATES = 24 };

typedef struct rk_seen {
    const double *places; /* [axes]; NaN = not read */
    double loss;          /* less is better; infinite = failed */
} rk_seen;

/* Which trial is asked for: draws of one do not meet those of another. */
typedef struct rk_draw {
    uint64_t seed;
    int64_t trial;
    uint32_t attempt; /* below 2^20 */
} rk_draw;

/* places [axes] of the space, uniform on each axis. */
void rk__draw_random(const rk_space *space, rk_draw draw, double *places);

/* As random until RK_TPE_RANDOM results are there. */
rk_status rk__draw_tpe(const rk_space *space, const rk_seen *seen, int64_t n, rk_draw draw,
                       double *places);

/* A mixture of n normal densities. */
typedef struct rk_parzen {
    double *weights, *means, *sds; /* n each, means ascending; one block, owned by weights */
    int64_t n;
} rk_parzen;

/* Of m numbers in the order in which they were seen, the prior's mean and width beside them: what
 * lies more than 25 back counts less. */
rk_status rk__parzen_fit(const double *seen, int64_t m, double prior_mean, double prior_sd,
                         rk_parzen *out);
void rk__parzen_free(rk_parzen *parzen);

#endif
