/* One trial: its config, its run, what came of it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "base/rating_error.h"
#include "config/schema.h"
#include "data/dataset.h"
#include "models/model.h"
#include "sweep/internal.h"
#include "train/json.h"

enum { KEPT_DATA = 4 /* data sets in memory at once */ };

/* ---- config ---- */

/* Sets what nothing has left out, is_read[axis * keys ...]: one flag for each key of each axis. */
static rk_status set_values(const rk_space *space, const double *places, const bool *is_read,
                            rk_config *config)
{
    int64_t flag = 0;
    for (int64_t a = 0; a < space->n; a++) {
        const rk_axis *axis = &space->axes[a];
        for (int64_t k = 0; k < axis->n_keys; k++, flag++) {
            char *text = NULL, *assignment = NULL;
            rk_status status = RK_OK;
            if (!is_read[flag]) {
                continue;
            }
            RK_TRY(rk__axis_text(axis, places[a], k, &text));
            status = rk__format(&assignment, "%s=%s", axis->keys[k], text);
            status = status == RK_OK ? rk_config_set(config, assignment, axis->origin) : status;
            rk__free(assignment);
            rk__free(text);
            RK_TRY(status);
        }
    }
    return RK_OK;
}

static int64_t count_keys(const rk_space *space)
{
    int64_t n = 0;
    for (int64_t a = 0; a < space->n; a++) {
        n += space->axes[a].n_keys;
    }
    return n;
}

/* Whether the trial depends on the option. */
static rk_status reads_key(const rk_config *config, const char *key, bool *out)
{
    const char *ignores = rk__model_of(rk__config_options(config))->ignores;
    RK_TRY(rk_config_is_read(config, key, out));
    *out = *out && !(ignores && strcmp(ignores, key) == 0);
    return RK_OK;
}

/* Flags of what nothing reads under the others' values; *out_changed: there was one more. */
static rk_status look_who_reads(const rk_space *space, const rk_config *config, bool *is_read,
                                bool *out_changed)
{
    int64_t flag = 0;
    *out_changed = false;
    for (int64_t a = 0; a < space->n; a++) {
        for (int64_t k = 0; k < space->axes[a].n_keys; k++, flag++) {
            const char *key = space->axes[a].keys[k];
            bool reads = true;
            if (is_read[flag] && !strchr(key, '[')) {
                RK_TRY(reads_key(config, key, &reads));
            }
            *out_changed = *out_changed || !reads;
            is_read[flag] = is_read[flag] && reads;
        }
    }
    return RK_OK;
}

static void add_json(rk_json *json, const char *key, const char *text)
{
    double number;
    if (rk__parse_real(text, strlen(text), &number) == RK_PARSE_OK) {
        rk__json_real(json, key, number);
    } else {
        rk__json_text(json, key, text);
    }
}

/* What the config sets and only other values of the space read goes back to its default: it would
 * be an error of this trial's config. What nothing ever read stays one. */
static rk_status drop_unread(const rk_config *base, rk_config *config)
{
    int64_t n = 0;
    const rk_option *rows = rk__option_rows(&n);
    for (int64_t i = 0; i < n; i++) {
        char key[96], *assignment = NULL;
        if (!rk__config_reads(base, &rows[i]) || rk__config_reads(config, &rows[i])) {
            continue;
        }
        snprintf(key, sizeof key, "%s.%s", rows[i].section, rows[i].key);
        RK_TRY(rk__format(&assignment, "%s=%s", key, rows[i].default_text));
        rk_status status = rk_config_set(config, assignment, "default");
        rk__free(assignment);
        RK_TRY(status);
    }
    return RK_OK;
}

