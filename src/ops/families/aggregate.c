/*
 * Sums over the edges of blocks (graph/block.h): rectangular, with weights and types.
 *
 * A sum is linear in x, so that its adjoint is a sum along the transpose: with the same weights,
 * types and coefficients, with the scales of rows and columns changed, and with the adjoint of phi.
 * Several sums of one row become one sum of several columns.
 */
#include "ops/family.h"

enum {
    OFFSETS = RK_AGGREGATE_OFFSETS,
    COLUMNS = RK_AGGREGATE_COLUMNS,
    BACK_OFFSETS = RK_AGGREGATE_BACK_OFFSETS,
    BACK_COLUMNS = RK_AGGREGATE_BACK_COLUMNS,
    BACK_EDGES = RK_AGGREGATE_BACK_EDGES,
    X = RK_AGGREGATE_X,
    WEIGHTS = RK_AGGREGATE_WEIGHTS,
    TYPES = RK_AGGREGATE_TYPES,
    COEFFICIENTS = RK_AGGREGATE_COEFFICIENTS,
    Z = RK_AGGREGATE_Z,
    ROW_SCALE = RK_AGGREGATE_ROW_SCALE,
    COLUMN_SCALE = RK_AGGREGATE_COLUMN_SCALE,
    ROWS = RK_AGGREGATE_ROWS,
    COUNT = RK_AGGREGATE_COUNT,
    MAP = RK_AGGREGATE_MAP,
    GRADIENT = RK_AGGREGATE_GRADIENT,
};

rk_aggregate_inputs rk__block_inputs(rk_block_values block)
{
    return (rk_aggregate_inputs){.weights = block.weights,
                                 .types = block.types,
                                 .coefficients = RK_NONE,
                                 .z = RK_NONE,
                                 .row_scale = RK_NONE,
                                 .column_scale = RK_NONE};
}

rk_value rk__aggregate(rk_program *p, rk_block_values block, rk_value x, rk_aggregate_inputs in,
                       rk_aggregate_attr attr)
{
    RK_ASSERT(!attr.sums_heads);
    rk_node node =
        RK_NODE(RK_OP_AGGREGATE, block.offsets, block.columns, block.back_offsets,
                block.back_columns, block.back_edges, x, in.weights, in.types, in.coefficients,
                in.z, in.row_scale, in.column_scale, RK_NONE, RK_NONE, RK_NONE);
    node.attr.aggregate.transposed = attr.transposed;
    node.attr.aggregate.compose = attr.compose;
    node.attr.aggregate.size = attr.size;
    node.attr.aggregate.n_types = attr.n_types;
    return rk__append_value(p, node);
}

/* The block, and the factors of its edges; n_out, n_in: nodes that sum, and that are summed. */
static rk_status need_block(const rk_program *p, const rk_node *node, int64_t *n_out, int64_t *n_in)
{
    const rk_aggregate_attr *a = &node->attr.aggregate;
    const int64_t n_edges = AT(COLUMNS)->rows;
    NEED(is(AT(OFFSETS), RK_I64, -1, 1) && is(AT(COLUMNS), RK_I32, -1, 1));
    NEED(is(AT(BACK_OFFSETS), RK_I64, -1, 1) && is(AT(BACK_COLUMNS), RK_I32, n_edges, 1));
    NEED(is(AT(BACK_EDGES), RK_I32, n_edges, 1));
    *n_out = AT(a->transposed ? BACK_OFFSETS : OFFSETS)->rows - 1;
    *n_in = AT(a->transposed ? OFFSETS : BACK_OFFSETS)->rows - 1;
    NEED(*n_out >= 0 && *n_in >= 0);
    NEED(!HAS(WEIGHTS) || is(AT(WEIGHTS), RK_F32, n_edges, 1));
    NEED(!HAS(TYPES) || is(AT(TYPES), RK_I32, n_edges, 1));
    NEED(!HAS(COEFFICIENTS) || (HAS(TYPES) && is(AT(COEFFICIENTS), RK_F32, -1, -1)));
    NEED(!HAS(ROW_SCALE) || is(AT(ROW_SCALE), RK_F32, *n_out, 1));
    NEED(!HAS(COLUMN_SCALE) || is(AT(COLUMN_SCALE), RK_F32, *n_in, 1));
    NEED(HAS(ROWS) == HAS(COUNT));
    NEED(!HAS(ROWS) || (is(AT(ROWS), RK_I32, -1, 1) && is(AT(COUNT), RK_I32, 1, 1)));
    return RK_OK;
}

