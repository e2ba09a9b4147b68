/*
 * Propagations: of all rows, at the rows of a batch and from them; those that end in something else
 * than a stored table of floats (rows of a batch added, an Adam step, halves), and what is gathered
 * from halves. Some graphs and widths in another order of rows, which changes no result.
 */
#include "ops/naive.h"

static const int64_t widths[] = {1, 3, 16, 20, 32, 64, 65, 128, 130};
static const int64_t fused_widths[] = {1, 3, 8, 20, 64, 65, 264};

static const struct graph_shape {
    int64_t users, items;
    double chance;
} graph_shapes[] = {
    {1, 1, 1.0}, {5, 2, 0.0},      {33, 7, 0.4},   {40, 300, 0.5},
    {3, 4, 0.5}, {300, 200, 0.15}, {40, 900, 0.7},
};
enum {
    N_WIDTHS = sizeof widths / sizeof widths[0],
    N_FUSED_WIDTHS = sizeof fused_widths / sizeof fused_widths[0],
    N_GRAPHS = sizeof graph_shapes / sizeof graph_shapes[0],
    N_FUSED_GRAPHS = 4,
};

static const float alpha = 0.75f;

/* A graph, a batch on it and what the cases draw from them. */
typedef struct world {
    ops_case *c;
    ops_random r;
    ops_graph g;
    ops_batch b;
    rk_graph_values graph;
    rk_row_set set;
    int64_t d;
} world;

static void begin_batch(world *w, const char *title, int i, int64_t d, int64_t batch,
                        int64_t triplets)
{
    const struct graph_shape *s = &graph_shapes[i];
    *w = (world){.r = {(uint64_t)(i * 1000 + d)}, .d = d};
    w->c = ops_begin("%s on graph %d, width %d, %d of %d triplets", title, i, (int)d, (int)triplets,
                     (int)batch);
    w->g = ops_make_graph(w->c, s->users, s->items, s->chance, &w->r);
    w->b = ops_make_batch(w->c, s->users, s->items, batch, 1, triplets, &w->r);
    w->graph = ops_graph_inputs(w->c, &w->g);
    if ((d > 30) != i % 2) {
        ops_order_rows(w->c, w->graph.offsets, &w->r);
    }
    w->set = ops_batch_inputs(w->c, &w->b, w->g.n_nodes);
}

static void begin(world *w, const char *title, int i, int64_t d)
{
    begin_batch(w, title, i, d, 20, d % 2 ? 20 : 13);
}

/* alpha A^ x; row c of x is x[at[c]], zero where at[c] < 0; at may be NULL. */
static void propagated(const world *w, const double *x, const int32_t *at, double *sum,
                       double *size)
{
    for (int64_t r = 0; r < w->g.n_nodes; r++) {
        for (int64_t e = w->g.offsets[r]; e < w->g.offsets[r + 1]; e++) {
            int64_t c = w->g.columns[e], row = at ? at[c] : c;
            for (int64_t j = 0; j < w->d && row >= 0; j++) {
                ops_add(&sum[r * w->d + j], &size[r * w->d + j],
                        (double)alpha * (double)w->g.scale[r] * (double)w->g.scale[c] *
                            x[row * w->d + j]);
            }
        }
    }
}

/* sum += weight x at the rows of the batch */
static void added(const world *w, double weight, const float *x, double *sum, double *size)
{
    for (int64_t r = 0; r < w->b.count; r++) {
        for (int64_t j = 0; j < w->d; j++) {
            int64_t at = w->b.rows[r] * w->d + j;
            ops_add(&sum[at], &size[at], weight * (double)x[r * w->d + j]);
        }
    }
}

static double *doubles_of(const world *w, const float *x, int64_t n)
{
    double *out = ops_doubles(w->c, n);
    for (int64_t i = 0; i < n; i++) {
        out[i] = (double)x[i];
    }
    return out;
}

/* ---- the three forms ---- */

