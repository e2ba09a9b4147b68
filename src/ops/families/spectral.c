/*
 * Singular vectors of a sparse matrix by a block Krylov method (models/singular.c puts it
 * together): products with the matrix, an orthonormal basis that grows by blocks of columns, the
 * eigenvectors of a small matrix.
 */
#include "ops/family.h"

/* ---- products ---- */

rk_value rk__side_product(rk_program *p, rk_csr_values rows, rk_value scale, rk_value x,
                          rk_side_attr attr)
{
    rk_node node = RK_NODE(RK_OP_SIDE_PRODUCT, rows.offsets, rows.columns, rows.values, scale, x);
    node.attr.side = attr;
    return rk__append_value(p, node);
}

/* offsets i64[N+1], columns i32[E], values f32[E] or -, scale f32[N] or -, x f32[N-n,d] ->
 * f32[n,d], or f32[N,d] */
rk_status rk__shape_side_product(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_side_attr *a = &node->attr.side;
    NEED(is(AT(0), RK_I64, -1, 1) && AT(0)->rows > 1 && is(AT(1), RK_I32, -1, 1));
    int64_t n_nodes = AT(0)->rows - 1;
    NEED(!HAS(2) || is(AT(2), RK_F32, AT(1)->rows, 1));
    NEED(!HAS(3) || is(AT(3), RK_F32, n_nodes, 1));
    NEED(a->n >= 0 && (a->first == 0 || (a->first > 0 && a->first + a->n == n_nodes)));
    NEED(is(AT(4), RK_F32, n_nodes - a->n, -1));
    out[0] = shape(RK_F32, a->whole ? n_nodes : a->n, AT(4)->cols);
    return RK_OK;
}

/* Every edge is listed at both of its ends. */
rk_traffic rk__traffic_side_product(const rk_counted *c)
{
    double edges = 0.5 * (double)rk__counted_in(c, 1)->rows;
    const rk_tensor *x = rk__counted_in(c, 4);
    return (rk_traffic){.bytes = edges * (4 + rk__row_bytes(x)) +
                                 rk__used_bytes(c, rk__counted_out(c, 0)),
                        .flops = 2 * edges * (double)x->cols,
                        .gathers = 1};
}

/* ---- the basis ---- */

rk_value rk__draw_columns(rk_program *p, rk_value state, int64_t rows, int64_t columns,
                          int64_t drawn, int32_t stream)
{
    rk_node node = RK_NODE(RK_OP_DRAW_COLUMNS, state);
    node.attr.basis =
        (rk_basis_attr){.rows = rows, .columns = columns, .used = drawn, .stream = stream};
    return rk__append_value(p, node);
}

/* state -> f32[rows,columns] */
rk_status rk__shape_draw_columns(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_basis_attr *a = &node->attr.basis;
    NEED(is(AT(0), RK_STATE, 1, 1) && a->rows >= 0 && a->columns > 0);
    NEED(a->used >= 0 && a->used <= a->columns);
    out[0] = shape(RK_F32, a->rows, a->columns);
    return RK_OK;
}

rk_projected rk__project_out(rk_program *p, rk_value basis, rk_value y, int64_t used)
{
    rk_node node = RK_NODE(RK_OP_PROJECT_OUT, basis, y);
    node.attr.basis.used = used;
    const rk_node *made = rk__append(p, node);
    return made ? (rk_projected){made->out[0], made->out[1]} : (rk_projected){RK_NONE, RK_NONE};
}

/* basis f32[n,w], y f32[n,b] in place -> f32[n,b], f64[used,b] */
rk_status rk__shape_project_out(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_basis_attr *a = &node->attr.basis;
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, AT(0)->rows, -1) && AT(1)->stored < 0);
    NEED(a->used > 0 && a->used <= AT(0)->cols && AT(0)->cols <= INT16_MAX);
    out[0] = (rk_shape){RK_F32, AT(1)->rows, AT(1)->cols, node->in[1]};
    out[1] = shape(RK_F64, a->used, AT(1)->cols);
    return RK_OK;
}

rk_traffic rk__traffic_project_out(const rk_counted *c)
{
    double n = (double)rk__counted_in(c, 0)->rows, used = (double)c->node->attr.basis.used;
    double b = (double)rk__counted_in(c, 1)->cols;
    return (rk_traffic){.bytes = n * 4 * (2 * used + 3 * b), .flops = 4 * n * used * b};
}

