/* The section of what models were asked for this page: metrics by K, slices, what lists are made
 * of, samples. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "page/chart.h"
#include "page/html.h"
#include "page/page.h"

enum { MOST_PLACES = 16 };

/* Models of the same data set and part: they stand in one chart. */
typedef struct group {
    const rk_page_look **looks;
    int64_t n;
} group;

static bool is_same(const rk_page_look *a, const rk_page_look *b)
{
    return strcmp(a->fingerprint, b->fingerprint) == 0 && a->part == b->part &&
           a->users == b->users && a->is_sampled == b->is_sampled && a->is_links == b->is_links &&
           a->n_k == b->n_k;
}

/* ---- by K ---- */

static void add_by_k(rk_buffer *out, const group *g, const char *metric, rk_line *lines,
                     double *values)
{
    char places[RK_LOOK_MOST_K][24];
    const char *names[RK_LOOK_MOST_K];
    double x[RK_LOOK_MOST_K];
    const rk_page_look *first = g->looks[0];
    for (int64_t k = 0; k < first->n_k; k++) {
        snprintf(places[k], sizeof places[k], "%lld", (long long)first->k[k]);
        names[k] = places[k];
        x[k] = (double)k;
    }
    for (int64_t i = 0; i <= g->n; i++) { /* popularity last */
        const rk_page_look *look = g->looks[i < g->n ? i : 0];
        double *y = values + i * RK_LOOK_MOST_K;
        for (int64_t k = 0; k < first->n_k; k++) {
            y[k] = rk__page_metric(i < g->n ? &look->model.metrics : &look->popularity.metrics,
                                   metric, first->k[k]);
        }
        lines[i] = (rk_line){.name = i < g->n ? look->name : "popularity",
                             .x = x,
                             .y = y,
                             .n = first->n_k,
                             .colour = i < g->n ? look->colour : RK_HTML_COLOURS - 1,
                             .is_dashed = i == g->n,
                             .chosen_x = (double)NAN};
    }
    rk__chart_add(out, &(rk_chart){.title = metric,
                                   .x_label = "K",
                                   .y_label = "",
                                   .lines = lines,
                                   .n_lines = g->n + 1,
                                   .places = names,
                                   .n_places = first->n_k});
}

/* The same numbers, to be read. */
static void add_by_k_table(rk_buffer *out, const rk_page_look *look, const rk_metrics *metrics,
                           const char *name)
{
    static const char *const all[] = {"filtered_hit", "recall",  "ndcg",          "precision",
                                      "hit",          "mrr",     "map",           "coverage",
                                      "gini",         "novelty", "avg_popularity"};
    rk__html_table_begin(out, "by-k");
    rk__buffer_add(out, "<tr><th>");
    rk__html_text(out, name);
    rk__buffer_add(out, "</th>");
    for (int64_t k = 0; k < look->n_k; k++) {
        rk__buffer_add(out, "<th>@%lld</th>", (long long)look->k[k]);
    }
    rk__buffer_add(out, "</tr>\n");
    for (size_t m = look->is_links ? 0 : 1; m < sizeof all / sizeof all[0]; m++) {
        rk__buffer_add(out, "<tr><td>%s</td>", all[m]);
        for (int64_t k = 0; k < look->n_k; k++) {
            rk__html_cell(out, "", rk__page_metric(metrics, all[m], look->k[k]), 5);
        }
        rk__buffer_add(out, "</tr>\n");
    }
    rk__html_table_end(out);
}

/* The largest of the usual cut-offs that there is: 10, or fewer of a small catalogue. */
static int64_t usual_k(const rk_page_look *look)
{
    int64_t k = 1;
    for (int64_t i = 0; i < look->n_k; i++) {
        k = look->k[i] <= 10 ? look->k[i] : k;
    }
    return k;
}

/* ---- slices ---- */

