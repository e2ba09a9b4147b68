/* Opening the model of a run folder: config, data set, checkpoint. */
#include <stdio.h>
#include <string.h>

#include "api/model_internal.h"
#include "base/alloc.h"
#include "base/buffer.h"
#include "base/file.h"
#include "train/checkpoint.h"
#include "train/run_folder.h"
#include "train/seeds_folder.h"

rk_status rk__model_set_text(rk_config *config, const char *key, const char *value)
{
    rk_buffer buffer = {0};
    char *assignment = NULL;
    rk__buffer_add(&buffer, "%s=\"", key);
    for (const char *at = value; *at; at++) {
        rk__buffer_add(&buffer, *at == '"' || *at == '\\' ? "\\%c" : "%c", *at);
    }
    rk__buffer_add(&buffer, "\"");
    RK_TRY(rk__buffer_take(&buffer, &assignment));
    rk_status status = rk_config_set(config, assignment, "rk_model_open");
    rk__free(assignment);
    return status;
}

static rk_status load_config(rk_model *model, const char *directory, const char *device,
                             const char *data_root, const char *const *assignments, int64_t n)
{
    char *path = NULL;
    rk_status status = RK_OK;
    RK_TRY(rk__path_join(&path, directory, RK_FILE_CONFIG));
    if (!rk__file_exists(path)) {
        RK_FAIL_GOTO(done, RK_ERR_IO, "%s is no run folder: it has no " RK_FILE_CONFIG, directory);
    }
    RK_TRY_GOTO(done, rk_config_load(&model->config, path));
    if (device) {
        RK_TRY_GOTO(done, rk_config_set_device(model->config, device, "rk_model_open"));
    }
    if (data_root) {
        RK_TRY_GOTO(done, rk__model_set_text(model->config, "data.root", data_root));
    }
    for (int64_t i = 0; i < n; i++) {
        RK_TRY_GOTO(done, rk_config_set(model->config, assignments[i], "rk_model_open"));
    }
done:
    rk__free(path);
    return status;
}

/* The checkpoint that the final model is in; free *out with rk__free. */
static rk_status find_checkpoint(const rk_options *options, const char *directory, char **out)
{
    static const char *const names[] = {RK_FILE_BEST, RK_FILE_LAST};
    for (int i = options->eval.select == RK_SELECT_BEST ? 0 : 1; i < 2; i++) {
        char *path = NULL;
        RK_TRY(rk__path_join(&path, directory, names[i]));
        if (rk__file_exists(path)) {
            *out = path;
            return RK_OK;
        }
        rk__free(path);
    }
    RK_FAIL(RK_ERR_IO, "%s has no checkpoint yet; train it first", directory);
}

/* The prepared file that the run was trained on, or the same data set prepared anew. */
static rk_status open_dataset(rk_model *model, const rk_checkpoint_facts *facts,
                              const char *checkpoint, const rk_hooks *hooks)
{
    if (*facts->dataset_path && rk__file_exists(facts->dataset_path) &&
        rk_dataset_open(facts->dataset_path, &model->owned) == RK_OK) {
        if (strcmp(model->owned->fingerprint, facts->fingerprint) == 0) {
            return RK_OK;
        }
        rk_dataset_free(model->owned);
        model->owned = NULL;
    }
    rk_status status = rk_dataset_prepare(model->config, false, hooks, &model->owned);
    if (status != RK_OK) {
        return rk__fail_prefix(status, "the data set of %s", checkpoint);
    }
    if (strcmp(model->owned->fingerprint, facts->fingerprint) != 0) {
        RK_FAIL(RK_ERR_DATA,
                "%s was trained on a data set with fingerprint %s, its sources now give %s: they "
                "have changed since; bring back the old ones",
                checkpoint, facts->fingerprint, model->owned->fingerprint);
    }
    return RK_OK;
}

static rk_status open_run(rk_model *model, const char *directory, const rk_hooks *hooks)
{
    char *checkpoint = NULL;
    rk_checkpoint_facts facts = {0};
    rk_status status = RK_OK;
    const rk_options *options = rk__config_options(model->config);
    RK_TRY_GOTO(done, find_checkpoint(options, directory, &checkpoint));
    RK_TRY_GOTO(done, rk__checkpoint_read_facts(checkpoint, &facts));
    RK_TRY_GOTO(done, open_dataset(model, &facts, checkpoint, hooks));
    RK_TRY_GOTO(done, rk__model_set_up(model, hooks));
    RK_TRY_GOTO(done, rk__checkpoint_read_parameters(checkpoint, &model->engine));
    model->epoch = facts.epoch;
done:
    rk__checkpoint_facts_free(&facts);
    rk__free(checkpoint);
    return status;
}

rk_status rk__model_open_run(const char *directory, const char *device, const char *data_root,
                             const char *const *assignments, int64_t n, const rk_hooks *hooks,
                             rk_model **out)
{
    rk_model *model = NULL;
    char *folder = NULL;
    RK_TRY(rk__calloc(&model, 1, sizeof *model, "a model"));
    rk_status status = rk__seeds_folder_choose(directory, hooks, &folder);
    if (status == RK_OK) {
        status = load_config(model, folder, device, data_root, assignments, n);
    }
    if (status == RK_OK) {
        status = open_run(model, folder, hooks);
    }
    rk__free(folder);
    return rk__model_hand_over(model, status, out);
}
