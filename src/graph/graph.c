/*
 * Building the bipartite CSR by counting sort.
 *
 * Pairs are scattered into the users' rows (in any order inside a row). A transposition walks rows
 * in ascending order and appends to rows of the other side, so its output is ascending in each row:
 * the first gives the items' rows, a second one gives the users' rows back, now sorted. No row is
 * ever sorted by comparison.
 *
 * Threads own ranges of destination rows with about equal numbers of edges; each scans the whole
 * source and writes only its own rows. That takes no atomics and no memory per thread, and the bits
 * do not depend on the number of threads. Peak memory: the result plus 8 bytes per node.
 */
#include "graph/graph.h"

#include <math.h>
#include <omp.h>
#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"

/* The first node in [first, last) with at least part/parts of the range's edges before it. */
static int64_t boundary(const int64_t *offsets, int64_t first, int64_t last, int part, int parts)
{
    int64_t begin = offsets[first], edges = offsets[last] - begin;
    int64_t target = begin + edges / parts * part + edges % parts * part / parts;
    if (part == parts) {
        return last;
    }
    while (first < last) {
        int64_t middle = first + (last - first) / 2;
        if (offsets[middle] < target) {
            first = middle + 1;
        } else {
            last = middle;
        }
    }
    return first;
}

/* A thread's destination rows [*lo, *hi) of [first, last). */
static void own_rows(const int64_t *offsets, int64_t first, int64_t last, int64_t *lo, int64_t *hi)
{
    int part = omp_get_thread_num(), parts = omp_get_num_threads();
    *lo = boundary(offsets, first, last, part, parts);
    *hi = boundary(offsets, first, last, part + 1, parts);
}

/* counts[id - base] += 1 for each of n ids, all in [base, base + n_counts). Threads own equal
 * ranges of ids. */
static void count_ids(const int32_t *ids, int64_t n, int64_t base, int64_t *counts,
                      int64_t n_counts)
{
#pragma omp parallel
    {
        int64_t part = omp_get_thread_num(), parts = omp_get_num_threads();
        int64_t lo = n_counts / parts * part + n_counts % parts * part / parts;
        int64_t hi = n_counts / parts * (part + 1) + n_counts % parts * (part + 1) / parts;
        memset(counts + lo, 0, (size_t)(hi - lo) * sizeof *counts);
        for (int64_t e = 0; e < n; e++) {
            int64_t id = ids[e] - base;
            if (id >= lo && id < hi) {
                counts[id]++;
            }
        }
    }
}

/* Counts in offsets[first + 1 .. last] become row ends; offsets[first] is set already. */
static void sum_up(int64_t *offsets, int64_t first, int64_t last)
{
    for (int64_t n = first; n < last; n++) {
        offsets[n + 1] += offsets[n];
    }
}

/* Rows [first, last) from the rows [from_first, from_last) of the other side. Source rows are
 * walked upwards, so each written row is ascending. */
static void transpose(rk_graph *g, int64_t *cursor, int64_t from_first, int64_t from_last,
                      int64_t first, int64_t last)
{
#pragma omp parallel
    {
        int64_t lo, hi;
        own_rows(g->offsets, first, last, &lo, &hi);
        memcpy(cursor + lo, g->offsets + lo, (size_t)(hi - lo) * sizeof *cursor);
        for (int64_t row = from_first; row < from_last; row++) {
            for (int64_t e = g->offsets[row]; e < g->offsets[row + 1]; e++) {
                int64_t column = g->columns[e];
                if (column >= lo && column < hi) {
                    g->columns[cursor[column]++] = (int32_t)row;
                }
            }
        }
    }
}

/* The users' rows from pairs, in the order of the pairs. */
static void scatter_pairs(rk_graph *g, int64_t *cursor, const int32_t *users, const int32_t *items)
{
#pragma omp parallel
    {
        int64_t lo, hi;
        own_rows(g->offsets, 0, g->n_users, &lo, &hi);
        memcpy(cursor + lo, g->offsets + lo, (size_t)(hi - lo) * sizeof *cursor);
        for (int64_t e = 0; e < g->n_edges; e++) {
            int64_t user = users[e];
            if (user >= lo && user < hi) {
                g->columns[cursor[user]++] = (int32_t)(g->n_users + items[e]);
            }
        }
    }
}

