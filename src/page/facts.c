#include "page/facts.h"

#include <math.h>
#include <string.h>

#include "page/html.h"

static const char prefix[] = "environment:";

static json_t *find(const rk_page_run *run, const char *path)
{
    const size_t length = sizeof prefix - 1;
    json_t *value = strncmp(path, prefix, length) == 0
                        ? rk__page_at(run->environment, path + length)
                        : rk__page_at(run->report, path);
    return json_is_null(value) ? NULL : value;
}

static void add_value(rk_buffer *out, const json_t *value, rk_fact_as as)
{
    const double number = json_is_number(value) ? json_number_value(value) : (double)NAN;
    rk__buffer_add(out, "<td>");
    if (!value) {
        rk__buffer_add(out, "-");
    } else if (as == RK_FACT_TEXT) {
        rk__html_text(out, json_is_string(value) ? json_string_value(value)
                           : json_is_true(value) ? "yes"
                                                 : "no");
    } else if (as == RK_FACT_COUNT) {
        rk__html_count(out, number);
    } else if (as == RK_FACT_REAL) {
        rk__html_short(out, number);
    } else if (as == RK_FACT_SECONDS) {
        rk__html_fixed(out, number, 2);
        rk__buffer_add(out, " s");
    } else if (as == RK_FACT_MEGABYTES) {
        rk__html_fixed(out, number / 1e6, 0);
        rk__buffer_add(out, " MB");
    } else {
        rk__html_fixed(out, 100 * number, 4);
        rk__buffer_add(out, " %%");
    }
    rk__buffer_add(out, "</td>");
}

static bool is_any(const rk_page_run *const *runs, int64_t n, const char *path)
{
    for (int64_t i = 0; i < n; i++) {
        if (find(runs[i], path)) {
            return true;
        }
    }
    return false;
}

void rk__facts_add(rk_buffer *out, const rk_page_run *const *runs, int64_t n, const rk_fact *facts,
                   int64_t n_facts)
{
    int64_t rows = 0, at = 0;
    for (int64_t f = 0; f < n_facts; f++) {
        rows += is_any(runs, n, facts[f].path);
    }
    if (rows == 0) {
        return;
    }
    rk__buffer_add(out, n == 1 ? "<div class=\"pair\"><table>\n"
                               : "<div class=\"scroll\"><table>\n<tr><th></th>");
    for (int64_t i = 0; n > 1 && i < n; i++) {
        rk__buffer_add(out, "<th>");
        rk__html_text(out, runs[i]->name);
        rk__buffer_add(out, i == n - 1 ? "</th></tr>\n" : "</th>");
    }
    for (int64_t f = 0; f < n_facts; f++) {
        if (!is_any(runs, n, facts[f].path)) {
            continue;
        }
        if (n == 1 && at == (rows + 1) / 2 && rows > 3) {
            rk__buffer_add(out, "</table>\n<table>\n");
        }
        rk__buffer_add(out, "<tr><td>%s</td>", facts[f].name);
        for (int64_t i = 0; i < n; i++) {
            add_value(out, find(runs[i], facts[f].path), facts[f].as);
        }
        rk__buffer_add(out, "</tr>\n");
        at++;
    }
    rk__buffer_add(out, "</table></div>\n");
}
