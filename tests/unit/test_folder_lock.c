/* io: folders that one writer has to itself, and files that overwrite no other's. */
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "io/aside.h"
#include "io/folder_lock.h"
#include "support/support.h"

static char *scratch;

static int set_up(void **state)
{
    (void)state;
    scratch = test_scratch();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rk__alloc_fail_after(-1);
    test_scratch_remove(scratch);
    return 0;
}

static bool is_there(const char *name)
{
    return access(test_path(scratch, name), F_OK) == 0;
}

static void a_folder_is_had_by_one(void **state)
{
    (void)state;
    rk_folder_lock first = {.path = NULL}, second = {.path = NULL};
    char path[600];
    snprintf(path, sizeof path, "%s", test_path(scratch, "a/b//c/"));
    assert_ok(rk__folder_take(&first, path, 0));
    assert_int_equal(first.created, 3);
    assert_true(rk__folder_is_held(&first));
    assert_fails(RK_ERR_IO, "is in use: another process", rk__folder_take(&second, path, 0));
    assert_fails(RK_ERR_IO, "is in use", rk__folder_take(&second, path, 0.05)); /* waits */
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        rk_status status = rk__folder_take(&second, path, 0);
        _exit(status == RK_ERR_IO && access(path, F_OK) == 0 ? 0 : 1);
    }
    int code = -1;
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_int_equal(code, 0);
    rk__folder_release(&first); /* nothing was written: no folder is left */
    assert_false(is_there("a"));
    rk__folder_release(&first);

    assert_int_equal(mkdir(test_path(scratch, "mine"), 0777), 0);
    assert_ok(rk__folder_take(&first, test_path(scratch, "mine/new"), 0));
    test_write(test_path(scratch, "mine/new/file"), "x", -1);
    rk__folder_release(&first);
    assert_true(is_there("mine/new/file"));
    assert_ok(rk__folder_take(&first, test_path(scratch, "mine"), 0));
    assert_int_equal(first.created, 0);
    rk__folder_release(&first);
    assert_fails(RK_ERR_IO, "is a file",
                 rk__folder_take(&first, test_path(scratch, "mine/new/file"), 0));
    assert_null(first.path);
    assert_int_equal(symlink("nowhere", test_path(scratch, "link")), 0);
    assert_fails(RK_ERR_IO, "link is a link to something that is not there",
                 rk__folder_take(&first, test_path(scratch, "link"), 0));
}

static void a_folder_that_was_replaced_is_not_held(void **state)
{
    (void)state;
    rk_folder_lock first = {.path = NULL}, second = {.path = NULL};
    char path[600], away[600];
    snprintf(path, sizeof path, "%s", test_path(scratch, "run"));
    snprintf(away, sizeof away, "%s", test_path(scratch, "away"));
    assert_ok(rk__folder_take(&first, path, 0));
    assert_int_equal(rename(path, away), 0);
    assert_false(rk__folder_is_held(&first));
    assert_ok(rk__folder_take(&second, path, 0)); /* another folder */
    assert_false(rk__folder_is_held(&first));
    assert_true(rk__folder_is_held(&second));
    rk__folder_release(&first); /* removes neither */
    assert_true(is_there("run") && is_there("away"));
    rk__folder_release(&second);
    assert_false(is_there("run"));
}

static void new_names_are_found(void **state)
{
    (void)state;
    rk_folder_lock lock[4] = {{.path = NULL}};
    char path[600], expected[650];
    snprintf(path, sizeof path, "%s", test_path(scratch, "runs/a"));
    test_write(test_path(scratch, "file"), "x", -1);
    for (int i = 0; i < 4; i++) {
        assert_ok(rk__folder_take_new(&lock[i], path));
        snprintf(expected, sizeof expected, i == 0 ? "%s" : "%s-%d", path, i + 1);
        assert_string_equal(lock[i].path, expected);
    }
    for (int i = 3; i >= 0; i--) { /* the first one made runs/ */
        rk__folder_release(&lock[i]);
    }
    assert_false(is_there("runs"));
    assert_fails(RK_ERR_IO, "file", rk__folder_take_new(&lock[0], test_path(scratch, "file/a")));
}

/* Takes and gives back; whoever has the folder finds it empty, and leaves it so. */
static void *take_often(void *user)
{
    int *bad = user;
    for (int i = 0; i < 300; i++) {
        rk_folder_lock lock = {.path = NULL};
        char path[600], file[650];
        snprintf(path, sizeof path, "%s/deep/er/run", scratch);
        rk_status status = rk__folder_take(&lock, path, i % 2 ? 5 : 0);
        if (status != RK_OK) {
            *bad += i % 2; /* the others need it for a moment only */
            continue;
        }
        snprintf(file, sizeof file, "%s/file", path);
        *bad += access(file, F_OK) == 0;
        FILE *out = fopen(file, "wx");
        *bad += !out || !rk__folder_is_held(&lock);
        if (out) {
            fclose(out);
        }
        *bad += unlink(file) != 0;
        rk__folder_release(&lock);
    }
    return NULL;
}

static void folders_that_come_and_go_are_shared_by_nobody(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    int bad[THREADS] = {0};
    for (int t = 0; t < THREADS; t++) {
        assert_int_equal(pthread_create(&threads[t], NULL, take_often, &bad[t]), 0);
    }
    for (int t = 0; t < THREADS; t++) {
        assert_int_equal(pthread_join(threads[t], NULL), 0);
        assert_int_equal(bad[t], 0);
    }
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    rk_status status = RK_ERR_MEMORY;
    for (int64_t n = 0; status != RK_OK; n++) {
        rk_folder_lock lock = {.path = NULL};
        rk__alloc_fail_after(n);
        status = rk__folder_take_new(&lock, test_path(scratch, "x/y"));
        rk__alloc_fail_after(-1);
        assert_true(status == RK_OK || status == RK_ERR_MEMORY);
        rk__folder_release(&lock);
        assert_false(is_there("x"));
    }
}

static void a_file_that_is_there_stays(void **state)
{
    (void)state;
    char path[600];
    snprintf(path, sizeof path, "%s", test_path(scratch, "file"));
    for (int i = 0; i < 3; i++) {
        rk_aside aside = {.descriptor = -1};
        bool exists = false;
        assert_ok(rk__aside_open(&aside, path));
        assert_ok(rk__aside_write(&aside, i == 0 ? "first" : "later", 5));
        if (i < 2) {
            assert_ok(rk__aside_commit_new(&aside, &exists));
            assert_true(exists == (i == 1));
        } else {
            assert_fails(RK_ERR_CONFIG, "file is there already; force overwrites it",
                         rk__aside_commit_new(&aside, NULL));
        }
        rk__aside_close(&aside);
        char *text = test_read(path);
        assert_string_equal(text, "first");
        free(text);
        assert_int_equal(test_count_files(scratch), 1);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_folder_is_had_by_one),    TEST(a_folder_that_was_replaced_is_not_held),
        TEST(new_names_are_found),       TEST(folders_that_come_and_go_are_shared_by_nobody),
        TEST(every_allocation_may_fail), TEST(a_file_that_is_there_stays),
    };
    return cmocka_run_group_tests_name("folder lock", tests, NULL, NULL);
}
