/* Items similar to items: their tables, these tables as lists, sums of rows. */
#include "ops/family.h"

#include "base/alloc.h"
#include "base/choices.h"
#include "ops/similar_value.h"

static bool has_users(int64_t n_users, int64_t n_items)
{
    return n_users >= 0 && n_items >= 0 && n_items <= INT32_MAX - n_users;
}

void rk__item_neighbours(rk_program *p, rk_csr_values graph, rk_value user_weight,
                         rk_value item_factor, rk_similar_attr attr, rk_value out_items,
                         rk_value out_values)
{
    RK_ASSERT(graph.values == RK_NONE);
    rk_node node =
        RK_NODE(RK_OP_ITEM_NEIGHBOURS, graph.offsets, graph.columns, user_weight, item_factor);
    node.attr.similar = attr;
    node.out[0] = out_items;
    node.out[1] = out_values;
    rk__append(p, node);
}

/* offsets i64[U+I+1], columns i32 (nodes), user_weight f32[U] or -, item_factor f32[I,1] or [I,2]
 * or - -> items i32[I,K], values f32[I,K] */
rk_status rk__shape_item_neighbours(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_similar_attr *a = &node->attr.similar;
    const int factors = rk__similar_factors(a);
    int64_t cells = 0;
    NEED(has_users(a->n_users, a->n_items) && a->k > 0 && a->shrinkage >= 0);
    NEED(is(AT(0), RK_I64, a->n_users + a->n_items + 1, 1) && is(AT(1), RK_I32, -1, 1));
    NEED(!HAS(2) || is(AT(2), RK_F32, a->n_users, 1));
    NEED(factors > 0 ? HAS(3) && is(AT(3), RK_F32, a->n_items, factors) : !HAS(3));
    NEED(a->kind >= RK_SIMILARITY_COSINE && a->kind <= RK_SIMILAR_WALK);
    RK_TRY(rk__mul(&cells, a->n_items, a->k, "the neighbours of the items"));
    out[0] = shape(RK_I32, a->n_items, a->k);
    out[1] = shape(RK_F32, a->n_items, a->k);
    return RK_OK;
}

/* For each user of an item the user's items, as if all users had the same number of them. */
rk_traffic rk__traffic_item_neighbours(const rk_counted *c)
{
    rk_traffic t = rk__traffic_once(c);
    double edges = 0.5 * (double)rk__counted_in(c, 1)->rows;
    double users = (double)c->node->attr.similar.n_users;
    double pairs = users > 0 ? edges * edges / users : 0;
    t.bytes += pairs * (double)sizeof(int32_t);
    t.flops = pairs;
    t.gathers = 1;
    return t;
}

rk_neighbour_lists rk__neighbour_lists(rk_program *p, rk_value items, rk_value values,
                                       rk_value mean, rk_neighbour_lists_attr attr)
{
    rk_node node = RK_NODE(RK_OP_NEIGHBOUR_LISTS, items, values, mean);
    node.attr.neighbour_lists = attr;
    const rk_node *made = rk__append(p, node);
    return made ? (rk_neighbour_lists){made->out[0], made->out[1], made->out[2], made->out[3]}
                : (rk_neighbour_lists){RK_NONE, RK_NONE, RK_NONE, RK_NONE};
}

/* items i32[I,K], -1 = no more, values f32[I,K], mean f32[I] or -
 * -> offsets i64[I+1], columns i32[I*K], values f32[I*K], bias f32[I] */
rk_status rk__shape_neighbour_lists(const rk_program *p, const rk_node *node, rk_shape *out)
{
    int64_t n = AT(0)->rows, cells = 0;
    NEED(is(AT(0), RK_I32, -1, -1) && AT(0)->cols > 0 && is(AT(1), RK_F32, n, AT(0)->cols));
    NEED(!HAS(2) || is(AT(2), RK_F32, n, 1));
    RK_TRY(rk__mul(&cells, n, AT(0)->cols, "the lists of neighbours"));
    out[0] = shape(RK_I64, n + 1, 1);
    out[1] = shape(RK_I32, cells, 1);
    out[2] = shape(RK_F32, cells, 1);
    out[3] = shape(RK_F32, n, 1);
    return RK_OK;
}

