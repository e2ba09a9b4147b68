/* What a network makes of the vectors of nodes for losses and for scoring. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "models/network.h"

static const char *const final = "final", *const of_users = "pair.users",
                         *const of_items = "pair.items", *const last = "pair.last";

static bool is_biased(const rk_options *o)
{
    return o->model.scorer == RK_SCORER_BIASED;
}

/* ---- checks ---- */

/* A score with biases is no cosine. */
static rk_status check_logits(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    const int kind = o->loss.kind;
    const bool is_cosine =
        o->loss.logits == RK_LOGITS_COSINE ||
        (o->loss.logits == RK_LOGITS_AUTO && (kind == RK_LOSS_SOFTMAX || kind == RK_LOSS_CCL));
    if (is_biased(o) && (is_cosine || kind == RK_LOSS_ALIGN_UNIFORM)) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s and %s, which take cosines: take loss.logits dot%s",
                rk__config_says(config, "model.scorer").text,
                rk__config_says(config, "loss.kind").text,
                rk__config_says(config, "loss.logits").text,
                kind == RK_LOSS_ALIGN_UNIFORM ? " and another loss" : "");
    }
    return RK_OK;
}

rk_status rk__network_check_scores(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    if (o->loss.kind == RK_LOSS_MSE && !is_biased(o)) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s: ratings are predicted with biases; take model.scorer "
                "biased",
                rk__config_says(config, "loss.kind").text,
                rk__config_says(config, "model.scorer").text);
    }
    RK_TRY(o->loss.kind == RK_LOSS_MSE ? rk__rating_check_negatives(config) : RK_OK);
    RK_TRY(o->model.scorer == RK_SCORER_FM ? rk__network_check_fields(config) : RK_OK);
    return check_logits(config);
}

unsigned rk__network_needs(const rk_options *o)
{
    return o->loss.kind == RK_LOSS_MSE ? rk__rating_needs(o) : 0;
}

rk_status rk__network_check_labels(const rk_options *o, const rk_model_data *data)
{
    return o->loss.kind == RK_LOSS_MSE ? rk__rating_check_data(o, data) : RK_OK;
}

/* ---- tensors ---- */

/* One number for users, one for items, 0 for other nodes. */
static rk_status declare_sides(rk_model_instance *m, const char *name, float users, float items)
{
    float *values = NULL;
    RK_TRY(rk__calloc(&values, m->n_nodes, sizeof *values, "the sides of nodes"));
    for (int64_t i = 0; i < m->data.n_users + m->data.n_items; i++) {
        values[i] = i < m->data.n_users ? users : items;
    }
    return rk__declare_constant(m, name, m->n_nodes, 1, values);
}

rk_status rk__network_declare_scores(rk_model_instance *m)
{
    const rk_options *o = m->options;
    const bool rates = o->loss.kind == RK_LOSS_MSE, is_fm = o->model.scorer == RK_SCORER_FM;
    rk_parameter table = {.rows = m->n_nodes,
                          .cols = rk__network_width(m) + (is_biased(o) ? 2 : 0),
                          .role = RK_TABLE};
    snprintf(table.name, sizeof table.name, "%s", final);
    RK_TRY(is_fm ? rk__fm_declare_weights(m) : RK_OK);
    RK_TRY(is_fm ? rk__fm_declare_bias(m) : RK_OK);
    RK_TRY(rk__model_add(m, table));
    RK_TRY(is_fm ? rk__fm_declare_tables(m) : RK_OK);
    if (!is_biased(o)) {
        return RK_OK;
    }
    RK_TRY(declare_sides(m, of_users, 1, 0));
    RK_TRY(declare_sides(m, of_items, 0, 1));
    return declare_sides(m, last, 1, rates ? (float)rk__rating_mean(m) : 0);
}

/* ---- rows whose products are scores ---- */

