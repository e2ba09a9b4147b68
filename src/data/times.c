#include "data/times.h"

#include "base/error.h"

static rk_status mixed(const rk_table *table, int place)
{
    RK_FAIL_AT(&table->lines, table->fields[place].at,
               "%s '%s' is of another form than in earlier rows: a column has either numbers or "
               "dates",
               table->titles[place], rk__shown(table->fields[place]).text);
}

static rk_status no_time(const rk_table *table, int place, const char *key, rk_parse parsed)
{
    rk_text field = table->fields[place], trimmed = rk__trimmed(field);
    const char *title = table->titles[place];
    rk_shown shown = rk__shown(field);
    if (trimmed.length == 0) {
        RK_FAIL_AT(&table->lines, field.at,
                   "%s '%s' is not a number or a date, which %s needs; to leave such rows out set "
                   "where to \"%s != ''\"",
                   title, shown.text, key, title);
    }
    if (parsed == RK_PARSE_OUT_OF_RANGE) {
        RK_FAIL_AT(&table->lines, field.at, "%s '%s' is too large, or there is no such day or hour",
                   title, shown.text);
    }
    if (rk__looks_like_day_first(trimmed.at, (size_t)trimmed.length)) {
        RK_FAIL_AT(&table->lines, field.at,
                   "%s '%s' is not a date of one meaning, is the day or the month first? Write it "
                   "as 2020-09-20",
                   title, shown.text);
    }
    RK_FAIL_AT(&table->lines, field.at,
               "%s '%s' is not a number or a date such as 2020-09-20T23:01:11Z, which %s needs",
               title, shown.text, key);
}

rk_status rk__times_read_slow(rk_times *times, const rk_table *table, int place, const char *key,
                              double *out)
{
    rk_text text = rk__trimmed(table->fields[place]);
    rk_parse parsed = rk__table_parse(table, text, out);
    if (parsed == RK_PARSE_OK) {
        rk__times_note(times, *out);
        return times->has_dates ? mixed(table, place) : RK_OK;
    }
    if (parsed == RK_PARSE_NOT_A_NUMBER) {
        parsed = rk__parse_moment(text.at, (size_t)text.length, out);
    }
    if (parsed != RK_PARSE_OK) {
        return no_time(table, place, key, parsed);
    }
    if (times->unit != RK_TIME_UNIT_AUTO) {
        RK_FAIL_AT(&table->lines, table->fields[place].at,
                   "%s '%s' is a date, but time_unit is for numbers: leave it at auto",
                   table->titles[place], rk__shown(text).text);
    }
    times->has_dates = true;
    return times->has_numbers ? mixed(table, place) : RK_OK;
}

double rk__time_divisor(int unit, double size)
{
    static const double divisors[] = {[RK_TIME_UNIT_S] = 1,
                                      [RK_TIME_UNIT_MS] = 1e3,
                                      [RK_TIME_UNIT_US] = 1e6,
                                      [RK_TIME_UNIT_NS] = 1e9};
    return unit == RK_TIME_UNIT_AUTO ? rk__moment_divisor(size) : divisors[unit];
}

/* Auto goes by the column as a whole: what contradicts it is not guessed at. */
static rk_status check_auto(const rk_times *times)
{
    if (times->compact > times->numbers / 2 && times->compact < times->numbers) {
        RK_FAIL(RK_ERR_DATA,
                "%lld of %lld times are dates such as 20200920, but %.15g is none: leave such rows "
                "out by where, or set time_unit to s if all are numbers of seconds",
                (long long)times->compact, (long long)times->numbers, times->other);
    }
    if (times->least > 0 &&
        rk__moment_divisor(times->least) != rk__moment_divisor(times->largest)) {
        RK_FAIL(RK_ERR_DATA,
                "the times %.15g and %.15g look like different units: write all in one, or set "
                "time_unit (s, ms, us or ns) if they are",
                times->least, times->largest);
    }
    return RK_OK;
}

rk_status rk__times_settle(const rk_times *times, double *values, int64_t n)
{
    if (!times->has_numbers) {
        return RK_OK;
    }
    if (times->unit == RK_TIME_UNIT_AUTO && times->compact == times->numbers) {
        for (int64_t i = 0; i < n; i++) {
            (void)rk__compact_moment(values[i], &values[i]);
        }
        return RK_OK;
    }
    RK_TRY(times->unit == RK_TIME_UNIT_AUTO ? check_auto(times) : RK_OK);
    double divisor = rk__time_divisor(times->unit, times->largest);
    for (int64_t i = 0; i < n && divisor != 1; i++) {
        values[i] /= divisor;
    }
    return RK_OK;
}
