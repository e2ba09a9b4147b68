/* The loss of a training step, as options say it: appended to a program that has a batch. */
#ifndef RK_TRAIN_OBJECTIVE_H
#define RK_TRAIN_OBJECTIVE_H

#include "config/options.h"
#include "ops/builder.h"

/* With loss.neighbours; neighbour_term.h makes it. */
typedef struct rk_objective_neighbours {
    rk_value final; /* f32 [S',d] at their rows */
    rk_row_set rows;
    rk_value nodes;   /* of the batch */
    rk_value weights; /* f32 [I,K] */
    rk_neighbour_attr attr;
} rk_objective_neighbours;

typedef struct rk_objective_values {
    rk_value final;         /* f32 [S,d] at the batch's rows, or RK_NONE with scores */
    rk_value scores;        /* f32 [B,1+M] of models that score pairs, with sampling.negatives all
                             * [B,I]; else RK_NONE */
    rk_value labels;        /* f32 [B,1] beside scores, or RK_NONE */
    rk_value ego;           /* f32 [S,d], layer 0; for L2 on it only; RK_NONE = no such term */
    rk_value logit_bias;    /* f32 [N,1], or RK_NONE */
    rk_value degree_factor; /* f32 [N,1], or RK_NONE */
    rk_value weight;        /* f32 [B,1] of the triplets, or RK_NONE */
    rk_value views[2];      /* f32 [S,d] each; with loss.contrast only */
    rk_objective_neighbours neighbours;
    rk_value state;
    rk_value nodes; /* i32 [L,1], of the batch */
    rk_graph_values graph;
    int64_t first_item; /* the node of item 0 */
    rk_row_set rows;
} rk_objective_values;

/* Is the L2 term one of layer 0? */
bool rk__objective_needs_ego(const rk_options *options);

/* Appends the terms that the options ask for: the ranking loss, L2, contrast, neighbours.
 * n_candidates: M of the batch. */
rk_status rk__objective_append(rk_program *program, const rk_options *options,
                               const rk_objective_values *values, int64_t n_candidates);

#endif
