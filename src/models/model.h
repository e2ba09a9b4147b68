/*
 * What a model is: tensors, how it is fitted, and how it scores.
 *
 *   declare   its tensors: parameters (trained or computed, saved in checkpoints), tables that are
 *             made of them (not saved), constants
 *   encode    of models that are trained by gradients: tables of all nodes, which the loss reads
 *   scores    of those whose scores are more than products of such: those of a batch's pairs
 *   phase     of the others: one step as a program of operations; an epoch is one round of phases
 *   finish    the tables that scoring reads, from the parameters
 *   query     rows [T,w] for a tile of known users
 *   fold_in   the same for somebody who is known by a list of items only
 *   score     a tile [T,I]: the scores of all items
 *   score_items  of models whose scores are more than that: a tile [T,n], of some items
 *   similar   a tile [T,I]: how like each of T items all items are
 *
 * A model is written once, over whole tables, and never sees a device. Nobody outside of its file
 * asks which model it is: what others need to know of it is a member of rk_model_kind.
 */
#ifndef RK_MODELS_MODEL_H
#define RK_MODELS_MODEL_H

#include "config/options.h"
#include "data/contexts.h"
#include "graph/graph.h"
#include "ops/builder_solve.h"

/* What becomes of a tensor. */
typedef enum rk_tensor_role {
    RK_TRAINED,  /* drawn at first, updated by gradients or by phases; saved */
    RK_COMPUTED, /* zeros at first, made by a phase; saved */
    RK_TABLE,    /* made by finish whenever the others have changed; not saved */
    RK_CONSTANT, /* given by declare; not saved */
} rk_tensor_role;

/* Whose rows a tensor has, for those who name them. */
typedef enum rk_rows_of {
    RK_ROWS_OTHER,
    RK_ROWS_USERS,
    RK_ROWS_ITEMS,
    RK_ROWS_CONTEXTS /* of data/contexts.h */
} rk_rows_of;

/* The most blocks of rows that are drawn apart: users, items, nodes of other types. */
enum { RK_BLOCKS = 3 };

/* A tensor to declare. A trained one is drawn block by block (a block of rows has its own fan-in,
 * e.g. users and items for xavier). */
typedef struct rk_parameter {
    char name[RK_NAME_LENGTH];
    rk_dtype dtype;
    int64_t rows, cols;
    bool by_columns; /* of f32: where there are several ranks, each has some columns */
    rk_tensor_role role;
    rk_rows_of of;  /* of tables of users and items, users first, OTHER */
    int init;       /* RK_INIT_*; of RK_TRAINED */
    double init_sd; /* of RK_INIT_CONSTANT the value itself */
    /* Block b has the rows from the end of the one before to block_end[b]; 0 = there is none. */
    int64_t block_end[RK_BLOCKS];
    void *constant; /* of RK_CONSTANT: rows x cols; owned */
    int32_t stored; /* number in the store, set by rk__model_declare */
} rk_parameter;

typedef struct rk_model_instance rk_model_instance;

/* What a model may know of the data when it declares its tensors; lent. */
typedef struct rk_model_data {
    int64_t n_users, n_items;
    const rk_graph *graph;       /* of the train interactions */
    const double *train_times;   /* seconds, in the order of the users' lists; NULL = unknown */
    const float *train_values;   /* likewise; NULL = there are none */
    const rk_contexts *contexts; /* of a model that reads_fields; NULL = the data set has none */
    const rk_dataset *dataset;   /* for relations and features; NULL = there are none */
} rk_model_data;

/* The number of fields that a model reads. */
static inline int rk__model_fields(const rk_model_data *data)
{
    return data->contexts ? data->contexts->n : 0;
}

/* What a model makes of its parameters for the loss: tables f32 [N,d] of all nodes, users first. */
typedef struct rk_encoded {
    rk_value final;    /* what scores are products of */
    rk_value ego;      /* layer 0, for the L2 term; may be final itself */
    rk_value views[2]; /* what loss.contrast holds against each other; RK_NONE without it */
} rk_encoded;

/* A batch of B triplets of a user, a positive and M negatives, for models that score pairs. */
typedef struct rk_batch_values {
    rk_value nodes;  /* i32 [(2+M)B,1], see rk_row_set; items as nodes */
    rk_row_set rows; /* their distinct nodes */
    rk_value fields; /* i32 [BF,1], field f of triplet b in slot bF + f: rows of the table of
                      * contexts, of the rows of the positives; or RK_NONE */
    rk_value labels; /* f32 [B,1]: the values of the positives, or RK_NONE; M is 0 with them */
    rk_value state;  /* of the step */
    int64_t batch, n_candidates; /* B, M */
} rk_batch_values;

