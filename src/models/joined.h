/*
 * The interactions and relations of a data set as one block of edges over the nodes of several
 * types, and blocks in the store of a model.
 */
#ifndef RK_MODELS_JOINED_H
#define RK_MODELS_JOINED_H

#include "graph/block.h"
#include "models/model.h"

/* The nodes of a model that reads relations: users, then items, then, where they are nodes,
 * contexts (field_pairs.h), then those of the other types that its relations name, in the order of
 * the data set's types. */
typedef struct rk_node_space {
    int64_t n_types; /* of the data set; 2 without one */
    int64_t *first;  /* [n_types], the first node of each; -1 = none of these nodes. Owned */
    int64_t n_nodes;
} rk_node_space;

/* relations: names of data.relations with commas between them, "" = none. RK_ERR_CONFIG for a name
 * that is none. A zeroed one is fine to free. */
rk_status rk__node_space(rk_node_space *out, const rk_model_data *data, const char *relations);
void rk__node_space_free(rk_node_space *space);

/* How many relations the text names; *out_types: how many types of edges they and the interactions
 * have together, each direction counted: 2 for the interactions, 2 for a relation, and of one whose
 * edges have types 2 for each of those. */
rk_status rk__count_relations(const rk_model_data *data, const char *relations, int64_t *out_n,
                              int64_t *out_types);

/* The values of train interactions that model.type_by tells apart, ascending. */
enum { RK_MOST_LEVELS = 64 };
typedef struct rk_levels {
    int n; /* 1 where it does not: all are alike */
    float v[RK_MOST_LEVELS];
} rk_levels;

/* Those of n values, too. RK_ERR_DATA where they are more than that. */
rk_status rk__levels_add(rk_levels *levels, const float *values, int64_t n);

/* RK_ERR_DATA where there are more than that, or no values. */
rk_status rk__value_levels(rk_levels *out, const rk_options *options, const rk_model_data *data);

typedef struct rk_join_options {
    bool typed; /* edges have types: 2 t for the edges of relation t, whose rows are of its type
                   `from`, and 2 t + 1 for their reverse; the interactions, of users, are 0, or by
                   their levels the first n */
    bool once;  /* of a relation within a type an edge that both its ends say is one edge, with the
                   larger weight */
    bool loops; /* an edge from each node to itself, of a type of its own behind the others */
    rk_block_norm norm;
    rk_block_scope scope;
    const rk_options *options; /* of the model, for the pairs of fields (field_pairs.h) */
    const double *weights;     /* of the relations, in the order of their names; NULL = 1 each. The
                              interactions count 1 */
} rk_join_options;

/* The square block over the node space with the train interactions and the named relations, each
 * edge in both directions. An edge weighs the relation's weight times its own, if it has one.
 * RK_ERR_CONFIG for a name that is none. Free with rk__block_free. */
rk_status rk__block_join(rk_block *out, const rk_model_data *data, const char *relations,
                         const rk_join_options *options);

/* Marks in m->known, of all nodes, those that edges lead to, over whatever nodes and weights other
 * than 0, from one that has train interactions or is marked already: of others nothing
 * is learnt. */
rk_status rk__know_joined(rk_model_instance *m, const rk_block *block);

/* The edges of lists as a block of n_nodes rows and columns: list v is of row v, and first is added
 * to its columns. Without weights, types and other direction. */
rk_status rk__block_of_lists(rk_block *out, int64_t n_nodes, int64_t n_lists,
                             const int64_t *offsets, const int32_t *columns, int64_t first);

/* Called by declare, behind the tensors that are saved: the arrays of the block as constants NAME
 * ".offsets", ".columns", and where there are such ".weights", ".types", ".back_offsets",
 * ".back_columns", ".back_edges". The block is empty afterwards, also when this fails. */
rk_status rk__model_add_block(rk_model_instance *instance, const char *name, rk_block *block);
rk_block_values rk__use_block(rk_program *p, const char *name);

#endif
