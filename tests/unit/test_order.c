/* The order of a graph's rows: every row once, clusters that are known, planted ones. */
#include "base/alloc.h"
#include "data/synth_world.h"
#include "graph/graph.h"
#include "graph/order.h"
#include "support/support.h"

static rk_graph graph_of(const int32_t (*pairs)[2], int64_t n, int64_t n_users, int64_t n_items)
{
    int32_t users[64], items[64];
    rk_graph g = {0};
    for (int64_t i = 0; i < n; i++) {
        users[i] = pairs[i][0];
        items[i] = pairs[i][1];
    }
    assert_ok(rk__graph_build(&g, users, items, n, n_users, n_items));
    return g;
}

static void order(const rk_graph *g, int32_t *out)
{
    const rk_adjacency rows = {g->offsets, g->columns, g->n_nodes, g->n_users};
    assert_ok(rk__order_rows(&rows, NULL, out, NULL));
}

/* The users first, every node once. */
static void assert_is_order(const rk_graph *g, const int32_t *order)
{
    char *seen = calloc((size_t)g->n_nodes + 1, 1);
    assert_non_null(seen);
    for (int64_t k = 0; k < g->n_nodes; k++) {
        assert_true(order[k] >= 0 && order[k] < g->n_nodes);
        assert_int_equal(order[k] < g->n_users, k < g->n_users);
        assert_false(seen[order[k]]);
        seen[order[k]] = 1;
    }
    free(seen);
}

/* Two times three users who have the same four items, numbered in turns, and one pair between. */
static void cliques_are_clusters(void **state)
{
    (void)state;
    int32_t pairs[25][2], found[14];
    int64_t n = 0;
    for (int32_t u = 0; u < 6; u++) {
        for (int32_t k = 0; k < 4; k++, n++) {
            pairs[n][0] = u;
            pairs[n][1] = 2 * k + u % 2;
        }
    }
    pairs[n][0] = 0;
    pairs[n++][1] = 1;
    rk_graph g = graph_of(pairs, n, 6, 8);
    order(&g, found);
    assert_is_order(&g, found);
    for (int k = 0; k < 14; k++) {
        int first = k < 3 || (k >= 6 && k < 10);
        assert_int_equal((found[k] ^ found[0]) & 1, !first);
    }
    rk__graph_free(&g);
}

static void odd_graphs_have_an_order(void **state)
{
    (void)state;
    static const int32_t one[][2] = {{0, 0}};
    static const struct {
        int64_t n, users, items;
    } shapes[] = {{0, 0, 0}, {0, 3, 0}, {0, 0, 2}, {0, 4, 5}, {1, 1, 1}, {1, 3, 3}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        rk_graph g = graph_of(one, shapes[i].n, shapes[i].users, shapes[i].items);
        int32_t found[16];
        order(&g, found);
        assert_is_order(&g, found);
        rk__graph_free(&g);
    }
}

static rk_graph planted(rk_synth_world *world)
{
    rk_synth_options o = rk_synth_defaults();
    o.users = 3000;
    o.items = 1000;
    o.interactions = 60000;
    o.clusters = 12;
    o.affinity = 0.9;
    o.exponent = 0.5;
    rk_graph g = {0};
    int32_t *users = malloc((size_t)o.interactions * sizeof *users);
    int32_t *items = malloc((size_t)o.interactions * sizeof *items);
    int64_t n = 0;
    assert_true(users && items);
    assert_ok(rk__synth_world_create(world, &o));
    for (int64_t u = 0; u < o.users; u++) {
        rk_synth_user user = rk__synth_user(world, u);
        for (rk_synth_row row; rk__synth_next(world, &user, &row); n++) {
            users[n] = (int32_t)u;
            items[n] = (int32_t)row.item;
        }
    }
    assert_ok(rk__graph_build(&g, users, items, n, o.users, o.items));
    free(users);
    free(items);
    return g;
}

