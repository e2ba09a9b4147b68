/*
 * What the draws are worth: chi-square against the wanted distributions, never a train positive,
 * every edge once in a shuffled epoch, always the same draws for the same step.
 *
 * All seeds are fixed. A chi-square statistic with k degrees of freedom has mean k and variance 2k;
 * the tests allow 5 standard deviations.
 */
#include "ops/harness.h"

#include <math.h>

#include "ops/sample_draw.h"

enum { USERS = 8, ITEMS = 12, BATCH = 4096, POOL = 4 };

/* A small world whose sampler is run on the CPU device, step by step. */
typedef struct world {
    ops_case *memory;
    ops_graph graph;
    int32_t users[USERS], pool[POOL], alias_item[ITEMS];
    int64_t edges[USERS + 1], n_eligible;
    float alias_share[ITEMS];
    rk_store store;
    rk_program program;
    rk_device_context *context;
    rk_loaded *loaded;
    int32_t stored_nodes;
} world;

static const rk_device *const device = &rk__device_cpu;

static void make_tables(world *w, double chance)
{
    ops_random r = {11};
    w->memory = ops_begin("memory");
    w->graph = ops_make_graph(w->memory, USERS, ITEMS, chance, &r);
    for (int32_t u = 0; u < USERS; u++) {
        int64_t degree = w->graph.offsets[u + 1] - w->graph.offsets[u];
        if (degree > 0 && degree < ITEMS) {
            w->users[w->n_eligible++] = u;
            w->edges[w->n_eligible] = w->edges[w->n_eligible - 1] + degree;
        }
    }
    for (int32_t i = 0; i < ITEMS; i++) {
        w->alias_share[i] = (float)(i % 4) / 4;
        w->alias_item[i] = (5 * i + 2) % ITEMS;
        w->pool[i % POOL] = i;
    }
}

static int32_t add_constant(world *w, const char *name, rk_dtype dtype, int64_t rows,
                            const void *data)
{
    int32_t number = -1;
    assert_ok(rk__store_add(&w->store, name, dtype, rows, 1, data, &number));
    return number;
}

static rk_step_state first_state(int64_t draws)
{
    return (rk_step_state){.seed = 99,
                           .draws_per_epoch = draws,
                           .steps_per_epoch = (draws + BATCH - 1) / BATCH,
                           .batch = BATCH};
}

static void make_world(world *w, int positives, int negatives, int32_t candidates, int64_t draws,
                       double chance)
{
    *w = (world){0};
    make_tables(w, chance);
    const ops_graph *g = &w->graph;
    int32_t offsets = add_constant(w, "offsets", RK_I64, g->n_nodes + 1, g->offsets);
    int32_t columns = add_constant(w, "columns", RK_I32, 2 * g->n_edges, g->columns);
    int32_t users = add_constant(w, "users", RK_I32, w->n_eligible, w->users);
    int32_t edges = add_constant(w, "edges", RK_I64, w->n_eligible + 1, w->edges);
    int32_t pool = add_constant(w, "pool", RK_I32, POOL, w->pool);
    int32_t share = add_constant(w, "share", RK_F32, ITEMS, w->alias_share);
    int32_t item = add_constant(w, "item", RK_I32, ITEMS, w->alias_item);
    int32_t state = add_constant(w, "step_state", RK_STATE, 1, NULL);
    w->stored_nodes = add_constant(w, "nodes", RK_I32, (2 + candidates) * BATCH, NULL);
    rk_program *p = &w->program;
    rk__program_init(p, &w->store, "sample");
    rk_graph_values graph = {rk__use(p, offsets), rk__use(p, columns), RK_NONE};
    rk_sample_values values = {.state = rk__use(p, state),
                               .users = rk__use(p, users),
                               .edge_offsets = rk__use(p, edges),
                               .pool = rk__use(p, pool),
                               .alias_share = rk__use(p, share),
                               .alias_item = rk__use(p, item),
                               .cumulative = RK_NONE};
    rk_sample_attr attr = {.batch = BATCH,
                           .positives = positives,
                           .negatives = negatives,
                           .n_candidates = candidates,
                           .pool_size = POOL,
                           .pool_probability = 0.6f,
                           .n_users = USERS,
                           .n_items = ITEMS,
                           .n_eligible_users = w->n_eligible,
                           .n_eligible_edges = w->edges[w->n_eligible]};
    rk__assign(p, w->stored_nodes, rk__sample_triplets(p, graph, values, attr));
    rk__step_advance(p, rk__use(p, state));
    assert_ok(rk__program_verify(p));
    assert_ok(rk__program_plan(p));
    rk_device_options options = {.threads = 2};
    rk_step_state first = first_state(draws);
    assert_ok(device->open(&options, &w->context));
    assert_ok(device->bind(w->context, &w->store));
    assert_ok(device->write(w->context, state, 0, 1, &first));
    assert_ok(device->load(w->context, p, &w->loaded));
}

