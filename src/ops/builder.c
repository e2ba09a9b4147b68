/* Appending nodes: one function an operation, all through rk__append. */
#include "ops/builder.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "ops/ops_internal.h"

static rk_status grow(rk_program *p, int32_t n_new_tensors)
{
    if (p->n_tensors + n_new_tensors > p->tensor_capacity) {
        int32_t capacity = 2 * p->tensor_capacity + 64;
        RK_TRY(rk__realloc(&p->tensors, p->n_tensors, capacity, sizeof *p->tensors,
                           "a program's tensors"));
        p->tensor_capacity = capacity;
    }
    if (p->n_nodes + 1 > p->node_capacity) {
        int32_t capacity = 2 * p->node_capacity + 32;
        RK_TRY(rk__realloc(&p->nodes, p->n_nodes, capacity, sizeof *p->nodes, "a program's nodes"));
        p->node_capacity = capacity;
    }
    return RK_OK;
}

static rk_status append(rk_program *p, rk_node *node)
{
    const rk_op_info *info = rk__op_info(node->op);
    rk_shape shapes[RK_MAX_OUTPUTS];
    RK_ASSERT(!p->planned && node->n_inputs >= info->min_inputs &&
              node->n_inputs <= info->max_inputs);
    RK_TRY(grow(p, RK_MAX_OUTPUTS));
    node->n_outputs = info->n_outputs;
    RK_TRY(rk__shape_rules[node->op](p, node, shapes));
    for (int32_t i = 0; i < node->n_outputs; i++) {
        if (node->out[i] == RK_NONE) {
            rk_tensor *t = &p->tensors[p->n_tensors];
            *t = (rk_tensor){.dtype = shapes[i].dtype,
                             .rows = shapes[i].rows,
                             .cols = shapes[i].cols,
                             .stored = -1,
                             .alias_of = shapes[i].in_place,
                             .offset = -1};
            snprintf(t->name, sizeof t->name, "%%%d", p->n_tensors);
            node->out[i] = p->n_tensors++;
        }
        rk_tensor *t = &p->tensors[node->out[i]];
        if (t->dtype != shapes[i].dtype || t->rows != shapes[i].rows || t->cols != shapes[i].cols) {
            RK_FAIL(RK_ERR_INTERNAL, "%s: the output %s has another shape", rk__op_name(node->op),
                    t->name);
        }
        t->producer = p->n_nodes;
    }
    p->nodes[p->n_nodes++] = *node;
    return RK_OK;
}

int32_t rk__append(rk_program *p, rk_node node)
{
    if (p->status != RK_OK) {
        return -1;
    }
    p->status = append(p, &node);
    return p->status == RK_OK ? p->n_nodes - 1 : -1;
}

rk_node *rk__take_nodes(rk_program *p)
{
    rk_node *nodes = p->nodes;
    p->nodes = NULL;
    p->n_nodes = p->node_capacity = 0;
    return nodes;
}

/* A node with these inputs and fresh outputs. */
static rk_node make(rk_op op, int32_t n, const rk_value *in)
{
    rk_node node = {.op = op, .n_inputs = n};
    RK_ASSERT(n <= RK_MAX_INPUTS);
    memcpy(node.in, in, (size_t)n * sizeof *in);
    for (int32_t i = 0; i < RK_MAX_OUTPUTS; i++) {
        node.out[i] = RK_NONE;
    }
    return node;
}

#define MAKE(op, ...)                                                                              \
    make((op), (int32_t)(sizeof((rk_value[]){__VA_ARGS__}) / sizeof(rk_value)),                    \
         (rk_value[]){__VA_ARGS__})

static rk_value first_output(rk_program *p, rk_node node)
{
    int32_t n = rk__append(p, node);
    return n < 0 ? RK_NONE : p->nodes[n].out[0];
}

