/* data: the times of train rows, beside their rows through filters, splits and files. */
#include <math.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/philox.h"
#include "data/dataset_internal.h"
#include "data/dataset_store.h"
#include "support/support.h"

/* ---- rows ---- */

typedef struct row {
    int64_t user, item;
    double time;
    int part;
} row;

static rk_dataset *make(const char *settings, const row *rows, int n)
{
    rk_raw raw = {0};
    rk_dataset *d = NULL;
    rk_config *config = config_of(settings);
    assert_ok(rk__raw_init(&raw, rk__config_options(config), NULL));
    for (int i = 0; i < n; i++) {
        char user[32], item[32];
        rk_record record = {.user_id = rows[i].user,
                            .item_id = rows[i].item,
                            .has_item = true,
                            .time = rows[i].time};
        record.user = (rk_text){user, snprintf(user, sizeof user, "%lld", (long long)rows[i].user)};
        record.item = (rk_text){item, snprintf(item, sizeof item, "%lld", (long long)rows[i].item)};
        assert_ok(rk__raw_add(&raw, &record, 1, rows[i].part));
    }
    assert_ok(rk__dataset_build(&d, &raw, rk__config_options(config)));
    rk__raw_free(&raw);
    rk_config_free(config);
    return d;
}

/* The earliest time of a pair among the rows. */
static double earliest(const row *rows, int n, int64_t user, int64_t item)
{
    double time = INFINITY;
    for (int i = 0; i < n; i++) {
        if (rows[i].user == user && rows[i].item == item && rows[i].time < time) {
            time = rows[i].time;
        }
    }
    return time;
}

/* Rows that come again at other times and in other parts, filters, and every kind of split: each
 * train row has the earliest time of its pair. */
static void times_follow_their_rows(void **state)
{
    (void)state;
    enum { N = 4000 };
    static row rows[N];
    static const char *const settings[] = {
        "split.kind=given",
        "split.kind=given; split.carve_valid=0.3",
        "split.kind=leave_one_out",
        "split.kind=leave_one_out; split.order=time",
        "split.kind=ratio; split.test=0.3; split.valid=0.2",
        "split.kind=ratio; split.order=time; data.ids=text",
        "split.kind=time; split.test=0.2; split.valid=0.1",
    };
    for (int i = 0; i < N; i++) {
        rk_words w = rk__philox(7, RK_PURPOSE_SPLIT, 0, (uint64_t)i, 0);
        int64_t user = w.v[0] % 97 * (w.v[0] >> 16 & 63) / 64; /* large ones are rare */
        rows[i] = (row){3 * user, w.v[1] % 53 * (w.v[1] >> 16 & 63) / 64,
                        (double)(w.v[2] % 1000) - 500, (int)(w.v[3] % 3) + RK_PART_TRAIN};
    }
    for (size_t s = 0; s < sizeof settings / sizeof settings[0]; s++) {
        char text[200], room[RK_ID_BYTES];
        snprintf(text, sizeof text, "%s; data.min_user=12; data.min_item=20", settings[s]);
        rk_dataset *d = make(text, rows, N);
        assert_true(d->stats.duplicates > 100);
        assert_true(d->stats.users_dropped > 0 && d->stats.items_dropped > 0);
        assert_non_null(d->details[RK_TRAIN].time);
        for (int64_t user = 0, k = 0; user < d->n_users; user++) {
            int64_t id = atoll(rk_dataset_user_id(d, user, room));
            for (; k < d->parts[RK_TRAIN].offsets[user + 1]; k++) {
                const char *item = rk_dataset_item_id(d, d->parts[RK_TRAIN].items[k], room);
                assert_true(d->details[RK_TRAIN].time[k] == earliest(rows, N, id, atoll(item)));
            }
        }
        rk_dataset_free(d);
    }
}

