/*
 * A graph of items that people have in common (after Liu, Wang, Wang, Chen, Yu, Zhang, Chua: Item
 * relationship graph neural networks for e-commerce, TNNLS 2021, whose graph is given by what was
 * bought together). Somebody is the mean of their items:
 *   h_0 = x,  h_k = s(G h_(k-1) W_k + h_(k-1) B_k),  z = h_K + x,  score = <mean of z_j, z_i> + b_i
 * with G = D^-1/2 A D^-1/2 of the relation that model.relations names, items to items, derived from
 * train (co_count, time_decay) or read; an edge that one direction has counts in both. s is
 * model.activation, not behind the last layer; without layers z = x.
 *
 * In training the positive is one of the items that its user is the mean of, which nobody will be
 * asked for: of n items the mean m becomes (n m - z_i) / (n - 1), without any other item zero.
 * loss.l2 is on the vectors of the batch's nodes as they are scored, and their biases.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "models/joined.h"
#include "models/models.h"
#include "models/network.h"
#include "models/relations.h"

static const char *const embedding = "embedding", *const bias = "bias", *const graph = "items",
                         *const means = "means", *const rest = "rest", *const one_of = "one_of",
                         *const is_user = "is_user", *const is_item = "is_item",
                         *const asked = "asked", *const final = "final";

static rk_status check(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    RK_TRY(rk__relations_check(config));
    if (o->model.layers > 0 && rk__relations_count(o) != 1) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s: it names one of data.relations, from items to items, e.g. {name: "
                "together, derive: co_count, neighbours: 50}",
                rk__config_says(config, "model.relations").text,
                rk__config_says(config, "model.kind").text);
    }
    return RK_OK;
}

static rk_status check_data(const rk_options *o, const rk_model_data *data)
{
    rk_model_relations all = {0};
    rk_status status = RK_OK;
    if (o->model.layers == 0) {
        return RK_OK;
    }
    RK_TRY(rk__relations_init(&all, o, data));
    const rk_relation *r = all.v[0].of;
    if (strcmp(r->from, "item") != 0 || strcmp(r->to, "item") != 0) {
        status = rk__fail(RK_ERR_DATA, __FILE__, __LINE__, __func__,
                          "model.relations is %s, which leads from %s to %s: irgnn needs a "
                          "relation from items to items",
                          r->name, r->from, r->to);
    } else {
        status = rk__relations_check_weights(&all, true);
    }
    rk__relations_free(&all);
    return status;
}

/* ---- tensors ---- */

