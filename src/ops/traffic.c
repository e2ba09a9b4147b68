#include "ops/traffic.h"

#include <math.h>
#include <stddef.h>

#include "ops/ops_internal.h"

enum { CACHE_LINE = 64, COLUMN_BYTES = 4, ADAM_FLOPS = 12 };

typedef struct counted {
    const rk_program *p;
    const rk_node *node;
    const rk_node *set;          /* the row set that the node works at, or NULL */
    const rk_batch_facts *batch; /* of that set */
} counted;

static const rk_tensor *in(const counted *c, int i)
{
    return &c->p->tensors[c->node->in[i]];
}

static const rk_tensor *out(const counted *c, int i)
{
    return &c->p->tensors[c->node->out[i]];
}

static double row_bytes(const rk_tensor *t)
{
    return (double)(t->cols * rk__dtype_size(t->dtype));
}

static double elements(const rk_tensor *t)
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

/* Bytes of a tensor that are in use: one of as many rows as a row set has slots holds the set's
 * rows and no more. */
static double used_bytes(const counted *c, const rk_tensor *t)
{
    bool at_rows = c->set && t->stored < 0 && t->dtype != RK_I32 &&
                   t->rows == c->p->tensors[c->set->out[0]].rows;
    return at_rows ? c->batch->rows * row_bytes(t) : (double)rk__tensor_bytes(t);
}

/* Elements of a table of floats that are in use. */
static double used_floats(const counted *c, const rk_tensor *t)
{
    return t->dtype == RK_F32 ? used_bytes(c, t) / (double)sizeof(float) : 0;
}

/* Each input read once, each output written once; two operations for each element of the largest
 * table, which is about what sums, products and norms of rows are. */
static rk_traffic once(const counted *c)
{
    rk_traffic t = {0};
    double largest = 0;
    for (int32_t i = 0; i < c->node->n_inputs; i++) {
        if (c->node->in[i] != RK_NONE) {
            t.bytes += used_bytes(c, in(c, i));
            largest = fmax(largest, used_floats(c, in(c, i)));
        }
    }
    for (int32_t i = 0; i < c->node->n_outputs; i++) {
        t.bytes += used_bytes(c, out(c, i));
        largest = fmax(largest, used_floats(c, out(c, i)));
    }
    t.flops = 2 * largest;
    return t;
}

/* The edges that a drawn graph has of those that it was drawn from. */
static double kept_share(const counted *c)
{
    const rk_node *draw = rk__edge_draw_of(c->p, c->node);
    return draw ? 1 - draw->attr.drop.ratio : 1;
}

/* Rows of x over so many edges; beside them the columns of `listed` edges, the batch's rows that
 * are added, and the result, or what an Adam step reads and writes instead of it. */
static rk_traffic propagation(const counted *c, double edges, double listed, double rows_out)
{
    const rk_tensor *x = in(c, 3);
    bool updates = rk__updated_parameter(c->p, c->node) != RK_NONE;
    rk_traffic t = {.bytes = edges * row_bytes(x) + listed * COLUMN_BYTES,
                    .flops = 2 * edges * (double)x->cols,
                    .gathers = 1};
    for (int32_t i = updates ? RK_PROPAGATE_ADAM_ADDED : RK_PROPAGATE_ADDED;
         (rk__op_info(c->node->op)->flags & RK_OP_IS_ADDS) && i < c->node->n_inputs; i++) {
        t.bytes += c->batch->rows * row_bytes(in(c, i));
        t.flops += 2 * c->batch->rows * (double)x->cols;
    }
    if (updates) {
        t.bytes += 6 * used_bytes(c, in(c, 5));
        t.flops += ADAM_FLOPS * elements(in(c, 5));
    } else {
        t.bytes += rows_out * row_bytes(out(c, 0));
    }
    return t;
}

static double all_edges(const counted *c)
{
    return kept_share(c) * (double)in(c, 1)->rows;
}

static double batch_edges(const counted *c)
{
    return kept_share(c) * c->batch->edges;
}

static double half_edges(const counted *c)
{
    return 0.5 * (double)in(c, 1)->rows;
}

/* Edges of the batch's nodes on the side that is not folded. */
static double large_edges(const counted *c)
{
    bool small_is_users = c->node->attr.fold.first == 0;
    return small_is_users ? c->batch->edges - c->batch->user_edges : c->batch->user_edges;
}

