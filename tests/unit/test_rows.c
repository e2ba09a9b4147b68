/* data: what rows say besides user and item, and how repeated rows and held-out users and items are
 * made of them. What must come out is worked out by plain loops over the rows. */
#include <math.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/philox.h"
#include "data/dataset_internal.h"
#include "support/support.h"

typedef struct row {
    int64_t user, item;
    double time, value;
    uint8_t part;
    const char *mood;
} row;

enum { MOST = 4000 };

/* A data set of rows under "key=value; key=value" by rk_dataset_from_columns. */
static rk_status try_make(rk_dataset **out, const char *settings, const row *rows, int n)
{
    static int64_t users[MOST], items[MOST];
    static double times[MOST], values[MOST];
    static uint8_t parts[MOST];
    static const char *moods[MOST];
    const char *const *fields[2] = {moods, NULL};
    rk_config *config = config_of(settings);
    const rk_options *o = rk__config_options(config);
    rk_columns c = rk_columns_defaults();
    for (int i = 0; i < n; i++) {
        users[i] = rows[i].user;
        items[i] = rows[i].item;
        times[i] = rows[i].time;
        values[i] = rows[i].value;
        parts[i] = rows[i].part;
        moods[i] = rows[i].mood;
    }
    c.n = n;
    c.users = users;
    c.items = items;
    c.times = times;
    c.values = values;
    c.parts = o->split.kind == RK_SPLIT_GIVEN ? parts : NULL;
    c.fields = o->n_fields > 0 ? fields : NULL;
    rk_status status = rk_dataset_from_columns(config, &c, NULL, out);
    rk_config_free(config);
    return status;
}

static rk_dataset *make(const char *settings, const row *rows, int n)
{
    rk_dataset *d = NULL;
    assert_ok(try_make(&d, settings, rows, n));
    return d;
}

static int64_t find(const rk_dataset *d, int64_t id, bool is_user)
{
    char text[RK_ID_BYTES];
    int64_t found = -1;
    snprintf(text, sizeof text, "%lld", (long long)id);
    assert_ok(is_user ? rk_dataset_find_user(d, text, &found)
                      : rk_dataset_find_item(d, text, &found));
    return found;
}

static rk_rows rows_of(const rk_dataset *d, rk_part part, int64_t user_id)
{
    rk_rows rows = rk_rows_defaults();
    assert_ok(rk_dataset_rows(d, part, find(d, user_id, true), &rows));
    return rows;
}

static int64_t item_id(const rk_dataset *d, int32_t item)
{
    char room[RK_ID_BYTES];
    return atoll(rk_dataset_item_id(d, item, room));
}

/* n rows of 40 users and 30 items with few different times. */
static void draw_rows(row *rows, int n, uint64_t seed)
{
    static const char *const moods[] = {"calm", "angry", "", "zen"};
    for (int i = 0; i < n; i++) {
        rk_words w = rk__philox(seed, RK_PURPOSE_SPLIT, 0, (uint64_t)i, 0);
        rk_words v = rk__philox(seed, RK_PURPOSE_SPLIT, 1, (uint64_t)i, 0);
        rows[i] =
            (row){w.v[0] % 40,           w.v[1] % 30,      w.v[2] % 50, (double)(w.v[3] % 11) - 2,
                  (uint8_t)(v.v[0] % 3), moods[v.v[1] % 4]};
    }
}

/* ---- values ---- */

static const char *const rules[] = {"last", "first", "mean", "sum", "min", "max", "count"};

/* The value of a pair by plain loops over the rows in the order of the sources. */
static double merged(const row *rows, int n, int64_t user, int64_t item, int part, int rule)
{
    double sum = 0, least = INFINITY, most = -INFINITY, count = 0;
    int first = -1, last = -1;
    for (int i = 0; i < n; i++) {
        if (rows[i].user == user && rows[i].item == item && rows[i].part == part) {
            first = first < 0 || rows[i].time < rows[first].time ? i : first;
            last = last < 0 || rows[i].time >= rows[last].time ? i : last;
            sum += rows[i].value;
            least = fmin(least, rows[i].value);
            most = fmax(most, rows[i].value);
            count++;
        }
    }
    const double by_rule[] = {
        rows[last].value, rows[first].value, sum / count, sum, least, most, count};
    return (double)(float)by_rule[rule];
}

