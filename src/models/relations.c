#include "models/relations.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/parse.h"

/* ---- names ---- */

int64_t rk__relations_count(const rk_options *o)
{
    const char *at = o->model.relations, *name = NULL;
    size_t length = 0;
    int64_t n = 0;
    while (rk__next_name(&at, &name, &length)) {
        n++;
    }
    return n;
}

static int64_t find_option(const rk_options *o, const char *name, size_t length)
{
    for (int64_t r = 0; r < o->n_relations; r++) {
        const char *have = o->relations[r].name;
        if (strlen(have) == length && strncmp(have, name, length) == 0) {
            return r;
        }
    }
    return -1;
}

static rk_status fail_unknown(const rk_config *config, const char *name, size_t length)
{
    const rk_options *o = rk__config_options(config);
    rk_buffer names = {0};
    for (int64_t r = 0; r < o->n_relations; r++) {
        rk__buffer_add(&names, "%s%s", r > 0 ? ", " : "", o->relations[r].name);
    }
    rk_status status = names.status;
    if (status == RK_OK) {
        status = rk__fail(RK_ERR_CONFIG, __FILE__, __LINE__, __func__,
                          "%s names '%.*s', but data.relations has %s%s",
                          rk__config_says(config, "model.relations").text,
                          (int)(length < 80 ? length : 80), name, names.at ? names.at : "none",
                          names.at ? "" : "; add it there, e.g. {name: view, file: view.csv}");
    }
    rk__buffer_free(&names);
    return status;
}

rk_status rk__relations_check(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    const char *at = o->model.relations, *name = NULL;
    const int64_t n = rk__relations_count(o), n_weights = o->model.relation_weights.n;
    size_t length = 0;
    while (rk__next_name(&at, &name, &length)) {
        const char *rest = at, *other = NULL;
        size_t size = 0;
        if (find_option(o, name, length) < 0) {
            return fail_unknown(config, name, length);
        }
        while (rk__next_name(&rest, &other, &size)) {
            if (size == length && strncmp(name, other, size) == 0) {
                RK_FAIL(RK_ERR_CONFIG, "%s names '%.*s' twice",
                        rk__config_says(config, "model.relations").text, (int)length, name);
            }
        }
    }
    if (n_weights != 1 && n_weights != n) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s has %lld weights, but %s names %lld relations: give one weight "
                "each, or one for all",
                rk__config_says(config, "model.relation_weights").text, (long long)n_weights,
                rk__config_says(config, "model.relations").text, (long long)n);
    }
    if (n == 0 && o->model.relation_weights.v[0] != 1) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s, so nothing looks at it: remove it, or name relations",
                rk__config_says(config, "model.relation_weights").text,
                rk__config_says(config, "model.relations").text);
    }
    return RK_OK;
}

rk_status rk__relations_check_unweighted(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    const char *at = o->model.relations, *name = NULL;
    size_t length = 0;
    while (rk__next_name(&at, &name, &length)) {
        const int64_t r = find_option(o, name, length);
        if (r >= 0 && o->relations[r].derive == RK_DERIVE_NONE && o->relations[r].weight[0]) {
            char key[64];
            snprintf(key, sizeof key, "data.relations[%lld].weight", (long long)r);
            RK_FAIL(RK_ERR_CONFIG, "%s, but %s, which does not look at weights of edges: remove it",
                    rk__config_says(config, key).text, rk__config_says(config, "model.kind").text);
        }
    }
    return RK_OK;
}

/* ---- nodes ---- */

/* The number of a node type of the data set. */
static int64_t type_of(const rk_dataset *d, const char *name)
{
    for (int64_t t = 0; t < rk_dataset_n_node_types(d); t++) {
        if (strcmp(rk_dataset_node_type(d, t, NULL), name) == 0) {
            return t;
        }
    }
    RK_ASSERT(false); /* a relation's types are among them */
    return -1;
}

/* The first node of each type that counts, in first [n_types], -1 of others; returns the number of
 * nodes. */
