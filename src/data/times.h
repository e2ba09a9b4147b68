/*
 * The time column of a source, in seconds since 1970.
 *
 * Dates are seconds as they are read. Of numbers the unit is known when all were seen: a column has
 * one unit, whatever its smallest values look like, so that the order of its rows stays.
 */
#ifndef RK_DATA_TIMES_H
#define RK_DATA_TIMES_H

#include <math.h>

#include "base/choices.h"
#include "base/moment.h"
#include "data/table.h"

typedef struct rk_times {
    int unit; /* RK_TIME_UNIT_* */
    bool has_numbers, has_dates;
    /* Of the numbers, without their signs: the largest, and the least that can be a moment of our
     * time in some unit. */
    double largest, least;
    int64_t numbers, compact; /* how many, and how many are dates as 20200920 is one */
    double other;             /* the first that is none; of no meaning where all are */
} rk_times;

/* In seconds: 1973. Less is time that counts from something else, or none. */
#define RK_LEAST_MOMENT 1e8

static inline void rk__times_note(rk_times *times, double number)
{
    double size = fabs(number), ignored;
    times->has_numbers = true;
    times->largest = size > times->largest ? size : times->largest;
    if (size >= RK_LEAST_MOMENT && (times->least == 0 || size < times->least)) {
        times->least = size;
    }
    if (rk__compact_moment(number, &ignored)) {
        times->compact++;
    } else if (times->numbers == times->compact) {
        times->other = number;
    }
    times->numbers++;
}

/* rk__times_read for what is not a plain number. */
rk_status rk__times_read_slow(rk_times *times, const rk_table *table, int place, const char *key,
                              double *out);

/* The time in a field of the current row: seconds of a date, or a number for rk__times_settle.
 * Dates and numbers in one column are an error, and so is a date whose order of day and month
 * nobody knows. key: the option that names the column. */
static inline rk_status rk__times_read(rk_times *times, const rk_table *table, int place,
                                       const char *key, double *out)
{
    rk_text text = table->fields[place];
    if (!times->has_dates && !table->decimal_comma &&
        rk__parse_real(text.at, (size_t)text.length, out) == RK_PARSE_OK) {
        rk__times_note(times, *out);
        return RK_OK;
    }
    return rk__times_read_slow(times, table, place, key, out);
}

/* Makes seconds of n values that were read; after the last one of the source. RK_ERR_DATA where
 * auto cannot tell the unit: values that look like several, or dates among other numbers. */
rk_status rk__times_settle(const rk_times *times, double *values, int64_t n);

/* What a number of this unit is divided by to be seconds; size: of the largest, for auto. */
double rk__time_divisor(int unit, double size);

#endif
