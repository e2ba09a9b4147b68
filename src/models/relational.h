/*
 * Layers of encoders over edges of several types (rgcn.c, compgcn.c), apart from what they are
 * layers of: a block whose edges have types, the vectors of its nodes, and weights.
 */
#ifndef RK_MODELS_RELATIONAL_H
#define RK_MODELS_RELATIONAL_H

#include "models/network.h"

/* The weights of the edges of the block in this step. Without targets of the loss those that are
 * left count for all of a mean: they are divided by train.message_share. */
rk_value rk__relational_weights(const rk_model_instance *m, rk_program *p, rk_block_values block,
                                const rk_layer_values *v);
/* The layers of a network over relations have matrices. How many types of edges there are. */
rk_status rk__relational_check(const rk_config *config);
rk_status rk__relational_types(const rk_model_instance *m, int64_t *out);
/* The rk_block_norm of model.edges. */
rk_block_norm rk__relational_norm(const rk_options *options);

/* The block RK_NETWORK_EDGES, normalised over scope, and where people are known by lists what the
 * items' side of that is, as RK_RELATIONAL_SCALE, f32 [n_nodes,1]: of the edges of type 0, or of
 * all forward ones. */
#define RK_RELATIONAL_SCALE "lists.scale"
rk_status rk__relational_join(rk_model_instance *m, bool loops, rk_block_scope scope);
/* People are known by lists unless the types of their edges are values, which lists have not. */
bool rk__relational_folds(const rk_options *options);
/* x times that scale. */
rk_value rk__relational_scaled(const rk_model_instance *m, rk_program *p, rk_value x);
/* The first row of a table, [1, cols]. */
rk_value rk__first_row(rk_program *p, rk_value table);

/* ---- R-GCN ---- */

/* What a layer of T types of edges is made of, from `in` columns to `out`. */
typedef struct rk_rgcn_weights {
    rk_value relations;    /* the matrices W_t of the types, f32 [T in, out], one below the other;
                              of bases [B in, out]; of blocks on the diagonal [T, in size] */
    rk_value coefficients; /* f32 [T, B]: W_t = sum_b coefficients[t, b] V_b; RK_NONE = not so */
    rk_value self;         /* f32 [in, out] or RK_NONE */
    rk_value bias;         /* f32 [1, out] or RK_NONE */
    int64_t n_types;
    int64_t size; /* of a block: in = out is a multiple of it; 0 = matrices are whole */
} rk_rgcn_weights;

/* x self + sum over types t of (sum over the edges of type t of weights * x) W_t + bias: [n, in]
 * -> [n, out]. weights: f32 [E,1] of the block's edges, RK_NONE = 1. */
rk_value rk__rgcn_layer(rk_program *p, rk_block_values block, rk_value weights, rk_value x,
                        rk_rgcn_weights w);

/* ---- CompGCN ---- */

typedef struct rk_compgcn_weights {
    rk_value forward, backward, self; /* f32 [in, out], of even types, odd ones, and of loops */
    rk_value bias;                    /* f32 [1, out] */
    rk_value directions;              /* f32 [T + 1, 3], rk__compgcn_directions */
    rk_value fourier, inverse;        /* of corr: rk__compgcn_fourier; else RK_NONE */
    int32_t composition;              /* RK_COMPOSITION_* */
    rk_value state;                   /* of the step, for dropout; RK_NONE = nobody is training */
    double dropout;                   /* of the parts of forward and backward edges */
    int k;                            /* the layer's number, for its draws */
} rk_compgcn_weights;

/* 1/3 of the sum of three parts: phi(x_u, z_t) summed over the edges of a direction times its
 * matrix, and phi(x_v, z_T) times that of loops; and the bias. The block has the loops as its last
 * type, T. x [n, in], z [T + 1, in] -> [n, out]. */
rk_value rk__compgcn_layer(rk_program *p, rk_block_values block, rk_value weights, rk_value x,
                           rk_value z, rk_compgcn_weights w);

/* Constants of an instance. Which of the three sums an edge of each of n_types + 1 types counts
 * for; the rows that place [T, in] above the row of the loops ("extend" [T + 1, T], "last"
 * [T + 1, 1]). */
rk_status rk__compgcn_directions(rk_model_instance *m, int64_t n_types);
/* The real Fourier transform of `width` numbers as a matrix [width, w], pairs of columns being a
 * complex number, and its inverse [w, width], as NAME ".fourier" and ".inverse". */
rk_status rk__compgcn_fourier(rk_model_instance *m, const char *name, int64_t width);
/* z [T, in] and the row of loops [1, in] as [T + 1, in]. */
rk_value rk__compgcn_relations(rk_program *p, rk_value z, rk_value loop);

#endif
