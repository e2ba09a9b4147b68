/* base: growing texts, replaced files, numbers printed so that they parse back. */
#include <float.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/file.h"
#include "base/parse.h"
#include "support/support.h"

static void a_buffer_grows_and_hands_over(void **state)
{
    (void)state;
    rk_buffer buffer = {0};
    char *text = NULL;
    assert_ok(rk__buffer_take(&buffer, &text));
    assert_string_equal(text, "");
    rk__free(text);
    for (int i = 0; i < 1000; i++) {
        rk__buffer_add(&buffer, "%03d,", i);
    }
    rk__buffer_add_bytes(&buffer, "end", 3);
    assert_int_equal(buffer.length, 4003);
    assert_ok(rk__buffer_take(&buffer, &text));
    assert_memory_equal(text, "000,001,", 8);
    assert_string_equal(text + 3996, "999,end");
    rk__free(text);
    assert_null(buffer.at);
}

static void a_failure_sticks_in_a_buffer(void **state)
{
    (void)state;
    rk_buffer buffer = {0};
    char *text = NULL;
    rk__buffer_add(&buffer, "fits");
    rk__alloc_fail_after(0);
    rk__buffer_add(&buffer, "%1000d", 1);
    rk__alloc_fail_after(-1);
    rk__buffer_add(&buffer, "more");
    assert_fails(RK_ERR_MEMORY, "a text", rk__buffer_take(&buffer, &text));
    assert_null(text);
    assert_null(buffer.at);
}

static void a_file_is_replaced_or_stays(void **state)
{
    (void)state;
    char *scratch = test_scratch();
    const char *path = test_path(scratch, "file");
    assert_ok(rk__file_replace(path, "old", 3));
    assert_ok(rk__file_replace(path, "newer", 5));
    char *text = NULL;
    int64_t length = 0;
    assert_ok(rk__file_read(path, &text, &length));
    assert_int_equal(length, 5);
    assert_string_equal(text, "newer");
    rk__free(text);

    struct rlimit limit, small = {.rlim_cur = 4096};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small.rlim_max = limit.rlim_max;
    signal(SIGXFSZ, SIG_IGN); /* so that a write fails instead of killing the test */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    static char large[100000];
    assert_fails(RK_ERR_IO, "cannot be written", rk__file_replace(path, large, sizeof large));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_false(rk__file_exists(test_path(scratch, "file.tmp")));
    assert_ok(rk__file_read(path, &text, NULL));
    assert_string_equal(text, "newer");
    rk__free(text);

    assert_fails(RK_ERR_IO, "cannot be written",
                 rk__file_replace(test_path(scratch, "no/such/folder"), "x", 1));
    assert_fails(RK_ERR_IO, "cannot be read",
                 rk__file_read(test_path(scratch, "absent"), &text, NULL));
    assert_fails(RK_ERR_IO, "is a folder: name a file in it", rk__file_read(scratch, &text, NULL));
    test_scratch_remove(scratch);
}

static void reals_print_shortest_and_parse_back(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.1, "0.1"},
                 {1.0 / 3, "0.3333333333333333"},
                 {0.1 + 0.2, "0.30000000000000004"},
                 {-2.5e-9, "-2.5e-09"},
                 {123456789, "123456789"},
                 {DBL_MAX, "1.7976931348623157e+308"}};
    char text[32];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rk__print_real(text, cases[i].value);
        assert_string_equal(text, cases[i].text);
        double back = 0;
        assert_int_equal(rk__parse_real(text, strlen(text), &back), RK_PARSE_OK);
        assert_true(back == cases[i].value);
    }
    rk__print_float(text, 0.1f);
    assert_string_equal(text, "0.1");
    rk__print_float(text, 1.0f / 3);
    assert_string_equal(text, "0.33333334");
    rk__print_fixed(text, 2.0 / 3, 3);
    assert_string_equal(text, "0.667");
    rk__print_fixed(text, NAN, 3);
    assert_string_equal(text, "-");
    rk__print_fixed(text, 1e300, 3);
    assert_string_equal(text, "1.000e+300");
    rk__print_count(text, 1027370);
    assert_string_equal(text, "1 027 370");
    rk__print_count(text, -123456);
    assert_string_equal(text, "-123 456");
    rk__print_count(text, 999);
    assert_string_equal(text, "999");
}

static void folders_are_created_as_far_as_needed(void **state)
{
    (void)state;
    char *scratch = test_scratch();
    const char *deep = test_path(scratch, "a//b/c/");
    assert_ok(rk__folder_create(deep));
    assert_ok(rk__folder_create(deep));
    assert_true(rk__file_exists(test_path(scratch, "a/b/c")));
    assert_ok(rk__folder_create(scratch));
    assert_ok(rk__folder_create("/"));
    assert_ok(rk__folder_create(""));
    test_write(test_path(scratch, "file"), "x", 1);
    assert_fails(RK_ERR_IO, "file/d/e cannot be created: Not a directory",
                 rk__folder_create(test_path(scratch, "file/d/e")));
    test_scratch_remove(scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_grows_and_hands_over),
        cmocka_unit_test(a_failure_sticks_in_a_buffer),
        cmocka_unit_test(a_file_is_replaced_or_stays),
        cmocka_unit_test(folders_are_created_as_far_as_needed),
        cmocka_unit_test(reals_print_shortest_and_parse_back),
    };
    return cmocka_run_group_tests_name("base text", tests, NULL, NULL);
}
