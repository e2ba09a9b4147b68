/* Reading report.json back: paths of values, numbers, damage, lack of memory. */
#include <math.h>

#include "base/alloc.h"
#include "rankine/report.h"
#include "support/support.h"

static const char *const sample =
    "{\n"
    "  \"train\": {\"loss\": 0.11250000000000001, \"epochs\": 5, \"losses\": [0.5, 0.25]},\n"
    "  \"test\": {\"recall@20\": 0.1089, \"ndcg@20\": 9.44e-2},\n"
    "  \"popularity\": {\"test\": {\"recall@20\": 0.04163, \"ndcg@20\": null}},\n"
    "  \"data\": {\"name\": \"caf\\u00e9 \\\"x\\\"\", \"parts\": [{\"n\": 7}, {\"n\": 8}]},\n"
    "  \"last\": true\n"
    "}\n";

static char *folder_with(const char *text)
{
    char *folder = test_scratch();
    test_write(test_path(folder, "report.json"), text, -1);
    return folder;
}

static void test_values_have_paths(void **state)
{
    (void)state;
    char *folder = folder_with(sample);
    rk_report *report;
    assert_ok(rk_report_open(folder, &report));
    assert_true(rk_report_number(report, "train.loss") == 0.11250000000000001);
    assert_true(rk_report_number(report, "train.losses.1") == 0.25);
    assert_true(rk_report_number(report, "test.recall@20") == 0.1089);
    assert_true(rk_report_number(report, "test.ndcg@20") == 0.0944);
    assert_true(rk_report_number(report, "popularity.test.recall@20") == 0.04163);
    assert_true(rk_report_number(report, "data.parts.1.n") == 8);
    assert_true(isnan(rk_report_number(report, "popularity.test.ndcg@20")));
    assert_true(isnan(rk_report_number(report, "test")));
    assert_true(isnan(rk_report_number(report, "test.recall@50")));
    assert_string_equal(rk_report_text(report, "data.name"), "caf\xC3\xA9 \"x\"");
    assert_string_equal(rk_report_text(report, "last"), "true");
    assert_null(rk_report_text(report, "first"));
    rk_report_free(report);
    test_scratch_remove(folder);
}

static void test_values_keep_their_order(void **state)
{
    (void)state;
    static const char *const paths[] = {"train.loss",
                                        "train.epochs",
                                        "train.losses.0",
                                        "train.losses.1",
                                        "test.recall@20",
                                        "test.ndcg@20",
                                        "popularity.test.recall@20",
                                        "popularity.test.ndcg@20",
                                        "data.name",
                                        "data.parts.0.n",
                                        "data.parts.1.n",
                                        "last"};
    char *folder = folder_with(sample);
    rk_report *report;
    assert_ok(rk_report_open(folder, &report));
    assert_int_equal(rk_report_count(report), sizeof paths / sizeof paths[0]);
    for (int64_t i = 0; i < rk_report_count(report); i++) {
        assert_string_equal(rk_report_path(report, i), paths[i]);
    }
    assert_string_equal(rk_report_value(report, 5), "9.44e-2");
    assert_null(rk_report_path(report, -1));
    assert_null(rk_report_value(report, rk_report_count(report)));
    rk_report_free(report);
    test_scratch_remove(folder);
}

static void expect_failure(const char *text, const char *message)
{
    char *folder = folder_with(text);
    rk_report *report = NULL;
    assert_fails(RK_ERR_DATA, message, rk_report_open(folder, &report));
    assert_null(report);
    assert_non_null(strstr(rk_last_error(), "report.json is damaged"));
    test_scratch_remove(folder);
}

static void test_damage(void **state)
{
    (void)state;
    expect_failure("", "empty");
    expect_failure("{}", "empty");
    expect_failure("3", "not an object");
    expect_failure("{\"train\": {\"loss\": 0.1", "line 2");
    expect_failure("{\"train\": \"", "line 1");
    expect_failure("[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]", "nested");
    char text[1200] = "{\"";
    memset(text + 2, 'a', 1000);
    snprintf(text + 1002, sizeof text - 1002, "\": 1}");
    expect_failure(text, "longer than");
}

static void test_no_report(void **state)
{
    (void)state;
    char *folder = test_scratch();
    rk_report *report = NULL;
    assert_fails(RK_ERR_IO, "report.json: No such file", rk_report_open(folder, &report));
    assert_null(report);
    rk_report_free(NULL);
    test_scratch_remove(folder);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    char *folder = folder_with(sample);
    rk_report *report = NULL;
    rk_status status = RK_ERR_MEMORY;
    int64_t n = 0;
    for (; status != RK_OK; n++) {
        rk__alloc_fail_after(n);
        status = rk_report_open(folder, &report);
        rk__alloc_fail_after(-1);
        assert_true(status == RK_OK || status == RK_ERR_MEMORY);
        assert_true((report != NULL) == (status == RK_OK));
    }
    assert_true(n > 20); /* two allocations a value: every one of them failed once */
    rk_report_free(report);
    test_scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_have_paths),
        cmocka_unit_test(test_values_keep_their_order),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_no_report),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
