/* Weights of users and factors of items, by their numbers of edges. */
#include "graph/similarity.h"

#include <math.h>

#include "base/alloc.h"
#include "base/choices.h"

static float user_weight(const rk_graph *g, int64_t user)
{
    double idf = log((double)g->n_items) - log1p((double)rk__graph_degree(g, user));
    return (float)(idf * idf);
}

/* Of the weights as they are stored, so that an item's similarity with itself is 1. */
static float weight_of_users(const rk_graph *g, int64_t item, const float *weight)
{
    int64_t node = g->n_users + item;
    double sum = 0;
    for (int64_t e = g->offsets[node]; e < g->offsets[node + 1]; e++) {
        sum += (double)weight[g->columns[e]];
    }
    return (float)sum;
}

static float length_factor(const rk_graph *g, int64_t item, const rk_similarity_rule *rule)
{
    double mean = (double)g->n_edges / (double)g->n_items;
    double users = (double)rk__graph_degree(g, g->n_users + item);
    double length = 1 - rule->b + (mean > 0 ? rule->b * users / mean : 0);
    return (float)((rule->k1 + 1) / (rule->k1 * length + 1));
}

rk_status rk__similarity_weights(rk_similarity *out, const rk_graph *graph, rk_similarity_rule rule)
{
    rk_status status = RK_OK;
    rk_similarity s = {0};
    *out = s;
    if (rule.kind != RK_SIMILARITY_TFIDF && rule.kind != RK_SIMILARITY_BM25) {
        return RK_OK;
    }
    RK_TRY_GOTO(done, rk__alloc(&s.user_weight, graph->n_users, sizeof *s.user_weight,
                                "the weights of users"));
    RK_TRY_GOTO(done, rk__alloc(&s.item_factor, graph->n_items, sizeof *s.item_factor,
                                "the factors of items"));
#pragma omp parallel for schedule(static)
    for (int64_t u = 0; u < graph->n_users; u++) {
        s.user_weight[u] = user_weight(graph, u);
    }
#pragma omp parallel for schedule(dynamic, 64)
    for (int64_t i = 0; i < graph->n_items; i++) {
        s.item_factor[i] = rule.kind == RK_SIMILARITY_TFIDF
                               ? weight_of_users(graph, i, s.user_weight)
                               : length_factor(graph, i, &rule);
    }
    *out = s;
done:
    if (status != RK_OK) {
        rk__similarity_free(&s);
    }
    return status;
}

void rk__similarity_free(rk_similarity *similarity)
{
    rk__free(similarity->user_weight);
    rk__free(similarity->item_factor);
    *similarity = (rk_similarity){0};
}
