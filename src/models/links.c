/*
 * Link prediction in a knowledge graph (data/triples.h): a query (h, r) scores each entity t as its
 * answer by vectors of entities and relations, a relation read backwards one of its own.
 *   distmult  score = <h * r, t> + b_t  (Yang, Yih, He, Gao, Deng: Embedding entities and relations
 *             for learning and inference in knowledge bases, ICLR 2015)
 *   transe    score = -|h + r - t|  (Bordes, Usunier, Garcia-Duran, Weston, Yakhnenko: Translating
 *             embeddings for modeling multi-relational data, NIPS 2013), model.norm its length;
 *             without their unit length of entities
 *   conve     score = <f(h, r), t> + b_t (Dettmers, Minervini, Stenetorp, Riedel: Convolutional 2D
 *             knowledge graph embeddings, AAAI 2018): h and r, one below the other, are an image;
 *             f is a convolution, relu, a layer and relu, each on normalised columns
 * Vectors are rows of tables, or what the layers of links_encoder.c make of such.
 * model.dropout is on what t is held against; of conve on the image, the convolution and the layer.
 * While conve is trained, columns are normalised by the statistics of a batch; to answer, by those
 * of SAMPLE queries of train, always the same: an answer does not depend on who else asks.
 */
#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "models/links.h"
#include "models/models.h"

static const char *const entity = "entity", *const relation = "relation", *const bias = "bias",
                         *const encoded_entity = "encoded_entity",
                         *const encoded_relation = "encoded_relation",
                         *const candidate = "candidate", *const entity_of = "entity_of_node",
                         *const relation_of = "relation_of_node";

/* In the order of their declaration. */
enum { ENTITY, RELATION, BIAS };

enum { SAMPLE = 1024, N_NORMALISED = 3 };

static bool is_convolved(const rk_model_instance *m)
{
    return m->options->model.kind == RK_MODEL_CONVE;
}

static bool is_distance(const rk_model_instance *m)
{
    return m->options->model.kind == RK_MODEL_TRANSE;
}

/* Without its distance to anything else the sigmoid of one says nothing. */
static rk_status check_transe(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    RK_TRY(rk__link_encoder_check(config));
    if (o->loss.kind == RK_LOSS_BCE || o->loss.kind == RK_LOSS_CCL) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s, whose scores are never above 0: take a loss that compares them, "
                "hinge, bpr or softmax",
                rk__config_says(config, "loss.kind").text,
                rk__config_says(config, "model.kind").text);
    }
    return RK_OK;
}

/* ---- tensors ---- */

/* Where scores begin: at what the loss would make of them if all entities were alike. */
static double first_bias(const rk_model_instance *m)
{
    const rk_options *o = m->options;
    double askers = 0, odds = 0;
    if (o->loss.kind != RK_LOSS_BCE) {
        return 0;
    }
    if (o->sampling.negatives != RK_NEGATIVES_ALL) {
        odds = o->loss.bce_w1 / (o->loss.negative_weight * o->loss.bce_w3);
        return odds > 0 && isfinite(odds) ? log(odds) : 0;
    }
    for (int64_t user = 0; user < m->data.n_users; user++) {
        askers += rk__graph_degree(m->data.graph, user) > 0;
    }
    const double pairs = askers * (double)m->data.n_items, edges = (double)m->data.graph->n_edges;
    const double share = (1 - o->loss.label_smoothing) * edges / pairs +
                         (o->loss.label_smoothing > 0 ? 1 / (double)m->data.n_items : 0);
    odds = share / (1 - share);
    return odds > 0 && isfinite(odds) ? log(odds) : 0;
}

static rk_status add_table(rk_model_instance *m, const char *name, int64_t rows)
{
    const rk_options *o = m->options;
    rk_parameter p = {.rows = rows,
                      .cols = o->model.dim,
                      .init = o->model.init,
                      .init_sd = o->model.init_sd,
                      .block_end = {rows, rows}};
    snprintf(p.name, sizeof p.name, "%s", name);
    return rk__model_add(m, p);
}

/* Of each node the row of a table: i32 [users + items], -1 = none. An item is an entity. */
static rk_status add_rows(rk_model_instance *m, const char *name, const int32_t *of_users,
                          bool has_items)
{
    const int64_t n_users = m->data.n_users, n = n_users + m->data.n_items;
    rk_parameter p = {.dtype = RK_I32, .rows = n, .cols = 1, .role = RK_CONSTANT};
    int32_t *rows = NULL;
    snprintf(p.name, sizeof p.name, "%s", name);
    RK_TRY(rk__alloc(&rows, n, sizeof *rows, "the rows of queries"));
    for (int64_t i = 0; i < n; i++) {
        rows[i] = i < n_users ? of_users[i] : has_items ? (int32_t)(i - n_users) : -1;
    }
    p.constant = rows;
    return rk__model_add(m, p);
}

