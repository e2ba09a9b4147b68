/* The end of a sweep: test of the chosen trial, the link to it, tables, report and page. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "page/page.h"
#include "sweep/internal.h"
#include "train/run_folder.h"

rk_status rk__trial_open(const rk_sweep_run *s, int64_t t, rk_config **out, char **out_folder)
{
    char *path = NULL;
    *out = NULL;
    RK_TRY(rk__trial_folder(s, t + 1, out_folder));
    RK_TRY(rk__path_join(&path, *out_folder, "config.yaml"));
    rk_status status = rk_config_load(out, path);
    rk__free(path);
    return status;
}

/* ---- the chosen one ---- */

static rk_status test(rk_sweep_run *s, int64_t t)
{
    rk_config *config = NULL;
    rk_train_options how = rk_train_defaults();
    char *folder = NULL;
    bool finished = false;
    rk_status status = rk__trial_open(s, t, &config, &folder);
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
        RK_TRY(rk__sweep_choose_by_seeds(s, &chosen));
    }
    RK_TRY(test(s, chosen));
    RK_TRY(link_best(s, chosen));
    RK_TRY(rk__sweep_write_report(s, chosen));
    return write_page(s);
}
