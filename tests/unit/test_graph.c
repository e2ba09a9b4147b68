/* graph: the CSR against a dense matrix, determinism, bad input, sizes past 2^31. */
#include <math.h>
#include <omp.h>

#include "base/alloc.h"
#include "base/philox.h"
#include "graph/graph.h"
#include "support/support.h"

/* Random pairs without duplicates, each of the users x items with this chance, in random order. */
typedef struct pairs {
    int64_t n_users, n_items, n;
    int32_t *users, *items;
} pairs;

static pairs draw_pairs(int64_t n_users, int64_t n_items, double chance, uint64_t seed)
{
    pairs p = {.n_users = n_users, .n_items = n_items};
    p.users = malloc((size_t)(n_users * n_items) * sizeof *p.users);
    p.items = malloc((size_t)(n_users * n_items) * sizeof *p.items);
    assert_true(p.users && p.items);
    for (int64_t cell = 0; cell < n_users * n_items; cell++) {
        rk_words w = rk__philox(seed, RK_PURPOSE_SYNTH, 0, (uint64_t)cell, 0);
        if ((double)rk__uniform(w.v[0]) < chance) {
            /* inside-out shuffle */
            int64_t at = (int64_t)rk__bounded(w.v[1], w.v[2], (uint64_t)(p.n + 1));
            p.users[p.n] = p.users[at], p.items[p.n] = p.items[at];
            p.users[at] = (int32_t)(cell / n_items), p.items[at] = (int32_t)(cell % n_items);
            p.n++;
        }
    }
    return p;
}

static void free_pairs(pairs *p)
{
    free(p->users);
    free(p->items);
}

/* Structure and weights against the dense matrix of the pairs: A, and D^-1/2 A D^-1/2. */
static void compare_with_dense(const rk_graph *g, const pairs *p)
{
    int64_t n = p->n_users + p->n_items;
    assert_int_equal(g->n_users, p->n_users);
    assert_int_equal(g->n_items, p->n_items);
    assert_int_equal(g->n_nodes, n);
    assert_int_equal(g->n_edges, p->n);
    double *dense = calloc((size_t)(n * n), sizeof *dense);
    double *degree = calloc((size_t)n, sizeof *degree);
    assert_true(dense && degree);
    for (int64_t e = 0; e < p->n; e++) {
        int64_t u = p->users[e], i = p->n_users + p->items[e];
        dense[u * n + i] = dense[i * n + u] = 1;
        degree[u]++;
        degree[i]++;
    }
    assert_int_equal(g->offsets[0], 0);
    for (int64_t row = 0; row < n; row++) {
        int64_t e = g->offsets[row];
        for (int64_t column = 0; column < n; column++) {
            if (dense[row * n + column] != 0) {
                assert_true(e < g->offsets[row + 1]);
                assert_int_equal(g->columns[e], column); /* so: all there, and ascending */
                double weight = (double)g->scale[row] * (double)g->scale[column];
                assert_close(weight, 1 / sqrt(degree[row]) * (1 / sqrt(degree[column])), 2e-7, 0);
                e++;
            }
        }
        assert_int_equal(e, g->offsets[row + 1]);
        if (degree[row] == 0) {
            assert_true(g->scale[row] == 0.0f);
        }
    }
    free(dense);
    free(degree);
}

static void equals_dense_construction(void **state)
{
    (void)state;
    static const struct {
        int64_t users, items;
        double chance;
    } cases[] = {{1, 1, 1},      {1, 1, 0},      {1, 40, 0.5}, {40, 1, 0.5},
                 {30, 20, 0.02}, /* isolated */
                 {30, 20, 0.3},  {25, 30, 1},    {0, 5, 0},    {5, 0, 0},
                 {0, 0, 0},      {100, 7, 0.25}, {7, 100, 0.1}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        pairs p = draw_pairs(cases[c].users, cases[c].items, cases[c].chance, c);
        for (int threads = 1; threads <= 5; threads += 2) {
            omp_set_num_threads(threads);
            rk_graph g;
            assert_ok(rk__graph_build(&g, p.users, p.items, p.n, p.n_users, p.n_items));
            compare_with_dense(&g, &p);
            rk__graph_free(&g);
        }
        free_pairs(&p);
    }
}

static void assert_same_graph(const rk_graph *a, const rk_graph *b)
{
    assert_int_equal(a->n_edges, b->n_edges);
    assert_memory_equal(a->offsets, b->offsets, (size_t)(a->n_nodes + 1) * sizeof *a->offsets);
    assert_memory_equal(a->columns, b->columns, (size_t)(2 * a->n_edges) * sizeof *a->columns);
    assert_memory_equal(a->scale, b->scale, (size_t)a->n_nodes * sizeof *a->scale);
}

