/* A line chart as inline SVG: axes with round ticks, labels, one or two lines. */
#ifndef RK_TRAIN_CHART_H
#define RK_TRAIN_CHART_H

#include <stdint.h>

#include "base/buffer.h"

typedef struct rk_chart {
    const char *title, *x_label, *y_label;
    const double *x, *y; /* n points, x ascending; a y that is not finite leaves a gap */
    int64_t n;
    double mark_x; /* a vertical line there; NaN = none */
    const char *mark;
} rk_chart;

void rk__chart_add(rk_buffer *out, const rk_chart *chart);

/* A step of 1, 2 or 5 times a power of ten that makes at most `most` intervals of the range. */
double rk__chart_tick(double range, int most);

#endif
