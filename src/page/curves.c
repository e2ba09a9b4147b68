/* The section of curves: losses, terms, and every metric that was checked, of all runs together. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "page/chart.h"
#include "page/html.h"
#include "page/page.h"

/* How long things took is in tables; these are not worth a chart. */
static bool is_shown(const rk_page_curve *curve)
{
    static const char *const hidden[] = {"seconds", "check_seconds", "samples_per_second",
                                         "ranks", "bytes_sent_per_step"};
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++) {
        if (strcmp(curve->name, hidden[i]) == 0) {
            return false;
        }
    }
    return true;
}

/* A rate that never changes is in the settings. */
static bool changes(const rk_page_curve *curve)
{
    for (int64_t i = 1; i < curve->n; i++) {
        if (curve->y[i] != curve->y[0]) {
            return true;
        }
    }
    return false;
}

static bool is_new(const rk_page *page, int64_t run, const char *name)
{
    for (int64_t i = 0; i < run; i++) {
        if (rk__page_curve(&page->runs[i], name)) {
            return false;
        }
    }
    return true;
}

/* "valid.ndcg@10" -> "ndcg@10 on valid" */
static void title_of(char out[160], const char *name)
{
    const char *dot = strchr(name, '.');
    if (dot) {
        snprintf(out, 160, "%s on %.*s", dot + 1, (int)(dot - name), name);
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

static void add_chart(rk_buffer *out, const rk_page *page, const char *name, rk_line *lines)
{
    char title[160];
    int64_t n = 0;
    bool does_change = false;
    for (int64_t i = 0; i < page->n_runs; i++) {
        const rk_page_curve *curve = rk__page_curve(&page->runs[i], name);
        if (!curve) {
            continue;
        }
        const char *by = rk__page_text(page->runs[i].report, "chosen.by");
        does_change = does_change || changes(curve);
        lines[n++] = (rk_line){
            .name = line_name(page, i),
            .x = curve->x,
            .y = curve->y,
            .n = curve->n,
            .colour = page->runs[i].colour,
            .chosen_x = strchr(name, '.') && by && strcmp(by, "last epoch") != 0
                            ? rk__page_number(page->runs[i].report, "chosen.epoch")
                            : (double)NAN,
        };
    }
    if (n == 0 || (strcmp(name, "learning_rate") == 0 && !does_change)) {
        return;
    }
    title_of(title, name);
    rk__chart_add(out,
                  &(rk_chart){.title = title,
                              .x_label = "epoch",
                              .y_label = strchr(name, '.') ? "" : "mean over the epoch's steps",
                              .lines = lines,
                              .n_lines = n});
}

rk_status rk__page_add_curves(rk_buffer *out, const rk_page *page)
{
    rk_line *lines = NULL;
    int64_t epochs = 0, curves = 0;
    for (int64_t i = 0; i < page->n_runs; i++) {
        epochs = page->runs[i].n_epochs > epochs ? page->runs[i].n_epochs : epochs;
        for (int64_t c = 0; c < page->runs[i].n_curves; c++) {
            curves += is_shown(&page->runs[i].curves[c]);
        }
    }
    rk__buffer_add(out, "<h2 id=\"training\">Training</h2>\n");
    if (epochs == 0) {
        rk__buffer_add(out, "<p>No epoch was trained.</p>\n");
        return RK_OK;
    }
    if (epochs == 1) {
        rk__buffer_add(out,
                       "<p>The model was computed in one go, or in a single epoch, so there is "
                       "no curve.</p>\n");
        return RK_OK;
    }
    if (curves == 0) {
        rk__buffer_add(out, "<p>The model has no loss, and no epoch was checked (eval.every), so "
                            "there is no curve.</p>\n");
        return RK_OK;
    }
    RK_TRY(rk__alloc(&lines, page->n_runs, sizeof *lines, "the curves of a page"));
    rk__buffer_add(out, "<div class=\"pair\">\n");
    for (int64_t i = 0; i < page->n_runs; i++) {
        for (int64_t c = 0; c < page->runs[i].n_curves; c++) {
            const rk_page_curve *curve = &page->runs[i].curves[c];
            if (is_shown(curve) && is_new(page, i, curve->name)) {
                add_chart(out, page, curve->name, lines);
            }
        }
    }
    rk__buffer_add(out, "</div>\n");
    rk__free(lines);
    return RK_OK;
}
