/* sampling: who can be drawn, the popular pool, the probabilities that the alias table implies. */
#include <math.h>

#include "base/alloc.h"
#include "base/philox.h"
#include "support/support.h"
#include "train/sampling.h"

/* Item degrees 3 3 1 4 0; user 1 has every item but item 4, user 2 has none, user 4 has one. */
enum { USERS = 6, ITEMS = 5 };
static const int64_t OFFSETS[USERS + 1] = {0, 3, 7, 7, 9, 10, 11};
static const int32_t LISTS[] = {0, 1, 3, 0, 1, 2, 3, 0, 3, 1, 3};

static rk_options options_with(int negatives)
{
    rk_options o = {0};
    o.train.batch = 16;
    o.sampling.positives = RK_POSITIVES_USER;
    o.sampling.negatives = negatives;
    o.sampling.pool_size = 3;
    o.sampling.pool_probability = 0.7;
    o.sampling.alpha = 0.75;
    o.sampling.candidates = 4;
    o.sampling.per_positive = 2;
    return o;
}

static void eligible_users(void **state)
{
    (void)state;
    rk_graph g;
    rk_sampling s;
    rk_options o = options_with(RK_NEGATIVES_UNIFORM);
    assert_ok(rk__graph_build_lists(&g, OFFSETS, LISTS, USERS, ITEMS));
    assert_ok(rk__sampling_init(&s, &g, NULL, &o));
    static const int32_t users[] = {0, 1, 3, 4, 5};
    static const int64_t edges[] = {0, 3, 7, 9, 10, 11};
    assert_int_equal(s.n_eligible_users, 5);
    assert_memory_equal(s.users, users, sizeof users);
    assert_memory_equal(s.edge_offsets, edges, sizeof edges);
    assert_int_equal(s.n_eligible_edges, 11);
    assert_int_equal(s.n_skipped_users, 0);
    assert_null(s.pool);
    assert_null(s.alias_share);
    rk__sampling_free(&s);
    rk__graph_free(&g);

    /* The same lists where there is no item 4: user 1 now has everything. */
    assert_ok(rk__graph_build_lists(&g, OFFSETS, LISTS, USERS, ITEMS - 1));
    assert_ok(rk__sampling_init(&s, &g, NULL, &o));
    assert_int_equal(s.n_eligible_users, 4);
    assert_int_equal(s.n_skipped_users, 1);
    assert_int_equal(s.users[1], 3);
    assert_int_equal(s.edge_offsets[2], 5);
    assert_int_equal(s.n_eligible_edges, 7);
    rk__sampling_free(&s);
    rk__graph_free(&g);

    static const int64_t full[] = {0, 1, 1};
    static const int32_t only[] = {0};
    assert_ok(rk__graph_build_lists(&g, full, only, 2, 1));
    assert_fails(RK_ERR_DATA, "nobody can be trained on", rk__sampling_init(&s, &g, NULL, &o));
    rk__graph_free(&g);
}

static void popular_pool(void **state)
{
    (void)state;
    rk_graph g;
    rk_sampling s;
    rk_options o = options_with(RK_NEGATIVES_POPULAR_POOL);
    assert_ok(rk__graph_build_lists(&g, OFFSETS, LISTS, USERS, ITEMS));
    assert_ok(rk__sampling_init(&s, &g, NULL, &o));
    static const int32_t pool[] = {3, 0, 1, 2, 4}; /* items 0 and 1 tie */
    assert_int_equal(s.pool_size, 3);
    assert_memory_equal(s.pool, pool, 3 * sizeof *pool);
    rk__sampling_free(&s);

    o.sampling.pool_size = 2000; /* more than there are: all of them */
    assert_ok(rk__sampling_init(&s, &g, NULL, &o));
    assert_int_equal(s.pool_size, ITEMS);
    assert_memory_equal(s.pool, pool, sizeof pool);
    rk__sampling_free(&s);
    rk__graph_free(&g);
}

