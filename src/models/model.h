/*
 * What a model is: parameters, and the final embeddings as operations over them.
 *
 * A model is written once, over whole tables, and never sees a device. Callers that need only some
 * rows gather them; rk__program_restrict then computes no more than those. Scores are dot products
 * of user and item rows.
 */
#ifndef RK_MODELS_MODEL_H
#define RK_MODELS_MODEL_H

#include "config/options.h"
#include "graph/graph.h"
#include "ops/builder.h"

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

/* What a model makes of its parameters: tables f32 [N,d] of all nodes, users first. */
typedef struct rk_encoded {
    rk_value final;    /* what scores are products of */
    rk_value ego;      /* layer 0, for the L2 term; may be final itself */
    rk_value views[2]; /* what loss.contrast holds against each other; RK_NONE without it */
} rk_encoded;

typedef struct rk_model {
    const char *name; /* as in model.kind */
    const char *help; /* one line with the source */
    bool has_views;   /* for loss.contrast */
    /* Does encode go by instance->gram under these options? NULL = never. */
    bool (*has_gram_form)(const rk_options *options);
    bool needs_degree_powers; /* instance->left and ->right */
    /* Declares the parameters (rk__model_add_parameter) that options and sizes ask for. */
    rk_status (*declare)(rk_model_instance *instance);
    /* values[i]: the program's value of parameter i; the result may hold one of them itself. state:
     * of the step, in a training program; RK_NONE = no views are wanted. Failures stick in the
     * program. */
    rk_encoded (*encode)(const rk_model_instance *instance, rk_program *program,
                         rk_graph_values graph, const rk_value *values, rk_value state);
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
    rk_gram_form gram;        /* off; whoever builds programs may switch it on before */
    rk_parameter *parameters; /* owned */
    int n_parameters, parameter_capacity;
    /* Numbers in the store of degree^(1/2 - model.alpha) and degree^(1/2 - model.beta), f32 [N,1];
     * for a model that needs them, set by whoever declares the graph. */
    int32_t left, right;
};

/* All models, NULL-terminated, in the order of the choices of model.kind. */
const rk_model *const *rk__models(void);

/* An instance of a model; declares its parameters into the store (each with zero contents: see
 * rk__parameter_init). The options are lent. Free with rk__model_free, also after a failure. */
rk_status rk__model_declare(rk_model_instance *out, const rk_model *model,
                            const rk_options *options, int64_t n_users, int64_t n_items,
                            rk_store *store);
void rk__model_free(rk_model_instance *instance);

/* Called by a model's declare: one more parameter; `stored` of it is set later. */
rk_status rk__model_add_parameter(rk_model_instance *instance, rk_parameter parameter);

/* What the unit draws of a block (0 or 1) are multiplied with. */
double rk__parameter_scale(const rk_parameter *parameter, int block);

/* Initial values, float [rows, cols]: pure functions of (seed, parameter number, element). */
void rk__parameter_init(const rk_parameter *parameter, int number, uint64_t seed, float *out);

#endif