static int64_t place_types(const rk_model_relations *r, const rk_model_data *data, int64_t *first)
{
    const rk_dataset *d = data->dataset;
    const int64_t n_types = rk_dataset_n_node_types(d);
    int64_t n_nodes = data->n_users + data->n_items;
    for (int64_t t = 0; t < n_types; t++) {
        first[t] = t == 0 ? 0 : t == 1 ? data->n_users : -1;
    }
    for (int64_t t = 2; t < n_types; t++) {
        const char *name = rk_dataset_node_type(d, t, NULL);
        for (int i = 0; i < r->n && first[t] < 0; i++) {
            const rk_relation *of = r->v[i].of;
            if (strcmp(of->from, name) == 0 || strcmp(of->to, name) == 0) {
                int64_t count = 0;
                rk_dataset_node_type(d, t, &count);
                first[t] = n_nodes;
                n_nodes += count;
            }
        }
    }
    return n_nodes;
}

static rk_status find_relations(rk_model_relations *out, const rk_options *o, const rk_dataset *d)
{
    const char *at = o->model.relations, *name = NULL;
    size_t length = 0;
    while (rk__next_name(&at, &name, &length)) {
        char *text = NULL;
        rk_model_relation *r = &out->v[out->n];
        RK_TRY(rk__strndup(&text, name, length));
        rk_status status = rk_dataset_find_relation(d, text, &r->of);
        rk__free(text);
        RK_TRY(status);
        const rk_reals *weights = &o->model.relation_weights;
        r->weight = weights->v[weights->n == 1 ? 0 : out->n];
        out->n++;
    }
    return RK_OK;
}

rk_status rk__relations_init(rk_model_relations *out, const rk_options *o,
                             const rk_model_data *data)
{
    const int64_t n = rk__relations_count(o);
    rk_status status = RK_OK;
    int64_t *first = NULL;
    *out = (rk_model_relations){.n_nodes = data->n_users + data->n_items};
    if (n == 0) {
        return RK_OK;
    }
    if (!data->dataset) {
        RK_FAIL(RK_ERR_DATA, "model.relations names '%s', but the data set has no relations",
                o->model.relations);
    }
    RK_ASSERT(o->model.relation_weights.n == 1 || o->model.relation_weights.n == n);
    RK_TRY_GOTO(done, rk__alloc(&out->v, n, sizeof *out->v, "the relations of a model"));
    RK_TRY_GOTO(done, find_relations(out, o, data->dataset));
    RK_TRY_GOTO(done, rk__alloc(&first, rk_dataset_n_node_types(data->dataset), sizeof *first,
                                "node types"));
    out->n_nodes = place_types(out, data, first);
    for (int i = 0; i < out->n; i++) {
        rk_model_relation *r = &out->v[i];
        const int64_t from = type_of(data->dataset, r->of->from);
        const int64_t to = type_of(data->dataset, r->of->to);
        r->from = first[from];
        r->to = first[to];
        r->is_within = from == to;
    }
done:
    rk__free(first);
    if (status != RK_OK) {
        rk__relations_free(out);
    }
    return status;
}

rk_status rk__relations_check_weights(const rk_model_relations *relations, bool divides)
{
    const float most = 1e20f; /* with model.relation_weights the sum of all edges is a float */
    for (int i = 0; i < relations->n; i++) {
        const rk_relation *r = relations->v[i].of;
        for (int64_t e = 0; r->weights && e < r->n_edges; e++) {
            if (!(fabsf(r->weights[e]) <= most)) {
                RK_FAIL(RK_ERR_DATA,
                        "an edge of the relation %s has the weight %g, and weights beyond %g "
                        "overflow: divide them",
                        r->name, (double)r->weights[e], (double)most);
            }
            if (divides && r->weights[e] < 0) {
                RK_FAIL(RK_ERR_DATA,
                        "an edge of the relation %s has the weight %g: weights of a graph that is "
                        "propagated over are not negative",
                        r->name, (double)r->weights[e]);
            }
        }
    }
    return RK_OK;
}

void rk__relations_free(rk_model_relations *r)
{
    rk__free(r->v);
    *r = (rk_model_relations){0};
}