static void free_world(world *w)
{
    device->close(w->context);
    rk__program_free(&w->program);
    rk__store_free(&w->store);
    ops_discard(w->memory);
}

/* Runs a step; the nodes of the batch by slot. */
static const int32_t *step(world *w)
{
    assert_ok(device->run(w->context, w->loaded, 1));
    return device->peek(w->context, w->stored_nodes);
}

static bool is_edge(const ops_graph *g, int32_t user, int32_t node)
{
    for (int64_t e = g->offsets[user]; e < g->offsets[user + 1]; e++) {
        if (g->columns[e] == node) {
            return true;
        }
    }
    return false;
}

/* Against expected counts; cells that expect nothing must be empty. */
static void assert_distribution(const char *what, const double *counts, const double *expected,
                                int64_t n)
{
    double statistic = 0, cells = -1;
    for (int64_t i = 0; i < n; i++) {
        if (expected[i] == 0) {
            if (counts[i] != 0) {
                fail_msg("%s: cell %d is drawn and must not be", what, (int)i);
            }
            continue;
        }
        statistic += (counts[i] - expected[i]) * (counts[i] - expected[i]) / expected[i];
        cells++;
    }
    if (fabs(statistic - cells) > 5 * sqrt(2 * cells) + 5) {
        fail_msg("%s: chi-square %.1f with %.0f degrees of freedom", what, statistic, cells);
    }
}

/* ---- positives ---- */

/* Counts of (user, item) pairs over some steps. */
static void count_positives(world *w, int steps, double *counts)
{
    for (int i = 0; i < steps; i++) {
        const int32_t *nodes = step(w);
        for (int64_t b = 0; b < BATCH; b++) {
            assert_true(nodes[b] >= 0 && nodes[b] < USERS);
            assert_true(is_edge(&w->graph, nodes[b], nodes[BATCH + b]));
            counts[nodes[b] * ITEMS + nodes[BATCH + b] - USERS]++;
        }
    }
}

static void check_positives(int positives, const char *what)
{
    enum { STEPS = 50 };
    world w;
    double counts[USERS * ITEMS] = {0}, expected[USERS * ITEMS] = {0};
    make_world(&w, positives, RK_NEGATIVES_UNIFORM, 1, INT64_MAX / 4, 0.3);
    count_positives(&w, STEPS, counts);
    double draws = (double)STEPS * BATCH;
    for (int64_t i = 0; i < w.n_eligible; i++) {
        int32_t user = w.users[i];
        double degree = (double)(w.graph.offsets[user + 1] - w.graph.offsets[user]);
        for (int64_t e = w.graph.offsets[user]; e < w.graph.offsets[user + 1]; e++) {
            expected[user * ITEMS + w.graph.columns[e] - USERS] =
                positives == RK_POSITIVES_USER ? draws / ((double)w.n_eligible * degree)
                                               : draws / (double)w.edges[w.n_eligible];
        }
    }
    assert_distribution(what, counts, expected, USERS * ITEMS);
    free_world(&w);
}

static void positives_by_user(void **state)
{
    (void)state;
    check_positives(RK_POSITIVES_USER, "positives of uniform users");
}

static void positives_by_interaction(void **state)
{
    (void)state;
    check_positives(RK_POSITIVES_INTERACTION, "uniform interactions");
}

