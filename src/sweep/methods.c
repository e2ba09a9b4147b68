/* Which combinations are tried: in the order of a grid, drawn, drawn near good ones, or halved. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "models/model.h"
#include "sweep/internal.h"
#include "train/json.h"

enum {
    LARGEST_GRID = 1000000,
    MOST_NEAR = 4, /* combinations that are not valid, for one trial, until TPE draws from anywhere:
                    * values nobody has seen look promising, also where they never go together */
};

/* ---- candidates ---- */

/* Combinations of a grid. */
static rk_status grid_size(const rk_space *space, int64_t *out)
{
    *out = 1;
    for (int64_t a = 0; a < space->n; a++) {
        const rk_axis *axis = &space->axes[a];
        const int64_t count = rk__axis_count(axis);
        if (count == 0) {
            RK_FAIL(RK_ERR_CONFIG,
                    "%s: %s may be any number from %g to %g, which a grid cannot go through: give "
                    "a list, [a, b], or {step: [low, high, step]}, or take another method",
                    axis->origin, axis->keys[0], axis->low, axis->high);
        }
        if (count > LARGEST_GRID / *out) {
            RK_FAIL(RK_ERR_CONFIG,
                    "the grid has more than %d combinations: take another method, or fewer values",
                    LARGEST_GRID);
        }
        *out *= count;
    }
    return RK_OK;
}

static void grid_places(const rk_space *space, int64_t i, double *places)
{
    for (int64_t a = space->n - 1; a >= 0; a--) {
        const int64_t count = rk__axis_count(&space->axes[a]);
        places[a] = rk__axis_at(&space->axes[a], i % count);
        i /= count;
    }
}

/* What the trials so far say to TPE. */
static rk_status draw_tpe(const rk_sweep_run *s, rk_draw draw, double *places)
{
    rk_seen *seen = NULL;
    RK_TRY(rk__alloc(&seen, s->n, sizeof *seen, "results of trials"));
    for (int64_t t = 0; t < s->n; t++) {
        const double value = s->trials[t].value;
        seen[t].places = s->trials[t].places;
        seen[t].loss = isnan(value) ? INFINITY : s->lower ? value : -value;
    }
    rk_status status = rk__draw_tpe(&s->space, seen, s->n, draw, places);
    rk__free(seen);
    return status;
}

/* The number, from 1, of a trial with the same values; 0 = none. */
static int64_t find_same(const rk_sweep_run *s, const rk_trial *trial)
{
    for (int64_t t = 0; t < s->n; t++) {
        if (strcmp(s->trials[t].options, trial->options) == 0) {
            return s->trials[t].same_as > 0 ? s->trials[t].same_as : t + 1;
        }
    }
    return 0;
}

/* An event of a combination: "asked" of trial `number`; "invalid" (number 0), with the reason. */
static rk_status say(rk_sweep_run *s, const char *event, int64_t number, const rk_trial *trial,
                     const char *why)
{
    rk_buffer buffer = {0};
    rk_json json = {.out = &buffer};
    char *body = NULL;
    rk__json_begin(&json, NULL, '{');
    rk__json_text(&json, "event", event);
    if (number > 0) {
        rk__json_int(&json, "trial", number);
    }
    rk__json_begin(&json, "options", '{');
    rk__buffer_add(&buffer, "%s", trial->options ? trial->options : "");
    rk__json_end(&json, '}');
    RK_TRY(rk__buffer_take(&buffer, &body));
    rk_status status =
        rk__journal_say(&s->journal, body, (rk_journal_end){.seconds = NAN, .why = why});
    rk__free(body);
    return status;
}

/* The places of the next candidate; false: there is none left. */
static rk_status candidate(rk_sweep_run *s, int64_t attempt, double *places, bool *out_any)
{
    const rk_draw draw = {.seed = s->seed, .trial = s->n, .attempt = (uint32_t)attempt};
    *out_any = attempt < RK_MOST_ATTEMPTS;
    if (s->method == RK_SWEEP_GRID) {
        int64_t size = 0;
        RK_TRY(grid_size(&s->space, &size));
        *out_any = s->grid_next < size;
        grid_places(&s->space, s->grid_next, places);
        s->grid_next++;
    } else if (s->method == RK_SWEEP_TPE && attempt < MOST_NEAR) {
        return draw_tpe(s, draw, places);
    } else {
        rk__draw_random(&s->space, draw, places);
    }
    return RK_OK;
}

/* The next valid combination: *out is to be freed unless *out_any is false. logs: what is not valid
 * is recorded. why: of the first that was not valid, room for 600 bytes. */
static rk_status next(rk_sweep_run *s, bool logs, rk_trial *out, rk_config **out_config,
                      bool *out_any, char *why)
{
    const bool wants_new = s->method == RK_SWEEP_GRID || s->method == RK_SWEEP_HALVING;
    double *places = NULL;
    rk_status status = RK_OK;
    RK_TRY(rk__alloc(&places, s->space.n, sizeof *places, "the places of a trial"));
    for (int64_t attempt = 0;; attempt++) {
        RK_TRY_GOTO(done, candidate(s, attempt, places, out_any));
        if (!*out_any) {
            break;
        }
        status = rk__trial_config(s, places, 0, out_config, out);
        if (status == RK_OK && !(wants_new && find_same(s, out) > 0)) {
            break;
        }
        if (status == RK_ERR_CONFIG) {
            char reason[600];
            snprintf(reason, sizeof reason, "%s", rk_last_error());
            if (!why[0]) {
                memcpy(why, reason, sizeof reason);
            }
            status = logs ? say(s, "invalid", 0, out, reason) : RK_OK;
            s->invalid += logs;
        }
        rk__trial_free(out);
        rk_config_free(*out_config);
        *out_config = NULL;
        RK_TRY_GOTO(done, status);
    }
done:
    if (status != RK_OK) {
        rk__trial_free(out);
    }
    rk__free(places);
    return status;
}

