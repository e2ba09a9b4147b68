/* Paired statistics against SciPy 1.17 (stats.ttest_rel, stats.t.sf, stats.bootstrap). */
#include <math.h>

#include "base/alloc.h"
#include "eval/paired.h"
#include "support/support.h"

enum { N = 37, M = 2 };

/* Two metrics: the data below, and the same with the sides swapped. */
static void fill(double *a, double *b)
{
    for (int i = 0; i < N; i++) {
        double x = ((i * 7919) % 101) / 101.0;
        double y = fmin(1, fmax(0, x + (((i * 104729) % 37) / 37.0 - 0.42) * 0.3));
        a[M * i] = b[M * i + 1] = x;
        b[M * i] = a[M * i + 1] = y;
    }
}

static void t_tests_are_scipys(void **state)
{
    (void)state;
    double a[N * M], b[N * M];
    rk_paired out[M];
    fill(a, b);
    assert_ok(rk__paired(a, b, N, M, 1000, 0.95, out));
    assert_close(out[0].difference, 0.0215188654000535, 1e-12, 0);
    assert_close(out[0].sd, 0.0814778293484558, 1e-12, 0);
    assert_close(out[0].t, 1.60650018780179, 1e-11, 0);
    assert_close(out[0].p, 0.11690123990254, 1e-11, 0);
    assert_int_equal(out[0].better, 21);
    assert_int_equal(out[0].worse, 15);
    assert_int_equal(out[0].equal, 1);
    assert_close(out[1].difference, -out[0].difference, 1e-12, 0);
    assert_close(out[1].p, out[0].p, 1e-12, 0);
    assert_int_equal(out[1].better, 15);
}

static void students_distribution_is_scipys(void **state)
{
    (void)state;
    static const double cases[][3] = {
        {0.5, 1, 0.704832764699133},     {2, 3, 0.139325968558843},      {-2, 3, 0.139325968558843},
        {1.96, 1e6, 0.0499960675852699}, {10, 25, 3.20641092089252e-10}, {0, 7, 1},
        {5.5, 1, 0.1144982940974},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_close(rk__student_two_sided(cases[i][0], cases[i][1]), cases[i][2], 1e-9, 0);
    }
    assert_true(rk__student_two_sided(40, 29857) < 1e-200);
    assert_true(rk__student_two_sided(INFINITY, 5) == 0);
}

/* SciPy's ends with 400,000 replicates; with 20,000 here the ends scatter by about 0.0003. */
static void bootstrap_intervals_are_scipys(void **state)
{
    (void)state;
    static const double expected[][3] = {{0.95, -0.004300472, 0.047477960},
                                         {0.9, -0.000200667, 0.043360623}};
    double a[N * M], b[N * M];
    rk_paired out[M], again[M];
    fill(a, b);
    for (int i = 0; i < 2; i++) {
        assert_ok(rk__paired(a, b, N, M, 20000, expected[i][0], out));
        assert_true(fabs(out[0].low - expected[i][1]) < 1e-3);
        assert_true(fabs(out[0].high - expected[i][2]) < 1e-3);
        assert_close(out[1].low, -out[0].high, 1e-12, 0);
        assert_ok(rk__paired(a, b, N, M, 20000, expected[i][0], again));
        assert_memory_equal(out, again, sizeof out);
    }
}

static void no_difference_is_none(void **state)
{
    (void)state;
    double a[N * M], b[N * M];
    rk_paired out[M];
    fill(a, b);
    assert_ok(rk__paired(a, a, N, M, 100, 0.95, out));
    assert_true(out[0].difference == 0 && out[0].t == 0 && out[0].p == 1);
    assert_true(out[0].low == 0 && out[0].high == 0);
    assert_int_equal(out[0].equal, N);
    for (int i = 0; i < N * M; i++) {
        a[i] = 0;
        b[i] = 0.25; /* every user gains the same */
    }
    assert_ok(rk__paired(a, b, N, M, 100, 0.95, out));
    assert_true(out[0].difference == 0.25 && isinf(out[0].t) && out[0].p == 0);
    assert_true(out[0].low == 0.25 && out[0].high == 0.25);
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    double a[N * M], b[N * M];
    rk_paired out[M];
    fill(a, b);
    for (int64_t n = 0; n < 3; n++) {
        rk__alloc_fail_after(n);
        rk_status status = rk__paired(a, b, N, M, 100, 0.95, out);
        rk__alloc_fail_after(-1);
        assert_int_equal(status, RK_ERR_MEMORY);
    }
    assert_ok(rk__paired(a, b, N, M, 100, 0.95, out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_tests_are_scipys),
        cmocka_unit_test(students_distribution_is_scipys),
        cmocka_unit_test(bootstrap_intervals_are_scipys),
        cmocka_unit_test(no_difference_is_none),
        cmocka_unit_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
