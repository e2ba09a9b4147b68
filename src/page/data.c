/* The sections of data, of how hard the held-out part is, and of time and memory. */
#include <stdio.h>
#include <string.h>

#include "page/facts.h"
#include "page/html.h"

enum { MOST_RUNS = 1024 }; /* in one table */

/* The first run of each data set. */
static int64_t of_each_data(const rk_page *page, const rk_page_run *out[MOST_RUNS])
{
    int64_t n = 0;
    for (int64_t i = 0; i < page->n_runs && n < MOST_RUNS; i++) {
        const char *fingerprint = rk__page_fingerprint(&page->runs[i]);
        bool is_new = page->runs[i].report != NULL;
        for (int64_t j = 0; j < n && is_new; j++) {
            is_new = strcmp(rk__page_fingerprint(out[j]), fingerprint) != 0;
        }
        if (is_new) {
            out[n++] = &page->runs[i];
        }
    }
    return n;
}

/* The greatest counts of relations: rows of a table each. */
static void add_relations(rk_buffer *out, const rk_page_run *run, const char *part)
{
    char path[64];
    snprintf(path, sizeof path, "audit.%s.relations", part);
    json_t *list = rk__page_at(run->report, path);
    if (json_array_size(list) == 0) {
        return;
    }
    rk__buffer_add(out, "<table>\n");
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *relation = json_array_get(list, i);
        const char *name = rk__page_text(relation, "name");
        rk__buffer_add(out, "<tr><td>pairs in the relation ");
        rk__html_name(out, name ? name : "");
        rk__buffer_add(out, "</td><td>");
        rk__html_count(out, rk__page_number(relation, "pairs"));
        rk__buffer_add(out, "</td></tr>\n");
    }
    rk__buffer_add(out, "</table>\n");
}

static void add_audit_of(rk_buffer *out, const rk_page_run *run, bool has_name)
{
    const char *part = rk__page_number(run->report, "audit.test.pairs") > 0 ? "test" : "valid";
    char paths[8][64], trace[160];
    snprintf(paths[0], sizeof paths[0], "audit.%s.pairs", part);
    if (!(rk__page_number(run->report, paths[0]) > 0)) {
        return;
    }
    static const char *const keys[] = {"pairs",    "users",   "cold_users",   "cold_pairs",
                                       "in_train", "overlap", "in_relations", "tied"};
    static const char *const names[] = {"held-out pairs",
                                        "of users",
                                        "of users without train items",
                                        "pairs of items without train users",
                                        "pairs that are in train, too",
                                        "rows dropped because an earlier part has them",
                                        "pairs in any relation to items",
                                        "pairs whose score another item has, of those looked at"};
    rk_fact facts[9];
    for (int i = 0; i < 8; i++) {
        snprintf(paths[i], sizeof paths[i], "audit.%s.%s", part, keys[i]);
        facts[i] = (rk_fact){names[i], paths[i], RK_FACT_COUNT};
    }
    snprintf(trace, sizeof trace, "trace.%s.%s", part, rk__page_option(run, "eval.metric"));
    facts[8] = (rk_fact){"the watched metric by traces alone", trace, RK_FACT_REAL};
    rk__buffer_add(out, "<h3>Held out for %s", part);
    if (has_name) {
        rk__buffer_add(out, ", ");
        const char *name = rk__page_text(run->report, "dataset.name");
        rk__html_text(out, name ? name : "");
    }
    rk__buffer_add(out, "</h3>\n");
    rk__facts_add(out, &run, 1, facts, 9);
    add_relations(out, run, part);
}

void rk__page_add_audit(rk_buffer *out, const rk_page *page)
{
    const rk_page_run *runs[MOST_RUNS];
    const int64_t n = of_each_data(page, runs);
    for (int64_t i = 0; i < n; i++) {
        add_audit_of(out, runs[i], n > 1);
    }
}

static void add_degrees(rk_buffer *out, const rk_page_run *run)
{
    static const char *const sides[] = {"user_degrees", "item_degrees"};
    static const char *const names[] = {"train items of a user", "train users of an item"};
    char path[64];
    rk__html_table_begin(out, "");
    rk__buffer_add(out, "<tr><th></th><th>least</th>");
    for (int i = 10; i < 100; i += 10) {
        rk__buffer_add(out, "<th>%d %%</th>", i);
    }
    rk__buffer_add(out, "<th>most</th><th>mean</th></tr>\n");
    for (int s = 0; s < 2; s++) {
        rk__buffer_add(out, "<tr><td>%s</td><td>", names[s]);
        snprintf(path, sizeof path, "dataset.%s.min", sides[s]);
        rk__html_count(out, rk__page_number(run->report, path));
        for (int i = 0; i < 9; i++) {
            snprintf(path, sizeof path, "dataset.%s.deciles.%d", sides[s], i);
            rk__buffer_add(out, "</td><td>");
            rk__html_count(out, rk__page_number(run->report, path));
        }
        snprintf(path, sizeof path, "dataset.%s.max", sides[s]);
        rk__buffer_add(out, "</td><td>");
        rk__html_count(out, rk__page_number(run->report, path));
        snprintf(path, sizeof path, "dataset.%s.mean", sides[s]);
        rk__buffer_add(out, "</td>");
        rk__html_cell(out, "", rk__page_number(run->report, path), 1);
        rk__buffer_add(out, "</tr>\n");
    }
    rk__html_table_end(out);
}

