/*
 * Triples (head, relation, tail) of a knowledge graph as interactions.
 *
 * Who asks is a query, "HEAD > RELATION" for the tails or "TAIL < RELATION" for the heads of a
 * relation, and what it has are entities. So each triple is two interactions, one in each
 * direction, and a relation read backwards is one of its own. Queries are the users of the data
 * set, entities its items: what a query has in train, valid and test are the answers that are known
 * to be true, which a filtered ranking leaves out.
 */
#ifndef RK_DATA_TRIPLES_H
#define RK_DATA_TRIPLES_H

#include "base/buffer.h"
#include "data/dataset.h"
#include "data/reader.h"

/* Appends the id of a query. */
void rk__triple_query(rk_buffer *out, rk_text entity, rk_text relation, bool is_backward);
/* NULL, or the text that must not be part of the name of an entity or a relation, but is. */
const char *rk__triple_forbidden(rk_text name);

/* The queries of a data set. */
typedef struct rk_triples {
    int64_t n_queries, n_relations; /* relations: each once */
    int32_t *entities;              /* [n_queries]: what the query is of, an item; owned */
    int32_t *relations; /* [n_queries]: 2 r of relation r, 2 r + 1 of it backward; owned */
    char **names;       /* [n_relations], ascending bytewise; one block, owned */
} rk_triples;

/* RK_ERR_DATA where a user is no query. A zeroed one is fine to free. */
rk_status rk__triples_init(rk_triples *out, const rk_dataset *dataset);
void rk__triples_free(rk_triples *triples);

/* The number of a relation, as in rk_triples.relations; -1 if there is none of that name. */
int32_t rk__triples_find(const rk_triples *triples, const char *name, bool is_backward);

#endif
