/*
 * Factorisation machine (Rendle: Factorization machines, ICDM 2010) over the fields user, item and
 * those of data.fields that model.fields names:
 *   y = b + sum_f w_f + sum_{f < g} <v_f, v_g>,
 * w_f and v_f those of the value that field f has. With q the sum of the vectors of all fields but
 * the item i it is <q, v_i> + w_i and what all items have in common, so the ranking for somebody in
 * some context is that of a dot product of [q, 1, common] with [v_i, w_i, 1].
 *
 * Losses that only compare items (bpr, hinge, softmax) cannot learn what is common to all: then
 * there is neither b nor the weights of contexts, and scores are without them. model.dropout is on
 * the vectors: of the items one by one, of what they are held against once a triplet. Of ratings:
 * fm_ratings.c; of the vectors of a graph network: network_fm.c.
 */
#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "models/models.h"

static const char *const embedding = "embedding", *const weight = "weight",
                         *const context = "context", *const context_weight = "context_weight",
                         *const bias = "bias", *const candidate = "candidate", *const ones = "ones",
                         *const batch_ones = "batch_ones";

/* The loss is of the score itself, not only of what it is against others. */
bool rk__fm_is_pointwise(const rk_options *o)
{
    return o->loss.kind == RK_LOSS_BCE;
}

rk_status rk__fm_check_fields(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    bool *chosen = NULL;
    int n = 0;
    RK_TRY(rk__alloc(&chosen, o->n_fields, sizeof *chosen, "fields"));
    rk_status status = rk__contexts_choose(o, chosen, &n);
    rk__free(chosen);
    return status;
}

/* ---- tensors ---- */

/* Where scores begin: at the mean of what they are to be. */
static double first_bias(const rk_options *o)
{
    return o->loss.kind == RK_LOSS_BCE ? -log((double)o->sampling.per_positive) : 0;
}

static rk_status add_ones(rk_model_instance *m, const char *name, int64_t rows, int64_t cols)
{
    rk_parameter p = {.rows = rows, .cols = cols, .role = RK_CONSTANT};
    float *values = NULL;
    snprintf(p.name, sizeof p.name, "%s", name);
    RK_TRY(rk__alloc(&values, rows * cols, sizeof *values, "a table of ones"));
    for (int64_t i = 0; i < rows * cols; i++) {
        values[i] = 1;
    }
    p.constant = values;
    return rk__model_add(m, p);
}

rk_status rk__fm_declare_contexts(rk_model_instance *m, bool has_weights)
{
    const rk_options *o = m->options;
    const int64_t n_contexts = m->data.contexts->first[rk__model_fields(&m->data)];
    rk_parameter contexts = {.name = "context",
                             .of = RK_ROWS_CONTEXTS,
                             .rows = n_contexts,
                             .cols = o->model.dim,
                             .init = o->model.init,
                             .init_sd = o->model.init_sd,
                             .block_end = {n_contexts, n_contexts}};
    rk_parameter weights = {.name = "context_weight",
                            .of = RK_ROWS_CONTEXTS,
                            .rows = n_contexts,
                            .cols = 1,
                            .init = RK_INIT_CONSTANT,
                            .block_end = {n_contexts, n_contexts}};
    RK_TRY(rk__model_add(m, contexts));
    return has_weights ? rk__model_add(m, weights) : RK_OK;
}

rk_status rk__fm_declare_weights(rk_model_instance *m)
{
    rk_parameter weights = {.name = "weight",
                            .rows = m->n_nodes,
                            .cols = 1,
                            .init = RK_INIT_CONSTANT,
                            .block_end = {m->data.n_users, m->n_nodes}};
    return rk__model_add(m, weights);
}

rk_status rk__fm_declare_bias(rk_model_instance *m)
{
    rk_parameter first = {.name = "bias",
                          .rows = 1,
                          .cols = 1,
                          .init = RK_INIT_CONSTANT,
                          .init_sd = first_bias(m->options),
                          .block_end = {1, 1}};
    return rk__fm_is_pointwise(m->options) ? rk__model_add(m, first) : RK_OK;
}

rk_status rk__fm_declare_tables(rk_model_instance *m)
{
    const rk_options *o = m->options;
    rk_parameter candidates = {.name = "candidate",
                               .rows = m->n_nodes,
                               .cols = o->model.dim + 1 + rk__fm_is_pointwise(o),
                               .role = RK_TABLE};
    RK_TRY(rk__model_add(m, candidates));
    if (!rk__fm_is_pointwise(o)) {
        return RK_OK;
    }
    const int64_t n_items = 1 + o->sampling.per_positive;
    RK_TRY(add_ones(m, ones, m->n_nodes, 1));
    return add_ones(m, batch_ones, o->train.batch, n_items);
}

