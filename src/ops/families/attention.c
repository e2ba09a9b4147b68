/* Attention over the edges of a block, without anything that is kept for each edge: the softmax is
 * there again from the sum of its exponentials, which is the second output. */
#include "ops/edge_attend_inputs.h"
#include "ops/family.h"

rk_value rk__edge_attend_sums(rk_program *p, rk_block_values block, rk_value a, rk_value b,
                              rk_value x, rk_value weights, rk_value state,
                              rk_edge_attend_attr attr, rk_value *out_sums)
{
    const bool drops = state != RK_NONE && attr.dropout > 0;
    rk_node node = RK_NODE(RK_OP_EDGE_ATTEND, block.offsets, block.columns, block.back_offsets,
                           block.back_columns, block.back_edges, a, b, x, drops ? state : RK_NONE,
                           weights, RK_NONE, RK_NONE, RK_NONE);
    RK_ASSERT(node.n_inputs == INPUTS);
    node.attr.edge_attend.heads = attr.heads;
    node.attr.edge_attend.slope = attr.slope;
    node.attr.edge_attend.dropout = drops ? attr.dropout : 0;
    node.attr.edge_attend.layer = drops ? attr.layer : 0;
    const rk_node *made = rk__append(p, node);
    *out_sums = made ? made->out[1] : RK_NONE;
    return made ? made->out[0] : RK_NONE;
}

rk_value rk__edge_attend(rk_program *p, rk_block_values block, rk_value a, rk_value b, rk_value x,
                         rk_value weights, rk_value state, rk_edge_attend_attr attr)
{
    rk_value sums = RK_NONE;
    return rk__edge_attend_sums(p, block, a, b, x, weights, state, attr, &sums);
}

static rk_status check_inputs(const rk_program *p, const rk_node *node)
{
    const rk_edge_attend_attr *a = &node->attr.edge_attend;
    const int64_t n_edges = AT(COLUMNS)->rows;
    NEED(a->heads > 0 && a->slope >= 0 && a->dropout >= 0 && a->dropout < 1);
    NEED(a->layer >= 0 && a->layer < 1 << 20 && HAS(STATE) == (a->dropout > 0));
    NEED(is(AT(OFFSETS), RK_I64, -1, 1) && is(AT(COLUMNS), RK_I32, -1, 1));
    NEED(is(AT(BACK_OFFSETS), RK_I64, -1, 1) && is(AT(BACK_COLUMNS), RK_I32, n_edges, 1));
    NEED(is(AT(BACK_EDGES), RK_I32, n_edges, 1));
    NEED(is(AT(OF_ROWS), RK_F32, AT(OFFSETS)->rows - 1, a->heads));
    NEED(is(AT(OF_COLUMNS), RK_F32, AT(BACK_OFFSETS)->rows - 1, a->heads));
    NEED(is(AT(X), RK_F32, AT(BACK_OFFSETS)->rows - 1, -1) && AT(X)->cols % a->heads == 0);
    NEED(!HAS(STATE) || is(AT(STATE), RK_STATE, 1, 1));
    NEED(!HAS(WEIGHTS) || is(AT(WEIGHTS), RK_F32, n_edges, 1));
    NEED(!HAS(MAP) || is(AT(MAP), RK_I32, AT(OFFSETS)->rows - 1, 1));
    return RK_OK;
}

/* offsets i64[R+1], columns i32[E], back_offsets i64[C+1], back_columns i32[E], back_edges i32[E],
 * a f32[R,H], b f32[C,H], x f32[C,H d], state or -, weights f32[E] or -, map i32[R] or -, rows
 * i32[S] or -, count i32[1] or - -> y f32[R,H d] (with rows [S,H d]); log of the sum of the
 * exponentials of a row's edges f32[R,H] (or [S,H]), 0 of a row without edges */
rk_status rk__shape_edge_attend(const rk_program *p, const rk_node *node, rk_shape *out)
{
    RK_TRY(check_inputs(p, node));
    NEED(HAS(MAP) == HAS(ROWS) && HAS(MAP) == HAS(COUNT));
    NEED(!HAS(ROWS) || (is(AT(ROWS), RK_I32, -1, 1) && is(AT(COUNT), RK_I32, 1, 1)));
    const int64_t n = HAS(ROWS) ? AT(ROWS)->rows : AT(OFFSETS)->rows - 1;
    out[0] = shape(RK_F32, n, AT(X)->cols);
    out[1] = shape(RK_F32, n, AT(OF_ROWS)->cols);
    return RK_OK;
}

