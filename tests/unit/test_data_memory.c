/* data.memory: rows that do not fit go through files, and the data set is the same, bit for bit;
 * what goes wrong on the way leaves nothing behind. */
#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/philox.h"
#include "base/timer.h"
#include "data/dataset.h"
#include "rankine/dataset.h"
#include "support/support.h"

/* Few, but so many that they do not fit in 4 MiB, nor in one range of users or one run of ids. */
enum { ROWS = 60000, USERS = 1500, ITEMS = 700 };

static char *scratch;

static struct {
    int64_t looks, stop_at; /* 0 = never */
    char messages[2000];
} seen;

static void on_log(void *user, rk_log_level level, const char *message)
{
    (void)user, (void)level;
    strncat(seen.messages, message, sizeof seen.messages - strlen(seen.messages) - 1);
}

static bool on_should_stop(void *user)
{
    (void)user;
    return ++seen.looks == seen.stop_at;
}

static const rk_hooks hooks = {.log = on_log, .should_stop = on_should_stop};

/* Rows in no order, with repeats, some users with few rows and times with ties. */
static void write_rows(const char *name, int64_t rows, int64_t users, int64_t items,
                       bool with_details)
{
    static const char *const moods[] = {"calm", "angry", "", "zen"};
    FILE *file = fopen(test_path(scratch, name), "wb");
    assert_non_null(file);
    fputs(with_details ? "user_id,item_id,stars,time,mood,n\n" : "user_id,item_id\n", file);
    for (int64_t i = 0; i < rows; i++) {
        rk_words w = rk__philox(3, RK_PURPOSE_SPLIT, 0, (uint64_t)i, 0);
        const double a = (double)w.v[0] / 4294967296.0, b = (double)w.v[1] / 4294967296.0;
        const int64_t user = (int64_t)(a * a * (double)users),
                      item = (int64_t)(b * b * (double)items);
        fprintf(file, "%lld,%lld", (long long)(1000000007 * user % 999983),
                (long long)(1000000007 * item % 999983));
        if (with_details) {
            fprintf(file, ",%u,%u,%s,%lld", 1 + w.v[2] % 5, 1300000000 + w.v[3] % 20000 * 1000,
                    moods[w.v[2] / 5 % 4], (long long)i);
        }
        fputc('\n', file);
    }
    fclose(file);
}

static int group_set_up(void **state)
{
    (void)state;
    scratch = test_scratch();
    write_rows("rows.csv", ROWS, USERS, ITEMS, true);
    write_rows("test.csv", ROWS / 4, USERS, ITEMS, true);
    return 0;
}

static int group_tear_down(void **state)
{
    (void)state;
    test_scratch_remove(scratch);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    return 0;
}

#define SOURCE                                                                                     \
    "data.sources[0].file=rows.csv; data.sources[0].time=time; data.sources[0].value=stars; "      \
    "data.name=rows; "

static rk_status try_prepare(rk_dataset **out, const char *cache, const char *settings)
{
    char all[2000];
    snprintf(all, sizeof all, "data.root=%s; data.cache=%s; %s", scratch, test_path(scratch, cache),
             settings);
    rk_config *config = config_of(all);
    rk_status status = rk_dataset_prepare(config, false, &hooks, out);
    rk_config_free(config);
    return status;
}

static int64_t names_in(const char *folder)
{
    return access(folder, F_OK) == 0 ? test_count_files(folder) : 0;
}

static const char *base_name(const rk_dataset *d)
{
    return strrchr(rk_dataset_path(d), '/') + 1;
}

static void check_same_bytes(const char *a, const char *b)
{
    struct stat info;
    assert_int_equal(stat(a, &info), 0);
    char *first = test_read(a), *second = test_read(b);
    assert_non_null(first);
    assert_non_null(second);
    if (memcmp(first, second, (size_t)info.st_size) != 0) {
        fail_msg("%s and %s differ", a, b);
    }
    free(first);
    free(second);
}