/* How many sums there are of each row. */
static int64_t heads_of(const rk_program *p, const rk_node *node)
{
    const int64_t n_types = node->attr.aggregate.n_types;
    return n_types > 0 ? n_types : HAS(COEFFICIENTS) ? AT(COEFFICIENTS)->cols : 1;
}

/* What phi needs; d: columns of one sum. */
static rk_status need_phi(const rk_program *p, const rk_node *node, int64_t d)
{
    const rk_aggregate_attr *a = &node->attr.aggregate;
    const bool has_blocks = a->compose >= RK_COMPOSE_BLOCKS;
    NEED(a->compose >= RK_COMPOSE_COPY && a->compose <= RK_COMPOSE_BLOCKS_BACK);
    NEED((a->compose != RK_COMPOSE_COPY) == HAS(Z));
    NEED(!HAS(Z) || HAS(TYPES));
    NEED(!has_blocks || (a->size > 0 && d % a->size == 0));
    NEED(!HAS(Z) || is(AT(Z), RK_F32, -1, has_blocks ? d * a->size : d));
    NEED(!HAS(Z) || !HAS(COEFFICIENTS) || AT(Z)->rows == AT(COEFFICIENTS)->rows);
    NEED(a->compose != RK_COMPOSE_CORR || d % 2 == 0);
    NEED(a->compose != RK_COMPOSE_SUB || !a->sums_heads);
    NEED(a->n_types >= 0);
    NEED(a->n_types == 0 || (HAS(TYPES) && !HAS(COEFFICIENTS) && !HAS(Z)));
    return RK_OK;
}

/* In the order of RK_AGGREGATE_*: the block; x f32[n_in, d] or, with a map, [S, d], with sums_heads
 * [.., H d]; factors; rows i32[S] and count i32[1], or map i32[n_in], or none of them
 * -> f32[n_out, H d] or, with rows, [S, H d]; with sums_heads [.., d] */
rk_status rk__shape_aggregate(const rk_program *p, const rk_node *node, rk_shape *out)
{
    int64_t n_out = 0, n_in = 0;
    RK_TRY(need_block(p, node, &n_out, &n_in));
    const int64_t heads = heads_of(p, node), cols = AT(X)->cols;
    const bool sums = node->attr.aggregate.sums_heads;
    NEED(is(AT(X), RK_F32, HAS(MAP) ? -1 : n_in, -1) && cols > 0);
    NEED(!HAS(MAP) || (is(AT(MAP), RK_I32, n_in, 1) && !HAS(ROWS)));
    NEED(!sums || cols % heads == 0);
    const int64_t d = sums ? cols / heads : cols;
    RK_TRY(need_phi(p, node, d));
    NEED(AT(X)->rows * (sums && node->attr.aggregate.n_types > 0 ? heads : 1) <= INT32_MAX);
    out[0] = shape(RK_F32, HAS(ROWS) ? AT(ROWS)->rows : n_out, sums ? d : d * heads);
    return RK_OK;
}

/* phi is linear in x but for a constant, so this is the adjoint of its linear part. */
static int32_t adjoint_of(int32_t compose)
{
    switch (compose) {
    case RK_COMPOSE_SUB:
        return RK_COMPOSE_COPY;
    case RK_COMPOSE_BLOCKS:
        return RK_COMPOSE_BLOCKS_BACK;
    case RK_COMPOSE_BLOCKS_BACK:
        return RK_COMPOSE_BLOCKS;
    default:
        return compose;
    }
}

