/*
 * Tables divided by columns among the ranks of a run.
 *
 * A program is written as if everything were here. This pass makes that of one rank: stored tables
 * that have only some columns here shrink to these, and so does whatever is made of them column by
 * column: propagations, their gradients, updates. What sums over columns becomes a sum over those
 * that are here and, by sum_ranks, over ranks; what is neither gets its inputs with all columns.
 * All values are then of one of two kinds: the same on every rank, or this rank's columns of a
 * table. As this is done behind the backward pass, gradients follow by themselves: a derivative by
 * a score is the same on every rank, and each multiplies it with its own columns.
 *
 * What travels: B (1 + M) scores for losses over drawn negatives, a number a row for lengths, a few
 * for L2 and clipping. Losses over all pairs of a batch get the rows of the batch instead, S d
 * numbers, for that is less than their B^2 logits unless d is larger than B.
 */
#include <string.h>

#include "base/alloc.h"
#include "ops/passes/passes.h"

/* A value of the program as it was written. */
typedef struct both {
    rk_value own;     /* this rank's columns; or RK_NONE */
    rk_value whole;   /* the same on every rank; or RK_NONE */
    bool wants_own;   /* somebody goes on with its own columns who could as well have all */
    rk_value squares; /* of its rows, summed over ranks; or RK_NONE */
} both;

typedef struct sharding {
    rk_program *p;
    both *of; /* by value; n_values */
    rk_value n_values;
    int64_t most_rows; /* of a table that may be gathered; -1 = any */
    /* The dots of a batch, which a choice of negatives and the loss both read. */
    rk_value dots, dots_of, dots_rows;
    rk_value squares; /* of gradients, of this rank, between the nodes that take their norm */
} sharding;

/* ---- from one kind to the other ---- */

static rk_value use_whole(sharding *s, rk_value v, const rk_node *reader)
{
    if (v == RK_NONE || s->of[v].whole != RK_NONE) {
        return v == RK_NONE ? RK_NONE : s->of[v].whole;
    }
    const rk_tensor *t = &s->p->tensors[s->of[v].own];
    if (s->most_rows >= 0 && t->rows > s->most_rows && s->p->status == RK_OK) {
        s->p->status = rk__fail(
            RK_ERR_CONFIG, __FILE__, __LINE__, __func__,
            "its operation %s needs all columns of a table of %lld rows in every step, and "
            "%d ranks have some each (a batch has %lld rows)",
            rk__op_name(reader->op), (long long)t->rows, s->p->store->ranks,
            (long long)s->most_rows);
    }
    s->of[v].whole = rk__append_value(s->p, RK_NODE(RK_OP_GATHER_COLUMNS, s->of[v].own));
    return s->of[v].whole;
}

static void mark_own(const sharding *s, rk_value v, int64_t all_columns)
{
    rk_tensor *t = &s->p->tensors[v];
    t->all_columns = all_columns;
    t->first_column = all_columns / s->p->store->ranks * s->p->store->rank;
}

static rk_value use_own(sharding *s, rk_value v)
{
    if (v == RK_NONE || s->of[v].own != RK_NONE) {
        return v == RK_NONE ? RK_NONE : s->of[v].own;
    }
    const int64_t all = s->p->tensors[s->of[v].whole].cols, ranks = s->p->store->ranks;
    rk_node node = RK_NODE(RK_OP_TAKE_COLUMNS, s->of[v].whole);
    node.attr.columns = (rk_columns_attr){all / ranks * s->p->store->rank, all / ranks};
    s->of[v].own = rk__append_value(s->p, node);
    if (s->p->status == RK_OK) {
        mark_own(s, s->of[v].own, all);
    }
    return s->of[v].own;
}

static rk_value sum_over_ranks(sharding *s, rk_value part)
{
    return rk__append_value(s->p, RK_NODE(RK_OP_SUM_RANKS, part));
}

static bool is_divided(const sharding *s, rk_value v)
{
    return v != RK_NONE && v < s->n_values && s->of[v].whole == RK_NONE;
}

/* ---- which way a node goes ---- */

/* Of the operations that work column by column those that do so under all attributes, but for one
 * that mixes the columns of a row. */
static bool mixes_columns(const rk_node *node)
{
    return node->op == RK_OP_AGGREGATE && node->attr.aggregate.compose > RK_COMPOSE_MULT;
}

/* A parameter that is whole may have been read by columns, too: what counts is how it is stored. */
static bool updates_own(const sharding *s, const rk_node *node)
{
    const rk_value updated = rk__updated_parameter(s->p, node);
    return updated != RK_NONE && s->p->tensors[updated].all_columns > 0;
}

