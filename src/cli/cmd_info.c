/* rankine info: what this build can do, what a data set holds, how a run went. */
#include <string.h>

#include "cli.h"

static const char *const types[] = {"float32", "int32", "int64"}; /* by rk_tensor_type */

/* A text for people, as an array of its lines. */
static void json_lines(cli_json *j, const char *key, const char *text)
{
    cli_json_key(j, key);
    cli_json_open(j, '[');
    while (*text) {
        size_t length = strcspn(text, "\n");
        char *line = cli_format("%.*s", (int)length, text);
        cli_json_text(j, line);
        cli_free(line);
        text += length + (text[length] == '\n');
    }
    cli_json_close(j, ']');
}

/* json NULL: as it is. */
static int print_topic(const cli *c, cli_json *json, const char *topic)
{
    char *text = NULL;
    rk_status status = rk_info(topic, &text);
    if (status != RK_OK) {
        return cli_fail(c, status);
    }
    if (json) {
        json_lines(json, topic, text);
    } else {
        fputs(text, stdout);
    }
    rk_string_free(text);
    return 0;
}

static void json_text(cli_json *j, const char *key, const char *value)
{
    cli_json_key(j, key);
    cli_json_text(j, value);
}

static void json_number(cli_json *j, const char *key, int64_t value)
{
    cli_json_key(j, key);
    cli_json_int(j, value);
}

static void json_model(const rk_model *model)
{
    cli_json j = {.out = stdout};
    rk_model_facts facts = rk_model_get_facts(model);
    rk_tensor_info t;
    cli_json_open(&j, '{');
    json_text(&j, "model", facts.kind);
    json_number(&j, "epoch", facts.epoch);
    cli_json_key(&j, "tensors");
    cli_json_open(&j, '[');
    for (int64_t i = 0; i < facts.tensors && rk_model_tensor_info(model, i, &t) == RK_OK; i++) {
        cli_json_open(&j, '{');
        json_text(&j, "name", t.name);
        json_text(&j, "type", types[t.type]);
        json_number(&j, "rows", t.rows);
        json_number(&j, "cols", t.cols);
        cli_json_close(&j, '}');
    }
    cli_json_close(&j, ']');
    cli_json_key(&j, "dataset");
    cli_json_dataset(&j, rk_model_dataset(model));
    cli_json_close(&j, '}');
}

/* A file of `export --format model`; false if it is none. */
static bool print_model(const char *path, bool json)
{
    rk_model *model = NULL;
    rk_tensor_info t;
    if (rk_model_open(path, "cpu", NULL, NULL, &model) != RK_OK) {
        return false;
    }
    if (json) {
        json_model(model);
        rk_model_free(model);
        return true;
    }
    rk_model_facts facts = rk_model_get_facts(model);
    printf("model %s of epoch %lld\n", facts.kind, (long long)facts.epoch);
    for (int64_t i = 0; i < facts.tensors && rk_model_tensor_info(model, i, &t) == RK_OK; i++) {
        printf("  %-15s%s %s x %s\n", t.name, types[t.type], cli_count(t.rows).s,
               cli_count(t.cols).s);
    }
    cli_print_stats(stdout, rk_model_dataset(model));
    rk_model_free(model);
    return true;
}

