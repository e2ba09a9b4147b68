/*
 * Relations and features of a data set as a whole: who is read when, node types, the public face.
 *
 * The files of all relations are read before any is stored: only then are the nodes of other types
 * known and in order. Derived relations follow in the order of the config, then features.
 */
#include "data/sides.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/parse.h"
#include "data/dataset_internal.h"
#include "data/hash.h"
#include "data/sides_internal.h"

bool rk__options_have_sides(const rk_options *options)
{
    return options->n_relations > 0 || options->n_features > 0;
}

/* ---- node types ---- */

static rk_status find_or_add_type(rk_sides *sides, const char *name, int64_t *out)
{
    for (int64_t t = 0; t < sides->n_types; t++) {
        if (strcmp(sides->types[t].name, name) == 0) {
            *out = t;
            return RK_OK;
        }
    }
    RK_TRY(rk__realloc(&sides->types, sides->n_types, sides->n_types + 1, sizeof *sides->types,
                       "node types"));
    *out = sides->n_types++;
    sides->types[*out] = (rk_node_type){0};
    return rk__strdup(&sides->types[*out].name, name);
}

/* Users and items, then the other types as the relations name them. */
static rk_status make_types(rk_sides *sides, const rk_options *o)
{
    int64_t type = 0;
    RK_TRY(find_or_add_type(sides, "user", &type));
    RK_TRY(find_or_add_type(sides, "item", &type));
    RK_TRY(rk__calloc(&sides->relations, o->n_relations, sizeof *sides->relations, "relations"));
    sides->n_relations = o->n_relations;
    for (int64_t i = 0; i < o->n_relations; i++) {
        const rk_relation_options *relation = &o->relations[i];
        rk_relation_store *store = &sides->relations[i];
        bool is_derived = relation->derive != RK_DERIVE_NONE;
        const char *from = relation->from, *to = relation->to;
        if (is_derived) { /* joins nodes of one type: one of the two names says it */
            from = from[0] ? from : to;
            to = to[0] ? to : from;
        }
        store->shown.is_derived = is_derived;
        store->shown.drops_held_out = relation->held_out == RK_HELD_OUT_DROP;
        RK_TRY(rk__strdup(&store->name, relation->name));
        RK_TRY(find_or_add_type(sides,
                                from[0]      ? from
                                : is_derived ? "item"
                                             : "user",
                                &store->from));
        RK_TRY(find_or_add_type(sides, to[0] ? to : "item", &store->to));
    }
    return RK_OK;
}

int64_t rk__sides_count(const rk_dataset *dataset, const rk_sides *sides, int64_t type)
{
    return type == RK_NODE_USER   ? dataset->n_users
           : type == RK_NODE_ITEM ? dataset->n_items
                                  : sides->types[type].ids.n;
}

const rk_ids *rk__ids_of_type(const rk_dataset *dataset, const char *name)
{
    const rk_sides *s = dataset->sides;
    for (int64_t t = RK_NODE_FIRST_OTHER; s && t < s->n_types; t++) {
        if (strcmp(s->types[t].name, name) == 0) {
            return &s->types[t].ids;
        }
    }
    return NULL;
}

const char *rk__node_id(const rk_dataset *dataset, const rk_sides *sides, int64_t type,
                        int64_t node, char room[RK_ID_BYTES])
{
    if (type < RK_NODE_FIRST_OTHER) {
        return type == RK_NODE_USER ? rk_dataset_user_id(dataset, node, room)
                                    : rk_dataset_item_id(dataset, node, room);
    }
    return rk__ids_at(&sides->types[type].ids, node, room);
}

/* Whether a text is how its number is printed, 0 or above. */
static bool is_plain_number(const char *text, int64_t *out)
{
    char again[24];
    if (rk__parse_int(text, strlen(text), out) != RK_PARSE_OK || *out < 0) {
        return false;
    }
    snprintf(again, sizeof again, "%lld", (long long)*out);
    return strcmp(again, text) == 0;
}

