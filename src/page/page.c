/* The page from its paths: which runs they are, what their models say, the sections in order. */
#include "page/page.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"

enum { MOST_PATHS = 100, MOST_SAMPLES = 50 };

rk_page_options rk_page_defaults(void)
{
    return (rk_page_options){.asks_models = true, .part = RK_TEST, .users = 20000, .samples = 6};
}

/* ---- which runs ---- */

/* The folder of a run as people call it: its last name, unless that is none or another's, too. */
static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] && strcmp(slash, "/.") != 0 && strcmp(slash, "/..") != 0 ? slash + 1
                                                                                      : path;
}

static bool is_unique(const char *const *paths, int64_t n, int64_t i)
{
    for (int64_t j = 0; j < n; j++) {
        if (j != i && strcmp(last_name(paths[j]), last_name(paths[i])) == 0) {
            return false;
        }
    }
    return true;
}

static rk_status add_run(rk_page *page, int64_t of, const char *folder, const char *name,
                         const char *report)
{
    RK_TRY(rk__realloc(&page->runs, page->n_runs, page->n_runs + 1, sizeof *page->runs,
                       "the runs of a page"));
    rk_page_run *run = &page->runs[page->n_runs++];
    *run = (rk_page_run){.of = of, .colour = (int)of};
    RK_TRY(rk__strdup(&run->name, name));
    return rk__page_run_read(run, folder, report);
}

static rk_status add_file(rk_page *page, int64_t of, const char *path, const char *name)
{
    if (!page->how->asks_models) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s is a file of a model: there is nothing to say of it unless it "
                "may be asked",
                path);
    }
    RK_TRY(rk__realloc(&page->runs, page->n_runs, page->n_runs + 1, sizeof *page->runs,
                       "the runs of a page"));
    rk_page_run *run = &page->runs[page->n_runs++];
    *run = (rk_page_run){.of = of, .colour = (int)of, .is_file = true};
    RK_TRY(rk__strdup(&run->name, name));
    return rk__strdup(&run->path, path);
}

/* The runs of a folder of several seeds whose report is there. */
static rk_status add_seeds(rk_page *page, int64_t of, const char *folder, const char *name)
{
    json_t *list = rk__page_at(page->seeds[of], "seeds.list");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const long long seed = json_integer_value(json_array_get(list, i));
        char *path = NULL, *called = NULL;
        rk_status status = RK_OK;
        RK_TRY_GOTO(done, rk__format(&path, "%s/seed-%lld", folder, seed));
        RK_TRY_GOTO(done, rk__format(&called, "%s/seed-%lld", name, seed));
        status = add_run(page, of, path, called, NULL);
    done:
        rk__free(path);
        rk__free(called);
        RK_TRY(status);
    }
    if (json_array_size(list) == 0) {
        RK_FAIL(RK_ERR_DATA, "%s: its report names no seeds; the file is damaged", folder);
    }
    return RK_OK;
}

static rk_status add_path(rk_page *page, const char *const *paths, int64_t n, int64_t i)
{
    const char *path = paths[i], *name = is_unique(paths, n, i) ? last_name(path) : path;
    bool has_report = false, is_run = false, has_config = false;
    char *file = NULL;
    RK_TRY(rk__folder_has(path, "report.json", &has_report));
    RK_TRY(rk__folder_has(path, "environment.json", &is_run));
    RK_TRY(rk__folder_has(path, "config.yaml", &has_config));
    if (is_run) {
        return add_run(page, i, path, name, NULL);
    }
    if (has_report && has_config) {
        RK_TRY(rk__path_join(&file, path, "report.json"));
        rk_status status = rk__page_json_read(file, &page->seeds[i]);
        rk__free(file);
        RK_TRY(status);
        return add_seeds(page, i, path, name);
    }
    if (has_config) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s holds runs with several seeds that are not finished, or nothing yet: go on "
                "with them by train --seeds N --resume, or name its run folders",
                path);
    }
    if (rk__is_file(path)) {
        return add_file(page, i, path, name);
    }
    RK_FAIL(RK_ERR_IO,
            "%s is no run folder, no folder of several seeds, no sweep and no model file", path);
}

static const rk_page_run *first_of(const rk_page *page, int64_t of)
{
    int64_t i = 0;
    while (page->runs[i].of != of) {
        i++;
    }
    return &page->runs[i];
}

static void see_data(rk_page *page)
{
    const char *known = "";
    page->is_one_data = true;
    for (int64_t i = 0; i < page->n_runs; i++) {
        const rk_page_run *run = &page->runs[i];
        const char *one =
            run->is_file ? page->looks[run->of].fingerprint : rk__page_fingerprint(run);
        if (*one && *known && strcmp(one, known) != 0) {
            page->is_one_data = false;
        }
        known = *one ? one : known;
    }
}

static rk_status ask_models(rk_page *page, const char *const *paths, const rk_hooks *hooks)
{
    for (int64_t i = 0; i < page->n_args; i++) {
        rk_page_run *run = (rk_page_run *)(uintptr_t)first_of(page, i);
        rk_page_options how = *page->how;
        bool has_last = true;
        if (!run->is_file && !run->report) {
            RK_TRY(rk__folder_has(run->path, "last.h5", &has_last));
        }
        if (json_is_true(rk__page_at(run->report, "without_test"))) {
            how.part = RK_VALID; /* of a sweep: nobody has looked at test */
        }
        if (has_last) {
            char *name = NULL;
            RK_TRY(rk__page_look_take(&page->looks[i], run, paths[i], &how, hooks));
            if (page->seeds[i]) { /* rk_model_open has chosen one of them */
                RK_TRY(rk__format(&name, "%s, its best seed", last_name(paths[i])));
                rk__free(page->looks[i].name);
                page->looks[i].name = name;
            }
        }
    }
    return RK_OK;
}

