/*
 * GF-CF (Shen, Wu, Zhang, Shan, Zhang, Letaief, Li: How powerful is graph convolution for
 * recommendation?, CIKM 2021): filters of the graph's signals in closed form. With R of users by
 * items, N = D_u^-1/2 R D_i^-1/2, and V the right singular vectors of N for its model.dim largest
 * singular values, a history x scores items by
 *     x D_i^-1/2 R^T D_u^-1 R D_i^-1/2  +  low_pass x D_i^-1/2 V V^T D_i^1/2,
 * a linear filter, x N^T N, and an ideal low-pass one.
 *
 * Neither is ever made as a matrix of items by items: the first goes from the items to the users
 * that have them and back, by the graph, the second by the model.dim columns of V.
 */
#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "models/models.h"

static const char *const phases[] = {"singular vectors"};
static const char *const to_users = "filter.users"; /* of an item's edges, by edge */
static const char *const item_scale = "filter.scale", *const item_gain = "filter.gain";
static const char *const filter_in = "filter.in", *const filter_out = "filter.out";

/* A constant f32 [n, 1]. */
static rk_status add_constant(rk_model_instance *instance, const char *name, int64_t n,
                              float *values)
{
    rk_parameter p = {.role = RK_CONSTANT, .rows = n, .cols = 1, .constant = values};
    snprintf(p.name, sizeof p.name, "%s", name);
    return rk__model_add(instance, p);
}

/* d_i^-1/2, and low_pass d_i^1/2; of items that nobody has both are 0. */
static rk_status declare_scales(rk_model_instance *instance)
{
    const rk_model_data *d = &instance->data;
    float *scale = NULL, *gain = NULL;
    RK_TRY(rk__alloc(&scale, d->n_items, sizeof *scale, "the scales of items"));
    for (int64_t i = 0; i < d->n_items; i++) {
        scale[i] = d->graph->scale[d->n_users + i];
    }
    RK_TRY(add_constant(instance, item_scale, d->n_items, scale));
    RK_TRY(rk__alloc(&gain, d->n_items, sizeof *gain, "the scales of items"));
    for (int64_t i = 0; i < d->n_items; i++) {
        gain[i] = (float)(instance->options->model.low_pass *
                          sqrt((double)rk__graph_degree(d->graph, d->n_users + i)));
    }
    return add_constant(instance, item_gain, d->n_items, gain);
}

/* D_i^-1/2 R^T D_u^-1 at the items' edges. */
static rk_status declare_edges(rk_model_instance *instance)
{
    const rk_graph *g = instance->data.graph;
    float *values = NULL;
    RK_TRY(rk__calloc(&values, 2 * g->n_edges, sizeof *values, "the weights of edges"));
    for (int64_t node = g->n_users; node < g->n_nodes; node++) {
        for (int64_t e = g->offsets[node]; e < g->offsets[node + 1]; e++) {
            const float user = g->scale[g->columns[e]];
            values[e] = g->scale[node] * user * user;
        }
    }
    return add_constant(instance, to_users, 2 * g->n_edges, values);
}

static rk_status declare(rk_model_instance *instance)
{
    const int64_t n = instance->data.n_items, k = instance->options->model.dim;
    RK_TRY(rk__declare_singular(instance));
    for (int i = 0; i < 2; i++) {
        rk_parameter table = {.rows = n, .cols = k, .role = RK_TABLE, .of = RK_ROWS_ITEMS};
        snprintf(table.name, sizeof table.name, "%s", i == 0 ? filter_in : filter_out);
        RK_TRY(rk__model_add(instance, table));
    }
    RK_TRY(rk__declare_singular_count(instance));
    RK_TRY(declare_scales(instance));
    return declare_edges(instance);
}

static void phase(const rk_model_instance *instance, rk_program *p, int number, rk_value state)
{
    (void)number;
    rk__singular_vectors(instance, p, rk__use_graph_rows(p), rk__use_named(p, "graph.scale"),
                         state);
}

static void finish(const rk_model_instance *instance, rk_program *p)
{
    (void)instance;
    rk_value v = rk__use_named(p, RK_SINGULAR_VECTORS);
    rk_value scale = rk__use_named(p, item_scale), gain = rk__use_named(p, item_gain);
    rk__assign_named(p, filter_in, rk__scale_rows(p, v, scale, RK_NONE, RK_NONE));
    rk__assign_named(p, filter_out, rk__scale_rows(p, v, gain, RK_NONE, RK_NONE));
}

static rk_value score(const rk_model_instance *instance, rk_program *p, const rk_tile *tile,
                      rk_value queries)
{
    (void)queries;
    const int64_t n_users = instance->data.n_users, n_items = instance->data.n_items;
    const rk_range_attr items = {n_users, n_items}, all = {0, n_items};
    const rk_csr_values rows = rk__use_graph_rows(p);
    rk_csr_values weighted = rows;
    weighted.values = rk__use_named(p, to_users);
    rk_value users =
        rk__score_lists(p, tile->lists, weighted, RK_NONE, tile->count, n_users, n_users);
    rk_value linear =
        rk__score_columns(p, users, rows, rk__use_named(p, item_scale), tile->count, items);
    rk_value signal = rk__sum_lists(p, rk__use_named(p, filter_in), tile->lists, 0, 0);
    rk_value low = rk__score_dot(p, signal, rk__use_named(p, filter_out), tile->count, all);
    return rk__add(p, linear, low, 1, 1);
}

/* The scores of somebody who has the item alone. */
static rk_value similar(const rk_model_instance *instance, rk_program *p, const rk_tile *tile,
                        rk_value item_nodes)
{
    (void)item_nodes;
    return score(instance, p, tile, RK_NONE);
}

const rk_model_kind rk__model_gf_cf = {
    .name = "gf_cf",
    .help = "a linear and an ideal low-pass filter of the graph (Shen et al., CIKM 2021)",
    .check_data = rk__check_singular,
    .declare = declare,
    .n_phases = 1,
    .phases = phases,
    .is_closed = true,
    .phase = phase,
    .failure = "the singular vectors were not found",
    .finish = finish,
    .score = score,
    .similar = similar,
    .reads_lists = true,
};