/* The same map with numbers, in the same order; *out_all = false: not all texts are numbers. */
static rk_status as_numbers(const rk_id_map *map, rk_id_map *out, bool *out_all)
{
    int64_t number = 0;
    int32_t index = 0;
    rk__id_map_init(out, false, map->what);
    *out_all = true;
    for (int64_t i = 0; i < map->n && *out_all; i++) {
        *out_all = is_plain_number(rk__id_map_text_at(map, i), &number);
        if (*out_all) {
            RK_TRY(rk__id_map_number(out, number, &index));
        }
    }
    return RK_OK;
}

rk_status rk__words_of_map(const rk_id_map *map, const int32_t *rank, rk_words *out)
{
    int64_t bytes = map->n > 0 ? map->starts[map->n] : 0;
    *out = (rk_words){0};
    RK_TRY(rk__alloc(&out->at, map->n * (int64_t)sizeof *out->at + bytes, 1, "words"));
    char *block = (char *)(out->at + map->n);
    out->n = map->n;
    if (bytes > 0) {
        memcpy(block, map->bytes, (size_t)bytes);
    }
    for (int64_t i = 0; i < map->n; i++) {
        out->at[rank ? rank[i] : i] = block + map->starts[i];
    }
    return RK_OK;
}

rk_status rk__side_order(const rk_id_map *map, rk_ids *out, int32_t **out_rank)
{
    rk_status status = RK_OK;
    rk_id_map numbers = {0};
    int32_t *order = NULL;
    bool all_numbers = false;
    rk_words words = {0};
    *out = (rk_ids){.n = map->n};
    RK_TRY_GOTO(done, as_numbers(map, &numbers, &all_numbers));
    RK_TRY_GOTO(done, rk__id_map_order(all_numbers ? &numbers : map, &order));
    RK_TRY_GOTO(done, rk__alloc(out_rank, map->n, sizeof **out_rank, "ids"));
    for (int64_t r = 0; r < map->n; r++) {
        (*out_rank)[order[r]] = (int32_t)r;
    }
    if (all_numbers) {
        RK_TRY_GOTO(done, rk__alloc(&out->numbers, map->n, sizeof *out->numbers, "ids"));
        for (int64_t r = 0; r < map->n; r++) {
            out->numbers[r] = numbers.numbers[order[r]];
        }
    } else {
        RK_TRY_GOTO(done, rk__words_of_map(map, *out_rank, &words));
        out->texts = words.at;
    }
done:
    rk__id_map_free(&numbers);
    rk__free(order);
    return status;
}

/* ---- reading ---- */

static rk_status read_relations(const rk_nodes *nodes)
{
    rk_status status = RK_OK;
    const rk_options *o = nodes->options;
    rk_sides *sides = nodes->sides;
    rk_edges *edges = NULL;
    int32_t **ranks = NULL;
    RK_TRY_GOTO(done, rk__calloc(&edges, o->n_relations, sizeof *edges, "relations"));
    RK_TRY_GOTO(done, rk__calloc(&ranks, sides->n_types, sizeof *ranks, "node types"));
    for (int64_t i = 0; i < o->n_relations; i++) {
        if (o->relations[i].derive == RK_DERIVE_NONE) {
            RK_TRY_GOTO(done,
                        rk__edges_read(&edges[i], nodes, &o->relations[i], &sides->relations[i]));
        }
    }
    for (int64_t t = RK_NODE_FIRST_OTHER; t < sides->n_types; t++) {
        RK_TRY_GOTO(done, rk__side_order(&nodes->maps[t], &sides->types[t].ids, &ranks[t]));
    }
    for (int64_t i = 0; i < o->n_relations; i++) {
        rk_relation_store *store = &sides->relations[i];
        if (store->shown.is_derived) {
            RK_TRY_GOTO(done, rk__relation_derive(nodes, i));
        } else {
            RK_TRY_GOTO(done, rk__edges_store(&edges[i], nodes, ranks[store->from],
                                              ranks[store->to], store));
            rk__edges_free(&edges[i]);
        }
    }
done:
    for (int64_t i = 0; edges && i < o->n_relations; i++) {
        rk__edges_free(&edges[i]);
    }
    for (int64_t t = 0; ranks && t < sides->n_types; t++) {
        rk__free(ranks[t]);
    }
    rk__free(edges);
    rk__free(ranks);
    return status;
}

