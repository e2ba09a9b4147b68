/* Relations that are counted: what two nodes have in common in another relation. */
#include <string.h>

#include "base/alloc.h"
#include "data/sides_internal.h"
#include "graph/co_counts.h"

/* The relation that is counted, as lists of one of its two sides. */
typedef struct counted {
    int64_t from, to; /* node types */
    int64_t n_from, n_to;
    const int64_t *offsets;
    const int32_t *columns;
    const double *times;
    bool has_types; /* a node may be there several times */
    /* Lists of our own: the other side, or with several edges to a node made one. */
    int64_t *own_offsets;
    int32_t *own_columns;
    double *own_times;
} counted;

static void counted_free(counted *c)
{
    rk__free(c->own_offsets);
    rk__free(c->own_columns);
    rk__free(c->own_times);
}

static void take_own(counted *c)
{
    c->offsets = c->own_offsets;
    c->columns = c->own_columns;
    c->times = c->own_times;
}

/* Of several edges to a node one stays, with the earliest time. */
static rk_status merge_types(counted *c)
{
    int64_t n = c->offsets[c->n_from], kept = 0;
    RK_TRY(rk__alloc(&c->own_offsets, c->n_from + 1, sizeof *c->own_offsets, "a relation"));
    RK_TRY(rk__alloc(&c->own_columns, n, sizeof *c->own_columns, "a relation"));
    if (c->times) {
        RK_TRY(rk__alloc(&c->own_times, n, sizeof *c->own_times, "a relation"));
    }
    c->own_offsets[0] = 0;
    for (int64_t v = 0; v < c->n_from; v++) {
        int64_t begin = kept;
        for (int64_t k = c->offsets[v]; k < c->offsets[v + 1]; k++) {
            bool is_new = kept == begin || c->own_columns[kept - 1] != c->columns[k];
            kept += is_new;
            c->own_columns[kept - 1] = c->columns[k];
            if (c->times && (is_new || c->times[k] < c->own_times[kept - 1])) {
                c->own_times[kept - 1] = c->times[k];
            }
        }
        c->own_offsets[v + 1] = kept;
    }
    take_own(c);
    return RK_OK;
}

/* The lists of the other side. */
static rk_status turn(counted *c)
{
    int64_t n = c->offsets[c->n_from], *offsets = NULL;
    int32_t *columns = NULL;
    double *times = NULL;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__calloc(&offsets, c->n_to + 2, sizeof *offsets, "a relation"));
    RK_TRY_GOTO(done, rk__alloc(&columns, n, sizeof *columns, "a relation"));
    if (c->times) {
        RK_TRY_GOTO(done, rk__alloc(&times, n, sizeof *times, "a relation"));
    }
    /* Counted two places further on, so that what fills the rows ends as their offsets. */
    for (int64_t k = 0; k < n; k++) {
        offsets[c->columns[k] + 2]++;
    }
    for (int64_t v = 0; v < c->n_to; v++) {
        offsets[v + 2] += offsets[v + 1];
    }
    for (int64_t v = 0; v < c->n_from; v++) {
        for (int64_t k = c->offsets[v]; k < c->offsets[v + 1]; k++) {
            int64_t at = offsets[c->columns[k] + 1]++;
            columns[at] = (int32_t)v;
            if (times) {
                times[at] = c->times[k];
            }
        }
    }
    counted_free(c);
    *c = (counted){.from = c->to,
                   .to = c->from,
                   .n_from = c->n_to,
                   .n_to = c->n_from,
                   .own_offsets = offsets,
                   .own_columns = columns,
                   .own_times = times};
    take_own(c);
    return RK_OK;
done:
    rk__free(offsets);
    rk__free(columns);
    return status;
}

