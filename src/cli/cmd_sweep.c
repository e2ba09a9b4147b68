/* rankine sweep: trains many combinations of options by rk_sweep, then prints them as a table. */
#include <math.h>
#include <string.h>

#include "cli.h"

typedef struct sweep_args {
    cli_list set;
    const char *data, *device, *run, *space, *method;
    int64_t trials, seed, final_seeds;
    bool resume, json;
} sweep_args;

static const char examples[] =
    "  rankine sweep exp.yaml --space space.yaml --trials 30 --method tpe --run runs/tuned\n"
    "  rankine sweep exp.yaml --space space.yaml --method grid --set train.epochs=20\n"
    "  rankine sweep exp.yaml --space hyper.test --method halving --trials 27\n"
    "  rankine sweep --run runs/tuned --resume\n"
    "  rankine recommend runs/tuned/best --user 7";

static const char stop_text[] =
    "\nrankine: stopping after this step, then writing a checkpoint (again: stop at once)\n";

enum { SHOWN = 20 };

/* A sweep that is going on. */
typedef struct work {
    const cli *c;
    cli_display display;
    char *run_dir; /* that was taken; owned */
    bool is_json;
} work;

static void on_begun(void *user, const char *run_dir, const rk_dataset *dataset)
{
    work *w = user;
    w->run_dir = cli_format("%s", run_dir);
    cli_display_end(&w->display);
    if (!w->c->quiet && !w->is_json) {
        cli_print_stats(stdout, dataset);
        fflush(stdout);
    }
}

static double number_of(const rk_report *report, int64_t trial, const char *member)
{
    char path[96];
    snprintf(path, sizeof path, "trials.%lld.%s", (long long)trial, member);
    return rk_report_number(report, path);
}

static const char *text_of(const rk_report *report, int64_t trial, const char *member)
{
    char path[96];
    snprintf(path, sizeof path, "trials.%lld.%s", (long long)trial, member);
    return rk_report_text(report, path);
}

/* Whether trial a comes before b: those with a result first, the best of them at the top; of
 * halving those that went further. */
static bool comes_first(const rk_report *report, int64_t a, int64_t b, bool lower)
{
    const double x = number_of(report, a, "value"), y = number_of(report, b, "value");
    const char *state = text_of(report, a, "state"), *other = text_of(report, b, "state");
    const bool is_cut = state && strcmp(state, "pruned") == 0;
    const bool other_cut = other && strcmp(other, "pruned") == 0;
    if (isnan(x) || isnan(y)) {
        return !isnan(x) && isnan(y);
    }
    if (is_cut && other_cut) {
        const double m = number_of(report, a, "epochs"), n = number_of(report, b, "epochs");
        if (m > n || n > m) {
            return m > n;
        }
    }
    return is_cut != other_cut ? other_cut : lower ? x < y : x > y;
}

/* "model.dim 32, model.layers 2"; to be freed. */
static char *options_of(const rk_report *report, int64_t trial)
{
    char prefix[64];
    snprintf(prefix, sizeof prefix, "trials.%lld.options.", (long long)trial);
    const size_t length = strlen(prefix);
    char *all = cli_format("%s", "");
    for (int64_t i = 0; i < rk_report_count(report); i++) {
        const char *path = rk_report_path(report, i);
        if (strncmp(path, prefix, length) == 0) {
            char *more = cli_format("%s%s%s %s", all, *all ? ", " : "", path + length,
                                    rk_report_value(report, i));
            cli_free(all);
            all = more;
        }
    }
    return all;
}

static void print_trial(const rk_report *report, int64_t trial, int64_t chosen)
{
    const char *state = text_of(report, trial, "state");
    const double value = number_of(report, trial, "value");
    const double seconds = number_of(report, trial, "seconds");
    char *options = options_of(report, trial);
    char shown[32] = "-";
    if (!isnan(value)) {
        snprintf(shown, sizeof shown, "%.5f", value);
    }
    printf("%6lld  %9s  %6.0f  %8s  %-7s %c %s\n", (long long)trial + 1, shown,
           number_of(report, trial, "epochs"), cli_seconds(isnan(seconds) ? 0 : seconds).s,
           state ? state : "", trial + 1 == chosen ? '*' : ' ', options);
    cli_free(options);
}

