/*
 * What a data set knows besides its interactions: relations between nodes, and features of nodes
 * (data.relations and data.features of a config).
 *
 * Nodes are of types. Type 0 is "user" and type 1 is "item", with the dense indices of
 * rankine/dataset.h; others are the words that data.relations uses, and their nodes are those that
 * occur in its files, in ascending order of their ids: as numbers if all ids of the type are
 * numbers, else bytewise.
 *
 * Everything here belongs to the data set and lives as long as it. Threads: as in
 * rankine/dataset.h, any number of them may read.
 */
#ifndef RANKINE_SIDES_H
#define RANKINE_SIDES_H

#include "rankine/dataset.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How many node types there are, 2 or more; the name of one and how many nodes it has, NULL when
 * out of range. out_n may be NULL. */
RK_API int64_t rk_dataset_n_node_types(const rk_dataset *dataset);
RK_API const char *rk_dataset_node_type(const rk_dataset *dataset, int64_t type, int64_t *out_n);

/* Original id of a node, as rk_dataset_item_id; NULL when out of range. */
RK_API const char *rk_dataset_node_id(const rk_dataset *dataset, int64_t type, int64_t node,
                                      char room[RK_ID_BYTES]);

/* A relation: lists of edges, one a node of the type `from`. Later versions may add members at the
 * end. */
typedef struct rk_relation {
    const char *name;
    const char *from, *to; /* node types */
    int64_t n_from, n_to;  /* nodes of those types, with and without edges */
    int64_t n_edges;
    /* n_from + 1: the edges of node v are those from offsets[v] to offsets[v + 1] - 1. */
    const int64_t *offsets;
    /* n_edges: nodes of `to`. In each list ascending, and where edges have types ascending by node
     * and type; no two edges are the same. */
    const int32_t *columns;
    /* n_edges, finite; NULL = edges have none. Of rows that say the same edge the sum. */
    const float *weights;
    /* n_edges, finite, in seconds; NULL = none. Of such rows the earliest. */
    const double *times;
    const int32_t *types;          /* n_edges, indices into type_names; NULL = of one kind */
    int64_t n_types;               /* 0 without types */
    const char *const *type_names; /* n_types, in the order of node ids */
    bool is_derived;               /* counted, not read */
    bool drops_held_out;           /* held_out edges were left out; else they are there */
    int64_t held_out;              /* edges of users and items that are pairs of valid or test */
    /* What was read: rows of the file, of which `where` dropped some; nodes joined by those rows
     * (a row may say none or several), of which some were dropped because the user or item is not
     * in the data set, and some are there already. */
    int64_t rows_read, rows_filtered, edges_unknown, edges_repeated;
} rk_relation;

RK_API int64_t rk_dataset_n_relations(const rk_dataset *dataset);
/* In the order of the config; NULL when out of range. */
RK_API const rk_relation *rk_dataset_relation(const rk_dataset *dataset, int64_t index);
/* RK_ERR_DATA, naming those that there are, if there is none of that name. */
RK_API rk_status rk_dataset_find_relation(const rk_dataset *dataset, const char *name,
                                          const rk_relation **out);

/* The features of all nodes of a type: numbers in a dense table, words as lists of those that a
 * node has (the places of the ones in rows of zeros and ones). Later versions may add members at
 * the end. */
typedef struct rk_features {
    const char *of; /* node type */
    int64_t n_nodes;
    int64_t n_dense;
    const char *const *dense_names; /* n_dense; log(NAME) where the logarithm was taken */
    const float *dense;             /* [n_nodes, n_dense], finite */
    /* n_dense: how a value became what is stored, (x - shift) * scale; of log(1 + x) where the name
     * says so. */
    const double *dense_shift, *dense_scale;
    int64_t n_sparse;
    /* n_sparse: NAME=WORD, in the order of the config and then of the words; a flag's own name. */
    const char *const *sparse_names;
    const int64_t *offsets; /* n_nodes + 1 */
    const int32_t *columns; /* indices into sparse_names, ascending in each list and distinct */
    /* Nodes that a file has a row of; numbers that no file had, filled in by column.missing; rows
     * dropped because their node is not in the data set, and because their node had one already. */
    int64_t nodes_known, numbers_missing, rows_unknown, rows_repeated;
} rk_features;

/* How many node types have features. */
RK_API int64_t rk_dataset_n_features(const rk_dataset *dataset);
/* NULL when out of range. */
RK_API const rk_features *rk_dataset_features(const rk_dataset *dataset, int64_t index);
/* The features of a node type; RK_ERR_DATA if it has none. */
RK_API rk_status rk_dataset_find_features(const rk_dataset *dataset, const char *node_type,
                                          const rk_features **out);

#ifdef __cplusplus
}
#endif
#endif
