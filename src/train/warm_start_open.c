/* Opening the runs that a training begins from, and comparing their options with its own. */
#include "train/warm_start.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "data/dataset_store.h"
#include "train/model_file.h"
#include "train/open_run.h"
#include "train/run_folder.h"
#include "train/seeds_folder.h"

/* An option that decides the shape of parameters, and must be the same. */
static rk_status compare_option(const char *from, const rk_config *before, const rk_config *now,
                                const char *key)
{
    const char *old_value = NULL, *value = NULL;
    bool is_read = false;
    RK_TRY(rk_config_is_read(now, key, &is_read));
    RK_TRY(rk_config_get(before, key, &old_value));
    RK_TRY(rk_config_get(now, key, &value));
    if (is_read && strcmp(old_value, value) != 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but the run to begin from, %s, was trained with %s: its parameters do not "
                "fit; set %s=%s, or train without it",
                rk__config_says(now, key).text, from, old_value, key, old_value);
    }
    return RK_OK;
}

static rk_status compare_configs(const rk_warm_source *s, const rk_config *before,
                                 const rk_config *now)
{
    static const char *const keys[] = {"model.kind", "model.dim", "model.fields",
                                       "model.relations"};
    const rk_model_kind *m = rk__model_of(rk__config_options(now));
    const char *from = s->run;
    if (s->embedding_alone) {
        return s->is_plain ? RK_OK : compare_option(from, before, now, "model.relations");
    }
    for (size_t i = s->half ? 1 : 0; i < sizeof keys / sizeof keys[0]; i++) {
        RK_TRY(compare_option(from, before, now, keys[i]));
    }
    if (s->half && s->half->kind == RK_MODEL_MLP) {
        RK_TRY(compare_option(from, before, now, "model.hidden"));
    }
    if (m->is_closed) {
        RK_FAIL(RK_ERR_CONFIG,
                "model.kind %s is computed from the data in one go: there is nothing to take over "
                "from %s; train it without",
                m->name, from);
    }
    return RK_OK;
}

/* Which half of the model a run of this config is; each only once. */
static rk_status choose_half(const rk_warm_start *w, rk_warm_source *s, const rk_config *before,
                             const rk_config *now)
{
    const rk_model_half *halves = rk__model_of(rk__config_options(now))->halves;
    const int kind = rk__config_options(before)->model.kind;
    if (!s->half) {
        return RK_OK;
    }
    s->half = NULL;
    for (int i = 0; i < RK_MODEL_HALVES; i++) {
        s->half = halves[i].kind == kind ? &halves[i] : s->half;
    }
    for (int i = 0; i < w->n; i++) {
        s->half = &w->of[i] != s && w->of[i].half == s->half ? NULL : s->half;
    }
    if (!s->half) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s is a run of %s: name one of %s and one of %s",
                rk__config_says(now, "model.from").text, s->run,
                rk__option_choice("model.kind", kind),
                rk__option_choice("model.kind", halves[0].kind),
                rk__option_choice("model.kind", halves[1].kind));
    }
    return RK_OK;
}

/* Layers of a network may go on from embeddings that were fitted without them. */
static bool is_of_embeddings(const rk_warm_source *s, const rk_config *before, const rk_config *now)
{
    const int kind = rk__config_options(before)->model.kind;
    const bool is_table = kind == RK_MODEL_MF || kind == RK_MODEL_LIGHTGCN;
    return !s->half && is_table && rk__model_of(rk__config_options(now))->network;
}

static rk_status open_folder(rk_warm_start *w, rk_warm_source *s, const rk_config *config,
                             const rk_hooks *hooks)
{
    char *path = NULL;
    rk_config *before = NULL;
    rk_open_run run = {.checkpoint = NULL};
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__path_join(&path, s->run, RK_FILE_CONFIG));
    if (!rk__file_exists(path)) {
        RK_FAIL_GOTO(done, RK_ERR_CONFIG,
                     "the run to begin from, %s, is no run folder: it has no " RK_FILE_CONFIG,
                     s->run);
    }
    RK_TRY_GOTO(done, rk_config_load(&before, path));
    RK_TRY_GOTO(done, choose_half(w, s, before, config));
    s->embedding_alone = is_of_embeddings(s, before, config);
    s->is_plain = rk__config_options(before)->model.relations[0] == '\0';
    RK_TRY_GOTO(done, compare_configs(s, before, config));
    status = rk__open_run(&run, s->run, before, RK_RUN_FINAL, NULL, hooks);
    if (status != RK_OK) {
        rk__fail_prefix(status, "the run to begin from");
        goto done;
    }
    w->facts.epoch = run.facts.epoch;
    s->file = run.checkpoint;
    s->dataset = run.dataset;
    run.checkpoint = NULL;
    run.dataset = NULL;
