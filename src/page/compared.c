/* The section of paired tests: what rk_compare found. */
#include <math.h>
#include <stdio.h>

#include "page/axis.h"
#include "page/html.h"
#include "page/page.h"

enum { WIDTH = 480, LEFT = 130, RIGHT = 16, TOP = 12, ROW = 22, BOTTOM = 30 };

static bool has_interval(const rk_comparison *c, int64_t m)
{
    const rk_compared_metric *metric = &c->metrics[m];
    return metric->is_paired && metric->values[0] != 0;
}

/* Differences in percent of the first run's value, with their intervals. */
static void add_picture(rk_buffer *out, const rk_comparison *c, int64_t r)
{
    double low = 0, high = 0, at = 0;
    int64_t rows = 0;
    char label[48];
    for (int64_t m = 0; m < c->n_metrics; m++) {
        if (has_interval(c, m)) {
            const double unit = 100 / fabs(c->metrics[m].values[0]);
            low = fmin(low, unit * c->metrics[m].paired[r].low);
            high = fmax(high, unit * c->metrics[m].paired[r].high);
            rows++;
        }
    }
    if (rows == 0 || !(high > low)) {
        return;
    }
    const double bottom = TOP + ROW * (double)rows;
    const rk_axis x = rk__axis_make(low, high, LEFT + 8, WIDTH - RIGHT, 6, 0, false);
    /* in the half of a pair, as all charts: alone it would be as wide as the page, with its text */
    rk__buffer_add(out, "<div class=\"pair\">\n<figure>");
    rk__buffer_add(out, "<figcaption>Difference to [1], percent of its value</figcaption>");
    rk__svg_begin(out, "Differences with their intervals", WIDTH, (int)bottom + BOTTOM);
    for (int64_t i = 0; rk__axis_next(&x, &i, &at, label);) {
        rk__svg_line(out, "grid", at, TOP, at, bottom);
        rk__svg_text(out, "middle", at, bottom + 18, label);
    }
    rk__svg_line(out, "axis", rk__axis_place(&x, 0), TOP, rk__axis_place(&x, 0), bottom);
    rk__buffer_add(out, "<g class=\"c0\">\n");
    for (int64_t m = 0, row = 0; m < c->n_metrics; m++) {
        if (!has_interval(c, m)) {
            continue;
        }
        const rk_paired *p = &c->metrics[m].paired[r];
        const double unit = 100 / fabs(c->metrics[m].values[0]);
        const double y = TOP + ROW * ((double)row++ + 0.5);
        rk__svg_text(out, "end", LEFT, y + 4, c->metrics[m].name);
        rk__svg_line(out, "line", rk__axis_place(&x, unit * p->low), y,
                     rk__axis_place(&x, unit * p->high), y);
        snprintf(label, sizeof label, "%+.2f %%", unit * p->difference);
        rk__svg_dot(out, "dot", 4, rk__axis_place(&x, unit * p->difference), y, label);
    }
    rk__buffer_add(out, "</g>\n");
    rk__svg_end(out);
    rk__buffer_add(out, "</div>\n");
}

static void add_signed(rk_buffer *out, const char *classes, double value)
{
    rk__buffer_add(out, "<td class=\"%s\">%s", classes, value > 0 ? "+" : "");
    rk__html_fixed(out, value, 5);
    rk__buffer_add(out, "</td>");
}

static void add_table(rk_buffer *out, const rk_comparison *c, int64_t r)
{
    rk__html_table_begin(out, "paired");
    rk__buffer_add(out,
                   "<tr><th>metric</th><th>[1]</th><th>[%lld]</th><th>difference</th><th>%g %% "
                   "interval from</th><th>to</th><th>t</th><th>p</th><th>better</th><th>worse</th>"
                   "<th>equal</th></tr>\n",
                   (long long)r + 1, 100 * c->how.confidence);
    for (int64_t m = 0; m < c->n_metrics; m++) {
        const rk_compared_metric *metric = &c->metrics[m];
        const rk_paired *p = &metric->paired[r];
        rk__buffer_add(out, "<tr>");
        rk__html_cell_text(out, "", metric->name);
        rk__html_cell(out, "", metric->values[0], 5);
        rk__html_cell(out, "", metric->values[r], 5);
        if (!metric->is_paired) {
            rk__buffer_add(out, "<td colspan=\"8\">one number for all users</td></tr>\n");
            continue;
        }
        add_signed(out, p->low > 0 || p->high < 0 ? "best" : "", p->difference);
        add_signed(out, "", p->low);
        add_signed(out, "", p->high);
        rk__html_cell(out, "", p->t, 2);
        rk__buffer_add(out, "<td>%.2g</td><td>", p->p);
        rk__html_count(out, (double)p->better);
        rk__buffer_add(out, "</td><td>");
        rk__html_count(out, (double)p->worse);
        rk__buffer_add(out, "</td><td>");
        rk__html_count(out, (double)p->equal);
        rk__buffer_add(out, "</td></tr>\n");
    }
    rk__html_table_end(out);
}

void rk__page_add_compared(rk_buffer *out, const rk_page *page)
{
    const rk_comparison *c = page->how->comparison;
    if (!c) {
        return;
    }
    rk__buffer_add(out, "<h2 id=\"paired\">Paired tests</h2>\n<p>Over ");
    rk__html_count(out, (double)c->users);
    rk__buffer_add(out, " users of %s, two-sided: t-test, and percentile interval of ",
                   rk_part_name(c->how.part));
    rk__html_count(out, (double)c->how.replicates);
    rk__buffer_add(out, " bootstrap replicates. Differences whose interval is on one side of 0 are "
                        "coloured.</p>\n");
    for (int64_t r = 1; r < c->n_runs; r++) {
        rk__buffer_add(out, "<h3>[%lld] ", (long long)r + 1);
        rk__html_name(out, c->runs[r].folder);
        rk__buffer_add(out, " minus [1] ");
        rk__html_name(out, c->runs[0].folder);
        rk__buffer_add(out, "</h3>\n");
        if (c->runs[r].seeds > 1 || c->runs[0].seeds > 1) {
            rk__buffer_add(out, "<p>A user's value is the mean over %lld and %lld seeds.</p>\n",
                           (long long)c->runs[r].seeds, (long long)c->runs[0].seeds);
        }
        add_table(out, c, r);
        add_picture(out, c, r);
    }
}
