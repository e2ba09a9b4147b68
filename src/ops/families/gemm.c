/* Products of dense matrices. */
#include "ops/family.h"

rk_value rk__gemm(rk_program *p, rk_value x, rk_value w, rk_value bias)
{
    return rk__gemm_of(p, x, w, bias, RK_NONE, (rk_gemm_attr){.alpha = 1});
}

rk_value rk__gemm_of(rk_program *p, rk_value x, rk_value w, rk_value bias, rk_value count,
                     rk_gemm_attr attr)
{
    rk_node node = RK_NODE(RK_OP_GEMM, x, w, bias, count);
    node.attr.gemm.alpha = attr.alpha;
    node.attr.gemm.transposed_x = attr.transposed_x;
    node.attr.gemm.transposed_w = attr.transposed_w;
    return rk__append_value(p, node);
}

/* x f32[n,k] or, transposed, [k,n]; w f32[k,m] or [m,k]; bias f32[1,m] or -; count i32[1] or -:
 * rows from there on, which are zeros in x, get no bias -> f32[n,m] */
rk_status rk__shape_gemm(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_gemm_attr *a = &node->attr.gemm;
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, -1, -1));
    int64_t n = a->transposed_x ? AT(0)->cols : AT(0)->rows;
    int64_t k = a->transposed_x ? AT(0)->rows : AT(0)->cols;
    int64_t m = a->transposed_w ? AT(1)->rows : AT(1)->cols;
    NEED((a->transposed_w ? AT(1)->cols : AT(1)->rows) == k && k > 0);
    NEED(n <= INT32_MAX && m <= INT32_MAX && k <= INT32_MAX); /* as BLAS has them */
    NEED(!HAS(2) || is(AT(2), RK_F32, 1, m));
    NEED(!HAS(3) || is(AT(3), RK_I32, 1, 1));
    out[0] = shape(RK_F32, n, m);
    return RK_OK;
}

/* d x = alpha g op(w)^T and d w = alpha op(x)^T g, transposed where x and w are. */
void rk__grad_gemm(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    const rk_gemm_attr *a = &node->attr.gemm;
    rk_program *p = rk__backward_program(b);
    rk_value x = node->in[0], w = node->in[1], part = RK_NONE;
    if (rk__wants_gradient(b, x)) {
        part = a->transposed_x ? rk__gemm_of(p, w, g, RK_NONE, RK_NONE,
                                             (rk_gemm_attr){a->alpha, a->transposed_w, true})
                               : rk__gemm_of(p, g, w, RK_NONE, RK_NONE,
                                             (rk_gemm_attr){a->alpha, false, !a->transposed_w});
        rk__contribute(b, x, part, alpha);
    }
    if (rk__wants_gradient(b, w)) {
        part = a->transposed_w ? rk__gemm_of(p, g, x, RK_NONE, RK_NONE,
                                             (rk_gemm_attr){a->alpha, true, a->transposed_x})
                               : rk__gemm_of(p, x, g, RK_NONE, RK_NONE,
                                             (rk_gemm_attr){a->alpha, !a->transposed_x, false});
        rk__contribute(b, w, part, alpha);
    }
    if (rk__wants_gradient(b, node->in[2])) {
        rk__contribute(b, node->in[2], rk__column_sums(p, g), alpha);
    }
}

rk_value rk__restrict_gemm(rk_restriction *r, const rk_node *node, float factor)
{
    (void)factor;
    RK_ASSERT(!node->attr.gemm.transposed_x && node->in[3] == RK_NONE);
    return rk__gemm_of(rk__restriction_program(r), rk__at_rows(r, node->in[0]), node->in[1],
                       node->in[2], rk__restriction_rows(r).count, node->attr.gemm);
}

rk_traffic rk__traffic_gemm(const rk_counted *c)
{
    rk_traffic t = rk__traffic_once(c);
    bool transposed = c->node->attr.gemm.transposed_x;
    const rk_tensor *x = rk__counted_in(c, 0);
    double depth = (double)(transposed ? x->rows : x->cols);
    t.flops = 2 * depth * rk__elements(rk__counted_out(c, 0));
    return t;
}

rk_value rk__column_sums(rk_program *p, rk_value x)
{
    return rk__append_value(p, RK_NODE(RK_OP_COLUMN_SUMS, x));
}

/* x f32[n,m] -> f32[1,m] */
rk_status rk__shape_column_sums(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1));
    out[0] = shape(RK_F32, 1, AT(0)->cols);
    return RK_OK;
}

void rk__grad_column_sums(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_program *p = rk__backward_program(b);
    int64_t rows = p->tensors[node->in[0]].rows;
    rk__contribute(b, node->in[0], rk__repeat_rows(p, g, rows), alpha);
}
