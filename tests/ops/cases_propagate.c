/* The three forms of propagation. */
#include "ops/harness.h"

static const int64_t widths[] = {1, 3, 16, 20, 32, 64, 65, 128, 130};
enum { N_WIDTHS = sizeof widths / sizeof widths[0] };

static const struct graph_shape {
    int64_t users, items;
    double chance;
} graph_shapes[] = {
    {1, 1, 1.0}, {3, 4, 0.5}, {5, 2, 0.0}, {33, 7, 0.4}, {300, 200, 0.15}, {40, 900, 0.7},
};
enum { N_GRAPHS = sizeof graph_shapes / sizeof graph_shapes[0] };

static const float alpha = 0.75f;

/* Row r of alpha A^ x, where row c of x is x + at(c) d, or zero where at(c) < 0. */
static void expected_row(const ops_graph *g, const float *x, const int32_t *at, int64_t d,
                         int64_t r, double *sum, double *size)
{
    for (int64_t e = g->offsets[r]; e < g->offsets[r + 1]; e++) {
        int64_t c = g->columns[e], row = at ? at[c] : c;
        for (int64_t j = 0; j < d && row >= 0; j++) {
            ops_add(&sum[j], &size[j],
                    (double)alpha * (double)g->scale[r] * (double)g->scale[c] *
                        (double)x[row * d + j]);
        }
    }
}

static void propagate_on(int i, int64_t d)
{
    ops_random r = {(uint64_t)(i * 1000 + d)};
    ops_case *c = ops_begin("propagate on graph %d, width %d", i, (int)d);
    const struct graph_shape *s = &graph_shapes[i];
    ops_graph g = ops_make_graph(c, s->users, s->items, s->chance, &r);
    float *x = ops_reals(c, g.n_nodes * d, &r);
    double *expected = ops_doubles(c, g.n_nodes * d), *size = ops_doubles(c, g.n_nodes * d);
    for (int64_t row = 0; row < g.n_nodes; row++) {
        expected_row(&g, x, NULL, d, row, expected + row * d, size + row * d);
    }
    rk_graph_values graph = ops_graph_inputs(c, &g);
    rk_value y = rk__propagate(ops_program(c), graph, ops_input(c, RK_F32, g.n_nodes, d, x), alpha);
    ops_expect_reals(c, y, expected, size, 2e-6);
    ops_run(c, 1);
}

static void propagate(void)
{
    for (int i = 0; i < N_GRAPHS; i++) {
        for (int w = 0; w < N_WIDTHS; w++) {
            propagate_on(i, widths[w]);
        }
    }
}

static void propagate_at_rows(int i, int64_t d, int64_t batch, int64_t triplets, bool from)
{
    ops_random r = {(uint64_t)(i * 1000 + d)};
    ops_case *c = ops_begin("propagate_%srows on graph %d, width %d, %d of %d triplets",
                            from ? "from_" : "", i, (int)d, (int)triplets, (int)batch);
    const struct graph_shape *s = &graph_shapes[i];
    ops_graph g = ops_make_graph(c, s->users, s->items, s->chance, &r);
    ops_batch b = ops_make_batch(c, s->users, s->items, batch, 1, triplets, &r);
    int64_t n_in = from ? b.capacity : g.n_nodes, n_out = from ? g.n_nodes : b.capacity;
    float *x = ops_reals(c, n_in * d, &r);
    double *expected = ops_doubles(c, n_out * d), *size = ops_doubles(c, n_out * d);
    for (int64_t row = 0; row < (from ? n_out : b.count); row++) {
        expected_row(&g, x, from ? b.map : NULL, d, from ? row : b.rows[row], expected + row * d,
                     size + row * d);
    }
    rk_graph_values graph = ops_graph_inputs(c, &g);
    rk_row_set set = ops_batch_inputs(c, &b, g.n_nodes);
    rk_value in = ops_input(c, RK_F32, n_in, d, x);
    rk_value y = from ? rk__propagate_from_rows(ops_program(c), graph, in, set, alpha)
                      : rk__propagate_rows(ops_program(c), graph, in, set, alpha);
    ops_expect_reals(c, y, expected, size, 2e-6);
    ops_run(c, 1);
}

static void at_rows(bool from)
{
    for (int i = 0; i < N_GRAPHS; i++) {
        for (int w = 0; w < N_WIDTHS; w++) {
            propagate_at_rows(i, widths[w], 20, w % 2 ? 20 : 13, from);
        }
    }
    propagate_at_rows(4, 64, 9, 0, from);     /* a batch with nothing in it */
    propagate_at_rows(4, 64, 600, 600, from); /* a batch with nearly every node */
    propagate_at_rows(5, 20, 700, 650, from);
}

static void propagate_rows(void)
{
    at_rows(false);
}

static void propagate_from_rows(void)
{
    at_rows(true);
}

const ops_entry ops_cases_propagate[] = {
    {RK_OP_PROPAGATE, propagate},
    {RK_OP_PROPAGATE_ROWS, propagate_rows},
    {RK_OP_PROPAGATE_FROM_ROWS, propagate_from_rows},
    {RK_OP_COUNT, NULL},
};
