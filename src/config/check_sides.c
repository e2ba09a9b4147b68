/* What the keys of relations and features ask of each other. */
#include <string.h>

#include "config/internal.h"

/* "data.relations[1] (exp.yaml:7)" begins every message. */
#define FAIL_IN(list_, index_, origin_, ...)                                                       \
    return fail_in(list_, index_, origin_,                                                         \
                   rk__fail(RK_ERR_CONFIG, __FILE__, __LINE__, __func__, __VA_ARGS__))

static rk_status fail_in(const char *list, int64_t index, const char *origin, rk_status status)
{
    return rk__fail(status, __FILE__, __LINE__, __func__, "data.%s[%lld] (%s) %s", list,
                    (long long)index, origin, rk_last_error());
}

/* Names become parts of the data set's file. */
static bool is_name(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t length = strlen(name);
    return length > 0 && length <= 60 && strspn(name, allowed) == length;
}

static rk_status check_derived(const rk_relation_options *r, int64_t i)
{
    bool is_walk = r->derive == RK_DERIVE_WALK;
    bool is_known = r->weight[0] == '\0' || strcmp(r->weight, "count") == 0 ||
                    strcmp(r->weight, "time_decay") == 0;
    if (is_walk && r->weight[0] != '\0') {
        FAIL_IN("relations", i, r->origin,
                "has weight %s, but derive walk has weights of its own: remove it", r->weight);
    }
    if (!is_known) {
        FAIL_IN("relations", i, r->origin,
                "has weight '%s'; of derive co_count it is count or "
                "time_decay",
                r->weight);
    }
    return RK_OK;
}

static rk_status check_adjacency(const rk_relation_options *r, int64_t i)
{
    const struct {
        const char *key, *value;
    } columns[] = {{"head", r->head},
                   {"tail", r->tail},
                   {"type", r->type},
                   {"time", r->time},
                   {"where", r->where},
                   {"split", r->split},
                   {"weight", strcmp(r->weight, "count") == 0 ? "" : r->weight}};
    for (size_t c = 0; c < sizeof columns / sizeof columns[0]; c++) {
        if (columns[c].value[0] != '\0') {
            FAIL_IN("relations", i, r->origin,
                    "has '%s', but adjacency files have no columns: remove it", columns[c].key);
        }
    }
    if (r->kind == RK_EDGES_FLAGS) {
        FAIL_IN("relations", i, r->origin,
                "has kind flags, but adjacency files have no columns: take format csv");
    }
    return RK_OK;
}

static rk_status check_read(const rk_relation_options *r, int64_t i)
{
    if (r->file[0] == '\0') {
        FAIL_IN("relations", i, r->origin,
                "has no file: name one, or take derive co_count to count it");
    }
    if (r->format == RK_FORMAT_MOVIELENS) {
        FAIL_IN("relations", i, r->origin,
                "has format movielens, which is for ratings: take csv and name separator and "
                "columns");
    }
    if (r->kind == RK_EDGES_FLAGS && (r->columns[0] == '\0' || r->tail[0] != '\0')) {
        FAIL_IN("relations", i, r->origin, "%s",
                r->columns[0] == '\0'
                    ? "has kind flags and no columns: name them, e.g. columns: \"5:24\""
                    : "has kind flags and a tail, but its edges go to the flags: remove it");
    }
    return r->format == RK_FORMAT_ADJACENCY ? check_adjacency(r, i) : RK_OK;
}

static rk_status check_relation(const rk_options *o, int64_t i)
{
    const rk_relation_options *r = &o->relations[i];
    if (!is_name(r->name) || strcmp(r->name, "train") == 0) {
        FAIL_IN("relations", i, r->origin,
                "is called '%s': a name is 1 to 60 letters, digits, _ or -, and not train",
                r->name);
    }
    for (int64_t k = 0; k < i; k++) {
        if (strcmp(o->relations[k].name, r->name) == 0) {
            FAIL_IN("relations", i, r->origin, "is called %s like data.relations[%lld] (%s)",
                    r->name, (long long)k, o->relations[k].origin);
        }
    }
    if ((r->from[0] != '\0' && !is_name(r->from)) || (r->to[0] != '\0' && !is_name(r->to))) {
        FAIL_IN("relations", i, r->origin,
                "is from '%s' to '%s': a node type is 1 to 60 letters, digits, _ or -", r->from,
                r->to);
    }
    bool is_derived = r->derive != RK_DERIVE_NONE;
    bool from_user = r->from[0] == '\0' ? !is_derived : strcmp(r->from, "user") == 0;
    bool to_item = r->to[0] == '\0' || strcmp(r->to, "item") == 0;
    bool is_turned = strcmp(r->from, "item") == 0 && strcmp(r->to, "user") == 0;
    if (r->held_out == RK_HELD_OUT_DROP && !(from_user && to_item) && !is_turned) {
        FAIL_IN("relations", i, r->origin,
                "has held_out drop, but only edges between users and items can be held out: "
                "remove it");
    }
    return is_derived ? check_derived(r, i) : check_read(r, i);
}

static bool is_node_type(const rk_options *o, const char *name)
{
    bool found = strcmp(name, "user") == 0 || strcmp(name, "item") == 0;
    for (int64_t i = 0; i < o->n_relations && !found; i++) {
        found = strcmp(o->relations[i].from, name) == 0 || strcmp(o->relations[i].to, name) == 0;
    }
    return found && name[0] != '\0';
}

static rk_status check_feature(const rk_options *o, int64_t i)
{
    const rk_feature_options *f = &o->features[i];
    if (!is_node_type(o, f->of)) {
        FAIL_IN("features", i, f->origin,
                "is of '%s', but there are no such nodes: take user, item, or a type that "
                "data.relations names",
                f->of);
    }
    if (f->file[0] == '\0') {
        FAIL_IN("features", i, f->origin, "has no file");
    }
    if (f->format != RK_FORMAT_CSV && f->format != RK_FORMAT_INTER &&
        f->format != RK_FORMAT_JSONL) {
        FAIL_IN("features", i, f->origin,
                "has format %s, which has no columns of features: take csv, inter or jsonl",
                rk__option_choice("data.features.format", f->format));
    }
    if (f->n_columns == 0) {
        FAIL_IN("features", i, f->origin,
                "has no columns: name at least one, e.g. columns: [{column: age}]");
    }
    for (int64_t c = 0; c < f->n_columns; c++) {
        const rk_column_options *column = &f->columns[c];
        if (column->column[0] == '\0') {
            FAIL_IN("features", i, column->origin, "has a column without the key column");
        }
        if (column->kind == RK_FEATURE_LIST && column->split[0] == '\0') {
            FAIL_IN("features", i, column->origin,
                    "has a list in column %s and nothing between its words: set split, or take "
                    "kind category",
                    column->column);
        }
    }
    return RK_OK;
}

rk_status rk__config_check_sides(const rk_config *config)
{
    const rk_options *o = &config->options;
    for (int64_t i = 0; i < o->n_relations; i++) {
        RK_TRY(check_relation(o, i));
    }
    for (int64_t i = 0; i < o->n_features; i++) {
        RK_TRY(check_feature(o, i));
    }
    return RK_OK;
}