/* n_items items with these degrees, their users side by side on a ring. */
static void graph_of_degrees(rk_graph *g, const int64_t *degrees, int64_t n_items)
{
    int64_t n_users = 1, n = 0;
    for (int64_t i = 0; i < n_items; i++) {
        n_users = degrees[i] >= n_users ? degrees[i] + 1 : n_users;
        n += degrees[i];
    }
    int32_t *users = malloc((size_t)n * sizeof *users), *items = malloc((size_t)n * sizeof *items);
    assert_true(users && items);
    n = 0;
    for (int64_t i = 0; i < n_items; i++) {
        for (int64_t d = 0; d < degrees[i]; d++, n++) {
            users[n] = (int32_t)((i + d) % n_users);
            items[n] = (int32_t)i;
        }
    }
    assert_ok(rk__graph_build(g, users, items, n, n_users, n_items));
    free(users);
    free(items);
}

/* P(item) = (share[item] + sum of 1 - share over the slots that point to it) / n must be
 * degree^alpha / sum; a slot's share is known to 24 bits, so each slot may be off by 2^-25. */
static void check_alias(const int64_t *degrees, int64_t n, double alpha)
{
    rk_graph g;
    rk_sampling s;
    rk_options o = options_with(RK_NEGATIVES_POPULARITY);
    o.sampling.alpha = alpha;
    graph_of_degrees(&g, degrees, n);
    assert_ok(rk__sampling_init(&s, &g, NULL, &o));
    double *implied = calloc((size_t)n, sizeof *implied), sum = 0;
    int64_t *slots = calloc((size_t)n, sizeof *slots);
    assert_true(implied && slots);
    for (int64_t i = 0; i < n; i++) {
        double share = (double)s.alias_share[i];
        assert_true(share >= 0 && share <= 1);
        assert_true(share * 0x1p24 == floor(share * 0x1p24));
        assert_true(s.alias_item[i] >= 0 && s.alias_item[i] < n);
        implied[i] += share / (double)n;
        implied[s.alias_item[i]] += (1 - share) / (double)n;
        slots[i]++;
        slots[s.alias_item[i]]++;
        sum += pow((double)degrees[i], alpha);
    }
    for (int64_t i = 0; i < n; i++) {
        double wanted = pow((double)degrees[i], alpha) / sum;
        assert_close(implied[i] - wanted, 0, 0x1.1p-25 * (double)slots[i] / (double)n + 1e-15, 1);
        if (degrees[i] == 0 && alpha > 0) {
            assert_true(implied[i] == 0);
        }
    }
    free(implied);
    free(slots);
    rk__sampling_free(&s);
    rk__graph_free(&g);
}

static void alias_probabilities(void **state)
{
    (void)state;
    static const int64_t few[] = {3, 3, 1, 4, 0}, equal[] = {2, 2, 2, 2}, one_of_two[] = {0, 1};
    static const double alphas[] = {0, 0.5, 0.75, 1, 2, 4};
    int64_t power[400];
    for (int i = 0; i < 400; i++) {
        power[i] = i % 7 == 3 ? 0 : 1 + (int64_t)(900 * pow(i + 1, -0.9));
    }
    for (size_t a = 0; a < sizeof alphas / sizeof alphas[0]; a++) {
        check_alias(few, 5, alphas[a]);
        check_alias(one_of_two, 2, alphas[a]);
        check_alias(power, 400, alphas[a]);
        check_alias(equal, 4, alphas[a]);
    }
}

/* How often each edge is drawn, against the shares of the values: of all of them, or of those of
 * the same user. The logQ correction goes by the same chances. */
