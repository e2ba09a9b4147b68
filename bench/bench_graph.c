/*
 * Time and memory of building the bipartite graph.
 *
 *   bench_graph [edges] [users] [items]      default 100000000 2000000 500000
 *
 * Every user has edges / users distinct items, denser towards small item ids; the pairs come in a
 * scattered order, the worst case for a builder. Goal: 100 million edges in under 30 s on two
 * cores, peak memory of the process within 3 times the 8 bytes of an edge (the pairs themselves
 * are one of the three).
 */
#include <inttypes.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "base/philox.h"
#include "base/timer.h"
#include "graph/graph.h"

static int64_t greatest_common_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Item j of d of a user: a random one of the j-th of d adjoining ranges that widen with j. */
static int64_t draw_item(int64_t user, int64_t j, int64_t d, int64_t n_items)
{
    double from = (double)j / (double)d, to = (double)(j + 1) / (double)d;
    int64_t spare = n_items - d; /* each range keeps one item of its own: all d are distinct */
    int64_t lo = j + (int64_t)((double)spare * from * from);
    int64_t hi = j + 1 + (int64_t)((double)spare * to * to);
    rk_words w = rk__philox(1, RK_PURPOSE_SYNTH, (uint64_t)user, (uint64_t)j, 0);
    return lo + (int64_t)rk__bounded(w.v[0], w.v[1], (uint64_t)(hi - lo));
}

static void draw_pairs(int32_t *users, int32_t *items, int64_t n_edges, int64_t n_users,
                       int64_t n_items)
{
    int64_t stride = 1000003;
    while (greatest_common_divisor(stride, n_edges) != 1) {
        stride += 2;
    }
#pragma omp parallel for schedule(static)
    for (int64_t u = 0; u < n_users; u++) {
        int64_t first = n_edges / n_users * u + n_edges % n_users * u / n_users;
        int64_t last = n_edges / n_users * (u + 1) + n_edges % n_users * (u + 1) / n_users;
        for (int64_t e = first; e < last; e++) {
            int64_t at = (int64_t)((__int128)e * stride % n_edges);
            users[at] = (int32_t)u;
            items[at] = (int32_t)draw_item(u, e - first, last - first, n_items);
        }
    }
}

static rk_status measure(int64_t n_edges, int64_t n_users, int64_t n_items)
{
    rk_status status = RK_OK;
    int32_t *users = NULL, *items = NULL;
    rk_graph graph = {0};
    double edge_bytes = 8.0 * (double)n_edges;
    RK_TRY_GOTO(done, rk__alloc(&users, n_edges, sizeof *users, "users"));
    RK_TRY_GOTO(done, rk__alloc(&items, n_edges, sizeof *items, "items"));
    double start = rk__now();
    draw_pairs(users, items, n_edges, n_users, n_items);
    printf("%" PRId64 " edges, %" PRId64 " users, %" PRId64 " items, %d threads; drawn in %.2f s\n",
           n_edges, n_users, n_items, omp_get_max_threads(), rk__now() - start);

    start = rk__now();
    RK_TRY_GOTO(done, rk__graph_build(&graph, users, items, n_edges, n_users, n_items));
    printf("from pairs: %.2f s, peak memory %.1f MB = %.2f x the edges' bytes\n", rk__now() - start,
           (double)rk__peak_memory() / 1e6, (double)rk__peak_memory() / edge_bytes);

    /* The users' rows of that graph are lists. */
    for (int64_t e = 0; e < n_edges; e++) {
        items[e] = (int32_t)(graph.columns[e] - n_users);
    }
    rk_graph again = {0};
    start = rk__now();
    RK_TRY_GOTO(done, rk__graph_build_lists(&again, graph.offsets, items, n_users, n_items));
    printf("from ascending lists: %.2f s\n", rk__now() - start);
    if (memcmp(again.columns, graph.columns, (size_t)n_edges * 2 * sizeof(int32_t)) != 0) {
        rk__graph_free(&again);
        RK_FAIL_GOTO(done, RK_ERR_INTERNAL, "the two graphs differ");
    }
    rk__graph_free(&again);
done:
    rk__graph_free(&graph);
    rk__free(users);
    rk__free(items);
    return status;
}

int main(int argc, char **argv)
{
    int64_t sizes[3] = {100000000, 2000000, 500000};
    for (int i = 1; i < argc; i++) {
        if (i > 3 || rk__parse_int(argv[i], strlen(argv[i]), &sizes[i - 1]) != RK_PARSE_OK ||
            sizes[i - 1] < 1) {
            fprintf(stderr, "usage: bench_graph [edges] [users] [items]\n");
            return 2;
        }
    }
    if (sizes[0] / sizes[1] + 1 > sizes[2]) {
        fprintf(stderr, "bench_graph: more edges a user than there are items\n");
        return 2;
    }
    rk_status status = measure(sizes[0], sizes[1], sizes[2]);
    if (status != RK_OK) {
        fprintf(stderr, "bench_graph: %s\n", rk_last_error());
    }
    return rk_status_exit_code(status);
}
