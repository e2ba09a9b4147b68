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
#include "models/propagation.h"

typedef struct forward {
    const rk_model_instance *instance;
    rk_program *p;
    rk_graph_values graph;
    const rk_value *values;
    rk_value state;
} forward;

static int layers_of(const forward *f)
{
    return (int)f->instance->options->model.layers;
}

/* The layers 0 .. K of a propagation with noise. */
static void propagate(const forward *f, int view, rk_value layers[RK_MAX_LAYERS])
{
    const float noise = (float)f->instance->options->loss.contrast_noise;
    layers[0] = f->values[0];
    for (int k = 1; k <= layers_of(f); k++) {
        rk_value clean = rk__propagate_over(f->instance, f->p, f->graph, layers[k - 1]);
        const rk_perturb_attr attr = {.epsilon = noise, .view = view, .layer = k};
        layers[k] = rk__perturb(f->p, clean, f->state, NULL, attr);
    }
}

static rk_value noisy(const forward *f, int view)
{
    rk_value layers[RK_MAX_LAYERS];
    float w[RK_MAX_LAYERS];
    rk__lightgcn_weights(f->instance->options, w);
    propagate(f, view, layers);
    return rk__lightgcn_sum(f->p, layers, w, layers_of(f) + 1);
}

/* The final embeddings over a graph with dropped edges. */
static rk_value dropped(const forward *f, int view)
{
    const rk_drop_attr attr = {.ratio = f->instance->options->loss.contrast_dropout, .view = view};
    rk_graph_values graph = rk__drop_edges(f->p, f->graph, f->state, attr);
    return rk__lightgcn_final(f->instance, f->p, graph, f->values);
}

void rk__lightgcn_views(const rk_model_instance *instance, rk_program *p, rk_graph_values graph,
                        const rk_value *values, rk_value state, rk_encoded *out)
{
    const rk_options *o = instance->options;
    const forward f = {instance, p, graph, values, state};
    if (o->loss.contrast == RK_CONTRAST_XSIMGCL) {
        rk_value layers[RK_MAX_LAYERS];
        float w[RK_MAX_LAYERS];
        rk__lightgcn_weights(o, w);
        propagate(&f, 0, layers);
        out->final = rk__lightgcn_sum(p, layers, w, layers_of(&f) + 1);
        out->views[0] = out->final;
        out->views[1] = layers[o->loss.contrast_layer];
        return;
    }
    out->final = rk__lightgcn_final(instance, p, graph, values);
    for (int view = 0; view < 2; view++) {
        bool is_sgl = o->loss.contrast == RK_CONTRAST_SGL;
        out->views[view] = is_sgl ? dropped(&f, view) : noisy(&f, view);
    }
}