static void draws_follow_values(void **state)
{
    (void)state;
    enum { DRAWS = 200000, EDGES = 11 };
    const float values[EDGES] = {1, 2, 5, 0.5f, 1, 1, 8, 3, 1, 7, 4};
    static const int kinds[] = {RK_POSITIVES_USER, RK_POSITIVES_INTERACTION};
    rk_graph g;
    assert_ok(rk__graph_build_lists(&g, OFFSETS, LISTS, USERS, ITEMS));
    for (int k = 0; k < 2; k++) {
        rk_options o = options_with(RK_NEGATIVES_UNIFORM);
        rk_sampling s;
        rk_sample_attr attr = {.batch = DRAWS,
                               .positives = kinds[k],
                               .n_users = USERS,
                               .n_items = ITEMS,
                               .n_eligible_users = 5,
                               .n_eligible_edges = EDGES};
        double chance[USERS + ITEMS] = {0};
        int64_t drawn[EDGES] = {0};
        o.sampling.positives = kinds[k];
        o.sampling.weigh_by = RK_WEIGH_BY_VALUE;
        o.loss.popularity_correction = 1;
        assert_ok(rk__sampling_init(&s, &g, values, &o));
        rk_sampler sampler = rk__sampling_sampler(&s, &g, &attr, 5, 0);
        for (int64_t b = 0; b < DRAWS; b++) {
            int32_t user = 0;
            int64_t edge = rk__draw_edge(&sampler, b, &user);
            assert_true(g.offsets[user] <= edge && edge < g.offsets[user + 1]);
            drawn[edge]++;
        }
        for (int64_t user = 0; user < USERS; user++) {
            double all = 0;
            bool by_user = kinds[k] == RK_POSITIVES_USER;
            for (int64_t e = 0; e < EDGES; e++) {
                bool mine = OFFSETS[user] <= e && e < OFFSETS[user + 1];
                all += mine || !by_user ? (double)values[e] : 0;
            }
            for (int64_t e = OFFSETS[user]; e < OFFSETS[user + 1]; e++) {
                double share = (double)values[e] / all / (by_user ? 5 : 1);
                double spread = sqrt(DRAWS * share * (1 - share));
                chance[USERS + LISTS[e]] += share;
                assert_true(fabs((double)drawn[e] - DRAWS * share) < 4.5 * spread);
            }
        }
        for (int64_t i = 0; i < 4; i++) {
            assert_close((double)s.logit_bias[USERS + i], -log(chance[USERS + i]), 1e-6, 1);
        }
        rk__sampling_free(&s);
    }
    rk__graph_free(&g);
}

/* Mean 1, in proportion to the values. */
static void terms_weigh_by_values(void **state)
{
    (void)state;
    const float values[11] = {1, 2, 5, 0.5f, 1, 1, 8, 3, 1, 7, 4};
    rk_graph g;
    rk_sampling s;
    rk_options o = options_with(RK_NEGATIVES_UNIFORM);
    o.loss.weigh_by = RK_WEIGH_BY_VALUE;
    assert_ok(rk__graph_build_lists(&g, OFFSETS, LISTS, USERS, ITEMS));
    assert_ok(rk__sampling_init(&s, &g, values, &o));
    for (int e = 0; e < 11; e++) {
        assert_close((double)s.edge_weights[e], (double)values[e] * 11 / 33.5, 1e-6, 0);
    }
    assert_null(s.cumulative);
    rk__sampling_free(&s);
    rk__graph_free(&g);
}