/* Every interaction once an epoch, through a short last batch, in another order each epoch. */
static void a_shuffled_epoch_visits_every_edge_once(void **state)
{
    (void)state;
    enum { BIG_USERS = 200, BIG_ITEMS = 300, SMALL_BATCH = 512 };
    ops_random r = {5};
    ops_case *memory = ops_begin("memory");
    ops_graph g = ops_make_graph(memory, BIG_USERS, BIG_ITEMS, 0.2, &r);
    int32_t users[BIG_USERS];
    int64_t edges[BIG_USERS + 1] = {0}, n = 0;
    for (int32_t u = 0; u < BIG_USERS; u++) {
        if (g.offsets[u + 1] > g.offsets[u]) {
            users[n++] = u;
            edges[n] = g.offsets[u + 1];
        }
    }
    rk_sampler s = {.offsets = g.offsets,
                    .columns = g.columns,
                    .users = users,
                    .edge_offsets = edges,
                    .positives = RK_POSITIVES_SHUFFLE,
                    .n_users = BIG_USERS,
                    .n_items = BIG_ITEMS,
                    .n_eligible_users = n,
                    .n_eligible_edges = edges[n],
                    .seed = 3};
    char *visited = ops_memory(memory, (int64_t)BIG_USERS * BIG_ITEMS, 1);
    int64_t same_place = 0;
    int32_t *first_epoch = ops_memory(memory, edges[n], sizeof *first_epoch);
    for (s.epoch = 0; s.epoch < 3; s.epoch++) {
        int64_t total = 0;
        for (s.first_draw = 0; s.first_draw < edges[n]; s.first_draw += SMALL_BATCH) {
            for (int64_t t = 0; t < SMALL_BATCH && s.first_draw + t < edges[n]; t++) {
                int32_t user = -1, node = -1;
                rk__draw_positive(&s, t, &user, &node);
                assert_true(is_edge(&g, user, node));
                int32_t pair = user * BIG_ITEMS + node - BIG_USERS;
                assert_int_equal(visited[pair], s.epoch);
                visited[pair]++;
                total++;
                if (s.epoch == 0) {
                    first_epoch[s.first_draw + t] = pair;
                } else {
                    same_place += first_epoch[s.first_draw + t] == pair;
                }
            }
        }
        assert_int_equal(total, edges[n]);
    }
    assert_true(same_place < 20); /* of 2 x 12,000: about one fixed point an epoch by chance */
    ops_discard(memory);
}

/* A permutation for every size, and each element lands everywhere about equally often. */
/* Of an edge's rows each as often as the others, and another one in other triplets. */
static void rows_of_edges_are_drawn_evenly(void **state)
{
    (void)state;
    enum { EDGES = 3, DRAWS = 3000 };
    static const int64_t rows[EDGES + 1] = {0, 1, 4, 11};
    for (int64_t e = 0; e < EDGES; e++) {
        const int64_t n = rows[e + 1] - rows[e];
        double counts[8] = {0}, chi = 0;
        for (int64_t t = 0; t < DRAWS; t++) {
            int64_t row = rk__draw_row(rows, e, 7, t / 100, t % 100);
            assert_in_range(row, rows[e], rows[e + 1] - 1);
            counts[row - rows[e]]++;
        }
        for (int64_t i = 0; i < n; i++) {
            chi += pow(counts[i] - (double)DRAWS / (double)n, 2) / ((double)DRAWS / (double)n);
        }
        assert_true(chi <= (double)(n - 1) + 5 * sqrt(2 * (double)n));
        assert_int_equal(rk__draw_row(NULL, e, 7, 0, 0), e);
    }
}

static void shuffles_are_permutations(void **state)
{
    (void)state;
    for (int64_t n = 1; n <= 300; n++) {
        char seen[300] = {0};
        for (int64_t x = 0; x < n; x++) {
            int64_t y = rk__shuffled(1, 2, 0, x, n);
            assert_true(y >= 0 && y < n && !seen[y]);
            seen[y] = 1;
        }
    }
    enum { N = 11, EPOCHS = 22000 };
    double counts[N * N] = {0}, expected[N * N], pairs[N * N] = {0}, pair_expected[N * N];
    for (int64_t epoch = 0; epoch < EPOCHS; epoch++) {
        for (int64_t x = 0; x < N; x++) {
            counts[x * N + rk__shuffled(8, epoch, 0, x, N)]++;
        }
        pairs[rk__shuffled(8, epoch, 0, 3, N) * N + rk__shuffled(8, epoch, 0, 7, N)]++;
    }
    for (int i = 0; i < N * N; i++) {
        expected[i] = (double)EPOCHS / N;
        pair_expected[i] = i % (N + 1) == 0 ? 0 : (double)EPOCHS / (N * (N - 1));
    }
    assert_distribution("places of a shuffle", counts, expected, (int64_t)N * N);
    assert_distribution("pairs of places of a shuffle", pairs, pair_expected, (int64_t)N * N);
    int64_t same = 0; /* a second pass of the same epoch is another permutation */
    for (int64_t x = 0; x < 1000; x++) {
        same += rk__shuffled(1, 2, 0, x, 1000) == rk__shuffled(1, 2, 1, x, 1000);
    }
    assert_true(same < 10);
}