static rk_value weighted(rk_program *p, rk_node node, float alpha)
{
    node.attr.weight[0] = alpha;
    return first_output(p, node);
}

rk_value rk__use(rk_program *p, int32_t stored)
{
    for (int32_t i = 0; i < p->n_tensors; i++) {
        if (p->tensors[i].stored == stored) {
            return i;
        }
    }
    RK_ASSERT(stored >= 0 && stored < p->store->n);
    if (p->status == RK_OK) {
        p->status = grow(p, 1);
    }
    if (p->status != RK_OK) {
        return RK_NONE;
    }
    const rk_stored *s = &p->store->items[stored];
    rk_tensor *t = &p->tensors[p->n_tensors];
    *t = (rk_tensor){.dtype = s->dtype,
                     .rows = s->rows,
                     .cols = s->cols,
                     .stored = stored,
                     .producer = -1,
                     .alias_of = RK_NONE,
                     .offset = -1};
    memcpy(t->name, s->name, sizeof t->name);
    return p->n_tensors++;
}

void rk__assign(rk_program *p, int32_t stored, rk_value value)
{
    rk_value target = rk__use(p, stored);
    if (p->status != RK_OK || target == value) {
        return;
    }
    const rk_tensor *from = &p->tensors[value], *to = &p->tensors[target];
    RK_ASSERT(from->dtype == to->dtype && from->rows == to->rows && from->cols == to->cols);
    if (from->stored >= 0 || from->alias_of != RK_NONE) {
        rk_node copy = MAKE(RK_OP_COMBINE, value);
        copy.attr.weight[0] = 1;
        copy.out[0] = target;
        rk__append(p, copy);
        return;
    }
    for (int32_t i = 0; i < p->n_nodes; i++) {
        for (int32_t j = 0; j < p->nodes[i].n_inputs; j++) {
            p->nodes[i].in[j] = p->nodes[i].in[j] == value ? target : p->nodes[i].in[j];
        }
        for (int32_t j = 0; j < p->nodes[i].n_outputs; j++) {
            p->nodes[i].out[j] = p->nodes[i].out[j] == value ? target : p->nodes[i].out[j];
        }
    }
    p->tensors[target].producer = p->tensors[value].producer;
    p->tensors[value].producer = -1; /* nothing refers to it any more */
}

rk_value rk__sample_triplets(rk_program *p, rk_graph_values graph, rk_sample_values s,
                             rk_sample_attr attr)
{
    rk_node node = MAKE(RK_OP_SAMPLE_TRIPLETS, graph.offsets, graph.columns, s.state, s.users,
                        s.edge_offsets, s.pool, s.alias_share, s.alias_item);
    node.attr.sample = attr;
    return first_output(p, node);
}

rk_row_set rk__unique_rows(rk_program *p, rk_value nodes, int64_t n_nodes)
{
    rk_node node = MAKE(RK_OP_UNIQUE_ROWS, nodes);
    node.attr.n_nodes = n_nodes;
    rk_value rows = first_output(p, node);
    return rows == RK_NONE ? (rk_row_set){RK_NONE, RK_NONE, RK_NONE, RK_NONE, RK_NONE, RK_NONE}
                           : rk__row_set_of(p, rows);
}

rk_row_set rk__row_set_of(const rk_program *p, rk_value rows)
{
    const rk_node *node = &p->nodes[p->tensors[rows].producer];
    RK_ASSERT(node->op == RK_OP_UNIQUE_ROWS && node->out[0] == rows);
    return (rk_row_set){node->out[0], node->out[1], node->out[2],
                        node->out[3], node->out[4], node->out[5]};
}

rk_graph_values rk__drop_edges(rk_program *p, rk_graph_values graph, rk_value state,
                               rk_drop_attr attr)
{
    rk_node node = MAKE(RK_OP_DROP_EDGES, graph.offsets, graph.columns, state);
    node.attr.drop = attr;
    int32_t n = rk__append(p, node);
    if (n < 0) {
        return (rk_graph_values){RK_NONE, RK_NONE, RK_NONE};
    }
    const rk_value *out = p->nodes[n].out;
    return (rk_graph_values){.offsets = out[0], .columns = out[1], .scale = out[2]};
}

