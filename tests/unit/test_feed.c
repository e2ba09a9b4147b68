/*
 * data: sources that are large enough for a second thread and for sorting with several. Whatever
 * their number, the data set is the same to the bit, and errors name the same place.
 */
#include "base/alloc.h"
#include "base/order.h"
#include "base/philox.h"
#include "data/dataset_internal.h"
#include "support/support.h"

enum { ROWS = 150000, USERS = 3000, ITEMS = 700, LONG_ID = 200000 };

#define SETTINGS "data.sources[0].file=n.csv; split.kind=ratio"

static char *folder;

static int setup(void **state)
{
    (void)state;
    folder = test_scratch();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rk__alloc_fail_after(-1);
    test_scratch_remove(folder);
    return 0;
}

typedef struct drawn {
    int user, item, time, word;
} drawn;

/* Users in no order, items of which some are met often, times with ties, words with empty ones. */
static drawn row_of(uint64_t k)
{
    rk_words w = rk__philox(3, RK_PURPOSE_SYNTH, 0, k, 0);
    return (drawn){(int)(w.v[0] % USERS), (int)(w.v[1] % ITEMS * (w.v[1] >> 16 & 1023) / 1023),
                   (int)(w.v[2] % 50), (int)(w.v[3] % 12)};
}

static FILE *open_file(const char *name)
{
    FILE *file = fopen(test_path(folder, name), "wb");
    assert_non_null(file);
    return file;
}

/* prefix: of the ids. wrong: the number of a row whose item is no number, 0 = none. */
static void write_csv(const char *name, const char *prefix, int rows, int wrong)
{
    FILE *file = open_file(name);
    fputs("user_id,item_id,rating,time,word\n", file);
    for (int k = 1; k <= rows; k++) {
        drawn r = row_of((uint64_t)k);
        fprintf(file, "%s%d,%s%d%s,%d.5,%d,", prefix, r.user, prefix, r.item, k == wrong ? "x" : "",
                r.word, r.time);
        fprintf(file, r.word ? "w%d\n" : "\n", r.word);
    }
    assert_int_equal(fclose(file), 0);
}

static bool stop(void *user)
{
    return (*(int *)user)-- == 0;
}

static rk_status try_prepare(rk_dataset **out, const char *settings, int threads, int *looks)
{
    char more[600];
    rk_hooks hooks = {.user = looks, .should_stop = looks ? stop : NULL};
    snprintf(more, sizeof more, "data.root=%s; data.cache=%s/cache; run.threads=%d; %s", folder,
             folder, threads, settings);
    rk_config *config = config_of(more);
    rk_status status = rk_dataset_prepare(config, true, &hooks, out);
    rk_config_free(config);
    return status;
}

static rk_dataset *prepare(const char *settings, int threads)
{
    rk_dataset *d = NULL;
    assert_ok(try_prepare(&d, settings, threads, NULL));
    return d;
}

/* The train items of a user of the CSV, by looking at every row. */
static void assert_row(const rk_dataset *d, int user)
{
    uint8_t met[ITEMS] = {0};
    const int32_t *items = NULL;
    int64_t n = 0, met_items = 0;
    assert_ok(rk_dataset_items(d, RK_TRAIN, user, &items, &n));
    for (int k = 1; k <= ROWS; k++) {
        drawn r = row_of((uint64_t)k);
        met[r.item] |= r.user == user;
    }
    for (int item = 0; item < ITEMS; item++) {
        met_items += met[item];
    }
    assert_int_equal(n, met_items);
    for (int64_t k = 0; k < n; k++) {
        assert_true(met[items[k]] && (k == 0 || items[k - 1] < items[k]));
    }
}

static void data_sets_of_any_number_of_threads(void **state)
{
    (void)state;
    static const char *const settings[] = {
        "data.sources[0].file=n.csv; data.sources[0].part=train; split.kind=given",
        "data.sources[0].file=n.csv; split.kind=ratio; split.order=time; "
        "data.sources[0].time=time; split.ties=row; data.sources[0].value=rating; "
        "data.repeats=keep; data.fields=[{name: w, column: word}]",
        "data.sources[0].file=n.csv; split.kind=leave_one_out; split.order=time; "
        "data.sources[0].time=time; data.min_item=150",
        "data.sources[0].file=t.csv; split.kind=ratio; data.ids=text",
        "data.sources[0].file=a.txt; data.sources[0].format=adjacency; split.kind=ratio",
        "data.sources[0].file=n.csv; data.sources[1].file=n.csv; data.sources[1].where=time < 9; "
        "split.kind=time; split.test_from=40; data.sources[0].time=time; data.sources[1].time=time",
    };
    write_csv("n.csv", "", ROWS, 0);
    write_csv("t.csv", "a rather long text as it is found in logs /", ROWS, 0);
    FILE *file = fopen(test_path(folder, "t.csv"), "ab");
    fprintf(file, "%0*d,last,1,1,\n", LONG_ID, 7);
    fclose(file);
    file = open_file("a.txt");
    for (int user = 0; user < 40000; user++) {
        drawn r = row_of((uint64_t)user);
        fprintf(file, r.word ? "%d %d %d %d %d\n" : "%d\n", user, r.item, r.user, r.time, r.word);
    }
    fclose(file);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        rk_dataset *one = prepare(settings[i], 1);
        for (int threads = 2; threads <= 7; threads += threads == 3 ? 4 : 1) {
            rk_dataset *d = prepare(settings[i], threads);
            assert_string_equal(d->fingerprint, one->fingerprint);
            assert_string_equal(d->times_fingerprint, one->times_fingerprint);
            assert_memory_equal(&d->stats, &one->stats, sizeof d->stats);
            rk_dataset_free(d);
        }
        if (i == 0) {
            assert_int_equal(one->n_users, USERS);
            for (int user = 0; user < USERS; user += 997) {
                assert_row(one, user);
            }
        }
        rk_dataset_free(one);
    }
}