static bool has_edge(const rk_relation *r, int64_t from, int32_t to)
{
    int64_t lo = r->offsets[from], hi = r->offsets[from + 1];
    const int64_t end = hi;
    while (lo < hi) {
        const int64_t middle = lo + (hi - lo) / 2;
        if (r->columns[middle] < to) {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }
    return lo < end && r->columns[lo] == to;
}

/* G */
static rk_status build_graph(rk_block *out, const rk_relation *r, int64_t n_items)
{
    static const char what[] = "the graph of items";
    int32_t *rows = NULL, *columns = NULL;
    float *weights = NULL;
    rk_status status = RK_OK;
    int64_t n = 0;
    RK_TRY_GOTO(done, rk__alloc(&rows, 2 * r->n_edges, sizeof *rows, what));
    RK_TRY_GOTO(done, rk__alloc(&columns, 2 * r->n_edges, sizeof *columns, what));
    RK_TRY_GOTO(done, rk__alloc(&weights, 2 * r->n_edges, sizeof *weights, what));
    for (int64_t i = 0; i < n_items; i++) {
        for (int64_t k = r->offsets[i]; k < r->offsets[i + 1]; k++) {
            const int32_t j = r->columns[k];
            const bool is_alone = j != i && !has_edge(r, j, (int32_t)i);
            for (int turned = 0; turned <= is_alone; turned++) {
                rows[n] = turned ? j : (int32_t)i;
                columns[n] = turned ? (int32_t)i : j;
                weights[n++] = r->weights ? r->weights[k] : 1;
            }
        }
    }
    const rk_block_edges edges = {.n_rows = n_items,
                                  .n_columns = n_items,
                                  .n_edges = n,
                                  .rows = rows,
                                  .columns = columns,
                                  .weights = weights};
    RK_TRY_GOTO(done, rk__block_build(out, &edges));
    status = rk__block_normalise(out, RK_BLOCK_SYMMETRIC, RK_BLOCK_OF_ALL);
done:
    rk__free(rows);
    rk__free(columns);
    rk__free(weights);
    return status;
}

static rk_status declare_graph(rk_model_instance *m)
{
    rk_model_relations all = {0};
    rk_block block = {0};
    RK_TRY(rk__relations_init(&all, m->options, &m->data));
    rk_status status = build_graph(&block, all.v[0].of, m->data.n_items);
    rk__relations_free(&all);
    if (status != RK_OK) {
        rk__block_free(&block);
        return status;
    }
    return rk__model_add_block(m, graph, &block);
}

/* All nodes by items: a user's row is the mean of their items, an item's is the item. */
static rk_status declare_means(rk_model_instance *m)
{
    static const char what[] = "the items of users";
    const rk_graph *g = m->data.graph;
    const int64_t n_users = m->data.n_users, n_items = m->data.n_items, n = g->n_edges + n_items;
    int32_t *rows = NULL, *columns = NULL;
    float *weights = NULL;
    rk_block block = {0};
    rk_status status = RK_OK;
    int64_t e = 0;
    RK_TRY_GOTO(done, rk__alloc(&rows, n, sizeof *rows, what));
    RK_TRY_GOTO(done, rk__alloc(&columns, n, sizeof *columns, what));
    RK_TRY_GOTO(done, rk__alloc(&weights, n, sizeof *weights, what));
    for (int64_t v = 0; v < n_users + n_items; v++) {
        const bool is_of_user = v < n_users;
        const int64_t begin = is_of_user ? g->offsets[v] : 0;
        const int64_t degree = is_of_user ? rk__graph_degree(g, v) : 1;
        for (int64_t k = 0; k < degree; k++, e++) {
            rows[e] = (int32_t)v;
            columns[e] = (int32_t)((is_of_user ? g->columns[begin + k] : v) - n_users);
            weights[e] = (float)(1.0 / (double)degree);
        }
    }
    const rk_block_edges edges = {.n_rows = n_users + n_items,
                                  .n_columns = n_items,
                                  .n_edges = n,
                                  .rows = rows,
                                  .columns = columns,
                                  .weights = weights};
    status = rk__block_build(&block, &edges);
done:
    rk__free(rows);
    rk__free(columns);
    rk__free(weights);
    return status == RK_OK ? rk__model_add_block(m, means, &block) : status;
}

typedef double (*of_node)(const rk_model_instance *m, int64_t node);

static double rest_of(const rk_model_instance *m, int64_t node)
{
    const double n = (double)rk__graph_degree(m->data.graph, node);
    return node < m->data.n_users && n > 1 ? n / (n - 1) : 0;
}

static double share_of(const rk_model_instance *m, int64_t node)
{
    const double n = (double)rk__graph_degree(m->data.graph, node);
    return node < m->data.n_users && n > 1 ? 1 / (n - 1) : 0;
}

static double user_of(const rk_model_instance *m, int64_t node)
{
    return node < m->data.n_users;
}

static double item_of(const rk_model_instance *m, int64_t node)
{
    return node >= m->data.n_users;
}

static rk_status declare_nodes(rk_model_instance *m, const char *name, of_node of)
{
    float *values = NULL;
    RK_TRY(rk__alloc(&values, m->n_nodes, sizeof *values, "factors of nodes"));
    for (int64_t i = 0; i < m->n_nodes; i++) {
        values[i] = (float)of(m, i);
    }
    return rk__declare_constant(m, name, m->n_nodes, 1, values);
}

static rk_status declare(rk_model_instance *m)
{
    const rk_options *o = m->options;
    const int64_t n_items = m->data.n_items, dim = o->model.dim;
    const rk_parameter items = {.name = "embedding",
                                .of = RK_ROWS_ITEMS,
                                .rows = n_items,
                                .cols = dim,
                                .init = o->model.init,
                                .init_sd = o->model.init_sd,
                                .block_end = {n_items, n_items}};
    const rk_parameter biases = {.name = "bias",
                                 .of = RK_ROWS_ITEMS,
                                 .rows = n_items,
                                 .cols = 1,
                                 .init = RK_INIT_CONSTANT,
                                 .block_end = {n_items, n_items}};
    const rk_parameter tables[] = {
        {.name = "asked", .rows = m->n_nodes, .cols = dim + 1, .role = RK_TABLE},
        {.name = "final", .rows = m->n_nodes, .cols = dim + 1, .role = RK_TABLE}};
    RK_TRY(rk__model_add(m, items));
    RK_TRY(rk__model_add(m, biases));
    for (int k = 0; k < o->model.layers; k++) {
        RK_TRY(rk__declare_layer_matrix(m, k, "weight", dim, dim));
        RK_TRY(rk__declare_layer_matrix(m, k, "self", dim, dim));
    }
    RK_TRY(rk__model_add(m, tables[0]));
    RK_TRY(rk__model_add(m, tables[1]));
    RK_TRY(o->model.layers > 0 ? declare_graph(m) : RK_OK);
    RK_TRY(declare_means(m));
    RK_TRY(declare_nodes(m, rest, rest_of));
    RK_TRY(declare_nodes(m, one_of, share_of));
    RK_TRY(declare_nodes(m, is_user, user_of));
    return declare_nodes(m, is_item, item_of);
}

/* ---- the network ---- */

/* Behind layer k, which is not the last. */
static rk_value between(const rk_model_instance *m, rk_program *p, int k, rk_value h,
                        rk_value state)
{
    const rk_options *o = m->options;
    if (o->model.activation != RK_ACTIVATION_NONE) {
        h = rk__activate(p, h, (rk_activate_attr){.kind = o->model.activation, .slope = 0.01F});
    }
    return rk__dropout(p, h, state, (rk_dropout_attr){o->model.dropout, k});
}

/* [z, b] of all items, the means of them of users: f32 [N, d + 1]. */
static rk_value encode(const rk_model_instance *m, rk_program *p, rk_value state)
{
    const rk_options *o = m->options;
    const rk_aggregate_attr plain = {0};
    rk_value x = rk__use_named(p, embedding), h = x;
    for (int k = 0; k < o->model.layers; k++) {
        const rk_block_values g = rk__use_block(p, graph);
        rk_value near = rk__aggregate(p, g, h, rk__block_inputs(g), plain);
        h = rk__add(p, rk__gemm(p, near, rk__use_layer(p, k, "weight"), RK_NONE),
                    rk__gemm(p, h, rk__use_layer(p, k, "self"), RK_NONE), 1, 1);
        h = k + 1 < o->model.layers ? between(m, p, k, h, state) : h;
    }
    const rk_value columns[] = {o->model.layers > 0 ? rk__add(p, h, x, 1, 1) : x,
                                rk__use_named(p, bias)};
    const rk_block_values b = rk__use_block(p, means);
    return rk__aggregate(p, b, rk__join_columns(p, columns, 2), rk__block_inputs(b), plain);
}

/* Rows of users times a factor of theirs. */
static rk_value scaled(rk_program *p, rk_value x, const char *factor, const rk_batch_values *b)
{
    rk_value rows = rk__gather_rows(p, rk__use_named(p, factor), b->rows);
    rk_value by = rk__gather_slots(p, rows, b->rows, (rk_slots_attr){b->batch, false});
    return rk__scale_rows(p, x, by, RK_NONE, RK_NONE);
}

static rk_scored scores(const rk_model_instance *m, rk_program *p, const rk_value *values,
                        const rk_batch_values *b)
{
    const int64_t dim = m->options->model.dim, n = 1 + b->n_candidates;
    const rk_slots_attr of_users = {b->batch, false}, of_items = {b->batch, true};
    (void)values;
    rk_value rows = rk__gather_rows(p, encode(m, p, b->state), b->rows);
    rk_value mean = rk__take_columns(p, rk__gather_slots(p, rows, b->rows, of_users), 0, dim);
    rk_value items = rk__gather_slots(p, rows, b->rows, of_items);
    rk_value z = rk__take_columns(p, items, 0, dim);
    rk_value positive = rk__take_columns(p, rk__reshape(p, z, n * dim), 0, dim);
    rk_value query = rk__add(p, scaled(p, mean, rest, b), scaled(p, positive, one_of, b), 1, -1);
    rk_value biases = rk__reshape(p, rk__take_columns(p, items, dim, 1), n);
    return (rk_scored){rk__add(p, rk__slot_scores(p, query, z), biases, 1, 1), rows};
}

/* ---- scoring ---- */

/* Items are [z, b], users [z, 1], as is an item that somebody new has. */
static void finish(const rk_model_instance *m, rk_program *p)
{
    const int64_t dim = m->options->model.dim;
    rk_value t = encode(m, p, RK_NONE), z = rk__take_columns(p, t, 0, dim);
    const rk_value sides[] = {rk__use_named(p, is_user), rk__use_named(p, is_item)};
    const rk_value asking[] = {z, rk__add(p, sides[0], sides[1], 1, 1)};
    const rk_value biases =
        rk__scale_rows(p, rk__take_columns(p, t, dim, 1), sides[1], RK_NONE, RK_NONE);
    const rk_value asked_for[] = {z, rk__add(p, biases, sides[0], 1, 1)};
    rk__assign_named(p, asked, rk__join_columns(p, asking, 2));
    rk__assign_named(p, final, rk__join_columns(p, asked_for, 2));
}

static rk_fold_sum fold_sum(const rk_model_instance *m)
{
    (void)m;
    return (rk_fold_sum){"asked", 1};
}

/* By the vectors without biases. */
static rk_value similar(const rk_model_instance *m, rk_program *p, const rk_tile *tile,
                        rk_value item_nodes)
{
    const rk_range_attr items = {0, m->data.n_items};
    const int64_t dim = m->options->model.dim;
    rk_value table = rk__take_columns(p, rk__use_named(p, final), 0, dim);
    rk_value queries = rk__unit_rows(p, rk__take_rows(p, table, tile->users), RK_NONE);
    rk_value unit = rk__unit_rows(p, rk__take_rows(p, table, item_nodes), RK_NONE);
    return rk__score_dot(p, queries, unit, tile->count, items);
}

const rk_model_kind rk__model_irgnn = {
    .name = "irgnn",
    .help = "layers over a graph of items, people as the means of theirs (after Liu et al. 2021)",
    .check = check,
    .check_data = check_data,
    .declare = declare,
    .scores = scores,
    .finish = finish,
    .query = rk__query_embeddings,
    .fold_in = rk__fold_by_sum,
    .fold_sum = fold_sum,
    .embeddings = "final",
    .similar = similar,
    .score = rk__score_embeddings,
    .scores_by_dot = true,
    .has_layers = true,
};
