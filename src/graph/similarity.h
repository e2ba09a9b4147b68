/*
 * The constants of the similarities between items that weight users: tfidf and bm25, in the form of
 * the library implicit (https://github.com/benfred/implicit), whose lists they are compared with.
 * ops/similar_value.h has the formulas that they go into.
 */
#ifndef RK_GRAPH_SIMILARITY_H
#define RK_GRAPH_SIMILARITY_H

#include "graph/graph.h"

typedef struct rk_similarity_rule {
    int32_t kind; /* RK_SIMILARITY_* of base/choices.h */
    double k1,
        b; /* bm25: how soon more of a user is not more, and the weight of an item's length */
} rk_similarity_rule;

/* float [n_users] and float [n_items], owned. Both NULL unless the kind is tfidf or bm25. */
typedef struct rk_similarity {
    float *user_weight, *item_factor;
} rk_similarity;

/* user_weight c_u = (log I - log(1 + n_u))^2, the square of an inverse document frequency where
 * items are the documents and users the words. item_factor
 *   tfidf   sum of c_u over the item's users
 *   bm25    (k1 + 1) / (k1 length + 1), length = 1 - b + b n_i / mean n
 * Threads do not change the result. Free with rk__similarity_free. */
rk_status rk__similarity_weights(rk_similarity *out, const rk_graph *graph,
                                 rk_similarity_rule rule);

/* A zeroed or freed one is fine. */
void rk__similarity_free(rk_similarity *similarity);

#endif
