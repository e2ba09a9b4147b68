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

#include "base/alloc.h"
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

rk_status rk__rating_declare_trained(rk_model_instance *instance, bool has_bias)
{
    const rk_options *o = instance->options;
    const int64_t n_users = instance->data.n_users, n_nodes = n_users + instance->data.n_items;
    rk_parameter rows = {.rows = n_nodes,
                         .cols = o->model.dim + has_bias,
                         .init = o->model.init,
                         .init_sd = o->model.init_sd,
                         .block_end = {n_users, n_nodes}};
    snprintf(rows.name, sizeof rows.name, "%s", factors);
    return rk__model_add(instance, rows);
}

rk_status rk__rating_declare_table(rk_model_instance *instance)
{
    rk_parameter table = {.name = "ratings",
                          .role = RK_TABLE,
                          .rows = instance->data.n_users + instance->data.n_items,
                          .cols = instance->options->model.dim + 2};
    return rk__model_add(instance, table);
}

rk_status rk__rating_declare_mean(rk_model_instance *instance, const char *name)
{
    const int64_t n = instance->options->train.batch;
    const float mean = (float)rk__rating_mean(instance);
    float *values = NULL;
    RK_TRY(rk__alloc(&values, n, sizeof *values, "the mean rating"));
    for (int64_t i = 0; i < n; i++) {
        values[i] = mean;
    }
    return rk__declare_constant(instance, name, n, 1, values);
}

rk_status rk__rating_check_steps(const rk_config *config)
{
    if (rk__config_options(config)->loss.l2 == 0) {
        RK_FAIL(
            RK_ERR_CONFIG,
            "%s: the equations of somebody with fewer ratings than model.dim are singular; take "
            "more, e.g. 0.1",
            rk__config_says(config, "loss.l2").text);
    }
    return rk__rating_check_negatives(config);
}

rk_status rk__rating_check_negatives(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    if (o->sampling.negatives != RK_NEGATIVES_UNIFORM || o->sampling.per_positive != 1) {
        const bool is_kind = o->sampling.negatives != RK_NEGATIVES_UNIFORM;
        RK_FAIL(
            RK_ERR_CONFIG, "%s, but %s, and ratings have no negatives: remove it",
            rk__config_says(config, is_kind ? "sampling.negatives" : "sampling.per_positive").text,
            rk__config_says(config, "loss.kind").text);
    }
    return RK_OK;
}

rk_als_attr rk__rating_step_equations(const rk_model_instance *instance)
{
    const double l2 = 0.5 * instance->options->loss.l2;
    return (rk_als_attr){.first = instance->data.n_users,
                         .n = instance->data.n_items,
                         .is_rating = true,
                         .has_bias = true,
                         .mean = rk__rating_mean(instance),
                         .l2 = l2,
                         .bias_l2 = l2};
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
