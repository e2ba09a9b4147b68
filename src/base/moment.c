#include "base/moment.h"

#include <math.h>
#include <string.h>

/* What is left of a text. */
typedef struct cursor {
    const char *at, *stop;
} cursor;

static bool take(cursor *c, char wanted)
{
    if (c->at < c->stop && *c->at == wanted) {
        c->at++;
        return true;
    }
    return false;
}

/* Exactly n digits. */
static bool digits(cursor *c, int n, int *out)
{
    int value = 0;
    if (c->stop - c->at < n) {
        return false;
    }
    for (int i = 0; i < n; i++) {
        if (c->at[i] < '0' || c->at[i] > '9') {
            return false;
        }
        value = value * 10 + (c->at[i] - '0');
    }
    c->at += n;
    *out = value;
    return true;
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static bool is_day(int year, int month, int day)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return year >= 1 && month >= 1 && month <= 12 && day >= 1 &&
           day <= lengths[month - 1] + (month == 2 && is_leap(year));
}

/* Days from 1970-01-01; years begin in March, so that the leap day is the last one. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* .25 or ,25; the digits behind the ninth change nothing that a double of seconds could hold. */
static bool fraction(cursor *c, double *out)
{
    double unit = 0.1;
    if (!take(c, '.') && !take(c, ',')) {
        return true;
    }
    const char *begin = c->at;
    for (; c->at < c->stop && *c->at >= '0' && *c->at <= '9'; c->at++) {
        *out += (*c->at - '0') * unit;
        unit /= 10;
    }
    return c->at > begin;
}

/* Seconds to take off; nothing is UTC. */
static bool offset(cursor *c, int *out)
{
    int hours = 0, minutes = 0;
    *out = 0;
    while (take(c, ' ')) {
    }
    if (c->at == c->stop) {
        return true;
    }
    if (take(c, 'Z') || take(c, 'z')) {
        return c->at == c->stop;
    }
    if (c->stop - c->at == 3 && (memcmp(c->at, "UTC", 3) == 0 || memcmp(c->at, "GMT", 3) == 0)) {
        c->at = c->stop;
        return true;
    }
    bool is_west = take(c, '-');
    if ((!is_west && !take(c, '+')) || !digits(c, 2, &hours)) {
        return false;
    }
    if (c->at < c->stop) {
        take(c, ':');
        if (!digits(c, 2, &minutes)) {
            return false;
        }
    }
    *out = (is_west ? -1 : 1) * (hours * 3600 + minutes * 60);
    return c->at == c->stop && hours < 24 && minutes < 60;
}

/* HH:MM[:SS[.fraction]] or HHMM[SS]; *out_seconds within the day, 86400 for 24:00. */
static rk_parse time_of_day(cursor *c, double *out_seconds)
{
    int hour = 0, minute = 0, second = 0;
    double part = 0;
    if (!digits(c, 2, &hour)) {
        return RK_PARSE_NOT_A_NUMBER;
    }
    bool is_extended = take(c, ':');
    if (!digits(c, 2, &minute)) {
        return RK_PARSE_NOT_A_NUMBER;
    }
    bool has_seconds =
        is_extended ? take(c, ':') : c->at < c->stop && *c->at >= '0' && *c->at <= '9';
    if (has_seconds && (!digits(c, 2, &second) || !fraction(c, &part))) {
        return RK_PARSE_NOT_A_NUMBER;
    }
    bool is_midnight = hour == 24 && minute == 0 && second == 0 && part == 0;
    if ((hour > 23 && !is_midnight) || minute > 59 || second > 60) { /* 60 is a leap second */
        return RK_PARSE_OUT_OF_RANGE;
    }
    *out_seconds = hour * 3600 + minute * 60 + second + part;
    return RK_PARSE_OK;
}

rk_parse rk__parse_moment(const char *text, size_t length, double *out_seconds)
{
    cursor c = {text, text + length};
    int year = 0, month = 0, day = 0, east = 0;
    double of_day = 0;
    if (!digits(&c, 4, &year)) {
        return RK_PARSE_NOT_A_NUMBER;
    }
    char between = c.at < c.stop && (*c.at == '-' || *c.at == '/') ? *c.at : '\0';
    if ((between && !take(&c, between)) || !digits(&c, 2, &month) ||
        (between && !take(&c, between)) || !digits(&c, 2, &day)) {
        return RK_PARSE_NOT_A_NUMBER;
    }
    bool is_alone = c.at == c.stop;
    if (is_alone ? !between : !(take(&c, 'T') || take(&c, 't') || (between && take(&c, ' ')))) {
        return RK_PARSE_NOT_A_NUMBER; /* 20200920 alone is a number */
    }
    if (!is_alone) {
        rk_parse parsed = time_of_day(&c, &of_day);
        if (parsed != RK_PARSE_OK) {
            return parsed;
        }
        if (!offset(&c, &east)) {
            return RK_PARSE_NOT_A_NUMBER;
        }
    }
    if (!is_day(year, month, day)) {
        return RK_PARSE_OUT_OF_RANGE;
    }
    *out_seconds = (double)(days_of(year, month, day) * 86400 - east) + of_day;
    return RK_PARSE_OK;
}

bool rk__compact_moment(double number, double *out_seconds)
{
    if (!(number >= 19000101 && number <= 20991231235959.0) || floor(number) != number) {
        return false;
    }
    int64_t value = (int64_t)number, of_day = 0;
    if (value > 20991231) {
        if (value < 19000101000000) {
            return false;
        }
        of_day = value % 1000000;
        value /= 1000000;
    }
    int year = (int)(value / 10000), month = (int)(value / 100 % 100), day = (int)(value % 100);
    int hour = (int)(of_day / 10000), minute = (int)(of_day / 100 % 100), s = (int)(of_day % 100);
    if (!is_day(year, month, day) || hour > 23 || minute > 59 || s > 59) {
        return false;
    }
    *out_seconds = (double)(days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + s);
    return true;
}

bool rk__looks_like_day_first(const char *text, size_t length)
{
    size_t i = 0;
    int groups = 0;
    while (i < length && groups < 3) {
        size_t begin = i;
        while (i < length && text[i] >= '0' && text[i] <= '9') {
            i++;
        }
        size_t n = i - begin;
        if (n == 0 || (groups < 2 && n > 2) || (groups == 2 && n != 4 && n != 2)) {
            return false;
        }
        groups++;
        if (groups < 3 && (i == length || !strchr("-/.", text[i++]))) {
            return false;
        }
    }
    return groups == 3;
}

double rk__moment_divisor(double largest)
{
    return largest < 1e11 ? 1 : largest < 1e14 ? 1e3 : largest < 1e17 ? 1e6 : 1e9;
}
