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
#include "train/json.h"
#include "train/schedule.h"
#include "train/trainer.h"

static const double chunk_seconds = 0.1;

rk_status rk__train_checkpoint(rk_trainer *t)
{
    char *path = NULL;
    RK_TRY(rk__path_join(&path, t->folder, RK_FILE_LAST));
    t->facts.epoch = t->position.step.epoch;
    t->facts.value = NAN;
    rk_status status = rk__checkpoint_write(path, &t->session, &t->facts, &t->position);
    t->unsaved = status != RK_OK;
    rk__free(path);
    return status;
}

static rk_status write_best(rk_trainer *t, int64_t epoch, double value)
{
    char *path = NULL;
    RK_TRY(rk__path_join(&path, t->folder, RK_FILE_BEST));
    t->facts.epoch = epoch;
    t->facts.value = value;
    rk_status status = rk__checkpoint_write(path, &t->session, &t->facts, NULL);
    rk__free(path);
    return status;
}

/* ---- steps ---- */

static void report_progress(const rk_trainer *t)
{
    const rk_step_state *s = &t->position.step;
    const rk_hooks *hooks = &t->log.hooks;
    int64_t total = t->options->train.epochs * s->steps_per_epoch;
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
        .epochs = t->options->train.epochs,
        .loss = s->step_in_epoch > 0 ? s->loss_sum[0] / (double)s->step_in_epoch : NAN,
        .samples_per_second =
            t->position.epoch_seconds > 0 ? samples / t->position.epoch_seconds : 0,
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
    RK_FAIL(RK_ERR_INTERRUPTED,
            "interrupted in epoch %lld after step %lld of %lld; the checkpoint is written, resume "
            "goes on from it",
            (long long)s->epoch + 1, (long long)s->step_in_epoch, (long long)s->steps_per_epoch);
}

static rk_status run_steps(rk_trainer *t)
{
    rk_step_state *s = &t->position.step;
    while (s->step_in_epoch < s->steps_per_epoch) {
        if (rk__should_stop(&t->log.hooks)) {
            return stop_here(t);
        }
        int64_t left = s->steps_per_epoch - s->step_in_epoch, steps = 1;
        if (t->seconds_per_step > 0) {
            double wanted = chunk_seconds / t->seconds_per_step;
            steps = wanted < 1 ? 1 : wanted > (double)left ? left : (int64_t)wanted;
        }
        double began = rk__now();
        RK_TRY(t->profiles ? rk__profile_step(&t->profile, &t->session, steps)
                           : rk__session_step(&t->session, steps));
        RK_TRY(rk__session_get_state(&t->session, s));
        double seconds = rk__now() - began;
        t->seconds_per_step = seconds / (double)steps;
        t->position.epoch_seconds += seconds;
        t->steps_here += steps;
        if (s->bad_step > 0) {
            return fail_diverged(t);
        }
        report_progress(t);
    }
    return RK_OK;
}

/* ---- the end of an epoch ---- */

/* One line of metrics.jsonl; metrics NULL = no check at this epoch. */
static rk_status append_line(rk_trainer *t, int64_t epoch, const rk_epoch_record *record,
                             const rk_metrics *metrics)
{
    rk_buffer buffer = {0};
    rk_json json = {.out = &buffer};
    double samples = (double)t->position.step.draws_per_epoch;
    rk__json_begin(&json, NULL, '{');
    rk__json_int(&json, "epoch", epoch);
    rk__json_real(&json, "loss", record->loss);
    rk__json_real(&json, rk__option_choice("loss.kind", t->options->loss.kind), record->bpr);
    rk__json_real(&json, "l2", record->l2);
    bool has_contrast = t->options->loss.contrast != RK_CONTRAST_NONE;
    if (has_contrast || t->options->loss.neighbours > 0) { /* at most one of them */
        const rk_step_state *s = &t->position.step;
        rk__json_real(&json, has_contrast ? "contrast" : "neighbours",
                      s->loss_sum[3] / (double)s->steps_per_epoch);
    }
    rk__json_real(&json, "learning_rate", t->position.step.learning_rate);
    rk__json_real(&json, "seconds", record->seconds);
    rk__json_real(&json, "samples_per_second", samples / record->seconds);
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
    rk_status status = rk__run_folder_append_metrics(t->folder, line);
    rk__free(line);
    return status;
}

/* Best checkpoint and patience. */
static rk_status judge(rk_trainer *t, int64_t epoch, double value)
{
    rk_position *p = &t->position;
    t->newest_check = value;
    if (p->best_epoch > 0 && !(value > p->best_value)) {
        p->checks_since_best++;
        if (p->step.step > t->session.schedule.warmup &&
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

/* For train.log; a caller that watches has progress. */
static void log_epoch(rk_trainer *t, int64_t epoch, const rk_epoch_record *r)
{
    char check[96] = "";
    if (!isnan(r->check)) {
        snprintf(check, sizeof check, ", %s %.5f%s", t->options->eval.metric, r->check,
                 t->position.best_epoch == epoch ? " (best)" : "");
    }
    rk__log(&t->log, RK_LOG_DEBUG, "epoch %lld: loss %.6f (%s %.6f, l2 %.6f), %.2f s%s",
            (long long)epoch, r->loss, rk__option_choice("loss.kind", t->options->loss.kind),
            r->bpr, r->l2, r->seconds, check);
}

static rk_status close_epoch(rk_trainer *t)
{
    rk_position *p = &t->position;
    rk_step_state *s = &p->step;
    int64_t epoch = s->epoch + 1;
    double steps = (double)s->steps_per_epoch;
    rk_metrics metrics = {0};
    rk_status status = RK_OK;
    rk_epoch_record record = {.loss = s->loss_sum[0] / steps,
                              .bpr = s->loss_sum[1] / steps,
                              .l2 = s->loss_sum[2] / steps,
                              .seconds = p->epoch_seconds,
                              .check = NAN};
    bool checked = t->checks && epoch % t->options->eval.every == 0;
    if (checked) {
        double began = rk__now();
        rk_ranker ranker = rk__session_ranker(&t->session);
        status = rk__evaluate(t->dataset, t->options, t->check_part, t->check_users,
                              t->n_check_users, &ranker, &t->log.hooks, &metrics);
        if (status == RK_ERR_INTERRUPTED) {
            return stop_here(t);
        }
        RK_TRY(status);
        record.check = rk__metric_find(&metrics, t->options->eval.metric);
        record.check_seconds = rk__now() - began;
        RK_TRY_GOTO(done, judge(t, epoch, record.check));
        report_progress(t); /* the same step once more, with its metric */
    }
    RK_TRY_GOTO(done, append_line(t, epoch, &record, checked ? &metrics : NULL));
    log_epoch(t, epoch, &record);
    RK_TRY_GOTO(done, rk__position_reserve(p));
    p->history[s->epoch++] = record;
    p->epoch_seconds = 0;
    s->step_in_epoch = 0;
    for (size_t i = 0; i < sizeof s->loss_sum / sizeof s->loss_sum[0]; i++) {
        s->loss_sum[i] = 0;
    }
    t->unsaved = true;
    status = rk__session_set_state(&t->session, s);
done:
    rk_metrics_free(&metrics);
    return status;
}

/* Says so and returns true when no further epoch is to be trained. */
static bool is_over(rk_trainer *t)
{
    int64_t patience = t->options->eval.patience;
    if (t->position.step.epoch >= t->options->train.epochs) {
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
            t->position.step.epoch < t->options->train.epochs) {
            RK_TRY(rk__train_checkpoint(t));
        }
    }
    return t->unsaved ? rk__train_checkpoint(t) : RK_OK;
}