/* The share of users whose next one in the order is of their cluster. */
static double together(const rk_synth_world *world, const int32_t *order)
{
    int64_t same = 0, n = world->o.users;
    for (int64_t k = 0; k + 1 < n; k++) {
        same += rk__synth_user(world, order[k]).cluster.first ==
                rk__synth_user(world, order[k + 1]).cluster.first;
    }
    return (double)same / (double)(n - 1);
}

static void planted_clusters_are_found(void **state)
{
    (void)state;
    rk_synth_world world;
    rk_graph g = planted(&world);
    int32_t *found = malloc((size_t)g.n_nodes * sizeof *found);
    int32_t *again = malloc((size_t)g.n_nodes * sizeof *again);
    assert_true(found && again);
    order(&g, found);
    assert_is_order(&g, found);
    order(&g, again);
    assert_memory_equal(found, again, (size_t)g.n_nodes * sizeof *found);
    assert_true(together(&world, found) > 0.8); /* 0.08 by chance */
    free(found);
    free(again);
    rk__graph_free(&g);
    rk__synth_world_free(&world);
}

/* Looks, and leaves at one of them. */
typedef struct looks {
    int64_t n, edges, leaves_at; /* 0 = never */
} looks;

static rk_status look(void *self, int64_t edges)
{
    looks *l = self;
    assert_true(edges > 0);
    l->edges += edges;
    return ++l->n == l->leaves_at ? RK_ERR_INTERRUPTED : RK_OK;
}

/* More than one look a sweep, of all edges together, the same every time; each may be the last. */
static void it_is_watched(void **state)
{
    (void)state;
    rk_synth_world world;
    rk_graph g = planted(&world);
    const rk_adjacency rows = {g.offsets, g.columns, g.n_nodes, g.n_users};
    const int64_t edges = 2 * g.n_edges;
    looks all = {0};
    const rk_order_watch watch = {look, &all};
    double inside = 0;
    int32_t *found = malloc((size_t)g.n_nodes * sizeof *found);
    int32_t *watched = malloc((size_t)g.n_nodes * sizeof *watched);
    assert_true(found && watched);
    order(&g, found);
    assert_ok(rk__order_rows(&rows, &watch, watched, &inside));
    assert_memory_equal(found, watched, (size_t)g.n_nodes * sizeof *found);
    assert_int_equal(all.edges % edges, 0);
    assert_in_range(all.edges / edges, 2, RK_ORDER_SWEEPS);
    assert_true(all.n > all.edges / edges);
    assert_true(inside > 0.5 && inside < 0.95); /* 0.9 of a user's items are of their cluster */
    for (int64_t at = 1; at <= all.n; at++) {
        looks some = {.leaves_at = at};
        const rk_order_watch leaves = {look, &some};
        assert_int_equal(rk__order_rows(&rows, &leaves, watched, NULL), RK_ERR_INTERRUPTED);
        assert_int_equal(some.n, at);
    }
    free(found);
    free(watched);
    rk__graph_free(&g);
    rk__synth_world_free(&world);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    static const int32_t pairs[][2] = {{0, 0}, {1, 0}, {1, 1}, {2, 2}};
    rk_graph g = graph_of(pairs, 4, 3, 3);
    const rk_adjacency rows = {g.offsets, g.columns, g.n_nodes, g.n_users};
    int32_t found[6];
    for (int64_t n = 0; n < 4; n++) {
        rk__alloc_fail_after(n);
        assert_int_equal(rk__order_rows(&rows, NULL, found, NULL), RK_ERR_MEMORY);
        rk__alloc_fail_after(-1);
    }
    order(&g, found);
    assert_is_order(&g, found);
    rk__graph_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cliques_are_clusters),       cmocka_unit_test(odd_graphs_have_an_order),
        cmocka_unit_test(planted_clusters_are_found), cmocka_unit_test(it_is_watched),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("order", tests, NULL, NULL);
}
