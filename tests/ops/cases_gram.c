/* The Gram form's operations: fold and unfold of either side, whole and at a row set, the product
 * with the Gram matrix, sums of pair tables. */
#include "ops/harness.h"

static const int64_t widths[] = {1, 3, 16, 20, 64, 65};
enum { N_WIDTHS = sizeof widths / sizeof widths[0] };

static const struct graph_shape {
    int64_t users, items;
    double chance;
} graph_shapes[] = {
    {1, 1, 1.0}, {3, 4, 0.5}, {5, 2, 0.0}, {33, 7, 0.4}, {40, 400, 0.6}, {300, 90, 0.15},
};
enum { N_GRAPHS = sizeof graph_shapes / sizeof graph_shapes[0] };

typedef struct fold_case {
    ops_case *c;
    ops_graph g;
    rk_graph_values graph;
    rk_fold_attr side;
    int64_t d, other_first, n_other;
} fold_case;

static fold_case begin(const char *what, int i, int64_t d, bool small_items, ops_random *r)
{
    const struct graph_shape *s = &graph_shapes[i];
    *r = (ops_random){(uint64_t)(i * 1000 + d) + small_items};
    fold_case f = {.d = d};
    f.c = ops_begin("%s on graph %d, %s small, width %d", what, i, small_items ? "items" : "users",
                    (int)d);
    f.g = ops_make_graph(f.c, s->users, s->items, s->chance, r);
    f.graph = ops_graph_inputs(f.c, &f.g);
    f.side = small_items ? (rk_fold_attr){s->users, s->items} : (rk_fold_attr){0, s->users};
    f.other_first = small_items ? 0 : s->users;
    f.n_other = f.g.n_nodes - f.side.n;
    return f;
}

/* Row `node` of A^ x into sum and size [d]: row c of x is at x + at(c) d, zero where at(c) < 0. */
static void add_row(const fold_case *f, int64_t node, const float *x, const int32_t *at,
                    int64_t first, double *sum, double *size)
{
    const ops_graph *g = &f->g;
    for (int64_t e = g->offsets[node]; e < g->offsets[node + 1]; e++) {
        int64_t c = g->columns[e], row = at ? at[c] : c - first;
        for (int64_t j = 0; j < f->d && row >= 0; j++) {
            ops_add(&sum[j], &size[j],
                    (double)g->scale[node] * (double)g->scale[c] * (double)x[row * f->d + j]);
        }
    }
}

static void copy_row(const fold_case *f, const float *x, double *sum, double *size)
{
    for (int64_t j = 0; j < f->d; j++) {
        ops_add(&sum[j], &size[j], (double)x[j]);
    }
}

static void fold_on(int i, int64_t d, bool small_items)
{
    ops_random r;
    fold_case f = begin("fold", i, d, small_items, &r);
    int64_t n = f.side.n, half = n * d;
    float *x = ops_reals(f.c, f.g.n_nodes * d, &r);
    double *sum = ops_doubles(f.c, 2 * half), *size = ops_doubles(f.c, 2 * half);
    for (int64_t s = 0; s < n; s++) {
        copy_row(&f, x + (f.side.first + s) * d, sum + s * d, size + s * d);
        add_row(&f, f.side.first + s, x, NULL, 0, sum + half + s * d, size + half + s * d);
    }
    rk_value y =
        rk__fold(ops_program(f.c), f.graph, ops_input(f.c, RK_F32, f.g.n_nodes, d, x), f.side);
    ops_expect_reals(f.c, y, sum, size, 2e-6);
    ops_run(f.c, 1);
}

static void unfold_on(int i, int64_t d, bool small_items)
{
    ops_random r;
    fold_case f = begin("unfold", i, d, small_items, &r);
    int64_t n = f.side.n, half = n * d, all = f.g.n_nodes * d;
    float *x = ops_reals(f.c, 2 * half, &r);
    double *sum = ops_doubles(f.c, all), *size = ops_doubles(f.c, all);
    for (int64_t s = 0; s < n; s++) {
        copy_row(&f, x + s * d, sum + (f.side.first + s) * d, size + (f.side.first + s) * d);
    }
    for (int64_t node = f.other_first; node < f.other_first + f.n_other; node++) {
        add_row(&f, node, x + half, NULL, f.side.first, sum + node * d, size + node * d);
    }
    rk_value y = rk__unfold(ops_program(f.c), f.graph, ops_input(f.c, RK_F32, 2 * n, d, x), f.side);
    ops_expect_reals(f.c, y, sum, size, 2e-6);
    ops_run(f.c, 1);
}

