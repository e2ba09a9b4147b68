/* Sparse linear models of items: the weights by the items' dense Gram matrix in double, which are
 * held against the conditions that only the best ones meet. */
#include <math.h>

#include "ops/harness.h"

static const struct slim_shape {
    int64_t users, items;
    double chance;
    double l1, l2;
    int32_t k;
    bool has_negative;
} shapes[] = {
    {1, 1, 1.0, 0.1, 1, 1, false},     {5, 2, 0.0, 0, 1, 3, false},
    {40, 9, 0.5, 1.3, 2, 12, false},   {60, 30, 0.3, 0, 7, 30, false},
    {60, 30, 0.3, 0.4, 7, 4, false},   {90, 70, 0.2, 2.1, 20, 70, false},
    {40, 9, 0.5, 0.7, 2, 12, true},    {60, 30, 0.3, 0.2, 9, 30, true},
    {200, 40, 0.1, 1.4, 0.5, 8, true}, {200, 150, 0.15, 1.2, 30, 150, false},
};

static double soft(double x, double l1, bool has_negative)
{
    return x > l1 ? x - l1 : x < -l1 && has_negative ? x + l1 : 0;
}

/* w of column j by cyclic descent on the Gram matrix. */
static void best_weights(const struct slim_shape *s, const double *gram, int64_t j, double *w)
{
    const int64_t n = s->items;
    double change = 1;
    for (int pass = 0; pass < 100000 && change > 1e-15; pass++) {
        change = 0;
        for (int64_t k = 0; k < n; k++) {
            double product = gram[k * n + j], before = w[k];
            for (int64_t m = 0; m < n; m++) {
                product -= m == k ? 0 : gram[k * n + m] * w[m];
            }
            bool is_none = k == j || gram[k * n + k] == 0;
            w[k] = is_none ? 0 : soft(product, s->l1, s->has_negative) / (gram[k * n + k] + s->l2);
            change = fmax(change, fabs(w[k] - before));
        }
    }
    for (int64_t k = 0; k < n; k++) { /* no direction goes down from here */
        double slope = gram[k * n + j] - s->l2 * w[k];
        for (int64_t m = 0; m < n; m++) {
            slope -= gram[k * n + m] * w[m];
        }
        double sign = w[k] > 0 ? 1 : -1;
        bool is_best = w[k] != 0         ? fabs(slope - sign * s->l1) < 1e-9
                       : s->has_negative ? fabs(slope) < s->l1 + 1e-9
                                         : slope < s->l1 + 1e-9;
        assert_true(k == j || is_best);
    }
}

static double *gram_of(ops_case *c, const ops_graph *g)
{
    const int64_t n = g->n_items;
    double *gram = ops_doubles(c, n * n);
    for (int64_t u = 0; u < g->n_users; u++) {
        for (int64_t e = g->offsets[u]; e < g->offsets[u + 1]; e++) {
            for (int64_t f = g->offsets[u]; f < g->offsets[u + 1]; f++) {
                gram[(g->columns[e] - g->n_users) * n + g->columns[f] - g->n_users] += 1;
            }
        }
    }
    return gram;
}

static void take_largest(double *w, int64_t n, int32_t k, int32_t *items, double *values,
                         double *size)
{
    for (int32_t r = 0; r < k; r++) {
        int64_t best = 0;
        for (int64_t i = 1; i < n; i++) {
            best = fabs(w[i]) > fabs(w[best]) ? i : best;
        }
        bool is_one = w[best] != 0;
        items[r] = is_one ? (int32_t)best : -1;
        values[r] = is_one ? w[best] : 0;
        size[r] = fabs(values[0]);
        w[best] = 0;
    }
}

static void weights_of(const struct slim_shape *s)
{
    ops_random r = {(uint64_t)(s->users * 1000 + s->items)};
    ops_case *c = ops_begin("slim_columns of %d users and %d items, l1 %g, l2 %g, negative %d",
                            (int)s->users, (int)s->items, s->l1, s->l2, s->has_negative);
    ops_graph g = ops_make_graph(c, s->users, s->items, s->chance, &r);
    const double *gram = gram_of(c, &g);
    const int64_t n = s->items, cells = n * s->k;
    int32_t *items = ops_memory(c, cells, sizeof *items);
    double *values = ops_doubles(c, cells), *size = ops_doubles(c, cells);
    for (int64_t j = 0; j < n; j++) {
        double *w = ops_doubles(c, n);
        best_weights(s, gram, j, w);
        take_largest(w, n, s->k, items + j * s->k, values + j * s->k, size + j * s->k);
    }
    rk_graph_values graph = ops_graph_inputs(c, &g);
    rk_value out_items = ops_variable(c, RK_I32, n, s->k, NULL);
    rk_value out_values = ops_variable(c, RK_F32, n, s->k, NULL);
    rk_value out_stopped = ops_variable(c, RK_I32, n, 1, NULL);
    rk__slim_columns(ops_program(c), (rk_csr_values){graph.offsets, graph.columns, RK_NONE},
                     (rk_slim_attr){.l1 = s->l1,
                                    .l2 = s->l2,
                                    .tolerance = 1e-14,
                                    .passes = 2000,
                                    .has_negative = s->has_negative,
                                    .k = s->k,
                                    .n_users = s->users,
                                    .n_items = n},
                     out_items, out_values, out_stopped);
    ops_expect_exactly(c, out_items, items);
    ops_expect_exactly(c, out_stopped, ops_memory(c, n, sizeof(int32_t))); /* nowhere */
    ops_expect_reals(c, out_values, values, size, 2e-5);
    ops_run(c, 2); /* twice: nothing is left over from the first */
}

/* One pass is not enough for items with a candidate whose weight then moves others: all of a chain
 * of items in which each two neighbours share users, but for the item that nobody has. */
static void passes_run_out(bool has_negative)
{
    enum { USERS = 12, ITEMS = 5 };
    ops_random r = {7};
    ops_case *c = ops_begin("slim_columns that stops, negative %d", has_negative);
    ops_graph g = ops_make_graph(c, USERS, ITEMS, 0.7, &r);
    int32_t *stopped = ops_memory(c, ITEMS, sizeof *stopped);
    const double *gram = gram_of(c, &g);
    for (int j = 0; j < ITEMS; j++) { /* whoever shares enough of its users has a weight */
        for (int k = 0; k < ITEMS; k++) {
            stopped[j] |= k != j && gram[k * ITEMS + j] > 0.5;
        }
    }
    rk_graph_values graph = ops_graph_inputs(c, &g);
    rk_value out_items = ops_variable(c, RK_I32, ITEMS, 2, NULL);
    rk_value out_values = ops_variable(c, RK_F32, ITEMS, 2, NULL);
    rk_value out_stopped = ops_variable(c, RK_I32, ITEMS, 1, NULL);
    rk__slim_columns(ops_program(c), (rk_csr_values){graph.offsets, graph.columns, RK_NONE},
                     (rk_slim_attr){.l1 = 0.5,
                                    .l2 = 1,
                                    .passes = 1,
                                    .has_negative = has_negative,
                                    .k = 2,
                                    .n_users = USERS,
                                    .n_items = ITEMS},
                     out_items, out_values, out_stopped);
    ops_expect_exactly(c, out_stopped, stopped);
    ops_run(c, 1);
}

static void slim_columns(void)
{
    passes_run_out(false);
    passes_run_out(true);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        weights_of(&shapes[i]);
    }
}

const ops_entry ops_cases_slim[] = {
    {RK_OP_SLIM_COLUMNS, slim_columns},
    {RK_OP_COUNT, NULL},
};