void rk__grad_edge_attend(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_program *p = rk__backward_program(b);
    rk_value in[RK_MAX_INPUTS];
    for (int i = 0; i < Y; i++) {
        in[i] = node->in[i];
    }
    in[Y] = node->out[0];
    in[LSE] = node->out[1];
    in[G] = g;
    rk_node grad = rk__node(RK_OP_EDGE_ATTEND_GRAD, GRADIENT_INPUTS, in);
    grad.attr = node->attr;
    const rk_node *appended = rk__append(p, grad);
    if (!appended) {
        return;
    }
    const rk_value of_rows = appended->out[0], of_columns = appended->out[1], x = appended->out[2];
    if (node->in[ROWS] == RK_NONE) {
        rk__contribute(b, node->in[OF_ROWS], of_rows, alpha);
    } else {
        rk__contribute_rows(b, node->in[OF_ROWS], of_rows, alpha,
                            rk__row_set_of(p, node->in[ROWS]));
    }
    rk__contribute(b, node->in[OF_COLUMNS], of_columns, alpha);
    rk__contribute(b, node->in[X], x, alpha);
}

/* as edge_attend up to the map; y f32[R,H d], lse f32[R,H], gradient of y f32[R,H d] -> of a
 * f32[R,H], of b f32[C,H], of x f32[C,H d]; with a map S in place of R */
rk_status rk__shape_edge_attend_grad(const rk_program *p, const rk_node *node, rk_shape *out)
{
    RK_TRY(check_inputs(p, node));
    const int64_t n = AT(LSE)->rows, heads = node->attr.edge_attend.heads;
    NEED(HAS(MAP) || n == AT(OFFSETS)->rows - 1);
    NEED(is(AT(Y), RK_F32, n, AT(X)->cols) && is(AT(G), RK_F32, n, AT(X)->cols));
    NEED(is(AT(LSE), RK_F32, n, heads));
    out[0] = shape(RK_F32, n, heads);
    out[1] = shape(RK_F32, AT(OF_COLUMNS)->rows, heads);
    out[2] = shape(RK_F32, AT(X)->rows, AT(X)->cols);
    return RK_OK;
}

rk_value rk__restrict_edge_attend(rk_restriction *r, const rk_node *node, float factor)
{
    (void)factor;
    const rk_row_set rows = rk__restriction_rows(r);
    RK_ASSERT(node->in[ROWS] == RK_NONE);
    rk_node at_rows = *node;
    at_rows.in[ROWS] = rows.rows;
    at_rows.in[COUNT] = rows.count;
    at_rows.in[MAP] = rows.map;
    at_rows.out[0] = at_rows.out[1] = RK_NONE;
    return rk__append_value(rk__restriction_program(r), at_rows);
}

/* Of so many edges: a row of x, an index and numbers of the heads for each, `passes` times. */
static rk_traffic over_edges(const rk_counted *c, double edges, int passes)
{
    const rk_tensor *x = rk__counted_in(c, X);
    rk_traffic t = {.gathers = passes};
    t.bytes = passes * edges *
              (rk__row_bytes(x) + rk__row_bytes(rk__counted_in(c, OF_COLUMNS)) + sizeof(int32_t));
    t.flops = passes * edges * (2 * (double)x->cols + 6 * c->node->attr.edge_attend.heads);
    return t;
}

static double edges_of(const rk_counted *c)
{
    return c->batch && c->node->in[MAP] != RK_NONE ? c->batch->edges
                                                   : (double)rk__counted_in(c, COLUMNS)->rows;
}

rk_traffic rk__traffic_edge_attend(const rk_counted *c)
{
    rk_traffic t = over_edges(c, edges_of(c), 1);
    t.bytes += rk__used_bytes(c, rk__counted_out(c, 0));
    return t;
}

rk_traffic rk__traffic_edge_attend_grad(const rk_counted *c)
{
    rk_traffic t = over_edges(c, edges_of(c), 2);
    t.flops += edges_of(c) * 2 * (double)rk__counted_in(c, X)->cols; /* products and sums */
    t.bytes += 2 * rk__used_bytes(c, rk__counted_in(c, Y)) +
               rk__elements(rk__counted_out(c, 2)) * (double)sizeof(float);
    return t;
}
