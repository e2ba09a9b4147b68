/*
 * What the draws of edges are worth (ops/edge_draw.h): shares as wanted, the same in both
 * directions, independent between views, epochs and seeds, and among the few edges of a user or of
 * an item.
 *
 * All seeds are fixed; counts may lie 5 standard deviations off what they should be.
 */
#include <math.h>

#include "ops/edge_draw.h"
#include "support/support.h"

enum { USERS = 300, ITEMS = 400, PAIRS = USERS * ITEMS };

static const double ratios[] = {0.01, 0.1, 0.5, 0.9};
enum { N_RATIOS = sizeof ratios / sizeof ratios[0] };

static rk_edge_draw draw_of(uint64_t seed, int64_t epoch, int32_t view, double ratio)
{
    const rk_step_state state = {.seed = seed, .epoch = epoch, .step = 1234 * epoch};
    return rk__edge_draw_at(&state, view, rk__edge_threshold(ratio));
}

static bool drops(rk_edge_draw draw, int64_t a, int64_t b)
{
    return rk__edge_is_dropped(draw.key, draw.threshold, (int32_t)a, (int32_t)b) != 0;
}

/* Of n chances p each, this many. */
static void assert_binomial(int64_t count, int64_t n, double p, const char *what)
{
    double mean = (double)n * p, deviation = sqrt(mean * (1 - p));
    if (fabs((double)count - mean) > 5 * deviation) {
        fail_msg("%s: %lld of %lld, expected %.0f +- %.0f", what, (long long)count, (long long)n,
                 mean, deviation);
    }
}

static void shares_are_as_wanted(void **state)
{
    (void)state;
    for (int k = 0; k < N_RATIOS; k++) {
        for (int64_t epoch = 0; epoch < 20; epoch++) {
            rk_edge_draw draw = draw_of(7, epoch, (int32_t)(epoch % 2), ratios[k]);
            int64_t dropped = 0;
            for (int64_t u = 0; u < USERS; u++) {
                for (int64_t i = USERS; i < USERS + ITEMS; i++) {
                    dropped += drops(draw, u, i);
                    assert_true(drops(draw, u, i) == drops(draw, i, u));
                }
            }
            assert_binomial(dropped, PAIRS, ratios[k], "dropped edges");
        }
    }
}

/* Edges that both draws drop; and that the draws are not the same. */
static void assert_independent(rk_edge_draw a, rk_edge_draw b, double ratio, const char *what)
{
    int64_t both = 0, differ = 0;
    for (int64_t u = 0; u < USERS; u++) {
        for (int64_t i = USERS; i < USERS + ITEMS; i++) {
            bool of_a = drops(a, u, i), of_b = drops(b, u, i);
            both += of_a && of_b;
            differ += of_a != of_b;
        }
    }
    assert_binomial(both, PAIRS, ratio * ratio, what);
    assert_binomial(differ, PAIRS, 2 * ratio * (1 - ratio), what);
}

static void draws_are_independent(void **state)
{
    (void)state;
    for (int k = 0; k < N_RATIOS; k++) {
        const double ratio = ratios[k];
        rk_edge_draw draw = draw_of(7, 3, 0, ratio), again = draw_of(7, 3, 0, ratio);
        assert_true(draw.key == again.key && draw.threshold == again.threshold);
        assert_independent(draw, draw_of(7, 3, 1, ratio), ratio, "another view");
        assert_independent(draw, draw_of(7, 4, 0, ratio), ratio, "another epoch");
        assert_independent(draw, draw_of(7, 4, 1, ratio), ratio, "both");
        assert_independent(draw, draw_of(8, 3, 0, ratio), ratio, "another seed");
    }
}

/* How many of three edges are dropped, over many nodes: neighbours in a row of the graph, or the
 * same neighbours everywhere. */
static void assert_threes(rk_edge_draw draw, double p, bool of_items, int64_t stride)
{
    enum { N = 200000, FAR = 1 << 24 };
    int64_t counts[4] = {0};
    for (int64_t n = 0; n < N; n++) {
        int dropped = 0;
        for (int64_t k = 0; k < 3; k++) {
            int64_t other = n % 1000 + k * stride;
            dropped += of_items ? drops(draw, other, FAR + n) : drops(draw, n, FAR + other);
        }
        counts[dropped]++;
    }
    const double q = 1 - p, chances[] = {q * q * q, 3 * p * q * q, 3 * p * p * q, p * p * p};
    for (int k = 0; k < 4; k++) {
        assert_binomial(counts[k], N, chances[k], of_items ? "edges of items" : "edges of users");
    }
}

static void few_edges_are_independent(void **state)
{
    (void)state;
    for (int k = 0; k < N_RATIOS; k++) {
        for (int64_t stride = 1; stride <= 4096; stride *= 64) {
            assert_threes(draw_of(11, k, 0, ratios[k]), ratios[k], false, stride);
            assert_threes(draw_of(11, k, 1, ratios[k]), ratios[k], true, stride);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_as_wanted),
        cmocka_unit_test(draws_are_independent),
        cmocka_unit_test(few_edges_are_independent),
    };
    return cmocka_run_group_tests_name("edges", tests, NULL, NULL);
}
