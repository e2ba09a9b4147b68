/* The models by name, their tensors, and the initial values of what is trained. */
#include "models/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/rating_error.h"
#include "models/models.h"
#include "models/network.h"
#include "ops/init_draw.h"

const rk_model_kind *const *rk__models(void)
{
    static const rk_model_kind *const models[] = {
        [RK_MODEL_LIGHTGCN] = &rk__model_lightgcn,
        [RK_MODEL_MF] = &rk__model_mf,
        [RK_MODEL_LIGHTGCN_PP] = &rk__model_lightgcn_pp,
        [RK_MODEL_POPULARITY] = &rk__model_popularity,
        [RK_MODEL_ITEM_KNN] = &rk__model_item_knn,
        [RK_MODEL_USER_KNN] = &rk__model_user_knn,
        [RK_MODEL_SLIM] = &rk__model_slim,
        [RK_MODEL_RP3BETA] = &rk__model_rp3beta,
        [RK_MODEL_TURBO_CF] = &rk__model_turbo_cf,
        [RK_MODEL_EASE] = &rk__model_ease,
        [RK_MODEL_GF_CF] = &rk__model_gf_cf,
        [RK_MODEL_PURE_SVD] = &rk__model_pure_svd,
        [RK_MODEL_IALS] = &rk__model_ials,
        [RK_MODEL_ALS] = &rk__model_als,
        [RK_MODEL_SVD] = &rk__model_svd,
        [RK_MODEL_FM] = &rk__model_fm,
        [RK_MODEL_GMF] = &rk__model_gmf,
        [RK_MODEL_MLP] = &rk__model_mlp,
        [RK_MODEL_NEUMF] = &rk__model_neumf,
        [RK_MODEL_GCN] = &rk__model_gcn,
        [RK_MODEL_NGCF] = &rk__model_ngcf,
        [RK_MODEL_GAT] = &rk__model_gat,
        [RK_MODEL_RGCN] = &rk__model_rgcn,
        [RK_MODEL_COMPGCN] = &rk__model_compgcn,
        [RK_MODEL_MBGCN] = &rk__model_mbgcn,
        [RK_MODEL_MBGCN_CASCADE] = &rk__model_mbgcn_cascade,
        [RK_MODEL_IRGNN] = &rk__model_irgnn,
        [RK_MODEL_DISTMULT] = &rk__model_distmult,
        [RK_MODEL_TRANSE] = &rk__model_transe,
        [RK_MODEL_CONVE] = &rk__model_conve,
        [RK_MODEL_ENSEMBLE] = &rk__model_ensemble,
        NULL,
    };
    return models;
}

/* ---- checks ---- */

/* Is a source of part given? Its place among the sources, -1 = none is. */
static int64_t given_source(const rk_options *o)
{
    for (int64_t i = 0; i < o->n_sources; i++) {
        if (o->split.kind == RK_SPLIT_GIVEN && o->sources[i].part == RK_PART_GIVEN) {
            return i;
        }
    }
    return -1;
}

/* Does the model know of users what data.features says of them? */
static bool reads_features_of_users(const rk_options *o)
{
    bool any = false;
    for (int64_t i = 0; i < o->n_features; i++) {
        any = any || strcmp(o->features[i].of, "user") == 0;
    }
    return any && rk__model_of(o)->network && o->model.features;
}

/* Users who are held out are known by their given items, by features, or not at all. What is given
 * counts: a model that cannot look at it is no better for knowing features. */
