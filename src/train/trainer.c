/*
 * A run from its configuration to its report.
 *
 * The folder is taken first, so that whatever is found in it stays as it is until the end. Nothing
 * is written until data, device and programs are ready, so that a run that cannot start leaves no
 * folder behind.
 */
#include "train/trainer.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/timer.h"
#include "eval/audit.h"
#include "eval/ratings.h"
#include "eval/trace.h"
#include "train/fit_warnings.h"
#include "train/member_weights.h"
#include "train/ranks.h"
#include "train/refit.h"
#include "train/run_events.h"
#include "train/trajectory.h"

/* ---- set-up ---- */

static rk_status prepare_data(rk_trainer *t, const rk_train_options *how)
{
    if (!how->dataset) {
        RK_TRY(rk_train_dataset(t->config, how, &t->log.hooks, &t->prepared));
    }
    t->dataset = how->dataset ? how->dataset : t->prepared;
    if (how->begun) {
        how->begun(how->user, t->folder, t->dataset);
    }
    t->seconds.data = t->dataset->seconds;
    const rk_dataset_stats *s = &t->dataset->stats;
    rk__log(&t->log, RK_LOG_DEBUG,
            "data set %s: %lld users, %lld items, %lld train, %lld valid and %lld test "
            "interactions, fingerprint %s",
            t->dataset->name, (long long)s->users, (long long)s->items, (long long)s->train,
            (long long)s->valid, (long long)s->test, t->dataset->fingerprint);
    if (t->options->split.carve_valid > 0) {
        rk__log(
            &t->log, RK_LOG_INFO,
            "valid was taken from train: %lld of %lld interactions, at random (split.carve_valid "
            "%g); the model trains on the rest",
            (long long)s->valid, (long long)(s->train + s->valid), t->options->split.carve_valid);
    }
    return RK_OK;
}

/* From then on the config is the one that has them. */
static rk_status open_members(rk_trainer *t)
{
    RK_TRY(rk__members_open(&t->members, t->config, t->dataset, &t->log.hooks));
    if (t->members.n > 0) {
        t->config = t->members.config;
        t->options = rk__config_options(t->config);
    }
    return RK_OK;
}

/* What the checks while training look at, and on whom. */
static rk_status prepare_checks(rk_trainer *t)
{
    const rk_options *o = t->options;
    const rk_dataset_stats *s = &t->dataset->stats;
    bool on_test = o->eval.split == RK_EVAL_TEST;
    t->check_part = on_test ? RK_TEST : RK_VALID;
    bool has_rounds = !rk__model_of(o)->is_closed; /* else the end is the only thing to look at */
    t->checks = has_rounds && o->eval.every > 0 && (on_test ? s->test_users : s->valid_users) > 0;
    if (has_rounds && o->eval.every > 0 && !t->checks) {
        rk__log(&t->log, RK_LOG_WARNING,
                "the %s part is empty: no checks while training, no early stopping, the final "
                "model is the last epoch's",
                rk_part_name(t->check_part));
    }
    char users[48] = "";
    if (o->eval.users > 0) {
        snprintf(users, sizeof users, ", %lld users", (long long)o->eval.users);
    }
    if (!t->checks && o->train.schedule == RK_SCHEDULE_PLATEAU) {
        RK_FAIL(RK_ERR_CONFIG,
                "train.schedule is plateau, but the %s part is empty: there is no metric to go by; "
                "set split.carve_valid to take a valid part from train, or another schedule",
                rk_part_name(t->check_part));
    }
    if (!t->checks) {
        return rk__strdup(&t->facts.watch, "");
    }
    RK_TRY(rk__format(&t->facts.watch, "%s on %s%s", o->eval.metric, rk_part_name(t->check_part),
                      users));
    return rk__eval_subset(t->dataset, t->check_part, o->eval.users, (uint64_t)o->run.seed,
                           &t->check_users, &t->n_check_users);
}

