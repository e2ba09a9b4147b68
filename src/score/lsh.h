/*
 * The inside of an index (rankine/approximate.h), shared by lsh.c, which makes it, and
 * lsh_search.c, which looks into it.
 */
#ifndef RK_SCORE_LSH_H
#define RK_SCORE_LSH_H

#include "base/error.h"
#include "rankine/approximate.h"

/* Ranges of norms, by powers of the square root of 2; the last one has all that are shorter. */
enum { RK_LSH_RANGES = 8, RK_LSH_LANES = 8 };

struct rk_lsh {
    int64_t n_all; /* items that the caller had; n of them are to be found */
    int64_t n, width, planes, n_buckets;
    float *normals;  /* [planes, width + 1]; as all of these owned */
    float *vectors;  /* [n, width], bucket by bucket */
    int32_t *items;  /* [n], likewise; ascending in a bucket */
    uint32_t *keys;  /* [n_buckets]: range, code */
    int64_t *starts; /* [n_buckets + 1] */
    float scale[RK_LSH_RANGES];
    double seconds;
};

/* Sums in a fixed order that vector units can do. */
static inline float rk__lsh_dot(const float *a, const float *b, int64_t n)
{
    float lanes[RK_LSH_LANES] = {0}, rest = 0;
    int64_t i = 0;
    for (; i + RK_LSH_LANES <= n; i += RK_LSH_LANES) {
        for (int l = 0; l < RK_LSH_LANES; l++) {
            lanes[l] += a[i + l] * b[i + l];
        }
    }
    for (; i < n; i++) {
        rest += a[i] * b[i];
    }
    return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) +
           ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7])) + rest;
}

#endif
