/* io: arrays that move to files, budgets of allocation, sizes as texts. */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "io/spill.h"
#include "support/support.h"

enum { MIB = 1 << 20, N = 3 << 20 };

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
    rk__alloc_bind(NULL);
    test_scratch_remove(scratch);
    return 0;
}

static rk_spill *spill_of(const char *folder, int64_t memory)
{
    rk_spill *spill = NULL;
    assert_ok(rk__spill_create(&spill, folder, memory));
    return spill;
}

static void check_rising(const int32_t *values, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (values[i] != (int32_t)i) {
            fail_msg("element %lld is %d", (long long)i, values[i]);
        }
    }
}

static void small_arrays_stay_in_memory(void **state)
{
    (void)state;
    const char *folder = test_path(scratch, "none");
    rk_spill *spill = spill_of(folder, 16 * MIB);
    int32_t *a = NULL, *b = NULL;
    assert_ok(rk__spill_alloc(spill, &a, MIB / 2, sizeof *a, "a"));
    assert_ok(rk__spill_calloc(NULL, &b, 10, sizeof *b, "b"));
    assert_false(rk__spill_is_on_disk(spill));
    assert_int_not_equal(access(folder, F_OK), 0);
    assert_int_equal(rk__spill_piece(spill, 0, N, 4), N);
    rk__spill_free(a);
    rk__spill_free(b);
    rk__spill_free(NULL);
    rk__spill_release(spill);
    rk__spill_release(NULL);
}

/* It grows from memory into a file, and further there. */
static void an_array_moves_and_keeps_its_values(void **state)
{
    (void)state;
    rk_spill *spill = spill_of(test_path(scratch, "deep/folder"), 4 * MIB);
    int32_t *a = NULL;
    int64_t n = 0;
    for (int64_t wanted = 1000; n < N; wanted = 2 * wanted + 7) {
        assert_ok(rk__spill_realloc(spill, &a, n, wanted, sizeof *a, "a"));
        for (int64_t i = n; i < wanted; i++) {
            a[i] = (int32_t)i;
        }
        /* Its share is a quarter of 4 MiB, which while it grows the old block is a part of. */
        assert_true(rk__spill_is_on_disk(spill) || wanted * 4 <= MIB);
        assert_false(rk__spill_is_on_disk(spill) && wanted * 4 <= MIB / 2);
        n = wanted;
    }
    /* Pages are given back many times on the way, and the values stay. */
    for (int64_t from = 0, to = 0; from < n; from = to) {
        to = rk__spill_piece(spill, from, n, sizeof *a);
        assert_true(to > from && to <= n && (to - from) * 4 <= MIB);
        for (int64_t i = from; i < to; i++) {
            a[i] += 1;
        }
    }
    for (int64_t i = 0; i < n; i++) {
        a[i] -= 1;
    }
    check_rising(a, n);
    /* Nothing has a name. */
    assert_int_equal(test_count_files(test_path(scratch, "deep/folder")), 0);
    int32_t *zeros = NULL;
    assert_ok(rk__spill_calloc(spill, &zeros, N, sizeof *zeros, "zeros"));
    for (int64_t i = 0; i < N; i++) {
        assert_int_equal(zeros[i], 0);
    }
    /* An owner may go before its arrays, as long as another is there. */
    rk_spill *other = rk__spill_share(spill);
    rk__spill_release(spill);
    rk__spill_free(zeros);
    rk__spill_free(a);
    rk__spill_release(other);
}

/* What pages are resident counts as the process's own only up to a share of the memory. */
static void pages_are_given_back(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    skip();
#endif
    enum { LARGE = 64 * MIB };
    rk_spill *spill = spill_of(scratch, 8 * MIB);
    char *a = NULL;
    long most = 0;
    assert_ok(rk__spill_alloc(spill, &a, LARGE, 1, "a"));
    for (int64_t at = 0; at < LARGE; at += 1 << 16) {
        rk__spill_touch(spill, 1 << 16);
        memset(a + at, 1, 1 << 16);
        long all = 0, resident = 0, shared = 0;
        FILE *file = fopen("/proc/self/statm", "r");
        assert_non_null(file);
        assert_int_equal(fscanf(file, "%ld %ld %ld", &all, &resident, &shared), 3);
        fclose(file);
        most = shared > most ? shared : most;
        if (at == 0) {
            most = shared;
            all = shared;
        }
    }
    assert_true(most * sysconf(_SC_PAGESIZE) < LARGE / 2);
    rk__spill_free(a);
    rk__spill_release(spill);
}

static void what_was_read_can_be_discarded(void **state)
{
    (void)state;
    rk_spill *spill = spill_of(scratch, 4 * MIB);
    int32_t *a = NULL;
    assert_ok(rk__spill_alloc(spill, &a, N, sizeof *a, "a"));
    for (int64_t i = 0; i < N; i++) {
        a[i] = (int32_t)i;
    }
    rk__spill_discard(a, 100, 4 * MIB + 100);
    for (int64_t i = MIB + 25; i < N; i++) {
        assert_int_equal(a[i], i);
    }
    check_rising(a, 25);
    rk__spill_free(a);
    rk__spill_release(spill);
}

