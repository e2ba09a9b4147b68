/* Groups by the number of train interactions: of users (activity), of items (popularity). */
#ifndef RK_EVAL_SLICES_H
#define RK_EVAL_SLICES_H

#include <stdint.h>

#include "base/error.h"

enum { RK_MOST_SLICES = 5 };

/* Ranges of a count, ascending, without gaps between the values that there are. */
typedef struct rk_cut {
    int n;
    int64_t first[RK_MOST_SLICES], last[RK_MOST_SLICES]; /* both included */
} rk_cut;

/* Zeros apart, and the others in at most four ranges of about as many values each; equal counts are
 * never apart. No values give no ranges. */
rk_status rk__cut(const int64_t *counts, int64_t n, rk_cut *out);

/* The range that a count lies in; the count is one of those that were cut, or between them. */
int rk__cut_find(const rk_cut *cut, int64_t count);

#endif
