/*
 * MBGCN (Jin, Gao, He, Jin, Li: Multi-behavior recommendation with graph convolutional networks,
 * SIGIR 2020), as the authors' program has it (https://github.com/tsinghua-fib-lab/MBGCN).
 *
 * Behaviours t are model.relations and, last, the interactions; R_t is their matrix of users by
 * items, n_t the numbers of items of users, D the degrees. With tables P of users and Q of items
 *   near_t = D_u^-1 R_t Q,                   the mean of what users have,
 *   p' = (sum_t w_t n_t near_t) / (sum_t w_t n_t) W,    w_t trained,
 *   q' = R^T P W,                            of the interactions, a sum,
 *   s_t = D_i^-1 R_t^T near_t W_t,           items at a random step to a user and back,
 *   score = [p, p'] [q, q'] + lambda / T sum_t (D_u^-1 R_t [Q, s_t]) M_t [Q, s_t].
 * All of it is one product of wider vectors. The graphs of items that the authors took for s_t were
 * never released; a step there and back is what they say of them.
 *
 * With model.residual M_t is 1 plus what is trained, zeros at first: an item is like itself from
 * the beginning, so that it counts which behaviours of somebody it is in.
 *
 * With train.message_share the interactions that the loss looks at in an epoch are left out of R_t
 * of the last behaviour, and D is counted anew. They stay in the other behaviours, as held-out
 * interactions do.
 *
 * In a table of all nodes, sums over items are rows of users and zero elsewhere, and the other way
 * round: blocks have rows of users and columns of items.
 */
#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "models/behaviours.h"
#include "models/joined.h"
#include "models/models.h"
#include "models/relations.h"

/* Parameters in the order of their declaration; of behaviour t two are behind them. */
enum { EMBEDDING, SHARES, WEIGHTS, ITEM_WEIGHTS, OF_BEHAVIOUR = 2 };
enum { MOST_PARAMETERS = ITEM_WEIGHTS + OF_BEHAVIOUR * RK_MOST_BEHAVIOURS };

static int behaviours(const rk_model_instance *m)
{
    return 1 + (int)rk__relations_count(m->options);
}

static int64_t width(const rk_model_instance *m)
{
    return 2 * m->options->model.dim * (1 + behaviours(m));
}

static void name_of(char out[RK_NAME_LENGTH], int behaviour, const char *part)
{
    snprintf(out, RK_NAME_LENGTH, "behaviour.%d%s%s", behaviour + 1, part[0] ? "." : "", part);
}

/* ---- tensors ---- */

/* [n,n], zeros or, as the authors: normal, with the variance of Glorot and Bengio. */
static rk_status declare_matrix(rk_model_instance *m, const char *name, int64_t n, bool is_zero)
{
    rk_parameter p = {.rows = n,
                      .cols = n,
                      .init = is_zero ? RK_INIT_CONSTANT : RK_INIT_NORMAL,
                      .init_sd = is_zero ? 0 : 1 / sqrt((double)n),
                      .block_end = {n, n}};
    snprintf(p.name, sizeof p.name, "%s", name);
    return rk__model_add(m, p);
}

static rk_status declare_parameters(rk_model_instance *m)
{
    const int n = behaviours(m);
    const int64_t d = m->options->model.dim;
    char name[RK_NAME_LENGTH];
    rk_parameter shares = {.name = "shares",
                           .rows = 1,
                           .cols = n,
                           .init = RK_INIT_CONSTANT,
                           .init_sd = 1,
                           .block_end = {1, 1}};
    RK_TRY(rk__declare_factors(m, "embedding"));
    RK_TRY(rk__model_add(m, shares));
    RK_TRY(declare_matrix(m, "weights", d, false));
    for (int t = 0; t < n; t++) {
        name_of(name, t, "item_weights");
        RK_TRY(declare_matrix(m, name, d, false));
        name_of(name, t, "score_weights");
        RK_TRY(declare_matrix(m, name, 2 * d, m->options->model.residual));
    }
    return RK_OK;
}

static rk_status declare_constant(rk_model_instance *m, const char *name, int64_t rows,
                                  int64_t cols, float **out)
{
    *out = NULL;
    RK_TRY(rk__calloc(out, rows * cols, sizeof **out, "constants of a model"));
    return rk__declare_constant(m, name, rows, cols, *out);
}

/* A behaviour's block; 1 / the degrees of its users and, apart, of its items; its column of
 * counts. */
