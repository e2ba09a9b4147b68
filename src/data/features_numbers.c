/* Numbers as features: which may be read, and how those of a column are scaled. */
#include <float.h>
#include <math.h>

#include "data/sides_internal.h"

/* Unscaled numbers go into a network as they are, and squares of gradients of larger ones leave
 * what a float holds. */
static const double most_unscaled = 1e6;

rk_status rk__feature_check(const rk_table *table, int place, int scale, const char *at,
                            double value)
{
    const char *title = table->titles[place];
    if (scale == RK_SCALE_LOG && value <= -1) {
        RK_FAIL_AT(&table->lines, at,
                   "%s is %g, and scale is log, for numbers above -1 (log(1 + x))", title, value);
    }
    if (scale == RK_SCALE_NONE && fabs(value) > most_unscaled) {
        RK_FAIL_AT(&table->lines, at,
                   "%s is %g, and numbers beyond %g overflow in training: give the column a scale, "
                   "e.g. standard, or log",
                   title, value, most_unscaled);
    }
    if (scale != RK_SCALE_LOG && fabs(value) > FLT_MAX) {
        RK_FAIL_AT(&table->lines, at, "%s is %g, beyond 3.4e38, what a feature may be%s", title,
                   value, value > 0 ? " without scale log" : "");
    }
    return RK_OK;
}

void rk__feature_scale(const double *values, int64_t n, int kind, double *shift, double *scale)
{
    double low = INFINITY, high = -INFINITY, largest = 0, sum = 0, squares = 0;
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        double x = values[i];
        if (!isnan(x)) {
            low = fmin(low, x);
            high = fmax(high, x);
            largest = fmax(largest, fabs(x));
            sum += x;
            count++;
        }
    }
    double mean = count > 0 ? sum / (double)count : 0;
    for (int64_t i = 0; i < n; i++) {
        double x = values[i];
        squares += isnan(x) ? 0 : (x - mean) * (x - mean);
    }
    double width = 1;
    *shift = 0;
    switch (kind) {
    case RK_SCALE_MAX:
        width = largest;
        break;
    case RK_SCALE_MIN_MAX:
        *shift = count > 0 ? low : 0;
        width = count > 0 ? high - low : 0;
        break;
    case RK_SCALE_STANDARD:
        *shift = mean;
        width = count > 0 ? sqrt(squares / (double)count) : 0;
        break;
    default:
        break;
    }
    *scale = width >= DBL_MIN ? 1 / width : 1; /* numbers that are all the same */
}
