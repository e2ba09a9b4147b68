#include "page/chart.h"

#include <math.h>
#include <stdio.h>

#include "page/axis.h"
#include "page/html.h"

/* The page scales the drawing; these are its own units. POINTS: most of all lines together. */
enum {
    WIDTH = 480,
    HEIGHT = 270,
    LEFT = 64,
    RIGHT = 12,
    TOP = 34,
    BOTTOM = 46,
    POINTS = 2000,
    MOST = 1000, /* of a line */
    FEW = 40,    /* points that each have a dot */
    DOTTED_LINES = 8
};

static void add_caption(rk_buffer *out, const char *title)
{
    rk__buffer_add(out, "<figure><figcaption>");
    rk__html_text(out, title);
    rk__buffer_add(out, "</figcaption>\n");
}

/* Which line is which, where there are several. */
static void add_keys(rk_buffer *out, const rk_chart *c)
{
    if (c->n_lines < 2) {
        return;
    }
    rk__buffer_add(out, "<div>");
    for (int64_t i = 0; i < c->n_lines; i++) {
        const rk_line *l = &c->lines[i];
        bool is_new = true; /* several lines of one thing, e.g. its seeds, have one key */
        for (int64_t j = 0; j < i && is_new; j++) {
            is_new = c->lines[j].colour != l->colour || c->lines[j].is_dashed != l->is_dashed ||
                     c->lines[j].name != l->name;
        }
        if (is_new) {
            rk__buffer_add(out, "<span class=\"key\"><i class=\"c%d%s\"></i>",
                           l->colour % RK_HTML_COLOURS, l->is_dashed ? " dash" : "");
            rk__html_text(out, l->name);
            rk__buffer_add(out, "</span>");
        }
    }
    rk__buffer_add(out, "</div>\n");
}