static rk_status declare_behaviour(rk_model_instance *m, int t, const int64_t *offsets,
                                   const int32_t *columns, int64_t first, float *counts)
{
    const int64_t n_users = m->data.n_users, n = m->n_nodes;
    char name[RK_NAME_LENGTH];
    float *of_users = NULL, *of_items = NULL;
    rk_block block = {0};
    RK_TRY(rk__block_of_lists(&block, n, n_users, offsets, columns, first));
    for (int64_t u = 0; u < n_users; u++) {
        counts[u * behaviours(m) + t] = (float)(offsets[u + 1] - offsets[u]);
    }
    name_of(name, t, "of_users");
    rk_status status = declare_constant(m, name, n, 1, &of_users);
    for (int64_t u = 0; u < n_users && status == RK_OK; u++) {
        const int64_t degree = block.offsets[u + 1] - block.offsets[u];
        of_users[u] = degree > 0 ? (float)(1.0 / (double)degree) : 0;
    }
    name_of(name, t, "of_items");
    status = status == RK_OK ? declare_constant(m, name, n, 1, &of_items) : status;
    for (int64_t i = n_users; i < n && status == RK_OK; i++) {
        const int64_t degree = block.back_offsets[i + 1] - block.back_offsets[i];
        of_items[i] = degree > 0 ? (float)(1.0 / (double)degree) : 0;
    }
    if (status == RK_OK) {
        name_of(name, t, "");
        status = rk__model_add_block(m, name, &block);
    }
    rk__block_free(&block);
    return status;
}

static rk_status declare_behaviours(rk_model_instance *m)
{
    const rk_graph *g = m->data.graph;
    rk_model_relations relations = {0};
    float *counts = NULL;
    RK_TRY(declare_constant(m, "counts", m->n_nodes, behaviours(m), &counts));
    RK_TRY(rk__relations_init(&relations, m->options, &m->data));
    rk_status status = RK_OK;
    for (int t = 0; t < relations.n && status == RK_OK; t++) {
        const rk_relation *r = relations.v[t].of;
        status = declare_behaviour(m, t, r->offsets, r->columns, m->data.n_users, counts);
    }
    if (status == RK_OK) { /* columns of the graph are nodes */
        status = declare_behaviour(m, relations.n, g->offsets, g->columns, 0, counts);
    }
    rk__relations_free(&relations);
    return status;
}

static rk_status declare(rk_model_instance *m)
{
    const int64_t d = m->options->model.dim;
    float *ones = NULL, *of_l2 = NULL;
    rk_parameter table = {.rows = m->n_nodes, .cols = width(m), .role = RK_TABLE};
    RK_TRY(declare_parameters(m));
    snprintf(table.name, sizeof table.name, "final");
    RK_TRY(rk__model_add(m, table));
    snprintf(table.name, sizeof table.name, "fold");
    RK_TRY(rk__model_add(m, table));
    RK_TRY(declare_constant(m, "ones", 1, d, &ones));
    for (int64_t i = 0; i < d; i++) {
        ones[i] = 1;
    }
    RK_TRY(declare_constant(m, "of_l2", m->n_nodes, 1, &of_l2));
    for (int64_t i = 0; i < m->n_nodes; i++) {
        of_l2[i] = i < m->data.n_users ? sqrtf(2) : 1;
    }
    RK_TRY(rk__declare_side(m, "is_item", false));
    RK_TRY(rk__know_behaviours(m));
    return declare_behaviours(m);
}

/* ---- the program ---- */

/* What is computed of a behaviour; tables of all nodes, of which users or items have rows. */
typedef struct behaviour {
    rk_block_values block;
    rk_value of_users, of_items; /* 1 / degree */
    rk_value messages;           /* 1 of the edges that are there in this epoch, or RK_NONE */
    rk_value mask;               /* the same without those left out in this step */
    rk_value near;               /* [N,d] */
    rk_value items;              /* [N,2d]: [Q, s_t] */
    rk_value near_items;         /* [N,2d]: the mean of those, times M_t */
} behaviour;

static rk_value mean_of(rk_program *p, const behaviour *b, rk_value x, rk_value mask)
{
    const rk_aggregate_inputs in = {.weights = mask,
                                    .types = RK_NONE,
                                    .coefficients = RK_NONE,
                                    .z = RK_NONE,
                                    .row_scale = b->of_users,
                                    .column_scale = RK_NONE};
    return rk__aggregate(p, b->block, x, in, (rk_aggregate_attr){.transposed = false});
}

