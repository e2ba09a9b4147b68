/*
 * What a model is: parameters, and the final embeddings as operations over them.
 *
 * A model is written once and never sees a device. Training asks for the final embeddings at the
 * rows of a batch, evaluation for all rows; scores are dot products of user and item rows.
 */
#ifndef RK_MODELS_MODEL_H
#define RK_MODELS_MODEL_H

#include "config/options.h"
#include "graph/graph.h"
#include "ops/builder.h"

enum { RK_MAX_PARAMETERS = 8 };

/* A parameter to declare: rows x cols in the store, initialised block by block (a block of rows
 * has its own fan-in, e.g. users and items for xavier). */
typedef struct rk_parameter {
    char name[RK_NAME_LENGTH];
    int64_t rows, cols;
    int init;             /* RK_INIT_* */
    double init_sd;       /* of RK_INIT_CONSTANT the value itself */
    int64_t block_end[2]; /* rows [0, block_end[0]), [block_end[0], block_end[1]) */
    int32_t stored;       /* number in the store, set by rk__model_declare */
} rk_parameter;

typedef struct rk_model_instance rk_model_instance;

/* Embeddings of a batch's rows [S,d] in a program with a contrastive term. */
typedef struct rk_views {
    rk_value final;         /* what the ranking loss takes */
    rk_value first, second; /* what is held against each other; final may be one of them */
} rk_views;

typedef struct rk_model {
    const char *name; /* as in model.kind */
    const char *help; /* one line with the source */
    /* Does embed go by instance->gram under these options? NULL = never. */
    bool (*has_gram_form)(const rk_options *options);
    bool needs_degree_powers; /* instance->left and ->right */
    /* Fills instance->parameters from the options and the sizes. */
    rk_status (*declare)(rk_model_instance *instance);
    /* The final embeddings at a row set [S,d], or at all nodes [N,d] when rows is NULL.
     * values[i] is the program's value of parameter i; the result may be one of them itself.
     * *out_ego (may be NULL, only with rows) gets layer 0 at the row set, for the L2 term. */
    rk_value (*embed)(const rk_model_instance *instance, rk_program *program, rk_graph_values graph,
                      const rk_value *values, const rk_row_set *rows, rk_value *out_ego);
    /* The same at a row set, with the views of loss.contrast; NULL = the model has none. */
    rk_views (*views)(const rk_model_instance *instance, rk_program *program, rk_graph_values graph,
                      const rk_value *values, const rk_row_set *rows, rk_value state,
                      rk_value *out_ego);
} rk_model;

/* The Gram form of a propagation (lightgcn_gram.c): the small side and its Gram matrix. */
typedef struct rk_gram_form {
    bool on;          /* false: the direct form */
    int64_t first, n; /* nodes of the small side */
    int32_t stored;   /* C f32 [n,n] in the store; -1 if the model's depth needs none */
} rk_gram_form;

struct rk_model_instance {
    const rk_model *model;
    const rk_options *options; /* lent */
    int64_t n_users, n_items;
    rk_gram_form gram; /* off; whoever builds programs may switch it on before */
    rk_parameter parameters[RK_MAX_PARAMETERS];
    int n_parameters;
    /* Numbers in the store of degree^(1/2 - model.alpha) and degree^(1/2 - model.beta), f32 [N,1];
     * for a model that needs them, set by whoever declares the graph. */
    int32_t left, right;
};

/* All models, NULL-terminated, in the order of the choices of model.kind. */
const rk_model *const *rk__models(void);

/* An instance for options.model.kind; declares its parameters into the store (each with zero
 * contents: see rk__parameter_init). */
rk_status rk__model_declare(rk_model_instance *out, const rk_options *options, int64_t n_users,
                            int64_t n_items, rk_store *store);
/* The same of any model, in the table or not. */
rk_status rk__model_declare_kind(rk_model_instance *out, const rk_model *model,
                                 const rk_options *options, int64_t n_users, int64_t n_items,
                                 rk_store *store);

/* What the unit draws of a block (0 or 1) are multiplied with. */
double rk__parameter_scale(const rk_parameter *parameter, int block);

/* Initial values, float [rows, cols]: pure functions of (seed, parameter number, element). */
void rk__parameter_init(const rk_parameter *parameter, int number, uint64_t seed, float *out);

#endif