static void propagate_on(int i, int64_t d)
{
    world w;
    begin(&w, "propagate", i, d);
    int64_t n = w.g.n_nodes * d;
    float *x = ops_reals(w.c, n, &w.r);
    double *sum = ops_doubles(w.c, n), *size = ops_doubles(w.c, n);
    propagated(&w, doubles_of(&w, x, n), NULL, sum, size);
    rk_value of_x = ops_input(w.c, RK_F32, w.g.n_nodes, d, x);
    ops_expect_reals(w.c, rk__propagate(ops_program(w.c), w.graph, of_x, alpha), sum, size, 2e-6);
    ops_run(w.c, 1);
}

static void propagate(void)
{
    for (int i = 0; i < N_GRAPHS; i++) {
        for (int k = 0; k < N_WIDTHS; k++) {
            propagate_on(i, widths[k]);
        }
    }
}

static void propagate_rows_on(int i, int64_t d, int64_t batch, int64_t triplets)
{
    world w;
    begin_batch(&w, "propagate_rows", i, d, batch, triplets);
    int64_t n = w.g.n_nodes * d, n_rows = w.b.capacity * d;
    float *x = ops_reals(w.c, n, &w.r);
    double *all = ops_doubles(w.c, n), *all_size = ops_doubles(w.c, n);
    double *sum = ops_doubles(w.c, n_rows), *size = ops_doubles(w.c, n_rows);
    propagated(&w, doubles_of(&w, x, n), NULL, all, all_size);
    for (int64_t j = 0; j < w.b.count * d; j++) {
        int64_t at = w.b.rows[j / d] * d + j % d;
        sum[j] = all[at];
        size[j] = all_size[at];
    }
    rk_value of_x = ops_input(w.c, RK_F32, w.g.n_nodes, d, x);
    rk_value y = rk__propagate_rows(ops_program(w.c), w.graph, of_x, w.set, alpha);
    ops_expect_reals(w.c, y, sum, size, 2e-6);
    ops_run(w.c, 1);
}

static void propagate_from_rows_on(int i, int64_t d, int64_t batch, int64_t triplets)
{
    world w;
    begin_batch(&w, "propagate_from_rows", i, d, batch, triplets);
    int64_t n = w.g.n_nodes * d, n_rows = w.b.capacity * d;
    float *x = ops_reals(w.c, n_rows, &w.r);
    double *sum = ops_doubles(w.c, n), *size = ops_doubles(w.c, n);
    propagated(&w, doubles_of(&w, x, n_rows), w.b.map, sum, size);
    rk_value of_x = ops_input(w.c, RK_F32, w.b.capacity, d, x);
    rk_value y = rk__propagate_from_rows(ops_program(w.c), w.graph, of_x, w.set, alpha);
    ops_expect_reals(w.c, y, sum, size, 2e-6);
    ops_run(w.c, 1);
}

static void on_batches(void (*test)(int i, int64_t d, int64_t batch, int64_t triplets))
{
    for (int i = 0; i < N_GRAPHS; i++) {
        for (int k = 0; k < N_WIDTHS; k++) {
            test(i, widths[k], 20, k % 2 ? 20 : 13);
        }
    }
    test(5, 64, 9, 0);     /* a batch with nothing in it */
    test(5, 64, 600, 600); /* a batch with nearly every node */
    test(6, 20, 700, 650);
}

static void propagate_rows(void)
{
    on_batches(propagate_rows_on);
}

static void propagate_from_rows(void)
{
    on_batches(propagate_from_rows_on);
}

/* ---- rows added ---- */

