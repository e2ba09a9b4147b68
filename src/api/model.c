/* rk_model: fitting it, what it is, its tensors, its answers. */
#include <string.h>

#include "api/model_internal.h"
#include "base/file.h"
#include "base/alloc.h"
#include "base/buffer.h"
#include "data/join.h"
#include "eval/ratings.h"
#include "train/set_up.h"
#include "train/trainer.h"

/* ---- where it comes from ---- */

rk_status rk__model_set_up(rk_model *model, const rk_hooks *hooks)
{
    model->dataset = model->owned ? model->owned : model->dataset;
    if (rk__config_options(model->config)->train.refit) {
        RK_TRY(rk__dataset_join_valid(model->dataset, &model->joined));
        model->dataset = model->joined;
    }
    const rk_among among = {.comm = model->ranks, .is_whole = true};
    RK_TRY(rk__set_up_among(among, &model->engine, NULL, &model->scorer,
                            rk__config_options(model->config), model->dataset, false, hooks));
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

static rk_status fit(const rk_config *config, const rk_train_options *how, const rk_hooks *hooks,
                     rk_model *model)
{
    rk_snapshot kept = {0};
    rk_status status = RK_OK;
    const rk_train_beside beside = {.kept = &kept, .prepared = &model->owned};
    RK_TRY_GOTO(done, rk__train(config, how, hooks, beside));
    RK_TRY_GOTO(done, rk__config_copy(kept.config ? kept.config : config, &model->config));
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

static bool is_config_name(const char *path)
{
    const char *end = strrchr(path, '.');
    return end && (strcmp(end, ".yaml") == 0 || strcmp(end, ".yml") == 0);
}

rk_status rk__model_open(const char *path, const rk_model_how *how, const rk_hooks *hooks,
                         rk_model **out)
{
    const bool is_file = rk__is_file(path);
    if (is_file && is_config_name(path)) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s is a config, not a trained model: type rankine train %s first, and then name "
                "the run folder that it makes",
                path, path);
    }
    if (!is_file) {
        return rk__model_open_run(path, how, hooks, out);
    }
    rk_model_how of_file = *how;
    of_file.data_root = NULL; /* a file has everything in it */
    return rk__model_open_file(path, &of_file, hooks, out);
}

rk_status rk_model_open(const char *path, const char *device, const char *data_root,
                        const rk_hooks *hooks, rk_model **out)
{
    const rk_model_how how = {.device = device, .data_root = data_root};
    return rk__model_open(path, &how, hooks, out);
}

