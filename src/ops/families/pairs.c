/*
 * The users and the items of a batch as tables of their own, for models that score pairs by more
 * than a product of two embeddings. With B triplets of 1 + M items each, row b of a table [B,d] is
 * triplet b, and row b (1 + M) + k of a table [B (1 + M),d] is its k-th item, the positive first.
 */
#include "ops/family.h"

/* ---- slots ---- */

rk_value rk__gather_slots(rk_program *p, rk_value x, rk_row_set rows, rk_slots_attr attr)
{
    rk_node node = RK_NODE(RK_OP_GATHER_SLOTS, x, rows.slot_row);
    node.attr.slots.batch = attr.batch;
    node.attr.slots.of_items = attr.of_items;
    return rk__append_value(p, node);
}

/* x f32[S,d], slot_row i32[L] -> f32[B,d] of users, f32[L-B,d] of items; zeros in unused slots */
rk_status rk__shape_gather_slots(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_slots_attr *a = &node->attr.slots;
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_I32, -1, 1));
    NEED(a->batch > 0 && AT(1)->rows % a->batch == 0 && AT(1)->rows / a->batch > a->of_items);
    out[0] = shape(RK_F32, a->of_items ? AT(1)->rows - a->batch : a->batch, AT(0)->cols);
    return RK_OK;
}

void rk__grad_gather_slots(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_program *p = rk__backward_program(b);
    rk_row_set set = rk__row_set_of(p, node->in[1]);
    rk_node sum = RK_NODE(RK_OP_SUM_SLOTS, g, set.rows, set.segments, set.order, set.count);
    sum.attr = node->attr;
    rk__contribute(b, node->in[0], rk__append_value(p, sum), alpha);
}

/* g f32[B,d] of users or f32[L-B,d] of items, rows i32[S], segments i32[S+1], order i32[L],
 * count i32[1] -> f32[S,d]: the slots of each row in ascending order */
rk_status rk__shape_sum_slots(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_slots_attr *a = &node->attr.slots;
    int64_t slots = AT(3)->rows;
    NEED(a->batch > 0 && slots % a->batch == 0 && slots / a->batch > a->of_items);
    NEED(is(AT(0), RK_F32, a->of_items ? slots - a->batch : a->batch, -1));
    NEED(is(AT(1), RK_I32, -1, 1) && is(AT(2), RK_I32, AT(1)->rows + 1, 1));
    NEED(is(AT(3), RK_I32, -1, 1) && is(AT(4), RK_I32, 1, 1));
    out[0] = shape(RK_F32, AT(1)->rows, AT(0)->cols);
    return RK_OK;
}

/* ---- a row for several ---- */

rk_value rk__repeat_rows(rk_program *p, rk_value x, int64_t times)
{
    rk_node node = RK_NODE(RK_OP_REPEAT_ROWS, x);
    node.attr.times = times;
    return rk__append_value(p, node);
}

/* x f32[R,d] -> f32[R times,d] */
rk_status rk__shape_repeat_rows(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && node->attr.times > 0);
    out[0] = shape(RK_F32, AT(0)->rows * node->attr.times, AT(0)->cols);
    return RK_OK;
}

void rk__grad_repeat_rows(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk__contribute(b, node->in[0], rk__sum_groups(rk__backward_program(b), g, node->attr.times),
                   alpha);
}

rk_value rk__sum_groups(rk_program *p, rk_value x, int64_t times)
{
    rk_node node = RK_NODE(RK_OP_SUM_GROUPS, x);
    node.attr.times = times;
    return rk__append_value(p, node);
}

/* x f32[R times,d] -> f32[R,d] */
rk_status rk__shape_sum_groups(const rk_program *p, const rk_node *node, rk_shape *out)
{
    int64_t times = node->attr.times;
    NEED(is(AT(0), RK_F32, -1, -1) && times > 0 && AT(0)->rows % times == 0);
    out[0] = shape(RK_F32, AT(0)->rows / times, AT(0)->cols);
    return RK_OK;
}

void rk__grad_sum_groups(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk__contribute(b, node->in[0], rk__repeat_rows(rk__backward_program(b), g, node->attr.times),
                   alpha);
}

/* ---- scores ---- */

rk_value rk__slot_scores(rk_program *p, rk_value queries, rk_value items)
{
    return rk__append_value(p, RK_NODE(RK_OP_SLOT_SCORES, queries, items));
}

/* queries f32[B,w], items f32[B n,w] -> f32[B,n] */
rk_status rk__shape_slot_scores(const rk_program *p, const rk_node *node, rk_shape *out)
{
    int64_t batch = AT(0)->rows;
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, -1, AT(0)->cols));
    NEED(batch > 0 && AT(1)->rows % batch == 0);
    out[0] = shape(RK_F32, batch, AT(1)->rows / batch);
    return RK_OK;
}

void rk__grad_slot_scores(rk_backward *b, const rk_node *node, rk_value g, float alpha)
{
    rk_program *p = rk__backward_program(b);
    static const rk_op grads[] = {RK_OP_SLOT_QUERIES_GRAD, RK_OP_SLOT_ITEMS_GRAD};
    for (int i = 0; i < 2; i++) {
        if (rk__wants_gradient(b, node->in[i])) {
            rk_value part = rk__append_value(p, RK_NODE(grads[i], g, node->in[1 - i]));
            rk__contribute(b, node->in[i], part, alpha);
        }
    }
}

/* gradient f32[B,n], items f32[B n,w] -> f32[B,w] */
rk_status rk__shape_slot_queries_grad(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, AT(0)->rows * AT(0)->cols, -1));
    out[0] = shape(RK_F32, AT(0)->rows, AT(1)->cols);
    return RK_OK;
}

/* gradient f32[B,n], queries f32[B,w] -> f32[B n,w] */
rk_status rk__shape_slot_items_grad(const rk_program *p, const rk_node *node, rk_shape *out)
{
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, AT(0)->rows, -1));
    out[0] = shape(RK_F32, AT(0)->rows * AT(0)->cols, AT(1)->cols);
    return RK_OK;
}

/* ---- a tile's queries and items ---- */

rk_value rk__pair_rows(rk_program *p, rk_value queries, rk_value table, rk_value items,
                       rk_value count, rk_pair_rows_attr attr)
{
    rk_node node = RK_NODE(RK_OP_PAIR_ROWS, queries, table, items, count);
    node.attr.pair_rows.items = attr.items;
    node.attr.pair_rows.first_column = attr.first_column;
    node.attr.pair_rows.n_columns = attr.n_columns;
    node.attr.pair_rows.multiplies = attr.multiplies;
    return rk__append_value(p, node);
}

/* queries f32[T,w], table f32[R,w], items i32[T,n] or -, count i32[1] -> f32[T n,n_columns] */
rk_status rk__shape_pair_rows(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_pair_rows_attr *a = &node->attr.pair_rows;
    NEED(is(AT(0), RK_F32, -1, -1) && is(AT(1), RK_F32, -1, AT(0)->cols));
    NEED((!HAS(2) || is(AT(2), RK_I32, AT(0)->rows, -1)) && is(AT(3), RK_I32, 1, 1));
    NEED(a->first_column >= 0 && a->n_columns > 0);
    NEED(a->first_column + a->n_columns <= AT(0)->cols);
    NEED(a->items.first >= 0 && a->items.n > 0 && a->items.first + a->items.n <= AT(1)->rows);
    out[0] = shape(RK_F32, AT(0)->rows * (HAS(2) ? AT(2)->cols : a->items.n), a->n_columns);
    return RK_OK;
}
