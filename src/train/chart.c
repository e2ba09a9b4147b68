#include "train/chart.h"

#include <math.h>
#include <string.h>

#include "base/parse.h"

/* The page scales the drawing; these are its own units. */
enum { WIDTH = 480, HEIGHT = 270, LEFT = 58, RIGHT = 12, TOP = 34, BOTTOM = 46, MAX_POINTS = 1000 };

typedef struct axis {
    double low, high; /* values at the ends of the drawing area */
    double from, to;  /* their places in drawing units */
    double step;      /* between ticks */
    int digits;       /* behind the point in a tick's label */
} axis;

double rk__chart_tick(double range, int most)
{
    double step = pow(10, floor(log10(range / most)));
    while (range / step > most * (1 + 1e-9)) {
        double first = step / pow(10, floor(log10(step) + 1e-9));
        step *= first < 1.5 ? 2 : first < 3 ? 2.5 : 2; /* 1, 2, 5, 10 ... */
    }
    return step;
}

static axis make_axis(double low, double high, double from, double to, int most, double least_step)
{
    if (!(high > low)) { /* one value: some room around it */
        double room = fabs(low) > 0 ? 0.1 * fabs(low) : 1;
        low -= room;
        high += room;
    }
    double step = fmax(rk__chart_tick(high - low, most), least_step);
    int digits = (int)fmax(0, -floor(log10(step) + 1e-9));
    return (axis){low, high, from, to, step, digits};
}

static double place(const axis *a, double value)
{
    return a->from + (value - a->low) / (a->high - a->low) * (a->to - a->from);
}

static void add_number(rk_buffer *out, double value, int digits)
{
    char text[32];
    rk__print_fixed(text, value, digits);
    rk__buffer_add(out, "%s", text);
}

/* attribute="number" with a tenth of a unit. */
static void add_attribute(rk_buffer *out, const char *name, double value)
{
    rk__buffer_add(out, " %s=\"", name);
    add_number(out, value, 1);
    rk__buffer_add(out, "\"");
}

static void add_line(rk_buffer *out, const char *kind, double x1, double y1, double x2, double y2)
{
    rk__buffer_add(out, "<line class=\"%s\"", kind);
    add_attribute(out, "x1", x1);
    add_attribute(out, "y1", y1);
    add_attribute(out, "x2", x2);
    add_attribute(out, "y2", y2);
    rk__buffer_add(out, "/>\n");
}

static void begin_text(rk_buffer *out, const char *anchor, double x, double y)
{
    rk__buffer_add(out, "<text text-anchor=\"%s\"", anchor);
    add_attribute(out, "x", x);
    add_attribute(out, "y", y);
    rk__buffer_add(out, ">");
}

static void add_axes(rk_buffer *out, const rk_chart *c, const axis *x, const axis *y)
{
    for (double v = ceil(y->low / y->step) * y->step; v <= y->high + 1e-9 * y->step; v += y->step) {
        double at = place(y, v);
        add_line(out, "grid", LEFT, at, WIDTH - RIGHT, at);
        begin_text(out, "end", LEFT - 8, at + 4);
        add_number(out, fabs(v) < 1e-9 * y->step ? 0 : v, y->digits);
        rk__buffer_add(out, "</text>\n");
    }
    for (double v = ceil(x->low / x->step) * x->step; v <= x->high + 1e-9 * x->step; v += x->step) {
        double at = place(x, v);
        add_line(out, "axis", at, HEIGHT - BOTTOM, at, HEIGHT - BOTTOM + 5);
        begin_text(out, "middle", at, HEIGHT - BOTTOM + 19);
        add_number(out, v, x->digits);
        rk__buffer_add(out, "</text>\n");
    }
    add_line(out, "axis", LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM);
    add_line(out, "axis", LEFT, TOP, LEFT, HEIGHT - BOTTOM);
    begin_text(out, "middle", (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 8);
    rk__buffer_add(out, "%s</text>\n", c->x_label);
    begin_text(out, "start", 8, 18);
    rk__buffer_add(out, "%s</text>\n", c->y_label);
}

static void add_points(rk_buffer *out, const rk_chart *c, const axis *x, const axis *y)
{
    int64_t stride = c->n / MAX_POINTS + 1, drawn = 0;
    double last_x = 0, last_y = 0;
    bool is_open = false;
    rk__buffer_add(out, "<path class=\"line\" d=\"");
    for (int64_t i = 0; i < c->n; i++) {
        /* Of a long series some points, the last one always; a gap ends a stroke. */
        if (i % stride != 0 && i != c->n - 1) {
            continue;
        }
        if (!isfinite(c->y[i])) {
            is_open = false;
            continue;
        }
        last_x = place(x, c->x[i]);
        last_y = place(y, c->y[i]);
        rk__buffer_add(out, is_open ? "L" : "M");
        add_number(out, last_x, 1);
        rk__buffer_add(out, " ");
        add_number(out, last_y, 1);
        is_open = true;
        drawn++;
    }
    rk__buffer_add(out, "\"/>\n");
    if (drawn > 0) {
        rk__buffer_add(out, "<circle class=\"dot\" r=\"3\"");
        add_attribute(out, "cx", last_x);
        add_attribute(out, "cy", last_y);
        rk__buffer_add(out, "/>\n");
    }
}

void rk__chart_add(rk_buffer *out, const rk_chart *c)
{
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < c->n; i++) {
        if (isfinite(c->y[i])) {
            low = fmin(low, c->y[i]);
            high = fmax(high, c->y[i]);
        }
    }
    if (!(low <= high)) {
        return; /* nothing to draw */
    }
    double margin = 0.04 * (high - low);
    low = low >= 0 && low - margin < 0 ? 0 : low - margin;
    axis y = make_axis(low, high + margin, HEIGHT - BOTTOM, TOP, 6, 0);
    axis x = make_axis(c->x[0], c->x[c->n - 1], LEFT + 6, WIDTH - RIGHT - 6, 8, 1);
    rk__buffer_add(out,
                   "<figure><figcaption>%s</figcaption>\n<svg viewBox=\"0 0 %d %d\" role=\"img\" "
                   "aria-label=\"%s\">\n",
                   c->title, WIDTH, HEIGHT, c->title);
    add_axes(out, c, &x, &y);
    if (isfinite(c->mark_x)) {
        double at = place(&x, c->mark_x);
        bool is_right = at > WIDTH / 2;
        add_line(out, "mark", at, TOP, at, HEIGHT - BOTTOM);
        begin_text(out, is_right ? "end" : "start", is_right ? at - 6 : at + 6,
                   HEIGHT - BOTTOM - 8);
        rk__buffer_add(out, "%s</text>\n", c->mark);
    }
    add_points(out, c, &x, &y);
    rk__buffer_add(out, "</svg></figure>\n");
}