rk_status rk__sides_read(rk_dataset *dataset, const rk_options *options, const rk_hooks *hooks)
{
    rk_status status = RK_OK;
    rk_sides *sides = NULL;
    rk_nodes nodes = {.dataset = dataset, .options = options, .hooks = hooks};
    if (!rk__options_have_sides(options)) {
        return RK_OK;
    }
    RK_TRY(rk__calloc(&sides, 1, sizeof *sides, "relations"));
    nodes.sides = sides;
    RK_TRY_GOTO(done, make_types(sides, options));
    RK_TRY_GOTO(done, rk__calloc(&nodes.maps, sides->n_types, sizeof *nodes.maps, "node types"));
    for (int64_t t = 0; t < sides->n_types; t++) {
        rk__id_map_init(&nodes.maps[t], true, sides->types[t].name);
    }
    RK_TRY_GOTO(done, read_relations(&nodes));
    RK_TRY_GOTO(done, rk__features_read(&nodes));
    rk__sides_show(dataset, sides);
    rk__sides_free(dataset->sides);
    dataset->sides = sides;
    sides = NULL;
    rk__dataset_fingerprint(dataset, dataset->fingerprint);
done:
    for (int64_t t = 0; nodes.maps && t < nodes.sides->n_types; t++) {
        rk__id_map_free(&nodes.maps[t]);
    }
    rk__free(nodes.maps);
    rk__sides_free(sides);
    return status;
}

void rk__sides_free(rk_sides *sides)
{
    if (!sides) {
        return;
    }
    for (int64_t t = 0; t < sides->n_types; t++) {
        rk__free(sides->types[t].name);
        rk__ids_free(&sides->types[t].ids);
    }
    for (int64_t i = 0; sides->relations && i < sides->n_relations; i++) {
        rk_relation_store *s = &sides->relations[i];
        rk__free(s->name);
        rk__free(s->offsets);
        rk__free(s->columns);
        rk__free(s->weights);
        rk__free(s->times);
        rk__free(s->types);
        rk__free(s->type_names.at);
    }
    for (int64_t i = 0; sides->features && i < sides->n_features; i++) {
        rk_features_store *s = &sides->features[i];
        rk__free(s->dense_names.at);
        rk__free(s->sparse_names.at);
        rk__free(s->dense);
        rk__free(s->shift);
        rk__free(s->scale);
        rk__free(s->offsets);
        rk__free(s->columns);
    }
    rk__free(sides->types);
    rk__free(sides->relations);
    rk__free(sides->features);
    rk__free(sides);
}

/* The names as others read them: nobody may change them. */
static const char *const *lend(const rk_words *words)
{
    return (const char *const *)words->at;
}

/* Which types relations lead to, whatever their direction, from users and items on. */
static void join_types(rk_sides *sides)
{
    rk_node_type *types = sides->types;
    for (int64_t t = 0; t < sides->n_types; t++) {
        types[t].is_joined = t < RK_NODE_FIRST_OTHER;
    }
    for (bool any = true; any;) {
        any = false;
        for (int64_t i = 0; i < sides->n_relations; i++) {
            const rk_relation_store *r = &sides->relations[i];
            any = any || types[r->from].is_joined != types[r->to].is_joined;
            types[r->from].is_joined = types[r->to].is_joined =
                types[r->from].is_joined || types[r->to].is_joined;
        }
    }
}

