/*
 * Alternating least squares of ratings with weighted regularisation (ALS-WR: Zhou, Wilkinson,
 * Schreiber, Pan: Large-scale parallel collaborative filtering for the Netflix prize, AAIM 2008).
 * A sweep solves for all users with the items held fixed, then for all items; a user of n ratings
 * minimises
 *   sum over them (r - mean - b_u - b_i - <x_u, y_i>)^2 + l2 n |x_u|^2 + bias_l2 b_u^2,
 * factors and bias together, and an item likewise: the biased matrix factorisation of Koren, Bell,
 * Volinsky (IEEE Computer 2009). Without biases it is r - <x_u, y_i>, as the paper has it.
 */
#include <stddef.h>

#include "models/models.h"

static const char *const phases[] = {"users", "items"};
static const double normal_l2 = 0.15, normal_bias_l2 = 5;

static double l2_of(const rk_options *o)
{
    return o->model.l2 < 0 ? normal_l2 : o->model.l2;
}

static rk_status check(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    RK_TRY(rk__check_l2(config));
    if (o->model.init == RK_INIT_NORMAL && o->model.init_sd == 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s: sweeps that begin with factors of 0 stay there; take more",
                rk__config_says(config, "model.init_sd").text);
    }
    if (!o->model.biases && o->model.bias_l2 != normal_bias_l2) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: there is no bias to regularise; remove it",
                rk__config_says(config, "model.bias_l2").text,
                rk__config_says(config, "model.biases").text);
    }
    if (l2_of(o) == 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s: the equations of users with fewer ratings than model.dim are singular; take "
                "more, e.g. 0.15",
                rk__config_says(config, "model.l2").text);
    }
    return RK_OK;
}

static rk_status declare(rk_model_instance *instance)
{
    RK_TRY(rk__rating_declare_trained(instance, instance->options->model.biases));
    RK_TRY(rk__model_add_edge_values(instance, rk__rating_values));
    return rk__rating_declare_table(instance);
}

/* Of rows [first, first + n). */
static rk_als_attr equations(const rk_model_instance *instance, int64_t first, int64_t n)
{
    const rk_options *o = instance->options;
    return (rk_als_attr){.first = first,
                         .n = n,
                         .is_rating = true,
                         .l2 = l2_of(o),
                         .has_bias = o->model.biases,
                         .mean = o->model.biases ? rk__rating_mean(instance) : 0,
                         .bias_l2_constant = o->model.biases ? o->model.bias_l2 : 0};
}

static void phase(const rk_model_instance *instance, rk_program *p, int number, rk_value state)
{
    const int64_t n_users = instance->data.n_users, n_items = instance->data.n_items;
    rk_als_attr attr =
        number == 0 ? equations(instance, 0, n_users) : equations(instance, n_users, n_items);
    rk_csr_values rows = rk__use_graph_rows(p);
    rows.values = rk__use_named(p, rk__rating_values);
    attr.cg_steps = instance->options->model.solver == RK_SOLVER_CG
                        ? (int32_t)instance->options->model.cg_steps
                        : 0;
    rk__als_sweep(p, rows, rk__use_named(p, "factors"), RK_NONE, state, attr);
}

static rk_als_attr fold_equations(const rk_model_instance *instance)
{
    return equations(instance, instance->data.n_users, instance->data.n_items);
}

const rk_model_kind rk__model_als = {
    .name = "als",
    .help = "ratings by alternating least squares, with or without biases (Zhou et al. 2008)",
    .rates = true,
    .needs = rk__rating_needs,
    .check = check,
    .check_data = rk__rating_check_data,
    .declare = declare,
    .n_phases = 2,
    .phases = phases,
    .phase = phase,
    .failure = "a row's equations have no solution in floats; set a larger model.l2",
    .finish = rk__rating_finish,
    .query = rk__query_embeddings,
    .fold_in = rk__rating_fold_in,
    .fold_equations = fold_equations,
    .fold_table = "factors",
    .similar = rk__rating_similar,
    .score = rk__score_embeddings,
    .embeddings = "ratings",
    .scores_by_dot = true,
};
