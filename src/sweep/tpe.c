#include "sweep/tpe.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/philox.h"

enum { FORGET_AFTER = 25, MOST_GOOD = 25, MOST_TRIES = 1000 };

static const double root_half = 0.70710678118654752440;

/* ---- numbers ---- */

/* Words of one draw on an axis: `lane` counts them. */
static rk_words words(rk_draw draw, int64_t axis, int64_t lane)
{
    return rk__philox(draw.seed, RK_PURPOSE_SWEEP, (uint64_t)draw.trial,
                      ((uint64_t)axis << 32) | (uint64_t)lane, draw.attempt);
}

/* (0, 1) with 53 bits. */
static double uniform(uint32_t high, uint32_t low)
{
    const uint64_t bits = ((uint64_t)high << 32 | low) >> 11;
    return ((double)bits + 0.5) * 0x1p-53;
}

/* The line that densities are of: a logarithm where the axis is one, half a step beyond the ends
 * where values are steps. */
typedef struct scale {
    double low, high, step;
    bool is_log;
} scale;

static scale scale_of(const rk_axis *axis)
{
    scale s = {.low = axis->low, .high = axis->high, .is_log = axis->domain == RK_DOMAIN_LOG};
    if (axis->domain == RK_DOMAIN_STEP) {
        s.step = axis->step;
        s.high = axis->low + (double)(rk__axis_count(axis) - 1) * axis->step;
        s.low -= axis->step / 2;
        s.high += axis->step / 2;
    } else if (s.is_log) {
        s.low = log(s.low);
        s.high = log(s.high);
    }
    return s;
}

static double on_scale(scale s, double place)
{
    return s.is_log ? log(place) : place;
}

static double off_scale(const rk_axis *axis, scale s, double x)
{
    return rk__axis_round(axis, s.is_log ? exp(x) : x);
}

static double random_place(const rk_axis *axis, rk_draw draw, int64_t a)
{
    const rk_words w = words(draw, a, 0);
    const double u = uniform(w.v[0], w.v[1]);
    if (axis->domain == RK_DOMAIN_LIST) {
        return rk__axis_round(axis, u * (double)rk__axis_count(axis));
    }
    const scale s = scale_of(axis);
    return off_scale(axis, s, s.low + u * (s.high - s.low));
}

void rk__draw_random(const rk_space *space, rk_draw draw, double *places)
{
    for (int64_t a = 0; a < space->n; a++) {
        places[a] = random_place(&space->axes[a], draw, a);
    }
}

/* ---- mixtures ---- */

/* The weight of the i-th of m, from the oldest. */
static double weight_of(int64_t i, int64_t m)
{
    const int64_t ramp = m - FORGET_AFTER;
    if (ramp <= 0 || i >= ramp) {
        return 1;
    }
    const double first = 1.0 / (double)m;
    return ramp == 1 ? first : first + (1 - first) * (double)i / (double)(ramp - 1);
}

/* Widths: of each mean the larger distance to a neighbour, within what the prior allows. */
static void set_widths(rk_parzen *p, int64_t prior, double prior_sd)
{
    const double least = prior_sd / fmin(100, 1 + (double)p->n);
    for (int64_t i = 0; i < p->n; i++) {
        const double below = i > 0 ? p->means[i] - p->means[i - 1] : 0;
        const double above = i + 1 < p->n ? p->means[i + 1] - p->means[i] : 0;
        p->sds[i] = p->n == 2 ? prior_sd / 2 : fmax(below, above);
        p->sds[i] = fmin(fmax(p->sds[i], least), prior_sd);
    }
    p->sds[prior] = prior_sd;
}

