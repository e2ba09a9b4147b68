/* neighbours: the nearest items against dense counts in double, ties, threads, lack of memory. */
#include <math.h>
#include <omp.h>

#include "base/alloc.h"
#include "base/philox.h"
#include "graph/neighbours.h"
#include "support/support.h"

enum { MOST_USERS = 40, MOST_ITEMS = 40 };

typedef struct world {
    int64_t n_users, n_items;
    bool has[MOST_USERS][MOST_ITEMS];
    double common[MOST_ITEMS][MOST_ITEMS], total[MOST_ITEMS];
    rk_graph graph;
} world;

/* Likes with this chance; of every 7th user and the 4th item there are none. */
static void open_world(world *w, int64_t n_users, int64_t n_items, double chance, uint64_t seed)
{
    int32_t users[MOST_USERS * MOST_ITEMS], items[MOST_USERS * MOST_ITEMS];
    int64_t n = 0;
    *w = (world){.n_users = n_users, .n_items = n_items};
    for (int64_t u = 0; u < n_users; u++) {
        for (int64_t i = 0; i < n_items; i++) {
            rk_words words = rk__philox(seed, RK_PURPOSE_SYNTH, 0, (uint64_t)(u * n_items + i), 0);
            bool lonely = chance < 1 && (u % 7 == 6 || i == 3);
            w->has[u][i] = (double)rk__uniform(words.v[0]) < chance && !lonely;
            if (w->has[u][i]) {
                users[n] = (int32_t)u;
                items[n++] = (int32_t)i;
            }
        }
    }
    for (int64_t i = 0; i < n_items; i++) {
        for (int64_t j = 0; j < n_items; j++) {
            for (int64_t u = 0; u < n_users; u++) {
                w->common[i][j] += w->has[u][i] && w->has[u][j];
            }
            w->total[i] += w->common[i][j];
        }
    }
    assert_ok(rk__graph_build(&w->graph, users, items, n, n_users, n_items));
}

static double cosine(const rk_item_pair *p)
{
    return p->together / sqrt(p->users[0] * p->users[1]);
}

/* As the authors' program has it: two vectors, and their product times G. */
static double omega(const world *w, int64_t i, int64_t j)
{
    double left = sqrt(w->total[i] + 1) / w->total[i], right = 1 / sqrt(w->total[j] + 1);
    return w->common[i][j] > 0 ? left * right * w->common[i][j] : 0;
}

static double expected(const world *w, bool is_cosine, bool with_self, int64_t i, int64_t j)
{
    if (i == j && !with_self) {
        return 0;
    }
    if (!is_cosine) {
        return omega(w, i, j);
    }
    double norms = sqrt(w->common[i][i]) * sqrt(w->common[j][j]);
    return norms > 0 ? w->common[i][j] / norms : 0;
}

/* In order, ties by item, each with its weight, and nothing left out that is nearer. */
static void check_row(const world *w, const rk_neighbours *n, bool is_cosine, bool with_self,
                      int64_t i)
{
    const int32_t *nodes = n->node + i * n->k;
    const float *weights = n->weight + i * n->k;
    bool is_taken[MOST_ITEMS] = {false};
    int64_t used = 0, candidates = 0;
    for (; used < n->k && nodes[used] >= 0; used++) {
        int64_t j = nodes[used] - w->n_users;
        assert_in_range(j, 0, w->n_items - 1);
        assert_false(is_taken[j]);
        is_taken[j] = true;
        assert_close((double)weights[used], expected(w, is_cosine, with_self, i, j), 1e-6, 0);
        assert_true(used == 0 || weights[used] < weights[used - 1] ||
                    (weights[used] == weights[used - 1] && nodes[used] > nodes[used - 1]));
    }
    for (int64_t k = used; k < n->k; k++) {
        assert_int_equal(nodes[k], -1);
        assert_true(weights[k] == 0);
    }
    for (int64_t j = 0; j < w->n_items; j++) {
        double value = expected(w, is_cosine, with_self, i, j);
        candidates += value > 0;
        if (!is_taken[j] && value > 0) {
            assert_int_equal(used, n->k);
            assert_true(value <= (double)weights[n->k - 1] * (1 + 1e-6));
        }
    }
    assert_int_equal(used, candidates < n->k ? candidates : n->k);
}