/* Places, options and shown of what is read. */
static rk_status describe(const rk_space *space, const double *places, const bool *is_read,
                          rk_trial *trial)
{
    rk_buffer options = {0}, shown = {0};
    rk_json json = {.out = &options};
    int64_t flag = 0;
    rk_status status = RK_OK;
    RK_TRY(rk__alloc(&trial->places, space->n, sizeof *trial->places, "the places of a trial"));
    for (int64_t a = 0; a < space->n && status == RK_OK; a++) {
        const rk_axis *axis = &space->axes[a];
        trial->places[a] = NAN;
        for (int64_t k = 0; k < axis->n_keys && status == RK_OK; k++, flag++) {
            char *text = NULL;
            if (!is_read[flag]) {
                continue;
            }
            trial->places[a] = places[a];
            status = rk__axis_text(axis, places[a], k, &text);
            if (status == RK_OK) {
                add_json(&json, axis->keys[k], text);
                rk__buffer_add(&shown, "%s%s %s", shown.length > 0 ? ", " : "", axis->keys[k],
                               text);
            }
            rk__free(text);
        }
    }
    status = status == RK_OK ? rk__buffer_take(&options, &trial->options) : status;
    status = status == RK_OK ? rk__buffer_take(&shown, &trial->shown) : status;
    rk__buffer_free(&options);
    rk__buffer_free(&shown);
    return status;
}

/* Halving trains by epochs, the first ones of all alike. */
static rk_status check_halving(const rk_space *space, const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    bool reads = false;
    for (int64_t a = 0; a < space->n; a++) {
        for (int64_t k = 0; k < space->axes[a].n_keys; k++) {
            if (strcmp(space->axes[a].keys[k], "train.epochs") == 0) {
                RK_FAIL(RK_ERR_CONFIG,
                        "%s: halving decides how many epochs a trial has: take train.epochs out of "
                        "the space, or another method",
                        space->axes[a].origin);
            }
        }
    }
    RK_TRY(rk_config_is_read(config, "train.epochs", &reads));
    if (!reads) {
        RK_FAIL(RK_ERR_CONFIG,
                "halving trains in ever more epochs, and %s has none: take another method",
                rk__config_says(config, "model.kind").text);
    }
    if (o->train.schedule == RK_SCHEDULE_COSINE && o->train.schedule_epochs == 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s goes by train.epochs, which halving changes as it goes: set "
                "train.schedule_epochs",
                rk__config_says(config, "train.schedule").text);
    }
    return RK_OK;
}

static rk_status set_epochs(rk_config *config, int64_t epochs)
{
    char assignment[64];
    snprintf(assignment, sizeof assignment, "train.epochs=%lld", (long long)epochs);
    return epochs > 0 ? rk_config_set(config, assignment, "halving") : RK_OK;
}

rk_status rk__trial_config(const rk_sweep_run *sweep, const double *places, int64_t epochs,
                           rk_config **out, rk_trial *trial)
{
    const rk_space *space = &sweep->space;
    const int64_t n = count_keys(space);
    bool *is_read = NULL, changed = true;
    rk_config *config = NULL;
    rk_status status = RK_OK;
    *out = NULL;
    *trial = (rk_trial){.value = NAN};
    RK_TRY_GOTO(done, rk__alloc(&is_read, n, sizeof *is_read, "options of a space"));
    for (int64_t i = 0; i < n; i++) {
        is_read[i] = true;
    }
    while (changed) { /* each time with fewer */
        rk_config_free(config);
        config = NULL;
        RK_TRY_GOTO(done, rk__config_copy(sweep->config, &config));
        RK_TRY_GOTO(done, set_values(space, places, is_read, config));
        RK_TRY_GOTO(done, look_who_reads(space, config, is_read, &changed));
    }
    RK_TRY_GOTO(done, describe(space, places, is_read, trial));
    RK_TRY_GOTO(done, drop_unread(sweep->config, config));
    if (sweep->method == RK_SWEEP_HALVING) {
        RK_TRY_GOTO(done, check_halving(space, config));
        RK_TRY_GOTO(done, set_epochs(config, epochs));
    }
    RK_TRY_GOTO(done, rk__model_check_config(config, true, sweep->how->dataset != NULL));
    *out = config;
    config = NULL;
done:
    rk_config_free(config);
    rk__free(is_read);
    return status;
}

/* An axis may be read in part; the JSON names what is. */
bool rk__trial_reads(const rk_trial *trial, const rk_axis *axis, int64_t a, int64_t k)
{
    char name[128];
    snprintf(name, sizeof name, "\"%.120s\": ", axis->keys[k]);
    return !isnan(trial->places[a]) && strstr(trial->options, name);
}

