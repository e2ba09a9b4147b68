/*
 * rankine train: prepares the data set and prints its statistics, runs rk_train, then prints the
 * results, read back from the run's report.
 */
#include <math.h>
#include <string.h>

#include "cli.h"

typedef struct train_args {
    cli_list set;
    const char *data, *device, *run, *from, *new_ids, *recbole;
    bool resume, force, eager, profile, print_config, print_program, json;
    int64_t seeds; /* 0 = one run */
} train_args;

static const char examples[] =
    "  rankine train configs/lightgcn-paper.yaml --data DIR\n"
    "  rankine train exp.yaml --set train.epochs=50 --set model.dim=32 --run runs/dim32\n"
    "  rankine train exp.yaml --run runs/dim32 --resume\n"
    "  rankine train exp.yaml --run runs/five --seeds 5\n"
    "  rankine train exp.yaml --run runs/tuesday --from runs/monday\n"
    "  rankine train exp.yaml --print-config\n"
    "  rankine train exp.yaml --print-program";

static const char stop_text[] =
    "\nrankine: stopping after this step, then writing a checkpoint (again: stop at once)\n";

/* Named after the data set, else after the config; owned by the caller. */
static char *default_run_dir(const cli *c, const rk_config *config)
{
    const char *name;
    if (rk_config_get(config, "data.name", &name) != RK_OK || *name == '\0' ||
        strpbrk(name, "/\"' ")) {
        name = c->positional ? c->positional : "recbole";
    }
    return cli_new_folder(name, "");
}

/* A user whose id needs no quotes, if there is one among the first; -1 where none can be shown. */
static int64_t plain_user(const rk_dataset *dataset)
{
    enum { LOOKED_AT = 1000 };
    const int64_t n = rk_dataset_get_stats(dataset)->users;
    int64_t shown = -1;
    for (int64_t i = 0; i < n && i < LOOKED_AT; i++) {
        char room[RK_ID_BYTES];
        const char *id = rk_dataset_user_id(dataset, i, room);
        char *quoted = cli_quote(id);
        bool is_plain = strcmp(quoted, id) == 0 && id[0] != '-' && id[0] != '@';
        bool is_quoted = quoted[0] == '\'';
        cli_free(quoted);
        if (is_plain) {
            return i;
        }
        shown = shown < 0 && is_quoted ? i : shown;
    }
    return shown;
}

/* A training that is going on. */
typedef struct work {
    const cli *c;
    cli_display display;
    char *run_dir; /* that was taken, else NULL; owned */
    char *user;    /* some user of the data set; owned */
    bool is_other; /* a rank that is not the first: that one prints and writes */
    bool is_json;  /* nothing but the object at the end */
} work;

/* Folder and data set are there. */
static void on_begun(void *user, const char *run_dir, const rk_dataset *dataset)
{
    work *w = user;
    char room[RK_ID_BYTES];
    if (!run_dir) {
        w->is_other = true;
        return;
    }
    w->run_dir = cli_format("%s", run_dir);
    const int64_t user_shown = plain_user(dataset);
    w->user =
        user_shown < 0 ? NULL : cli_format("%s", rk_dataset_user_id(dataset, user_shown, room));
    cli_display_end(&w->display);
    if (!w->c->quiet && !w->is_json) {
        cli_print_stats(stdout, dataset);
        fflush(stdout);
    }
}

/* Prints a command to go on with, for some user of the data set. */
static void print_next(const work *w)
{
    char *folder = cli_quote_path(w->run_dir);
    if (w->user) {
        char *id = cli_quote(w->user);
        printf("next      rankine recommend %s --user%c%s\n", folder, id[0] == '-' ? '=' : ' ', id);
        cli_free(id);
    } else {
        printf("next      rankine evaluate %s\n", folder);
    }
    cli_free(folder);
}

/* How to go on with what was interrupted, in one piece, for launchers mark what they pass on. */
static void print_resume(const train_args *args, const char *run_dir)
{
    char *folder = cli_quote_path(run_dir), seeds[40] = "";
    if (args->seeds > 0) {
        snprintf(seeds, sizeof seeds, " --seeds %lld", (long long)args->seeds);
    }
    fprintf(stderr, "rankine: interrupted; go on with\n  rankine train --run %s%s --resume\n",
            folder, seeds);
    cli_free(folder);
}

static int print_json(const char *run_dir)
{
    cli_json j = {.out = stdout};
    cli_json_open(&j, '{');
    cli_json_key(&j, "run");
    cli_json_text(&j, run_dir);
    cli_json_key(&j, "report");
    int code = cli_json_report(&j, run_dir);
    cli_json_close(&j, '}');
    return code;
}