static void check_same_rows(const rk_dataset *a, const rk_dataset *b)
{
    assert_string_equal(rk_dataset_fingerprint(a), rk_dataset_fingerprint(b));
    for (int part = 0; part < RK_PARTS; part++) {
        const rk_lists *x = &a->parts[part], *y = &b->parts[part];
        assert_int_equal(x->n_rows, y->n_rows);
        if (x->n_rows > 0) {
            assert_memory_equal(x->offsets, y->offsets, (size_t)(x->n_rows + 1) * sizeof(int64_t));
            assert_memory_equal(x->items, y->items,
                                (size_t)x->offsets[x->n_rows] * sizeof(int32_t));
        }
    }
    assert_memory_equal(&a->stats, &b->stats, sizeof a->stats);
}

/* In memory and through files; the latter with one thread and two, and once more from the cache. */
static void check_both_ways(const char *settings)
{
    char with_memory[1000];
    rk_dataset *whole = NULL, *d = NULL, *again = NULL;
    assert_ok(try_prepare(&whole, "whole", settings));
    assert_false(rk__spill_is_on_disk(whole->spill));
    for (int threads = 1; threads <= 2; threads++) {
        char cache[20];
        snprintf(cache, sizeof cache, "pieces%d", threads);
        snprintf(with_memory, sizeof with_memory, "%s; data.memory=4MiB; run.threads=%d", settings,
                 threads);
        assert_ok(try_prepare(&d, cache, with_memory));
        assert_true(rk__spill_is_on_disk(d->spill));
        if (strcmp(base_name(whole), base_name(d)) != 0) {
            fail_msg("%s: %s, %s", settings, base_name(whole), base_name(d));
        }
        check_same_bytes(rk_dataset_path(whole), rk_dataset_path(d));
        check_same_rows(whole, d);
        rk_dataset_free(d);
    }
    assert_ok(try_prepare(&again, "pieces2", with_memory));
    check_same_rows(whole, again);
    rk_dataset_free(again);
    rk_dataset_free(whole);
}

static void splits_are_the_same(void **state)
{
    (void)state;
    static const char *const splits[] = {
        "split.kind=leave_one_out",
        "split.kind=leave_one_out; split.order=time; split.ties=row",
        "split.kind=ratio",
        "split.kind=ratio; split.order=time",
        "split.kind=time",
        "split.kind=time; split.gap=86400; split.valid_from=2011-08-15",
        "split.kind=users; split.valid=0.1; split.test=0.1; split.given=0.5",
        "split.kind=users; split.valid=0.1; split.test=0.1; split.given=0",
        "split.kind=items; split.valid=0.1; split.test=0.1",
        "split.kind=given; data.sources[0].part=train; split.carve_valid=0.1",
    };
    for (size_t i = 0; i < sizeof splits / sizeof *splits; i++) {
        char settings[600];
        snprintf(settings, sizeof settings, SOURCE "%s", splits[i]);
        check_both_ways(settings);
    }
}

static void rows_are_the_same(void **state)
{
    (void)state;
    static const char *const more[] = {
        "split.kind=ratio; data.min_user=15; data.min_item=45",
        "split.kind=ratio; data.ids=text; data.min_item=45",
        "split.kind=ratio; data.repeats=keep; data.repeat_value=mean; data.min_user=10",
        "split.kind=time; data.repeats=keep; data.repeat_value=count",
        "split.kind=time; data.repeats=each_part; eval.seen=rank; data.repeat_value=sum",
        "split.kind=ratio; split.order=time; data.fields[0].name=mood; data.fields[0].column=mood; "
        "data.fields[1].name=before; data.fields[1].derive=previous_item",
        "split.kind=leave_one_out; split.candidates=20",
        "split.kind=leave_one_out; split.candidates=20; split.candidates_by=popularity",
        "split.kind=given; data.sources[0].part=train; data.sources[1].file=test.csv; "
        "data.sources[1].part=test; data.sources[1].time=time; data.sources[1].value=stars",
        "split.kind=ratio; data.sources[0].where=stars >= 3",
    };
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        char settings[900];
        snprintf(settings, sizeof settings, SOURCE "%s", more[i]);
        check_both_ways(settings);
    }
}

