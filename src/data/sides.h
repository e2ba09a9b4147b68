/*
 * What a data set knows besides its interactions, inside the library: node types, relations,
 * features. rankine/sides.h says what the arrays hold.
 *
 * A relation or a table of features is made as a "store", which owns its arrays; what others read
 * is the public struct in it, which rk__sides_show fills.
 */
#ifndef RK_DATA_SIDES_H
#define RK_DATA_SIDES_H

#include "base/buffer.h"
#include "data/dataset.h"
#include "io/h5.h"
#include "rankine/sides.h"

enum { RK_NODE_USER = 0, RK_NODE_ITEM = 1, RK_NODE_FIRST_OTHER = 2 };

typedef struct rk_node_type {
    char *name;     /* owned */
    rk_ids ids;     /* of others than users and items, whose ids are the data set's */
    bool is_joined; /* relations lead from it to users or items; by rk__sides_show */
} rk_node_type;

/* Texts in one block: n pointers and their bytes. */
typedef struct rk_words {
    int64_t n;
    char **at; /* owned; NULL where n is 0 */
} rk_words;

typedef struct rk_relation_store {
    rk_relation shown;
    char *name;       /* owned, as all arrays */
    int64_t from, to; /* node types */
    int64_t *offsets;
    int32_t *columns;
    float *weights;
    double *times;
    int32_t *types;
    rk_words type_names;
} rk_relation_store;

typedef struct rk_features_store {
    rk_features shown;
    int64_t of; /* node type */
    rk_words dense_names, sparse_names;
    float *dense; /* owned, as all arrays */
    double *shift, *scale;
    int64_t *offsets;
    int32_t *columns;
} rk_features_store;

typedef struct rk_sides {
    int64_t n_types; /* 0 or at least 2 */
    rk_node_type *types;
    int64_t n_relations;
    rk_relation_store *relations;
    int64_t n_features;
    rk_features_store *features;
} rk_sides;

/* Whether the options ask for anything of this. */
bool rk__options_have_sides(const rk_options *options);

/* Reads and derives all relations and features of the options, which must have been checked, into
 * dataset->sides, and makes the fingerprint anew. Nothing happens where there are none. hooks may
 * be NULL; RK_ERR_INTERRUPTED when they ask to stop. */
rk_status rk__sides_read(rk_dataset *dataset, const rk_options *options, const rk_hooks *hooks);

/* Adds what shapes relations and features, for the digest that a prepared file is found by; nothing
 * where there are none. */
rk_status rk__sides_key(rk_buffer *out, const rk_options *options);
/* The files that they are read from, as the options name them. */
int64_t rk__sides_n_files(const rk_options *options);
const char *rk__sides_file(const rk_options *options, int64_t index);

void rk__sides_free(rk_sides *sides); /* NULL is fine */

/* Fills the public structs and what follows from all relations, after the last change. */
void rk__sides_show(const rk_dataset *dataset, rk_sides *sides);

/* The number of nodes of a type, and the original id of one; NULL when out of range. dataset may be
 * NULL for other types than users and items. */
int64_t rk__sides_count(const rk_dataset *dataset, const rk_sides *sides, int64_t type);
const char *rk__node_id(const rk_dataset *dataset, const rk_sides *sides, int64_t type,
                        int64_t node, char room[RK_ID_BYTES]);

/* The hash continued over node types, relations and features; unchanged where there are none. */
uint64_t rk__sides_hash(uint64_t hash, const rk_sides *sides);

/* Into and from the file of a data set: nodes/TYPE, relations/NAME, features/TYPE. Reading checks
 * everything that others rely on. */
rk_status rk__sides_write(const rk_sides *sides, rk_h5 *file);
rk_status rk__sides_load(rk_dataset *dataset, const rk_h5 *file);

#endif