static int print_dataset(const cli *c, bool json)
{
    rk_dataset *dataset = NULL;
    rk_status status = rk_dataset_open(c->positional, &dataset);
    if (status == RK_ERR_DATA && print_model(c->positional, json)) {
        return 0;
    }
    if (status != RK_OK) {
        return cli_fail(c, rk_dataset_open(c->positional, &dataset)); /* its own message again */
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

static void print_value(const rk_config *config, const char *name, const char *key)
{
    const char *text;
    bool is_read = false;
    if (rk_config_is_read(config, key, &is_read) == RK_OK && is_read &&
        rk_config_get(config, key, &text) == RK_OK) {
        printf("  %-15s%s\n", name, text);
    }
}

/* The config of the run folder that was named; returns the exit code. */
static int open_config(const cli *c, rk_config **out)
{
    if (!cli_exists(c->positional, "config.yaml")) {
        return cli_error(rk_status_exit_code(RK_ERR_DATA),
                         "%s: not a run folder, it has no config.yaml", c->positional);
    }
    char *path = cli_format("%s/config.yaml", c->positional);
    rk_status status = rk_config_load(out, path);
    cli_free(path);
    return status == RK_OK ? 0 : cli_fail(c, status);
}

static void json_value(cli_json *j, const rk_config *config, const char *key)
{
    const char *text;
    bool is_read = false;
    if (rk_config_is_read(config, key, &is_read) == RK_OK && is_read &&
        rk_config_get(config, key, &text) == RK_OK) {
        json_text(j, key, text);
    }
}

static int json_run(const cli *c, const rk_config *config)
{
    static const char *const keys[] = {"data.name",    "model.kind",   "model.dim",
                                       "model.layers", "train.epochs", "run.seed"};
    cli_json j = {.out = stdout};
    cli_json_open(&j, '{');
    json_text(&j, "run", c->positional);
    cli_json_key(&j, "finished");
    cli_json_bool(&j, cli_exists(c->positional, "report.json"));
    cli_json_key(&j, "options");
    cli_json_open(&j, '{');
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        json_value(&j, config, keys[i]);
    }
    cli_json_close(&j, '}');
    cli_json_key(&j, "report");
    int code = cli_json_report(&j, c->positional);
    cli_json_close(&j, '}');
    return code;
}

static int print_run(const cli *c, bool json)
{
    rk_config *config = NULL;
    rk_report *report = NULL;
    int code = open_config(c, &config);
    if (code != 0) {
        return code;
    }
    if (json) {
        code = json_run(c, config);
        rk_config_free(config);
        return code;
    }
    printf("run %s\n", c->positional);
    print_value(config, "data set", "data.name");
    print_value(config, "model", "model.kind");
    print_value(config, "dim", "model.dim");
    print_value(config, "layers", "model.layers");
    print_value(config, "epochs", "train.epochs");
    print_value(config, "seed", "run.seed");
    rk_config_free(config);
    if (!cli_exists(c->positional, "report.json")) {
        printf("  not finished\n");
        if (cli_exists(c->positional, "last.h5")) {
            char *folder = cli_quote_path(c->positional);
            printf("next      rankine train --run %s --resume\n", folder);
            cli_free(folder);
        }
        return 0;
    }
    rk_status status = rk_report_open(c->positional, &report);
    if (status != RK_OK) {
        return cli_fail(c, status);
    }
    if (rk_report_text(report, "seeds.count")) {
        cli_print_seeds(stdout, report);
    } else {
        cli_print_report(stdout, report);
    }
    rk_report_free(report);
    return 0;
}

int cli_print_program(const cli *c, const rk_config *config, const char *run_dir)
{
    const rk_train_options options = {.run_dir = run_dir, .resume = run_dir != NULL};
    cli_display display;
    rk_dataset *dataset = NULL;
    char *text = NULL;
    cli_display_init(&display, c);
    rk_hooks hooks = cli_display_hooks(&display);
    rk_status status = rk_train_dataset(config, &options, &hooks, &dataset);
    cli_display_end(&display);
    if (status == RK_OK) {
        status = rk_train_program(config, dataset, NULL, &text);
    }
    if (status == RK_OK) {
        fputs(text, stdout);
    }
    rk_string_free(text);
    rk_dataset_free(dataset);
    return status == RK_OK ? 0 : cli_fail(c, status);
}

/* The step that a run was trained by, from its config and data set. */
static int print_program(const cli *c)
{
    rk_config *config = NULL;
    int code = open_config(c, &config);
    if (code != 0) {
        return code;
    }
    code = cli_print_program(c, config, c->positional);
    rk_config_free(config);
    return code;
}

int cmd_info(cli *c, int argc, char **argv)
{
    static const char *const topics[] = {"devices", "ranks", "models", "operations", "metrics"};
    enum { TOPICS = sizeof topics / sizeof topics[0] };
    bool wanted[TOPICS] = {false};
    bool options = false, program = false, json = false;
    int chosen = 0;
    int code;
    const cli_option table[] = {
        {"--devices", CLI_FLAG, &wanted[0], NULL, "what there is to compute on", 0, 0},
        {"--ranks", CLI_FLAG, &wanted[1], NULL, "MPI and NCCL, for runs of several processes", 0,
         0},
        {"--models", CLI_FLAG, &wanted[2], NULL, "models and where they come from", 0, 0},
        {"--operations", CLI_FLAG, &wanted[3], NULL, "what models are made of", 0, 0},
        {"--metrics", CLI_FLAG, &wanted[4], NULL, "metrics and their formulas", 0, 0},
        {"--options", CLI_FLAG, &options, NULL, "every option of a config", 0, 0},
        {"--program", CLI_FLAG, &program, NULL,
         "of a run: a step of its fitting as one page, operations, shapes and bytes", 0, 0},
        {"--json", CLI_FLAG, &json, NULL, "the same as one JSON object", 0, 0},
        {NULL, CLI_FLAG, NULL, NULL, NULL, 0, 0},
    };
    const cli_spec spec = {"info",
                           "PATH",
                           true,
                           "Shows what this build can do; or, given a PATH, what a prepared data "
                           "set or a model\nfile (.h5) holds, or how a run (a folder) went.",
                           "  rankine info\n"
                           "  rankine info --metrics\n"
                           "  rankine info runs/demo\n"
                           "  rankine info runs/demo --program\n"
                           "  rankine info .rankine/demo-0123456789abcdef.h5",
                           table};
    if (!cli_parse(c, &spec, argc, argv, &code)) {
        return code;
    }
    for (int i = 0; i < TOPICS; i++) {
        chosen += wanted[i];
    }
    if (c->positional) {
        if (chosen > 0 || options) {
            return cli_usage("info", "info takes either a PATH or options, not both");
        }
        if (program && json) {
            return cli_usage("info", "--program is a page for people; there is no --json of it");
        }
        if (program) {
            return print_program(c);
        }
        return cli_is_directory(c->positional) ? print_run(c, json) : print_dataset(c, json);
    }
    if (program) {
        return cli_usage("info", "--program is of a run: rankine info RUN --program; before there "
                                 "is one: rankine train CONFIG --print-program");
    }
    if (json && options) {
        return cli_usage("info", "--options is a page for people; there is no --json of it");
    }
    cli_json j = {.out = stdout};
    if (json) {
        cli_json_open(&j, '{');
    }
    if (chosen == 0 && !options) {
        code = print_topic(c, json ? &j : NULL, "build");
        wanted[0] = wanted[1] = wanted[2] = true;
    }
    for (int i = 0; i < TOPICS && code == 0; i++) {
        if (wanted[i]) {
            code = print_topic(c, json ? &j : NULL, topics[i]);
        }
    }
    if (json) {
        cli_json_close(&j, '}');
    }
    if (options && code == 0) {
        code = cli_print_options(c);
    }
    return code;
}
