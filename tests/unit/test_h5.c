/* io: what goes into an HDF5 file comes out, bit for bit, and every way in which a file can be bad
 * is told from the others. */
#include <hdf5.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/aside.h"
#include "io/h5.h"
#include "support/support.h"

enum { BIG = 700000 }; /* floats: more than two blocks */

static char *scratch;

static int make_scratch(void **state)
{
    (void)state;
    scratch = test_scratch();
    return 0;
}

static int drop_scratch(void **state)
{
    (void)state;
    rk__alloc_fail_after(-1);
    test_scratch_remove(scratch);
    return H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL) == 0 ? 0
                                                                  : -1; /* no handle stays open */
}

/* Some of everything; `size` elements in the long array. */
static rk_status write_sample(const char *path, int64_t size, int deflate)
{
    static const int32_t table[6] = {1, -2, 3, INT32_MAX, INT32_MIN, 0};
    static const double doubles[2] = {0.1, -0.0};
    static const int64_t longs[3] = {INT64_MIN, -1, INT64_MAX};
    static const uint8_t bytes[4] = {0, 255, 7, 8};
    char *texts[3] = {"", "two words", "\xc3\xa9\n\"quoted\", zero"};
    rk_status status = RK_OK;
    rk_h5 *file = NULL;
    float *floats = NULL;
    RK_TRY_GOTO(done, rk__alloc(&floats, size, sizeof *floats, "a test"));
    for (int64_t i = 0; i < size; i++) {
        floats[i] = (float)i * 0.5f;
    }
    RK_TRY_GOTO(done, rk__h5_create(&file, path, "sample", 3));
    rk__h5_set_deflate(file, deflate);
    RK_TRY_GOTO(done, rk__h5_write(file, "a/b/floats", RK_H5_F32, size, 0, floats));
    RK_TRY_GOTO(done, rk__h5_write(file, "a/table", RK_H5_I32, 2, 3, table));
    RK_TRY_GOTO(done, rk__h5_write(file, "doubles", RK_H5_F64, 2, 0, doubles));
    RK_TRY_GOTO(done, rk__h5_write(file, "longs", RK_H5_I64, 3, 0, longs));
    RK_TRY_GOTO(done, rk__h5_write(file, "bytes", RK_H5_U8, 4, 0, bytes));
    RK_TRY_GOTO(done, rk__h5_write(file, "nothing", RK_H5_F32, 0, 0, NULL));
    RK_TRY_GOTO(done, rk__h5_write(file, "no_rows", RK_H5_F32, 0, 64, NULL));
    RK_TRY_GOTO(done, rk__h5_write_texts(file, "texts", texts, 3));
    RK_TRY_GOTO(done, rk__h5_write_texts(file, "no_texts", NULL, 0));
    RK_TRY_GOTO(done, rk__h5_set_i64(file, "i64", INT64_MIN));
    RK_TRY_GOTO(done, rk__h5_set_u64(file, "u64", UINT64_MAX));
    RK_TRY_GOTO(done, rk__h5_set_f64(file, "f64", 0.1));
    RK_TRY_GOTO(done, rk__h5_set_text(file, "text", "caf\xc3\xa9: [1, 2]\n"));
    RK_TRY_GOTO(done, rk__h5_set_text(file, "empty", ""));
    RK_TRY_GOTO(done, rk__h5_commit(file));
done:
    rk__h5_close(file);
    rk__free(floats);
    return status;
}

