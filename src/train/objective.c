#include "train/objective.h"

bool rk__objective_needs_ego(const rk_options *options)
{
    return options->loss.l2 > 0 && options->loss.l2_on == RK_L2_EGO;
}

rk_status rk__objective_append(rk_program *p, const rk_options *o, const rk_objective_values *v,
                               int64_t n_candidates)
{
    int64_t batch = o->train.batch;
    rk_value chosen = RK_NONE;
    if (n_candidates > 1) {
        chosen = rk__select_negatives(p, v->final, v->rows, v->state, batch);
    }
    if (o->loss.kind == RK_LOSS_SOFTMAX) {
        rk__softmax_loss(p, v->final, v->rows, v->logit_bias, v->state,
                         (rk_softmax_attr){.batch = batch,
                                           .temperature = o->loss.temperature,
                                           .power = o->loss.power,
                                           .cosine = o->loss.logits == RK_LOGITS_COSINE,
                                           .exclude_positive = o->loss.exclude_positive});
    } else {
        rk__bpr_loss(p, v->final, v->rows, chosen, v->state, batch);
    }
    if (o->loss.l2 > 0) {
        rk_l2_attr l2 = {.weight = o->loss.l2,
                         .batch = batch,
                         .form = o->loss.l2_form,
                         .rows = o->loss.l2_rows,
                         .divisor = o->loss.l2_divisor};
        rk_value x = rk__objective_needs_ego(o) ? v->ego : v->final;
        rk__l2_loss(p, x, v->rows, chosen, v->state, l2);
    }
    return p->status;
}
