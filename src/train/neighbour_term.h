/*
 * The item-item term of a training step (loss.neighbours): its tables, and its place in a program.
 */
#ifndef RK_TRAIN_NEIGHBOUR_TERM_H
#define RK_TRAIN_NEIGHBOUR_TERM_H

#include "config/options.h"
#include "graph/neighbours.h"
#include "models/model.h"
#include "rankine/hooks.h"
#include "train/objective.h"

/* The neighbours of every item by the train interactions; nothing when loss.neighbours is 0. The
 * time that it took goes to the log. RK_ERR_CONFIG when there are fewer items than neighbours
 * asked for. Free with rk__neighbours_free. hooks may be NULL. */
rk_status rk__neighbour_term_init(rk_neighbours *out, const rk_graph *graph,
                                  const rk_options *options, const rk_hooks *hooks);

/* Adds its tables to the store, which borrows them. */
rk_status rk__neighbour_term_declare(const rk_neighbours *neighbours, rk_store *store);

/* The rows that the term needs of the final embeddings [N,d], at a row set of their own, for
 * rk__objective_append; nothing when the store has no tables of it. nodes: of the batch. */
void rk__neighbour_term_gather(rk_program *program, const rk_model_instance *model, rk_value final,
                               rk_value nodes, rk_objective_values *out);

#endif