static rk_status check_held_out_users(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    const rk_model_kind *model = rk__model_of(o);
    const int64_t source = given_source(o);
    const bool has_given = source >= 0 || o->split.given > 0;
    rk_buffer names = {0}, who = {0};
    const bool has_features = reads_features_of_users(o);
    bool can = model->is_same_for_all || (has_given ? rk__model_folds_in(model, o) : has_features);
    if ((o->split.kind != RK_SPLIT_USERS && source < 0) || can) {
        return RK_OK;
    }
    for (const rk_model_kind *const *m = rk__models(); *m; m++) {
        if ((*m)->is_same_for_all || (has_given && rk__model_folds_in(*m, o))) {
            rk__buffer_add(&names, "%s%s", names.length > 0 ? ", " : "", (*m)->name);
        }
    }
    if (source >= 0) {
        rk__buffer_add(&who, "data.sources[%lld] (%s) is of part given", (long long)source,
                       o->sources[source].origin);
    } else {
        rk__buffer_add(&who, "%s and %s", rk__config_says(config, "split.kind").text,
                       rk__config_says(config, "split.given").text);
    }
    const bool is_typed = o->model.type_by == RK_WEIGH_BY_VALUE;
    rk_status status = names.status == RK_OK ? who.status : names.status;
    if (status == RK_OK) {
        status =
            rk__fail(RK_ERR_CONFIG, __FILE__, __LINE__, __func__,
                     "%s, but %s%s%s, which cannot rank for held-out users of whom %s; those that "
                     "can: %s%s",
                     who.at, rk__config_says(config, "model.kind").text, is_typed ? " and " : "",
                     is_typed ? rk__config_says(config, "model.type_by").text : "",
                     has_given ? "items are known" : "nothing is known", names.at,
                     !has_given     ? "; or give a share of their rows, or a model of "
                                      "networks features of users (data.features)"
                     : has_features ? "; or give nothing, to know them by their features "
                                      "alone"
                                    : "");
    }
    rk__buffer_free(&names);
    rk__buffer_free(&who);
    return status;
}

/* The negatives of a model that scores pairs are pairs, too. */
static rk_status check_pairs(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    if (o->sampling.negatives == RK_NEGATIVES_IN_BATCH ||
        o->sampling.negatives == RK_NEGATIVES_DYNAMIC) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s, which scores pairs one by one: take sampling.negatives uniform, "
                "popular_pool or popularity",
                rk__config_says(config, "sampling.negatives").text,
                rk__config_says(config, "model.kind").text);
    }
    return RK_OK;
}

static rk_status check_model(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    const rk_model_kind *model = rk__model_of(o);
    if (rk__model_is_by_gradients(model) && o->sampling.negatives == RK_NEGATIVES_ALL &&
        !model->scores_all) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s, which does not score all items in a step: take sampling.negatives "
                "uniform",
                rk__config_says(config, "sampling.negatives").text,
                rk__config_says(config, "model.kind").text);
    }
    RK_TRY(model->check ? model->check(config) : RK_OK);
    if (rk__model_is_by_gradients(model) && o->loss.kind == RK_LOSS_MSE && !model->rates) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s, which predicts no ratings: take model.kind svd or fm, or a loss "
                "of rankings, e.g. bpr",
                rk__config_says(config, "loss.kind").text,
                rk__config_says(config, "model.kind").text);
    }
    if (rk__rating_error_find(o->eval.metric) >= 0 && !model->rates) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s, which predicts no ratings: take a metric of rankings, e.g. "
                "ndcg@%lld",
                rk__config_says(config, "eval.metric").text,
                rk__config_says(config, "model.kind").text, (long long)o->eval.k.v[0]);
    }
    RK_TRY(model->scores ? check_pairs(config) : RK_OK);
    RK_TRY(check_held_out_users(config));
    if (o->graph.form == RK_FORM_GRAM && !model->has_gram_form) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s, which has no such form: take auto",
                rk__config_says(config, "graph.form").text,
                rk__config_says(config, "model.kind").text);
    }
    if (o->loss.contrast != RK_CONTRAST_NONE && (!model->has_views || o->model.layers == 0)) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s and %s: views are made of the layers of lightgcn",
                rk__config_says(config, "loss.contrast").text,
                rk__config_says(config, "model.kind").text,
                rk__config_says(config, "model.layers").text);
    }
    return RK_OK;
}

rk_status rk__model_check_config(const rk_config *config, bool is_new, bool has_dataset)
{
    RK_TRY(rk__config_check(config,
                            (has_dataset ? 0 : RK_CHECK_SOURCES) | (is_new ? RK_CHECK_UNREAD : 0)));
    return check_model(config);
}

rk_status rk_config_check(const rk_config *config)
{
    return rk__model_check_config(config, true, false);
}

rk_status rk__model_check_data(const rk_options *options, const rk_model_data *data)
{
    const rk_model_kind *model = rk__model_of(options);
    unsigned needs = model->needs ? model->needs(options) : 0;
    if ((needs & RK_NEEDS_TIMES) && !data->train_times) {
        RK_FAIL(RK_ERR_DATA,
                "model.kind %s needs the times of interactions under these options, but the data "
                "set has none: name their column in the key 'time' of each of data.sources",
                model->name);
    }
    if ((needs & RK_NEEDS_VALUES) && !data->train_values) {
        RK_FAIL(
            RK_ERR_DATA,
            "model.kind %s predicts ratings, but the data set has no values: name the column of "
            "the ratings in the key 'value' of each of data.sources",
            model->name);
    }
    return model->check_data ? model->check_data(options, data) : RK_OK;
}