static void add_rows_on(int i, int64_t d, bool from)
{
    world w;
    begin(&w, from ? "propagate_from_rows with two tables" : "propagate with two tables", i, d);
    int64_t n = w.g.n_nodes * d, n_rows = w.b.capacity * d, n_x = from ? n_rows : n;
    float *x = ops_reals(w.c, n_x, &w.r);
    float *a = ops_reals(w.c, n_rows, &w.r), *b = ops_reals(w.c, n_rows, &w.r);
    double *sum = ops_doubles(w.c, n), *size = ops_doubles(w.c, n);
    propagated(&w, doubles_of(&w, x, n_x), from ? w.b.map : NULL, sum, size);
    added(&w, 0.5, a, sum, size);
    added(&w, -2, b, sum, size);
    rk_value in[] = {w.graph.offsets,
                     w.graph.columns,
                     w.graph.scale,
                     ops_input(w.c, RK_F32, n_x / d, d, x),
                     w.set.map,
                     ops_input(w.c, RK_F32, w.b.capacity, d, a),
                     ops_input(w.c, RK_F32, w.b.capacity, d, b)};
    rk_value y = ops_append(w.c, from ? RK_OP_PROPAGATE_FROM_ROWS : RK_OP_PROPAGATE, in, 7,
                            (rk_attr){.weight = {alpha, 0.5f, -2}});
    ops_expect_reals(w.c, y, sum, size, 2e-6);
    ops_run(w.c, 1);
}

static void add_rows(void)
{
    for (int i = 0; i < N_FUSED_GRAPHS; i++) {
        for (int k = 0; k < N_FUSED_WIDTHS; k++) {
            add_rows_on(i, fused_widths[k], false);
        }
    }
}

static void add_rows_from_rows(void)
{
    for (int i = 0; i < N_FUSED_GRAPHS; i++) {
        for (int k = 0; k < N_FUSED_WIDTHS; k++) {
            add_rows_on(i, fused_widths[k], true);
        }
    }
}

/* At the rows of a batch, behind the sum of two whole tables; halves: all three are. */
static void whole_tables_on(int i, int64_t d, bool halves)
{
    world w;
    begin(&w, halves ? "propagate_rows with tables of halves" : "propagate_rows with tables", i, d);
    int64_t n = w.g.n_nodes * d, n_rows = w.b.capacity * d;
    rk_program *p = ops_program(w.c);
    float *x[3];
    rk_value tables[3];
    double *all = ops_doubles(w.c, n), *all_size = ops_doubles(w.c, n);
    double *sum = ops_doubles(w.c, n_rows), *size = ops_doubles(w.c, n_rows);
    for (int k = 0; k < 3; k++) {
        x[k] = ops_reals(w.c, n, &w.r);
        tables[k] = ops_input(w.c, RK_F32, w.g.n_nodes, d, x[k]);
        tables[k] = halves && k < 2 ? rk__narrow(p, tables[k]) : tables[k];
    }
    propagated(&w, doubles_of(&w, x[0], n), NULL, all, all_size);
    for (int64_t j = 0; j < w.b.count * d; j++) {
        int64_t at = w.b.rows[j / d] * d + j % d;
        sum[j] = all[at] + 0.5 * (double)x[1][at] - 2 * (double)x[2][at];
        size[j] = all_size[at] + 4;
    }
    rk_value in[] = {w.graph.offsets, w.graph.columns, w.graph.scale, tables[0], w.set.rows,
                     w.set.count,     w.set.map,       tables[1],     tables[2]};
    rk_value y =
        ops_append(w.c, RK_OP_PROPAGATE_ROWS, in, 9, (rk_attr){.weight = {alpha, 0.5f, -2}});
    ops_expect_reals(w.c, y, sum, size, halves ? 2 * naive_half : 2e-6);
    ops_run(w.c, 1);
}

static void whole_tables(void)
{
    for (int i = 0; i < N_FUSED_GRAPHS; i++) {
        for (int k = 0; k < N_FUSED_WIDTHS; k++) {
            whole_tables_on(i, fused_widths[k], false);
            whole_tables_on(i, fused_widths[k], true);
        }
    }
}

/* ---- Adam ---- */

enum { STEPS = 3 };

typedef enum source { FLOATS, HALVES, FROM_ROWS } source;

