/* Appending nodes and naming stored tensors; the operations' own functions are in families/. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "ops/family.h"
#include "ops/passes/passes.h"

static const struct {
    rk_status (*shape)(const rk_program *p, const rk_node *node, rk_shape *out);
} rules[RK_OP_COUNT] = {
#define RK_OP_ROW(ENUM, name, ...) {rk__shape_##name},
#include "ops/ops.def"
};

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

rk_status rk__shapes_of(const rk_program *p, const rk_node *node, rk_shape out[RK_MAX_OUTPUTS])
{
    return rules[node->op].shape(p, node, out);
}

static rk_status append(rk_program *p, rk_node *node)
{
    const rk_op_info *info = rk__op_info(node->op);
    rk_shape shapes[RK_MAX_OUTPUTS];
    RK_ASSERT(!p->planned && node->n_inputs >= info->min_inputs &&
              node->n_inputs <= info->max_inputs);
    RK_TRY(grow(p, RK_MAX_OUTPUTS));
    node->n_outputs = info->n_outputs;
    RK_TRY(rules[node->op].shape(p, node, shapes));
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

const rk_node *rk__append(rk_program *p, rk_node node)
{
    if (p->status == RK_OK) {
        p->status = append(p, &node);
    }
    return p->status == RK_OK ? &p->nodes[p->n_nodes - 1] : NULL;
}

rk_value rk__append_value(rk_program *p, rk_node node)
{
    const rk_node *made = rk__append(p, node);
    return made ? made->out[0] : RK_NONE;
}

rk_value rk__append_weighted(rk_program *p, rk_node node, float alpha)
{
    node.attr.weight[0] = alpha;
    return rk__append_value(p, node);
}

rk_node *rk__take_nodes(rk_program *p)
{
    rk_node *nodes = p->nodes;
    p->nodes = NULL;
    p->n_nodes = p->node_capacity = 0;
    return nodes;
}

rk_node rk__node(rk_op op, int32_t n, const rk_value *in)
{
    rk_node node;
    RK_ASSERT(n <= RK_MAX_INPUTS);
    memset(&node, 0, sizeof node); /* of the attributes every byte: passes compare them */
    node.op = op;
    node.n_inputs = n;
    memcpy(node.in, in, (size_t)n * sizeof *in);
    for (int32_t i = 0; i < RK_MAX_OUTPUTS; i++) {
        node.out[i] = RK_NONE;
    }
    return node;
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
    const bool is_whole = s->all_columns > 0 && p->passes[RK_PASS_SHARD].after == 0;
    rk_tensor *t = &p->tensors[p->n_tensors];
    *t = (rk_tensor){.dtype = s->dtype,
                     .rows = s->rows,
                     .cols = is_whole ? s->all_columns : s->cols,
                     .first_column = is_whole ? 0 : s->first_column,
                     .all_columns = is_whole ? 0 : s->all_columns,
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
        rk_node copy = RK_NODE(RK_OP_COMBINE, value);
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

void rk__program_add_term(rk_program *p, const char *name, rk_value value)
{
    if (p->status != RK_OK || value == RK_NONE) {
        return;
    }
    RK_ASSERT(strlen(name) < RK_NAME_LENGTH);
    if (p->n_terms == p->term_capacity) {
        int32_t capacity = 2 * p->term_capacity + 4;
        p->status = rk__realloc(&p->terms, p->n_terms, capacity, sizeof *p->terms,
                                "a program's loss terms");
        if (p->status != RK_OK) {
            return;
        }
        p->term_capacity = capacity;
    }
    rk_loss_term *term = &p->terms[p->n_terms++];
    term->value = value;
    snprintf(term->name, sizeof term->name, "%s", name);
}

int32_t rk__find_named(const rk_program *p, const char *name)
{
    char own[RK_NAME_LENGTH];
    int length = snprintf(own, sizeof own, "%s%s", p->prefix, name);
    RK_ASSERT(length >= 0 && (size_t)length < sizeof own);
    int32_t found = rk__store_find(p->store, own);
    return found >= 0 || !p->prefix[0] ? found : rk__store_find(p->store, name);
}

rk_value rk__use_named(rk_program *p, const char *name)
{
    return rk__use(p, rk__find_named(p, name));
}

void rk__assign_named(rk_program *p, const char *name, rk_value value)
{
    rk__assign(p, rk__find_named(p, name), value);
}
