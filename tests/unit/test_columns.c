/* data: a data set of arrays is that of a file with the same rows, and touches no file. */
#include <math.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/philox.h"
#include "data/dataset_internal.h"
#include "support/support.h"

enum { N = 3000, TEXT_BYTES = 24 };

static int64_t users[N], items[N];
static double times[N];
static uint8_t parts[N];
static char texts[2 * N][TEXT_BYTES];
static const char *user_texts[N], *item_texts[N];

/* Rows with repeated pairs, popular users and items, and times between. */
static void make_rows(void)
{
    for (int i = 0; i < N; i++) {
        rk_words w = rk__philox(11, RK_PURPOSE_SPLIT, 0, (uint64_t)i, 0);
        users[i] = 5 * (w.v[0] % 80 * (w.v[0] >> 16 & 63) / 64);
        items[i] = w.v[1] % 60 * (w.v[1] >> 16 & 63) / 64;
        times[i] = (double)(w.v[2] % 4000) / 4 - 300;
        parts[i] = (uint8_t)(w.v[3] % 3);
        snprintf(texts[2 * i], TEXT_BYTES, "u-%lld", (long long)users[i]);
        snprintf(texts[2 * i + 1], TEXT_BYTES, "%lld", (long long)items[i]);
        user_texts[i] = texts[2 * i];
        item_texts[i] = texts[2 * i + 1];
    }
}

/* The rows of a part, -1 = of all, as NAME.csv in the folder. */
static void write_csv(const char *folder, const char *name, int part, bool with_texts)
{
    FILE *file = fopen(test_path(folder, name), "w");
    assert_non_null(file);
    fprintf(file, "user_id,item_id,when\n");
    for (int i = 0; i < N; i++) {
        if (part >= 0 && parts[i] != part) {
            continue;
        }
        if (with_texts) {
            fprintf(file, "%s,%s,%.17g\n", user_texts[i], item_texts[i], times[i]);
        } else {
            fprintf(file, "%lld,%lld,%.17g\n", (long long)users[i], (long long)items[i], times[i]);
        }
    }
    fclose(file);
}

static rk_columns columns_of(bool with_texts, bool with_parts)
{
    rk_columns c = rk_columns_defaults();
    assert_int_equal(c.size, sizeof c);
    c.n = N;
    c.users = with_texts ? NULL : users;
    c.items = with_texts ? NULL : items;
    c.user_texts = with_texts ? user_texts : NULL;
    c.item_texts = with_texts ? item_texts : NULL;
    c.times = times;
    c.parts = with_parts ? parts : NULL;
    return c;
}

static void the_same_rows_give_the_same_data_set(void **state)
{
    (void)state;
    static const char *const splits[] = {
        "split.kind=given",
        "split.kind=leave_one_out",
        "split.kind=leave_one_out; split.order=time; data.min_user=9; data.min_item=15",
        "split.kind=ratio; split.test=0.3",
        "split.kind=time; data.min_item=10",
    };
    char *scratch = test_scratch();
    make_rows();
    for (int i = 0; i < 10; i++) {
        bool with_texts = i % 2 == 1, is_given = i < 2;
        char settings[900], of_files[24], of_columns[24];
        rk_dataset *from_files = NULL, *from_columns = NULL;
        write_csv(scratch, "a.csv", is_given ? RK_TRAIN : -1, with_texts);
        write_csv(scratch, "b.csv", RK_VALID, with_texts);
        write_csv(scratch, "c.csv", RK_TEST, with_texts);
        snprintf(settings, sizeof settings,
                 "data.root=%s; data.cache=%s; data.name=rows; data.ids=%s; %s; data.sources=%s",
                 scratch, scratch, with_texts ? "text" : "integer", splits[i / 2],
                 is_given ? "[{file: a.csv, time: when, part: train}, {file: b.csv, time: when, "
                            "part: valid}, {file: c.csv, time: when, part: test}]"
                          : "[{file: a.csv, time: when}]");
        rk_config *config = config_of(settings);
        assert_ok(rk_dataset_prepare(config, true, NULL, &from_files));
        int64_t files = test_count_files(scratch);
        rk_columns c = columns_of(with_texts, is_given);
        assert_ok(rk_dataset_from_columns(config, &c, NULL, &from_columns));
        assert_int_equal(test_count_files(scratch), files);
        assert_string_equal(rk_dataset_fingerprint(from_files),
                            rk_dataset_fingerprint(from_columns));
        assert_string_equal(from_files->times_fingerprint, from_columns->times_fingerprint);
        assert_memory_equal(rk_dataset_get_stats(from_files), rk_dataset_get_stats(from_columns),
                            sizeof(rk_dataset_stats));
        assert_string_equal(rk_dataset_path(from_columns), "");
        assert_string_equal(rk_dataset_name(from_columns), "rows");
        assert_string_equal(rk_dataset_user_id(from_files, 3, of_files),
                            rk_dataset_user_id(from_columns, 3, of_columns));
        rk_dataset_free(from_files);
        rk_dataset_free(from_columns);
        rk_config_free(config);
    }
    test_scratch_remove(scratch);
}

