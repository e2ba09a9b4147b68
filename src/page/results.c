/* The section of results: the metrics that runs report, errors of ratings, expectations, refits. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "page/html.h"
#include "page/page.h"

enum { PATH = 160 };
static const char *const parts[] = {"test", "valid"};

void rk__page_add_heads(rk_buffer *out, const rk_page *page, const char *first)
{
    rk__buffer_add(out, "<tr><th>%s</th>", first);
    for (int64_t i = 0; i < page->n_runs; i++) {
        if (page->n_runs == 1) {
            rk__buffer_add(out, "<th>value</th>");
        } else {
            rk__buffer_add(out, "<th>");
            rk__html_text(out, page->runs[i].name);
            rk__buffer_add(out, "</th>");
        }
    }
    rk__buffer_add(out, "</tr>\n");
}

static bool is_metric(const char *key)
{
    return strcmp(key, "users") != 0 && strcmp(key, "seconds") != 0;
}

static double value_of(const rk_page_run *run, const char *prefix, const char *part,
                       const char *name)
{
    char path[PATH];
    snprintf(path, sizeof path, "%s%s.%s", prefix, part, name);
    return rk__page_number(run->report, path);
}

static bool is_watched(const rk_page_run *run, const char *name)
{
    return strcmp(name, rk__page_option(run, "eval.metric")) == 0;
}

static void begin_row(rk_buffer *out, const rk_page_run *run, const char *name)
{
    rk__buffer_add(out, is_watched(run, name) ? "<tr class=\"watched\">" : "<tr>");
    rk__html_cell_text(out, "", name);
}

/* ---- one run: its parts beside popularity ---- */

static void add_one(rk_buffer *out, const rk_page_run *run)
{
    json_t *shape = NULL, *value = NULL;
    const char *name = NULL;
    rk__html_table_begin(out, "metrics");
    rk__buffer_add(out, "<tr><th>metric</th>");
    for (int p = 0; p < 2; p++) {
        json_t *part = rk__page_at(run->report, parts[p]);
        if (json_is_object(part)) {
            shape = shape ? shape : part;
            rk__buffer_add(out, "<th class=\"next\">%s</th><th>popularity</th><th>ratio</th>",
                           parts[p]);
        }
    }
    rk__buffer_add(out, "</tr>\n");
    json_object_foreach(shape, name, value)
    {
        if (!is_metric(name)) {
            continue;
        }
        begin_row(out, run, name);
        for (int p = 0; p < 2; p++) {
            if (json_is_object(rk__page_at(run->report, parts[p]))) {
                const double model = value_of(run, "", parts[p], name);
                const double popularity = value_of(run, "popularity.", parts[p], name);
                rk__html_cell(out, "next", model, 5);
                rk__html_cell(out, "", popularity, 5);
                rk__html_cell(out, "", popularity > 0 ? model / popularity : (double)NAN, 2);
            }
        }
        rk__buffer_add(out, "</tr>\n");
    }
    rk__html_table_end(out);
}

/* ---- several runs ---- */

static bool has_before(const rk_page *page, int64_t run, const char *prefix, const char *part,
                       const char *name)
{
    for (int64_t i = 0; i < run; i++) {
        if (!isnan(value_of(&page->runs[i], prefix, part, name))) {
            return true;
        }
    }
    return false;
}

/* Of these, less is better; of those that say what lists are made of, nothing is. */
static int direction(const char *name)
{
    static const char *const less[] = {"filtered_mr@", "mse", "rmse", "mae"};
    static const char *const none[] = {"coverage", "gini", "novelty", "avg_popularity"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        if (strncmp(name, none[i], strlen(none[i])) == 0) {
            return 0;
        }
    }
    for (size_t i = 0; i < sizeof less / sizeof less[0]; i++) {
        if (strncmp(name, less[i], strlen(less[i])) == 0) {
            return -1;
        }
    }
    return 1;
}

static double best_of(const rk_page *page, const char *prefix, const char *part, const char *name)
{
    double best = (double)NAN;
    const int sign = direction(name);
    for (int64_t i = 0; sign != 0 && page->is_one_data && i < page->n_runs; i++) {
        const double value = value_of(&page->runs[i], prefix, part, name);
        best = isnan(best) || sign * value > sign * best ? value : best;
    }
    return best;
}

static void add_values(rk_buffer *out, const rk_page *page, const char *prefix, const char *part,
                       const char *name)
{
    const double best = best_of(page, prefix, part, name);
    for (int64_t i = 0; i < page->n_runs; i++) {
        const double value = value_of(&page->runs[i], prefix, part, name);
        rk__html_cell(out, value == best ? "best" : "", value, 5);
    }
    rk__buffer_add(out, "</tr>\n");
}

