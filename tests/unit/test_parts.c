/* data: rows that are in several parts or in none: data.repeats each_part, split.gap, and what is
 * given of held-out users in files. What must come out is worked out by plain loops. */
#include "base/philox.h"
#include "data/dataset_internal.h"
#include "support/support.h"

enum { ROWS = 900, USERS = 25, ITEMS = 20 };

typedef struct row {
    int64_t user, item;
    double time, value;
    uint8_t part;
} row;

static row rows[ROWS];

static void draw_rows(int n_parts)
{
    for (int i = 0; i < ROWS; i++) {
        rk_words w = rk__philox(3, RK_PURPOSE_SPLIT, 0, (uint64_t)i, 0);
        rk_words v = rk__philox(3, RK_PURPOSE_SPLIT, 1, (uint64_t)i, 0);
        rows[i] = (row){w.v[0] % USERS, w.v[1] % ITEMS, w.v[2] % 100, (double)(v.v[0] % 9),
                        (uint8_t)(w.v[3] % (unsigned)n_parts)};
    }
}

static rk_status try_make(rk_dataset **out, const char *settings)
{
    static int64_t users[ROWS], items[ROWS];
    static double times[ROWS], values[ROWS];
    static uint8_t parts[ROWS];
    rk_config *config = config_of(settings);
    rk_columns c = rk_columns_defaults();
    for (int i = 0; i < ROWS; i++) {
        users[i] = rows[i].user;
        items[i] = rows[i].item;
        times[i] = rows[i].time;
        values[i] = rows[i].value;
        parts[i] = rows[i].part;
    }
    c.n = ROWS;
    c.users = users;
    c.items = items;
    c.times = times;
    c.values = values;
    c.parts = rk__config_options(config)->split.kind == RK_SPLIT_GIVEN ? parts : NULL;
    rk_status status = rk_dataset_from_columns(config, &c, NULL, out);
    rk_config_free(config);
    return status;
}

/* Is row i of this part: of train before 60 - gap, valid from 60 to 80 - gap, test from 80 on? */
static bool is_in(int i, rk_part part, double gap)
{
    const double time = rows[i].time;
    return part == RK_TEST    ? time >= 80
           : part == RK_VALID ? time >= 60 && time < 80 - gap
                              : time < 60 - gap;
}

/* The value of the last row of the pair in the part, by time, then by row; -1 = there is none. */
static double last_value(rk_part part, double gap, int64_t user, int64_t item)
{
    int last = -1;
    for (int i = 0; i < ROWS; i++) {
        if (rows[i].user == user && rows[i].item == item && is_in(i, part, gap)) {
            last = last < 0 || rows[i].time >= rows[last].time ? i : last;
        }
    }
    return last < 0 ? -1 : rows[last].value;
}

static int64_t check_parts(const rk_dataset *d, double gap)
{
    int64_t found = 0;
    for (rk_part part = RK_TRAIN; part <= RK_TEST; part++) {
        for (int64_t user = 0; user < USERS; user++) {
            rk_rows mine = rk_rows_defaults();
            int64_t at = 0;
            assert_ok(rk_dataset_rows(d, part, user, &mine));
            for (int32_t item = 0; item < ITEMS; item++) {
                const double value = last_value(part, gap, user, item);
                if (value >= 0) {
                    assert_true(at < mine.n && mine.items[at] == item);
                    assert_close((double)mine.values[at], value, 1e-9, 1);
                    at++;
                }
            }
            assert_int_equal(at, mine.n);
            found += at;
        }
    }
    return found;
}

static void a_pair_is_in_every_part_that_has_it(void **state)
{
    (void)state;
    rk_dataset *d = NULL;
    draw_rows(3);
    for (int gap = 0; gap <= 7; gap += 7) {
        char settings[200];
        int64_t in_gap = 0;
        snprintf(settings, sizeof settings,
                 "split.kind=time; split.valid_from=60; split.test_from=80; split.gap=%d; "
                 "data.repeats=each_part; eval.seen=rank; data.repeat_value=last",
                 gap);
        assert_ok(try_make(&d, settings));
        assert_int_equal(d->n_users, USERS);
        assert_int_equal(d->n_items, ITEMS);
        const int64_t kept = check_parts(d, gap);
        for (int i = 0; i < ROWS; i++) {
            in_gap +=
                !is_in(i, RK_TRAIN, gap) && !is_in(i, RK_VALID, gap) && !is_in(i, RK_TEST, gap);
        }
        assert_int_equal(d->stats.in_gap, in_gap);
        assert_true((in_gap > 0) == (gap > 0));
        assert_int_equal(d->stats.duplicates, ROWS - in_gap - kept);
        rk_dataset_free(d);
    }
}