/* RK_ERR_DATA names the first user who has an item twice. Rows must be ascending. */
static rk_status check_duplicates(const rk_graph *g)
{
    int64_t bad = g->n_users;
#pragma omp parallel for schedule(static) reduction(min : bad)
    for (int64_t u = 0; u < g->n_users; u++) {
        for (int64_t e = g->offsets[u] + 1; e < g->offsets[u + 1]; e++) {
            if (g->columns[e] == g->columns[e - 1]) {
                bad = u < bad ? u : bad;
            }
        }
    }
    if (bad < g->n_users) {
        int64_t e = g->offsets[bad] + 1;
        while (g->columns[e] != g->columns[e - 1]) {
            e++;
        }
        RK_FAIL(RK_ERR_DATA,
                "the pair of user index %lld and item index %lld is there twice; duplicates must "
                "be dropped before a graph is built",
                (long long)bad, (long long)(g->columns[e] - g->n_users));
    }
    return RK_OK;
}

/* The rest, once the users' rows hold their items: the items' rows, the order inside the users'
 * rows, the scale. */
static rk_status complete(rk_graph *g, int64_t *cursor, bool users_ascend)
{
    count_ids(g->columns, g->n_edges, g->n_users, g->offsets + g->n_users + 1, g->n_items);
    sum_up(g->offsets, g->n_users, g->n_nodes);
    transpose(g, cursor, 0, g->n_users, g->n_users, g->n_nodes);
    if (!users_ascend) {
        transpose(g, cursor, g->n_users, g->n_nodes, 0, g->n_users);
        RK_TRY(check_duplicates(g));
    }
#pragma omp parallel for schedule(static)
    for (int64_t n = 0; n < g->n_nodes; n++) {
        int64_t degree = rk__graph_degree(g, n);
        g->scale[n] = degree == 0 ? 0.0f : (float)(1.0 / sqrt((double)degree));
    }
    return RK_OK;
}

/* Refuses a graph that does not fit, with the sizes, before anything is allocated: a system that
 * hands out more memory than it has would kill the process in the middle of the work. */
static rk_status check_memory(const rk_graph *g, int64_t n_columns)
{
    double columns = (double)n_columns * sizeof *g->columns;
    double nodes = (double)g->n_nodes * (2 * sizeof *g->offsets + sizeof *g->scale);
    int64_t available = rk__memory_available_here();
    if (available > 0 && columns + nodes > (double)available) {
        RK_FAIL(RK_ERR_MEMORY,
                "the graph of %lld edges between %lld users and %lld items takes %.1f GB (%.1f GB "
                "of neighbours, %.1f GB by node), %.1f GB are available; raise data.min_user or "
                "data.min_item",
                (long long)g->n_edges, (long long)g->n_users, (long long)g->n_items,
                (columns + nodes) / 1e9, columns / 1e9, nodes / 1e9, (double)available / 1e9);
    }
    return RK_OK;
}

static rk_status allocate(rk_graph *g, int64_t **cursor)
{
    int64_t n_columns = 0;
    RK_TRY(rk__mul(&n_columns, g->n_edges, 2, "the graph"));
    RK_TRY(check_memory(g, n_columns));
    RK_TRY(rk__alloc(&g->columns, n_columns, sizeof *g->columns, "the graph's columns"));
    RK_TRY(rk__alloc(&g->offsets, g->n_nodes + 1, sizeof *g->offsets, "the graph's offsets"));
    RK_TRY(rk__alloc(&g->scale, g->n_nodes, sizeof *g->scale, "the graph's scale"));
    RK_TRY(rk__alloc(cursor, g->n_nodes, sizeof **cursor, "the graph's row cursors"));
    g->offsets[0] = 0;
    return RK_OK;
}

static rk_status set_sizes(rk_graph *g, int64_t n_edges, int64_t n_users, int64_t n_items)
{
    RK_ASSERT(n_edges >= 0 && n_users >= 0 && n_items >= 0);
    if (n_users > INT32_MAX - n_items) {
        RK_FAIL(RK_ERR_DATA, "%lld users and %lld items are too many: together at most %lld",
                (long long)n_users, (long long)n_items, (long long)INT32_MAX);
    }
    *g = (rk_graph){
        .n_users = n_users, .n_items = n_items, .n_nodes = n_users + n_items, .n_edges = n_edges};
    return RK_OK;
}

static rk_status check_pairs(const rk_graph *g, const int32_t *users, const int32_t *items)
{
    int64_t bad = g->n_edges;
#pragma omp parallel for schedule(static) reduction(min : bad)
    for (int64_t e = 0; e < g->n_edges; e++) {
        if (users[e] < 0 || users[e] >= g->n_users || items[e] < 0 || items[e] >= g->n_items) {
            bad = e < bad ? e : bad;
        }
    }
    if (bad < g->n_edges) {
        RK_FAIL(RK_ERR_DATA,
                "pair %lld (user index %d, item index %d) is outside of %lld users and %lld items",
                (long long)bad, users[bad], items[bad], (long long)g->n_users,
                (long long)g->n_items);
    }
    return RK_OK;
}

