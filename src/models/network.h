/*
 * Graph networks: what gcn, gat, rgcn and their like have in common. Such a model is an encoder, in
 * a file of its own, times a scorer (model.scorer), times a loss.
 *
 * A network makes a vector of every node. It begins with what is known of the node,
 *   x_0 = its embedding (model.ids) + the map of its features (model.features),
 * and goes through model.layers layers, k = 0, 1, ... The encoder says what a layer gathers; behind
 * all of them but the last (model.activate_last: behind all) come batch normalisation, the
 * activation and dropout. The last one's
 * result has model.dim columns. What comes out of the network is that, or with joins_layers what
 * all layers gave.
 *
 * Nodes without train interactions have no embedding of their own: theirs was never trained, and
 * counts as zeros. If they have features or an edge of model.relations they are scored like others
 * (rk_model_kind.knows).
 *
 * What scores are made of:
 *   dot      the loss reads the vectors (encode), and scores are their products
 *   cosine   the same of vectors of unit length
 *   biased   <x_u, x_i> + b_u + b_i, again a product: of [x_u, b_u, 1] and [x_i, 1, b_i]. With
 *            loss.kind mse + the mean rating, and the loss reads the scores of pairs
 *   fm       the factorisation machine of fm.c over the vectors and the fields of rows (scores)
 * finish encodes once more, without dropout, and keeps the table "final" that scoring reads.
 */
#ifndef RK_MODELS_NETWORK_H
#define RK_MODELS_NETWORK_H

#include "models/joined.h"
#include "models/models.h"

/* The block of an encoder's edges, where it has one: square, of all nodes (models/joined.h). One
 * that has none must not be asked for edge dropout or a share of messages. */
#define RK_NETWORK_EDGES "edges"

/* What a layer works on. */
typedef struct rk_layer_values {
    rk_value x;         /* f32 [n_nodes, in] */
    rk_value relations; /* f32 [relations, in]: vectors of relations, of encoders that have some */
    rk_value edges; /* f32 [E,1] of the block RK_NETWORK_EDGES: what each counts in this step, with
                         * edge dropout and without those that the loss looks at; or RK_NONE */
    rk_value messages; /* likewise, 1 or 0: without those that the loss looks at, for degrees */
    rk_value state;    /* of the step; RK_NONE: nobody is training */
} rk_layer_values;

/* An encoder. Tensors are named by rk__layer_name, "layer1.weight" ..., and declared with the roles
 * in the order that rk__model_add wants: what is trained first, constants afterwards. */
struct rk_network {
    /* Options against each other, with rk__config_says; options against the data. NULL = they fit.
     */
    rk_status (*check)(const rk_config *config);
    rk_status (*check_data)(const rk_options *options, const rk_model_data *data);
    /* The trained tensors of layer k, from `in` columns to `out`. */
    rk_status (*declare_layer)(rk_model_instance *m, int k, int64_t in, int64_t out);
    /* Trained tensors beside those of layers; blocks and other constants. NULL = none. */
    rk_status (*declare_trained)(rk_model_instance *m);
    rk_status (*declare_constants)(rk_model_instance *m);
    bool (*has_edges)(const rk_options *options); /* RK_NETWORK_EDGES; NULL = always */
    /* What is there before the first layer beside x, e.g. relations. NULL = nothing. */
    void (*begin)(const rk_model_instance *m, rk_program *p, rk_layer_values *v);
    /* [n_nodes, out] of layer k; may replace v->relations. Its activation is not its own affair. */
    rk_value (*layer)(const rk_model_instance *m, rk_program *p, int k, rk_layer_values *v);
    /* Somebody known by a list of items: layer k for a tile of them, [T, out]. x: what goes into it
     * of them, [T, in]; items: the table that fold_table made of what goes into it, of all nodes or
     * with folds_items of items, with fold_width columns, NULL = as many as go into the layer.
     * declare_fold: other tables that fold_table assigns; or NULL. fold_layer NULL, or folds false
     * = the encoder cannot. */
    bool (*folds)(const rk_options *options);
    bool folds_items;
    int64_t (*fold_width)(const rk_options *options, int k);
    rk_status (*declare_fold)(rk_model_instance *m, int k);
    rk_value (*fold_table)(const rk_model_instance *m, rk_program *p, int k,
                           const rk_layer_values *v);
    rk_value (*fold_layer)(const rk_model_instance *m, rk_program *p, int k, const rk_tile *tile,
                           rk_value x, rk_value items);
    /* The result is x_0 and, of unit length, what each layer gave, side by side, as in NGCF; else
     * that of the last layer, which has no activation but with model.activate_last. */
    bool joins_layers;
    /* The kinds of the same name with loss.kind mse, and with model.scorer fm; NULL = there is
     * none. */
    const rk_model_kind *ratings, *machines;
};

