/*
 * Graph convolutional network (Kipf and Welling: Semi-supervised classification with graph
 * convolutional networks, ICLR 2017) as an encoder of users and items. A layer is
 *   y = G x W + x B + b,
 * G the gathering of model.edges, with model.self loop over the graph in which each node is a
 * neighbour of its own; B is there with model.self weight, W and B with model.maps.
 *
 * The graph's own propagation is P = D^-1/2 A D^-1/2, and what else may be gathered is
 * G = L P R + S with factors of nodes:
 *                symmetric              mean                    sum
 *   L            sqrt(D / D')           sqrt(D) / D'            sqrt(D)
 *   R            sqrt(D / D')           sqrt(D)                 sqrt(D)
 *   S, of loop   1 / D'                 1 / D'                  1
 * D' = D + 1 with loops, else D.
 */
#include <math.h>

#include "base/alloc.h"
#include "models/network.h"

static const char *const left = "graph.left", *const right = "graph.right",
                         *const own = "graph.own";

static bool has_loops(const rk_options *o)
{
    return o->model.self == RK_SELF_LOOP;
}

/* ---- tensors ---- */

static rk_status declare_layer(rk_model_instance *m, int k, int64_t in, int64_t out)
{
    const rk_options *o = m->options;
    if (o->model.maps) {
        RK_TRY(rk__declare_layer_matrix(m, k, "weight", in, out));
    }
    if (o->model.maps && o->model.self == RK_SELF_WEIGHT) {
        RK_TRY(rk__declare_layer_matrix(m, k, "self", in, out));
    }
    return rk__declare_layer_row(m, k, "bias", out, 0);
}

static float factor(const rk_options *o, double degree, const char *name)
{
    const double all = degree + has_loops(o);
    const int edges = o->model.edges;
    if (degree == 0) {
        return name == own;
    }
    if (name == own) {
        return edges == RK_NORMALISE_SUM ? 1 : (float)(1 / all);
    }
    return (float)(edges == RK_NORMALISE_SYMMETRIC              ? sqrt(degree / all)
                   : edges == RK_NORMALISE_MEAN && name == left ? sqrt(degree) / all
                                                                : sqrt(degree));
}

static rk_status declare_factor(rk_model_instance *m, const char *name)
{
    const rk_graph *g = m->data.graph;
    float *values = NULL;
    RK_TRY(rk__alloc(&values, m->n_nodes, sizeof *values, "factors of nodes"));
    for (int64_t i = 0; i < m->n_nodes; i++) {
        values[i] = factor(m->options, (double)rk__graph_degree(g, i), name);
    }
    return rk__declare_constant(m, name, m->n_nodes, 1, values);
}

static rk_status declare_constants(rk_model_instance *m)
{
    const rk_options *o = m->options;
    if (has_loops(o) || o->model.edges != RK_NORMALISE_SYMMETRIC) {
        RK_TRY(declare_factor(m, left));
        RK_TRY(declare_factor(m, right));
    }
    return has_loops(o) ? declare_factor(m, own) : RK_OK;
}

/* ---- layers ---- */

static rk_value scaled(rk_program *p, rk_value x, const char *name)
{
    rk_value by = rk__use_if_there(p, name);
    return by == RK_NONE ? x : rk__scale_rows(p, x, by, RK_NONE, RK_NONE);
}

static rk_value gather(const rk_model_instance *m, rk_program *p, rk_value x)
{
    rk_value y = rk__propagate(p, rk__use_graph(p), scaled(p, x, right), 1);
    y = scaled(p, y, left);
    return has_loops(m->options) ? rk__add(p, y, scaled(p, x, own), 1, 1) : y;
}

/* Of `rows` nodes: what they gathered, and their own x. */
static rk_value map(const rk_model_instance *m, rk_program *p, int k, rk_value gathered, rk_value x,
                    int64_t rows)
{
    const rk_options *o = m->options;
    rk_value bias = rk__use_layer(p, k, "bias"), self = rk__use_layer(p, k, "self");
    if (!o->model.maps) {
        rk_value y = o->model.self == RK_SELF_WEIGHT ? rk__add(p, gathered, x, 1, 1) : gathered;
        return rk__add(p, y, rk__repeat_rows(p, bias, rows), 1, 1);
    }
    rk_value y = rk__gemm(p, gathered, rk__use_layer(p, k, "weight"), bias);
    return self == RK_NONE ? y : rk__add(p, y, rk__gemm(p, x, self, RK_NONE), 1, 1);
}

static rk_value layer(const rk_model_instance *m, rk_program *p, int k, rk_layer_values *v)
{
    return map(m, p, k, gather(m, p, v->x), v->x, m->n_nodes);
}

/* ---- somebody with a list of items ---- */

/* What the items' side of G makes of them. */
static rk_value fold_table(const rk_model_instance *m, rk_program *p, rk_value x)
{
    if (m->options->model.edges != RK_NORMALISE_SYMMETRIC) {
        return x;
    }
    rk_value y = rk__scale_rows(p, x, rk__use_graph(p).scale, RK_NONE, RK_NONE);
    return scaled(p, y, right);
}

static rk_value fold_layer(const rk_model_instance *m, rk_program *p, int k, const rk_tile *tile,
                           rk_value x, rk_value items)
{
    const rk_options *o = m->options;
    const bool loops = has_loops(o);
    if (p->status != RK_OK) {
        return RK_NONE;
    }
    const rk_range_attr all = {0, p->tensors[tile->users].rows};
    const rk_csr_values lists = {tile->lists.offsets, tile->lists.items, tile->lists.weights};
    rk_value y = rk__sum_lists(p, items, tile->lists, m->data.n_users, 0);
    if (o->model.edges == RK_NORMALISE_SYMMETRIC) {
        y = rk__scale_rows(p, y, rk__row_powers(p, lists, all, loops, -0.5), RK_NONE, RK_NONE);
        rk_value own_part = rk__row_powers(p, lists, all, loops, -1);
        y = loops ? rk__add(p, y, rk__scale_rows(p, x, own_part, RK_NONE, RK_NONE), 1, 1) : y;
    } else {
        y = loops ? rk__add(p, y, x, 1, 1) : y;
    }
    if (o->model.edges == RK_NORMALISE_MEAN) {
        y = rk__scale_rows(p, y, rk__row_powers(p, lists, all, loops, -1), RK_NONE, RK_NONE);
    }
    return map(m, p, k, y, x, all.n);
}

static const struct rk_network network = {.declare_layer = declare_layer,
                                          .declare_constants = declare_constants,
                                          .layer = layer,
                                          .fold_table = fold_table,
                                          .fold_layer = fold_layer};

const rk_model_kind rk__model_gcn = {
    RK_NETWORK_COMMON("gcn", "graph convolutional network (Kipf and Welling 2017)", network),
    .encode = rk__network_encode,
    .fold_in = rk__network_fold_in,
};
