/* eval: the formulas of metrics on one list, golden vectors of other software's too, and the text
 * that prints them. */
#include <math.h>

#include "base/alloc.h"
#include "config/options.h"
#include "eval/metrics.h"
#include "support/support.h"

#define value(name, hits, k, n_targets)                                                            \
    value_of(RK_METRIC_##name, RK_STYLE_RECBOLE, (hits), (k), (n_targets))

static double value_of(rk_metric metric, int style, const uint8_t *hits, int64_t k,
                       int64_t n_targets)
{
    const rk_hits h = {.hit = hits, .n_listed = k, .n_targets = n_targets};
    return rk__metric_of_hits((rk_measure){metric, k}, style, &h);
}

/* K = 10, two held-out items, hits at ranks 2 and 3. */
static void golden_vector(void **state)
{
    (void)state;
    static const uint8_t hits[10] = {0, 1, 1};
    assert_close(value(ndcg, hits, 10, 2), 0.6934264, 1e-6, 0);
    assert_close(value(precision, hits, 10, 2), 0.2, 1e-15, 0);
    assert_close(value(recall, hits, 10, 2), 1, 1e-15, 0);
    assert_close(value(hit, hits, 10, 2), 1, 1e-15, 0);
    assert_close(value(mrr, hits, 10, 2), 0.5, 1e-15, 0);
    assert_close(value(map, hits, 10, 2), 0.5833333, 1e-6, 0);
    /* up to rank 1 there is nothing, up to rank 2 one of the two */
    assert_true(value(ndcg, hits, 1, 2) == 0 && value(mrr, hits, 1, 2) == 0);
    assert_true(value(hit, hits, 1, 2) == 0 && value(map, hits, 1, 2) == 0);
    assert_close(value(recall, hits, 2, 2), 0.5, 1e-15, 0);
    assert_close(value(map, hits, 2, 2), 0.25, 1e-15, 0);
}

/* The same list as the software that a style is named after has it: ranks 2 and 3 of 10, and of a
 * list that ends after 4. */
static void golden_vector_in_styles(void **state)
{
    (void)state;
    static const uint8_t hits[10] = {0, 1, 1};
    static const struct {
        int style;
        double ndcg, precision, recall, map, mrr;
    } rows[] = {
        {RK_STYLE_RECBOLE, 0.6934264, 0.2, 1, 0.5833333, 0.5},
        {RK_STYLE_LIGHTGCN, 0.6934264, 0.2, 1, 0.5833333, 0.5},
        {RK_STYLE_LENSKIT, 0.8154649, 0.2, 1, 0.5833333, 0.5},
        {RK_STYLE_RECTOOLS, 0.2489083, 0.2, 1, 0.5833333, 0.5},
        {RK_STYLE_IMPLICIT, 0.6934264, 1, 1, 0.5833333, 0.5},
        {RK_STYLE_ELLIOT, 0.6934264, 0.2, 1, 0.3357937, 0.5},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const int style = rows[i].style;
        assert_close(value_of(RK_METRIC_ndcg, style, hits, 10, 2), rows[i].ndcg, 1e-6, 0);
        assert_close(value_of(RK_METRIC_precision, style, hits, 10, 2), rows[i].precision, 1e-9, 0);
        assert_close(value_of(RK_METRIC_recall, style, hits, 10, 2), rows[i].recall, 1e-9, 0);
        assert_close(value_of(RK_METRIC_map, style, hits, 10, 2), rows[i].map, 1e-6, 0);
        assert_close(value_of(RK_METRIC_mrr, style, hits, 10, 2), rows[i].mrr, 1e-9, 0);
    }
    /* 20 held-out items, of which 2 are found: who divides by what */
    assert_close(value_of(RK_METRIC_recall, RK_STYLE_RECBOLE, hits, 10, 20), 0.1, 1e-9, 0);
    assert_close(value_of(RK_METRIC_recall, RK_STYLE_LENSKIT, hits, 10, 20), 0.2, 1e-9, 0);
    assert_close(value_of(RK_METRIC_map, RK_STYLE_RECBOLE, hits, 10, 20), 0.1166667, 1e-6, 0);
    assert_close(value_of(RK_METRIC_map, RK_STYLE_LIGHTGCN, hits, 10, 20), 0.0583333, 1e-6, 0);
    assert_close(value_of(RK_METRIC_map, RK_STYLE_RECTOOLS, hits, 10, 20), 0.0583333, 1e-6, 0);
    const rk_measure precision = {RK_METRIC_precision, 10};
    const rk_hits is_short = {.hit = hits, .n_listed = 4, .n_targets = 2};
    assert_close(rk__metric_of_hits(precision, RK_STYLE_LENSKIT, &is_short), 0.5, 1e-9, 0);
    /* a mean over users, but where all hits are counted together */
    assert_true(rk__measure_weight(precision, RK_STYLE_RECBOLE, 3) == 1);
    assert_true(rk__measure_weight(precision, RK_STYLE_IMPLICIT, 3) == 3);
    assert_true(rk__measure_weight(precision, RK_STYLE_IMPLICIT, 30) == 10);
    assert_true(rk__measure_weight((rk_measure){RK_METRIC_ndcg, 10}, RK_STYLE_IMPLICIT, 3) == 1);
}

/* Ratings 5 and 2 are held out, found at ranks 2 and 3: gains of 63 and 7. */
static void graded_gains(void **state)
{
    (void)state;
    static const uint8_t hits[5] = {0, 1, 1};
    static const double gain[5] = {0, 7, 63}, ideal[2] = {63, 7};
    const rk_hits h = {.hit = hits, .n_listed = 5, .n_targets = 2, .gain = gain, .ideal = ideal};
    const double expected = (7 / log2(3) + 63 / log2(4)) / (63 + 7 / log2(3));
    assert_close(rk__metric_of_hits((rk_measure){RK_METRIC_ndcg, 5}, RK_STYLE_ELLIOT, &h), expected,
                 1e-12, 0);
    assert_close(rk__metric_of_hits((rk_measure){RK_METRIC_ndcg, 5}, RK_STYLE_RECBOLE, &h),
                 value(ndcg, hits, 5, 2), 1e-15, 0);
}

/* The numbers of eval.metrics are those of the metrics; two of them have no value for a user. */
static void metrics_are_the_words_of_the_option(void **state)
{
    (void)state;
    for (int m = 0; m < RK_METRIC_COUNT; m++) {
        const rk_measure measure = {(rk_metric)m, 10};
        assert_string_equal(rk__metric_name((rk_metric)m), rk__option_choice("eval.metrics", m));
        assert_true(rk__measure_is_of_user(measure) ==
                    (m != RK_METRIC_coverage && m != RK_METRIC_gini));
    }
    const uint8_t hit = 1;
    assert_true(value(coverage, &hit, 1, 1) == 0);
}

static void more_targets_than_ranks(void **state)
{
    (void)state;
    static const uint8_t hits[3] = {1, 1, 1};
    assert_close(value(ndcg, hits, 3, 50), 1, 1e-15, 0);
    assert_close(value(map, hits, 3, 50), 1, 1e-15, 0);
    assert_close(value(precision, hits, 3, 50), 1, 1e-15, 0);
    assert_close(value(recall, hits, 3, 50), 0.06, 1e-15, 0);
    assert_close(value(capped_recall, hits, 3, 50), 1, 1e-15, 0);
}

static void text_names_every_metric(void **state)
{
    (void)state;
    char *text = NULL;
    assert_ok(rk__metrics_text(&text));
    for (int m = 0; m < RK_METRIC_COUNT; m++) {
        char name[32];
        bool is_cut = rk__metric_of((rk_metric)m) != RK_METRIC_OF_ORDER;
        snprintf(name, sizeof name, "%s@%s", rk__metric_name((rk_metric)m), is_cut ? "K" : "all");
        assert_non_null(strstr(text, name));
    }
    assert_non_null(strstr(text, "the smaller one first"));
    int64_t column = 0;
    for (const char *c = text; *c; c++) { /* plain ASCII that fits a terminal */
        assert_true(*c == '\n' || (*c >= ' ' && *c <= '~'));
        column = *c == '\n' ? 0 : column + 1;
        assert_true(column <= 100);
    }
    rk__free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_vector),
        cmocka_unit_test(golden_vector_in_styles),
        cmocka_unit_test(graded_gains),
        cmocka_unit_test(metrics_are_the_words_of_the_option),
        cmocka_unit_test(more_targets_than_ranks),
        cmocka_unit_test(text_names_every_metric),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