static rk_status declare(rk_model_instance *m)
{
    RK_TRY(rk__declare_factors(m, embedding));
    RK_TRY(rk__fm_declare_weights(m));
    RK_TRY(rk__model_fields(&m->data) > 0
               ? rk__fm_declare_contexts(m, rk__fm_is_pointwise(m->options))
               : RK_OK);
    RK_TRY(rk__fm_declare_bias(m));
    return rk__fm_declare_tables(m);
}

/* ---- scores ---- */

/* The vectors of the fields of some rows but the item's, and what is common to all items. */
typedef struct parts {
    int64_t n;        /* rows */
    int n_fields;     /* data.fields that are read */
    rk_value user;    /* [n,d] */
    rk_value fields;  /* [n F,d], or RK_NONE */
    rk_value weights; /* [n,1], the sum of the w; RK_NONE where nothing common is wanted */
} parts;

/* q */
static rk_value sum_vectors(rk_program *p, const parts *x)
{
    return x->n_fields == 0 ? x->user
                            : rk__add(p, x->user, rk__sum_groups(p, x->fields, x->n_fields), 1, 1);
}

/* [n,1]: the weights and the products of every two of the vectors,
 * (|sum of v|^2 - sum of |v|^2) / 2. */
static rk_value common(rk_program *p, const parts *x, rk_value q)
{
    if (x->n_fields == 0) {
        return x->weights;
    }
    rk_value own = rk__slot_scores(p, x->user, x->user);
    rk_value of_fields = rk__sum_groups(p, rk__slot_scores(p, x->fields, x->fields), x->n_fields);
    rk_value squares = rk__add(p, own, of_fields, 1, 1);
    rk_value products = rk__add(p, rk__slot_scores(p, q, q), squares, 0.5f, -0.5f);
    return rk__add(p, x->weights, products, 1, 1);
}

static rk_value dropped(const rk_model_instance *m, rk_program *p, rk_value x, rk_value state,
                        int32_t layer)
{
    return rk__dropout(p, x, state, (rk_dropout_attr){m->options->model.dropout, layer});
}

rk_value rk__fm_scores(const rk_model_instance *m, rk_program *p, const rk_fm_tables *t, rk_value x,
                       const rk_batch_values *b)
{
    const bool has_common = rk__fm_is_pointwise(m->options);
    const rk_slots_attr users = {b->batch, false}, items = {b->batch, true};
    const rk_slots_attr all = {b->batch * rk__model_fields(&m->data), false};
    const int64_t n_items = 1 + b->n_candidates;
    const int32_t layer = t->first_layer;
    rk_value w = rk__gather_rows(p, t->weights, b->rows);
    parts of = {.n = b->batch, .n_fields = rk__model_fields(&m->data), .weights = RK_NONE};
    of.user = dropped(m, p, rk__gather_slots(p, x, b->rows, users), b->state, layer);
    if (has_common) {
        of.weights = rk__gather_slots(p, w, b->rows, users);
    }
    if (of.n_fields > 0) {
        const int64_t n = p->status == RK_OK ? p->tensors[t->contexts].rows : 1;
        rk_row_set rows = rk__unique_rows(p, b->fields, n);
        rk_value c = rk__gather_rows(p, t->contexts, rows);
        of.fields = dropped(m, p, rk__gather_slots(p, c, rows, all), b->state, layer + 2);
        if (has_common) {
            rk_value v = rk__gather_rows(p, t->context_weights, rows);
            v = rk__sum_groups(p, rk__gather_slots(p, v, rows, all), of.n_fields);
            of.weights = rk__add(p, of.weights, v, 1, 1);
        }
    }
    rk_value q = sum_vectors(p, &of);
    rk_value vectors = dropped(m, p, rk__gather_slots(p, x, b->rows, items), b->state, layer + 1);
    rk_value y = rk__slot_scores(p, q, vectors);
    y = rk__add(p, y, rk__reshape(p, rk__gather_slots(p, w, b->rows, items), n_items), 1, 1);
    if (has_common) {
        rk_value own = rk__repeat_rows(p, common(p, &of, q), n_items);
        rk_value one = rk__use_named(p, batch_ones);
        y = rk__add(p, y, rk__reshape(p, own, n_items), 1, 1);
        y = rk__add(p, y, rk__mix(p, t->bias, &one, 1), 1, 1);
    }
    return y;
}

