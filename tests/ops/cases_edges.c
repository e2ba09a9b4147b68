/*
 * Graphs with dropped edges, and propagations over them: their rows are cut by the whole graph's,
 * so the cases have rows of several pieces, rows that lose all of their edges, and nodes without
 * any.
 */
#include "ops/harness.h"

#include <math.h>

#include "ops/edge_draw.h"

static const struct graph_shape {
    int64_t users, items;
    double chance;
} graph_shapes[] = {{1, 1, 1.0}, {5, 2, 0.0}, {6, 40, 0.5}, {33, 7, 0.4}, {40, 300, 0.5}};
enum { N_GRAPHS = sizeof graph_shapes / sizeof graph_shapes[0] };

static const rk_step_state first_epoch = {.seed = 77, .learning_rate = 0.01};

/* What is left of g, node by node; n_emptied: rows that had edges and have none now. */
static ops_graph drawn_graph(ops_case *c, const ops_graph *g, const rk_step_state *state,
                             rk_drop_attr attr, int64_t *n_emptied)
{
    const rk_edge_draw draw = rk__edge_draw_at(state, attr.view, rk__edge_threshold(attr.ratio));
    int64_t *offsets = ops_memory(c, g->n_nodes + 1, sizeof *offsets), n = 0;
    int32_t *columns = ops_memory(c, 2 * g->n_edges, sizeof *columns);
    float *scale = ops_memory(c, g->n_nodes, sizeof *scale);
    *n_emptied = 0;
    for (int64_t row = 0; row < g->n_nodes; row++) {
        for (int64_t e = g->offsets[row]; e < g->offsets[row + 1]; e++) {
            if (!rk__edge_is_dropped(draw.key, draw.threshold, (int32_t)row, g->columns[e])) {
                columns[n++] = g->columns[e];
            }
        }
        offsets[row + 1] = n;
        int64_t degree = n - offsets[row];
        scale[row] = degree > 0 ? (float)(1 / sqrt((double)degree)) : 0;
        *n_emptied += degree == 0 && g->offsets[row] < g->offsets[row + 1];
    }
    for (int64_t e = n; e < 2 * g->n_edges; e++) {
        columns[e] = -1;
    }
    ops_graph drawn = *g;
    drawn.offsets = offsets;
    drawn.columns = columns;
    drawn.scale = scale;
    return drawn;
}

/* ---- the graph ---- */

static int64_t drop_on(int i, double ratio, int64_t epoch, int32_t view)
{
    ops_random r = {(uint64_t)i + 1};
    ops_case *c = ops_begin("drop_edges on graph %d, ratio %g, epoch %d, view %d", i, ratio,
                            (int)epoch, (int)view);
    const struct graph_shape *s = &graph_shapes[i];
    ops_graph g = ops_make_graph(c, s->users, s->items, s->chance, &r);
    rk_step_state state = first_epoch;
    rk_drop_attr attr = {.ratio = ratio, .view = view};
    int64_t n_emptied = 0;
    state.epoch = epoch;
    ops_graph drawn = drawn_graph(c, &g, &state, attr, &n_emptied);
    rk_graph_values out = rk__drop_edges(ops_program(c), ops_graph_inputs(c, &g),
                                         ops_variable(c, RK_STATE, 1, 1, &state), attr);
    ops_expect_exactly(c, out.offsets, drawn.offsets);
    ops_expect_exactly(c, out.columns, drawn.columns);
    ops_expect_exactly(c, out.scale, drawn.scale);
    ops_run(c, 1);
    return n_emptied;
}

static void drop_edges(void)
{
    static const double ratios[] = {0.1, 0.5, 0.9};
    int64_t n_emptied = 0;
    for (int i = 0; i < N_GRAPHS; i++) {
        for (size_t k = 0; k < sizeof ratios / sizeof ratios[0]; k++) {
            for (int32_t view = 0; view < 2; view++) {
                n_emptied += drop_on(i, ratios[k], view + 3 * i, view);
            }
        }
    }
    assert_true(n_emptied > 5);
}

/* ---- propagations ---- */

