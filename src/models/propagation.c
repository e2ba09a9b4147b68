#include "models/propagation.h"

#include <math.h>

#include "base/alloc.h"
#include "models/joined.h"
#include "models/models.h"
#include "models/relations.h"

bool rk__has_relations(const rk_options *o)
{
    return o->model.relations && o->model.relations[0] != '\0';
}

rk_status rk__propagation_check(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    if (rk__has_relations(o) && o->graph.form == RK_FORM_GRAM) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but %s: that form is of users and items alone; take graph.form direct",
                rk__config_says(config, "graph.form").text,
                rk__config_says(config, "model.relations").text);
    }
    return rk__relations_check(config);
}

/* ---- the graph ---- */

static rk_status join(rk_block *out, const rk_model_instance *instance,
                      const rk_model_relations *relations)
{
    double *weights = NULL;
    RK_TRY(rk__alloc(&weights, relations->n, sizeof *weights, "the weights of relations"));
    for (int i = 0; i < relations->n; i++) {
        weights[i] = relations->v[i].weight;
    }
    const rk_join_options how = {.once = true, .norm = RK_BLOCK_AS_IS, .weights = weights};
    rk_status status =
        rk__block_join(out, &instance->data, instance->options->model.relations, &how);
    rk__free(weights);
    return status;
}

/* Without weights, and the transpose that only they need, where all are 1. */
static void simplify(rk_block *b)
{
    bool counts_one = true;
    for (int64_t e = 0; e < b->n_edges && b->weights; e++) {
        counts_one = counts_one && b->weights[e] == 1;
    }
    if (counts_one) {
        rk__free(b->weights);
        rk__free(b->back_offsets);
        rk__free(b->back_columns);
        rk__free(b->back_edges);
        b->weights = NULL;
        b->back_offsets = NULL;
        b->back_columns = b->back_edges = NULL;
    }
}

static rk_status sum_degrees(rk_propagation *p)
{
    const rk_block *b = &p->block;
    RK_TRY(rk__calloc(&p->degree, b->n_rows, sizeof *p->degree, "the degrees of nodes"));
    for (int64_t v = 0; v < b->n_rows; v++) {
        for (int64_t e = b->offsets[v]; e < b->offsets[v + 1]; e++) {
            p->degree[v] += b->weights ? (double)b->weights[e] : 1;
        }
    }
    return RK_OK;
}

rk_status rk__propagation_init(rk_propagation *out, rk_model_instance *instance)
{
    const rk_options *o = instance->options;
    rk_model_relations relations = {0};
    rk_status status = RK_OK;
    *out = (rk_propagation){0};
    if (!rk__has_relations(o)) {
        return RK_OK;
    }
    RK_TRY_GOTO(done, rk__relations_init(&relations, o, &instance->data));
    RK_TRY_GOTO(done, rk__relations_check_weights(&relations, true));
    RK_TRY_GOTO(done, join(&out->block, instance, &relations));
    simplify(&out->block);
    if (out->block.weights && o->loss.contrast == RK_CONTRAST_SGL) {
        RK_FAIL_GOTO(done, RK_ERR_CONFIG,
                     "loss.contrast sgl drops edges of a graph in which all count alike, but those "
                     "of model.relations have weights: take simgcl, or relations without weights");
    }
    RK_TRY_GOTO(done, sum_degrees(out));
    instance->n_nodes = relations.n_nodes;
done:
    rk__relations_free(&relations);
    if (status != RK_OK) {
        rk__propagation_free(out);
    }
    return status;
}

void rk__propagation_free(rk_propagation *p)
{
    rk__block_free(&p->block);
    rk__free(p->degree);
    *p = (rk_propagation){0};
}

/* ---- tensors ---- */

rk_status rk__declare_propagation(rk_model_instance *instance, rk_propagation *p)
{
    float *scale = NULL;
    if (!p->degree) {
        return RK_OK;
    }
    RK_TRY(rk__alloc(&scale, instance->n_nodes, sizeof *scale, "the degrees of nodes"));
    rk__degree_power(instance, p, -0.5, scale);
    RK_TRY(rk__declare_constant(instance, "joined.scale", instance->n_nodes, 1, scale));
    RK_TRY(rk__model_add_known(instance));
    RK_TRY(rk__know_joined(instance, &p->block));
    return rk__model_add_block(instance, "joined", &p->block);
}

void rk__degree_power(const rk_model_instance *instance, const rk_propagation *p, double exponent,
                      float *out)
{
    if (!p->degree) {
        rk__graph_degree_power(instance->data.graph, exponent, out);
        return;
    }
    for (int64_t v = 0; v < instance->n_nodes; v++) {
        out[v] = p->degree[v] > 0 ? (float)pow(p->degree[v], exponent) : 0;
    }
}

/* ---- in a program ---- */

rk_graph_values rk__propagation_graph(const rk_model_instance *instance, rk_program *p,
                                      rk_graph_values interactions)
{
    return !rk__has_relations(instance->options)
               ? interactions
               : (rk_graph_values){rk__use_named(p, "joined.offsets"),
                                   rk__use_named(p, "joined.columns"),
                                   rk__use_named(p, "joined.scale")};
}

rk_value rk__propagate_over(const rk_model_instance *instance, rk_program *p, rk_graph_values graph,
                            rk_value x)
{
    if (!rk__has_relations(instance->options) || rk__find_named(p, "joined.weights") < 0) {
        return rk__propagate(p, graph, x, 1);
    }
    const rk_block_values block = rk__use_block(p, "joined");
    rk_aggregate_inputs in = rk__block_inputs(block);
    in.row_scale = in.column_scale = graph.scale;
    return rk__aggregate(p, block, x, in, (rk_aggregate_attr){.transposed = false});
}