/* The values that are made column by column into something that is divided: the way of gradients
 * to their parameters. It is left no later than the first of them. */
static void find_wants(const sharding *s, const rk_node *nodes, int32_t n)
{
    for (int32_t i = n - 1; i >= 0; i--) {
        const rk_node *node = &nodes[i];
        const rk_op_info *info = rk__op_info(node->op);
        bool wants = updates_own(s, node);
        for (int32_t j = 0; j < node->n_outputs; j++) {
            wants = wants || s->of[node->out[j]].wants_own || s->of[node->out[j]].own != RK_NONE;
        }
        for (int32_t j = 0; wants && info->shards == RK_SHARDS_local && j < node->n_inputs; j++) {
            if ((info->by_columns >> j & 1) && node->in[j] != RK_NONE) {
                s->of[node->in[j]].wants_own = true;
            }
        }
    }
}

/* Does it work on this rank's columns? */
static bool goes_by_columns(const sharding *s, const rk_node *node)
{
    const rk_op_info *info = rk__op_info(node->op);
    bool any = false;
    if (info->by_columns == 0 || mixes_columns(node)) {
        return false;
    }
    if (info->updates) {
        return updates_own(s, node);
    }
    for (int32_t j = 0; j < node->n_inputs; j++) {
        any = any || ((info->by_columns >> j & 1) && is_divided(s, node->in[j]));
    }
    for (int32_t j = 0; j < node->n_outputs && info->shards == RK_SHARDS_local; j++) {
        any = any || s->of[node->out[j]].wants_own;
    }
    return any;
}

/* ---- appending ---- */

static void take_inputs(sharding *s, rk_node *node, uint32_t by_columns)
{
    for (int32_t j = 0; j < node->n_inputs; j++) {
        node->in[j] =
            by_columns >> j & 1 ? use_own(s, node->in[j]) : use_whole(s, node->in[j], node);
    }
}

/* What was gathered of a parameter, or taken, is no longer it once it is updated. */
static void forget_updated(const sharding *s, const rk_node *written)
{
    const rk_value updated = rk__updated_parameter(s->p, written);
    if (updated != RK_NONE) {
        *(updates_own(s, written) ? &s->of[updated].whole : &s->of[updated].own) = RK_NONE;
        s->of[updated].squares = RK_NONE;
    }
}

/* The node with its inputs as they are now. Its outputs are new, but for stored ones of the same
 * kind; is_part: they are parts of sums. */
static void append(sharding *s, rk_node node, const rk_node *written, bool is_part)
{
    rk_program *p = s->p;
    rk_shape shapes[RK_MAX_OUTPUTS];
    if (p->status == RK_OK) {
        p->status = rk__shapes_of(p, &node, shapes);
    }
    for (int32_t j = 0; p->status == RK_OK && j < written->n_outputs; j++) {
        const rk_value v = written->out[j];
        const rk_tensor *t = &p->tensors[v];
        bool is_own = t->all_columns > 0 ? shapes[j].cols == t->cols : shapes[j].cols != t->cols;
        bool fits = t->stored >= 0 && is_own == (t->all_columns > 0) && !is_part;
        node.out[j] = fits ? v : RK_NONE;
    }
    const rk_node *made = rk__append(p, node);
    if (!made) {
        return;
    }
    const rk_node done = *made;
    for (int32_t j = 0; j < written->n_outputs; j++) {
        const rk_value v = written->out[j];
        both *of = &s->of[v];
        const int64_t all =
            p->tensors[v].all_columns > 0 ? p->tensors[v].all_columns : p->tensors[v].cols;
        const bool is_own = p->tensors[done.out[j]].cols != all;
        of->own = is_own ? done.out[j] : RK_NONE;
        of->whole = is_own ? RK_NONE : done.out[j];
        of->squares = RK_NONE;
        if (is_own && p->tensors[done.out[j]].stored < 0) {
            mark_own(s, done.out[j], all);
        }
        if (is_part) {
            RK_ASSERT(!is_own);
            of->whole = sum_over_ranks(s, of->whole);
        }
    }
}

