/* rankine evaluate: full ranking of a run's model, beside popularity, as a table or as JSON. */
#include <math.h>
#include <string.h>

#include "cli.h"

static const char stop_text[] = "\nrankine: stopping (again: stop at once)\n";

static void json_metrics(cli_json *j, const char *key, const rk_metrics *metrics)
{
    cli_json_key(j, key);
    cli_json_open(j, '{');
    for (int64_t i = 0; i < metrics->count; i++) {
        cli_json_key(j, metrics->values[i].name);
        cli_json_real(j, metrics->values[i].value);
    }
    cli_json_close(j, '}');
}

static void print_json(const cli *c, const rk_model *run, const char *part, const rk_metrics *model,
                       const rk_metrics *popularity)
{
    cli_json j = {.out = stdout};
    cli_json_open(&j, '{');
    cli_json_key(&j, "run");
    cli_json_text(&j, c->positional);
    cli_json_key(&j, "epoch");
    cli_json_int(&j, rk_model_get_facts(run).epoch);
    cli_json_key(&j, "data");
    cli_json_text(&j, rk_dataset_name(rk_model_dataset(run)));
    cli_json_key(&j, "fingerprint");
    cli_json_text(&j, rk_dataset_fingerprint(rk_model_dataset(run)));
    cli_json_key(&j, "part");
    cli_json_text(&j, part);
    cli_json_key(&j, "users");
    cli_json_int(&j, model->users);
    cli_json_key(&j, "seconds");
    cli_json_real(&j, model->seconds);
    json_metrics(&j, "metrics", model);
    json_metrics(&j, "popularity", popularity);
    cli_json_close(&j, '}');
}

static void print_table(const rk_model *run, const char *part, const rk_metrics *model,
                        const rk_metrics *popularity)
{
    cli_metric_row *rows = cli_alloc((size_t)model->count, sizeof *rows);
    for (int64_t i = 0; i < model->count; i++) {
        rows[i] = (cli_metric_row){model->values[i].name, model->values[i].value,
                                   popularity->values[i].value};
    }
    printf("%s of data set %s (%s): %s users, all items ranked in %s; model of epoch %lld\n", part,
           rk_dataset_name(rk_model_dataset(run)), rk_dataset_fingerprint(rk_model_dataset(run)),
           cli_count(model->users).s, cli_seconds(model->seconds).s,
           (long long)rk_model_get_facts(run).epoch);
    cli_print_metrics(stdout, part, rows, model->count);
    cli_free(rows);
}

static int evaluate(const cli *c, const char *part_name, const char *device, const char *data,
                    bool json)
{
    cli_display display;
    rk_model *run = NULL;
    rk_metrics model = {.count = 0};
    rk_metrics popularity = {.count = 0};
    rk_part part = cli_part(part_name);
    cli_display_init(&display, c);
    rk_hooks hooks = cli_display_hooks(&display);
    cli_signals_install(stop_text);
    int code = cli_open_model(c, device, data, &hooks, &run);
    if (code != 0) {
        return code;
    }
    rk_status status = rk_model_evaluate(run, part, false, &hooks, &model);
    if (status == RK_OK) {
        status = rk_model_evaluate(run, part, true, &hooks, &popularity);
    }
    cli_display_end(&display);
    if (status != RK_OK) {
        code = cli_fail(c, status);
    } else if (json) {
        print_json(c, run, part_name, &model, &popularity);
    } else {
        print_table(run, part_name, &model, &popularity);
    }
    rk_metrics_free(&model);
    rk_metrics_free(&popularity);
    rk_model_free(run);
    return code;
}

int cmd_evaluate(cli *c, int argc, char **argv)
{
    const char *part = rk_part_name(RK_TEST);
    const char *device = NULL;
    const char *data = NULL;
    bool json = false;
    const cli_option table[] = {
        {"--part", CLI_TEXT, &part, "valid|test", "which held-out interactions; default test", 0,
         0},
        {"--json", CLI_FLAG, &json, NULL,
         "one JSON object: run, epoch, data, fingerprint, part, users, seconds,\n"
         "metrics {name: value}, popularity {name: value}",
         0, 0},
        {"--device", CLI_TEXT, &device, "auto|cpu|cuda|cuda:N", "where to compute", 0, 0},
        {"--data", CLI_TEXT, &data, "DIR", "where the data files are now, if they moved", 0, 0},
        {"--quiet", CLI_FLAG, &c->quiet, NULL, "no messages and no progress", 0, 0},
        {NULL, CLI_FLAG, NULL, NULL, NULL, 0, 0},
    };
    const cli_spec spec = {
        "evaluate",
        "RUN",
        false,
        "Ranks every item for every user of a run's data set and prints the metrics beside those\n"
        "of the popularity ranking. Items that the user has already are left out: train, and on\n"
        "test also valid. Formulas: rankine info --metrics.",
        "  rankine evaluate runs/demo\n"
        "  rankine evaluate runs/demo --part valid --json",
        table};
    int code;
    if (cli_parse(c, &spec, argc, argv, &code)) {
        code = evaluate(c, part, device, data, json);
    }
    return code;
}