/* ---- of use to encoders ---- */

/* Columns that go into layer k, and, k = model.layers, that the last one gives. */
int64_t rk__layer_width(const rk_options *options, int k);
/* "layerK.NAME", K from 1 on. */
void rk__layer_name(char out[RK_NAME_LENGTH], int k, const char *name);
/* That tensor in a program; RK_NONE if there is none. */
rk_value rk__use_layer(rk_program *p, int k, const char *name);
/* A trained matrix of layer k, xavier uniform; a row [1, cols] of the same number. */
rk_status rk__declare_layer_matrix(rk_model_instance *m, int k, const char *name, int64_t rows,
                                   int64_t cols);
rk_status rk__declare_layer_row(rk_model_instance *m, int k, const char *name, int64_t cols,
                                double value);

/* Does a config ask for relations, or for other edges in each step? */
bool rk__network_has_relations(const rk_options *options);
bool rk__network_masks(const rk_options *options);
/* The edges of interactions and model.relations, with model.relation_weights as weights, and marks
 * what has some (rk_model_kind.knows). typed, loops, norm, scope: of rk_join_options. */
rk_status rk__network_join(rk_model_instance *m, rk_block *out, rk_join_options how);
/* The weights of the block times those of the step; RK_NONE = all are 1. */
rk_value rk__network_edge_weights(rk_program *p, rk_block_values block, rk_value edges);

/* What people gather of the items in their lists, by model.edges; items: a table of all nodes, each
 * scaled by its own side of that. loops_of: their own x, each being a neighbour of their own, or
 * RK_NONE. */
rk_value rk__network_gather(const rk_model_instance *m, rk_program *p, const rk_tile *tile,
                            rk_value items, rk_value loops_of);

/* ---- the parts of a network, of this room ---- */

/* network_input.c: x_0 [n_nodes, w]; likewise b [n_nodes, 1] of model.scorer biased. */
rk_value rk__network_input(rk_program *p);
rk_value rk__network_biases(rk_program *p);
rk_status rk__network_check_input(const rk_options *options, const rk_model_data *data);
/* What of it is trained; its constants. */
rk_status rk__network_declare_input(rk_model_instance *m);
rk_status rk__network_declare_known(rk_model_instance *m);

/* network.c: the vectors of all nodes, [n_nodes, w], as the encoder makes them of x_0. keeps: what
 * rk__network_fold needs of them is stored. */
rk_value rk__network_nodes(const rk_model_instance *m, rk_program *p, rk_value input,
                           rk_value state, bool keeps);
/* Is layer k the last one, whose result is left as it is? */
bool rk__network_ends(const rk_model_instance *m, int k);
/* Behind layer k: activation and dropout. What a network comes to, of x_0 and what each layer gave:
 * the last one's result, or all side by side. */
rk_value rk__network_activated(const rk_model_instance *m, rk_program *p, int k, rk_value x,
                               rk_value state);
rk_value rk__network_joined(const rk_model_instance *m, rk_program *p, const rk_value *layers);