/* ---- the sections ---- */

/* Links to what is there. */
static rk_status add_contents(rk_buffer *out, const char *body)
{
    static const char *const sections[][2] = {
        {"results", "Result"},  {"paired", "Paired tests"},  {"training", "Training"},
        {"answers", "Answers"}, {"samples", "Samples"},      {"settings", "Settings"},
        {"data", "Data"},       {"costs", "Time and memory"}};
    rk__buffer_add(out, "<nav>");
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        char id[48];
        snprintf(id, sizeof id, "<h2 id=\"%s\">", sections[i][0]);
        if (strstr(body, id)) {
            rk__buffer_add(out, "<a href=\"#%s\">%s</a>\n", sections[i][0], sections[i][1]);
        }
    }
    rk__buffer_add(out, "</nav>\n");
    return out->status;
}

static rk_status write_page(const rk_page *page, char **out)
{
    rk_buffer buffer = {0}, rest = {0};
    char *body = NULL;
    rk_status status = RK_OK;
    rk__page_add_results(&rest, page);
    rk__page_add_compared(&rest, page);
    RK_TRY_GOTO(done, rk__page_add_curves(&rest, page));
    RK_TRY_GOTO(done, rk__page_add_answers(&rest, page));
    rk__page_add_settings(&rest, page);
    rk__page_add_data(&rest, page);
    rk__page_add_costs(&rest, page);
    RK_TRY_GOTO(done, rk__buffer_take(&rest, &body));
    rk__page_add_head(&buffer, page);
    RK_TRY_GOTO(done, add_contents(&buffer, body));
    rk__buffer_add_bytes(&buffer, body, (int64_t)strlen(body));
    if (!page->how->asks_models && page->n_runs == 1) {
        rk__buffer_add(&buffer, "<p>Metrics by K, slices of users and items, and samples of "
                                "recommendations: rankine report RUN.</p>\n");
    }
    rk__buffer_add(&buffer, "</body></html>\n");
    status = rk__buffer_take(&buffer, out);
done:
    rk__free(body);
    rk__buffer_free(&rest);
    rk__buffer_free(&buffer);
    return status;
}

static void free_page(rk_page *page)
{
    for (int64_t i = 0; i < page->n_runs; i++) {
        rk__page_run_free(&page->runs[i]);
    }
    for (int64_t i = 0; page->looks && i < page->n_args; i++) {
        rk__page_look_free(&page->looks[i]);
    }
    for (int64_t i = 0; page->seeds && i < page->n_args; i++) {
        json_decref(page->seeds[i]);
    }
    rk__free(page->runs);
    rk__free(page->looks);
    rk__free(page->seeds);
}

static rk_status begin(rk_page *page, const char *const *paths, int64_t n,
                       const rk_page_options *how)
{
    *page = (rk_page){.n_args = n, .how = how, .paths = (const char **)(uintptr_t)paths};
    RK_TRY(rk__calloc(&page->looks, n, sizeof *page->looks, "the models of a page"));
    return rk__calloc(&page->seeds, n, sizeof(json_t *), "the runs of a page");
}

rk_status rk__page_of_run(const char *folder, const char *report, char **out)
{
    const rk_page_options how = {.asks_models = false};
    rk_page page;
    rk_status status = begin(&page, &folder, 1, &how);
    if (status == RK_OK) {
        status = add_run(&page, 0, folder, last_name(folder), report);
    }
    if (status == RK_OK) {
        see_data(&page);
        status = write_page(&page, out);
    }
    free_page(&page);
    return status;
}

static rk_status check(int64_t n, const rk_page_options *how)
{
    if (n < 1 || n > MOST_PATHS) {
        RK_FAIL(RK_ERR_CONFIG, "a page of %lld runs: take 1 to %d", (long long)n, MOST_PATHS);
    }
    if (how->samples < 0 || how->samples > MOST_SAMPLES) {
        RK_FAIL(RK_ERR_CONFIG, "%lld samples: take 0 to %d", (long long)how->samples, MOST_SAMPLES);
    }
    if (how->users < 0) {
        RK_FAIL(RK_ERR_CONFIG, "%lld users: take 0, which is all, or more", (long long)how->users);
    }
    if (how->part != RK_VALID && how->part != RK_TEST) {
        RK_FAIL(RK_ERR_CONFIG, "only valid and test can be shown: train is what was learnt");
    }
    return RK_OK;
}

rk_status rk_page_text(const char *const *paths, int64_t n, const rk_page_options *how,
                       const rk_hooks *hooks, char **out_html)
{
    rk_page page;
    *out_html = NULL;
    RK_TRY(check(n, how));
    for (int64_t i = 0; i < n; i++) {
        bool is_sweep = false;
        RK_TRY(rk__page_is_sweep(paths[i], &is_sweep));
        if (!is_sweep) {
            continue;
        }
        if (n > 1) {
            RK_FAIL(RK_ERR_CONFIG,
                    "%s is a sweep, which has a page of its own: name it alone, or "
                    "name its trials",
                    paths[i]);
        }
        return rk__page_of_sweep(paths[i], out_html);
    }
    rk_status status = begin(&page, paths, n, how);
    for (int64_t i = 0; status == RK_OK && i < n; i++) {
        status = add_path(&page, paths, n, i);
    }
    for (int64_t i = 0; status == RK_OK && n == 1 && i < page.n_runs; i++) {
        page.runs[i].colour = (int)i; /* seeds of one folder, told apart */
    }
    if (status == RK_OK && how->asks_models) {
        status = ask_models(&page, paths, hooks);
    }
    if (status == RK_OK) {
        see_data(&page);
        status = write_page(&page, out_html);
    }
    free_page(&page);
    return status;
}
