/* Opening the model of a run folder: config, data set, checkpoint. */
#include <stdio.h>
#include <string.h>

#include "api/model_internal.h"
#include "base/alloc.h"
#include "base/buffer.h"
#include "base/file.h"
#include "train/checkpoint.h"
#include "train/members.h"
#include "train/open_run.h"
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
    rk_status status = rk_config_set(config, assignment, "opening the model");
    rk__free(assignment);
    return status;
}

rk_status rk__model_configure(rk_config *config, const rk_model_how *how)
{
    if (how->device) {
        RK_TRY(rk_config_set_device(config, how->device, "device"));
    }
    if (how->data_root) {
        RK_TRY(rk__model_set_text(config, "data.root", how->data_root));
    }
    for (int64_t i = 0; i < how->n_assignments; i++) {
        RK_TRY(rk_config_set(config, how->assignments[i], "opening the model"));
    }
    return RK_OK;
}

static rk_status load_config(rk_model *model, const char *directory, const rk_model_how *how)
{
    char *path = NULL;
    rk_status status = RK_OK;
    RK_TRY(rk__path_join(&path, directory, RK_FILE_CONFIG));
    if (!rk__file_exists(path)) {
        RK_FAIL_GOTO(done, RK_ERR_IO, "%s is no run folder: it has no " RK_FILE_CONFIG, directory);
    }
    RK_TRY_GOTO(done, rk_config_load(&model->config, path));
    status = rk__model_configure(model->config, how);
done:
    rk__free(path);
    return status;
}

static rk_status open_run(rk_model *model, const char *directory, const char *data_root,
                          const rk_hooks *hooks)
{
    rk_open_run run = {.checkpoint = NULL};
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__open_run(&run, directory, model->config, RK_RUN_FINAL, data_root, hooks));
    model->owned = run.dataset;
    run.dataset = NULL;
    RK_TRY_GOTO(done, rk__members_read_configs(run.checkpoint, model->config));
    RK_TRY_GOTO(done, rk__model_set_up(model, hooks));
    RK_TRY_GOTO(done, rk__checkpoint_read_tensors(run.checkpoint, &model->engine));
    model->epoch = run.facts.epoch;
done:
    rk__open_run_close(&run);
    return status;
}

rk_status rk__model_open_run(const char *directory, const rk_model_how *how, const rk_hooks *hooks,
                             rk_model **out)
{
    rk_model *model = NULL;
    char *folder = NULL;
    RK_TRY(rk__calloc(&model, 1, sizeof *model, "a model"));
    model->ranks = how->ranks;
    rk_status status = rk__seeds_folder_choose(directory, hooks, &folder);
    if (status == RK_OK) {
        status = load_config(model, folder, how);
    }
    if (status == RK_OK) {
        status = open_run(model, folder, how->data_root, hooks);
    }
    rk__free(folder);
    return rk__model_hand_over(model, status, out);
}
