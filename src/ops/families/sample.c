/* The draw of a batch. */
#include "ops/family.h"

#include "base/alloc.h"

rk_value rk__sample_triplets(rk_program *p, rk_graph_values graph, rk_sample_values s,
                             rk_sample_attr attr)
{
    rk_node node = RK_NODE(RK_OP_SAMPLE_TRIPLETS, graph.offsets, graph.columns, s.state, s.users,
                           s.edge_offsets, s.pool, s.alias_share, s.alias_item, s.cumulative);
    node.attr.sample = attr;
    return rk__append_value(p, node);
}

/* offsets i64[N+1], columns i32[2E], state, users i32[n], edge_offsets i64[n+1], pool i32[P] or -,
 * alias_share f32[items] or -, alias_item i32[items] or -, cumulative i64[eligible edges + 1] or -
 * -> nodes i32[(2+M)B] */
rk_status rk__shape_sample_triplets(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_sample_attr *a = &node->attr.sample;
    NEED(is(AT(0), RK_I64, a->n_users + a->n_items + 1, 1) && is(AT(1), RK_I32, -1, 1));
    NEED(is(AT(2), RK_STATE, 1, 1) && is(AT(3), RK_I32, a->n_eligible_users, 1));
    NEED(is(AT(4), RK_I64, a->n_eligible_users + 1, 1));
    NEED(!HAS(5) || is(AT(5), RK_I32, a->pool_size, 1));
    NEED(!HAS(8) || is(AT(8), RK_I64, a->n_eligible_edges + 1, 1));
    NEED(HAS(6) == HAS(7));
    NEED(!HAS(6) || (is(AT(6), RK_F32, a->n_items, 1) && is(AT(7), RK_I32, a->n_items, 1)));
    NEED(a->batch > 0 && a->n_candidates >= 0 && a->n_eligible_edges > 0);
    int64_t slots = 0;
    RK_TRY(rk__mul(&slots, a->batch, 2 + (int64_t)a->n_candidates, "a batch's slots"));
    NEED(slots < INT32_MAX);
    out[0] = shape(RK_I32, slots, 1);
    return RK_OK;
}

/* A draw looks at lines anywhere in the graph. */
rk_traffic rk__traffic_sample_triplets(const rk_counted *c)
{
    const double cache_line = 64, entry = sizeof(int32_t);
    return (rk_traffic){.bytes = (cache_line + entry) * rk__elements(rk__counted_out(c, 0)),
                        .gathers = 1};
}

rk_value rk__triplet_values(rk_program *p, rk_graph_values graph, rk_value values, rk_value nodes,
                            rk_value state, int64_t batch)
{
    rk_node node =
        RK_NODE(RK_OP_TRIPLET_VALUES, graph.offsets, graph.columns, values, nodes, state);
    node.attr.batch = batch;
    return rk__append_value(p, node);
}

/* offsets i64[N+1], columns i32[2E], values f32[E] or [2E], of which the first E count, nodes
 * i32[(2+M)B], state -> f32[B] */
rk_status rk__shape_triplet_values(const rk_program *p, const rk_node *node, rk_shape *out)
{
    int64_t batch = node->attr.batch;
    NEED(is(AT(0), RK_I64, -1, 1) && is(AT(1), RK_I32, -1, 1) && is(AT(2), RK_F32, -1, 1));
    NEED(2 * AT(2)->rows == AT(1)->rows || AT(2)->rows == AT(1)->rows);
    NEED(is(AT(3), RK_I32, -1, 1) && is(AT(4), RK_STATE, 1, 1));
    NEED(batch > 0 && AT(3)->rows % batch == 0 && AT(3)->rows / batch >= 2);
    out[0] = shape(RK_F32, batch, 1);
    return RK_OK;
}

/* A search in a row of the graph for each. */
rk_traffic rk__traffic_triplet_values(const rk_counted *c)
{
    const double cache_line = 64;
    return (rk_traffic){.bytes = 3 * cache_line * rk__elements(rk__counted_out(c, 0)),
                        .gathers = 1};
}

rk_value rk__triplet_fields(rk_program *p, rk_graph_values graph, rk_value offsets, rk_value fields,
                            rk_value nodes, rk_value state, int64_t batch)
{
    rk_node node =
        RK_NODE(RK_OP_TRIPLET_FIELDS, graph.offsets, graph.columns, offsets, fields, nodes, state);
    node.attr.batch = batch;
    return rk__append_value(p, node);
}

/* offsets i64[N+1], columns i32[2E], rows of edges i64[E+1] or - (R = E), fields i32[R,F],
 * nodes i32[(2+M)B], state -> i32[BF] */
rk_status rk__shape_triplet_fields(const rk_program *p, const rk_node *node, rk_shape *out)
{
    int64_t batch = node->attr.batch, slots = 0;
    NEED(is(AT(0), RK_I64, -1, 1) && is(AT(1), RK_I32, -1, 1) && is(AT(3), RK_I32, -1, -1));
    NEED(HAS(2) ? is(AT(2), RK_I64, AT(1)->rows / 2 + 1, 1) : 2 * AT(3)->rows == AT(1)->rows);
    NEED(is(AT(4), RK_I32, -1, 1) && is(AT(5), RK_STATE, 1, 1));
    NEED(batch > 0 && AT(4)->rows % batch == 0 && AT(4)->rows / batch >= 2);
    RK_TRY(rk__mul(&slots, batch, AT(3)->cols, "the fields of a batch"));
    NEED(slots < INT32_MAX);
    out[0] = shape(RK_I32, slots, 1);
    return RK_OK;
}

/* As of triplet_values, and a row of fields. */
rk_traffic rk__traffic_triplet_fields(const rk_counted *c)
{
    const double cache_line = 64;
    double fields = (double)rk__counted_in(c, 3)->cols;
    return (rk_traffic){.bytes = 4 * cache_line * rk__elements(rk__counted_out(c, 0)) / fields,
                        .gathers = 1};
}
