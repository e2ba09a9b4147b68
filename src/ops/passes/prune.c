/*
 * Removing nodes whose results nobody reads: gradients of what is no parameter, parts of a loss
 * that an option left out. What writes to stored tensors stays, and so do the loss terms.
 */
#include "base/alloc.h"
#include "ops/passes/passes.h"

static void read_inputs(const rk_node *node, bool *is_read)
{
    for (int32_t j = 0; j < node->n_inputs; j++) {
        if (node->in[j] != RK_NONE) {
            is_read[node->in[j]] = true;
        }
    }
}

static bool is_live(const rk_program *p, const rk_node *node, const bool *is_read)
{
    bool lives = rk__op_info(node->op)->updates != 0;
    for (int32_t j = 0; j < node->n_outputs; j++) {
        lives = lives || is_read[node->out[j]] || p->tensors[node->out[j]].stored >= 0;
    }
    return lives;
}

rk_status rk__program_prune(rk_program *p)
{
    RK_TRY(p->status);
    RK_ASSERT(!p->planned);
    bool *is_read = NULL;
    RK_TRY(rk__calloc(&is_read, p->n_tensors + 1, sizeof *is_read, "pruning a program"));
    for (int32_t i = 0; i < p->n_terms; i++) {
        is_read[p->terms[i].value] = true;
    }
    int32_t n = p->n_nodes;
    rk_node *nodes = rk__take_nodes(p);
    for (int32_t i = n - 1; i >= 0; i--) { /* readers come behind what they read */
        if (is_live(p, &nodes[i], is_read)) {
            read_inputs(&nodes[i], is_read);
        } else {
            for (int32_t j = 0; j < nodes[i].n_outputs; j++) {
                p->tensors[nodes[i].out[j]].producer = -1;
            }
            nodes[i].op = RK_OP_COUNT; /* is gone */
        }
    }
    for (int32_t i = 0; i < n; i++) {
        if (nodes[i].op != RK_OP_COUNT) {
            rk__append(p, nodes[i]);
        }
    }
    rk__free(nodes);
    rk__free(is_read);
    p->passes[RK_PASS_PRUNE] = (rk_pass_count){n, p->n_nodes};
    return p->status;
}