/* prefix: of the values in the reports, "" or "ratings."; the rows are those of all runs. */
static void add_several(rk_buffer *out, const rk_page *page, const char *part)
{
    bool is_open = false;
    for (int64_t i = 0; i < page->n_runs; i++) {
        const char *name = NULL;
        json_t *value = NULL;
        json_object_foreach(rk__page_at(page->runs[i].report, part), name, value)
        {
            if (!is_metric(name) || has_before(page, i, "", part, name)) {
                continue;
            }
            if (!is_open) {
                rk__buffer_add(out, "<h3>On %s</h3>\n", part);
                rk__html_table_begin(out, "metrics");
                rk__page_add_heads(out, page,
                                   page->is_one_data ? "metric</th><th>popularity" : "metric");
                is_open = true;
            }
            begin_row(out, &page->runs[0], name);
            if (page->is_one_data) {
                rk__html_cell(out, "", value_of(&page->runs[i], "popularity.", part, name), 5);
            }
            add_values(out, page, "", part, name);
        }
    }
    if (is_open) {
        rk__html_table_end(out);
    }
}

/* ---- errors of ratings ---- */

static void add_ratings_of(rk_buffer *out, const rk_page_run *run, const char *part, bool has_name)
{
    static const char *const whose[] = {"model", "global_mean", "item_mean", "biases"};
    char path[PATH];
    json_t *errors = NULL, *value = NULL;
    const char *name = NULL;
    snprintf(path, sizeof path, "ratings.%s.model", part);
    errors = rk__page_at(run->report, path);
    if (!json_is_object(errors)) {
        return;
    }
    rk__buffer_add(out, "<h3>Ratings of %s", part);
    if (has_name) {
        rk__buffer_add(out, ": ");
        rk__html_name(out, run->name);
    }
    rk__buffer_add(out, "</h3>\n<p>Errors of ");
    snprintf(path, sizeof path, "ratings.%s.pairs", part);
    rk__html_count(out, rk__page_number(run->report, path));
    rk__buffer_add(out, " predicted ratings on the scale from %g to %g; less is better.</p>\n",
                   rk__page_number(run->report, "ratings.scale.0"),
                   rk__page_number(run->report, "ratings.scale.1"));
    rk__html_table_begin(out, "ratings");
    rk__buffer_add(out, "<tr><th>error</th><th class=\"next\">model</th><th>global mean</th>"
                        "<th>item mean</th><th>biases</th></tr>\n");
    json_object_foreach(errors, name, value)
    {
        begin_row(out, run, name);
        for (size_t w = 0; w < sizeof whose / sizeof whose[0]; w++) {
            snprintf(path, sizeof path, "ratings.%s.%s.%s", part, whose[w], name);
            rk__html_cell(out, w == 0 ? "next" : "", rk__page_number(run->report, path), 5);
        }
        rk__buffer_add(out, "</tr>\n");
    }
    rk__html_table_end(out);
}

/* ---- sampled rankings ---- */

static void add_expected(rk_buffer *out, const rk_page_run *run)
{
    const double candidates = rk__page_number(run->report, "among_candidates");
    json_t *shape = rk__page_at(run->report, "expected.test"), *value = NULL;
    const char *name = NULL;
    if (isnan(candidates)) {
        return;
    }
    rk__buffer_add(out,
                   "<p class=\"warning\">Sampled: each held-out item was ranked among %.0f drawn "
                   "candidates, not among all items. Such values are larger, and two models may "
                   "change places. auc@all is of the order of all items.</p>\n",
                   candidates);
    shape = json_is_object(shape) ? shape : rk__page_at(run->report, "expected.valid");
    if (!json_is_object(shape)) {
        return;
    }
    rk__buffer_add(out, "<p>Expected over all draws of candidates, exactly:</p>\n");
    rk__html_table_begin(out, "expected");
    rk__buffer_add(out, "<tr><th>metric</th>");
    for (int p = 0; p < 2; p++) {
        rk__buffer_add(out, "<th class=\"next\">%s</th><th>popularity</th>", parts[p]);
    }
    rk__buffer_add(out, "</tr>\n");
    json_object_foreach(shape, name, value)
    {
        rk__buffer_add(out, "<tr>");
        rk__html_cell_text(out, "", name);
        for (int p = 0; p < 2; p++) {
            rk__html_cell(out, "next", value_of(run, "expected.", parts[p], name), 5);
            rk__html_cell(out, "", value_of(run, "expected.popularity.", parts[p], name), 5);
        }
        rk__buffer_add(out, "</tr>\n");
    }
    rk__html_table_end(out);
}

