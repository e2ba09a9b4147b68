/*
 * Graph convolutional network (Kipf and Welling: Semi-supervised classification with graph
 * convolutional networks, ICLR 2017) as an encoder of users and items. A layer is
 *   y = G x W + x B + b,
 * G the gathering of model.edges, with model.self loop over the graph in which each node is a
 * neighbour of its own; B is there with model.self weight, W and B with model.maps.
 *
 * NGCF (Wang, He, Wang, Feng, Chua: Neural graph collaborative filtering, SIGIR 2019) has layers
 *   y = (G x + x) W + (G x * x) W' + b,
 * * element by element, and its vectors are those of all layers side by side, of unit length but
 * for the first.
 *
 * With n the edges' weights at a node, one more with loops, G = L A R + S of factors of nodes:
 *                symmetric     mean     sum
 *   L            n^-1/2        1 / n    1
 *   R            n^-1/2        1        1
 *   S, of loop   1 / n         1 / n    1
 * Without relations and without masks A is that of the propagation P = D^-1/2 A D^-1/2, which is
 * the fast one, and L and R have a factor D^1/2 more; else that of the block RK_NETWORK_EDGES. Of
 * an epoch's messages (train.message_share) n is counted anew.
 */
#include <math.h>

#include "base/alloc.h"
#include "models/network.h"

static const char *const left = "graph.left", *const right = "graph.right",
                         *const own = "graph.own";

static bool has_loops(const rk_options *o)
{
    return o->model.kind == RK_MODEL_GCN && o->model.self == RK_SELF_LOOP;
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

static bool has_edges(const rk_options *o)
{
    return rk__network_has_relations(o) || rk__network_has_fields(o) || rk__network_masks(o);
}

/* Of a node with so many interactions and edges of such weights. */
static float factor(const rk_options *o, double degree, double weights, const char *name)
{
    const double n = weights + has_loops(o), plain = has_edges(o) ? 1 : sqrt(degree);
    const int edges = o->model.edges;
    const bool is_root = edges == RK_NORMALISE_SYMMETRIC && name != own;
    if (n == 0) {
        return 0;
    }
    return (float)((name == own ? 1 : plain) *
                   (edges == RK_NORMALISE_SUM || (edges == RK_NORMALISE_MEAN && name == right) ? 1
                    : is_root ? 1 / sqrt(n)
                              : 1 / n));
}

static rk_status declare_factor(rk_model_instance *m, const rk_block *block, const char *name)
{
    const rk_graph *g = m->data.graph;
    float *values = NULL;
    RK_TRY(rk__alloc(&values, m->n_nodes, sizeof *values, "factors of nodes"));
    for (int64_t i = 0; i < m->n_nodes; i++) {
        const double degree = i < g->n_nodes ? (double)rk__graph_degree(g, i) : 0;
        double weights = block->offsets ? 0 : degree;
        for (int64_t e = block->offsets ? block->offsets[i] : 0;
             block->offsets && e < block->offsets[i + 1]; e++) {
            weights += block->weights ? (double)block->weights[e] : 1;
        }
        values[i] = factor(m->options, degree, weights, name);
    }
    return rk__declare_constant(m, name, m->n_nodes, 1, values);
}

static rk_status declare_constants(rk_model_instance *m)
{
    const rk_options *o = m->options;
    const bool is_plain =
        !has_edges(o) && !has_loops(o) && o->model.edges == RK_NORMALISE_SYMMETRIC;
    rk_block block = {0};
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, has_edges(o) ? rk__network_join(m, &block, (rk_join_options){.once = true})
                                   : RK_OK);
    RK_TRY_GOTO(done, is_plain ? RK_OK : declare_factor(m, &block, left));
    RK_TRY_GOTO(done, is_plain ? RK_OK : declare_factor(m, &block, right));
    RK_TRY_GOTO(done, has_loops(o) ? declare_factor(m, &block, own) : RK_OK);
    status = has_edges(o) ? rk__model_add_block(m, RK_NETWORK_EDGES, &block) : RK_OK;
done:
    rk__block_free(&block);
    return status;
}

/* ---- layers ---- */

static rk_value scaled(rk_program *p, rk_value x, const char *name)
{
    rk_value by = rk__use_if_there(p, name);
    return by == RK_NONE ? x : rk__scale_rows(p, x, by, RK_NONE, RK_NONE);
}

/* G x over the graph's own propagation. */
static rk_value propagate(const rk_model_instance *m, rk_program *p, rk_value x)
{
    rk_value y = rk__propagate(p, rk__use_graph(p), scaled(p, x, right), 1);
    y = scaled(p, y, left);
    return has_loops(m->options) ? rk__add(p, y, scaled(p, x, own), 1, 1) : y;
}

/* n^power of the messages of this epoch. */
static rk_value message_power(const rk_model_instance *m, rk_program *p, rk_block_values block,
                              const rk_layer_values *v, double power)
{
    return rk__block_degrees(p, block, rk__network_edge_weights(p, block, v->messages),
                             (rk_degrees_attr){.plus = has_loops(m->options), .power = power});
}

