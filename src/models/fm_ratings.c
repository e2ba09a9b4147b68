/*
 * The factorisation machine of fm.c fitted to ratings (loss.kind mse): b is the mean rating of
 * train, and what was learnt of users and items is the `factors` of ratings.c, [v, w] side by side,
 * so that without fields it is svd. With fields the rows of users become
 *   [v_u + sum_c v_c, mean + w_u + sum_c w_c + the products of every two of these vectors, 1],
 * c the values of the fields. Somebody new is solved for as in ratings.c, which knows nothing of
 * the fields of what they rated.
 */
#include <stdio.h>

#include "models/models.h"

static const char *const context = "context", *const context_weight = "context_weight",
                         *const batch_mean = "batch_mean";

static rk_status check(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    RK_TRY(rk__rating_check_steps(config));
    if (o->n_fields > 0 && o->data.repeats == RK_REPEATS_KEEP) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s: a pair has one rating, whose row says its fields: take "
                "data.repeats merge",
                rk__config_says(config, "data.repeats").text,
                rk__config_says(config, "loss.kind").text);
    }
    return rk__fm_check_fields(config);
}

/* ---- tensors ---- */

static rk_status declare(rk_model_instance *m)
{
    const int n_fields = rk__model_fields(&m->data);
    RK_TRY(rk__rating_declare_trained(m, true));
    RK_TRY(n_fields > 0 ? rk__fm_declare_contexts(m, true) : RK_OK);
    RK_TRY(rk__rating_declare_table(m));
    return rk__rating_declare_mean(m, batch_mean);
}

/* ---- scores ---- */

/* The rows of people [n, d + 2] with what their contexts add; vectors [n F,d], weights [n F,1]. */
static rk_value with_contexts(const rk_model_instance *m, rk_program *p, rk_value x, rk_value own,
                              rk_value vectors, rk_value weights, rk_value ones)
{
    const int64_t n_fields = rk__model_fields(&m->data);
    rk_value q = rk__add(p, x, rk__sum_groups(p, vectors, n_fields), 1, 1);
    rk_value squares =
        rk__add(p, rk__slot_scores(p, x, x),
                rk__sum_groups(p, rk__slot_scores(p, vectors, vectors), n_fields), 1, 1);
    rk_value products = rk__add(p, rk__slot_scores(p, q, q), squares, 0.5f, -0.5f);
    const rk_value common[] = {own, rk__sum_groups(p, weights, n_fields), products};
    const rk_value columns[] = {q, rk__combine(p, common, (const float[]){1, 1, 1}, 3), ones};
    return rk__join_columns(p, columns, ones == RK_NONE ? 2 : 3);
}

static rk_value dropped(const rk_model_instance *m, rk_program *p, rk_value x, rk_value state,
                        int32_t layer)
{
    return rk__dropout(p, x, state, (rk_dropout_attr){m->options->model.dropout, layer});
}

static rk_scored scores(const rk_model_instance *m, rk_program *p, const rk_value *values,
                        const rk_batch_values *b)
{
    enum { FACTORS, CONTEXT, CONTEXT_WEIGHT };
    const int64_t dim = m->options->model.dim, n_fields = rk__model_fields(&m->data);
    const rk_slots_attr users = {b->batch, false}, items = {b->batch, true};
    rk_value rows = rk__gather_rows(p, values[FACTORS], b->rows);
    rk_value user = rk__gather_slots(p, rows, b->rows, users);
    rk_value item = rk__gather_slots(p, rows, b->rows, items);
    rk_value q = dropped(m, p, rk__take_columns(p, user, 0, dim), b->state, 0);
    rk_value v = dropped(m, p, rk__take_columns(p, item, 0, dim), b->state, 1);
    rk_value own = rk__take_columns(p, user, dim, 1);
    if (n_fields > 0) {
        const rk_slots_attr all = {b->batch * n_fields, false};
        rk_row_set set = rk__unique_rows(p, b->fields, m->data.contexts->first[n_fields]);
        rk_value c = rk__gather_slots(p, rk__gather_rows(p, values[CONTEXT], set), set, all);
        rk_value w = rk__gather_slots(p, rk__gather_rows(p, values[CONTEXT_WEIGHT], set), set, all);
        rk_value x = with_contexts(m, p, q, own, dropped(m, p, c, b->state, 2), w, RK_NONE);
        q = rk__take_columns(p, x, 0, dim);
        own = rk__take_columns(p, x, dim, 1);
    }
    const rk_value sum[] = {rk__slot_scores(p, q, v), own, rk__take_columns(p, item, dim, 1),
                            rk__use_named(p, batch_mean)};
    return (rk_scored){rk__combine(p, sum, (const float[]){1, 1, 1, 1}, 4), rows};
}

/* ---- scoring ---- */

/* Of rows [T, d + 2] of people as rk__rating_rows makes them. */
static rk_value query_of(const rk_model_instance *m, rk_program *p, const rk_tile *tile,
                         rk_value people)
{
    const int64_t dim = m->options->model.dim;
    if (rk__model_fields(&m->data) == 0) {
        return people;
    }
    return with_contexts(
        m, p, rk__take_columns(p, people, 0, dim), rk__take_columns(p, people, dim, 1),
        rk__take_rows(p, rk__use_named(p, context), tile->fields),
        rk__take_rows(p, rk__use_named(p, context_weight), tile->fields), tile->ones);
}

static rk_value query(const rk_model_instance *m, rk_program *p, const rk_tile *tile)
{
    return query_of(m, p, tile, rk__take_rows(p, rk__use_named(p, "ratings"), tile->users));
}

static rk_value fold_in(const rk_model_instance *m, rk_program *p, const rk_tile *tile)
{
    return query_of(m, p, tile, rk__rating_fold_in(m, p, tile));
}

static rk_value score(const rk_model_instance *m, rk_program *p, const rk_tile *tile,
                      rk_value queries)
{
    const rk_range_attr items = {m->data.n_users, m->data.n_items};
    return rk__score_dot(p, queries, rk__use_named(p, "ratings"), tile->count, items);
}

const rk_model_kind rk__model_fm_ratings = {
    .name = "fm",
    .help = "factorisation machine of ratings (Rendle 2010)",
    .rates = true,
    .needs = rk__rating_needs,
    .check = check,
    .check_data = rk__rating_check_data,
    .declare = declare,
    .scores = scores,
    .finish = rk__rating_finish,
    .query = query,
    .fold_in = fold_in,
    .fold_equations = rk__rating_step_equations,
    .fold_table = "factors",
    .similar = rk__rating_similar,
    .score = score,
    .scores_by_dot = true,
    .reads_fields = true,
};