rk_value rk__put_coefficients(rk_program *p, rk_value matrix, rk_value coefficients, int64_t first,
                              int64_t size)
{
    rk_node node = RK_NODE(RK_OP_PUT_COEFFICIENTS, matrix, coefficients);
    node.attr.basis.first = first;
    node.attr.basis.columns = size;
    return rk__append_value(p, node);
}

/* matrix f64[size,size] in place or -, coefficients f64[used,b] -> f64[size,size] */
rk_status rk__shape_put_coefficients(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_basis_attr *a = &node->attr.basis;
    NEED(!HAS(0) || (is(AT(0), RK_F64, a->columns, a->columns) && AT(0)->stored < 0));
    NEED(is(AT(1), RK_F64, -1, -1) && AT(1)->rows <= a->columns);
    NEED(a->first >= 0 && a->first + AT(1)->cols == AT(1)->rows);
    out[0] = (rk_shape){RK_F64, a->columns, a->columns, node->in[0]};
    return RK_OK;
}

rk_value rk__orthonormalise(rk_program *p, rk_value y, rk_value state, bool fills, int32_t stream)
{
    rk_node node = RK_NODE(RK_OP_ORTHONORMALISE, y, state);
    node.attr.basis.fills = fills;
    node.attr.basis.stream = stream;
    return rk__append_value(p, node);
}

/* y f32[n,b] in place, state -> f32[n,b] */
rk_status rk__shape_orthonormalise(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && AT(0)->stored < 0 && AT(0)->cols <= 512);
    NEED(is(AT(1), RK_STATE, 1, 1));
    out[0] = (rk_shape){RK_F32, AT(0)->rows, AT(0)->cols, node->in[0]};
    return RK_OK;
}

/* The Gram matrix, its factor, the columns by it. */
rk_traffic rk__traffic_orthonormalise(const rk_counted *c)
{
    double n = (double)rk__counted_in(c, 0)->rows, b = (double)rk__counted_in(c, 0)->cols;
    return (rk_traffic){.bytes = 3 * 4 * n * b, .flops = 3 * n * b * b + b * b * b / 3};
}

rk_value rk__put_columns(rk_program *p, rk_value basis, rk_value x, int64_t first)
{
    rk_node node = RK_NODE(RK_OP_PUT_COLUMNS, basis, x);
    node.attr.basis.first = first;
    return rk__append_value(p, node);
}

/* basis f32[n,w] in place, x f32[n,b] -> f32[n,w] */
rk_status rk__shape_put_columns(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_basis_attr *a = &node->attr.basis;
    NEED(is(AT(0), RK_F32, -1, -1) && AT(0)->stored < 0 && is(AT(1), RK_F32, AT(0)->rows, -1));
    NEED(a->first >= 0 && a->first + AT(1)->cols <= AT(0)->cols);
    out[0] = (rk_shape){RK_F32, AT(0)->rows, AT(0)->cols, node->in[0]};
    return RK_OK;
}

/* ---- eigenvalues ---- */

rk_ritz_values rk__ritz(rk_program *p, rk_value matrix, rk_value state, int64_t used, int64_t kept)
{
    rk_node node = RK_NODE(RK_OP_RITZ, matrix, state);
    node.attr.basis.used = used;
    node.attr.basis.kept = kept;
    const rk_node *made = rk__append(p, node);
    return made ? (rk_ritz_values){made->out[0], made->out[1], made->out[2]}
                : (rk_ritz_values){RK_NONE, RK_NONE, RK_NONE};
}

/* matrix f64[w,w] in place, state (updated) -> f32[kept,w], f32[kept], f64[w,w] */
rk_status rk__shape_ritz(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_basis_attr *a = &node->attr.basis;
    NEED(is(AT(0), RK_F64, AT(0)->cols, AT(0)->cols) && AT(0)->stored < 0);
    NEED(a->used > 0 && a->used <= AT(0)->cols && AT(0)->cols <= INT16_MAX);
    NEED(is(AT(1), RK_STATE, 1, 1));
    NEED(a->kept > 0 && a->kept <= a->used);
    out[0] = shape(RK_F32, a->kept, AT(0)->cols);
    out[1] = shape(RK_F32, a->kept, 1);
    out[2] = (rk_shape){RK_F64, AT(0)->rows, AT(0)->cols, node->in[0]};
    return RK_OK;
}

/* Tridiagonal form and its vectors back. */
rk_traffic rk__traffic_ritz(const rk_counted *c)
{
    double n = (double)c->node->attr.basis.used;
    return (rk_traffic){.bytes = 3 * 8 * n * n, .flops = 16 * n * n * n / 3};
}