typedef struct rk_scored {
    rk_value scores; /* f32 [B,1+M], the positive's first; of scores_all, asked for all, [B,I] */
    rk_value ego;    /* f32 [S,w] at the batch's rows, for the L2 term; RK_NONE = there is none */
} rk_scored;

/* A tile of T queries of one kind. */
typedef struct rk_tile {
    bool is_folded;      /* somebody unknown, by the lists alone; else known users */
    rk_value users;      /* i32 [T,1]; -1 = not in use. Of known users */
    rk_value ones;       /* f32 [T,1] */
    rk_tile_lists lists; /* the items: of known users (with reads_lists) their train items */
    rk_value count;      /* i32 [1,1]: queries in use */
    /* i32 [TF,1], of F fields (rk__model_fields), field f of query t in row tF + f: rows of the
     * table of contexts, -1 where nothing is known. RK_NONE of a model that reads none. */
    rk_value fields;
} rk_tile;

/* The items of a tile of scores: n in a row, the same for all queries, or given ones. */
typedef struct rk_tile_items {
    rk_range_attr range; /* first item, n; with items all of them */
    rk_value items;      /* i32 [T,n], -1 = none; or RK_NONE */
} rk_tile_items;

/* Rows of somebody new as rk__sum_lists makes them. */
typedef struct rk_fold_sum {
    const char *table; /* [users + items, w] */
    double power;
} rk_fold_sum;

/* A model whose parameters another one may begin with, beside those of a second one: model.from. */
enum { RK_MODEL_HALVES = 2 };
typedef struct rk_model_half {
    int kind;              /* RK_MODEL_*; it has the same options of section model */
    const char *prefix;    /* its parameters begin so, in both models */
    const char *halved[2]; /* parameters that count half: the scores are the mean of both */
} rk_model_half;

/* What a model needs of the data set. */
enum {
    RK_NEEDS_TIMES = 1,  /* times of train interactions */
    RK_NEEDS_VALUES = 2, /* values of all interactions: ratings */
};

typedef struct rk_model_kind rk_model_kind;

struct rk_model_kind {
    const char *name; /* as in model.kind */
    const char *help; /* one line with the source */
    /* The kind that it is under these options, of the same name; NULL = itself. */
    const rk_model_kind *(*form)(const rk_model_kind *self, const rk_options *options);
    const struct rk_network *network; /* of models/network.h; or NULL */

    /* An option that models like it read and it does not. Configs may have it, so that they stay
     * the same but for model.kind; nothing depends on it. NULL = none. */
    const char *ignores;
    unsigned (*needs)(const rk_options *options); /* RK_NEEDS_*; NULL = nothing */
    /* Options against each other, with rk__config_says. NULL = they always fit. */
    rk_status (*check)(const rk_config *config);
    /* Options against the data, before any work. NULL = they always fit. */
    rk_status (*check_data)(const rk_options *options, const rk_model_data *data);
    /* Declares the tensors (rk__model_add) that options and data ask for. */
    rk_status (*declare)(rk_model_instance *instance);

    /* ---- fitting by gradients ---- */
    bool has_views; /* for loss.contrast */
    /* Does encode go by instance->gram under these options? NULL = never. */
    bool (*has_gram_form)(const rk_options *options);
    /* values[i]: the program's value of parameter i; the result may hold one of them itself. state:
     * of the step, in a training program; RK_NONE = no views are wanted. Failures stick in the
     * program. */
    rk_encoded (*encode)(const rk_model_instance *instance, rk_program *program,
                         rk_graph_values graph, const rk_value *values, rk_value state);
    /* In its place: the scores of a batch's pairs, from the parameters' values. Parameters that are
     * tables of all nodes are read by rk__gather_rows at the batch's rows, and from there by
     * rk__gather_slots. */
    rk_scored (*scores)(const rk_model_instance *instance, rk_program *program,
                        const rk_value *values, const rk_batch_values *batch);

    /* Statistics are taken over all slots of a batch: a short last one is filled up by another pass
     * over what is drawn. */
    bool needs_full_batches;
    bool scores_all; /* with sampling.negatives all, scores gives those of all items */

    /* ---- fitting by phases ---- */
    int n_phases;
    bool is_closed;            /* one round is all there is to do: train.epochs is not looked at */
    const char *const *phases; /* their names, for people; n_phases */
    void (*phase)(const rk_model_instance *instance, rk_program *program, int phase,
                  rk_value state);
    /* An i32 [n,1] of them, saved: 1 at items whose fitting was stopped early, and what that means,
     * behind "N of n items: ". NULL = it always comes to its end. */
    const char *unfinished, *unfinished_help;
    const char *failure; /* what a failed phase means and what to do, behind "PHASE failed: " */