rk_value rk__propagate(rk_program *p, rk_graph_values g, rk_value x, float alpha)
{
    return weighted(p, MAKE(RK_OP_PROPAGATE, g.offsets, g.columns, g.scale, x), alpha);
}

rk_value rk__propagate_rows(rk_program *p, rk_graph_values g, rk_value x, rk_row_set rows,
                            float alpha)
{
    return weighted(p,
                    MAKE(RK_OP_PROPAGATE_ROWS, g.offsets, g.columns, g.scale, x, rows.rows,
                         rows.count, rows.map),
                    alpha);
}

rk_value rk__propagate_from_rows(rk_program *p, rk_graph_values g, rk_value x, rk_row_set rows,
                                 float alpha)
{
    return weighted(p, MAKE(RK_OP_PROPAGATE_FROM_ROWS, g.offsets, g.columns, g.scale, x, rows.map),
                    alpha);
}

static rk_value folded(rk_program *p, rk_node node, rk_fold_attr side)
{
    node.attr.fold = side;
    return first_output(p, node);
}

rk_value rk__fold(rk_program *p, rk_graph_values g, rk_value x, rk_fold_attr side)
{
    return folded(p, MAKE(RK_OP_FOLD, g.offsets, g.columns, g.scale, x), side);
}

rk_value rk__fold_from_rows(rk_program *p, rk_graph_values g, rk_value x, rk_row_set rows,
                            rk_fold_attr side)
{
    return folded(p, MAKE(RK_OP_FOLD_FROM_ROWS, g.offsets, g.columns, g.scale, x, rows.map), side);
}

rk_value rk__unfold(rk_program *p, rk_graph_values g, rk_value pairs, rk_fold_attr side)
{
    return folded(p, MAKE(RK_OP_UNFOLD, g.offsets, g.columns, g.scale, pairs), side);
}

rk_value rk__unfold_rows(rk_program *p, rk_graph_values g, rk_value pairs, rk_row_set rows,
                         rk_fold_attr side)
{
    return folded(p,
                  MAKE(RK_OP_UNFOLD_ROWS, g.offsets, g.columns, g.scale, pairs, rows.rows,
                       rows.count, rows.map),
                  side);
}

rk_value rk__gram_product(rk_program *p, rk_value gram, rk_value pairs, int32_t halves)
{
    rk_node node = MAKE(RK_OP_GRAM_PRODUCT, gram, pairs);
    node.attr.halves = halves;
    return first_output(p, node);
}

rk_value rk__mix_pairs(rk_program *p, const rk_value *pairs, const float weights[RK_MAX_LAYERS],
                       int n)
{
    rk_node node = make(RK_OP_MIX_PAIRS, n, pairs);
    memcpy(node.attr.weight, weights, sizeof node.attr.weight);
    return first_output(p, node);
}

rk_value rk__narrow(rk_program *p, rk_value x)
{
    return first_output(p, MAKE(RK_OP_NARROW, x));
}

rk_value rk__combine(rk_program *p, const rk_value *tables, const float *weights, int n)
{
    RK_ASSERT(n > 0 && n <= RK_MAX_LAYERS);
    rk_node node = make(RK_OP_COMBINE, n, tables);
    memcpy(node.attr.weight, weights, (size_t)n * sizeof *weights);
    return first_output(p, node);
}

rk_value rk__combine_rows(rk_program *p, const rk_value *tables, const float *weights, int n,
                          rk_row_set rows)
{
    RK_ASSERT(n > 0 && n <= RK_MAX_LAYERS);
    rk_value in[2 + RK_MAX_LAYERS] = {rows.rows, rows.count};
    memcpy(in + 2, tables, (size_t)n * sizeof *tables);
    rk_node node = make(RK_OP_COMBINE_ROWS, n + 2, in);
    memcpy(node.attr.weight, weights, (size_t)n * sizeof *weights);
    return first_output(p, node);
}