rk_status rk__sweep_probe(rk_sweep_run *s, rk_config **out)
{
    rk_trial trial = {0};
    bool any = false;
    char why[600] = "";
    RK_TRY(next(s, false, &trial, out, &any, why));
    s->grid_next = 0;
    rk__trial_free(&trial);
    if (!any) {
        RK_FAIL(RK_ERR_CONFIG, "no combination of the space is valid; of the first: %s", why);
    }
    return RK_OK;
}

/* Another trial; *out_any false: there are no more combinations. */
static rk_status ask(rk_sweep_run *s, bool *out_any)
{
    rk_trial trial = {0};
    rk_config *config = NULL;
    char why[600] = "";
    RK_TRY(next(s, true, &trial, &config, out_any, why));
    rk_config_free(config);
    if (!*out_any) {
        return RK_OK;
    }
    if (s->n == s->capacity) {
        const int64_t capacity = 2 * s->capacity + 16;
        rk_status status =
            rk__realloc(&s->trials, s->n, capacity, sizeof *s->trials, "the trials of a sweep");
        if (status != RK_OK) {
            rk__trial_free(&trial);
            return status;
        }
        s->capacity = capacity;
    }
    trial.same_as = find_same(s, &trial);
    s->trials[s->n++] = trial;
    return say(s, "asked", s->n, &trial, NULL);
}

/* ---- methods ---- */

static rk_status one_by_one(rk_sweep_run *s, int64_t epochs)
{
    const double before = s->seconds;
    int64_t trained = 0;
    for (bool any = true; s->n < s->wanted;) {
        RK_TRY(ask(s, &any));
        if (!any) {
            break;
        }
        RK_TRY(rk__trial_run(s, s->n - 1, epochs));
        trained += s->trials[s->n - 1].same_as == 0;
        s->runs.seconds_each = trained > 0 ? (s->seconds - before) / (double)trained : 0;
    }
    return RK_OK;
}

static rk_status prune(rk_sweep_run *s, int64_t t)
{
    char body[128];
    s->trials[t].state = RK_TRIAL_PRUNED;
    snprintf(body, sizeof body, "{\"event\": \"pruned\", \"trial\": %lld, \"epochs\": %lld",
             (long long)(t + 1), (long long)s->trials[t].epochs);
    return rk__journal_say(&s->journal, body, (rk_journal_end){.seconds = NAN});
}

/* Keeps the best `keep` of the trials that are still in. */
static rk_status cut(rk_sweep_run *s, int64_t keep)
{
    bool *stays = NULL;
    rk_status status = RK_OK;
    RK_TRY(rk__calloc(&stays, s->n, sizeof *stays, "trials that stay"));
    for (int64_t k = 0; k < keep; k++) {
        int64_t best = -1;
        for (int64_t t = 0; t < s->n; t++) {
            const rk_trial *trial = &s->trials[t];
            if (trial->state == RK_TRIAL_DONE && !stays[t] &&
                (best < 0 || rk__sweep_better(s, trial->value, s->trials[best].value))) {
                best = t;
            }
        }
        if (best >= 0) {
            stays[best] = true;
        }
    }
    for (int64_t t = 0; t < s->n && status == RK_OK; t++) {
        if (s->trials[t].state == RK_TRIAL_DONE && !stays[t]) {
            status = prune(s, t);
        }
    }
    rk__free(stays);
    return status;
}

/* n trials in few epochs, the best n / 3 in three times as many ..., the last ones in all of them.
 */
static rk_status halve(rk_sweep_run *s)
{
    const int64_t epochs = rk__config_options(s->config)->train.epochs;
    int64_t shrink = 1, keep;
    while (shrink * RK_REDUCTION <= s->wanted && shrink * RK_REDUCTION <= epochs) {
        shrink *= RK_REDUCTION;
    }
    for (keep = s->wanted, s->runs.n = 0; keep > 0 && keep * shrink >= s->wanted;) {
        s->runs.n += keep;
        keep /= RK_REDUCTION;
    }
    RK_TRY(one_by_one(s, epochs / shrink));
    keep = s->n;
    for (shrink /= RK_REDUCTION; shrink >= 1; shrink /= RK_REDUCTION) {
        keep = keep / RK_REDUCTION > 1 ? keep / RK_REDUCTION : 1;
        RK_TRY(cut(s, keep));
        s->best = -1; /* what counts now is the value of those that go on */
        for (int64_t t = 0; t < s->n; t++) {
            if (s->trials[t].state == RK_TRIAL_DONE) {
                RK_TRY(rk__trial_run(s, t, epochs / shrink));
            }
        }
    }
    return RK_OK;
}

rk_status rk__sweep_run_trials(rk_sweep_run *s)
{
    int64_t size = 0;
    if (s->method == RK_SWEEP_GRID) {
        RK_TRY(grid_size(&s->space, &size));
        s->wanted = s->wanted < size ? s->wanted : size;
    }
    s->runs.n = s->wanted;
    return s->method == RK_SWEEP_HALVING ? halve(s) : one_by_one(s, 0);
}