void rk__sides_show(const rk_dataset *dataset, rk_sides *sides)
{
    join_types(sides);
    for (int64_t i = 0; i < sides->n_relations; i++) {
        rk_relation_store *s = &sides->relations[i];
        s->shown.name = s->name;
        s->shown.from = sides->types[s->from].name;
        s->shown.to = sides->types[s->to].name;
        s->shown.n_from = rk__sides_count(dataset, sides, s->from);
        s->shown.n_to = rk__sides_count(dataset, sides, s->to);
        s->shown.n_edges = s->offsets[s->shown.n_from];
        s->shown.offsets = s->offsets;
        s->shown.columns = s->columns;
        s->shown.weights = s->weights;
        s->shown.times = s->times;
        s->shown.types = s->types;
        s->shown.n_types = s->type_names.n;
        s->shown.type_names = lend(&s->type_names);
    }
    for (int64_t i = 0; i < sides->n_features; i++) {
        rk_features_store *s = &sides->features[i];
        s->shown.of = sides->types[s->of].name;
        s->shown.n_nodes = rk__sides_count(dataset, sides, s->of);
        s->shown.n_dense = s->dense_names.n;
        s->shown.dense_names = lend(&s->dense_names);
        s->shown.dense = s->dense;
        s->shown.dense_shift = s->shift;
        s->shown.dense_scale = s->scale;
        s->shown.n_sparse = s->sparse_names.n;
        s->shown.sparse_names = lend(&s->sparse_names);
        s->shown.offsets = s->offsets;
        s->shown.columns = s->columns;
    }
}

/* ---- the fingerprint ---- */

static uint64_t hash_text(uint64_t hash, const char *text)
{
    return rk__hash(hash, text, (int64_t)strlen(text) + 1);
}

static uint64_t hash_words(uint64_t hash, const rk_words *words)
{
    hash = rk__hash(hash, &words->n, sizeof words->n);
    for (int64_t i = 0; i < words->n; i++) {
        hash = hash_text(hash, words->at[i]);
    }
    return hash;
}

static uint64_t hash_relation(uint64_t hash, const rk_relation *r)
{
    int64_t n = r->n_edges;
    hash = hash_text(hash_text(hash_text(hash_text(hash, "relation"), r->name), r->from), r->to);
    hash = rk__hash(hash, r->offsets, (r->n_from + 1) * (int64_t)sizeof *r->offsets);
    hash = rk__hash(hash, r->columns, n * (int64_t)sizeof *r->columns);
    if (r->weights) {
        hash = rk__hash(hash_text(hash, "weights"), r->weights, n * (int64_t)sizeof *r->weights);
    }
    if (r->times) {
        hash = rk__hash(hash_text(hash, "times"), r->times, n * (int64_t)sizeof *r->times);
    }
    if (r->types) {
        hash = rk__hash(hash_text(hash, "types"), r->types, n * (int64_t)sizeof *r->types);
    }
    return hash;
}

static uint64_t hash_features(uint64_t hash, const rk_features_store *s)
{
    const rk_features *f = &s->shown;
    hash = hash_text(hash_text(hash, "features"), f->of);
    hash = hash_words(hash_words(hash, &s->dense_names), &s->sparse_names);
    hash = rk__hash(hash, f->dense, f->n_nodes * f->n_dense * (int64_t)sizeof *f->dense);
    hash = rk__hash(hash, f->offsets, (f->n_nodes + 1) * (int64_t)sizeof *f->offsets);
    return rk__hash(hash, f->columns, f->offsets[f->n_nodes] * (int64_t)sizeof *f->columns);
}

uint64_t rk__sides_hash(uint64_t hash, const rk_sides *sides)
{
    char room[RK_ID_BYTES];
    for (int64_t t = RK_NODE_FIRST_OTHER; sides && t < sides->n_types; t++) {
        const rk_ids *ids = &sides->types[t].ids;
        hash = hash_text(hash_text(hash, "nodes"), sides->types[t].name);
        hash = rk__hash(hash, &ids->n, sizeof ids->n);
        for (int64_t i = 0; i < ids->n; i++) {
            hash = hash_text(hash, rk__node_id(NULL, sides, t, i, room));
        }
    }
    for (int64_t i = 0; sides && i < sides->n_relations; i++) {
        hash = hash_relation(hash, &sides->relations[i].shown);
        hash = hash_words(hash, &sides->relations[i].type_names);
    }
    for (int64_t i = 0; sides && i < sides->n_features; i++) {
        hash = hash_features(hash, &sides->features[i]);
    }
    return hash;
}

