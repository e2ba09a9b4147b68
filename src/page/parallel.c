/* Parallel coordinates: a line a trial over the axes of its options and of what came of it
 * (Inselberg 1985). */
#include <math.h>
#include <string.h>

#include "page/axis.h"
#include "page/chart.h"
#include "page/html.h"

enum { HEIGHT = 380, TOP = 54, BOTTOM = 18, SIDE = 60, APART = 128, LEAST = 900, MOST_LINES = 400 };

static rk_axis make_axis(const rk_parallel *p, int64_t a)
{
    const rk_parallel_axis *axis = &p->axes[a];
    double low = INFINITY, high = -INFINITY;
    if (axis->places) {
        return rk__axis_of_places(axis->places, axis->n_places, HEIGHT - BOTTOM, TOP);
    }
    for (int64_t i = 0; i < p->n; i++) {
        if (isfinite(axis->values[i])) {
            low = fmin(low, axis->values[i]);
            high = fmax(high, axis->values[i]);
        }
    }
    if (!(low <= high)) {
        low = high = 0;
    }
    return rk__axis_make(low, high, HEIGHT - BOTTOM, TOP, 6,
                         rk__axis_least_step(axis->values, p->n), axis->is_log && low > 0);
}

/* Room beside an outer axis: half its name, left of it also its labels; a letter has 8 units. */
static double side(const rk_parallel *p, int64_t a)
{
    double at = 0, room = 4 * (double)strlen(p->axes[a].name) + 4;
    char label[48];
    const rk_axis axis = make_axis(p, a);
    for (int64_t i = 0; a == 0 && rk__axis_next(&axis, &i, &at, label);) {
        room = fmax(room, 8 * (double)strlen(label) + 10);
    }
    return fmax(room, SIDE);
}

static double across(const rk_parallel *p, int64_t a, int width)
{
    const double left = side(p, 0), right = side(p, p->n_axes - 1);
    return left + (double)a * (width - left - right) / (double)(p->n_axes - 1);
}

/* How good a value is, 0 the worst to 1 the best; -1: it has none. */
static double goodness(const rk_parallel *p, int64_t i, const rk_axis *last)
{
    const double value = p->axes[p->n_axes - 1].values[i];
    if (!isfinite(value)) {
        return -1;
    }
    const double share = (value - last->low) / (last->high - last->low);
    return p->lower_is_better ? 1 - share : share;
}

static void add_trial(rk_buffer *out, const rk_parallel *p, int64_t i, int width,
                      const rk_axis *last)
{
    const double good = goodness(p, i, last);
    bool is_open = false;
    if (i == p->best) {
        rk__buffer_add(out, "<path class=\"line c1\" stroke-width=\"4\" d=\"");
    } else {
        rk__buffer_add(out, "<path class=\"line thin %s\"", good < 0 ? "soft dash" : "c0");
        rk__buffer_add(out, " style=\"opacity:%.2f\" d=\"", good < 0 ? 0.3 : 0.15 + 0.7 * good);
    }
    for (int64_t a = 0; a < p->n_axes; a++) {
        if (!isfinite(p->axes[a].values[i])) {
            is_open = false;
            continue;
        }
        const rk_axis axis = make_axis(p, a);
        rk__buffer_add(out, is_open ? "L" : "M");
        rk__html_fixed(out, across(p, a, width), 1);
        rk__buffer_add(out, " ");
        rk__html_fixed(out, rk__axis_place(&axis, p->axes[a].values[i]), 1);
        is_open = true;
    }
    rk__buffer_add(out, "\"><title>");
    rk__html_text(out, p->names[i]);
    rk__buffer_add(out, "</title></path>\n");
}

static void add_axis(rk_buffer *out, const rk_parallel *p, int64_t a, int width)
{
    const rk_axis axis = make_axis(p, a);
    const double x = across(p, a, width);
    char label[48];
    double at = 0;
    rk__svg_line(out, "axis", x, TOP, x, HEIGHT - BOTTOM);
    for (int64_t i = 0; rk__axis_next(&axis, &i, &at, label);) {
        rk__svg_line(out, "axis", x - 4, at, x, at);
        rk__svg_text(out, "end", x - 7, at + 4, label);
    }
    /* Every other name a line higher, so that neighbours do not touch. */
    rk__svg_text(out, "middle", x, a % 2 == 0 ? TOP - 32 : TOP - 14, p->axes[a].name);
}

void rk__parallel_add(rk_buffer *out, const rk_parallel *p)
{
    const int wanted = 2 * SIDE + APART * (int)(p->n_axes - 1);
    const int width = wanted > LEAST ? wanted : LEAST;
    if (p->n == 0 || p->n_axes < 2) {
        return;
    }
    const rk_axis last = make_axis(p, p->n_axes - 1);
    /* Of very many trials every few are drawn, the best one always. */
    const int64_t stride = p->n / MOST_LINES + 1;
    rk__buffer_add(out, "<div class=\"scroll\"><figure style=\"min-width:%dpx\"><figcaption>",
                   width * 3 / 4);
    rk__html_text(out, p->title);
    rk__buffer_add(out, "</figcaption>\n");
    rk__svg_begin(out, p->title, width, HEIGHT);
    for (int64_t i = 0; i < p->n; i += stride) {
        if (i != p->best) {
            add_trial(out, p, i, width, &last);
        }
    }
    if (p->best >= 0) {
        add_trial(out, p, p->best, width, &last);
    }
    for (int64_t a = 0; a < p->n_axes; a++) {
        add_axis(out, p, a, width);
    }
    rk__svg_end(out);
    rk__buffer_add(out, "</div>\n");
}
