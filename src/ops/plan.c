/*
 * Verification and memory planning. Both see a program as a straight line of nodes: node i reads
 * its inputs, then writes its outputs.
 *
 * Planning: every temporary lives from the node that writes it to the last nodes, one a lane, that
 * read it; an in-place output continues the life of the tensor it takes over. Tensors are placed
 * largest first at the lowest offset where no placed tensor stands that may be alive at the same
 * time (ops/lanes.h).
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "ops/lanes.h"

enum { ARENA_ALIGNMENT = 64 };

/* ---- verification ---- */

/* Inputs written before, in-place targets not read later, temporaries written once. */
static rk_status verify_node(const rk_program *p, int32_t i, bool *written, bool *consumed)
{
    const rk_node *node = &p->nodes[i];
    for (int32_t j = 0; j < node->n_inputs; j++) {
        rk_value v = node->in[j];
        if (v == RK_NONE) {
            continue;
        }
        const rk_tensor *t = &p->tensors[v];
        if (t->stored < 0 && !written[v]) {
            RK_FAIL(RK_ERR_INTERNAL,
                    "program %s, node %d (%s): input %s is read before it is written", p->name, i,
                    rk__op_name(node->op), t->name);
        }
        if (consumed[v]) {
            RK_FAIL(RK_ERR_INTERNAL,
                    "program %s, node %d (%s): input %s was overwritten in place before", p->name,
                    i, rk__op_name(node->op), t->name);
        }
    }
    for (int32_t j = 0; j < node->n_outputs; j++) {
        rk_value v = node->out[j];
        if (written[v]) {
            RK_FAIL(RK_ERR_INTERNAL, "program %s, node %d (%s): %s is written twice", p->name, i,
                    rk__op_name(node->op), p->tensors[v].name);
        }
        written[v] = true;
        if (p->tensors[v].alias_of != RK_NONE) {
            consumed[p->tensors[v].alias_of] = true;
        }
    }
    return RK_OK;
}

/* A program that was not sharded would work on columns that are not here. */
static rk_status verify_stored(const rk_program *p)
{
    for (rk_value v = 0; v < p->n_tensors; v++) {
        const rk_tensor *t = &p->tensors[v];
        if (t->stored >= 0 && t->cols != p->store->items[t->stored].cols) {
            RK_FAIL(RK_ERR_INTERNAL, "program %s: %s has other columns in the store", p->name,
                    t->name);
        }
    }
    return RK_OK;
}

rk_status rk__program_verify(const rk_program *p)
{
    RK_TRY(p->status);
    RK_TRY(verify_stored(p));
    rk_status status = RK_OK;
    bool *written = NULL, *consumed = NULL;
    int32_t *updates = NULL;
    RK_TRY_GOTO(done, rk__calloc(&written, p->n_tensors, sizeof *written, "verification"));
    RK_TRY_GOTO(done, rk__calloc(&consumed, p->n_tensors, sizeof *consumed, "verification"));
    RK_TRY_GOTO(done, rk__calloc(&updates, p->n_tensors, sizeof *updates, "verification"));
    for (int32_t i = 0; i < p->n_nodes; i++) {
        RK_TRY_GOTO(done, verify_node(p, i, written, consumed));
        rk_value updated = rk__updated_parameter(p, &p->nodes[i]);
        if (updated != RK_NONE && updates[updated]++ > 0) {
            RK_FAIL_GOTO(done, RK_ERR_INTERNAL, "program %s, node %d (%s): %s is updated twice",
                         p->name, i, rk__op_name(p->nodes[i].op), p->tensors[updated].name);
        }
    }
done:
    rk__free(written);
    rk__free(consumed);
    rk__free(updates);
    return status;
}

/* ---- planning ---- */

typedef struct block {
    rk_value root;          /* the tensor whose memory it is; in-place outputs share it */
    int32_t first;          /* the node that writes it */
    int32_t last[RK_LANES]; /* the last node of each lane that uses it, -1 = none */
    int64_t bytes, offset;
} block;

typedef struct memory_plan {
    const rk_program *p;
    rk_lane_order *orders; /* of nodes */
    block *blocks, **neighbours;
    int32_t *block_of; /* of tensors that are roots */
    int32_t n;         /* blocks */
} memory_plan;

static int by_size_then_life(const void *left, const void *right)
{
    const block *a = left, *b = right;
    if (a->bytes != b->bytes) {
        return a->bytes > b->bytes ? -1 : 1;
    }
    return (a->first > b->first) - (a->first < b->first);
}

