/* The section of options, machine and command line. */
#include <string.h>

#include "page/facts.h"
#include "page/html.h"

/* Where things lie and what preparing them took says nothing about a model. */
static bool is_place(const char *key)
{
    return strcmp(key, "data.root") == 0 || strcmp(key, "data.cache") == 0 ||
           strcmp(key, "data.memory") == 0;
}

static bool differs_between(const rk_page *page, int64_t o)
{
    for (int64_t i = 1; i < page->n_runs; i++) {
        if (strcmp(page->runs[i].options[o].value, page->runs[0].options[o].value) != 0 ||
            page->runs[i].options[o].is_read != page->runs[0].options[o].is_read) {
            return true;
        }
    }
    return false;
}

static bool differs_from_default(const rk_page *page, int64_t o)
{
    for (int64_t i = 0; i < page->n_runs; i++) {
        if (page->runs[i].options[o].is_read && !page->runs[i].options[o].is_default) {
            return true;
        }
    }
    return false;
}

static bool is_read(const rk_page *page, int64_t o)
{
    for (int64_t i = 0; i < page->n_runs; i++) {
        if (page->runs[i].options[o].is_read) {
            return true;
        }
    }
    return false;
}

typedef bool (*which_fn)(const rk_page *page, int64_t option);

static int64_t count(const rk_page *page, which_fn which)
{
    int64_t n = 0;
    for (int64_t o = 0; o < page->runs[0].n_options; o++) {
        n += !is_place(page->runs[0].options[o].key) && which(page, o);
    }
    return n;
}

static void add_options(rk_buffer *out, const rk_page *page, which_fn which)
{
    rk__html_table_begin(out, "options");
    rk__page_add_heads(out, page, "option");
    for (int64_t o = 0; o < page->runs[0].n_options; o++) {
        const char *key = page->runs[0].options[o].key;
        if (is_place(key) || !which(page, o)) {
            continue;
        }
        rk__buffer_add(out, "<tr><td>%s</td>", key);
        for (int64_t i = 0; i < page->n_runs; i++) {
            const rk_page_option *option = &page->runs[i].options[o];
            rk__html_cell_text(out, "value", option->is_read ? option->value : "-");
        }
        rk__buffer_add(out, "</tr>\n");
    }
    rk__html_table_end(out);
}

static void add_machines(rk_buffer *out, const rk_page *page)
{
    static const rk_fact facts[] = {
        {"device", "environment:device.name", RK_FACT_TEXT},
        {"processor or GPU", "environment:device.description", RK_FACT_TEXT},
        {"why this device", "environment:device.reason", RK_FACT_TEXT},
        {"host", "environment:host.cpu", RK_FACT_TEXT},
        {"cores", "environment:host.cores", RK_FACT_COUNT},
        {"its memory", "environment:host.memory_bytes", RK_FACT_MEGABYTES},
        {"system", "environment:host.system", RK_FACT_TEXT},
        {"release", "environment:host.release", RK_FACT_TEXT},
        {"threads", "environment:threads", RK_FACT_COUNT},
        {"graph", "environment:graph.form", RK_FACT_TEXT},
        {"Rankine", "environment:rankine.version", RK_FACT_TEXT},
        {"revision", "environment:rankine.revision", RK_FACT_TEXT},
        {"compiler", "environment:rankine.compiler", RK_FACT_TEXT},
        {"build", "environment:rankine.build", RK_FACT_TEXT},
    };
    enum { MOST = 1024 };
    const rk_page_run *runs[MOST];
    int64_t n = 0;
    for (int64_t i = 0; i < page->n_runs && n < MOST; i++) {
        if (page->runs[i].environment) {
            runs[n++] = &page->runs[i];
        }
    }
    if (n > 0) {
        rk__buffer_add(out, "<h3>Machine</h3>\n");
        rk__facts_add(out, runs, n, facts, (int64_t)(sizeof facts / sizeof facts[0]));
    }
    for (int64_t i = 0; i < n; i++) {
        const char *command = rk__page_text(runs[i]->environment, "command");
        if (command) {
            rk__buffer_add(out, i == 0 || n > 1 ? "<p>Command" : "");
            if (n > 1) {
                rk__buffer_add(out, " of ");
                rk__html_name(out, runs[i]->name);
            }
            rk__buffer_add(out, ":</p>\n<pre class=\"command\">");
            rk__html_text(out, command);
            rk__buffer_add(out, "</pre>\n");
        }
    }
}

void rk__page_add_settings(rk_buffer *out, const rk_page *page)
{
    if (page->runs[0].n_options == 0) {
        return;
    }
    rk__buffer_add(out, "<h2 id=\"settings\">Settings</h2>\n");
    if (page->n_runs > 1) {
        rk__buffer_add(out, "<h3>Options that differ between the runs</h3>\n");
        if (count(page, differs_between) > 0) {
            add_options(out, page, differs_between);
        } else {
            rk__buffer_add(out, "<p>No option differs.</p>\n");
        }
        rk__buffer_add(out, "<details><summary>Options that differ from the defaults</summary>\n");
    } else {
        rk__buffer_add(out, "<h3>Options that differ from the defaults</h3>\n");
    }
    if (count(page, differs_from_default) > 0) {
        add_options(out, page, differs_from_default);
    } else {
        rk__buffer_add(out, "<p>None: everything is as by default.</p>\n");
    }
    rk__buffer_add(out, page->n_runs > 1 ? "</details>\n" : "");
    rk__buffer_add(out, "<details><summary>All options that are read</summary>\n");
    add_options(out, page, is_read);
    rk__buffer_add(out, "</details>\n");
    for (int64_t i = 0; i < page->n_runs; i++) {
        if (page->runs[i].config && (i == 0 || page->runs[i].of != page->runs[i - 1].of)) {
            rk__buffer_add(out, "<details><summary>config.yaml");
            if (page->n_runs > 1) {
                rk__buffer_add(out, " of ");
                rk__html_name(out, page->runs[i].name);
            }
            rk__buffer_add(out, "</summary><pre>");
            rk__html_text(out, page->runs[i].config);
            rk__buffer_add(out, "</pre></details>\n");
        }
    }
    add_machines(out, page);
}
