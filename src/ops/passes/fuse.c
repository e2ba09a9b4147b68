/*
 * Joining nodes into one pass over a table.
 *
 * The gradient of a table is a propagation, then what the batch adds at its rows, then (for a
 * parameter) the Adam step. Done one after the other, each reads and writes the whole table or
 * fetches scattered rows of it anew; joined, a row is finished while it is in the first-level cache
 * or in registers, and the gradient of a parameter is never written at all.
 *
 * The layers of a model at the rows of a batch are summed where the last one is computed.
 *
 * Scores of a tile of queries are looked through while they are in the cache, and never written.
 *
 * Joined are nodes whose middle result nobody else reads, with the arithmetic in the same order.
 */
#include <string.h>

#include "base/alloc.h"
#include "ops/passes/passes.h"

typedef struct fusion {
    rk_program *p;
    int32_t *readers; /* by value */
    bool *is_gone;    /* by node: it is part of a later one now */
} fusion;

/* Is one of the node's inputs overwritten by nodes (first, last)? Then it cannot move down there.
 */
static bool is_overtaken(const rk_program *p, const rk_node *node, int32_t first, int32_t last)
{
    for (int32_t i = first + 1; i < last; i++) {
        const rk_node *between = &p->nodes[i];
        rk_value updated = rk__updated_parameter(p, between);
        if (updated != RK_NONE && rk__reads(node, updated)) {
            return true;
        }
        for (int32_t j = 0; j < between->n_outputs; j++) {
            rk_value taken = p->tensors[between->out[j]].alias_of;
            if ((taken != RK_NONE && rk__reads(node, taken)) || rk__reads(node, between->out[j])) {
                return true;
            }
        }
    }
    return false;
}

/* The node that makes `value` for node `reader` alone and can move down there, or -1. */
static int32_t producer_for(const fusion *f, rk_value value, int32_t reader)
{
    const rk_program *p = f->p;
    const rk_tensor *t = &p->tensors[value];
    if (t->stored >= 0 || t->producer < 0 || f->readers[value] != 1) {
        return -1;
    }
    return is_overtaken(p, &p->nodes[t->producer], t->producer, reader) ? -1 : t->producer;
}

/* The same, if that is a propagation. */
static int32_t propagation_for(const fusion *f, rk_value value, int32_t reader)
{
    int32_t from = producer_for(f, value, reader);
    rk_op op = from < 0 ? RK_OP_COUNT : f->p->nodes[from].op;
    return op == RK_OP_PROPAGATE || op == RK_OP_PROPAGATE_FROM_ROWS ? from : -1;
}

/* The map of the row set that `rows` belongs to; RK_NONE if no node of the program made it. */
static rk_value map_of(const rk_program *p, rk_value rows)
{
    int32_t producer = p->tensors[rows].producer;
    bool is_set = producer >= 0 && p->nodes[producer].op == RK_OP_UNIQUE_ROWS;
    return is_set ? rk__row_set_of(p, rows).map : RK_NONE;
}

static void put(fusion *f, int32_t i, const rk_node *joined, int32_t gone)
{
    f->p->tensors[f->p->nodes[gone].out[0]].producer = -1; /* nothing refers to it any more */
    f->is_gone[gone] = true;
    f->p->nodes[i] = *joined;
}

/* propagate, scatter_add_rows -> propagate with one more table */
static void join_rows(fusion *f, int32_t i)
{
    rk_program *p = f->p;
    const rk_node *scatter = &p->nodes[i];
    int32_t from = propagation_for(f, scatter->in[0], i);
    rk_value map = map_of(p, scatter->in[2]);
    if (from < 0 || map == RK_NONE) {
        return;
    }
    rk_node joined = p->nodes[from];
    int32_t n_added =
        joined.n_inputs > RK_PROPAGATE_ADDED ? joined.n_inputs - RK_PROPAGATE_ADDED : 0;
    /* Room for this one, and for the five inputs of Adam. */
    if (RK_PROPAGATE_ADAM_ADDED + n_added + 1 > RK_MAX_INPUTS ||
        (joined.n_inputs > 4 && joined.in[4] != map)) {
        return;
    }
    joined.in[4] = map;
    joined.in[RK_PROPAGATE_ADDED + n_added] = scatter->in[1];
    joined.n_inputs = RK_PROPAGATE_ADDED + n_added + 1;
    joined.attr.weight[1 + n_added] = scatter->attr.weight[0];
    joined.out[0] = scatter->out[0];
    p->tensors[joined.out[0]].alias_of = RK_NONE;
    put(f, i, &joined, from);
}

