#include "train/open_run.h"

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "train/run_folder.h"
#include "train/trajectory.h"

/* last.h5 in place of best.h5 is right only where no epoch was the best one yet. */
static rk_status check_best(const rk_h5 *last, const char *folder)
{
    int64_t best = 0;
    if (rk__h5_has_attribute(last, "best_epoch")) {
        RK_TRY(rk__h5_get_i64(last, "best_epoch", &best));
    }
    if (best > 0) {
        RK_FAIL(RK_ERR_IO,
                "%s/" RK_FILE_BEST " is gone, though epoch %lld was the best one: bring it back, "
                "or set eval.select to last in %s/" RK_FILE_CONFIG " to take the last epoch",
                folder, (long long)best, folder);
    }
    return RK_OK;
}

/* refit.h5 is there once the run is finished. */
static rk_status open_refit(rk_open_run *run, const char *folder)
{
    char *path = NULL;
    RK_TRY(rk__path_join(&path, folder, RK_FILE_REFIT));
    if (!rk__file_exists(path)) {
        rk__free(path);
        RK_FAIL(RK_ERR_IO,
                "%s has no " RK_FILE_REFIT " yet, the model of train.refit: let the run go on "
                "(train --run %s --resume), or set train.refit to false in %s/" RK_FILE_CONFIG
                " to take the model of train alone",
                folder, folder, folder);
    }
    rk_status status = rk__checkpoint_open(path, &run->checkpoint);
    rk__free(path);
    return status == RK_OK ? rk__checkpoint_facts_of(run->checkpoint, &run->facts) : status;
}

static rk_status open_checkpoint(rk_open_run *run, const rk_options *options, const char *folder)
{
    static const char *const names[] = {RK_FILE_BEST, RK_FILE_LAST};
    const bool by_best = options->eval.select == RK_SELECT_BEST;
    for (int i = by_best ? 0 : 1; i < 2; i++) {
        char *path = NULL;
        RK_TRY(rk__path_join(&path, folder, names[i]));
        bool there = rk__file_exists(path);
        rk_status status = there ? rk__checkpoint_open(path, &run->checkpoint) : RK_OK;
        rk__free(path);
        if (there) {
            RK_TRY(status);
            RK_TRY(i > 0 && by_best ? check_best(run->checkpoint, folder) : RK_OK);
            return rk__checkpoint_facts_of(run->checkpoint, &run->facts);
        }
    }
    RK_FAIL(RK_ERR_IO, "%s has no checkpoint yet; train it first", folder);
}

/* The config says what the tensors and the data set mean: it must be that of the training that
 * wrote them. */
static rk_status check_config(const rk_open_run *run, const rk_config *config, const char *folder)
{
    char *now = NULL, *difference = NULL;
    RK_TRY(rk__trajectory_text(config, NULL, &now));
    rk_status status = rk__trajectory_difference(run->facts.trajectory, now, &difference);
    rk__free(now);
    if (status == RK_OK && !difference && run->facts.data[0]) {
        now = NULL;
        RK_TRY(rk__data_text(config, &now));
        status = rk__data_difference(run->facts.data, now, &difference);
        rk__free(now);
    }
    if (status == RK_OK && difference) {
        status = rk__fail(RK_ERR_DATA, __FILE__, __LINE__, __func__,
                          "%s/" RK_FILE_CONFIG " does not say how %s was trained: %s; put back "
                          "what was edited there",
                          folder, rk__h5_path(run->checkpoint), difference);
    }
    rk__free(difference);
    return status;
}

static bool is_its_own(const rk_open_run *run)
{
    return strcmp(run->dataset->fingerprint, run->facts.fingerprint) == 0;
}

/* data.h5; run->dataset stays NULL if there is none that can be read. */
static rk_status open_own(rk_open_run *run, const char *folder, const rk_options *options,
                          const rk_hooks *hooks)
{
    RK_TRY(rk__run_folder_open_data(folder, options, hooks, &run->dataset));
    if (run->dataset && !is_its_own(run)) {
        RK_FAIL(RK_ERR_DATA,
                "%s/" RK_FILE_DATA " has the fingerprint %s, but %s was trained on a data set with "
                "%s: they are of two runs",
                folder, run->dataset->fingerprint, rk__h5_path(run->checkpoint),
                run->facts.fingerprint);
    }
    return RK_OK;
}

/* The cached file that the run was trained on; run->dataset stays NULL if that is not there. */
static void open_cached(rk_open_run *run, const rk_options *options)
{
    const char *path = run->facts.dataset_path;
    if (*path && rk__file_exists(path) &&
        rk__dataset_open_within(path, options->data.memory, NULL, &run->dataset) == RK_OK &&
        !is_its_own(run)) {
        rk_dataset_free(run->dataset);
        run->dataset = NULL;
    }
}

static rk_status prepare(rk_open_run *run, const rk_config *config, const char *data_root,
                         const rk_hooks *hooks)
{
    const char *checkpoint = rk__h5_path(run->checkpoint);
    rk_status status = rk_dataset_prepare(config, false, hooks, &run->dataset);
    if (status != RK_OK) {
        return rk__fail_prefix(status, "the data set of %s, %s", checkpoint,
                               data_root ? "prepared from other sources"
                                         : "which its run folder does not hold (" RK_FILE_DATA ")");
    }
    if (is_its_own(run)) {
        return RK_OK;
    }
    if (data_root) {
        RK_FAIL(RK_ERR_DATA,
                "%s was trained on a data set with fingerprint %s, the sources in %s give %s: they "
                "are others, or have changed since (without that folder the run's own data set is "
                "taken)",
                checkpoint, run->facts.fingerprint, data_root, run->dataset->fingerprint);
    }
    RK_FAIL(RK_ERR_DATA,
            "%s was trained on a data set with fingerprint %s, its sources now give %s: they have "
            "changed since, and the run folder holds no data set (" RK_FILE_DATA
            ": run.keep_data was false, or an earlier version trained it); bring back the old ones",
            checkpoint, run->facts.fingerprint, run->dataset->fingerprint);
}

rk_status rk__open_run(rk_open_run *out, const char *folder, const rk_config *config,
                       rk_run_model model, const char *data_root, const rk_hooks *hooks)
{
    const rk_options *options = rk__config_options(config);
    rk_open_run run = {.checkpoint = NULL};
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, options->train.refit && model == RK_RUN_FINAL
                          ? open_refit(&run, folder)
                          : open_checkpoint(&run, options, folder));
    RK_TRY_GOTO(done, check_config(&run, config, folder));
    if (!data_root) { /* which is never ignored */
        RK_TRY_GOTO(done, open_own(&run, folder, options, hooks));
        if (!run.dataset) {
            open_cached(&run, options);
        }
    }
    if (!run.dataset) {
        RK_TRY_GOTO(done, prepare(&run, config, data_root, hooks));
    }
    *out = run;
    run = (rk_open_run){.checkpoint = NULL};
done:
    rk__open_run_close(&run);
    return status;
}

void rk__open_run_close(rk_open_run *run)
{
    rk__h5_close(run->checkpoint);
    rk__checkpoint_facts_free(&run->facts);
    rk_dataset_free(run->dataset);
    *run = (rk_open_run){.checkpoint = NULL};
}