/* The config names no source, or one that is not there; files are asked for only by prepare. */
static void sources_are_not_looked_at(void **state)
{
    (void)state;
    make_rows();
    rk_columns c = columns_of(false, false);
    rk_dataset *d = NULL;
    rk_config *config = config_of("split.kind=ratio");
    assert_ok(rk_dataset_from_columns(config, &c, NULL, &d));
    assert_int_equal(rk_dataset_get_stats(d)->rows_read, N);
    assert_string_equal(rk_dataset_name(d), "run");
    rk_dataset_free(d);
    assert_fails(RK_ERR_CONFIG, "names no data", rk_dataset_prepare(config, false, NULL, &d));
    assert_ok(rk__config_check(config, RK_CHECK_UNREAD));
    rk_config_free(config);

    config = config_of("split.kind=ratio; data.sources=[{file: nowhere.csv, part: test}]; "
                       "labels.file=nowhere.txt; data.cache=/nowhere");
    c.times = NULL;
    assert_ok(rk_dataset_from_columns(config, &c, NULL, &d));
    assert_null(d->details[RK_TRAIN].time);
    rk_dataset_free(d);
    rk_config_free(config);
    /* Other checks of values stay. */
    config = config_of("split.kind=ratio; split.valid=0.5; split.test=0.5");
    assert_fails(RK_ERR_CONFIG, "nothing is left to train on",
                 rk_dataset_from_columns(config, &c, NULL, &d));
    rk_config_free(config);
    config = config_of("split.kind=ratio; split.carve_valid=0.1");
    assert_fails(RK_ERR_CONFIG, "nothing looks at it", rk__config_check(config, RK_CHECK_UNREAD));
    rk_config_free(config);
}

static void assert_refused(const char *settings, rk_columns c, rk_status status, const char *text)
{
    rk_dataset *d = NULL;
    rk_config *config = config_of(settings);
    assert_fails(status, text, rk_dataset_from_columns(config, &c, NULL, &d));
    assert_null(d);
    rk_config_free(config);
}

static void bad_columns_are_refused(void **state)
{
    (void)state;
    const char *ratio = "split.kind=ratio", *words = "split.kind=ratio; data.ids=text";
    make_rows();
    rk_columns c = columns_of(false, false), t = columns_of(true, false), bad = c;
    bad.n = -1;
    assert_refused(ratio, bad, RK_ERR_DATA, "cannot have -1 rows");
    bad.n = INT64_MAX;
    assert_refused(ratio, bad, RK_ERR_DATA, "cannot have 9223372036854775807 rows");
    bad.n = 0;
    assert_refused(ratio, bad, RK_ERR_DATA, "no interactions");
    bad = (rk_columns){.n = N, .users = users, .items = items};
    assert_refused(ratio, bad, RK_ERR_DATA, "rk_columns_defaults()");
    bad = c, bad.items = NULL;
    assert_refused(ratio, bad, RK_ERR_DATA, "either users and items, or");
    bad.users = NULL;
    assert_refused(ratio, bad, RK_ERR_DATA, "either users and items, or");
    bad = t, bad.user_texts = NULL;
    assert_refused(words, bad, RK_ERR_DATA, "either users and items, or");
    bad = t, bad.users = users;
    assert_refused(words, bad, RK_ERR_DATA, "either users and items, or");
    assert_refused(ratio, t, RK_ERR_CONFIG, "data.ids is integer (default), but the ids");
    assert_refused(words, c, RK_ERR_CONFIG, "data.ids is text (test), but the ids");
    assert_refused("", c, RK_ERR_CONFIG, "the columns have no parts");
    bad = columns_of(false, true);
    assert_refused(ratio, bad, RK_ERR_CONFIG, "the columns have parts");
    assert_refused("split.carve_valid=0.1", bad, RK_ERR_CONFIG, "is of a valid part already");
    bad = c, bad.times = NULL;
    assert_refused("split.kind=time", bad, RK_ERR_CONFIG, "the columns have no times");
    assert_refused("split.kind=ratio; split.order=time", bad, RK_ERR_CONFIG, "have no times");
    assert_refused("split.kind=ratio; data.min_user=4000", c, RK_ERR_DATA, "data.min_user 4000");

    rk_dataset *d = NULL;
    rk_config *config = config_of(ratio);
    assert_fails(RK_ERR_DATA, "are NULL", rk_dataset_from_columns(config, NULL, NULL, &d));
    struct {
        rk_columns now;
        int64_t later;
    } longer = {c, 0};
    longer.now.size = sizeof longer;
    assert_ok(rk_dataset_from_columns(config, &longer.now, NULL, &d));
    rk_dataset_free(d);
    longer.later = 1;
    assert_fails(RK_ERR_DATA, "a member that this version",
                 rk_dataset_from_columns(config, &longer.now, NULL, &d));
    rk_config_free(config);
}

