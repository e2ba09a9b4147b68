/* Opening what the commands work on: configs and runs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* KEY='VALUE' in YAML quotes, so that any path is plain text. */
static char *assignment(const char *key, const char *value)
{
    size_t length = strlen(value);
    char *quoted = cli_alloc(2 * length + 1, 1);
    char *at = quoted;
    for (size_t i = 0; i < length; i++) {
        *at++ = value[i];
        if (value[i] == '\'') {
            *at++ = '\'';
        }
    }
    char *text = cli_format("%s='%s'", key, quoted);
    cli_free(quoted);
    return text;
}

static rk_status set_quoted(rk_config *config, const char *key, const char *value,
                            const char *origin)
{
    char *text = assignment(key, value);
    rk_status status = rk_config_set(config, text, origin);
    cli_free(text);
    return status;
}

/* The folder as an absolute path, since the run folder stores it; owned by the caller. NULL, after
 * a message, if there is no such folder. */
static char *data_folder(const char *data)
{
    char *path = realpath(data, NULL);
    if (!path) {
        cli_error(0, "--data %s: %s", data, strerror(errno));
        return NULL;
    }
    if (!cli_is_directory(path)) {
        cli_error(0, "--data %s: not a folder", data);
        cli_free(path);
        return NULL;
    }
    return path;
}

/* A file that is there, by its name no YAML but what interactions come in. */
static bool looks_like_data(const char *path)
{
    static const char *const ends[] = {".csv", ".tsv", ".dat", ".data",  ".txt",  ".inter",
                                       ".gz",  ".zst", ".mtx", ".jsonl", ".json", ".npz"};
    const size_t length = strlen(path);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        const size_t n = strlen(ends[i]);
        if (length > n && strcmp(path + length - n, ends[i]) == 0) {
            return cli_is_there(path);
        }
    }
    return false;
}

/* A config of RecBole; says on standard error what was not taken. */
static rk_status load_recbole(const cli *c, const char *path, rk_config **out)
{
    char *notes = NULL;
    rk_status status = rk_config_load_recbole(out, path, &notes);
    if (status == RK_OK && !c->quiet) {
        fputs(notes, stderr);
    }
    rk_string_free(notes);
    return status;
}

int cli_load_config(const cli *c, const char *path, const char *data, const char *device,
                    const cli_list *set, rk_config **out)
{
    return cli_load_any_config(c, path, false, data, device, set, out);
}

int cli_load_any_config(const cli *c, const char *path, bool is_recbole, const char *data,
                        const char *device, const cli_list *set, rk_config **out)
{
    char *folder = NULL;
    *out = NULL;
    if (data) {
        folder = data_folder(data);
        if (!folder) {
            return rk_status_exit_code(RK_ERR_IO);
        }
    }
    rk_status status = is_recbole ? load_recbole(c, path, out) : rk_config_load(out, path);
    if (status == RK_OK && folder) {
        status = set_quoted(*out, "data.root", folder, "--data");
    }
    if (status == RK_OK && device) {
        status = rk_config_set_device(*out, device, "--device");
    }
    for (int i = 0; status == RK_OK && set && i < set->n; i++) {
        status = rk_config_set(*out, set->v[i], "--set");
    }
    char *said = NULL;
    if (status != RK_OK && !*out && looks_like_data(path)) {
        int code = cli_fail(c, status);
        char *quoted = cli_quote_path(path);
        fprintf(stderr, "A config for a file of interactions: rankine init %s\n", quoted);
        cli_free(quoted);
        cli_free(folder);
        return code;
    }
    if (status == RK_OK) {
        status = rk_config_settle(*out, &said);
    }
    if (said && !c->quiet) {
        fprintf(stderr, "%s\n", said);
    }
    rk_string_free(said);
    cli_free(folder);
    return status == RK_OK ? 0 : cli_fail(c, status);
}

int cli_open_model(const cli *c, const char *device, const char *data, const rk_hooks *hooks,
                   rk_model **out)
{
    char *folder = NULL;
    *out = NULL;
    if (data) {
        folder = data_folder(data);
        if (!folder) {
            return rk_status_exit_code(RK_ERR_IO);
        }
    }
    rk_status status = rk_ranks_open_model(c->ranks, c->positional, device, folder, hooks, out);
    cli_free(folder);
    return status == RK_OK ? 0 : cli_fail(c, status);
}

rk_part cli_part(const char *name)
{
    return strcmp(name, rk_part_name(RK_VALID)) == 0 ? RK_VALID : RK_TEST;
}

bool cli_integer_ids(const rk_model *model)
{
    const char *kind;
    return rk_config_get(rk_model_config(model), "data.ids", &kind) == RK_OK &&
           strcmp(kind, "integer") == 0;
}