static void add_axes(rk_buffer *out, const char *x_label, const char *y_label, const rk_axis *x,
                     const rk_axis *y)
{
    char label[48];
    double at = 0;
    for (int64_t i = 0; rk__axis_next(y, &i, &at, label);) {
        rk__svg_line(out, "grid", LEFT, at, WIDTH - RIGHT, at);
        rk__svg_text(out, "end", LEFT - 8, at + 4, label);
    }
    for (int64_t i = 0; rk__axis_next(x, &i, &at, label);) {
        rk__svg_line(out, "axis", at, HEIGHT - BOTTOM, at, HEIGHT - BOTTOM + 5);
        rk__svg_text(out, "middle", at, HEIGHT - BOTTOM + 19, label);
    }
    rk__svg_line(out, "axis", LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM);
    rk__svg_line(out, "axis", LEFT, TOP, LEFT, HEIGHT - BOTTOM);
    rk__svg_text(out, "middle", (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 8, x_label);
    rk__svg_text(out, "start", 8, 18, y_label);
}

static void name_point(char out[160], const char *name, double x, double y)
{
    snprintf(out, 160, "%.80s: %.6g at %.6g", name, y, x);
}

/* The stroke; the last point that is drawn comes back. false: none is. */
static bool add_stroke(rk_buffer *out, const rk_line *l, int64_t stride, const rk_axis *x,
                       const rk_axis *y, double *last_x, double *last_y)
{
    bool is_open = false, is_any = false;
    rk__buffer_add(out, "<path class=\"line%s\" d=\"", l->is_dashed ? " dash" : "");
    for (int64_t i = 0; i < l->n; i++) {
        /* Of a long series some points, the last one always; a gap ends a stroke. */
        if (i % stride != 0 && i != l->n - 1) {
            continue;
        }
        if (!isfinite(l->y[i])) {
            is_open = false;
            continue;
        }
        rk__buffer_add(out, is_open ? "L" : "M");
        rk__html_fixed(out, rk__axis_place(x, l->x[i]), 1);
        rk__buffer_add(out, " ");
        rk__html_fixed(out, rk__axis_place(y, l->y[i]), 1);
        is_open = is_any = true;
        *last_x = l->x[i];
        *last_y = l->y[i];
    }
    rk__buffer_add(out, "\"><title>");
    rk__html_text(out, l->name);
    rk__buffer_add(out, "</title></path>\n");
    return is_any;
}

static void add_line(rk_buffer *out, const rk_chart *c, const rk_line *l, const rk_axis *x,
                     const rk_axis *y)
{
    char name[160];
    const int64_t most = POINTS / c->n_lines < MOST ? POINTS / c->n_lines + 20 : MOST;
    double last_x = 0, last_y = 0;
    rk__buffer_add(out, "<g class=\"c%d\">\n", l->colour % RK_HTML_COLOURS);
    const bool is_any = add_stroke(out, l, l->n / most + 1, x, y, &last_x, &last_y);
    const bool has_dots = l->n <= FEW && c->n_lines <= DOTTED_LINES;
    for (int64_t i = 0; has_dots && i < l->n; i++) {
        if (isfinite(l->y[i])) {
            name_point(name, l->name, l->x[i], l->y[i]);
            if (c->places) {
                snprintf(name, sizeof name, "%.80s, %.40s: %.6g", l->name,
                         c->places[(int64_t)l->x[i]], l->y[i]);
            }
            rk__svg_dot(out, "dot", 2.5, rk__axis_place(x, l->x[i]), rk__axis_place(y, l->y[i]),
                        name);
        }
    }
    if (is_any && !has_dots) {
        name_point(name, l->name, last_x, last_y);
        rk__svg_dot(out, "dot", 3, rk__axis_place(x, last_x), rk__axis_place(y, last_y), name);
    }
    for (int64_t i = 0; c->n_lines > 1 && i < l->n; i++) {
        if (l->x[i] == l->chosen_x && isfinite(l->y[i])) {
            snprintf(name, sizeof name, "%.80s, chosen: %.6g at %.6g", l->name, l->y[i], l->x[i]);
            rk__svg_dot(out, "ring", 4, rk__axis_place(x, l->x[i]), rk__axis_place(y, l->y[i]),
                        name);
        }
    }
    rk__buffer_add(out, "</g>\n");
}

/* Where a line is at a place; NaN where it has no point there. */
static double value_at(const rk_line *l, double x)
{
    for (int64_t i = 0; i < l->n; i++) {
        if (l->x[i] == x) {
            return l->y[i];
        }
    }
    return (double)NAN;
}

/* Of a single line the chosen point has a line of its own, with a word where the other is not. */
static void add_mark(rk_buffer *out, const rk_chart *c, const rk_axis *x, const rk_axis *y)
{
    const double value = c->lines[0].chosen_x;
    if (c->n_lines == 1 && isfinite(value)) {
        const double at = rk__axis_place(x, value);
        const bool is_right = at > WIDTH / 2;
        const bool is_low = rk__axis_place(y, value_at(&c->lines[0], value)) > HEIGHT / 2.0;
        rk__svg_line(out, "mark", at, TOP, at, HEIGHT - BOTTOM);
        rk__svg_text(out, is_right ? "end" : "start", is_right ? at - 6 : at + 6,
                     is_low ? TOP + 12 : HEIGHT - BOTTOM - 8, "chosen");
    }
}

/* Widens [low, high] by finite values. */
static void span(const double *values, int64_t n, double *low, double *high)
{
    for (int64_t i = 0; i < n; i++) {
        if (isfinite(values[i])) {
            *low = fmin(*low, values[i]);
            *high = fmax(*high, values[i]);
        }
    }
}

static rk_axis upright(double low, double high)
{
    const double margin = 0.04 * (high - low);
    low = low >= 0 && low - margin < 0 ? 0 : low - margin;
    return rk__axis_make(low, high + margin, HEIGHT - BOTTOM, TOP, 6, 0, false);
}

void rk__chart_add(rk_buffer *out, const rk_chart *c)
{
    double low = INFINITY, high = -INFINITY, first = INFINITY, last = -INFINITY;
    for (int64_t i = 0; i < c->n_lines; i++) {
        span(c->lines[i].y, c->lines[i].n, &low, &high);
        span(c->lines[i].x, c->lines[i].n, &first, &last);
    }
    if (!(low <= high)) {
        return; /* nothing to draw */
    }
    rk_axis y = upright(low, high);
    rk_axis x = c->places ? rk__axis_of_places(c->places, c->n_places, LEFT, WIDTH - RIGHT)
                          : rk__axis_make(first, last, LEFT + 6, WIDTH - RIGHT - 6, 8, 1, false);
    add_caption(out, c->title);
    add_keys(out, c);
    rk__svg_begin(out, c->title, WIDTH, HEIGHT);
    add_axes(out, c->x_label, c->y_label, &x, &y);
    add_mark(out, c, &x, &y);
    for (int64_t i = 0; i < c->n_lines; i++) {
        add_line(out, c, &c->lines[i], &x, &y);
    }
    rk__svg_end(out);
}

void rk__scatter_add(rk_buffer *out, const rk_scatter *s)
{
    double low = INFINITY, high = -INFINITY, first = INFINITY, last = -INFINITY;
    for (int64_t i = 0; i < s->n; i++) {
        if (isfinite(s->x[i]) && isfinite(s->y[i])) {
            span(&s->y[i], 1, &low, &high);
            span(&s->x[i], 1, &first, &last);
        }
    }
    if (!(low <= high)) {
        return;
    }
    rk_axis y = upright(low, high);
    rk_axis x = s->places ? rk__axis_of_places(s->places, s->n_places, LEFT, WIDTH - RIGHT)
                          : rk__axis_make(first, last, LEFT + 10, WIDTH - RIGHT - 10, 6,
                                          rk__axis_least_step(s->x, s->n), s->is_log);
    add_caption(out, s->title);
    rk__svg_begin(out, s->title, WIDTH, HEIGHT);
    add_axes(out, s->x_label, s->y_label, &x, &y);
    rk__buffer_add(out, "<g class=\"c0\">\n");
    for (int64_t i = 0; i < s->n; i++) {
        if (isfinite(s->x[i]) && isfinite(s->y[i])) {
            rk__svg_dot(out, i == s->best ? "ring" : "dot", i == s->best ? 5 : 3.5,
                        rk__axis_place(&x, s->x[i]), rk__axis_place(&y, s->y[i]), s->names[i]);
        }
    }
    rk__buffer_add(out, "</g>\n");
    rk__svg_end(out);
}
