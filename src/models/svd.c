/*
 * Biased matrix factorisation of ratings by gradients, what is called SVD since the Netflix prize
 * (Koren, Bell, Volinsky: Matrix factorization techniques for recommender systems, IEEE Computer
 * 2009): r = mean + b_u + b_i + <x_u, y_i>, fitted to the squared error (loss.kind mse) with
 * loss.l2 / 2 times the squares of the vectors and biases of a rating. The same model by least
 * squares is als with biases.
 */
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
    return rk__rating_check_steps(config);
}

static rk_status declare(rk_model_instance *instance)
{
    RK_TRY(rk__rating_declare_trained(instance, true));
    RK_TRY(rk__rating_declare_table(instance));
    return rk__rating_declare_mean(instance, batch_mean);
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
    .fold_equations = rk__rating_step_equations,
    .fold_table = "factors",
    .similar = rk__rating_similar,
    .score = rk__score_embeddings,
    .embeddings = "ratings",
    .scores_by_dot = true,
};
