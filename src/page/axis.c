#include "page/axis.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "page/chart.h"
#include "page/html.h"

double rk__chart_tick(double range, int most)
{
    double step = pow(10, floor(log10(range / most)));
    while (range / step > most * (1 + 1e-9)) {
        double first = step / pow(10, floor(log10(step) + 1e-9));
        step *= first < 1.5 ? 2 : first < 3 ? 2.5 : 2; /* 1, 2, 5, 10 ... */
    }
    return step;
}

rk_axis rk__axis_make(double low, double high, double from, double to, int most, double least_step,
                      bool is_log)
{
    if (is_log) {
        low = log10(low);
        high = log10(high);
    }
    if (!(high > low)) { /* one value: some room around it */
        double room = fabs(low) > 0 ? 0.1 * fabs(low) : 1;
        low -= room;
        high += room;
    }
    double step = fmax(rk__chart_tick(high - low, most), least_step);
    int digits = (int)fmax(0, -floor(log10(step) + 1e-9));
    return (rk_axis){low, high, from, to, step, digits, is_log, NULL, 0};
}

double rk__axis_least_step(const double *values, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (isfinite(values[i]) && values[i] != floor(values[i])) {
            return 0;
        }
    }
    return 1;
}

rk_axis rk__axis_of_places(const char *const *places, int64_t n, double from, double to)
{
    const double room = 0.3;
    return (rk_axis){-room, (double)(n > 1 ? n - 1 : 0) + room, from, to, 1, 0, false, places, n};
}

double rk__axis_place(const rk_axis *a, double value)
{
    const double at = a->is_log ? log10(value) : value;
    return a->from + (at - a->low) / (a->high - a->low) * (a->to - a->from);
}

static bool next_place(const rk_axis *a, int64_t *at, double *out_place, char out_label[48])
{
    if (*at >= a->n_places) {
        return false;
    }
    *out_place = rk__axis_place(a, (double)*at);
    snprintf(out_label, 48, "%s", a->places[*at]);
    if (strlen(a->places[*at]) >= 48) { /* not in the middle of a character: escaping mends it */
        memcpy(out_label + 44, "...", 4);
    }
    ++*at;
    return true;
}

bool rk__axis_next(const rk_axis *a, int64_t *at, double *out_place, char out_label[48])
{
    char text[32];
    if (a->places) {
        return next_place(a, at, out_place, out_label);
    }
    const double value = (ceil(a->low / a->step - 1e-9) + (double)*at) * a->step;
    if (value > a->high + 1e-9 * a->step) {
        return false;
    }
    *out_place = a->from + (value - a->low) / (a->high - a->low) * (a->to - a->from);
    if (a->is_log) {
        const double power = pow(10, value);
        snprintf(out_label, 48,
                 power >= 1e6 || power < 1e-3 ? "%.1e"
                 : power < 1                  ? "%.2g"
                                              : "%.3g",
                 power);
    } else if (fmax(fabs(a->low), fabs(a->high)) >= 1e6 || a->digits > 5) {
        snprintf(out_label, 48, "%.3g", fabs(value) < 1e-9 * a->step ? 0 : value);
    } else {
        rk__print_fixed(text, fabs(value) < 1e-9 * a->step ? 0 : value, a->digits);
        snprintf(out_label, 48, "%s", text);
    }
    ++*at;
    return true;
}

void rk__svg_number(rk_buffer *out, const char *name, double value)
{
    rk__buffer_add(out, " %s=\"", name);
    rk__html_fixed(out, value, 1);
    rk__buffer_add(out, "\"");
}

void rk__svg_line(rk_buffer *out, const char *kind, double x1, double y1, double x2, double y2)
{
    rk__buffer_add(out, "<line class=\"%s\"", kind);
    rk__svg_number(out, "x1", x1);
    rk__svg_number(out, "y1", y1);
    rk__svg_number(out, "x2", x2);
    rk__svg_number(out, "y2", y2);
    rk__buffer_add(out, "/>\n");
}

void rk__svg_text(rk_buffer *out, const char *anchor, double x, double y, const char *text)
{
    rk__buffer_add(out, "<text text-anchor=\"%s\"", anchor);
    rk__svg_number(out, "x", x);
    rk__svg_number(out, "y", y);
    rk__buffer_add(out, ">");
    rk__html_text(out, text);
    rk__buffer_add(out, "</text>\n");
}

void rk__svg_dot(rk_buffer *out, const char *kind, double r, double x, double y, const char *name)
{
    rk__buffer_add(out, "<circle class=\"%s\"", kind);
    rk__svg_number(out, "r", r);
    rk__svg_number(out, "cx", x);
    rk__svg_number(out, "cy", y);
    rk__buffer_add(out, "><title>");
    rk__html_text(out, name);
    rk__buffer_add(out, "</title></circle>\n");
}

void rk__svg_begin(rk_buffer *out, const char *title, int width, int height)
{
    rk__buffer_add(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", width, height);
    rk__html_text(out, title);
    rk__buffer_add(out, "\">\n");
}

void rk__svg_end(rk_buffer *out)
{
    rk__buffer_add(out, "</svg></figure>\n");
}