rk_value rk__mix(rk_program *p, rk_value weights, const rk_value *tables, int n)
{
    RK_ASSERT(n > 0 && n <= RK_MAX_LAYERS);
    rk_value in[1 + RK_MAX_LAYERS] = {weights};
    memcpy(in + 1, tables, (size_t)n * sizeof *tables);
    return first_output(p, make(RK_OP_MIX, n + 1, in));
}

rk_value rk__softmax_weights(rk_program *p, rk_value x)
{
    return first_output(p, MAKE(RK_OP_SOFTMAX_WEIGHTS, x));
}

rk_value rk__unit_rows(rk_program *p, rk_value x, rk_value factor)
{
    return first_output(p, MAKE(RK_OP_UNIT_ROWS, x, factor));
}

rk_value rk__scale_nodes(rk_program *p, rk_value x, rk_value factor, const rk_row_set *rows)
{
    return first_output(p, MAKE(RK_OP_SCALE_NODES, x, factor, rows ? rows->rows : RK_NONE,
                                rows ? rows->count : RK_NONE));
}

rk_value rk__add(rk_program *p, rk_value a, rk_value b, float alpha, float beta)
{
    rk_node node = MAKE(RK_OP_ADD, a, b);
    node.attr.weight[1] = beta;
    return weighted(p, node, alpha);
}

rk_value rk__scale_rows(rk_program *p, rk_value x, rk_value factor, rk_row_set rows)
{
    return first_output(p, MAKE(RK_OP_SCALE_ROWS, x, factor, rows.count));
}

rk_value rk__scatter_rows(rk_program *p, rk_value x, rk_row_set rows, float alpha)
{
    return weighted(p, MAKE(RK_OP_SCATTER_ROWS, x, rows.map), alpha);
}

rk_value rk__scatter_add_rows(rk_program *p, rk_value table, rk_value x, rk_row_set rows,
                              float alpha)
{
    return weighted(p, MAKE(RK_OP_SCATTER_ADD_ROWS, table, x, rows.rows, rows.count), alpha);
}

rk_value rk__select_negatives(rk_program *p, rk_value final, rk_row_set rows, rk_value state,
                              int64_t batch)
{
    rk_node node = MAKE(RK_OP_SELECT_NEGATIVES, final, rows.slot_row, state);
    node.attr.batch = batch;
    return first_output(p, node);
}

static void register_loss(rk_program *p, rk_value value, int32_t slot)
{
    if (value == RK_NONE) {
        return;
    }
    RK_ASSERT(p->n_losses < (int32_t)(sizeof p->losses / sizeof p->losses[0]));
    p->losses[p->n_losses++] = (rk_loss_term){value, slot};
}

void rk__bpr_loss(rk_program *p, rk_value final, rk_row_set rows, rk_value chosen, rk_value state,
                  int64_t batch)
{
    rk_node node = MAKE(RK_OP_BPR_LOSS, final, rows.slot_row, state, chosen);
    node.attr.batch = batch;
    register_loss(p, first_output(p, node), 1);
}

/* Outputs 0 and 1 of a node, both RK_NONE after a failure. */
static void two_outputs(rk_program *p, rk_node node, rk_value *first, rk_value *second)
{
    int32_t n = rk__append(p, node);
    *first = n < 0 ? RK_NONE : p->nodes[n].out[0];
    *second = n < 0 ? RK_NONE : p->nodes[n].out[1];
}

