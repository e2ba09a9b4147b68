/* rk_train_dataset: what a run trains on, prepared, or its own where it is resumed. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "rankine/train.h"
#include "train/checkpoint.h"
#include "train/run_folder.h"
#include "train/trainer.h"
#include "train/trajectory.h"

/* Does the run's own config ask for the same data set, of sources in the same places? */
static rk_status asks_the_same(const char *folder, const rk_config *config, bool *out)
{
    char *path = NULL, ours[17], theirs[17];
    rk_config *own = NULL;
    rk_status status = RK_OK;
    *out = false;
    RK_TRY(rk__path_join(&path, folder, RK_FILE_CONFIG));
    if (rk__file_exists(path)) {
        RK_TRY_GOTO(done, rk_config_load(&own, path));
        RK_TRY_GOTO(done, rk__dataset_options_digest(rk__config_options(own), ours));
        RK_TRY_GOTO(done, rk__dataset_options_digest(rk__config_options(config), theirs));
        *out = strcmp(ours, theirs) == 0;
    }
done:
    rk_config_free(own);
    rk__free(path);
    return status;
}

/* The folder's config may have been edited since: it must still say how its data set was made. */
static rk_status check_options(const char *folder, const rk_config *config,
                               const rk_checkpoint_facts *facts)
{
    char *now = NULL, *difference = NULL;
    RK_TRY(rk__data_text(config, &now));
    rk_status status = facts->data[0] ? rk__data_difference(facts->data, now, &difference) : RK_OK;
    rk__free(now);
    if (status == RK_OK && difference) {
        status = rk__fail(RK_ERR_CONFIG, __FILE__, __LINE__, __func__,
                          "%s/" RK_FILE_CONFIG " does not say how its data set was made: %s; put "
                          "back what was edited there",
                          folder, difference);
    }
    rk__free(difference);
    return status;
}

/* Tells the data set where it came from, and the user where that has changed. */
static rk_status tell_origin(const char *folder, const rk_config *config, const rk_hooks *hooks,
                             rk_dataset *dataset)
{
    char *path = NULL, now[17] = "", text[512];
    rk_checkpoint_facts facts = {0};
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__path_join(&path, folder, RK_FILE_LAST));
    RK_TRY_GOTO(done, rk__checkpoint_read_facts(path, &facts));
    RK_TRY_GOTO(done, rk__dataset_sources_digest(rk__config_options(config), now));
    RK_TRY_GOTO(done, check_options(folder, config, &facts));
    memcpy(dataset->sources, facts.sources, sizeof dataset->sources);
    dataset->origin = facts.dataset_path;
    facts.dataset_path = NULL;
    if (now[0] && facts.sources[0] && strcmp(now, facts.sources) != 0 && hooks && hooks->log) {
        snprintf(text, sizeof text,
                 "the sources have changed since this run began; it goes on with its own data set, "
                 "%.300s/" RK_FILE_DATA,
                 folder);
        hooks->log(hooks->user, RK_LOG_WARNING, text);
    }
done:
    rk__checkpoint_facts_free(&facts);
    rk__free(path);
    return status;
}

rk_status rk_train_dataset(const rk_config *config, const rk_train_options *how,
                           const rk_hooks *hooks, rk_dataset **out)
{
    bool same = false;
    rk_dataset *own = NULL;
    if (how->run_dir && how->resume) {
        RK_TRY(asks_the_same(how->run_dir, config, &same));
        RK_TRY(same
                   ? rk__run_folder_open_data(how->run_dir, rk__config_options(config), hooks, &own)
                   : RK_OK);
    }
    if (!own) {
        return rk_dataset_prepare(config, false, hooks, out);
    }
    rk_status status = tell_origin(how->run_dir, config, hooks, own);
    if (status != RK_OK) {
        rk_dataset_free(own);
        return status;
    }
    *out = own;
    return RK_OK;
}

rk_status rk__train_has_dataset(const rk_config *config, const rk_train_options *how, bool *out)
{
    *out = how->dataset != NULL;
    return !*out && how->resume && how->run_dir && rk__config_options(config)->n_sources == 0
               ? rk__folder_has(how->run_dir, RK_FILE_DATA, out)
               : RK_OK;
}