typedef enum form { ALL, HALVES, ADDED, ADAM, ROWS, FROM_ROWS, FROM_ADDED, FROM_ADAM } form;
static const char *const form_names[] = {"propagate",
                                         "propagate of halves",
                                         "propagate with a table",
                                         "propagate_adam",
                                         "propagate_rows",
                                         "propagate_from_rows",
                                         "propagate_from_rows with a table",
                                         "propagate_from_rows_adam"};

static const float alpha = 0.75f, added_weight = -0.5f;
static const rk_adam_attr adam = {.beta1 = 0.9, .beta2 = 0.99, .epsilon = 0.05};

typedef struct world {
    ops_case *c;
    ops_graph g, drawn;
    ops_batch b;
    form what;
    int64_t d, n_x;          /* n_x: rows of x */
    float *x, *rows, *table; /* what is gathered, what is added, what Adam updates */
    double *sum, *size;      /* of all nodes */
} world;

static bool is_from(form what)
{
    return what >= FROM_ROWS;
}

static bool has_added(form what)
{
    return what == ADDED || what == FROM_ADDED || what == ADAM || what == FROM_ADAM;
}

/* alpha A^ x over the drawn graph, and what is added. */
static void expect_sums(world *w)
{
    const ops_graph *g = &w->drawn;
    for (int64_t r = 0; r < g->n_nodes; r++) {
        double *sum = w->sum + r * w->d, *size = w->size + r * w->d;
        for (int64_t e = g->offsets[r]; e < g->offsets[r + 1]; e++) {
            int64_t c = g->columns[e], at = is_from(w->what) ? w->b.map[c] : c;
            for (int64_t j = 0; j < w->d && at >= 0; j++) {
                ops_add(&sum[j], &size[j],
                        (double)alpha * (double)g->scale[r] * (double)g->scale[c] *
                            (double)w->x[at * w->d + j]);
            }
        }
        for (int64_t j = 0; j < w->d && has_added(w->what) && w->b.map[r] >= 0; j++) {
            ops_add(&sum[j], &size[j],
                    (double)added_weight * (double)w->rows[w->b.map[r] * w->d + j]);
        }
    }
}

/* The first Adam step: m and v are the gradient and its square, but for factors that cancel out. */
static void expect_update(world *w)
{
    for (int64_t k = 0; k < w->g.n_nodes * w->d; k++) {
        double g = w->sum[k];
        w->sum[k] = (double)w->table[k] - first_epoch.learning_rate * g / (fabs(g) + adam.epsilon);
        w->size[k] = 1 + w->size[k];
    }
}

static rk_value append_propagation(world *w, rk_graph_values graph, rk_value state)
{
    ops_case *c = w->c;
    rk_program *p = ops_program(c);
    rk_row_set set = ops_batch_inputs(c, &w->b, w->g.n_nodes);
    rk_value x = ops_input(c, RK_F32, w->n_x, w->d, w->x);
    rk_value rows = ops_input(c, RK_F32, w->b.capacity, w->d, w->rows);
    rk_value in[11] = {graph.offsets, graph.columns, graph.scale, x, set.map, rows};
    rk_attr attr = {.weight = {alpha, added_weight}};
    switch (w->what) {
    case ALL:
        return rk__propagate(p, graph, x, alpha);
    case HALVES:
        return rk__propagate(p, graph, rk__narrow(p, x), alpha);
    case ROWS:
        return rk__propagate_rows(p, graph, x, set, alpha);
    case FROM_ROWS:
        return rk__propagate_from_rows(p, graph, x, set, alpha);
    case ADDED:
        return ops_append(c, RK_OP_PROPAGATE, in, 6, attr);
    case FROM_ADDED:
        return ops_append(c, RK_OP_PROPAGATE_FROM_ROWS, in, 6, attr);
    default:
        break;
    }
    const int64_t n = w->g.n_nodes;
    in[5] = ops_variable(c, RK_F32, n, w->d, w->table);
    in[6] = ops_variable(c, RK_F32, n, w->d, NULL);
    in[7] = ops_variable(c, RK_F32, n, w->d, NULL);
    in[8] = ops_append(c, RK_OP_ADAM_RATES, &state, 1, (rk_attr){.adam = adam});
    in[9] = RK_NONE;
    in[10] = rows;
    attr = (rk_attr){.update = {.weight = {alpha, added_weight}, .adam = adam}};
    ops_append(c, w->what == ADAM ? RK_OP_PROPAGATE_ADAM : RK_OP_PROPAGATE_FROM_ROWS_ADAM, in, 11,
               attr);
    return in[5];
}