/* network_fold.c: does the encoder know people by lists? The vectors [T, w] of such. */
bool rk__network_folds(const rk_model_kind *kind, const rk_options *options);
rk_value rk__network_fold(const rk_model_instance *m, rk_program *p, const rk_tile *tile);
rk_status rk__network_declare_fold(rk_model_instance *m);
/* Stores what batch normalisation made y of x [n,d] by, as y = scale x + offset, for rows that are
 * no part of the table. */
void rk__network_keep_scale(rk_program *p, int k, rk_value x, rk_value y, int64_t n);

/* Columns of what comes out of it. */
int64_t rk__network_width(const rk_model_instance *m);

/* network_scores.c */
rk_status rk__network_check_scores(const rk_config *config);
rk_status rk__network_check_labels(const rk_options *options, const rk_model_data *data);
rk_status rk__network_declare_scores(rk_model_instance *m);

/* network_fm.c: model.scorer fm. */
rk_status rk__network_check_fields(const rk_config *config);
/* Are there edges beside those of interactions and relations: values of fields are nodes, or
 * negatives are neighbours? */
bool rk__network_has_fields(const rk_options *options);

/* ---- members of the kinds ---- */

const rk_model_kind *rk__network_form(const rk_model_kind *self, const rk_options *options);
rk_status rk__network_check(const rk_config *config);
rk_status rk__network_check_data(const rk_options *options, const rk_model_data *data);
rk_status rk__network_declare(rk_model_instance *m);
rk_encoded rk__network_encode(const rk_model_instance *m, rk_program *p, rk_graph_values graph,
                              const rk_value *values, rk_value state);
rk_scored rk__network_scores(const rk_model_instance *m, rk_program *p, const rk_value *values,
                             const rk_batch_values *batch);
void rk__network_finish(const rk_model_instance *m, rk_program *p);
rk_value rk__network_fold_in(const rk_model_instance *m, rk_program *p, const rk_tile *tile);
rk_value rk__network_similar(const rk_model_instance *m, rk_program *p, const rk_tile *tile,
                             rk_value item_nodes);
unsigned rk__network_needs(const rk_options *options);
rk_scored rk__network_fm_scores(const rk_model_instance *m, rk_program *p, const rk_value *values,
                                const rk_batch_values *batch);
void rk__network_fm_finish(const rk_model_instance *m, rk_program *p);
rk_value rk__network_fm_query(const rk_model_instance *m, rk_program *p, const rk_tile *tile);
rk_value rk__network_fm_fold_in(const rk_model_instance *m, rk_program *p, const rk_tile *tile);

/* What the kinds of an encoder have in common: of that of its name, with .encode =
 * rk__network_encode, and of that for ratings, with .scores = rk__network_scores and .rates.
 * NETWORK: its rk_network; FOLD: rk__network_fold_in, or NULL. */
#define RK_NETWORK_COMMON(NAME, HELP, NETWORK, FOLD)                                               \
    .name = NAME, .help = HELP, .form = rk__network_form, .network = &(NETWORK),                   \
    .needs = rk__network_needs, .check = rk__network_check, .check_data = rk__network_check_data,  \
    .declare = rk__network_declare, .finish = rk__network_finish, .query = rk__query_embeddings,   \
    .fold_in = FOLD, .score = rk__score_embeddings, .similar = rk__network_similar,                \
    .knows = rk__model_marks_known, .embeddings = "final", .scores_by_dot = true,                  \
    .has_layers = true

/* Of an encoder's machines. FOLD: rk__network_fm_fold_in, or NULL. */
#define RK_NETWORK_MACHINES(NAME, HELP, NETWORK, FOLD)                                             \
    .name = NAME, .help = HELP, .form = rk__network_form, .network = &(NETWORK),                   \
    .check = rk__network_check, .check_data = rk__network_check_data,                              \
    .declare = rk__network_declare, .scores = rk__network_fm_scores,                               \
    .finish = rk__network_fm_finish, .query = rk__network_fm_query, .fold_in = FOLD,               \
    .score = rk__fm_score, .similar = rk__network_similar, .knows = rk__model_marks_known,         \
    .vectors = "final", .scores_by_dot = true, .reads_fields = true, .has_layers = true

#endif