static void repeated_rows_have_one_value(void **state)
{
    (void)state;
    static row rows[2500];
    draw_rows(rows, 2500, 3);
    for (int rule = 0; rule < 7; rule++) {
        char settings[100];
        snprintf(settings, sizeof settings, "split.kind=given; data.repeat_value=%s", rules[rule]);
        rk_dataset *d = make(settings, rows, 2500);
        assert_true(d->stats.duplicates > 500);
        for (rk_part part = RK_TRAIN; part <= RK_TEST; part++) {
            for (int64_t user = 0; user < 40; user++) {
                rk_rows r = rows_of(d, part, user);
                for (int64_t k = 0; k < r.n; k++) {
                    assert_true(r.values[k] ==
                                merged(rows, 2500, user, item_id(d, r.items[k]), (int)part, rule));
                }
            }
        }
        rk_dataset_free(d);
    }
}

/* Counts need no values. */
static void rows_are_counted(void **state)
{
    (void)state;
    const int64_t users[] = {1, 1, 1, 2}, items[] = {5, 5, 6, 5};
    const uint8_t parts[4] = {0};
    rk_config *config = config_of("data.repeat_value=count");
    rk_columns c = rk_columns_defaults();
    rk_dataset *d = NULL;
    c.n = 4;
    c.users = users;
    c.items = items;
    c.parts = parts;
    assert_ok(rk_dataset_from_columns(config, &c, NULL, &d));
    rk_rows r = rows_of(d, RK_TRAIN, 1);
    assert_int_equal(r.n, 2);
    assert_true(r.values[0] == 2 && r.values[1] == 1);
    assert_null(r.times);
    assert_null(r.places);
    rk_dataset_free(d);
    rk_config_free(config);
}

/* Older programs have a shorter struct. */
static void columns_may_end_before_values(void **state)
{
    (void)state;
    const int64_t users[] = {1, 2}, items[] = {5, 6};
    const uint8_t parts[2] = {0};
    rk_config *config = config_of("");
    rk_columns c = {.size = offsetof(rk_columns, values), .n = 2, .users = users, .items = items};
    rk_dataset *d = NULL;
    c.parts = parts;
    c.values = (const double *)1; /* not theirs */
    assert_ok(rk_dataset_from_columns(config, &c, NULL, &d));
    assert_null(rows_of(d, RK_TRAIN, 1).values);
    rk_dataset_free(d);
    rk_config_free(config);
}

static void values_must_be_floats(void **state)
{
    (void)state;
    const double bad[] = {NAN, INFINITY, 1e39};
    for (int i = 0; i < 3; i++) {
        const row rows[] = {{1, 1, 1, 1, 0, ""}, {1, 2, 1, bad[i], 0, ""}};
        rk_dataset *d = NULL;
        assert_fails(RK_ERR_DATA, "row 1: the value is not finite, or beyond 3.4e38",
                     try_make(&d, "", rows, 2));
    }
}

/* ---- repeats ---- */

/* Every row of a pair's part is kept beside the pair, with what it says itself. */
static void repeats_are_kept_beside_pairs(void **state)
{
    (void)state;
    static row rows[2000];
    draw_rows(rows, 2000, 5);
    rk_dataset *merged_set = make("split.kind=given; split.carve_valid=0", rows, 2000);
    rk_dataset *d = make("split.kind=given; data.repeats=keep", rows, 2000);
    int64_t seen = 0;
    for (rk_part part = RK_TRAIN; part <= RK_TEST; part++) {
        for (int64_t user = 0; user < 40; user++) {
            const int32_t *items = NULL, *same = NULL;
            int64_t n = 0, m = 0;
            rk_rows r = rows_of(d, part, user);
            int64_t at = 0;
            assert_ok(rk_dataset_items(d, part, find(d, user, true), &items, &n));
            assert_ok(rk_dataset_items(merged_set, part, find(d, user, true), &same, &m));
            assert_int_equal(n, m);
            assert_memory_equal(items, same, (size_t)n * sizeof *items);
            for (int64_t k = 0; k < n; k++) {
                int place = -1;
                for (int i = 0; i < 2000; i++) {
                    place += rows[i].user == user;
                    if (rows[i].user == user && rows[i].item == item_id(d, items[k]) &&
                        rows[i].part == part) {
                        assert_true(at < r.n && r.items[at] == items[k]);
                        assert_true(r.times[at] == rows[i].time);
                        assert_true(r.values[at] == (float)rows[i].value);
                        assert_int_equal(r.places[at++], place);
                    }
                }
            }
            assert_int_equal(at, r.n);
            seen += at;
        }
    }
    assert_int_equal(d->stats.repeats, seen);
    assert_true(seen > d->stats.interactions);
    assert_string_not_equal(d->fingerprint, merged_set->fingerprint);
    rk_dataset_free(merged_set);
    rk_dataset_free(d);
}