rk_status rk__parzen_fit(const double *seen, int64_t m, double prior_mean, double prior_sd,
                         rk_parzen *out)
{
    const int64_t n = m + 1;
    double sum = 0;
    *out = (rk_parzen){.n = n};
    RK_TRY(rk__alloc(&out->weights, 3 * n, sizeof *out->weights, "a Parzen estimator"));
    out->means = out->weights + n;
    out->sds = out->means + n;
    int64_t prior = 0;
    for (int64_t i = 0; i < n; i++) { /* by insertion: there are few, and ties stay in order */
        const bool is_prior = i == m;
        const double mean = is_prior ? prior_mean : seen[i];
        int64_t at = i;
        while (at > 0 && (is_prior ? out->means[at - 1] >= mean : out->means[at - 1] > mean)) {
            out->means[at] = out->means[at - 1];
            out->weights[at] = out->weights[at - 1];
            at--;
        }
        out->means[at] = mean;
        out->weights[at] = is_prior ? 1 : weight_of(i, m);
        prior = at;
    }
    set_widths(out, prior, prior_sd);
    for (int64_t i = 0; i < n; i++) {
        sum += out->weights[i];
    }
    for (int64_t i = 0; i < n; i++) {
        out->weights[i] /= sum;
    }
    return RK_OK;
}

void rk__parzen_free(rk_parzen *parzen)
{
    rk__free(parzen->weights);
    *parzen = (rk_parzen){0};
}

static double normal_below(double x, double mean, double sd)
{
    return 0.5 * erfc(-(x - mean) / sd * root_half);
}

/* The share of the mixture in [a, b]. */
static double mass(const rk_parzen *p, double a, double b)
{
    double sum = 0;
    for (int64_t i = 0; i < p->n; i++) {
        sum += p->weights[i] *
               (normal_below(b, p->means[i], p->sds[i]) - normal_below(a, p->means[i], p->sds[i]));
    }
    return sum;
}

/* The logarithm of the density at x, of steps that of the step's share, within the scale. */
static double log_density(const rk_parzen *p, scale s, double x)
{
    double density = 0;
    if (s.step > 0) {
        density = mass(p, fmax(x - s.step / 2, s.low), fmin(x + s.step / 2, s.high));
    } else {
        for (int64_t i = 0; i < p->n; i++) {
            const double z = (x - p->means[i]) / p->sds[i];
            density += p->weights[i] * exp(-0.5 * z * z) / (p->sds[i] * 2.50662827463100050242);
        }
    }
    return log(fmax(density, 1e-300)) - log(fmax(mass(p, s.low, s.high), 1e-300));
}

/* One number of the mixture within the scale; drawn again where it is outside. */
static double draw_number(const rk_parzen *p, scale s, rk_draw draw, int64_t a, int64_t candidate)
{
    double x = 0;
    for (int64_t t = 0; t < MOST_TRIES; t++) {
        const rk_words w = words(draw, a, 1 + candidate * MOST_TRIES + t);
        double u = ((double)w.v[0] + 0.5) * 0x1p-32;
        int64_t i = 0;
        while (i + 1 < p->n && u >= p->weights[i]) {
            u -= p->weights[i];
            i++;
        }
        const double first = ((double)w.v[1] + 0.5) * 0x1p-32;
        const double second = ((double)w.v[2] + 0.5) * 0x1p-32;
        x = p->means[i] + p->sds[i] * sqrt(-2 * log(first)) * cos(6.283185307179586 * second);
        if (x >= s.low && x <= s.high) {
            return x;
        }
    }
    return fmin(fmax(x, s.low), s.high);
}

/* ---- an axis ---- */

/* What was seen on an axis, the good ones and the others, each in the order of the trials. */
typedef struct sides {
    double *good, *rest; /* one block, owned by good */
    int64_t n_good, n_rest;
} sides;

static rk_status number_place(const rk_axis *axis, const sides *seen, rk_draw draw, int64_t a,
                              double *out)
{
    const scale s = scale_of(axis);
    const double middle = (s.low + s.high) / 2, width = s.high - s.low;
    rk_parzen good = {0}, rest = {0};
    double best = -INFINITY;
    rk_status status = RK_OK;
    for (int64_t i = 0; i < seen->n_good; i++) {
        seen->good[i] = on_scale(s, seen->good[i]);
    }
    for (int64_t i = 0; i < seen->n_rest; i++) {
        seen->rest[i] = on_scale(s, seen->rest[i]);
    }
    RK_TRY_GOTO(done, rk__parzen_fit(seen->good, seen->n_good, middle, width, &good));
    RK_TRY_GOTO(done, rk__parzen_fit(seen->rest, seen->n_rest, middle, width, &rest));
    for (int64_t c = 0; c < RK_TPE_CANDIDATES; c++) {
        const double place = off_scale(axis, s, draw_number(&good, s, draw, a, c));
        const double x = on_scale(s, place);
        const double gain = log_density(&good, s, x) - log_density(&rest, s, x);
        if (gain > best) {
            best = gain;
            *out = place;
        }
    }
done:
    rk__parzen_free(&good);
    rk__parzen_free(&rest);
    return status;
}