/* The number of a metric among those that were asked for; -1 = none. */
static int64_t place_of(const rk_page_look *look, const char *metric)
{
    char full[64];
    snprintf(full, sizeof full, "%s@%lld", metric, (long long)usual_k(look));
    for (int64_t i = 0; i < look->model.metrics.count; i++) {
        if (strcmp(look->model.metrics.values[i].name, full) == 0) {
            return i;
        }
    }
    return -1;
}

/* Both evaluations of one data set have the same slices, in the same order. */
static int64_t slices_of(const rk_evaluation *e, bool of_items, const rk_slice *out[MOST_PLACES])
{
    int64_t n = 0;
    for (int64_t i = 0; i < e->n_slices && n < MOST_PLACES; i++) {
        if (e->slices[i].of_items == of_items) {
            out[n++] = &e->slices[i];
        }
    }
    return n;
}

static void range_of(char out[48], const rk_slice *s)
{
    if (s->first == s->last) {
        snprintf(out, 48, "%lld", (long long)s->first);
    } else {
        snprintf(out, 48, "%lld-%lld", (long long)s->first, (long long)s->last);
    }
}

static void add_slice_chart(rk_buffer *out, const group *g, bool of_items, rk_line *lines,
                            double *values)
{
    const rk_page_look *first = g->looks[0];
    const rk_slice *slices[MOST_PLACES];
    const int64_t n = slices_of(&first->model, of_items, slices), m = place_of(first, "ndcg");
    char places[MOST_PLACES][48], title[96];
    const char *names[MOST_PLACES];
    double x[MOST_PLACES];
    if (n == 0 || m < 0) {
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        range_of(places[i], slices[i]);
        names[i] = places[i];
        x[i] = (double)i;
    }
    for (int64_t l = 0; l <= g->n; l++) {
        const rk_page_look *look = g->looks[l < g->n ? l : 0];
        const rk_slice *of[MOST_PLACES];
        double *y = values + l * MOST_PLACES;
        const int64_t count = slices_of(l < g->n ? &look->model : &look->popularity, of_items, of);
        for (int64_t i = 0; i < n; i++) {
            y[i] = i < count ? of[i]->values[m] : (double)NAN;
        }
        lines[l] = (rk_line){.name = l < g->n ? look->name : "popularity",
                             .x = x,
                             .y = y,
                             .n = n,
                             .colour = l < g->n ? look->colour : RK_HTML_COLOURS - 1,
                             .is_dashed = l == g->n,
                             .chosen_x = (double)NAN};
    }
    snprintf(title, sizeof title, "%s by %s", first->model.metrics.values[m].name,
             of_items ? "popularity of the held-out item" : "activity of the user");
    rk__chart_add(out, &(rk_chart){.title = title,
                                   .x_label = of_items ? "train users of the item"
                                                       : "train items of the user",
                                   .y_label = "",
                                   .lines = lines,
                                   .n_lines = g->n + 1,
                                   .places = names,
                                   .n_places = n});
}