static void add_data_of(rk_buffer *out, const rk_page_run *run)
{
    const bool carved = rk__page_number(run->report, "dataset.valid_carved_from_train") > 0;
    const rk_fact facts[] = {
        {"users", "dataset.users", RK_FACT_COUNT},
        {"items", "dataset.items", RK_FACT_COUNT},
        {"interactions", "dataset.interactions", RK_FACT_COUNT},
        {"train", "dataset.train", RK_FACT_COUNT},
        {carved ? "valid, taken from train" : "valid", "dataset.valid", RK_FACT_COUNT},
        {"test", "dataset.test", RK_FACT_COUNT},
        {"density", "dataset.density", RK_FACT_PERCENT},
        {"split", "dataset.split", RK_FACT_TEXT},
        {"fingerprint", "dataset.fingerprint", RK_FACT_TEXT},
        {"users with valid items", "dataset.valid_users", RK_FACT_COUNT},
        {"users with test items", "dataset.test_users", RK_FACT_COUNT},
        {"users without train items", "dataset.empty_users", RK_FACT_COUNT},
        {"these get", "unknown.users_get", RK_FACT_TEXT},
        {"items without train users", "dataset.cold_items", RK_FACT_COUNT},
        {"these are", "unknown.items_are", RK_FACT_TEXT},
        {"test items not in train", "dataset.cold_test_items", RK_FACT_COUNT},
        {"rows read", "dataset.rows_read", RK_FACT_COUNT},
        {"rows dropped by filters", "dataset.rows_filtered", RK_FACT_COUNT},
        {"repeated rows", "dataset.duplicates", RK_FACT_COUNT},
    };
    rk__facts_add(out, &run, 1, facts, (int64_t)(sizeof facts / sizeof facts[0]));
    add_degrees(out, run);
}

void rk__page_add_data(rk_buffer *out, const rk_page *page)
{
    const rk_page_run *runs[MOST_RUNS];
    const int64_t n = of_each_data(page, runs);
    for (int64_t i = 0; i < n; i++) {
        const char *name = rk__page_text(runs[i]->report, "dataset.name");
        rk__buffer_add(out, i == 0 ? "<h2 id=\"data\">Data: " : "<h2>Data: ");
        rk__html_text(out, name ? name : "");
        rk__buffer_add(out, "</h2>\n");
        add_data_of(out, runs[i]);
    }
    rk__page_add_audit(out, page);
}

void rk__page_add_costs(rk_buffer *out, const rk_page *page)
{
    static const rk_fact facts[] = {
        {"data", "timing.data_seconds", RK_FACT_SECONDS},
        {"set-up", "timing.setup_seconds", RK_FACT_SECONDS},
        {"training steps", "timing.train_seconds", RK_FACT_SECONDS},
        {"checks while training", "timing.check_seconds", RK_FACT_SECONDS},
        {"final evaluation", "timing.evaluation_seconds", RK_FACT_SECONDS},
        {"total", "timing.total_seconds", RK_FACT_SECONDS},
        {"of all processors", "timing.processor_seconds", RK_FACT_SECONDS},
        {"epochs trained", "train.epochs", RK_FACT_COUNT},
        {"steps an epoch", "train.steps_per_epoch", RK_FACT_COUNT},
        {"triplets a second", "train.samples_per_second", RK_FACT_COUNT},
        {"peak memory", "memory.peak_bytes", RK_FACT_MEGABYTES},
        {"parameters, moments, graph", "memory.store_bytes", RK_FACT_MEGABYTES},
        {"temporaries", "memory.arena_bytes", RK_FACT_MEGABYTES},
    };
    const rk_page_run *runs[MOST_RUNS];
    int64_t n = 0;
    for (int64_t i = 0; i < page->n_runs && n < MOST_RUNS; i++) {
        if (page->runs[i].report) {
            runs[n++] = &page->runs[i];
        }
    }
    if (n > 0) {
        rk__buffer_add(out, "<h2 id=\"costs\">Time and memory</h2>\n");
        rk__facts_add(out, runs, n, facts, (int64_t)(sizeof facts / sizeof facts[0]));
    }
}
