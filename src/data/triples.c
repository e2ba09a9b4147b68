#include "data/triples.h"

#include <string.h>

#include "base/alloc.h"
#include "data/dataset_internal.h"
#include "data/id_map.h"

static const char *const forward = " > ", *const backward = " < ";
enum { MARK_BYTES = 3 };

void rk__triple_query(rk_buffer *out, rk_text entity, rk_text relation, bool is_backward)
{
    rk__buffer_add_bytes(out, entity.at, entity.length);
    rk__buffer_add(out, "%s", is_backward ? backward : forward);
    rk__buffer_add_bytes(out, relation.at, relation.length);
}

const char *rk__triple_forbidden(rk_text name)
{
    for (int64_t i = 0; i + MARK_BYTES <= name.length; i++) {
        if (memcmp(name.at + i, forward, MARK_BYTES) == 0) {
            return forward;
        }
        if (memcmp(name.at + i, backward, MARK_BYTES) == 0) {
            return backward;
        }
    }
    return NULL;
}

/* The parts of a query's id; false if it is none. */
static bool split(const char *id, rk_text *entity, const char **relation, bool *is_backward)
{
    const char *mark = strstr(id, forward);
    *is_backward = !mark;
    mark = mark ? mark : strstr(id, backward);
    if (!mark || mark == id || mark[MARK_BYTES] == '\0') {
        return false;
    }
    *entity = (rk_text){id, mark - id};
    *relation = mark + MARK_BYTES;
    return true;
}

static int64_t find_entity(const rk_ids *ids, rk_text text)
{
    if (ids->texts) {
        return rk__ids_find_text(ids, text.at, text.length);
    }
    int64_t number = 0;
    for (int64_t i = 0; i < text.length; i++) {
        if (text.at[i] < '0' || text.at[i] > '9' || number > (INT64_MAX - 9) / 10) {
            return -1;
        }
        number = number * 10 + (text.at[i] - '0');
    }
    return rk__ids_find_number(ids, number);
}

/* Entities, and relations in the order in which they first appear. */
static rk_status read_queries(rk_triples *t, const rk_dataset *dataset, rk_id_map *names)
{
    for (int64_t q = 0; q < t->n_queries; q++) {
        const char *id = dataset->users.texts ? dataset->users.texts[q] : "", *relation = "";
        rk_text entity = {0};
        bool is_backward = false;
        const bool is_query = split(id, &entity, &relation, &is_backward);
        const int64_t item = is_query ? find_entity(&dataset->items, entity) : -1;
        if (item < 0) {
            char room[RK_ID_BYTES];
            RK_FAIL(RK_ERR_DATA,
                    "the model answers queries of a knowledge graph, but user '%.100s' of data set "
                    "%.100s is no query 'HEAD > RELATION' or 'TAIL < RELATION' of an entity: name "
                    "the column of the relations in the key 'relation' of each of data.sources",
                    rk_dataset_user_id(dataset, q, room), dataset->name);
        }
        int32_t number = 0;
        RK_TRY(rk__id_map_text(names, relation, (int64_t)strlen(relation), &number));
        t->entities[q] = (int32_t)item;
        t->relations[q] = 2 * number + is_backward;
    }
    return RK_OK;
}

/* Numbers the relations in the order of their names. */
static rk_status order_relations(rk_triples *t, const rk_id_map *names)
{
    int32_t *order = NULL, *place = NULL;
    rk_status status = RK_OK;
    t->n_relations = names->n;
    const int64_t bytes = names->n > 0 ? names->starts[names->n] : 0;
    RK_TRY_GOTO(done, rk__id_map_order(names, &order));
    RK_TRY_GOTO(done, rk__alloc(&place, names->n, sizeof *place, "the relations of triples"));
    RK_TRY_GOTO(done, rk__alloc(&t->names, names->n * (int64_t)sizeof *t->names + bytes, 1,
                                "the names of relations"));
    char *text = (char *)(t->names + names->n);
    for (int64_t i = 0; i < names->n; i++) {
        const char *name = rk__id_map_text_at(names, order[i]);
        const size_t length = strlen(name) + 1;
        memcpy(text, name, length);
        t->names[i] = text;
        text += length;
        place[order[i]] = (int32_t)i;
    }
    for (int64_t q = 0; q < t->n_queries; q++) {
        t->relations[q] = 2 * place[t->relations[q] / 2] + t->relations[q] % 2;
    }
done:
    rk__free(order);
    rk__free(place);
    return status;
}

rk_status rk__triples_init(rk_triples *out, const rk_dataset *dataset)
{
    rk_id_map names;
    rk_status status = RK_OK;
    *out = (rk_triples){.n_queries = dataset->n_users};
    rk__id_map_init(&names, true, "relations");
    RK_TRY_GOTO(done, rk__alloc(&out->entities, out->n_queries, sizeof *out->entities, "queries"));
    RK_TRY_GOTO(done,
                rk__alloc(&out->relations, out->n_queries, sizeof *out->relations, "queries"));
    RK_TRY_GOTO(done, read_queries(out, dataset, &names));
    RK_TRY_GOTO(done, order_relations(out, &names));
done:
    rk__id_map_free(&names);
    if (status != RK_OK) {
        rk__triples_free(out);
    }
    return status;
}

void rk__triples_free(rk_triples *triples)
{
    rk__free(triples->entities);
    rk__free(triples->relations);
    rk__free(triples->names);
    *triples = (rk_triples){0};
}

int32_t rk__triples_find(const rk_triples *triples, const char *name, bool is_backward)
{
    int64_t low = 0, high = triples->n_relations;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        const int order = strcmp(triples->names[middle], name);
        if (order == 0) {
            return (int32_t)(2 * middle + is_backward);
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return -1;
}