/* What is fitted, and in which steps. */
static void tell_model(rk_trainer *t)
{
    const rk_engine *e = &t->engine;
    const rk_step_state *s = &t->position.step;
    const rk_model_kind *m = e->model.model;
    int64_t numbers = 0;
    for (int i = 0; i < e->model.n_parameters; i++) {
        const rk_parameter *p = &e->model.parameters[i];
        numbers += p->rows * p->cols;
    }
    if (rk__model_is_by_gradients(m)) {
        rk__log(&t->log, RK_LOG_INFO,
                "model %s: %lld parameters; %lld steps an epoch, %lld triplets each", m->name,
                (long long)numbers, (long long)s->steps_per_epoch, (long long)s->batch);
        rk__log(&t->log, RK_LOG_INFO, "graph form %s", t->step.form.reason);
        return;
    }
    char phases[96] = "";
    for (int i = 0; i < m->n_phases; i++) {
        size_t length = strlen(phases);
        snprintf(phases + length, sizeof phases - length, "%s%s", i > 0 ? ", " : "", m->phases[i]);
    }
    double flops = 0;
    for (int i = 0; i < t->step.n_phases; i++) {
        rk_traffic work[RK_OP_COUNT];
        rk__program_traffic(&t->step.phases[i], NULL, work);
        for (int op = 0; op < RK_OP_COUNT; op++) {
            flops += work[op].flops;
        }
    }
    char much[48] = "";
    if (flops > 1e9) {
        snprintf(much, sizeof much, "; %.0f GFLOP", 1e-9 * flops);
    }
    rk__log(&t->log, RK_LOG_INFO, "model %s: %lld numbers; %s%s%s", m->name, (long long)numbers,
            m->is_closed ? "computed in one go: " : "an epoch is a sweep: ", phases, much);
}

static rk_status prepare_device(rk_trainer *t, bool eager)
{
    double began = rk__now();
    rk_device_info device = {0};
    RK_TRY(rk__set_up_among((rk_among){.comm = t->comm, .ground = t->ground}, &t->engine, &t->step,
                            &t->scorer, t->options, t->dataset, eager, &t->log.hooks));
    const rk_engine *e = &t->engine;
    RK_TRY(e->device->info(e->context, &device));
    rk__log(&t->log, RK_LOG_INFO, "device %s: %s (%s)", e->device->name, device.name,
            e->device_reason);
    RK_TRY(rk__position_init(&t->position, t->step.n_terms));
    t->position.step = rk__step_first_state(&t->step);
    tell_model(t);
    rk__ranks_tell(t);
    rk__fit_warn(&t->engine.model, t->dataset, &t->log);
    RK_TRY(rk__step_set_state(&t->step, &t->position.step));
    t->seconds.setup = rk__now() - began;
    return RK_OK;
}

static rk_status prepare_facts(rk_trainer *t)
{
    char resolved[PATH_MAX];
    const char *path = t->dataset->origin;
    if (!path) {
        path = realpath(t->dataset->path, resolved) ? resolved : t->dataset->path;
    }
    memcpy(t->facts.fingerprint, t->dataset->fingerprint, sizeof t->facts.fingerprint);
    memcpy(t->facts.sources, t->dataset->sources, sizeof t->facts.sources);
    RK_TRY(rk__strdup(&t->facts.dataset_path, path));
    RK_TRY(rk__data_text(t->config, &t->facts.data));
    const rk_model_kind *m = rk__model_of(t->options);
    bool by_times = m->needs && (m->needs(t->options) & RK_NEEDS_TIMES);
    return rk__trajectory_text(t->config, by_times ? t->dataset->times_fingerprint : NULL,
                               &t->facts.trajectory);
}

/* What the parameters begin with, if not with what was drawn. */
static rk_status warm_start(rk_trainer *t)
{
    RK_TRY(rk__warm_start_take(&t->warm, &t->engine, t->dataset));
    rk__warm_facts_tell(&t->warm.facts, &t->log.hooks);
    t->facts.warm = t->warm.facts;
    t->warm.facts = (rk_warm_facts){0};
    return RK_OK;
}

/* ---- start or resume ---- */

static rk_status open_log(rk_trainer *t)
{
    char *path = NULL;
    RK_TRY(rk__path_join(&path, t->folder, RK_FILE_LOG));
    rk_status status = rk__run_log_open(&t->log, path);
    rk__free(path);
    return status;
}

/* The environment first: it makes the folder a run folder, which force may replace. */
static rk_status write_texts(rk_trainer *t)
{
    RK_TRY(rk__run_folder_write_environment(t->folder, &t->step, t->dataset, t->command));
    RK_TRY(rk__run_folder_write_config(t->folder, t->config));
    return rk__run_folder_keep_data(t->folder, t->options, t->dataset);
}

/* What was made of a run in its folder stays when the run is replaced. */
static rk_status warn_of_remains(rk_trainer *t)
{
    static const char *const names[] = {"export", "model.h5"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        bool there = false;
        RK_TRY(rk__folder_has(t->folder, names[i], &there));
        if (there) {
            rk__log(&t->log, RK_LOG_WARNING, "%s/%s is still that of the run that is replaced",
                    t->folder, names[i]);
        }
    }
    return RK_OK;
}