static void print_trials(const rk_report *report)
{
    const int64_t n = (int64_t)rk_report_number(report, "sweep.trials");
    const int64_t chosen = (int64_t)rk_report_number(report, "best.trial");
    const char *lower = rk_report_text(report, "sweep.lower_is_better");
    const bool is_lower = lower && strcmp(lower, "true") == 0;
    bool *printed = cli_alloc((size_t)n, sizeof *printed);
    printf("\n trial  %9s  epochs   seconds  state     options\n",
           rk_report_text(report, "sweep.metric"));
    for (int64_t row = 0; row < n && row < SHOWN; row++) {
        int64_t first = -1;
        for (int64_t t = 0; t < n; t++) {
            if (!printed[t] && (first < 0 || comes_first(report, t, first, is_lower))) {
                first = t;
            }
        }
        printed[first] = true;
        print_trial(report, first, chosen);
    }
    if (n > SHOWN) {
        printf("        and %lld more, in trials.csv\n", (long long)(n - SHOWN));
    }
    cli_free(printed);
}

static void print_final(const rk_report *report)
{
    for (int64_t i = 0;; i++) {
        char path[64];
        snprintf(path, sizeof path, "final.%lld.trial", (long long)i);
        const double trial = rk_report_number(report, path);
        if (isnan(trial)) {
            return;
        }
        snprintf(path, sizeof path, "final.%lld.mean", (long long)i);
        const double mean = rk_report_number(report, path);
        snprintf(path, sizeof path, "final.%lld.sd", (long long)i);
        const double sd = rk_report_number(report, path);
        snprintf(path, sizeof path, "final.%lld.seeds", (long long)i);
        printf("%strial %.0f with %.0f other seeds: ", i == 0 ? "\n" : "", trial,
               rk_report_number(report, path));
        if (isnan(mean)) {
            printf("failed\n");
        } else {
            printf("%s %.5f, sd %.5f\n", rk_report_text(report, "sweep.metric"), mean, sd);
        }
    }
}

/* What the report has below `prefix`: "test." or "test_errors.". */
static void print_part(const rk_report *report, const char *prefix)
{
    const bool is_error = strcmp(prefix, "test.") != 0;
    for (int64_t i = 0; i < rk_report_count(report); i++) {
        const char *path = rk_report_path(report, i);
        char other[160];
        if (strncmp(path, prefix, strlen(prefix)) != 0) {
            continue;
        }
        snprintf(other, sizeof other, "popularity.%.120s", path);
        const double popularity = rk_report_number(report, other);
        snprintf(other, sizeof other, "test_sd.%.120s", path + strlen(prefix));
        const double sd = is_error ? (double)NAN : rk_report_number(report, other);
        printf("  %-16s%9.5f", path + strlen(prefix), rk_report_number(report, path));
        if (!isnan(sd)) {
            printf("  sd %.5f", sd);
        }
        if (!isnan(popularity)) {
            printf("  popularity %.5f", popularity);
        }
        printf("\n");
    }
}

/* What the trial was chosen by comes first. */
static void print_test(const rk_report *report, double seeds)
{
    const char *lower = rk_report_text(report, "sweep.lower_is_better");
    const bool by_error = lower && strcmp(lower, "true") == 0;
    if (seeds > 0) {
        printf("\ntest, mean of the chosen trial's %.0f other seeds\n", seeds);
    } else {
        printf("\ntest, of the chosen trial\n");
    }
    print_part(report, by_error ? "test_errors." : "test.");
    print_part(report, by_error ? "test." : "test_errors.");
}

