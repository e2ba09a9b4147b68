/*
 * Interactions and the relations of model.relations as one graph to propagate over (see
 * graph/joined.h).
 *
 * Only the interactions are drawn from, masked and evaluated: the relations add paths, and nodes of
 * other types (tags, authors), which have embeddings like users and items.
 */
#include "graph/joined.h"

#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "models/models.h"
#include "models/relations.h"

bool rk__is_joined(const rk_options *o)
{
    return o->model.relations && o->model.relations[0] != '\0';
}

rk_status rk__joined_check(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    if (rk__is_joined(o) && o->graph.form == RK_FORM_GRAM) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s: that form is of users and items alone; take graph.form direct",
                rk__config_says(config, "graph.form").text,
                rk__config_says(config, "model.relations").text);
    }
    return rk__relations_check(config);
}

static rk_joined_part part_of(const rk_model_relation *r)
{
    return (rk_joined_part){.from = r->from,
                            .n_from = r->of->n_from,
                            .to = r->to,
                            .offsets = r->of->offsets,
                            .columns = r->of->columns,
                            .weights = r->of->weights,
                            .weight = r->weight,
                            .is_within = r->is_within};
}

rk_status rk__join_relations(rk_model_instance *instance, rk_joined *out)
{
    const rk_graph *g = instance->data.graph;
    rk_model_relations relations = {0};
    rk_joined_part *parts = NULL;
    rk_status status = RK_OK;
    *out = (rk_joined){0};
    if (!rk__is_joined(instance->options)) {
        return RK_OK;
    }
    RK_TRY_GOTO(done, rk__relations_init(&relations, instance->options, &instance->data));
    RK_TRY_GOTO(done, rk__alloc(&parts, relations.n + 1, sizeof *parts, "the joined graph"));
    /* A user's row has items as nodes already. */
    parts[0] = (rk_joined_part){
        .n_from = g->n_users, .offsets = g->offsets, .columns = g->columns, .weight = 1};
    for (int i = 0; i < relations.n; i++) {
        parts[i + 1] = part_of(&relations.v[i]);
    }
    RK_TRY_GOTO(done, rk__joined_build(out, relations.n_nodes, parts, relations.n + 1));
    if (out->weights) {
        rk__joined_free(out);
        RK_FAIL_GOTO(done, RK_ERR_CONFIG,
                     "model.relations names a relation whose edges have weights, or weights other "
                     "than 1 in model.relation_weights: %s does not propagate over weights yet",
                     instance->model->name);
    }
    instance->n_nodes = relations.n_nodes;
done:
    rk__relations_free(&relations);
    rk__free(parts);
    return status;
}

/* ---- tensors ---- */

static rk_status add(rk_model_instance *instance, const char *name, rk_dtype dtype, int64_t rows,
                     void *values)
{
    rk_parameter p = {
        .dtype = dtype, .rows = rows, .cols = 1, .role = RK_CONSTANT, .constant = values};
    snprintf(p.name, sizeof p.name, "%s", name);
    return rk__model_add(instance, p);
}

rk_status rk__declare_joined(rk_model_instance *instance, rk_joined *j)
{
    rk_joined mine = *j;
    rk_status status = RK_OK;
    *j = (rk_joined){0};
    if (!mine.offsets) {
        return RK_OK;
    }
    status = add(instance, "joined.offsets", RK_I64, mine.n_nodes + 1, mine.offsets);
    mine.offsets = NULL;
    RK_TRY_GOTO(done, status);
    status = add(instance, "joined.columns", RK_I32, mine.n_entries, mine.columns);
    mine.columns = NULL;
    RK_TRY_GOTO(done, status);
    status = add(instance, "joined.scale", RK_F32, mine.n_nodes, mine.scale);
    mine.scale = NULL;
done:
    rk__joined_free(&mine);
    return status;
}

rk_graph_values rk__joined_or(const rk_model_instance *instance, rk_program *p,
                              rk_graph_values interactions)
{
    return !rk__is_joined(instance->options) ? interactions
                                             : (rk_graph_values){rk__use_named(p, "joined.offsets"),
                                                                 rk__use_named(p, "joined.columns"),
                                                                 rk__use_named(p, "joined.scale")};
}

void rk__joined_degree_power(const rk_model_instance *instance, const rk_joined *j, double exponent,
                             float *out)
{
    if (!j->offsets) {
        rk__graph_degree_power(instance->data.graph, exponent, out);
        return;
    }
    for (int64_t v = 0; v < j->n_nodes; v++) {
        double degree = j->weights ? 0 : (double)(j->offsets[v + 1] - j->offsets[v]);
        for (int64_t e = j->offsets[v]; e < j->offsets[v + 1] && j->weights; e++) {
            degree += (double)j->weights[e];
        }
        out[v] = degree > 0 ? (float)pow(degree, exponent) : 0;
    }
}