rk_traffic rk__node_traffic(const rk_program *p, const rk_node *node, const rk_batch_facts *batch)
{
    int number = 0;
    const rk_node *set = row_set_of(p, node, &number);
    const counted c = {p, node, set, batch + number};
    double rows = c.batch->rows;
    switch (node->op) {
    case RK_OP_PROPAGATE:
    case RK_OP_PROPAGATE_ADAM:
        return propagation(&c, all_edges(&c), all_edges(&c), (double)in(&c, 2)->rows);
    case RK_OP_PROPAGATE_ROWS:
        return propagation(&c, batch_edges(&c), batch_edges(&c), rows);
    case RK_OP_PROPAGATE_FROM_ROWS: /* every edge is looked at, and those of the batch followed */
    case RK_OP_PROPAGATE_FROM_ROWS_ADAM:
        return propagation(&c, batch_edges(&c), all_edges(&c), (double)in(&c, 2)->rows);
    case RK_OP_FOLD: /* half of a propagation, and the small side copied */
        return propagation(&c, half_edges(&c), half_edges(&c), 1.5 * (double)out(&c, 0)->rows);
    case RK_OP_FOLD_FROM_ROWS:
        return propagation(&c, large_edges(&c), half_edges(&c), (double)out(&c, 0)->rows);
    case RK_OP_UNFOLD:
        return propagation(&c, half_edges(&c), half_edges(&c),
                           (double)(out(&c, 0)->rows + node->attr.fold.n));
    case RK_OP_UNFOLD_ROWS:
        return propagation(&c, large_edges(&c), large_edges(&c), rows);
    case RK_OP_GRAM_PRODUCT: {
        rk_traffic t = once(&c);
        t.flops = 2 * (double)node->attr.halves * elements(in(&c, 0)) * (double)out(&c, 0)->cols;
        return t;
    }
    case RK_OP_COMBINE_ROWS: {
        double tables = node->n_inputs - 2, bytes = row_bytes(out(&c, 0));
        for (int32_t i = 2; i < node->n_inputs; i++) {
            bytes += row_bytes(in(&c, i));
        }
        return (rk_traffic){.bytes = rows * bytes,
                            .flops = 2 * tables * rows * (double)out(&c, 0)->cols,
                            .gathers = 1};
    }
    case RK_OP_SCATTER_ROWS:
        return (rk_traffic){.bytes = rows * row_bytes(in(&c, 0)) + used_bytes(&c, out(&c, 0))};
    case RK_OP_SCATTER_ADD_ROWS: /* the table's rows read and written */
        return (rk_traffic){.bytes = 3 * rows * row_bytes(in(&c, 1)),
                            .flops = 2 * rows * (double)in(&c, 1)->cols};
    case RK_OP_SAMPLE_TRIPLETS: /* a draw looks at lines anywhere in the graph */
        return (rk_traffic){.bytes = (CACHE_LINE + COLUMN_BYTES) * elements(out(&c, 0)),
                            .gathers = 1};
    case RK_OP_NEIGHBOUR_SLOTS: /* of the table the rows of the positives */
        return (rk_traffic){.bytes = 2 * used_bytes(&c, out(&c, 0)), .gathers = 1};
    case RK_OP_NEIGHBOUR_LOSS: { /* of the weights the rows of the positives */
        rk_traffic t = once(&c);
        t.bytes -= used_bytes(&c, in(&c, 3)) - used_bytes(&c, out(&c, 1));
        t.flops = 2 * elements(out(&c, 1)) * (double)in(&c, 0)->cols;
        return t;
    }
    case RK_OP_ADAM: /* four read, three written */
        return (rk_traffic){.bytes = 7 * used_bytes(&c, in(&c, 0)),
                            .flops = ADAM_FLOPS * elements(in(&c, 0))};
    case RK_OP_SGD:
        return (rk_traffic){.bytes = 3 * used_bytes(&c, in(&c, 0)),
                            .flops = 2 * elements(in(&c, 0))};
    case RK_OP_SCORE_TOPK: {
        double users = (double)in(&c, 1)->rows, items = (double)node->attr.topk.n_items;
        return (rk_traffic){.bytes = (users + items) * row_bytes(in(&c, 0)) +
                                     used_bytes(&c, out(&c, 0)) + used_bytes(&c, out(&c, 1)),
                            .flops = 2 * users * items * (double)in(&c, 0)->cols};
    }
    case RK_OP_ATTEND: { /* a logit of each query with each key, then the weighted sum of keys */
        rk_traffic t = once(&c);
        double queries = (double)node->attr.attend.n;
        t.flops = 4 * queries * queries * (double)in(&c, 0)->cols;
        return t;
    }
    default:
        return once(&c);
    }
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