static rk_status start(rk_trainer *t)
{
    if (!t->folder) {
        return RK_OK;
    }
    RK_TRY(warn_of_remains(t));
    rk__run_folder_clear(t->folder); /* by force; else there is nothing */
    t->unsaved = true;
    rk_status status = write_texts(t);
    status = status == RK_OK ? open_log(t) : status;
    t->events = rk__events_of(t->options->run.tensorboard ? t->folder : NULL, 1);
    if (status != RK_OK) {
        rk__run_folder_clear(t->folder);
    }
    return status;
}

/* Checks that were made on something else say nothing about the best epoch from now on. */
static void forget_best(rk_trainer *t, const char *before)
{
    if (t->position.best_epoch == 0) {
        return;
    }
    rk__log(&t->log, RK_LOG_WARNING,
            "the checks were of \"%s\" and are of \"%s\" from now on: the best checkpoint (epoch "
            "%lld) is dropped and the search for the best epoch begins anew",
            before, t->facts.watch, (long long)t->position.best_epoch);
    if (t->folder) {
        rk__run_folder_remove(t->folder, RK_FILE_BEST);
    }
    t->position.best_epoch = 0;
    t->position.best_value = NAN;
    t->position.checks_since_best = 0;
    t->position.plateau_checks = 0;
}

static rk_status compare_facts(const rk_trainer *t, const char *path,
                               const rk_checkpoint_facts *before)
{
    if (strcmp(before->fingerprint, t->facts.fingerprint) != 0) {
        RK_FAIL(
            RK_ERR_CONFIG,
            "%s was trained on a data set with fingerprint %s, this one has %s: a run cannot be "
            "resumed on other data; to go on from what it has learnt, begin another run from it "
            "(train --from)",
            path, before->fingerprint, t->facts.fingerprint);
    }
    return rk__trajectory_compare(before->trajectory, t->facts.trajectory);
}

/* Of a run that is resumed. */
static rk_status reopen_folder(rk_trainer *t)
{
    RK_TRY(rk__run_folder_resume_metrics(t->folder, &t->position));
    /* Until it is written again: it would be taken for one of what config.yaml says from now on. */
    RK_TRY(rk__folder_has(t->folder, RK_FILE_REPORT, &t->has_final));
    rk__run_folder_remove(t->folder, RK_FILE_REPORT);
    t->events =
        rk__events_of(t->options->run.tensorboard ? t->folder : NULL, t->position.step.epoch + 1);
    return write_texts(t);
}

static rk_status resume(rk_trainer *t)
{
    char *path = NULL;
    rk_checkpoint_facts before = {0};
    rk_status status = RK_OK;
    RK_TRY(t->folder ? open_log(t) : RK_OK);
    RK_TRY_GOTO(done, rk__path_join(&path, t->run_folder, RK_FILE_LAST));
    RK_TRY_GOTO(done, rk__checkpoint_read_facts(path, &before));
    RK_TRY_GOTO(done, compare_facts(t, path, &before));
    t->facts.warm = before.warm;
    before.warm = (rk_warm_facts){0};
    rk__position_free(&t->position);
    RK_TRY_GOTO(done, rk__checkpoint_read(path, &t->step, &t->position));
    const rk_step_state *s = &t->position.step;
    rk__log(&t->log, RK_LOG_INFO, "resumed after epoch %lld, step %lld of the next",
            (long long)s->epoch, (long long)s->step_in_epoch);
    if (strcmp(before.watch, t->facts.watch) != 0) {
        forget_best(t, before.watch);
    }
    RK_TRY_GOTO(done, t->folder ? reopen_folder(t) : RK_OK);
    if (s->epoch >= t->epochs) {
        char epochs[96] = ""; /* of a model that reads train.epochs */
        if (!t->engine.model.model->is_closed) {
            snprintf(epochs, sizeof epochs, ": it has trained %lld epochs and train.epochs is %lld",
                     (long long)s->epoch, (long long)t->epochs);
        }
        rk__log(&t->log, RK_LOG_INFO, "the run is finished%s; the report is written anew", epochs);
    }
done:
    rk__checkpoint_facts_free(&before);
    rk__free(path);
    return status;
}

