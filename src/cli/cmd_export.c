/* rankine export: a run's embeddings with the original ids, for NumPy or as text. */
#include <string.h>

#include "cli.h"

static int export_run(const cli *c, const char *format, const char *out, const char *data,
                      bool force)
{
    cli_display display;
    rk_run *run = NULL;
    bool npy = strcmp(format, "npy") == 0;
    cli_display_init(&display, c);
    rk_hooks hooks = cli_display_hooks(&display);
    int code = cli_open_run(c, NULL, data, &hooks, &run);
    cli_display_end(&display);
    if (code != 0) {
        return code;
    }
    char *directory = out ? cli_format("%s", out) : cli_format("%s/export", c->positional);
    rk_status status = rk_run_export(run, npy ? RK_EXPORT_NPY : RK_EXPORT_TSV, directory, force);
    if (status == RK_OK) {
        int64_t users = 0;
        int64_t items = 0;
        int64_t dim = 0;
        rk_run_user_embeddings(run, &users, &dim);
        rk_run_item_embeddings(run, &items, &dim);
        printf("%s: user_embeddings.%s (%s x %s), item_embeddings.%s (%s x %s)%s\n", directory,
               format, cli_count(users).s, cli_count(dim).s, format, cli_count(items).s,
               cli_count(dim).s, npy ? ", user_ids.txt, item_ids.txt" : "");
    } else {
        code = cli_fail(c, status);
    }
    cli_free(directory);
    rk_run_free(run);
    return code;
}

int cmd_export(cli *c, int argc, char **argv)
{
    const char *format = "npy";
    const char *out = NULL;
    const char *data = NULL;
    bool force = false;
    const cli_option table[] = {
        {"--format", CLI_TEXT, &format, "npy|tsv",
         "npy (default): float32 arrays with the ids, one a line, in text files\n"
         "beside them; tsv: the id and then the values, a row a line",
         0, 0},
        {"--out", CLI_TEXT, &out, "DIR", "where to; default RUN/export", 0, 0},
        {"--data", CLI_TEXT, &data, "DIR", "where the data files are now, if they moved", 0, 0},
        {"--force", CLI_FLAG, &force, NULL, "replace files that are there", 0, 0},
        {"--quiet", CLI_FLAG, &c->quiet, NULL, "no messages and no progress", 0, 0},
        {NULL, CLI_FLAG, NULL, NULL, NULL, 0, 0},
    };
    const cli_spec spec = {
        "export",
        "RUN",
        false,
        "Writes the final user and item embeddings of a run. The score of a user and an item is\n"
        "the dot product of their rows.",
        "  rankine export runs/demo\n"
        "  rankine export runs/demo --format tsv --out embeddings",
        table};
    int code;
    if (cli_parse(c, &spec, argc, argv, &code)) {
        code = export_run(c, format, out, data, force);
    }
    return code;
}
