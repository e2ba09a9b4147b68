/*
 * User KNN (Resnick et al.: GroupLens, CSCW 1994; Herlocker, Konstan, Borchers, Riedl, SIGIR 1999):
 * the model.neighbours users who are most like whoever asks, by the items that they share, score
 * the items that they have: by the sum of their similarities, or of these times their ratings
 * (model.weigh_by), or by the mean of the ratings that the similarities weigh.
 *
 * Who is like whom is computed when somebody asks, for known users as for anybody else, so that
 * nothing of users x users is kept. Fitted are the users' numbers of items.
 */
#include "models/models.h"

static const char *const phases[] = {"sizes of users"};

static bool is_mean(const rk_options *o)
{
    return o->model.user_aggregate == RK_USER_AGGREGATE_MEAN;
}

static rk_status check(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    if (o->model.similarity == RK_SIMILARITY_TFIDF || o->model.similarity == RK_SIMILARITY_BM25) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s, which compares users as sets: take cosine, jaccard, asymmetric or "
                "pearson",
                rk__config_says(config, "model.similarity").text,
                rk__config_says(config, "model.kind").text);
    }
    if (is_mean(o) && o->model.weigh_by != RK_WEIGH_BY_VALUE) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s: a mean is one of values, set model.weigh_by to value, or take sum",
                rk__config_says(config, "model.user_aggregate").text,
                rk__config_says(config, "model.weigh_by").text);
    }
    return RK_OK;
}

static rk_status check_data(const rk_options *o, const rk_model_data *data)
{
    return rk__check_neighbours_among(o, data->n_users, "user");
}

static rk_status declare(rk_model_instance *instance)
{
    RK_TRY(rk__model_add(instance, (rk_parameter){.name = "user_sizes",
                                                  .rows = instance->data.n_users,
                                                  .cols = 1,
                                                  .role = RK_COMPUTED,
                                                  .of = RK_ROWS_USERS}));
    bool weighs = instance->options->model.weigh_by == RK_WEIGH_BY_VALUE;
    return weighs ? rk__model_add_edge_values(instance, "graph.values") : RK_OK;
}

static void phase(const rk_model_instance *instance, rk_program *p, int number, rk_value state)
{
    (void)number, (void)state;
    const rk_range_attr users = {0, instance->data.n_users};
    rk__assign_named(p, "user_sizes", rk__row_sums(p, rk__use_graph_rows(p), users));
}

static rk_tile_lists neighbours_of(const rk_model_instance *instance, rk_program *p,
                                   const rk_tile *tile)
{
    const rk_options *o = instance->options;
    const int64_t n_users = instance->data.n_users;
    const rk_similar_attr attr = {.kind = o->model.similarity,
                                  .k = (int32_t)o->model.neighbours,
                                  .shrinkage = o->model.shrinkage,
                                  .alpha = o->model.similarity_alpha,
                                  .n_users = instance->data.n_items};
    rk_value common = rk__score_lists(p, tile->lists, rk__use_graph_rows(p), RK_NONE, tile->count,
                                      n_users, n_users);
    return rk__nearest_lists(p, common, tile->lists, rk__use_named(p, "user_sizes"),
                             tile->is_folded ? RK_NONE : tile->users, tile->count, attr);
}

static rk_value score(const rk_model_instance *instance, rk_program *p, const rk_tile *tile,
                      rk_value queries)
{
    (void)queries;
    const rk_rows_attr users = {0, instance->data.n_items, instance->data.n_users};
    const rk_csr_values plain = rk__use_graph_rows(p);
    rk_csr_values rated = plain;
    if (instance->options->model.weigh_by == RK_WEIGH_BY_VALUE) {
        rated.values = rk__use_named(p, "graph.values");
    }
    const rk_tile_lists nearest = neighbours_of(instance, p, tile);
    rk_value sums = rk__score_lists_at(p, nearest, rated, RK_NONE, tile->count, users);
    if (!is_mean(instance->options)) {
        return sums;
    }
    return rk__ratio(p, sums, rk__score_lists_at(p, nearest, plain, RK_NONE, tile->count, users));
}

const rk_model_kind rk__model_user_knn = {
    .name = "user_knn",
    .help = "what the users have who are most like whoever asks (Resnick et al. 1994), four "
            "similarities, sums or means",
    .check = check,
    .check_data = check_data,
    .declare = declare,
    .n_phases = 1,
    .phases = phases,
    .is_closed = true,
    .phase = phase,
    .score = score,
    .reads_lists = true,
};
