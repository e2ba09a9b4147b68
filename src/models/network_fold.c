/*
 * People who are known by a list of items, in a network: nodes of their own, with edges to those
 * items, who change none of the items' vectors. finish stores what goes into each layer of all
 * nodes, as the encoder wants to read it; the layers are then gone through with the people alone.
 */
#include "models/network.h"

bool rk__network_folds(const rk_model_kind *kind, const rk_options *o)
{
    const struct rk_network *n = kind->network;
    return n->fold_layer && (!n->folds || n->folds(o));
}

/* ---- tensors ---- */

static rk_status declare_fold_scale(rk_model_instance *m, int k)
{
    rk_parameter p = {.rows = 1, .cols = rk__layer_width(m->options, k + 1), .role = RK_TABLE};
    rk__layer_name(p.name, k, "fold_scale");
    RK_TRY(rk__model_add(m, p));
    rk__layer_name(p.name, k, "fold_offset");
    return rk__model_add(m, p);
}

/* What fold_in reads of the nodes: what is known of them, and what goes into each layer. */
rk_status rk__network_declare_fold(rk_model_instance *m)
{
    const struct rk_network *n = m->model->network;
    rk_parameter input = {.name = "input",
                          .rows = m->n_nodes,
                          .cols = rk__layer_width(m->options, 0),
                          .role = RK_TABLE};
    RK_TRY(rk__model_add(m, input));
    for (int k = 0; k < m->options->model.layers; k++) {
        const int64_t width =
            n->fold_width ? n->fold_width(m->options, k) : rk__layer_width(m->options, k);
        rk_parameter p = {
            .rows = n->folds_items ? m->data.n_items : m->n_nodes, .cols = width, .role = RK_TABLE};
        rk__layer_name(p.name, k, "fold");
        RK_TRY(rk__model_add(m, p));
        RK_TRY(n->declare_fold ? n->declare_fold(m, k) : RK_OK);
        RK_TRY(m->options->model.batch_norm ? declare_fold_scale(m, k) : RK_OK);
    }
    return RK_OK;
}

/* ---- in programs ---- */

void rk__network_keep_scale(rk_program *p, int k, rk_value x, rk_value y, int64_t n)
{
    /* With c = y - shift = scale (x - mean) over the rows, scale = sum c^2 / sum c x. */
    char name[RK_NAME_LENGTH];
    rk_value shift = rk__use_layer(p, k, "shift");
    rk_value c = rk__add(p, y, rk__repeat_rows(p, shift, n), 1, -1);
    rk_value scale = rk__ratio(p, rk__column_sums(p, rk__multiply(p, c, c)),
                               rk__column_sums(p, rk__multiply(p, c, x)));
    rk_value mean = rk__column_sums(p, x);
    rk_value offset = rk__add(p, shift, rk__multiply(p, mean, scale), 1, -1 / (float)n);
    rk__layer_name(name, k, "fold_offset");
    rk__assign_named(p, name, offset);
    rk__layer_name(name, k, "fold_scale");
    rk__assign_named(p, name, scale);
}

/* Layer k's result of T people who are no nodes, on its way to the next, or to the end. */
static rk_value behind_folded(const rk_model_instance *m, rk_program *p, int k, rk_value x)
{
    if (p->status != RK_OK || rk__network_ends(m, k)) {
        return x;
    }
    if (m->options->model.batch_norm) {
        rk_value offset = rk__use_layer(p, k, "fold_offset");
        x = rk__add(p, rk__scale_columns(p, x, rk__use_layer(p, k, "fold_scale")),
                    rk__repeat_rows(p, offset, p->tensors[x].rows), 1, 1);
    }
    return rk__network_activated(m, p, k, x, RK_NONE);
}

rk_value rk__network_gather(const rk_model_instance *m, rk_program *p, const rk_tile *tile,
                            rk_value items, rk_value loops_of)
{
    const int edges = m->options->model.edges;
    const bool loops = loops_of != RK_NONE;
    if (p->status != RK_OK) {
        return RK_NONE;
    }
    const rk_range_attr all = {0, p->tensors[tile->users].rows};
    const rk_csr_values lists = {tile->lists.offsets, tile->lists.items, tile->lists.weights};
    rk_value y = rk__sum_lists(p, items, tile->lists, m->data.n_users, 0);
    if (edges == RK_NORMALISE_SYMMETRIC) {
        y = rk__scale_rows(p, y, rk__row_powers(p, lists, all, loops, -0.5), RK_NONE, RK_NONE);
        rk_value own_part = rk__row_powers(p, lists, all, loops, -1);
        y = loops ? rk__add(p, y, rk__scale_rows(p, loops_of, own_part, RK_NONE, RK_NONE), 1, 1)
                  : y;
    } else {
        y = loops ? rk__add(p, y, loops_of, 1, 1) : y;
    }
    return edges == RK_NORMALISE_MEAN
               ? rk__scale_rows(p, y, rk__row_powers(p, lists, all, loops, -1), RK_NONE, RK_NONE)
               : y;
}

rk_value rk__network_fold(const rk_model_instance *m, rk_program *p, const rk_tile *tile)
{
    const struct rk_network *n = m->model->network;
    const int layers = (int)m->options->model.layers;
    rk_value x = rk__take_rows(p, rk__use_named(p, "input"), tile->users);
    rk_value results[RK_MAX_LAYERS + 1] = {x};
    for (int k = 0; k < layers; k++) {
        x = n->fold_layer(m, p, k, tile, x, rk__use_layer(p, k, "fold"));
        results[k + 1] = x = behind_folded(m, p, k, x);
    }
    return rk__network_joined(m, p, results);
}