/* The image of a query of conve, and its patches. */
static rk_patches_attr image_of(const rk_options *o)
{
    return (rk_patches_attr){2 * o->model.dim / o->model.image_width, o->model.image_width,
                             o->model.kernel};
}

static int64_t places_of(const rk_options *o)
{
    const rk_patches_attr a = image_of(o);
    return (a.height - a.size + 1) * (a.width - a.size + 1);
}

static rk_status check_conve(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    const rk_patches_attr a = image_of(o);
    RK_TRY(rk__link_encoder_check(config));
    if (o->model.dim % o->model.image_width != 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s, which is no multiple of it",
                rk__config_says(config, "model.image_width").text,
                rk__config_says(config, "model.dim").text);
    }
    if (a.size > a.height || a.size > a.width) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s and %s: the image is %lld x %lld, smaller than a filter",
                rk__config_says(config, "model.kernel").text,
                rk__config_says(config, "model.dim").text,
                rk__config_says(config, "model.image_width").text, (long long)a.height,
                (long long)a.width);
    }
    return RK_OK;
}

static void numbered(char out[RK_NAME_LENGTH], const char *name, int number)
{
    snprintf(out, RK_NAME_LENGTH, "%s%d", name, number);
}

static rk_status add_matrix(rk_model_instance *m, const char *name, int64_t rows, int64_t cols,
                            double constant)
{
    rk_parameter p = {.rows = rows,
                      .cols = cols,
                      .init = rows == 1 ? RK_INIT_CONSTANT : RK_INIT_XAVIER,
                      .init_sd = constant,
                      .block_end = {rows, rows}};
    snprintf(p.name, sizeof p.name, "%s", name);
    return rk__model_add(m, p);
}

/* Filters, the layer, and of each of what is normalised its gain and shift. */
static rk_status add_network(rk_model_instance *m)
{
    const rk_options *o = m->options;
    const int64_t cols[N_NORMALISED] = {1, o->model.filters, o->model.dim};
    RK_TRY(add_matrix(m, "filters", o->model.kernel * o->model.kernel, o->model.filters, 0));
    RK_TRY(add_matrix(m, "layer", places_of(o) * o->model.filters, o->model.dim, 0));
    for (int i = 0; i < N_NORMALISED; i++) {
        char name[RK_NAME_LENGTH];
        numbered(name, "gain", i);
        RK_TRY(add_matrix(m, name, 1, cols[i], 1));
        numbered(name, "shift", i);
        RK_TRY(add_matrix(m, name, 1, cols[i], 0));
    }
    return RK_OK;
}

/* What finish makes of them, and the queries that it asks: spread evenly over those in train. */
static rk_status add_statistics(rk_model_instance *m)
{
    const rk_options *o = m->options;
    const int64_t cols[N_NORMALISED] = {1, o->model.filters, o->model.dim};
    int64_t n = 0, seen = 0, taken = 0;
    int32_t *users = NULL;
    for (int i = 0; i < N_NORMALISED; i++) {
        rk_parameter p = {.dtype = RK_F64, .rows = 2, .cols = cols[i], .role = RK_TABLE};
        numbered(p.name, "statistics", i);
        RK_TRY(rk__model_add(m, p));
    }
    for (int64_t user = 0; user < m->data.n_users; user++) {
        n += rk__graph_degree(m->data.graph, user) > 0;
    }
    const int64_t wanted = n < SAMPLE ? n : SAMPLE;
    RK_TRY(rk__alloc(&users, wanted, sizeof *users, "the queries of statistics"));
    for (int64_t user = 0; user < m->data.n_users; user++) {
        if (rk__graph_degree(m->data.graph, user) > 0) {
            if (taken < wanted && seen++ * wanted / n == taken) {
                users[taken++] = (int32_t)user;
            }
        }
    }
    RK_ASSERT(taken == wanted);
    return rk__model_add(m, (rk_parameter){.name = "sample",
                                           .dtype = RK_I32,
                                           .rows = wanted,
                                           .cols = 1,
                                           .role = RK_CONSTANT,
                                           .constant = users});
}

