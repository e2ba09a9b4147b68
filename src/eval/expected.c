#include "eval/expected.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

rk_status rk__log_factorials(int64_t n, double **out)
{
    RK_TRY(rk__alloc(out, n + 1, sizeof **out, "logarithms of factorials"));
    (*out)[0] = 0;
    for (int64_t i = 1; i <= n; i++) {
        (*out)[i] = lgamma((double)i + 1);
    }
    return RK_OK;
}

static double log_choose(const double *log_factorials, int64_t n, int64_t k)
{
    return log_factorials[n] - log_factorials[k] - log_factorials[n - k];
}

/* Adds the chances of r = 0 .. k - 1 of `above` items among the drawn; one is computed, the next
 * ones follow from it. */
static void add_chances(const double *log_factorials, int64_t pool, int64_t drawn, int64_t above,
                        int64_t k, double *chances)
{
    const int64_t below = pool - above;
    int64_t r = drawn > below ? drawn - below : 0;
    if (r >= k) {
        return;
    }
    double chance =
        exp(log_choose(log_factorials, above, r) + log_choose(log_factorials, below, drawn - r) -
            log_choose(log_factorials, pool, drawn));
    for (; r < k && r <= above && r <= drawn; r++) {
        chances[r] += chance;
        chance *= (double)(above - r) * (double)(drawn - r) /
                  ((double)(r + 1) * (double)(below - drawn + r + 1));
    }
}

void rk__rank_chances(const double *log_factorials, int64_t pool, int64_t drawn, int64_t above,
                      int64_t tied, int64_t k, double *chances)
{
    memset(chances, 0, (size_t)k * sizeof *chances);
    for (int64_t ahead = above; ahead <= above + tied; ahead++) {
        add_chances(log_factorials, pool, drawn, ahead, k, chances);
    }
    for (int64_t r = 0; r < k; r++) {
        chances[r] /= (double)(tied + 1);
    }
}
