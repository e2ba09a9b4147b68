/*
 * What models have in common whose scores are sums over lists of neighbours of items: a table of
 * the K nearest of each item, which they make in their own way, and the lists that scoring reads,
 * made of it by model.aggregate (item_knn.c says what its words mean).
 */
#include <stdio.h>

#include "base/alloc.h"
#include "models/models.h"

rk_status rk__check_neighbours_among(const rk_options *o, int64_t n, const char *one)
{
    if (o->model.neighbours == 0) {
        RK_FAIL(RK_ERR_CONFIG, "model.neighbours is 0, for all, which only model.kind slim takes: "
                               "set model.neighbours to 1 or more");
    }
    if (o->model.neighbours >= n) {
        RK_FAIL(RK_ERR_CONFIG,
                "model.neighbours is %lld, but the data set has %lld %ss, so each %s has at most "
                "%lld neighbours: lower model.neighbours",
                (long long)o->model.neighbours, (long long)n, one, one, (long long)n - 1);
    }
    return RK_OK;
}

rk_status rk__check_neighbours(const rk_options *o, const rk_model_data *data)
{
    return rk__check_neighbours_among(o, data->n_items, "item");
}

int64_t rk__kept_neighbours(const rk_model_instance *instance)
{
    const int64_t k = instance->options->model.neighbours, n = instance->data.n_items;
    return k > 0 ? k : n > 1 ? n - 1 : 1;
}

rk_status rk__declare_constant(rk_model_instance *instance, const char *name, int64_t rows,
                               int64_t cols, float *values)
{
    rk_parameter p = {.role = RK_CONSTANT, .rows = rows, .cols = cols, .constant = values};
    snprintf(p.name, sizeof p.name, "%s", name);
    return rk__model_add(instance, p);
}

rk_value rk__use_if_there(rk_program *p, const char *name)
{
    return rk__find_named(p, name) >= 0 ? rk__use_named(p, name) : RK_NONE;
}

static rk_status declare_means(rk_model_instance *instance)
{
    const rk_model_data *d = &instance->data;
    float *mean = NULL;
    RK_TRY(rk__alloc(&mean, d->n_items, sizeof *mean, "the means of items"));
    for (int64_t i = 0; i < d->n_items; i++) {
        mean[i] = (float)rk__graph_degree(d->graph, d->n_users + i) / (float)d->n_users;
    }
    return rk__declare_constant(instance, "item_means", d->n_items, 1, mean);
}

rk_status rk__declare_item_lists(rk_model_instance *instance)
{
    const rk_options *o = instance->options;
    const int64_t n = instance->data.n_items, k = rk__kept_neighbours(instance);
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
    return o->model.aggregate == RK_AGGREGATE_BARS ? declare_means(instance) : RK_OK;
}

void rk__make_item_lists(rk_program *p, rk_neighbour_lists_attr attr)
{
    rk_neighbour_lists lists =
        rk__neighbour_lists(p, rk__use_named(p, "neighbours"), rk__use_named(p, "similarities"),
                            rk__use_if_there(p, "item_means"), attr);
    rk__assign_named(p, "lists.offsets", lists.offsets);
    rk__assign_named(p, "lists.items", lists.columns);
    rk__assign_named(p, "lists.values", lists.values);
    rk__assign_named(p, "lists.bias", lists.bias);
}

void rk__finish_item_lists(const rk_model_instance *instance, rk_program *p)
{
    const int aggregate = instance->options->model.aggregate;
    const bool by_liked = aggregate == RK_AGGREGATE_LIKED || aggregate == RK_AGGREGATE_LIKED_L1;
    const rk_neighbour_lists_attr attr = {.transposed = !by_liked,
                                          .unit_sum = aggregate != RK_AGGREGATE_LIKED &&
                                                      aggregate != RK_AGGREGATE_TARGET};
    rk__make_item_lists(p, attr);
}

static rk_value score_with(const rk_model_instance *instance, rk_program *p, const rk_tile *tile,
                           rk_value bias)
{
    const rk_csr_values rows = {rk__use_named(p, "lists.offsets"), rk__use_named(p, "lists.items"),
                                rk__use_named(p, "lists.values")};
    return rk__score_lists(p, tile->lists, rows, bias, tile->count, 0, instance->data.n_items);
}

rk_value rk__score_item_lists(const rk_model_instance *instance, rk_program *p, const rk_tile *tile,
                              rk_value queries)
{
    (void)queries;
    bool has_bias = instance->options->model.aggregate == RK_AGGREGATE_BARS;
    return score_with(instance, p, tile, has_bias ? rk__use_named(p, "lists.bias") : RK_NONE);
}

rk_value rk__similar_item_lists(const rk_model_instance *instance, rk_program *p,
                                const rk_tile *tile, rk_value item_nodes)
{
    (void)item_nodes;
    return score_with(instance, p, tile, RK_NONE);
}