void rk_model_free(rk_model *model)
{
    if (!model) {
        return;
    }
    rk__tear_down(&model->engine, NULL, &model->scorer);
    rk__popularity_free(&model->popularity);
    rk_dataset_free(model->joined);
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

/* Statistics in double are nobody's but their model's. */
static bool is_shown(const rk_parameter *p)
{
    return p->role != RK_CONSTANT && p->dtype != RK_F64;
}

rk_model_facts rk_model_get_facts(const rk_model *model)
{
    const rk_model_instance *m = &model->engine.model;
    const rk_dataset_stats *s = &model->dataset->stats;
    rk_model_facts facts = {.kind = m->model->name,
                            .epoch = model->epoch,
                            .users = s->users,
                            .items = s->items,
                            .folds_in = rk__instance_folds_in(m),
                            .is_same_for_all = m->model->is_same_for_all,
                            .cold_users = s->empty_users,
                            .cold_items = s->cold_items};
    facts.finds_similar = m->model->similar != NULL;
    facts.explains = !m->model->has_members && (m->model->fold_sum || m->model->fold_equations ||
                                                (m->model->reads_lists && m->model->similar));
    facts.predicts_ratings = m->model->rates;
    facts.compat = rk__compat_note(model->engine.options);
    if (m->model->rates) {
        const rk_rating_scale scale = rk__rating_scale(model->engine.options, model->dataset);
        facts.low = scale.low;
        facts.high = scale.high;
    }
    for (int i = 0; i < m->n_tensors; i++) {
        facts.tensors += is_shown(&m->parameters[i]);
    }
    return facts;
}

int64_t rk_model_n_fields(const rk_model *model)
{
    return model->engine.contexts.n;
}

int64_t rk_model_field(const rk_model *model, int64_t number)
{
    const rk_contexts *c = &model->engine.contexts;
    return number >= 0 && number < c->n ? c->fields[number] : -1;
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

rk_status rk_model_view_tensor(const rk_model *model, const char *name, const void **out)
{
    rk_tensor_info t;
    RK_TRY(rk_model_find_tensor(model, name, &t));
    return rk__scorer_view(model->scorer, name, out);
}

rk_status rk_model_embeddings(const rk_model *model, rk_tensor_info *out)
{
    const char *name = model->engine.model.model->embeddings;
    if (!name) {
        RK_FAIL(RK_ERR_CONFIG,
                "a model of kind %s has no embeddings of users and items; its tensors "
                "(rk_model_tensor_info) are what it has learnt",
                model->engine.model.model->name);
    }
    return rk_model_find_tensor(model, name, out);
}

/* ---- its answers ---- */

rk_status rk__model_answer(const rk_model *model, const rk_asking *asked, int64_t n,
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
    selection = selection ? selection : &defaults;
    if (asked->index) {
        status = rk__scorer_lsh_top_k(model->scorer, asked->index, asked->probes, asked->queries, n,
                                      selection, k, items, scores);
    } else if (asked->items) {
        status = rk__scorer_similar(model->scorer, asked->items, n, selection, k, items, scores);
    } else {
        status = rk__scorer_top_k(model->scorer, asked->queries, n, selection, k, items, scores);
    }
    for (int64_t i = 0; !status && i < elements; i++) {
        out[i] = (rk_recommendation){items[i], scores[i]};
    }
done:
    rk__free(items);
    rk__free(scores);
    return status;
}

rk_status rk_model_top_k(const rk_model *model, const rk_query *queries, int64_t n,
                         const rk_selection *selection, int64_t k, rk_recommendation *out)
{
    return rk__model_answer(model, &(rk_asking){.queries = queries}, n, selection, k, out);
}

rk_status rk_model_similar(const rk_model *model, const int32_t *items, int64_t n,
                           const rk_selection *selection, int64_t k, rk_recommendation *out)
{
    static const int32_t none = 0; /* n is 0 where there is no list */
    if (n > 0 && !items) {
        RK_FAIL(RK_ERR_CONFIG, "%lld items ask for those like them, but there is no list of them",
                (long long)n);
    }
    return rk__model_answer(model, &(rk_asking){.items = items ? items : &none}, n, selection, k,
                            out);
}

const char *rk_basis_name(rk_basis basis)
{
    static const char *const names[] = {[RK_BASIS_MODEL] = "model",
                                        [RK_BASIS_ITEMS] = "items",
                                        [RK_BASIS_POPULARITY] = "popularity"};
    return (unsigned)basis <= RK_BASIS_POPULARITY ? names[basis] : NULL;
}

rk_status rk_model_grounds(const rk_model *model, const rk_query *query, rk_grounds *out)
{
    rk_grounds grounds = {0};
    const rk_contexts *c = &model->engine.contexts;
    RK_TRY(rk__scorer_basis(model->scorer, query, &grounds.basis, &grounds.items_used));
    for (int f = 0; f < c->n; f++) {
        grounds.context_used += rk__contexts_row(c, f, query->context[f]) >= 0;
    }
    *out = grounds;
    return RK_OK;
}

rk_status rk_model_explain(const rk_model *model, const rk_query *query, const int32_t *items,
                           int64_t n, int64_t k, rk_reason *reasons, rk_explanation *out)
{
    if (n < 0 || k < 0 || (n > 0 && (!items || !out)) || (n > 0 && k > 0 && !reasons)) {
        RK_FAIL(RK_ERR_CONFIG,
                "%lld reasons for %lld items: both must be 0 or more, with arrays of so many",
                (long long)k, (long long)n);
    }
    return rk__scorer_explain(model->scorer, query, items, n, k, reasons, out);
}

rk_status rk_model_score(const rk_model *model, const rk_query *queries, int64_t n,
                         const int32_t *items, int64_t n_items, float *scores)
{
    int64_t *offsets = NULL;
    rk_status status = RK_OK;
    if (n < 0 || n_items < 0 || (n > 0 && n_items > 0 && (!queries || !items || !scores))) {
        RK_FAIL(RK_ERR_CONFIG,
                "the scores of %lld items for %lld queries: both must be 0 or more, "
                "with arrays of so many",
                (long long)n_items, (long long)n);
    }
    if (n == 0 || n_items == 0) {
        return RK_OK;
    }
    RK_TRY(rk__alloc(&offsets, n + 1, sizeof *offsets, "the items of queries"));
    for (int64_t i = 0; i <= n; i++) {
        offsets[i] = i * n_items;
    }
    status = rk__scorer_scores(model->scorer, queries, n, (rk_item_lists){offsets, items}, scores);
    rk__free(offsets);
    return status;
}

/* ---- pairs ---- */

/* Pairs by their user, so that each user is asked for once. */
typedef struct pair {
    int64_t user, place;
} pair;

static int by_user(const void *left, const void *right)
{
    const pair *a = left, *b = right;
    if (a->user != b->user) {
        return a->user > b->user ? 1 : -1;
    }
    return (a->place > b->place) - (a->place < b->place);
}

/* What the pairs are put into, in the order of their users. */
typedef struct pair_lists {
    pair *pairs;
    rk_query *queries; /* of the users, n_users */
    int64_t *offsets, n_users;
    int32_t *items;
    float *scores;
} pair_lists;

static rk_status put_together(pair_lists *l, const int64_t *users, const int32_t *items, int64_t n)
{
    RK_TRY(rk__alloc(&l->pairs, n, sizeof *l->pairs, "pairs to score"));
    RK_TRY(rk__alloc(&l->queries, n, sizeof *l->queries, "pairs to score"));
    RK_TRY(rk__alloc(&l->offsets, n + 1, sizeof *l->offsets, "pairs to score"));
    RK_TRY(rk__alloc(&l->items, n, sizeof *l->items, "pairs to score"));
    RK_TRY(rk__alloc(&l->scores, n, sizeof *l->scores, "pairs to score"));
    for (int64_t i = 0; i < n; i++) {
        l->pairs[i] = (pair){users[i], i};
        if (users[i] < 0) {
            RK_FAIL(RK_ERR_CONFIG, "pair %lld names user %lld; a pair is of a known user",
                    (long long)i, (long long)users[i]);
        }
    }
    qsort(l->pairs, (size_t)n, sizeof *l->pairs, by_user);
    for (int64_t i = 0; i < n; i++) {
        l->items[i] = items[l->pairs[i].place];
        if (i == 0 || l->pairs[i].user != l->pairs[i - 1].user) {
            l->offsets[l->n_users] = i;
            l->queries[l->n_users++] = (rk_query){.user = l->pairs[i].user};
        }
    }
    l->offsets[l->n_users] = n;
    return RK_OK;
}

rk_status rk_model_score_pairs(const rk_model *model, const int64_t *users, const int32_t *items,
                               int64_t n, float *scores)
{
    pair_lists l = {0};
    rk_status status = RK_OK;
    if (n < 0 || (n > 0 && (!users || !items || !scores))) {
        RK_FAIL(RK_ERR_CONFIG, "the scores of %lld pairs: 0 or more, with arrays of so many",
                (long long)n);
    }
    if (n == 0) {
        return RK_OK;
    }
    RK_TRY_GOTO(done, put_together(&l, users, items, n));
    RK_TRY_GOTO(done, rk__scorer_scores(model->scorer, l.queries, l.n_users,
                                        (rk_item_lists){l.offsets, l.items}, l.scores));
    for (int64_t i = 0; i < n; i++) {
        scores[l.pairs[i].place] = l.scores[i];
    }
done:
    rk__free(l.pairs);
    rk__free(l.queries);
    rk__free(l.offsets);
    rk__free(l.items);
    rk__free(l.scores);
    return status;
}
