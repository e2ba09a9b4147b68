/* Plain loops in double that cases of several families are held against. */
#ifndef RK_TESTS_OPS_NAIVE_H
#define RK_TESTS_OPS_NAIVE_H

#include <math.h>

#include "ops/harness.h"
#include "ops/logit.h"

/* Tolerance of a number that was rounded to 11 bits, and a little for the sums in float. */
static const double naive_half = 0x1p-11 + 2e-6;

static inline double naive_dot(const float *a, const float *b, int64_t d)
{
    double sum = 0;
    for (int64_t j = 0; j < d; j++) {
        sum += (double)a[j] * (double)b[j];
    }
    return sum;
}

/* Attention of n queries to n keys in x [slots, d]: lse [n], the mean of the keys [n, d] and what
 * it is rounded from, the logit of each query with its own key [n]. */
typedef struct naive_attended {
    double *lse, *mean, *size, *own;
} naive_attended;

static inline naive_attended naive_attention(ops_case *c, const float *x, const float *bias,
                                             int64_t d, const rk_attend_attr *a)
{
    naive_attended out = {ops_doubles(c, a->n), ops_doubles(c, a->n * d), ops_doubles(c, a->n * d),
                          ops_doubles(c, a->n)};
    for (int64_t i = 0; i < a->n; i++) {
        const float *query = x + (a->first_query + i) * d;
        double largest = -INFINITY, sum = 0;
        for (int pass = 0; pass < 3; pass++) {
            for (int64_t j = 0; j < a->n; j++) {
                const float *key = x + (a->first_key + j) * d;
                double b = (double)bias[a->first_key + j];
                if ((a->skip_diagonal && i == j) || b == (double)RK_NO_LOGIT) {
                    continue;
                }
                double logit = naive_dot(query, key, d) / a->temperature + b;
                if (pass == 0) {
                    largest = fmax(largest, logit);
                } else if (pass == 1) {
                    sum += exp(logit - largest);
                } else {
                    for (int64_t k = 0; k < d; k++) {
                        double term = exp(logit - largest) / sum * (double)key[k];
                        ops_add(&out.mean[i * d + k], &out.size[i * d + k], term);
                    }
                }
            }
        }
        out.lse[i] = sum > 0 ? largest + log(sum) : (double)RK_NO_LOGIT;
        out.own[i] = (double)bias[a->first_key + i];
        if (out.own[i] != (double)RK_NO_LOGIT) {
            out.own[i] += naive_dot(query, x + (a->first_key + i) * d, d) / a->temperature;
        }
    }
    return out;
}

#endif