/* ---- the public face ---- */

int64_t rk_dataset_n_node_types(const rk_dataset *dataset)
{
    return dataset->sides ? dataset->sides->n_types : RK_NODE_FIRST_OTHER;
}

const char *rk_dataset_node_type(const rk_dataset *dataset, int64_t type, int64_t *out_n)
{
    if (type < 0 || type >= rk_dataset_n_node_types(dataset)) {
        return NULL;
    }
    if (out_n) {
        *out_n = rk__sides_count(dataset, dataset->sides, type);
    }
    return type == RK_NODE_USER   ? "user"
           : type == RK_NODE_ITEM ? "item"
                                  : dataset->sides->types[type].name;
}

const char *rk_dataset_node_id(const rk_dataset *dataset, int64_t type, int64_t node,
                               char room[RK_ID_BYTES])
{
    return type < 0 || type >= rk_dataset_n_node_types(dataset)
               ? NULL
               : rk__node_id(dataset, dataset->sides, type, node, room);
}

int64_t rk_dataset_n_relations(const rk_dataset *dataset)
{
    return dataset->sides ? dataset->sides->n_relations : 0;
}

const rk_relation *rk_dataset_relation(const rk_dataset *dataset, int64_t index)
{
    return index < 0 || index >= rk_dataset_n_relations(dataset)
               ? NULL
               : &dataset->sides->relations[index].shown;
}

/* RK_ERR_DATA: there is none called that, but these. */
static rk_status none_called(const rk_dataset *dataset, const char *what, const char *name,
                             const rk_buffer *others)
{
    RK_TRY(others->status);
    RK_FAIL(RK_ERR_DATA, "the data set %s has no %s %s; it has %s", dataset->name, what, name,
            others->length > 0 ? others->at : "none");
}

rk_status rk_dataset_find_relation(const rk_dataset *dataset, const char *name,
                                   const rk_relation **out)
{
    rk_buffer others = {0};
    for (int64_t i = 0; i < rk_dataset_n_relations(dataset); i++) {
        const rk_relation *relation = rk_dataset_relation(dataset, i);
        if (strcmp(relation->name, name) == 0) {
            rk__buffer_free(&others);
            *out = relation;
            return RK_OK;
        }
        rk__buffer_add(&others, "%s%s", i > 0 ? ", " : "", relation->name);
    }
    rk_status status = none_called(dataset, "relation", name, &others);
    rk__buffer_free(&others);
    return status;
}

int64_t rk_dataset_n_features(const rk_dataset *dataset)
{
    return dataset->sides ? dataset->sides->n_features : 0;
}

const rk_features *rk_dataset_features(const rk_dataset *dataset, int64_t index)
{
    return index < 0 || index >= rk_dataset_n_features(dataset)
               ? NULL
               : &dataset->sides->features[index].shown;
}

rk_status rk_dataset_find_features(const rk_dataset *dataset, const char *node_type,
                                   const rk_features **out)
{
    rk_buffer others = {0};
    for (int64_t i = 0; i < rk_dataset_n_features(dataset); i++) {
        const rk_features *features = rk_dataset_features(dataset, i);
        if (strcmp(features->of, node_type) == 0) {
            rk__buffer_free(&others);
            *out = features;
            return RK_OK;
        }
        rk__buffer_add(&others, "%s%s", i > 0 ? ", " : "those of ", features->of);
    }
    rk_status status = none_called(dataset, "features of", node_type, &others);
    rk__buffer_free(&others);
    return status;
}
