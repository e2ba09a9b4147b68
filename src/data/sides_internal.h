/* Shared by the files behind data/sides.h: reading files of relations and features. */
#ifndef RK_DATA_SIDES_INTERNAL_H
#define RK_DATA_SIDES_INTERNAL_H

#include "data/id_map.h"
#include "data/sides.h"
#include "data/table.h"
#include "data/times.h"
#include "data/where.h"

/* While relations are read: the ids met of each other node type. */
typedef struct rk_nodes {
    const rk_dataset *dataset;
    const rk_options *options;
    const rk_hooks *hooks;
    rk_sides *sides;
    rk_id_map *maps; /* sides->n_types; of users and items empty */
} rk_nodes;

/* A file of delimited text with the rows that `where` drops left out. */
typedef struct rk_side_table {
    rk_table table;
    rk_where where;
    int64_t rows, filtered;
    const char *path, *origin;
    const rk_hooks *hooks;
    double began, looked;
} rk_side_table;

/* How a file of a relation or of features is read, as a source would say it. */
rk_source_options rk__relation_source(const rk_relation_options *relation);
rk_source_options rk__feature_source(const rk_feature_options *feature);

/* A failed open owes nothing. path and source are lent. */
rk_status rk__side_table_open(rk_side_table *out, const rk_source_options *source, const char *path,
                              const rk_hooks *hooks);
void rk__side_table_close(rk_side_table *table);
/* As rk__table_next; also asks the hooks whether to stop, and reports progress. */
rk_status rk__side_table_next(rk_side_table *table, bool *out_end);

/* Columns of a table as their indices. */
typedef struct rk_side_columns {
    int64_t n;
    int64_t *index; /* owned */
} rk_side_columns;

/* "5:24", "a,b,3": free with rk__free(out->index) also after a failure. key: for messages. */
rk_status rk__side_columns(rk_table *table, const char *text, const char *key,
                           rk_side_columns *out);
/* The name of a column: of the header, or its index; up to 63 bytes. */
void rk__side_column_name(const rk_table *table, int64_t index, char out[64]);
/* The place of a column by its index. */
rk_status rk__side_want(rk_side_table *table, int64_t index, const char *key, int *out_place);

/* The column that holds the nodes of a type: as given; else the one called TYPE_id, TYPEid or TYPE
 * (or uid, iid), whatever its case, that is none of `taken`; -1 if there is none. Where columns
 * have no order (JSON), it is TYPE_id. */
rk_status rk__side_named_column(rk_side_table *table, const char *given, const char *type,
                                const rk_side_columns *taken, const char *key, int64_t *out);
/* Where none is called so: the first that is not taken, without a header; with one only if no more
 * than `needed` columns are left. Else an error that lists them. */
rk_status rk__side_guess_column(rk_side_table *table, const char *type,
                                const rk_side_columns *taken, int64_t needed, const char *key,
                                int64_t *out);
rk_status rk__side_take(rk_side_columns *taken, int64_t index);

/* The node of an id in the file: of a user or item its index, -1 if it is not in the data set; of
 * another type its place in the map, as it is met. lines may be NULL. */
rk_status rk__side_node(const rk_nodes *nodes, int64_t type, rk_text id, const rk_lines *lines,
                        const char *title, int32_t *out);
/* The same once the types are done, without new ones: -1 if there is no such node. */
rk_status rk__side_find(const rk_nodes *nodes, int64_t type, rk_text id, const rk_lines *lines,
                        const char *title, int64_t *out);

/* The ids of a map in their order, and for each place in the map its rank; free *out_rank. */
rk_status rk__side_order(const rk_id_map *map, rk_ids *out, int32_t **out_rank);

/* n texts as one block, in the order of `order`; NULL = as they are. */
rk_status rk__words_of_map(const rk_id_map *map, const int32_t *rank, rk_words *out);

/* A relation read from its file, whose edges still have the numbers of the maps. */
typedef struct rk_edges {
    int64_t n, capacity;
    int32_t *from, *to, *type; /* type: NULL = none; owned, as the others */
    float *weight;             /* NULL = none */
    double *time;              /* NULL = none */
    bool counts;               /* weights are numbers of rows */
    bool has_types, has_weights, has_times;
    rk_id_map types;
    rk_times times;
    int64_t rows, filtered, unknown;
} rk_edges;

rk_status rk__edges_read(rk_edges *out, const rk_nodes *nodes, const rk_relation_options *relation,
                         rk_relation_store *store);
void rk__edges_free(rk_edges *edges);
/* Sorts, merges and stores. rank_from, rank_to: NULL = the numbers are final. */
rk_status rk__edges_store(rk_edges *edges, const rk_nodes *nodes, const int32_t *rank_from,
                          const int32_t *rank_to, rk_relation_store *out);

/* Counts a relation that is derived; those before it are done. */
rk_status rk__relation_derive(const rk_nodes *nodes, int64_t index);

/* Reads the features of all elements of data.features, in their order. */
rk_status rk__features_read(const rk_nodes *nodes);

/* features_numbers.c. What a number may be, before it is scaled (RK_SCALE_*); at: its text, for the
 * place in a message. */
rk_status rk__feature_check(const rk_table *table, int place, int scale, const char *at,
                            double value);
/* Shift and scale of a column's numbers [n], over the nodes that have one; NAN = it has none. */
void rk__feature_scale(const double *values, int64_t n, int kind, double *shift, double *scale);

#endif
