/* The section of curves: losses, terms, and every metric that was checked, of all runs together. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "page/chart.h"
#include "page/html.h"
#include "page/page.h"

enum { MANY = 6, OPEN = 4 }; /* of more than so many metrics the first are open */

static bool changes(const rk_page_curve *curve)
{
    for (int64_t i = 1; i < curve->n; i++) {
        if (curve->y[i] != curve->y[0]) {
            return true;
        }
    }
    return false;
}

static bool ends_in(const char *name, const char *end)
{
    const size_t length = strlen(name), of_end = strlen(end);
    return length >= of_end && strcmp(name + length - of_end, end) == 0;
}

/* How long things took is in tables, an error divided by the scale has the shape of the error, and
 * what never changes is in the settings: these are not worth a chart. */
static bool is_shown(const rk_page *page, const char *name)
{
    static const char *const hidden[] = {"seconds", "check_seconds", "samples_per_second", "ranks",
                                         "bytes_sent_per_step"};
    const bool may_be_constant = strcmp(name, "loss") == 0 || strchr(name, '.');
    if (ends_in(name, "_scaled")) {
        return false;
    }
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++) {
        if (strcmp(name, hidden[i]) == 0) {
            return false;
        }
    }
    for (int64_t i = 0; i < page->n_runs; i++) {
        const rk_page_curve *curve = rk__page_curve(&page->runs[i], name);
        if (curve && (may_be_constant || changes(curve))) {
            return true;
        }
    }
    return false;
}

/* Losses and rates have one word; metrics that were checked have their part before them. */
static bool is_metric(const char *name)
{
    return strchr(name, '.') != NULL;
}

/* Whether two curves stand in one chart: of one run all cut-offs of a metric do, "valid.ndcg@10"
 * and "valid.ndcg@20"; of several runs each has a chart, with a line a run. */
static bool is_same_chart(const rk_page *page, const char *a, const char *b)
{
    const size_t length = strcspn(a, "@");
    return page->n_runs > 1 || !a[length] ? strcmp(a, b) == 0
                                          : strncmp(a, b, length) == 0 && b[length] == '@';
}

/* "valid.ndcg@10" -> "ndcg@10 on valid", or "ndcg on valid" */
static void title_of(char out[160], const char *name, bool has_cut_off)
{
    const char *dot = strchr(name, '.');
    if (dot) {
        const size_t length = has_cut_off ? strlen(dot + 1) : strcspn(dot + 1, "@");
        snprintf(out, 160, "%.*s on %.*s", (int)length, dot + 1, (int)(dot - name), name);
    } else {
        snprintf(out, 160, "%s",
                 strcmp(name, "loss") == 0            ? "Loss"
                 : strcmp(name, "learning_rate") == 0 ? "Learning rate"
                                                      : name);
    }
}

/* The name of a line: of several runs of one argument the argument, so that they have one key. */
static const char *line_name(const rk_page *page, int64_t run)
{
    for (int64_t i = 0; i < page->n_runs; i++) {
        if (i != run && page->runs[i].of == page->runs[run].of && page->n_args > 1) {
            return page->paths[page->runs[run].of];
        }
    }
    return page->runs[run].name;
}

static rk_line make_line(const rk_page_run *run, const rk_page_curve *curve, const char *name,
                         int colour)
{
    const char *by = rk__page_text(run->report, "chosen.by");
    return (rk_line){
        .name = name,
        .x = curve->x,
        .y = curve->y,
        .n = curve->n,
        .colour = colour,
        .chosen_x = is_metric(curve->name) && by && strcmp(by, "last epoch") != 0
                        ? rk__page_number(run->report, "chosen.epoch")
                        : (double)NAN,
    };
}

/* lines: room for a line a run and a line a curve. */
static void add_chart(rk_buffer *out, const rk_page *page, const char *name, rk_line *lines)
{
    const rk_page_run *one = &page->runs[0];
    char title[160];
    int64_t n = 0;
    if (page->n_runs == 1) {
        for (int64_t c = 0; c < one->n_curves; c++) {
            const rk_page_curve *curve = &one->curves[c];
            if (is_same_chart(page, name, curve->name)) {
                lines[n] = make_line(one, curve, strchr(curve->name, '@'), (int)n);
                n++;
            }
        }
    }
    for (int64_t i = 0; page->n_runs > 1 && i < page->n_runs; i++) {
        const rk_page_curve *curve = rk__page_curve(&page->runs[i], name);
        if (curve) {
            lines[n++] = make_line(&page->runs[i], curve, line_name(page, i), page->runs[i].colour);
        }
    }
    title_of(title, name, page->n_runs > 1 || n == 1);
    if (n == 1 && page->n_runs == 1) {
        lines[0].name = title;
    }
    rk__chart_add(out, &(rk_chart){.title = title,
                                   .x_label = "epoch",
                                   .y_label = is_metric(name) ? "" : "mean over the epoch's steps",
                                   .lines = lines,
                                   .n_lines = n});
}