const char *rk__compat_note(const rk_options *options)
{
    bool is_leaky = options->model.compat == RK_COMPAT_LEAKY_GRAPH;
    for (int64_t i = 0; i < options->n_members; i++) {
        is_leaky = is_leaky || rk__compat_note(rk__config_options(options->members[i]));
    }
    return is_leaky ? "leaky graph (model.compat): neighbours were drawn knowing the test rows, so "
                      "these metrics are not comparable with others"
                    : NULL;
}

bool rk__model_folds_in(const rk_model_kind *model, const rk_options *options)
{
    const bool can = !model->network || rk__network_folds(model, options);
    return (model->fold_in && can) || !model->query;
}

bool rk__instance_folds_in(const rk_model_instance *instance)
{
    bool can = rk__model_folds_in(instance->model, instance->options);
    for (int i = 0; i < instance->n_members; i++) {
        can = can && rk__instance_folds_in(&instance->members[i]);
    }
    return can;
}

bool rk__instance_knows(const rk_model_instance *instance, int64_t node)
{
    bool knows = instance->model->knows && instance->model->knows(instance, node);
    for (int i = 0; i < instance->n_members; i++) {
        knows = knows || rk__instance_knows(&instance->members[i], node);
    }
    return knows;
}

bool rk__instance_knows_any(const rk_model_instance *instance, bool of_users)
{
    const rk_graph *g = instance->data.graph;
    const int64_t end = of_users ? g->n_users : g->n_nodes;
    for (int64_t node = of_users ? 0 : g->n_users; node < end; node++) {
        if (rk__graph_degree(g, node) == 0 && rk__instance_knows(instance, node)) {
            return true;
        }
    }
    return false;
}

int64_t rk__model_epochs(const rk_options *options)
{
    return rk__model_of(options)->is_closed ? 1 : options->train.epochs;
}

/* ---- tensors ---- */

static bool is_saved(const rk_parameter *p)
{
    return p->role == RK_TRAINED || p->role == RK_COMPUTED;
}

rk_status rk__model_declare(rk_model_instance *out, const rk_model_kind *model,
                            const rk_options *options, const rk_model_data *data, rk_store *store)
{
    *out = (rk_model_instance){.model = model,
                               .options = options,
                               .data = *data,
                               .n_nodes = data->n_users + data->n_items};
    RK_TRY(model->declare(out));
    for (int i = 0; i < out->n_tensors; i++) {
        rk_parameter *p = &out->parameters[i];
        RK_TRY(p->by_columns
                   ? rk__store_add_sharded(store, p->name, p->dtype, p->rows, p->cols, &p->stored)
                   : rk__store_add(store, p->name, p->dtype, p->rows, p->cols, p->constant,
                                   &p->stored));
    }
    return RK_OK;
}

void rk__model_free(rk_model_instance *instance)
{
    for (int i = 0; i < instance->n_tensors; i++) {
        rk__free(instance->parameters[i].constant);
    }
    for (int i = 0; i < instance->n_members; i++) {
        rk__model_free(&instance->members[i]);
    }
    rk__free(instance->members);
    rk__free(instance->known);
    rk__free(instance->parameters);
    *instance = (rk_model_instance){0};
}

rk_status rk__model_add(rk_model_instance *instance, rk_parameter parameter)
{
    if (instance->n_tensors == instance->capacity) {
        int capacity = 2 * instance->capacity + 4;
        rk_status status = rk__realloc(&instance->parameters, instance->n_tensors, capacity,
                                       sizeof *instance->parameters, "the tensors of a model");
        if (status != RK_OK) {
            rk__free(parameter.constant);
            return status;
        }
        instance->capacity = capacity;
    }
    RK_ASSERT(!is_saved(&parameter) || instance->n_parameters == instance->n_tensors);
    parameter.stored = -1;
    instance->parameters[instance->n_tensors++] = parameter;
    instance->n_parameters += is_saved(&parameter);
    return RK_OK;
}

