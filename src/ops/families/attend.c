/* Attention of slots to slots. */
#include "ops/family.h"

rk_attend_values rk__attend(rk_program *p, rk_value unit, rk_value bias, rk_attend_attr attr)
{
    rk_node node = RK_NODE(RK_OP_ATTEND, unit, bias);
    node.attr.attend = attr;
    const rk_node *made = rk__append(p, node);
    return made ? (rk_attend_values){made->out[0], made->out[1], made->out[2]}
                : (rk_attend_values){RK_NONE, RK_NONE, RK_NONE};
}

/* unit f32[L,d], bias f32[L] -> lse f32[n], mean f32[n,d]: RK_NO_LOGIT and zero where a query has
 * no key, as a key does not count whose bias is RK_NO_LOGIT; own f64[n]: the logit of query i with
 * key i, which skip_diagonal does not leave out, RK_NO_LOGIT where that is no key */
rk_status rk__shape_attend(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_attend_attr *a = &node->attr.attend;
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, AT(0)->rows, 1));
    NEED(a->n > 0 && a->first_query >= 0 && a->first_query + a->n <= AT(0)->rows);
    NEED(a->first_key >= 0 && a->first_key + a->n <= AT(0)->rows && a->temperature > 0);
    out[0] = shape(RK_F32, a->n, 1);
    out[1] = shape(RK_F32, a->n, AT(0)->cols);
    out[2] = shape(RK_F64, a->n, 1);
    return RK_OK;
}

/* A logit of each query with each key, then the weighted sum of keys. */
rk_traffic rk__traffic_attend(const rk_counted *c)
{
    rk_traffic t = rk__traffic_once(c);
    double queries = (double)c->node->attr.attend.n;
    t.flops = 4 * queries * queries * (double)rk__counted_in(c, 0)->cols;
    return t;
}

/* The attention of the keys to the queries, with other biases. */
rk_attend_values rk__attend_back(rk_program *p, rk_value lse, rk_value bias)
{
    const rk_node *forward = &p->nodes[p->tensors[lse].producer];
    RK_ASSERT(forward->op == RK_OP_ATTEND);
    rk_attend_attr attr = forward->attr.attend;
    attr.first_query = forward->attr.attend.first_key;
    attr.first_key = forward->attr.attend.first_query;
    return rk__attend(p, forward->in[0], bias, attr);
}

double rk__temperature_of(const rk_program *p, rk_value lse)
{
    return p->nodes[p->tensors[lse].producer].attr.attend.temperature;
}
