#include "train/run_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/build.h"
#include "base/file.h"
#include "base/parse.h"
#include "train/events.h"
#include "train/json.h"
#include "train/run_log.h"

/* Everything that a run writes; .tmp and .new are what a killed process may have left. */
static const char *const run_files[] =
    {
        RK_FILE_CONFIG,  RK_FILE_LOG,   RK_FILE_METRICS,    RK_FILE_LAST,
        RK_FILE_BEST,    RK_FILE_REFIT, RK_FILE_REPORT,     RK_FILE_PAGE,
        RK_FILE_PROFILE, RK_FILE_DATA,  RK_FILE_ENVIRONMENT /* last: the mark */
};

/* ---- may the folder be used? ---- */

/* Killed at its very start, a run leaves the mark half-written: nothing yet. */
static bool counts(const char *name)
{
    static const char *const nothing[] = {".", "..", RK_FILE_ENVIRONMENT ".tmp"};
    for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++) {
        if (strcmp(name, nothing[i]) == 0) {
            return false;
        }
    }
    return true;
}

static rk_status is_empty(const char *folder, bool *out)
{
    DIR *directory = opendir(folder);
    if (!directory) {
        RK_FAIL(RK_ERR_CONFIG, "the run folder %s cannot be opened: %s", folder, strerror(errno));
    }
    *out = true;
    for (struct dirent *entry; *out && (entry = readdir(directory));) {
        *out = !counts(entry->d_name);
    }
    closedir(directory);
    return RK_OK;
}

static rk_status is_run_folder(const char *folder, bool *out)
{
    char *path = NULL, *text = NULL;
    RK_TRY(rk__path_join(&path, folder, RK_FILE_ENVIRONMENT));
    *out = rk__file_exists(path) && rk__file_read(path, &text, NULL) == RK_OK &&
           strstr(text, "\"rankine\"");
    rk__free(text);
    rk__free(path);
    return RK_OK;
}

/* With the lock in hand. */
static rk_status check(const rk_train_options *options, const char *folder)
{
    bool empty = true, is_run = false, has_checkpoint = false;
    RK_TRY(is_empty(folder, &empty));
    RK_TRY(is_run_folder(folder, &is_run));
    RK_TRY(rk__folder_has(folder, RK_FILE_LAST, &has_checkpoint));
    if (options->resume && !has_checkpoint) {
        RK_FAIL(RK_ERR_CONFIG,
                "there is nothing to resume: %s has no " RK_FILE_LAST "; start without resume",
                folder);
    }
    if (empty || options->resume) {
        return RK_OK;
    }
    if (!is_run) {
        RK_FAIL(RK_ERR_CONFIG,
                "the folder %s is not empty and no run folder (it has no " RK_FILE_ENVIRONMENT
                " of a run), so it is left alone; name another one",
                folder);
    }
    if (!options->force) {
        RK_FAIL(RK_ERR_CONFIG,
                "the folder %s holds a run already; resume goes on with it, force replaces it, or "
                "name another folder",
                folder);
    }
    return RK_OK;
}

rk_status rk__run_folder_take(const rk_train_options *options, rk_folder_lock *out)
{
    const char *folder = options->run_dir;
    struct stat info;
    if (!folder || !*folder) {
        RK_FAIL(RK_ERR_CONFIG, "no run folder is named");
    }
    if (options->resume && options->force) {
        RK_FAIL(RK_ERR_CONFIG,
                "resume and force exclude each other: one goes on with the run in "
                "%s, the other replaces it",
                folder);
    }
    if (options->new_dir) {
        return rk__folder_take_new(out, folder);
    }
    if (stat(folder, &info) == 0 && !S_ISDIR(info.st_mode)) {
        RK_FAIL(RK_ERR_CONFIG, "the run folder %s is a file", folder);
    }
    RK_TRY(rk__folder_take(out, folder, 0));
    rk_status status = check(options, folder);
    if (status != RK_OK) {
        rk__folder_release(out);
    }
    return status;
}

rk_status rk__run_folder_check_held(const rk_folder_lock *lock)
{
    if (!rk__folder_is_held(lock)) {
        RK_FAIL(
            RK_ERR_IO,
            "the run folder %s was removed or replaced while the run was going on: nothing more "
            "is written into it",
            lock->path);
    }
    return RK_OK;
}

void rk__run_folder_remove(const char *folder, const char *name)
{
    char *path = NULL;
    if (rk__path_join(&path, folder, name) == RK_OK) {
        unlink(path);
        rk__free(path);
    }
}