/* A stored output whose kind the result does not have. */
static void assign_stored(sharding *s, const rk_node *written)
{
    rk_program *p = s->p;
    for (int32_t j = 0; p->status == RK_OK && j < written->n_outputs; j++) {
        const rk_value v = written->out[j];
        const rk_tensor *t = &p->tensors[v];
        if (t->stored < 0 || s->of[v].own == v || s->of[v].whole == v) {
            continue;
        }
        const bool is_own = t->all_columns > 0;
        const rk_value from = is_own ? use_own(s, v) : s->of[v].whole;
        rk_node node = from != RK_NONE ? RK_NODE(RK_OP_COMBINE, from)
                                       : RK_NODE(RK_OP_GATHER_COLUMNS, s->of[v].own);
        node.attr.weight[0] = from != RK_NONE ? 1 : 0;
        node.out[0] = v;
        rk__append(p, node);
        *(is_own ? &s->of[v].own : &s->of[v].whole) = v;
    }
}

/* ---- operations that are taken apart ---- */

static rk_value dots_of_batch(sharding *s, const rk_node *node, int64_t batch, rk_value state)
{
    if (s->dots_of != node->in[0] || s->dots_rows != node->in[1]) {
        rk_node dots = RK_NODE(RK_OP_SLOT_DOTS, node->in[0], node->in[1], state);
        dots.attr.batch = batch;
        s->dots = sum_over_ranks(s, rk__append_value(s->p, dots));
        s->dots_of = node->in[0];
        s->dots_rows = node->in[1];
    }
    return s->dots;
}

static rk_value dots_of_rows(sharding *s, rk_value a, rk_value b)
{
    return sum_over_ranks(s, rk__append_value(s->p, RK_NODE(RK_OP_ROW_DOTS, a, b)));
}

/* v: as it was written. */
static rk_value squares_of_rows(sharding *s, rk_value v)
{
    both *of = &s->of[v];
    if (of->squares == RK_NONE) {
        of->squares = dots_of_rows(s, of->own, of->own);
    }
    return of->squares;
}

static void set_input(rk_node *node, int32_t i, rk_value value)
{
    for (; node->n_inputs <= i; node->n_inputs++) {
        node->in[node->n_inputs] = RK_NONE;
    }
    node->in[i] = value;
}

static rk_value squares_of_l2(sharding *s, const rk_node *node)
{
    rk_node squares = *node;
    squares.op = RK_OP_L2_SQUARES;
    squares.out[0] = squares.out[1] = RK_NONE;
    return sum_over_ranks(s, rk__append_value(s->p, squares));
}

/* Is the first output read, so that the node is the last of those that it is made by? */
static bool is_read(const rk_node *nodes, int32_t n, rk_value v)
{
    for (int32_t i = 0; i < n; i++) {
        if (rk__reads(&nodes[i], v)) {
            return true;
        }
    }
    return false;
}

/* The norm of all gradients: a rank has the squares of its own columns, the first one also of what
 * all have; the node behind the last of them gets the sum. */
static void append_clip_factor(sharding *s, const rk_node *written, bool is_last)
{
    rk_node part = *written;
    part.n_inputs = 1;
    part.in[0] = s->squares;
    for (int32_t j = 1; j < written->n_inputs; j++) {
        const both *of = &s->of[written->in[j]];
        if (of->own != RK_NONE || s->p->store->rank == 0) {
            part.in[part.n_inputs++] = of->own != RK_NONE ? of->own : of->whole;
        }
    }
    part.out[0] = part.out[1] = RK_NONE;
    const rk_node *made = rk__append(s->p, part);
    s->squares = made ? made->out[1] : RK_NONE;
    if (is_last && made) {
        rk_node whole = *written;
        whole.n_inputs = 1;
        whole.in[0] = sum_over_ranks(s, s->squares);
        append(s, whole, written, false);
        s->squares = RK_NONE;
    }
}

static void append_parts(sharding *s, const rk_node *written)
{
    rk_node node = *written;
    take_inputs(s, &node, rk__op_info(node.op)->by_columns);
    switch (node.op) {
    case RK_OP_SLOT_LOSS:
        set_input(&node, RK_SLOT_LOSS_DOTS,
                  dots_of_batch(s, &node, node.attr.slot.batch, node.in[3]));
        break;
    case RK_OP_SELECT_NEGATIVES:
        set_input(&node, RK_SELECT_NEGATIVES_DOTS,
                  dots_of_batch(s, &node, node.attr.batch, node.in[2]));
        break;
    case RK_OP_UNIT_ROWS:
        set_input(&node, RK_UNIT_ROWS_SQUARES, squares_of_rows(s, written->in[0]));
        break;
    case RK_OP_UNIT_ROWS_GRAD:
        set_input(&node, RK_UNIT_ROWS_GRAD_SQUARES, squares_of_rows(s, written->in[0]));
        set_input(&node, RK_UNIT_ROWS_GRAD_ALONG, dots_of_rows(s, node.in[0], node.in[1]));
        break;
    default:
        RK_ASSERT(node.op == RK_OP_L2_LOSS);
        set_input(&node, RK_L2_LOSS_SQUARES, squares_of_l2(s, &node));
    }
    append(s, node, written, false);
}

