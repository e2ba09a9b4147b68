#include "train/members.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "data/contexts.h"
#include "train/checkpoint.h"
#include "train/open_run.h"
#include "train/run_folder.h"
#include "train/seeds_folder.h"

#define CONFIGS "members"
#define WEIGHTS "weights"

/* ---- opening ---- */

/* Of a folder of several seeds the run with the ensemble's own, if there is one. */
static rk_status choose_run(const char *path, int64_t seed, const rk_hooks *hooks, char **out)
{
    char *run = NULL;
    bool is_there = false;
    RK_TRY(rk__format(&run, "%s/seed-%lld", path, (long long)seed));
    rk_status status = rk__folder_has(run, RK_FILE_CONFIG, &is_there);
    if (status == RK_OK && is_there) {
        *out = run;
        return RK_OK;
    }
    rk__free(run);
    return status == RK_OK ? rk__seeds_folder_choose(path, hooks, out) : status;
}

static rk_status load_config(const char *run, rk_config **out)
{
    char *path = NULL;
    RK_TRY(rk__path_join(&path, run, RK_FILE_CONFIG));
    if (!rk__file_exists(path)) {
        rk__free(path);
        RK_FAIL(RK_ERR_CONFIG, "%s is no run folder: it has no " RK_FILE_CONFIG, run);
    }
    rk_status status = rk_config_load(out, path);
    rk__free(path);
    return status;
}

/* A query of an ensemble says nothing of fields. */
static rk_status check_fields(const char *run, const rk_options *o)
{
    bool *chosen = NULL;
    int n = 0;
    if (!rk__model_of(o)->reads_fields) {
        return RK_OK;
    }
    RK_TRY(rk__alloc(&chosen, o->n_fields, sizeof *chosen, "the fields of a member"));
    rk_status status = rk__contexts_choose(o, chosen, &n);
    rk__free(chosen);
    if (status == RK_OK && n > 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s reads the context of a query (model.fields), which an ensemble has none of: "
                "take a run with model.fields=none",
                run);
    }
    return status;
}

static rk_status check_member(const char *run, const rk_config *config, bool refit)
{
    const rk_options *o = rk__config_options(config);
    const rk_model_kind *m = rk__model_of(o);
    if (m->has_members) {
        RK_FAIL(RK_ERR_CONFIG, "%s is an ensemble itself: name its members in its place", run);
    }
    RK_TRY(check_fields(run, o));
    if (refit && !o->train.refit) {
        RK_FAIL(RK_ERR_CONFIG,
                "train.refit is true, but %s was trained without: fit it once more by\n"
                "  rankine train --run %s --resume --set train.refit=true",
                run, run);
    }
    return RK_OK;
}

static rk_status open_file(const rk_member *member, const rk_config *config, rk_run_model model,
                           const rk_dataset *dataset, const rk_hooks *hooks, rk_h5 **out)
{
    rk_open_run run = {.checkpoint = NULL};
    RK_TRY(rk__open_run(&run, member->run, config, model, NULL, hooks));
    rk_status status = RK_OK;
    if (strcmp(run.facts.fingerprint, dataset->fingerprint) != 0) {
        status = rk__fail(RK_ERR_DATA, __FILE__, __LINE__, __func__,
                          "%s was trained on a data set with fingerprint %s, the ensemble has %s: "
                          "members need the same data and split options",
                          member->run, run.facts.fingerprint, dataset->fingerprint);
    } else {
        *out = run.checkpoint;
        run.checkpoint = NULL;
    }
    rk__open_run_close(&run);
    return status;
}

static rk_status open_member(rk_members *all, rk_member *member, const char *path,
                             const rk_dataset *dataset, const rk_hooks *hooks)
{
    const rk_options *own = rk__config_options(all->config);
    rk_config *config = NULL;
    rk_status status = RK_OK;
    *member = (rk_member){.on_valid = NAN};
    RK_TRY_GOTO(done, choose_run(path, own->run.seed, hooks, &member->run));
    RK_TRY_GOTO(done, load_config(member->run, &config));
    RK_TRY_GOTO(done, check_member(member->run, config, own->train.refit));
    RK_TRY_GOTO(done, open_file(member, config, RK_RUN_CHOSEN, dataset, hooks, &member->chosen));
    if (own->train.refit) {
        RK_TRY_GOTO(done, open_file(member, config, RK_RUN_FINAL, dataset, hooks, &member->refit));
    }
    rk_config *taken = config;
    config = NULL;
    status = rk__config_add_member(all->config, taken);
done:
    rk_config_free(config);
    return status;
}

