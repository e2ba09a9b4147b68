/*
 * The loop over steps and epochs.
 *
 * Steps run in chunks of about a tenth of a second, so that progress and the wish to stop are
 * looked at several times a second; the size of a chunk changes no result. An epoch is over when
 * its steps are done; it is closed when its check is made, its line is in metrics.jsonl and its
 * record in the history. A run that is interrupted between the two closes the epoch after it is
 * resumed.
 */
#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/timer.h"
#include "eval/ratings.h"
#include "train/json.h"
#include "train/ranks.h"
#include "train/schedule.h"
#include "train/run_events.h"

static const double chunk_seconds = 0.1;

/* NULL where another rank writes it. */
static rk_status path_to_write(const rk_trainer *t, const char *name, char **out)
{
    *out = NULL;
    if (!t->folder) {
        return RK_OK;
    }
    RK_TRY(rk__run_folder_check_held(&t->lock));
    return rk__path_join(out, t->folder, name);
}

rk_status rk__train_checkpoint(rk_trainer *t)
{
    char *path = NULL;
    if (!t->run_folder) {
        t->unsaved = false;
        return RK_OK;
    }
    RK_TRY(path_to_write(t, RK_FILE_LAST, &path));
    t->facts.epoch = t->position.step.epoch;
    t->facts.value = NAN;
    rk_status status = rk__checkpoint_write(path, &t->step, &t->facts, &t->position);
    t->unsaved = status != RK_OK;
    rk__free(path);
    return status;
}

static rk_status write_best(rk_trainer *t, int64_t epoch, double value)
{
    char *path = NULL;
    if (!t->run_folder) {
        RK_TRY(rk__snapshot_take(&t->engine, &t->best));
        t->best.epoch = epoch;
        t->best.value = value;
        return RK_OK;
    }
    RK_TRY(path_to_write(t, RK_FILE_BEST, &path));
    t->facts.epoch = epoch;
    t->facts.value = value;
    rk_status status = rk__checkpoint_write(path, &t->step, &t->facts, NULL);
    rk__free(path);
    return status;
}

/* ---- steps ---- */

static void report_progress(const rk_trainer *t)
{
    const rk_step_state *s = &t->position.step;
    const rk_hooks *hooks = &t->log.hooks;
    int64_t total = t->epochs * s->steps_per_epoch;
    int64_t done = s->epoch * s->steps_per_epoch + s->step_in_epoch;
    double elapsed = rk__now() - t->train_began;
    double samples = (double)s->step_in_epoch * (double)s->batch;
    samples = fmin(samples, (double)s->draws_per_epoch);
    double per_step = t->steps_here > 0 ? elapsed / (double)t->steps_here : -1;
    rk_progress progress = {
        .phase = "training",
        .done = done,
        .total = total,
        .unit = "steps",
        .seconds = elapsed,
        .epoch = s->epoch + 1,
        .epochs = t->epochs,
        .loss = s->step_in_epoch > 0 && t->step.n_terms > 0
                    ? t->position.sums[0] / (double)s->step_in_epoch
                    : NAN,
        .samples_per_second = t->step.n_terms > 0 && t->position.epoch_seconds > 0
                                  ? samples / t->position.epoch_seconds
                                  : 0,
        .eta_seconds = per_step < 0 ? -1 : per_step * (double)(total - done),
        .metric = t->checks ? t->options->eval.metric : NULL,
        .metric_value = t->newest_check,
    };
    hooks->progress(hooks->user, &progress);
}

static rk_status fail_diverged(const rk_trainer *t)
{
    const rk_step_state *s = &t->position.step;
    int64_t step = s->bad_step, in_epoch = step - (s->step - s->step_in_epoch);
    const char *kept = s->epoch > 0 ? "; the checkpoints are as they were before" : "";
    const rk_model_kind *m = t->engine.model.model;
    if (!rk__model_is_by_gradients(m)) {
        RK_FAIL(RK_ERR_DIVERGED, "%s failed in epoch %lld: %s%s",
                m->phases[(in_epoch - 1) % m->n_phases], (long long)s->epoch + 1,
                m->failure ? m->failure : "its numbers are not finite", kept);
    }
    RK_FAIL(RK_ERR_DIVERGED,
            "the loss is %s at step %lld (epoch %lld, step %lld of %lld): training diverged%s; try "
            "a smaller train.learning_rate (now %g)",
            isnan(s->bad_loss) ? "not a number" : "infinite", (long long)step,
            (long long)s->epoch + 1, (long long)in_epoch, (long long)s->steps_per_epoch, kept,
            t->options->train.learning_rate);
}

