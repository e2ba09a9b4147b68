/*
 * The factorisation machine of fm.c over the vectors that a network makes of nodes: with gcn the
 * FM-GCN, with gat the FM-GCN-ATT of Ibero et al. (aidl-nnrecomend, 2021). Values of fields are
 * nodes, too, behind users and items, with edges to those that are in a train row with them
 * (models/joined.h), so that one network makes the vectors of all fields.
 */
#include <string.h>

#include "models/network.h"

enum { FIRST_DROPOUT = 64 }; /* behind those between layers */

static const char *const final = "final", *const weight = "weight", *const bias = "bias";

bool rk__network_has_fields(const rk_options *o)
{
    return o->model.compat == RK_COMPAT_LEAKY_GRAPH ||
           (o->model.scorer == RK_SCORER_FM && o->n_fields > 0 &&
            strcmp(o->model.fields, "none") != 0);
}

rk_status rk__network_check_fields(const rk_config *config)
{
    const rk_options *o = rk__config_options(config);
    if (o->loss.logits == RK_LOGITS_COSINE || o->loss.kind == RK_LOSS_CCL ||
        o->loss.kind == RK_LOSS_ALIGN_UNIFORM) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s: its scores are no cosines; take bpr",
                rk__config_says(config, "model.scorer").text,
                rk__config_says(config,
                                o->loss.logits == RK_LOGITS_COSINE ? "loss.logits" : "loss.kind")
                    .text);
    }
    return rk__fm_check_fields(config);
}

/* x: the vectors of all nodes. */
static rk_fm_tables tables(const rk_model_instance *m, rk_program *p, rk_value x)
{
    const bool has_fields = rk__model_fields(&m->data) > 0;
    rk_value weights = rk__use_named(p, weight);
    return (rk_fm_tables){.nodes = x,
                          .weights = weights,
                          .contexts = has_fields ? x : RK_NONE,
                          .context_weights = has_fields ? weights : RK_NONE,
                          .bias =
                              rk__fm_is_pointwise(m->options) ? rk__use_named(p, bias) : RK_NONE,
                          .first_layer = FIRST_DROPOUT};
}

rk_scored rk__network_fm_scores(const rk_model_instance *m, rk_program *p, const rk_value *values,
                                const rk_batch_values *b)
{
    (void)values;
    rk_value input = rk__network_input(p);
    rk_value all = rk__network_nodes(m, p, input, b->state, false);
    if (rk__model_fields(&m->data) > 0) { /* once and whole, not at two row sets */
        all = rk__reshape(p, all, m->options->model.dim);
    }
    const rk_fm_tables t = tables(m, p, all);
    rk_value x = rk__gather_rows(p, t.nodes, b->rows);
    return (rk_scored){.scores = rk__fm_scores(m, p, &t, x, b),
                       .ego = rk__gather_rows(p, input, b->rows)};
}

void rk__network_fm_finish(const rk_model_instance *m, rk_program *p)
{
    const bool folds = rk__network_folds(m->model, m->options);
    rk_value x = rk__network_nodes(m, p, rk__network_input(p), RK_NONE, folds);
    const rk_fm_tables t = tables(m, p, x);
    rk__fm_assign_candidates(m, p, &t);
    rk__assign_named(p, final, x);
}

rk_value rk__network_fm_query(const rk_model_instance *m, rk_program *p, const rk_tile *tile)
{
    const rk_fm_tables t = tables(m, p, rk__use_named(p, final));
    return rk__fm_query(m, p, &t, tile, rk__take_rows(p, t.nodes, tile->users));
}

rk_value rk__network_fm_fold_in(const rk_model_instance *m, rk_program *p, const rk_tile *tile)
{
    const rk_fm_tables t = tables(m, p, rk__use_named(p, final));
    return rk__fm_query(m, p, &t, tile, rk__network_fold(m, p, tile));
}