static int by_offset(const void *left, const void *right)
{
    const block *a = *(block *const *)left, *b = *(block *const *)right;
    return (a->offset > b->offset) - (a->offset < b->offset);
}

/* Is everybody done with a when b is written? */
static bool ends_before(const memory_plan *plan, const block *a, const block *b)
{
    const int32_t *complete = plan->orders[b->first].before;
    for (int lane = 0; lane < RK_LANES; lane++) {
        if (a->last[lane] > complete[lane]) {
            return false;
        }
    }
    return true;
}

/* The lowest offset for blocks[i] among the placed blocks[0..i) that may be alive with it. */
static int64_t lowest_gap(const memory_plan *plan, int32_t i)
{
    const block *b = &plan->blocks[i];
    block **neighbours = plan->neighbours;
    int32_t n = 0;
    for (int32_t j = 0; j < i; j++) {
        if (!ends_before(plan, &plan->blocks[j], b) && !ends_before(plan, b, &plan->blocks[j])) {
            neighbours[n++] = &plan->blocks[j];
        }
    }
    qsort(neighbours, (size_t)n, sizeof *neighbours, by_offset);
    int64_t offset = 0;
    for (int32_t j = 0; j < n; j++) {
        if (offset + b->bytes <= neighbours[j]->offset) {
            break;
        }
        int64_t end = neighbours[j]->offset + neighbours[j]->bytes;
        offset = end > offset ? end : offset;
    }
    return offset;
}

static void touch(const memory_plan *plan, rk_value v, int32_t node)
{
    const rk_program *p = plan->p;
    if (v == RK_NONE || p->tensors[v].stored >= 0) {
        return;
    }
    block *life = &plan->blocks[plan->block_of[rk__memory_of(p, v)]];
    life->first = life->first < 0 ? node : life->first;
    life->last[p->nodes[node].lane] = node;
}

static void find_lives(memory_plan *plan)
{
    const rk_program *p = plan->p;
    for (rk_value v = 0; v < p->n_tensors; v++) {
        const rk_tensor *t = &p->tensors[v];
        if (t->stored < 0 && t->alias_of == RK_NONE && t->producer >= 0) {
            int64_t bytes =
                (rk__tensor_bytes(t) + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
            plan->block_of[v] = plan->n;
            plan->blocks[plan->n++] =
                (block){.root = v, .first = -1, .last = {-1, -1}, .bytes = bytes};
        }
    }
    for (int32_t i = 0; i < p->n_nodes; i++) {
        const rk_node *node = &p->nodes[i];
        for (int32_t j = 0; j < node->n_inputs; j++) {
            touch(plan, node->in[j], i);
        }
        for (int32_t j = 0; j < node->n_outputs; j++) {
            touch(plan, node->out[j], i);
        }
    }
}

static void place(rk_program *p, const memory_plan *plan)
{
    qsort(plan->blocks, (size_t)plan->n, sizeof *plan->blocks, by_size_then_life);
    p->arena_bytes = 0;
    for (int32_t i = 0; i < plan->n; i++) {
        block *b = &plan->blocks[i];
        b->offset = lowest_gap(plan, i);
        int64_t end = b->offset + b->bytes;
        p->arena_bytes = end > p->arena_bytes ? end : p->arena_bytes;
        p->tensors[b->root].offset = b->offset;
    }
    for (rk_value v = 0; v < p->n_tensors; v++) {
        if (p->tensors[v].alias_of != RK_NONE) {
            p->tensors[v].offset = p->tensors[rk__memory_of(p, v)].offset;
        }
    }
}

rk_status rk__program_plan(rk_program *p)
{
    RK_TRY(p->status);
    RK_ASSERT(!p->planned);
    rk_status status = RK_OK;
    const int64_t n = p->n_tensors;
    memory_plan plan = {.p = p};
    RK_TRY_GOTO(done, rk__program_lane_order(p, &plan.orders));
    RK_TRY_GOTO(done, rk__calloc(&plan.blocks, n, sizeof *plan.blocks, "a memory plan"));
    RK_TRY_GOTO(done, rk__calloc(&plan.neighbours, n, sizeof *plan.neighbours, "a memory plan"));
    RK_TRY_GOTO(done, rk__calloc(&plan.block_of, n, sizeof *plan.block_of, "a memory plan"));
    find_lives(&plan);
    place(p, &plan);
    p->planned = true;
done:
    rk__free(plan.orders);
    rk__free(plan.blocks);
    rk__free(plan.neighbours);
    rk__free(plan.block_of);
    return status;
}