static void tables_in_a_store(void **state)
{
    (void)state;
    static const struct {
        int negatives;
        bool pool, alias;
        int candidates;
    } cases[] = {{RK_NEGATIVES_UNIFORM, false, false, 2},
                 {RK_NEGATIVES_POPULAR_POOL, true, false, 2},
                 {RK_NEGATIVES_POPULARITY, false, true, 2},
                 {RK_NEGATIVES_DYNAMIC, false, false, 4},
                 {RK_NEGATIVES_IN_BATCH, false, false, 0}};
    rk_graph g;
    assert_ok(rk__graph_build_lists(&g, OFFSETS, LISTS, USERS, ITEMS));
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        rk_options o = options_with(cases[c].negatives);
        rk_sampling s;
        rk_store store = {0};
        rk_program p;
        rk_sample_attr attr;
        int32_t offsets, columns, scale, step;
        assert_ok(rk__sampling_init(&s, &g, NULL, &o));
        assert_ok(rk__store_add(&store, "offsets", RK_I64, g.n_nodes + 1, 1, g.offsets, &offsets));
        assert_ok(rk__store_add(&store, "columns", RK_I32, 2 * g.n_edges, 1, g.columns, &columns));
        assert_ok(rk__store_add(&store, "scale", RK_F32, g.n_nodes, 1, g.scale, &scale));
        assert_ok(rk__store_add(&store, "step_state", RK_STATE, 1, 1, NULL, &step));
        assert_ok(rk__sampling_declare(&s, &o, &g, &store, &attr));
        rk__program_init(&p, &store, "sampling");
        rk_sample_values values = rk__sampling_use(&p, &store);
        assert_int_equal(values.pool != RK_NONE, cases[c].pool);
        assert_int_equal(values.alias_share != RK_NONE, cases[c].alias);
        assert_int_equal(values.alias_item != RK_NONE, cases[c].alias);
        assert_int_equal(attr.n_candidates, cases[c].candidates);
        assert_int_equal(attr.pool_size, cases[c].pool ? 3 : 0);
        /* The operation accepts the shapes. */
        rk_graph_values graph = {rk__use(&p, offsets), rk__use(&p, columns), rk__use(&p, scale)};
        rk_value nodes = rk__sample_triplets(&p, graph, values, attr);
        assert_ok(p.status);
        assert_int_equal(p.tensors[nodes].rows, 16 * (2 + cases[c].candidates));
        rk__program_free(&p);
        rk__store_free(&store);
        rk__sampling_free(&s);
    }
    rk__graph_free(&g);
}

/* Users 0 1 3 4 5 have 3 4 2 1 1 of 11 interactions; item 0 is liked by users 0 1 3. */
static void corrections_by_popularity(void **state)
{
    (void)state;
    rk_graph g;
    rk_sampling s;
    rk_options o = options_with(RK_NEGATIVES_IN_BATCH);
    o.loss.kind = RK_LOSS_BCE;
    o.loss.popularity_correction = 0.5;
    assert_ok(rk__graph_build_lists(&g, OFFSETS, LISTS, USERS, ITEMS));
    assert_ok(rk__sampling_init(&s, &g, NULL, &o));
    assert_close((double)s.logit_bias[USERS], -0.5 * log((1 / 3.0 + 1 / 4.0 + 1 / 2.0) / 5), 1e-6,
                 0);
    assert_close((double)s.logit_bias[USERS + 2], -0.5 * log(1 / 4.0 / 5), 1e-6, 0);
    assert_true(s.logit_bias[0] == 0 && s.logit_bias[USERS + 4] == 0); /* never drawn */
    assert_close((double)s.degree_factor[0], sqrt(4) / 3, 1e-6, 0);
    assert_close((double)s.degree_factor[2], 0, 0, 0);
    assert_close((double)s.degree_factor[USERS + 3], 1 / sqrt(5), 1e-6, 0);
    rk__sampling_free(&s);
    o.sampling.positives = RK_POSITIVES_SHUFFLE;
    assert_ok(rk__sampling_init(&s, &g, NULL, &o));
    assert_close((double)s.logit_bias[USERS], -0.5 * log(3 / 11.0), 1e-6, 0);
    rk__sampling_free(&s);
    rk__graph_free(&g);
}