/* The tables behind an encoder, which finish makes. */
static rk_status add_encoded(rk_model_instance *m, int64_t n_relations)
{
    const int64_t dim = m->options->model.dim;
    RK_TRY(rk__model_add(
        m, (rk_parameter){
               .name = "encoded_entity", .rows = m->data.n_items, .cols = dim, .role = RK_TABLE}));
    return rk__model_add(
        m, (rk_parameter){
               .name = "encoded_relation", .rows = 2 * n_relations, .cols = dim, .role = RK_TABLE});
}

static rk_status declare_all(rk_model_instance *m, const rk_triples *t)
{
    const int64_t n_entities = m->data.n_items, dim = m->options->model.dim;
    rk_parameter biases = {.name = "bias",
                           .rows = 1,
                           .cols = n_entities,
                           .init = RK_INIT_CONSTANT,
                           .init_sd = first_bias(m),
                           .block_end = {1, 1}};
    rk_parameter candidates = {
        .name = "candidate", .rows = n_entities, .cols = dim + !is_distance(m), .role = RK_TABLE};
    RK_TRY(add_table(m, entity, n_entities));
    RK_TRY(add_table(m, relation, 2 * t->n_relations));
    RK_TRY(is_distance(m) ? RK_OK : rk__model_add(m, biases));
    RK_TRY(is_convolved(m) ? add_network(m) : RK_OK);
    RK_TRY(rk__link_encoder_declare(m, t->n_relations));
    RK_TRY(rk__model_add(m, candidates));
    RK_TRY(is_convolved(m) ? add_statistics(m) : RK_OK);
    RK_TRY(rk__links_are_encoded(m->options) ? add_encoded(m, t->n_relations) : RK_OK);
    RK_TRY(rk__link_encoder_add_graph(m, t));
    RK_TRY(add_rows(m, entity_of, t->entities, true));
    return add_rows(m, relation_of, t->relations, false);
}

static rk_status declare(rk_model_instance *m)
{
    rk_triples triples = {0};
    RK_ASSERT(m->data.dataset);
    RK_TRY(rk__triples_init(&triples, m->data.dataset));
    rk_status status = declare_all(m, &triples);
    rk__triples_free(&triples);
    return status;
}

/* ---- queries ---- */

/* Where a query is made: in a step, where statistics are that of the batch; of the sample, whose
 * statistics are kept; for an answer. */
typedef struct place {
    enum { IN_STEP, OF_SAMPLE, FOR_ANSWER } kind;
    rk_value state; /* IN_STEP */
} place;

static rk_value normalised(rk_program *p, rk_value x, int number, place at)
{
    char gain[RK_NAME_LENGTH], shift[RK_NAME_LENGTH], statistics[RK_NAME_LENGTH];
    numbered(gain, "gain", number);
    numbered(shift, "shift", number);
    numbered(statistics, "statistics", number);
    rk_value g = rk__use_named(p, gain), s = rk__use_named(p, shift);
    if (at.kind == FOR_ANSWER) {
        return rk__normalise_by(p, x, g, s, rk__use_named(p, statistics));
    }
    rk_value y = rk__normalise_columns(p, x, g, s);
    if (at.kind == OF_SAMPLE && p->status == RK_OK) {
        rk__assign_named(p, statistics, p->nodes[p->tensors[y].producer].out[1]);
    }
    return y;
}

static rk_value convolved(const rk_model_instance *m, rk_program *p, rk_value heads,
                          rk_value relations, place at)
{
    const rk_options *o = m->options;
    const rk_activate_attr relu = {.kind = RK_ACTIVATION_RELU};
    const double ratio = o->model.dropout;
    const rk_value rows[] = {heads, relations};
    rk_value x = rk__reshape(p, rk__join_columns(p, rows, 2), 1);
    x = rk__reshape(p, normalised(p, x, 0, at), 2 * o->model.dim);
    x = rk__dropout(p, x, at.state, (rk_dropout_attr){ratio, 1});
    x = rk__gemm(p, rk__patches(p, x, image_of(o)), rk__use_named(p, "filters"), RK_NONE);
    x = rk__activate(p, normalised(p, x, 1, at), relu);
    x = rk__dropout(p, x, at.state, (rk_dropout_attr){ratio, 2});
    x = rk__reshape(p, x, places_of(o) * o->model.filters);
    x = rk__gemm(p, x, rk__use_named(p, "layer"), RK_NONE);
    x = rk__dropout(p, x, at.state, (rk_dropout_attr){ratio, 3});
    return rk__activate(p, normalised(p, x, 2, at), relu);
}