/* epsilon is large: a gradient that is zero but for rounding must not move anything. */
static const rk_adam_attr adam = {
    .beta1 = 0.9, .beta2 = 0.99, .epsilon = 0.05, .weight_decay = 0.02};

static void adam_steps(const double *g, const double *g_size, int64_t n, double rate, double *p,
                       double *m, double *v, double *size)
{
    for (int64_t j = 0; j < n; j++) {
        for (int t = 1; t <= STEPS; t++) {
            double gradient = g[j] + adam.weight_decay * p[j];
            m[j] = adam.beta1 * m[j] + (1 - adam.beta1) * gradient;
            v[j] = adam.beta2 * v[j] + (1 - adam.beta2) * gradient * gradient;
            double root = sqrt(v[j] / (1 - pow(adam.beta2, t))) + adam.epsilon;
            p[j] -= rate * m[j] / (1 - pow(adam.beta1, t)) / root;
        }
        size[j] = 1 + g_size[j] * (1 + g_size[j]);
    }
}

/* The halves of the parameter: at the rows of the batch. */
static void expect_kept(const world *w, rk_value kept, const double *p, const double *p_size,
                        double tolerance)
{
    int64_t n_rows = w->b.capacity * w->d;
    double *sum = ops_doubles(w->c, n_rows), *size = ops_doubles(w->c, n_rows);
    for (int64_t j = 0; j < w->b.count * w->d; j++) {
        int64_t at = w->b.rows[j / w->d] * w->d + j % w->d;
        sum[j] = p[at];
        size[j] = p_size[at] + 1;
    }
    ops_expect_reals(w->c, rk__gather_rows(ops_program(w->c), kept, w->set), sum, size, tolerance);
}

static void adam_on(int i, int64_t d, source from, bool with_rows)
{
    world w;
    begin(&w, from == FROM_ROWS ? "propagate_from_rows_adam" : "propagate_adam", i, d);
    int64_t n = w.g.n_nodes * d, n_rows = w.b.capacity * d, n_x = from == FROM_ROWS ? n_rows : n;
    rk_step_state state = {.learning_rate = 0.01};
    float *x = ops_reals(w.c, n_x, &w.r), *rows = ops_reals(w.c, n_rows, &w.r);
    float *p0 = ops_reals(w.c, n, &w.r);
    double *g = ops_doubles(w.c, n), *g_size = ops_doubles(w.c, n), *p = doubles_of(&w, p0, n);
    double *m = ops_doubles(w.c, n), *v = ops_doubles(w.c, n), *size = ops_doubles(w.c, n);
    propagated(&w, doubles_of(&w, x, n_x), from == FROM_ROWS ? w.b.map : NULL, g, g_size);
    if (with_rows) {
        added(&w, -0.25, rows, g, g_size);
    }
    adam_steps(g, g_size, n, state.learning_rate, p, m, v, size);

    rk_value table = ops_input(w.c, RK_F32, n_x / d, d, x);
    table = from == HALVES ? rk__narrow(ops_program(w.c), table) : table;
    rk_value parameter = ops_variable(w.c, RK_F32, w.g.n_nodes, d, p0);
    rk_value first = ops_variable(w.c, RK_F32, w.g.n_nodes, d, NULL);
    rk_value second = ops_variable(w.c, RK_F32, w.g.n_nodes, d, NULL);
    rk_value at = ops_variable(w.c, RK_STATE, 1, 1, &state);
    rk_value map = with_rows || from == FROM_ROWS ? w.set.map : RK_NONE;
    rk_value kept = d % 2 ? RK_NONE : ops_variable(w.c, RK_F16, w.g.n_nodes, d, NULL);
    rk_value in[] = {w.graph.offsets,
                     w.graph.columns,
                     w.graph.scale,
                     table,
                     map,
                     parameter,
                     first,
                     second,
                     ops_append(w.c, RK_OP_ADAM_RATES, &at, 1, (rk_attr){.adam = adam}),
                     kept,
                     ops_input(w.c, RK_F32, w.b.capacity, d, rows)};
    ops_append(w.c, from == FROM_ROWS ? RK_OP_PROPAGATE_FROM_ROWS_ADAM : RK_OP_PROPAGATE_ADAM, in,
               with_rows ? 11 : 10, (rk_attr){.update = {.weight = {alpha, -0.25f}, .adam = adam}});
    rk__step_advance(ops_program(w.c), at);
    double tolerance = from == HALVES ? 2 * naive_half : 4e-6;
    ops_expect_reals(w.c, parameter, p, size, tolerance);
    ops_expect_reals(w.c, first, m, size, tolerance);
    ops_expect_reals(w.c, second, v, size, tolerance);
    if (kept != RK_NONE) {
        expect_kept(&w, kept, p, size, tolerance + naive_half);
    }
    ops_run(w.c, STEPS);
}

