/*
 * The nodes and relations of a model over a graph: users, then items, then the nodes of the other
 * types that model.relations names, type by type in the order of the data set.
 */
#ifndef RK_MODELS_RELATIONS_H
#define RK_MODELS_RELATIONS_H

#include "models/model.h"
#include "rankine/sides.h"

/* A relation of the model, its nodes as nodes of the model. */
typedef struct rk_model_relation {
    const rk_relation *of; /* the data set's */
    int64_t from, to; /* the first nodes of either type: edge k of list v goes from node from + v
                            * to node to + of->columns[k] */
    double weight;    /* of model.relation_weights */
    bool is_within;   /* both are the same type */
} rk_model_relation;

typedef struct rk_model_relations {
    int64_t n_nodes; /* of all types */
    int n;
    rk_model_relation *v; /* [n], in the order of model.relations; owned */
} rk_model_relations;

/* How many names model.relations has. */
int64_t rk__relations_count(const rk_options *options);

/* Names of model.relations against data.relations, and their weights: none is named twice, each is
 * there, and there is one weight or one each. */
rk_status rk__relations_check(const rk_config *config);

/* RK_ERR_CONFIG if one of them is read with weights, which the model does not look at. Of derived
 * relations weights have chosen the edges. */
rk_status rk__relations_check_unweighted(const rk_config *config);

/* RK_ERR_DATA if the data set has no such relation. Free with rk__relations_free. */
rk_status rk__relations_init(rk_model_relations *out, const rk_options *options,
                             const rk_model_data *data);
/* RK_ERR_DATA if an edge of them has a weight that sums of overflow by; or, where something is
 * divided by those, one below 0. */
rk_status rk__relations_check_weights(const rk_model_relations *relations, bool divides);
void rk__relations_free(rk_model_relations *relations); /* a zeroed one is fine */

#endif
