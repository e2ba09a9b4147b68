/* rankine compare: compares runs, and tests whether they differ by more than chance. */
#include <string.h>

#include "cli.h"

static const char stop_text[] = "\nrankine: stopping (again: stop at once)\n";

typedef struct compare_args {
    const char *part, *device, *data, *html;
    int64_t bootstrap, confidence; /* percent */
    bool json, force;
} compare_args;

/* ---- tables ---- */

static int longest(const char *text, int least)
{
    int length = (int)strlen(text);
    return length > least ? length : least;
}

static void print_runs(const rk_comparison *c, const char *part)
{
    printf("%s users of %s, data set %s\n", cli_count(c->users).s, part, c->fingerprint);
    for (int64_t r = 0; r < c->n_runs; r++) {
        printf("  [%lld] %s", (long long)r + 1, c->runs[r].folder);
        if (c->runs[r].seeds > 1) {
            printf(", mean of %lld seeds\n", (long long)c->runs[r].seeds);
        } else {
            printf(", model of epoch %lld\n", (long long)c->runs[r].epoch);
        }
        if (c->runs[r].compat) {
            printf("      %s\n", c->runs[r].compat);
        }
    }
}

static void print_heads(const rk_comparison *c, const char *title, int first, const int *widths)
{
    bool colour = cli_colour(stdout);
    printf("\n%s%-*s", cli_bold(colour), first, title);
    for (int64_t r = 0; r < c->n_runs; r++) {
        char head[32];
        snprintf(head, sizeof head, "[%lld]", (long long)r + 1);
        printf("  %*s", widths[r], head);
    }
    printf("%s\n", cli_plain(colour));
}

static void print_options(const rk_comparison *c)
{
    int first = 15;
    int *widths = cli_alloc((size_t)c->n_runs, sizeof *widths);
    for (int64_t i = 0; i < c->n_options; i++) {
        first = longest(c->options[i].key, first);
        for (int64_t r = 0; r < c->n_runs; r++) {
            widths[r] = longest(c->options[i].values[r], widths[r] > 8 ? widths[r] : 8);
        }
    }
    if (c->n_options == 0) {
        printf("\nno option differs\n");
    } else {
        print_heads(c, "option", first, widths);
    }
    for (int64_t i = 0; i < c->n_options; i++) {
        printf("%-*s", first, c->options[i].key);
        for (int64_t r = 0; r < c->n_runs; r++) {
            printf("  %*s", widths[r], c->options[i].values[r]);
        }
        putchar('\n');
    }
    cli_free(widths);
}

/* Numbers of all runs are in the first one's protocol, whatever the options say. */
static void print_protocol(const rk_comparison *c)
{
    const char *const keys[] = {"eval.among", "eval.seen", "eval.style"};
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
        for (int64_t i = 0; i < c->n_options; i++) {
            if (strcmp(c->options[i].key, keys[k]) == 0) {
                printf("all runs are ranked and counted with %s %s, as [1] has it\n", keys[k],
                       c->options[i].values[0]);
            }
        }
    }
}

/* 0.12345, or 0.12345 +- 0.00012 for a run with several seeds */
static void print_metrics(const rk_comparison *c, const char *part)
{
    int *widths = cli_alloc((size_t)c->n_runs, sizeof *widths);
    for (int64_t r = 0; r < c->n_runs; r++) {
        widths[r] = c->runs[r].seeds > 1 ? 18 : 8;
    }
    print_heads(c, part, 15, widths);
    for (int64_t m = 0; m < c->n_metrics; m++) {
        printf("%-15s", c->metrics[m].name);
        for (int64_t r = 0; r < c->n_runs; r++) {
            char cell[64];
            if (c->runs[r].seeds > 1) {
                snprintf(cell, sizeof cell, "%.5f +- %.5f", c->metrics[m].values[r],
                         c->metrics[m].sd[r]);
            } else {
                snprintf(cell, sizeof cell, "%.5f", c->metrics[m].values[r]);
            }
            printf("  %*s", widths[r], cell);
        }
        putchar('\n');
    }
    cli_free(widths);
}

