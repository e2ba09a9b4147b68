/* Dates and times as seconds since 1970: the values are those of Python's datetime. */
#include "base/moment.h"
#include "data/times.h"
#include "support/readers.h"

static void iso_8601_in_its_usual_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double seconds;
    } cases[] = {
        {"2020-09-20", 1600560000.0},
        {"2020-09-20T23:01:11Z", 1600642871.0},
        {"2020-09-20 23:01:11", 1600642871.0},
        {"2020-09-20t23:01z", 1600642860.0},
        {"2020-09-20 23:01", 1600642860.0},
        {"2020-09-20T23:01:11.25Z", 1600642871.25},
        {"2020-09-20T23:01:11,5+02:00", 1600635671.5},
        {"2020-09-20T23:01:11-0730", 1600669871.0},
        {"2020-09-20 23:01:11+00", 1600642871.0},
        {"2020-09-20 23:01:11 UTC", 1600642871.0},
        {"2020-09-20 23:01:11 +0100", 1600639271.0},
        {"2020/09/20", 1600560000.0},
        {"2020/09/20 01:02:03", 1600563723.0},
        {"20200920T230111Z", 1600642871.0},
        {"20200920T2301", 1600642860.0},
        {"1970-01-01", 0.0},
        {"1969-12-31T23:59:59.5Z", -0.5},
        {"1900-01-01", -2208988800.0},
        {"0001-01-01", -62135596800.0},
        {"9999-12-31T23:59:59Z", 253402300799.0},
        {"2000-02-29", 951782400.0},
        {"2024-02-29 12:00:00.000000", 1709208000.0},
        {"1600-03-01", -11670912000.0},
        {"2016-12-31T23:59:60Z", 1483228800.0},
        {"2020-12-31T24:00:00Z", 1609459200.0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double seconds = 0;
        rk_parse parsed = rk__parse_moment(cases[i].text, strlen(cases[i].text), &seconds);
        if (parsed != RK_PARSE_OK || seconds != cases[i].seconds) {
            fail_msg("%s: %d, %.17g", cases[i].text, parsed, seconds);
        }
    }
    static const char *const none[] = {
        "",
        "2020",
        "2020-09",
        "20200920",
        "20-09-2020",
        "2020-9-20",
        "2020-09-20T",
        "2020-09-20 23",
        "2020-09-20X23:01",
        "2020-09-20 23:01:",
        "2020-09/20",
        "2020-09-20T23:01:11.",
        "2020-09-20T23:01:11+2",
        "2020-09-20T23:01:11+02:0",
        "2020-09-20T23:01:11Z1",
        " 2020-09-20",
        "2020-09-20 23:01:11 CET",
    };
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        double seconds = 0;
        assert_int_equal(rk__parse_moment(none[i], strlen(none[i]), &seconds),
                         RK_PARSE_NOT_A_NUMBER);
    }
    static const char *const wrong[] = {
        "2020-13-01",       "2021-02-29",       "1900-02-29",          "2020-00-10", "2020-04-31",
        "2020-09-20T25:00", "2020-09-20T24:01", "2020-09-20T23:60:00", "0000-01-01"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        double seconds = 0;
        assert_int_equal(rk__parse_moment(wrong[i], strlen(wrong[i]), &seconds),
                         RK_PARSE_OUT_OF_RANGE);
    }
}

/* Every day of four centuries follows the one before. */
static void days_follow_one_another(void **state)
{
    (void)state;
    double expected = -631152000.0; /* datetime(1950, 1, 1) */
    for (int year = 1950; year < 2350; year++) {
        for (int month = 1; month <= 12; month++) {
            for (int day = 1; day <= 31; day++) {
                char text[48];
                double seconds = 0;
                snprintf(text, sizeof text, "%04d-%02d-%02d", year, month, day);
                if (rk__parse_moment(text, strlen(text), &seconds) == RK_PARSE_OK) {
                    assert_true(seconds == expected);
                    expected += 86400;
                }
            }
        }
    }
    assert_true(expected == 11991628800.0); /* datetime(2350, 1, 1) */
}

static void compact_dates_and_days_first(void **state)
{
    (void)state;
    double seconds = 0;
    assert_true(rk__compact_moment(20200920, &seconds) && seconds == 1600560000.0);
    assert_true(rk__compact_moment(20200920230111, &seconds) && seconds == 1600642871.0);
    static const double none[] = {1600642871, 20201320, 20200931,  20200920.5, 20200920250000,
                                  18991231,   21000101, -20200920, 0,          1600642871000};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_false(rk__compact_moment(none[i], &seconds));
    }
    assert_true(rk__looks_like_day_first("20-09-2020 23:01", 16));
    assert_true(rk__looks_like_day_first("9/20/2020", 9));
    assert_true(rk__looks_like_day_first("20.9.20", 7));
    assert_false(rk__looks_like_day_first("2020-09-20", 10));
    assert_false(rk__looks_like_day_first("20-09", 5));
    assert_false(rk__looks_like_day_first("", 0));
}

/* ---- a column ---- */