static void without_details(void **state)
{
    (void)state;
    write_rows("bare.csv", 4 * ROWS, USERS, ITEMS, false);
    check_both_ways("data.sources[0].file=bare.csv; split.kind=ratio; data.min_user=3");
}

/* Ids that need quotes, beyond ASCII, long ones and beginnings of each other, in a packed file. */
static void odd_ids_are_the_same(void **state)
{
    (void)state;
    static const char *const shapes[][2] = {{"\"say \"\"", "\"\", twice\""},
                                            {"\xe6\x97\xa5\xe6\x9c\xac ", ""},
                                            {"e\xcc\x81", ""},
                                            {"\xc3\xa9", ""},
                                            {"", ""}};
    enum { SHAPES = sizeof shapes / sizeof *shapes, LONG = 900 };
    static char tail[LONG + 1];
    memset(tail, 'x', LONG);
    gzFile file = gzopen(test_path(scratch, "odd.csv"), "wb1");
    assert_non_null(file);
    gzprintf(file, "user_id,item_id,stars,time\n");
    for (int i = 0; i < ROWS; i++) {
        rk_words w = rk__philox(4, RK_PURPOSE_SPLIT, 0, (uint64_t)i, 0);
        const int user = (int)(w.v[0] % (4 * USERS)), item = (int)(w.v[1] % ITEMS);
        const char *const *shape = shapes[user % SHAPES];
        gzprintf(file, "%s%d%s,%d%s,%d,%d\n", shape[0], user / 7 * 7, shape[1], item / 2,
                 tail + (item % 2 ? LONG - item : LONG), (int)(w.v[2] % 5),
                 (int)(1300000000 + w.v[3] % 1000));
    }
    assert_int_equal(gzclose(file), Z_OK);
    check_both_ways("data.sources[0].file=odd.csv; data.sources[0].time=time; "
                    "data.sources[0].value=stars; data.ids=text; data.repeat_value=mean; "
                    "split.kind=ratio; data.min_user=4; data.min_item=3");
    check_both_ways("data.sources[0].file=odd.csv; data.sources[0].time=time; data.ids=text; "
                    "data.repeats=keep; split.kind=leave_one_out; split.order=time");
}

/* As many users as rows, nearly: their map ends a run again and again. */
static void many_ids_are_sorted_in_runs(void **state)
{
    (void)state;
    write_rows("users.csv", 2 * ROWS, 600000, ITEMS, false);
    check_both_ways("data.sources[0].file=users.csv; split.kind=ratio; data.min_user=2");
    check_both_ways("data.sources[0].file=users.csv; split.kind=users; split.given=0.5; "
                    "split.valid=0.1; split.test=0.1");
    check_both_ways("data.sources[0].file=users.csv; split.kind=ratio; data.ids=text; "
                    "data.min_user=2");
}

/* The key of the cache does not ask how much memory there was. */
static void the_cache_is_found_either_way(void **state)
{
    (void)state;
    rk_dataset *a = NULL, *b = NULL;
    const char *settings = SOURCE "split.kind=ratio; split.seed=5";
    char with_memory[400];
    snprintf(with_memory, sizeof with_memory, "%s; data.memory=4 MiB", settings);
    assert_ok(try_prepare(&a, "shared", settings));
    assert_ok(try_prepare(&b, "shared", with_memory));
    assert_non_null(strstr(seen.messages, "from "));
    assert_null(strstr(seen.messages, "do not fit data.memory"));
    check_same_rows(a, b);
    rk_dataset_free(a);
    rk_dataset_free(b);
}

/* ---- what does not fit ---- */