rk_status rk__model_add_known(rk_model_instance *instance)
{
    const int64_t n = instance->data.n_users + instance->data.n_items;
    RK_ASSERT(!instance->known);
    return rk__calloc(&instance->known, instance->n_nodes > n ? instance->n_nodes : n,
                      sizeof *instance->known, "which nodes the model knows");
}

bool rk__model_marks_known(const rk_model_instance *instance, int64_t node)
{
    return instance->known && instance->known[node];
}

int64_t rk__model_part_pairs(const rk_model_instance *instance)
{
    enum { PART_FLOATS = 16 << 20 };
    const int64_t pairs = PART_FLOATS / instance->model->pair_floats(instance);
    return pairs < 1 ? 1 : pairs;
}

/* Parts side by side, as many together as a node takes. */
rk_value rk__model_score_all(const rk_model_instance *instance, rk_program *p, const rk_tile *tile,
                             rk_value queries)
{
    const rk_model_kind *m = instance->model;
    if (m->score) {
        return m->score(instance, p, tile, queries);
    }
    const int64_t n_items = instance->data.n_items;
    const int64_t many = rk__model_part_pairs(instance) / p->tensors[queries].rows;
    const int64_t size = many < 1 ? 1 : many;
    rk_value parts[RK_MAX_INPUTS];
    int n = 0;
    for (int64_t first = 0; first < n_items && p->status == RK_OK; first += size) {
        const int64_t rest = n_items - first;
        const rk_tile_items items = {{first, rest < size ? rest : size}, RK_NONE};
        if (n == RK_MAX_INPUTS) {
            parts[0] = rk__join_columns(p, parts, n);
            n = 1;
        }
        parts[n++] = m->score_items(instance, p, tile, queries, &items);
    }
    return p->status == RK_OK ? rk__join_columns(p, parts, n) : RK_NONE;
}

rk_status rk__check_l2(const rk_config *config)
{
    const double l2 = rk__config_options(config)->model.l2;
    if (l2 < 0 && l2 != -1) {
        RK_FAIL(RK_ERR_CONFIG, "%s: it is 0 or more, or -1 for the model's own",
                rk__config_says(config, "model.l2").text);
    }
    return RK_OK;
}

rk_graph_values rk__use_graph(rk_program *p)
{
    return (rk_graph_values){rk__use_named(p, "graph.offsets"), rk__use_named(p, "graph.columns"),
                             rk__use_named(p, "graph.scale")};
}

rk_csr_values rk__use_graph_rows(rk_program *p)
{
    return (rk_csr_values){rk__use_named(p, "graph.offsets"), rk__use_named(p, "graph.columns"),
                           RK_NONE};
}

rk_status rk__declare_table(rk_model_instance *instance, const char *name)
{
    rk_parameter p = {
        .role = RK_TABLE, .rows = instance->n_nodes, .cols = instance->options->model.dim};
    snprintf(p.name, sizeof p.name, "%s", name);
    return rk__model_add(instance, p);
}

rk_value rk__query_embeddings(const rk_model_instance *instance, rk_program *p, const rk_tile *tile)
{
    return rk__take_rows(p, rk__use_named(p, instance->model->embeddings), tile->users);
}

rk_value rk__score_embeddings(const rk_model_instance *instance, rk_program *p, const rk_tile *tile,
                              rk_value queries)
{
    const rk_range_attr items = {instance->data.n_users, instance->data.n_items};
    return rk__score_dot(p, queries, rk__use_named(p, instance->model->embeddings), tile->count,
                         items);
}

rk_value rk__similar_embeddings(const rk_model_instance *instance, rk_program *p,
                                const rk_tile *tile, rk_value item_nodes)
{
    return rk__similar_rows(instance, p, tile, item_nodes, instance->model->embeddings);
}

rk_value rk__similar_rows(const rk_model_instance *instance, rk_program *p, const rk_tile *tile,
                          rk_value item_nodes, const char *name)
{
    const rk_range_attr items = {0, instance->data.n_items};
    rk_value table = rk__use_named(p, name);
    rk_value queries = rk__unit_rows(p, rk__take_rows(p, table, tile->users), RK_NONE);
    rk_value unit = rk__unit_rows(p, rk__take_rows(p, table, item_nodes), RK_NONE);
    return rk__score_dot(p, queries, unit, tile->count, items);
}

