/* rankine report: a page to look at about one run or several, or about a sweep. */
#include <string.h>

#include "cli.h"

static const char stop_text[] = "\nrankine: stopping (again: stop at once)\n";

typedef struct report_args {
    const char *out, *part, *device, *data;
    int64_t users, samples;
    bool force, fast;
} report_args;

int cli_write_page(const cli *c, const char *const *runs, int64_t n, const rk_page_options *how,
                   const char *option, const char *path, bool force)
{
    cli_display display;
    cli_result file = {.path = NULL};
    char *html = NULL;
    int code = cli_result_open(&file, option, path, force);
    if (code != 0) {
        return code;
    }
    cli_display_init(&display, c);
    rk_hooks hooks = cli_display_hooks(&display);
    cli_signals_install(stop_text);
    rk_status status = rk_page_text(runs, n, how, &hooks, &html);
    cli_display_end(&display);
    if (status != RK_OK) {
        cli_result_close(&file);
        return cli_fail(c, status);
    }
    fputs(html, file.file);
    rk_string_free(html);
    code = cli_result_commit(&file);
    if (code == 0 && !c->quiet && !cli_is_standard_output(path)) {
        fprintf(stderr, "the page, for a browser: %s\n", path);
    }
    return code;
}

/* Of one folder its own page, which is replaced by this fuller one. */
static char *usual_path(const cli *c, bool *out_is_own)
{
    *out_is_own = c->more.n == 1 && cli_is_directory(c->more.v[0]);
    return *out_is_own ? cli_format("%s/report.html", c->more.v[0]) : cli_format("report.html");
}

static int report(const cli *c, const report_args *args)
{
    rk_page_options how = rk_page_defaults();
    bool is_own = false;
    how.asks_models = !args->fast;
    how.part = cli_part(args->part);
    how.users = args->users;
    how.samples = args->samples;
    how.device = args->device;
    how.data_root = args->data;
    if (args->out && cli_is_directory(args->out)) {
        return cli_usage("report", "--out %s is a folder: name the file, e.g. %s/report.html",
                         args->out, args->out);
    }
    char *path = args->out ? cli_format("%s", args->out) : usual_path(c, &is_own);
    int code = cli_write_page(c, c->more.v, c->more.n, &how, "--out", path, args->force || is_own);
    cli_free(path);
    return code;
}

int cmd_report(cli *c, int argc, char **argv)
{
    const rk_page_options usual = rk_page_defaults();
    report_args args = {
        .part = rk_part_name(RK_TEST), .users = usual.users, .samples = usual.samples};
    const cli_option table[] = {
        {"--out", CLI_TEXT, &args.out, "FILE",
         "the page; default report.html in the folder of a single run or sweep, else in\n"
         "the current folder",
         0, 0},
        {"--force", CLI_FLAG, &args.force, NULL, "replace that file if it is there", 0, 0},
        {"--part", CLI_TEXT, &args.part, "valid|test",
         "which held-out interactions the models are asked for; default test", 0, 0},
        {"--users", CLI_INT, &args.users, "N",
         "at most so many of its users; 0: all; default 20000", 0, INT32_MAX},
        {"--samples", CLI_INT, &args.samples, "N",
         "users whose recommendations are shown; default 6", 0, 50},
        {"--fast", CLI_FLAG, &args.fast, NULL,
         "only what the runs wrote themselves; no model is opened", 0, 0},
        {"--device", CLI_TEXT, &args.device, "auto|cpu|cuda|cuda:N", "where to compute", 0, 0},
        {"--data", CLI_TEXT, &args.data, "DIR", "where the data files are now, if they moved", 0,
         0},
        {"--quiet", CLI_FLAG, &c->quiet, NULL, "no messages and no progress", 0, 0},
        {NULL, CLI_FLAG, NULL, NULL, NULL, 0, 0},
    };
    const cli_spec spec = {
        "report",
        "RUN...",
        false,
        "Makes one HTML page, which needs nothing but itself: curves of losses and metrics,\n"
        "metrics by the length of the list, slices of users and items, what is recommended\n"
        "beside popularity, data, options that differ, machine, time and memory, and samples\n"
        "of recommendations. Several runs stand in the same charts; a folder made by train\n"
        "--seeds is shown with its seeds; of a sweep the page shows its trials.",
        "  rankine report runs/lightgcn\n"
        "  rankine report runs/lightgcn runs/mf --out both.html\n"
        "  rankine report sweeps/dims",
        table};
    int code;
    if (cli_parse(c, &spec, argc, argv, &code)) {
        code = report(c, &args);
    }
    cli_free(c->more.v);
    return code;
}
