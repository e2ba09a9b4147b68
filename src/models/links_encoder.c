/*
 * Layers over the train triples, in front of what scores links: each entity gathers from those that
 * triples lead from, in both directions, with the relation as the type of the edge.
 *   rgcn     relational.h; the weight of an edge is 1 / (edges of the entity); model.activation
 *            between layers
 *   compgcn  relational.h; 1 / sqrt(edges of both ends) in each direction, with
 *            model.gather_dropout; behind each layer
 *            model.batch_norm and model.activation, and relations go through a matrix of their own
 * All layers are as wide as model.dim. model.dropout is behind each.
 */
#include "models/links.h"

#include <math.h>

#include "base/alloc.h"
#include "models/joined.h"
#include "models/relational.h"

static const char *const edges = "links";

static bool is_compgcn(const rk_options *o)
{
    return o->model.encoder == RK_LINK_ENCODER_COMPGCN;
}

static rk_status refuse(const rk_config *config, const char *key)
{
    RK_FAIL(RK_ERR_CONFIG, "%s, but %s, which does not look at it: remove it",
            rk__config_says(config, key).text, rk__config_says(config, "model.encoder").text);
}

rk_status rk__link_encoder_check(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    const bool is_rgcn = o->model.encoder == RK_LINK_ENCODER_RGCN;
    if (!is_compgcn(o) && o->model.composition != RK_COMPOSITION_MULT) {
        return refuse(config, "model.composition");
    }
    if (!rk__links_are_encoded(o) && o->model.activation != RK_ACTIVATION_RELU) {
        return refuse(config, "model.activation");
    }
    if (!is_compgcn(o) && o->model.batch_norm) {
        return refuse(config, "model.batch_norm");
    }
    if (!is_compgcn(o) && o->model.gather_dropout > 0) {
        return refuse(config, "model.gather_dropout");
    }
    if (!is_rgcn && (o->model.bases > 0 || o->model.blocks > 0)) {
        return refuse(config, o->model.bases > 0 ? "model.bases" : "model.blocks");
    }
    if (rk__links_are_encoded(o) && o->model.layers == 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: take model.encoder none, or at least one layer",
                rk__config_says(config, "model.layers").text,
                rk__config_says(config, "model.encoder").text);
    }
    if (is_rgcn && (o->model.bases > 0) == (o->model.blocks > 0)) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s and %s: of so many relations matrices are sums of bases or blocks on the "
                "diagonal; set one of the two",
                rk__config_says(config, "model.bases").text,
                rk__config_says(config, "model.blocks").text);
    }
    if (o->model.blocks > 0 && o->model.dim % o->model.blocks != 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s, which is no multiple of it",
                rk__config_says(config, "model.blocks").text,
                rk__config_says(config, "model.dim").text);
    }
    return RK_OK;
}

/* ---- tensors ---- */

static rk_status declare_compgcn(rk_model_instance *m, int k)
{
    static const char *const matrices[] = {"forward", "backward", "self", "relations"};
    const int64_t dim = m->options->model.dim;
    for (int i = 0; i < 4; i++) {
        RK_TRY(rk__declare_layer_matrix(m, k, matrices[i], dim, dim));
    }
    RK_TRY(rk__declare_layer_matrix(m, k, "loop", 1, dim));
    if (m->options->model.batch_norm) {
        RK_TRY(rk__declare_layer_row(m, k, "gain", dim, 1));
        RK_TRY(rk__declare_layer_row(m, k, "shift", dim, 0));
    }
    return rk__declare_layer_row(m, k, "bias", dim, 0);
}

static rk_status declare_rgcn(rk_model_instance *m, int k, int64_t n_types)
{
    const rk_options *o = m->options;
    const int64_t dim = o->model.dim;
    if (o->model.blocks > 0) {
        RK_TRY(rk__declare_layer_matrix(m, k, "relations", n_types, dim * (dim / o->model.blocks)));
    } else {
        RK_TRY(rk__declare_layer_matrix(m, k, "coefficients", n_types, o->model.bases));
        RK_TRY(rk__declare_layer_matrix(m, k, "bases", o->model.bases * dim, dim));
    }
    RK_TRY(rk__declare_layer_matrix(m, k, "self", dim, dim));
    return rk__declare_layer_row(m, k, "bias", dim, 0);
}