/* Reads all of it; RK_ERR_INTERNAL when a value is wrong. */
static rk_status read_sample(const char *path, int64_t size)
{
    rk_status status = RK_OK;
    rk_h5 *file = NULL;
    float *floats = NULL;
    char **texts = NULL, *text = NULL, *empty = NULL;
    int32_t table[6];
    double doubles[2], f64 = 0;
    int64_t longs[3], rows = 0, cols = 0, n = 0, i64 = 0;
    uint8_t bytes[4];
    uint64_t u64 = 0;
    bool right = true;
    RK_TRY_GOTO(done, rk__h5_open(&file, path, "sample", 3));
    RK_TRY_GOTO(done, rk__h5_load(file, "a/b/floats", RK_H5_F32, &floats, &rows));
    right = right && rows == size;
    for (int64_t i = 0; i < rows; i++) {
        right = right && floats[i] == (float)i * 0.5f;
    }
    RK_TRY_GOTO(done, rk__h5_shape(file, "a/table", RK_H5_I32, &rows, &cols));
    right = right && rows == 2 && cols == 3;
    RK_TRY_GOTO(done, rk__h5_read(file, "a/table", RK_H5_I32, 2, 3, table));
    right = right && table[0] == 1 && table[1] == -2 && table[3] == INT32_MAX &&
            table[4] == INT32_MIN && table[5] == 0;
    RK_TRY_GOTO(done, rk__h5_read(file, "doubles", RK_H5_F64, 2, 0, doubles));
    right = right && doubles[0] == 0.1 && doubles[1] == 0 && signbit(doubles[1]);
    RK_TRY_GOTO(done, rk__h5_read(file, "longs", RK_H5_I64, 3, 0, longs));
    right = right && longs[0] == INT64_MIN && longs[1] == -1 && longs[2] == INT64_MAX;
    RK_TRY_GOTO(done, rk__h5_read(file, "bytes", RK_H5_U8, 4, 0, bytes));
    right = right && bytes[0] == 0 && bytes[1] == 255 && bytes[2] == 7 && bytes[3] == 8;
    RK_TRY_GOTO(done, rk__h5_read(file, "nothing", RK_H5_F32, 0, 0, NULL));
    RK_TRY_GOTO(done, rk__h5_read(file, "no_rows", RK_H5_F32, 0, 64, NULL));
    RK_TRY_GOTO(done, rk__h5_load_texts(file, "texts", &texts, &n));
    right = right && n == 3 && strcmp(texts[0], "") == 0 && strcmp(texts[1], "two words") == 0 &&
            strcmp(texts[2], "\xc3\xa9\n\"quoted\", zero") == 0;
    rk__free(texts);
    texts = NULL;
    RK_TRY_GOTO(done, rk__h5_load_texts(file, "no_texts", &texts, &n));
    right = right && n == 0;
    RK_TRY_GOTO(done, rk__h5_get_i64(file, "i64", &i64));
    RK_TRY_GOTO(done, rk__h5_get_u64(file, "u64", &u64));
    RK_TRY_GOTO(done, rk__h5_get_f64(file, "f64", &f64));
    RK_TRY_GOTO(done, rk__h5_get_text(file, "text", &text));
    RK_TRY_GOTO(done, rk__h5_get_text(file, "empty", &empty));
    right = right && i64 == INT64_MIN && u64 == UINT64_MAX && f64 == 0.1 &&
            strcmp(text, "caf\xc3\xa9: [1, 2]\n") == 0 && empty[0] == '\0';
    if (!right) {
        RK_FAIL_GOTO(done, RK_ERR_INTERNAL, "a value came back wrong");
    }
done:
    rk__free(floats);
    rk__free(texts);
    rk__free(text);
    rk__free(empty);
    rk__h5_close(file);
    return status;
}

static int64_t file_bytes(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? (int64_t)info.st_size : -1;
}

/* Nothing half-written stays behind. */
static void assert_only(int64_t n)
{
    assert_int_equal(test_count_files(scratch), n);
}

static void everything_comes_back(void **state)
{
    (void)state;
    const char *path = test_path(scratch, "sample.h5");
    assert_ok(write_sample(path, BIG, 0));
    assert_only(1);
    assert_ok(read_sample(path, BIG));
    int64_t plain = file_bytes(path);
    assert_ok(write_sample(path, BIG, 6));
    assert_ok(read_sample(path, BIG));
    assert_true(file_bytes(path) < plain / 2);
    assert_only(1);
}

static void equal_contents_are_equal_bytes(void **state)
{
    (void)state;
    const char *one = test_path(scratch, "one.h5"), *two = test_path(scratch, "two.h5");
    assert_ok(write_sample(one, 1000, 0));
    sleep(1); /* a time stamp would differ */
    assert_ok(write_sample(two, 1000, 0));
    char command[1200];
    snprintf(command, sizeof command, "cmp %s %s", one, two);
    assert_int_equal(system(command), 0);
}

static void names_are_found(void **state)
{
    (void)state;
    const char *path = test_path(scratch, "sample.h5");
    rk_h5 *file = NULL;
    assert_ok(write_sample(path, 10, 0));
    assert_ok(rk__h5_open(&file, path, "sample", 3));
    assert_true(rk__h5_has(file, "a/b/floats"));
    assert_true(rk__h5_has(file, "texts"));
    assert_false(rk__h5_has(file, "a/c/floats"));
    assert_false(rk__h5_has(file, "b"));
    assert_true(rk__h5_has_attribute(file, "u64"));
    assert_false(rk__h5_has_attribute(file, "u65"));
    rk__h5_close(file);
}

