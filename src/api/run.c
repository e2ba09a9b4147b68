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
#include "train/trajectory.h"

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

static bool is_of(const rk_dataset *dataset, const rk_checkpoint_facts *facts)
{
    return strcmp(dataset->fingerprint, facts->fingerprint) == 0;
}

/* The run's own data set, data.h5; model->owned stays NULL if it has none that can be read. */
static rk_status open_own(rk_model *model, const rk_checkpoint_facts *facts, const char *directory,
                          const char *checkpoint, const rk_hooks *hooks)
{
    RK_TRY(rk__run_folder_open_data(directory, hooks, &model->owned));
    if (model->owned && !is_of(model->owned, facts)) {
        RK_FAIL(RK_ERR_DATA,
                "%s/" RK_FILE_DATA " has the fingerprint %s, but %s was trained on a data set with "
                "%s: they are of two runs",
                directory, model->owned->fingerprint, checkpoint, facts->fingerprint);
    }
    return RK_OK;
}

/* The cached file that the run was trained on; model->owned stays NULL if that is not there. */
static void open_cached(rk_model *model, const rk_checkpoint_facts *facts)
{
    if (*facts->dataset_path && rk__file_exists(facts->dataset_path) &&
        rk_dataset_open(facts->dataset_path, &model->owned) == RK_OK &&
        !is_of(model->owned, facts)) {
        rk_dataset_free(model->owned);
        model->owned = NULL;
    }
}

/* The same data set prepared from the sources, which data_root moves. */
static rk_status prepare(rk_model *model, const rk_checkpoint_facts *facts, const char *checkpoint,
                         const char *data_root, const rk_hooks *hooks)
{
    rk_status status = rk_dataset_prepare(model->config, false, hooks, &model->owned);
    if (status != RK_OK) {
        return rk__fail_prefix(status, "the data set of %s, %s", checkpoint,
                               data_root ? "prepared from other sources"
                                         : "which its run folder does not hold (" RK_FILE_DATA ")");
    }
    if (is_of(model->owned, facts)) {
        return RK_OK;
    }
    if (data_root) {
        RK_FAIL(RK_ERR_DATA,
                "%s was trained on a data set with fingerprint %s, the sources in %s give %s: they "
                "are others, or have changed since (without that folder the run's own data set is "
                "taken)",
                checkpoint, facts->fingerprint, data_root, model->owned->fingerprint);
    }
    RK_FAIL(RK_ERR_DATA,
            "%s was trained on a data set with fingerprint %s, its sources now give %s: they have "
            "changed since, and the run folder holds no data set (" RK_FILE_DATA
            ": run.keep_data was false, or an earlier version trained it); bring back the old ones",
            checkpoint, facts->fingerprint, model->owned->fingerprint);
}

/* A data_root that was given is never ignored: then the sources there must give the data set. */
static rk_status open_dataset(rk_model *model, const rk_checkpoint_facts *facts,
                              const char *directory, const char *checkpoint, const char *data_root,
                              const rk_hooks *hooks)
{
    if (!data_root) {
        RK_TRY(open_own(model, facts, directory, checkpoint, hooks));
        if (!model->owned) {
            open_cached(model, facts);
        }
    }
    return model->owned ? RK_OK : prepare(model, facts, checkpoint, data_root, hooks);
}

/* The config says what the tensors mean: it must be that of the training that wrote them. */
static rk_status check_config(const rk_model *model, const rk_checkpoint_facts *facts,
                              const char *directory, const char *checkpoint)
{
    char *now = NULL, *difference = NULL;
    RK_TRY(rk__trajectory_text(model->config, NULL, &now));
    rk_status status = rk__trajectory_difference(facts->trajectory, now, &difference);
    rk__free(now);
    if (status == RK_OK && difference) {
        status =
            rk__fail(RK_ERR_DATA, __FILE__, __LINE__, __func__,
                     "%s/" RK_FILE_CONFIG " does not say how %s was trained: %s; put back what "
                     "was edited there",
                     directory, checkpoint, difference);
    }
    rk__free(difference);
    return status;
}

static rk_status open_run(rk_model *model, const char *directory, const char *data_root,
                          const rk_hooks *hooks)
{
    char *checkpoint = NULL;
    rk_checkpoint_facts facts = {0};
    rk_status status = RK_OK;
    const rk_options *options = rk__config_options(model->config);
    RK_TRY_GOTO(done, find_checkpoint(options, directory, &checkpoint));
    RK_TRY_GOTO(done, rk__checkpoint_read_facts(checkpoint, &facts));
    RK_TRY_GOTO(done, check_config(model, &facts, directory, checkpoint));
    RK_TRY_GOTO(done, open_dataset(model, &facts, directory, checkpoint, data_root, hooks));
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
        status = open_run(model, folder, data_root, hooks);
    }
    rk__free(folder);
    return rk__model_hand_over(model, status, out);
}
