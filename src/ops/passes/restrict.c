/*
 * Computing tables only at the rows that somebody reads.
 *
 * A model writes whole tables, a caller gathers rows of them (combine_rows). Backwards over the
 * nodes, each table is found to be needed whole, or at rows only; what is needed at rows only is
 * computed there, by the rule of its operation, which asks for its inputs the same way. Layers that
 * a further propagation reads stay whole, the last layer and the sum of layers do not.
 *
 * Nodes go where they can first be computed, a gather right behind what it reads. That keeps the
 * order, and with it the bits, of the sums in the backward pass apart from how a model is written.
 */
#include "base/alloc.h"
#include "ops/passes/passes.h"

/* factor times a table at a row set, once computed. */
typedef struct restricted {
    rk_value table, rows, value;
    float factor;
} restricted;

struct rk_restriction {
    rk_program *p;
    rk_node *nodes;    /* as they were; owned */
    int32_t *producer; /* in nodes, by value, -1 = none; owned */
    bool *at_rows;     /* by value: needed at rows only; owned */
    rk_value *now;     /* by value: what stands for it in the new program; owned */
    bool *is_done;     /* by node: a gather that has been appended; owned */
    int32_t n_nodes;
    rk_value n_values;
    rk_row_set rows;  /* of the gather that is being appended */
    restricted *made; /* owned */
    int32_t n_made, made_capacity;
};

static const rk_restrict_rule rules[RK_OP_COUNT] = {
#define RK_OP_ROW(ENUM, name, min, max, outs, gradient, traffic, cpu, cuda, updates, halves,       \
                  restrict, ...)                                                                   \
    rk__restrict_##restrict,
#include "ops/ops.def"
};

/* ---- what rules call ---- */

rk_program *rk__restriction_program(rk_restriction *r)
{
    return r->p;
}

rk_row_set rk__restriction_rows(const rk_restriction *r)
{
    return r->rows;
}

rk_value rk__restrict_none(rk_restriction *r, const rk_node *node, float factor)
{
    (void)factor;
    r->p->status = rk__fail(RK_ERR_INTERNAL, __FILE__, __LINE__, __func__,
                            "%s has no rule for single rows", rk__op_name(node->op));
    return RK_NONE;
}

static void note(rk_restriction *r, restricted made)
{
    if (r->n_made == r->made_capacity && r->p->status == RK_OK) {
        int32_t capacity = 2 * r->made_capacity + 8;
        r->p->status = rk__realloc(&r->made, r->n_made, capacity, sizeof *r->made,
                                   "restricting a program to rows");
        r->made_capacity = r->p->status == RK_OK ? capacity : r->made_capacity;
    }
    if (r->p->status == RK_OK) {
        r->made[r->n_made++] = made;
    }
}

/* *factor times the table; what is left of the factor for the caller to apply. */
static rk_value scaled_at_rows(rk_restriction *r, rk_value table, float *factor)
{
    const rk_node *node = r->at_rows[table] ? &r->nodes[r->producer[table]] : NULL;
    bool scales = !node || (rk__op_info(node->op)->flags & RK_OP_IS_SCALES);
    const float now = scales ? *factor : 1;
    *factor = scales ? 1 : *factor;
    for (int32_t i = 0; i < r->n_made; i++) {
        const restricted *m = &r->made[i];
        if (m->table == table && m->rows == r->rows.rows && m->factor == now) {
            return m->value;
        }
    }
    rk_value value =
        node ? rules[node->op](r, node, now) : rk__combine_rows(r->p, &table, &now, 1, r->rows);
    note(r, (restricted){table, r->rows.rows, value, now});
    return value;
}

rk_value rk__at_rows(rk_restriction *r, rk_value table)
{
    float one = 1;
    return table == RK_NONE ? RK_NONE : scaled_at_rows(r, table, &one);
}

rk_value rk__sum_at_rows(rk_restriction *r, const rk_value *tables, const float *weights, int n)
{
    rk_value gathered[RK_MAX_LAYERS], terms[RK_MAX_LAYERS + 1];
    float of_gathered[RK_MAX_LAYERS], of_terms[RK_MAX_LAYERS + 1];
    int n_gathered = 0, n_terms = 0;
    for (int k = 0; k < n; k++) {
        if (!r->at_rows[tables[k]]) {
            gathered[n_gathered] = tables[k];
            of_gathered[n_gathered++] = weights[k];
        }
    }
    if (n_gathered > 0) {
        of_terms[n_terms] = 1;
        terms[n_terms++] = rk__combine_rows(r->p, gathered, of_gathered, n_gathered, r->rows);
    }
    for (int k = 0; k < n; k++) {
        if (r->at_rows[tables[k]]) {
            of_terms[n_terms] = weights[k];
            terms[n_terms] = scaled_at_rows(r, tables[k], &of_terms[n_terms]);
            n_terms++;
        }
    }
    return n_terms == 1 && of_terms[0] == 1 ? terms[0]
                                            : rk__combine(r->p, terms, of_terms, n_terms);
}

/* ---- what is needed whole ---- */

/* A gather whose rows are a row set of this program. */
static bool is_gather(const rk_restriction *r, const rk_node *node)
{
    if (node->op != RK_OP_COMBINE_ROWS) {
        return false;
    }
    int32_t producer = r->producer[node->in[0]];
    return producer >= 0 && r->nodes[producer].op == RK_OP_UNIQUE_ROWS;
}

typedef struct need {
    bool whole, rows;
} need;