static rk_status stop_here(rk_trainer *t)
{
    const rk_step_state *s = &t->position.step;
    RK_TRY(rk__train_checkpoint(t));
    RK_FAIL(RK_ERR_INTERRUPTED, "interrupted in epoch %lld after step %lld of %lld; %s",
            (long long)s->epoch + 1, (long long)s->step_in_epoch, (long long)s->steps_per_epoch,
            t->run_folder ? "the checkpoint is written, resume goes on from it"
                          : "without a run folder nothing is kept");
}

/* ---- phases of models in closed form ---- */

/* They may take minutes, so they are looked at while they run where the device lets one. */
typedef struct phase_watch {
    const rk_trainer *trainer;
    double began;
} phase_watch;

static bool look_at_phase(void *user, int64_t done, int64_t total, const char *unit)
{
    const phase_watch *w = user;
    const rk_trainer *t = w->trainer;
    const rk_hooks *hooks = &t->log.hooks;
    const rk_model_kind *m = t->engine.model.model;
    if (total > 0) {
        const rk_progress progress = {.phase = m->phases[t->position.step.step_in_epoch],
                                      .done = done,
                                      .total = total,
                                      .unit = unit,
                                      .seconds = rk__now() - w->began,
                                      .loss = NAN,
                                      .eta_seconds = -1,
                                      .metric_value = NAN};
        hooks->progress(hooks->user, &progress);
    }
    return rk__should_stop(hooks);
}

/* What a phase had written when it was left is of no use, and what it reads may be gone: the model
 * begins anew. */
static rk_status leave_phase(rk_trainer *t)
{
    rk_step_state *s = &t->position.step;
    const char *phase = t->engine.model.model->phases[s->step_in_epoch];
    s->step -= s->step_in_epoch;
    s->step_in_epoch = 0;
    t->position.epoch_seconds = 0;
    RK_TRY(rk__step_set_state(&t->step, s));
    RK_TRY(rk__step_set_sums(&t->step, t->position.sums));
    RK_TRY(rk__train_checkpoint(t));
    RK_FAIL(RK_ERR_INTERRUPTED, "interrupted in the phase \"%s\", of which nothing is kept; %s",
            phase,
            t->run_folder ? "resume begins it anew" : "there is no run folder to go on from");
}

static rk_status run_chunk(rk_trainer *t, int64_t steps)
{
    const rk_device *device = t->engine.device;
    phase_watch inner = {.trainer = t, .began = rk__now()};
    const rk_watch watch = {.look = look_at_phase, .user = &inner};
    const bool is_watched = t->engine.model.model->is_closed && device->watch;
    if (is_watched) {
        device->watch(t->engine.context, &watch);
    }
    rk_status status = t->profiles ? rk__profile_step(&t->profile, &t->step, steps)
                                   : rk__step_run(&t->step, steps);
    if (is_watched) {
        device->watch(t->engine.context, NULL);
    }
    /* Without a watch it is another rank that has ended the run. */
    return is_watched && status == RK_ERR_INTERRUPTED ? leave_phase(t) : status;
}

/* Steps of the next chunk, as this process would have them. */
static int64_t steps_wanted(const rk_trainer *t)
{
    const double wanted = t->seconds_per_step > 0 ? chunk_seconds / t->seconds_per_step : 1;
    const double most = (double)t->position.step.steps_per_epoch;
    return wanted < 1 ? 1 : (int64_t)(wanted < most ? wanted : most);
}

/* Among ranks rank 0's chunks are those of all; it tells them beside the question who wants to
 * stop, and so a chunk ahead. */
