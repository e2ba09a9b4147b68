/* The end of a sweep: the best trials with other seeds if wanted, and test of the chosen one. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "page/page.h"
#include "sweep/internal.h"
#include "train/run_folder.h"

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

/* The config and the folder that trial t was trained with. */
static rk_status config_of(const rk_sweep_run *s, int64_t t, rk_config **out, char **out_folder)
{
    char *path = NULL;
    *out = NULL;
    RK_TRY(rk__trial_folder(s, t + 1, out_folder));
    RK_TRY(rk__path_join(&path, *out_folder, "config.yaml"));
    rk_status status = rk_config_load(out, path);
    rk__free(path);
    return status;
}

/* ---- other seeds ---- */

/* Trial t with the seeds behind its own; tests: on test, too. */
static rk_status train_seeds(rk_sweep_run *s, int64_t t, bool tests, char **out_folder)
{
    const int64_t n = s->how->final_seeds;
    rk_config *config = NULL;
    char *trial = NULL, assignment[64], member[64];
    rk_train_options how = rk_train_defaults();
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, config_of(s, t, &config, &trial));
    const int64_t first = rk__config_options(config)->run.seed + 1;
    snprintf(assignment, sizeof assignment, "run.seed=%lld", (long long)first);
    snprintf(member, sizeof member, "seed-%lld", (long long)first);
    RK_TRY_GOTO(done, rk_config_set(config, assignment, "final seeds"));
    RK_TRY_GOTO(done,
                rk__format(out_folder, "%s/final/trial-%04lld", s->folder, (long long)(t + 1)));
    RK_TRY_GOTO(done, rk__folder_has(*out_folder, member, &how.resume));
    RK_TRY_GOTO(done, rk__sweep_dataset(s, config, trial, &how.dataset));
    how.run_dir = *out_folder;
    how.without_test = !tests;
    status = rk_train_seeds(config, &how, n, &s->runs.hooks);
done:
    rk__free(trial);
    rk_config_free(config);
    return status;
}

static rk_status try_seeds(rk_sweep_run *s, int64_t t)
{
    char *folder = NULL, path[128];
    rk_report *report = NULL;
    rk_finalist *f = &s->finalists[s->n_finalists];
    rk_status status = train_seeds(s, t, false, &folder);
    RK_TRY_GOTO(done, status);
    RK_TRY_GOTO(done, rk_report_open(folder, &report));
    const char *part = s->lower ? "ratings.valid.model." : "valid.";
    snprintf(path, sizeof path, "%s%.60s.mean", part, s->metric);
    *f = (rk_finalist){.trial = t, .mean = rk_report_number(report, path)};
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

/* *inout_chosen: that of the best mean. */
static rk_status choose_by_seeds(rk_sweep_run *s, int64_t *inout_chosen)
{
    bool *taken = NULL;
    char *folder = NULL;
    rk_status status = RK_OK;
    int64_t best = 0;
    RK_TRY(rk__calloc(&taken, s->n, sizeof *taken, "trials that are taken"));
    for (int64_t t; s->n_finalists < RK_FINALISTS && (t = best_of(s, taken)) >= 0;) {
        taken[t] = true;
        RK_TRY_GOTO(done, try_seeds(s, t));
    }
    for (int64_t i = 1; i < s->n_finalists; i++) {
        best = rk__sweep_better(s, s->finalists[i].mean, s->finalists[best].mean) ? i : best;
    }
    *inout_chosen = s->finalists[best].trial;
    status = train_seeds(s, *inout_chosen, true, &folder);
done:
    rk__free(folder);
    rk__free(taken);
    return status;
}

/* ---- the chosen one ---- */

static rk_status test(rk_sweep_run *s, int64_t t)
{
    rk_config *config = NULL;
    rk_train_options how = rk_train_defaults();
    char *folder = NULL;
    bool finished = false;
    rk_status status = config_of(s, t, &config, &folder);
    RK_TRY_GOTO(done, status);
    how.run_dir = folder;
    how.resume = true;
    RK_TRY_GOTO(done, rk__several_is_finished(folder, config, false, &finished));
    if (!finished) {
        RK_TRY_GOTO(done, rk__sweep_dataset(s, config, folder, &how.dataset));
    }
    status = rk__several_train(&s->runs, config, &how, finished, NULL);
done:
    rk__free(folder);
    rk_config_free(config);
    return status;
}

/* DIR/best -> trial-0007; where links cannot be made, there is none. */
static rk_status link_best(const rk_sweep_run *s, int64_t t)
{
    char *path = NULL, *aside = NULL, target[64];
    rk_status status = RK_OK;
    snprintf(target, sizeof target, "trial-%04lld", (long long)(t + 1));
    RK_TRY_GOTO(done, rk__path_join(&path, s->folder, "best"));
    RK_TRY_GOTO(done, rk__path_join(&aside, s->folder, "best.tmp"));
    unlink(aside);
    if (symlink(target, aside) != 0 || rename(aside, path) != 0) {
        unlink(aside);
        rk__several_say(&s->runs, RK_LOG_WARNING, "%s cannot be made a link to %s", path, target);
    }
done:
    rk__free(aside);
    rk__free(path);
    return status;
}

static rk_status fail_none(const rk_sweep_run *s)
{
    for (int64_t t = 0; t < s->n; t++) {
        if (s->trials[t].why) {
            RK_FAIL(RK_ERR_DIVERGED, "none of the %lld trials came to a result; the first: %s",
                    (long long)s->n, s->trials[t].why);
        }
    }
    RK_FAIL(RK_ERR_INTERNAL, "a sweep without trials");
}

/* Behind the report, of which it is made; a sweep that goes on once more writes it again. */
static rk_status write_page(const rk_sweep_run *s)
{
    char *path = NULL, *text = NULL;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__path_join(&path, s->folder, RK_FILE_PAGE));
    RK_TRY_GOTO(done, rk__page_of_sweep(s->folder, &text));
    status = rk__file_replace(path, text, (int64_t)strlen(text));
done:
    rk__free(path);
    rk__free(text);
    return status;
}

rk_status rk__sweep_finish(rk_sweep_run *s)
{
    int64_t chosen = s->best;
    if (s->kept > 0) {
        rk__several_say(&s->runs, RK_LOG_INFO, "%lld results were there before, and were kept",
                        (long long)s->kept);
    }
    RK_TRY(rk__sweep_write_csv(s));
    if (chosen < 0) {
        return fail_none(s);
    }
    if (s->how->final_seeds > 0) {
        RK_TRY(choose_by_seeds(s, &chosen));
    }
    RK_TRY(test(s, chosen));
    RK_TRY(link_best(s, chosen));
    RK_TRY(rk__sweep_write_report(s, chosen));
    return write_page(s);
}