static void ask_inputs(const rk_node *node, uint32_t at_rows, need *needs)
{
    for (int32_t j = 0; j < node->n_inputs; j++) {
        if (node->in[j] != RK_NONE) {
            need *n = &needs[node->in[j]];
            *(at_rows >> j & 1 ? &n->rows : &n->whole) = true;
        }
    }
}

/* The output of a node that is read of it alone, or RK_NONE. */
static rk_value only_result(const rk_node *node, const need *needs)
{
    for (int32_t j = 1; j < node->n_outputs; j++) {
        if (needs[node->out[j]].whole || needs[node->out[j]].rows) {
            return RK_NONE;
        }
    }
    return node->n_outputs > 0 ? node->out[0] : RK_NONE;
}

static void find_needs(rk_restriction *r, need *needs)
{
    for (int32_t i = r->n_nodes - 1; i >= 0; i--) {
        const rk_node *node = &r->nodes[i];
        const rk_op_info *info = rk__op_info(node->op);
        rk_value out = only_result(node, needs);
        if (is_gather(r, node)) {
            ask_inputs(node, ~3u, needs);
        } else if (out != RK_NONE && info->can_restrict && needs[out].rows && !needs[out].whole &&
                   r->p->tensors[out].stored < 0) {
            r->at_rows[out] = true;
            ask_inputs(node, info->at_rows, needs);
        } else {
            ask_inputs(node, 0, needs);
        }
    }
}

/* ---- the nodes anew ---- */

/* Everything that the gather reads is there once nodes [0, end) are. */
static bool is_ready(const rk_restriction *r, const rk_node *gather, int32_t end)
{
    for (int32_t j = 0; j < gather->n_inputs; j++) {
        if (r->producer[gather->in[j]] >= end) {
            return false;
        }
    }
    return true;
}

static void append_gather(rk_restriction *r, const rk_node *gather)
{
    bool all_whole = true;
    for (int32_t j = 2; j < gather->n_inputs; j++) {
        RK_ASSERT(r->now[gather->in[j]] == gather->in[j]); /* a table is no gather's result */
        all_whole = all_whole && !r->at_rows[gather->in[j]];
    }
    if (all_whole) {
        rk__append(r->p, *gather);
        return;
    }
    const rk_value out = gather->out[0];
    r->rows = rk__row_set_of(r->p, gather->in[0]);
    rk_value sum = rk__sum_at_rows(r, gather->in + 2, gather->attr.weight, gather->n_inputs - 2);
    if (r->p->tensors[out].stored >= 0) {
        rk__assign(r->p, r->p->tensors[out].stored, sum);
    } else {
        r->now[out] = sum;
        r->p->tensors[out].producer = -1; /* nothing refers to it any more */
    }
}

static void append_node(rk_restriction *r, rk_node node)
{
    if (node.n_outputs > 0 && r->at_rows[node.out[0]]) {
        for (int32_t j = 0; j < node.n_outputs; j++) {
            r->p->tensors[node.out[j]].producer = -1;
        }
        return;
    }
    for (int32_t j = 0; j < node.n_inputs; j++) {
        node.in[j] = node.in[j] == RK_NONE ? RK_NONE : r->now[node.in[j]];
    }
    rk__append(r->p, node);
}

static void append_all(rk_restriction *r)
{
    for (int32_t i = 0; i < r->n_nodes && r->p->status == RK_OK; i++) {
        if (!is_gather(r, &r->nodes[i])) {
            append_node(r, r->nodes[i]);
        }
        for (int32_t j = 0; j < r->n_nodes; j++) {
            const rk_node *gather = &r->nodes[j];
            if (!r->is_done[j] && is_gather(r, gather) && is_ready(r, gather, i + 1)) {
                r->is_done[j] = true;
                append_gather(r, gather);
            }
        }
    }
}

static rk_status restrict_nodes(rk_restriction *r, need *needs)
{
    for (rk_value v = 0; v < r->n_values; v++) {
        r->producer[v] = r->p->tensors[v].producer;
        r->now[v] = v;
    }
    r->nodes = r->p->nodes;
    find_needs(r, needs);
    r->nodes = rk__take_nodes(r->p);
    append_all(r);
    r->p->passes[RK_PASS_RESTRICT] = (rk_pass_count){r->n_nodes, r->p->n_nodes};
    return r->p->status;
}

rk_status rk__program_restrict(rk_program *p)
{
    RK_TRY(p->status);
    RK_ASSERT(!p->planned);
    static const char what[] = "restricting a program to rows";
    rk_restriction r = {.p = p, .n_nodes = p->n_nodes, .n_values = p->n_tensors};
    rk_status status = RK_OK;
    need *needs = NULL;
    RK_TRY_GOTO(done, rk__calloc(&needs, r.n_values + 1, sizeof *needs, what));
    RK_TRY_GOTO(done, rk__calloc(&r.producer, r.n_values + 1, sizeof *r.producer, what));
    RK_TRY_GOTO(done, rk__calloc(&r.at_rows, r.n_values + 1, sizeof *r.at_rows, what));
    RK_TRY_GOTO(done, rk__calloc(&r.now, r.n_values + 1, sizeof *r.now, what));
    RK_TRY_GOTO(done, rk__calloc(&r.is_done, r.n_nodes + 1, sizeof *r.is_done, what));
    status = restrict_nodes(&r, needs);
done:
    if (r.nodes != p->nodes) {
        rk__free(r.nodes);
    }
    rk__free(needs);
    rk__free(r.producer);
    rk__free(r.at_rows);
    rk__free(r.now);
    rk__free(r.is_done);
    rk__free(r.made);
    return status;
}