rk_value rk__row_sums(rk_program *p, rk_csr_values rows, rk_range_attr range)
{
    return rk__row_powers(p, rows, range, 0, 1);
}

rk_value rk__row_powers(rk_program *p, rk_csr_values rows, rk_range_attr range, double plus,
                        double power)
{
    rk_node node = RK_NODE(RK_OP_ROW_SUMS, rows.offsets, rows.columns, rows.values);
    node.attr.row_sums = (rk_row_sums_attr){range.first, range.n, plus, power};
    return rk__append_value(p, node);
}

/* offsets i64[R+1], columns i32[E], values f32[E] or - -> f32[n] */
rk_status rk__shape_row_sums(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_row_sums_attr *a = &node->attr.row_sums;
    NEED(is(AT(0), RK_I64, -1, 1) && AT(0)->rows > 0 && is(AT(1), RK_I32, -1, 1));
    NEED(!HAS(2) || is(AT(2), RK_F32, AT(1)->rows, 1));
    NEED(a->first >= 0 && a->n >= 0 && a->n <= AT(0)->rows - 1 - a->first);
    out[0] = shape(RK_F32, a->n, 1);
    return RK_OK;
}

/* The range's share of the values; columns are not read. */
rk_traffic rk__traffic_row_sums(const rk_counted *c)
{
    double n = (double)c->node->attr.row_sums.n, rows = (double)rk__counted_in(c, 0)->rows - 1;
    bool has_values = c->node->in[2] != RK_NONE;
    double values = has_values && rows > 0 ? rk__elements(rk__counted_in(c, 2)) * n / rows : 0;
    return (rk_traffic){.bytes = (values + n) * (double)sizeof(float) + n * (double)sizeof(int64_t),
                        .flops = values};
}

rk_tile_lists rk__nearest_lists(rk_program *p, rk_value common, rk_tile_lists lists, rk_value sizes,
                                rk_value self, rk_value count, rk_similar_attr attr)
{
    rk_node node =
        RK_NODE(RK_OP_NEAREST_LISTS, common, lists.offsets, lists.weights, sizes, self, count);
    node.attr.similar = attr;
    const rk_node *made = rk__append(p, node);
    return made ? (rk_tile_lists){made->out[0], made->out[1], made->out[2]}
                : (rk_tile_lists){RK_NONE, RK_NONE, RK_NONE};
}

/* common f32[T,n], offsets i64[T+1], weights f32[C], sizes f32[n], self i32[T] or -, count i32[1]
 * -> offsets i64[T+1], rows i32[T*K], weights f32[T*K] */
rk_status rk__shape_nearest_lists(const rk_program *p, const rk_node *node, rk_shape *out)
{
    const rk_similar_attr *a = &node->attr.similar;
    int64_t cells = 0;
    NEED(is(AT(0), RK_F32, -1, -1) && AT(0)->cols > 0 && is(AT(1), RK_I64, AT(0)->rows + 1, 1));
    NEED(is(AT(2), RK_F32, -1, 1) && is(AT(3), RK_F32, AT(0)->cols, 1));
    NEED((!HAS(4) || is(AT(4), RK_I32, AT(0)->rows, 1)) && is(AT(5), RK_I32, 1, 1));
    NEED(a->k > 0 && a->shrinkage >= 0 && rk__similar_factors(a) == 0);
    NEED(a->kind >= RK_SIMILARITY_COSINE && a->kind <= RK_SIMILARITY_PEARSON);
    RK_TRY(rk__mul(&cells, AT(0)->rows, a->k, "the neighbours of a tile"));
    out[0] = shape(RK_I64, AT(0)->rows + 1, 1);
    out[1] = shape(RK_I32, cells, 1);
    out[2] = shape(RK_F32, cells, 1);
    return RK_OK;
}
