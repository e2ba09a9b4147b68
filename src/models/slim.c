/*
 * SLIM (Ning, Karypis: SLIM, sparse linear methods for top-N recommender systems, ICDM 2011):
 * scores x W, where column j of W with a diagonal of zeros minimises
 *     1/2 |x_j - X w|^2 + l2/2 |w|^2 + l1 |w|_1,   w >= 0 unless model.negative_weights,
 * an elastic net by coordinate descent. The model.neighbours largest weights of each j are kept:
 * each candidate looks for those that speak for it, so the lists are those of item_lists.c with the
 * sides of model.aggregate target. model.penalty_per_user: |x_j - X w|^2 is divided by the users.
 */
#include "models/models.h"

enum { NORMAL_L2 = 100 };

static const char *const phases[] = {"coordinate descent"};

static void phase(const rk_model_instance *instance, rk_program *p, int number, rk_value state)
{
    (void)number, (void)state;
    const rk_options *o = instance->options;
    const double scale = o->model.penalty_per_user ? (double)instance->data.n_users : 1;
    const rk_slim_attr attr = {.l1 = scale * o->model.l1,
                               .l2 = scale * (o->model.l2 < 0 ? NORMAL_L2 : o->model.l2),
                               .tolerance = o->model.tolerance,
                               .passes = o->model.passes,
                               .has_negative = o->model.negative_weights,
                               .k = (int32_t)rk__kept_neighbours(instance),
                               .n_users = instance->data.n_users,
                               .n_items = instance->data.n_items};
    rk__slim_columns(p, rk__use_graph_rows(p), attr, rk__use_named(p, "neighbours"),
                     rk__use_named(p, "similarities"), rk__use_named(p, "stopped"));
}

static rk_status check(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    if (o->model.penalty_per_user && o->model.l2 < 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s, which is for the sum over users: set model.l2, e.g. 0.1",
                rk__config_says(config, "model.penalty_per_user").text,
                rk__config_says(config, "model.l2").text);
    }
    return rk__check_l2(config);
}

static rk_status check_data(const rk_options *o, const rk_model_data *data)
{
    return o->model.neighbours == 0 ? RK_OK : rk__check_neighbours(o, data);
}

static rk_status declare(rk_model_instance *instance)
{
    const rk_parameter stopped = {.name = "stopped",
                                  .dtype = RK_I32,
                                  .rows = instance->data.n_items,
                                  .cols = 1,
                                  .role = RK_COMPUTED,
                                  .of = RK_ROWS_ITEMS};
    RK_TRY(rk__model_add(instance, stopped));
    return rk__declare_item_lists(instance);
}

static void finish(const rk_model_instance *instance, rk_program *p)
{
    (void)instance;
    rk__make_item_lists(p, (rk_neighbour_lists_attr){.transposed = true});
}

const rk_model_kind rk__model_slim = {
    .name = "slim",
    .help = "SLIM (Ning, Karypis, ICDM 2011): sparse item-item weights, an elastic net for each "
            "item by coordinate descent",
    .check = check,
    .check_data = check_data,
    .declare = declare,
    .n_phases = 1,
    .phases = phases,
    .is_closed = true,
    .unfinished = "stopped",
    .unfinished_help = "coordinate descent was stopped by model.passes before it had reached "
                       "model.tolerance: more passes would change the weights",
    .phase = phase,
    .finish = finish,
    .score = rk__score_item_lists,
    .similar = rk__similar_item_lists,
    .reads_lists = true,
};