void rk__run_folder_clear(const char *folder)
{
    for (size_t i = 0; i < sizeof run_files / sizeof run_files[0]; i++) {
        static const char *const endings[] = {".tmp", ".new", ""};
        for (size_t k = 0; k < sizeof endings / sizeof endings[0]; k++) {
            char name[64];
            snprintf(name, sizeof name, "%s%s", run_files[i], endings[k]);
            rk__run_folder_remove(folder, name);
        }
    }
    rk__events_clear(folder);
}

/* ---- data.h5 ---- */

rk_status rk__run_folder_open_data(const char *folder, const rk_options *options,
                                   const rk_hooks *hooks, rk_dataset **out)
{
    char *path = NULL;
    *out = NULL;
    RK_TRY(rk__path_join(&path, folder, RK_FILE_DATA));
    rk_status status = rk__file_exists(path)
                           ? rk__dataset_open_within(path, options->data.memory, hooks, out)
                           : RK_OK;
    rk__free(path);
    if (status == RK_ERR_DATA || status == RK_ERR_IO) {
        char text[1024];
        snprintf(text, sizeof text, "%.900s; the data set is looked for elsewhere",
                 rk_last_error());
        if (hooks && hooks->log) {
            hooks->log(hooks->user, RK_LOG_WARNING, text);
        }
        return RK_OK;
    }
    return status;
}

rk_status rk__run_folder_keep_data(const char *folder, const rk_options *options,
                                   const rk_dataset *dataset)
{
    char *path = NULL;
    rk_status status = RK_OK;
    if (!options->run.keep_data) {
        rk__run_folder_remove(folder, RK_FILE_DATA);
        return RK_OK;
    }
    RK_TRY(rk__path_join(&path, folder, RK_FILE_DATA));
    if (strcmp(dataset->path, path) != 0) { /* else it is there and was read */
        status = rk__dataset_keep(dataset, path);
        if (status == RK_ERR_IO) {
            rk__fail_prefix(status, "the run's own copy of its data set, which run.keep_data false "
                                    "does without");
        }
    }
    rk__free(path);
    return status;
}

/* ---- config.yaml ---- */

rk_status rk__run_folder_write_config(const char *folder, const rk_config *config)
{
    rk_status status = RK_OK;
    char *path = NULL, *text = NULL;
    RK_TRY_GOTO(done, rk__path_join(&path, folder, RK_FILE_CONFIG));
    RK_TRY_GOTO(done, rk_config_text(config, false, &text));
    status = rk__file_replace(path, text, (int64_t)strlen(text));
done:
    rk_string_free(text);
    rk__free(path);
    return status;
}

/* ---- environment.json ---- */

/* "model name : ..." of the first processor; "unknown" where /proc does not say. */
static void cpu_name(char out[128])
{
    snprintf(out, 128, "unknown");
    FILE *file = fopen("/proc/cpuinfo", "r");
    char line[512];
    while (file && fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        if (colon && strncmp(line, "model name", 10) == 0) {
            line[strcspn(line, "\n")] = '\0';
            snprintf(out, 128, "%.120s", colon[1] == ' ' ? colon + 2 : colon + 1);
            break;
        }
    }
    if (file) {
        fclose(file);
    }
}

static void describe_host(rk_json *json)
{
    char cpu[128];
    struct utsname system = {0};
    struct sysinfo memory = {0};
    cpu_name(cpu);
    uname(&system);
    sysinfo(&memory);
    rk__json_begin(json, "host", '{');
    rk__json_text(json, "cpu", cpu);
    rk__json_int(json, "cores", sysconf(_SC_NPROCESSORS_ONLN));
    rk__json_int(json, "memory_bytes", (int64_t)memory.totalram * memory.mem_unit);
    rk__json_text(json, "system", system.sysname);
    rk__json_text(json, "release", system.release);
    rk__json_text(json, "machine", system.machine);
    rk__json_end(json, '}');
}