/* The times of a file's rows, in seconds. */
static rk_status read_times(const char *const *texts, int n, int unit, double *out)
{
    char *folder = test_scratch();
    rk_source_options source = test_source(RK_FORMAT_CSV);
    rk_reader *reader = NULL;
    rk_status status = RK_OK;
    char text[2048] = "user_id,item_id,t\n";
    for (int i = 0; i < n; i++) {
        size_t length = strlen(text);
        snprintf(text + length, sizeof text - length, "%d,1,%s\n", i, texts[i]);
    }
    test_write(test_path(folder, "t.csv"), text, -1);
    source.time = (char *)"t";
    source.time_unit = unit;
    RK_TRY_GOTO(done,
                rk__reader_open(&reader, &source, test_path(folder, "t.csv"), RK_IDS_INTEGER));
    for (int i = 0; i < n; i++) {
        rk_record record;
        bool is_end = false;
        RK_TRY_GOTO(done, rk__reader_next(reader, &record, &is_end));
        out[i] = record.time;
    }
    status = rk__reader_settle_times(reader, out, n);
done:
    rk__reader_close(reader);
    test_scratch_remove(folder);
    return status;
}

static void a_column_has_one_unit(void **state)
{
    (void)state;
    static const struct {
        const char *texts[3];
        int unit;
        double seconds[3];
    } cases[] = {
        {{"1600642871", "0", "-5.5"}, RK_TIME_UNIT_AUTO, {1600642871, 0, -5.5}},
        {{"1600642871123", "0", "100000000000"}, RK_TIME_UNIT_AUTO, {1600642871.123, 0, 100000000}},
        {{"1600642871123", "1", "99999999999"},
         RK_TIME_UNIT_MS,
         {1600642871.123, 0.001, 99999999.999}},
        {{"1600642871123456", "1", "-2208988800000000"},
         RK_TIME_UNIT_AUTO,
         {1600642871.123456, 1e-6, -2208988800}},
        {{"1600642871000000001", "0", "1600642871000001000"},
         RK_TIME_UNIT_AUTO,
         {1600642871, 0, 1600642871.000001}},
        {{"99999999999", "20200920", "5"}, RK_TIME_UNIT_AUTO, {99999999999, 20200920, 5}},
        {{"20200920", "19991231", "20000101"},
         RK_TIME_UNIT_AUTO,
         {1600560000, 946598400, 946684800}},
        {{"20200920230111", "20200920", "20200920000000"},
         RK_TIME_UNIT_AUTO,
         {1600642871, 1600560000, 1600560000}},
        {{"20200920", "19991231", "5"}, RK_TIME_UNIT_S, {20200920, 19991231, 5}},
        {{"20200920", "1", "2"}, RK_TIME_UNIT_S, {20200920, 1, 2}},
        {{"20200920", "19991231", "20000101"}, RK_TIME_UNIT_S, {20200920, 19991231, 20000101}},
        {{"1500", "1", "-500"}, RK_TIME_UNIT_MS, {1.5, 0.001, -0.5}},
        {{"1500000", "0", "1"}, RK_TIME_UNIT_US, {1.5, 0, 1e-6}},
        {{"1500000000", "0", "-1e9"}, RK_TIME_UNIT_NS, {1.5, 0, -1}},
        {{"2020-09-20", "2020-09-20T23:01:11Z", " 1970-01-01 "},
         RK_TIME_UNIT_AUTO,
         {1600560000, 1600642871, 0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double seconds[3] = {0};
        assert_ok(read_times(cases[i].texts, 3, cases[i].unit, seconds));
        for (int k = 0; k < 3; k++) {
            assert_close(seconds[k], cases[i].seconds[k], 1e-15, 1e-6);
        }
    }
    static const char *const mixed[] = {"1600642871", "2020-09-20", "1"};
    static const char *const reverse[] = {"2020-09-20", "1600642871", "1"};
    double seconds[3];
    assert_fails(RK_ERR_DATA, "t.csv:3:5: t '2020-09-20' is of another form than in earlier rows",
                 read_times(mixed, 3, RK_TIME_UNIT_AUTO, seconds));
    assert_fails(RK_ERR_DATA, "t.csv:3:5: t '1600642871' is of another form",
                 read_times(reverse, 3, RK_TIME_UNIT_AUTO, seconds));
    static const char *const units[] = {"1600642871", "1600642871123", "1"};
    static const char *const nearly[] = {"20200920", "19991231", "20209920"};
    assert_fails(RK_ERR_DATA, "1600642871 and 1600642871123 look like different units",
                 read_times(units, 3, RK_TIME_UNIT_AUTO, seconds));
    assert_ok(read_times(units, 3, RK_TIME_UNIT_MS, seconds));
    assert_fails(RK_ERR_DATA, "2 of 3 times are dates such as 20200920, but 20209920 is none",
                 read_times(nearly, 3, RK_TIME_UNIT_AUTO, seconds));
    assert_fails(RK_ERR_DATA, "t '2020-09-20' is a date, but time_unit is for numbers",
                 read_times(reverse, 3, RK_TIME_UNIT_MS, seconds));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(iso_8601_in_its_usual_forms),
        cmocka_unit_test(days_follow_one_another),
        cmocka_unit_test(compact_dates_and_days_first),
        cmocka_unit_test(a_column_has_one_unit),
    };
    return cmocka_run_group_tests_name("moment", tests, NULL, NULL);
}
