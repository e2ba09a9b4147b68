/*
 * Reverse-mode differentiation of a program: the gradient rules of the families, walked backwards.
 *
 * The gradient of a value is gathered as contributions and only materialised when its producer is
 * reached. A contribution is dense (a tensor of the value's shape) or sparse (a tensor at the rows
 * of a row set), each with a factor, so that a scaled or scattered copy is made only where one is
 * really needed: this is the Horner form, a propagation of the dense part plus a scatter of the
 * batch's rows. The order of additions is fixed by the order of nodes. A value that no parameter
 * lies behind gets no gradient.
 */
#include <string.h>

#include "base/alloc.h"
#include "ops/family.h"

typedef struct contribution {
    rk_value value;
    float alpha;
    bool is_sparse;
    bool is_fresh; /* nobody else reads it: may be updated in place */
    rk_row_set rows;
} contribution;

typedef struct gradient {
    contribution *parts; /* owned */
    int32_t n, capacity;
    bool is_wanted; /* a parameter lies behind the value */
} gradient;

struct rk_backward {
    rk_program *p;
    gradient *of; /* by value */
    int32_t n_values;
};

static const rk_gradient_rule rules[RK_OP_COUNT] = {
#define RK_OP_ROW(ENUM, name, min, max, outs, gradient, ...) rk__grad_##gradient,
#include "ops/ops.def"
};

/* ---- what rules call ---- */

rk_program *rk__backward_program(rk_backward *b)
{
    return b->p;
}

bool rk__wants_gradient(const rk_backward *b, rk_value value)
{
    return value != RK_NONE && value < b->n_values && b->of[value].is_wanted;
}

static void contribute(rk_backward *b, rk_value to, contribution part)
{
    RK_ASSERT(to >= 0 && to < b->n_values);
    gradient *g = &b->of[to];
    if (part.value == RK_NONE || !g->is_wanted || b->p->status != RK_OK) {
        return;
    }
    if (g->n == g->capacity) {
        int32_t capacity = 2 * g->capacity + 4;
        b->p->status =
            rk__realloc(&g->parts, g->n, capacity, sizeof *g->parts, "a program's gradients");
        if (b->p->status != RK_OK) {
            return;
        }
        g->capacity = capacity;
    }
    g->parts[g->n++] = part;
}

void rk__contribute(rk_backward *b, rk_value to, rk_value part, float alpha)
{
    contribute(b, to, (contribution){.value = part, .alpha = alpha, .is_fresh = true});
}

void rk__contribute_shared(rk_backward *b, rk_value to, rk_value part, float alpha)
{
    contribute(b, to, (contribution){.value = part, .alpha = alpha});
}

void rk__contribute_rows(rk_backward *b, rk_value to, rk_value part, float alpha, rk_row_set rows)
{
    contribute(b, to,
               (contribution){.value = part, .alpha = alpha, .is_sparse = true, .rows = rows});
}

void rk__grad_none(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    (void)g, (void)alpha;
    b->p->status = rk__fail(RK_ERR_INTERNAL, __FILE__, __LINE__, __func__,
                            "%s has no gradient rule", rk__op_name(node->op));
}

/* ---- the walk ---- */

/* Sums the contributions into one tensor; *alpha is a factor that is still to be applied. */
static rk_value materialise(rk_backward *b, rk_value of, float *alpha)
{
    rk_program *p = b->p;
    gradient *g = &b->of[of];
    contribution sum = {.value = RK_NONE};
    for (int32_t i = 0; i < g->n; i++) {
        const contribution *c = &g->parts[i];
        if (c->is_sparse) {
            continue;
        }
        if (sum.value == RK_NONE) {
            sum = *c;
        } else {
            sum.value = rk__add(p, sum.value, c->value, sum.alpha, c->alpha);
            sum.alpha = 1;
            sum.is_fresh = true;
        }
    }
    for (int32_t i = 0; i < g->n; i++) {
        const contribution *c = &g->parts[i];
        if (!c->is_sparse) {
            continue;
        }
        if (sum.value == RK_NONE) {
            sum.value = rk__scatter_rows(p, c->value, c->rows, c->alpha);
        } else {
            if (!sum.is_fresh || sum.alpha != 1) {
                sum.value = rk__combine(p, &sum.value, &sum.alpha, 1);
            }
            sum.value = rk__scatter_add_rows(p, sum.value, c->value, c->rows, c->alpha);
        }
        sum.alpha = 1;
        sum.is_fresh = true;
    }
    *alpha = sum.alpha;
    return sum.value;
}

static bool is_term(const rk_program *p, rk_value value)
{
    for (int32_t i = 0; i < p->n_terms; i++) {
        if (p->terms[i].value == value) {
            return true;
        }
    }
    return false;
}

static bool any_wanted(const rk_backward *b, const rk_node *node)
{
    for (int32_t j = 0; j < node->n_inputs; j++) {
        if (rk__wants_gradient(b, node->in[j])) {
            return true;
        }
    }
    return false;
}

static void find_wanted(rk_backward *b)
{
    for (int32_t i = 0; i < b->p->n_nodes; i++) {
        const rk_node *node = &b->p->nodes[i];
        bool is_wanted = any_wanted(b, node);
        for (int32_t j = 0; j < node->n_outputs; j++) {
            b->of[node->out[j]].is_wanted = is_wanted;
        }
    }
}

/* Walks the forward nodes backwards. The node is copied: rules append and may move the array. */
static rk_status walk(rk_backward *b)
{
    for (int32_t i = b->p->n_nodes - 1; i >= 0; i--) {
        const rk_node node = b->p->nodes[i];
        if (node.n_outputs == 0 || !any_wanted(b, &node)) {
            continue;
        }
        float alpha = 1;
        rk_value g = RK_NONE;
        if (!is_term(b->p, node.out[0])) {
            if (b->of[node.out[0]].n == 0) {
                continue; /* no term depends on it */
            }
            g = materialise(b, node.out[0], &alpha);
        }
        rules[node.op](b, &node, g, alpha);
        RK_TRY(b->p->status);
    }
    return RK_OK;
}

rk_status rk__program_backward(rk_program *p, const int32_t *parameters, int32_t n,
                               rk_value *gradients)
{
    RK_TRY(p->status);
    for (int32_t i = 0; i < n; i++) {
        rk__use(p, parameters[i]);
    }
    RK_TRY(p->status);
    rk_status status = RK_OK;
    rk_backward b = {.p = p, .n_values = p->n_tensors};
    const int32_t n_before = p->n_nodes;
    RK_TRY(rk__calloc(&b.of, b.n_values, sizeof *b.of, "a program's gradients"));
    for (int32_t i = 0; i < n; i++) {
        b.of[rk__use(p, parameters[i])].is_wanted = true;
    }
    find_wanted(&b);
    RK_TRY_GOTO(done, walk(&b));
    for (int32_t i = 0; i < n; i++) {
        rk_value parameter = rk__use(p, parameters[i]);
        float alpha = 1;
        if (b.of[parameter].n == 0) {
            RK_FAIL_GOTO(done, RK_ERR_INTERNAL, "no loss depends on the parameter %s",
                         p->tensors[parameter].name);
        }
        rk_value g = materialise(&b, parameter, &alpha);
        gradients[i] = alpha == 1 ? g : rk__combine(p, &g, &alpha, 1);
        RK_TRY_GOTO(done, p->status);
    }
    p->passes[RK_PASS_BACKWARD] = (rk_pass_count){n_before, p->n_nodes};
done:
    for (int32_t v = 0; v < b.n_values; v++) {
        rk__free(b.of[v].parts);
    }
    rk__free(b.of);
    return status;
}
