/* rankine init: a first config for a file of interactions. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

typedef struct init_args {
    const char *out, *recbole;
    bool force, json;
} init_args;

/* The file's name without folders and endings (r of data/r.csv.gz); owned by the caller. */
static char *stem(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t length = strlen(name);
    for (;;) {
        size_t dot = length;
        while (dot > 0 && name[dot - 1] != '.') {
            dot--;
        }
        if (dot <= 1 || length - dot > 5) {
            break;
        }
        length = dot - 1;
    }
    return cli_format("%.*s", length > 0 ? (int)length : (int)strlen(name), name);
}

/* What the config calls the file: as it was given where both lie in the current folder or below,
 * else by its absolute path; owned by the caller. */
static char *file_for(const char *path, const char *config)
{
    if (path[0] != '/' && !strchr(config, '/')) {
        return cli_format("%s", path);
    }
    char *absolute = realpath(path, NULL);
    return absolute ? absolute : cli_format("%s", path); /* what is wrong with it is found later */
}

static void json_text(cli_json *j, const char *key, const char *value)
{
    if (value) {
        cli_json_key(j, key);
        cli_json_text(j, value);
    }
}

static void print_json(const cli *c, const rk_guess *guess, const char *config)
{
    cli_json j = {.out = stdout};
    cli_json_open(&j, '{');
    json_text(&j, "file", c->positional);
    json_text(&j, "config", config);
    json_text(&j, "format", guess->format);
    json_text(&j, "separator", guess->separator);
    cli_json_key(&j, "header");
    cli_json_bool(&j, guess->header);
    json_text(&j, "ids", guess->ids);
    json_text(&j, "user", guess->user);
    json_text(&j, "item", guess->item);
    json_text(&j, "time", guess->time);
    json_text(&j, "value", guess->value);
    cli_json_key(&j, "rows");
    cli_json_int(&j, guess->rows);
    cli_json_key(&j, "whole");
    cli_json_bool(&j, guess->whole);
    cli_json_close(&j, '}');
}

static void print_found(const cli *c, const rk_guess *guess, const char *config)
{
    const char *const found[][2] = {{"format", guess->format}, {"ids", guess->ids},
                                    {"user", guess->user},     {"item", guess->item},
                                    {"time", guess->time},     {"value", guess->value}};
    if (guess->rows > 0) {
        printf("%s: %s%s rows looked at\n", c->positional, guess->whole ? "all " : "",
               cli_count(guess->rows).s);
    } else {
        printf("%s\n", c->positional);
    }
    if (guess->separator) {
        printf("  first line     %s\n", guess->header ? "names" : "a row, no names");
    }
    for (size_t i = 0; i < sizeof found / sizeof found[0]; i++) {
        if (found[i][1]) {
            printf("  %-15s", found[i][0]);
            cli_print_label(stdout, found[i][1], 40);
            putchar('\n');
        }
    }
    char *quoted = cli_quote_path(config);
    printf("config    %s\nnext      rankine train %s\n", config, quoted);
    cli_free(quoted);
}

static int write_config(const char *path, const char *text, bool force)
{
    cli_result r;
    int code = cli_result_open(&r, "the config", path, force);
    if (code == 0) {
        fputs(text, r.file);
        code = cli_result_commit(&r);
    }
    return code;
}

static int init(const cli *c, const init_args *args)
{
    rk_guess guess = {.config = NULL};
    char *name = stem(c->positional);
    char *config = args->out ? cli_format("%s", args->out) : cli_format("%s.yaml", name);
    char *file = file_for(c->positional, config);
    int code = file ? 0 : rk_status_exit_code(RK_ERR_IO);
    if (code == 0) {
        rk_status status = rk_guess_file(c->positional, file, name, &guess);
        code =
            status == RK_OK ? write_config(config, guess.config, args->force) : cli_fail(c, status);
    }
    if (code == 0 && args->json) {
        print_json(c, &guess, config);
    } else if (code == 0 && !cli_is_standard_output(config)) {
        print_found(c, &guess, config);
    }
    rk_guess_free(&guess);
    cli_free(file);
    cli_free(config);
    cli_free(name);
    return code;
}

/* The config that a config of RecBole is. */
static int init_recbole(const cli *c, const init_args *args)
{
    rk_config *config = NULL;
    char *text = NULL;
    char *name = stem(args->recbole);
    char *path = args->out ? cli_format("%s", args->out) : cli_format("%s-rankine.yaml", name);
    int code = cli_load_any_config(c, args->recbole, true, NULL, NULL, NULL, &config);
    if (code == 0) {
        rk_status status = rk_config_check(config);
        status = status == RK_OK ? rk_config_text(config, true, &text) : status;
        code = status == RK_OK ? write_config(path, text, args->force) : cli_fail(c, status);
    }
    if (code == 0 && args->json) {
        cli_json j = {.out = stdout};
        cli_json_open(&j, '{');
        json_text(&j, "recbole", args->recbole);
        json_text(&j, "config", path);
        cli_json_close(&j, '}');
    } else if (code == 0 && !cli_is_standard_output(path)) {
        char *quoted = cli_quote_path(path);
        printf("config    %s\nnext      rankine train %s\n", path, quoted);
        cli_free(quoted);
    }
    rk_string_free(text);
    rk_config_free(config);
    cli_free(path);
    cli_free(name);
    return code;
}

int cmd_init(cli *c, int argc, char **argv)
{
    init_args args = {.out = NULL};
    const cli_option table[] = {
        {"--out", CLI_TEXT, &args.out, "CONFIG", "the config to write; default NAME.yaml here", 0,
         0},
        {"--recbole", CLI_TEXT, &args.recbole, "YAML",
         "instead of FILE: write what a config of RecBole is here, by default as\n"
         "NAME-rankine.yaml",
         0, 0},
        {"--force", CLI_FLAG, &args.force, NULL, "replace a config that is there", 0, 0},
        {"--json", CLI_FLAG, &args.json, NULL, "what was found, as one JSON object", 0, 0},
        {NULL, CLI_FLAG, NULL, NULL, NULL, 0, 0},
    };
    const cli_spec spec = {
        "init",
        "FILE",
        true,
        "Looks at a file of interactions (its separator, header, ids, times; it may be\n"
        "compressed) and writes a commented config that trains on it.",
        "  rankine init ratings.csv && rankine train ratings.yaml\n"
        "  rankine init data/plays.tsv.gz --out exps/first.yaml",
        table};
    int code;
    if (cli_parse(c, &spec, argc, argv, &code)) {
        if (!c->positional == !args.recbole) {
            return cli_usage("init", "init needs one of FILE and --recbole YAML");
        }
        code = args.recbole ? init_recbole(c, &args) : init(c, &args);
    }
    return code;
}
