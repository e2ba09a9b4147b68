/* The head of a page: what it is of, the numbers that matter first, and warnings. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/build.h"
#include "page/html.h"
#include "page/page.h"

static const char *text_or(const char *text, const char *other)
{
    return text ? text : other;
}

static void add_title(rk_buffer *out, const rk_page *page)
{
    const rk_page_run *run = &page->runs[0];
    if (page->n_runs > 1) {
        rk__buffer_add(out, "%lld runs", (long long)page->n_runs);
    } else {
        rk__html_text(out, rk__page_option(run, "model.kind"));
    }
    if (page->is_one_data) {
        rk__buffer_add(out, " on ");
        rk__html_text(out, text_or(rk__page_text(run->report, "dataset.name"),
                                   rk__page_option(run, "data.name")));
    }
}

/* How its model was chosen: of one run. */
static void add_chosen(rk_buffer *out, const rk_page_run *run)
{
    const char *by = rk__page_text(run->report, "chosen.by");
    rk__buffer_add(out, "<p>Model of epoch ");
    rk__html_count(out, rk__page_number(run->report, "chosen.epoch"));
    rk__buffer_add(out, " of ");
    rk__html_count(out, rk__page_number(run->report, "train.epochs"));
    if (by && strcmp(by, "last epoch") != 0) {
        rk__buffer_add(out, ", chosen by ");
        rk__html_text(out, by);
    } else {
        rk__buffer_add(out, ", the last one");
    }
    if (json_is_true(rk__page_at(run->report, "train.stopped_early"))) {
        rk__buffer_add(out, "; training stopped early");
    }
    rk__buffer_add(out, ". Rankine ");
    rk__html_text(out, text_or(rk__page_text(run->report, "rankine.version"), ""));
    rk__buffer_add(out, " (");
    rk__html_text(out, text_or(rk__page_text(run->report, "rankine.revision"), ""));
    rk__buffer_add(out, ").</p>\n");
}

static void begin_warning(rk_buffer *out, const rk_page *page, const rk_page_run *run)
{
    rk__buffer_add(out, "<p class=\"warning\">");
    if (page->n_runs > 1) {
        rk__html_name(out, run->name);
        rk__buffer_add(out, ": ");
    }
}

static void add_warnings_of(rk_buffer *out, const rk_page *page, const rk_page_run *run)
{
    if (json_is_true(rk__page_at(run->report, "chosen.on_test"))) {
        begin_warning(out, page, run);
        rk__buffer_add(out, "Chosen on test: the test part decided which epoch to keep or where to "
                            "stop (eval.split), so the test metrics below are optimistic and not "
                            "comparable with those of a model chosen on valid.</p>\n");
    }
    const char *compat = rk__page_text(run->report, "compat");
    if (compat) {
        begin_warning(out, page, run);
        rk__html_text(out, compat);
        rk__buffer_add(out, ".</p>\n");
    }
    if (json_is_object(rk__page_at(run->report, "train.diverged"))) {
        begin_warning(out, page, run);
        rk__buffer_add(out, "Training diverged: the loss of epoch ");
        rk__html_count(out, rk__page_number(run->report, "train.diverged.epoch"));
        rk__buffer_add(out,
                       " is %.3g, that of the first step was %.3g. Take a smaller "
                       "train.learning_rate.</p>\n",
                       rk__page_number(run->report, "train.diverged.loss"),
                       rk__page_number(run->report, "train.diverged.first_loss"));
    }
    if (!run->report && !run->is_file) {
        begin_warning(out, page, run);
        rk__buffer_add(out,
                       "Not finished: %lld epochs are done. What a finished run reports is "
                       "missing; go on by train --resume --run ",
                       (long long)run->n_epochs);
        rk__html_name(out, run->path);
        rk__buffer_add(out, ".</p>\n");
    }
}