static rk_status report_profile(rk_trainer *t)
{
    char *path = NULL;
    RK_TRY(rk__path_join(&path, t->folder, RK_FILE_PROFILE));
    rk_status status = rk__profile_report(&t->profile, &t->step, path, &t->log);
    rk__free(path);
    return status;
}

/* ---- the end ---- */

/* Puts the chosen model into the engine. */
static rk_status choose(rk_trainer *t, rk_summary *report)
{
    const rk_position *p = &t->position;
    const rk_options *o = t->options;
    bool decides = o->eval.select == RK_SELECT_BEST || o->eval.patience > 0;
    report->chosen_epoch = p->step.epoch;
    report->chosen_value = p->step.epoch > 0 ? p->history[p->step.epoch - 1].check : NAN;
    report->chosen_on_test = t->checks && t->check_part == RK_TEST && decides;
    report->chose_best = o->eval.select == RK_SELECT_BEST && p->best_epoch > 0;
    if (!report->chose_best) {
        return RK_OK;
    }
    if (!t->run_folder) {
        report->chosen_epoch = t->best.epoch;
        report->chosen_value = t->best.value;
        return rk__snapshot_put(&t->best, &t->engine);
    }
    char *path = NULL;
    rk_checkpoint_facts best = {0};
    RK_TRY(rk__comm_barrier(t->comm, "the best checkpoint"));
    RK_TRY(rk__path_join(&path, t->run_folder, RK_FILE_BEST));
    rk_status status = rk__checkpoint_read_facts(path, &best);
    if (status == RK_OK) {
        status = rk__checkpoint_read_parameters(path, &t->engine);
        report->chosen_epoch = best.epoch;
        report->chosen_value = best.value;
    }
    rk__checkpoint_facts_free(&best);
    rk__free(path);
    return status;
}

/* The rankings that a report has: of the model, and what it has to beat. */
typedef struct rankings {
    rk_ranker model, popularity, trace;
    bool has_traces;
    rk_groundwork *ground;
} rankings;

static rk_status evaluate_part(rk_trainer *t, rk_summary *report, rk_part part, const rankings *by)
{
    const rk_lists *own[RK_PARTS];
    const rk_eval_more more = {.is_expected = true};
    const rk_dataset_stats *s = &t->dataset->stats;
    const rk_hooks *hooks = &t->log.hooks;
    const char *name = rk_part_name(part), *metric = t->options->eval.metric;
    if ((part == RK_TEST ? s->test_users : s->valid_users) == 0) {
        return RK_OK;
    }
    for (int p = 0; p < RK_PARTS; p++) {
        own[p] = &t->dataset->parts[p];
    }
    RK_TRY(rk__evaluate_more(t->dataset, t->options, part, &more, &by->model, hooks,
                             &report->model[part]));
    RK_TRY(rk__groundwork_evaluate(by->ground, t->config, RK_BY_POPULARITY, part, &by->popularity,
                                   hooks, &report->popularity[part]));
    if (by->has_traces) {
        RK_TRY(rk__groundwork_evaluate(by->ground, t->config, RK_BY_TRACES, part, &by->trace, hooks,
                                       &report->trace[part]));
    }
    if (t->engine.model.model->rates) {
        RK_TRY(rk__evaluate_ratings(t->dataset, t->options, part, NULL, 0, &by->model,
                                    &report->ratings[part]));
    }
    RK_TRY(rk__audit(t->dataset, t->options, part, own, &by->model, &report->audit[part]));
    rk__log(&t->log, RK_LOG_DEBUG, "%s: %s %.5f, popularity %.5f (%lld users)", name, metric,
            rk__metric_find(&report->model[part], metric),
            rk__metric_find(&report->popularity[part], metric),
            (long long)report->model[part].users);
    return RK_OK;
}

/* The model of train and valid, and what it comes to on test. From then on it is the run's. */
static rk_status refit_model(rk_trainer *t, rk_refit *refit, rk_summary *report)
{
    RK_TRY(rk__refit_run(refit, t, report->chosen_epoch));
    const rk_trainer *again = &refit->trainer;
    report->step = &again->step;
    report->scorer = again->scorer;
    report->refit.epochs = report->chosen_epoch;
    report->refit.interactions = again->dataset->stats.train;
    if (again->dataset->stats.test_users == 0 || t->without_test) {
        return RK_OK;
    }
    rk_ranker by_model = rk__scorer_ranker(again->scorer);
    RK_TRY(rk__evaluate(again->dataset, t->options, RK_TEST, NULL, 0, &by_model, &t->log.hooks,
                        &report->refit.test));
    return rk__model_of(t->options)->rates
               ? rk__evaluate_ratings(again->dataset, t->options, RK_TEST, NULL, 0, &by_model,
                                      &report->refit.ratings)
               : RK_OK;
}