rk_status rk__run_folder_write_environment(const char *folder, const rk_step *step,
                                           const rk_dataset *dataset, const char *command)
{
    const rk_engine *engine = step->engine;
    const rk_graph_form *form = &step->form;
    const rk_build_info *build = rk__build_info();
    const rk_options *options = engine->options;
    rk_device_info device = {0};
    rk_buffer buffer = {0};
    rk_json json = {.out = &buffer, .indent = 2};
    RK_TRY(engine->device->info(engine->context, &device));
    rk__json_begin(&json, NULL, '{');
    rk__json_begin(&json, "rankine", '{');
    rk__json_text(&json, "version", build->version);
    rk__json_text(&json, "revision", build->revision);
    rk__json_text(&json, "compiler", build->compiler);
    rk__json_text(&json, "build", build->type);
    rk__json_text(&json, "sanitize", build->sanitize);
    rk__json_end(&json, '}');
    rk__json_begin(&json, "device", '{');
    rk__json_text(&json, "name", engine->device->name);
    rk__json_text(&json, "description", device.name);
    rk__json_text(&json, "reason", engine->device_reason);
    rk__json_int(&json, "memory_bytes", device.memory_total);
    rk__json_end(&json, '}');
    if (rk__model_is_by_gradients(engine->model.model)) {
        rk__json_begin(&json, "graph", '{');
        rk__json_text(&json, "form", form->is_gram ? "gram" : "direct");
        rk__json_text(&json, "reason", form->reason);
        rk__json_int(&json, "gram_bytes", form->is_gram ? form->gram_bytes : 0);
        rk__json_end(&json, '}');
    }
    describe_host(&json);
    rk__json_int(&json, "threads",
                 options->run.threads ? options->run.threads : sysconf(_SC_NPROCESSORS_ONLN));
    rk__json_int(&json, "seed", options->run.seed);
    if (command) {
        rk__json_text(&json, "command", command);
    }
    rk__json_begin(&json, "dataset", '{');
    rk__json_text(&json, "name", dataset->name);
    rk__json_text(&json, "fingerprint", dataset->fingerprint);
    rk__json_end(&json, '}');
    rk__json_end(&json, '}');
    rk__buffer_add(&buffer, "\n");

    char *text = NULL, *path = NULL;
    rk_status status = rk__buffer_take(&buffer, &text);
    RK_TRY_GOTO(done, status);
    RK_TRY_GOTO(done, rk__path_join(&path, folder, RK_FILE_ENVIRONMENT));
    status = rk__file_replace(path, text, (int64_t)strlen(text));
done:
    rk__free(text);
    rk__free(path);
    return status;
}

/* ---- metrics.jsonl ---- */

/* The number behind "key": in a line of ours; false if it is not there. */
static bool find_number(const char *line, const char *end, const char *key, double *out)
{
    char name[64];
    int length = snprintf(name, sizeof name, "\"%s\": ", key);
    const char *at = memmem(line, (size_t)(end - line), name, (size_t)length);
    if (!at) {
        return false;
    }
    at += length;
    size_t digits = strspn(at, "+-.0123456789eE");
    return rk__parse_real(at, digits, out) == RK_PARSE_OK;
}

rk_status rk__run_folder_resume_metrics(const char *folder, rk_position *position)
{
    char *path = NULL, *text = NULL;
    int64_t length = 0;
    rk_status status = RK_OK;
    RK_TRY(rk__path_join(&path, folder, RK_FILE_METRICS));
    if (!rk__file_exists(path)) {
        goto done;
    }
    RK_TRY_GOTO(done, rk__file_read(path, &text, &length));
    char *line = text;
    for (char *end; (end = strchr(line, '\n')); line = end + 1) {
        double epoch = 0;
        bool is_ours = find_number(line, end, "epoch", &epoch);
        if (!is_ours || epoch < 1 || epoch > (double)position->step.epoch) {
            break;
        }
        rk_epoch_record *record = &position->history[(int64_t)epoch - 1];
        find_number(line, end, "seconds", &record->seconds);
        find_number(line, end, "check_seconds", &record->check_seconds);
    }
    if (line - text < length) {
        status = rk__file_replace(path, text, line - text);
    }
done:
    rk__free(text);
    rk__free(path);
    return status;
}

rk_status rk__run_folder_append_metrics(const char *folder, const char *line)
{
    char *path = NULL;
    RK_TRY(rk__path_join(&path, folder, RK_FILE_METRICS));
    rk_status status = RK_OK;
    FILE *file = fopen(path, "ab");
    bool written = file && fprintf(file, "%s\n", line) > 0;
    if (!file || fclose(file) != 0 || !written) {
        status = rk__fail(RK_ERR_IO, __FILE__, __LINE__, __func__, "%s cannot be written: %s", path,
                          strerror(errno));
    }
    rk__free(path);
    return status;
}