static void print_report(const rk_report *report, const char *run_dir)
{
    const char *best = rk_report_text(report, "best.run"),
               *metric = rk_report_text(report, "sweep.metric");
    const double seeds = rk_report_number(report, "final.0.seeds"); /* NaN: none */
    char by[160];
    if (seeds > 0) {
        snprintf(by, sizeof by, "the mean %.60s of %.0f other seeds", metric, seeds);
    } else {
        snprintf(by, sizeof by, "%.60s", metric);
    }
    print_trials(report);
    print_final(report);
    printf("\nbest      trial %.0f of %.0f tried (%.0f failed, %.0f reused, %.0f invalid "
           "combinations), chosen by %s on valid\n",
           rk_report_number(report, "best.trial"), rk_report_number(report, "sweep.trials"),
           rk_report_number(report, "sweep.failed"), rk_report_number(report, "sweep.reused"),
           rk_report_number(report, "sweep.invalid"), by);
    print_test(report, seeds);
    char *folder = cli_format("%s/%s", run_dir, best ? best : "best");
    char *quoted = cli_quote_path(folder);
    printf("\nsweep     %s\nnext      rankine evaluate %s\n", run_dir, quoted);
    cli_free(quoted);
    cli_free(folder);
}

/* What came of it; returns the exit code. */
static int sum_up(const work *w, rk_status status)
{
    rk_report *report = NULL;
    int code = 0;
    if (status == RK_ERR_INTERRUPTED && w->run_dir && cli_exists(w->run_dir, "sweep.yaml")) {
        char *folder = cli_quote_path(w->run_dir);
        fprintf(stderr, "rankine: interrupted; go on with\n  rankine sweep --run %s --resume\n",
                folder);
        cli_free(folder);
        return rk_status_exit_code(status);
    }
    if (status == RK_OK) {
        status = rk_report_open(w->run_dir, &report);
    }
    if (status != RK_OK) {
        return cli_fail(w->c, status);
    }
    if (w->is_json) {
        cli_json j = {.out = stdout};
        cli_json_open(&j, '{');
        cli_json_key(&j, "run");
        cli_json_text(&j, w->run_dir);
        cli_json_key(&j, "report");
        code = cli_json_report(&j, w->run_dir);
        cli_json_close(&j, '}');
    } else {
        print_report(report, w->run_dir);
    }
    rk_report_free(report);
    return code;
}

static rk_sweep_method method_of(const char *name)
{
    rk_sweep_method method = RK_SWEEP_GRID;
    while (name && rk_sweep_method_name(method) &&
           strcmp(name, rk_sweep_method_name(method)) != 0) {
        method++;
    }
    return name ? method : rk_sweep_defaults().method;
}

static int sweep(const cli *c, const sweep_args *args, const rk_config *config, const char *run_dir)
{
    work w = {.c = c, .is_json = args->json};
    cli_display_init(&w.display, c);
    rk_hooks hooks = cli_display_hooks(&w.display);
    cli_signals_install(stop_text);
    rk_sweep_options options = rk_sweep_defaults();
    options.run_dir = run_dir;
    options.new_dir = !args->run;
    options.resume = args->resume;
    options.space = args->space;
    options.method = method_of(args->method);
    options.trials = args->trials;
    options.seed = args->seed;
    options.final_seeds = args->final_seeds;
    options.begun = on_begun;
    options.user = &w;
    rk_status status = rk_sweep(config, &options, &hooks);
    cli_display_end(&w.display);
    int code = sum_up(&w, status);
    cli_free(w.run_dir);
    return code;
}

static int check_usage(const cli *c, const sweep_args *args)
{
    if (args->resume && !args->run) {
        return cli_usage("sweep", "--resume needs the sweep to go on with: --run DIR");
    }
    if (args->resume && args->method && !args->space) {
        return cli_usage("sweep", "a sweep goes on with its own method: leave out --method, or "
                                  "name --space, too, to have both compared");
    }
    if (!args->resume && !c->positional) {
        return cli_usage("sweep", "sweep needs a CONFIG, e.g. configs/lightgcn-paper.yaml");
    }
    if (!args->resume && !args->space) {
        return cli_usage("sweep", "sweep needs the values to try: --space FILE");
    }
    return 0;
}