/* What came of it; returns the exit code. */
static int sum_up(const work *w, const train_args *args, rk_status status)
{
    rk_report *report = NULL;
    int code = 0;
    const char *run_dir = w->run_dir;
    if (w->is_other && (status == RK_OK || status == RK_ERR_INTERRUPTED)) {
        return rk_status_exit_code(status);
    }
    if (!run_dir) {
        return cli_fail(w->c, status);
    }
    if (status == RK_ERR_INTERRUPTED &&
        cli_exists(run_dir, args->seeds > 0 ? "config.yaml" : "last.h5")) {
        print_resume(args, run_dir);
        return rk_status_exit_code(status);
    }
    if (status == RK_OK) {
        status = rk_report_open(run_dir, &report);
    }
    if (status != RK_OK) {
        return cli_fail(w->c, status);
    }
    if (args->json) {
        code = print_json(run_dir);
    } else if (args->seeds > 0) {
        cli_print_seeds(stdout, report);
        printf("runs      %s\n", run_dir);
    } else {
        cli_print_report(stdout, report);
        printf("run       %s\n", run_dir);
        print_next(w);
    }
    rk_report_free(report);
    return code;
}

/* run_dir: the folder to take; is_wish: or another one named after it. */
static int train(const cli *c, const train_args *args, const rk_config *config, const char *run_dir,
                 bool is_wish)
{
    work w = {.c = c, .is_json = args->json};
    cli_display_init(&w.display, c);
    rk_hooks hooks = cli_display_hooks(&w.display);
    cli_signals_install(stop_text);
    rk_train_options options = rk_train_defaults();
    options.run_dir = run_dir;
    options.new_dir = is_wish;
    options.resume = args->resume;
    options.force = args->force;
    options.eager = args->eager;
    options.profile = args->profile;
    options.from = args->from;
    options.new_ids =
        args->new_ids && strcmp(args->new_ids, "folded") == 0 ? RK_NEW_FOLDED : RK_NEW_DRAWN;
    char *command = cli_command_line(c);
    options.command = command;
    options.begun = on_begun;
    options.user = &w;
    cli_speak_late(false); /* ranks meet in there */
    rk_status status = args->seeds > 0 ? rk_train_seeds(config, &options, args->seeds, &hooks)
                                       : rk_train(config, &options, &hooks);
    cli_display_end(&w.display);
    int code = sum_up(&w, args, status);
    cli_free(command);
    cli_free(w.run_dir);
    cli_free(w.user);
    return code;
}

static int check_usage(const cli *c, const train_args *args)
{
    if (args->resume && args->force) {
        return cli_usage("train", "--resume goes on with a run, --force replaces it: not both");
    }
    if (args->resume && args->from) {
        return cli_usage("train", "--resume goes on from the run's own checkpoint, --from begins "
                                  "with that of another run: not both");
    }
    if (args->new_ids && !args->from) {
        return cli_usage("train", "--new says what becomes of ids that the run of --from does not "
                                  "know: name it by --from RUN");
    }
    if (args->resume && !args->run) {
        return cli_usage("train", "--resume needs the run to go on with: --run DIR");
    }
    if (c->positional && args->recbole) {
        return cli_usage("train", "--recbole FILE stands in the place of CONFIG: not both");
    }
    if (!c->positional && !args->resume && !args->recbole) {
        return cli_usage("train", "train needs a CONFIG, e.g. configs/lightgcn-paper.yaml");
    }
    return 0;
}

/* Checks before any work is done, in the words of the command line; the library checks again. */
static int check_folder(const train_args *args, const char *run_dir)
{
    if (args->seeds > 0) {
        return 0; /* the library decides what a folder of several runs may hold */
    }
    const bool is_run = cli_exists(run_dir, "environment.json");
    const bool has_checkpoint = cli_exists(run_dir, "last.h5");
    if (args->resume && cli_exists(run_dir, "sweep.yaml")) {
        return cli_error(rk_status_exit_code(RK_ERR_CONFIG),
                         "%s is a sweep: go on with it by rankine sweep --run %s --resume", run_dir,
                         run_dir);
    }
    if (args->resume && !has_checkpoint) {
        return cli_error(rk_status_exit_code(RK_ERR_CONFIG),
                         "%s: nothing to go on with, it has no last.h5; start %s --resume", run_dir,
                         is_run ? "anew by --force in place of" : "without");
    }
    if (!args->resume && !args->force && is_run) {
        return cli_error(rk_status_exit_code(RK_ERR_CONFIG),
                         "%s holds a run already: %sreplace it by --force, or name another folder "
                         "by --run",
                         run_dir, has_checkpoint ? "go on with it by --resume, " : "");
    }
    return 0;
}