/* What the entities are held against, of rows of both. */
static rk_value query_of(const rk_model_instance *m, rk_program *p, rk_value heads,
                         rk_value relations, place at)
{
    if (is_convolved(m)) {
        return convolved(m, p, heads, relations, at);
    }
    rk_value q =
        is_distance(m) ? rk__add(p, heads, relations, 1, 1) : rk__multiply(p, heads, relations);
    return rk__dropout(p, q, at.state, (rk_dropout_attr){m->options->model.dropout, 0});
}

/* ---- training ---- */

/* -|q - t| of n answers for each row of queries: [B,w], [B n,w] -> [B,n]. */
static rk_value distances(const rk_model_instance *m, rk_program *p, rk_value differences,
                          int64_t n)
{
    const float minus = -1;
    rk_value norms = rk__row_norms(p, differences, (int32_t)m->options->model.norm);
    return rk__reshape(p, rk__combine(p, &norms, &minus, 1), n);
}

/* Of the positives and the negatives, whose row set is that of the batch's entities. */
static rk_value scores_of_drawn(const rk_model_instance *m, rk_program *p, const rk_value *values,
                                const rk_batch_values *b, rk_value x, rk_row_set rows, rk_value q)
{
    const rk_slots_attr items = {b->batch, true};
    const int64_t n = 1 + b->n_candidates;
    rk_value tails = rk__gather_slots(p, x, rows, items);
    if (is_distance(m)) {
        return distances(m, p, rk__add(p, rk__repeat_rows(p, q, n), tails, 1, -1), n);
    }
    rk_value of_tails = rk__gather_rows(p, rk__reshape(p, values[BIAS], 1), rows);
    of_tails = rk__reshape(p, rk__gather_slots(p, of_tails, rows, items), n);
    return rk__add(p, rk__slot_scores(p, q, tails), of_tails, 1, 1);
}

static rk_scored scores(const rk_model_instance *m, rk_program *p, const rk_value *values,
                        const rk_batch_values *b)
{
    const rk_options *o = m->options;
    const rk_slots_attr users = {b->batch, false};
    rk_value entities = rk__lookup(p, b->nodes, rk__use_named(p, entity_of));
    rk_value relations = rk__lookup(p, b->nodes, rk__use_named(p, relation_of));
    if (p->status != RK_OK) {
        return (rk_scored){RK_NONE, RK_NONE};
    }
    const rk_link_tables of = {values[ENTITY], values[RELATION]};
    const rk_link_tables tables = rk__link_encode(m, p, of, b->state);
    rk_row_set rows = rk__unique_rows(p, entities, m->data.n_items);
    rk_row_set of_relations = rk__unique_rows(p, relations, p->tensors[values[RELATION]].rows);
    rk_value x = rk__gather_rows(p, tables.entities, rows);
    rk_value r = rk__gather_rows(p, tables.relations, of_relations);
    rk_value q = query_of(m, p, rk__gather_slots(p, x, rows, users),
                          rk__gather_slots(p, r, of_relations, users), (place){IN_STEP, b->state});
    if (o->sampling.negatives == RK_NEGATIVES_ALL) {
        rk_gemm_attr by_rows = {.alpha = 1, .transposed_w = true};
        return (rk_scored){rk__gemm_of(p, q, tables.entities, values[BIAS], RK_NONE, by_rows),
                           RK_NONE};
    }
    return (rk_scored){scores_of_drawn(m, p, values, b, x, rows, q), RK_NONE};
}

/* ---- answers ---- */

/* Rows of a table for nodes; of: which rows those are. */
static rk_value rows_of(rk_program *p, rk_value nodes, rk_value table, const char *of)
{
    return rk__take_rows(p, table, rk__lookup(p, nodes, rk__use_named(p, of)));
}

/* The tables that scoring reads. */
static rk_link_tables final_tables(const rk_model_instance *m, rk_program *p)
{
    const bool is_encoded = rk__links_are_encoded(m->options);
    return (rk_link_tables){rk__use_named(p, is_encoded ? encoded_entity : entity),
                            rk__use_named(p, is_encoded ? encoded_relation : relation)};
}

static rk_value query_of_nodes(const rk_model_instance *m, rk_program *p, rk_value nodes,
                               rk_link_tables t, place at)
{
    return query_of(m, p, rows_of(p, nodes, t.entities, entity_of),
                    rows_of(p, nodes, t.relations, relation_of), at);
}