static void add_slice_table(rk_buffer *out, const group *g, bool of_items)
{
    static const char *const shown[] = {"ndcg", "recall"};
    const rk_page_look *first = g->looks[0];
    const rk_slice *slices[MOST_PLACES], *of[MOST_PLACES];
    const int64_t n = slices_of(&first->model, of_items, slices);
    char range[48];
    if (n == 0) {
        return;
    }
    rk__html_table_begin(out, of_items ? "slices items" : "slices users");
    rk__buffer_add(out, "<tr><th>%s</th><th>users</th><th>pairs</th>",
                   of_items ? "train users of the item" : "train items of the user");
    for (size_t m = 0; m < 2; m++) {
        for (int64_t l = 0; l <= g->n; l++) {
            rk__buffer_add(out, "<th>%s@%lld, ", shown[m], (long long)usual_k(first));
            rk__html_text(out, l < g->n ? g->looks[l]->name : "popularity");
            rk__buffer_add(out, "</th>");
        }
    }
    rk__buffer_add(out, "</tr>\n");
    for (int64_t i = 0; i < n; i++) {
        range_of(range, slices[i]);
        rk__buffer_add(out, "<tr><td>%s</td><td>", range);
        rk__html_count(out, (double)slices[i]->users);
        rk__buffer_add(out, "</td><td>");
        rk__html_count(out, (double)slices[i]->pairs);
        rk__buffer_add(out, "</td>");
        for (size_t m = 0; m < 2; m++) {
            for (int64_t l = 0; l <= g->n; l++) {
                const rk_page_look *look = g->looks[l < g->n ? l : 0];
                const int64_t count =
                    slices_of(l < g->n ? &look->model : &look->popularity, of_items, of);
                const int64_t place = place_of(look, shown[m]);
                rk__html_cell(out, "", i < count && place >= 0 ? of[i]->values[place] : (double)NAN,
                              5);
            }
        }
        rk__buffer_add(out, "</tr>\n");
    }
    rk__html_table_end(out);
}

/* ---- what lists are made of ---- */

static void add_lists(rk_buffer *out, const group *g)
{
    static const struct {
        const char *metric, *what;
    } rows[] = {{"coverage", "items that anybody gets, of the catalogue"},
                {"gini", "how unequally (0: all items as often, 1: one item alone)"},
                {"novelty", "mean self-information of an item, bits"},
                {"avg_popularity", "train users of an item, mean"}};
    const int64_t k = usual_k(g->looks[0]);
    rk__html_table_begin(out, "lists");
    rk__buffer_add(out, "<tr><th>lists of %lld</th>", (long long)k);
    for (int64_t l = 0; l <= g->n; l++) {
        rk__buffer_add(out, "<th>");
        rk__html_text(out, l < g->n ? g->looks[l]->name : "popularity");
        rk__buffer_add(out, "</th>");
    }
    rk__buffer_add(out, "</tr>\n");
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        rk__buffer_add(out, "<tr><td>%s: %s</td>", rows[r].metric, rows[r].what);
        for (int64_t l = 0; l <= g->n; l++) {
            const rk_page_look *look = g->looks[l < g->n ? l : 0];
            rk__html_cell(
                out, "",
                rk__page_metric(l < g->n ? &look->model.metrics : &look->popularity.metrics,
                                rows[r].metric, k),
                4);
        }
        rk__buffer_add(out, "</tr>\n");
    }
    rk__html_table_end(out);
}

/* ---- a group ---- */

static void add_intro(rk_buffer *out, const rk_page_look *look)
{
    rk__buffer_add(out, "<p>Ranked anew for this page, on %s: ", rk_part_name(look->part));
    rk__html_count(out, (double)look->users);
    if (look->users < look->of_users) {
        rk__buffer_add(out, " of ");
        rk__html_count(out, (double)look->of_users);
        rk__buffer_add(out, " users, at equal distances");
    } else {
        rk__buffer_add(out, " users");
    }
    rk__buffer_add(out, look->is_sampled ? ", each held-out item among its drawn candidates.</p>\n"
                                         : ", among all items.</p>\n");
    if (look->is_links) {
        rk__buffer_add(out,
                       "<p>A user is a query here (an entity and a relation, &gt; for its tails "
                       "and &lt; for its heads), an item is an entity.</p>\n");
    }
    if (look->compat) {
        rk__buffer_add(out, "<p class=\"warning\">%s.</p>\n", look->compat);
    }
}