rk_status rk__members_open(rk_members *out, const rk_config *config, const rk_dataset *dataset,
                           const rk_hooks *hooks)
{
    const rk_options *o = rk__config_options(config);
    rk_members all = {.n = 0};
    rk_status status = RK_OK;
    *out = all;
    if (!rk__model_of(o)->has_members) {
        return RK_OK;
    }
    RK_TRY_GOTO(done, rk__config_copy(config, &all.config));
    RK_TRY_GOTO(done, rk__calloc(&all.of, o->model.members.n, sizeof *all.of,
                                 "the members of an ensemble"));
    for (int64_t i = 0; i < o->model.members.n; i++) {
        all.n++;
        status = open_member(&all, &all.of[i], o->model.members.v[i], dataset, hooks);
        if (status != RK_OK) {
            rk__fail_prefix(status, "model.members, the member %lld", (long long)i + 1);
            goto done;
        }
    }
    *out = all;
    all = (rk_members){.n = 0};
done:
    rk__members_close(&all);
    return status;
}

void rk__members_close(rk_members *members)
{
    for (int64_t i = 0; i < members->n; i++) {
        rk__free(members->of[i].run);
        rk__h5_close(members->of[i].chosen);
        rk__h5_close(members->of[i].refit);
    }
    rk__free(members->of);
    rk_config_free(members->config);
    *members = (rk_members){.n = 0};
}

/* ---- tensors ---- */

rk_status rk__members_load(const rk_members *members, bool refit, rk_engine *engine)
{
    for (int64_t i = 0; i < members->n; i++) {
        char prefix[24];
        snprintf(prefix, sizeof prefix, "%lld.", (long long)i + 1);
        const rk_member *member = &members->of[i];
        RK_TRY(
            rk__checkpoint_read_prefixed(refit ? member->refit : member->chosen, engine, prefix));
    }
    return RK_OK;
}

rk_status rk__members_read_weights(rk_members *members, const rk_engine *engine)
{
    float *weights = NULL;
    const int32_t stored = rk__store_find(&engine->store, WEIGHTS);
    RK_TRY(rk__alloc(&weights, members->n, sizeof *weights, "the weights of members"));
    rk_status status = engine->device->read(engine->context, stored, 0, 1, weights);
    for (int64_t i = 0; i < members->n && status == RK_OK; i++) {
        members->of[i].weight = (double)weights[i];
    }
    rk__free(weights);
    return status;
}

rk_status rk__members_write_weights(const rk_members *members, rk_engine *engine)
{
    float *weights = NULL;
    const int32_t stored = rk__store_find(&engine->store, WEIGHTS);
    RK_TRY(rk__alloc(&weights, members->n, sizeof *weights, "the weights of members"));
    for (int64_t i = 0; i < members->n; i++) {
        weights[i] = (float)members->of[i].weight;
    }
    rk_status status = engine->device->write(engine->context, stored, 0, 1, weights);
    rk__free(weights);
    return status;
}

/* ---- in the ensemble's own files ---- */

static void free_texts(char **texts, int64_t n)
{
    for (int64_t i = 0; texts && i < n; i++) {
        rk_string_free(texts[i]);
    }
    rk__free(texts);
}

rk_status rk__members_write_configs(rk_h5 *file, const rk_options *options)
{
    char **texts = NULL;
    rk_status status = RK_OK;
    if (options->n_members == 0) {
        return RK_OK;
    }
    RK_TRY(rk__calloc(&texts, options->n_members, sizeof *texts, "the configs of members"));
    for (int64_t i = 0; i < options->n_members; i++) {
        RK_TRY_GOTO(done, rk_config_text(options->members[i], false, &texts[i]));
    }
    status = rk__h5_write_texts(file, CONFIGS, texts, options->n_members);
done:
    free_texts(texts, options->n_members);
    return status;
}

rk_status rk__members_read_configs(const rk_h5 *file, rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    char **texts = NULL;
    int64_t n = 0;
    rk_status status = RK_OK;
    if (!rk__model_of(o)->has_members) {
        return RK_OK;
    }
    RK_TRY(rk__h5_load_texts(file, CONFIGS, &texts, &n));
    if (n != o->model.members.n) {
        RK_FAIL_GOTO(done, RK_ERR_DATA, "%s has %lld members, its config names %lld",
                     rk__h5_path(file), (long long)n, (long long)o->model.members.n);
    }
    for (int64_t i = 0; i < n; i++) {
        rk_config *member = NULL;
        RK_TRY_GOTO(done, rk__config_parse(&member, rk__h5_path(file), texts[i],
                                           (int64_t)strlen(texts[i])));
        RK_TRY_GOTO(done, rk__config_add_member(config, member));
    }
done:
    rk__free(texts);
    return status;
}