rk_status rk__link_encoder_declare(rk_model_instance *m, int64_t n_relations)
{
    for (int k = 0; rk__links_are_encoded(m->options) && k < m->options->model.layers; k++) {
        RK_TRY(is_compgcn(m->options) ? declare_compgcn(m, k)
                                      : declare_rgcn(m, k, 2 * n_relations));
    }
    return RK_OK;
}

/* ---- the graph ---- */

typedef struct links {
    int64_t n; /* edges */
    int32_t *rows, *columns, *types;
    float *weights;
} links;

static void free_links(links *l)
{
    rk__free(l->rows);
    rk__free(l->columns);
    rk__free(l->types);
    rk__free(l->weights);
}

static rk_status fill_links(const rk_model_instance *m, const rk_triples *t, links *l)
{
    const rk_graph *g = m->data.graph;
    const int64_t n_entities = m->data.n_items;
    const int64_t most = g->n_edges + (is_compgcn(m->options) ? n_entities : 0);
    RK_TRY(rk__alloc(&l->rows, most, sizeof *l->rows, "the edges of triples"));
    RK_TRY(rk__alloc(&l->columns, most, sizeof *l->columns, "the edges of triples"));
    RK_TRY(rk__alloc(&l->types, most, sizeof *l->types, "the edges of triples"));
    RK_TRY(rk__alloc(&l->weights, most, sizeof *l->weights, "the edges of triples"));
    for (int64_t user = 0; user < m->data.n_users; user++) {
        for (int64_t e = g->offsets[user]; e < g->offsets[user + 1]; e++) {
            l->rows[l->n] = (int32_t)(g->columns[e] - m->data.n_users);
            l->columns[l->n] = t->entities[user];
            l->types[l->n++] = t->relations[user];
        }
    }
    return RK_OK;
}

/* Of both kinds of layers; loops, behind the edges, count 1. */
static rk_status weigh_links(const rk_model_instance *m, const rk_triples *t, links *l)
{
    const bool is_composed = is_compgcn(m->options);
    const int64_t n_entities = m->data.n_items;
    double *of_rows = NULL, *of_columns = NULL;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__calloc(&of_rows, 2 * n_entities, sizeof *of_rows, "degrees"));
    RK_TRY_GOTO(done, rk__calloc(&of_columns, 2 * n_entities, sizeof *of_columns, "degrees"));
    for (int64_t e = 0; e < l->n; e++) {
        of_rows[2 * l->rows[e] + l->types[e] % 2]++;
        of_columns[2 * l->columns[e] + l->types[e] % 2]++;
    }
    for (int64_t e = 0; e < l->n; e++) {
        const double *row = of_rows + (int64_t)2 * l->rows[e];
        const double *column = of_columns + (int64_t)2 * l->columns[e];
        const int direction = l->types[e] % 2;
        l->weights[e] = (float)(is_composed ? 1 / sqrt(row[direction] * column[direction])
                                            : 1 / (row[0] + row[1]));
    }
    for (int64_t i = 0; is_composed && i < n_entities; i++) {
        l->rows[l->n] = l->columns[l->n] = (int32_t)i;
        l->types[l->n] = (int32_t)(2 * t->n_relations);
        l->weights[l->n++] = 1;
    }
done:
    rk__free(of_rows);
    rk__free(of_columns);
    return status;
}

static rk_status add_block(rk_model_instance *m, const rk_triples *t)
{
    links l = {0};
    rk_block block = {0};
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, fill_links(m, t, &l));
    RK_TRY_GOTO(done, weigh_links(m, t, &l));
    const rk_block_edges made = {.n_rows = m->data.n_items,
                                 .n_columns = m->data.n_items,
                                 .n_edges = l.n,
                                 .n_types = 2 * t->n_relations + is_compgcn(m->options),
                                 .rows = l.rows,
                                 .columns = l.columns,
                                 .weights = l.weights,
                                 .types = l.types};
    RK_TRY_GOTO(done, rk__block_build(&block, &made));
    status = rk__model_add_block(m, edges, &block);