/* [t, b_t], or -t. */
static void finish(const rk_model_instance *m, rk_program *p)
{
    const float minus = -1;
    rk_link_tables t = {rk__use_named(p, entity), rk__use_named(p, relation)};
    t = rk__link_encode(m, p, t, RK_NONE);
    if (rk__links_are_encoded(m->options)) {
        rk__assign_named(p, encoded_entity, t.entities);
        rk__assign_named(p, encoded_relation, t.relations);
        t = final_tables(m, p);
    }
    if (is_distance(m)) {
        rk__assign_named(p, candidate, rk__combine(p, &t.entities, &minus, 1));
        return;
    }
    rk_value tables[] = {t.entities, rk__reshape(p, rk__use_named(p, bias), 1)};
    rk__assign_named(p, candidate, rk__join_columns(p, tables, 2));
    if (is_convolved(m)) {
        query_of_nodes(m, p, rk__use_named(p, "sample"), t, (place){OF_SAMPLE, RK_NONE});
    }
}

static rk_value query(const rk_model_instance *m, rk_program *p, const rk_tile *tile)
{
    const rk_link_tables t = final_tables(m, p);
    rk_value q = query_of_nodes(m, p, tile->users, t, (place){FOR_ANSWER, RK_NONE});
    rk_value columns[] = {q, tile->ones};
    return is_distance(m) ? q : rk__join_columns(p, columns, 2);
}

static rk_value score(const rk_model_instance *m, rk_program *p, const rk_tile *tile,
                      rk_value queries)
{
    const rk_range_attr items = {0, m->data.n_items};
    return rk__score_dot(p, queries, rk__use_named(p, candidate), tile->count, items);
}

static rk_value score_items(const rk_model_instance *m, rk_program *p, const rk_tile *tile,
                            rk_value queries, const rk_tile_items *items)
{
    const rk_pair_rows_attr attr = {.items = items->range, .n_columns = m->options->model.dim};
    rk_value differences =
        rk__pair_rows(p, queries, rk__use_named(p, candidate), items->items, tile->count, attr);
    const int64_t n =
        p->status == RK_OK ? p->tensors[differences].rows / p->tensors[queries].rows : 1;
    return distances(m, p, differences, n);
}

static int64_t pair_floats(const rk_model_instance *m)
{
    return 2 + m->options->model.dim;
}

/* The cosines of the vectors of entities. */
static rk_value similar(const rk_model_instance *m, rk_program *p, const rk_tile *tile,
                        rk_value item_nodes)
{
    const rk_range_attr items = {0, m->data.n_items};
    (void)item_nodes;
    rk_value all = final_tables(m, p).entities;
    rk_value asking = rows_of(p, tile->users, all, entity_of);
    return rk__score_dot(p, rk__unit_rows(p, asking, RK_NONE), rk__unit_rows(p, all, RK_NONE),
                         tile->count, items);
}

/* Queries and entities without train triples have the vectors of their parts. */
static bool knows(const rk_model_instance *m, int64_t node)
{
    (void)m, (void)node;
    return true;
}

static const char knows_by[] = "by the entities and relations of other triples";

const rk_model_kind rk__model_distmult = {
    .name = "distmult",
    .help = "links of a knowledge graph by weighted products (Yang et al. 2015)",
    .check = rk__link_encoder_check,
    .declare = declare,
    .scores = scores,
    .scores_all = true,
    .finish = finish,
    .query = query,
    .score = score,
    .similar = similar,
    .scores_by_dot = true,
    .knows = knows,
    .knows_by = knows_by,
};

const rk_model_kind rk__model_conve = {
    .name = "conve",
    .help = "links of a knowledge graph by convolutions (Dettmers et al. 2018)",
    .check = check_conve,
    .declare = declare,
    .scores = scores,
    .needs_full_batches = true,
    .scores_all = true,
    .finish = finish,
    .query = query,
    .score = score,
    .similar = similar,
    .scores_by_dot = true,
    .knows = knows,
    .knows_by = knows_by,
};

const rk_model_kind rk__model_transe = {
    .name = "transe",
    .help = "links of a knowledge graph by translations (Bordes et al. 2013)",
    .check = check_transe,
    .declare = declare,
    .scores = scores,
    .finish = finish,
    .query = query,
    .score_items = score_items,
    .pair_floats = pair_floats,
    .similar = similar,
    .knows = knows,
    .knows_by = knows_by,
};
