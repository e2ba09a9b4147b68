#include "train/objective.h"

bool rk__objective_needs_ego(const rk_options *options)
{
    return options->loss.l2 > 0 && options->loss.l2_on == RK_L2_EGO;
}

static bool is_cosine(const rk_options *o)
{
    int kind = o->loss.kind;
    bool usually = kind == RK_LOSS_SOFTMAX || kind == RK_LOSS_CCL || kind == RK_LOSS_ALIGN_UNIFORM;
    return o->loss.logits == RK_LOGITS_AUTO ? usually : o->loss.logits == RK_LOGITS_COSINE;
}

static rk_slot_attr slot_attr(const rk_options *o)
{
    return (rk_slot_attr){.batch = o->train.batch,
                          .rule = {.kind = o->loss.kind,
                                   .exclude_positive = o->loss.exclude_positive,
                                   .margin = o->loss.margin,
                                   .negative_weight = o->loss.negative_weight,
                                   .temperature = o->loss.temperature,
                                   .power = o->loss.power,
                                   .positive_weights = {o->loss.bce_w1, o->loss.bce_w2},
                                   .negative_weights = {o->loss.bce_w3, o->loss.bce_w4}}};
}

/* Returns which of the candidates counts, RK_NONE if all do. */
static rk_value append_ranking_loss(rk_program *p, const rk_options *o,
                                    const rk_objective_values *v, int64_t n_candidates)
{
    int64_t batch = o->train.batch;
    rk_value chosen = RK_NONE;
    if (o->sampling.negatives == RK_NEGATIVES_ALL) {
        rk__list_loss(p, v->scores,
                      (rk_list_inputs){v->nodes, v->graph.offsets, v->graph.columns, v->state},
                      (rk_list_loss_attr){o->loss.label_smoothing, v->first_item});
    } else if (v->scores != RK_NONE) {
        rk__score_loss(p, v->scores, (rk_score_inputs){v->state, v->labels, v->weight},
                       slot_attr(o).rule);
    } else if (o->loss.kind == RK_LOSS_ALIGN_UNIFORM) {
        rk_align_attr attr = {.batch = batch, .uniformity = o->loss.uniformity};
        rk__align_uniform_loss(p, v->final, v->rows, v->state, attr);
    } else if (n_candidates == 0) {
        rk_softmax_rule rule = {.batch = batch,
                                .temperature = o->loss.temperature,
                                .power = o->loss.power,
                                .cosine = is_cosine(o),
                                .exclude_positive = o->loss.exclude_positive};
        rk__softmax_loss(p, v->final, v->rows, v->logit_bias, v->state, rule);
    } else {
        if (o->sampling.negatives == RK_NEGATIVES_DYNAMIC && o->loss.kind == RK_LOSS_BPR &&
            !is_cosine(o) && n_candidates > 1) {
            chosen = rk__select_negatives(p, v->final, v->rows, v->state, batch);
        }
        rk_slot_inputs inputs = {
            .state = v->state, .factor = v->degree_factor, .chosen = chosen, .weight = v->weight};
        rk__slot_loss(p, v->final, v->rows, inputs, is_cosine(o), slot_attr(o));
    }
    return chosen;
}

rk_status rk__objective_append(rk_program *p, const rk_options *o, const rk_objective_values *v,
                               int64_t n_candidates)
{
    rk_value chosen = append_ranking_loss(p, o, v, n_candidates);
    if (o->loss.l2 > 0 && (v->scores == RK_NONE || v->ego != RK_NONE)) {
        rk_l2_attr l2 = {.weight = o->loss.l2,
                         .batch = o->train.batch,
                         .form = o->loss.l2_form,
                         .rows = o->loss.l2_rows,
                         .divisor = o->loss.l2_divisor};
        rk_value x = rk__objective_needs_ego(o) || v->scores != RK_NONE ? v->ego : v->final;
        rk__l2_loss(p, x, v->rows, chosen, v->state, l2);
    }
    if (o->loss.contrast != RK_CONTRAST_NONE) {
        rk__contrast_loss(p, v->views[0], v->views[1], v->rows,
                          (rk_contrast_rule){.batch = o->train.batch,
                                             .weight = o->loss.contrast_weight,
                                             .temperature = o->loss.contrast_temperature});
    }
    if (o->loss.neighbours > 0) {
        const rk_objective_neighbours *n = &v->neighbours;
        rk__neighbour_loss(p, n->final, n->rows, n->nodes, n->weights, v->state, is_cosine(o),
                           n->attr);
    }
    return p->status;
}