/* propagate, adam -> propagate_adam */
static void join_adam(fusion *f, int32_t i)
{
    rk_program *p = f->p;
    const rk_node *adam = &p->nodes[i];
    int32_t from = propagation_for(f, adam->in[1], i);
    if (from < 0 || rk__reads(&p->nodes[from], adam->in[0])) {
        return;
    }
    rk_node joined = p->nodes[from];
    int32_t n_added =
        joined.n_inputs > RK_PROPAGATE_ADDED ? joined.n_inputs - RK_PROPAGATE_ADDED : 0;
    rk_value map = joined.n_inputs > 4 ? joined.in[4] : RK_NONE;
    memmove(joined.in + RK_PROPAGATE_ADAM_ADDED, joined.in + RK_PROPAGATE_ADDED,
            (size_t)n_added * sizeof *joined.in);
    const rk_value update[] = {map, adam->in[0], adam->in[2], adam->in[3], adam->in[4], RK_NONE};
    memcpy(joined.in + 4, update, sizeof update);
    joined.op =
        joined.op == RK_OP_PROPAGATE ? RK_OP_PROPAGATE_ADAM : RK_OP_PROPAGATE_FROM_ROWS_ADAM;
    joined.n_inputs = RK_PROPAGATE_ADAM_ADDED + n_added;
    joined.attr.update.adam = adam->attr.adam;
    put(f, i, &joined, from);
}

/* combine_rows, propagate_rows, their sum -> propagate_rows with whole tables: the layers of a
 * model at the rows of a batch, the last of them computed there only. */
static void join_layers(fusion *f, int32_t i)
{
    rk_program *p = f->p;
    const rk_node *sum = &p->nodes[i];
    if (sum->n_inputs != 2 || sum->attr.weight[0] != 1 || sum->attr.weight[1] != 1) {
        return;
    }
    int32_t tables = producer_for(f, sum->in[0], i), last = producer_for(f, sum->in[1], i);
    if (tables < 0 || last < 0 || p->nodes[tables].op != RK_OP_COMBINE_ROWS ||
        p->nodes[last].op != RK_OP_PROPAGATE_ROWS) {
        return;
    }
    const rk_node *gather = &p->nodes[tables];
    rk_node joined = p->nodes[last];
    int32_t n = gather->n_inputs - 2;
    if (joined.n_inputs != RK_PROPAGATE_ROWS_ADDED || gather->in[0] != joined.in[4] ||
        RK_PROPAGATE_ROWS_ADDED + n > RK_MAX_INPUTS) {
        return;
    }
    memcpy(joined.in + RK_PROPAGATE_ROWS_ADDED, gather->in + 2, (size_t)n * sizeof *joined.in);
    memcpy(joined.attr.weight + 1, gather->attr.weight, (size_t)n * sizeof *joined.attr.weight);
    joined.n_inputs += n;
    joined.out[0] = sum->out[0];
    put(f, i, &joined, tables);
    put(f, i, &joined, last);
}

/* score_dot, top_k -> score_topk */
static void join_scores(fusion *f, int32_t i)
{
    rk_program *p = f->p;
    const rk_node *top = &p->nodes[i];
    int32_t from = producer_for(f, top->in[0], i);
    if (from < 0 || p->nodes[from].op != RK_OP_SCORE_DOT || p->nodes[from].in[2] != top->in[4] ||
        top->attr.topk.items.first != 0) {
        return;
    }
    const rk_node *dot = &p->nodes[from];
    const rk_value in[] = {dot->in[0], dot->in[1], top->in[1], top->in[2], top->in[3], top->in[4]};
    rk_node joined = *top;
    joined.op = RK_OP_SCORE_TOPK;
    joined.n_inputs = (int32_t)(sizeof in / sizeof in[0]);
    memcpy(joined.in, in, sizeof in);
    joined.attr.topk.items = dot->attr.range;
    put(f, i, &joined, from);
}

static void count_readers(fusion *f)
{
    for (int32_t i = 0; i < f->p->n_nodes; i++) {
        for (int32_t j = 0; j < f->p->nodes[i].n_inputs; j++) {
            rk_value v = f->p->nodes[i].in[j];
            f->readers[v == RK_NONE ? 0 : v] += v != RK_NONE;
        }
    }
}

rk_status rk__program_fuse(rk_program *p)
{
    RK_TRY(p->status);
    RK_ASSERT(!p->planned);
    rk_status status = RK_OK;
    fusion f = {.p = p};
    rk_node *nodes = NULL;
    int32_t n = p->n_nodes;
    RK_TRY_GOTO(done, rk__calloc(&f.readers, p->n_tensors + 1, sizeof *f.readers, "fusing"));
    RK_TRY_GOTO(done, rk__calloc(&f.is_gone, n + 1, sizeof *f.is_gone, "fusing"));
    count_readers(&f);
    for (int32_t i = 0; i < n; i++) {
        if (p->nodes[i].op == RK_OP_SCATTER_ADD_ROWS) {
            join_rows(&f, i);
        } else if (p->nodes[i].op == RK_OP_ADAM) {
            join_adam(&f, i);
        } else if (p->nodes[i].op == RK_OP_TOP_K) {
            join_scores(&f, i);
        } else if (p->nodes[i].op == RK_OP_COMBINE) {
            join_layers(&f, i);
        }
    }
    nodes = rk__take_nodes(p);
    for (int32_t i = 0; i < n; i++) {
        if (!f.is_gone[i]) {
            rk__append(p, nodes[i]);
        }
    }
    p->passes[RK_PASS_FUSE] = (rk_pass_count){n, p->n_nodes};
    status = p->status;
done:
    rk__free(f.readers);
    rk__free(f.is_gone);
    rk__free(nodes);
    return status;
}
