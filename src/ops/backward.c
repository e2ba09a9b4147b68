/*
 * Reverse-mode differentiation of a program: one gradient rule per operation, walked backwards.
 *
 * The gradient of a value is gathered as contributions and only materialised when its producer is
 * reached. A contribution is dense (a tensor of the value's shape) or sparse (a tensor at the rows
 * of a row set), each with a factor, so that a scaled or scattered copy is made only where one is
 * really needed: this is the Horner form of performance.md 4d, a propagation of the dense part plus
 * a scatter of the batch's rows. The order of additions is fixed by the order of nodes.
 */
#include <string.h>

#include "base/alloc.h"
#include "ops/ops_internal.h"

enum { MAX_CONTRIBUTIONS = 8 };

typedef struct contribution {
    rk_value value;
    float alpha;
    bool is_sparse;
    bool is_fresh; /* nobody else reads it: may be updated in place */
    rk_row_set rows;
} contribution;

typedef struct gradient {
    contribution parts[MAX_CONTRIBUTIONS];
    int n;
} gradient;

typedef struct backward {
    rk_program *p;
    gradient *of; /* by value */
    int32_t n_values;
} backward;

static void contribute(backward *b, rk_value to, contribution part)
{
    RK_ASSERT(to >= 0 && to < b->n_values && b->of[to].n < MAX_CONTRIBUTIONS);
    if (part.value != RK_NONE) {
        b->of[to].parts[b->of[to].n++] = part;
    }
}

static void contribute_fresh(backward *b, rk_value to, rk_value value)
{
    contribute(b, to, (contribution){.value = value, .alpha = 1, .is_fresh = true});
}