static void contents_that_are_not_as_wanted(void **state)
{
    (void)state;
    const char *path = test_path(scratch, "sample.h5");
    rk_h5 *file = NULL;
    float *floats = NULL;
    int64_t n = 0;
    double f64 = 0;
    char **texts = NULL;
    assert_ok(write_sample(path, 10, 0));
    assert_fails(RK_ERR_DATA, "is a sample of rankine, not a checkpoint",
                 rk__h5_open(&file, path, "checkpoint", 3));
    assert_fails(RK_ERR_DATA, "layout 3, and this version of rankine reads layout 4",
                 rk__h5_open(&file, path, "sample", 4));
    assert_ok(rk__h5_open(&file, path, "sample", 3));
    assert_fails(RK_ERR_DATA, "sample.h5 has no array 'missing'",
                 rk__h5_load(file, "missing", RK_H5_F32, &floats, &n));
    assert_fails(RK_ERR_DATA, "'longs' does not hold float32",
                 rk__h5_load(file, "longs", RK_H5_F32, &floats, &n));
    assert_fails(RK_ERR_DATA, "'a/table' has the shape [2, 3], not [6]",
                 rk__h5_read(file, "a/table", RK_H5_I32, 6, 0, NULL));
    assert_fails(RK_ERR_DATA, "'longs' has the shape [3], not [3, 1]",
                 rk__h5_read(file, "longs", RK_H5_I64, 3, 1, NULL));
    assert_fails(RK_ERR_DATA, "has the shape [2, 3], not [2]",
                 rk__h5_load(file, "a/table", RK_H5_I32, &floats, &n));
    assert_fails(RK_ERR_DATA, "has no attribute 'missing'", rk__h5_get_f64(file, "missing", &f64));
    assert_fails(RK_ERR_DATA, "'i64' is not one float64", rk__h5_get_f64(file, "i64", &f64));
    assert_fails(RK_ERR_DATA, "has no array 'longs/offsets'",
                 rk__h5_load_texts(file, "longs", &texts, &n));
    rk__h5_close(file);
}

static void texts_are_checked(void **state)
{
    (void)state;
    const char *path = test_path(scratch, "texts.h5");
    static const int64_t bad[4][3] = {{0, 3, 5}, {0, 5, 4}, {1, 2, 4}, {0, 0, 4}};
    for (int i = 0; i < 4; i++) {
        rk_h5 *file = NULL;
        char **texts = NULL;
        int64_t n = 0;
        assert_ok(rk__h5_create(&file, path, "sample", 1));
        assert_ok(rk__h5_write(file, "t/offsets", RK_H5_I64, 3, 0, bad[i]));
        assert_ok(rk__h5_write(file, "t/bytes", RK_H5_U8, 4, 0, "a\0b"));
        assert_ok(rk__h5_commit(file));
        rk__h5_close(file);
        assert_ok(rk__h5_open(&file, path, "sample", 1));
        assert_fails(RK_ERR_DATA, "the texts 't' are damaged",
                     rk__h5_load_texts(file, "t", &texts, &n));
        rk__h5_close(file);
    }
}

static void files_that_cannot_be_used(void **state)
{
    (void)state;
    rk_h5 *file = NULL;
    const char *path = test_path(scratch, "bad.h5");
    assert_fails(RK_ERR_IO, "bad.h5 cannot be read: No such file",
                 rk__h5_open(&file, path, "sample", 3));
    assert_fails(RK_ERR_IO, "Is a directory", rk__h5_open(&file, scratch, "sample", 3));
    test_write(path, "", 0);
    assert_fails(RK_ERR_DATA, "is empty", rk__h5_open(&file, path, "sample", 3));
    test_write(path, "user,item\n1,2\n", -1);
    assert_fails(RK_ERR_DATA, "is not an HDF5 file", rk__h5_open(&file, path, "sample", 3));
    test_write(path, "\x89HDF\r\n\x1a\nrubbish", -1);
    assert_fails(RK_ERR_DATA, "truncated or damaged", rk__h5_open(&file, path, "sample", 3));

    hid_t foreign = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(foreign >= 0 && H5Fclose(foreign) >= 0);
    assert_fails(RK_ERR_DATA, "is an HDF5 file, but not a sample of rankine",
                 rk__h5_open(&file, path, "sample", 3));

    assert_fails(RK_ERR_IO, "cannot be written: No such file",
                 write_sample(test_path(scratch, "no/folder.h5"), 10, 0));
    assert_fails(RK_ERR_IO, "cannot be written: Not a directory",
                 write_sample(test_path(scratch, "bad.h5/x.h5"), 10, 0));
    assert_only(1);
}

/* Cut anywhere, the file is refused. */
static void truncated_files_are_refused(void **state)
{
    (void)state;
    const char *path = test_path(scratch, "cut.h5");
    assert_ok(write_sample(path, 3000, 0));
    int64_t whole = file_bytes(path);
    for (int64_t length = whole - 1; length > 0; length -= length > 2000 ? 997 : 211) {
        assert_int_equal(truncate(path, (off_t)length), 0);
        rk_status status = read_sample(path, 3000);
        if (status != RK_ERR_DATA) {
            fail_msg("%lld of %lld bytes: %s", (long long)length, (long long)whole,
                     rk_status_text(status));
        }
    }
}

