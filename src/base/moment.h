/*
 * Dates and times as people write them, and numbers of some unit, as seconds since 1970 (UTC).
 *
 * ISO 8601 in its usual forms: 2020-09-20, 2020-09-20 23:01, 2020-09-20T23:01:11.250Z, with offsets
 * as +02, +0200 or +02:00, "UTC" for Z, "/" for "-", and the basic form 20200920T230111. Without an
 * offset it is UTC. The calendar is the Gregorian one, before 1582, too.
 */
#ifndef RK_BASE_MOMENT_H
#define RK_BASE_MOMENT_H

#include <stdbool.h>

#include "base/parse.h"

/* RK_PARSE_OUT_OF_RANGE: the form is right, and there is no such day or hour. */
rk_parse rk__parse_moment(const char *text, size_t length, double *out_seconds);

/* 20200920 or 20200920230111: as a number, in *out_seconds what it says if it is a date of 1900 to
 * 2099; false if it is none. */
bool rk__compact_moment(double number, double *out_seconds);

/* "31-12-2020" or "12/31/2020 ..": a date whose order nobody can tell from one row. */
bool rk__looks_like_day_first(const char *text, size_t length);

/* By how much to divide a number of this size to get seconds, if it is a time after 1973: 1 up to
 * 1e11, then 1e3, 1e6, 1e9 for milli-, micro- and nanoseconds. */
double rk__moment_divisor(double largest);

#endif