/* ---- negatives ---- */

/* Chance of an item before rejection. */
static double weight_of(const world *w, int negatives, int32_t item)
{
    double uniform = 1.0 / ITEMS, sum = 0;
    if (negatives == RK_NEGATIVES_POPULAR_POOL) {
        for (int i = 0; i < POOL; i++) {
            sum += w->pool[i] == item ? 0.6 / POOL : 0;
        }
        return sum + 0.4 * uniform;
    }
    if (negatives == RK_NEGATIVES_POPULARITY) {
        for (int32_t i = 0; i < ITEMS; i++) {
            sum += i == item ? (double)w->alias_share[i] * uniform : 0;
            sum += w->alias_item[i] == item ? (1 - (double)w->alias_share[i]) * uniform : 0;
        }
        return sum;
    }
    return uniform;
}

/* Per user the wanted distribution, restricted to the items that are no positives. */
static void check_negatives(int negatives, int32_t candidates, const char *what)
{
    enum { STEPS = 50 };
    world w;
    double counts[USERS * ITEMS] = {0}, expected[USERS * ITEMS] = {0};
    make_world(&w, RK_POSITIVES_USER, negatives, candidates, INT64_MAX / 4, 0.3);
    for (int i = 0; i < STEPS; i++) {
        const int32_t *nodes = step(&w);
        for (int64_t c = 0; c < (int64_t)BATCH * candidates; c++) {
            int32_t user = nodes[c / candidates], node = nodes[2 * BATCH + c];
            assert_true(node >= USERS && node < USERS + ITEMS);
            assert_false(is_edge(&w.graph, user, node));
            counts[user * ITEMS + node - USERS]++;
        }
    }
    for (int32_t u = 0; u < USERS; u++) {
        double drawn = 0, total = 0;
        for (int32_t i = 0; i < ITEMS; i++) {
            drawn += counts[u * ITEMS + i];
            if (!is_edge(&w.graph, u, USERS + i)) {
                expected[u * ITEMS + i] = weight_of(&w, negatives, i);
                total += expected[u * ITEMS + i];
            }
        }
        for (int32_t i = 0; i < ITEMS; i++) {
            expected[u * ITEMS + i] *= drawn / total;
        }
    }
    /* User 0 has every item but two: the fallback, uniform over the rest, takes its share. */
    double share = 1;
    for (int32_t i = 0; i < ITEMS; i++) {
        share -= is_edge(&w.graph, 0, USERS + i) ? 0 : weight_of(&w, negatives, i);
    }
    share = pow(share, RK_NEGATIVE_ATTEMPTS);
    for (int32_t i = 0; i < ITEMS; i++) {
        double rest = (double)(ITEMS - (w.graph.offsets[1] - w.graph.offsets[0]));
        double drawn = 0;
        for (int32_t j = 0; j < ITEMS; j++) {
            drawn += counts[j];
        }
        if (expected[i] > 0) {
            expected[i] = (1 - share) * expected[i] + share * drawn / rest;
        }
    }
    assert_distribution(what, counts, expected, USERS * ITEMS);
    free_world(&w);
}

static void negatives_uniform(void **state)
{
    (void)state;
    check_negatives(RK_NEGATIVES_UNIFORM, 1, "uniform negatives");
}

static void negatives_from_the_pool(void **state)
{
    (void)state;
    check_negatives(RK_NEGATIVES_POPULAR_POOL, 1, "negatives of the popular pool");
}

static void negatives_by_popularity(void **state)
{
    (void)state;
    check_negatives(RK_NEGATIVES_POPULARITY, 1, "negatives by popularity");
}

static void negatives_dynamic(void **state)
{
    (void)state;
    check_negatives(RK_NEGATIVES_DYNAMIC, 6, "dynamic candidates");
}

/* A user with all but a few of very many items: rejection fails 32 times nearly always, and the
 * complement is drawn from exactly. */