rk_unit_values rk__unit_slots(rk_program *p, rk_value x, rk_row_set rows, rk_value table,
                              bool cosine)
{
    rk_unit_values out;
    rk_node node = MAKE(RK_OP_UNIT_SLOTS, x, rows.slot_row, rows.rows, table);
    node.attr.unit.cosine = cosine;
    two_outputs(p, node, &out.unit, &out.bias);
    return out;
}

rk_attend_values rk__attend(rk_program *p, rk_value unit, rk_value bias, rk_attend_attr attr)
{
    rk_attend_values out;
    rk_node node = MAKE(RK_OP_ATTEND, unit, bias);
    node.attr.attend = attr;
    two_outputs(p, node, &out.lse, &out.mean);
    return out;
}

void rk__softmax_loss(rk_program *p, rk_value final, rk_row_set rows, rk_value logit_bias,
                      rk_value state, rk_softmax_attr attr)
{
    rk_unit_values slots = rk__unit_slots(p, final, rows, logit_bias, attr.cosine);
    rk_attend_values items = rk__attend(p, slots.unit, slots.bias,
                                        (rk_attend_attr){.first_query = 0,
                                                         .first_key = attr.batch,
                                                         .n = attr.batch,
                                                         .scale = 1 / attr.temperature,
                                                         .skip_diagonal = attr.exclude_positive});
    rk_node node = MAKE(RK_OP_SOFTMAX_LOSS, slots.unit, slots.bias, items.lse, items.mean, state);
    node.attr.softmax = attr;
    register_loss(p, first_output(p, node), 1);
}

void rk__align_uniform_loss(rk_program *p, rk_value final, rk_row_set rows, rk_value state,
                            rk_align_attr attr)
{
    /* e^(-2 |x - y|^2) = e^(4 <x, y> - 4) for unit vectors */
    rk_attend_attr pairs = {.n = attr.batch, .scale = 4, .skip_diagonal = true};
    rk_unit_values slots = rk__unit_slots(p, final, rows, RK_NONE, true);
    rk_attend_values users = rk__attend(p, slots.unit, slots.bias, pairs);
    pairs.first_query = pairs.first_key = attr.batch;
    rk_attend_values items = rk__attend(p, slots.unit, slots.bias, pairs);
    rk_node node = MAKE(RK_OP_ALIGN_UNIFORM_LOSS, slots.unit, users.lse, users.mean, items.lse,
                        items.mean, state);
    node.attr.align = attr;
    register_loss(p, first_output(p, node), 1);
}

void rk__slot_loss(rk_program *p, rk_value final, rk_row_set rows, rk_value factor, rk_value state,
                   bool cosine, rk_slot_attr attr)
{
    rk_value x = final;
    if (cosine) {
        x = rk__unit_rows(p, final, RK_NONE);
    }
    rk_node node = MAKE(RK_OP_SLOT_LOSS, x, rows.slot_row, rows.rows, state, factor);
    node.attr.slot = attr;
    register_loss(p, first_output(p, node), 1);
}

rk_value rk__neighbour_slots(rk_program *p, rk_value nodes, rk_value items, rk_neighbour_attr attr)
{
    rk_node node = MAKE(RK_OP_NEIGHBOUR_SLOTS, nodes, items);
    node.attr.neighbour = attr;
    return first_output(p, node);
}

void rk__neighbour_loss(rk_program *p, rk_value x, rk_row_set rows, rk_value nodes,
                        rk_value weights, rk_value state, bool cosine, rk_neighbour_attr attr)
{
    if (cosine) {
        x = rk__unit_rows(p, x, RK_NONE);
    }
    rk_node node = MAKE(RK_OP_NEIGHBOUR_LOSS, x, rows.slot_row, nodes, weights, state);
    node.attr.neighbour = attr;
    register_loss(p, first_output(p, node), 3);
}

void rk__l2_loss(rk_program *p, rk_value x, rk_row_set rows, rk_value chosen, rk_value state,
                 rk_l2_attr attr)
{
    rk_node node = MAKE(RK_OP_L2_LOSS, x, rows.segments, rows.order, rows.count, state, chosen);
    node.attr.l2 = attr;
    register_loss(p, first_output(p, node), 2);
}

