/*
 * Two lanes for what does not depend on each other. Drawing a batch, sorting its nodes and the L2
 * term need no propagation, and the first propagations need no batch: on a device whose kernels are
 * small beside it, one hides the other.
 *
 * Of the nodes whose dependencies have a place the one is next that can start first, by a rough
 * cost: a launch, and the bytes it moves. Only times depend on the costs.
 */
#include <string.h>

#include "base/alloc.h"
#include "ops/lanes.h"
#include "ops/passes/passes.h"

/* Seconds that a node takes besides moving bytes; bytes a second. Of a large GPU. */
static const double launch = 3e-6, bandwidth = 2e12;

typedef struct schedule {
    const rk_program *p;
    const rk_node *nodes; /* of p before the pass, n */
    int32_t n;
    bool *depends; /* [n, n]: node i on the earlier node j */
    double *cost;  /* by node: seconds */
    double *end;   /* when it is done; below 0: it has no place yet */
    int32_t *lane; /* by node */
    double lane_end[RK_LANES];
} schedule;

/* What a node can do next. */
typedef struct start {
    double at;
    int32_t node, lane;
} start;

/* Row sets by their capacity, as if no node occurred twice, with edges as all nodes have them on
 * average. */
static void expect_batches(const rk_program *p, rk_batch_facts *batch)
{
    double degree = 0;
    int n = 0;
    for (int32_t i = 0; i < p->n_nodes; i++) {
        const rk_node *node = &p->nodes[i];
        if (rk__op_info(node->op)->flags & RK_OP_IS_GRAPH) {
            degree = rk__elements(&p->tensors[node->in[1]]) /
                     (rk__elements(&p->tensors[node->in[0]]) - 1);
        }
    }
    for (int32_t i = 0; i < p->n_nodes; i++) {
        if (p->nodes[i].op == RK_OP_UNIQUE_ROWS) {
            double rows = rk__elements(&p->tensors[p->nodes[i].out[0]]);
            batch[n++] = (rk_batch_facts){rows, rows * degree, rows * degree / 2};
        }
    }
}

static void look_at(schedule *s, const rk_batch_facts *batch)
{
    const rk_program *p = s->p;
    for (int32_t i = 0; i < s->n; i++) {
        s->cost[i] = launch + rk__node_traffic(p, &p->nodes[i], batch).bytes / bandwidth;
        s->end[i] = -1;
        for (int32_t j = 0; j < i; j++) {
            s->depends[i * s->n + j] = rk__nodes_depend(p, &p->nodes[i], &p->nodes[j]);
        }
    }
}

/* Where the node can start first; if it is the same, where what it waits for last was done, so that
 * lanes do not wait for each other in vain. Libraries have one stream. False: not yet. */
static bool can_start(const schedule *s, int32_t i, start *out)
{
    double ready = 0;
    int32_t lane = 0;
    for (int32_t j = 0; j < i; j++) {
        if (!s->depends[i * s->n + j]) {
            continue;
        }
        if (s->end[j] < 0) {
            return false;
        }
        if (s->end[j] > ready) {
            ready = s->end[j];
            lane = s->lane[j];
        }
    }
    if (rk__op_info(s->nodes[i].op)->flags & RK_OP_IS_LIBRARY) {
        lane = 0;
    } else if (s->lane_end[lane] > ready && s->lane_end[!lane] < s->lane_end[lane]) {
        lane = !lane;
    }
    *out = (start){s->lane_end[lane] > ready ? s->lane_end[lane] : ready, i, lane};
    return true;
}

/* The first of those that can start first. */
static start next_start(const schedule *s)
{
    start best = {0, -1, 0}, one;
    for (int32_t i = 0; i < s->n; i++) {
        if (s->end[i] < 0 && can_start(s, i, &one) && (best.node < 0 || one.at < best.at)) {
            best = one;
        }
    }
    RK_ASSERT(best.node >= 0);
    return best;
}

/* The nodes in their new order. */
static void place_all(rk_program *p, schedule *s)
{
    for (int32_t n = 0; n < s->n; n++) {
        const start next = next_start(s);
        rk_node node = s->nodes[next.node];
        node.lane = s->lane[next.node] = next.lane;
        s->end[next.node] = s->lane_end[next.lane] = next.at + s->cost[next.node];
        p->n_lanes = next.lane >= p->n_lanes ? next.lane + 1 : p->n_lanes;
        for (int32_t j = 0; j < node.n_outputs; j++) {
            p->tensors[node.out[j]].producer = n;
        }
        p->nodes[n] = node;
    }
}

rk_status rk__program_fork(rk_program *p)
{
    RK_TRY(p->status);
    RK_ASSERT(!p->planned);
    static const char *const what = "forking a program";
    rk_status status = RK_OK;
    schedule s = {.p = p, .n = p->n_nodes};
    rk_batch_facts *batch = NULL;
    rk_node *nodes = NULL;
    int64_t n = s.n > 0 ? s.n : 1;
    RK_TRY_GOTO(done, rk__calloc(&batch, rk__program_row_sets(p) + 1, sizeof *batch, what));
    RK_TRY_GOTO(done, rk__calloc(&s.depends, n * n, sizeof *s.depends, what));
    RK_TRY_GOTO(done, rk__calloc(&s.cost, n, sizeof *s.cost, what));
    RK_TRY_GOTO(done, rk__calloc(&s.end, n, sizeof *s.end, what));
    RK_TRY_GOTO(done, rk__calloc(&s.lane, n, sizeof *s.lane, what));
    RK_TRY_GOTO(done, rk__alloc(&nodes, n, sizeof *nodes, what));
    expect_batches(p, batch);
    look_at(&s, batch);
    memcpy(nodes, p->nodes, (size_t)s.n * sizeof *nodes);
    s.nodes = nodes;
    place_all(p, &s);
    p->passes[RK_PASS_FORK] = (rk_pass_count){s.n, s.n};
done:
    rk__free(batch);
    rk__free(s.depends);
    rk__free(s.cost);
    rk__free(s.end);
    rk__free(s.lane);
    rk__free(nodes);
    return status;
}
