/* rk_model: fitting it, what it is, its tensors, its answers. */
#include <string.h>
#include <sys/stat.h>

#include "api/model_internal.h"
#include "base/alloc.h"
#include "base/buffer.h"
#include "train/set_up.h"
#include "train/trainer.h"

/* ---- where it comes from ---- */

rk_status rk__model_set_up(rk_model *model, const rk_hooks *hooks)
{
    model->dataset = model->owned ? model->owned : model->dataset;
    RK_TRY(rk__set_up(&model->engine, NULL, &model->scorer, rk__config_options(model->config),
                      model->dataset, false, hooks));
    return rk__popularity_init(&model->popularity, model->dataset);
}

rk_status rk__model_hand_over(rk_model *model, rk_status status, rk_model **out)
{
    if (status != RK_OK) {
        rk_model_free(model);
        return status;
    }
    *out = model;
    return RK_OK;
}

static rk_status copy_config(const rk_config *config, rk_config **out)
{
    char *text = NULL;
    RK_TRY(rk_config_text(config, false, &text));
    rk_status status = rk__config_parse(out, "config", text, (int64_t)strlen(text));
    rk_string_free(text);
    return status;
}

static rk_status fit(const rk_config *config, const rk_train_options *how, const rk_hooks *hooks,
                     rk_model *model)
{
    rk_snapshot kept = {0};
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, copy_config(config, &model->config));
    RK_TRY_GOTO(done, rk__train(config, how, hooks, &kept, &model->owned));
    model->dataset = how->dataset;
    RK_TRY_GOTO(done, rk__model_set_up(model, NULL));
    RK_TRY_GOTO(done, rk__snapshot_put(&kept, &model->engine));
    model->epoch = kept.epoch;
done:
    rk__snapshot_free(&kept);
    return status;
}

rk_status rk_model_fit(const rk_config *config, const rk_train_options *how, const rk_hooks *hooks,
                       rk_model **out)
{
    rk_model *model = NULL;
    RK_TRY(rk__calloc(&model, 1, sizeof *model, "a model"));
    return rk__model_hand_over(model, fit(config, how, hooks, model), out);
}

rk_status rk_model_open(const char *path, const char *device, const char *data_root,
                        const rk_hooks *hooks, rk_model **out)
{
    struct stat info;
    bool is_file = stat(path, &info) == 0 && S_ISREG(info.st_mode);
    return is_file ? rk__model_open_file(path, device, hooks, out)
                   : rk__model_open_run(path, device, data_root, NULL, 0, hooks, out);
}

void rk_model_free(rk_model *model)
{
    if (!model) {
        return;
    }
    rk__tear_down(&model->engine, NULL, &model->scorer);
    rk__popularity_free(&model->popularity);
    rk_dataset_free(model->owned);
    rk_config_free(model->config);
    rk__free(model);
}

/* ---- what it is ---- */

const rk_dataset *rk_model_dataset(const rk_model *model)
{
    return model->dataset;
}

const rk_config *rk_model_config(const rk_model *model)
{
    return model->config;
}

static bool is_shown(const rk_parameter *p)
{
    return p->role != RK_CONSTANT;
}

rk_model_facts rk_model_get_facts(const rk_model *model)
{
    const rk_model_instance *m = &model->engine.model;
    const rk_dataset_stats *s = &model->dataset->stats;
    rk_model_facts facts = {.kind = m->model->name,
                            .epoch = model->epoch,
                            .users = s->users,
                            .items = s->items,
                            .folds_in = rk__model_folds_in(m->model),
                            .is_same_for_all = m->model->is_same_for_all,
                            .cold_users = s->empty_users,
                            .cold_items = s->cold_items};
    for (int i = 0; i < m->n_tensors; i++) {
        facts.tensors += is_shown(&m->parameters[i]);
    }
    return facts;
}

static void describe(const rk_parameter *p, rk_tensor_info *out)
{
    RK_ASSERT(p->dtype == RK_F32 || p->dtype == RK_I32 || p->dtype == RK_I64);
    *out = (rk_tensor_info){.name = p->name,
                            .type = p->dtype == RK_F32   ? RK_TENSOR_F32
                                    : p->dtype == RK_I32 ? RK_TENSOR_I32
                                                         : RK_TENSOR_I64,
                            .rows = p->rows,
                            .cols = p->cols};
}

rk_status rk_model_tensor_info(const rk_model *model, int64_t number, rk_tensor_info *out)
{
    const rk_model_instance *m = &model->engine.model;
    int64_t left = number;
    for (int i = 0; left >= 0 && i < m->n_tensors; i++) {
        const rk_parameter *p = &m->parameters[i];
        if (is_shown(p) && left-- == 0) {
            describe(p, out);
            return RK_OK;
        }
    }
    RK_FAIL(RK_ERR_CONFIG, "there is no tensor %lld; they go from 0 to %lld", (long long)number,
            (long long)rk_model_get_facts(model).tensors - 1);
}