static void the_complement_is_reached_and_uniform(void **state)
{
    (void)state;
    enum { MANY = 200000, FREE = 5, DRAWS = 20000 };
    static const int32_t free_items[FREE] = {0, 1, 777, 123456, MANY - 1};
    int32_t *columns = malloc(MANY * sizeof *columns);
    assert_non_null(columns);
    int64_t offsets[2] = {0, 0};
    for (int32_t i = 0, f = 0; i < MANY; i++) {
        if (f < FREE && i == free_items[f]) {
            f++;
        } else {
            columns[offsets[1]++] = 1 + i;
        }
    }
    rk_sampler s = {.offsets = offsets,
                    .columns = columns,
                    .negatives = RK_NEGATIVES_UNIFORM,
                    .n_users = 1,
                    .n_items = MANY,
                    .seed = 4};
    double counts[FREE] = {0}, expected[FREE];
    for (int64_t c = 0; c < DRAWS; c++) {
        int32_t item = rk__draw_negative(&s, 0, c) - 1;
        int f = 0;
        while (f < FREE && free_items[f] != item) {
            f++;
        }
        assert_true(f < FREE);
        counts[f]++;
    }
    for (int f = 0; f < FREE; f++) {
        expected[f] = (double)DRAWS / FREE;
    }
    assert_distribution("the complement", counts, expected, FREE);
    for (int64_t rank = 0; rank < FREE; rank++) {
        assert_int_equal(rk__complement(columns, offsets[1], 1, rank), free_items[rank]);
    }
    free(columns);
}

/* A pool that the user has in full leaves only the uniform part. */
static void a_pool_the_user_has_is_no_trap(void **state)
{
    (void)state;
    static const int32_t columns[] = {1, 2, 3}, pool[] = {0, 1, 2};
    static const int64_t offsets[] = {0, 3};
    rk_sampler s = {.offsets = offsets,
                    .columns = columns,
                    .pool = pool,
                    .negatives = RK_NEGATIVES_POPULAR_POOL,
                    .pool_size = 3,
                    .pool_probability = 1,
                    .n_users = 1,
                    .n_items = 6,
                    .seed = 4};
    double counts[6] = {0}, expected[6] = {0, 0, 0, 1000, 1000, 1000};
    for (int64_t c = 0; c < 3000; c++) {
        counts[rk__draw_negative(&s, 0, c) - 1]++;
    }
    assert_distribution("negatives beside a full pool", counts, expected, 6);
}

/* ---- steps ---- */

static void steps_differ_and_repeat(void **state)
{
    (void)state;
    world w;
    enum { SLOTS = 3 * BATCH };
    make_world(&w, RK_POSITIVES_USER, RK_NEGATIVES_UNIFORM, 1, 2 * BATCH + 1000, 0.3);
    static int32_t first[SLOTS];
    memcpy(first, step(&w), sizeof first);
    const int32_t *second = step(&w);
    int64_t same = 0;
    for (int64_t i = 0; i < SLOTS; i++) {
        same += first[i] == second[i];
    }
    assert_true(same < SLOTS / 2);
    const int32_t *last = step(&w); /* the epoch's rest: 1000 triplets */
    for (int64_t b = 0; b < BATCH; b++) {
        assert_int_equal(last[b] >= 0, b < 1000);
        assert_int_equal(last[BATCH + b] >= 0, b < 1000);
        assert_int_equal(last[2 * BATCH + b] >= 0, b < 1000);
    }
    rk_step_state again = first_state(2 * BATCH + 1000);
    assert_ok(device->write(w.context, rk__store_find(&w.store, "step_state"), 0, 1, &again));
    assert_memory_equal(step(&w), first, sizeof first);
    free_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(positives_by_user),
        cmocka_unit_test(rows_of_edges_are_drawn_evenly),
        cmocka_unit_test(positives_by_interaction),
        cmocka_unit_test(a_shuffled_epoch_visits_every_edge_once),
        cmocka_unit_test(shuffles_are_permutations),
        cmocka_unit_test(negatives_uniform),
        cmocka_unit_test(negatives_from_the_pool),
        cmocka_unit_test(negatives_by_popularity),
        cmocka_unit_test(negatives_dynamic),
        cmocka_unit_test(the_complement_is_reached_and_uniform),
        cmocka_unit_test(a_pool_the_user_has_is_no_trap),
        cmocka_unit_test(steps_differ_and_repeat),
    };
    return cmocka_run_group_tests_name("sample", tests, NULL, NULL);
}
