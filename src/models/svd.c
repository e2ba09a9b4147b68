/*
 * Biased matrix factorisation of ratings by gradients, what is called SVD since the Netflix prize
 * (Koren, Bell, Volinsky: Matrix factorization techniques for recommender systems, IEEE Computer
 * 2009): r = mean + b_u + b_i + <x_u, y_i>, fitted to the squared error (loss.kind mse) with
 * loss.l2 / 2 times the squares of the vectors and biases of a rating. The same model by least
 * squares is als with biases.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "models/models.h"

static const char *const batch_mean = "batch_mean";

static rk_status check(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    if (o->loss.kind != RK_LOSS_MSE) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s, which predicts ratings: take loss.kind mse",
                rk__config_says(config, "loss.kind").text,
                rk__config_says(config, "model.kind").text);
    }
    if (o->loss.l2 == 0) {
        RK_FAIL(
            RK_ERR_CONFIG,
            "%s: the equations of somebody with fewer ratings than model.dim are singular; take "
            "more, e.g. 0.1",
            rk__config_says(config, "loss.l2").text);
    }
    if (o->sampling.negatives != RK_NEGATIVES_UNIFORM || o->sampling.per_positive != 1) {
        const bool is_kind = o->sampling.negatives != RK_NEGATIVES_UNIFORM;
        RK_FAIL(
            RK_ERR_CONFIG, "%s, but %s, and ratings have no negatives: remove it",
            rk__config_says(config, is_kind ? "sampling.negatives" : "sampling.per_positive").text,
            rk__config_says(config, "loss.kind").text);
    }
    return RK_OK;
}

/* The mean beside every score of a batch. */
static rk_status declare(rk_model_instance *instance)
{
    rk_parameter mean = {.rows = instance->options->train.batch, .cols = 1, .role = RK_CONSTANT};
    const float value = (float)rk__rating_mean(instance);
    float *values = NULL;
    snprintf(mean.name, sizeof mean.name, "%s", batch_mean);
    RK_TRY(rk__rating_declare(instance, true, false));
    RK_TRY(rk__alloc(&values, mean.rows, sizeof *values, "the mean rating"));
    for (int64_t i = 0; i < mean.rows; i++) {
        values[i] = value;
    }
    mean.constant = values;
    return rk__model_add(instance, mean);
}

static rk_scored scores(const rk_model_instance *instance, rk_program *p, const rk_value *values,
                        const rk_batch_values *b)
{
    const int64_t dim = instance->options->model.dim;
    rk_value rows = rk__gather_rows(p, values[0], b->rows);
    rk_value user = rk__gather_slots(p, rows, b->rows, (rk_slots_attr){.batch = b->batch});
    rk_value item =
        rk__gather_slots(p, rows, b->rows, (rk_slots_attr){.batch = b->batch, .of_items = true});
    rk_value product =
        rk__slot_scores(p, rk__take_columns(p, user, 0, dim), rk__take_columns(p, item, 0, dim));
    const rk_value sum[] = {product, rk__take_columns(p, user, dim, 1),
                            rk__take_columns(p, item, dim, 1), rk__use_named(p, batch_mean)};
    return (rk_scored){rk__combine(p, sum, (const float[]){1, 1, 1, 1}, 4), rows};
}

/* What the gradients of one user alone would come to rest at. */
static rk_als_attr fold_equations(const rk_model_instance *instance)
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

const rk_model_kind rk__model_svd = {
    .name = "svd",
    .help = "ratings by biased matrix factorisation, by gradients (Koren et al. 2009)",
    .rates = true,
    .needs = rk__rating_needs,
    .check = check,
    .check_data = rk__rating_check_data,
    .declare = declare,
    .scores = scores,
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