done:
    free_links(&l);
    return status;
}

rk_status rk__link_encoder_add_graph(rk_model_instance *m, const rk_triples *triples)
{
    const rk_options *o = m->options;
    if (!rk__links_are_encoded(o)) {
        return RK_OK;
    }
    if (is_compgcn(o)) {
        RK_TRY(rk__compgcn_directions(m, 2 * triples->n_relations));
        if (o->model.composition == RK_COMPOSITION_CORR) {
            RK_TRY(rk__compgcn_fourier(m, "links", o->model.dim));
        }
    }
    return add_block(m, triples);
}

/* ---- layers ---- */

static rk_value gather_compgcn(const rk_model_instance *m, rk_program *p, int k, rk_link_tables *x,
                               rk_value state)
{
    const rk_block_values block = rk__use_block(p, edges);
    const bool is_corr = m->options->model.composition == RK_COMPOSITION_CORR;
    const rk_compgcn_weights w = {.forward = rk__use_layer(p, k, "forward"),
                                  .backward = rk__use_layer(p, k, "backward"),
                                  .self = rk__use_layer(p, k, "self"),
                                  .bias = rk__use_layer(p, k, "bias"),
                                  .directions = rk__use_named(p, "relation.directions"),
                                  .fourier = is_corr ? rk__use_named(p, "links.fourier") : RK_NONE,
                                  .inverse = is_corr ? rk__use_named(p, "links.inverse") : RK_NONE,
                                  .composition = m->options->model.composition,
                                  .state = state,
                                  .dropout = m->options->model.gather_dropout,
                                  .k = k};
    rk_value z = rk__compgcn_relations(p, x->relations, rk__use_layer(p, k, "loop"));
    rk_value y = rk__compgcn_layer(p, block, block.weights, x->entities, z, w);
    x->relations = rk__gemm(p, x->relations, rk__use_layer(p, k, "relations"), RK_NONE);
    return m->options->model.batch_norm ? rk__normalise_columns(p, y, rk__use_layer(p, k, "gain"),
                                                                rk__use_layer(p, k, "shift"))
                                        : y;
}

static rk_value gather_rgcn(const rk_model_instance *m, rk_program *p, int k, rk_value x)
{
    const rk_options *o = m->options;
    const rk_block_values block = rk__use_block(p, edges);
    const bool has_blocks = o->model.blocks > 0;
    const rk_rgcn_weights w = {.relations = rk__use_layer(p, k, has_blocks ? "relations" : "bases"),
                               .coefficients =
                                   has_blocks ? RK_NONE : rk__use_layer(p, k, "coefficients"),
                               .self = rk__use_layer(p, k, "self"),
                               .bias = rk__use_layer(p, k, "bias"),
                               .size = has_blocks ? o->model.dim / o->model.blocks : 0};
    return rk__rgcn_layer(p, block, block.weights, x, w);
}

rk_link_tables rk__link_encode(const rk_model_instance *m, rk_program *p, rk_link_tables x,
                               rk_value state)
{
    const rk_options *o = m->options;
    const rk_activate_attr activation = {
        .kind = o->model.activation,
        .slope = o->model.activation == RK_ACTIVATION_LEAKY_RELU ? 0.01F : 1};
    for (int k = 0; rk__links_are_encoded(o) && k < o->model.layers; k++) {
        x.entities =
            is_compgcn(o) ? gather_compgcn(m, p, k, &x, state) : gather_rgcn(m, p, k, x.entities);
        if ((is_compgcn(o) || k + 1 < o->model.layers) &&
            o->model.activation != RK_ACTIVATION_NONE) {
            x.entities = rk__activate(p, x.entities, activation);
        }
        x.entities = rk__dropout(p, x.entities, state, (rk_dropout_attr){o->model.dropout, 10 + k});
    }
    return x;
}
