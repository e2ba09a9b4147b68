#include "ops/traffic.h"

#include <math.h>
#include <stddef.h>

#include "ops/family.h"

static const rk_traffic_rule rules[RK_OP_COUNT] = {
#define RK_OP_ROW(ENUM, name, min, max, outs, gradient, traffic, ...) rk__traffic_##traffic,
#include "ops/ops.def"
};

double rk__row_bytes(const rk_tensor *t)
{
    return (double)(t->cols * rk__dtype_size(t->dtype));
}

double rk__elements(const rk_tensor *t)
{
    return (double)t->rows * (double)t->cols;
}

/* Does the node read an output of a row set? */
static bool goes_by(const rk_node *node, const rk_node *set)
{
    for (int32_t i = 0; i < node->n_inputs; i++) {
        for (int32_t j = 0; j < set->n_outputs; j++) {
            if (node->in[i] == set->out[j]) {
                return true;
            }
        }
    }
    return false;
}

/* The row set that a node works at: one that it reads, else one of as many slots as its result has
 * rows, else the first. *number: which one it is of the program's; NULL when there is none. */
static const rk_node *row_set_of(const rk_program *p, const rk_node *node, int *number)
{
    const rk_node *best = NULL;
    int n = 0, worth = -1;
    *number = 0;
    for (int32_t i = 0; i < p->n_nodes; i++) {
        const rk_node *set = &p->nodes[i];
        if (set->op != RK_OP_UNIQUE_ROWS) {
            continue;
        }
        bool fits =
            node->n_outputs > 0 && p->tensors[node->out[0]].rows == p->tensors[set->out[0]].rows;
        int now = goes_by(node, set) ? 2 : fits;
        if (now > worth) {
            best = set;
            worth = now;
            *number = n;
        }
        n++;
    }
    return best;
}

double rk__used_bytes(const rk_counted *c, const rk_tensor *t)
{
    bool at_rows = c->set && t->stored < 0 && t->dtype != RK_I32 &&
                   t->rows == c->p->tensors[c->set->out[0]].rows;
    return at_rows ? c->batch->rows * rk__row_bytes(t) : (double)rk__tensor_bytes(t);
}

/* Elements of a table of floats that are in use. */
static double used_floats(const rk_counted *c, const rk_tensor *t)
{
    return t->dtype == RK_F32 ? rk__used_bytes(c, t) / (double)sizeof(float) : 0;
}

rk_traffic rk__traffic_once(const rk_counted *c)
{
    rk_traffic t = {0};
    double largest = 0;
    for (int32_t i = 0; i < c->node->n_inputs; i++) {
        if (c->node->in[i] != RK_NONE) {
            t.bytes += rk__used_bytes(c, rk__counted_in(c, i));
            largest = fmax(largest, used_floats(c, rk__counted_in(c, i)));
        }
    }
    for (int32_t i = 0; i < c->node->n_outputs; i++) {
        t.bytes += rk__used_bytes(c, rk__counted_out(c, i));
        largest = fmax(largest, used_floats(c, rk__counted_out(c, i)));
    }
    t.flops = 2 * largest;
    return t;
}

rk_traffic rk__node_traffic(const rk_program *p, const rk_node *node, const rk_batch_facts *batch)
{
    int number = 0;
    const rk_node *set = row_set_of(p, node, &number);
    return rules[node->op](&(rk_counted){p, node, set, batch ? &batch[number] : NULL});
}

int32_t rk__program_row_sets(const rk_program *p)
{
    int32_t n = 0;
    for (int32_t i = 0; i < p->n_nodes; i++) {
        n += p->nodes[i].op == RK_OP_UNIQUE_ROWS;
    }
    return n;
}

void rk__program_traffic(const rk_program *program, const rk_batch_facts *batch, rk_traffic *out)
{
    for (int i = 0; i < RK_OP_COUNT; i++) {
        out[i] = (rk_traffic){0};
    }
    for (int32_t i = 0; i < program->n_nodes; i++) {
        rk_traffic t = rk__node_traffic(program, &program->nodes[i], batch);
        rk_traffic *sum = &out[program->nodes[i].op];
        sum->bytes += t.bytes;
        sum->flops += t.flops;
        sum->gathers += t.gathers;
    }
}