static void a_full_disk_is_an_error(void **state)
{
    (void)state;
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    rk_spill *spill = spill_of(scratch, 4 * MIB);
    int32_t *a = NULL, *b = NULL;
    assert_ok(rk__spill_alloc(spill, &b, MIB, sizeof *b, "b"));
    b[0] = 7;
    small = before;
    small.rlim_cur = 2 * MIB;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    rk_status made = rk__spill_alloc(spill, &a, N, sizeof *a, "rows");
    assert_non_null(strstr(rk_last_error(), "12 MiB of rows do not fit data.memory and cannot be "
                                            "put into a file"));
    rk_status grown = rk__spill_realloc(spill, &b, MIB, N, sizeof *b, "rows");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(made, RK_ERR_IO);
    assert_int_equal(grown, RK_ERR_IO);
    assert_int_equal(b[0], 7);
    rk__spill_free(b);
    rk__spill_release(spill);
    assert_int_equal(test_count_files(scratch), 0);
}

static void a_folder_that_cannot_be_is_an_error(void **state)
{
    (void)state;
    test_write(test_path(scratch, "file"), "x", -1);
    rk_spill *spill = spill_of(test_path(scratch, "file/folder"), 4 * MIB);
    int32_t *a = NULL;
    assert_int_equal(rk__spill_alloc(spill, &a, N, sizeof *a, "rows"), RK_ERR_IO);
    rk__spill_release(spill);
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    for (int64_t n = 0;; n++) {
        rk_spill *spill = NULL;
        int32_t *a = NULL, *b = NULL;
        rk__alloc_fail_after(n);
        rk_status status = rk__spill_create(&spill, scratch, 4 * MIB);
        status = status == RK_OK ? rk__spill_alloc(spill, &a, 1000, sizeof *a, "a") : status;
        status = status == RK_OK ? rk__spill_realloc(spill, &a, 1000, N, sizeof *a, "a") : status;
        status = status == RK_OK ? rk__spill_calloc(spill, &b, N, sizeof *b, "b") : status;
        rk__alloc_fail_after(-1);
        rk__spill_free(a);
        rk__spill_free(b);
        rk__spill_release(spill);
        if (status == RK_OK) {
            assert_true(n > 2);
            return;
        }
        assert_int_equal(status, RK_ERR_MEMORY);
    }
}

/* ---- budgets ---- */

static void a_budget_bounds_what_is_allocated(void **state)
{
    (void)state;
    rk_budget budget = {.name = "data.memory", .limit = 2 * MIB};
    char *before = NULL, *a = NULL, *b = NULL;
    assert_ok(rk__alloc(&before, MIB, 1, "what was there"));
    assert_null(rk__alloc_bind(&budget));
    assert_ptr_equal(rk__alloc_budget(), &budget);
    assert_ok(rk__alloc(&a, MIB, 1, "the first"));
    /* Blocks count as large as the allocator made them. */
    assert_fails(RK_ERR_MEMORY, "data.memory leaves 2 MiB for what must be in memory, of which 1",
                 rk__alloc(&b, 3 * MIB / 2, 1, "the second"));
    assert_non_null(
        strstr(rk_last_error(), "1.5 MiB for the second do not fit; raise data.memory"));
    rk__free(a);
    assert_ok(rk__alloc(&b, 3 * MIB / 2, 1, "the second"));
    rk__free(b);
    rk__free(before);
    assert_ptr_equal(rk__alloc_bind(NULL), &budget);
    assert_ok(rk__alloc(&b, 4 * MIB, 1, "without a budget"));
    rk__free(b);
}

/* ---- sizes ---- */

static void sizes_have_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes; /* -1 = no size */
    } cases[] = {
        {"0", 0},
        {"4096", 4096},
        {"4GiB", INT64_C(4) << 30},
        {"4 GiB", INT64_C(4) << 30},
        {"1.5MiB", 1572864},
        {"2kB", 2000},
        {"2KB", 2000},
        {"2KiB", 2048},
        {"1TB", INT64_C(1000000000000)},
        {"1TiB", INT64_C(1) << 40},
        {"7B", 7},
        {"", -1},
        {"GiB", -1},
        {"4G", -1},
        {"4gib", -1},
        {"-4GiB", -1},
        {"+4GiB", -1},
        {"4  GiB", -1},
        {"4GiB ", -1},
        {" 4GiB", -1},
        {"1e3MiB", -1},
        {"1.2.3MiB", -1},
        {"nan", -1},
        {"4 ", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t bytes = 0;
        rk_parse result = rk__parse_size(cases[i].text, strlen(cases[i].text), &bytes);
        if ((result == RK_PARSE_OK) != (cases[i].bytes >= 0) ||
            (cases[i].bytes >= 0 && bytes != cases[i].bytes)) {
            fail_msg("'%s' is %lld", cases[i].text, (long long)bytes);
        }
    }
    int64_t bytes = 0;
    assert_int_equal(rk__parse_size("9000000TiB", 10, &bytes), RK_PARSE_OUT_OF_RANGE);
    char text[32];
    rk__print_size(text, INT64_C(4) << 30);
    assert_string_equal(text, "4 GiB");
    rk__print_size(text, 1572864);
    assert_string_equal(text, "1.5 MiB");
    rk__print_size(text, 12);
    assert_string_equal(text, "12 bytes");
    rk__print_size(text, INT64_MAX);
    assert_string_equal(text, "8388608 TiB");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(small_arrays_stay_in_memory),
        TEST(an_array_moves_and_keeps_its_values),
        TEST(pages_are_given_back),
        TEST(what_was_read_can_be_discarded),
        TEST(a_full_disk_is_an_error),
        TEST(a_folder_that_cannot_be_is_an_error),
        TEST(each_allocation_may_fail),
        TEST(a_budget_bounds_what_is_allocated),
        TEST(sizes_have_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