static rk_fm_tables tables(const rk_model_instance *m, rk_program *p)
{
    const bool has_fields = rk__model_fields(&m->data) > 0;
    const bool has_common = rk__fm_is_pointwise(m->options);
    return (rk_fm_tables){.nodes = rk__use_named(p, embedding),
                          .weights = rk__use_named(p, weight),
                          .contexts = has_fields ? rk__use_named(p, context) : RK_NONE,
                          .context_weights =
                              has_fields && has_common ? rk__use_named(p, context_weight) : RK_NONE,
                          .bias = has_common ? rk__use_named(p, bias) : RK_NONE};
}

static rk_scored scores(const rk_model_instance *m, rk_program *p, const rk_value *values,
                        const rk_batch_values *b)
{
    (void)values;
    const rk_fm_tables t = tables(m, p);
    rk_value x = rk__gather_rows(p, t.nodes, b->rows);
    return (rk_scored){.scores = rk__fm_scores(m, p, &t, x, b), .ego = x};
}

/* ---- ranking ---- */

void rk__fm_assign_candidates(const rk_model_instance *m, rk_program *p, const rk_fm_tables *t)
{
    const bool has_common = rk__fm_is_pointwise(m->options);
    rk_value columns[3] = {t->nodes, t->weights};
    if (has_common) {
        columns[2] = rk__use_named(p, ones);
    }
    rk__assign_named(p, candidate, rk__join_columns(p, columns, 2 + has_common));
}

static void finish(const rk_model_instance *m, rk_program *p)
{
    const rk_fm_tables t = tables(m, p);
    rk__fm_assign_candidates(m, p, &t);
}

rk_value rk__fm_query(const rk_model_instance *m, rk_program *p, const rk_fm_tables *t,
                      const rk_tile *tile, rk_value people)
{
    const bool has_common = rk__fm_is_pointwise(m->options);
    parts of = {.n_fields = rk__model_fields(&m->data), .user = people, .weights = RK_NONE};
    if (of.n_fields > 0) {
        of.fields = rk__take_rows(p, t->contexts, tile->fields);
    }
    rk_value q = sum_vectors(p, &of);
    rk_value columns[3] = {q, tile->ones};
    if (has_common) {
        of.weights = rk__add(p, rk__take_rows(p, t->weights, tile->users),
                             rk__mix(p, t->bias, &tile->ones, 1), 1, 1);
        if (of.n_fields > 0) {
            rk_value v = rk__take_rows(p, t->context_weights, tile->fields);
            of.weights = rk__add(p, of.weights, rk__sum_groups(p, v, of.n_fields), 1, 1);
        }
        columns[2] = common(p, &of, q);
    }
    return rk__join_columns(p, columns, 2 + has_common);
}

static rk_value query(const rk_model_instance *m, rk_program *p, const rk_tile *tile)
{
    const rk_fm_tables t = tables(m, p);
    return rk__fm_query(m, p, &t, tile, rk__take_rows(p, t.nodes, tile->users));
}

static rk_fold_sum fold_sum(const rk_model_instance *m)
{
    (void)m;
    return (rk_fold_sum){"embedding", 0.5};
}

static rk_value fold_in(const rk_model_instance *m, rk_program *p, const rk_tile *tile)
{
    const rk_fm_tables t = tables(m, p);
    return rk__fm_query(m, p, &t, tile, rk__fold_by_sum(m, p, tile));
}

rk_value rk__fm_score(const rk_model_instance *m, rk_program *p, const rk_tile *tile,
                      rk_value queries)
{
    const rk_range_attr items = {m->data.n_users, m->data.n_items};
    return rk__score_dot(p, queries, rk__use_named(p, candidate), tile->count, items);
}

static rk_value similar(const rk_model_instance *m, rk_program *p, const rk_tile *tile,
                        rk_value item_nodes)
{
    return rk__similar_rows(m, p, tile, item_nodes, embedding);
}

/* With squared distances the same score is fitted to ratings. */
static const rk_model_kind *form(const rk_model_kind *self, const rk_options *options)
{
    return options->loss.kind == RK_LOSS_MSE ? &rk__model_fm_ratings : self;
}

const rk_model_kind rk__model_fm = {
    .name = "fm",
    .help = "factorisation machine over user, item and fields of rows (Rendle 2010)",
    .form = form,
    .check = rk__fm_check_fields,
    .declare = declare,
    .scores = scores,
    .finish = finish,
    .query = query,
    .fold_in = fold_in,
    .fold_sum = fold_sum,
    .similar = similar,
    .score = rk__fm_score,
    .scores_by_dot = true,
    .reads_fields = true,
};