/* Without repeats the earliest time of a pair decides; a pair that is in the gap is in no part. */
static void the_gap_is_in_no_part(void **state)
{
    (void)state;
    static const char *const repeats[] = {"merge", "keep"};
    draw_rows(3);
    for (int r = 0; r < 2; r++) {
        rk_dataset *d = NULL;
        char settings[200];
        int64_t in_gap = 0;
        snprintf(settings, sizeof settings,
                 "split.kind=time; split.valid_from=60; split.test_from=80; split.gap=5; "
                 "data.repeats=%s",
                 repeats[r]);
        assert_ok(try_make(&d, settings));
        for (int64_t user = 0; user < USERS; user++) {
            for (int32_t item = 0; item < ITEMS; item++) {
                int first = -1;
                for (int i = 0; i < ROWS; i++) {
                    if (rows[i].user == user && rows[i].item == item) {
                        first = first < 0 || rows[i].time < rows[first].time ? i : first;
                    }
                }
                bool is_any = false;
                for (rk_part part = RK_TRAIN; part <= RK_TEST; part++) {
                    bool is_there = first >= 0 && is_in(first, part, 5);
                    assert_true(rk__lists_has(&d->parts[part], user, item) == is_there);
                    is_any = is_any || is_there;
                }
                in_gap += first >= 0 && !is_any;
            }
        }
        assert_int_equal(d->stats.in_gap, in_gap);
        assert_true(in_gap > 0);
        if (r == 1) { /* the rows behind them: those of the same part */
            for (rk_part part = RK_TRAIN; part <= RK_TEST; part++) {
                const rk_lists *behind = &d->repeats[part];
                for (int64_t user = 0; user < USERS; user++) {
                    for (int64_t e = behind->offsets[user]; e < behind->offsets[user + 1]; e++) {
                        assert_true(rk__lists_has(&d->parts[part], user, behind->items[e]));
                    }
                }
            }
        }
        rk_dataset_free(d);
    }
}

static void given_rows_may_be_of_files(void **state)
{
    (void)state;
    rk_dataset *d = NULL;
    draw_rows(3);
    for (int i = 0; i < ROWS; i++) { /* users from 18 on are held out: for valid, then for test */
        const bool is_given = rows[i].part == 0;
        rows[i].part = (uint8_t)(rows[i].user < 18   ? RK_TRAIN
                                 : is_given          ? RK_GIVEN
                                 : rows[i].user < 21 ? RK_VALID
                                                     : RK_TEST);
    }
    assert_ok(try_make(&d, ""));
    for (int64_t user = 0; user < USERS; user++) {
        for (int32_t item = 0; item < ITEMS; item++) {
            int part = -1; /* train before given before the others */
            for (int i = 0; i < ROWS; i++) {
                if (rows[i].user == user && rows[i].item == item) {
                    part = part < 0 || rows[i].part == RK_GIVEN ? rows[i].part : part;
                }
            }
            for (int p = 0; p < RK_PARTS; p++) {
                assert_true(rk__lists_has(&d->parts[p], user, item) == (p == part));
            }
        }
    }
    assert_int_equal(d->stats.given_users, USERS - 18);
    rk_dataset_free(d);
    rows[0].part = RK_TRAIN;
    rows[0].user = 20;
    assert_fails(RK_ERR_DATA, "user 20 has rows of part given and of part train", try_make(&d, ""));
    rows[0].part = 4;
    assert_fails(RK_ERR_DATA, "there is no part 4; 0 is train, 1 valid, 2 test, 3 given",
                 try_make(&d, ""));
}

static void repeats_ask_for_a_ranking_of_all(void **state)
{
    (void)state;
    rk_dataset *d = NULL;
    draw_rows(3);
    assert_fails(RK_ERR_CONFIG, "could never be hit: set eval.seen=rank",
                 try_make(&d, "split.kind=time; data.repeats=each_part"));
    assert_fails(RK_ERR_CONFIG, "take split.kind time or given",
                 try_make(&d, "split.kind=ratio; data.repeats=each_part; eval.seen=rank"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pair_is_in_every_part_that_has_it),
        cmocka_unit_test(the_gap_is_in_no_part),
        cmocka_unit_test(given_rows_may_be_of_files),
        cmocka_unit_test(repeats_ask_for_a_ranking_of_all),
    };
    return cmocka_run_group_tests_name("parts", tests, NULL, NULL);
}