/* What `of` names, among the relations before this one. */
static rk_status find_counted(const rk_nodes *nodes, int64_t index, counted *out)
{
    const rk_dataset *d = nodes->dataset;
    const rk_relation_options *relation = &nodes->options->relations[index];
    if (strcmp(relation->of, "train") == 0) {
        *out = (counted){.from = RK_NODE_USER,
                         .to = RK_NODE_ITEM,
                         .n_from = d->n_users,
                         .n_to = d->n_items,
                         .offsets = d->parts[RK_TRAIN].offsets,
                         .columns = d->parts[RK_TRAIN].items,
                         .times = d->details[RK_TRAIN].time};
        return RK_OK;
    }
    for (int64_t i = 0; i < index; i++) {
        const rk_relation_store *s = &nodes->sides->relations[i];
        if (strcmp(s->name, relation->of) == 0) {
            *out = (counted){.from = s->from,
                             .to = s->to,
                             .n_from = rk__sides_count(d, nodes->sides, s->from),
                             .n_to = rk__sides_count(d, nodes->sides, s->to),
                             .offsets = s->offsets,
                             .columns = s->columns,
                             .times = s->times,
                             .has_types = s->types != NULL};
            return RK_OK;
        }
    }
    RK_FAIL(RK_ERR_CONFIG,
            "%s: the relation %s counts '%s', but no relation before it is called that: take train "
            "or the name of one, or change their order",
            relation->origin, relation->name, relation->of);
}

static rk_status check(const rk_nodes *nodes, int64_t index, const counted *c, bool by_time)
{
    const rk_relation_options *relation = &nodes->options->relations[index];
    const rk_relation_store *store = &nodes->sides->relations[index];
    const rk_node_type *types = nodes->sides->types;
    if (store->from != store->to || c->from == c->to ||
        (store->from != c->from && store->from != c->to)) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s: the relation %s is from %s to %s, but what two nodes share in %s (from %s to "
                "%s) joins nodes of one type: %s",
                relation->origin, relation->name, types[store->from].name, types[store->to].name,
                relation->of, types[c->from].name, types[c->to].name,
                c->from == c->to ? "count a relation between two different types"
                                 : "let from and to both be one of these");
    }
    if (by_time && !c->times) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s: the weight of the relation %s is time_decay, but %s has no times: name the "
                "column in the key time of %s, or take weight count",
                relation->origin, relation->name, relation->of,
                strcmp(relation->of, "train") == 0 ? "every source" : "that relation");
    }
    return RK_OK;
}

rk_status rk__relation_derive(const rk_nodes *nodes, int64_t index)
{
    rk_status status = RK_OK;
    const rk_relation_options *relation = &nodes->options->relations[index];
    rk_relation_store *store = &nodes->sides->relations[index];
    counted c = {0};
    rk_co_lists lists = {0};
    bool by_time = strcmp(relation->weight, "time_decay") == 0;
    const rk_co_rule rule = {.weight = relation->derive == RK_DERIVE_WALK ? RK_CO_WALK
                                       : by_time                          ? RK_CO_TIME_DECAY
                                                                          : RK_CO_COUNT,
                             .k = relation->neighbours,
                             .with_self = relation->self,
                             .should_stop = nodes->hooks ? nodes->hooks->should_stop : NULL,
                             .user = nodes->hooks ? nodes->hooks->user : NULL};
    RK_TRY_GOTO(done, find_counted(nodes, index, &c));
    RK_TRY_GOTO(done, check(nodes, index, &c, by_time));
    if (c.has_types) {
        RK_TRY_GOTO(done, merge_types(&c));
    }
    if (c.from != store->from) {
        RK_TRY_GOTO(done, turn(&c));
    }
    const rk_co_input in = {.n_nodes = c.n_from,
                            .n_others = c.n_to,
                            .offsets = c.offsets,
                            .columns = c.columns,
                            .times = by_time ? c.times : NULL};
    RK_TRY_GOTO(done, rk__co_counts(&lists, &in, rule));
    store->offsets = lists.offsets;
    store->columns = lists.columns;
    store->weights = lists.weights;
done:
    counted_free(&c);
    return status;
}