/* Whatever byte is damaged, what is read is either refused or still right (unused space). */
static void a_flipped_byte_is_found(void **state)
{
    (void)state;
    const char *path = test_path(scratch, "flip.h5");
    assert_ok(write_sample(path, 300, 0));
    int64_t length = file_bytes(path), found = 0;
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    setvbuf(file, NULL, _IONBF, 0);
    for (int64_t at = 0; at < length; at++) {
        fseek(file, (long)at, SEEK_SET);
        int byte = fgetc(file);
        fseek(file, (long)at, SEEK_SET);
        fputc(byte ^ 0x20, file);
        rk_status status = read_sample(path, 300);
        if (status == RK_ERR_INTERNAL) {
            fail_msg("byte %lld changed a value unnoticed", (long long)at);
        }
        found += status != RK_OK;
        fseek(file, (long)at, SEEK_SET);
        fputc(byte, file);
    }
    fclose(file);
    assert_ok(read_sample(path, 300));
    /* The data alone are about 1,400 bytes. */
    assert_true(found > 1400);
}

/* A full disk, played by a limit on the size of files, at every stage of writing. */
static void a_full_disk_leaves_the_old_file(void **state)
{
    (void)state;
    const char *path = test_path(scratch, "full.h5");
    struct rlimit before, small;
    assert_ok(write_sample(path, 10, 0));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    static const rlim_t limits[] = {0, 20, 100, 1000, 4000, 100000, 1100000, 2700000};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        small = before;
        small.rlim_cur = limits[i];
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        rk_status status = write_sample(path, BIG, 0);
        setrlimit(RLIMIT_FSIZE, &before);
        assert_int_equal(status, RK_ERR_IO);
        assert_non_null(strstr(rk_last_error(), "full.h5 cannot be written: File too large"));
        assert_only(1);
        assert_ok(read_sample(path, 10));
    }
    signal(SIGXFSZ, handler);
    assert_ok(write_sample(path, BIG, 0));
    assert_ok(read_sample(path, BIG));
}

static void a_folder_without_permission(void **state)
{
    (void)state;
    if (geteuid() == 0) {
        fprintf(stderr, "skipped: root may write everywhere\n");
        skip();
    }
    assert_int_equal(chmod(scratch, 0500), 0);
    rk_status status = write_sample(test_path(scratch, "x.h5"), 10, 0);
    chmod(scratch, 0700);
    assert_int_equal(status, RK_ERR_IO);
    assert_non_null(strstr(rk_last_error(), "Permission denied"));
}

/* Two writers of one file do not share a temporary file; a leftover of a killed one is taken over.
 */
static void writers_keep_apart(void **state)
{
    (void)state;
    const char *path = test_path(scratch, "shared");
    rk_aside one, two, three;
    test_write(test_path(scratch, "shared.tmp"), "left by a writer that was killed", -1);
    assert_ok(rk__aside_open(&one, path));
    assert_ok(rk__aside_open(&two, path));
    assert_string_equal(one.temporary, test_path(scratch, "shared.tmp"));
    assert_string_equal(two.temporary, test_path(scratch, "shared.1.tmp"));
    assert_int_equal(write(one.descriptor, "one", 3), 3);
    assert_int_equal(write(two.descriptor, "two!", 4), 4);
    assert_ok(rk__aside_commit(&one));
    char *text = test_read(path);
    assert_string_equal(text, "one");
    free(text);
    assert_ok(rk__aside_open(&three, path));
    assert_ok(rk__aside_commit(&two));
    rk__aside_close(&three);
    rk__aside_close(&one);
    rk__aside_close(&two);
    text = test_read(path);
    assert_string_equal(text, "two!");
    free(text);
    assert_only(1);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    const char *path = test_path(scratch, "sample.h5");
    for (int64_t n = 0;; n++) {
        rk__alloc_fail_after(n);
        rk_status status = write_sample(path, 100, 0);
        rk__alloc_fail_after(-1);
        if (status == RK_OK) {
            assert_true(n > 5);
            break;
        }
        assert_int_equal(status, RK_ERR_MEMORY);
        assert_only(0);
    }
    for (int64_t n = 0;; n++) {
        rk__alloc_fail_after(n);
        rk_status status = read_sample(path, 100);
        rk__alloc_fail_after(-1);
        if (status == RK_OK) {
            assert_true(n > 5);
            break;
        }
        assert_int_equal(status, RK_ERR_MEMORY);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_scratch, drop_scratch)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(everything_comes_back),
        TEST(equal_contents_are_equal_bytes),
        TEST(names_are_found),
        TEST(contents_that_are_not_as_wanted),
        TEST(texts_are_checked),
        TEST(files_that_cannot_be_used),
        TEST(truncated_files_are_refused),
        TEST(a_flipped_byte_is_found),
        TEST(a_full_disk_leaves_the_old_file),
        TEST(a_folder_without_permission),
        TEST(writers_keep_apart),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("h5", tests, NULL, NULL);
}