static void a_late_error_names_its_line(void **state)
{
    (void)state;
    write_csv("n.csv", "", ROWS, 123456);
    for (int threads = 1; threads <= 3; threads++) {
        rk_dataset *d = NULL;
        assert_fails(RK_ERR_DATA, "n.csv:123457:", try_prepare(&d, SETTINGS, threads, NULL));
        assert_null(d);
    }
}

static void reading_stops_when_asked(void **state)
{
    (void)state;
    write_csv("n.csv", "", ROWS, 0);
    for (int threads = 1; threads <= 3; threads++) {
        rk_dataset *d = NULL;
        int looks = 1; /* the second look, at 131072 rows */
        assert_fails(RK_ERR_INTERRUPTED, "interrupted while reading",
                     try_prepare(&d, SETTINGS, threads, &looks));
        assert_null(d);
    }
}

/* Each allocation fails in turn, in either thread; their counts are their own. */
static void memory_runs_out(void **state)
{
    (void)state;
    int failures = 0;
    rk_status status = RK_ERR_MEMORY;
    write_csv("n.csv", "", 20000, 0);
    for (int64_t after = 0; status != RK_OK; after++) {
        rk_dataset *d = NULL;
        const rk_hooks hooks = {0};
        char settings[600];
        snprintf(settings, sizeof settings,
                 "data.root=%s; data.sources[0].file=n.csv; split.kind=ratio; data.ids=text; "
                 "run.threads=2",
                 folder);
        rk_config *config = config_of(settings);
        rk_raw raw = {0};
        assert_ok(rk__raw_init(&raw, rk__config_options(config), NULL));
        rk__alloc_fail_after(after);
        status = rk__raw_read(&raw, rk__config_options(config), &hooks);
        status = status == RK_OK ? rk__dataset_build(&d, &raw, rk__config_options(config)) : status;
        rk__alloc_fail_after(-1);
        if (status != RK_OK) {
            assert_int_equal(status, RK_ERR_MEMORY);
            assert_non_null(strstr(rk_last_error(), "out of memory"));
            assert_null(d);
            failures++;
        }
        rk_dataset_free(d);
        rk__raw_free(&raw);
        rk_config_free(config);
    }
    assert_in_range(failures, 30, 1000);
}

/* ---- sorting by a key ---- */

static int by_key(const void *a, const void *b)
{
    const rk_keyed *x = a, *y = b;
    if (x->key != y->key) {
        return x->key < y->key ? -1 : 1;
    }
    return (x->value > y->value) - (x->value < y->value);
}

static void keys_are_sorted_like_qsort(void **state)
{
    (void)state;
    enum { MOST = 20000 };
    static rk_keyed all[MOST], expected[MOST], scratch[MOST];
    static const int lengths[] = {0, 1, 2, 3, 11, 12, 13, 24, 25, 100, 4095, 4096, 5000, MOST};
    static const uint64_t masks[] = {0, 1, 0xff, 0xffff00, 0xff000000000000ff, UINT64_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        for (size_t m = 0; m < sizeof masks / sizeof masks[0]; m++) {
            size_t n = (size_t)lengths[i];
            for (size_t k = 0; k < n; k++) {
                rk_words w = rk__philox(m, RK_PURPOSE_SYNTH, i, k, 0);
                all[k] = (rk_keyed){((uint64_t)w.v[0] << 32 | w.v[1]) & masks[m], (int64_t)k};
            }
            memcpy(expected, all, sizeof all);
            qsort(expected, n, sizeof *expected, by_key); /* values are in order: stable */
            rk__sort_keyed(all, (int64_t)n, scratch);
            assert_memory_equal(all, expected, n * sizeof *all);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_sets_of_any_number_of_threads),
        cmocka_unit_test(a_late_error_names_its_line),
        cmocka_unit_test(reading_stops_when_asked),
        cmocka_unit_test(memory_runs_out),
        cmocka_unit_test(keys_are_sorted_like_qsort),
    };
    return cmocka_run_group_tests_name("feed", tests, setup, teardown);
}