void rk__trial_free(rk_trial *trial)
{
    rk__free(trial->places);
    rk__free(trial->options);
    rk__free(trial->shown);
    rk__free(trial->why);
    *trial = (rk_trial){0};
}

rk_status rk__trial_folder(const rk_sweep_run *sweep, int64_t number, char **out)
{
    return rk__format(out, "%s/trial-%04lld", sweep->folder, (long long)number);
}

/* ---- data ---- */

static rk_status add_data(rk_sweep_run *s, const char *digest, const char *folder,
                          rk_sweep_data **out)
{
    for (int64_t i = 0; i < s->n_data; i++) {
        if (strcmp(s->data[i].digest, digest) == 0) {
            *out = &s->data[i];
            return RK_OK;
        }
    }
    RK_TRY(rk__realloc(&s->data, s->n_data, s->n_data + 1, sizeof *s->data, "data sets"));
    *out = &s->data[s->n_data];
    **out = (rk_sweep_data){.folder = NULL};
    memcpy((*out)->digest, digest, sizeof(*out)->digest);
    RK_TRY(rk__strdup(&(*out)->folder, folder));
    s->n_data++;
    return RK_OK;
}

/* Makes room for another data set; whoever needs the old one again finds it in the cache. */
static void drop_data(rk_sweep_run *s)
{
    int64_t open = 0;
    for (int64_t i = s->n_data - 1; i >= 0; i--) {
        open += s->data[i].dataset != NULL;
        if (s->data[i].dataset && open >= KEPT_DATA) {
            rk__groundwork_free(s->data[i].ground);
            rk_dataset_free(s->data[i].dataset);
            s->data[i].ground = NULL;
            s->data[i].dataset = NULL;
        }
    }
}

static rk_status check_valid(const rk_dataset *dataset)
{
    if (dataset->stats.valid_users == 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "the valid part of the data set %s is empty, so trials cannot be compared: set "
                "split.carve_valid or split.valid",
                dataset->name);
    }
    return RK_OK;
}

rk_status rk__sweep_dataset(rk_sweep_run *s, const rk_config *config, const char *folder,
                            const rk_dataset **out)
{
    char digest[17];
    rk_sweep_data *data = NULL;
    rk_groundwork **ground = &s->ground;
    *out = s->how->dataset;
    if (!s->how->dataset) {
        RK_TRY(rk__dataset_options_digest(rk__config_options(config), digest));
        RK_TRY(add_data(s, digest, folder, &data));
        if (!data->dataset) {
            drop_data(s);
            RK_TRY(rk__several_dataset(&s->runs, config, data->folder, true, &data->dataset));
        }
        *out = data->dataset;
        ground = &data->ground;
    }
    RK_TRY(*ground ? RK_OK : rk__groundwork_create(ground, *out));
    s->runs.ground = *ground;
    if (!s->begun && s->how->begun) {
        s->how->begun(s->how->user, s->folder, *out);
    }
    s->begun = true;
    return check_valid(*out);
}

/* Which data set a trial has that is not trained here, so that others find its folder. */
static rk_status note_data(rk_sweep_run *s, const rk_config *config, const char *folder)
{
    char digest[17];
    rk_sweep_data *data = NULL;
    if (s->how->dataset) {
        return RK_OK;
    }
    RK_TRY(rk__dataset_options_digest(rk__config_options(config), digest));
    return add_data(s, digest, folder, &data);
}

/* ---- a run ---- */

bool rk__sweep_better(const rk_sweep_run *sweep, double a, double b)
{
    return isnan(b) ? !isnan(a) : sweep->lower ? a < b : a > b;
}