/* Of all nodes, of their vectors x. biased: users [x, b, 1], items [x, 1, mean + b]. */
static rk_value pair_rows(const rk_model_instance *m, rk_program *p, rk_value x)
{
    const rk_options *o = m->options;
    if (o->model.scorer == RK_SCORER_COSINE) {
        return rk__unit_rows(p, x, RK_NONE);
    }
    if (!is_biased(o)) {
        return x;
    }
    rk_value b = rk__network_biases(p);
    rk_value users = rk__use_named(p, of_users), items = rk__use_named(p, of_items);
    rk_value columns[3] = {x};
    columns[1] = rk__add(p, rk__scale_rows(p, b, users, RK_NONE, RK_NONE), items, 1, 1);
    columns[2] =
        rk__add(p, rk__scale_rows(p, b, items, RK_NONE, RK_NONE), rk__use_named(p, last), 1, 1);
    return rk__join_columns(p, columns, 3);
}

/* Of a tile's people, of their vectors x; their biases are in the table. */
static rk_value pair_rows_of_people(const rk_model_instance *m, rk_program *p, const rk_tile *tile,
                                    rk_value x)
{
    const rk_options *o = m->options;
    if (o->model.scorer == RK_SCORER_COSINE) {
        return rk__unit_rows(p, x, RK_NONE);
    }
    if (!is_biased(o)) {
        return x;
    }
    rk_value own = rk__take_rows(p, rk__use_named(p, final), tile->users);
    const rk_value columns[3] = {x, rk__take_columns(p, own, rk__network_width(m), 1), tile->ones};
    return rk__join_columns(p, columns, 3);
}

/* ---- members of the kinds ---- */

rk_encoded rk__network_encode(const rk_model_instance *m, rk_program *p, rk_graph_values graph,
                              const rk_value *values, rk_value state)
{
    (void)graph, (void)values;
    rk_value input = rk__network_input(p);
    rk_value x = rk__network_nodes(m, p, input, state, false);
    return (rk_encoded){pair_rows(m, p, x), input, {RK_NONE, RK_NONE}};
}

rk_scored rk__network_scores(const rk_model_instance *m, rk_program *p, const rk_value *values,
                             const rk_batch_values *b)
{
    const rk_slots_attr users = {b->batch, false}, items = {b->batch, true};
    const rk_encoded e = rk__network_encode(m, p, rk__use_graph(p), values, b->state);
    rk_value rows = rk__gather_rows(p, e.final, b->rows);
    return (rk_scored){rk__slot_scores(p, rk__gather_slots(p, rows, b->rows, users),
                                       rk__gather_slots(p, rows, b->rows, items)),
                       rk__gather_rows(p, e.ego, b->rows)};
}

void rk__network_finish(const rk_model_instance *m, rk_program *p)
{
    const bool folds = rk__network_folds(m->model, m->options);
    rk_value x = rk__network_nodes(m, p, rk__network_input(p), RK_NONE, folds);
    rk__assign_named(p, final, pair_rows(m, p, x));
}

rk_value rk__network_fold_in(const rk_model_instance *m, rk_program *p, const rk_tile *tile)
{
    rk_tile counted = *tile;
    if (m->model->rates) { /* weights of lists are ratings, and each counts 1: 2 sigmoid(0) */
        rk_value zeros = rk__add(p, tile->lists.weights, tile->lists.weights, 0, 0);
        rk_value halves = rk__activate(p, zeros, (rk_activate_attr){.kind = RK_ACTIVATION_SIGMOID});
        counted.lists.weights = rk__add(p, halves, halves, 1, 1);
    }
    return pair_rows_of_people(m, p, tile, rk__network_fold(m, p, &counted));
}

/* Cosines of the vectors without biases. */
rk_value rk__network_similar(const rk_model_instance *m, rk_program *p, const rk_tile *tile,
                             rk_value item_nodes)
{
    const rk_range_attr items = {0, m->data.n_items};
    const int64_t width = rk__network_width(m);
    rk_value table = rk__use_named(p, final);
    rk_value asking = rk__take_columns(p, rk__take_rows(p, table, tile->users), 0, width);
    rk_value asked = rk__take_columns(p, rk__take_rows(p, table, item_nodes), 0, width);
    return rk__score_dot(p, rk__unit_rows(p, asking, RK_NONE), rk__unit_rows(p, asked, RK_NONE),
                         tile->count, items);
}
