/*
 * Row by row: the neighbours of a node's neighbours are summed in a row of doubles, only up to the
 * diagonal; the other triangle is copied.
 */
#include "graph/gram.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "base/alloc.h"

enum { COPY_TILE = 64 };

static double root_degree(const rk_graph *g, int64_t node)
{
    return sqrt((double)rk__graph_degree(g, node));
}

/* Computes row[j] for j <= i. sum is scratch, all zeros before and after. */
static void build_row(const rk_graph *g, int64_t first, int64_t i, double *sum, float *row)
{
    int64_t node = first + i;
    for (int64_t e = g->offsets[node]; e < g->offsets[node + 1]; e++) {
        int64_t other = g->columns[e];
        double weight = 1 / (double)rk__graph_degree(g, other);
        const int32_t *columns = g->columns;
        for (int64_t k = g->offsets[other]; k < g->offsets[other + 1] && columns[k] <= node; k++) {
            sum[columns[k] - first] += weight;
        }
    }
    double root = root_degree(g, node);
    for (int64_t j = 0; j <= i; j++) {
        /* an isolated node has no common neighbours: its sums are 0 */
        row[j] = sum[j] == 0 ? 0 : (float)(sum[j] / (root * root_degree(g, first + j)));
        sum[j] = 0;
    }
}

/* The upper triangle from the lower one, tile by tile so that both stay in the cache. */
static void mirror(float *gram, int64_t n)
{
    int64_t tiles = (n + COPY_TILE - 1) / COPY_TILE;
#pragma omp parallel for schedule(dynamic, 1)
    for (int64_t tile = 0; tile < tiles; tile++) {
        int64_t end_row = (tile + 1) * COPY_TILE < n ? (tile + 1) * COPY_TILE : n;
        for (int64_t left = 0; left <= tile * COPY_TILE; left += COPY_TILE) {
            for (int64_t i = tile * COPY_TILE; i < end_row; i++) {
                for (int64_t j = left; j < left + COPY_TILE && j < i; j++) {
                    gram[j * n + i] = gram[i * n + j];
                }
            }
        }
    }
}

rk_status rk__gram_build(float **out, const rk_graph *graph, int64_t first, int64_t n)
{
    RK_ASSERT((first == 0 && n == graph->n_users) || first + n == graph->n_nodes);
    rk_status status = RK_OK;
    float *gram = NULL;
    double *sums = NULL;
    int64_t elements = 0, n_sums = 0;
    RK_TRY(rk__mul(&elements, n, n, "the Gram matrix"));
    RK_TRY(rk__mul(&n_sums, n, omp_get_max_threads(), "sums of the Gram matrix"));
    RK_TRY_GOTO(done, rk__alloc(&gram, elements, sizeof *gram, "the Gram matrix"));
    RK_TRY_GOTO(done, rk__calloc(&sums, n_sums, sizeof *sums, "sums of the Gram matrix"));
#pragma omp parallel for schedule(dynamic, 16)
    for (int64_t i = 0; i < n; i++) {
        build_row(graph, first, i, sums + omp_get_thread_num() * n, gram + i * n);
    }
    mirror(gram, n);
    *out = gram;
    gram = NULL;
done:
    rk__free(sums);
    rk__free(gram);
    return status;
}
