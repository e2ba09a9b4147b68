/*
 * The rankine program: finds the command, runs it, ends with its exit code.
 *
 * Exit codes are the library's (rankine/status.h): 0 ok, 1 internal error, 2 usage or
 * configuration, 3 data or files, 4 memory, 5 diverged, 6 device, 130 interrupted.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

const cli_command *cli_commands(void)
{
    static const cli_command commands[] = {
        {"init", "a first config for a file of interactions", cmd_init, false},
        {"train", "train a model from a config into a run folder", cmd_train, true},
        {"sweep", "train many combinations of options, choose and test the best", cmd_sweep, true},
        {"prepare", "make the data set of a config and show its statistics", cmd_prepare, false},
        {"cache", "prepared data sets: list them, remove what is of no use", cmd_cache, false},
        {"evaluate", "rank all items for all users of a run, print the metrics", cmd_evaluate,
         true},
        {"compare", "runs side by side: options, metrics, paired tests over users", cmd_compare,
         false},
        {"report", "a page to look at: runs or a sweep, curves, slices, samples", cmd_report,
         false},
        {"recommend", "the best unseen items for users, or for a list of items", cmd_recommend,
         true},
        {"similar", "the items that are most like others", cmd_similar, false},
        {"score", "a run's scores of given users and items", cmd_score, false},
        {"serve", "answer over HTTP what these answer, with a page to try it on", cmd_serve, false},
        {"export", "write a run's embeddings for other programs", cmd_export, false},
        {"info", "devices, models, operations, metrics, options; a data set; a run", cmd_info,
         true},
        {"synth", "generate a data set with planted tastes to try things on", cmd_synth, false},
        {"help", "help on a command, or on the options of a config", cmd_help, true},
        {NULL, NULL, NULL, false},
    };
    return commands;
}

const cli_command *cli_find_command(const char *name, const char **nearest)
{
    int best = 3;
    if (nearest) {
        *nearest = NULL;
    }
    for (const cli_command *command = cli_commands(); command->name; command++) {
        int distance = cli_distance(name, command->name);
        if (distance == 0) {
            return command;
        }
        if (nearest && distance < best) {
            best = distance;
            *nearest = command->name;
        }
    }
    return NULL;
}

void cli_print_help(FILE *out)
{
    fprintf(out,
            "rankine %s: trains graph recommenders from a config file\n\n"
            "usage: rankine COMMAND [argument]... [option]...\n\ncommands:\n",
            rk_version());
    for (const cli_command *command = cli_commands(); command->name; command++) {
        fprintf(out, "  %-12s%s\n", command->name, command->help);
    }
    fputs("\n  rankine COMMAND --help    what a command takes, with examples\n"
          "  rankine help options      every option of a config\n"
          "  rankine --version\n\n"
          "start here:\n"
          "  rankine synth demo && rankine train demo/synth.yaml\n"
          "  rankine init ratings.csv && rankine train ratings.yaml\n",
          out);
}

/*
 * Makes idle OpenMP threads sleep after some 20 microseconds instead of milliseconds. By default
 * they spin at the end of every operation, and if anything else runs on the same cores, training
 * takes ten times as long. The OpenMP libraries read the settings before main, so the program has
 * to restart itself; if the user has set one of the variables, it is left alone.
 */
static void calm_threads(char **argv)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path);
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT") || length <= 0 ||
        (size_t)length >= sizeof path) {
        return;
    }
    path[length] = '\0';
    if (setenv("OMP_WAIT_POLICY", "passive", 1) == 0 && setenv("GOMP_SPINCOUNT", "1000", 1) == 0) {
        execv(path, argv); /* returns only on failure: then training is slower, nothing else */
    }
}

static int run(int argc, char **argv)
{
    cli c = {.words = argv};
    const char *nearest;
    if (argc < 2) {
        cli_print_help(stderr);
        return rk_status_exit_code(RK_ERR_CONFIG);
    }
    const char *name = argv[1];
    if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0) {
        cli_print_help(stdout);
        return 0;
    }
    if (strcmp(name, "--version") == 0) {
        printf("rankine %s\n", rk_version());
        return 0;
    }
    const cli_command *command = cli_find_command(name, &nearest);
    if (command) {
        calm_threads(argv);
        return command->run(&c, argc - 1, argv + 1);
    }
    const char *what = name[0] == '-' ? "option" : "command";
    if (nearest) {
        return cli_usage(NULL, "there is no %s '%s'; did you mean '%s'?", what, name, nearest);
    }
    return cli_usage(NULL, "there is no %s '%s'", what, name);
}

int main(int argc, char **argv)
{
    cli_speak_late(rk_ranks_started().rank > 0);
    signal(SIGXFSZ, SIG_IGN); /* exceeding a file size limit is then an error with a message */
    int code = run(argc, argv);
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == 0) {
        return cli_error(rk_status_exit_code(RK_ERR_IO), "standard output: %s", strerror(errno));
    }
    return code;
}
