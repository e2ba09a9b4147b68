/* What a build says about itself: every topic, a topic that is not there, lack of memory. */
#include "base/alloc.h"
#include "eval/metrics.h"
#include "models/model.h"
#include "ops/program.h"
#include "rankine/config.h"
#include "rankine/info.h"
#include "support/support.h"

static void expect_line(const char *topic, const char *text)
{
    char *info;
    assert_ok(rk_info(topic, &info));
    if (!strstr(info, text)) {
        fail_msg("%s does not hold \"%s\":\n%s", topic, text, info);
    }
    assert_int_equal(info[strlen(info) - 1], '\n');
    rk_string_free(info);
}

static void test_topics_are_complete(void **state)
{
    (void)state;
    char line[256];
    snprintf(line, sizeof line, "rankine %s (", rk_version());
    expect_line("build", line);
    expect_line("devices", "  cpu ");
    expect_line("devices", "  auto ");
    expect_line("ranks", "  mpi      ");
    expect_line("ranks", "  nccl     ");
    expect_line("ranks", "  started  by nobody: this process is alone");
    for (const rk_model_kind *const *model = rk__models(); *model; model++) {
        expect_line("models", (*model)->help);
    }
    assert_true(rk__op_info(RK_OP_FOLD)->has_gradient); /* four letters, as `none` */
    assert_false(rk__op_info(RK_OP_NARROW)->has_gradient);
    for (int op = 0; op < RK_OP_COUNT; op++) {
        expect_line("operations", rk__op_info((rk_op)op)->help);
    }
#define EXPECT_METRIC(name, of, formula, note) expect_line("metrics", formula);
    RK_METRICS(EXPECT_METRIC)
}

static void test_unknown_topic(void **state)
{
    (void)state;
    char *info = NULL;
    assert_fails(RK_ERR_CONFIG, "no information on 'weather'", rk_info("weather", &info));
    assert_null(info);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    static const char *const topics[] = {"build",  "devices",    "ranks",
                                         "models", "operations", "metrics"};
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++) {
        rk_status status = RK_ERR_MEMORY;
        char *info = NULL;
        int64_t n = 0;
        for (; status != RK_OK; n++) {
            rk__alloc_fail_after(n);
            status = rk_info(topics[i], &info);
            rk__alloc_fail_after(-1);
            assert_true(status == RK_OK || status == RK_ERR_MEMORY);
            assert_true((info != NULL) == (status == RK_OK));
        }
        assert_true(n > 1);
        rk_string_free(info);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topics_are_complete),
        cmocka_unit_test(test_unknown_topic),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
