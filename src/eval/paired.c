#include "eval/paired.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/philox.h"

static const uint64_t bootstrap_seed = 2020;

/* The continued fraction of the incomplete beta function, by Lentz's method (Thompson & Barnett
 * 1986); converges fast for x < (a + 1) / (a + b + 2). DLMF 8.17.22. */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double f = d;
    for (int m = 1; m < 10000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        for (int half = 0; half < 2; half++) {
            double term = half ? odd : even;
            d = 1 + term * d;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = 1 + term / c;
            c = fabs(c) < tiny ? tiny : c;
            f *= c * d;
        }
        if (fabs(c * d - 1) < 4 * DBL_EPSILON) {
            break;
        }
    }
    return f;
}

/* The regularised incomplete beta function I_x(a, b). */
static double incomplete_beta(double a, double b, double x)
{
    if (x <= 0 || x >= 1) {
        return x >= 1;
    }
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2)) {
        return front * beta_fraction(a, b, x) / a;
    }
    return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double rk__student_two_sided(double t, double df)
{
    if (isinf(t)) {
        return 0;
    }
    return incomplete_beta(df / 2, 0.5, df / (df + t * t));
}

static int compare_reals(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Interpolates linearly between neighbours, as NumPy does by default; sorted: n values. */
static double quantile(const double *sorted, int64_t n, double share)
{
    double at = share * (double)(n - 1);
    int64_t below = (int64_t)floor(at);
    if (below >= n - 1) {
        return sorted[n - 1];
    }
    return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

static void test(const double *differences, int64_t n, int64_t m, int64_t metric, rk_paired *out)
{
    double sum = 0, squares = 0;
    *out = (rk_paired){0};
    for (int64_t u = 0; u < n; u++) {
        double d = differences[u * m + metric];
        sum += d;
        out->better += d > 0;
        out->worse += d < 0;
        out->equal += d == 0;
    }
    out->difference = sum / (double)n;
    for (int64_t u = 0; u < n; u++) {
        squares += pow(differences[u * m + metric] - out->difference, 2);
    }
    out->sd = sqrt(squares / (double)(n - 1));
    if (out->equal == n) {
        out->p = 1;
        return;
    }
    out->t = out->difference / (out->sd / sqrt((double)n));
    out->p = rk__student_two_sided(out->t, (double)(n - 1));
}

/* The mean differences of one replicate: n users drawn with replacement. */
static void replicate(const double *differences, int64_t n, int64_t m, int64_t number, double *out)
{
    for (int64_t v = 0; v < m; v++) {
        out[v] = 0;
    }
    for (int64_t u = 0; u < n; u += 2) {
        rk_words w =
            rk__philox(bootstrap_seed, RK_PURPOSE_BOOTSTRAP, (uint64_t)number, (uint64_t)u / 2, 0);
        for (int half = 0; half < 2 && u + half < n; half++) {
            uint64_t drawn = rk__bounded(w.v[2 * half], w.v[2 * half + 1], (uint64_t)n);
            const double *row = differences + (int64_t)drawn * m;
            for (int64_t v = 0; v < m; v++) {
                out[v] += row[v];
            }
        }
    }
    for (int64_t v = 0; v < m; v++) {
        out[v] /= (double)n;
    }
}

rk_status rk__paired(const double *a, const double *b, int64_t n, int64_t m, int64_t replicates,
                     double confidence, rk_paired *out)
{
    rk_status status = RK_OK;
    double *differences = NULL, *means = NULL, *sorted = NULL;
    int64_t elements = 0;
    RK_ASSERT(n >= 2 && replicates > 0);
    RK_TRY(rk__mul(&elements, n, m, "the differences of users"));
    RK_TRY_GOTO(done,
                rk__alloc(&differences, elements, sizeof *differences, "differences of users"));
    RK_TRY_GOTO(done, rk__mul(&elements, replicates, m, "bootstrap replicates"));
    RK_TRY_GOTO(done, rk__alloc(&means, elements, sizeof *means, "bootstrap replicates"));
    RK_TRY_GOTO(done, rk__alloc(&sorted, replicates, sizeof *sorted, "bootstrap replicates"));
    for (int64_t i = 0; i < n * m; i++) {
        differences[i] = b[i] - a[i];
    }
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < replicates; r++) {
        replicate(differences, n, m, r, means + r * m);
    }
    for (int64_t v = 0; v < m; v++) {
        test(differences, n, m, v, &out[v]);
        for (int64_t r = 0; r < replicates; r++) {
            sorted[r] = means[r * m + v];
        }
        qsort(sorted, (size_t)replicates, sizeof *sorted, compare_reals);
        out[v].low = quantile(sorted, replicates, (1 - confidence) / 2);
        out[v].high = quantile(sorted, replicates, (1 + confidence) / 2);
    }
done:
    rk__free(differences);
    rk__free(means);
    rk__free(sorted);
    return status;
}
