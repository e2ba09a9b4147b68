/*
 * A model as one HDF5 file: the config, the tensors that fitting made, and the data set, which has
 * ids, labels and what everybody has. Written aside and renamed.
 */
#include <string.h>

#include "api/model_internal.h"
#include "base/alloc.h"
#include "base/file.h"
#include "data/dataset_store.h"
#include "io/h5.h"
#include "train/checkpoint.h"
#include "train/members.h"
#include "train/model_file.h"

static rk_status write_config(rk_h5 *file, const rk_config *config)
{
    char *text = NULL;
    RK_TRY(rk_config_text(config, false, &text));
    rk_status status = rk__h5_write(file, "config", RK_H5_U8, (int64_t)strlen(text), 0, text);
    rk_string_free(text);
    return status;
}

rk_status rk_model_save(const rk_model *model, const char *path, bool force)
{
    rk_h5 *file = NULL;
    rk_status status = RK_OK;
    if (!force && rk__file_exists(path)) {
        RK_FAIL(RK_ERR_CONFIG, "%s is there already; force overwrites it", path);
    }
    RK_TRY(rk__h5_create(&file, path, RK_MODEL_FILE_KIND, RK_MODEL_FILE_LAYOUT));
    RK_TRY_GOTO(done, rk__h5_set_i64(file, "epoch", model->epoch));
    RK_TRY_GOTO(done, write_config(file, model->config));
    /* Of a refitted model the parts as they were divided: whoever opens it joins them again. */
    const rk_dataset *divided = model->dataset->base ? model->dataset->base : model->dataset;
    RK_TRY_GOTO(done, rk__dataset_write(divided, file));
    rk__scorer_hold(model->scorer);
    status = rk__checkpoint_write_parameters(file, &model->engine);
    rk__scorer_release(model->scorer);
    RK_TRY_GOTO(done, status);
    status = force ? rk__h5_commit(file) : rk__h5_commit_new(file, NULL);
done:
    rk__h5_close(file);
    return status;
}

static rk_status open_file(rk_model *model, const char *path, const rk_model_how *how,
                           const rk_hooks *hooks)
{
    rk_h5 *file = NULL;
    rk_status status = RK_OK;
    RK_TRY(rk__model_file_open(path, &file, &model->config));
    RK_TRY_GOTO(done, rk__model_configure(model->config, how));
    RK_TRY_GOTO(done, rk__dataset_read(&model->owned, file, NULL));
    RK_TRY_GOTO(done, rk__members_read_configs(file, model->config));
    RK_TRY_GOTO(done, rk__h5_get_i64(file, "epoch", &model->epoch));
    RK_TRY_GOTO(done, rk__model_set_up(model, hooks));
    status = rk__checkpoint_read_tensors(file, &model->engine);
done:
    rk__h5_close(file);
    return status;
}

rk_status rk__model_open_file(const char *path, const rk_model_how *how, const rk_hooks *hooks,
                              rk_model **out)
{
    rk_model *model = NULL;
    RK_TRY(rk__calloc(&model, 1, sizeof *model, "a model"));
    model->ranks = how->ranks;
    return rk__model_hand_over(model, open_file(model, path, how, hooks), out);
}
