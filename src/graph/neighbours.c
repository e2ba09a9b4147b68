/*
 * Item by item: the users of an item add 1 to the counts of each of their items. Only the counts
 * that were touched are read and cleared.
 */
#include "graph/neighbours.h"

#include <math.h>
#include <omp.h>

#include "base/alloc.h"

/* The scratch of a thread. */
typedef struct row {
    int32_t *count; /* [n_items]: zeros before and after */
    int32_t *met;   /* [n_items]: the items with a count, n_met of them */
    int64_t n_met;
} row;

double rk__item_weight_ultragcn(const rk_item_pair *pair)
{
    double own = pair->total[0], other = pair->total[1];
    return pair->together * sqrt(own + 1) / own / sqrt(other + 1);
}

/* g_i: each of the item's users adds the number of their items. */
static double total_of(const rk_graph *g, int64_t item)
{
    double total = 0;
    int64_t node = g->n_users + item;
    for (int64_t e = g->offsets[node]; e < g->offsets[node + 1]; e++) {
        total += (double)rk__graph_degree(g, g->columns[e]);
    }
    return total;
}

static void count_row(const rk_graph *g, int64_t item, row *r)
{
    int64_t node = g->n_users + item;
    r->n_met = 0;
    for (int64_t e = g->offsets[node]; e < g->offsets[node + 1]; e++) {
        int64_t user = g->columns[e];
        for (int64_t l = g->offsets[user]; l < g->offsets[user + 1]; l++) {
            int32_t other = (int32_t)(g->columns[l] - g->n_users);
            if (r->count[other]++ == 0) {
                r->met[r->n_met++] = other;
            }
        }
    }
}

/* Inserts a neighbour into the n best, which are in order; returns their new number, at most k. */
static int64_t insert(int32_t *nodes, float *weights, int64_t n, int64_t k, int32_t node,
                      float weight)
{
    int64_t at = n;
    while (at > 0 &&
           (weight > weights[at - 1] || (weight == weights[at - 1] && node < nodes[at - 1]))) {
        at--;
    }
    if (at == k) {
        return n;
    }
    int64_t kept = n < k ? n : k - 1; /* a full list loses its last one */
    for (int64_t i = kept; i > at; i--) {
        nodes[i] = nodes[i - 1];
        weights[i] = weights[i - 1];
    }
    nodes[at] = node;
    weights[at] = weight;
    return kept + 1;
}

static void take_best(const rk_graph *g, int64_t item, const double *total, bool with_self,
                      rk_item_weight *weight, row *r, const rk_neighbours *out)
{
    int32_t *nodes = out->node + item * out->k;
    float *weights = out->weight + item * out->k;
    int64_t n = 0;
    for (int64_t m = 0; m < r->n_met; m++) {
        int64_t other = r->met[m];
        rk_item_pair pair = {.together = (double)r->count[other],
                             .users = {(double)rk__graph_degree(g, g->n_users + item),
                                       (double)rk__graph_degree(g, g->n_users + other)},
                             .total = {total[item], total[other]}};
        r->count[other] = 0;
        float w = other == item && !with_self ? 0 : (float)weight(&pair);
        if (w > 0) {
            n = insert(nodes, weights, n, out->k, (int32_t)(g->n_users + other), w);
        }
    }
    for (int64_t i = n; i < out->k; i++) {
        nodes[i] = -1;
        weights[i] = 0;
    }
}

rk_status rk__neighbours_build(rk_neighbours *out, const rk_graph *graph, int64_t k, bool with_self,
                               rk_item_weight *weight)
{
    RK_ASSERT(k > 0);
    rk_status status = RK_OK;
    const int64_t n = graph->n_items, threads = omp_get_max_threads();
    int64_t cells = 0, counts = 0;
    double *total = NULL;
    int32_t *count = NULL, *met = NULL;
    *out = (rk_neighbours){.n_items = n, .k = k};
    RK_TRY(rk__mul(&cells, n, k, "the neighbours of the items"));
    RK_TRY(rk__mul(&counts, n, threads, "the counts of common users"));
    RK_TRY_GOTO(done, rk__alloc(&out->node, cells, sizeof *out->node, "neighbours of items"));
    RK_TRY_GOTO(done, rk__alloc(&out->weight, cells, sizeof *out->weight, "neighbours of items"));
    RK_TRY_GOTO(done, rk__alloc(&total, n, sizeof *total, "sums of common users"));
    RK_TRY_GOTO(done, rk__calloc(&count, counts, sizeof *count, "counts of common users"));
    RK_TRY_GOTO(done, rk__alloc(&met, counts, sizeof *met, "counts of common users"));
#pragma omp parallel for schedule(dynamic, 64)
    for (int64_t i = 0; i < n; i++) {
        total[i] = total_of(graph, i);
    }
#pragma omp parallel for schedule(dynamic, 16)
    for (int64_t i = 0; i < n; i++) {
        int64_t thread = omp_get_thread_num();
        row r = {.count = count + thread * n, .met = met + thread * n};
        count_row(graph, i, &r);
        take_best(graph, i, total, with_self, weight, &r, out);
    }
done:
    rk__free(total);
    rk__free(count);
    rk__free(met);
    if (status != RK_OK) {
        rk__neighbours_free(out);
    }
    return status;
}

void rk__neighbours_free(rk_neighbours *neighbours)
{
    rk__free(neighbours->node);
    rk__free(neighbours->weight);
    *neighbours = (rk_neighbours){0};
}
