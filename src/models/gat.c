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
 * Attention says itself what an edge counts: a relation that is read with weights is refused.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "models/network.h"
#include "models/relations.h"

static const char *const item_nodes = "items.nodes", *const item_offsets = "items.offsets";

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
    return rk__relations_check_unweighted(config);
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

/* Items as nodes, and the transpose of lists, which nobody goes along: it has no edges. */
static rk_status declare_items(rk_model_instance *m)
{
    rk_parameter p = {.dtype = RK_I32, .rows = m->data.n_items, .cols = 1, .role = RK_CONSTANT};
    int32_t *nodes = NULL;
    RK_TRY(rk__alloc(&nodes, p.rows, sizeof *nodes, "the nodes of items"));
    for (int64_t i = 0; i < p.rows; i++) {
        nodes[i] = (int32_t)(m->data.n_users + i);
    }
    snprintf(p.name, sizeof p.name, "%s", item_nodes);
    p.constant = nodes;
    RK_TRY(rk__model_add(m, p));
    int64_t *offsets = NULL;
    RK_TRY(rk__calloc(&offsets, p.rows + 1, sizeof *offsets, "the nodes of items"));
    p.dtype = RK_I64;
    p.rows++;
    snprintf(p.name, sizeof p.name, "%s", item_offsets);
    p.constant = offsets;
    return rk__model_add(m, p);
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
    RK_TRY(declare_items(m));
    RK_TRY(rk__network_join(m, &block, (rk_join_options){.once = true, .loops = loops}));
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

static rk_value mapped(const rk_model_instance *m, rk_program *p, int k, rk_value x)
{
    return m->options->model.maps ? rk__gemm(p, x, rk__use_layer(p, k, "weight"), RK_NONE) : x;
}

static rk_edge_attend_attr attr_of(const rk_options *o, int k)
{
    return (rk_edge_attend_attr){.heads = (int32_t)o->model.heads,
                                 .slope = slope,
                                 .dropout = o->model.attention_dropout,
                                 .layer = FIRST_DROPOUT + k};
}

/* What becomes of the heads y of `rows` nodes, whose own x goes into the layer. */
static rk_value behind_heads(const rk_model_instance *m, rk_program *p, int k, rk_value y,
                             rk_value x, int64_t rows)
{
    const rk_options *o = m->options;
    if (is_mean(o)) {
        y = mean_of_heads(p, y, o->model.heads, rk__layer_width(o, k + 1));
    }
    if (o->model.self == RK_SELF_WEIGHT) {
        rk_value own = o->model.maps ? rk__gemm(p, x, rk__use_layer(p, k, "self"), RK_NONE) : x;
        y = rk__add(p, y, own, 1, 1);
    }
    return rk__add(p, y, rk__repeat_rows(p, rk__use_layer(p, k, "bias"), rows), 1, 1);
}

static rk_value layer(const rk_model_instance *m, rk_program *p, int k, rk_layer_values *v)
{
    rk_value h = mapped(m, p, k, v->x);
    rk_value y =
        rk__edge_attend(p, rk__use_block(p, RK_NETWORK_EDGES), part(p, k, "to", h),
                        part(p, k, "from", h), h, v->edges, v->state, attr_of(m->options, k));
    return behind_heads(m, p, k, y, v->x, m->n_nodes);
}

/* ---- somebody with a list of items ---- */

static int64_t fold_width(const rk_options *o, int k)
{
    return heads_width(o, rk__layer_width(o, k + 1));
}

static rk_status declare_fold(rk_model_instance *m, int k)
{
    rk_parameter p = {.rows = m->data.n_items, .cols = m->options->model.heads, .role = RK_TABLE};
    rk__layer_name(p.name, k, "fold_from");
    return rk__model_add(m, p);
}

static rk_value fold_table(const rk_model_instance *m, rk_program *p, int k,
                           const rk_layer_values *v)
{
    char name[RK_NAME_LENGTH];
    rk_value h = mapped(m, p, k, v->x), items = rk__use_named(p, item_nodes);
    rk__layer_name(name, k, "fold_from");
    rk__assign_named(p, name, rk__take_rows(p, part(p, k, "from", h), items));
    return rk__take_rows(p, h, items);
}

/* The lists as edges to items. */
static rk_block_values block_of(rk_program *p, const rk_tile *tile)
{
    return (rk_block_values){.offsets = tile->lists.offsets,
                             .columns = tile->lists.items,
                             .weights = RK_NONE,
                             .types = RK_NONE,
                             .back_offsets = rk__use_named(p, item_offsets),
                             .back_columns = tile->lists.items,
                             .back_edges = tile->lists.items};
}

/* Attention y over lists, with these logarithms of sums, and the people's own h of logits `own`:
 * the softmax over both. */
static rk_value with_loops(rk_program *p, int k, const rk_tile *tile, rk_value y, rk_value sums,
                           rk_value h, rk_value own)
{
    const rk_csr_values lists = {tile->lists.offsets, tile->lists.items, tile->lists.weights};
    const rk_activate_attr leaky = {.kind = RK_ACTIVATION_LEAKY_RELU, .slope = slope};
    const rk_activate_attr sigmoid = {.kind = RK_ACTIVATION_SIGMOID};
    const rk_gemm_attr spread = {.alpha = 1, .transposed_w = true};
    if (p->status != RK_OK) {
        return RK_NONE;
    }
    const rk_range_attr all = {0, p->tensors[h].rows};
    rk_value share = rk__activate(p, rk__add(p, sums, rk__activate(p, own, leaky), 1, -1), sigmoid);
    rk_value any = rk__row_powers(p, lists, all, 0, 0); /* 0 of an empty list */
    share = rk__scale_rows(p, share, any, RK_NONE, RK_NONE);
    rk_value ones = rk__gemm(p, tile->ones, rk__use_named(p, "heads.ones"), RK_NONE);
    rk_value heads = rk__use_layer(p, k, "heads");
    rk_value of_lists = rk__gemm_of(p, share, heads, RK_NONE, RK_NONE, spread);
    rk_value of_own =
        rk__gemm_of(p, rk__add(p, ones, share, 1, -1), heads, RK_NONE, RK_NONE, spread);
    return rk__add(p, rk__multiply(p, y, of_lists), rk__multiply(p, h, of_own), 1, 1);
}

static rk_value fold_layer(const rk_model_instance *m, rk_program *p, int k, const rk_tile *tile,
                           rk_value x, rk_value items)
{
    const rk_edge_attend_attr attr = attr_of(m->options, k);
    rk_value sums = RK_NONE, h = mapped(m, p, k, x), to = part(p, k, "to", h);
    rk_value y = rk__edge_attend_sums(p, block_of(p, tile), to, rk__use_layer(p, k, "fold_from"),
                                      items, tile->lists.weights, RK_NONE, attr, &sums);
    if (m->options->model.self == RK_SELF_LOOP) {
        rk_value own = rk__add(p, to, part(p, k, "from", h), 1, 1);
        y = with_loops(p, k, tile, y, sums, h, own);
    }
    return p->status == RK_OK ? behind_heads(m, p, k, y, x, p->tensors[x].rows) : RK_NONE;
}

static const rk_model_kind ratings, machines;

static const struct rk_network network = {.check = check,
                                          .declare_layer = declare_layer,
                                          .declare_constants = declare_constants,
                                          .layer = layer,
                                          .folds_items = true,
                                          .fold_width = fold_width,
                                          .declare_fold = declare_fold,
                                          .fold_table = fold_table,
                                          .fold_layer = fold_layer,
                                          .ratings = &ratings,
                                          .machines = &machines};

static const char help[] = "graph attention network (Velickovic et al. 2018)";

static const rk_model_kind ratings = {
    RK_NETWORK_COMMON("gat", help, network, rk__network_fold_in),
    .scores = rk__network_scores,
    .rates = true,
};

static const rk_model_kind machines = {
    RK_NETWORK_MACHINES("gat", help, network, rk__network_fm_fold_in),
};

const rk_model_kind rk__model_gat = {
    RK_NETWORK_COMMON("gat", help, network, rk__network_fold_in),
    .encode = rk__network_encode,
};