static void times_have_a_fingerprint_of_their_own(void **state)
{
    (void)state;
    const row rows[] = {{1, 1, 5, 0}, {1, 2, 6.5, 0}, {2, 1, 7, 0}};
    const row other[] = {{1, 1, 5, 0}, {1, 2, 6.25, 0}, {2, 1, 7, 0}};
    rk_dataset *a = make("", rows, 3), *b = make("", other, 3);
    assert_string_equal(a->fingerprint, b->fingerprint);
    /* FNV-1a over 3 and the doubles 5, 6.5, 7, by a few lines of Python. */
    assert_string_equal(a->times_fingerprint, "14a0d06325ff7844");
    assert_string_not_equal(a->times_fingerprint, b->times_fingerprint);
    rk_dataset_free(a);
    rk_dataset_free(b);
}

/* ---- files ---- */

#define TIMED "; data.sources[0].time=time"
#define SMALL                                                                                      \
    "data.name=small; data.sources[0].file=ratings.csv; data.sources[0].where=rating >= 3; "       \
    "split.kind=leave_one_out; split.valid=0"

static char *scratch;
static int64_t reports;     /* of progress: 0 = no source was read */
static char messages[1000]; /* of the last call of prepare */

static int set_up(void **state)
{
    (void)state;
    scratch = test_scratch();
    test_write(test_path(scratch, "ratings.csv"),
               "user_id,item_id,rating,time\n7,10,5,70.5\n7,20,4,80\n7,30,3,-90\n7,40,1,2\n"
               "8,10,3,75\n8,20,4,85\n8,30,5,95\n",
               -1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rk__alloc_fail_after(-1);
    test_scratch_remove(scratch);
    return 0;
}

static void on_log(void *user, rk_log_level level, const char *message)
{
    (void)user, (void)level;
    snprintf(messages + strlen(messages), sizeof messages - strlen(messages), "%s", message);
}

static void on_progress(void *user, const rk_progress *progress)
{
    (void)user, (void)progress;
    reports++;
}

static rk_config *files_config(const char *settings)
{
    char all[800];
    snprintf(all, sizeof all, "data.root=%s; data.cache=%s/cache; %s", scratch, scratch, settings);
    return config_of(all);
}

static rk_dataset *prepare(const char *settings)
{
    const rk_hooks hooks = {.log = on_log, .progress = on_progress};
    rk_config *config = files_config(settings);
    rk_dataset *d = NULL;
    reports = 0;
    messages[0] = '\0';
    assert_ok(rk_dataset_prepare(config, false, &hooks, &d));
    rk_config_free(config);
    return d;
}

static void assert_same(const rk_dataset *a, const rk_dataset *b)
{
    assert_string_equal(a->fingerprint, b->fingerprint);
    assert_string_equal(a->times_fingerprint, b->times_fingerprint);
    assert_int_equal(a->details[RK_TRAIN].time != NULL, b->details[RK_TRAIN].time != NULL);
    if (a->details[RK_TRAIN].time) {
        assert_memory_equal(a->details[RK_TRAIN].time, b->details[RK_TRAIN].time,
                            (size_t)a->stats.train * sizeof *a->details[RK_TRAIN].time);
    }
}

static void assert_round_trip(const rk_dataset *d)
{
    rk_dataset *again = NULL;
    assert_ok(rk_dataset_open(rk_dataset_path(d), &again));
    assert_same(d, again);
    rk_dataset_free(again);
}

static void times_of_train_are_kept(void **state)
{
    (void)state;
    const char *by_time = SMALL TIMED "; split.order=time";
    static const double train[4] = {70.5, -90, 75, 85}; /* 7: 10 30, 8: 10 20 */
    rk_dataset *d = prepare(by_time);
    assert_int_equal(d->stats.train, 4);
    assert_memory_equal(d->details[RK_TRAIN].time, train, sizeof train);
    assert_int_equal(strlen(d->times_fingerprint), 16);
    assert_round_trip(d);
    rk_dataset *again = prepare(by_time);
    assert_int_equal(reports, 0);
    assert_same(d, again);
    rk_dataset_free(d);
    rk_dataset_free(again);

    /* The split need not go by them, and they change no fingerprint. */
    d = prepare(SMALL TIMED);
    again = prepare(SMALL);
    assert_non_null(d->details[RK_TRAIN].time);
    assert_null(again->details[RK_TRAIN].time);
    assert_string_equal(again->times_fingerprint, "");
    assert_string_equal(d->fingerprint, again->fingerprint);
    assert_round_trip(d);
    assert_round_trip(again);
    rk_dataset_free(d);
    rk_dataset_free(again);

    /* All sources or none, whichever comes first. */
    test_write(test_path(scratch, "more.csv"), "user_id,item_id\n8,60\n9,60\n", -1);
    for (int timed = 0; timed < 2; timed++) {
        char settings[200];
        snprintf(settings, sizeof settings,
                 "data.sources[0].file=%s.csv; data.sources[1].file=%s.csv; "
                 "data.sources[%d].time=time; split.kind=ratio",
                 timed == 0 ? "ratings" : "more", timed == 0 ? "more" : "ratings", timed);
        d = prepare(settings);
        assert_int_equal(rk_dataset_get_stats(d)->rows_read, 9);
        assert_null(d->details[RK_TRAIN].time);
        assert_round_trip(d);
        rk_dataset_free(d);
    }
}

/* Versions that kept no times wrote such files. */
static void a_file_without_times_opens(void **state)
{
    (void)state;
    const char *path = test_path(scratch, "older.h5");
    rk_dataset *first = prepare(SMALL TIMED), *d = NULL;
    double *times = first->details[RK_TRAIN].time;
    first->details[RK_TRAIN].time = NULL;
    assert_ok(rk__dataset_save(first, path));
    first->details[RK_TRAIN].time = times;
    assert_ok(rk_dataset_open(path, &d));
    assert_null(d->details[RK_TRAIN].time);
    assert_string_equal(d->fingerprint, first->fingerprint);
    rk_dataset_free(d);
    rk_dataset_free(first);
}

static void bad_times_in_a_file_are_refused(void **state)
{
    (void)state;
    const char *path = test_path(scratch, "times.h5");
    rk_dataset *good = NULL, *d = NULL;
    good = prepare(SMALL TIMED);
    good->details[RK_TRAIN].time[2] = INFINITY;
    assert_ok(rk__dataset_save(good, path));
    assert_fails(RK_ERR_DATA, "the time of row 2 of train is not finite",
                 rk_dataset_open(path, &d));
    double *times = good->details[RK_TRAIN].time;
    rk_h5 *file = NULL;
    good->details[RK_TRAIN].time = NULL;
    assert_ok(rk__h5_create(&file, path, "data set", 2));
    assert_ok(rk__dataset_write(good, file));
    assert_ok(rk__h5_write(file, "train/times", RK_H5_F64, 3, 0, times));
    assert_ok(rk__h5_commit(file));
    rk__h5_close(file);
    assert_fails(RK_ERR_DATA, "3 times for 4 rows of train", rk_dataset_open(path, &d));
    good->details[RK_TRAIN].time = times;
    rk_dataset_free(good);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    rk_config *config = files_config(SMALL TIMED);
    for (int force = 1; force >= 0; force--) { /* made, then read back */
        rk_dataset *d = NULL;
        rk_status status = RK_ERR_MEMORY;
        for (int64_t n = 0; status != RK_OK; n++) {
            rk__alloc_fail_after(n);
            status = rk_dataset_prepare(config, force, NULL, &d);
            rk__alloc_fail_after(-1);
            assert_true(status == RK_OK ? n > 20 : status == RK_ERR_MEMORY);
        }
        assert_non_null(d->details[RK_TRAIN].time);
        rk_dataset_free(d);
    }
    rk_config_free(config);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_follow_their_rows),
        cmocka_unit_test(times_have_a_fingerprint_of_their_own),
        TEST(times_of_train_are_kept),
        TEST(a_file_without_times_opens),
        TEST(bad_times_in_a_file_are_refused),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("times", tests, NULL, NULL);
}