/* ---- what became of the model when valid joined train ---- */

static void add_refit(rk_buffer *out, const rk_page *page, const rk_page_run *run)
{
    json_t *value = NULL;
    const char *name = NULL;
    if (!json_is_object(rk__page_at(run->report, "refit"))) {
        return;
    }
    rk__buffer_add(out, "<h3>Refit to train and valid");
    if (page->n_runs > 1) {
        rk__buffer_add(out, ": ");
        rk__html_name(out, run->name);
    }
    rk__buffer_add(out, "</h3>\n<p>");
    rk__html_count(out, rk__page_number(run->report, "refit.interactions"));
    rk__buffer_add(out, " interactions. This is the model that the run is opened with.</p>\n");
    if (!json_is_object(rk__page_at(run->report, "refit.test"))) {
        return;
    }
    rk__html_table_begin(out, "");
    rk__buffer_add(out, "<tr><th>metric</th><th>test, refit</th><th>test, train alone</th></tr>\n");
    json_object_foreach(rk__page_at(run->report, "refit.test"), name, value)
    {
        if (is_metric(name)) {
            rk__buffer_add(out, "<tr>");
            rk__html_cell_text(out, "", name);
            rk__html_cell(out, "", json_number_value(value), 5);
            rk__html_cell(out, "", value_of(run, "", "test", name), 5);
            rk__buffer_add(out, "</tr>\n");
        }
    }
    rk__html_table_end(out);
}

/* ---- folders of several seeds ---- */

static void add_seeds(rk_buffer *out, const char *path, json_t *report)
{
    rk__buffer_add(out, "<h3>Over %.0f seeds: ", rk__page_number(report, "seeds.count"));
    rk__html_text(out, path);
    rk__buffer_add(out, "</h3>\n");
    rk__html_table_begin(out, "seeds");
    rk__buffer_add(out, "<tr><th>metric</th><th>mean</th><th>standard deviation</th>"
                        "<th>least</th><th>most</th></tr>\n");
    for (int p = 0; p < 2; p++) {
        json_t *spread = NULL;
        const char *name = NULL;
        json_object_foreach(rk__page_at(report, parts[p]), name, spread)
        {
            rk__buffer_add(out, "<tr><td>");
            rk__html_text(out, name);
            rk__buffer_add(out, " on %s</td>", parts[p]);
            rk__html_cell(out, "", rk__page_number(spread, "mean"), 5);
            rk__html_cell(out, "", rk__page_number(spread, "sd"), 5);
            rk__html_cell(out, "", rk__page_number(spread, "min"), 5);
            rk__html_cell(out, "", rk__page_number(spread, "max"), 5);
            rk__buffer_add(out, "</tr>\n");
        }
    }
    rk__html_table_end(out);
}

void rk__page_add_results(rk_buffer *out, const rk_page *page)
{
    const rk_page_run *first = &page->runs[0];
    const char *style = rk__page_option(first, "eval.style");
    bool has_ratings = false;
    rk__buffer_add(out, "<h2 id=\"results\">Result</h2>\n");
    for (int64_t i = 0; i < page->n_runs; i++) {
        add_ratings_of(out, &page->runs[i], "test", page->n_runs > 1);
        add_ratings_of(out, &page->runs[i], "valid", page->n_runs > 1);
        has_ratings = has_ratings || json_is_object(rk__page_at(page->runs[i].report, "ratings"));
    }
    rk__buffer_add(out, has_ratings ? "<h3>As a ranking</h3>\n" : "");
    if (page->n_runs > 1) {
        add_several(out, page, "test");
        add_several(out, page, "valid");
    } else if (json_is_object(rk__page_at(first->report, "test")) ||
               json_is_object(rk__page_at(first->report, "valid"))) {
        add_one(out, first);
    } else {
        rk__buffer_add(out, first->report
                                ? "<p>Nothing was held out, so nothing was evaluated.</p>\n"
                                : "<p>The run has no results of its own yet.</p>\n");
    }
    for (int64_t i = 0; i < page->n_args; i++) {
        if (page->seeds[i]) {
            add_seeds(out, page->paths[i], page->seeds[i]);
        }
    }
    for (int64_t i = 0; i < page->n_runs; i++) {
        if (i == 0 || page->runs[i].of != page->runs[i - 1].of) {
            add_expected(out, &page->runs[i]);
        }
        add_refit(out, page, &page->runs[i]);
    }
    if (*style && strcmp(style, "recbole") != 0) {
        rk__buffer_add(out, "<p>Metrics as %s counts them (eval.style).</p>\n", style);
    }
}