/* Numbers that are read first: of one run. */
static void add_tiles(rk_buffer *out, const rk_page *page)
{
    json_t *report = page->runs[0].report;
    const char *metric = rk__page_option(&page->runs[0], "eval.metric");
    char path[128];
    rk__buffer_add(out, "<div class=\"tiles\">");
    for (int part = 0; part < 2; part++) {
        const char *name = part == 0 ? "test" : "valid";
        const bool is_error =
            json_is_object(rk__page_at(report, "ratings")) && !strchr(metric, '@');
        snprintf(path, sizeof path, is_error ? "ratings.%s.model.%s" : "%s.%s", name, metric);
        const double value = rk__page_number(report, path);
        snprintf(path, sizeof path, is_error ? "ratings.%s.biases.%s" : "popularity.%s.%s", name,
                 metric);
        const double simple = rk__page_number(report, path);
        if (isfinite(value)) {
            rk__buffer_add(out, "<div class=\"tile\"><span>");
            rk__html_text(out, metric);
            rk__buffer_add(out, " on %s</span><b>", name);
            rk__html_fixed(out, value, 4);
            rk__buffer_add(out, "</b><span>%s ", is_error ? "biases alone" : "popularity");
            rk__html_fixed(out, simple, 4);
            rk__buffer_add(out, "</span></div>");
        }
    }
    const double seconds = rk__page_number(report, "timing.total_seconds");
    if (isfinite(seconds)) {
        rk__buffer_add(out, "<div class=\"tile\"><span>time</span><b>");
        rk__html_fixed(out, seconds < 120 ? seconds : seconds / 60, 1);
        rk__buffer_add(out, seconds < 120 ? " s</b><span>" : " min</b><span>");
        rk__html_count(out, rk__page_number(report, "train.epochs"));
        rk__buffer_add(out, " epochs</span></div><div class=\"tile\"><span>memory</span><b>");
        rk__html_fixed(out, rk__page_number(report, "memory.peak_bytes") / 1e6, 0);
        rk__buffer_add(out, " MB</b><span>at the peak</span></div>");
    }
    rk__buffer_add(out, "</div>\n");
}

static void add_runs(rk_buffer *out, const rk_page *page)
{
    rk__html_table_begin(out, "runs");
    rk__buffer_add(out, "<tr><th>run</th><th class=\"left\">model</th><th class=\"left\">data"
                        "</th><th>epoch</th><th class=\"left\">chosen by</th></tr>\n");
    for (int64_t i = 0; i < page->n_runs; i++) {
        const rk_page_run *run = &page->runs[i];
        rk__buffer_add(out, "<tr><td><span class=\"key\"><i class=\"c%d\"></i></span>",
                       run->colour % RK_HTML_COLOURS);
        rk__html_name(out, run->name);
        rk__buffer_add(out, "</td>");
        rk__html_cell_text(out, "left", rk__page_option(run, "model.kind"));
        rk__html_cell_text(
            out, "left",
            text_or(rk__page_text(run->report, "dataset.name"), rk__page_option(run, "data.name")));
        rk__html_cell(out, "", rk__page_number(run->report, "chosen.epoch"), 0);
        rk__html_cell_text(out, "left",
                           text_or(rk__page_text(run->report, "chosen.by"),
                                   run->is_file ? "file of a model" : "not finished"));
        rk__buffer_add(out, "</tr>\n");
    }
    rk__html_table_end(out);
}

void rk__page_add_head(rk_buffer *out, const rk_page *page)
{
    rk__buffer_add(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                        "<title>");
    add_title(out, page);
    rk__buffer_add(out, "</title>\n<style>\n%s</style></head><body>\n<h1>", rk__html_style);
    add_title(out, page);
    rk__buffer_add(out, "</h1>\n");
    if (page->n_runs == 1 && page->runs[0].report) {
        add_chosen(out, &page->runs[0]);
    }
    if (page->n_runs > 1) {
        const rk_build_info *build = rk__build_info();
        add_runs(out, page);
        rk__buffer_add(out, "<p>Rankine %s (%s).</p>\n", build->version, build->revision);
    }
    if (!page->is_one_data) {
        rk__buffer_add(out,
                       "<p class=\"warning\">These runs were trained on different data sets or "
                       "splits: their numbers stand beside each other here, but one being "
                       "larger says nothing.</p>\n");
    }
    for (int64_t i = 0; i < page->n_runs; i++) {
        add_warnings_of(out, page, &page->runs[i]);
    }
    for (int64_t i = 0; i < page->n_args; i++) {
        if (page->looks[i].why_not) {
            rk__buffer_add(out, "<p class=\"warning\">The model of ");
            rk__html_name(out, page->looks[i].name);
            rk__buffer_add(out,
                           " could not be asked, so it is missing from what models answered: ");
            rk__html_text(out, page->looks[i].why_not);
            rk__buffer_add(out, ".</p>\n");
        }
    }
    if (page->n_runs == 1) {
        add_tiles(out, page);
    }
}
