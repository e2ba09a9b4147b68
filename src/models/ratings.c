/*
 * What models of ratings share. A rating of user u and item i is predicted as
 *   mean + b_u + b_i + <x_u, y_i>
 * or without biases as <x_u, y_i>. Both are products of rows: `factors` holds [x, b], and finish
 * makes the table `ratings` of it (rk__rating_rows), in which people and items of whom nothing was
 * learnt have what is left of the sum, without biases the mean. Somebody new is solved for with the
 * items held fixed, as a sweep of least squares would.
 */
#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "models/models.h"

const char *const rk__rating_values = "edge.values";
static const char *const factors = "factors";

double rk__rating_mean(const rk_model_instance *instance)
{
    const float *values = instance->data.train_values;
    const int64_t n = instance->data.graph->n_edges;
    double sum = 0;
    for (int64_t e = 0; e < n; e++) {
        sum += (double)values[e];
    }
    return n > 0 ? sum / (double)n : 0;
}

unsigned rk__rating_needs(const rk_options *options)
{
    (void)options;
    return RK_NEEDS_VALUES;
}

rk_status rk__rating_check_data(const rk_options *options, const rk_model_data *d)
{
    const char *name = rk__model_of(options)->name;
    const int64_t n = d->graph->n_edges;
    int64_t e = 1;
    while (e < n && d->train_values[e] == d->train_values[0]) {
        e++;
    }
    if (e >= n) {
        RK_FAIL(RK_ERR_DATA,
                "model.kind %s predicts ratings, but all %lld values of train are %g: there is "
                "nothing to learn; name the column of the ratings in the key 'value' of "
                "data.sources, or take a model of interactions, e.g. ials",
                name, (long long)n, n > 0 ? (double)d->train_values[0] : 0);
    }
    return RK_OK;
}

rk_status rk__rating_declare(rk_model_instance *instance, bool has_bias, bool keeps_values)
{
    const rk_options *o = instance->options;
    const int64_t n_users = instance->data.n_users, n_nodes = n_users + instance->data.n_items;
    rk_parameter rows = {.rows = n_nodes,
                         .cols = o->model.dim + has_bias,
                         .init = o->model.init,
                         .init_sd = o->model.init_sd,
                         .block_end = {n_users, n_nodes}};
    rk_parameter table = {.role = RK_TABLE, .rows = n_nodes, .cols = o->model.dim + 2};
    snprintf(rows.name, sizeof rows.name, "%s", factors);
    snprintf(table.name, sizeof table.name, "ratings");
    RK_TRY(rk__model_add(instance, rows));
    if (keeps_values) {
        RK_TRY(rk__model_add_edge_values(instance, rk__rating_values));
    }
    return rk__model_add(instance, table);
}

static rk_rating_attr attr_of(const rk_model_instance *instance, int64_t n_users)
{
    return (rk_rating_attr){.n_users = n_users,
                            .mean = rk__rating_mean(instance),
                            .has_bias = instance->model->fold_equations(instance).has_bias};
}

void rk__rating_finish(const rk_model_instance *instance, rk_program *p)
{
    const rk_rating_attr attr = attr_of(instance, instance->data.n_users);
    rk__assign_named(
        p, "ratings",
        rk__rating_rows(p, rk__use_named(p, "graph.offsets"), rk__use_named(p, factors), attr));
}

rk_value rk__rating_fold_in(const rk_model_instance *instance, rk_program *p, const rk_tile *tile)
{
    rk_value rows = rk__als_fold(p, tile->lists, rk__use_named(p, factors), RK_NONE,
                                 instance->model->fold_equations(instance));
    return rk__rating_rows(p, tile->lists.offsets, rows, attr_of(instance, INT32_MAX));
}

rk_value rk__rating_similar(const rk_model_instance *instance, rk_program *p, const rk_tile *tile,
                            rk_value item_nodes)
{
    const rk_range_attr items = {0, instance->data.n_items};
    rk_rating_attr attr = attr_of(instance, instance->data.n_users);
    attr.is_plain = true;
    rk_value table =
        rk__rating_rows(p, rk__use_named(p, "graph.offsets"), rk__use_named(p, factors), attr);
    rk_value queries = rk__unit_rows(p, rk__take_rows(p, table, tile->users), RK_NONE);
    rk_value unit = rk__unit_rows(p, rk__take_rows(p, table, item_nodes), RK_NONE);
    return rk__score_dot(p, queries, unit, tile->count, items);
}