static rk_value gradient_by_x(rk_program *p, const rk_node *node, rk_value g)
{
    rk_node back = *node;
    rk_aggregate_attr *a = &back.attr.aggregate;
    a->transposed = !a->transposed;
    a->sums_heads = heads_of(p, node) > 1;
    a->compose = adjoint_of(a->compose);
    back.in[X] = g;
    back.in[Z] = a->compose == RK_COMPOSE_COPY ? RK_NONE : node->in[Z];
    back.in[ROW_SCALE] = node->in[COLUMN_SCALE];
    back.in[COLUMN_SCALE] = node->in[ROW_SCALE];
    back.in[ROWS] = back.in[COUNT] = RK_NONE;
    back.in[MAP] = HAS(ROWS) ? rk__row_set_of(p, node->in[ROWS]).map : RK_NONE;
    back.out[0] = RK_NONE;
    return rk__append_value(p, back);
}

/* What gradients by factors need: the inputs of the node, and g [.., H d] in place of the map. */
static rk_status need_gradient(const rk_program *p, const rk_node *node)
{
    int64_t n_out = 0, n_in = 0;
    RK_TRY(need_block(p, node, &n_out, &n_in));
    const int64_t d = AT(X)->cols;
    RK_TRY(need_phi(p, node, d));
    NEED(is(AT(X), RK_F32, n_in, -1) && !node->attr.aggregate.sums_heads);
    NEED(is(AT(GRADIENT), RK_F32, HAS(ROWS) ? AT(ROWS)->rows : n_out, d * heads_of(p, node)));
    return RK_OK;
}

/* -> f32[T,H] */
rk_status rk__shape_aggregate_coefficients_grad(const rk_program *p, const rk_node *node,
                                                rk_shape *out)
{
    RK_TRY(need_gradient(p, node));
    NEED(HAS(COEFFICIENTS));
    out[0] = shape(RK_F32, AT(COEFFICIENTS)->rows, AT(COEFFICIENTS)->cols);
    return RK_OK;
}

/* -> f32 as z */
rk_status rk__shape_aggregate_z_grad(const rk_program *p, const rk_node *node, rk_shape *out)
{
    RK_TRY(need_gradient(p, node));
    NEED(HAS(Z));
    out[0] = shape(RK_F32, AT(Z)->rows, AT(Z)->cols);
    return RK_OK;
}

/* -> f32[E,1] */
rk_status rk__shape_aggregate_weights_grad(const rk_program *p, const rk_node *node, rk_shape *out)
{
    RK_TRY(need_gradient(p, node));
    out[0] = shape(RK_F32, AT(COLUMNS)->rows, 1);
    return RK_OK;
}

static void contribute_by(rk_backward *b, const rk_node *node, rk_op op, int input, rk_value g,
                          float alpha)
{
    if (rk__wants_gradient(b, node->in[input])) {
        rk_node grad = *node;
        grad.op = op;
        grad.in[GRADIENT] = g;
        grad.out[0] = RK_NONE;
        rk__contribute(b, node->in[input], rk__append_value(rk__backward_program(b), grad), alpha);
    }
}

void rk__grad_aggregate(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_program *p = rk__backward_program(b);
    RK_ASSERT(!HAS(MAP) && !node->attr.aggregate.sums_heads);
    if (rk__wants_gradient(b, node->in[ROW_SCALE]) ||
        rk__wants_gradient(b, node->in[COLUMN_SCALE])) {
        p->status = rk__fail(RK_ERR_INTERNAL, __FILE__, __LINE__, __func__,
                             "aggregate has no gradient by scales of nodes");
        return;
    }
    if (rk__wants_gradient(b, node->in[X])) {
        rk__contribute(b, node->in[X], gradient_by_x(p, node, g), alpha);
    }
    contribute_by(b, node, RK_OP_AGGREGATE_COEFFICIENTS_GRAD, COEFFICIENTS, g, alpha);
    contribute_by(b, node, RK_OP_AGGREGATE_Z_GRAD, Z, g, alpha);
    contribute_by(b, node, RK_OP_AGGREGATE_WEIGHTS_GRAD, WEIGHTS, g, alpha);
}

