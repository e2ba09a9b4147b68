#include "train/refit.h"

#include <math.h>

#include "base/alloc.h"
#include "base/file.h"
#include "data/join.h"

rk_status rk__refit_check(const rk_config *config, const rk_dataset *dataset)
{
    const rk_options *o = rk__config_options(config);
    if (o->train.schedule == RK_SCHEDULE_PLATEAU && o->train.refit) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s, which lowers the rate by checks on valid, and a refit has none: take "
                "another schedule",
                rk__config_says(config, "train.refit").text,
                rk__config_says(config, "train.schedule").text);
    }
    if (o->train.refit && dataset->stats.valid == 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "train.refit is true, but the valid part of the data set %s is empty, so there is "
                "nothing to add to train: set split.carve_valid or split.valid, or take "
                "train.refit=false",
                dataset->name);
    }
    return RK_OK;
}

static rk_status set_up(rk_trainer *t)
{
    RK_TRY(rk__set_up_among((rk_among){.comm = t->comm}, &t->engine, &t->step, &t->scorer,
                            t->options, t->dataset, false, &t->log.hooks));
    RK_TRY(rk__position_init(&t->position, t->step.n_terms));
    t->position.step = rk__step_first_state(&t->step);
    return rk__step_set_state(&t->step, &t->position.step);
}

static rk_status write_checkpoint(const rk_refit *refit, rk_trainer *run)
{
    const rk_trainer *t = &refit->trainer;
    char *path = NULL;
    if (!run->run_folder) {
        return RK_OK;
    }
    if (run->folder) {
        RK_TRY(rk__run_folder_check_held(&run->lock));
        RK_TRY(rk__path_join(&path, run->folder, RK_FILE_REFIT));
    }
    run->facts.epoch = t->epochs;
    run->facts.value = NAN;
    rk_status status = rk__checkpoint_write(path, &t->step, &run->facts, NULL);
    rk__free(path);
    return status;
}

rk_status rk__refit_run(rk_refit *out, rk_trainer *run, int64_t epochs)
{
    rk_trainer *t = &out->trainer;
    *out = (rk_refit){.hooks = run->log.hooks};
    *t = (rk_trainer){.config = run->config,
                      .options = run->options,
                      .comm = run->comm,
                      .epochs = epochs,
                      .newest_check = NAN};
    out->hooks.scalar = NULL;
    rk__run_log_init(&t->log, &out->hooks);
    RK_TRY(rk__dataset_join_valid(run->dataset, &t->prepared));
    t->dataset = t->prepared;
    rk__log(&run->log, RK_LOG_INFO, "refit to train and valid together: %lld interactions, %lld %s",
            (long long)t->dataset->stats.train, (long long)epochs,
            epochs == 1 ? "epoch" : "epochs");
    if (!run->profiles) {
        rk__tear_down(&run->engine, &run->step, &run->scorer);
    }
    RK_TRY(set_up(t));
    if (run->members.n > 0) { /* which have been refitted each, and the weights stay */
        RK_TRY(rk__members_load(&run->members, true, &t->engine));
        RK_TRY(rk__members_write_weights(&run->members, &t->engine));
    } else {
        RK_TRY(rk__train_epochs(t));
    }
    return write_checkpoint(out, run);
}

void rk__refit_free(rk_refit *refit)
{
    rk_trainer *t = &refit->trainer;
    rk__tear_down(&t->engine, &t->step, &t->scorer);
    rk_dataset_free(t->prepared);
    rk__position_free(&t->position);
    rk__run_log_close(&t->log);
}
