/* rankine export: what a run has learnt or was trained on, for other programs, or as one file. */
#include <string.h>

#include "cli.h"

/* A line a file, "NAME (rows x cols)". */
static void print_files(const char *folder, const char *files)
{
    printf("%s:\n", folder);
    for (const char *at = files; *at;) {
        size_t length = strcspn(at, "\n");
        printf("  %.*s\n", (int)length, at);
        at += length + (at[length] == '\n');
    }
}

/* files NULL: what was written is one file of a model. */
static void print_json(const char *target, const char *format, const rk_model *model,
                       const char *files)
{
    cli_json j = {.out = stdout};
    cli_json_open(&j, '{');
    cli_json_key(&j, "path");
    cli_json_text(&j, target);
    cli_json_key(&j, "format");
    cli_json_text(&j, format);
    cli_json_key(&j, "model");
    cli_json_text(&j, rk_model_get_facts(model).kind);
    cli_json_key(&j, "files");
    cli_json_open(&j, '[');
    for (const char *at = files; at && *at;) {
        size_t length = strcspn(at, "\n");
        char *line = cli_format("%.*s", (int)length, at);
        cli_json_text(&j, line);
        cli_free(line);
        at += length + (at[length] == '\n');
    }
    cli_json_close(&j, ']');
    cli_json_close(&j, '}');
}

/* Rows that nobody should compute with. */
static void warn_of_untrained(const rk_model *model)
{
    const rk_model_facts f = rk_model_get_facts(model);
    if (f.cold_users > 0 || f.cold_items > 0) {
        fprintf(stderr,
                "warning: %s of %s users and %s of %s items have no train interaction: their "
                "rows were never trained\n",
                cli_count(f.cold_users).s, cli_count(f.users).s, cli_count(f.cold_items).s,
                cli_count(f.items).s);
    }
}

static void say_what_tensors_are(const cli *c, const rk_model *model)
{
    if (!c->quiet) {
        fprintf(
            stderr,
            "note: a score of %s is no dot product of a row of a user and one of an item; these "
            "are its tensors, see \"Exports\" in docs/formats.md\n",
            rk_model_get_facts(model).kind);
    }
}

/* The formats of a folder, in the order of rk_export_format; -1 = there is no such one. */
static int format_of(const char *word)
{
    static const char *const words[] = {"npy", "tsv", "safetensors", "inter", "npz"};
    for (int i = 0; i < (int)(sizeof words / sizeof words[0]); i++) {
        if (strcmp(word, words[i]) == 0) {
            return i;
        }
    }
    return -1;
}

static int export_run(const cli *c, const char *format, const char *out, const char *data,
                      bool force, bool json)
{
    cli_display display;
    rk_model *model = NULL;
    char *files = NULL;
    bool whole = strcmp(format, "model") == 0;
    if (whole && out && cli_is_standard_output(out)) {
        return cli_error(rk_status_exit_code(RK_ERR_CONFIG),
                         "--out %s is where the standard output goes; name a file", out);
    }
    cli_display_init(&display, c);
    rk_hooks hooks = cli_display_hooks(&display);
    int code = cli_open_model(c, NULL, data, &hooks, &model);
    cli_display_end(&display);
    if (code != 0) {
        return code;
    }
    char *target = out ? cli_format("%s", out)
                       : cli_format(whole ? "%s/model.h5" : "%s/export", c->positional);
    rk_status status =
        whole ? rk_model_save(model, target, force)
              : rk_model_export(model, (rk_export_format)format_of(format), target, force, &files);
    rk_tensor_info embeddings;
    const bool are_tensors = !whole && format_of(format) <= RK_EXPORT_SAFETENSORS;
    if (status == RK_OK && are_tensors) {
        if (rk_model_embeddings(model, &embeddings) == RK_OK) {
            warn_of_untrained(model);
        } else {
            say_what_tensors_are(c, model);
        }
    }
    if (status != RK_OK) {
        code = cli_fail(c, status);
    } else if (json) {
        print_json(target, format, model, files);
    } else if (whole) {
        printf("%s: model %s\n  recommend, evaluate and export take it in place of a run\n", target,
               rk_model_get_facts(model).kind);
    } else {
        print_files(target, files);
    }
    rk_string_free(files);
    cli_free(target);
    rk_model_free(model);
    return code;
}

int cmd_export(cli *c, int argc, char **argv)
{
    const char *format = "npy";
    const char *out = NULL;
    const char *data = NULL;
    bool force = false, json = false;
    const cli_option table[] = {
        {"--format", CLI_TEXT, &format, "npy|tsv|safetensors|inter|npz|model",
         "npy (default): arrays with the ids, one a line, in text files beside\n"
         "them; tsv: the id and then the values, a row a line; safetensors: like\n"
         "npy, a tensor a file; inter: the interactions of each part as RecBole's\n"
         "atomic files; npz: the same as sparse matrices for SciPy; model: one\n"
         "file that stands on its own, to be given to evaluate and recommend",
         0, 0},
        {"--out", CLI_TEXT, &out, "PATH",
         "where to: a folder, by default RUN/export; of model a file, RUN/model.h5", 0, 0},
        {"--data", CLI_TEXT, &data, "DIR", "where the data files are now, if they moved", 0, 0},
        {"--force", CLI_FLAG, &force, NULL, "replace files that are there", 0, 0},
        {"--json", CLI_FLAG, &json, NULL, "one JSON object: path, format, model, files", 0, 0},
        {"--quiet", CLI_FLAG, &c->quiet, NULL, "no messages and no progress", 0, 0},
        {NULL, CLI_FLAG, NULL, NULL, NULL, 0, 0},
    };
    const cli_spec spec = {
        "export",
        "RUN",
        false,
        "Writes what a run has learnt. Where scores are dot products, as in lightgcn and ials,\n"
        "that is the embeddings of users and items; of the other models it is their tensors:\n"
        "neighbours, weights, counts, vectors. With inter and npz, the data set it was\n"
        "trained on. In ids, tab, line break and backslash are written as \\t, \\n, \\r and \\\\.",
        "  rankine export runs/demo\n"
        "  rankine export runs/demo --format model --out demo.h5\n"
        "  rankine export runs/demo --format tsv --out embeddings",
        table};
    int code;
    if (cli_parse(c, &spec, argc, argv, &code)) {
        code = export_run(c, format, out, data, force, json);
    }
    return code;
}
