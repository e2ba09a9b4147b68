/* What a container and the machine let a process have. */
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "support/support.h"

/* The files of a control group, version 2 and 1; without a limit, with a fraction, with nonsense.
 */
static void a_container_limits_the_threads(void **unused)
{
    (void)unused;
    static const struct {
        const char *max, *quota, *period;
        int cores;
    } cases[] = {
        {"max 100000\n", NULL, NULL, 0},
        {"200000 100000\n", NULL, NULL, 2},
        {"150000 100000", NULL, NULL, 2},
        {"5000 100000\n", NULL, NULL, 1},
        {"9000000000000 1\n", NULL, NULL, 4096},
        {"200000\n", NULL, NULL, 0},
        {"", NULL, NULL, 0},
        {NULL, "-1\n", "100000\n", 0},
        {NULL, "300000\n", "100000\n", 3},
        {NULL, "300000\n", "0\n", 0},
        {NULL, "300000\n", NULL, 0},
        {NULL, NULL, NULL, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *root = test_scratch();
        assert_int_equal(mkdir(test_path(root, "cpu"), 0700), 0);
        if (cases[i].max) {
            test_write(test_path(root, "cpu.max"), cases[i].max, -1);
        }
        if (cases[i].quota) {
            test_write(test_path(root, "cpu/cpu.cfs_quota_us"), cases[i].quota, -1);
        }
        if (cases[i].period) {
            test_write(test_path(root, "cpu/cpu.cfs_period_us"), cases[i].period, -1);
        }
        assert_int_equal(rk__cpu_quota(root), cases[i].cores);
        test_scratch_remove(root);
    }
}

/* Kilobytes of /proc/meminfo against a control group of version 2 and of version 1. */
static void the_smaller_memory_counts(void **unused)
{
    (void)unused;
    static const struct {
        const char *max, *current, *stat; /* of the control group */
        int64_t expected;                 /* of a machine with 1,000 kB available */
    } cases[] = {
        {NULL, NULL, NULL, 1024000},
        {"max\n", "5000\n", "inactive_file 10\n", 1024000},
        {"900000\n", "100000\n", NULL, 800000},
        {"900000\n", "100000\n", "anon 7\ninactive_file 30000\n", 830000},
        {"900000\n", "100000\n", "inactive_file 300000\n", 900000},
        {"900000\n", "950000\n", NULL, 1},
        {"90000000000\n", "5\n", NULL, 1024000},
    };
    static const char *const names[2][3] = {
        {"memory.max", "memory.current", "memory.stat"},
        {"memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int version = 0; version < 2; version++) {
            char *root = test_scratch(), stat[128] = "";
            assert_int_equal(mkdir(test_path(root, "memory"), 0700), 0);
            test_write(test_path(root, "meminfo"),
                       "MemTotal: 4000 kB\nMemFree:  10 kB\nMemAvailable:    1000 kB\n", -1);
            if (cases[i].max) {
                test_write(test_path(root, names[version][0]), cases[i].max, -1);
                test_write(test_path(root, names[version][1]), cases[i].current, -1);
            }
            if (cases[i].stat) {
                const char *key = strstr(cases[i].stat, "inactive_file");
                snprintf(stat, sizeof stat, "%.*s%s%s", (int)(key - cases[i].stat), cases[i].stat,
                         version == 1 ? "total_" : "", key);
                test_write(test_path(root, names[version][2]), stat, -1);
            }
            assert_int_equal(rk__memory_available(test_path(root, "meminfo"), root),
                             cases[i].expected);
            test_scratch_remove(root);
        }
    }
    assert_int_equal(rk__memory_available("/nonexistent/meminfo", "/nonexistent"), 0);
    assert_true(rk__memory_available_here() > 1 << 20);
}

/* Linux would promise it. */
static void what_is_not_there_is_not_promised(void **unused)
{
    (void)unused;
    char *pointer = NULL;
    int64_t more = rk__memory_available_here() + (1LL << 30);
    assert_fails(RK_ERR_MEMORY, "MB are available", rk__alloc(&pointer, more, 1, "too much"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_container_limits_the_threads),
        cmocka_unit_test(the_smaller_memory_counts),
        cmocka_unit_test(what_is_not_there_is_not_promised),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