static int print_config(const cli *c, const rk_config *config)
{
    char *text = NULL;
    rk_status status = rk_config_text(config, true, &text);
    if (status == RK_OK) {
        fputs(text, stdout);
        status = rk_config_check(config);
    }
    rk_string_free(text);
    return status == RK_OK ? 0 : cli_fail(c, status);
}

/* With the arguments as they were parsed. */
static int run_command(const cli *c, const train_args *args)
{
    rk_config *config = NULL;
    char *run_config = NULL;
    char *run_dir = NULL;
    int code = check_usage(c, args);
    if (code == 0 && args->run && !args->print_config && !args->print_program) {
        code = check_folder(args, args->run);
    }
    if (code != 0) {
        goto done;
    }
    if (!c->positional && !args->recbole) {
        run_config = cli_format("%s/config.yaml", args->run);
    }
    const char *path = args->recbole ? args->recbole : run_config ? run_config : c->positional;
    code = cli_load_any_config(c, path, args->recbole != NULL, args->data, args->device, &args->set,
                               &config);
    if (code != 0) {
        goto done;
    }
    if (args->print_config || args->print_program) {
        code = args->print_config ? print_config(c, config) : cli_print_program(c, config, NULL);
        goto done;
    }
    run_dir = args->run ? cli_format("%s", args->run) : default_run_dir(c, config);
    code = train(c, args, config, run_dir, !args->run);
done:
    rk_config_free(config);
    cli_free(run_config);
    cli_free(run_dir);
    return code;
}

int cmd_train(cli *c, int argc, char **argv)
{
    train_args args = {.run = NULL};
    const cli_option table[] = {
        {"--set", CLI_REPEAT, &args.set, "KEY=VALUE",
         "set an option of the config, e.g. train.epochs=50; may be repeated", 0, 0},
        {"--recbole", CLI_TEXT, &args.recbole, "FILE",
         "a config of RecBole in the place of CONFIG; what differs is said", 0, 0},
        {"--data", CLI_TEXT, &args.data, "DIR", "where the data files are (= --set data.root=DIR)",
         0, 0},
        {"--device", CLI_TEXT, &args.device, "auto|cpu|cuda|cuda:N",
         "where to compute (= --set run.device=...)", 0, 0},
        {"--run", CLI_TEXT, &args.run, "DIR",
         "the run folder; default runs/NAME-YYYYmmdd-HHMMSS, or that with -2, -3 ...", 0, 0},
        {"--resume", CLI_FLAG, &args.resume, NULL,
         "go on from the last checkpoint in --run DIR, as if never stopped;\n"
         "without CONFIG the run's own config is taken",
         0, 0},
        {"--force", CLI_FLAG, &args.force, NULL, "replace the run that is in --run DIR", 0, 0},
        {"--from", CLI_TEXT, &args.from, "RUN",
         "begin with the parameters of this run (or model file): users and items\n"
         "that it knows go on from there, e.g. with a day of new interactions",
         0, 0},
        {"--new", CLI_TEXT, &args.new_ids, "drawn|folded",
         "with --from, users and items that it does not know: drawn at random\n"
         "(default), or made of what they have",
         0, 0},
        {"--seeds", CLI_INT, &args.seeds, "N",
         "N runs with the seeds run.seed, run.seed+1, ... in DIR/seed-*, then mean\n"
         "and standard deviation of every metric; --resume keeps finished ones",
         2, 1000},
        {"--eager", CLI_FLAG, &args.eager, NULL,
         "for debugging: compute operation by operation, check every\n"
         "result and name the first operation that fails; slow",
         0, 0},
        {"--profile", CLI_FLAG, &args.profile, NULL,
         "time every operation of the steps, and show the bytes it moves beside\n"
         "what the device can do at best; also in profile.csv of the run folder",
         0, 0},
        {"--print-config", CLI_FLAG, &args.print_config, NULL,
         "show every option with its value and where that came from; train nothing", 0, 0},
        {"--print-program", CLI_FLAG, &args.print_program, NULL,
         "show a training step as one page: operations, shapes, bytes; train nothing", 0, 0},
        {"--json", CLI_FLAG, &args.json, NULL,
         "at the end one JSON object: run, report (that of report.json)", 0, 0},
        {"--quiet", CLI_FLAG, &c->quiet, NULL, "only warnings, errors and the final metrics", 0, 0},
        {NULL, CLI_FLAG, NULL, NULL, NULL, 0, 0},
    };
    const cli_spec spec = {
        "train",
        "CONFIG",
        true,
        "Trains a model as a config says, into a run folder: checkpoints, metrics, a report.\n"
        "Ctrl-C or SIGTERM writes a checkpoint and ends with exit code 130; --resume goes on.",
        examples,
        table};
    int code;
    if (cli_parse(c, &spec, argc, argv, &code)) {
        code = run_command(c, &args);
    }
    cli_free(args.set.v);
    return code;
}