/* What a curve belongs to, in the order of the page. */
enum { LOSS, TERMS, METRICS, KINDS };

static int kind_of(const char *name)
{
    return is_metric(name)                                                   ? METRICS
           : strcmp(name, "loss") == 0 || strcmp(name, "learning_rate") == 0 ? LOSS
                                                                             : TERMS;
}

/* The charts of a kind, each by the name of its first curve; of metrics that of eval.metric comes
 * first. names: room for all curves. */
static int64_t list_charts(const rk_page *page, int kind, const char **names)
{
    const char *watched = rk__page_option(&page->runs[0], "eval.metric");
    int64_t n = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t i = 0; i < page->n_runs; i++) {
            for (int64_t c = 0; c < page->runs[i].n_curves; c++) {
                const char *name = page->runs[i].curves[c].name, *dot = strchr(name, '.');
                const bool is_first = dot && strcmp(dot + 1, watched) == 0;
                bool is_new =
                    kind_of(name) == kind && is_first == (pass == 0) && is_shown(page, name);
                for (int64_t j = 0; j < n && is_new; j++) {
                    is_new = !is_same_chart(page, names[j], name);
                }
                if (is_new) {
                    names[n++] = name;
                }
            }
        }
    }
    return n;
}

static void add_charts(rk_buffer *out, const rk_page *page, const char *const *names, int64_t n,
                       rk_line *lines)
{
    rk__buffer_add(out, "<div class=\"pair\">\n");
    for (int64_t i = 0; i < n; i++) {
        add_chart(out, page, names[i], lines);
    }
    rk__buffer_add(out, "</div>\n");
}

/* Terms of a loss, and of many metrics those beyond the first few, open on demand. */
static void add_kind(rk_buffer *out, const rk_page *page, int kind, const char *const *names,
                     int64_t n, rk_line *lines)
{
    const int64_t open = kind == TERMS ? 0 : n > MANY ? OPEN : n;
    if (kind == METRICS && n > 0) {
        rk__buffer_add(out, "<h3>Checks while training</h3>\n");
    }
    if (open > 0) {
        add_charts(out, page, names, open, lines);
    }
    if (open < n) {
        rk__buffer_add(out, kind == TERMS ? "<details><summary>Terms of the loss</summary>\n"
                                          : "<details><summary>More metrics</summary>\n");
        add_charts(out, page, names + open, n - open, lines);
        rk__buffer_add(out, "</details>\n");
    }
}

static rk_status add_all(rk_buffer *out, const rk_page *page, int64_t n_curves)
{
    const char **names = NULL;
    rk_line *lines = NULL;
    rk_status status = RK_OK;
    int64_t all = 0;
    RK_TRY_GOTO(done, rk__alloc(&names, n_curves, sizeof(char *), "the charts of a page"));
    RK_TRY_GOTO(done,
                rk__alloc(&lines, page->n_runs + n_curves, sizeof *lines, "the curves of a page"));
    for (int kind = 0; kind < KINDS; kind++) {
        const int64_t n = list_charts(page, kind, names);
        add_kind(out, page, kind, names, n, lines);
        all += n;
    }
    if (all == 0) {
        rk__buffer_add(out, "<p>The model has no loss, and no epoch was checked (eval.every), so "
                            "there is no curve.</p>\n");
    }
done:
    rk__free(names);
    rk__free(lines);
    return status;
}

rk_status rk__page_add_curves(rk_buffer *out, const rk_page *page)
{
    int64_t epochs = 0, curves = 0;
    for (int64_t i = 0; i < page->n_runs; i++) {
        epochs = page->runs[i].n_epochs > epochs ? page->runs[i].n_epochs : epochs;
        curves += page->runs[i].n_curves;
    }
    rk__buffer_add(out, "<h2 id=\"training\">Training</h2>\n");
    if (epochs > 1) {
        return add_all(out, page, curves);
    }
    rk__buffer_add(out, epochs == 0
                            ? "<p>No epoch was trained.</p>\n"
                            : "<p>The model was computed in one go, or in a single epoch, so there "
                              "is no curve.</p>\n");
    return RK_OK;
}
