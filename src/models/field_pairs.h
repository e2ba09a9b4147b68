/*
 * The pairs of nodes that are in a train row together, beside user and item: for models whose
 * contexts (data/contexts.h) are nodes of their graph.
 */
#ifndef RK_MODELS_FIELD_PAIRS_H
#define RK_MODELS_FIELD_PAIRS_H

#include "models/model.h"

/* Each pair once, ascending by type. */
typedef struct rk_field_pairs {
    int64_t n, n_types;
    int32_t *a, *b, *type; /* [n]; owned */
} rk_field_pairs;

/* Are the values of fields nodes? They come behind the items. */
static inline bool rk__has_context_nodes(const rk_model_data *data)
{
    return data->contexts && data->contexts->first[0] > 0;
}

/* How many nodes users, items and contexts are; how many types of pairs there are beside those of
 * users and items: user and field f is type 2 f, item and field f type 2 f + 1, then come the pairs
 * of fields. */
int64_t rk__field_nodes(const rk_model_data *data);
int64_t rk__field_types(const rk_model_data *data);

/* The pairs. With model.compat leaky_graph also those of negatives, sampling.per_positive of each
 * train row, which the user has in no part of the data set, as aidl-nnrecomend (2021) makes its
 * graph; user and negative then have type -1. Free with rk__field_pairs_free; a zeroed one is fine.
 */
rk_status rk__field_pairs(rk_field_pairs *out, const rk_options *options,
                          const rk_model_data *data);
void rk__field_pairs_free(rk_field_pairs *pairs);

#endif