/* A pass draws each eligible user once, with an item of theirs; the next one in another order. */
static void each_user_comes_once(void **state)
{
    (void)state;
    enum { PASSES = 20 };
    rk_graph g;
    rk_sampling s;
    rk_options o = options_with(RK_NEGATIVES_ALL);
    int64_t again = 0;
    int32_t first[USERS];
    o.sampling.positives = RK_POSITIVES_EACH_USER;
    assert_ok(rk__graph_build_lists(&g, OFFSETS, LISTS, USERS, ITEMS));
    assert_ok(rk__sampling_init(&s, &g, NULL, &o));
    const rk_sample_attr attr = {.batch = s.n_eligible_users,
                                 .positives = RK_POSITIVES_EACH_USER,
                                 .negatives = RK_NEGATIVES_ALL,
                                 .n_users = USERS,
                                 .n_items = ITEMS,
                                 .n_eligible_users = s.n_eligible_users,
                                 .n_eligible_edges = s.n_eligible_edges};
    for (int64_t pass = 0; pass < PASSES; pass++) {
        const rk_sampler sampler = rk__sampling_sampler(&s, &g, &attr, 9, pass);
        int times[USERS] = {0};
        for (int64_t i = 0; i < s.n_eligible_users; i++) {
            int32_t user = -1, node = -1;
            rk__draw_positive(&sampler, i, &user, &node);
            times[user]++;
            again += pass > 0 && first[i] == user;
            first[i] = pass == 0 ? user : first[i];
            assert_true(
                rk__is_positive(g.columns + g.offsets[user], rk__graph_degree(&g, user), node));
        }
        for (int64_t i = 0; i < s.n_eligible_users; i++) {
            assert_int_equal(times[s.users[i]], 1);
        }
    }
    assert_true(s.n_eligible_users > 1 && again < (PASSES - 1) * s.n_eligible_users);
    rk__sampling_free(&s);
    rk__graph_free(&g);
}

static void more_negatives_than_items(void **state)
{
    (void)state;
    rk_graph g;
    rk_sampling s;
    rk_options o = options_with(RK_NEGATIVES_UNIFORM);
    assert_ok(rk__graph_build_lists(&g, OFFSETS, LISTS, USERS, ITEMS));
    o.sampling.per_positive = 6;
    assert_int_equal(rk__sampling_init(&s, &g, NULL, &o), RK_ERR_CONFIG);
    assert_non_null(
        strstr(rk_last_error(), "sampling.per_positive is 6, but there are only 5 items"));
    o = options_with(RK_NEGATIVES_DYNAMIC);
    o.sampling.candidates = 7;
    assert_int_equal(rk__sampling_init(&s, &g, NULL, &o), RK_ERR_CONFIG);
    assert_non_null(
        strstr(rk_last_error(), "sampling.candidates is 7, but there are only 5 items"));
    rk__graph_free(&g);
}

static void running_out_of_memory_is_clean(void **state)
{
    (void)state;
    rk_graph g;
    assert_ok(rk__graph_build_lists(&g, OFFSETS, LISTS, USERS, ITEMS));
    for (int negatives = RK_NEGATIVES_UNIFORM; negatives <= RK_NEGATIVES_IN_BATCH; negatives++) {
        rk_options o = options_with(negatives);
        o.loss.kind = RK_LOSS_BCE;
        o.loss.popularity_correction = 1;
        rk_status status = RK_ERR_MEMORY;
        for (int n = 0; status != RK_OK; n++) {
            rk_sampling s;
            rk__alloc_fail_after(n);
            status = rk__sampling_init(&s, &g, NULL, &o);
            rk__alloc_fail_after(-1);
            assert_true(status == RK_OK ? n >= 2 : status == RK_ERR_MEMORY);
            rk__sampling_free(&s);
        }
    }
    rk__graph_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eligible_users),
        cmocka_unit_test(popular_pool),
        cmocka_unit_test(alias_probabilities),
        cmocka_unit_test(draws_follow_values),
        cmocka_unit_test(terms_weigh_by_values),
        cmocka_unit_test(tables_in_a_store),
        cmocka_unit_test(corrections_by_popularity),
        cmocka_unit_test(each_user_comes_once),
        cmocka_unit_test(more_negatives_than_items),
        cmocka_unit_test(running_out_of_memory_is_clean),
    };
    return cmocka_run_group_tests_name("sampling", tests, NULL, NULL);
}
