/*
 * Views of LightGCN for a contrastive term.
 *
 * By noise, which is added to the output of each layer and goes on into the next ones:
 *   - simgcl: final embeddings without noise; two more propagations with noise are the views
 *     (Yu et al.: Are graph augmentations necessary? SIGIR 2022);
 *   - xsimgcl: one propagation with noise gives the final embeddings, which are one view, and the
 *     output of one layer, which is the other (Yu et al., TKDE 2023).
 *
 * By other graphs:
 *   - sgl: final embeddings over the whole graph; two more propagations over graphs with a share of
 *     the edges dropped are the views (SGL-ED: Wu et al., SIGIR 2021).
 *
 * The weights of layers are the model's; the papers on noise leave layer 0 out
 * (mean_without_ego).
 */
#include <stddef.h>

#include "models/models.h"

typedef struct forward {
    const rk_model_instance *instance;
    rk_program *p;
    rk_graph_values graph;
    rk_value x, state;
    const rk_row_set *rows;
} forward;

static rk_value noisy(const forward *f, rk_value x, const rk_row_set *rows, int view, int layer)
{
    return rk__perturb(
        f->p, x, f->state, rows,
        (rk_perturb_attr){.epsilon = (float)f->instance->options->loss.contrast_noise,
                          .view = view,
                          .layer = layer});
}

/* The sum of layers with noise at the rows; *out_layer (may be NULL): the output of layer `wanted`
 * there. */
static rk_value propagate(const forward *f, int view, int wanted, rk_value *out_layer)
{
    const int n = (int)f->instance->options->model.layers;
    const float one = 1;
    rk_value layers[RK_MAX_LAYERS] = {f->x}, tables[RK_MAX_LAYERS];
    float w[RK_MAX_LAYERS], used[RK_MAX_LAYERS];
    int n_used = 0;
    rk__lightgcn_weights(f->instance->options, w);
    for (int k = 1; k < n; k++) {
        layers[k] = noisy(f, rk__propagate(f->p, f->graph, layers[k - 1], 1), NULL, view, k);
    }
    rk_value last = rk__propagate_rows(f->p, f->graph, layers[n - 1], *f->rows, 1);
    last = noisy(f, last, f->rows, view, n);
    if (out_layer) {
        *out_layer =
            wanted == n ? last : rk__combine_rows(f->p, &layers[wanted], &one, 1, *f->rows);
    }
    for (int k = 0; k < n; k++) {
        if (w[k] != 0) {
            tables[n_used] = layers[k];
            used[n_used++] = w[k];
        }
    }
    if (n_used == 0) {
        return w[n] == 1 ? last : rk__add(f->p, last, last, w[n], 0);
    }
    rk_value others = rk__combine_rows(f->p, tables, used, n_used, *f->rows);
    return rk__add(f->p, others, last, 1, w[n]);
}

/* The final embeddings over a graph with dropped edges. */
static rk_value dropped(const forward *f, const rk_value *values, int view)
{
    const rk_drop_attr attr = {.ratio = f->instance->options->loss.contrast_dropout, .view = view};
    rk_graph_values graph = rk__drop_edges(f->p, f->graph, f->state, attr);
    return f->instance->model->embed(f->instance, f->p, graph, values, f->rows, NULL);
}

rk_views rk__lightgcn_views(const rk_model_instance *instance, rk_program *p, rk_graph_values graph,
                            const rk_value *values, const rk_row_set *rows, rk_value state,
                            rk_value *out_ego)
{
    const rk_options *o = instance->options;
    const forward f = {instance, p, graph, values[0], state, rows};
    const float one = 1;
    rk_views views = {RK_NONE, RK_NONE, RK_NONE};
    if (o->loss.contrast != RK_CONTRAST_XSIMGCL) {
        bool is_sgl = o->loss.contrast == RK_CONTRAST_SGL;
        views.final = instance->model->embed(instance, p, graph, values, rows, out_ego);
        views.first = is_sgl ? dropped(&f, values, 0) : propagate(&f, 0, 0, NULL);
        views.second = is_sgl ? dropped(&f, values, 1) : propagate(&f, 1, 0, NULL);
        return views;
    }
    if (out_ego) {
        *out_ego = rk__combine_rows(p, values, &one, 1, *rows);
    }
    views.final = views.first = propagate(&f, 0, (int)o->loss.contrast_layer, &views.second);
    return views;
}