static void nearest_by_dense_counts(void **state)
{
    (void)state;
    static const struct {
        int64_t users, items, k;
        double chance;
    } cases[] = {{1, 1, 1, 1},      {1, 9, 3, 1},      {30, 20, 5, 0.3}, {40, 40, 10, 0.1},
                 {40, 40, 64, 0.2}, {40, 40, 1, 0.5},  {9, 5, 7, 0.6},   {30, 20, 4, 0.02},
                 {0, 5, 2, 0},      {12, 40, 39, 0.8}, {40, 3, 3, 0.9}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        world w;
        open_world(&w, cases[c].users, cases[c].items, cases[c].chance, c);
        for (int form = 0; form < 4; form++) {
            bool is_cosine = form & 1, with_self = form & 2;
            rk_neighbours n;
            omp_set_num_threads(1 + form);
            assert_ok(rk__neighbours_build(&n, &w.graph, cases[c].k, with_self,
                                           is_cosine ? cosine : rk__item_weight_ultragcn));
            assert_int_equal(n.n_items, cases[c].items);
            assert_int_equal(n.k, cases[c].k);
            for (int64_t i = 0; i < w.n_items; i++) {
                check_row(&w, &n, is_cosine, with_self, i);
            }
            rk__neighbours_free(&n);
        }
        rk__graph_free(&w.graph);
    }
}

/* Where everybody has everything all are equally near: the first items, whatever was met first. */
static void ties_go_to_the_smaller_item(void **state)
{
    (void)state;
    world w;
    open_world(&w, 5, 12, 1, 1);
    rk_neighbours n;
    assert_ok(rk__neighbours_build(&n, &w.graph, 4, false, rk__item_weight_ultragcn));
    for (int32_t i = 0; i < 12; i++) {
        for (int32_t k = 0; k < 4; k++) {
            assert_int_equal(n.node[i * 4 + k], 5 + k + (i <= k));
        }
    }
    rk__neighbours_free(&n);
    rk__graph_free(&w.graph);
}

/* By hand: user 0 has items 0 and 1, user 1 has 0, 1, 2. G = [2 2 1; 2 2 1; 1 1 1], g = 5, 5, 3. */
static void the_weight_is_ultragcns(void **state)
{
    (void)state;
    static const int64_t offsets[] = {0, 2, 5};
    static const int32_t items[] = {0, 1, 0, 1, 2};
    rk_graph graph;
    rk_neighbours n;
    assert_ok(rk__graph_build_lists(&graph, offsets, items, 2, 3));
    assert_ok(rk__neighbours_build(&n, &graph, 2, true, rk__item_weight_ultragcn));
    /* of item 2: itself sqrt(4) / 3 / sqrt(4), the others sqrt(4) / 3 / sqrt(6) */
    static const double weights[] = {2. / 5, 2. / 5, 2. / 5, 2. / 5, 1. / 3, 0.272165527};
    static const int32_t by_hand[] = {2, 3, 2, 3, 4, 2};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(n.node[i], by_hand[i]);
        assert_close((double)n.weight[i], weights[i], 1e-6, 0);
    }
    rk__neighbours_free(&n);
    rk__graph_free(&graph);
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    world w;
    rk_neighbours first, n;
    open_world(&w, 40, 40, 0.3, 9);
    omp_set_num_threads(1);
    assert_ok(rk__neighbours_build(&first, &w.graph, 8, true, rk__item_weight_ultragcn));
    for (int threads = 2; threads <= 5; threads++) {
        omp_set_num_threads(threads);
        assert_ok(rk__neighbours_build(&n, &w.graph, 8, true, rk__item_weight_ultragcn));
        assert_memory_equal(n.node, first.node, 40 * 8 * sizeof *n.node);
        assert_memory_equal(n.weight, first.weight, 40 * 8 * sizeof *n.weight);
        rk__neighbours_free(&n);
    }
    rk__neighbours_free(&first);
    rk__graph_free(&w.graph);
}

static void running_out_of_memory_is_clean(void **state)
{
    (void)state;
    world w;
    open_world(&w, 9, 9, 0.5, 2);
    rk_status status = RK_ERR_MEMORY;
    int failures = 0;
    for (int n = 0; status != RK_OK; n++) {
        rk_neighbours out;
        rk__alloc_fail_after(n);
        status = rk__neighbours_build(&out, &w.graph, 3, true, rk__item_weight_ultragcn);
        rk__alloc_fail_after(-1);
        if (status == RK_OK) {
            rk__neighbours_free(&out);
        } else {
            assert_int_equal(status, RK_ERR_MEMORY);
            assert_null(out.node);
            failures++;
        }
    }
    assert_int_equal(failures, 5);
    rk__graph_free(&w.graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nearest_by_dense_counts),
        cmocka_unit_test(ties_go_to_the_smaller_item),
        cmocka_unit_test(the_weight_is_ultragcns),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(running_out_of_memory_is_clean),
    };
    return cmocka_run_group_tests_name("neighbours", tests, NULL, NULL);
}