static void tell(rk_sweep_run *s, int64_t t, bool is_old)
{
    const rk_trial *trial = &s->trials[t];
    char *folder = NULL;
    const bool has_folder = trial->same_as == 0 && rk__trial_folder(s, t + 1, &folder) == RK_OK;
    if (s->how->trial) {
        const rk_sweep_trial told = {.number = t + 1,
                                     .trials = s->wanted,
                                     .options = trial->shown,
                                     .folder = has_folder ? folder : NULL,
                                     .epochs = trial->epochs,
                                     .value = trial->value,
                                     .is_best = t == s->best,
                                     .same_as = trial->same_as,
                                     .failure = trial->why};
        s->how->trial(s->how->user, &told);
    }
    rk__free(folder);
    s->kept += is_old;
    if (is_old) {
        return;
    }
    char epochs[48] = "";
    if (s->method == RK_SWEEP_HALVING) {
        snprintf(epochs, sizeof epochs, " in %lld epochs", (long long)trial->epochs);
    }
    if (trial->state == RK_TRIAL_FAILED) {
        rk__several_say(&s->runs, RK_LOG_WARNING, "trial %lld: %s: failed: %s", (long long)(t + 1),
                        trial->shown, trial->why);
    } else if (trial->same_as > 0) {
        rk__several_say(&s->runs, RK_LOG_INFO, "trial %lld: %s: as trial %lld", (long long)(t + 1),
                        trial->shown, (long long)trial->same_as);
    } else {
        rk__several_say(&s->runs, RK_LOG_INFO, "trial %lld: %s: %s %.5f%s%s", (long long)(t + 1),
                        trial->shown, s->metric, trial->value, epochs,
                        t == s->best ? " (best)" : "");
    }
}

/* What is known of a trial now goes into the journal. */
static rk_status record(rk_sweep_run *s, int64_t t, double seconds)
{
    rk_trial *trial = &s->trials[t];
    rk_buffer buffer = {0};
    rk_json json = {.out = &buffer};
    char *body = NULL;
    const bool is_old = *s->journal.at != '\0', failed = trial->state == RK_TRIAL_FAILED;
    rk__json_begin(&json, NULL, '{');
    rk__json_text(&json, "event", failed ? "failed" : "done");
    rk__json_int(&json, "trial", t + 1);
    if (!failed) {
        rk__json_int(&json, "epochs", trial->epochs);
        rk__json_real(&json, "value", trial->value);
        if (trial->same_as > 0) {
            rk__json_int(&json, "same_as", trial->same_as);
        }
    }
    RK_TRY(rk__buffer_take(&buffer, &body));
    rk_status status = rk__journal_say(
        &s->journal, body,
        (rk_journal_end){.seconds = failed ? NAN : seconds, .why = failed ? trial->why : NULL});
    rk__free(body);
    RK_TRY(status);
    if (!failed && (s->best < 0 || s->best == t ||
                    rk__sweep_better(s, trial->value, s->trials[s->best].value))) {
        s->best = t;
    }
    if (!isnan(seconds)) { /* of a trial that goes on the report counts from its beginning */
        s->seconds += seconds;
        trial->seconds += seconds;
    }
    tell(s, t, is_old);
    return RK_OK;
}

static void fail_trial(rk_trial *trial, char *why)
{
    for (char *at = why; *at; at++) {
        *at = (unsigned char)*at < ' ' ? ' ' : *at;
    }
    trial->state = RK_TRIAL_FAILED;
    trial->value = NAN;
    rk__free(trial->why);
    trial->why = why;
}

/* A result that was there before. */
static rk_status replay(rk_sweep_run *s, int64_t t)
{
    rk_trial *trial = &s->trials[t];
    const rk_journal *j = &s->journal;
    double seconds = NAN;
    if (rk__journal_next_is(j, "failed")) {
        char *why = NULL;
        RK_TRY(rk__journal_text(j, "why", &why));
        fail_trial(trial, why);
    } else {
        const double epochs = rk__journal_number(j, "epochs");
        trial->state = RK_TRIAL_DONE;
        trial->value = rk__journal_number(j, "value");
        trial->epochs = isnan(epochs) ? 0 : (int64_t)epochs;
        seconds = rk__journal_number(j, "seconds");
    }
    return record(s, t, seconds);
}