static rk_status run_steps(rk_trainer *t)
{
    rk_step_state *s = &t->position.step;
    const bool is_alone = rk__comm_size(t->comm) == 1;
    while (s->step_in_epoch < s->steps_per_epoch) {
        rk__comm_tell(t->comm, steps_wanted(t));
        if (rk__should_stop(&t->log.hooks)) {
            return stop_here(t);
        }
        const int64_t left = s->steps_per_epoch - s->step_in_epoch;
        int64_t steps = is_alone ? steps_wanted(t) : rk__comm_told(t->comm);
        steps = steps < 1 ? 1 : steps < left ? steps : left;
        double began = rk__now();
        const int64_t sent = rk__comm_bytes_sent(t->comm);
        RK_TRY(run_chunk(t, steps));
        t->bytes_sent += rk__comm_bytes_sent(t->comm) - sent;
        RK_TRY(rk__step_get_state(&t->step, s));
        RK_TRY(rk__step_get_sums(&t->step, t->position.sums));
        double seconds = rk__now() - began;
        t->seconds_per_step = seconds / (double)steps;
        t->position.epoch_seconds += seconds;
        t->steps_here += steps;
        if (s->bad_step > 0) {
            return fail_diverged(t);
        }
        if (s->step == 1 && t->step.n_terms > 0) {
            t->position.first_loss = t->position.sums[0];
        }
        report_progress(t);
    }
    return RK_OK;
}

/* ---- the end of an epoch ---- */

/* The line of the record behind the last one in metrics.jsonl; metrics NULL = no check. */
static rk_status append_line(rk_trainer *t, const rk_metrics *metrics)
{
    const int64_t epoch = t->position.step.epoch;
    const rk_epoch_record *record = &t->position.history[epoch];
    const double *terms = rk__position_terms(&t->position, epoch);
    rk_buffer buffer = {0};
    rk_json json = {.out = &buffer};
    double samples = (double)t->position.step.draws_per_epoch;
    rk__json_begin(&json, NULL, '{');
    rk__json_int(&json, "epoch", epoch + 1);
    if (t->step.n_terms > 0) {
        rk__json_real(&json, "loss", record->loss);
        for (int i = 0; i < t->step.n_terms; i++) {
            rk__json_real(&json, t->step.terms[i].name, terms[i]);
        }
        rk__json_real(&json, "learning_rate", t->position.step.learning_rate);
    }
    rk__json_real(&json, "seconds", record->seconds);
    if (t->step.n_terms > 0) {
        rk__json_real(&json, "samples_per_second", samples / record->seconds);
    }
    if (rk__comm_size(t->comm) > 1) {
        rk__json_int(&json, "ranks", rk__comm_size(t->comm));
        rk__json_int(&json, "bytes_sent_per_step", rk__ranks_bytes_per_step(t));
    }
    if (metrics) {
        rk__json_real(&json, "check_seconds", record->check_seconds);
        rk__json_begin(&json, rk_part_name(t->check_part), '{');
        for (int64_t i = 0; i < metrics->count; i++) {
            rk__json_real(&json, metrics->values[i].name, metrics->values[i].value);
        }
        rk__json_end(&json, '}');
    }
    rk__json_end(&json, '}');
    char *line = NULL;
    RK_TRY(rk__buffer_take(&buffer, &line));
    rk_status status = t->folder ? rk__run_folder_check_held(&t->lock) : RK_OK;
    if (t->folder && status == RK_OK) {
        status = rk__run_folder_append_metrics(t->folder, line);
    }
    rk__free(line);
    return status;
}

static void tell_scalar(const rk_trainer *t, const char *group, const char *name, double value)
{
    const rk_hooks *hooks = &t->log.hooks;
    char full[128];
    snprintf(full, sizeof full, "%s/%s", group, name);
    hooks->scalar(hooks->user, full, t->position.step.epoch + 1, value);
}

/* The numbers of the line that append_line has written, but for those measured in seconds. */
static void tell_scalars(const rk_trainer *t, const rk_metrics *metrics)
{
    const int64_t epoch = t->position.step.epoch;
    const double *terms = rk__position_terms(&t->position, epoch);
    if (t->step.n_terms > 0) {
        tell_scalar(t, "train", "loss", t->position.history[epoch].loss);
        for (int i = 0; i < t->step.n_terms; i++) {
            tell_scalar(t, "train", t->step.terms[i].name, terms[i]);
        }
        tell_scalar(t, "train", "learning_rate", t->position.step.learning_rate);
    }
    for (int64_t i = 0; metrics && i < metrics->count; i++) {
        const rk_metric_value *metric = &metrics->values[i];
        tell_scalar(t, rk_part_name(t->check_part), metric->name, metric->value);
    }
}

