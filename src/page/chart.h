/* Drawings as inline SVG: lines over numbers or named places, points, lines over several axes. They
 * scale with the page, take its colours, and show a name where the pointer rests on a line. */
#ifndef RK_PAGE_CHART_H
#define RK_PAGE_CHART_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

typedef struct rk_line {
    const char *name;
    const double *x, *y; /* n points, x ascending; a y that is not finite leaves a gap */
    int64_t n;
    int colour;      /* from 0; beyond the last one they begin again */
    bool is_dashed;  /* something to hold the others against */
    double chosen_x; /* a point there that is marked as chosen; NaN = none */
} rk_line;

typedef struct rk_chart {
    const char *title, *x_label, *y_label;
    const rk_line *lines;
    int64_t n_lines;
    /* What stands below x = 0, 1, 2 ... in place of numbers; NULL = numbers. */
    const char *const *places;
    int64_t n_places;
} rk_chart;

/* Nothing where no line has a finite value. */
void rk__chart_add(rk_buffer *out, const rk_chart *chart);

/* Points of their own, e.g. what an option did. */
typedef struct rk_scatter {
    const char *title, *x_label, *y_label;
    const double *x, *y; /* n; what is not finite is not drawn */
    const char *const *names;
    int64_t n;
    int64_t best;              /* the point that is drawn as a ring; -1 = none */
    bool is_log;               /* x by powers of ten; all of them are above 0 */
    const char *const *places; /* as of rk_chart */
    int64_t n_places;
} rk_scatter;
void rk__scatter_add(rk_buffer *out, const rk_scatter *scatter);

/* An axis of parallel coordinates. */
typedef struct rk_parallel_axis {
    const char *name;
    const double *values; /* [n]; not finite = the line has none there and is broken */
    bool is_log;
    const char *const *places; /* as of rk_chart */
    int64_t n_places;
} rk_parallel_axis;

/* A line for each of n, the stronger the better its value on the last axis is. */
typedef struct rk_parallel {
    const char *title;
    const rk_parallel_axis *axes;
    int64_t n_axes, n;
    const char *const *names; /* [n] */
    int64_t best;             /* its line is drawn last and thick; -1 = none */
    bool lower_is_better;     /* on the last axis */
} rk_parallel;
void rk__parallel_add(rk_buffer *out, const rk_parallel *parallel);

/* A step of 1, 2 or 5 times a power of ten that makes at most `most` intervals of the range. */
double rk__chart_tick(double range, int most);

#endif
