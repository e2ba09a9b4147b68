/* A graph with a share of its edges dropped. */
#include "ops/family.h"

rk_graph_values rk__drop_edges(rk_program *p, rk_graph_values graph, rk_value state,
                               rk_drop_attr attr)
{
    rk_node node = RK_NODE(RK_OP_DROP_EDGES, graph.offsets, graph.columns, state);
    node.attr.drop = attr;
    const rk_node *drawn = rk__append(p, node);
    return drawn ? (rk_graph_values){drawn->out[0], drawn->out[1], drawn->out[2]}
                 : (rk_graph_values){RK_NONE, RK_NONE, RK_NONE};
}

/* offsets i64[N+1], columns i32[2E], state -> offsets i64[N+1], columns i32[2E] (-1 behind the last
 * edge that is kept), scale f32[N]: 1/sqrt of the degrees that are left, 0 where none is. Of a
 * stored graph: devices cut the rows of a drawn one by it. */
rk_status rk__shape_drop_edges(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_I64, -1, 1) && AT(0)->rows > 0 && AT(0)->stored >= 0);
    NEED(is(AT(1), RK_I32, -1, 1) && is(AT(2), RK_STATE, 1, 1));
    NEED(node->attr.drop.ratio > 0 && node->attr.drop.ratio < 1 && node->attr.drop.view >= 0);
    out[0] = shape(RK_I64, AT(0)->rows, 1);
    out[1] = shape(RK_I32, AT(1)->rows, 1);
    out[2] = shape(RK_F32, AT(0)->rows - 1, 1);
    return RK_OK;
}
