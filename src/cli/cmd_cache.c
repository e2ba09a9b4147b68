/* rankine cache: the prepared data sets in a folder, and removing those that are of no use. */
#include <string.h>
#include <time.h>

#include "cli.h"

/* The data.cache of a config, or the folder itself; owned by the caller. NULL, after a message. */
static char *cache_folder(const cli *c, int *code)
{
    const char *folder = c->positional ? c->positional : ".rankine", *cache = NULL;
    rk_config *config = NULL;
    char *out = NULL;
    *code = 0;
    if (cli_is_directory(folder)) {
        return cli_format("%s", folder);
    }
    if (!c->positional) {
        *code = cli_error(rk_status_exit_code(RK_ERR_IO),
                          "there is no folder .rankine here; name the folder, or a config whose "
                          "data.cache it is");
        return NULL;
    }
    if (!cli_is_there(folder)) {
        *code = cli_error(rk_status_exit_code(RK_ERR_IO), "%s: no such folder, and no such config",
                          folder);
        return NULL;
    }
    rk_status status = rk_config_load(&config, folder);
    status = status == RK_OK ? rk_config_get(config, "data.cache", &cache) : status;
    if (status == RK_OK) {
        out = cli_format("%s", *cache ? cache : ".");
    } else {
        *code = cli_fail(c, status);
    }
    rk_config_free(config);
    return out;
}

static void print_time(double seconds)
{
    char text[32] = "";
    struct tm parts;
    time_t t = (time_t)seconds;
    if (localtime_r(&t, &parts)) {
        strftime(text, sizeof text, "%Y-%m-%d %H:%M", &parts);
    }
    printf("%s", text);
}

static void print_state(const rk_cache_entry *e)
{
    const char *text[] = {[RK_CACHE_CURRENT] = "current, made of ",
                          [RK_CACHE_CHANGED] = "changed since: ",
                          [RK_CACHE_GONE] = "gone since: ",
                          [RK_CACHE_UNUSED] = "unused: nothing leads to it any more",
                          [RK_CACHE_REMAINS] = "remains of a process that was killed"};
    bool has_source = e->state < RK_CACHE_UNUSED;
    printf("  %s", text[e->state]);
    if (has_source) {
        cli_print_label(stdout, e->source, (int)strlen(e->source));
    }
    putchar('\n');
}

static void print_list(const char *folder, const rk_cache *cache)
{
    double bytes = 0;
    int64_t n = rk_cache_count(cache);
    for (int64_t i = 0; i < n; i++) {
        const rk_cache_entry *e = rk_cache_at(cache, i);
        const char *slash = strrchr(e->path, '/');
        bytes += (double)e->bytes;
        printf("%s\n  %s, used ", slash ? slash + 1 : e->path, cli_bytes((double)e->bytes).s);
        print_time(e->used_at);
        if (e->runs > 0) {
            printf(", shared by %s run%s", cli_count(e->runs).s, e->runs == 1 ? "" : "s");
        }
        putchar('\n');
        print_state(e);
    }
    printf("%s: %s file%s, %s\n", folder, cli_count(n).s, n == 1 ? "" : "s", cli_bytes(bytes).s);
}

static void json_list(cli_json *j, const rk_cache *cache)
{
    cli_json_key(j, "files");
    cli_json_open(j, '[');
    for (int64_t i = 0; i < rk_cache_count(cache); i++) {
        const rk_cache_entry *e = rk_cache_at(cache, i);
        cli_json_open(j, '{');
        cli_json_key(j, "path");
        cli_json_text(j, e->path);
        cli_json_key(j, "name");
        cli_json_text(j, e->name);
        cli_json_key(j, "fingerprint");
        cli_json_text(j, e->fingerprint);
        cli_json_key(j, "state");
        cli_json_text(j, rk_cache_state_name(e->state));
        cli_json_key(j, "source");
        cli_json_text(j, e->source);
        cli_json_key(j, "bytes");
        cli_json_int(j, e->bytes);
        cli_json_key(j, "runs");
        cli_json_int(j, e->runs);
        cli_json_key(j, "used_at");
        cli_json_real(j, e->used_at);
        cli_json_close(j, '}');
    }
    cli_json_close(j, ']');
}

static int list(const cli *c, const char *folder, bool json)
{
    rk_cache *cache = NULL;
    rk_status status = rk_cache_open(folder, &cache);
    if (status != RK_OK) {
        return cli_fail(c, status);
    }
    if (json) {
        cli_json j = {.out = stdout};
        cli_json_open(&j, '{');
        cli_json_key(&j, "folder");
        cli_json_text(&j, folder);
        json_list(&j, cache);
        cli_json_close(&j, '}');
    } else {
        print_list(folder, cache);
    }
    rk_cache_free(cache);
    return 0;
}

static int clean(const cli *c, const char *folder, bool all, bool json)
{
    int64_t files = 0, bytes = 0;
    rk_status status = rk_cache_clean(folder, all, &files, &bytes);
    if (status != RK_OK) {
        return cli_fail(c, status);
    }
    if (json) {
        cli_json j = {.out = stdout};
        cli_json_open(&j, '{');
        cli_json_key(&j, "folder");
        cli_json_text(&j, folder);
        cli_json_key(&j, "removed");
        cli_json_int(&j, files);
        cli_json_key(&j, "freed_bytes");
        cli_json_int(&j, bytes);
        cli_json_close(&j, '}');
    } else {
        printf("%s: %s file%s removed, %s freed\n", folder, cli_count(files).s,
               files == 1 ? "" : "s", cli_bytes((double)bytes).s);
    }
    return 0;
}

int cmd_cache(cli *c, int argc, char **argv)
{
    bool cleans = false, all = false, json = false;
    const cli_option table[] = {
        {"--clean", CLI_FLAG, &cleans, NULL,
         "remove what no training would take: data sets whose sources have changed,\n"
         "those that nothing leads to, and remains of processes that were killed",
         0, 0},
        {"--all", CLI_FLAG, &all, NULL, "with --clean: remove every data set", 0, 0},
        {"--json", CLI_FLAG, &json, NULL,
         "one JSON object: folder, files [{path, name, fingerprint, state, source,\n"
         "bytes, runs, used_at}]; with --clean folder, removed, freed_bytes",
         0, 0},
        {NULL, CLI_FLAG, NULL, NULL, NULL, 0, 0},
    };
    const cli_spec spec = {
        "cache",
        "PATH",
        true,
        "Lists the prepared data sets in a folder: that of a config (data.cache), or the PATH\n"
        "itself, by default .rankine. Runs have their data set in their own folder (data.h5), so\n"
        "cleaning does them no harm, unless run.keep_data is false.",
        "  rankine cache\n"
        "  rankine cache configs/lightgcn-paper.yaml\n"
        "  rankine cache .rankine --clean",
        table};
    int code;
    if (!cli_parse(c, &spec, argc, argv, &code)) {
        return code;
    }
    if (all && !cleans) {
        return cli_usage("cache", "--all says what to remove: give --clean, too");
    }
    char *folder = cache_folder(c, &code);
    if (folder) {
        code = cleans ? clean(c, folder, all, json) : list(c, folder, json);
    }
    cli_free(folder);
    return code;
}
