/* TensorBoard's HParams page of a sweep: what is varied, and the values of each trial. */
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/parse.h"
#include "sweep/internal.h"
#include "train/hparams.h"
#include "train/run_folder.h"

/* Texts are the caller's to free, one by one; a number has none. */
static rk_status add(const rk_axis *axis, double place, int64_t k, rk_hparam *out)
{
    char *text = NULL;
    RK_TRY(rk__axis_text(axis, place, k, &text));
    *out = (rk_hparam){.name = axis->keys[k], .text = text};
    if (rk__parse_real(text, strlen(text), &out->number) == RK_PARSE_OK) {
        out->text = NULL;
        rk__free(text);
    }
    return RK_OK;
}

static int64_t most(const rk_space *space)
{
    int64_t n = 0;
    for (int64_t a = 0; a < space->n; a++) {
        n += space->axes[a].n_keys;
    }
    return n;
}

/* The values at these places of what is read; places NULL: the first ones of each axis. */
static rk_status collect(const rk_space *space, const rk_trial *trial, rk_hparam **out,
                         int64_t *out_n)
{
    *out_n = 0;
    RK_TRY(rk__calloc(out, most(space), sizeof **out, "values for TensorBoard"));
    for (int64_t a = 0; a < space->n; a++) {
        const rk_axis *axis = &space->axes[a];
        const double first = axis->domain == RK_DOMAIN_LIST ? 0 : axis->low;
        for (int64_t k = 0; k < axis->n_keys; k++) {
            if (trial && !rk__trial_reads(trial, axis, a, k)) {
                continue;
            }
            RK_TRY(add(axis, trial ? trial->places[a] : first, k, &(*out)[*out_n]));
            (*out_n)++;
        }
    }
    return RK_OK;
}

static void release(rk_hparam *values, int64_t n)
{
    for (int64_t i = 0; values && i < n; i++) {
        rk__free((void *)(uintptr_t)values[i].text);
    }
    rk__free(values);
}

rk_status rk__sweep_hparams(const rk_sweep_run *s)
{
    rk_hparam *values = NULL;
    int64_t n = 0;
    char *tag = NULL;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, collect(&s->space, NULL, &values, &n));
    RK_TRY_GOTO(done, rk__format(&tag, "valid/%s", s->metric));
    status = rk__hparams_write_experiment(s->folder, values, n, tag);
done:
    release(values, n);
    rk__free(tag);
    return status;
}

rk_status rk__trial_hparams(const rk_sweep_run *s, const rk_trial *trial, int64_t number)
{
    const bool failed = trial->state == RK_TRIAL_FAILED;
    rk_hparam *values = NULL;
    int64_t n = 0;
    char *folder = NULL;
    bool is_there = false;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__trial_folder(s, number, &folder));
    RK_TRY_GOTO(done, rk__folder_has(folder, RK_FILE_CONFIG, &is_there));
    if (failed && !is_there) { /* it failed before it began */
        goto done;
    }
    RK_TRY_GOTO(done, collect(&s->space, trial, &values, &n));
    RK_TRY_GOTO(done, rk__hparams_write_start(folder, NULL, values, n));
    status = rk__hparams_write_end(folder, failed ? RK_HPARAMS_FAILED : RK_HPARAMS_SUCCEEDED);
done:
    release(values, n);
    rk__free(folder);
    return status;
}