static void fold_from_rows_on(int i, int64_t d, bool small_items, int64_t batch, int64_t triplets)
{
    ops_random r;
    fold_case f = begin("fold_from_rows", i, d, small_items, &r);
    ops_batch b = ops_make_batch(f.c, f.g.n_users, f.g.n_items, batch, 1, triplets, &r);
    int64_t n = f.side.n, half = n * d;
    float *x = ops_reals(f.c, b.capacity * d, &r);
    double *sum = ops_doubles(f.c, 2 * half), *size = ops_doubles(f.c, 2 * half);
    for (int64_t s = 0; s < n; s++) {
        int64_t node = f.side.first + s;
        if (b.map[node] >= 0) {
            copy_row(&f, x + b.map[node] * d, sum + s * d, size + s * d);
        }
        add_row(&f, node, x, b.map, 0, sum + half + s * d, size + half + s * d);
    }
    rk_row_set set = ops_batch_inputs(f.c, &b, f.g.n_nodes);
    rk_value y = rk__fold_from_rows(ops_program(f.c), f.graph,
                                    ops_input(f.c, RK_F32, b.capacity, d, x), set, f.side);
    ops_expect_reals(f.c, y, sum, size, 2e-6);
    ops_run(f.c, 1);
}

static void unfold_rows_on(int i, int64_t d, bool small_items, int64_t batch, int64_t triplets)
{
    ops_random r;
    fold_case f = begin("unfold_rows", i, d, small_items, &r);
    ops_batch b = ops_make_batch(f.c, f.g.n_users, f.g.n_items, batch, 1, triplets, &r);
    int64_t n = f.side.n, half = n * d;
    float *x = ops_reals(f.c, 2 * half, &r);
    double *sum = ops_doubles(f.c, b.capacity * d), *size = ops_doubles(f.c, b.capacity * d);
    for (int64_t k = 0; k < b.count; k++) {
        int64_t s = b.rows[k] - f.side.first;
        if (s >= 0 && s < n) {
            copy_row(&f, x + s * d, sum + k * d, size + k * d);
        } else {
            add_row(&f, b.rows[k], x + half, NULL, f.side.first, sum + k * d, size + k * d);
        }
    }
    rk_row_set set = ops_batch_inputs(f.c, &b, f.g.n_nodes);
    rk_value y = rk__unfold_rows(ops_program(f.c), f.graph, ops_input(f.c, RK_F32, 2 * n, d, x),
                                 set, f.side);
    ops_expect_reals(f.c, y, sum, size, 2e-6);
    ops_run(f.c, 1);
}

static void on_all(void (*test)(int i, int64_t d, bool small_items))
{
    for (int i = 0; i < N_GRAPHS; i++) {
        for (int w = 0; w < N_WIDTHS; w++) {
            test(i, widths[w], false);
            test(i, widths[w], true);
        }
    }
}

static void fold(void)
{
    on_all(fold_on);
}

static void unfold(void)
{
    on_all(unfold_on);
}

static void at_rows_on_all(void (*test)(int, int64_t, bool, int64_t, int64_t))
{
    for (int small_items = 0; small_items < 2; small_items++) {
        for (int i = 0; i < N_GRAPHS; i++) {
            for (int w = 0; w < N_WIDTHS; w++) {
                test(i, widths[w], small_items, 20, w % 2 ? 20 : 13);
            }
        }
        test(5, 64, small_items, 9, 0);     /* a batch with nothing in it */
        test(5, 64, small_items, 400, 390); /* a batch with nearly every node */
    }
}

static void fold_from_rows(void)
{
    at_rows_on_all(fold_from_rows_on);
}

