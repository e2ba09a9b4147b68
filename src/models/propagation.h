/*
 * The graph that LightGCN and its kin propagate over: that of the interactions, or with
 * model.relations the sum of it and further relations, A = sum_r w_r A_r, over users, items and the
 * nodes of other types. A pair of nodes that several relations join has an edge of each.
 *
 * Only the interactions are drawn from, masked and evaluated: relations add paths, and nodes of
 * other types (tags, authors) have embeddings like users and items. The symmetric normalisation is
 * a scale of the nodes, 1 / sqrt of the sum of their weights. Where all edges count 1 it is
 * rk__propagate that goes over them, else rk__aggregate.
 */
#ifndef RK_MODELS_PROPAGATION_H
#define RK_MODELS_PROPAGATION_H

#include "graph/block.h"
#include "models/model.h"

bool rk__has_relations(const rk_options *options);
/* RK_ERR_CONFIG for options that do not fit the relations. */
rk_status rk__propagation_check(const rk_config *config);

/* What declare makes of the relations; zeros without any. */
typedef struct rk_propagation {
    rk_block block; /* weights NULL: all edges count 1 */
    double *degree; /* [n_nodes], the sums of the weights; owned */
} rk_propagation;

/* Before any table is declared, since it sets instance->n_nodes. Free with rk__propagation_free. */
rk_status rk__propagation_init(rk_propagation *out, rk_model_instance *instance);
void rk__propagation_free(rk_propagation *propagation); /* a zeroed one is fine */
/* After all tensors that are saved: constants "joined.offsets" and so on, and "joined.scale". Nodes
 * with edges are known: items of which there are tags or views alone are scored like others. The
 * block is the instance's from then on, also when this fails. */
rk_status rk__declare_propagation(rk_model_instance *instance, rk_propagation *propagation);
/* float [n_nodes]: the degrees to a power, also without relations; 0 for a node without edges. */
void rk__degree_power(const rk_model_instance *instance, const rk_propagation *propagation,
                      double exponent, float *out);

/* The graph of a program that has this one of the interactions. */
rk_graph_values rk__propagation_graph(const rk_model_instance *instance, rk_program *p,
                                      rk_graph_values interactions);
/* D^-1/2 A D^-1/2 x over it: [N,d] -> [N,d]. */
rk_value rk__propagate_over(const rk_model_instance *instance, rk_program *p, rk_graph_values graph,
                            rk_value x);

#endif