/* What happened after the moment of a split is not known to train, of pairs in train neither. */
static void repeats_after_the_moment_are_dropped(void **state)
{
    (void)state;
    const row rows[] = {{1, 1, 10, 1, 0, ""}, {1, 1, 60, 2, 0, ""}, {1, 2, 20, 3, 0, ""},
                        {1, 3, 70, 4, 0, ""}, {1, 3, 55, 5, 0, ""}, {1, 1, 30, 6, 0, ""}};
    rk_dataset *d =
        make("split.kind=time; split.valid=0; split.test_from=50; data.repeats=keep", rows, 6);
    rk_rows train = rows_of(d, RK_TRAIN, 1), test = rows_of(d, RK_TEST, 1);
    assert_int_equal(train.n, 3);
    assert_true(train.times[0] == 10 && train.times[1] == 30 && train.times[2] == 20);
    assert_int_equal(test.n, 2);
    assert_true(test.values[0] == 4 && test.values[1] == 5);
    rk_dataset_free(d);
}

/* ---- ties ---- */

/* By hand: user 1 has 3 rows at the last time; user 2 has no ties; user 3 ties where nothing
 * ends. */
static void ties_go_by_item_or_by_row(void **state)
{
    (void)state;
    const row rows[] = {{1, 9, 5, 0, 0, ""}, {1, 3, 5, 0, 0, ""}, {1, 7, 5, 0, 0, ""},
                        {1, 1, 1, 0, 0, ""}, {2, 1, 1, 0, 0, ""}, {2, 3, 2, 0, 0, ""},
                        {2, 7, 3, 0, 0, ""}, {3, 1, 1, 0, 0, ""}, {3, 3, 1, 0, 0, ""},
                        {3, 7, 2, 0, 0, ""}, {3, 9, 3, 0, 0, ""}};
    const char *by_item = "split.kind=leave_one_out; split.order=time";
    const char *by_row = "split.kind=leave_one_out; split.order=time; split.ties=row";
    rk_dataset *a = make(by_item, rows, 11), *b = make(by_row, rows, 11);
    assert_int_equal(item_id(a, rows_of(a, RK_TEST, 1).items[0]), 9);
    assert_int_equal(item_id(a, rows_of(a, RK_VALID, 1).items[0]), 7);
    assert_int_equal(item_id(b, rows_of(b, RK_TEST, 1).items[0]), 7);
    assert_int_equal(item_id(b, rows_of(b, RK_VALID, 1).items[0]), 3);
    for (int64_t user = 2; user <= 3; user++) {
        assert_int_equal(item_id(b, rows_of(b, RK_TEST, user).items[0]),
                         item_id(a, rows_of(a, RK_TEST, user).items[0]));
    }
    assert_int_equal(a->stats.tied_users, 1);
    assert_int_equal(b->stats.tied_users, 1);
    rk_dataset_free(a);
    rk_dataset_free(b);
}

/* ---- nothing held out ---- */

static void a_test_share_of_0_holds_nothing_out(void **state)
{
    (void)state;
    static const char *const kinds[] = {"leave_one_out", "ratio", "time", "users", "items"};
    static row rows[600];
    draw_rows(rows, 600, 8);
    for (int k = 0; k < 5; k++) {
        char settings[100];
        snprintf(settings, sizeof settings, "split.kind=%s; split.test=0; split.valid=0", kinds[k]);
        rk_dataset *d = make(settings, rows, 600);
        assert_int_equal(d->stats.train, d->stats.interactions);
        assert_int_equal(d->stats.given, 0);
        rk_dataset_free(d);
        snprintf(settings, sizeof settings, "split.kind=%s; split.test=0; split.valid=0.1",
                 kinds[k]);
        d = make(settings, rows, 600);
        assert_int_equal(d->stats.test, 0);
        assert_true(d->stats.valid > 0);
        rk_dataset_free(d);
    }
}