/* Best checkpoint and patience. */
static rk_status judge(rk_trainer *t, int64_t epoch, double value)
{
    rk_position *p = &t->position;
    const bool is_error = rk__rating_error_find(t->options->eval.metric) >= 0;
    const bool is_better = is_error ? value < p->best_value : value > p->best_value;
    t->newest_check = value;
    if (p->best_epoch > 0 && !is_better) {
        p->checks_since_best++;
        if (p->step.step > t->step.schedule.warmup &&
            rk__schedule_plateau(t->options, &p->plateau_checks, &p->step.rate_scale)) {
            rk__log(&t->log, RK_LOG_INFO,
                    "learning rate %g from epoch %lld on: no better %s since epoch %lld",
                    t->options->train.learning_rate * p->step.rate_scale, (long long)epoch + 1,
                    t->options->eval.metric, (long long)p->best_epoch);
        }
        return RK_OK;
    }
    RK_TRY(write_best(t, epoch, value));
    p->best_epoch = epoch;
    p->best_value = value;
    p->checks_since_best = 0;
    p->plateau_checks = 0;
    return RK_OK;
}

/* The record behind the last one, for train.log; a caller that watches has progress. */
static rk_status log_epoch(rk_trainer *t)
{
    const int64_t epoch = t->position.step.epoch;
    const rk_epoch_record *r = &t->position.history[epoch];
    const double *terms = rk__position_terms(&t->position, epoch);
    char check[96] = "", *text = NULL;
    rk_buffer buffer = {0};
    rk__buffer_add(&buffer, "epoch %lld: ", (long long)epoch + 1);
    for (int i = 0; i < t->step.n_terms; i++) {
        if (i == 0) {
            rk__buffer_add(&buffer, "loss %.6f (", r->loss);
        }
        rk__buffer_add(&buffer, "%s %.6f%s", t->step.terms[i].name, terms[i],
                       i + 1 < t->step.n_terms ? ", " : "), ");
    }
    RK_TRY(rk__buffer_take(&buffer, &text));
    if (!isnan(r->check)) {
        snprintf(check, sizeof check, ", %s %.5f%s", t->options->eval.metric, r->check,
                 t->position.best_epoch == epoch + 1 ? " (best)" : "");
    }
    rk__log(&t->log, RK_LOG_DEBUG, "%s%.2f s%s", text, r->seconds, check);
    rk__engine_tell_notes(&t->engine, &t->log.hooks);
    rk__free(text);
    return RK_OK;
}

/* A phase that was stopped before its end is no error, but whoever wanted its result should know.
 */
static rk_status tell_unfinished(rk_trainer *t)
{
    const rk_engine *e = &t->engine;
    const rk_model_kind *m = e->model.model;
    int64_t rows = 0, stopped = 0;
    int32_t *flags = NULL;
    if (!m->unfinished) {
        return RK_OK;
    }
    const int32_t stored = rk__store_find(&e->store, m->unfinished);
    rows = e->store.items[stored].rows;
    RK_TRY(rk__alloc(&flags, rows, sizeof *flags, "rows that were stopped"));
    rk_status status = e->device->read(e->context, stored, 0, rows, flags);
    for (int64_t i = 0; status == RK_OK && i < rows; i++) {
        stopped += flags[i];
    }
    rk__free(flags);
    if (status == RK_OK && stopped > 0) {
        rk__log(&t->log, RK_LOG_WARNING, "%lld of %lld items: %s", (long long)stopped,
                (long long)rows, m->unfinished_help);
    }
    return status;
}

/* The means of the epoch that is over, behind the last record. */
static rk_status make_record(rk_trainer *t, rk_epoch_record **out)
{
    rk_position *p = &t->position;
    const double steps = (double)p->step.steps_per_epoch;
    RK_TRY(rk__position_reserve(p));
    *out = &p->history[p->step.epoch];
    **out = (rk_epoch_record){.loss = p->n_terms > 0 ? p->sums[0] / steps : NAN,
                              .seconds = p->epoch_seconds,
                              .check = NAN};
    for (int i = 0; i < p->n_terms; i++) {
        rk__position_terms(p, p->step.epoch)[i] = p->sums[1 + i] / steps;
    }
    return RK_OK;
}

/* Counts the epoch and opens the next one. */
static rk_status open_epoch(rk_trainer *t)
{
    rk_position *p = &t->position;
    p->step.epoch++;
    p->step.step_in_epoch = 0;
    p->epoch_seconds = 0;
    for (int i = 0; i <= p->n_terms; i++) {
        p->sums[i] = 0;
    }
    t->unsaved = true;
    RK_TRY(rk__step_set_state(&t->step, &p->step));
    return rk__step_set_sums(&t->step, p->sums);
}