static rk_status finish(rk_trainer *t, double began, rk_snapshot *kept)
{
    rk_summary report = {.options = t->options,
                         .dataset = t->dataset,
                         .step = &t->step,
                         .scorer = t->scorer,
                         .config = t->config,
                         .position = &t->position,
                         .warm = &t->facts.warm,
                         .members = &t->members,
                         .watch = t->checks ? t->facts.watch : NULL,
                         .without_test = t->without_test,
                         .sent_bytes_per_step = rk__ranks_bytes_per_step(t),
                         .stopped_early = t->stopped_early};
    rk_groundwork *own = NULL;
    rk_popularity *popularity = NULL;
    rk_trace trace = {0};
    rk_refit refit = {.hooks = {0}};
    rk_status status = RK_OK;
    double evaluation_began = rk__now();
    RK_TRY_GOTO(done, choose(t, &report));
    RK_TRY_GOTO(done, t->ground ? RK_OK : rk__groundwork_create(&own, t->dataset));
    rk_groundwork *ground = t->ground ? t->ground : own;
    RK_TRY_GOTO(done, rk__groundwork_popularity(ground, &popularity));
    RK_TRY_GOTO(done, rk__trace_init(&trace, popularity));
    rankings by = {rk__scorer_ranker(t->scorer), rk__popularity_ranker(popularity),
                   rk__trace_ranker(&trace), trace.n > 0, ground};
    by.popularity.by_row = by.trace.by_row = by.model.by_row;
    if (report.chosen_on_test) {
        rk__log(&t->log, RK_LOG_WARNING,
                "the model was chosen on test (eval.split): its test metrics are optimistic");
    }
    if (rk__compat_note(t->options)) {
        rk__log(&t->log, RK_LOG_WARNING, "%s", rk__compat_note(t->options));
    }
    RK_TRY_GOTO(done, evaluate_part(t, &report, RK_VALID, &by));
    RK_TRY_GOTO(done, t->without_test ? RK_OK : evaluate_part(t, &report, RK_TEST, &by));
    if (t->options->train.refit) {
        RK_TRY_GOTO(done, refit_model(t, &refit, &report));
    }
    t->seconds.evaluation = rk__now() - evaluation_began;
    rk__phase_seconds_sum(&t->seconds, &t->position, began, t->processor_began);
    report.seconds = t->seconds;
    RK_TRY_GOTO(done,
                rk__scorer_prepare(t->options->train.refit ? refit.trainer.scorer : t->scorer));
    if (t->folder) {
        RK_TRY_GOTO(done, rk__run_folder_check_held(&t->lock));
        RK_TRY_GOTO(done, rk__run_events_final(t, &report));
        RK_TRY_GOTO(done, rk__report_write(t->folder, &report));
    }
    if (kept) {
        RK_TRY_GOTO(done, rk__snapshot_take(report.step->engine, kept));
        kept->epoch = report.chosen_epoch;
        kept->value = report.chosen_value;
        RK_TRY_GOTO(done, t->members.n > 0 ? rk__config_copy(t->config, &kept->config) : RK_OK);
    }
done:
    if (status == RK_ERR_INTERRUPTED) {
        status = rk__fail(RK_ERR_INTERRUPTED, __FILE__, __LINE__, __func__,
                          t->run_folder
                              ? "interrupted after the last epoch; the training is done and "
                                "saved, resume goes on with what comes behind it"
                              : "interrupted after the last epoch; without a run folder nothing "
                                "is kept");
    }
    rk__trace_free(&trace);
    rk__groundwork_free(own);
    rk__refit_free(&refit);
    rk_metrics_free(&report.refit.test);
    for (int part = 0; part < 3; part++) {
        rk_metrics_free(&report.model[part]);
        rk_metrics_free(&report.popularity[part]);
        rk_metrics_free(&report.trace[part]);
        rk_audit_free(&report.audit[part]);
    }
    return status;
}

static rk_status take_folder(rk_trainer *t, const rk_train_options *how)
{
    if (how->run_dir) {
        return rk__ranks_take_folder(t, how);
    }
    if (how->resume || how->profile) {
        RK_FAIL(RK_ERR_CONFIG, "without a run folder there is nothing to resume and no place for a "
                               "profile: give a run_dir");
    }
    return RK_OK;
}