static void print_paired(const rk_comparison *c, int64_t r)
{
    bool colour = cli_colour(stdout);
    char title[32];
    char interval[32];
    snprintf(title, sizeof title, "[%lld] - [1]", (long long)r + 1);
    snprintf(interval, sizeof interval, "%g %% interval", 100 * c->how.confidence);
    printf("\n%s%-15s%12s%22s%11s%s\n", cli_bold(colour), title, "difference", interval, "p",
           cli_plain(colour));
    for (int64_t m = 0; m < c->n_metrics; m++) {
        const rk_paired *p = &c->metrics[m].paired[r];
        bool sure = colour && (p->low > 0 || p->high < 0);
        if (c->metrics[m].is_paired) {
            printf("%-15s%s%+12.5f%s  %+9.5f  %+9.5f%11.2g\n", c->metrics[m].name, cli_bold(sure),
                   p->difference, cli_plain(sure), p->low, p->high, p->p);
        }
    }
    printf("%s%-15s%12s%11s%11s%11s%s\n", cli_bold(colour), "  users", "t", "better", "worse",
           "equal", cli_plain(colour));
    for (int64_t m = 0; m < c->n_metrics; m++) {
        const rk_paired *p = &c->metrics[m].paired[r];
        if (c->metrics[m].is_paired) {
            printf("%-15s%12.2f%11s%11s%11s\n", c->metrics[m].name, p->t, cli_count(p->better).s,
                   cli_count(p->worse).s, cli_count(p->equal).s);
        }
    }
}

/* ---- JSON ---- */

static void json_number(cli_json *j, const char *key, double value)
{
    cli_json_key(j, key);
    cli_json_real(j, value);
}

static void json_paired(cli_json *j, const rk_paired *p)
{
    json_number(j, "difference", p->difference);
    json_number(j, "sd", p->sd);
    json_number(j, "t", p->t);
    json_number(j, "p", p->p);
    json_number(j, "low", p->low);
    json_number(j, "high", p->high);
    cli_json_key(j, "better");
    cli_json_int(j, p->better);
    cli_json_key(j, "worse");
    cli_json_int(j, p->worse);
    cli_json_key(j, "equal");
    cli_json_int(j, p->equal);
}

static void json_run(cli_json *j, const rk_comparison *c, int64_t r)
{
    cli_json_open(j, '{');
    cli_json_key(j, "run");
    cli_json_text(j, c->runs[r].folder);
    cli_json_key(j, "seeds");
    cli_json_int(j, c->runs[r].seeds);
    cli_json_pair(j, "compat", c->runs[r].compat);
    cli_json_key(j, "options");
    cli_json_open(j, '{');
    for (int64_t i = 0; i < c->n_options; i++) {
        cli_json_key(j, c->options[i].key);
        cli_json_text(j, c->options[i].values[r]);
    }
    cli_json_close(j, '}');
    cli_json_key(j, "metrics");
    cli_json_open(j, '{');
    for (int64_t m = 0; m < c->n_metrics; m++) {
        cli_json_key(j, c->metrics[m].name);
        cli_json_open(j, '{');
        json_number(j, "value", c->metrics[m].values[r]);
        if (c->runs[r].seeds > 1) {
            json_number(j, "sd_seeds", c->metrics[m].sd[r]);
        }
        if (r > 0 && c->metrics[m].is_paired) {
            json_paired(j, &c->metrics[m].paired[r]);
        }
        cli_json_close(j, '}');
    }
    cli_json_close(j, '}');
    cli_json_close(j, '}');
}

static void print_json(const rk_comparison *c, const char *part)
{
    cli_json j = {.out = stdout};
    cli_json_open(&j, '{');
    cli_json_key(&j, "part");
    cli_json_text(&j, part);
    cli_json_key(&j, "fingerprint");
    cli_json_text(&j, c->fingerprint);
    cli_json_key(&j, "users");
    cli_json_int(&j, c->users);
    cli_json_key(&j, "replicates");
    cli_json_int(&j, c->how.replicates);
    json_number(&j, "confidence", c->how.confidence);
    cli_json_key(&j, "runs");
    cli_json_open(&j, '[');
    for (int64_t r = 0; r < c->n_runs; r++) {
        json_run(&j, c, r);
    }
    cli_json_close(&j, ']');
    cli_json_close(&j, '}');
}

/* ---- the command ---- */