/* A loss that has grown beyond all measure and is finite still. Once, at the first such epoch. */
static void warn_of_divergence(rk_trainer *t)
{
    const rk_position *p = &t->position;
    if (p->step.epoch > 0 && rk__position_diverged(p) == p->step.epoch) {
        rk__log(&t->log, RK_LOG_WARNING,
                "the loss of epoch %lld is %.3g, that of the first step was %.3g: training "
                "diverged, and the report says so; take a smaller train.learning_rate (now %g)",
                (long long)p->step.epoch, p->history[p->step.epoch - 1].loss,
                rk__position_first_loss(p), t->options->train.learning_rate);
    }
}

/* The metrics of the check: of a model of ratings their errors, too, and nothing else where the
 * epoch is chosen by one of those. */
static rk_status check(rk_trainer *t, rk_metrics *out)
{
    rk_ranker ranker = rk__scorer_ranker(t->scorer);
    const bool by_error = rk__rating_error_find(t->options->eval.metric) >= 0;
    *out = (rk_metrics){0};
    if (!by_error) {
        RK_TRY(rk__evaluate(t->dataset, t->options, t->check_part, t->check_users, t->n_check_users,
                            &ranker, &t->log.hooks, out));
    }
    if (t->engine.model.model->rates) {
        double errors[RK_RATING_ERROR_COUNT];
        int64_t pairs = 0;
        RK_TRY(rk__rating_errors(t->dataset, rk__rating_scale(t->options, t->dataset),
                                 t->check_part, t->check_users, t->n_check_users, &ranker, errors,
                                 &pairs, NULL));
        RK_TRY(rk__rating_errors_append(out, errors));
    }
    return RK_OK;
}

static rk_status close_epoch(rk_trainer *t)
{
    int64_t epoch = t->position.step.epoch + 1;
    rk_epoch_record *record = NULL;
    rk_metrics metrics = {0};
    rk_status status = RK_OK;
    RK_TRY(make_record(t, &record));
    bool checked = t->checks && epoch % t->options->eval.every == 0;
    if (checked) {
        double began = rk__now();
        status = check(t, &metrics);
        if (status == RK_ERR_INTERRUPTED) {
            return stop_here(t);
        }
        RK_TRY_GOTO(done, status);
        record->check = rk__metric_find(&metrics, t->options->eval.metric);
        RK_TRY_GOTO(
            done, rk__comm_broadcast(t->comm, "a check", &record->check, sizeof record->check, 0));
        record->check_seconds = rk__now() - began;
        RK_TRY_GOTO(done, judge(t, epoch, record->check));
        report_progress(t); /* the same step once more, with its metric */
    }
    RK_TRY_GOTO(done, append_line(t, checked ? &metrics : NULL));
    RK_TRY_GOTO(done, rk__run_events_epoch(t, checked ? &metrics : NULL));
    tell_scalars(t, checked ? &metrics : NULL);
    RK_TRY_GOTO(done, log_epoch(t));
    RK_TRY_GOTO(done, open_epoch(t));
    warn_of_divergence(t);
    status = tell_unfinished(t);
done:
    rk_metrics_free(&metrics);
    return status;
}

/* Says so and returns true when no further epoch is to be trained. */
static bool is_over(rk_trainer *t)
{
    int64_t patience = t->options->eval.patience;
    if (t->position.step.epoch >= t->epochs) {
        return true;
    }
    if (patience > 0 && t->position.checks_since_best >= patience) {
        t->stopped_early = true;
        rk__log(&t->log, RK_LOG_INFO,
                "stopped early after epoch %lld: no better %s since epoch %lld (%lld checks, "
                "eval.patience)",
                (long long)t->position.step.epoch, t->options->eval.metric,
                (long long)t->position.best_epoch, (long long)t->position.checks_since_best);
        return true;
    }
    return false;
}

rk_status rk__train_epochs(rk_trainer *t)
{
    int64_t every = t->options->train.checkpoint_every;
    t->train_began = rk__now();
    while (!is_over(t)) {
        RK_TRY(run_steps(t));
        RK_TRY(close_epoch(t));
        if (every > 0 && t->position.step.epoch % every == 0 &&
            t->position.step.epoch < t->epochs) {
            RK_TRY(rk__train_checkpoint(t));
        }
    }
    return t->unsaved ? rk__train_checkpoint(t) : RK_OK;
}
