/*
 * The best trials once more, with other seeds; their mean decides.
 *
 * Where run.seed is in the space, trials that differ in nothing else are one combination, which is
 * a finalist once. The other seeds are above all that the space has: no seed that had a say in who
 * becomes a finalist has one in who is chosen. They are the same for all finalists, and do not
 * depend on how many trials there are, so that a sweep that goes on finds what it has trained.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/parse.h"
#include "sweep/internal.h"

static const char SEED[] = "run.seed";

/* ---- who ---- */

/* Whether two trials have the same values of axis a, but for the seed. */
static rk_status agree(const rk_axis *axis, double a, double b, bool *out)
{
    *out = isnan(a) == isnan(b);
    for (int64_t k = 0; k < axis->n_keys && *out && !isnan(a); k++) {
        char *texts[2] = {NULL, NULL};
        if (strcmp(axis->keys[k], SEED) == 0) {
            continue;
        }
        rk_status status = rk__axis_text(axis, a, k, &texts[0]);
        status = status == RK_OK ? rk__axis_text(axis, b, k, &texts[1]) : status;
        *out = status == RK_OK && strcmp(texts[0], texts[1]) == 0;
        rk__free(texts[0]);
        rk__free(texts[1]);
        RK_TRY(status);
    }
    return RK_OK;
}

/* Takes trial t and all that are the same combination. */
static rk_status take(const rk_sweep_run *s, int64_t t, bool *taken)
{
    for (int64_t other = 0; other < s->n; other++) {
        bool same = true;
        for (int64_t a = 0; a < s->space.n && same; a++) {
            RK_TRY(agree(&s->space.axes[a], s->trials[t].places[a], s->trials[other].places[a],
                         &same));
        }
        taken[other] = taken[other] || same;
    }
    return RK_OK;
}

/* The best trial that is not taken yet; -1 = none. */
static int64_t best_of(const rk_sweep_run *s, const bool *taken)
{
    int64_t best = -1;
    for (int64_t t = 0; t < s->n; t++) {
        if (s->trials[t].state == RK_TRIAL_DONE && !taken[t] &&
            (best < 0 || rk__sweep_better(s, s->trials[t].value, s->trials[best].value))) {
            best = t;
        }
    }
    return best;
}

/* ---- their seeds ---- */

rk_status rk__sweep_find_final_seed(rk_sweep_run *s)
{
    int64_t most = rk__config_options(s->config)->run.seed;
    if (s->how->final_seeds == 0) {
        return RK_OK;
    }
    for (int64_t a = 0; a < s->space.n; a++) {
        const rk_axis *axis = &s->space.axes[a];
        const bool is_list = axis->domain == RK_DOMAIN_LIST;
        for (int64_t k = 0; k < axis->n_keys; k++) {
            for (int64_t i = 0; strcmp(axis->keys[k], SEED) == 0 && i < (is_list ? axis->n : 1);
                 i++) {
                char *text = NULL;
                int64_t seed = 0;
                RK_TRY(rk__axis_text(axis, is_list ? (double)i : axis->high, k, &text));
                const bool is_seed = rk__parse_int(text, strlen(text), &seed) == RK_PARSE_OK;
                rk__free(text);
                most = is_seed && seed > most ? seed : most;
            }
        }
    }
    if (most > INT64_MAX - 1 - s->how->final_seeds) {
        RK_FAIL(RK_ERR_CONFIG,
                "there are no %lld final seeds above run.seed %lld: take smaller seeds",
                (long long)s->how->final_seeds, (long long)most);
    }
    s->final_seed = most + 1;
    return RK_OK;
}