/* The values of a field are looked up at random, so they must be in memory. */
static void values_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    rk_dataset *d = NULL;
#define WITH_MANY_VALUES SOURCE "split.kind=ratio; data.fields[0].name=n; data.fields[0].column=n; "
    assert_fails(RK_ERR_MEMORY, "raise data.memory",
                 try_prepare(&d, "refused", WITH_MANY_VALUES "data.memory=4MiB"));
    assert_null(d);
    assert_int_equal(names_in(test_path(scratch, "refused/keys")), 0);
    assert_ok(try_prepare(&d, "refused", WITH_MANY_VALUES "data.memory=64MiB"));
    rk_dataset_free(d);
}

static void bad_sizes_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"4G",      "many", "-1",      "3MiB",     "4 gib", "1e9",
                                      "4.2.MiB", "[4]",  "2000TiB", "\"4GiB\"", ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[60];
        rk_config *config = config_of("");
        snprintf(text, sizeof text, "data.memory=%s", bad[i]);
        rk_status status = rk_config_set(config, text, "test");
        if (status != RK_ERR_CONFIG || !strstr(rk_last_error(), "data.memory takes a size")) {
            fail_msg("%s: %s", bad[i], rk_last_error());
        }
        rk_config_free(config);
    }
}

/* ---- faults ---- */

/* Only the lock's folder is there for a moment; nothing else is left, wherever it was stopped. */
static void interrupts_leave_nothing(void **state)
{
    (void)state;
    const char *settings = SOURCE "split.kind=time; data.repeats=keep; data.min_user=5; "
                                  "data.memory=4MiB";
    int64_t stops = 0;
    for (int64_t at = 1;; at += at < 8 ? 1 : 3) {
        rk_dataset *d = NULL;
        seen.looks = 0;
        seen.stop_at = at;
        rk_status status = try_prepare(&d, "stopped", settings);
        if (status == RK_OK) {
            rk_dataset_free(d);
            break;
        }
        assert_int_equal(status, RK_ERR_INTERRUPTED);
        assert_non_null(strstr(rk_last_error(), "interrupted while"));
        assert_null(d);
        assert_true(names_in(test_path(scratch, "stopped")) <= 1); /* keys/ */
        assert_int_equal(names_in(test_path(scratch, "stopped/keys")), 0);
        stops++;
    }
    assert_true(stops > 20);
}

static void a_full_disk_leaves_nothing(void **state)
{
    (void)state;
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    int64_t failures = 0;
    for (rlim_t limit = 1 << 16; limit < 2 << 20; limit += 150000) {
        rk_dataset *d = NULL;
        small = before;
        small.rlim_cur = limit;
        setrlimit(RLIMIT_FSIZE, &small);
        rk_status status =
            try_prepare(&d, "full", SOURCE "split.kind=time; data.repeats=keep; data.memory=4MiB");
        setrlimit(RLIMIT_FSIZE, &before);
        if (status == RK_OK) {
            rk_dataset_free(d);
            break;
        }
        assert_int_equal(status, RK_ERR_IO);
        assert_non_null(strstr(rk_last_error(), "File too large"));
        assert_true(names_in(test_path(scratch, "full")) <= 1);
        failures++;
    }
    signal(SIGXFSZ, handler);
    assert_true(failures > 3);
}