static int write_page(const cli *c, const compare_args *args, const rk_comparison *comparison)
{
    rk_page_options how = rk_page_defaults();
    how.part = comparison->how.part;
    how.device = args->device;
    how.data_root = args->data;
    how.comparison = comparison;
    const char **runs = cli_alloc((size_t)comparison->n_runs, sizeof *runs);
    for (int64_t r = 0; r < comparison->n_runs; r++) {
        runs[r] = comparison->runs[r].folder; /* of a sweep that of its chosen trial */
    }
    int code = cli_write_page(c, runs, comparison->n_runs, &how, "--html", args->html, args->force);
    cli_free(runs);
    return code;
}

static int compare(const cli *c, const compare_args *args)
{
    cli_display display;
    rk_comparison *comparison = NULL;
    rk_compare_options how = rk_compare_defaults();
    how.part = cli_part(args->part);
    how.device = args->device;
    how.data_root = args->data;
    how.replicates = args->bootstrap;
    how.confidence = (double)args->confidence / 100;
    if (args->force && !args->html) {
        return cli_usage("compare", "--force replaces the file of --html FILE: name it");
    }
    if (c->more.n < 2) {
        return cli_usage("compare", "compare needs two or more runs; it has %s only",
                         c->positional);
    }
    cli_display_init(&display, c);
    rk_hooks hooks = cli_display_hooks(&display);
    cli_signals_install(stop_text);
    rk_status status = rk_compare(c->more.v, c->more.n, &how, &hooks, &comparison);
    cli_display_end(&display);
    if (status != RK_OK) {
        return cli_fail(c, status);
    }
    if (args->json) {
        print_json(comparison, args->part);
    } else {
        print_runs(comparison, args->part);
        print_options(comparison);
        print_protocol(comparison);
        print_metrics(comparison, args->part);
        for (int64_t r = 1; r < comparison->n_runs; r++) {
            print_paired(comparison, r);
        }
        printf("\npaired over users, two-sided: t-test, and percentile\ninterval of %s bootstrap "
               "replicates\n",
               cli_count(comparison->how.replicates).s);
    }
    int code = args->html ? write_page(c, args, comparison) : 0;
    rk_comparison_free(comparison);
    return code;
}

int cmd_compare(cli *c, int argc, char **argv)
{
    compare_args args = {.part = rk_part_name(RK_TEST), .confidence = 95, .bootstrap = 2000};
    const cli_option table[] = {
        {"--part", CLI_TEXT, &args.part, "valid|test", "which held-out interactions; default test",
         0, 0},
        {"--bootstrap", CLI_INT, &args.bootstrap, "N", "replicates; default 2000", 100, 1000000},
        {"--confidence", CLI_INT, &args.confidence, "PERCENT", "of the interval; default 95", 1,
         99},
        {"--json", CLI_FLAG, &args.json, NULL,
         "one JSON object: part, fingerprint, users, replicates, confidence, runs\n"
         "[{run, seeds, options {key: value}, metrics {name: {value, and against the\n"
         "first run difference, sd, t, p, low, high, better, worse, equal}}; with\n"
         "model.compat compat}]",
         0, 0},
        {"--html", CLI_TEXT, &args.html, "FILE",
         "also a page to look at, as of rankine report, with the paired tests in it", 0, 0},
        {"--force", CLI_FLAG, &args.force, NULL, "replace that file if it is there", 0, 0},
        {"--device", CLI_TEXT, &args.device, "auto|cpu|cuda|cuda:N", "where to compute", 0, 0},
        {"--data", CLI_TEXT, &args.data, "DIR", "where the data files are now, if they moved", 0,
         0},
        {"--quiet", CLI_FLAG, &c->quiet, NULL, "no messages and no progress", 0, 0},
        {NULL, CLI_FLAG, NULL, NULL, NULL, 0, 0},
    };
    const cli_spec spec = {
        "compare",
        "RUN...",
        false,
        "Ranks all items by each run's model again and shows what differs: options, metrics, and\n"
        "for every run the mean difference to the first one over the users, with a paired t-test\n"
        "and a bootstrap interval. Folders made by train --seeds count as one run each. All runs\n"
        "must have the same data set and split; eval.among, eval.seen and eval.style of the first\n"
        "hold for all.",
        "  rankine compare runs/lightgcn runs/mf\n"
        "  rankine compare runs/dim64 runs/dim128 runs/dim256 --part valid\n"
        "  rankine compare runs/five-seeds-a runs/five-seeds-b --json",
        table};
    int code;
    if (cli_parse(c, &spec, argc, argv, &code)) {
        code = compare(c, &args);
    }
    cli_free(c->more.v);
    return code;
}
