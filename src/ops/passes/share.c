/*
 * Removing duplicate nodes: views of one model propagate the same table, each for itself.
 *
 * Only operations with the flag SHARES; nothing is overwritten before the backward pass, so equal
 * inputs and attributes mean equal results.
 */
#include <string.h>

#include "base/alloc.h"
#include "ops/passes/passes.h"

/* A node whose result is a stored tensor is there for that. */
static bool is_shared(const rk_program *p, const rk_node *node)
{
    return (rk__op_info(node->op)->flags & RK_OP_IS_SHARES) && p->tensors[node->out[0]].stored < 0;
}

static bool are_equal(const rk_node *a, const rk_node *b)
{
    return a->op == b->op && a->n_inputs == b->n_inputs &&
           memcmp(a->in, b->in, (size_t)a->n_inputs * sizeof *a->in) == 0 &&
           memcmp(&a->attr, &b->attr, sizeof a->attr) == 0;
}

static void replace(rk_program *p, int32_t first, rk_value old, rk_value new)
{
    for (int32_t i = first; i < p->n_nodes; i++) {
        for (int32_t j = 0; j < p->nodes[i].n_inputs; j++) {
            p->nodes[i].in[j] = p->nodes[i].in[j] == old ? new : p->nodes[i].in[j];
        }
    }
    p->tensors[old].producer = -1; /* nothing refers to it any more */
}

rk_status rk__program_share(rk_program *p)
{
    RK_TRY(p->status);
    RK_ASSERT(!p->planned);
    const int32_t n = p->n_nodes;
    bool *is_gone = NULL;
    RK_TRY(rk__calloc(&is_gone, n + 1, sizeof *is_gone, "joining equal nodes"));
    for (int32_t i = 0; i < n; i++) {
        for (int32_t j = 0; j < i && is_shared(p, &p->nodes[i]) && !is_gone[i]; j++) {
            if (!is_gone[j] && are_equal(&p->nodes[i], &p->nodes[j])) {
                RK_ASSERT(p->nodes[i].n_outputs == 1);
                is_gone[i] = true;
                replace(p, i + 1, p->nodes[i].out[0], p->nodes[j].out[0]);
            }
        }
    }
    rk_node *nodes = rk__take_nodes(p);
    for (int32_t i = 0; i < n; i++) {
        if (!is_gone[i]) {
            rk__append(p, nodes[i]);
        }
    }
    rk__free(nodes);
    rk__free(is_gone);
    p->passes[RK_PASS_SHARE] = (rk_pass_count){n, p->n_nodes};
    return p->status;
}