rk_status rk__graph_build(rk_graph *out, const int32_t *users, const int32_t *items,
                          int64_t n_edges, int64_t n_users, int64_t n_items)
{
    rk_status status = RK_OK;
    rk_graph g = {0};
    int64_t *cursor = NULL;
    RK_TRY_GOTO(done, set_sizes(&g, n_edges, n_users, n_items));
    RK_TRY_GOTO(done, allocate(&g, &cursor));
    RK_TRY_GOTO(done, check_pairs(&g, users, items));
    count_ids(users, n_edges, 0, g.offsets + 1, n_users);
    sum_up(g.offsets, 0, n_users);
    scatter_pairs(&g, cursor, users, items);
    RK_TRY_GOTO(done, complete(&g, cursor, false));
    *out = g;
done:
    rk__free(cursor);
    if (status != RK_OK) {
        rk__graph_free(&g);
    }
    return status;
}

/* Copies the lists into the users' rows. *out_ascend: every row is ascending without duplicates. */
static rk_status take_lists(rk_graph *g, const int64_t *offsets, const int32_t *items,
                            bool *out_ascend)
{
    int64_t bad = g->n_users, unsorted = 0;
#pragma omp parallel for schedule(static) reduction(min : bad) reduction(+ : unsorted)
    for (int64_t u = 0; u < g->n_users; u++) {
        for (int64_t e = offsets[u]; e < offsets[u + 1]; e++) {
            if (items[e] < 0 || items[e] >= g->n_items) {
                bad = u < bad ? u : bad;
            }
            unsorted += e > offsets[u] && items[e] <= items[e - 1];
            /* modulo 2^32: a bad id may overflow; the graph is discarded then */
            g->columns[e] = (int32_t)((uint32_t)g->n_users + (uint32_t)items[e]);
        }
        g->offsets[u + 1] = offsets[u + 1];
    }
    if (bad < g->n_users) {
        int64_t e = offsets[bad];
        while (items[e] >= 0 && items[e] < g->n_items) {
            e++;
        }
        RK_FAIL(RK_ERR_DATA, "item index %d of user index %lld is outside of %lld items", items[e],
                (long long)bad, (long long)g->n_items);
    }
    *out_ascend = unsorted == 0;
    return RK_OK;
}

rk_status rk__graph_build_lists(rk_graph *out, const int64_t *offsets, const int32_t *items,
                                int64_t n_users, int64_t n_items)
{
    rk_status status = RK_OK;
    rk_graph g = {0};
    int64_t *cursor = NULL;
    bool ascend = false;
    for (int64_t u = 0; u < n_users; u++) {
        if (offsets[u + 1] < offsets[u] || offsets[0] != 0) {
            RK_FAIL(RK_ERR_DATA,
                    "the list offsets of user index %lld are %lld and %lld: they must "
                    "begin at 0 and never fall",
                    (long long)u, (long long)offsets[u], (long long)offsets[u + 1]);
        }
    }
    RK_TRY_GOTO(done, set_sizes(&g, n_users == 0 ? 0 : offsets[n_users], n_users, n_items));
    RK_TRY_GOTO(done, allocate(&g, &cursor));
    RK_TRY_GOTO(done, take_lists(&g, offsets, items, &ascend));
    RK_TRY_GOTO(done, complete(&g, cursor, ascend));
    *out = g;
done:
    rk__free(cursor);
    if (status != RK_OK) {
        rk__graph_free(&g);
    }
    return status;
}

rk_graph rk__graph_view(const rk_graph *graph)
{
    rk_graph view = *graph;
    view.is_lent = true;
    return view;
}

void rk__graph_free(rk_graph *graph)
{
    if (!graph->is_lent) {
        rk__free(graph->offsets);
        rk__free(graph->columns);
        rk__free(graph->scale);
    }
    *graph = (rk_graph){0};
}

void rk__graph_degree_power(const rk_graph *graph, double exponent, float *out)
{
#pragma omp parallel for schedule(static)
    for (int64_t node = 0; node < graph->n_nodes; node++) {
        int64_t degree = rk__graph_degree(graph, node);
        out[node] = degree > 0 ? (float)pow((double)degree, exponent) : 0;
    }
}