/* Killed at some moment, another process has nothing to wait for and nothing to clean. */
static void kills_leave_nothing(void **state)
{
    (void)state;
    const char *settings = SOURCE "split.kind=ratio; data.repeats=keep; data.memory=4MiB";
    rk_dataset *d = NULL;
    for (int i = 0; i < 8; i++) {
        fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            seen.stop_at = 0;
            (void)try_prepare(&d, "killed", settings);
            _exit(0);
        }
        usleep((useconds_t)(5000 + 9000 * i));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        DIR *folder = opendir(test_path(scratch, "killed"));
        for (struct dirent *entry; folder && (entry = readdir(folder));) {
            const size_t length = strlen(entry->d_name);
            const bool is_aside = length > 4 && strcmp(entry->d_name + length - 4, ".tmp") == 0;
            if (is_aside) { /* the data set itself, half written: the next writer takes it */
                assert_non_null(strstr(entry->d_name, "rows.h5.tmp"));
            }
        }
        if (folder) {
            closedir(folder);
        }
    }
    assert_ok(try_prepare(&d, "killed", settings));
    rk_dataset_free(d);
    assert_int_equal(test_count_files(test_path(scratch, "killed")), 2); /* keys/ and the file */
    assert_int_equal(test_count_files(test_path(scratch, "killed/keys")), 1);
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    const char *settings = SOURCE "split.kind=ratio; data.repeats=keep; data.memory=4MiB";
    rk_dataset *d = NULL;
    for (int64_t n = 30;; n += 13) {
        char all[1000];
        snprintf(all, sizeof all, "data.root=%s; data.cache=%s; %s", scratch,
                 test_path(scratch, "failing"), settings);
        rk_config *config = config_of(all);
        rk__alloc_fail_after(n);
        rk_status status = rk_dataset_prepare(config, true, NULL, &d);
        rk__alloc_fail_after(-1);
        rk_config_free(config);
        if (status == RK_OK) {
            assert_true(n > 100);
            rk_dataset_free(d);
            return;
        }
        assert_int_equal(status, RK_ERR_MEMORY);
        assert_null(rk__alloc_budget());
    }
}

/* ---- memory ---- */

/* Peak bytes of a process that prepares. */
static int64_t peak_of(const char *cache, const char *settings)
{
    int64_t peak = 0;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        rk_dataset *d = NULL;
        rk_status status = try_prepare(&d, cache, settings);
        peak = status == RK_OK ? rk__peak_memory() : -1;
        if (status != RK_OK) {
            fprintf(stderr, "%s\n", rk_last_error());
        }
        _exit(write(pipes[1], &peak, sizeof peak) == sizeof peak ? 0 : 1);
    }
    close(pipes[1]);
    assert_int_equal(read(pipes[0], &peak, sizeof peak), sizeof peak);
    close(pipes[0]);
    waitpid(child, NULL, 0);
    return peak;
}

static void memory_is_bounded(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__)
    skip();
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
    skip();
#endif
#endif
    enum { MANY = 1000000, MIB = 1 << 20, BOUND = 12, PROGRAM = 60 };
    write_rows("large.csv", MANY, 20000, ITEMS, true);
    const char *settings = "data.sources[0].file=large.csv; data.sources[0].time=time; "
                           "data.sources[0].value=stars; split.kind=time; data.repeats=keep";
    char with_memory[400];
    snprintf(with_memory, sizeof with_memory, "%s; data.memory=%dMiB", settings, BOUND);
    const int64_t whole = peak_of("large1", settings), bounded = peak_of("large2", with_memory);
    const int64_t opened = peak_of("large1", with_memory);
    printf("peaks: %lld MiB in memory, %lld MiB prepared and %lld MiB opened within %d MiB\n",
           (long long)whole / MIB, (long long)bounded / MIB, (long long)opened / MIB, BOUND);
    assert_true(whole > (BOUND + PROGRAM) * (int64_t)MIB); /* so that the bound means something */
    assert_in_range(bounded, 1, (BOUND + PROGRAM) * (int64_t)MIB);
    assert_in_range(opened, 1, (BOUND + PROGRAM) * (int64_t)MIB);
}

#define TEST(function) cmocka_unit_test_setup(function, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* First: a child's peak begins with what its parent had, and has no threads of OpenMP. */
        TEST(memory_is_bounded),
        TEST(kills_leave_nothing),
        TEST(splits_are_the_same),
        TEST(rows_are_the_same),
        TEST(without_details),
        TEST(odd_ids_are_the_same),
        TEST(the_cache_is_found_either_way),
        TEST(many_ids_are_sorted_in_runs),
        TEST(values_that_do_not_fit_are_refused),
        TEST(bad_sizes_are_refused),
        TEST(interrupts_leave_nothing),
        TEST(a_full_disk_leaves_nothing),
        TEST(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, group_set_up, group_tear_down);
}
