#include "ops/lanes.h"

#include "base/alloc.h"

typedef struct use {
    rk_value root; /* the tensor whose memory it is */
    bool writes;
} use;

enum { MOST_USES = RK_MAX_INPUTS + RK_MAX_OUTPUTS };

rk_value rk__memory_of(const rk_program *p, rk_value v)
{
    while (p->tensors[v].alias_of != RK_NONE) {
        v = p->tensors[v].alias_of;
    }
    return v;
}

static int uses_of(const rk_program *p, const rk_node *node, use out[MOST_USES])
{
    uint32_t updates = rk__op_info(node->op)->updates;
    int n = 0;
    for (int32_t i = 0; i < node->n_inputs; i++) {
        if (node->in[i] != RK_NONE) {
            out[n++] = (use){rk__memory_of(p, node->in[i]), updates >> i & 1u};
        }
    }
    for (int32_t i = 0; i < node->n_outputs; i++) {
        out[n++] = (use){rk__memory_of(p, node->out[i]), true};
    }
    return n;
}

/* A stored tensor has one value in a program (rk__use), but what is assigned to it has another. */
static bool is_same(const rk_program *p, rk_value a, rk_value b)
{
    int32_t stored = p->tensors[a].stored;
    return a == b || (stored >= 0 && stored == p->tensors[b].stored);
}

bool rk__nodes_depend(const rk_program *p, const rk_node *a, const rk_node *b)
{
    use of_a[MOST_USES], of_b[MOST_USES];
    int n_a = uses_of(p, a, of_a), n_b = uses_of(p, b, of_b);
    for (int i = 0; i < n_a; i++) {
        for (int j = 0; j < n_b; j++) {
            if ((of_a[i].writes || of_b[j].writes) && is_same(p, of_a[i].root, of_b[j].root)) {
                return true;
            }
        }
    }
    return false;
}

static void know(int32_t before[RK_LANES], const int32_t more[RK_LANES])
{
    for (int lane = 0; lane < RK_LANES; lane++) {
        before[lane] = more[lane] > before[lane] ? more[lane] : before[lane];
    }
}

/* The node i that is complete, and all that was complete when it started. */
static void know_node(const rk_program *p, const rk_lane_order *orders, int32_t before[RK_LANES],
                      int32_t i)
{
    int32_t lane = p->nodes[i].lane;
    know(before, orders[i].before);
    before[lane] = i > before[lane] ? i : before[lane];
}

rk_status rk__program_lane_order(const rk_program *p, rk_lane_order **out)
{
    rk_lane_order *orders = NULL;
    int32_t last[RK_LANES] = {-1, -1};
    RK_TRY(rk__alloc(&orders, p->n_nodes, sizeof *orders, "the lanes of a program"));
    for (int32_t i = 0; i < p->n_nodes; i++) {
        rk_lane_order *order = &orders[i];
        const int32_t own = p->nodes[i].lane, other = !own;
        *order = (rk_lane_order){-1, {-1, -1}};
        if (last[own] >= 0) {
            know_node(p, orders, order->before, last[own]);
        }
        for (int32_t j = last[other]; j > order->before[other];
             j--) { /* the last one says it all */
            if (p->nodes[j].lane == other && rk__nodes_depend(p, &p->nodes[i], &p->nodes[j])) {
                order->waits = j;
                know_node(p, orders, order->before, j);
            }
        }
        last[own] = i;
    }
    *out = orders;
    return RK_OK;
}
