/* The axes of drawings: where a value is, and what stands beside it. */
#ifndef RK_PAGE_AXIS_H
#define RK_PAGE_AXIS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

typedef struct rk_axis {
    double low, high; /* values at the ends, of a logarithmic axis their logarithms */
    double from, to;  /* their places in drawing units */
    double step;      /* between ticks */
    int digits;       /* behind the point in a tick's label */
    bool is_log;
    const char *const *places; /* names of 0, 1, 2 ...; NULL = numbers */
    int64_t n_places;
} rk_axis;

/* An axis over numbers from low to high, which may be equal; at most `most` ticks or so, not less
 * than least_step apart. is_log: both are above 0. */
rk_axis rk__axis_make(double low, double high, double from, double to, int most, double least_step,
                      bool is_log);
/* The least step between ticks of these values: 1 where all of them are whole, else 0. */
double rk__axis_least_step(const double *values, int64_t n);
/* One over named places. */
rk_axis rk__axis_of_places(const char *const *places, int64_t n, double from, double to);

double rk__axis_place(const rk_axis *axis, double value);

/* The ticks one after the other, beginning with *at = 0: where, and what it says. */
bool rk__axis_next(const rk_axis *axis, int64_t *at, double *out_place, char out_label[48]);

/* Pieces of SVG. */
void rk__svg_number(rk_buffer *out, const char *name, double value); /* name="1.5" */
void rk__svg_line(rk_buffer *out, const char *kind, double x1, double y1, double x2, double y2);
/* anchor: start, middle or end; the text is escaped. */
void rk__svg_text(rk_buffer *out, const char *anchor, double x, double y, const char *text);
/* A point with a name that the pointer shows. */
void rk__svg_dot(rk_buffer *out, const char *kind, double r, double x, double y, const char *name);
/* figure, caption and the opened svg. */
void rk__svg_begin(rk_buffer *out, const char *title, int width, int height);
void rk__svg_end(rk_buffer *out);

#endif
