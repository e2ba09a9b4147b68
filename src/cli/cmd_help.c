/* rankine help: on a command (its own --help), on the options of a config, or in general. */
#include <string.h>

#include "cli.h"

int cli_print_options(const cli *c)
{
    char *text = NULL;
    rk_status status = rk_config_reference(false, &text);
    if (status != RK_OK) {
        return cli_fail(c, status);
    }
    fputs(text, stdout);
    rk_string_free(text);
    return 0;
}

int cmd_help(cli *c, int argc, char **argv)
{
    const cli_option table[] = {{NULL, CLI_FLAG, NULL, NULL, NULL, 0, 0}};
    const cli_spec spec = {"help",
                           "COMMAND|options",
                           true,
                           "Help on a command, or on every option of a config.",
                           "  rankine help train\n"
                           "  rankine help options",
                           table};
    char help[] = "--help";
    const char *nearest;
    int code;
    if (!cli_parse(c, &spec, argc, argv, &code)) {
        return code;
    }
    if (!c->positional) {
        cli_print_help(stdout);
        return 0;
    }
    if (strcmp(c->positional, "options") == 0) {
        return cli_print_options(c);
    }
    const cli_command *command = cli_find_command(c->positional, &nearest);
    if (!command) {
        return nearest
                   ? cli_usage(NULL, "no help on '%s'; did you mean '%s'?", c->positional, nearest)
                   : cli_usage(NULL, "no help on '%s'", c->positional);
    }
    char *arguments[] = {argv[0], help};
    cli inner = {.verbose = c->verbose};
    return command->run(&inner, 2, arguments);
}