/* ---- held-out users and items ---- */

static void held_out_users_have_given_rows(void **state)
{
    (void)state;
    static row rows[900];
    draw_rows(rows, 900, 9);
    for (int by_time = 0; by_time < 2; by_time++) {
        char settings[200];
        snprintf(settings, sizeof settings,
                 "split.kind=users; split.test=0.2; split.valid=0.1; split.given=0.3; "
                 "split.order=%s",
                 by_time ? "time" : "random");
        rk_dataset *d = make(settings, rows, 900);
        assert_int_equal(d->stats.test_users, 8);
        assert_int_equal(d->stats.valid_users, 4);
        assert_int_equal(d->stats.cold_test_users, 8);
        for (int64_t user = 0; user < 40; user++) {
            rk_rows train = rows_of(d, RK_TRAIN, user), given = rows_of(d, RK_GIVEN, user);
            rk_rows test = rows_of(d, RK_TEST, user), valid = rows_of(d, RK_VALID, user);
            rk_rows held = test.n > 0 ? test : valid;
            assert_true((train.n > 0) + (test.n > 0) + (valid.n > 0) == 1);
            if (train.n > 0) {
                assert_int_equal(given.n, 0);
                continue;
            }
            assert_int_equal(given.n, (int64_t)floor(0.3 * (double)(given.n + held.n) + 1e-9));
            for (int64_t k = 0; by_time && k < given.n; k++) {
                for (int64_t j = 0; j < held.n; j++) {
                    assert_true(given.times[k] <= held.times[j]);
                }
            }
        }
        rk_dataset_free(d);
    }
    rk_dataset *d = make("split.kind=users; split.given=0", rows, 900);
    assert_int_equal(d->stats.given, 0);
    assert_int_equal(d->stats.test_users, 4);
    rk_dataset_free(d);
}

static void held_out_items_have_no_train_rows(void **state)
{
    (void)state;
    static row rows[900];
    draw_rows(rows, 900, 10);
    rk_dataset *d = make("split.kind=items; split.test=0.2; split.valid=0.1", rows, 900);
    int parts_of[30] = {0}, n[3] = {0};
    for (rk_part part = RK_TRAIN; part <= RK_TEST; part++) {
        for (int64_t k = 0; k < d->parts[part].offsets[d->n_users]; k++) {
            parts_of[d->parts[part].items[k]] |= 1 << part;
        }
    }
    for (int item = 0; item < 30; item++) {
        assert_true(parts_of[item] == 1 || parts_of[item] == 2 || parts_of[item] == 4);
        n[parts_of[item] >> 1]++;
    }
    assert_int_equal(n[0], 21);
    assert_int_equal(n[1], 3);
    assert_int_equal(n[2], 6);
    assert_int_equal(d->stats.cold_test_items, 6);
    rk_dataset_free(d);
}

static bool user_has(const row *rows, int n, int64_t user, int64_t item)
{
    bool found = false;
    for (int i = 0; i < n; i++) {
        found = found || (rows[i].user == user && rows[i].item == item);
    }
    return found;
}

/* ---- fields ---- */

#define FIELDS "data.fields=[{name: mood}, {name: before, derive: previous_item}]"

/* The item of the latest of the user's rows before row i that its part may know. */
static int64_t previous(const row *rows, int n, int i)
{
    int best = -1;
    for (int j = 0; j < n; j++) {
        bool is_before = rows[j].time < rows[i].time || (rows[j].time == rows[i].time && j < i);
        bool is_later = best < 0 || rows[j].time > rows[best].time ||
                        (rows[j].time == rows[best].time && j > best);
        if (rows[j].user == rows[i].user && rows[j].part <= rows[i].part && is_before && is_later) {
            best = j;
        }
    }
    return best < 0 ? -1 : rows[best].item;
}