static void propagate_on(form what, int i, int64_t d)
{
    ops_random r = {(uint64_t)(i * 1000 + d)};
    world w = {.what = what, .d = d};
    ops_case *c = w.c = ops_begin("%s of a drawn graph %d, width %d", form_names[what], i, (int)d);
    const struct graph_shape *s = &graph_shapes[i];
    const rk_drop_attr attr = {.ratio = i % 2 ? 0.3 : 0.5, .view = 1};
    int64_t ignored = 0;
    w.g = ops_make_graph(c, s->users, s->items, s->chance, &r);
    w.drawn = drawn_graph(c, &w.g, &first_epoch, attr, &ignored);
    w.b = ops_make_batch(c, s->users, s->items, 5, 1, d % 2 ? 5 : 3, &r);
    w.n_x = is_from(what) ? w.b.capacity : w.g.n_nodes;
    w.x = ops_reals(c, w.n_x * d, &r);
    w.rows = ops_reals(c, w.b.capacity * d, &r);
    w.table = ops_reals(c, w.g.n_nodes * d, &r);
    w.sum = ops_doubles(c, w.g.n_nodes * d);
    w.size = ops_doubles(c, w.g.n_nodes * d);
    expect_sums(&w);
    if (what == ADAM || what == FROM_ADAM) {
        expect_update(&w);
    }
    double *sum = w.sum, *size = w.size;
    if (what == ROWS) {
        sum = ops_doubles(c, w.b.capacity * d);
        size = ops_doubles(c, w.b.capacity * d);
        for (int64_t k = 0; k < w.b.count * d; k++) {
            sum[k] = w.sum[w.b.rows[k / d] * d + k % d];
            size[k] = w.size[w.b.rows[k / d] * d + k % d];
        }
    }
    rk_value state = ops_variable(c, RK_STATE, 1, 1, &first_epoch);
    rk_graph_values graph = rk__drop_edges(ops_program(c), ops_graph_inputs(c, &w.g), state, attr);
    rk_value y = append_propagation(&w, graph, state);
    ops_expect_reals(c, y, sum, size, what == HALVES ? 0x1p-11 + 4e-6 : 4e-6);
    ops_run(c, 1);
}

static void in_form(form what)
{
    static const int64_t widths[] = {1, 3, 8, 20};
    for (int i = 0; i < N_GRAPHS; i++) {
        for (size_t k = 0; k < sizeof widths / sizeof widths[0]; k++) {
            propagate_on(what, i, widths[k]);
        }
    }
}

static void propagate(void)
{
    in_form(ALL);
    in_form(HALVES);
    in_form(ADDED);
}

static void propagate_rows(void)
{
    in_form(ROWS);
}

static void propagate_from_rows(void)
{
    in_form(FROM_ROWS);
    in_form(FROM_ADDED);
}

static void propagate_adam(void)
{
    in_form(ADAM);
}

static void propagate_from_rows_adam(void)
{
    in_form(FROM_ADAM);
}

const ops_entry ops_cases_edges[] = {
    {RK_OP_DROP_EDGES, drop_edges},
    {RK_OP_PROPAGATE, propagate},
    {RK_OP_PROPAGATE_ROWS, propagate_rows},
    {RK_OP_PROPAGATE_FROM_ROWS, propagate_from_rows},
    {RK_OP_PROPAGATE_ADAM, propagate_adam},
    {RK_OP_PROPAGATE_FROM_ROWS_ADAM, propagate_from_rows_adam},
    {RK_OP_COUNT, NULL},
};
