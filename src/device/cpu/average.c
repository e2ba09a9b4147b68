/* Scores of several models on one scale. A thread takes queries; sums are in double. */
#include <math.h>

#include "device/cpu/strips.h"

/* y = (x - mean) / sd; zeros where that is noise. */
static void standardise(const float *x, int64_t n, float *y)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += (double)x[i];
    }
    const double mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) {
        squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    }
    const double sd = sqrt(squares / (double)n);
    const double factor = sd <= RK_FLAT_SCORES * fabs(mean) ? 0 : 1 / sd;
    for (int64_t i = 0; i < n; i++) {
        y[i] = (float)(((double)x[i] - mean) * factor);
    }
}

void rk__cpu_standardise_scores(const rk_call *call)
{
    const rk_tensor *scores = rk__in(call, 0);
    const int64_t used = rk__used_queries(call->in[1], scores->rows), n = scores->cols;
    RK_CPU_FOR(call, t, scores->rows)
    {
        float *y = (float *)call->out[0] + t * n;
        if (t < used) {
            standardise((const float *)call->in[0] + t * n, n, y);
        } else {
            rk__zero_row(y, n);
        }
    }
}