/* One graph from any order of the pairs, from lists, with any number of threads. */
static void order_source_and_threads_change_nothing(void **state)
{
    (void)state;
    pairs p = draw_pairs(300, 200, 0.05, 7);
    rk_graph reference;
    omp_set_num_threads(1);
    assert_ok(rk__graph_build(&reference, p.users, p.items, p.n, p.n_users, p.n_items));
    int32_t *lists = malloc((size_t)p.n * sizeof *lists);
    assert_non_null(lists);
    for (int threads = 1; threads <= 4; threads++) {
        omp_set_num_threads(threads);
        for (int64_t e = 0; e < p.n; e++) { /* another order each time */
            rk_words w = rk__philox((uint64_t)threads, RK_PURPOSE_SYNTH, 1, (uint64_t)e, 0);
            int64_t at = (int64_t)rk__bounded(w.v[0], w.v[1], (uint64_t)(e + 1));
            int32_t user = p.users[e], item = p.items[e];
            p.users[e] = p.users[at], p.items[e] = p.items[at];
            p.users[at] = user, p.items[at] = item;
        }
        rk_graph g;
        assert_ok(rk__graph_build(&g, p.users, p.items, p.n, p.n_users, p.n_items));
        assert_same_graph(&g, &reference);
        rk__graph_free(&g);

        for (int descending = 0; descending <= 1; descending++) {
            for (int64_t u = 0; u < p.n_users; u++) {
                int64_t begin = reference.offsets[u], end = reference.offsets[u + 1];
                for (int64_t e = begin; e < end; e++) {
                    int64_t to = descending ? begin + end - 1 - e : e;
                    lists[to] = (int32_t)(reference.columns[e] - p.n_users);
                }
            }
            assert_ok(rk__graph_build_lists(&g, reference.offsets, lists, p.n_users, p.n_items));
            assert_same_graph(&g, &reference);
            rk__graph_free(&g);
        }
    }
    free(lists);
    rk__graph_free(&reference);
    free_pairs(&p);
}

static void bad_input_is_named(void **state)
{
    (void)state;
    rk_graph g;
    int32_t users[] = {0, 1, 2, 1}, items[] = {0, 4, 1, 3};
    assert_ok(rk__graph_build(&g, users, items, 4, 3, 5));
    rk__graph_free(&g);

    items[1] = 5;
    assert_fails(RK_ERR_DATA, "pair 1 (user index 1, item index 5) is outside of 3 users",
                 rk__graph_build(&g, users, items, 4, 3, 5));
    items[1] = -1;
    assert_fails(RK_ERR_DATA, "pair 1 (user index 1, item index -1)",
                 rk__graph_build(&g, users, items, 4, 3, 5));
    users[0] = 3;
    assert_fails(RK_ERR_DATA, "pair 0 (user index 3", rk__graph_build(&g, users, items, 4, 3, 5));
    users[0] = 0, items[1] = 3;
    assert_fails(RK_ERR_DATA, "the pair of user index 1 and item index 3 is there twice",
                 rk__graph_build(&g, users, items, 4, 3, 5));

    const int64_t offsets[] = {0, 1, 3};
    const int32_t outside[] = {0, 1, 9}, twice[] = {0, 2, 2};
    assert_fails(RK_ERR_DATA, "item index 9 of user index 1 is outside of 5 items",
                 rk__graph_build_lists(&g, offsets, outside, 2, 5));
    assert_fails(RK_ERR_DATA, "user index 1 and item index 2 is there twice",
                 rk__graph_build_lists(&g, offsets, twice, 2, 5));
    const int64_t falling[] = {0, 2, 1};
    assert_fails(RK_ERR_DATA, "the list offsets of user index 1 are 2 and 1",
                 rk__graph_build_lists(&g, falling, twice, 2, 5));
}

/* Sizes are computed before anything is read, so huge ones can be asked for without the memory. */
static void sizes_are_64_bit(void **state)
{
    (void)state;
    rk_graph g;
    int32_t id = 0;
    rk__alloc_fail_after(0); /* what does not fit is refused before the first allocation */
    assert_fails(RK_ERR_MEMORY,
                 "the graph of 3000000000000 edges between 10 users and 10 items takes 24000.0 GB",
                 rk__graph_build(&g, &id, &id, 3000000000000, 10, 10));
    assert_non_null(strstr(rk_last_error(), "GB are available; raise data.min_user"));
    rk__alloc_fail_after(-1);
    assert_fails(RK_ERR_MEMORY, "overflows", rk__graph_build(&g, &id, &id, INT64_MAX, 10, 10));
    assert_fails(RK_ERR_DATA, "together at most 2147483647",
                 rk__graph_build(&g, &id, &id, 1, INT32_MAX, 1));
    assert_fails(RK_ERR_DATA, "together at most 2147483647",
                 rk__graph_build(&g, &id, &id, 1, INT64_MAX, INT32_MAX));
}

static void running_out_of_memory_is_clean(void **state)
{
    (void)state;
    const int32_t users[] = {0, 1, 2, 1}, items[] = {0, 4, 1, 3};
    rk_status status = RK_ERR_MEMORY;
    int failures = 0;
    for (int n = 0; status != RK_OK; n++) {
        rk_graph g;
        rk__alloc_fail_after(n);
        status = rk__graph_build(&g, users, items, 4, 3, 5);
        rk__alloc_fail_after(-1);
        if (status == RK_OK) {
            rk__graph_free(&g);
        } else {
            assert_int_equal(status, RK_ERR_MEMORY);
            failures++;
        }
    }
    assert_true(failures >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_dense_construction),
        cmocka_unit_test(order_source_and_threads_change_nothing),
        cmocka_unit_test(bad_input_is_named),
        cmocka_unit_test(sizes_are_64_bit),
        cmocka_unit_test(running_out_of_memory_is_clean),
    };
    return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
