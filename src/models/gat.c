/*
 * Graph attention network (Velickovic, Cucurull, Casanova, Romero, Lio, Bengio: Graph attention
 * networks, ICLR 2018) as an encoder of users and items. With H = x W, or x itself without
 * model.maps, head h of a layer is
 *   y[v,h] = sum over the edges (v, u) of softmax over them of
 *            leaky_relu(<to[h], H[v,h]> + <from[h], H[u,h]>, 0.2) times H[u,h],
 * with model.self loop over the graph in which each node is a neighbour of its own. Heads are side
 * by side (concat), each model.heads-th of the layer's width, or each as wide as the layer, and
 * their mean is taken. To that a bias is added, and with model.self weight x B.
 *
 * Attention says itself what an edge counts: weights of relations are not looked at.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "models/network.h"

enum { FIRST_DROPOUT = 128 }; /* of attention, behind the others */

static const float slope = 0.2f;

static bool is_mean(const rk_options *o)
{
    return o->model.join_heads == RK_JOIN_MEAN;
}

/* The width of all heads of a layer together. */
static int64_t heads_width(const rk_options *o, int64_t out)
{
    return is_mean(o) ? out * o->model.heads : out;
}

static rk_status check(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    const rk_said heads = rk__config_says(config, "model.heads");
    if (is_mean(o) && !o->model.maps && o->model.heads > 1) {
        RK_FAIL(RK_ERR_CONFIG, "%s and %s, but %s: without matrices there is one width only",
                heads.text, rk__config_says(config, "model.join_heads").text,
                rk__config_says(config, "model.maps").text);
    }
    for (int k = 0; k < o->model.layers && !is_mean(o); k++) {
        const int64_t out = rk__layer_width(o, k + 1);
        if (out % o->model.heads != 0) {
            RK_FAIL(RK_ERR_CONFIG,
                    "%s, but layer %d has %lld columns, which so many heads side by side cannot "
                    "divide between them: change model.dim or model.widths",
                    heads.text, k + 1, (long long)out);
        }
    }
    return RK_OK;
}

/* ---- tensors ---- */

static rk_status declare_layer(rk_model_instance *m, int k, int64_t in, int64_t out)
{
    const rk_options *o = m->options;
    const int64_t width = heads_width(o, out);
    if (o->model.maps) {
        RK_TRY(rk__declare_layer_matrix(m, k, "weight", in, width));
    }
    RK_TRY(rk__declare_layer_matrix(m, k, "to", width, 1));
    RK_TRY(rk__declare_layer_matrix(m, k, "from", width, 1));
    if (o->model.maps && o->model.self == RK_SELF_WEIGHT) {
        RK_TRY(rk__declare_layer_matrix(m, k, "self", in, out));
    }
    return rk__declare_layer_row(m, k, "bias", out, 0);
}

/* [width, heads]: 1 where a column belongs to a head; [1, heads]: ones. */
static rk_status declare_heads(rk_model_instance *m, int k, int64_t width)
{
    const int64_t heads = m->options->model.heads;
    char name[RK_NAME_LENGTH];
    float *values = NULL;
    RK_TRY(rk__calloc(&values, width * heads, sizeof *values, "the heads of a layer"));
    for (int64_t j = 0; j < width; j++) {
        values[j * heads + j * heads / width] = 1;
    }
    rk__layer_name(name, k, "heads");
    return rk__declare_constant(m, name, width, heads, values);
}

static rk_status declare_constants(rk_model_instance *m)
{
    const rk_options *o = m->options;
    const bool loops = o->model.self == RK_SELF_LOOP;
    rk_block block = {0};
    float *ones = NULL;
    RK_TRY(rk__alloc(&ones, o->model.heads, sizeof *ones, "the heads of a layer"));
    for (int64_t h = 0; h < o->model.heads; h++) {
        ones[h] = 1;
    }
    RK_TRY(rk__declare_constant(m, "heads.ones", 1, o->model.heads, ones));
    for (int k = 0; k < o->model.layers; k++) {
        RK_TRY(declare_heads(m, k, heads_width(o, rk__layer_width(o, k + 1))));
    }
    RK_TRY(rk__network_join(m, &block, (rk_join_options){.loops = loops}));
    return rk__model_add_block(m, RK_NETWORK_EDGES, &block);
}

/* ---- layers ---- */

/* [nodes, heads]: of each node and head the product of its columns with the vector NAME. */
static rk_value part(rk_program *p, int k, const char *name, rk_value h)
{
    rk_value spread =
        rk__gemm(p, rk__use_layer(p, k, name), rk__use_named(p, "heads.ones"), RK_NONE);
    return rk__gemm(p, h, rk__multiply(p, spread, rk__use_layer(p, k, "heads")), RK_NONE);
}

/* The mean of the heads, [nodes, out]. */
static rk_value mean_of_heads(rk_program *p, rk_value y, int64_t heads, int64_t out)
{
    const float weight = 1 / (float)heads;
    rk_value sum = rk__take_columns(p, y, 0, out);
    for (int64_t h = 1; h < heads; h++) {
        sum = rk__add(p, sum, rk__take_columns(p, y, h * out, out), h == 1 ? weight : 1, weight);
    }
    return sum;
}

static rk_value layer(const rk_model_instance *m, rk_program *p, int k, rk_layer_values *v)
{
    const rk_options *o = m->options;
    const rk_edge_attend_attr attr = {.heads = (int32_t)o->model.heads,
                                      .slope = slope,
                                      .dropout = o->model.attention_dropout,
                                      .layer = FIRST_DROPOUT + k};
    rk_value h = o->model.maps ? rk__gemm(p, v->x, rk__use_layer(p, k, "weight"), RK_NONE) : v->x;
    rk_value y = rk__edge_attend(p, rk__use_block(p, RK_NETWORK_EDGES), part(p, k, "to", h),
                                 part(p, k, "from", h), h, v->edges, v->state, attr);
    if (is_mean(o)) {
        y = mean_of_heads(p, y, o->model.heads, rk__layer_width(o, k + 1));
    }
    if (o->model.self == RK_SELF_WEIGHT) {
        rk_value own =
            o->model.maps ? rk__gemm(p, v->x, rk__use_layer(p, k, "self"), RK_NONE) : v->x;
        y = rk__add(p, y, own, 1, 1);
    }
    return rk__add(p, y, rk__repeat_rows(p, rk__use_layer(p, k, "bias"), m->n_nodes), 1, 1);
}

static const rk_model_kind ratings, machines;

static const struct rk_network network = {.check = check,
                                          .declare_layer = declare_layer,
                                          .declare_constants = declare_constants,
                                          .layer = layer,
                                          .ratings = &ratings,
                                          .machines = &machines};

static const char help[] = "graph attention network (Velickovic et al. 2018)";

static const rk_model_kind ratings = {
    RK_NETWORK_COMMON("gat", help, network, NULL),
    .scores = rk__network_scores,
    .rates = true,
};

static const rk_model_kind machines = {
    RK_NETWORK_MACHINES("gat", help, network, NULL),
};

const rk_model_kind rk__model_gat = {
    RK_NETWORK_COMMON("gat", help, network, NULL),
    .encode = rk__network_encode,
};