/* p [2 * n]: the shares of each value among the good ones, then among the others. */
static void shares(const double *seen, int64_t m, int64_t n, double *p)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        p[i] = 1;
    }
    for (int64_t i = 0; i < m; i++) {
        p[(int64_t)seen[i]] += weight_of(i, m);
    }
    for (int64_t i = 0; i < n; i++) {
        sum += p[i];
    }
    for (int64_t i = 0; i < n; i++) {
        p[i] /= sum;
    }
}

static rk_status list_place(const rk_axis *axis, const sides *seen, rk_draw draw, int64_t a,
                            double *out)
{
    const int64_t n = rk__axis_count(axis);
    double *good = NULL, best = -INFINITY;
    RK_TRY(rk__alloc(&good, 2 * n, sizeof *good, "shares of values"));
    double *rest = good + n;
    shares(seen->good, seen->n_good, n, good);
    shares(seen->rest, seen->n_rest, n, rest);
    for (int64_t c = 0; c < RK_TPE_CANDIDATES; c++) {
        const rk_words w = words(draw, a, 1 + c);
        double u = uniform(w.v[0], w.v[1]);
        int64_t i = 0;
        while (i + 1 < n && u >= good[i]) {
            u -= good[i];
            i++;
        }
        if (log(good[i]) - log(rest[i]) > best) {
            best = log(good[i]) - log(rest[i]);
            *out = (double)i;
        }
    }
    rk__free(good);
    return RK_OK;
}

/* ---- all of them ---- */

/* is_good [n]: the best ceil(sqrt(n) / 4) results, earlier ones first among equals. */
static void choose_good(const rk_seen *seen, int64_t n, bool *is_good)
{
    const int64_t wanted = (int64_t)fmin(ceil(0.25 * sqrt((double)n)), MOST_GOOD);
    memset(is_good, 0, (size_t)n * sizeof *is_good);
    for (int64_t k = 0; k < wanted; k++) {
        int64_t best = -1;
        for (int64_t i = 0; i < n; i++) {
            if (!is_good[i] && (best < 0 || seen[i].loss < seen[best].loss)) {
                best = i;
            }
        }
        is_good[best] = true;
    }
}

rk_status rk__draw_tpe(const rk_space *space, const rk_seen *seen, int64_t n, rk_draw draw,
                       double *places)
{
    bool *is_good = NULL;
    sides s = {.good = NULL};
    rk_status status = RK_OK;
    if (n < RK_TPE_RANDOM) {
        rk__draw_random(space, draw, places);
        return RK_OK;
    }
    RK_TRY_GOTO(done, rk__alloc(&is_good, n, sizeof *is_good, "good trials"));
    RK_TRY_GOTO(done, rk__alloc(&s.good, 2 * n, sizeof *s.good, "places of trials"));
    s.rest = s.good + n;
    choose_good(seen, n, is_good);
    for (int64_t a = 0; a < space->n; a++) {
        s.n_good = s.n_rest = 0;
        for (int64_t i = 0; i < n; i++) {
            const double place = seen[i].places[a];
            if (!isnan(place) && is_good[i]) {
                s.good[s.n_good++] = place;
            } else if (!isnan(place)) {
                s.rest[s.n_rest++] = place;
            }
        }
        const rk_axis *axis = &space->axes[a];
        RK_TRY_GOTO(done, axis->domain == RK_DOMAIN_LIST
                              ? list_place(axis, &s, draw, a, &places[a])
                              : number_place(axis, &s, draw, a, &places[a]));
    }
done:
    rk__free(s.good);
    rk__free(is_good);
    return status;
}
