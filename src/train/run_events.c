#include "train/run_events.h"

#include <stdio.h>

static void add(rk_trainer *t, const char *group, const char *name, double value)
{
    char tag[128];
    snprintf(tag, sizeof tag, "%s/%s", group, name);
    rk__events_scalar(&t->events, tag, value);
}

static void add_metrics(rk_trainer *t, const char *group, const rk_metrics *metrics)
{
    for (int64_t i = 0; i < metrics->count; i++) {
        add(t, group, metrics->values[i].name, metrics->values[i].value);
    }
}

rk_status rk__run_events_epoch(rk_trainer *t, const rk_metrics *metrics)
{
    const int64_t epoch = t->position.step.epoch;
    const rk_epoch_record *record = &t->position.history[epoch];
    const double *terms = rk__position_terms(&t->position, epoch);
    if (t->step.n_terms > 0) {
        const double samples = (double)t->position.step.draws_per_epoch;
        add(t, "loss", "total", record->loss);
        for (int i = 0; i < t->step.n_terms; i++) {
            add(t, "loss", t->step.terms[i].name, terms[i]);
        }
        add(t, "train", "learning_rate", t->position.step.learning_rate);
        add(t, "train", "samples_per_second", samples / record->seconds);
    }
    add(t, "train", "seconds", record->seconds);
    if (metrics) {
        add(t, "train", "check_seconds", record->check_seconds);
        add_metrics(t, rk_part_name(t->check_part), metrics);
    }
    return rk__events_write(&t->events, epoch + 1);
}

rk_status rk__run_events_final(rk_trainer *t, const rk_summary *report)
{
    static const rk_part parts[] = {RK_VALID, RK_TEST};
    if (t->has_final && t->steps_here == 0) {
        return RK_OK;
    }
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        char group[32];
        snprintf(group, sizeof group, "final/%s", rk_part_name(parts[i]));
        add_metrics(t, group, &report->model[parts[i]]);
    }
    return rk__events_write(&t->events, t->position.step.epoch);
}
