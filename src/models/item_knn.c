/*
 * Item KNN (Sarwar, Karypis, Konstan, Riedl: Item-based collaborative filtering recommendation
 * algorithms, WWW 2001; Deshpande, Karypis, TOIS 2004): S holds the K nearest other items of each
 * item, and a history x scores items by S. Which side the K are taken of makes a third of the
 * recall, so it has a name, model.aggregate:
 *   liked      x S       the neighbours of each liked item add up, as in `implicit`
 *   target     x S^T     each candidate looks for its own neighbours among the liked ones
 *   target_l1  the same, each row of S divided by its sum
 *   bars       (x - m) S^T + m with those rows, m the share of all users that have an item: the
 *              form of the BARS benchmark (Zhu et al., SIGIR 2022)
 */
#include <stdio.h>

#include "base/alloc.h"
#include "graph/similarity.h"
#include "models/models.h"

static const char *const phases[] = {"neighbours"};

static rk_status check_data(const rk_options *o, const rk_model_data *data)
{
    if (o->model.neighbours >= data->n_items) {
        RK_FAIL(RK_ERR_CONFIG,
                "model.neighbours is %lld, but the data set has %lld items, so an item has at most "
                "%lld neighbours: lower model.neighbours",
                (long long)o->model.neighbours, (long long)data->n_items,
                (long long)data->n_items - 1);
    }
    return RK_OK;
}

static rk_status add_constant(rk_model_instance *instance, const char *name, int64_t n,
                              float *values)
{
    rk_parameter p = {.role = RK_CONSTANT, .rows = n, .cols = 1, .constant = values};
    snprintf(p.name, sizeof p.name, "%s", name);
    return rk__model_add(instance, p);
}

/* Weights of users and items of the similarity, where it has any. */
static rk_status declare_weights(rk_model_instance *instance)
{
    const rk_options *o = instance->options;
    const rk_model_data *d = &instance->data;
    const rk_similarity_rule rule = {o->model.similarity, o->model.bm25_k1, o->model.bm25_b};
    rk_similarity weights = {0};
    RK_TRY(rk__similarity_weights(&weights, d->graph, rule));
    if (!weights.user_weight) {
        return RK_OK;
    }
    rk_status status = add_constant(instance, "similarity.items", d->n_items, weights.item_factor);
    if (status != RK_OK) {
        rk__free(weights.user_weight);
        return status;
    }
    return add_constant(instance, "similarity.users", d->n_users, weights.user_weight);
}

static rk_status declare_means(rk_model_instance *instance)
{
    const rk_model_data *d = &instance->data;
    float *mean = NULL;
    RK_TRY(rk__alloc(&mean, d->n_items, sizeof *mean, "the means of items"));
    for (int64_t i = 0; i < d->n_items; i++) {
        mean[i] = (float)rk__graph_degree(d->graph, d->n_users + i) / (float)d->n_users;
    }
    return add_constant(instance, "item_means", d->n_items, mean);
}

static rk_status declare(rk_model_instance *instance)
{
    const rk_options *o = instance->options;
    const int64_t n = instance->data.n_items, k = o->model.neighbours;
    int64_t capacity = 0;
    RK_TRY(rk__mul(&capacity, n, k, "the neighbours of items"));
    const rk_parameter tensors[] = {
        {.name = "neighbours",
         .dtype = RK_I32,
         .rows = n,
         .cols = k,
         .role = RK_COMPUTED,
         .of = RK_ROWS_ITEMS},
        {.name = "similarities", .rows = n, .cols = k, .role = RK_COMPUTED, .of = RK_ROWS_ITEMS},
        {.name = "lists.offsets", .dtype = RK_I64, .rows = n + 1, .cols = 1, .role = RK_TABLE},
        {.name = "lists.items", .dtype = RK_I32, .rows = capacity, .cols = 1, .role = RK_TABLE},
        {.name = "lists.values", .rows = capacity, .cols = 1, .role = RK_TABLE},
        {.name = "lists.bias", .rows = n, .cols = 1, .role = RK_TABLE},
    };
    for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++) {
        RK_TRY(rk__model_add(instance, tensors[i]));
    }
    RK_TRY(declare_weights(instance));
    return o->model.aggregate == RK_AGGREGATE_BARS ? declare_means(instance) : RK_OK;
}

static rk_value use_if_there(rk_program *p, const char *name)
{
    return rk__find_named(p, name) >= 0 ? rk__use_named(p, name) : RK_NONE;
}

static void phase(const rk_model_instance *instance, rk_program *p, int number, rk_value state)
{
    (void)number, (void)state;
    const rk_options *o = instance->options;
    const rk_similar_attr attr = {.kind = o->model.similarity,
                                  .k = (int32_t)o->model.neighbours,
                                  .shrinkage = o->model.shrinkage,
                                  .alpha = o->model.similarity_alpha,
                                  .n_users = instance->data.n_users,
                                  .n_items = instance->data.n_items};
    rk__item_neighbours(p, rk__use_graph_rows(p), use_if_there(p, "similarity.users"),
                        use_if_there(p, "similarity.items"), attr, rk__use_named(p, "neighbours"),
                        rk__use_named(p, "similarities"));
}

static void finish(const rk_model_instance *instance, rk_program *p)
{
    const int aggregate = instance->options->model.aggregate;
    const rk_neighbour_lists_attr attr = {.transposed = aggregate != RK_AGGREGATE_LIKED,
                                          .unit_sum = aggregate == RK_AGGREGATE_TARGET_L1 ||
                                                      aggregate == RK_AGGREGATE_BARS};
    rk_neighbour_lists lists =
        rk__neighbour_lists(p, rk__use_named(p, "neighbours"), rk__use_named(p, "similarities"),
                            use_if_there(p, "item_means"), attr);
    rk__assign_named(p, "lists.offsets", lists.offsets);
    rk__assign_named(p, "lists.items", lists.columns);
    rk__assign_named(p, "lists.values", lists.values);
    rk__assign_named(p, "lists.bias", lists.bias);
}

static rk_value score_with(const rk_model_instance *instance, rk_program *p, const rk_tile *tile,
                           rk_value bias)
{
    const rk_csr_values rows = {rk__use_named(p, "lists.offsets"), rk__use_named(p, "lists.items"),
                                rk__use_named(p, "lists.values")};
    return rk__score_lists(p, tile->lists, rows, bias, tile->count, 0, instance->data.n_items);
}

static rk_value score(const rk_model_instance *instance, rk_program *p, const rk_tile *tile,
                      rk_value queries)
{
    (void)queries;
    bool has_bias = instance->options->model.aggregate == RK_AGGREGATE_BARS;
    return score_with(instance, p, tile, has_bias ? rk__use_named(p, "lists.bias") : RK_NONE);
}

static rk_value similar(const rk_model_instance *instance, rk_program *p, const rk_tile *tile,
                        rk_value item_nodes)
{
    (void)item_nodes;
    return score_with(instance, p, tile, RK_NONE);
}

const rk_model_kind rk__model_item_knn = {
    .name = "item_knn",
    .help = "the most similar items of those that somebody has (Sarwar et al. 2001), six "
            "similarities, four ways of adding up",
    .check_data = check_data,
    .declare = declare,
    .n_phases = 1,
    .phases = phases,
    .is_closed = true,
    .phase = phase,
    .finish = finish,
    .score = score,
    .similar = similar,
    .reads_lists = true,
};
