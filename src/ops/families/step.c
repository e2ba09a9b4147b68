/* What a step does besides computing: its learning rate, the sums of its losses, counting. */
#include <stddef.h>

#include "ops/family.h"

void rk__schedule(rk_program *p, rk_value state, rk_schedule rule)
{
    rk_node node = RK_NODE(RK_OP_SCHEDULE, state);
    node.attr.schedule = rule;
    rk__append(p, node);
}

/* state -> (sets its learning rate) */
rk_status rk__shape_schedule(const rk_program *p, const rk_node *node, rk_shape *out)
{
    (void)out;
    NEED(is(AT(0), RK_STATE, 1, 1));
    NEED(node->attr.schedule.cosine_to == 0 ||
         node->attr.schedule.cosine_to > node->attr.schedule.cosine_from);
    return RK_OK;
}

/* More terms than a node takes are added in several; the last one has the total. */
void rk__step_loss(rk_program *p, rk_value state, rk_value sums)
{
    enum { MOST = RK_MAX_INPUTS - 3 };
    rk_value previous = RK_NONE;
    for (int32_t first = 0; first == 0 || first < p->n_terms; first += MOST) {
        rk_value in[RK_MAX_INPUTS] = {state, sums, previous};
        int32_t n = p->n_terms - first < MOST ? p->n_terms - first : MOST;
        for (int32_t i = 0; i < n; i++) {
            in[3 + i] = p->terms[first + i].value;
        }
        rk_node node = rk__node(RK_OP_STEP_LOSS, 3 + n, in);
        node.attr.step = (rk_step_attr){.first = 1 + first, .is_last = first + n == p->n_terms};
        previous = rk__append_value(p, node);
    }
}

/* state, sums f64[1+n], previous f64[1] or -, terms f64[1] ... -> total f64[1]: previous + terms.
 * Term i is added to sums[first + i]; the last node adds the total to sums[0], notes it in the
 * state and may count the step. Updates 0 and 1. */
rk_status rk__shape_step_loss(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_step_attr *a = &node->attr.step;
    NEED(is(AT(0), RK_STATE, 1, 1) && is(AT(1), RK_F64, -1, 1) && AT(1)->stored >= 0);
    NEED(!HAS(2) || is(AT(2), RK_F64, 1, 1));
    NEED(a->first >= 1 && a->first + node->n_inputs - 3 <= AT(1)->rows);
    for (int32_t i = 3; i < node->n_inputs; i++) {
        NEED(is(AT(i), RK_F64, 1, 1));
    }
    out[0] = shape(RK_F64, 1, 1);
    return RK_OK;
}

void rk__step_advance(rk_program *p, rk_value state)
{
    rk_node *last = p->n_nodes > 0 ? &p->nodes[p->n_nodes - 1] : NULL;
    if (last && last->op == RK_OP_STEP_LOSS && last->attr.step.is_last && last->in[0] == state) {
        last->attr.step.advances = true;
        return;
    }
    rk__append(p, RK_NODE(RK_OP_STEP_ADVANCE, state));
}

/* state -> (counts the step) */
rk_status rk__shape_step_advance(const rk_program *p, const rk_node *node, rk_shape *out)
{
    (void)out;
    NEED(is(AT(0), RK_STATE, 1, 1));
    return RK_OK;
}