    /* ---- scoring ---- */
    void (*finish)(const rk_model_instance *instance, rk_program *program); /* NULL = nothing */
    /* NULL, both: scores come from the lists, of known and new people alike. */
    rk_value (*query)(const rk_model_instance *instance, rk_program *program, const rk_tile *tile);
    rk_value (*fold_in)(const rk_model_instance *instance, rk_program *program,
                        const rk_tile *tile);
    rk_value (*score)(const rk_model_instance *instance, rk_program *program, const rk_tile *tile,
                      rk_value queries);
    /* In its place: the scores of some items, [T,n], 0 of item -1, for models that need room for
     * each pair: so many floats at a time. A catalogue is gone through in parts. */
    rk_value (*score_items)(const rk_model_instance *instance, rk_program *program,
                            const rk_tile *tile, rk_value queries, const rk_tile_items *items);
    int64_t (*pair_floats)(const rk_model_instance *instance);
    /* How like all items are to those of a tile, [T,I]: its lists hold one item each, with weight
     * 1, and its users are the nodes of those; item_nodes: i32 [I,1]. Where reads_lists it is what
     * each item adds to the scores. NULL = the model does not know. */
    rk_value (*similar)(const rk_model_instance *instance, rk_program *program, const rk_tile *tile,
                        rk_value item_nodes);
    /* Of a fold_in that is rk__sum_lists: its table and its power. NULL = it is none. */
    rk_fold_sum (*fold_sum)(const rk_model_instance *instance);
    /* Of a fold_in that is rk__als_fold of "fold.gram", of ratings without it: its equations.
     * NULL = it is none. */
    rk_als_attr (*fold_equations)(const rk_model_instance *instance);
    const char *fold_table; /* that they are of; NULL = embeddings */
    const char
        *embeddings;     /* the tensor [users + items, w] whose dot products scores are; or NULL */
    const char *vectors; /* without: a table of the vectors of all nodes that is made of what is
                          * trained, to be exported beside that; NULL = what is trained is all */
    bool scores_by_dot; /* score is one score_dot: tiles need no room for the scores of all items */
    bool reads_lists;   /* score looks at the items of known users, too */
    bool reads_fields;  /* it learns of data.fields (data/contexts.h), and a query has a value of
                         * each; users without train rows are asked for by node -1 */
    bool is_same_for_all; /* the ranking does not depend on who asks: nobody is unknown to it */
    const rk_model_half *halves; /* RK_MODEL_HALVES; NULL = it has none */
    bool has_layers;             /* model.layers says something about it */
    bool rates; /* scores are predicted ratings, of cold users and items, too: weights of lists are
                 * ratings, and nobody is ranked for by popularity */
    bool has_members; /* made of other runs' models: train/members.h opens them */
    /* Does the model know something of a node (users, then items) without train interactions, e.g.
     * its features? Such nodes are scored like others. NULL = of none. */
    bool (*knows)(const rk_model_instance *instance, int64_t node);
    /* By what, where it knows of all: "by ...", for people. NULL = by features or relations, and
     * not of all. */
    const char *knows_by;
};

/* The Gram form of a propagation (lightgcn_gram.c): the small side and its Gram matrix. */
typedef struct rk_gram_form {
    bool on;          /* false: the direct form */
    int64_t first, n; /* nodes of the small side */
    int32_t stored;   /* C f32 [n,n] in the store; -1 if the model's depth needs none */
} rk_gram_form;

struct rk_model_instance {
    const rk_model_kind *model;
    const rk_options *options; /* lent */
    rk_model_data data;
    int64_t n_nodes;   /* rows of tables of nodes: users, items, and what else declare adds to it */
    rk_gram_form gram; /* off; whoever builds programs may switch it on before */
    /* Those that are saved come first, in the order of their declaration. */
    rk_parameter *parameters; /* owned */
    int n_parameters;         /* trained and computed */
    int n_tensors;            /* and tables and constants */
    int capacity;
    /* [n_nodes]: 1 = something is known of that node even if it has no train interaction, for
     * rk_model_kind.knows; made by rk__model_add_known, owned; or NULL. */
    uint8_t *known;
    /* Of an ensemble: its members, as they write into programs. Their tensors are among its own,
     * "1.NAME" ...; owned. */
    rk_model_instance *members;
    int n_members;
};

/* All models, NULL-terminated, in the order of the choices of model.kind. */
const rk_model_kind *const *rk__models(void);
static inline const rk_model_kind *rk__model_of(const rk_options *options)
{
    const rk_model_kind *kind = rk__models()[options->model.kind];
    return kind->form ? kind->form(kind, options) : kind;
}

