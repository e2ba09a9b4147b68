/*
 * Turbo-CF (Park, Yoo, Shin: Turbo-CF, matrix decomposition-free graph filtering for fast
 * recommendation, SIGIR 2024): scores x F, a polynomial low-pass filter of the item graph
 *     P = (R~^T R~)^(power by elements),   R~_ui = n_u^-alpha n_i^(alpha - 1) where u has i,
 *     F = P,   2 P - P^2,   or P + 0.01 (-P^3 + 10 P^2 - 29 P)   for filter_order 1, 2, 3.
 *
 * With power 1 a product by P is two products with the sparse R, and nothing of items x items is
 * made. With another one the elements themselves are needed: of each row of P the model.neighbours
 * largest are kept, the diagonal among them.
 */
#include <math.h>

#include "base/alloc.h"
#include "models/models.h"
#include "ops/similar_value.h"

enum { MOST_ORDER = 3, NORMAL_NEIGHBOURS = 100 };
/* Of P, P^2, P^3 by order. */
static const float filters[MOST_ORDER][MOST_ORDER] = {
    {1, 0, 0}, {2, -1, 0}, {1 - 0.29f, 0.1f, -0.01f}};

static const char *const phases[] = {"filter"};

static bool is_sparse(const rk_options *o)
{
    return o->model.filter_power == 1;
}

static rk_status check(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    if (is_sparse(o) && o->model.neighbours != NORMAL_NEIGHBOURS) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s: the filter is applied as a whole then, and nothing looks at it; "
                "remove it, or take another model.filter_power",
                rk__config_says(config, "model.neighbours").text,
                rk__config_says(config, "model.filter_power").text);
    }
    return RK_OK;
}

static rk_status check_data(const rk_options *o, const rk_model_data *data)
{
    return is_sparse(o) ? RK_OK : rk__check_neighbours(o, data);
}

/* n^power, 0 of nobody's. */
static double power_of(const rk_graph *graph, int64_t node, double power)
{
    int64_t n = rk__graph_degree(graph, node);
    return n > 0 ? pow((double)n, power) : 0;
}

/* n_i^(alpha - 1) n_u^(-2 alpha) at both ends of an edge: what a product by P multiplies, but for
 * the factor of the item that is reached. */
static rk_status declare_edges(rk_model_instance *instance)
{
    const rk_graph *g = instance->data.graph;
    const double alpha = instance->options->model.filter_alpha;
    float *values = NULL, *of_node = NULL;
    RK_TRY(rk__alloc(&of_node, g->n_nodes, sizeof *of_node, "weights of edges"));
    rk_status status = rk__alloc(&values, 2 * g->n_edges, sizeof *values, "weights of edges");
    if (status == RK_OK) {
        for (int64_t n = 0; n < g->n_nodes; n++) {
            of_node[n] = (float)power_of(g, n, n < g->n_users ? -2 * alpha : alpha - 1);
        }
        for (int64_t n = 0; n < g->n_nodes; n++) {
            for (int64_t e = g->offsets[n]; e < g->offsets[n + 1]; e++) {
                values[e] = of_node[n] * of_node[g->columns[e]];
            }
        }
        status = rk__declare_constant(instance, "filter.edges", 2 * g->n_edges, 1, values);
    }
    rk__free(of_node);
    return status;
}

/* The factors of rk__item_neighbours: both of an item are n_i^(alpha - 1). */
static rk_status declare_factors(rk_model_instance *instance)
{
    const rk_model_data *d = &instance->data;
    const double alpha = instance->options->model.filter_alpha;
    float *users = NULL, *items = NULL;
    RK_TRY(rk__alloc(&users, d->n_users, sizeof *users, "weights of users"));
    for (int64_t u = 0; u < d->n_users; u++) {
        users[u] = (float)power_of(d->graph, u, -2 * alpha);
    }
    RK_TRY(rk__declare_constant(instance, "filter.users", d->n_users, 1, users));
    RK_TRY(rk__alloc(&items, 2 * d->n_items, sizeof *items, "weights of items"));
    for (int64_t i = 0; i < 2 * d->n_items; i++) {
        items[i] = (float)power_of(d->graph, d->n_users + i / 2, alpha - 1);
    }
    return rk__declare_constant(instance, "filter.items", d->n_items, 2, items);
}