rk_value rk__restrict_aggregate(rk_restriction *r, const rk_node *node, float factor)
{
    (void)factor;
    RK_ASSERT(node->in[ROWS] == RK_NONE && node->in[MAP] == RK_NONE);
    rk_node at_rows = *node;
    at_rows.in[ROWS] = rk__restriction_rows(r).rows;
    at_rows.in[COUNT] = rk__restriction_rows(r).count;
    at_rows.out[0] = RK_NONE;
    return rk__append_value(rk__restriction_program(r), at_rows);
}

/* A row of x for each edge, of a batch's rows for the edges of those. */
rk_traffic rk__traffic_aggregate(const rk_counted *c)
{
    const rk_node *node = c->node;
    const bool has_map = node->op == RK_OP_AGGREGATE && node->in[MAP] != RK_NONE;
    const bool at_rows = node->in[ROWS] != RK_NONE || has_map;
    const double all = (double)rk__counted_in(c, COLUMNS)->rows;
    const double edges = at_rows && c->batch ? c->batch->edges : all;
    const rk_tensor *x = rk__counted_in(c, X), *y = rk__counted_out(c, 0);
    const double listed = has_map ? all : edges;
    double of_edge = sizeof(int32_t);
    of_edge += node->in[WEIGHTS] != RK_NONE ? sizeof(float) : 0;
    of_edge += node->in[TYPES] != RK_NONE ? sizeof(int32_t) : 0;
    return (rk_traffic){.bytes = edges * rk__row_bytes(x) + listed * of_edge + rk__used_bytes(c, y),
                        .flops = 2 * edges * (double)x->cols,
                        .gathers = 1};
}

/* ---- which edges ---- */

rk_value rk__edge_mask(rk_program *p, rk_block_values block, rk_value state, rk_mask_attr attr)
{
    rk_node node = RK_NODE(RK_OP_EDGE_MASK, block.offsets, block.columns, state);
    node.attr.mask.share = attr.share;
    node.attr.mask.kept = attr.kept;
    node.attr.mask.masked = attr.masked;
    node.attr.mask.stream = attr.stream;
    node.attr.mask.each_step = attr.each_step;
    return rk__append_value(p, node);
}

/* offsets i64[R+1], columns i32[E], state -> f32[E] */
rk_status rk__shape_edge_mask(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_I64, -1, 1) && AT(0)->rows > 0);
    NEED(is(AT(1), RK_I32, -1, 1) && is(AT(2), RK_STATE, 1, 1));
    NEED(node->attr.mask.share > 0 && node->attr.mask.share < 1 && node->attr.mask.stream >= 0);
    out[0] = shape(RK_F32, AT(1)->rows, 1);
    return RK_OK;
}

rk_value rk__block_degrees(rk_program *p, rk_block_values block, rk_value weights,
                           rk_degrees_attr attr)
{
    rk_node node = attr.transposed
                       ? RK_NODE(RK_OP_BLOCK_DEGREES, block.back_offsets, block.back_edges, weights)
                       : RK_NODE(RK_OP_BLOCK_DEGREES, block.offsets, RK_NONE, weights);
    node.attr.degrees.transposed = attr.transposed;
    node.attr.degrees.power = attr.power;
    node.attr.degrees.plus = attr.plus;
    return rk__append_value(p, node);
}

/* offsets i64[R+1], edges i32[E] or - (numbers of the edges, - = in their order), weights f32[E] or
 * - -> f32[R,1] */
rk_status rk__shape_block_degrees(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_I64, -1, 1) && AT(0)->rows > 0);
    NEED(!HAS(1) || is(AT(1), RK_I32, -1, 1));
    NEED(!HAS(2) || is(AT(2), RK_F32, HAS(1) ? AT(1)->rows : -1, 1));
    out[0] = shape(RK_F32, AT(0)->rows - 1, 1);
    return RK_OK;
}
