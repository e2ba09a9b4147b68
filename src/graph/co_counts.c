/*
 * Node by node: each of its neighbours adds to the sums of that one's neighbours. Once to count the
 * edges of each row, once more to write them where they belong.
 */
#include "graph/co_counts.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { ROWS_PER_LOOK = 1024 };

static const double seconds_per_day = 86400;

/* The lists of the other side. */
typedef struct transposed {
    int64_t *offsets; /* n_others + 1 */
    int32_t *nodes;
    double *times; /* NULL: there are none */
} transposed;

typedef struct edge {
    float weight;
    int32_t node;
} edge;

/* The scratch of a thread. */
typedef struct row {
    int32_t *count; /* [n_nodes]: zeros before and after */
    double *sum;    /* the same, of what the weight adds up */
    int32_t *met;   /* [n_nodes]: the nodes with a count, n_met of them */
    edge *edges;    /* [n_nodes] */
    int64_t n_met;
} row;

static rk_status transpose(transposed *out, const rk_co_input *in)
{
    int64_t n = in->offsets[in->n_nodes];
    RK_TRY(rk__calloc(&out->offsets, in->n_others + 1, sizeof *out->offsets,
                      "a relation's other side"));
    RK_TRY(rk__alloc(&out->nodes, n, sizeof *out->nodes, "a relation's other side"));
    if (in->times) {
        RK_TRY(rk__alloc(&out->times, n, sizeof *out->times, "a relation's other side"));
    }
    for (int64_t k = 0; k < n; k++) {
        out->offsets[in->columns[k] + 1]++;
    }
    for (int64_t u = 0; u < in->n_others; u++) {
        out->offsets[u + 1] += out->offsets[u];
    }
    /* Each offset moves to the end of its row, and back afterwards. */
    for (int64_t i = 0; i < in->n_nodes; i++) {
        for (int64_t k = in->offsets[i]; k < in->offsets[i + 1]; k++) {
            int64_t at = out->offsets[in->columns[k]]++;
            out->nodes[at] = (int32_t)i;
            if (out->times) {
                out->times[at] = in->times[k];
            }
        }
    }
    memmove(out->offsets + 1, out->offsets, (size_t)in->n_others * sizeof *out->offsets);
    out->offsets[0] = 0;
    return RK_OK;
}

static void sum_row(const rk_co_input *in, const transposed *t, rk_co_rule rule, int64_t node,
                    row *r)
{
    r->n_met = 0;
    for (int64_t k = in->offsets[node]; k < in->offsets[node + 1]; k++) {
        int64_t other = in->columns[k];
        double degree = (double)(t->offsets[other + 1] - t->offsets[other]);
        for (int64_t l = t->offsets[other]; l < t->offsets[other + 1]; l++) {
            int32_t neighbour = t->nodes[l];
            if (neighbour == node && !rule.with_self) {
                continue;
            }
            if (r->count[neighbour]++ == 0) {
                r->met[r->n_met++] = neighbour;
            }
            if (rule.weight == RK_CO_WALK) {
                r->sum[neighbour] += 1 / degree;
            } else if (rule.weight == RK_CO_TIME_DECAY) {
                r->sum[neighbour] += fabs(in->times[k] - t->times[l]);
            }
        }
    }
}

static float weight_of(const row *r, rk_co_rule rule, int32_t node, double degree)
{
    double n = r->count[node], sum = r->sum[node];
    switch (rule.weight) {
    case RK_CO_TIME_DECAY:
        return (float)(n / (1 + sum / n / seconds_per_day));
    case RK_CO_WALK:
        return (float)(sum / degree);
    case RK_CO_COUNT:
        break;
    }
    return (float)n;
}

static int by_weight(const void *a, const void *b)
{
    const edge *x = a, *y = b;
    if (x->weight != y->weight) {
        return x->weight > y->weight ? -1 : 1;
    }
    return x->node < y->node ? -1 : 1;
}

static int by_node(const void *a, const void *b)
{
    const edge *x = a, *y = b;
    return x->node < y->node ? -1 : x->node > y->node;
}

/* How many edges are kept of a row. */
static int64_t kept(const row *r, rk_co_rule rule)
{
    return rule.k > 0 && r->n_met > rule.k ? rule.k : r->n_met;
}