static rk_status fail_unknown(const rk_model_instance *m, const char *name)
{
    rk_buffer names = {0};
    for (int i = 0; i < m->n_tensors; i++) {
        if (is_shown(&m->parameters[i])) {
            rk__buffer_add(&names, "%s%s", names.length > 0 ? ", " : "", m->parameters[i].name);
        }
    }
    rk_status status = names.status;
    if (status == RK_OK) {
        status = rk__fail(RK_ERR_CONFIG, __FILE__, __LINE__, __func__,
                          "the model has no tensor '%.60s'; it has %s", name,
                          names.at ? names.at : "none");
    }
    rk__buffer_free(&names);
    return status;
}

rk_status rk_model_find_tensor(const rk_model *model, const char *name, rk_tensor_info *out)
{
    const rk_model_instance *m = &model->engine.model;
    for (int i = 0; i < m->n_tensors; i++) {
        const rk_parameter *p = &m->parameters[i];
        if (is_shown(p) && strcmp(p->name, name) == 0) {
            describe(p, out);
            return RK_OK;
        }
    }
    return fail_unknown(m, name);
}

rk_status rk_model_read_tensor(const rk_model *model, const char *name, int64_t first, int64_t rows,
                               void *out, int64_t bytes)
{
    rk_tensor_info t;
    RK_TRY(rk_model_find_tensor(model, name, &t));
    const int64_t row = t.cols * (t.type == RK_TENSOR_I64 ? 8 : 4);
    if (first < 0 || rows < 0 || first > t.rows || rows > t.rows - first) {
        RK_FAIL(RK_ERR_CONFIG, "%s has %lld rows; %lld from row %lld on are not all there", name,
                (long long)t.rows, (long long)rows, (long long)first);
    }
    if (bytes < rows * row) {
        RK_FAIL(RK_ERR_CONFIG, "%lld rows of %s take %lld bytes; there is room for %lld",
                (long long)rows, name, (long long)(rows * row), (long long)bytes);
    }
    return rk__scorer_read_rows(model->scorer, name, first, rows, out);
}

/* ---- its answers ---- */

rk_status rk_model_top_k(const rk_model *model, const rk_query *queries, int64_t n,
                         const rk_selection *selection, int64_t k, rk_recommendation *out)
{
    const rk_selection defaults = rk_selection_defaults();
    int64_t elements = 0;
    int32_t *items = NULL;
    float *scores = NULL;
    rk_status status = RK_OK;
    if (n < 0 || k < 1) {
        RK_FAIL(RK_ERR_CONFIG,
                "%lld recommendations for %lld queries are wanted; take 1 or more for 0 or more",
                (long long)k, (long long)n);
    }
    RK_TRY(rk__mul(&elements, n, k, "answers"));
    RK_TRY_GOTO(done, rk__alloc(&items, elements, sizeof *items, "the answers of a model"));
    RK_TRY_GOTO(done, rk__alloc(&scores, elements, sizeof *scores, "the answers of a model"));
    RK_TRY_GOTO(done, rk__scorer_top_k(model->scorer, queries, n, selection ? selection : &defaults,
                                       k, items, scores));
    for (int64_t i = 0; i < elements; i++) {
        out[i] = (rk_recommendation){items[i], scores[i]};
    }
done:
    rk__free(items);
    rk__free(scores);
    return status;
}

rk_status rk_model_score(const rk_model *model, const rk_query *queries, int64_t n,
                         const int32_t *items, int64_t n_items, float *scores)
{
    if (n < 0 || n_items < 0 || (n > 0 && n_items > 0 && (!queries || !items || !scores))) {
        RK_FAIL(RK_ERR_CONFIG,
                "the scores of %lld items for %lld queries: both must be 0 or more, "
                "with arrays of so many",
                (long long)n_items, (long long)n);
    }
    return rk__scorer_scores(model->scorer, queries, n, items, n_items, scores);
}

rk_status rk_model_evaluate(const rk_model *model, rk_part part, bool popularity,
                            const rk_hooks *hooks, rk_metrics *out)
{
    *out = (rk_metrics){0};
    if (part != RK_VALID && part != RK_TEST) {
        RK_FAIL(RK_ERR_CONFIG, "only valid and test can be evaluated: train is what was learnt");
    }
    rk_popularity by_count = model->popularity;
    rk_ranker ranker =
        popularity ? rk__popularity_ranker(&by_count) : rk__scorer_ranker(model->scorer);
    rk_status status = rk__evaluate(model->dataset, rk__config_options(model->config), part, NULL,
                                    0, &ranker, hooks, out);
    rk__scorer_hold(model->scorer);
    rk__engine_tell_notes(&model->engine, hooks);
    rk__scorer_release(model->scorer);
    return status;
}
