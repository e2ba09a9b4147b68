/* rankine prepare: makes (or finds) the data set of a config and shows its statistics. */
#include "cli.h"

static const char stop_text[] = "\nrankine: stopping (again: stop at once)\n";

static int prepare(const cli *c, const rk_config *config, bool force, bool json)
{
    cli_display display;
    rk_dataset *dataset = NULL;
    cli_display_init(&display, c);
    rk_hooks hooks = cli_display_hooks(&display);
    cli_signals_install(stop_text);
    rk_status status = rk_config_check(config);
    if (status == RK_OK) {
        status = rk_dataset_prepare(config, force, &hooks, &dataset);
    }
    cli_display_end(&display);
    if (status != RK_OK) {
        return cli_fail(c, status);
    }
    if (json) {
        cli_json j = {.out = stdout};
        cli_json_dataset(&j, dataset);
    } else {
        cli_print_stats(stdout, dataset);
    }
    rk_dataset_free(dataset);
    return 0;
}

int cmd_prepare(cli *c, int argc, char **argv)
{
    const char *data = NULL;
    cli_list set = {NULL, 0};
    bool force = false, json = false;
    const cli_option table[] = {
        {"--set", CLI_REPEAT, &set, "KEY=VALUE",
         "set an option of the config, e.g. data.min_user=5; may be repeated", 0, 0},
        {"--data", CLI_TEXT, &data, "DIR", "where the data files are (= --set data.root=DIR)", 0,
         0},
        {"--force", CLI_FLAG, &force, NULL, "read the sources again even if nothing changed", 0, 0},
        {"--json", CLI_FLAG, &json, NULL, "the statistics as one JSON object", 0, 0},
        {"--quiet", CLI_FLAG, &c->quiet, NULL, "no messages and no progress", 0, 0},
        {NULL, CLI_FLAG, NULL, NULL, NULL, 0, 0},
    };
    const cli_spec spec = {
        "prepare",
        "CONFIG",
        false,
        "Reads the sources of a config, filters, splits, and writes the data set as one HDF5 file\n"
        "into data.cache; shows its statistics. train does this by itself when it is needed.",
        "  rankine prepare exp.yaml\n"
        "  rankine prepare configs/lightgcn-paper.yaml --data DIR",
        table};
    rk_config *config = NULL;
    int code;
    if (cli_parse(c, &spec, argc, argv, &code)) {
        code = cli_load_config(c, c->positional, data, NULL, &set, &config);
        if (code == 0) {
            code = prepare(c, config, force, json);
        }
    }
    rk_config_free(config);
    cli_free(set.v);
    return code;
}