done:
    rk__open_run_close(&run);
    rk_config_free(before);
    rk__free(path);
    return status;
}

static rk_status open_file(rk_warm_start *w, rk_warm_source *s, const rk_config *config)
{
    const char *slash = strrchr(s->run, '/'), *name = slash ? slash + 1 : s->run;
    rk_config *before = NULL;
    rk_status status = RK_OK;
    if (strcmp(name, RK_FILE_BEST) == 0 || strcmp(name, RK_FILE_LAST) == 0 ||
        strcmp(name, RK_FILE_REFIT) == 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s is a checkpoint, which says nothing of whose its rows are: name the run folder "
                "to begin from",
                s->run);
    }
    RK_TRY(rk__model_file_open(s->run, &s->file, &before));
    RK_TRY_GOTO(done, choose_half(w, s, before, config));
    s->embedding_alone = is_of_embeddings(s, before, config);
    s->is_plain = rk__config_options(before)->model.relations[0] == '\0';
    RK_TRY_GOTO(done, compare_configs(s, before, config));
    RK_TRY_GOTO(done, rk__h5_get_i64(s->file, "epoch", &w->facts.epoch));
    status = rk__dataset_read(&s->dataset, s->file);
done:
    rk_config_free(before);
    return status;
}

/* A run folder, of several seeds the best one, or a model file. */
static rk_status open_source(rk_warm_start *w, const char *path, bool is_half,
                             const rk_config *config, const rk_hooks *hooks)
{
    struct stat info;
    rk_warm_source *s = &w->of[w->n++];
    const bool is_file = stat(path, &info) == 0 && S_ISREG(info.st_mode);
    s->half = is_half ? rk__model_of(rk__config_options(config))->halves : NULL; /* one of them */
    RK_TRY(is_file ? rk__strdup(&s->run, path) : rk__seeds_folder_choose(path, hooks, &s->run));
    return is_file ? open_file(w, s, config) : open_folder(w, s, config, hooks);
}

/* All of them; the facts name them in one text. */
static rk_status open_sources(rk_warm_start *w, const char *const *paths, int64_t n,
                              bool are_halves, const rk_config *config, const rk_hooks *hooks)
{
    rk_buffer names = {0};
    rk_status status = RK_OK;
    for (int64_t i = 0; i < n; i++) {
        RK_TRY_GOTO(done, open_source(w, paths[i], are_halves, config, hooks));
        rk__buffer_add(&names, "%s%s", i > 0 ? ", " : "", w->of[i].run);
    }
    status = rk__buffer_take(&names, &w->facts.run);
done:
    rk__buffer_free(&names);
    if (status != RK_OK) {
        rk__warm_start_close(w);
    }
    return status;
}

rk_status rk__warm_start_open(rk_warm_start *out, const rk_train_options *how,
                              const rk_config *config, const rk_hooks *hooks)
{
    const rk_options *o = rk__config_options(config);
    const rk_texts *halves = &o->model.from;
    *out = (rk_warm_start){.facts.folds = how->new_ids == RK_NEW_FOLDED};
    if (!how->from && (halves->n == 0 || how->resume)) {
        return RK_OK;
    }
    if (halves->n > 0 && halves->n != RK_MODEL_HALVES) {
        RK_FAIL(RK_ERR_CONFIG, "%s: it takes two runs, or none",
                rk__config_says(config, "model.from").text);
    }
    if (how->from && halves->n > 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but the run is to begin from %s: take one of them",
                rk__config_says(config, "model.from").text, how->from);
    }
    if (o->train.refit) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s fits the model once more from its beginning, which %s is not after an "
                "interruption: take one of them",
                rk__config_says(config, "train.refit").text, how->from ? how->from : "model.from");
    }
    if (how->resume) {
        RK_FAIL(RK_ERR_CONFIG,
                "a run that is resumed goes on from its own checkpoint: begin from %s in a new "
                "folder, or resume without it",
                how->from);
    }
    return how->from
               ? open_sources(out, &how->from, 1, false, config, hooks)
               : open_sources(out, (const char *const *)halves->v, halves->n, true, config, hooks);
}

void rk__warm_start_close_sources(rk_warm_start *w)
{
    for (int i = 0; i < w->n; i++) {
        rk__h5_close(w->of[i].file);
        rk_dataset_free(w->of[i].dataset);
        rk__free(w->of[i].run);
        w->of[i] = (rk_warm_source){0};
    }
    w->n = 0;
}

void rk__warm_start_close(rk_warm_start *w)
{
    rk__warm_start_close_sources(w);
    rk__free(w->facts.run);
    *w = (rk_warm_start){0};
}