static void propagate_adam(void)
{
    for (int i = 0; i < N_FUSED_GRAPHS; i++) {
        for (int k = 0; k < N_FUSED_WIDTHS; k++) {
            adam_on(i, fused_widths[k], k % 2 ? HALVES : FLOATS, true);
            adam_on(i, fused_widths[k], k % 2 ? FLOATS : HALVES, k % 3 == 0);
        }
    }
}

static void propagate_from_rows_adam(void)
{
    for (int i = 0; i < N_FUSED_GRAPHS; i++) {
        for (int k = 0; k < N_FUSED_WIDTHS; k++) {
            adam_on(i, fused_widths[k], FROM_ROWS, k % 2 == 0);
        }
    }
}

/* ---- halves ---- */

/* The value in a stored tensor, whose memory is its own. */
static rk_value keep(const world *w, rk_value value, int64_t rows)
{
    rk_value kept = ops_variable(w->c, RK_F32, rows, w->d, NULL);
    rk__assign(ops_program(w->c), ops_program(w->c)->tensors[kept].stored, value);
    return kept;
}

/* A table of halves from its making to its last reader: x, its copy, layers of halves that the next
 * layer and the batch read. size[k] is A^ of a bound of |x|: no cancellation hides a rounding. */
static void layers_on(int i, int64_t d)
{
    world w;
    begin(&w, "layers of halves", i, d);
    int64_t n = w.g.n_nodes * d, n_rows = w.b.capacity * d;
    float *x = ops_reals(w.c, n, &w.r);
    double *layer[4] = {doubles_of(&w, x, n)}, *size[4] = {ops_doubles(w.c, n)};
    double *last = ops_doubles(w.c, n_rows), *last_size = ops_doubles(w.c, n_rows);
    double *mean = ops_doubles(w.c, n_rows), *mean_size = ops_doubles(w.c, n_rows);
    for (int64_t k = 0; k < n; k++) {
        size[0][k] = 1;
    }
    for (int k = 1; k <= 3; k++) {
        double *unused = ops_doubles(w.c, n);
        layer[k] = ops_doubles(w.c, n);
        size[k] = ops_doubles(w.c, n);
        propagated(&w, layer[k - 1], NULL, layer[k], unused);
        propagated(&w, size[k - 1], NULL, size[k], unused);
    }
    for (int64_t r = 0; r < w.b.count; r++) {
        for (int64_t j = 0; j < d; j++) {
            int64_t at = w.b.rows[r] * d + j;
            last[r * d + j] = layer[3][at];
            last_size[r * d + j] = size[3][at];
            mean[r * d + j] = 0.5 * (double)x[at] + 0.25 * layer[1][at] + 0.125 * layer[2][at];
            mean_size[r * d + j] = 0.25 * size[1][at] + 0.125 * size[2][at] + 0.01;
        }
    }
    rk_program *p = ops_program(w.c);
    rk_value tables[3] = {ops_input(w.c, RK_F32, w.g.n_nodes, d, x)};
    tables[1] = rk__propagate(p, w.graph, tables[0], alpha);
    tables[2] = rk__propagate(p, w.graph, tables[1], alpha);
    rk_value third = rk__propagate_rows(p, w.graph, tables[2], w.set, alpha);
    rk_value sum = rk__combine_rows(p, tables, (float[]){0.5f, 0.25f, 0.125f}, 3, w.set);
    rk_value whole = rk__propagate(p, w.graph, tables[2], alpha);
    third = keep(&w, third, w.b.capacity);
    sum = keep(&w, sum, w.b.capacity);
    whole = keep(&w, whole, w.g.n_nodes);
    assert_ok(rk__program_narrow(p));
    assert_int_equal(p->tensors[tables[1]].dtype, RK_F16);
    assert_int_equal(p->tensors[tables[2]].dtype, RK_F16);
    ops_expect_reals(w.c, third, last, last_size, 3 * naive_half);
    ops_expect_reals(w.c, sum, mean, mean_size, 3 * naive_half);
    ops_expect_reals(w.c, whole, layer[3], size[3], 3 * naive_half);
    ops_run(w.c, 1);
}