static rk_status declare(rk_model_instance *instance)
{
    if (is_sparse(instance->options)) {
        RK_TRY(rk__model_add(instance, (rk_parameter){.name = "filter.items",
                                                      .rows = instance->data.n_items,
                                                      .cols = 1,
                                                      .role = RK_COMPUTED,
                                                      .of = RK_ROWS_ITEMS}));
        return declare_edges(instance);
    }
    RK_TRY(rk__declare_item_lists(instance));
    return declare_factors(instance);
}

static void phase(const rk_model_instance *instance, rk_program *p, int number, rk_value state)
{
    (void)number, (void)state;
    const rk_options *o = instance->options;
    const rk_range_attr items = {instance->data.n_users, instance->data.n_items};
    if (is_sparse(o)) {
        rk__assign_named(
            p, "filter.items",
            rk__row_powers(p, rk__use_graph_rows(p), items, 0, o->model.filter_alpha - 1));
        return;
    }
    const rk_similar_attr attr = {.kind = RK_SIMILAR_WALK,
                                  .k = (int32_t)o->model.neighbours,
                                  .alpha = o->model.filter_power,
                                  .with_self = true,
                                  .n_users = instance->data.n_users,
                                  .n_items = instance->data.n_items};
    rk__item_neighbours(p, rk__use_graph_rows(p), rk__use_named(p, "filter.users"),
                        rk__use_named(p, "filter.items"), attr, rk__use_named(p, "neighbours"),
                        rk__use_named(p, "similarities"));
}

static void finish(const rk_model_instance *instance, rk_program *p)
{
    if (!is_sparse(instance->options)) {
        rk__make_item_lists(p, (rk_neighbour_lists_attr){0});
    }
}

/* Of a tile of people's numbers [T,U], which the edges' weights are in, those of items. */
static rk_value to_items(const rk_model_instance *instance, rk_program *p, const rk_tile *tile,
                         rk_value users)
{
    const rk_range_attr items = {instance->data.n_users, instance->data.n_items};
    return rk__score_columns(p, users, rk__use_graph_rows(p), rk__use_named(p, "filter.items"),
                             tile->count, items);
}

/* x P of the lists. */
static rk_value first_product(const rk_model_instance *instance, rk_program *p, const rk_tile *tile)
{
    const int64_t n_users = instance->data.n_users;
    if (!is_sparse(instance->options)) {
        return rk__score_item_lists(instance, p, tile, RK_NONE);
    }
    rk_csr_values rows = rk__use_graph_rows(p);
    rows.values = rk__use_named(p, "filter.edges");
    return to_items(instance, p, tile,
                    rk__score_lists(p, tile->lists, rows, RK_NONE, tile->count, n_users, n_users));
}

/* y P of a tile [T,I]; P is symmetric, so the kept elements of its rows do for columns. */
static rk_value next_product(const rk_model_instance *instance, rk_program *p, const rk_tile *tile,
                             rk_value y)
{
    const int64_t n_users = instance->data.n_users, n_items = instance->data.n_items;
    if (!is_sparse(instance->options)) {
        const rk_csr_values lists = {rk__use_named(p, "lists.offsets"),
                                     rk__use_named(p, "lists.items"),
                                     rk__use_named(p, "lists.values")};
        return rk__score_columns(p, y, lists, RK_NONE, tile->count, (rk_range_attr){0, n_items});
    }
    rk_csr_values rows = rk__use_graph_rows(p);
    rows.values = rk__use_named(p, "filter.edges");
    const rk_rows_attr users = {0, n_users, n_users};
    return to_items(instance, p, tile,
                    rk__score_columns_at(p, y, rows, RK_NONE, tile->count, users));
}

static rk_value score(const rk_model_instance *instance, rk_program *p, const rk_tile *tile,
                      rk_value queries)
{
    (void)queries;
    const int order = (int)instance->options->model.filter_order;
    rk_value products[MOST_ORDER] = {first_product(instance, p, tile)};
    for (int i = 1; i < order; i++) {
        products[i] = next_product(instance, p, tile, products[i - 1]);
    }
    return order == 1 ? products[0] : rk__combine(p, products, filters[order - 1], order);
}

static rk_value similar(const rk_model_instance *instance, rk_program *p, const rk_tile *tile,
                        rk_value item_nodes)
{
    (void)item_nodes;
    return score(instance, p, tile, RK_NONE);
}

const rk_model_kind rk__model_turbo_cf = {
    .name = "turbo_cf",
    .help =
        "Turbo-CF (Park et al., SIGIR 2024): a polynomial filter of the graph of items, without "
        "training",
    .check = check,
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