static void unfold_rows(void)
{
    at_rows_on_all(unfold_rows_on);
}

static void gram_product_of(int64_t n, int64_t d, int32_t halves)
{
    ops_random r = {(uint64_t)(n * 1000 + d)};
    ops_case *c =
        ops_begin("gram_product of %d nodes, width %d, %d halves", (int)n, (int)d, (int)halves);
    float *gram = ops_memory(c, n * n, sizeof *gram), *x = ops_reals(c, 2 * n * d, &r);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j <= i; j++) {
            gram[i * n + j] = gram[j * n + i] = (float)ops_real(&r);
        }
    }
    double *sum = ops_doubles(c, 2 * n * d), *size = ops_doubles(c, 2 * n * d);
    for (int64_t row = 0; row < halves * n; row++) {
        const float *half = x + row / n * n * d;
        for (int64_t k = 0; k < n; k++) {
            for (int64_t j = 0; j < d; j++) {
                ops_add(&sum[row * d + j], &size[row * d + j],
                        (double)gram[row % n * n + k] * (double)half[k * d + j]);
            }
        }
    }
    rk_value y = rk__gram_product(ops_program(c), ops_input(c, RK_F32, n, n, gram),
                                  ops_input(c, RK_F32, 2 * n, d, x), halves);
    ops_expect_reals(c, y, sum, size, 3e-6);
    ops_run(c, 1);
}

static void gram_product(void)
{
    static const int64_t sizes[] = {1, 2, 31, 33, 130, 257};
    for (int s = 0; s < (int)(sizeof sizes / sizeof sizes[0]); s++) {
        for (int w = 0; w < N_WIDTHS; w++) {
            if (sizes[s] < 100 || w % 3 == s % 3) { /* of large ones two widths each */
                gram_product_of(sizes[s], widths[w], 2);
            }
        }
        gram_product_of(sizes[s], 5, 1);
        gram_product_of(sizes[s], 64, 1);
    }
    gram_product_of(1100, 7, 2); /* several depths of the sum */
}

static void mix_pairs_of(int n, int64_t rows, int64_t d)
{
    ops_random r = {(uint64_t)(n * 1000 + d)};
    ops_case *c = ops_begin("mix_pairs of %d tables, %d rows, width %d", n, (int)rows, (int)d);
    int64_t half = rows * d;
    rk_value tables[6];
    float w[RK_MAX_LAYERS] = {0};
    double *sum = ops_doubles(c, 2 * half), *size = ops_doubles(c, 2 * half);
    for (int i = 0; i < RK_MAX_LAYERS; i++) {
        w[i] = i % 4 == 2 || n == 2 ? 0 : (float)ops_real(&r); /* of two tables all weights are 0 */
    }
    for (int j = 0; j < n; j++) {
        float *x = ops_reals(c, 2 * half, &r);
        tables[j] = ops_input(c, RK_F32, 2 * rows, d, x);
        for (int64_t e = 0; e < 2 * half; e++) {
            for (int from = 0; from < 2; from++) {
                int at = 2 * j + (e >= half) + from;
                double weight = at < RK_MAX_LAYERS ? (double)w[at] : 0;
                ops_add(&sum[e], &size[e], weight * (double)x[e % half + from * half]);
            }
        }
    }
    ops_expect_reals(c, rk__mix_pairs(ops_program(c), tables, w, n), sum, size, 1e-6);
    ops_run(c, 1);
}

static void mix_pairs(void)
{
    for (int n = 1; n <= 6; n++) {
        mix_pairs_of(n, 1, 1);
        mix_pairs_of(n, 33, 20);
        mix_pairs_of(n, 500, 65);
    }
}

const ops_entry ops_cases_gram[] = {
    {RK_OP_FOLD, fold},
    {RK_OP_FOLD_FROM_ROWS, fold_from_rows},
    {RK_OP_UNFOLD, unfold},
    {RK_OP_UNFOLD_ROWS, unfold_rows},
    {RK_OP_GRAM_PRODUCT, gram_product},
    {RK_OP_MIX_PAIRS, mix_pairs},
    {RK_OP_COUNT, NULL},
};