static rk_status read_result(rk_sweep_run *s, rk_trial *trial, const rk_report *report,
                             double *seconds)
{
    char path[96], *why = NULL;
    const bool is_error = rk__rating_error_find(s->metric) >= 0;
    snprintf(path, sizeof path, "%s%.60s", is_error ? "ratings.valid.model." : "valid.", s->metric);
    trial->value = rk_report_number(report, path);
    trial->epochs = (int64_t)rk_report_number(report, "train.epochs");
    trial->state = RK_TRIAL_DONE;
    *seconds = rk_report_number(report, "timing.train_seconds") +
               rk_report_number(report, "timing.check_seconds") - trial->seconds;
    if (isnan(trial->value)) {
        RK_TRY(rk__format(&why, "its report has no %s on valid", s->metric));
        fail_trial(trial, why);
    }
    return RK_OK;
}

bool rk__trial_may_fail(rk_status status)
{
    return status == RK_ERR_DIVERGED || status == RK_ERR_CONFIG || status == RK_ERR_DATA ||
           status == RK_ERR_MEMORY;
}

static rk_status train(rk_sweep_run *s, int64_t t, const rk_config *config, const char *folder)
{
    rk_trial *trial = &s->trials[t];
    rk_report *report = NULL;
    rk_train_options how = rk_train_defaults();
    bool finished = false;
    double seconds = NAN;
    how.run_dir = folder;
    how.resume = true;
    how.without_test = true;
    RK_TRY(rk__sweep_dataset(s, config, folder, &how.dataset));
    RK_TRY(rk__several_is_finished(folder, config, true, &finished));
    rk_status status = rk__several_train(&s->runs, config, &how, finished, &report);
    if (rk__trial_may_fail(status)) {
        char *why = NULL;
        RK_TRY(rk__strdup(&why, rk_last_error()));
        fail_trial(trial, why);
        status = RK_OK;
    } else if (status == RK_OK) {
        status = read_result(s, trial, report, &seconds);
    }
    rk_report_free(report);
    RK_TRY(status);
    if (rk__config_options(config)->run.tensorboard && trial->seconds <= 0 /* of halving */) {
        RK_TRY(rk__trial_hparams(s, trial, t + 1));
    }
    return record(s, t, seconds);
}

/* The result of the trial that had the same values. */
static rk_status reuse(rk_sweep_run *s, int64_t t)
{
    rk_trial *trial = &s->trials[t];
    const rk_trial *other = &s->trials[trial->same_as - 1];
    trial->epochs = other->epochs;
    if (other->why) {
        char *why = NULL;
        RK_TRY(rk__strdup(&why, other->why));
        fail_trial(trial, why);
    } else {
        trial->value = other->value;
        trial->state = RK_TRIAL_REUSED;
    }
    return record(s, t, 0);
}

rk_status rk__trial_run(rk_sweep_run *s, int64_t t, int64_t epochs)
{
    rk_trial unused = {0};
    rk_config *config = NULL;
    char *folder = NULL;
    rk_status status = RK_OK;
    s->runs.current++;
    if (s->trials[t].same_as > 0) {
        return reuse(s, t);
    }
    double *places = NULL; /* those of axes that nothing reads do not matter: any will do */
    RK_TRY_GOTO(done, rk__alloc(&places, s->space.n, sizeof *places, "the places of a trial"));
    for (int64_t a = 0; a < s->space.n; a++) {
        const double place = s->trials[t].places[a];
        places[a] = isnan(place) ? rk__axis_round(&s->space.axes[a], s->space.axes[a].low) : place;
    }
    RK_TRY_GOTO(done, rk__trial_folder(s, t + 1, &folder));
    RK_TRY_GOTO(done, rk__trial_config(s, places, epochs, &config, &unused));
    if (rk__journal_next_is(&s->journal, "done") || rk__journal_next_is(&s->journal, "failed")) {
        RK_TRY_GOTO(done, note_data(s, config, folder));
        status = replay(s, t);
    } else {
        status = train(s, t, config, folder);
    }
done:
    rk__trial_free(&unused);
    rk_config_free(config);
    rk__free(folder);
    rk__free(places);
    return status;
}