static rk_status add_group(rk_buffer *out, const group *g)
{
    static const char *const charts[] = {"recall", "ndcg", "precision", "hit", "mrr", "map"};
    static const char *const of_links[] = {"filtered_hit", "mrr"};
    const char *const *shown = g->looks[0]->is_links ? of_links : charts;
    const size_t n_shown = g->looks[0]->is_links ? 2 : sizeof charts / sizeof charts[0];
    static const char *const made_of[] = {"coverage", "novelty"};
    rk_line *lines = NULL;
    double *values = NULL;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__alloc(&lines, g->n + 1, sizeof *lines, "the charts of a page"));
    RK_TRY_GOTO(
        done, rk__alloc(&values, (g->n + 1) * MOST_PLACES, sizeof *values, "the charts of a page"));
    add_intro(out, g->looks[0]);
    rk__buffer_add(out, "<h3>By the length of the list</h3>\n<div class=\"pair\">\n");
    for (size_t i = 0; i < n_shown; i++) {
        add_by_k(out, g, shown[i], lines, values);
    }
    rk__buffer_add(out, "</div>\n<details><summary>The numbers</summary>\n");
    for (int64_t i = 0; i < g->n; i++) {
        add_by_k_table(out, g->looks[i], &g->looks[i]->model.metrics, g->looks[i]->name);
    }
    add_by_k_table(out, g->looks[0], &g->looks[0]->popularity.metrics, "popularity");
    rk__buffer_add(out, "</details>\n<h3>For whom, and for which items</h3>\n<p>Slices of about a "
                        "quarter each; those without train interactions apart.</p>\n"
                        "<div class=\"pair\">\n");
    add_slice_chart(out, g, false, lines, values);
    add_slice_chart(out, g, true, lines, values);
    rk__buffer_add(out, "</div>\n");
    add_slice_table(out, g, false);
    add_slice_table(out, g, true);
    rk__buffer_add(out, "<h3>What is recommended, beside popularity</h3>\n");
    add_lists(out, g);
    rk__buffer_add(out, "<div class=\"pair\">\n");
    for (size_t i = 0; i < sizeof made_of / sizeof made_of[0]; i++) {
        add_by_k(out, g, made_of[i], lines, values);
    }
    rk__buffer_add(out, "</div>\n");
done:
    rk__free(lines);
    rk__free(values);
    return status;
}

static void add_samples(rk_buffer *out, const rk_page *page)
{
    bool is_first = true;
    for (int64_t i = 0; i < page->n_args; i++) {
        const rk_page_look *look = &page->looks[i];
        if (!look->samples) {
            continue;
        }
        if (is_first) {
            rk__buffer_add(out, "<h2 id=\"samples\">Samples</h2>\n<p>Users from little to very "
                                "active ones, and the best items for them.</p>\n");
            is_first = false;
        }
        if (page->n_args > 1) {
            rk__buffer_add(out, "<details><summary>");
            rk__html_text(out, look->name);
            rk__buffer_add(out, "</summary>\n");
        }
        rk__buffer_add(out, "%s", look->samples);
        rk__buffer_add(out, page->n_args > 1 ? "</details>\n" : "");
    }
}

rk_status rk__page_add_answers(rk_buffer *out, const rk_page *page)
{
    const rk_page_look **looks = NULL;
    rk_status status = RK_OK;
    bool is_first = true;
    RK_TRY(rk__alloc(&looks, page->n_args, sizeof(void *), "the models of a page"));
    for (int64_t i = 0; i < page->n_args; i++) {
        bool is_done = !page->looks[i].is_there;
        group g = {looks, 0};
        for (int64_t j = 0; j < i && !is_done; j++) {
            is_done = page->looks[j].is_there && is_same(&page->looks[j], &page->looks[i]);
        }
        for (int64_t j = i; j < page->n_args && !is_done; j++) {
            if (page->looks[j].is_there && is_same(&page->looks[j], &page->looks[i])) {
                looks[g.n++] = &page->looks[j];
            }
        }
        if (g.n > 0) {
            rk__buffer_add(out, is_first ? "<h2 id=\"answers\">What the models answer</h2>\n" : "");
            is_first = false;
            RK_TRY_GOTO(done, add_group(out, &g));
        }
    }
    add_samples(out, page);
done:
    rk__free(looks);
    return status;
}