/* The same over the block. */
static rk_value gather(const rk_model_instance *m, rk_program *p, const rk_layer_values *v)
{
    const int edges = m->options->model.edges;
    const rk_block_values block = rk__use_block(p, RK_NETWORK_EDGES);
    rk_aggregate_inputs in = rk__block_inputs(block);
    rk_value self = has_loops(m->options) ? rk__use_named(p, own) : RK_NONE;
    in.weights = rk__network_edge_weights(p, block, v->edges);
    if (edges != RK_NORMALISE_SUM && v->messages == RK_NONE) {
        in.row_scale = rk__use_named(p, left);
        in.column_scale = edges == RK_NORMALISE_SYMMETRIC ? rk__use_named(p, right) : RK_NONE;
    } else if (edges == RK_NORMALISE_SYMMETRIC) {
        in.row_scale = in.column_scale = message_power(m, p, block, v, -0.5);
    } else if (edges == RK_NORMALISE_MEAN) {
        in.row_scale = message_power(m, p, block, v, -1);
    }
    if (self != RK_NONE && edges != RK_NORMALISE_SUM && v->messages != RK_NONE) {
        self = message_power(m, p, block, v, -1);
    }
    rk_value y = rk__aggregate(p, block, v->x, in, (rk_aggregate_attr){0});
    return self == RK_NONE ? y
                           : rk__add(p, y, rk__scale_rows(p, v->x, self, RK_NONE, RK_NONE), 1, 1);
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

static rk_value gathered(const rk_model_instance *m, rk_program *p, const rk_layer_values *v)
{
    return has_edges(m->options) ? gather(m, p, v) : propagate(m, p, v->x);
}

static rk_value layer(const rk_model_instance *m, rk_program *p, int k, rk_layer_values *v)
{
    return map(m, p, k, gathered(m, p, v), v->x, m->n_nodes);
}

/* ---- somebody with a list of items ---- */

/* What the items' side of G makes of them. */
static rk_value fold_table(const rk_model_instance *m, rk_program *p, int k,
                           const rk_layer_values *v)
{
    const rk_value x = v->x;
    (void)k;
    if (m->options->model.edges != RK_NORMALISE_SYMMETRIC) {
        return x;
    }
    if (has_edges(m->options)) {
        return scaled(p, x, right);
    }
    return scaled(p, rk__scale_rows(p, x, rk__use_graph(p).scale, RK_NONE, RK_NONE), right);
}

/* G of people with lists. */
static rk_value gather_lists(const rk_model_instance *m, rk_program *p, const rk_tile *tile,
                             rk_value x, rk_value items)
{
    return rk__network_gather(m, p, tile, items, has_loops(m->options) ? x : RK_NONE);
}

static rk_value fold_layer(const rk_model_instance *m, rk_program *p, int k, const rk_tile *tile,
                           rk_value x, rk_value items)
{
    rk_value y = gather_lists(m, p, tile, x, items);
    return p->status == RK_OK ? map(m, p, k, y, x, p->tensors[tile->users].rows) : RK_NONE;
}

static const rk_model_kind ratings, machines;

static const struct rk_network network = {.declare_layer = declare_layer,
                                          .declare_constants = declare_constants,
                                          .has_edges = has_edges,
                                          .layer = layer,
                                          .fold_table = fold_table,
                                          .fold_layer = fold_layer,
                                          .ratings = &ratings,
                                          .machines = &machines};

static const char help[] = "graph convolutional network (Kipf and Welling 2017)";

static const rk_model_kind ratings = {
    RK_NETWORK_COMMON("gcn", help, network, rk__network_fold_in),
    .scores = rk__network_scores,
    .rates = true,
};

static const rk_model_kind machines = {
    RK_NETWORK_MACHINES("gcn", help, network, rk__network_fm_fold_in),
};

const rk_model_kind rk__model_gcn = {
    RK_NETWORK_COMMON("gcn", help, network, rk__network_fold_in),
    .encode = rk__network_encode,
};

/* ---- ngcf ---- */

static rk_status declare_ngcf_layer(rk_model_instance *m, int k, int64_t in, int64_t out)
{
    RK_TRY(rk__declare_layer_matrix(m, k, "weight", in, out));
    RK_TRY(rk__declare_layer_matrix(m, k, "products", in, out));
    return rk__declare_layer_row(m, k, "bias", out, 0);
}

/* (g + x) W + (g * x) W' + b, g what was gathered */
static rk_value ngcf_map(rk_program *p, int k, rk_value g, rk_value x)
{
    rk_value sum = rk__gemm(p, rk__add(p, g, x, 1, 1), rk__use_layer(p, k, "weight"),
                            rk__use_layer(p, k, "bias"));
    rk_value products =
        rk__gemm(p, rk__multiply(p, g, x), rk__use_layer(p, k, "products"), RK_NONE);
    return rk__add(p, sum, products, 1, 1);
}

static rk_value ngcf_layer(const rk_model_instance *m, rk_program *p, int k, rk_layer_values *v)
{
    return ngcf_map(p, k, gathered(m, p, v), v->x);
}

static rk_value ngcf_fold_layer(const rk_model_instance *m, rk_program *p, int k,
                                const rk_tile *tile, rk_value x, rk_value items)
{
    return ngcf_map(p, k, gather_lists(m, p, tile, x, items), x);
}

static const struct rk_network ngcf = {.declare_layer = declare_ngcf_layer,
                                       .declare_constants = declare_constants,
                                       .has_edges = has_edges,
                                       .layer = ngcf_layer,
                                       .fold_table = fold_table,
                                       .fold_layer = ngcf_fold_layer,
                                       .joins_layers = true};

const rk_model_kind rk__model_ngcf = {
    RK_NETWORK_COMMON("ngcf", "neural graph collaborative filtering (Wang et al. 2019)", ngcf,
                      rk__network_fold_in),
    .encode = rk__network_encode,
};
