/* Paired statistics over users: the t-test and bootstrap interval of rankine/compare.h. */
#ifndef RK_EVAL_PAIRED_H
#define RK_EVAL_PAIRED_H

#include "base/error.h"
#include "rankine/compare.h"

/* b - a for each of m metrics over n >= 2 users; a, b: [n, m]; out: [m]. The bootstrap's draws are
 * pure functions of replicate and position, so the result is always the same. */
rk_status rk__paired(const double *a, const double *b, int64_t n, int64_t m, int64_t replicates,
                     double confidence, rk_paired *out);

/* P(|T| >= |t|) of Student's distribution with df degrees of freedom. */
double rk__student_two_sided(double t, double df);

#endif