static void tear_down(rk_trainer *t)
{
    rk__warm_start_close(&t->warm);
    rk__tear_down(&t->engine, &t->step, &t->scorer);
    rk__members_close(&t->members);
    rk_dataset_free(t->prepared);
    rk__position_free(&t->position);
    rk__checkpoint_facts_free(&t->facts);
    rk__snapshot_free(&t->best);
    rk__free(t->check_users);
    rk__run_log_close(&t->log);
    rk__events_close(&t->events);
    rk__folder_release(&t->lock);
    rk__free(t->run_folder);
}

/* Rank 0 prepares the data set, so that the others find it in the cache. */
static rk_status prepare_data_in_turn(rk_trainer *t, const rk_train_options *how)
{
    const bool is_first = rk__comm_rank(t->comm) == 0;
    RK_TRY(is_first ? RK_OK : rk__comm_barrier_without_limit(t->comm, "the data set"));
    RK_TRY(prepare_data(t, how));
    RK_TRY(is_first ? rk__comm_barrier_without_limit(t->comm, "the data set") : RK_OK);
    return rk__comm_agree(t->comm, RK_ERR_DATA, "data set", t->dataset->fingerprint);
}

rk_status rk__train(const rk_config *config, const rk_train_options *how, const rk_hooks *hooks,
                    rk_train_beside beside)
{
    /* A data set that was given took its time before the call. */
    double began = rk__now() - (how->dataset ? how->dataset->seconds : 0);
    rk_status status = RK_OK;
    rk_trainer t = {.config = config,
                    .comm = rk__comm_self(),
                    .newest_check = NAN,
                    .profiles = how->profile,
                    .without_test = how->without_test,
                    .ground = beside.ground,
                    .command = how->command,
                    .processor_began = rk__processor_seconds()};
    rk__run_log_init(&t.log, hooks);
    RK_TRY_GOTO(done, rk__model_check_config(config, !how->resume, how->dataset != NULL));
    RK_TRY_GOTO(done, rk__ranks_open(&t, how, hooks));
    RK_TRY_GOTO(done, rk__warm_start_open(&t.warm, how, config, &t.log.hooks));
    RK_TRY_GOTO(done, take_folder(&t, how));
    t.options = rk__config_options(config);
    t.epochs = rk__model_epochs(t.options);
    RK_TRY_GOTO(done, prepare_data_in_turn(&t, how));
    RK_TRY_GOTO(done, open_members(&t));
    RK_TRY_GOTO(done, rk__refit_check(t.config, t.dataset));
    RK_TRY_GOTO(done, prepare_checks(&t));
    RK_TRY_GOTO(done, prepare_device(&t, how->eager));
    RK_TRY_GOTO(done, how->profile ? rk__profile_check(&t.engine) : RK_OK);
    RK_TRY_GOTO(done, prepare_facts(&t));
    RK_TRY_GOTO(done, warm_start(&t));
    RK_TRY_GOTO(done, rk__members_load(&t.members, false, &t.engine));
    RK_TRY_GOTO(done, how->resume ? resume(&t) : start(&t));
    rk__run_log_agree(&t.log, t.comm);
    RK_TRY_GOTO(done, rk__train_epochs(&t));
    RK_TRY_GOTO(done, rk__member_weights_choose(&t));
    RK_TRY_GOTO(done, finish(&t, began, beside.kept));
    rk__run_log_agree(&t.log, NULL);
    RK_TRY_GOTO(done, how->profile && t.folder ? report_profile(&t) : RK_OK);
    RK_TRY_GOTO(done, rk__comm_barrier(t.comm, "the end of the run"));
    if (beside.prepared) {
        *beside.prepared = t.prepared;
        t.prepared = NULL;
    }
done:
    if (status != RK_OK && t.log.file) {
        rk__log(&t.log, RK_LOG_DEBUG, "the run ends here: %s", rk_last_error());
    }
    rk__comm_part(t.comm, status); /* the engine's device may still hold on to it */
    tear_down(&t);
    rk__comm_close(t.comm, status);
    return status;
}

rk_status rk_train(const rk_config *config, const rk_train_options *how, const rk_hooks *hooks)
{
    if (!how->run_dir) {
        RK_FAIL(RK_ERR_CONFIG, "rk_train writes into a run folder: give a run_dir, or take "
                               "rk_model_fit, which needs none");
    }
    return rk__train(config, how, hooks, (rk_train_beside){0});
}
