/*
 * EASE (Steck: Embarrassingly shallow autoencoders for sparse data, WWW 2019): scores x B, where B
 * with a diagonal of zeros minimises |X - X B|^2 + l2 |B|^2. With P = (X^T X + l2 I)^-1 it is
 *     B_ij = -P_ij / P_jj,  i != j.
 *
 * Only a matrix of the smaller side is inverted. Where there are fewer users than items, that is
 * K = X X^T + l2 I, and P = (I - X^T K^-1 X) / l2 is never made. With z a row over users,
 *     x P = z X                      z = row u of K^-1, for the train row x of user u
 *     x P = (x - z X) / l2           z = (x X^T) K^-1, for anybody
 *     scores = x - (x P)_i / P_ii
 * and P_ii is computed once. Saved is the matrix that scoring goes by, B or K^-1.
 */
#include <stdio.h>

#include "models/models.h"

enum { NORMAL_L2 = 100 };

enum { GRAM, INVERSE, WEIGHTS, N_PHASES };
static const char *const phases[N_PHASES] = {"Gram matrix", "inverse", "weights"};

static double l2_of(const rk_options *o)
{
    return o->model.l2 < 0 ? NORMAL_L2 : o->model.l2;
}

static bool by_users(const rk_model_instance *instance)
{
    return instance->data.n_users < instance->data.n_items;
}

static rk_range_attr users_of(const rk_model_instance *instance)
{
    return (rk_range_attr){0, instance->data.n_users};
}

static rk_range_attr items_of(const rk_model_instance *instance)
{
    return (rk_range_attr){instance->data.n_users, instance->data.n_items};
}

/* Through the users P_ii comes of a sum that is 1 - l2 P_ii, where l2 P_ii may be as small as
 * l2 / (n_i + l2): floats have few digits of it left then. */
enum { MOST_COUNT = 10000 }; /* of interactions of an item for each 1 of l2 */

static rk_status check_digits(const rk_options *o, const rk_model_data *d)
{
    int64_t most = 0;
    for (int64_t i = 0; i < d->n_items; i++) {
        int64_t count = rk__graph_degree(d->graph, d->n_users + i);
        most = count > most ? count : most;
    }
    if (d->n_users < d->n_items && (double)most > MOST_COUNT * l2_of(o)) {
        RK_FAIL(RK_ERR_CONFIG,
                "model.l2 is %g, but an item has %lld train interactions: with fewer users than "
                "items the weights would be lost in rounding; set model.l2 to %g or more",
                l2_of(o), (long long)most, (double)most / MOST_COUNT);
    }
    return RK_OK;
}

/* Without l2 the items' Gram matrix has to be regular by itself. */
static rk_status check_data(const rk_options *o, const rk_model_data *d)
{
    if (l2_of(o) > 0) {
        return check_digits(o, d);
    }
    if (d->n_users < d->n_items) {
        RK_FAIL(RK_ERR_CONFIG,
                "model.l2 is 0, but there are fewer users (%lld) than items (%lld), so the Gram "
                "matrix of the items is singular: set model.l2 above 0, e.g. %d",
                (long long)d->n_users, (long long)d->n_items, NORMAL_L2);
    }
    for (int64_t i = 0; i < d->n_items; i++) {
        if (rk__graph_degree(d->graph, d->n_users + i) == 0) {
            RK_FAIL(RK_ERR_CONFIG,
                    "model.l2 is 0, but some items have no train interaction, so the Gram matrix "
                    "of the items is singular: set model.l2 above 0, e.g. %d",
                    NORMAL_L2);
        }
    }
    return RK_OK;
}