/* Writes the row's edges where its offset says, and clears the scratch. */
static void take_row(const rk_co_input *in, rk_co_rule rule, int64_t node, row *r, rk_co_lists *out)
{
    double degree = (double)(in->offsets[node + 1] - in->offsets[node]);
    int64_t n = kept(r, rule);
    for (int64_t m = 0; m < r->n_met; m++) {
        r->edges[m] = (edge){weight_of(r, rule, r->met[m], degree), r->met[m]};
    }
    if (n < r->n_met) {
        qsort(r->edges, (size_t)r->n_met, sizeof *r->edges, by_weight);
    }
    qsort(r->edges, (size_t)n, sizeof *r->edges, by_node);
    for (int64_t e = 0; e < n; e++) {
        out->columns[out->offsets[node] + e] = r->edges[e].node;
        out->weights[out->offsets[node] + e] = r->edges[e].weight;
    }
}

static void clear_row(row *r)
{
    for (int64_t m = 0; m < r->n_met; m++) {
        r->count[r->met[m]] = 0;
        r->sum[r->met[m]] = 0;
    }
}

static void free_rows(row *rows, int threads)
{
    for (int i = 0; rows && i < threads; i++) {
        rk__free(rows[i].count);
        rk__free(rows[i].sum);
        rk__free(rows[i].met);
        rk__free(rows[i].edges);
    }
    rk__free(rows);
}

static rk_status alloc_rows(row **out, int threads, int64_t n)
{
    RK_TRY(rk__calloc(out, threads, sizeof **out, "sums of common neighbours"));
    for (int i = 0; i < threads; i++) {
        row *r = &(*out)[i];
        RK_TRY(rk__calloc(&r->count, n, sizeof *r->count, "sums of common neighbours"));
        RK_TRY(rk__calloc(&r->sum, n, sizeof *r->sum, "sums of common neighbours"));
        RK_TRY(rk__alloc(&r->met, n, sizeof *r->met, "sums of common neighbours"));
        RK_TRY(rk__alloc(&r->edges, n, sizeof *r->edges, "sums of common neighbours"));
    }
    return RK_OK;
}

/* All rows: their numbers of edges as long as out has no columns, then the edges. */
static rk_status over_rows(const rk_co_input *in, const transposed *t, rk_co_rule rule, row *rows,
                           rk_co_lists *out)
{
    for (int64_t first = 0; first < in->n_nodes; first += ROWS_PER_LOOK) {
        int64_t end = first + ROWS_PER_LOOK < in->n_nodes ? first + ROWS_PER_LOOK : in->n_nodes;
        if (rule.should_stop && rule.should_stop(rule.user)) {
            RK_FAIL(RK_ERR_INTERRUPTED, "interrupted while counting common neighbours");
        }
#pragma omp parallel for schedule(dynamic, 16)
        for (int64_t i = first; i < end; i++) {
            row *r = &rows[omp_get_thread_num()];
            sum_row(in, t, rule, i, r);
            if (out->columns) {
                take_row(in, rule, i, r, out);
            } else {
                out->offsets[i + 1] = kept(r, rule);
            }
            clear_row(r);
        }
    }
    return RK_OK;
}

rk_status rk__co_counts(rk_co_lists *out, const rk_co_input *in, rk_co_rule rule)
{
    rk_status status = RK_OK;
    const int64_t n = in->n_nodes;
    const int threads = omp_get_max_threads();
    transposed t = {0};
    row *rows = NULL;
    RK_ASSERT(in->times || rule.weight != RK_CO_TIME_DECAY);
    *out = (rk_co_lists){0};
    RK_TRY_GOTO(done, transpose(&t, in));
    RK_TRY_GOTO(done, alloc_rows(&rows, threads, n));
    RK_TRY_GOTO(done, rk__calloc(&out->offsets, n + 1, sizeof *out->offsets, "derived edges"));
    RK_TRY_GOTO(done, over_rows(in, &t, rule, rows, out));
    for (int64_t i = 0; i < n; i++) {
        out->offsets[i + 1] += out->offsets[i];
    }
    RK_TRY_GOTO(done,
                rk__alloc(&out->columns, out->offsets[n], sizeof *out->columns, "derived edges"));
    RK_TRY_GOTO(done,
                rk__alloc(&out->weights, out->offsets[n], sizeof *out->weights, "derived edges"));
    RK_TRY_GOTO(done, over_rows(in, &t, rule, rows, out));
done:
    free_rows(rows, threads);
    rk__free(t.offsets);
    rk__free(t.nodes);
    rk__free(t.times);
    if (status != RK_OK) {
        rk__co_lists_free(out);
    }
    return status;
}

void rk__co_lists_free(rk_co_lists *lists)
{
    rk__free(lists->offsets);
    rk__free(lists->columns);
    rk__free(lists->weights);
    *lists = (rk_co_lists){0};
}
