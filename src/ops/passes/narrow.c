/*
 * Half the bytes for what propagations gather (train.propagation = fp16).
 *
 * A propagation fetches a row of its table for every edge and writes one for every node, so its
 * cost is the bytes of a row. A table that is made by a propagation and read by propagations and at
 * the rows of batches alone becomes RK_F16 where it stands. Any other table that a full propagation
 * gathers (a parameter; a sum that somebody else reads) gets a copy: one pass over it against
 * a fetch per edge. At the rows of a batch so few edges are fetched that a copy would not pay. The
 * copy of a parameter need not be made in each step: where an operation updates it that has its
 * rows at hand, that one makes their halves, too, for the next step.
 */
#include <string.h>

#include "base/alloc.h"
#include "ops/passes/passes.h"

typedef struct use {
    bool narrow;    /* becomes RK_F16 where it stands */
    bool is_needed; /* as floats: by an operation that takes nothing else */
    rk_value copy;  /* as RK_F16, or RK_NONE */
} use;

/* Does it gather input 3 for all rows? */
static bool gathers(const rk_node *node)
{
    return rk__op_info(node->op)->flags & RK_OP_IS_GATHERS;
}

static bool takes_halves(const rk_node *node, int32_t j)
{
    return rk__op_info(node->op)->halves_in >> j & 1;
}

static bool gives_halves(const rk_program *p, const rk_tensor *t)
{
    if (t->stored >= 0 || t->producer < 0 || t->alias_of != RK_NONE) {
        return false;
    }
    return rk__op_info(p->nodes[t->producer].op)->halves_out & 1;
}

static void survey(const rk_program *p, use *uses)
{
    for (int32_t i = 0; i < p->n_nodes; i++) {
        const rk_node *node = &p->nodes[i];
        for (int32_t j = 0; j < node->n_inputs; j++) {
            if (node->in[j] == RK_NONE) {
                continue;
            }
            use *u = &uses[node->in[j]];
            bool takes = takes_halves(node, j);
            u->narrow = u->narrow || takes;
            u->is_needed = u->is_needed || !takes;
        }
    }
    for (rk_value v = 0; v < p->n_tensors; v++) {
        uses[v].narrow = uses[v].narrow && !uses[v].is_needed && gives_halves(p, &p->tensors[v]);
        uses[v].copy = RK_NONE;
    }
}

/* The node again, its gathers from copies. */
static void append_narrowed(rk_program *p, use *uses, rk_node node)
{
    rk_value updated = rk__updated_parameter(p, &node);
    if (gathers(&node) && !uses[node.in[3]].narrow) {
        use *u = &uses[node.in[3]];
        u->copy = u->copy == RK_NONE ? rk__narrow(p, node.in[3]) : u->copy;
        node.in[3] = u->copy;
    }
    rk__append(p, node);
    if (updated != RK_NONE) {
        uses[updated].copy = RK_NONE; /* it is stale now */
    }
}

rk_status rk__program_narrow(rk_program *p)
{
    RK_TRY(p->status);
    RK_ASSERT(!p->planned);
    use *uses = NULL;
    int32_t n_nodes = p->n_nodes, n_tensors = p->n_tensors;
    RK_TRY(rk__calloc(&uses, n_tensors + 1, sizeof *uses, "narrowing"));
    survey(p, uses);
    rk_node *nodes = rk__take_nodes(p);
    for (int32_t i = 0; i < n_nodes && p->status == RK_OK; i++) {
        append_narrowed(p, uses, nodes[i]);
    }
    for (rk_value v = 0; v < n_tensors; v++) {
        if (uses[v].narrow) {
            p->tensors[v].dtype = RK_F16;
        }
    }
    rk__free(nodes);
    rk__free(uses);
    p->passes[RK_PASS_NARROW] = (rk_pass_count){n_nodes, p->n_nodes};
    return p->status;
}

/* ---- halves that live from step to step ---- */

typedef struct kept {
    int32_t narrow, update; /* nodes; -1 = none, or not one */
} kept;

static kept find_kept(const rk_program *p, int32_t parameter)
{
    kept found = {-1, -1};
    int n = 0;
    for (int32_t i = 0; i < p->n_nodes; i++) {
        const rk_node *node = &p->nodes[i];
        rk_value updated = rk__updated_parameter(p, node);
        bool is_update = updated != RK_NONE && p->tensors[updated].stored == parameter;
        bool joined =
            node->op == RK_OP_PROPAGATE_ADAM || node->op == RK_OP_PROPAGATE_FROM_ROWS_ADAM;
        if (node->op == RK_OP_NARROW && p->tensors[node->in[0]].stored == parameter) {
            found.narrow = i;
            n++;
        }
        found.update = is_update && joined ? i : found.update;
    }
    return n == 1 && found.narrow < found.update ? found : (kept){-1, -1};
}

bool rk__program_can_keep_halves(const rk_program *p, int32_t parameter)
{
    return p->status == RK_OK && find_kept(p, parameter).narrow >= 0;
}

rk_status rk__program_keep_halves(rk_program *p, int32_t parameter, int32_t halves)
{
    RK_TRY(p->status);
    RK_ASSERT(!p->planned);
    const kept at = find_kept(p, parameter);
    RK_ASSERT(at.narrow >= 0);
    rk_value now = rk__use(p, halves);
    RK_TRY(p->status);
    rk_node *nodes = p->nodes;
    rk_value before = nodes[at.narrow].out[0];
    for (int32_t i = 0; i < p->n_nodes; i++) {
        for (int32_t j = 0; j < nodes[i].n_inputs; j++) {
            nodes[i].in[j] = nodes[i].in[j] == before ? now : nodes[i].in[j];
        }
    }
    nodes[at.update].in[RK_PROPAGATE_ADAM_HALVES] = now;
    /* In place: what was narrowed is no longer what the rules of shapes say. */
    p->n_nodes--;
    memmove(nodes + at.narrow, nodes + at.narrow + 1,
            (size_t)(p->n_nodes - at.narrow) * sizeof *nodes);
    p->tensors[before].producer = -1; /* nothing refers to it any more */
    for (rk_value v = 0; v < p->n_tensors; v++) {
        p->tensors[v].producer -= p->tensors[v].producer > at.narrow;
    }
    p->passes[RK_PASS_NARROW].after = p->n_nodes;
    return p->status;
}