static void fields_follow_their_rows(void **state)
{
    (void)state;
    static row rows[800];
    int n = 0;
    draw_rows(rows, 800, 12);
    for (int i = 0; i < 800; i++) { /* each pair once */
        if (!user_has(rows, n, rows[i].user, rows[i].item)) {
            rows[n++] = rows[i];
        }
    }
    rk_dataset *d = make("split.kind=given; " FIELDS, rows, n);
    assert_int_equal(rk_dataset_n_fields(d), 2);
    assert_string_equal(rk_dataset_field_name(d, 0), "mood");
    assert_string_equal(rk_dataset_field_name(d, 1), "before");
    assert_null(rk_dataset_field_name(d, 2));
    for (int i = 0; i < n; i++) {
        int64_t user = find(d, rows[i].user, true);
        int32_t item = (int32_t)find(d, rows[i].item, false);
        rk_rows r = rows_of(d, (rk_part)rows[i].part, rows[i].user);
        const int32_t *mood = NULL, *before = NULL;
        char room[RK_ID_BYTES];
        int64_t k = 0;
        assert_ok(rk_dataset_field(d, 0, (rk_part)rows[i].part, user, &mood));
        assert_ok(rk_dataset_field(d, 1, (rk_part)rows[i].part, user, &before));
        while (r.items[k] != item) {
            k++;
        }
        if (rows[i].mood[0] == '\0') {
            assert_int_equal(mood[k], -1);
        } else {
            assert_string_equal(rk_dataset_field_value(d, 0, mood[k], room), rows[i].mood);
        }
        int64_t expected = previous(rows, n, i);
        assert_int_equal(before[k] < 0, expected < 0);
        if (expected >= 0) {
            assert_int_equal(atoll(rk_dataset_field_value(d, 1, before[k], room)), expected);
        }
    }
    assert_string_equal(rk_dataset_field_value(d, 0, 0, (char[RK_ID_BYTES]){""}), "angry");
    assert_null(rk_dataset_field_value(d, 0, 3, (char[RK_ID_BYTES]){""}));
    rk_dataset_free(d);
}

/* Blanks at the ends are no part of a value, and none are no value. */
static void fields_are_trimmed(void **state)
{
    (void)state;
    static const row rows[] = {{.user = 1, .item = 1, .mood = "calm"},
                               {.user = 1, .item = 2, .mood = " calm\t"},
                               {.user = 1, .item = 3, .mood = "  "},
                               {.user = 1, .item = 4, .mood = "calm down"}};
    static const int32_t expected[] = {0, 0, -1, 1};
    rk_dataset *d = make("split.kind=given; data.fields=[{name: mood}]", rows, 4);
    const int32_t *mood = NULL;
    assert_ok(rk_dataset_field(d, 0, RK_TRAIN, 0, &mood));
    assert_memory_equal(mood, expected, sizeof expected);
    rk_dataset_free(d);
}

/* ---- fingerprints ---- */

static void fingerprints_know_what_is_new(void **state)
{
    (void)state;
    static row rows[500];
    static const char *const settings[] = {
        "split.kind=ratio; data.repeat_value=count", "split.kind=ratio; data.repeat_value=sum",
        "split.kind=ratio; split.candidates=4",      "split.kind=ratio; split.candidates=5",
        "split.kind=ratio; data.repeats=keep",       "split.kind=users",
        "split.kind=users; split.given=0.6",         ("split.kind=ratio; " FIELDS),
    };
    enum { N = sizeof settings / sizeof settings[0] };
    char prints[N][17];
    draw_rows(rows, 500, 13);
    for (int s = 0; s < N; s++) {
        rk_dataset *d = make(settings[s], rows, 500);
        memcpy(prints[s], d->fingerprint, 17);
        for (int t = 0; t < s; t++) {
            assert_string_not_equal(prints[s], prints[t]);
        }
        rk_dataset_free(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repeated_rows_have_one_value),
        cmocka_unit_test(rows_are_counted),
        cmocka_unit_test(columns_may_end_before_values),
        cmocka_unit_test(values_must_be_floats),
        cmocka_unit_test(repeats_are_kept_beside_pairs),
        cmocka_unit_test(repeats_after_the_moment_are_dropped),
        cmocka_unit_test(ties_go_by_item_or_by_row),
        cmocka_unit_test(a_test_share_of_0_holds_nothing_out),
        cmocka_unit_test(held_out_users_have_given_rows),
        cmocka_unit_test(held_out_items_have_no_train_rows),
        cmocka_unit_test(fields_follow_their_rows),
        cmocka_unit_test(fields_are_trimmed),
        cmocka_unit_test(fingerprints_know_what_is_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