/* The sum over an item's users, over their number if `scale` says so. */
static rk_value back_of(rk_program *p, const behaviour *b, rk_value x, rk_value mask,
                        rk_value scale)
{
    const rk_aggregate_inputs in = {.weights = mask,
                                    .types = RK_NONE,
                                    .coefficients = RK_NONE,
                                    .z = RK_NONE,
                                    .row_scale = scale,
                                    .column_scale = RK_NONE};
    return rk__aggregate(p, b->block, x, in, (rk_aggregate_attr){.transposed = true});
}

static rk_value mask_of(const rk_model_instance *m, rk_program *p, const behaviour *b,
                        rk_value state, int stream)
{
    const double share = m->options->model.edge_dropout;
    const rk_mask_attr attr = {
        .share = share, .kept = (float)(1 / (1 - share)), .stream = stream, .each_step = true};
    if (share == 0 || state == RK_NONE) {
        return b->messages;
    }
    rk_value mask = rk__edge_mask(p, b->block, state, attr);
    return b->messages == RK_NONE ? mask : rk__multiply(p, b->messages, mask);
}

/* The messages of an epoch, and the degrees that nodes have by them. */
static void hide_targets(const rk_model_instance *m, rk_program *p, rk_value state, behaviour *b)
{
    b->messages = rk__model_messages(m, p, b->block, state);
    if (b->messages != RK_NONE) {
        b->of_users = rk__block_degrees(p, b->block, b->messages, (rk_degrees_attr){.power = -1});
        b->of_items = rk__block_degrees(p, b->block, b->messages,
                                        (rk_degrees_attr){.transposed = true, .power = -1});
    }
}

static rk_value use(rk_program *p, int t, const char *part)
{
    char name[RK_NAME_LENGTH];
    name_of(name, t, part);
    return rk__use_named(p, name);
}

/* x M_t, `trained` being M_t or with model.residual M_t - 1. */
static rk_value scored_by(const rk_model_instance *m, rk_program *p, rk_value x, rk_value trained)
{
    rk_value y = rk__gemm(p, x, trained, RK_NONE);
    return m->options->model.residual ? rk__add(p, y, x, 1, 1) : y;
}

/* q: the embeddings of items, zero at users. */
static behaviour behaviour_of(const rk_model_instance *m, rk_program *p, int t,
                              const rk_value *values, rk_value q, rk_value state)
{
    char name[RK_NAME_LENGTH];
    name_of(name, t, "");
    behaviour b = {.block = rk__use_block(p, name),
                   .of_users = use(p, t, "of_users"),
                   .of_items = use(p, t, "of_items"),
                   .messages = RK_NONE};
    const rk_value x = values[EMBEDDING];
    const rk_value *own = values + ITEM_WEIGHTS + OF_BEHAVIOUR * t;
    if (t == behaviours(m) - 1) {
        hide_targets(m, p, state, &b);
    }
    b.mask = mask_of(m, p, &b, state, t);
    /* Nothing is dropped of the graph of items. */
    rk_value near = mean_of(p, &b, x, b.messages);
    rk_value step = rk__gemm(p, back_of(p, &b, near, b.messages, b.of_items), own[0], RK_NONE);
    b.near = b.mask == b.messages ? near : mean_of(p, &b, x, b.mask);
    b.items = rk__join_columns(p, (const rk_value[]){q, step}, 2);
    rk_value both[] = {b.near, mean_of(p, &b, step, b.mask)};
    b.near_items = scored_by(m, p, rk__join_columns(p, both, 2), own[1]);
    return b;
}

/* p' and q' before W: [N,d]. */
static rk_value neighbours(const rk_model_instance *m, rk_program *p, const behaviour *all,
                           const rk_value *values, rk_value state)
{
    const int n = behaviours(m);
    const rk_value counts = rk__use_named(p, "counts");
    rk_value sums[RK_MOST_BEHAVIOURS];
    for (int t = 0; t < n; t++) {
        const rk_value count = rk__take_columns(p, counts, t, 1);
        sums[t] = rk__scale_rows(p, all[t].near, count, RK_NONE, RK_NONE);
    }
    const rk_gemm_attr transposed = {.alpha = 1, .transposed_w = true};
    rk_value total = rk__gemm_of(p, counts, values[SHARES], RK_NONE, RK_NONE, transposed);
    total = rk__gemm(p, total, rk__use_named(p, "ones"), RK_NONE);
    rk_value of_users = rk__ratio(p, rk__mix(p, values[SHARES], sums, n), total);
    const behaviour *target = &all[n - 1];
    rk_value mask = mask_of(m, p, target, state, n);
    rk_value of_items = back_of(p, target, values[EMBEDDING], mask, RK_NONE);
    /* A sum of all that an item has, by those of its users who are left. */
    const double share = target->messages == RK_NONE ? 1 : m->options->train.message_share;
    return rk__add(p, of_users, of_items, 1, (float)(1 / share));
}

