/* The build says what it is. */
#include "support/support.h"

#include "base/build.h"

static void build_info_is_filled(void **state)
{
    (void)state;
    const rk_build_info *info = rk__build_info();
    int major = -1, minor = -1, patch = -1;
    assert_int_equal(sscanf(info->version, "%d.%d.%d", &major, &minor, &patch), 3);
    assert_true(major >= 0 && minor >= 0 && patch >= 0);
    assert_true(strlen(info->revision) >= 7); /* a git hash, or "unknown" */
    assert_null(strchr(info->revision, '\n'));
    assert_non_null(strchr(info->compiler, ' '));
    assert_true(strlen(info->type) > 0);
    assert_non_null(info->sanitize);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(build_info_is_filled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