rk_value rk__perturb(rk_program *p, rk_value x, rk_value state, const rk_row_set *rows,
                     rk_perturb_attr attr)
{
    rk_node node =
        MAKE(RK_OP_PERTURB, x, state, rows ? rows->rows : RK_NONE, rows ? rows->count : RK_NONE);
    node.attr.perturb = attr;
    return first_output(p, node);
}

void rk__contrast_loss(rk_program *p, rk_value first, rk_value second, rk_row_set rows,
                       rk_contrast_attr attr)
{
    rk_unit_values stack;
    rk_attend_values of[2];
    rk_node node =
        MAKE(RK_OP_CONTRAST_SLOTS, first, second, rows.slot_row, rows.segments, rows.order);
    node.attr.contrast = attr;
    two_outputs(p, node, &stack.unit, &stack.bias);
    for (int kind = 0; kind < 2; kind++) {
        of[kind] = rk__attend(p, stack.unit, stack.bias,
                              (rk_attend_attr){.first_query = kind * attr.batch,
                                               .first_key = (2 + kind) * attr.batch,
                                               .n = attr.batch,
                                               .scale = 1 / attr.temperature});
    }
    node = MAKE(RK_OP_CONTRAST_LOSS, stack.unit, stack.bias, of[0].lse, of[1].lse, of[0].mean,
                of[1].mean);
    node.attr.contrast = attr;
    register_loss(p, first_output(p, node), 3);
}

void rk__step_loss(rk_program *p, rk_value state)
{
    rk_value in[RK_MAX_INPUTS] = {state};
    rk_node node;
    for (int32_t i = 0; i < p->n_losses; i++) {
        in[1 + i] = p->losses[i].value;
    }
    node = make(RK_OP_STEP_LOSS, 1 + p->n_losses, in);
    for (int32_t i = 0; i < p->n_losses; i++) {
        node.attr.loss_slot[i] = p->losses[i].slot;
    }
    rk__append(p, node);
}

void rk__schedule(rk_program *p, rk_value state, rk_schedule rule)
{
    rk_node node = MAKE(RK_OP_SCHEDULE, state);
    node.attr.schedule = rule;
    rk__append(p, node);
}

rk_value rk__clip_factor(rk_program *p, const rk_value *gradients, int n, float limit)
{
    return weighted(p, make(RK_OP_CLIP_FACTOR, n, gradients), limit);
}

rk_value rk__clip(rk_program *p, rk_value x, rk_value factor, float limit)
{
    return weighted(p, MAKE(RK_OP_CLIP, x, factor), limit);
}

void rk__adam(rk_program *p, rk_value parameter, rk_value gradient, rk_value m, rk_value v,
              rk_value state, rk_adam_attr attr)
{
    rk_node node = MAKE(RK_OP_ADAM, parameter, gradient, m, v, state);
    node.attr.adam = attr;
    rk__append(p, node);
}

void rk__sgd(rk_program *p, rk_value parameter, rk_value gradient, rk_value state,
             double weight_decay)
{
    rk_node node = MAKE(RK_OP_SGD, parameter, gradient, state);
    node.attr.adam.weight_decay = weight_decay;
    rk__append(p, node);
}

void rk__step_advance(rk_program *p, rk_value state)
{
    rk__append(p, MAKE(RK_OP_STEP_ADVANCE, state));
}

void rk__score_topk(rk_program *p, rk_topk_values v, rk_topk_attr attr)
{
    rk_node node = MAKE(RK_OP_SCORE_TOPK, v.final, v.users, v.train_offsets, v.train_columns,
                        v.other_offsets, v.other_columns);
    node.attr.topk = attr;
    node.out[0] = v.items;
    node.out[1] = v.scores;
    rk__append(p, node);
}