/* Else it is fitted by phases. */
static inline bool rk__model_is_by_gradients(const rk_model_kind *model)
{
    return model->n_phases == 0;
}

/* What rk_config_check asks, of a config that a run already has without options that nothing reads,
 * and without data.sources where the data set is given. */
rk_status rk__model_check_config(const rk_config *config, bool is_new, bool has_dataset);
/* RK_ERR_CONFIG or RK_ERR_DATA when the model cannot be fitted to such data. */
rk_status rk__model_check_data(const rk_options *options, const rk_model_data *data);

/* An instance of a model; declares its tensors into the store (trained ones with zero contents: see
 * rk__parameter_init). Options and data are lent. Free with rk__model_free, also after a failure,
 * but not before the store is of no use any more: it borrows the constants. */
rk_status rk__model_declare(rk_model_instance *out, const rk_model_kind *model,
                            const rk_options *options, const rk_model_data *data, rk_store *store);
void rk__model_free(rk_model_instance *instance);

/* The graph of the train interactions in a program, as propagations want it and as rows of a matrix
 * without values. The store has it as "graph.offsets", "graph.columns" and "graph.scale". */
rk_graph_values rk__use_graph(rk_program *p);
rk_csr_values rk__use_graph_rows(rk_program *p);

/* The scores of all items, [T,I], of a model of either kind, for whoever needs them whole. */
rk_value rk__model_score_all(const rk_model_instance *instance, rk_program *p, const rk_tile *tile,
                             rk_value queries);
/* The pairs that score_items is to be asked for at once. */
int64_t rk__model_part_pairs(const rk_model_instance *instance);

/* Called by a model's declare: one more tensor; `stored` of it is set later. A constant is the
 * instance's from then on, also when this fails. */
rk_status rk__model_add(rk_model_instance *instance, rk_parameter parameter);

/* Called by declare: instance->known, zeros at first. */
rk_status rk__model_add_known(rk_model_instance *instance);
/* rk_model_kind.knows of whoever fills that. */
bool rk__model_marks_known(const rk_model_instance *instance, int64_t node);

/* Are some interactions of an epoch what vectors are made of, and the others what the loss looks
 * at? */
static inline bool rk__splits_messages(const rk_options *options)
{
    return options->train.message_share > 0 && options->train.message_share < 1;
}
/* Where they are: what the loss multiplies the term of an interaction by, f32 [2E,1]
 * beside graph.columns. Those that vectors are made of in this epoch count 0, the others so much
 * that the mean is 1. */
rk_value rk__model_target_weights(const rk_model_instance *instance, rk_program *p,
                                  rk_graph_values graph, rk_value state);
/* f32 [E,1] of a block whose rows and columns are nodes: 1 of those that vectors are made of in
 * this epoch, 0 of the others. RK_NONE where all are: without such a share, and without a state. */
rk_value rk__model_messages(const rk_model_instance *instance, rk_program *p, rk_block_values block,
                            rk_value state);
/* With such a share a target's weight must be all that its loss looks at. */
rk_status rk__messages_check(const rk_config *config);

/* Why no result of these options, or of an ensemble's members, is to be held against others
 * (model.compat); NULL = it may be. */
const char *rk__compat_note(const rk_options *options);

/* Can somebody who is known by items only be given a ranking? */
bool rk__model_folds_in(const rk_model_kind *model, const rk_options *options);
/* The same, and of an ensemble all its members can. */
bool rk__instance_folds_in(const rk_model_instance *instance);
/* Does it know something of a node that was not in train? Of an ensemble: any of its members. */
bool rk__instance_knows(const rk_model_instance *instance, int64_t node);
/* Of any user, or item, that was not in train? */
bool rk__instance_knows_any(const rk_model_instance *instance, bool of_users);
/* RK_CONSTANT f32 [2E,1]: data->train_values beside graph.columns, each at both ends of its
 * edge. */
rk_status rk__model_add_edge_values(rk_model_instance *instance, const char *name);
/* The number of epochs that a run of these options trains. */
int64_t rk__model_epochs(const rk_options *options);

/* The rows of a block, [*out_first, *out_end). */
void rk__parameter_block(const rk_parameter *parameter, int block, int64_t *out_first,
                         int64_t *out_end);
/* What the unit draws of a block are multiplied with. */
double rk__parameter_scale(const rk_parameter *parameter, int block);

/* Initial values, float [rows, cols]: pure functions of (seed, parameter number, element). */
void rk__parameter_init(const rk_parameter *parameter, int number, uint64_t seed, float *out);
/* Some columns of them, [rows, columns.n]. */
void rk__parameter_init_columns(const rk_parameter *parameter, int number, uint64_t seed,
                                rk_columns_attr columns, float *out);

#endif