/* Sums the contributions into one tensor; *alpha is a factor that is still to be applied. */
static rk_value materialise(backward *b, rk_value of, float *alpha)
{
    rk_program *p = b->p;
    gradient *g = &b->of[of];
    contribution sum = {.value = RK_NONE};
    for (int i = 0; i < g->n; i++) {
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
    for (int i = 0; i < g->n; i++) {
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

/* ---- gradient rules: what a node passes on to its inputs, given the gradient of output 0 ---- */

typedef void (*gradient_rule)(backward *b, const rk_node *node, rk_value g, float alpha);

static rk_graph_values graph_of(const rk_node *node)
{
    return (rk_graph_values){node->in[0], node->in[1], node->in[2]};
}

/* A^ is symmetric: the adjoint of a propagation is a propagation. */
static void rk__grad_propagate(backward *b, const rk_node *node, rk_value g, float alpha)
{
    RK_ASSERT(node->n_inputs == 4); /* nodes are fused after the backward pass */
    contribute_fresh(b, node->in[3],
                     rk__propagate(b->p, graph_of(node), g, alpha * node->attr.weight[0]));
}

static void rk__grad_propagate_rows(backward *b, const rk_node *node, rk_value g, float alpha)
{
    contribute_fresh(b, node->in[3],
                     rk__propagate_from_rows(b->p, graph_of(node), g,
                                             rk__row_set_of(b->p, node->in[4]),
                                             alpha * node->attr.weight[0]));
}

/* The Gram form (models/lightgcn_gram.c) is symmetric as a whole: fold and unfold are each other's
 * adjoint, and so are their forms at a row set; C and the mixing matrices are symmetric. */
static void contribute_scaled(backward *b, rk_value to, rk_value value, float alpha)
{
    contribute(b, to, (contribution){.value = value, .alpha = alpha, .is_fresh = true});
}

static void rk__grad_fold(backward *b, const rk_node *node, rk_value g, float alpha)
{
    contribute_scaled(b, node->in[3], rk__unfold(b->p, graph_of(node), g, node->attr.fold), alpha);
}

static void rk__grad_unfold(backward *b, const rk_node *node, rk_value g, float alpha)
{
    contribute_scaled(b, node->in[3], rk__fold(b->p, graph_of(node), g, node->attr.fold), alpha);
}

static void rk__grad_unfold_rows(backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_row_set rows = rk__row_set_of(b->p, node->in[4]);
    contribute_scaled(b, node->in[3],
                      rk__fold_from_rows(b->p, graph_of(node), g, rows, node->attr.fold), alpha);
}

static void rk__grad_gram_product(backward *b, const rk_node *node, rk_value g, float alpha)
{
    contribute_scaled(b, node->in[1], rk__gram_product(b->p, node->in[0], g, node->attr.halves),
                      alpha);
}

static void rk__grad_mix_pairs(backward *b, const rk_node *node, rk_value g, float alpha)
{
    for (int32_t j = 0; j < node->n_inputs; j++) {
        float w[RK_MAX_LAYERS] = {0};
        for (int32_t i = 0; i < 3 && 2 * j + i < RK_MAX_LAYERS; i++) {
            w[i] = alpha * node->attr.weight[2 * j + i];
        }
        contribute_fresh(b, node->in[j], rk__mix_pairs(b->p, &g, w, 1));
    }
}

static void rk__grad_combine(backward *b, const rk_node *node, rk_value g, float alpha)
{
    for (int32_t i = 0; i < node->n_inputs; i++) {
        contribute(b, node->in[i],
                   (contribution){.value = g, .alpha = alpha * node->attr.weight[i]});
    }
}

static void rk__grad_combine_rows(backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_row_set rows = rk__row_set_of(b->p, node->in[0]);
    for (int32_t i = 2; i < node->n_inputs; i++) {
        contribute(b, node->in[i],
                   (contribution){.value = g,
                                  .alpha = alpha * node->attr.weight[i - 2],
                                  .is_sparse = true,
                                  .rows = rows});
    }
}

static void rk__grad_add(backward *b, const rk_node *node, rk_value g, float alpha)
{
    for (int32_t i = 0; i < 2; i++) {
        contribute(b, node->in[i],
                   (contribution){.value = g, .alpha = alpha * node->attr.weight[i]});
    }
}

/* A node of `n` inputs with fresh outputs. */
static rk_node gradient_node(rk_op op, int32_t n)
{
    rk_node node = {.op = op, .n_inputs = n};
    for (int32_t i = 0; i < RK_MAX_OUTPUTS; i++) {
        node.out[i] = RK_NONE;
    }
    return node;
}

static rk_value appended(backward *b, rk_node node)
{
    int32_t n = rk__append(b->p, node);
    return n < 0 ? RK_NONE : b->p->nodes[n].out[0];
}

static void rk__grad_mix(backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_node dots = gradient_node(RK_OP_TABLE_DOTS, node->n_inputs);
    dots.in[0] = g;
    dots.attr.weight[0] = alpha;
    for (int32_t i = 1; i < node->n_inputs; i++) {
        rk_node part = gradient_node(RK_OP_WEIGH, 2);
        part.in[0] = g;
        part.in[1] = node->in[0];
        part.attr.index = i - 1;
        dots.in[i] = node->in[i];
        contribute(b, node->in[i],
                   (contribution){appended(b, part), .alpha = alpha, .is_fresh = 1});
    }
    contribute_fresh(b, node->in[0], appended(b, dots));
}

static void rk__grad_softmax_weights(backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_node grad = gradient_node(RK_OP_SOFTMAX_WEIGHTS_GRAD, 2);
    grad.in[0] = node->out[0];
    grad.in[1] = g;
    contribute(b, node->in[0], (contribution){appended(b, grad), .alpha = alpha, .is_fresh = true});
}

static void rk__grad_unit_rows(backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_node grad = gradient_node(RK_OP_UNIT_ROWS_GRAD, 3);
    grad.in[0] = node->in[0];
    grad.in[1] = g;
    grad.in[2] = node->in[1];
    contribute(b, node->in[0], (contribution){appended(b, grad), .alpha = alpha, .is_fresh = true});
}

static void rk__grad_scale_nodes(backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_node grad = gradient_node(RK_OP_SCALE_NODES, 4);
    memcpy(grad.in, node->in, sizeof grad.in);
    grad.in[0] = g;
    contribute(b, node->in[0], (contribution){appended(b, grad), .alpha = alpha, .is_fresh = true});
}

/* The loss ops leave what their gradient needs in output 1; the upstream factor of a loss is 1. */
static void rk__grad_bpr_loss(backward *b, const rk_node *node, rk_value g, float alpha)
{
    (void)g, (void)alpha;
    rk_node grad = gradient_node(RK_OP_BPR_GRAD, 7);
    int32_t n = 0;
    /* slot_row is an output of the row set's node: the rest of the set comes from there. */
    const rk_node *unique = &b->p->nodes[b->p->tensors[node->in[1]].producer];
    grad.attr.batch = node->attr.batch;
    grad.in[n++] = node->in[0];
    grad.in[n++] = node->out[1];
    grad.in[n++] = node->in[1];
    grad.in[n++] = unique->out[4];
    grad.in[n++] = unique->out[5];
    grad.in[n++] = unique->out[1];
    grad.in[n++] = node->in[3];
    contribute_fresh(b, node->in[0], appended(b, grad));
}

static void rk__grad_unit_slots(backward *b, const rk_node *node, rk_value g, float alpha)
{
    const rk_node *unique = &b->p->nodes[b->p->tensors[node->in[1]].producer];
    rk_node grad = gradient_node(RK_OP_UNIT_SLOTS_GRAD, 6);
    grad.in[0] = node->in[0];
    grad.in[1] = node->out[0];
    grad.in[2] = g;
    grad.in[3] = unique->out[4];
    grad.in[4] = unique->out[5];
    grad.in[5] = unique->out[1];
    grad.attr.unit = (rk_unit_attr){.cosine = node->attr.unit.cosine, .alpha = alpha};
    contribute_fresh(b, node->in[0], appended(b, grad));
}

/* With w_ij the weight of item j for user i: a user's gradient needs the mean of items under w_i.,
 * which the loss had; an item's needs the sum of users under w_.j. That is the same attention with
 * the roles changed, as w_ij = exp(s_ij - lse_i). */
static void rk__grad_softmax_loss(backward *b, const rk_node *node, rk_value g, float alpha)
{
    (void)g, (void)alpha;
    const rk_softmax_attr *a = &node->attr.softmax;
    rk_attend_values users = rk__attend(b->p, node->in[0], node->out[1],
                                        (rk_attend_attr){.first_query = a->batch,
                                                         .first_key = 0,
                                                         .n = a->batch,
                                                         .scale = 1 / a->temperature,
                                                         .skip_diagonal = a->exclude_positive});
    rk_node grad = gradient_node(RK_OP_SOFTMAX_GRAD, 7);
    grad.in[0] = node->in[0];
    grad.in[1] = node->in[1];
    grad.in[2] = node->in[3];
    grad.in[3] = node->out[1];
    grad.in[4] = users.lse;
    grad.in[5] = users.mean;
    grad.in[6] = node->in[4];
    grad.attr.softmax = *a;
    contribute_fresh(b, node->in[0], appended(b, grad));
}

static void rk__grad_align_uniform_loss(backward *b, const rk_node *node, rk_value g, float alpha)
{
    (void)g, (void)alpha;
    rk_node grad = gradient_node(RK_OP_ALIGN_UNIFORM_GRAD, 7);
    memcpy(grad.in, node->in, 6 * sizeof *grad.in);
    grad.in[6] = node->out[1];
    grad.attr.align = node->attr.align;
    contribute_fresh(b, node->in[0], appended(b, grad));
}

/* Of a loss by scores of a user with items: inputs x, slot_row, ...; outputs loss, by_score. */
static void by_scores(backward *b, const rk_node *node, int64_t batch)
{
    const rk_node *unique = &b->p->nodes[b->p->tensors[node->in[1]].producer];
    rk_node grad = gradient_node(RK_OP_SLOT_GRAD, 6);
    grad.in[0] = node->in[0];
    grad.in[1] = node->out[1];
    grad.in[2] = node->in[1];
    grad.in[3] = unique->out[4];
    grad.in[4] = unique->out[5];
    grad.in[5] = unique->out[1];
    grad.attr.slot.batch = batch;
    contribute_fresh(b, node->in[0], appended(b, grad));
}

static void rk__grad_slot_loss(backward *b, const rk_node *node, rk_value g, float alpha)
{
    (void)g, (void)alpha;
    by_scores(b, node, node->attr.slot.batch);
}

static void rk__grad_neighbour_loss(backward *b, const rk_node *node, rk_value g, float alpha)
{
    (void)g, (void)alpha;
    by_scores(b, node, node->attr.neighbour.batch);
}

/* The noise does not depend on x, and sign(x) hardly does. */
static void rk__grad_perturb(backward *b, const rk_node *node, rk_value g, float alpha)
{
    contribute(b, node->in[0], (contribution){.value = g, .alpha = alpha});
}

static void rk__grad_contrast_slots(backward *b, const rk_node *node, rk_value g, float alpha)
{
    const rk_node *unique = &b->p->nodes[b->p->tensors[node->in[2]].producer];
    for (int view = 0; view < 2; view++) {
        rk_node grad = gradient_node(RK_OP_CONTRAST_SLOTS_GRAD, 6);
        grad.in[0] = node->in[view];
        grad.in[1] = node->out[0];
        grad.in[2] = g;
        grad.in[3] = node->in[3];
        grad.in[4] = node->in[4];
        grad.in[5] = unique->out[1];
        grad.attr.contrast = node->attr.contrast;
        grad.attr.contrast.second = view == 1;
        contribute(b, node->in[view],
                   (contribution){appended(b, grad), .alpha = alpha, .is_fresh = true});
    }
}

static void rk__grad_contrast_loss(backward *b, const rk_node *node, rk_value g, float alpha)
{
    (void)g, (void)alpha;
    const rk_contrast_attr *a = &node->attr.contrast;
    rk_node grad = gradient_node(RK_OP_CONTRAST_GRAD, 8);
    grad.in[0] = node->in[0];
    grad.in[1] = node->out[2];
    grad.attr.contrast = *a;
    for (int kind = 0; kind < 2; kind++) {
        rk_attend_values keys = rk__attend(b->p, node->in[0], node->out[1],
                                           (rk_attend_attr){.first_query = (2 + kind) * a->batch,
                                                            .first_key = kind * a->batch,
                                                            .n = a->batch,
                                                            .scale = 1 / a->temperature});
        grad.in[2 + kind] = node->in[4 + kind];
        grad.in[4 + kind] = keys.lse;
        grad.in[6 + kind] = keys.mean;
    }
    contribute_fresh(b, node->in[0], appended(b, grad));
}

static void rk__grad_l2_loss(backward *b, const rk_node *node, rk_value g, float alpha)
{
    (void)g, (void)alpha;
    rk_row_set rows = rk__row_set_of(b->p, b->p->nodes[b->p->tensors[node->in[3]].producer].out[0]);
    contribute_fresh(b, node->in[0], rk__scale_rows(b->p, node->in[0], node->out[1], rows));
}

#define rk__grad_none NULL

static const gradient_rule gradient_rules[RK_OP_COUNT] = {
#define RK_OP_ROW(ENUM, name, min, max, outs, gradient, ...) rk__grad_##gradient,
#include "ops/ops.def"
};

static bool is_loss(const rk_program *p, rk_value value)
{
    for (int32_t i = 0; i < p->n_losses; i++) {
        if (p->losses[i].value == value) {
            return true;
        }
    }
    return false;
}

/* Walks the forward nodes backwards. The node is copied: rules append and may move the array. */
static rk_status walk(backward *b)
{
    for (int32_t i = b->p->n_nodes - 1; i >= 0; i--) {
        const rk_node node = b->p->nodes[i];
        if (node.n_outputs == 0 || node.out[0] >= b->n_values) {
            continue;
        }
        float alpha = 1;
        rk_value g = RK_NONE;
        if (!is_loss(b->p, node.out[0])) {
            if (b->of[node.out[0]].n == 0) {
                continue; /* no loss depends on it */
            }
            g = materialise(b, node.out[0], &alpha);
        }
        if (!gradient_rules[node.op]) {
            RK_FAIL(RK_ERR_INTERNAL, "%s has no gradient rule", rk__op_name(node.op));
        }
        gradient_rules[node.op](b, &node, g, alpha);
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
    backward b = {.p = p, .n_values = p->n_tensors};
    RK_TRY(rk__calloc(&b.of, b.n_values, sizeof *b.of, "a program's gradients"));
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
done:
    rk__free(b.of);
    return status;
}
