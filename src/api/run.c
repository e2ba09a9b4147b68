/* Opening a run folder: config, data set, checkpoint, final embeddings; evaluating it again. */
#include <stdio.h>
#include <string.h>

#include "api/run_internal.h"
#include "base/alloc.h"
#include "base/buffer.h"
#include "base/file.h"
#include "train/checkpoint.h"
#include "train/run_folder.h"
#include "train/set_up.h"

/* key=value, the value as a double-quoted YAML text. */
static rk_status set_text(rk_config *config, const char *key, const char *value)
{
    rk_buffer buffer = {0};
    char *assignment = NULL;
    rk__buffer_add(&buffer, "%s=\"", key);
    for (const char *at = value; *at; at++) {
        rk__buffer_add(&buffer, *at == '"' || *at == '\\' ? "\\%c" : "%c", *at);
    }
    rk__buffer_add(&buffer, "\"");
    RK_TRY(rk__buffer_take(&buffer, &assignment));
    rk_status status = rk_config_set(config, assignment, "rk_run_open");
    rk__free(assignment);
    return status;
}

static rk_status load_config(rk_run *run, const char *directory, const char *device,
                             const char *data_root, const char *const *assignments, int64_t n)
{
    char *path = NULL;
    rk_status status = RK_OK;
    RK_TRY(rk__path_join(&path, directory, RK_FILE_CONFIG));
    if (!rk__file_exists(path)) {
        RK_FAIL_GOTO(done, RK_ERR_IO, "%s is no run folder: it has no " RK_FILE_CONFIG, directory);
    }
    RK_TRY_GOTO(done, rk_config_load(&run->config, path));
    if (device) {
        RK_TRY_GOTO(done, set_text(run->config, "run.device", device));
    }
    if (data_root) {
        RK_TRY_GOTO(done, set_text(run->config, "data.root", data_root));
    }
    for (int64_t i = 0; i < n; i++) {
        RK_TRY_GOTO(done, rk_config_set(run->config, assignments[i], "rk_run_open"));
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
static rk_status open_dataset(rk_run *run, const rk_checkpoint_facts *facts, const char *checkpoint,
                              const rk_hooks *hooks)
{
    if (*facts->dataset_path && rk__file_exists(facts->dataset_path) &&
        rk_dataset_open(facts->dataset_path, &run->dataset) == RK_OK) {
        if (strcmp(run->dataset->fingerprint, facts->fingerprint) == 0) {
            return RK_OK;
        }
        rk_dataset_free(run->dataset);
        run->dataset = NULL;
    }
    rk_status status = rk_dataset_prepare(run->config, false, hooks, &run->dataset);
    if (status != RK_OK) {
        return rk__fail_prefix(status, "the data set of %s", checkpoint);
    }
    if (strcmp(run->dataset->fingerprint, facts->fingerprint) != 0) {
        RK_FAIL(RK_ERR_DATA,
                "%s was trained on a data set with fingerprint %s, its sources now give %s: they "
                "have changed since; bring back the old ones",
                checkpoint, facts->fingerprint, run->dataset->fingerprint);
    }
    return RK_OK;
}

static rk_status open_run(rk_run *run, const char *directory, const rk_hooks *hooks)
{
    char *checkpoint = NULL;
    rk_checkpoint_facts facts = {0};
    rk_status status = RK_OK;
    const rk_options *options = rk__config_options(run->config);
    RK_TRY_GOTO(done, find_checkpoint(options, directory, &checkpoint));
    RK_TRY_GOTO(done, rk__checkpoint_read_facts(checkpoint, &facts));
    RK_TRY_GOTO(done, open_dataset(run, &facts, checkpoint, hooks));
    RK_TRY_GOTO(done,
                rk__set_up(&run->engine, NULL, &run->ranker, options, run->dataset, false, hooks));
    RK_TRY_GOTO(done, rk__checkpoint_read_parameters(checkpoint, &run->engine));
    run->epoch = facts.epoch;
    RK_TRY_GOTO(done, rk__ranker_embeddings(&run->ranker, &run->final));
    status = rk__popularity_init(&run->popularity, run->dataset);
done:
    rk__checkpoint_facts_free(&facts);
    rk__free(checkpoint);
    return status;
}

rk_status rk__run_open(const char *directory, const char *device, const char *data_root,
                       const char *const *assignments, int64_t n, const rk_hooks *hooks,
                       rk_run **out)
{
    rk_run *run = NULL;
    RK_TRY(rk__calloc(&run, 1, sizeof *run, "a run"));
    rk_status status = load_config(run, directory, device, data_root, assignments, n);
    if (status == RK_OK) {
        status = open_run(run, directory, hooks);
    }
    if (status != RK_OK) {
        rk_run_free(run);
        return status;
    }
    *out = run;
    return RK_OK;
}

rk_status rk_run_open(const char *directory, const char *device, const char *data_root,
                      const rk_hooks *hooks, rk_run **out)
{
    return rk__run_open(directory, device, data_root, NULL, 0, hooks, out);
}

void rk_run_free(rk_run *run)
{
    if (!run) {
        return;
    }
    rk__tear_down(&run->engine, NULL, &run->ranker);
    rk__popularity_free(&run->popularity);
    rk__free(run->final);
    rk_dataset_free(run->dataset);
    rk_config_free(run->config);
    rk__free(run);
}

const rk_dataset *rk_run_dataset(const rk_run *run)
{
    return run->dataset;
}

const rk_config *rk_run_config(const rk_run *run)
{
    return run->config;
}

int64_t rk_run_epoch(const rk_run *run)
{
    return run->epoch;
}

rk_status rk_run_evaluate(rk_run *run, rk_part part, bool popularity, const rk_hooks *hooks,
                          rk_metrics *out)
{
    *out = (rk_metrics){0};
    if (part != RK_VALID && part != RK_TEST) {
        RK_FAIL(RK_ERR_CONFIG, "only valid and test can be evaluated: train is what was learnt");
    }
    rk_ranker ranker =
        popularity ? rk__popularity_ranker(&run->popularity) : rk__ranker_of(&run->ranker);
    return rk__evaluate(run->dataset, rk__config_options(run->config), part, NULL, 0, &ranker,
                        hooks, out);
}

const float *rk_run_user_embeddings(const rk_run *run, int64_t *rows, int64_t *dim)
{
    *rows = run->dataset->n_users;
    *dim = rk__config_options(run->config)->model.dim;
    return run->final;
}

const float *rk_run_item_embeddings(const rk_run *run, int64_t *rows, int64_t *dim)
{
    *rows = run->dataset->n_items;
    *dim = rk__config_options(run->config)->model.dim;
    return run->final + run->dataset->n_users * *dim;
}