static void behaviours_of(const rk_model_instance *m, rk_program *p, const rk_value *values,
                          rk_value state, behaviour *out)
{
    const rk_value is_item = rk__use_named(p, "is_item");
    const rk_value q = rk__scale_rows(p, values[EMBEDDING], is_item, RK_NONE, RK_NONE);
    for (int t = 0; t < behaviours(m); t++) {
        out[t] = behaviour_of(m, p, t, values, q, state);
    }
}

static float share_of(const rk_model_instance *m)
{
    return (float)(m->options->model.item_score / (double)behaviours(m));
}

/* [N,w], and *out_own [N,2d]: [p, p'] and [q, q']. */
static rk_value final_of(const rk_model_instance *m, rk_program *p, const rk_value *values,
                         const behaviour *all, rk_value state, rk_value *out_own)
{
    const int n = behaviours(m);
    rk_value near = rk__gemm(p, neighbours(m, p, all, values, state), values[WEIGHTS], RK_NONE);
    rk_value own = rk__join_columns(p, (const rk_value[]){values[EMBEDDING], near}, 2);
    *out_own = rk__dropout(p, own, state, (rk_dropout_attr){.ratio = m->options->model.dropout});
    rk_value columns[1 + RK_MOST_BEHAVIOURS] = {*out_own};
    for (int t = 0; t < n; t++) {
        columns[1 + t] = rk__add(p, all[t].near_items, all[t].items, share_of(m), 1);
    }
    return rk__join_columns(p, columns, 1 + n);
}

static rk_encoded encode(const rk_model_instance *m, rk_program *p, rk_graph_values graph,
                         const rk_value *values, rk_value state)
{
    behaviour all[RK_MOST_BEHAVIOURS];
    rk_value own = RK_NONE;
    (void)graph;
    behaviours_of(m, p, values, state, all);
    rk_value final = final_of(m, p, values, all, state, &own);
    /* The L2 term counts a user once for each of the two items that are scored. */
    rk_value ego = rk__scale_rows(p, own, rk__use_named(p, "of_l2"), RK_NONE, RK_NONE);
    return (rk_encoded){final, ego, {RK_NONE, RK_NONE}};
}

/* Somebody new has interactions and nothing else: the mean of what their items are to a user. */
static rk_value fold_of(const rk_model_instance *m, rk_program *p, const rk_value *values,
                        const behaviour *all)
{
    const int n = behaviours(m);
    const int64_t d = m->options->model.dim, w = width(m);
    const rk_value q = rk__take_columns(p, all[n - 1].items, 0, d);
    const rk_value score_weights = values[ITEM_WEIGHTS + OF_BEHAVIOUR * (n - 1) + 1];
    rk_value near = rk__gemm(p, q, values[WEIGHTS], RK_NONE);
    rk_value scored = scored_by(m, p, all[n - 1].items, score_weights);
    return rk__add(p, rk__place_columns(p, near, d, w), rk__place_columns(p, scored, w - 2 * d, w),
                   1, share_of(m));
}

static void finish(const rk_model_instance *m, rk_program *p)
{
    rk_value values[MOST_PARAMETERS], own = RK_NONE;
    behaviour all[RK_MOST_BEHAVIOURS];
    for (int i = 0; i < m->n_parameters; i++) {
        values[i] = rk__use_named(p, m->parameters[i].name);
    }
    behaviours_of(m, p, values, RK_NONE, all);
    rk__assign_named(p, "final", final_of(m, p, values, all, RK_NONE, &own));
    rk__assign_named(p, "fold", fold_of(m, p, values, all));
}

static rk_fold_sum fold_sum(const rk_model_instance *m)
{
    (void)m;
    return (rk_fold_sum){"fold", 1};
}

const rk_model_kind rk__model_mbgcn = {
    .name = "mbgcn",
    .help = "MBGCN (Jin et al., SIGIR 2020): users by the weighted means of what each behaviour "
            "has, items by steps through each behaviour's users",
    .check = rk__behaviours_check,
    .check_data = rk__behaviours_check_data,
    .declare = declare,
    .encode = encode,
    .finish = finish,
    .query = rk__query_embeddings,
    .fold_in = rk__fold_by_sum,
    .fold_sum = fold_sum,
    .similar = rk__similar_embeddings,
    .score = rk__score_embeddings,
    .embeddings = "final",
    .scores_by_dot = true,
    .knows = rk__model_marks_known,
};
