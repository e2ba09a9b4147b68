/* Updates of parameters, in place. */
#include "ops/family.h"

/* One node for all parameters that are updated by the same rule. */
static rk_value rates_of(rk_program *p, rk_value state, rk_adam_attr attr)
{
    for (int32_t i = 0; i < p->n_nodes; i++) {
        const rk_node *node = &p->nodes[i];
        if (node->op == RK_OP_ADAM_RATES && node->in[0] == state &&
            node->attr.adam.beta1 == attr.beta1 && node->attr.adam.beta2 == attr.beta2) {
            return node->out[0];
        }
    }
    rk_node node = RK_NODE(RK_OP_ADAM_RATES, state);
    node.attr.adam = attr;
    return rk__append_value(p, node);
}

/* state -> f32[1,2]: learning rate / (1 - beta1^t), 1 / sqrt(1 - beta2^t), t the step from 1 on */
rk_status rk__shape_adam_rates(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_STATE, 1, 1));
    out[0] = shape(RK_F32, 1, 2);
    return RK_OK;
}

void rk__adam(rk_program *p, rk_value parameter, rk_value gradient, rk_value m, rk_value v,
              rk_value state, rk_adam_attr attr)
{
    rk_value rates = rates_of(p, state, attr);
    rk_node node = RK_NODE(RK_OP_ADAM, parameter, gradient, m, v, rates);
    node.attr.adam = attr;
    rk__append(p, node);
}

/* parameter f32[R,d], gradient f32[R,d], m f32[R,d], v f32[R,d], rates f32[1,2]
 * -> (updates 0, 2, 3) */
rk_status rk__shape_adam(const rk_program *p, const rk_node *node, rk_shape *out)
{
    (void)out;
    for (int32_t i = 0; i < 4; i++) {
        NEED(is(AT(i), RK_F32, AT(0)->rows, AT(0)->cols));
        NEED(i == 1 || AT(i)->stored >= 0);
    }
    NEED(is(AT(4), RK_F32, 1, 2));
    return RK_OK;
}

/* Four read, three written. */
rk_traffic rk__traffic_adam(const rk_counted *c)
{
    const rk_tensor *parameter = rk__counted_in(c, 0);
    return (rk_traffic){.bytes = 7 * rk__used_bytes(c, parameter),
                        .flops = RK_ADAM_FLOPS * rk__elements(parameter)};
}

void rk__sgd(rk_program *p, rk_value parameter, rk_value gradient, rk_value state,
             double weight_decay)
{
    rk_node node = RK_NODE(RK_OP_SGD, parameter, gradient, state);
    node.attr.adam.weight_decay = weight_decay;
    rk__append(p, node);
}

/* parameter f32[R,d], gradient f32[R,d], state -> (updates 0) */
rk_status rk__shape_sgd(const rk_program *p, const rk_node *node, rk_shape *out)
{
    (void)out;
    NEED(is(AT(0), RK_F32, -1, -1) && AT(0)->stored >= 0);
    NEED(is(AT(1), RK_F32, AT(0)->rows, AT(0)->cols) && is(AT(2), RK_STATE, 1, 1));
    return RK_OK;
}

rk_traffic rk__traffic_sgd(const rk_counted *c)
{
    const rk_tensor *parameter = rk__counted_in(c, 0);
    return (rk_traffic){.bytes = 3 * rk__used_bytes(c, parameter),
                        .flops = 2 * rk__elements(parameter)};
}
