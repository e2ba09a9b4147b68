/*
 * Approximate answers: the largest dot products, by locality-sensitive hashing with random
 * hyperplanes. A few of the buckets that vectors are hashed into are looked at, and what is found
 * there is scored exactly, so scores are true and only an item may be missed.
 *
 * An index lives in the host's memory and is asked by the host's threads, whatever the device of a
 * model is; a GPU ranks all items exactly, and so does everybody who does not ask for this. Below
 * about 100,000 items exact ranking is as fast (bench/results/lsh-cpu.md).
 *
 * How dot products become angles: a score q.x changes by the same number for all items when the
 * items' mean is taken from each x, so that is done first. Items are then put into ranges by their
 * norms, each the square root of 2 wide, and an item of a range of norms up to M gets one more
 * coordinate, sqrt(M^2 - |x|^2): all have the norm M, and a query, whose last coordinate is 0, has
 * the cosine q.x / (|q| M) with them (Neyshabur and Srebro, ICML 2015; ranges: Yan et al., NeurIPS
 * 2018). Which side of each hyperplane an item is on makes the code of its bucket. Buckets are
 * looked at in the order of the Hamming distance of codes where each bit counts by the distance of
 * the query from its plane, times M.
 *
 * The same vectors, planes and seed make the same index, and the same index the same answers, for
 * any number of threads. An index is made in about the time of a few hundred exact answers, so it
 * is not kept in files.
 */
#ifndef RANKINE_APPROXIMATE_H
#define RANKINE_APPROXIMATE_H

#include <stdbool.h>
#include <stdint.h>

#include "rankine/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rk_lsh rk_lsh;

enum { RK_MOST_PLANES = 28 };

typedef struct rk_lsh_options {
    int64_t planes; /* 1 to RK_MOST_PLANES; 0 = by the number of items, 100 for a code */
    uint64_t seed;  /* of the planes */
    /* n bytes, not 0 for items that are not to be found; NULL = all are. Read during the call. */
    const uint8_t *left_out;
} rk_lsh_options;

/* vectors: f32 [n, width], row by row, finite; they are copied. options NULL = zeros. RK_ERR_CONFIG
 * for numbers that make no sense, RK_ERR_DATA for a vector that is not finite, RK_ERR_MEMORY. Free
 * with rk_lsh_free. */
RK_API rk_status rk_lsh_create(const float *vectors, int64_t n, int64_t width,
                               const rk_lsh_options *options, rk_lsh **out);

/* An index of the items of a model whose scores are dot products of vectors (those that
 * rk_model_export writes as such); items without train interactions are left out. Its answers are
 * of the model as it is now. RK_ERR_CONFIG for another model. */
RK_API rk_status rk_lsh_of_model(const rk_model *model, const rk_lsh_options *options,
                                 rk_lsh **out);

RK_API void rk_lsh_free(rk_lsh *index); /* NULL is fine */

typedef struct rk_lsh_facts {
    int64_t items, width, planes;
    int64_t buckets; /* that hold something */
    int64_t largest; /* items of the fullest bucket */
    int64_t bytes;   /* that the index holds */
    double seconds;  /* that making it took */
} rk_lsh_facts;
RK_API rk_lsh_facts rk_lsh_get_facts(const rk_lsh *index);

/* What is asked. */
typedef struct rk_lsh_query {
    const float *vector;   /* [width] */
    const int32_t *masked; /* n_masked items that are not in the answer, ascending */
    int64_t n_masked;
} rk_lsh_query;

/* The k items with the largest dot products among those of the best `probes` buckets, best first,
 * ties to the smaller item; it goes on with more buckets while fewer than k are found. 0 = one in
 * 20, and 64 at least; with as many as there are the answer is exact. blocked: a byte for each
 * item, not 0 = in no answer; may be NULL. items, scores: [n, k]; -1 (score 0) where nothing is
 * left. out_scored: how many items were scored in all; may be NULL. Any number of threads may ask
 * one index at once. RK_ERR_CONFIG for numbers that make no sense, RK_ERR_DATA for a vector that is
 * not finite. */
RK_API rk_status rk_lsh_top_k(const rk_lsh *index, const rk_lsh_query *queries, int64_t n,
                              int64_t probes, const uint8_t *blocked, int64_t k, int32_t *items,
                              float *scores, int64_t *out_scored);

/* What rk_model_top_k answers, from an index of the model. Scores are computed on the host, and may
 * differ from those of the device in the last digits. Who is not known to the model gets the items'
 * popularity, exactly. Fails as rk_model_top_k does. */
RK_API rk_status rk_lsh_model_top_k(const rk_lsh *index, const rk_model *model,
                                    const rk_query *queries, int64_t n,
                                    const rk_selection *selection, int64_t probes, int64_t k,
                                    rk_recommendation *out);

#ifdef __cplusplus
}
#endif
#endif
