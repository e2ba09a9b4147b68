/*
 * The call: takes the folder, finds that something can be trained, then the trials and the end.
 *
 * Nothing is written before space, config and data set are known to be good, so that a sweep that
 * cannot start leaves no folder behind.
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rating_error.h"
#include "sweep/internal.h"
#include "train/run_folder.h"

rk_sweep_options rk_sweep_defaults(void)
{
    return (rk_sweep_options){.method = RK_SWEEP_RANDOM, .seed = -1};
}

static rk_status check(const rk_config *config, const rk_sweep_options *how)
{
    const rk_options *o = rk__config_options(config);
    if (!how->run_dir || !*how->run_dir) {
        RK_FAIL(RK_ERR_CONFIG, "no folder for the sweep is named");
    }
    if (!rk_sweep_method_name(how->method)) {
        RK_FAIL(RK_ERR_CONFIG, "there is no method %d", (int)how->method);
    }
    if (o->eval.split == RK_EVAL_TEST) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s: a sweep chooses among trials, and what is chosen on test says nothing about "
                "test any more; set eval.split to valid",
                rk__config_says(config, "eval.split").text);
    }
    if (how->final_seeds != 0 && (how->final_seeds < 2 || how->final_seeds > 1000)) {
        RK_FAIL(RK_ERR_CONFIG, "%lld final seeds: take 2 to 1000, or 0 for none",
                (long long)how->final_seeds);
    }
    return RK_OK;
}

/* The data set of the first trial, before anything is written. */
static rk_status prepare(rk_sweep_run *s)
{
    rk_config *first = NULL;
    char *folder = NULL;
    const rk_dataset *dataset = NULL;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__sweep_probe(s, &first));
    RK_TRY_GOTO(done, rk__trial_folder(s, 1, &folder));
    status = rk__sweep_dataset(s, first, folder, &dataset);
done:
    rk_config_free(first);
    rk__free(folder);
    return status;
}

static void close_sweep(rk_sweep_run *s)
{
    for (int64_t t = 0; t < s->n; t++) {
        rk__trial_free(&s->trials[t]);
    }
    for (int64_t i = 0; i < s->n_data; i++) {
        rk__free(s->data[i].folder);
        rk__groundwork_free(s->data[i].ground);
        rk_dataset_free(s->data[i].dataset);
    }
    rk__groundwork_free(s->ground);
    rk__free(s->trials);
    rk__free(s->data);
    rk__space_free(&s->space);
    rk__journal_close(&s->journal);
    rk__folder_release(&s->lock);
}

rk_status rk_sweep(const rk_config *config, const rk_sweep_options *how, const rk_hooks *hooks)
{
    rk_status status = RK_OK;
    const rk_options *o = rk__config_options(config);
    rk_sweep_run s = {.config = config, .how = how, .metric = o->eval.metric, .best = -1};
    s.lower = rk__rating_error_find(s.metric) >= 0;
    RK_TRY(check(config, how));
    RK_TRY(rk__several_refuse_ranks(config, "a sweep"));
    rk__several_init(&s.runs, hooks, 0);
    s.runs.hushed = true;
    RK_TRY_GOTO(done, how->new_dir ? rk__folder_take_new(&s.lock, how->run_dir)
                                   : rk__folder_take(&s.lock, how->run_dir, 0));
    s.folder = s.lock.path;
    RK_TRY_GOTO(done, rk__sweep_settle(&s));
    RK_TRY_GOTO(done, rk__sweep_find_final_seed(&s));
    RK_TRY_GOTO(done, prepare(&s));
    rk__run_folder_remove(s.folder, RK_FILE_REPORT); /* until the end is reached again */
    RK_TRY_GOTO(done, rk__sweep_write_asked(&s));
    RK_TRY_GOTO(done, rk__journal_open(&s.journal, s.folder));
    if (o->run.tensorboard && !*s.journal.at) {
        RK_TRY_GOTO(done, rk__sweep_hparams(&s));
    }
    RK_TRY_GOTO(done, rk__sweep_run_trials(&s));
    RK_TRY_GOTO(done, rk__run_folder_check_held(&s.lock));
    status = rk__sweep_finish(&s);
done:
    close_sweep(&s);
    return status;
}