static rk_status declare(rk_model_instance *instance)
{
    const int64_t n_users = instance->data.n_users, n_items = instance->data.n_items;
    const int64_t n = by_users(instance) ? n_users : n_items;
    const char *name = by_users(instance) ? "ease.users" : "ease.items";
    rk_parameter matrix = {.rows = n,
                           .cols = n,
                           .role = RK_COMPUTED,
                           .of = by_users(instance) ? RK_ROWS_USERS : RK_ROWS_ITEMS};
    snprintf(matrix.name, sizeof matrix.name, "%s", name);
    RK_TRY(rk__model_add(instance, matrix));
    if (!by_users(instance)) {
        return RK_OK;
    }
    return rk__model_add(
        instance,
        (rk_parameter){.name = "ease.factor", .rows = n_items, .cols = 1, .role = RK_COMPUTED});
}

static void phase(const rk_model_instance *instance, rk_program *p, int number, rk_value state)
{
    const double l2 = l2_of(instance->options);
    const rk_csr_values graph = rk__use_graph_rows(p);
    bool dual = by_users(instance);
    rk_value matrix = rk__use_named(p, dual ? "ease.users" : "ease.items");
    if (number == GRAM) {
        rk__count_gram(p, graph, dual ? users_of(instance) : items_of(instance), l2, matrix);
    } else if (number == INVERSE) {
        rk__spd_inverse(p, matrix, state);
    } else if (dual) {
        rk__assign_named(p, "ease.factor",
                         rk__ease_factor(p, graph, matrix, items_of(instance), l2));
    } else {
        rk__ease_weights(p, matrix);
    }
}

/* Of known users, through the users: their rows of K^-1. */
static rk_value query(const rk_model_instance *instance, rk_program *p, const rk_tile *tile)
{
    return by_users(instance) ? rk__take_rows(p, rk__use_named(p, "ease.users"), tile->users)
                              : RK_NONE;
}

static rk_value fold_in(const rk_model_instance *instance, rk_program *p, const rk_tile *tile)
{
    if (!by_users(instance)) {
        return RK_NONE;
    }
    const int64_t n_users = instance->data.n_users;
    rk_value common = rk__score_lists(p, tile->lists, rk__use_graph_rows(p), RK_NONE, tile->count,
                                      n_users, n_users);
    return rk__score_dot(p, common, rk__use_named(p, "ease.users"), tile->count,
                         users_of(instance));
}

static rk_value score(const rk_model_instance *instance, rk_program *p, const rk_tile *tile,
                      rk_value queries)
{
    if (!by_users(instance)) {
        return rk__score_dense(p, tile->lists, rk__use_named(p, "ease.items"), tile->count);
    }
    const double l2 = l2_of(instance->options);
    rk_value factor = rk__use_named(p, "ease.factor"); /* -1 / P_ii */
    rk_value scores = rk__score_columns(p, queries, rk__use_graph_rows(p), factor, tile->count,
                                        items_of(instance));
    if (!tile->is_folded) {
        return rk__add_lists(p, scores, tile->lists, RK_NONE, 1, 0);
    }
    /* scores = factor * zX; wanted: x + factor * (x - zX) / l2 */
    const float scale = (float)(-1 / l2);
    scores = rk__combine(p, &scores, &scale, 1);
    return rk__add_lists(p, scores, tile->lists, factor, 1, 1 / l2);
}

/* The weights of an item are the scores of somebody who has it alone. */
static rk_value similar(const rk_model_instance *instance, rk_program *p, const rk_tile *tile,
                        rk_value item_nodes)
{
    (void)item_nodes;
    return score(instance, p, tile, fold_in(instance, p, tile));
}

const rk_model_kind rk__model_ease = {
    .name = "ease",
    .help = "EASE (Steck, WWW 2019): item-item weights by least squares, in closed form through "
            "the smaller side",
    .check = rk__check_l2,
    .check_data = check_data,
    .declare = declare,
    .n_phases = N_PHASES,
    .phases = phases,
    .is_closed = true,
    .phase = phase,
    .failure = "the regularised Gram matrix is not positive definite; set a larger model.l2",
    .query = query,
    .fold_in = fold_in,
    .score = score,
    .similar = similar,
    .reads_lists = true,
};