/* Trial t with the other seeds; tests: on test, too. */
static rk_status train_seeds(rk_sweep_run *s, int64_t t, bool tests, char **out_folder)
{
    rk_config *config = NULL;
    char *trial = NULL, assignment[64], member[64];
    bool has_config = false;
    rk_train_options how = rk_train_defaults();
    const int64_t first = s->final_seed;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__trial_open(s, t, &config, &trial));
    snprintf(assignment, sizeof assignment, "run.seed=%lld", (long long)first);
    RK_TRY_GOTO(done, rk_config_set(config, assignment, "final seeds"));
    RK_TRY_GOTO(done,
                rk__format(out_folder, "%s/final/trial-%04lld", s->folder, (long long)(t + 1)));
    snprintf(member, sizeof member, "seed-%lld", (long long)first);
    RK_TRY_GOTO(done, rk__folder_has(*out_folder, member, &how.resume));
    RK_TRY_GOTO(done, rk__folder_has(*out_folder, "config.yaml", &has_config));
    how.resume = how.resume || has_config; /* of more or fewer seeds before */
    RK_TRY_GOTO(done, rk__sweep_dataset(s, config, trial, &how.dataset));
    how.run_dir = *out_folder;
    how.without_test = !tests;
    status = rk_train_seeds(config, &how, s->how->final_seeds, &s->runs.hooks);
done:
    rk__free(trial);
    rk_config_free(config);
    return status;
}

/* A seed that diverges is not the end: its trial has no mean. */
static rk_status try_seeds(rk_sweep_run *s, int64_t t)
{
    char *folder = NULL, path[128];
    rk_report *report = NULL;
    rk_finalist *f = &s->finalists[s->n_finalists];
    *f = (rk_finalist){.trial = t, .mean = NAN, .sd = NAN};
    rk_status status = train_seeds(s, t, false, &folder);
    if (rk__trial_may_fail(status)) {
        s->n_finalists++;
        rk__several_say(&s->runs, RK_LOG_WARNING, "trial %lld with other seeds: failed: %s",
                        (long long)(t + 1), rk_last_error());
        status = RK_OK;
        goto done;
    }
    RK_TRY_GOTO(done, status);
    RK_TRY_GOTO(done, rk_report_open(folder, &report));
    const char *part = s->lower ? "ratings.valid.model." : "valid.";
    snprintf(path, sizeof path, "%s%.60s.mean", part, s->metric);
    f->mean = rk_report_number(report, path);
    snprintf(path, sizeof path, "%s%.60s.sd", part, s->metric);
    f->sd = rk_report_number(report, path);
    s->n_finalists++;
    rk__several_say(&s->runs, RK_LOG_INFO, "trial %lld with %lld other seeds: %s %.5f, sd %.5f",
                    (long long)(t + 1), (long long)s->how->final_seeds, s->metric, f->mean, f->sd);
done:
    rk_report_free(report);
    rk__free(folder);
    return status;
}

rk_status rk__sweep_choose_by_seeds(rk_sweep_run *s, int64_t *inout_chosen)
{
    bool *taken = NULL;
    char *folder = NULL;
    rk_status status = RK_OK;
    int64_t best = 0;
    RK_TRY(rk__calloc(&taken, s->n, sizeof *taken, "trials that are taken"));
    for (int64_t t; s->n_finalists < RK_FINALISTS && (t = best_of(s, taken)) >= 0;) {
        RK_TRY_GOTO(done, take(s, t, taken));
        RK_TRY_GOTO(done, try_seeds(s, t));
    }
    for (int64_t i = 1; i < s->n_finalists; i++) {
        best = rk__sweep_better(s, s->finalists[i].mean, s->finalists[best].mean) ? i : best;
    }
    if (isnan(s->finalists[best].mean)) {
        char why[512];
        snprintf(why, sizeof why, "%s", rk_last_error());
        status = rk__fail(RK_ERR_DIVERGED, __FILE__, __LINE__, __func__,
                          "none of the best trials came to a result with other seeds; the last: %s",
                          why);
        goto done;
    }
    *inout_chosen = s->finalists[best].trial;
    status = train_seeds(s, *inout_chosen, true, &folder);
done:
    rk__free(folder);
    rk__free(taken);
    return status;
}