/* ---- the pass ---- */

static void append_node(sharding *s, const rk_node *nodes, int32_t n, int32_t i)
{
    const rk_node *written = &nodes[i];
    const rk_op_info *info = rk__op_info(written->op);
    rk_node node = *written;
    if (written->op == RK_OP_CLIP_FACTOR) {
        append_clip_factor(s, written, is_read(nodes, n, written->out[0]));
    } else if (!goes_by_columns(s, written)) {
        take_inputs(s, &node, 0);
        append(s, node, written, false);
    } else if (info->shards == RK_SHARDS_parts) {
        append_parts(s, written);
    } else {
        take_inputs(s, &node, info->by_columns);
        append(s, node, written, info->shards == RK_SHARDS_sums);
    }
    assign_stored(s, written);
    forget_updated(s, written);
}

/* The slots of the largest batch, -1 without one. */
static int64_t rows_of_batch(const rk_program *p, const rk_node *nodes, int32_t n)
{
    int64_t most = -1;
    for (int32_t i = 0; i < n; i++) {
        if (nodes[i].op == RK_OP_UNIQUE_ROWS) {
            const int64_t slots = p->tensors[nodes[i].in[0]].rows;
            most = slots > most ? slots : most;
        }
    }
    return most;
}

/* Before anything is written: what is stored is what it is, nothing else is there. */
static void begin(sharding *s)
{
    rk_program *p = s->p;
    for (rk_value v = 0; v < s->n_values; v++) {
        rk_tensor *t = &p->tensors[v];
        const rk_stored *stored = t->stored >= 0 ? &p->store->items[t->stored] : NULL;
        const bool is_own = stored && stored->all_columns > 0;
        if (is_own) {
            t->cols = stored->cols;
            t->first_column = stored->first_column;
            t->all_columns = stored->all_columns;
        }
        s->of[v] = (both){is_own ? v : RK_NONE, stored && !is_own ? v : RK_NONE, false, RK_NONE};
    }
}

static bool has_shards(const rk_store *store)
{
    for (int32_t i = 0; i < store->n; i++) {
        if (store->items[i].all_columns > 0) {
            return true;
        }
    }
    return false;
}

rk_status rk__program_shard(rk_program *p)
{
    RK_TRY(p->status);
    RK_ASSERT(!p->planned);
    if (!has_shards(p->store)) {
        return RK_OK;
    }
    const int32_t n = p->n_nodes;
    sharding s = {.p = p,
                  .n_values = p->n_tensors,
                  .most_rows = rows_of_batch(p, p->nodes, n),
                  .dots = RK_NONE,
                  .dots_of = RK_NONE,
                  .dots_rows = RK_NONE,
                  .squares = RK_NONE};
    RK_TRY(rk__alloc(&s.of, p->n_tensors + 1, sizeof *s.of, "dividing a program among ranks"));
    begin(&s);
    rk_node *nodes = rk__take_nodes(p);
    find_wants(&s, nodes, n);
    for (rk_value v = 0; v < s.n_values; v++) { /* what nobody writes any more */
        p->tensors[v].producer = -1;
    }
    for (int32_t i = 0; i < n && p->status == RK_OK; i++) {
        append_node(&s, nodes, n, i);
    }
    for (int32_t i = 0; i < p->n_terms && p->status == RK_OK; i++) {
        p->terms[i].value = s.of[p->terms[i].value].whole;
    }
    rk__free(nodes);
    rk__free(s.of);
    p->passes[RK_PASS_SHARD] = (rk_pass_count){n, p->n_nodes};
    return p->status;
}

rk_exchanges rk__program_exchanges(const rk_program *p)
{
    rk_exchanges all = {0};
    for (int32_t i = 0; i < p->n_nodes; i++) {
        const rk_node *node = &p->nodes[i];
        const bool sums = node->op == RK_OP_SUM_RANKS, gathers = node->op == RK_OP_GATHER_COLUMNS;
        if (sums || gathers) {
            const int64_t bytes = rk__tensor_bytes(&p->tensors[node->in[0]]);
            all.calls++;
            all.summed += sums ? bytes : 0;
            all.gathered += gathers ? bytes : 0;
            all.largest = bytes > all.largest ? bytes : all.largest;
        }
    }
    return all;
}
