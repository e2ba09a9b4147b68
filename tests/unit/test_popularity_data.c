/*
 * eval on real data: the popularity ranking needs no training, so its metrics are known to every
 * printed digit (counted independently, beside the data sets). Checks evaluator and formulas on
 * power-law degrees, users without test items and items that occur in test only.
 */
#include "base/alloc.h"
#include "eval/metrics.h"
#include "eval/popularity.h"
#include "support/support.h"

/* Numbers of a file, line by line: a user, then their items; any separators. Reads twice: sizes,
 * then items. `base` is the smallest id. */
static void read_lists(const char *path, int64_t base, int64_t n_users, rk_lists *out)
{
    *out = (rk_lists){.n_rows = n_users};
    assert_ok(rk__calloc(&out->offsets, n_users + 1, sizeof *out->offsets, "offsets"));
    char *text = test_read(path);
    assert_non_null(text);
    for (int pass = 0; pass < 2; pass++) {
        int64_t user = -1, number = -1, next_user = 0;
        for (const char *c = text;; c++) {
            if (*c >= '0' && *c <= '9') {
                number = (number < 0 ? 0 : 10 * number) + (*c - '0');
                continue;
            }
            if (number >= 0 && user < 0) {
                user = number - base;
                assert_true(user >= next_user && user < n_users); /* ascending in these files */
                next_user = user + 1;
            } else if (number >= 0 && pass == 0) {
                out->offsets[user + 1]++;
            } else if (number >= 0) {
                out->items[out->offsets[user]++] = (int32_t)(number - base);
            }
            number = -1;
            user = *c == '\n' ? -1 : user;
            if (*c == '\0') {
                break;
            }
        }
        if (pass == 0) {
            for (int64_t u = 0; u < n_users; u++) {
                out->offsets[u + 1] += out->offsets[u];
            }
            assert_ok(rk__alloc(&out->items, out->offsets[n_users], sizeof *out->items, "items"));
        }
    }
    /* the second pass moved each offset to the end of its row */
    memmove(out->offsets + 1, out->offsets, (size_t)n_users * sizeof *out->offsets);
    out->offsets[0] = 0;
    free(text);
}

static int compare_items(const void *a, const void *b)
{
    const int32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void sort_rows(rk_lists *lists)
{
    for (int64_t u = 0; u < lists->n_rows; u++) {
        qsort(lists->items + lists->offsets[u], (size_t)rk__lists_count(lists, u),
              sizeof *lists->items, compare_items);
    }
}

typedef struct expected {
    const char *train, *test;
    int64_t n_users, n_items, base, k;
    int64_t n_train, n_test;
    double recall, ndcg, hit; /* to 5 decimals; negative: not known */
} expected;

static void check(const expected *e)
{
    test_data_or_skip(e->train);
    int64_t metrics[] = {RK_METRIC_recall, RK_METRIC_ndcg, RK_METRIC_hit};
    int64_t k[] = {e->k};
    rk_options o = {0};
    rk_dataset d = {.n_users = e->n_users, .n_items = e->n_items};
    rk_popularity popularity;
    rk_metrics m;
    o.eval.metrics = (rk_ints){metrics, 3};
    o.eval.k = (rk_ints){k, 1};
    read_lists(test_path(RANKINE_DATA, e->train), e->base, e->n_users, &d.parts[RK_TRAIN]);
    read_lists(test_path(RANKINE_DATA, e->test), e->base, e->n_users, &d.parts[RK_TEST]);
    assert_int_equal(d.parts[RK_TRAIN].offsets[e->n_users], e->n_train);
    assert_int_equal(d.parts[RK_TEST].offsets[e->n_users], e->n_test);
    sort_rows(&d.parts[RK_TRAIN]);
    sort_rows(&d.parts[RK_TEST]);
    assert_ok(rk__popularity_init(&popularity, &d));
    rk_ranker ranker = rk__popularity_ranker(&popularity);
    assert_ok(rk__evaluate(&d, &o, RK_TEST, NULL, 0, &ranker, NULL, &m));
    const double wanted[] = {e->recall, e->ndcg, e->hit};
    for (int i = 0; i < 3; i++) {
        if (wanted[i] >= 0) {
            assert_close(m.values[i].value, wanted[i], 0.5001e-5, 1);
        }
    }
    rk_metrics_free(&m);
    rk__popularity_free(&popularity);
    for (int part = 0; part < 3; part++) {
        rk__free(d.parts[part].offsets);
        rk__free(d.parts[part].items);
    }
}

static void gowalla(void **state)
{
    (void)state;
    check(&(expected){"gowalla/train.txt", "gowalla/test.txt", 29858, 40981, 0, 20, 810128, 217242,
                      0.04163, 0.03169, 0.20383});
}

static void yelp2018(void **state)
{
    (void)state;
    check(&(expected){"yelp2018/train.txt", "yelp2018/test.txt", 31668, 38048, 0, 20, 1237259,
                      324147, 0.01245, 0.01011, 0.08311});
}

static void amazon_beauty(void **state)
{
    (void)state;
    check(&(expected){"amazon-beauty/selfrec/train.txt", "amazon-beauty/selfrec/test.txt", 22363,
                      12101, 1, 10, 176139, 22363, 0.01346, 0.00608, 0.01346});
}

static void taobao_buy(void **state)
{
    (void)state;
    check(&(expected){"taobao-mb/buy_train.txt", "taobao-mb/buy_test.txt", 15449, 11953, 0, 10,
                      92180, 15449, 0.01126, 0.00547, 0.01126});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gowalla),
        cmocka_unit_test(yelp2018),
        cmocka_unit_test(amazon_beauty),
        cmocka_unit_test(taobao_buy),
    };
    return cmocka_run_group_tests_name("popularity_data", tests, NULL, NULL);
}
