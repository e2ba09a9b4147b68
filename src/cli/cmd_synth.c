/* rankine synth: generates a data set with planted tastes, and a config that trains on it. */
#include <stdint.h>

#include "cli.h"

static void print_json(const cli *c, const rk_synth_options *o)
{
    cli_json j = {.out = stdout};
    char *config = cli_format("%s/synth.yaml", c->positional);
    const struct {
        const char *key;
        int64_t value;
    } counts[] = {{"users", o->users},
                  {"items", o->items},
                  {"interactions", o->interactions},
                  {"clusters", o->clusters}};
    cli_json_open(&j, '{');
    cli_json_key(&j, "folder");
    cli_json_text(&j, c->positional);
    cli_json_key(&j, "config");
    cli_json_text(&j, config);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        cli_json_key(&j, counts[i].key);
        cli_json_int(&j, counts[i].value);
    }
    cli_json_close(&j, '}');
    cli_free(config);
}

static int synth(const cli *c, const rk_synth_options *options, bool force, bool json)
{
    cli_display display;
    cli_display_init(&display, c);
    rk_hooks hooks = cli_display_hooks(&display);
    cli_signals_install("\nrankine: stopping (again: stop at once)\n");
    rk_status status = rk_synth_write(options, c->positional, force, &hooks);
    cli_display_end(&display);
    if (status != RK_OK) {
        return cli_fail(c, status);
    }
    if (json) {
        print_json(c, options);
        return 0;
    }
    printf("%s: ratings.csv, items.csv, synth.yaml\n"
           "          %s users, %s items, %s interactions, %s clusters\n",
           c->positional, cli_count(options->users).s, cli_count(options->items).s,
           cli_count(options->interactions).s, cli_count(options->clusters).s);
    char *config = cli_format("%s/synth.yaml", c->positional);
    char *quoted = cli_quote_path(config);
    printf("next      rankine train %s\n", quoted);
    cli_free(quoted);
    cli_free(config);
    return 0;
}

int cmd_synth(cli *c, int argc, char **argv)
{
    rk_synth_options o = rk_synth_defaults();
    int64_t seed = (int64_t)o.seed;
    bool force = false, json = false;
    char *helps[] = {
        cli_format("default %s", cli_count(o.users).s),
        cli_format("default %s", cli_count(o.items).s),
        cli_format("default %s", cli_count(o.interactions).s),
        cli_format("taste clusters; default %s", cli_count(o.clusters).s),
        cli_format("the same seed gives the same files; default %lld", (long long)seed),
    };
    const cli_option table[] = {
        {"--users", CLI_INT, &o.users, "N", helps[0], 1, INT32_MAX},
        {"--items", CLI_INT, &o.items, "N", helps[1], 1, INT32_MAX},
        {"--interactions", CLI_INT, &o.interactions, "N", helps[2], 1, INT64_MAX},
        {"--clusters", CLI_INT, &o.clusters, "N", helps[3], 1, INT32_MAX},
        {"--seed", CLI_INT, &seed, "N", helps[4], 0, INT64_MAX},
        {"--force", CLI_FLAG, &force, NULL, "replace files that are there", 0, 0},
        {"--json", CLI_FLAG, &json, NULL, "what was made, as one JSON object", 0, 0},
        {"--quiet", CLI_FLAG, &c->quiet, NULL, "no messages and no progress", 0, 0},
        {NULL, CLI_FLAG, NULL, NULL, NULL, 0, 0},
    };
    const cli_spec spec = {
        "synth",
        "DIR",
        false,
        "Generates a data set to try things on: users and items in taste clusters, the popularity\n"
        "of items a power law. Writes ratings.csv, items.csv and a config synth.yaml.",
        "  rankine synth demo\n"
        "  rankine synth big --users 100000 --items 20000 --interactions 5000000",
        table};
    int code;
    if (cli_parse(c, &spec, argc, argv, &code)) {
        o.seed = (uint64_t)seed;
        code = synth(c, &o, force, json);
    }
    for (size_t i = 0; i < sizeof helps / sizeof helps[0]; i++) {
        cli_free(helps[i]);
    }
    return code;
}