static void bad_rows_are_named(void **state)
{
    (void)state;
    make_rows();
    users[2999] = -5;
    assert_refused("split.kind=ratio", columns_of(false, false), RK_ERR_DATA,
                   "row 2999: user -5 is negative");
    make_rows();
    items[0] = INT64_MIN;
    assert_refused("split.kind=ratio", columns_of(false, false), RK_ERR_DATA, "row 0: item -");
    make_rows();
    times[17] = NAN;
    assert_refused("split.kind=ratio", columns_of(false, false), RK_ERR_DATA,
                   "row 17: the time is not finite");
    times[17] = -INFINITY;
    assert_refused("split.kind=time", columns_of(false, false), RK_ERR_DATA,
                   "row 17: the time is not finite");
    make_rows();
    parts[8] = 4;
    assert_refused("", columns_of(false, true), RK_ERR_DATA, "row 8: there is no part 4");
    item_texts[1] = "";
    assert_refused("split.kind=ratio; data.ids=text", columns_of(true, false), RK_ERR_DATA,
                   "row 1: item is empty");
    user_texts[1] = NULL;
    assert_refused("split.kind=ratio; data.ids=text", columns_of(true, false), RK_ERR_DATA,
                   "row 1: user is NULL");
    make_rows();
}

static int64_t done;

static void on_progress(void *user, const rk_progress *progress)
{
    (void)user;
    if (strncmp(progress->phase, "reading ", 8) != 0) { /* passes say so where they are slow */
        return;
    }
    assert_string_equal(progress->phase, "reading columns");
    assert_int_equal(progress->total, N);
    done = progress->done;
}

static bool stop_at_once(void *user)
{
    (void)user;
    return true;
}

static void hooks_are_asked(void **state)
{
    (void)state;
    make_rows();
    rk_columns c = columns_of(false, false);
    rk_dataset *d = NULL;
    rk_config *config = config_of("split.kind=ratio");
    rk_hooks hooks = {.progress = on_progress};
    assert_ok(rk_dataset_from_columns(config, &c, &hooks, &d));
    assert_int_equal(done, N);
    rk_dataset_free(d);
    hooks.should_stop = stop_at_once;
    assert_fails(RK_ERR_INTERRUPTED, "reading columns",
                 rk_dataset_from_columns(config, &c, &hooks, &d));
    rk_config_free(config);
}

static void many_threads_may_share_columns(void **state)
{
    (void)state;
    make_rows();
    rk_columns c = columns_of(false, false);
    rk_config *config = config_of("split.kind=ratio");
    rk_dataset *made[8] = {NULL};
    int wrong = 0;
#pragma omp parallel for num_threads(4) reduction(+ : wrong)
    for (int i = 0; i < 8; i++) {
        wrong += rk_dataset_from_columns(config, &c, NULL, &made[i]) != RK_OK;
    }
    assert_int_equal(wrong, 0);
    for (int i = 0; i < 8; i++) {
        assert_string_equal(made[i]->fingerprint, made[0]->fingerprint);
    }
    for (int i = 0; i < 8; i++) {
        rk_dataset_free(made[i]);
    }
    rk_config_free(config);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    make_rows();
    for (int with_texts = 0; with_texts < 2; with_texts++) {
        rk_columns c = columns_of(with_texts, true);
        rk_config *config = config_of(with_texts ? "data.ids=text" : "");
        rk_dataset *d = NULL;
        rk_status status = RK_ERR_MEMORY;
        for (int64_t n = 0; status != RK_OK; n++) {
            rk__alloc_fail_after(n);
            status = rk_dataset_from_columns(config, &c, NULL, &d);
            rk__alloc_fail_after(-1);
            assert_true(status == RK_OK ? n > 20 : status == RK_ERR_MEMORY && !d);
        }
        rk_dataset_free(d);
        rk_config_free(config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_rows_give_the_same_data_set),
        cmocka_unit_test(sources_are_not_looked_at),
        cmocka_unit_test(bad_columns_are_refused),
        cmocka_unit_test(bad_rows_are_named),
        cmocka_unit_test(hooks_are_asked),
        cmocka_unit_test(many_threads_may_share_columns),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("columns", tests, NULL, NULL);
}