/* The first backward layer as halves: from the rows of a batch, with the batch's own rows added,
 * read by the next layer. */
static void halves_from_rows_on(int i, int64_t d)
{
    world w;
    begin(&w, "from rows to halves", i, d);
    int64_t n = w.g.n_nodes * d, n_rows = w.b.capacity * d;
    float *x = ops_reals(w.c, n_rows, &w.r);
    for (int64_t k = 0; k < n_rows; k++) {
        x[k] *= 1e-9f; /* as small as gradients are */
    }
    double *first = ops_doubles(w.c, n), *size = ops_doubles(w.c, n);
    double *second = ops_doubles(w.c, n), *second_size = ops_doubles(w.c, n);
    double *ones = ops_doubles(w.c, n), *bound = ops_doubles(w.c, n);
    propagated(&w, doubles_of(&w, x, n_rows), w.b.map, first, size);
    added(&w, 2, x, first, size);
    propagated(&w, first, NULL, second, second_size);
    propagated(&w, size, NULL, ones, bound);
    rk_value in[] = {w.graph.offsets, w.graph.columns,
                     w.graph.scale,   ops_input(w.c, RK_F32, w.b.capacity, d, x),
                     w.set.map,       RK_NONE};
    in[5] = in[3];
    rk_value y = ops_append(w.c, RK_OP_PROPAGATE_FROM_ROWS, in, 6, (rk_attr){.weight = {alpha, 2}});
    rk_value z = rk__propagate(ops_program(w.c), w.graph, y, alpha);
    assert_ok(rk__program_narrow(ops_program(w.c)));
    assert_int_equal(ops_program(w.c)->tensors[y].dtype, RK_F16);
    ops_expect_reals(w.c, z, second, bound, 2 * naive_half);
    ops_run(w.c, 1);
}

static void layers_of_halves(void)
{
    for (int i = 0; i < N_FUSED_GRAPHS; i++) {
        for (int k = 0; k < N_FUSED_WIDTHS; k++) {
            layers_on(i, fused_widths[k]);
            halves_from_rows_on(i, fused_widths[k]);
        }
    }
}

const ops_entry ops_cases_propagate[] = {
    {RK_OP_PROPAGATE, propagate},
    {RK_OP_PROPAGATE_ROWS, propagate_rows},
    {RK_OP_PROPAGATE_FROM_ROWS, propagate_from_rows},
    {RK_OP_PROPAGATE, add_rows},
    {RK_OP_PROPAGATE_FROM_ROWS, add_rows_from_rows},
    {RK_OP_PROPAGATE_ROWS, whole_tables},
    {RK_OP_PROPAGATE_ADAM, propagate_adam},
    {RK_OP_PROPAGATE_FROM_ROWS_ADAM, propagate_from_rows_adam},
    {RK_OP_PROPAGATE_ROWS, layers_of_halves},
    {RK_OP_COUNT, NULL},
};
