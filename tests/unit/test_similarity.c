/* similarity: weights of users and factors of items, against numbers of the library implicit. */
#include <math.h>

#include "base/alloc.h"
#include "base/choices.h"
#include "graph/similarity.h"
#include "ops/similar_value.h"
#include "support/support.h"

/* The last user has all items but one: log 5 - log(1 + 4) = 0. */
enum { USERS = 6, ITEMS = 5 };
static const char *const likes[USERS] = {"11010", "01110", "11001", "00110", "10000", "11110"};

/* implicit 0.7.3 on this matrix: TFIDFRecommender(K=5).similarity, and that of BM25Recommender(K=5,
 * K1=2, B=0.5). */
static const double tfidf[ITEMS][ITEMS] = {{1, 0.265876832, 0, 0.0855707663, 0.23025609},
                                           {0.265876832, 1, 0.231114942, 0.429124848, 0.577350269},
                                           {0, 0.231114942, 1, 0.928379717, 0},
                                           {0.0855707663, 0.429124848, 0.928379717, 1, 0},
                                           {0.23025609, 0.577350269, 0, 0, 1}};
static const double bm25[ITEMS][ITEMS] = {
    {0.800243612, 0.084854419, 0, 0.0424272095, 0.0596274296},
    {0.084854419, 0.127281629, 0.0469407424, 0.084854419, 0.0596274296},
    {0, 0.0469407424, 0.324099333, 0.292935936, 0},
    {0.0424272095, 0.084854419, 0.292935936, 0.307196228, 0},
    {0.0596274296, 0.0596274296, 0, 0, 0.0838007118}};

static void open_graph(rk_graph *graph)
{
    int32_t users[USERS * ITEMS], items[USERS * ITEMS];
    int64_t n = 0;
    for (int32_t u = 0; u < USERS; u++) {
        for (int32_t i = 0; i < ITEMS; i++) {
            if (likes[u][i] == '1') {
                users[n] = u;
                items[n++] = i;
            }
        }
    }
    assert_ok(rk__graph_build(graph, users, items, n, USERS, ITEMS));
}

static void check(rk_similarity_rule rule, const double expected[ITEMS][ITEMS])
{
    rk_graph graph;
    rk_similarity s;
    rk_similar_attr attr = {.kind = rule.kind, .n_users = USERS, .n_items = ITEMS};
    open_graph(&graph);
    assert_ok(rk__similarity_weights(&s, &graph, rule));
    for (int i = 0; i < ITEMS; i++) {
        for (int j = 0; j < ITEMS; j++) {
            double together = 0, common = 0;
            for (int u = 0; u < USERS; u++) {
                bool has_both = likes[u][i] == '1' && likes[u][j] == '1';
                together += has_both ? (double)s.user_weight[u] : 0;
                common += has_both;
            }
            double own = rk__similar_number(&attr, RK_SIMILAR_OWN, 0, &s.item_factor[i]);
            double other = rk__similar_number(&attr, RK_SIMILAR_OTHER, 0, &s.item_factor[j]);
            double value = rk__similar_value(&attr, together, common, own, other);
            assert_close(value, expected[i][j], 1e-6, 0);
        }
    }
    rk__similarity_free(&s);
    rk__graph_free(&graph);
}

static void values_are_those_of_implicit(void **state)
{
    (void)state;
    check((rk_similarity_rule){RK_SIMILARITY_TFIDF, 0, 0}, tfidf);
    check((rk_similarity_rule){RK_SIMILARITY_BM25, 2, 0.5}, bm25);
}

static void others_have_no_weights(void **state)
{
    (void)state;
    static const int32_t kinds[] = {RK_SIMILARITY_COSINE, RK_SIMILARITY_JACCARD,
                                    RK_SIMILARITY_ASYMMETRIC, RK_SIMILARITY_PEARSON};
    rk_graph graph;
    open_graph(&graph);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        rk_similarity s;
        assert_ok(rk__similarity_weights(&s, &graph, (rk_similarity_rule){kinds[i], 1, 1}));
        assert_null(s.user_weight);
        assert_null(s.item_factor);
    }
    rk__graph_free(&graph);
}

/* Nobody has anything: factors are finite all the same. */
static void an_empty_graph_has_finite_factors(void **state)
{
    (void)state;
    for (int32_t kind = RK_SIMILARITY_TFIDF; kind <= RK_SIMILARITY_BM25; kind++) {
        rk_graph graph;
        rk_similarity s;
        assert_ok(rk__graph_build(&graph, NULL, NULL, 0, 3, 2));
        assert_ok(rk__similarity_weights(&s, &graph, (rk_similarity_rule){kind, 100, 0.8}));
        for (int i = 0; i < 3; i++) {
            assert_true(isfinite(s.user_weight[i]));
            assert_true(i == 2 || isfinite(s.item_factor[i]));
        }
        rk__similarity_free(&s);
        rk__graph_free(&graph);
    }
}

/* The better key is the larger one, and says what it was made of. */
static void keys_order_as_neighbours_do(void **state)
{
    (void)state;
    static const struct {
        float value;
        int32_t item;
    } best_first[] = {{3e30f, 7},         {1, 0},        {1, 1},
                      {1, INT32_MAX - 1}, {0x1p-20f, 0}, {0x1p-149f, 5}};
    uint64_t before = UINT64_MAX;
    for (size_t i = 0; i < sizeof best_first / sizeof best_first[0]; i++) {
        uint64_t key = rk__similar_key(best_first[i].value, best_first[i].item);
        assert_true(key < before && key > 0);
        assert_true(rk__similar_key_value(key) == best_first[i].value);
        assert_int_equal(rk__similar_key_item(key), best_first[i].item);
        before = key;
    }
}

static void running_out_of_memory_is_clean(void **state)
{
    (void)state;
    rk_graph graph;
    rk_status status = RK_ERR_MEMORY;
    open_graph(&graph);
    int failures = 0;
    for (int n = 0; status != RK_OK; n++) {
        rk_similarity s;
        rk__alloc_fail_after(n);
        status = rk__similarity_weights(&s, &graph, (rk_similarity_rule){RK_SIMILARITY_BM25, 1, 1});
        rk__alloc_fail_after(-1);
        failures += status != RK_OK;
        assert_true(status == RK_OK || (status == RK_ERR_MEMORY && !s.user_weight));
        rk__similarity_free(&s);
    }
    assert_int_equal(failures, 2);
    rk__graph_free(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_those_of_implicit),
        cmocka_unit_test(others_have_no_weights),
        cmocka_unit_test(an_empty_graph_has_finite_factors),
        cmocka_unit_test(keys_order_as_neighbours_do),
        cmocka_unit_test(running_out_of_memory_is_clean),
    };
    return cmocka_run_group_tests_name("similarity", tests, NULL, NULL);
}