rk_value rk__fold_by_sum(const rk_model_instance *instance, rk_program *p, const rk_tile *tile)
{
    const rk_fold_sum sum = instance->model->fold_sum(instance);
    return rk__sum_lists(p, rk__use_named(p, sum.table), tile->lists, instance->data.n_users,
                         sum.power);
}

rk_status rk__declare_factors(rk_model_instance *instance, const char *name)
{
    const rk_options *o = instance->options;
    const int64_t n_users = instance->data.n_users;
    rk_parameter p = {.rows = instance->n_nodes,
                      .cols = o->model.dim,
                      .by_columns = true,
                      .init = o->model.init,
                      .init_sd = o->model.init_sd,
                      .block_end = {n_users, n_users + instance->data.n_items, instance->n_nodes}};
    snprintf(p.name, sizeof p.name, "%s", name);
    return rk__model_add(instance, p);
}

/* ---- initial values ---- */

void rk__parameter_block(const rk_parameter *parameter, int block, int64_t *out_first,
                         int64_t *out_end)
{
    *out_end = 0;
    for (int b = 0; b <= block; b++) {
        const int64_t end = parameter->block_end[b];
        *out_first = *out_end;
        *out_end = end > *out_end ? end : *out_end;
    }
}

double rk__parameter_scale(const rk_parameter *parameter, int block)
{
    int64_t first = 0, end = 0;
    rk__parameter_block(parameter, block, &first, &end);
    /* Glorot & Bengio 2010: variance 2 / (fan in + fan out), that of a uniform unit draw is 1/3 */
    const double fans = (double)(end - first + parameter->cols);
    return parameter->init == RK_INIT_XAVIER          ? sqrt(6.0 / fans)
           : parameter->init == RK_INIT_XAVIER_NORMAL ? sqrt(2.0 / fans)
                                                      : parameter->init_sd;
}

void rk__parameter_init(const rk_parameter *parameter, int number, uint64_t seed, float *out)
{
    const rk_columns_attr all = {0, parameter->cols};
    rk__parameter_init_columns(parameter, number, seed, all, out);
}

/* Draws belong to the elements of the whole table, row by row. */
void rk__parameter_init_columns(const rk_parameter *parameter, int number, uint64_t seed,
                                rk_columns_attr columns, float *out)
{
    for (int b = 0; b < RK_BLOCKS; b++) {
        int64_t begin = 0, end = 0;
        rk__parameter_block(parameter, b, &begin, &end);
        double scale = rk__parameter_scale(parameter, b);
#pragma omp parallel for schedule(static)
        for (int64_t row = begin; row < end; row++) {
            const int64_t first = row * parameter->cols + columns.first, last = first + columns.n;
            for (int64_t group = first / 4; group < (last + 3) / 4; group++) {
                float unit[4];
                rk__init_unit4(parameter->init, seed, number, group, unit);
                for (int64_t j = 0; j < 4; j++) {
                    const int64_t element = 4 * group + j;
                    if (element >= first && element < last) {
                        out[row * columns.n + element - first] = (float)(scale * (double)unit[j]);
                    }
                }
            }
        }
    }
}

rk_status rk__model_add_edge_values(rk_model_instance *instance, const char *name)
{
    const rk_graph *g = instance->data.graph;
    const float *values = instance->data.train_values;
    rk_status status = RK_OK;
    int64_t *next = NULL;
    rk_parameter p = {.rows = 2 * g->n_edges, .cols = 1, .role = RK_CONSTANT, .dtype = RK_F32};
    float *out = NULL;
    RK_ASSERT(values);
    snprintf(p.name, sizeof p.name, "%s", name);
    RK_TRY_GOTO(done, rk__alloc(&out, p.rows, sizeof *out, "the values of edges"));
    p.constant = out;
    RK_TRY_GOTO(done, rk__alloc(&next, g->n_nodes, sizeof *next, "the values of edges"));
    memcpy(next, g->offsets, (size_t)g->n_nodes * sizeof *next);
    for (int64_t user = 0; user < g->n_users; user++) { /* so that items get theirs by user */
        for (int64_t e = g->offsets[user]; e < g->offsets[user + 1]; e++) {
            out[e] = out[next[g->columns[e]]++] = values[e];
        }
    }
    rk__free(next);
    return rk__model_add(instance, p);
done:
    rk__free(next);
    rk__free(out);
    return status;
}