static int run_command(const cli *c, const sweep_args *args)
{
    rk_config *config = NULL;
    char *run_config = NULL, *run_dir = NULL;
    int code = check_usage(c, args);
    if (code != 0) {
        return code;
    }
    if (args->resume && !cli_exists(args->run, "sweep.yaml")) {
        return cli_error(rk_status_exit_code(RK_ERR_CONFIG),
                         "%s: nothing to go on with, it has no sweep.yaml; start without --resume",
                         args->run);
    }
    if (!c->positional) {
        run_config = cli_format("%s/config.yaml", args->run);
    }
    code = cli_load_config(c, run_config ? run_config : c->positional, args->data, args->device,
                           &args->set, &config);
    if (code == 0) {
        run_dir = args->run ? cli_format("%s", args->run) : cli_new_folder(c->positional, "-sweep");
        code = sweep(c, args, config, run_dir);
    }
    rk_config_free(config);
    cli_free(run_config);
    cli_free(run_dir);
    return code;
}

int cmd_sweep(cli *c, int argc, char **argv)
{
    sweep_args args = {.seed = -1};
    const cli_option table[] = {
        {"--space", CLI_TEXT, &args.space, "FILE",
         "the values to try: YAML, 'model.dim: [32, 64]' a line,\n"
         "or RecBole's hyper.test (docs/sweep.md)",
         0, 0},
        {"--method", CLI_TEXT, &args.method, "grid|random|halving|tpe",
         "every combination; drawn (default); drawn, in ever more epochs for ever\n"
         "fewer; drawn near the good ones",
         0, 0},
        {"--trials", CLI_INT, &args.trials, "N",
         "combinations to train; default 20, of a grid all of them", 1, 100000},
        {"--seed", CLI_INT, &args.seed, "N", "of the draws; default run.seed", 0, INT64_MAX},
        {"--final-seeds", CLI_INT, &args.final_seeds, "N",
         "train the best 3 again, with N other seeds each, and choose by the mean", 2, 1000},
        {"--run", CLI_TEXT, &args.run, "DIR",
         "the sweep folder; default runs/NAME-sweep-YYYYmmdd-HHMMSS", 0, 0},
        {"--resume", CLI_FLAG, &args.resume, NULL,
         "go on with the sweep in --run DIR, as if never stopped; --trials may grow;\n"
         "CONFIG and --space need not be named",
         0, 0},
        {"--set", CLI_REPEAT, &args.set, "KEY=VALUE",
         "set an option of the config, e.g. train.epochs=50; may be repeated", 0, 0},
        {"--data", CLI_TEXT, &args.data, "DIR", "where the data files are (= --set data.root=DIR)",
         0, 0},
        {"--device", CLI_TEXT, &args.device, "auto|cpu|cuda|cuda:N",
         "where to compute (= --set run.device=...)", 0, 0},
        {"--json", CLI_FLAG, &args.json, NULL,
         "at the end one JSON object: run, report (that of report.json)", 0, 0},
        {"--quiet", CLI_FLAG, &c->quiet, NULL, "only warnings, errors and the table", 0, 0},
        {NULL, CLI_FLAG, NULL, NULL, NULL, 0, 0},
    };
    const cli_spec spec = {
        "sweep",
        "CONFIG",
        true,
        "Trains a model with many combinations of options, chooses by eval.metric on valid, and\n"
        "tests what was chosen. Ctrl-C, SIGTERM or even kill -9: --resume goes on as if never\n"
        "stopped.",
        examples,
        table};
    int code;
    if (cli_parse(c, &spec, argc, argv, &code)) {
        code = run_command(c, &args);
    }
    cli_free(args.set.v);
    return code;
}
